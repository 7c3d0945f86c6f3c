//! What reaches people by other ways than cargo: the hooks, their mirror, the action.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).replace("\r\n", "\n")
}

/// What follows a key in YAML as simple as that of the hooks.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    text.lines().filter_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix(&key)).collect()
}

#[test]
fn the_hooks_are_commands_that_there_are() {
    let hooks = read(&root().join(".pre-commit-hooks.yaml"));
    assert_eq!(values(&hooks, "id"), ["testdiet", "testdiet-fix"]);
    for entry in values(&hooks, "entry") {
        let words: Vec<&str> = entry.split(' ').collect();
        assert!(words[0] == "testdiet" && words[2..] == ["--force-exclude"], "{entry}");
        // Help stops a run after the flags were taken for what they are.
        let output = Command::new(env!("CARGO_BIN_EXE_testdiet")).args(&words[1..]).arg("--help").output().unwrap();
        assert!(output.status.success(), "{entry}");
    }
}

#[test]
fn the_mirror_has_the_same_hooks_and_installs_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("packaging/pre-commit/mirror.py");
    let output = Command::new("python3").arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hooks = read(&root().join(".pre-commit-hooks.yaml"));
    let mirrored = read(&folder.path().join(".pre-commit-hooks.yaml"));
    for key in ["id", "entry", "types_or", "require_serial"] {
        assert_eq!(values(&mirrored, key), values(&hooks, key), "{key}");
    }
    assert_eq!((values(&hooks, "language"), values(&mirrored, "language")), (vec!["rust"; 2], vec!["python"; 2]));
    let version = env!("CARGO_PKG_VERSION");
    let project = read(&folder.path().join("pyproject.toml"));
    let project: toml::Table = project.parse().unwrap();
    assert_eq!(project["project"]["dependencies"][0].as_str(), Some(format!("testdiet=={version}").as_str()));
    let readme = read(&folder.path().join("README.md"));
    assert!(readme.contains(&format!("rev: v{version}\n")) && !readme.contains('{'), "{readme}");
}

#[test]
fn the_wheel_names_what_is_there() {
    let project: toml::Table = read(&root().join("pyproject.toml")).parse().unwrap();
    let crate_: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    for key in ["name", "description", "license", "readme"] {
        assert_eq!(project["project"][key], crate_["package"][key], "{key}");
    }
}
