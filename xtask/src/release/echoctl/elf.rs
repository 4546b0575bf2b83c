//! Whether a file is a program for FreeBSD.

use crate::module::toolchain::Freebsd;
use anyhow::{Context as _, Result, bail};
use object::elf::{ELFOSABI_FREEBSD, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian as LE, elf};

const INTERPRETER: &str = "/libexec/ld-elf.so.1";

/// The type of the note that names the release of a program, `<sys/elf_common.h>`.
const NT_FREEBSD_ABI_TAG: elf::NoteType = elf::NoteType(1);

/// Libraries of FreeBSD's base system that a Rust program may need, by their names in 14 and 15.
const LIBRARIES: [&str; 4] = ["libc.so.7", "libthr.so.3", "libm.so.5", "libgcc_s.so.1"];

/// The properties of an ELF file that make it a program of some system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    machine: elf::Machine,
    osabi: elf::OsAbi,
    interpreter: Option<String>,
    /// `__FreeBSD_version` that it was built for, from the ABI tag among its notes.
    osreldate: Option<u32>,
    libraries: Vec<String>,
}

/// Marks a program as FreeBSD's in its ELF header, as brandelf(1) does. The linker does not do it.
pub fn brand(program: &mut [u8]) -> Result<()> {
    const EI_OSABI: usize = 7;
    *program.get_mut(EI_OSABI).context("not an ELF file")? = ELFOSABI_FREEBSD.0;
    Ok(())
}

/// Fails unless `program` is for this release line of FreeBSD on amd64. The error lists everything
/// that is wrong.
pub fn check(program: &[u8], freebsd: Freebsd) -> Result<()> {
    let wrong = problems(&facts(program)?, freebsd);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}

fn facts(program: &[u8]) -> Result<Facts> {
    let header = FileHeader64::<LE>::parse(program).context("not a 64-bit ELF file")?;
    let mut facts = Facts {
        machine: header.e_machine(LE),
        osabi: header.e_ident().os_abi,
        interpreter: None,
        osreldate: None,
        libraries: Vec::new(),
    };
    for segment in header.program_headers(LE, program)? {
        if let Some(path) = segment.interpreter(LE, program)? {
            facts.interpreter = Some(String::from_utf8_lossy(path).into_owned());
        }
        let Some(mut notes) = segment.notes(LE, program)? else {
            continue;
        };
        while let Some(note) = notes.next()? {
            if note.name() == b"FreeBSD" && note.n_type(LE) == NT_FREEBSD_ABI_TAG {
                facts.osreldate = note
                    .desc()
                    .first_chunk()
                    .map(|bytes| u32::from_le_bytes(*bytes));
            }
        }
    }
    let sections = header.sections(LE, program)?;
    if let Some((entries, strings)) = sections.dynamic(LE, program)? {
        let strings = sections.strings(LE, program, strings)?;
        for entry in entries
            .iter()
            .filter(|entry| entry.tag(LE) == elf::DT_NEEDED)
        {
            facts
                .libraries
                .push(String::from_utf8_lossy(entry.string(LE, strings)?).into_owned());
        }
    }
    Ok(facts)
}

fn problems(facts: &Facts, freebsd: Freebsd) -> Vec<String> {
    let mut wrong = Vec::new();
    if facts.machine != EM_X86_64 {
        wrong.push(format!("its machine is {}, not amd64", facts.machine));
    }
    if facts.osabi != ELFOSABI_FREEBSD {
        wrong.push(format!(
            "its OS ABI is {}, not FreeBSD's {ELFOSABI_FREEBSD}",
            facts.osabi
        ));
    }
    match &facts.interpreter {
        Some(path) if path == INTERPRETER => (),
        other => wrong.push(format!(
            "its interpreter is {}, not {INTERPRETER}",
            other.as_deref().unwrap_or("missing")
        )),
    }
    match facts.osreldate {
        Some(version) if (version / 100_000).to_string() == freebsd.major() => (),
        Some(version) => wrong.push(format!(
            "its ABI tag is {version}, not of FreeBSD {}",
            freebsd.major()
        )),
        None => wrong.push("it has no ABI tag".into()),
    }
    if !facts.libraries.iter().any(|name| name == LIBRARIES[0]) {
        wrong.push(format!("it does not need {}", LIBRARIES[0]));
    }
    for name in facts
        .libraries
        .iter()
        .filter(|name| !LIBRARIES.contains(&name.as_str()))
    {
        wrong.push(format!("it needs {name}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            machine: EM_X86_64,
            osabi: ELFOSABI_FREEBSD,
            interpreter: Some(INTERPRETER.into()),
            osreldate: Some(1_500_500),
            libraries: vec!["libthr.so.3".into(), "libc.so.7".into()],
        }
    }

    #[test]
    fn each_fact_counts() {
        assert_eq!(problems(&good(), Freebsd::V15), [""; 0]);
        let missing = |name: &str| Facts {
            libraries: vec![name.into()],
            ..good()
        };
        for (facts, problem) in [
            (
                Facts {
                    machine: elf::EM_AARCH64,
                    ..good()
                },
                "its machine is 183, not amd64",
            ),
            (
                Facts {
                    osabi: elf::ELFOSABI_NONE,
                    ..good()
                },
                "its OS ABI is 0, not FreeBSD's 9",
            ),
            (
                Facts {
                    interpreter: None,
                    ..good()
                },
                "its interpreter is missing, not /libexec/ld-elf.so.1",
            ),
            (
                Facts {
                    osreldate: None,
                    ..good()
                },
                "it has no ABI tag",
            ),
            (
                Facts {
                    osreldate: Some(1_400_500),
                    ..good()
                },
                "its ABI tag is 1400500, not of FreeBSD 15",
            ),
            (missing("libthr.so.3"), "it does not need libc.so.7"),
            (
                Facts {
                    libraries: vec!["libc.so.7".into(), "libkvm.so.7".into()],
                    ..good()
                },
                "it needs libkvm.so.7",
            ),
        ] {
            assert_eq!(problems(&facts, Freebsd::V15), [problem]);
        }
        assert_eq!(
            problems(&good(), Freebsd::V14),
            ["its ABI tag is 1500500, not of FreeBSD 14"]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_of_linux_is_refused() {
        let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        brand(&mut program).unwrap();
        let error = check(&program, Freebsd::V15).unwrap_err().to_string();
        assert!(
            error.contains(
                "its interpreter is /lib64/ld-linux-x86-64.so.2, not /libexec/ld-elf.so.1"
            ),
            "{error}"
        );
        assert!(error.contains("it has no ABI tag"), "{error}");
        assert!(error.contains("it needs libc.so.6"), "{error}");
        assert!(!error.contains("OS ABI"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_program_is_refused() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for bytes in [
            &[][..],
            b"#!/bin/sh\n",
            b"\x7fELF",
            &program[..100],
            &program[..5000],
        ] {
            assert!(check(bytes, Freebsd::V15).is_err());
        }
        assert!(brand(&mut []).is_err());
    }
}
