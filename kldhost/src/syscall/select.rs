//! select(2).

use super::Process;
use super::poll::Waiting;
use crate::abi::errno::Errno;
use crate::abi::syscall::{
    FD_SETSIZE, Fd, FdSet, POLLERR, POLLHUP, POLLRDBAND, POLLRDNORM, POLLWRNORM,
};
use crate::kern::thread::Thread;
use crate::kern::timeout::Timeout;
use crate::machine::sync::Duration;

/// The events of each set: read, write, except.
const EVENTS: [i16; 3] = [
    POLLRDNORM | POLLHUP | POLLERR,
    POLLWRNORM | POLLHUP | POLLERR,
    POLLRDBAND | POLLERR,
];

type Sets = [FdSet; 3];

impl Process {
    /// select(2). Returns how many bits are left set in the sets.
    ///
    /// # Errors
    ///
    /// EBADF: a bit is set whose descriptor is not open. EINVAL: `nfds` is negative, or more than
    /// `FD_SETSIZE`. EINTR: it is never restarted. After an error, the sets are unchanged.
    pub fn select(
        &self,
        nfds: i32,
        read: Option<&mut FdSet>,
        write: Option<&mut FdSet>,
        except: Option<&mut FdSet>,
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        let mut given = [read, write, except];
        let wanted = [0, 1, 2].map(|set| given[set].as_deref().copied().unwrap_or(FdSet::EMPTY));
        if !(0..=FD_SETSIZE as i32).contains(&nfds) {
            return Err(Errno::EINVAL);
        }
        let timeout = Timeout::after(timeout);
        let found = self.call("select", |td| self.select_until(td, nfds, &wanted, timeout))?;
        for (set, found) in given.iter_mut().zip(&found) {
            if let Some(set) = set {
                **set = *found;
            }
        }
        Ok(count(&found))
    }

    fn select_until(
        &self,
        td: &Thread,
        nfds: Fd,
        wanted: &Sets,
        timeout: Timeout,
    ) -> Result<Sets, Errno> {
        let end = self.proc().files.lock().end();
        if (end..nfds).any(|fd| wanted.iter().any(|set| set.contains(fd))) {
            return Err(Errno::EBADF);
        }
        let mut waiting = Waiting::new(td);
        let mut found = [FdSet::EMPTY; 3];
        loop {
            waiting.scan_again();
            for fd in 0..nfds.min(end) {
                self.select_one(&mut waiting, fd, wanted, &mut found)?;
            }
            if count(&found) > 0 {
                return Ok(found);
            }
            match waiting.wait(timeout) {
                Ok(fired) => {
                    for fd in fired {
                        self.select_one(&mut waiting, fd as Fd, wanted, &mut found)?;
                    }
                }
                Err(Errno::EWOULDBLOCK) => return Ok(found),
                Err(error) => return Err(error),
            }
            if count(&found) > 0 {
                return Ok(found);
            }
        }
    }

    fn select_one(
        &self,
        waiting: &mut Waiting<'_>,
        fd: Fd,
        wanted: &Sets,
        found: &mut Sets,
    ) -> Result<(), Errno> {
        let asked = wanted
            .iter()
            .zip(EVENTS)
            .filter(|(set, _)| set.contains(fd));
        let events = asked.fold(0, |events, (_, of_set)| events | of_set);
        if events == 0 {
            return Ok(());
        }
        let revents = waiting.poll(&*self.file(fd)?, fd as usize, events)?;
        for ((set, of_set), found) in wanted.iter().zip(EVENTS).zip(found) {
            if set.contains(fd) && revents & of_set != 0 {
                found.insert(fd);
            }
        }
        Ok(())
    }
}

fn count(sets: &Sets) -> usize {
    sets.iter()
        .flat_map(|set| set.0)
        .map(|word| word.count_ones() as usize)
        .sum()
}
