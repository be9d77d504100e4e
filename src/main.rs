//! The binary: smena's core inside a Linux process without libc.
//!
//! Everything that knows Linux, and every `unsafe`, is in `linux/`. This file
//! only names the entry.
#![no_std]
#![no_main]

mod linux;
