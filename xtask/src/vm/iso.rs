//! A writer for the root file system, ISO 9660 (ECMA-119). The GENERIC kernels of 12 to 15 can
//! mount it.
//!
//! It supports one level of directories, and names of capitals, digits and a dot. The kernel shows
//! them in lower case, and every file as executable, owned by root.

use anyhow::{Result, ensure};

/// The size of a block.
const BLOCK: usize = 2048;

/// The first block of the volume descriptors.
const DESCRIPTORS: usize = 16;

/// The file flags of the standard.
const DIRECTORY: u8 = 2;
const FILE: u8 = 0;

/// A directory of the root.
pub struct Directory<'f> {
    /// Its name.
    pub name: &'f str,
    /// The names and contents of its files.
    pub files: Vec<(&'f str, Vec<u8>)>,
}

/// The image of a file system with these directories. Directories, and files in each, are in the
/// order of their names.
pub fn image(directories: &[Directory<'_>]) -> Result<Vec<u8>> {
    // The blocks, in order: two descriptors, two path tables, the root, each directory, the files.
    let root = DESCRIPTORS + 4;
    let mut next = root + 1 + directories.len();

    let mut root_entries = Entries::new(root, root);
    let mut blocks = Vec::new();
    let mut contents = Vec::new();
    for (i, directory) in directories.iter().enumerate() {
        let place = root + 1 + i;
        root_entries.add(
            &directory.name.to_ascii_uppercase(),
            place,
            BLOCK,
            DIRECTORY,
        );
        let mut entries = Entries::new(place, root);
        for (name, bytes) in &directory.files {
            entries.add(
                &format!("{};1", name.to_ascii_uppercase()),
                next,
                bytes.len(),
                FILE,
            );
            next += bytes.len().div_ceil(BLOCK);
            contents.push(bytes);
        }
        blocks.push(entries.block()?);
    }

    let mut image = vec![0; DESCRIPTORS * BLOCK];
    append(
        &mut image,
        &primary_descriptor(root, next, path_table(root, directories, false).len()),
    );
    append(&mut image, b"\xffCD001\x01");
    for big_endian in [false, true] {
        append(&mut image, &path_table(root, directories, big_endian));
    }
    append(&mut image, &root_entries.block()?);
    blocks.iter().for_each(|block| append(&mut image, block));
    contents.iter().for_each(|bytes| append(&mut image, bytes));
    assert_eq!(
        image.len(),
        next * BLOCK,
        "every block is at the place that the directories have for it"
    );
    Ok(image)
}

/// Puts `bytes` into the next blocks.
fn append(image: &mut Vec<u8>, bytes: &[u8]) {
    image.extend(bytes);
    image.resize(image.len().next_multiple_of(BLOCK), 0);
}

/// The records of a directory.
struct Entries(Vec<u8>);

impl Entries {
    /// The records that each directory begins with, for itself and its parent.
    fn new(own: usize, parent: usize) -> Self {
        let mut entries = Self(Vec::new());
        entries.add("\0", own, BLOCK, DIRECTORY);
        entries.add("\x01", parent, BLOCK, DIRECTORY);
        entries
    }

    fn add(&mut self, name: &str, place: usize, len: usize, kind: u8) {
        self.0.extend(record(name, place, len, kind));
    }

    fn block(self) -> Result<Vec<u8>> {
        ensure!(
            self.0.len() <= BLOCK,
            "too many files in one directory of the image"
        );
        Ok(self.0)
    }
}

/// A directory record (9.1).
fn record(name: &str, place: usize, len: usize, kind: u8) -> Vec<u8> {
    let mut record = vec![0; 2];
    record.extend(both_32(place));
    record.extend(both_32(len));
    record.extend([0; 7]);
    record.extend([kind, 0, 0]);
    record.extend(both_16(1));
    record.push(name.len() as u8);
    record.extend(name.as_bytes());
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

/// The primary volume descriptor (8.4) of a file system of `blocks`.
fn primary_descriptor(root: usize, blocks: usize, path_table_len: usize) -> Vec<u8> {
    let mut descriptor = vec![0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| descriptor[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x01CD001\x01");
    put(8, &[b' '; 64]);
    put(40, b"ECHODEV");
    put(80, &both_32(blocks));
    put(120, &both_16(1));
    put(124, &both_16(1));
    put(128, &both_16(BLOCK as u16));
    put(132, &both_32(path_table_len));
    put(140, &((DESCRIPTORS + 2) as u32).to_le_bytes());
    put(148, &((DESCRIPTORS + 3) as u32).to_be_bytes());
    put(156, &record("\0", root, BLOCK, DIRECTORY));
    put(190, &[b' '; 623]);
    for date in 0..4 {
        put(813 + 17 * date, &[b'0'; 16]);
    }
    put(881, &[1]);
    descriptor
}

/// The path table (9.4) in one byte order, with the root and the directories in it.
fn path_table(root: usize, directories: &[Directory<'_>], big_endian: bool) -> Vec<u8> {
    let mut table = Vec::new();
    let names = directories
        .iter()
        .map(|directory| directory.name.to_ascii_uppercase());
    for (i, name) in ["\0".to_owned()].into_iter().chain(names).enumerate() {
        let place = (root + i) as u32;
        table.extend([name.len() as u8, 0]);
        table.extend(if big_endian {
            place.to_be_bytes()
        } else {
            place.to_le_bytes()
        });
        // The parent is the first directory of this table.
        table.extend(if big_endian {
            1u16.to_be_bytes()
        } else {
            1u16.to_le_bytes()
        });
        table.extend(name.as_bytes());
        table.resize(table.len().next_multiple_of(2), 0);
    }
    table
}

/// A number in both byte orders (7.3.3).
fn both_32(n: usize) -> [u8; 8] {
    let n = n as u32;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    bytes[4..].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// A short number in both byte orders (7.2.3).
fn both_16(n: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&n.to_le_bytes());
    bytes[2..].copy_from_slice(&n.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a directory's block: name, place, length.
    fn entries(block: &[u8]) -> Vec<(String, usize, usize)> {
        let word = |record: &[u8], at: usize| {
            u32::from_le_bytes(record[at..at + 4].try_into().unwrap()) as usize
        };
        let mut rest = block;
        let mut found = Vec::new();
        while rest[0] != 0 {
            let (record, after) = rest.split_at(usize::from(rest[0]));
            let name = &record[33..33 + usize::from(record[32])];
            found.push((
                String::from_utf8_lossy(name).into_owned(),
                word(record, 2),
                word(record, 10),
            ));
            rest = after;
        }
        found
    }

    #[test]
    fn files_are_where_the_directories_say() {
        let content = |len: usize, seed: u8| (0..len).map(|i| i as u8 ^ seed).collect::<Vec<u8>>();
        let files = [
            ("init", content(5000, 1)),
            ("none", vec![]),
            ("whole.ko", content(4096, 2)),
        ];
        let image = image(&[
            Directory {
                name: "dev",
                files: vec![],
            },
            Directory {
                name: "sbin",
                files: files.to_vec(),
            },
        ])
        .unwrap();

        let block = |n: usize| &image[n * BLOCK..(n + 1) * BLOCK];
        assert_eq!(&block(16)[..6], b"\x01CD001");
        assert_eq!(
            image.len(),
            u32::from_le_bytes(block(16)[80..84].try_into().unwrap()) as usize * BLOCK
        );
        let root = u32::from_le_bytes(block(16)[158..162].try_into().unwrap()) as usize;
        let directories = entries(block(root));
        assert_eq!(
            directories
                .iter()
                .map(|entry| entry.0.as_str())
                .collect::<Vec<_>>(),
            ["\0", "\x01", "DEV", "SBIN"]
        );
        assert_eq!(entries(block(directories[2].1)).len(), 2);
        for ((name, place, len), (wanted, bytes)) in
            entries(block(directories[3].1))[2..].iter().zip(&files)
        {
            assert_eq!(*name, format!("{};1", wanted.to_uppercase()));
            assert_eq!(&image[place * BLOCK..place * BLOCK + len], bytes);
        }
    }

    #[test]
    fn too_many_files_are_refused() {
        let files = vec![("a", vec![]); 60];
        assert!(image(&[Directory { name: "d", files }]).is_err());
    }
}
