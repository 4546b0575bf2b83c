//! Processes and signals.

use super::raw::{Result, syscall};
use core::sync::atomic::{AtomicU32, Ordering};
use suite::errno::{EINVAL, Errno};
use suite::host::Pid;
use suite::sys::Disposition;

const SYS_EXIT: usize = 1;
const SYS_FORK: usize = 2;
const SYS_WAIT4: usize = 7;
const SYS_GETPID: usize = 20;
const SYS_KILL: usize = 37;
const SYS_SETPGID: usize = 82;
const SYS_SETPRIORITY: usize = 96;
const SYS_RTPRIO: usize = 166;
const SYS_SIGACTION: usize = 416;
const SYS_CPUSET_SETAFFINITY: usize = 488;
const SYS_PROCCTL: usize = 544;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const SA_RESTART: i32 = 2;
const SIGNALS: usize = 128;
const WNOHANG: usize = 1;

/// The number of times that each signal was caught.
static CAUGHT: [AtomicU32; SIGNALS] = [const { AtomicU32::new(0) }; SIGNALS];

/// `struct sigaction`
#[repr(C)]
struct RawSigaction {
    handler: usize,
    flags: i32,
    mask: [u32; 4],
}

/// exit(2)
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: the process ends; nothing of it is used again.
        let _ = unsafe { syscall(SYS_EXIT, [status as usize]) };
    }
}

/// fork(2). Returns the child's process id, and `None` in the child.
pub fn fork() -> Result<Option<Pid>> {
    // SAFETY: the child is a copy of this process, which has one thread.
    let pid = unsafe { syscall(SYS_FORK, []) }? as Pid;
    Ok(if pid == 0 { None } else { Some(pid) })
}

/// Waits for the death of a child.
pub fn wait(pid: Pid) -> Result<()> {
    wait4(pid, 0).map(drop)
}

/// Reaps every dead process.
pub fn reap() {
    while wait4(-1, WNOHANG).is_ok_and(|pid| pid != 0) {}
}

fn wait4(pid: Pid, options: usize) -> Result<usize> {
    // SAFETY: without a pointer for the status, nothing is written.
    unsafe { syscall(SYS_WAIT4, [pid as isize as usize, 0, options, 0]) }
}

/// procctl(2). Makes this process the reaper of its descendants. Process 1 always is.
pub fn become_reaper() -> Result<()> {
    const P_PID: usize = 0;
    const PROC_REAP_ACQUIRE: usize = 2;
    // SAFETY: without data, nothing is read or written.
    unsafe {
        syscall(
            SYS_PROCCTL,
            [P_PID, getpid() as usize, PROC_REAP_ACQUIRE, 0],
        )
    }
    .map(drop)
}

/// getpid(2)
pub fn getpid() -> Pid {
    // SAFETY: does not touch memory.
    unsafe { syscall(SYS_GETPID, []) }.expect("getpid does not fail") as Pid
}

/// setpgid(2). Makes this process its own process group.
pub fn leave_group() -> Result<()> {
    // SAFETY: does not touch memory.
    unsafe { syscall(SYS_SETPGID, [0, 0]) }.map(drop)
}

/// kill(2)
pub fn kill(pid: Pid, signal: i32) -> Result<()> {
    // SAFETY: does not touch memory; the only handler is `count`.
    unsafe { syscall(SYS_KILL, [pid as usize, signal as usize]) }.map(drop)
}

/// setpriority(2) of this process, from -20 for the most processor time to 20 for the least.
pub fn nice(priority: i32) -> Result<()> {
    const PRIO_PROCESS: usize = 0;
    // SAFETY: does not touch memory.
    unsafe {
        syscall(
            SYS_SETPRIORITY,
            [PRIO_PROCESS, 0, priority as isize as usize],
        )
    }
    .map(drop)
}

/// rtprio(2). Makes this process run only while no other is runnable.
pub fn run_last() -> Result<()> {
    const RTP_SET: usize = 1;
    // `struct rtprio`: the class, and the priority in it.
    const RTP_PRIO_IDLE: [u16; 2] = [4, 0];
    // SAFETY: only reads the class.
    unsafe { syscall(SYS_RTPRIO, [RTP_SET, 0, RTP_PRIO_IDLE.as_ptr() as usize]) }.map(drop)
}

/// cpuset_setaffinity(2). Makes this process and its later children run only on the first
/// processor.
pub fn stay_on_first_processor() -> Result<()> {
    const CPU_LEVEL_WHICH: usize = 3;
    const CPU_WHICH_PID: usize = 2;
    /// `sizeof(cpuset_t)`, in 12 and 13, and since then.
    const SIZES: [usize; 2] = [32, 128];
    const ERANGE: Errno = Errno(34);
    let mut set = [0u8; SIZES[1]];
    set[0] = 1;
    let stay = |size: usize| {
        let arguments = [
            CPU_LEVEL_WHICH,
            CPU_WHICH_PID,
            usize::MAX,
            size,
            set.as_ptr() as usize,
        ];
        // SAFETY: only reads the set, which is as long as the longest.
        unsafe { syscall(SYS_CPUSET_SETAFFINITY, arguments) }.map(drop)
    };
    match stay(SIZES[0]) {
        Err(ERANGE) => stay(SIZES[1]),
        done => done,
    }
}

/// sigaction(2)
pub fn sigaction(signal: i32, to: Disposition) -> Result<()> {
    if !(1..SIGNALS as i32).contains(&signal) {
        return Err(EINVAL);
    }
    let (handler, flags) = match to {
        Disposition::Default => (SIG_DFL, 0),
        Disposition::Ignore => (SIG_IGN, 0),
        Disposition::Catch { restart } => (
            count as *const () as usize,
            if restart { SA_RESTART } else { 0 },
        ),
    };
    let action = RawSigaction {
        handler,
        flags,
        mask: [0; 4],
    };
    // SAFETY: only reads the action; its handler may run at any time.
    unsafe {
        syscall(
            SYS_SIGACTION,
            [signal as usize, &raw const action as usize, 0],
        )
    }
    .map(drop)
}

/// The number of times that `signal` was caught in this process.
pub fn caught(signal: i32) -> u32 {
    usize::try_from(signal)
        .ok()
        .and_then(|index| CAUGHT.get(index))
        .map_or(0, |count| count.load(Ordering::Relaxed))
}

/// Resets the counts, for a new process.
pub fn forget_caught() {
    for count in &CAUGHT {
        count.store(0, Ordering::Relaxed);
    }
}

/// The handler. The kernel's own code calls it, and returns from the signal after it.
extern "C" fn count(signal: i32) {
    if let Some(count) = usize::try_from(signal)
        .ok()
        .and_then(|index| CAUGHT.get(index))
    {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
