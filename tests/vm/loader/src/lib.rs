//! A boot loader for FreeBSD/amd64 kernels, 12 to 15, that needs nothing but QEMU: `-kernel LOADER
//! -initrd FILES`.
//!
//! QEMU starts it by the Multiboot 1 rules, 32-bit and without paging, with the files in memory as
//! modules that are known by their names:
//!
//! | name         | what it is                                                        |
//! |--------------|-------------------------------------------------------------------|
//! | `kernel`     | the kernel, an ELF file                                           |
//! | `kernel.env` | the kernel environment, a `name=value` a line                     |
//! | `mfs_root`   | an image of a root file system, which the kernel finds as md0     |
//! | `echodev.ko` | a module that the kernel starts with, if there is one             |
//!
//! It does what FreeBSD's own loader(8) does after the files are read. The kernel's segments, then
//! the image, then the *metadata*, go to memory from 2 MB on ([`staging`]); the metadata is a list
//! of records that tells the kernel what was loaded where, how much memory there is, and where its
//! environment lies ([`modinfo`]). Then the kernel is entered, at the ELF file's entry, in long
//! mode, with page tables that show the first GB of memory at 0, at `KERNBASE` and at every other
//! multiple of 1 GB, and with two words on the stack: where the metadata is and where free memory
//! begins (`sys/amd64/amd64/locore.S`, the same in all these versions).
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
