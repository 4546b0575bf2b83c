//! A boot loader for FreeBSD/amd64 kernels, 12 to 15, which needs only QEMU with `-kernel LOADER
//! -initrd FILES`.
//!
//! QEMU starts it by the Multiboot 1 rules, 32-bit and without paging. The files are modules in
//! memory, identified by their names:
//!
//! | name         | what it is                                                        |
//! |--------------|-------------------------------------------------------------------|
//! | `kernel`     | the kernel, an ELF file                                           |
//! | `kernel.env` | the kernel environment, a `name=value` a line                     |
//! | `mfs_root`   | an image of a root file system, which the kernel finds as md0     |
//! | `echodev.ko` | a module that the kernel starts with, if there is one             |
//!
//! It does the work of FreeBSD's own loader(8) after that has read the files. The kernel's
//! segments, the image and the *metadata* are copied to memory from 2 MB on ([`staging`]). The
//! metadata is a list of records. They contain the addresses of the loaded files, the size of
//! memory, and the address of the environment ([`modinfo`]).
//!
//! Then the kernel is entered at the ELF file's entry, in long mode. The page tables map the first
//! GB of memory at 0, at `KERNBASE` and at every other multiple of 1 GB. The stack has two words,
//! the addresses of the metadata and of free memory (`sys/amd64/amd64/locore.S`, the same in all
//! these versions).
#![no_std]

#[cfg(test)]
extern crate std;

mod elf64;
mod elf_obj;
#[cfg(target_os = "none")]
mod entry;
pub mod load;
pub mod modinfo;
#[cfg(target_os = "none")]
mod multiboot;
#[cfg(target_os = "none")]
mod serial;
pub mod staging;
