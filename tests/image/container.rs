//! PID 1 in a container, where its status can be asked from outside.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::build::temporary;

/// Ends what it started.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A first process that is called `init` is one in a container, too; with a
/// configuration that is wrong it stays, and says so to who asks.
#[test]
fn says_what_is_wrong() {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" {
        assert!(std::env::var("SMENA_LAB").as_deref() != Ok("required"));
        println!("\nSKIPPED image::says_what_is_wrong: not root");
        return;
    }
    let folder = temporary("container");
    let binary = Path::new(env!("CARGO_BIN_EXE_smena"));
    let file = folder.join("wrong.ini");
    fs::write(&file, "[vrrp VI_01]\ninterfase = eth0\n").unwrap();
    let script = format!(
        "mount -t tmpfs tmpfs /run && cp {} {}/init && exec {1}/init run -c {}",
        binary.display(),
        folder.display(),
        file.display()
    );
    let outer = Command::new("unshare")
        .args([
            "--pid",
            "--fork",
            "--mount",
            "--net",
            "--kill-child",
            "sh",
            "-c",
            &script,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut outer = Killed(outer);
    let until = Instant::now() + Duration::from_secs(10);
    let (said, code) = loop {
        let children = format!("/proc/{0}/task/{0}/children", outer.0.id());
        let inner = fs::read_to_string(children).unwrap_or_default();
        let inner = inner.trim();
        if !inner.is_empty() {
            let asked = Command::new("nsenter")
                .args([
                    "--target",
                    inner,
                    "--mount",
                    binary.to_str().unwrap(),
                    "status",
                ])
                .output()
                .unwrap();
            let code = asked.status.code();
            if code == Some(2) || Instant::now() > until {
                break (String::from_utf8(asked.stderr).unwrap(), code);
            }
        }
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("error: unknown key `interfase` in [vrrp VI_01]"),
        "{said}"
    );
    assert!(outer.0.try_wait().unwrap().is_none(), "it has exited");
    let _ = fs::remove_dir_all(folder);
}
