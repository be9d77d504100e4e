//! The lab: the real binary in real network namespaces, beside the programs it
//! has to live with. Needs root; see `lab/harness/mod.rs` for how it works.
//!
//! `SMENA_LAB=required` makes a skipped scenario a failure. A skipped one says
//! `SKIPPED name: reason` on standard output, past the capture of `cargo test`.

mod lab {
    mod harness;

    mod addresses;
    mod asking;
    mod carried;
    mod checks;
    mod datagrams;
    mod demo;
    mod farewell;
    mod faults;
    mod flood;
    mod forward;
    mod groups;
    mod guard;
    mod hooks;
    mod instruments;
    mod interfaces;
    mod misfits;
    mod openuds;
    mod options;
    mod others;
    mod outputs;
    mod pair;
    mod peers;
    mod realtime;
    mod rejects;
    mod roles;
    mod rolling;
    mod seeds;
    mod services;
    mod shell;
    mod status;
    mod storms;
    mod systemd;
    mod ucarp;
    mod unicast;
    mod vmac;
    mod workers;
}
