//! Everything that is linked into testdiet, or helps to test it, may be used under a licence that is all right for all of its
//! users; and THIRD-PARTY.md says what is linked, with the notices that those licences ask for.
//!
//! `TESTDIET_BLESS=1 cargo test --test licences` writes THIRD-PARTY.md, for all platforms; that may need the network.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their notice.
const FREE: [&str; 8] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "Zlib",
    "Unlicense",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "BSD-3-Clause",
];

/// Whether an SPDX expression can be met with [`FREE`] licences alone. `/` is how old manifests write OR.
fn free(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut depth = 0;
    let mut whole = true;
    // Split at the outermost operators: AND binds tighter than OR.
    let mut alternatives: Vec<Vec<String>> = vec![vec![String::new()]];
    for word in expression.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        match word {
            "OR" if depth == 0 => alternatives.push(vec![String::new()]),
            "AND" if depth == 0 => alternatives.last_mut().unwrap().push(String::new()),
            _ => {
                let part = alternatives.last_mut().unwrap().last_mut().unwrap();
                part.push_str(if part.is_empty() { "" } else { " " });
                part.push_str(word);
                continue;
            }
        }
        whole = false;
    }
    if whole {
        let one = expression.trim();
        return match one.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(inner) => free(inner),
            None => FREE.contains(&one),
        };
    }
    alternatives.iter().any(|all| all.iter().all(|part| free(part)))
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for fine in ["MIT", "MIT OR GPL-3.0", "Unlicense/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "GPL-2.0 OR MIT AND Zlib"] {
        assert!(free(fine), "{fine}");
    }
    for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND MPL-2.0", "MPL-2.0"] {
        assert!(!free(not), "{not}");
    }
}

/// What cargo knows of the dependencies: for this platform without asking the network, or for all.
fn metadata(here: bool) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if here {
        let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV").output().unwrap();
        let version = String::from_utf8(rustc.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc tells its host");
        // What was downloaded to build this test is all that is asked about.
        command.args(["--offline", "--filter-platform", host]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_dependency_is_free_to_use() {
    let metadata = metadata(true);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 20);
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(free(licence), "{} is under `{licence}`", package["name"]);
    }
}

/// The packages whose code ends up in the binary: what testdiet depends on, and what that does, without build scripts and
/// macros.
fn linked(metadata: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().unwrap().clone();
    let packages: BTreeMap<&str, &Value> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (p["id"].as_str().unwrap(), p)).collect();
    let nodes: BTreeMap<&str, &Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|n| (n["id"].as_str().unwrap(), n)).collect();
    let own = metadata["resolve"]["root"].as_str().unwrap();
    let mut seen = BTreeSet::new();
    let mut next = vec![own.to_owned()];
    while let Some(id) = next.pop() {
        let expanded = list(&packages[id.as_str()]["targets"])
            .iter()
            .all(|t| t["kind"][0] == "proc-macro" || t["kind"][0] == "custom-build");
        if expanded || !seen.insert(id.clone()) {
            continue;
        }
        for dep in list(&nodes[id.as_str()]["deps"]) {
            if list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                next.push(dep["pkg"].as_str().unwrap().to_owned());
            }
        }
    }
    seen.remove(own);
    let mut linked: Vec<&Value> = seen.iter().map(|id| packages[id.as_str()]).collect();
    linked.sort_by_key(|p| (p["name"].as_str(), p["version"].as_str()));
    linked
}

/// Files with the terms of a package, those of C libraries it brings along included.
fn terms(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().to_uppercase();
    let of = |path: &PathBuf| {
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT", "AUTHORS"].iter().any(|n| name(path).starts_with(n))
    };
    let files: Vec<PathBuf> = entries.iter().filter(|p| p.is_file() && of(p)).cloned().collect();
    // Where there is a choice, MIT is chosen: its notice is the one that has to be passed on.
    let mit: Vec<PathBuf> = files.iter().filter(|p| name(p).contains("MIT")).cloned().collect();
    out.extend(if mit.is_empty() { files } else { mit });
    for folder in
        entries.iter().filter(|p| p.is_dir() && depth > 0 && !["tests", "examples", "benches"].iter().any(|n| p.ends_with(n)))
    {
        terms(folder, depth - 1, out);
    }
}

/// A package's part of THIRD-PARTY.md.
fn section(package: &Value) -> String {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let mut out = format!("## {} {}\n\n{}\n", text("name"), text("version"), text("license").replace('/', " OR "));
    let mut files = Vec::new();
    terms(Path::new(text("manifest_path")).parent().unwrap(), 3, &mut files);
    let mut seen = BTreeSet::new();
    for file in files {
        let terms = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let lines: Vec<&str> = terms.lines().map(str::trim_end).collect();
        let terms = lines.join("\n").trim_matches('\n').to_owned();
        if seen.insert(terms.clone()) {
            _ = write!(out, "\n````text\n{terms}\n````\n");
        }
    }
    if seen.is_empty() {
        let authors: Vec<&str> = package["authors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        _ = writeln!(out, "\nIt comes without a notice. Its authors: {}.", authors.join(", "));
    }
    out
}

const HEAD: &str = "<!-- Generated: TESTDIET_BLESS=1 cargo test --test licences -->\n\n# Third-party software\n\n\
    What the program is built from besides its own sources, on one platform or another, and under which terms.\n";

#[test]
#[expect(clippy::disallowed_methods, reason = "a file of this repository, when asked for")]
fn the_notices_of_what_is_linked_are_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD-PARTY.md");
    let bless = std::env::var_os("TESTDIET_BLESS").is_some_and(|v| v == "1");
    let metadata = metadata(!bless);
    let linked = linked(&metadata);
    assert!(linked.len() > 20);
    let sections: Vec<String> = linked.iter().map(|package| section(package)).collect();
    if bless {
        std::fs::write(&path, format!("{HEAD}\n{}", sections.join("\n"))).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let stale = "regenerate it with `TESTDIET_BLESS=1 cargo test --test licences`";
    for section in sections {
        assert!(there.contains(&section), "THIRD-PARTY.md lacks this; {stale}\n{section}");
    }
    let lock = std::fs::read_to_string(path.with_file_name("Cargo.lock")).unwrap().replace("\r\n", "\n");
    for heading in there.lines().filter_map(|line| line.strip_prefix("## ")) {
        // Terms have headings of their own, but not of this form.
        if let Some((name, version)) = heading.split_once(' ').filter(|(_, v)| v.starts_with(|c: char| c.is_ascii_digit())) {
            let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&locked), "THIRD-PARTY.md has {heading}, which is gone; {stale}");
        }
    }
}
