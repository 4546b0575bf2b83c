//! Leaving the module: the functions that run last, after the lock is released.
//!
//! Nothing in the KPI reports when a thread has left such a function. So none of its instructions
//! may run after the release. The function releases the lock by a tail call, so every path through
//! it ends in a jump into the kernel.

use super::filterops::{Place, Table};
use super::{Elf, flow, metadata, place};
use anyhow::Result;
use object::{Object, ObjectSymbol, SymbolKind};

/// The name of this project's driver as a module.
pub const DRIVER: &str = "echodev";

/// The driver's f_detach.
pub const DETACH: &str = "driver_detach";

/// What every f_detach ends in.
const REMOVE: &str = "knlist_remove";

/// The driver's functions that run last, and the kernel's function that each of them ends in.
const LAST: [(&str, &str); 3] = [
    (DETACH, REMOVE),
    ("kpi_knlist_unlock", "_sx_xunlock"),
    ("driver_dtor", "_sx_xunlock"),
];

/// The names of the functions that were checked, and what is wrong with them.
pub fn functions(file: &Elf<'_>, tables: &[Table]) -> Result<(Vec<String>, Vec<String>)> {
    let (mut last, mut wrong) = (Vec::new(), Vec::new());
    for (name, end) in LAST {
        match find(file, name) {
            Some(function) => last.push((function, end)),
            None if metadata::declares(file, DRIVER) => wrong.push(format!("no function {name}")),
            None => {}
        }
    }
    for table in tables {
        match table.detach {
            Some(detach) if !last.contains(&(detach, REMOVE)) => last.push((detach, REMOVE)),
            Some(_) => {}
            None => wrong.push(format!("{}: no f_detach", table.name)),
        }
    }
    let mut names = Vec::new();
    for ((index, offset), end) in last {
        let section = file.section_by_index(index)?;
        let bad = flow::ends_in(file, &section, offset, end)?;
        let name = place(file, &section, offset);
        let name = name.trim_end_matches("+0x0");
        wrong.extend(
            bad.into_iter()
                .map(|reason| format!("{name} must end in a jump to {end}: {reason}")),
        );
        names.push(name.into());
    }
    Ok((names, wrong))
}

/// The function of this name in the file.
pub fn find(file: &Elf<'_>, name: &str) -> Option<Place> {
    let mut functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    let function = functions.find(|symbol| symbol.name() == Ok(name))?;
    Some((function.section_index()?, function.address()))
}

#[cfg(test)]
mod tests {
    use super::{DETACH, LAST};
    use crate::module::check::fixture::{CALL, Module};
    use object::elf;

    /// A driver whose functions end as they must, except the one of this name, which is replaced or
    /// left out.
    fn driver(but: &str, another: Option<&[u8]>) -> Module {
        let mut module = Module::good(&CALL).named("echodev");
        for (name, end) in LAST {
            let code = if name == but {
                another
            } else {
                Some(&[0xe9, 0, 0, 0, 0][..])
            };
            let Some(code) = code else { continue };
            let (_, at) = module.function(name, code);
            let end = module.import(end);
            module.relocate(module.text, at + 1, elf::R_X86_64_PLT32, end, -4);
        }
        if let Some(detach) = module.find(DETACH) {
            let (event, _) = module.function("event", &[0xc3]);
            module.table("read_filterops", &[0; 104], &[(16, detach), (24, event)]);
        }
        module
    }

    #[test]
    fn all_end_in_a_jump() {
        let found = driver("", None).check();
        let end = "into the kernel: driver_detach, kpi_knlist_unlock, driver_dtor";
        assert!(found.ends_with(end), "{found}");
    }

    #[test]
    fn one_is_missing() {
        for (name, _) in LAST {
            let found = driver(name, None).check();
            assert!(found.contains(&format!("no function {name}")), "{found}");
        }
    }

    #[test]
    fn one_returns() {
        for (name, end) in LAST {
            let found = driver(name, Some(&CALL)).check();
            assert_eq!(
                found,
                format!("{name} must end in a jump to {end}: it returns at {name}+0x5")
            );
        }
    }

    #[test]
    fn an_f_detach_of_another_name() {
        let mut module = driver("", None);
        let (other, _) = module.function("other", &[0xc3]);
        let event = module.find("event").unwrap();
        module.table("write_filterops", &[0; 104], &[(16, other), (24, event)]);
        assert_eq!(
            module.check(),
            "other must end in a jump to knlist_remove: it returns at other+0x0"
        );
    }

    #[test]
    fn a_table_without_f_detach() {
        let mut module = driver("", None);
        let event = module.find("event").unwrap();
        module.table("write_filterops", &[0; 104], &[(24, event)]);
        assert_eq!(module.check(), "write_filterops: no f_detach");
    }
}
