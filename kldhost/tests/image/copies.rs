//! Copies that may fault.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use kldhost::fault::{self, Fault};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

const PAGE: usize = 4096;

/// Three pages, of which the one in the middle cannot be touched.
fn pages_with_a_hole() -> *mut u8 {
    let length = NonZeroUsize::new(3 * PAGE).unwrap();
    // SAFETY: a new mapping, and a page of it.
    unsafe {
        let start = mmap_anonymous(
            None,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_PRIVATE,
        );
        let start: NonNull<u8> = start.unwrap().cast();
        mprotect(start.add(PAGE).cast(), PAGE, ProtFlags::PROT_NONE).unwrap();
        start.as_ptr()
    }
}

/// A long copy, a short one, and one of a few bytes. Each uses different instructions.
#[test]
fn copies_fault_at_each_byte() {
    fault::install();
    let pages = pages_with_a_hole();
    for length in [80, 21, 8, 5] {
        // Up to the hole from below, and out of it from above.
        let starts = (PAGE - length - 8..PAGE + 8).chain(2 * PAGE - 8..2 * PAGE + 8);
        starts.for_each(|start| assert_copies(pages, start, length));
    }
}

/// Copies to the pages and back. If a copy faults, the bytes that were copied must be right, and
/// before the hole.
fn assert_copies(pages: *mut u8, start: usize, length: usize) {
    let ours: Vec<u8> = (1..=length as u8).collect();
    let mut back = vec![0; length];
    // SAFETY: the range is in the three pages, to which there are no references, or faults. The
    // vectors are local.
    let (written, read) = unsafe {
        let user = pages.add(start);
        (
            fault::copy_user(user, ours.as_ptr(), length),
            fault::copy_user(back.as_mut_ptr(), user, length),
        )
    };
    let copied = back.iter().take_while(|&&byte| byte != 0).count();
    assert_eq!(back[..copied], ours[..copied]);
    assert!(back[copied..].iter().all(|&byte| byte == 0));
    let good = start + length <= PAGE || start >= 2 * PAGE;
    let expected = if good { Ok(()) } else { Err(Fault) };
    assert_eq!(
        (written, read),
        (expected, expected),
        "{length} bytes at {start}"
    );
    let most = if good {
        length
    } else {
        PAGE.saturating_sub(start)
    };
    assert!(
        copied <= most && (copied == length) == good,
        "{length} bytes at {start}: {copied} copied"
    );
}

#[test]
fn copies_of_nothing_never_fault() {
    fault::install();
    // SAFETY: no byte is touched.
    let copied = unsafe { fault::copy_user(std::ptr::null_mut(), std::ptr::null(), 0) };
    assert_eq!(copied, Ok(()));
}

#[test]
fn addresses_that_no_process_has() {
    fault::install();
    for bad in [0, 8, 0xffff_ffff_8000_0000, 0x8000_0000_0000, usize::MAX] {
        let mut byte = 1u8;
        // SAFETY: `byte` is local. Nothing is mapped at the other address.
        let copied = unsafe {
            let user = bad as *mut u8;
            (
                fault::copy_user(&mut byte, user, 1),
                fault::copy_user(user, &byte, 1),
            )
        };
        assert_eq!(copied, (Err(Fault), Err(Fault)), "{bad:#x}");
    }
}
