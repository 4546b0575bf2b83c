//! The system calls as methods. If a case may expect an error, the method returns it. For calls
//! that have to succeed (`open`, `close`, `size`, ...), an error is a failure of the case.

use super::{Process, bytes, count, done, events, must, number, polled, revents, selected};
use crate::abi::{ECHODEV_CLEAR, ECHODEV_GBUFSIZE, ECHODEV_SBUFSIZE, FIONREAD, FIONWRITE};
use crate::call::{Call, From, Into};
use crate::check::Outcome;
use crate::sys::{Disposition, Fd, FdSets, Kevent, PollFd, Result, Timeout};
use alloc::vec::Vec;

impl Process {
    /// open(2) of the device, which must succeed.
    #[track_caller]
    pub fn open(&mut self, flags: i32) -> Outcome<Fd> {
        must("open", self.try_open(flags)?)
    }

    /// open(2) of the device.
    #[track_caller]
    pub fn try_open(&mut self, flags: i32) -> Outcome<Result<Fd>> {
        Ok(number(self.call(Call::Open { flags })?)?.map(|n| n as Fd))
    }

    /// close(2), which must succeed.
    #[track_caller]
    pub fn close(&mut self, fd: Fd) -> Outcome {
        must("close", self.try_close(fd)?)
    }

    /// close(2)
    #[track_caller]
    pub fn try_close(&mut self, fd: Fd) -> Outcome<Result<()>> {
        done(self.call(Call::Close { fd })?)
    }

    /// dup(2), which must succeed.
    #[track_caller]
    pub fn dup(&mut self, fd: Fd) -> Outcome<Fd> {
        Ok(must("dup", number(self.call(Call::Dup { fd })?)?)? as Fd)
    }

    /// dup2(2), which must succeed.
    #[track_caller]
    pub fn dup2(&mut self, from: Fd, onto: Fd) -> Outcome {
        must("dup2", number(self.call(Call::Dup2 { from, onto })?)?)?;
        Ok(())
    }

    /// read(2) of up to `len` bytes.
    #[track_caller]
    pub fn read(&mut self, fd: Fd, len: usize) -> Outcome<Result<Vec<u8>>> {
        bytes(self.call(Call::read(fd, len))?)
    }

    /// read(2) into a buffer that may be out of reach.
    #[track_caller]
    pub fn read_into(&mut self, fd: Fd, into: Into) -> Outcome<Result<Vec<u8>>> {
        bytes(self.call(Call::Read { fd, into })?)
    }

    /// readv(2)
    #[track_caller]
    pub fn readv(&mut self, fd: Fd, into: Vec<Into>) -> Outcome<Result<Vec<u8>>> {
        bytes(self.call(Call::Readv { fd, into })?)
    }

    /// pread(2)
    #[track_caller]
    pub fn pread(&mut self, fd: Fd, len: usize, offset: i64) -> Outcome<Result<Vec<u8>>> {
        bytes(self.call(Call::Pread {
            fd,
            into: Into::all(len),
            offset,
        })?)
    }

    /// write(2)
    #[track_caller]
    pub fn write(&mut self, fd: Fd, data: &[u8]) -> Outcome<Result<usize>> {
        count(self.call(Call::write(fd, data))?)
    }

    /// write(2) from a buffer that may be out of reach.
    #[track_caller]
    pub fn write_from(&mut self, fd: Fd, from: From) -> Outcome<Result<usize>> {
        count(self.call(Call::Write { fd, from })?)
    }

    /// writev(2)
    #[track_caller]
    pub fn writev(&mut self, fd: Fd, from: Vec<From>) -> Outcome<Result<usize>> {
        count(self.call(Call::Writev { fd, from })?)
    }

    /// pwrite(2)
    #[track_caller]
    pub fn pwrite(&mut self, fd: Fd, data: &[u8], offset: i64) -> Outcome<Result<usize>> {
        count(self.call(Call::Pwrite {
            fd,
            from: From::all(data),
            offset,
        })?)
    }

    /// ioctl(2); returns the argument afterwards.
    #[track_caller]
    pub fn ioctl(&mut self, fd: Fd, request: u64, arg: From) -> Outcome<Result<Vec<u8>>> {
        bytes(self.call(Call::Ioctl { fd, request, arg })?)
    }

    /// ioctl(2) with an int.
    #[track_caller]
    pub fn ioctl_int(&mut self, fd: Fd, request: u64, arg: i32) -> Outcome<Result<i32>> {
        let result = self.ioctl(fd, request, From::all(&arg.to_ne_bytes()))?;
        Ok(result.map(|bytes| i32::from_ne_bytes(bytes.try_into().unwrap_or_default())))
    }

    /// ECHODEV_GBUFSIZE, which must succeed: the buffer's size.
    #[track_caller]
    pub fn size(&mut self, fd: Fd) -> Outcome<u64> {
        let bytes = must(
            "ECHODEV_GBUFSIZE",
            self.ioctl(fd, ECHODEV_GBUFSIZE, From::all(&[0xff; 8]))?,
        )?;
        Ok(u64::from_ne_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// ECHODEV_SBUFSIZE
    #[track_caller]
    pub fn try_resize(&mut self, fd: Fd, size: u64) -> Outcome<Result<()>> {
        Ok(self
            .ioctl(fd, ECHODEV_SBUFSIZE, From::all(&size.to_ne_bytes()))?
            .map(|_| ()))
    }

    /// ECHODEV_SBUFSIZE, which must succeed.
    #[track_caller]
    pub fn resize(&mut self, fd: Fd, size: u64) -> Outcome {
        must("ECHODEV_SBUFSIZE", self.try_resize(fd, size)?)
    }

    /// ECHODEV_CLEAR
    #[track_caller]
    pub fn try_clear(&mut self, fd: Fd) -> Outcome<Result<()>> {
        Ok(self.ioctl(fd, ECHODEV_CLEAR, From::all(&[]))?.map(|_| ()))
    }

    /// ECHODEV_CLEAR, which must succeed.
    #[track_caller]
    pub fn clear(&mut self, fd: Fd) -> Outcome {
        must("ECHODEV_CLEAR", self.try_clear(fd)?)
    }

    /// FIONREAD, which must succeed: bytes that can be read.
    #[track_caller]
    pub fn held(&mut self, fd: Fd) -> Outcome<i32> {
        must("FIONREAD", self.ioctl_int(fd, FIONREAD, -1)?)
    }

    /// FIONWRITE, which must succeed: bytes of room.
    #[track_caller]
    pub fn room(&mut self, fd: Fd) -> Outcome<i32> {
        must("FIONWRITE", self.ioctl_int(fd, FIONWRITE, -1)?)
    }

    /// fcntl(2), F_GETFL, which must succeed.
    #[track_caller]
    pub fn flags(&mut self, fd: Fd) -> Outcome<i32> {
        Ok(must("F_GETFL", number(self.call(Call::GetFlags { fd })?)?)? as i32)
    }

    /// fcntl(2), F_SETFL
    #[track_caller]
    pub fn try_set_flags(&mut self, fd: Fd, flags: i32) -> Outcome<Result<()>> {
        done(self.call(Call::SetFlags { fd, flags })?)
    }

    /// fcntl(2), F_SETFL, which must succeed.
    #[track_caller]
    pub fn set_flags(&mut self, fd: Fd, flags: i32) -> Outcome {
        must("F_SETFL", self.try_set_flags(fd, flags)?)
    }

    /// poll(2) of one descriptor without waiting. Returns its events.
    #[track_caller]
    pub fn poll(&mut self, fd: Fd, events: i16) -> Outcome<Result<i16>> {
        revents(self.call(Call::poll(fd, events, Some(0)))?)
    }

    /// poll(2)
    #[track_caller]
    pub fn poll_all(&mut self, fds: Vec<PollFd>, timeout: Timeout) -> Outcome<Result<Vec<PollFd>>> {
        polled(self.call(Call::Poll { fds, timeout })?)
    }

    /// select(2)
    #[track_caller]
    pub fn select(&mut self, sets: FdSets, timeout: Timeout) -> Outcome<Result<FdSets>> {
        selected(self.call(Call::Select { sets, timeout })?)
    }

    /// kqueue(2), which must succeed.
    #[track_caller]
    pub fn kqueue(&mut self) -> Outcome<Fd> {
        Ok(must("kqueue", number(self.call(Call::Kqueue)?)?)? as Fd)
    }

    /// kqueuex(2) with `KQUEUE_CPONFORK`, which must succeed.
    #[track_caller]
    pub fn kqueue_cponfork(&mut self) -> Outcome<Fd> {
        Ok(must("kqueuex", number(self.call(Call::KqueueCponfork)?)?)? as Fd)
    }

    /// The events that the kqueues of process `pid` wait for, which must succeed.
    #[track_caller]
    pub fn report_kqueues(&mut self, pid: i32) -> Outcome<Vec<Kevent>> {
        must(
            "kern.proc.kq",
            events(self.call(Call::ReportKqueues { pid })?)?,
        )
    }

    /// kevent(2) that changes one entry and asks for no event.
    #[track_caller]
    pub fn change(&mut self, kq: Fd, change: Kevent) -> Outcome<Result<()>> {
        let reply = self.call(Call::Kevent {
            kq,
            changes: alloc::vec![change],
            max: 0,
            timeout: Some(0),
        })?;
        Ok(events(reply)?.map(|_| ()))
    }

    /// kevent(2) without waiting, which must succeed. Returns at most `max` events.
    #[track_caller]
    pub fn events(&mut self, kq: Fd, max: usize) -> Outcome<Vec<Kevent>> {
        let reply = self.call(Call::Kevent {
            kq,
            changes: Vec::new(),
            max,
            timeout: Some(0),
        })?;
        must("kevent", events(reply)?)
    }

    /// sigaction(2) with a handler, which must succeed.
    #[track_caller]
    pub fn catch(&mut self, signal: i32, restart: bool) -> Outcome {
        self.sigaction(signal, Disposition::Catch { restart })
    }

    /// sigaction(2), which must succeed.
    #[track_caller]
    pub fn sigaction(&mut self, signal: i32, to: Disposition) -> Outcome {
        must(
            "sigaction",
            done(self.call(Call::Sigaction { signal, to })?)?,
        )
    }

    /// The number of times that a handler ran for `signal`.
    #[track_caller]
    pub fn caught(&mut self, signal: i32) -> Outcome<i64> {
        must("caught", number(self.call(Call::Caught { signal })?)?)
    }

    /// revoke(2) of the device, which must succeed.
    #[track_caller]
    pub fn revoke(&mut self) -> Outcome {
        must("revoke", done(self.call(Call::Revoke)?)?)
    }

    /// kldload(2) of the module.
    #[track_caller]
    pub fn kldload(&mut self) -> Outcome<Result<i32>> {
        Ok(number(self.call(Call::Kldload)?)?.map(|n| n as i32))
    }

    /// kldunload(2)
    #[track_caller]
    pub fn kldunload(&mut self, id: i32) -> Outcome<Result<()>> {
        done(self.call(Call::Kldunload { id })?)
    }
}
