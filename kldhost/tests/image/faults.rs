//! Faults: copies that end in an error, modules that are caught, and everything else that ends as
//! it always did.

use std::cell::RefCell;
use std::env;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::elf::Ko;
use kldhost::fault::{self, FaultInfo, FaultKind};
use kldhost::image::Image;
use nix::sys::signal::{Signal, raise};

thread_local! {
    /// Where a fault on this thread is reported.
    static REPORT: RefCell<Option<Sender<FaultInfo>>> = const { RefCell::new(None) };
}

fn on_fault(fault: &FaultInfo) -> ! {
    REPORT.with_borrow(|report| report.as_ref().unwrap().send(*fault).unwrap());
    loop {
        thread::park();
    }
}

/// Loads a module of this machine code, with a `.data` that has `ret` at its start. Runs it from
/// `start`, on a thread with or without a GS base.
fn crash(code: &[u8], gs_base: bool) -> (Image, FaultInfo) {
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", code, 16);
    ko.function("start", text, 0);
    let data = ko.section(".data", "WA", &[0xc3], 16);
    ko.data("data", data, 0);
    let image = Image::load(&ko.finish(), &|_| None).unwrap();
    let start = image.symbol("start").unwrap();
    let data = image.symbol("data").unwrap();
    fault::install();
    fault::set_handler(on_fault);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        const ARCH_SET_GS: i32 = 0x1001;
        REPORT.set(Some(sender));
        // SAFETY: a GS base means nothing to Rust; the code faults before it does anything else.
        unsafe {
            if gs_base {
                libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, 1);
            }
            std::mem::transmute::<usize, extern "C" fn(usize)>(start)(data);
        }
        unreachable!("the module returned");
    });
    (image, receiver.recv().unwrap())
}

fn assert_crash(code: &[u8], at: usize, kind: FaultKind, addr: usize) {
    let (image, fault) = crash(code, false);
    let pc = image.symbolize(fault.pc);
    assert_eq!(
        (pc, fault.kind, fault.addr),
        (Some(("start".into(), at)), kind, addr)
    );
}

#[test]
fn a_module_reads_through_null() {
    // nop; mov 8, %eax
    assert_crash(&[0x90, 0x8b, 0x04, 0x25, 8, 0, 0, 0], 1, FaultKind::Read, 8);
}

#[test]
fn a_module_writes_to_its_text() {
    // mov %al, start(%rip)
    let (image, fault) = crash(&[0x88, 0x05, 0xfa, 0xff, 0xff, 0xff], false);
    let start = image.symbol("start").unwrap();
    assert_eq!(
        fault,
        FaultInfo {
            addr: start,
            pc: start,
            kind: FaultKind::Write
        }
    );
}

#[test]
fn a_module_uses_an_address_that_is_none() {
    // movabs $0x8000000000000000, %rax; mov (%rax), %al
    let code = [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8a, 0x00];
    assert_crash(&code, 10, FaultKind::Protection, 0);
}

#[test]
fn a_module_traps() {
    // ud2
    assert_crash(&[0x0f, 0x0b], 0, FaultKind::IllegalInstruction, 0);
}

#[test]
fn a_module_divides_by_zero() {
    // xor %ecx, %ecx; div %ecx
    assert_crash(&[0x31, 0xc9, 0xf7, 0xf1], 2, FaultKind::Arithmetic, 0);
}

#[test]
fn a_module_calls_null() {
    // xor %eax, %eax; call *%rax
    assert_crash(&[0x31, 0xc0, 0xff, 0xd0], 4, FaultKind::Execute, 0);
}

#[test]
fn a_module_calls_its_data() {
    // call *%rdi
    let (image, fault) = crash(&[0xff, 0xd7], false);
    let expected = FaultInfo {
        addr: image.symbol("data").unwrap(),
        pc: image.symbol("start").unwrap() + 2,
        kind: FaultKind::Execute,
    };
    assert_eq!(fault, expected);
}

#[test]
fn a_module_jumps_to_its_data() {
    // jmp *%rdi
    let (image, fault) = crash(&[0xff, 0xe7], false);
    let data = image.symbol("data").unwrap();
    assert_eq!(
        fault,
        FaultInfo {
            addr: data,
            pc: data,
            kind: FaultKind::Execute
        }
    );
}

#[test]
fn a_module_jumps_to_null() {
    // xor %eax, %eax; jmp *%rax: the jump leaves no trace, but this thread runs modules.
    let (_image, fault) = crash(&[0x31, 0xc0, 0xff, 0xe0], true);
    assert_eq!(
        fault,
        FaultInfo {
            addr: 0,
            pc: 0,
            kind: FaultKind::Execute
        }
    );
}

#[test]
fn a_module_uses_up_its_stack() {
    // push %rax; jmp start
    let (image, fault) = crash(&[0x50, 0xeb, 0xfd], false);
    assert_eq!(image.symbolize(fault.pc), Some(("start".into(), 0)));
    assert_eq!(fault.kind, FaultKind::Write);
}

/// Set to the kind of death, in a process that is to die.
const DEATH: &str = "ECHODEV_TEST_DEATH";

#[test]
fn faults_outside_of_modules_end_the_process() {
    if let Ok(how) = env::var(DEATH) {
        die(&how);
    }
    assert_eq!(death("fault").0, Some(libc::SIGSEGV));
    assert_eq!(death("signal").0, Some(libc::SIGILL));
    let (signal, words) = death("overflow");
    assert_eq!(signal, Some(libc::SIGABRT));
    assert!(words.contains("has overflowed its stack"), "{words}");
}

/// Runs the test above in a new process. Returns the signal that ended it, and its stderr.
fn death(how: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "--exact",
        "faults::faults_outside_of_modules_end_the_process",
        "--nocapture",
    ]);
    let output = command.env(DEATH, how).output().unwrap();
    (
        output.status.signal(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn die(how: &str) -> ! {
    fault::install();
    fault::set_handler(|_| std::process::exit(0));
    match how {
        // SAFETY: not sound at all; this process exists to be killed for it.
        "fault" => _ = unsafe { std::ptr::without_provenance::<u8>(16).read_volatile() },
        "signal" => raise(Signal::SIGILL).unwrap(),
        _ => _ = overflow(&[1; 512]),
    }
    unreachable!("survived {how}");
}

fn overflow(above: &[u8; 512]) -> u8 {
    let here = black_box(*above);
    if here[0] == 0 {
        return 0;
    }
    overflow(&here) ^ here[0]
}
