//! The code that runs in each process of a case, and turns a [`Call`] into system calls.

use crate::bulk;
use crate::call::{Call, From, Into, Reply, Value};
use crate::sys::{Memory, Sys};
use alloc::vec::Vec;

/// Makes `call` and returns its outcome.
pub fn perform<S: Sys>(sys: &mut S, call: Call) -> Reply {
    let value = match call {
        Call::Open { flags } => number(sys.open(flags)?),
        Call::Close { fd } => done(sys.close(fd)?),
        Call::Dup { fd } => number(sys.dup(fd)?),
        Call::Dup2 { from, onto } => number(sys.dup2(from, onto)?),
        Call::Read { fd, into } => {
            let mut memory = target(sys, &into);
            let n = sys.read(fd, &mut memory)?;
            received(&[memory], n)
        }
        Call::Readv { fd, into } => {
            let mut memory: Vec<S::Memory> = into.iter().map(|into| target(sys, into)).collect();
            let n = sys.readv(fd, &mut memory)?;
            received(&memory, n)
        }
        Call::Pread { fd, into, offset } => {
            let mut memory = target(sys, &into);
            let n = sys.pread(fd, &mut memory, offset)?;
            received(&[memory], n)
        }
        Call::Write { fd, from } => {
            let memory = source(sys, &from);
            count(sys.write(fd, &memory)?)
        }
        Call::Writev { fd, from } => {
            let memory: Vec<S::Memory> = from.iter().map(|from| source(sys, from)).collect();
            count(sys.writev(fd, &memory)?)
        }
        Call::Pwrite { fd, from, offset } => {
            let memory = source(sys, &from);
            count(sys.pwrite(fd, &memory, offset)?)
        }
        Call::Ioctl { fd, request, arg } => {
            let mut memory = source(sys, &arg);
            sys.ioctl(fd, request, &mut memory)?;
            Value::Bytes(memory.get())
        }
        Call::GetFlags { fd } => number(sys.get_flags(fd)?),
        Call::SetFlags { fd, flags } => done(sys.set_flags(fd, flags)?),
        Call::Poll { mut fds, timeout } => {
            sys.poll(&mut fds, timeout)?;
            Value::Polled(fds)
        }
        Call::Select { mut sets, timeout } => {
            sys.select(&mut sets, timeout)?;
            Value::Selected(sets)
        }
        Call::Kqueue => number(sys.kqueue()?),
        Call::KqueueCponfork => number(sys.kqueue_cponfork()?),
        Call::ReportKqueues { pid } => Value::Events(sys.report_kqueues(pid)?),
        Call::Kevent {
            kq,
            changes,
            max,
            timeout,
        } => Value::Events(sys.kevent(kq, &changes, max, timeout)?),
        Call::Sigaction { signal, to } => done(sys.sigaction(signal, to)?),
        Call::Caught { signal } => Value::Number(sys.caught(signal).into()),
        Call::Revoke => done(sys.revoke()?),
        Call::Kldload => number(sys.kldload()?),
        Call::Kldunload { id } => done(sys.kldunload(id)?),
        Call::Pour {
            fd,
            writer,
            total,
            chunk,
        } => Value::Poured(bulk::pour(sys, fd, writer, total, chunk)),
        Call::Drain { fd, chunk } => Value::Drained(bulk::drain(sys, fd, chunk)),
    };
    Ok(value)
}

fn target<S: Sys>(sys: &mut S, into: &Into) -> S::Memory {
    sys.memory(into.len, into.reach)
}

fn source<S: Sys>(sys: &mut S, from: &From) -> S::Memory {
    let mut memory = sys.memory(from.bytes.len(), from.reach);
    memory.set(&from.bytes);
    memory
}

fn received<M: Memory>(memory: &[M], n: usize) -> Value {
    let mut bytes: Vec<u8> = memory.iter().flat_map(Memory::get).collect();
    bytes.truncate(n);
    Value::Bytes(bytes)
}

fn done((): ()) -> Value {
    Value::Done
}

fn number(n: i32) -> Value {
    Value::Number(n.into())
}

fn count(n: usize) -> Value {
    // A count is at most SSIZE_MAX, as the system call returned it.
    Value::Number(n as i64)
}
