//! The table of a filter, `struct filterops`, as the kernel of a release reads it.
//!
//! The table is the module's, and the kernel trusts it: it reads each member where it needs it, up
//! to the last moment of a knote. A later release of the same line reads more members, which a
//! module of an earlier one was not compiled with: so zeroes must follow each table.

use std::mem::offset_of;

use super::{Note, NotePtr};
use crate::abi::layout::Filterops;
use crate::abi::release::Release;
use crate::dev::Dev;
use crate::kern::Kern;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::fault::copy_user;
use crate::machine::sync::Mutex;

/// The value of `kn_fop` until d_kqfilter of the device has set it, `file_filtops`.
static FILE_FILTOPS: Filterops = Filterops {
    f_isfd: 1,
    f_attach: 0,
    f_detach: 0,
    f_event: 0,
    f_touch: 0,
    f_userdump: 0,
    f_copy: 0,
};

/// A member of the table.
#[derive(Clone, Copy)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    offset: usize,
    size: usize,
}

macro_rules! members {
    ($($constant:ident = $field:ident, $size:expr;)*) => {
        $(#[doc = concat!("`", stringify!($field), "`")]
        pub const $constant: Member =
            Member { name: stringify!($field), offset: offset_of!(Filterops, $field), size: $size };)*
    };
}

members! {
    ISFD = f_isfd, 4;
    DETACH = f_detach, WORD;
    EVENT = f_event, WORD;
    USERDUMP = f_userdump, WORD;
    COPY = f_copy, WORD;
}

const WORD: usize = size_of::<usize>();
/// The number of words after the first release's table that must be zero.
const TAIL: usize = 8;

/// Bytes of the table in the first release of the line, for which its modules are compiled.
fn first_table(release: Release) -> usize {
    if release < Release::V15_0 {
        USERDUMP.offset
    } else {
        COPY.offset
    }
}

/// The name of the method that the kernel calls at this word of a table, if it calls one.
fn reads(release: Release, offset: usize) -> Option<&'static str> {
    let read = [
        (USERDUMP, release.reports_kqueues()),
        (COPY, release.copies_kqueues()),
    ];
    read.iter()
        .find(|(member, reads)| member.offset == offset && *reads)
        .map(|(member, _)| member.name)
}

/// The tables to which knotes refer, with the number of knotes. A knote refers to its table until
/// the kernel has read it for the last time. This is after the knote was removed from every list.
#[derive(Default)]
pub struct Tables(Mutex<Vec<(usize, usize)>>);

impl Tables {
    /// Whether one satisfies `ours`.
    pub fn any(&self, ours: impl Fn(usize) -> bool) -> bool {
        self.0.lock().iter().any(|&(table, _)| ours(table))
    }

    /// One more knote refers to its table.
    pub fn hold(&self, note: NotePtr) {
        let table = address(note);
        // SAFETY: the caller has the knote in flux.
        unsafe { (*note).table = table };
        let mut tables = self.0.lock();
        match tables.iter_mut().find(|(known, _)| *known == table) {
            Some((_, count)) => *count += 1,
            None => tables.push((table, 1)),
        }
    }

    /// The knote no longer refers to its table, if it did.
    pub fn release(&self, note: &Note) {
        let mut tables = self.0.lock();
        tables.retain_mut(|(table, count)| {
            *count -= usize::from(*table == note.table);
            *count != 0
        });
    }
}

/// `kn_fop`. A d_kqfilter may be about to set it.
fn address(note: NotePtr) -> usize {
    // SAFETY: the caller keeps the knote alive.
    unsafe { (&raw const (*note).kn.kn_fop).read_volatile() }.addr()
}

/// Makes `file_filtops` the knote's table.
pub fn set_file_filtops(note: NotePtr) {
    // SAFETY: the knote is not reachable from elsewhere.
    unsafe { (*note).kn.kn_fop = &raw const FILE_FILTOPS };
}

/// Whether d_kqfilter has left that table in place.
pub fn is_file_filtops(note: NotePtr) -> bool {
    address(note) == (&raw const FILE_FILTOPS).addr()
}

/// Reads a member of the knote's table.
pub fn read(td: &Thread, note: NotePtr, member: Member) -> Result<usize, Stop> {
    let table = address(note);
    let mut word = 0usize;
    // SAFETY: `word` is local. The table is the module's, and may be at any address.
    let copied = unsafe {
        copy_user(
            (&raw mut word).cast(),
            (table + member.offset) as *const u8,
            member.size,
        )
    };
    copied.map_err(|_| unreadable(td, table, member.name))?;
    Ok(word)
}

/// The table must still be there.
fn check_present(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    let (kernel, table) = (td.kernel(), address(note));
    if is_file_filtops(note)
        || kernel.is_in_module(table)
        || kernel
            .with_memory(table, first_table(kernel.release), |_| ())
            .is_some()
    {
        return Ok(());
    }
    let module = kernel.unloaded(table);
    let place = if module.is_some() {
        "the unloaded module"
    } else {
        "memory that is not in use"
    };
    Err(td.misuse_at(
        table,
        "knote_drop",
        format!("kn_fop points into {place}"),
        module,
    ))
}

/// Reads f_isfd, which must not be 0: the knotes here are all of descriptors.
pub fn check_isfd(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    check_present(td, note)?;
    if read(td, note, ISFD)? != 0 {
        return Ok(());
    }
    let table = address(note);
    Err(td.misuse_at(
        0,
        ISFD.name,
        "the table is not that of a filter of descriptors",
        table_name(td, table),
    ))
}

/// Checks a table that d_kqfilter has set. The words after it must be zeroes, except for members
/// that this release has.
pub fn check_new(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    check_isfd(td, note)?;
    let (kernel, table) = (td.kernel(), address(note));
    let first = first_table(kernel.release);
    let mut tail = [0usize; TAIL];
    // SAFETY: `tail` is local. The memory after the table may be anything.
    let copied = unsafe {
        copy_user(
            tail.as_mut_ptr().cast(),
            (table + first) as *const u8,
            size_of_val(&tail),
        )
    };
    copied.map_err(|_| unreadable(td, table, "the members that later releases have"))?;
    for (number, word) in tail.into_iter().enumerate().filter(|(_, word)| *word != 0) {
        let offset = first + number * WORD;
        let message = match reads(kernel.release, offset) {
            Some(_) if is_code(kernel, word) => continue,
            Some(name) => format!(
                "the word at {offset} of the table is {word:#x}, which this kernel calls as {name}"
            ),
            None => format!(
                "the word at {offset} of the table is {word:#x}, which a later kernel of this line calls: \
                 struct filterops grows, so zeroes must follow it"
            ),
        };
        return Err(td.misuse_at(0, "d_kqfilter", message, table_name(td, table)));
    }
    Ok(())
}

fn unreadable(td: &Thread, table: usize, what: &str) -> Stop {
    let message = format!("page fault: the kernel reads {what} of a filter's table at {table:#x}");
    td.misuse_at(0, "struct filterops", message, table_name(td, table))
}

/// The name of the table, by symbol, or by the memory that it is in.
fn table_name(td: &Thread, table: usize) -> Option<String> {
    td.kernel()
        .symbolize(table)
        .or_else(|| td.kernel().block_name(table))
}

/// Whether an address in a table may be that of a function.
fn is_code(kern: &Kern, addr: usize) -> bool {
    kern.symbolize(addr).is_some() || Dev::of(kern).knote_triv_copy == Some(addr)
}
