//! `kldhost run`: loads a module and mounts its devices, until a signal unloads it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::exit;

use clap::Args;
use kldhost::fuse::{End, Mount};
use kldhost::image::{self, Metadata};
use kldhost::sync::atomic::{AtomicBool, Ordering::SeqCst};
use kldhost::sync::{Arc, Duration, Instant, spawn};
use kldhost::{Config, ConsoleSink, Errno, Kernel, KldId, Release, inspect};
use nix::sys::signal::{SigSet, Signal};

/// The arguments of `kldhost run`.
#[derive(Args)]
pub struct Arguments {
    /// The module's file
    #[arg(value_name = "X.ko")]
    file: PathBuf,
    /// An empty directory, where the module's devices are to appear
    #[arg(long, value_name = "DIR")]
    mount: PathBuf,
    /// A tunable of the kernel, as in loader.conf(5); may be given more than once
    #[arg(long = "tunable", value_name = "NAME=VALUE", value_parser = parse_tunable)]
    tunables: Vec<(String, String)>,
    /// Release of the hosted kernel: 14.0, 14.4, 15.0 or 15.1 [default: the first that loads the
    /// module]
    #[arg(long, value_name = "RELEASE")]
    release: Option<Release>,
}

fn parse_tunable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

/// A module that is loaded and mounted.
struct Hosted {
    kernel: Kernel,
    module: KldId,
    name: String,
    mount: Mount,
    /// Set by the thread that unloads it.
    unloading: AtomicBool,
}

/// Runs the command. Returns when the module was unloaded and everything is as it was before.
///
/// # Errors
///
/// A message for the user.
pub fn run(arguments: Arguments) -> Result<(), String> {
    // Before the first thread is made, so that all threads leave the signals to the one that waits
    // for them.
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals
        .thread_block()
        .map_err(|error| format!("cannot block signals: {error}"))?;

    let hosted = Arc::new(start(arguments)?);
    let for_signals = hosted.clone();
    spawn("signals".into(), move || {
        wait_for_signals(&for_signals, &signals)
    });
    let end = hosted.mount.wait_end();
    if end == End::Unmounted && !hosted.unloading.swap(true, SeqCst) {
        warn(&format!(
            "{} was unmounted; unloading {}",
            hosted.mount.dir().display(),
            hosted.name
        ));
        unload(&hosted).map_err(|error| format!("{} cannot be unloaded: {error}", hosted.name))?;
    }
    // All programs that wait for an answer get one.
    hosted.mount.wait_idle();
    hosted.mount.unmount();
    match hosted.kernel.panic_report() {
        // The report is on the console.
        Some(_) => Err("the hosted kernel has panicked".to_owned()),
        None => Ok(()),
    }
}

fn start(arguments: Arguments) -> Result<Hosted, String> {
    let release = arguments
        .release
        .or_else(|| asked_for(&arguments.file))
        .unwrap_or_default();
    let console: ConsoleSink = Arc::new(|line| print_line(&mut io::stderr(), line));
    let config = Config {
        release,
        tunables: arguments.tunables,
        console: Some(console),
        ..Config::default()
    };
    let kernel = Kernel::new(config);
    let name = arguments
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let module = kernel
        .kldload(&arguments.file)
        .map_err(|error| match kernel.panic_report() {
            Some(_) => format!("{name}: the hosted kernel has panicked"),
            None => error.to_string(),
        })?;
    let mount = Mount::new(&kernel, &arguments.mount).map_err(|error| {
        let _ = kernel.kldunload(module);
        error.to_string()
    })?;
    announce(&kernel, &name, &arguments.mount);
    Ok(Hosted {
        kernel,
        module,
        name,
        mount,
        unloading: AtomicBool::new(false),
    })
}

/// The first release that the module can be loaded on. A file that cannot be read requires none;
/// loading it reports the reason.
fn asked_for(file: &Path) -> Option<Release> {
    let metadata = inspect::inspect(&image::read_file(file).ok()?)
        .ok()?
        .metadata;
    metadata.iter().find_map(|record| match record {
        Metadata::Depend { on, min, max, .. } if on == "kernel" => Release::first_in(*min..=*max),
        _ => None,
    })
}

fn announce(kernel: &Kernel, name: &str, dir: &Path) {
    let devices: Vec<String> = kernel
        .devices()
        .iter()
        .map(|device| dir.join(&device.name).display().to_string())
        .collect();
    let line = match devices.is_empty() {
        true => format!("{name} is loaded, but has made no device. Ctrl-C unloads it."),
        false => format!(
            "{name} is loaded: {}. Ctrl-C unloads it.",
            devices.join(" ")
        ),
    };
    print_line(&mut io::stdout(), &line);
}

fn warn(message: &str) {
    print_line(&mut io::stderr(), &format!("kldhost: {message}"));
}

/// Prints a line. The reader may have closed the pipe, which is no reason to stop.
fn print_line(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

/// The first signal unloads the module. The module may refuse, or the unload may hang. A later
/// signal then ends this program.
fn wait_for_signals(hosted: &Arc<Hosted>, signals: &SigSet) {
    /// Signals within this time after the first count as the same one, because timeout(1) sends it
    /// to the process and its group.
    const SAME: Duration = Duration::from_secs(1);
    let mut first = Instant::now();
    while signals.wait().is_ok() {
        if hosted.unloading.swap(true, SeqCst) {
            if first.elapsed() < SAME {
                continue;
            }
            warn(&format!(
                "{} is still being unloaded; ending without that",
                hosted.name
            ));
            hosted.mount.unmount();
            exit(1);
        }
        first = Instant::now();
        let unloader = hosted.clone();
        spawn("kldunload".into(), move || {
            match unload(&unloader) {
                Ok(()) => unloader.mount.unmount(),
                // The main thread reports it.
                Err(Errno::PANICKED) => unloader.mount.unmount(),
                Err(error) => {
                    warn(&format!(
                        "{} cannot be unloaded: {error}; it stays loaded",
                        unloader.name
                    ));
                    unloader.unloading.store(false, SeqCst);
                }
            }
        });
    }
}

fn unload(hosted: &Hosted) -> Result<(), Errno> {
    for sleeper in hosted.mount.sleepers() {
        warn(&format!(
            "waking process {} ({})",
            sleeper.pid, sleeper.wmesg
        ));
    }
    hosted.kernel.kldunload(hosted.module)?;
    hosted.mount.wait_idle();
    Ok(())
}
