//! Core files, their directory and their contents.

use crate::freebsd::files::{self, Iovec};
use crate::freebsd::{kinfo, mapping, mount, sysctl};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use suite::abi::O_RDONLY;
use suite::sys::Kevent;

const DIRECTORY: &CStr = c"/tmp";
const FILE: &CStr = c"/tmp/core";

/// Makes a file system for core files. This process and its later children then write them without
/// the memory `heap`, given as start and length. The error is a message.
pub fn set_up(heap: (usize, usize)) -> Result<(), String> {
    mount::tmpfs(DIRECTORY).map_err(|error| format!("no tmpfs(5) in the kernel: {error}"))?;
    let name = FILE.to_str().unwrap_or_default();
    sysctl::set_string("kern.corefile", name).map_err(|error| format!("kern.corefile: {error}"))?;
    mapping::not_in_cores(heap.0, heap.1).map_err(|error| format!("madvise: {error}"))
}

/// The latest core file. It is removed.
pub fn take() -> suite::sys::Result<Vec<u8>> {
    let len = files::len(FILE)?;
    let fd = files::open(FILE, O_RDONLY)?;
    let mut file = vec![0; len];
    let into = Iovec {
        base: file.as_mut_ptr() as usize,
        len,
    };
    // SAFETY: the bytes of `file`, which nothing else uses.
    let read = unsafe { files::read(fd, into) };
    files::close(fd)?;
    file.truncate(read?);
    files::unlink(FILE)?;
    Ok(file)
}

/// The types and data of the notes of a core file. `None` if it is not a core file.
pub fn notes(core: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    const ET_CORE: u16 = 4;
    const PT_NOTE: u32 = 4;
    const PHDR: usize = 56;
    let half = |at: usize| Some(u16::from_le_bytes(*core.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*core.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*core.get(at..)?.first_chunk()?) as usize);
    if !core.starts_with(b"\x7fELF") || half(16)? != ET_CORE {
        return None;
    }
    let mut notes = Vec::new();
    for i in 0..usize::from(half(56)?) {
        let header = long(32)? + i * PHDR;
        if word(header)? != PT_NOTE {
            continue;
        }
        let mut at = long(header + 8)?;
        let end = at + long(header + 32)?;
        while at < end {
            let (name, len, kind) = (word(at)? as usize, word(at + 4)? as usize, word(at + 8)?);
            let data = at + 12 + name.next_multiple_of(4);
            notes.push((kind, core.get(data..data + len)?));
            at = data + len.next_multiple_of(4);
        }
    }
    Some(notes)
}

/// The events in the note about kqueues, if there is one.
pub fn kqueues(notes: &[(u32, &[u8])]) -> Option<Vec<Kevent>> {
    const NT_PROCSTAT_KQUEUES: u32 = 18;
    let (_, data) = notes.iter().find(|note| note.0 == NT_PROCSTAT_KQUEUES)?;
    // The size of one record comes first.
    Some(kinfo::knotes(data.get(4..)?))
}
