//! The binary: smena's core inside a Linux process without libc.
//!
//! Everything that knows Linux, and every `unsafe`, is in `linux/`. This file
//! only names the entry.
#![no_std]
#![no_main]
// Assembly for MIPS is not stable yet: there it takes RUSTC_BOOTSTRAP=1.
#![cfg_attr(target_arch = "mips", feature(asm_experimental_arch))]

mod linux;
