//! Machines whose first process is smena, in QEMU: built by image/build, started
//! by the lines of a board's readme, on a network whose switch and client are
//! parts of the test.
//!
//! It needs qemu-system-x86 and what image/build needs, and no privilege but for
//! the container. `SMENA_LAB=required` makes a skipped test a failure.

mod image {
    mod archive;
    mod bake;
    mod boards;
    mod build;
    mod container;
    mod crash;
    mod ends;
    mod guest;
    mod lan;
    mod late;
    mod machine;
    mod pair;
}
