//! The demonstration: it must work for whoever tries it first.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::harness::node::SMENA;
use super::harness::{Pace, eventually, scenario};

fn runs_and_leaves_nothing(user: u32) {
    scenario(&[], Pace::Alone, Duration::from_secs(90), move |lab| {
        let a = lab.bare_node("a");
        // Where any user can execute it.
        let copy = std::env::temp_dir().join(format!("smena-demo-{}-{user}", std::process::id()));
        std::fs::copy(SMENA, &copy).expect("a copy in the folder for temporary files");
        let mut command = Command::new(&copy);
        command.arg("demo").stdin(Stdio::null());
        command.uid(user).gid(user);
        let output = a.machine().output(command).expect("smena starts");
        std::fs::remove_file(&copy).expect("own file");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
        assert!(text.to_lowercase().contains("master"), "{text}");
        println!("{text}");
        eventually(Duration::from_secs(5), "no process is left", || {
            a.machine().processes().is_empty()
        });
        let links = a.machine().ip("-o link");
        assert_eq!(links.lines().count(), 1, "only lo is there: {links}");
    });
}

#[test]
fn as_root() {
    runs_and_leaves_nothing(0);
}

#[test]
fn as_an_ordinary_user() {
    runs_and_leaves_nothing(65534);
}
