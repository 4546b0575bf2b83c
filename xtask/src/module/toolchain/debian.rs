//! Debian's matched pair of a Rust compiler and the source of its library, `rustc-web` and
//! `rust-web-src`.
//!
//! Debian 12 itself has an old version of the pair. A version that is new enough is in its security
//! suite, which apt may not have among its sources. What apt offers is decided from the output of
//! apt-cache(8).

use super::rust::MIN_RUST;
use crate::command;
use crate::fetch;
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::process::Command;

const COMPILER: &str = "rustc-web";
const SOURCE: &str = "rust-web-src";

/// The preferred version.
const PINNED: &str = "1.96.0+dfsg1-1~deb12u2";

/// The suite that has it.
const SUITE: &str = "bookworm-security";

/// The offer of apt's sources.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    /// The pinned version.
    Pinned,
    /// Another version that is new enough. `gone` means that the suite of the pinned one is
    /// enabled.
    Other { version: String, gone: bool },
    /// No version that is new enough.
    TooOld {
        newest: Option<String>,
        suite_enabled: bool,
    },
}

/// The directory with the unpacked pair. It is fetched if it is not there.
pub fn rust(tools: &Path) -> Result<PathBuf> {
    let dir = tools.join(COMPILER);
    if dir.is_dir() {
        return Ok(dir);
    }
    let version = version()?;
    let title =
        format!("{COMPILER} and {SOURCE} {version} (Debian): Rust compiler with its source");
    fetch::once(&dir, &title, |dir| {
        fetch::unpack_debian(dir, &packages(&version)).or_else(|_| {
            // The lists may name files that the archive has replaced since.
            fetch::update_debian()?;
            let version = self::version()?;
            fetch::unpack_debian(dir, &packages(&version))
        })
    })
}

fn packages(version: &str) -> [String; 2] {
    [COMPILER, SOURCE].map(|name| format!("{name}={version}"))
}

/// The version to take. Lists without the pinned one are updated first.
fn version() -> Result<String> {
    let mut offered = ask()?;
    let mut updated = Ok(());
    if offered != Offer::Pinned {
        updated = fetch::update_debian();
        offered = ask()?;
    }
    match offered {
        Offer::Pinned => Ok(PINNED.into()),
        Offer::Other { version, gone } => {
            if gone {
                println!("{COMPILER} {PINNED} is no longer in {SUITE}; taking {version}");
            }
            Ok(version)
        }
        Offer::TooOld {
            newest,
            suite_enabled,
        } => {
            let refusal = anyhow!(refusal(newest.as_deref(), suite_enabled));
            match updated {
                Ok(()) => Err(refusal),
                Err(error) => Err(refusal.context(format!("{error:#}"))),
            }
        }
    }
}

fn ask() -> Result<Offer> {
    let cache = |arguments: &[&str]| {
        command::output(Command::new("apt-cache").args(arguments)).context("apt's lists")
    };
    Ok(offer(
        &cache(&["madison", COMPILER, SOURCE])?,
        &cache(&["policy"])?,
    ))
}

/// Decides from what `apt-cache madison` prints for both packages, and `apt-cache policy` for none.
fn offer(madison: &str, policy: &str) -> Offer {
    let versions = |package: &str| -> Vec<&str> {
        let rows = madison.lines().filter_map(|line| {
            let mut columns = line.split('|').map(str::trim);
            (columns.next()? == package).then(|| columns.next())?
        });
        rows.collect()
    };
    let sources = versions(SOURCE);
    let mut pairs = versions(COMPILER);
    pairs.retain(|version| sources.contains(version));
    if pairs.contains(&PINNED) {
        return Offer::Pinned;
    }
    let suite_enabled = policy
        .split([',', '\n'])
        .any(|part| part.strip_prefix("n=") == Some(SUITE));
    let newest = pairs.into_iter().max_by_key(|version| release(version));
    match newest {
        Some(version) if release(version) >= MIN_RUST => Offer::Other {
            version: version.into(),
            gone: suite_enabled,
        },
        newest => Offer::TooOld {
            newest: newest.map(String::from),
            suite_enabled,
        },
    }
}

/// The first two numbers of a version.
pub fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Why there is no compiler, and what helps.
fn refusal(newest: Option<&str>, suite_enabled: bool) -> String {
    let (major, minor) = MIN_RUST;
    let offered = match newest {
        Some(version) => format!("the newest {COMPILER} that apt offers is {version}"),
        None => format!("apt offers no {COMPILER}"),
    };
    let mut text = format!(
        "no Rust compiler of version {major}.{minor} or later has the source of its library, \
         which `core` for the kernel is built from; {offered}\n\
         With rustup, run\n    rustup component add rust-src"
    );
    if !suite_enabled {
        text += &format!(
            "\nOn Debian 12 without rustup, enable the suite {SUITE}, which has a newer {COMPILER}. \
             Add this line,\nwith your mirror, to /etc/apt/sources.list (see sources.list(5)):\n    \
             deb ... {SUITE} main"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Offer, offer, refusal};

    /// `apt-cache madison` on Debian 12, without the security suite.
    const MADISON: &str = "\
 rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://mirror.example/debian bookworm/main amd64 Packages
rust-web-src | 1.85.0+dfsg3-1~deb12u3 | http://mirror.example/debian bookworm/main amd64 Packages
";
    /// The same with it.
    const MADISON_SECURITY: &str = "\
 rustc-web | 1.96.0+dfsg1-1~deb12u2 | http://mirror.example/debian-security bookworm-security/main amd64 Packages
 rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://mirror.example/debian bookworm/main amd64 Packages
rust-web-src | 1.96.0+dfsg1-1~deb12u2 | http://mirror.example/debian-security bookworm-security/main amd64 Packages
rust-web-src | 1.85.0+dfsg3-1~deb12u3 | http://mirror.example/debian bookworm/main amd64 Packages
";
    /// `apt-cache policy` on Debian 12, without the security suite.
    const POLICY: &str = "\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://mirror.example/debian bookworm-updates/main amd64 Packages
     release v=12-updates,o=Debian,a=oldstable-updates,n=bookworm-updates,l=Debian,c=main,b=amd64
     origin mirror.example
 500 http://mirror.example/debian bookworm/main amd64 Packages
     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64
     origin mirror.example
Pinned packages:
";
    const POLICY_SECURITY: &str = "\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
     release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
     origin mirror.example
Pinned packages:
";
    /// Before the first `apt-get update`.
    const NO_LISTS: &str = "\
Package files:
 100 /var/lib/dpkg/status
     release a=now
Pinned packages:
";

    #[test]
    fn the_pinned_version_is_taken() {
        assert_eq!(offer(MADISON_SECURITY, POLICY_SECURITY), Offer::Pinned);
    }

    #[test]
    fn a_suite_that_is_not_enabled() {
        let newest = Some("1.85.0+dfsg3-1~deb12u3".to_owned());
        let suite_enabled = false;
        assert_eq!(
            offer(MADISON, POLICY),
            Offer::TooOld {
                newest,
                suite_enabled
            }
        );
        for policy in [POLICY, NO_LISTS] {
            assert_eq!(
                offer("", policy),
                Offer::TooOld {
                    newest: None,
                    suite_enabled
                }
            );
        }
    }

    #[test]
    fn a_version_that_is_gone_from_its_suite() {
        let madison = MADISON_SECURITY.replace("1.96.0+dfsg1-1~deb12u2", "1.100.0+dfsg1-1~deb12u1");
        assert_eq!(
            offer(&madison, POLICY_SECURITY),
            Offer::Other {
                version: "1.100.0+dfsg1-1~deb12u1".into(),
                gone: true
            }
        );
        assert_eq!(
            offer(MADISON, POLICY_SECURITY),
            Offer::TooOld {
                newest: Some("1.85.0+dfsg3-1~deb12u3".into()),
                suite_enabled: true
            }
        );
    }

    #[test]
    fn another_version_without_the_suite_is_not_reported_as_gone() {
        let madison = MADISON.replace("1.85.0", "1.97.1");
        assert_eq!(
            offer(&madison, POLICY),
            Offer::Other {
                version: "1.97.1+dfsg3-1~deb12u3".into(),
                gone: false
            }
        );
    }

    #[test]
    fn a_compiler_without_its_source_does_not_count() {
        let compiler: String = MADISON_SECURITY
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("rust-web-src | 1.96"))
            .collect();
        assert_eq!(
            offer(&compiler, POLICY_SECURITY),
            Offer::TooOld {
                newest: Some("1.85.0+dfsg3-1~deb12u3".into()),
                suite_enabled: true
            }
        );
    }

    #[test]
    fn the_refusal_names_what_helps() {
        let rustup = "\n    rustup component add rust-src";
        let suite = "\n    deb ... bookworm-security main";
        let text = refusal(Some("1.85.0+dfsg3-1~deb12u3"), false);
        assert!(
            text.contains("apt offers is 1.85.0+dfsg3-1~deb12u3"),
            "{text}"
        );
        assert!(text.contains(rustup) && text.ends_with(suite), "{text}");
        let text = refusal(None, true);
        assert!(text.contains("apt offers no rustc-web"), "{text}");
        assert!(text.ends_with(rustup), "{text}");
    }
}
