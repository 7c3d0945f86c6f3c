//! Everything that is linked into testdiet, or helps to test it, may be used under a licence that is all right for all of its users.

use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their notice.
const FREE: [&str; 7] =
    ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Zlib", "Unlicense", "Unicode-3.0", "BSD-3-Clause"];

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

#[test]
fn every_dependency_is_free_to_use() {
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc tells its host");
    // What was downloaded to build this test is all that is asked about: no network.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 20);
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(free(licence), "{} is under `{licence}`", package["name"]);
    }
}
