//! The `modmetadata_set` of a module (`<sys/module.h>`): its name, its dependencies, its versions.

use super::elf::Object;
use super::error::LoadError;
use super::peek::Target;

/// One record of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metadata {
    /// `DECLARE_MODULE`: the file holds this module.
    Module {
        /// Its name.
        name: String,
    },
    /// `MODULE_DEPEND`: needs another module (or `kernel`) in this range of versions.
    Depend {
        /// The module needed.
        on: String,
        /// Lowest version accepted.
        min: i32,
        /// Version preferred.
        pref: i32,
        /// Highest version accepted.
        max: i32,
    },
    /// `MODULE_VERSION`: provides this version of an interface.
    Version {
        /// The interface, named as the module.
        name: String,
        /// Its version.
        version: i32,
    },
    /// A record of another type, such as `MODULE_PNP_INFO`.
    Other {
        /// `md_type`.
        kind: i32,
    },
}

const MDT_DEPEND: i32 = 1;
const MDT_MODULE: i32 = 2;
const MDT_VERSION: i32 = 3;

// Offsets in struct mod_metadata.
const MD_TYPE: u64 = 4;
const MD_DATA: u64 = 8;
const MD_CVAL: u64 = 16;

/// Reads all records from the file, in file order. A record that cannot be read becomes a message
/// with the reason.
///
/// # Errors
///
/// [`LoadError`] when the set as a whole is absurd.
pub(crate) fn read(object: &Object) -> Result<Vec<Result<Metadata, String>>, LoadError> {
    let entries = object.set_entries("modmetadata_set")?;
    Ok(entries
        .iter()
        .enumerate()
        .map(|(number, entry)| record(object, number, *entry))
        .collect())
}

fn record(object: &Object, number: usize, entry: Option<Target>) -> Result<Metadata, String> {
    let unreadable = |what| format!("metadata record {number} has {what}");
    let Some(Target::Section { index, offset }) = entry else {
        return Err(unreadable("no place in the module"));
    };
    let kind = object
        .int_at(index, offset + MD_TYPE)
        .ok_or_else(|| unreadable("no type"))?;
    let name = || {
        object
            .string_at(index, offset + MD_CVAL)
            .map(str::to_owned)
            .ok_or_else(|| unreadable("no name"))
    };
    let data = |field: u64| match object.pointer(index, offset + MD_DATA) {
        Some(Target::Section { index, offset }) => object.int_at(index, offset + field),
        _ => None,
    };
    let version = |field| data(field).ok_or_else(|| unreadable("no version"));
    match kind {
        MDT_MODULE => Ok(Metadata::Module { name: name()? }),
        MDT_DEPEND => Ok(Metadata::Depend {
            on: name()?,
            min: version(0)?,
            pref: version(4)?,
            max: version(8)?,
        }),
        MDT_VERSION => Ok(Metadata::Version {
            name: name()?,
            version: version(0)?,
        }),
        kind => Ok(Metadata::Other { kind }),
    }
}
