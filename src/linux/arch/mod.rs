//! What differs between processors: the first instructions of the process, the
//! instruction that enters the kernel, and the numbers that it knows. One file
//! each; a new architecture is a new file and a line here.
//!
//! # Safety
//!
//! Each file provides `_start`, which hands the initial stack pointer to
//! `start::main`, and `syscall6`, which has the same contract as the kernel's
//! system call entry.
#![allow(unsafe_code)]

#[cfg(not(target_arch = "mips"))]
mod alike;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub mod generic;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::*;

#[cfg(target_arch = "arm")]
mod arm;
#[cfg(target_arch = "arm")]
pub use arm::*;

#[cfg(target_arch = "mips")]
mod mips;
#[cfg(target_arch = "mips")]
pub use mips::*;

#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "riscv64")]
pub use riscv64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "mips",
    target_arch = "riscv64",
    target_arch = "x86_64"
)))]
compile_error!("no src/linux/arch file for this architecture: write one beside x86_64.rs");
