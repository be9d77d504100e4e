//! The unit in `dist/`, as systemd reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::harness::{has_tool, new_folder, skip};

#[test]
fn the_unit_is_understood() {
    if !has_tool("systemd-analyze") {
        skip("lab::systemd::the_unit_is_understood", "needs systemd");
        return;
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/smena.service");
    let unit = fs::read_to_string(unit).unwrap();
    // Where the program is on the machine of the test.
    let command = "ExecStart=/usr/sbin/smena run";
    let there = format!("ExecStart={} run", env!("CARGO_BIN_EXE_smena"));
    assert!(unit.contains(command), "{unit}");
    let folder = new_folder();
    let file = folder.join("smena.service");
    fs::write(&file, unit.replace(command, &there)).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let said = verify.args(["verify", "--man=no"]).arg(&file).output();
    let said = said.unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
    let _ = fs::remove_dir_all(folder);
}
