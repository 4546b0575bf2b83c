//! The SYSINIT(9) records of a module.

use std::collections::HashMap;

use object::elf;

use crate::image::LoadError;
use crate::image::elf::{Object, Place};
use crate::image::peek::Target;
use crate::image::symbols::readable;

/// A function that runs when the module is loaded or unloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysinit {
    /// `enum sysinit_sub_id`: when it runs.
    pub subsystem: u32,
    /// `enum sysinit_elem_order`: when it runs within its subsystem.
    pub order: u32,
    /// Its name, or section and offset when it has none.
    pub function: String,
    /// Its argument, named likewise; `None` for a null pointer.
    pub argument: Option<String>,
}

/// The best name for a place: section and offset.
pub(super) type PlaceNames<'a> = HashMap<(usize, u64), &'a str>;

/// Names for the places of a module that have one.
pub(super) fn place_names<'a>(object: &Object<'a>) -> PlaceNames<'a> {
    let mut names = PlaceNames::new();
    for symbol in &object.symbols {
        let Place::Section { index, offset } = symbol.place else {
            continue;
        };
        if symbol.name.is_empty()
            || !matches!(
                symbol.kind,
                elf::STT_FUNC | elf::STT_OBJECT | elf::STT_NOTYPE
            )
        {
            continue;
        }
        names.entry((index, offset)).or_insert(symbol.name);
    }
    names
}

/// The records of a linker set, in the order of the set. Unreadable records go to `remarks`.
///
/// # Errors
///
/// [`LoadError`] when the set as a whole is absurd.
pub(super) fn read(
    object: &Object,
    names: &PlaceNames,
    set: &str,
    remarks: &mut Vec<String>,
) -> Result<Vec<Sysinit>, LoadError> {
    let mut sysinits = Vec::new();
    for (number, entry) in object.set_entries(set)?.into_iter().enumerate() {
        match record(object, names, entry) {
            Some(sysinit) => sysinits.push(sysinit),
            None => remarks.push(format!("record {number} of {set} is not readable")),
        }
    }
    Ok(sysinits)
}

fn record(object: &Object, names: &PlaceNames, entry: Option<Target>) -> Option<Sysinit> {
    let Some(Target::Section { index, offset }) = entry else {
        return None;
    };
    let number = |field| {
        object
            .bytes_at(index, offset + field)
            .map(u32::from_le_bytes)
    };
    let name = |field| {
        object
            .pointer(index, offset + field)
            .map(|target| target_name(object, names, target))
    };
    // struct sysinit begins with two ints. In FreeBSD 14, a list link follows them, which is null
    // in a file. Older kernels do not have it.
    let function_at = if object.pointer(index, offset + 8).is_some() {
        8
    } else {
        16
    };
    Some(Sysinit {
        subsystem: number(0)?,
        order: number(4)?,
        function: name(function_at)?,
        argument: name(function_at + 8),
    })
}

fn target_name(object: &Object, names: &PlaceNames, target: Target) -> String {
    match target {
        Target::Import(symbol) => object.symbols[symbol].name.to_owned(),
        Target::Section { index, offset } => match names.get(&(index, offset)) {
            Some(name) => readable(name),
            None => format!("{}+{offset:#x}", object.sections[index].name),
        },
    }
}

impl Sysinit {
    /// The subsystem's name in `<sys/kernel.h>`, for those that modules use; else its number.
    pub fn subsystem_name(&self) -> String {
        let name = match self.subsystem {
            0x070_0000 => "SI_SUB_TUNABLES",
            0x180_0000 => "SI_SUB_KMEM",
            0x1b0_0000 => "SI_SUB_LOCK",
            0x1c0_0000 => "SI_SUB_EVENTHANDLER",
            0x200_0000 => "SI_SUB_KLD",
            0x210_0000 => "SI_SUB_CPU",
            0x21c_0000 => "SI_SUB_MAC_POLICY",
            0x280_0000 => "SI_SUB_INTR",
            0x288_0000 => "SI_SUB_TASKQ",
            0x288_8000 => "SI_SUB_EPOCH",
            0x290_0000 => "SI_SUB_SMP",
            0x2f0_0000 => "SI_SUB_DEVFS",
            0x300_0000 => "SI_SUB_INIT_IF",
            0x301_0000 => "SI_SUB_NETGRAPH",
            0x310_0000 => "SI_SUB_DRIVERS",
            0x380_0000 => "SI_SUB_CONFIGURE",
            0x400_0000 => "SI_SUB_VFS",
            0x480_0000 => "SI_SUB_CLOCKS",
            0x700_0000 => "SI_SUB_PSEUDO",
            0x740_0000 => "SI_SUB_EXEC",
            0xd80_0000 => "SI_SUB_SYSCALLS",
            0xfff_ffff => "SI_SUB_LAST",
            other => return format!("{other:#x}"),
        };
        name.to_owned()
    }

    /// The order's name in `<sys/kernel.h>`; in between the named ones, the distance from the one
    /// below.
    pub fn order_name(&self) -> String {
        const MIDDLE: u32 = 0x100_0000;
        const ANY: u32 = 0xfff_ffff;
        const FIRST: [&str; 8] = [
            "FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH", "SEVENTH", "EIGHTH",
        ];
        match self.order {
            ANY => "SI_ORDER_ANY".into(),
            MIDDLE => "SI_ORDER_MIDDLE".into(),
            order if order > ANY => format!("{order:#x}"),
            order if order > MIDDLE => format!("SI_ORDER_MIDDLE+{}", order - MIDDLE),
            order => match FIRST.get(order as usize) {
                Some(name) => format!("SI_ORDER_{name}"),
                None => format!("{order:#x}"),
            },
        }
    }
}
