//! Tells the binary which commit it was built from: `testdiet --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    // A debug build carries none: every commit would build everything anew.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if release { commit(Path::new(&root)) } else { None };
    let shown = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=TESTDIET_COMMIT={shown}");
    println!("cargo::rerun-if-changed=build.rs");
}

/// The first digits of the commit of a source folder: what `cargo package` has written into a crate, else what git says.
/// `None` in a folder that is neither, even below another repository.
#[must_use]
pub fn commit(root: &Path) -> Option<String> {
    let digits = packaged(root).or_else(|| checked_out(root))?;
    let whole = digits.len() >= 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| digits[..10].to_owned())
}

fn packaged(root: &Path) -> Option<String> {
    let info = std::fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = info.split_once("\"sha1\"")?;
    rest.split('"').nth(1).map(str::to_owned)
}

fn checked_out(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Every commit and every checkout adds a line to this log.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={}", root.join(log).display());
    }
    git(&["rev-parse", "HEAD"])
}
