//! Ordinary programs, which have no code for this device.

use std::path::Path;

use crate::Test;
use crate::run::Run;

pub const TESTS: &[Test] = &[
    ("programs::dd_with_odd_block_sizes", dd_with_odd_block_sizes),
    ("programs::tee", tee),
    ("programs::hexdump", hexdump),
    ("programs::python_selectors", python_selectors),
    ("programs::socat", socat),
    ("programs::a_thousand_pairs", a_thousand_pairs),
    ("programs::much_data", much_data),
];

/// Whether the machine has a program; a test that needs it has nothing to show without.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(program).is_file())
}

/// Runs `writer` and `reader`, shell commands on the device, at the same time. Returns the output
/// of the reader. The test holds the device open for writing until the writer is done, so that the
/// reader does not reach the end of the file too early.
fn through(run: &Run, writer: &str, reader: &str) -> String {
    run.shell(&format!(
        "exec 7<> echo; ({reader}) 7>&- & ({writer}) 7>&-; exec 7>&-; wait"
    ))
}

fn dd_with_odd_block_sizes() {
    let run = Run::echodev();
    let writer = "seq 1000 2000 | dd of=echo bs=7 status=none";
    let sum = through(&run, writer, "dd if=echo bs=13 status=none | md5sum");
    assert_eq!(sum, run.shell("seq 1000 2000 | md5sum"));
    run.stop();
}

fn tee() {
    let run = Run::echodev();
    assert_eq!(run.shell("echo both | tee echo; cat echo"), "both\nboth\n");
    run.stop();
}

fn hexdump() {
    if has("hd") {
        let run = Run::echodev();
        let output = run.shell(
            "hd < echo; echo 12345678 > echo; dd if=echo bs=1 count=4 status=none | hd; cat echo",
        );
        assert_eq!(
            output,
            "00000000  31 32 33 34                                       |1234|\n00000004\n5678\n"
        );
        run.stop();
    }
}

fn python_selectors() {
    if has("python3") {
        let run = Run::echodev();
        let script = "
import os, selectors
writer = os.open('echo', os.O_WRONLY | os.O_NONBLOCK)
reader = os.open('echo', os.O_RDONLY | os.O_NONBLOCK)
poller = selectors.DefaultSelector()
poller.register(reader, selectors.EVENT_READ)
data, got, sent = bytes(range(256)) * 40, b'', 0
poller.register(writer, selectors.EVENT_WRITE)
while True:
    for key, _ in poller.select():
        if key.fd == writer:
            sent += os.write(writer, data[sent:sent + 100])
            if sent == len(data):
                poller.unregister(writer)
                os.close(writer)
        else:
            part = os.read(reader, 37)
            got += part
            if not part:
                print(got == data)
                raise SystemExit
";
        std::fs::write(run.dir.path().with_extension("py"), script).unwrap();
        let file = run.dir.path().with_extension("py");
        assert_eq!(run.shell(&format!("python3 {}", file.display())), "True\n");
        std::fs::remove_file(file).unwrap();
        run.stop();
    }
}

fn socat() {
    if has("socat") {
        let run = Run::echodev();
        let output =
            run.shell("echo through | socat -u - OPEN:echo,wronly; socat -u OPEN:echo,rdonly -");
        assert_eq!(output, "through\n");
        run.stop();
    }
}

fn a_thousand_pairs() {
    let run = Run::echodev();
    let output = run.shell(
        "i=0; while [ $i -lt 1000 ]; do echo $i > echo; cat echo; i=$((i+1)); done | md5sum; seq 0 999 | md5sum",
    );
    let sums: Vec<&str> = output.lines().collect();
    assert_eq!(sums.len(), 2, "{output}");
    assert_eq!(sums[0], sums[1]);
    run.stop();
}

fn much_data() {
    let run = Run::of(
        &crate::echodev(),
        &["--tunable", "hw.echodev.bufsize=65536"],
    );
    let data = "seq 10000000";
    let sum = through(&run, &format!("{data} > echo"), "md5sum < echo");
    assert_eq!(sum, run.shell(&format!("{data} | md5sum")));
    run.stop();
}
