//! Whether a suite has testdiet's own fixtures: a block that `testdiet init` wrote, or testdiet among its dependencies.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use toml::de::{DeTable, DeValue};

/// The line that opens what `testdiet init` writes into a `conftest.py`.
pub const BLOCK_START: &str = "# >>> testdiet >>>";
/// The line that closes it.
pub const BLOCK_END: &str = "# <<< testdiet <<<";

/// Where the block that `testdiet init` wrote lies in a text, in bytes, its marker lines included; `None` without one.
#[must_use]
pub fn block(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find(BLOCK_START)?;
    let end = start + text[start..].find(BLOCK_END)?;
    Some(start..end + BLOCK_END.len())
}

/// A requirement that names testdiet: `testdiet`, `testdiet>=0.2 ; python_version > "3.8"`, `testdiet[xdist] @ …`.
static REQUIREMENT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^\s*testdiet\s*(?:$|[\[(<>=!~;@,#])").ok());

fn names_testdiet(requirement: &str) -> bool {
    REQUIREMENT.as_ref().is_some_and(|r| r.is_match(requirement))
}

/// Whether a project says that it needs testdiet: in `pyproject.toml` (any dependency table or group), `requirements*.txt`,
/// `tox.ini`, `setup.cfg` or a `Pipfile`. What cannot be read says nothing.
#[must_use]
pub fn required(root: &Path) -> bool {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    if ["pyproject.toml", "Pipfile"].iter().any(|name| in_toml(&read(&root.join(name)))) {
        return true;
    }
    if ["tox.ini", "setup.cfg"].iter().any(|name| in_ini(&read(&root.join(name)))) {
        return true;
    }
    [root.to_path_buf(), root.join("requirements")].iter().any(|folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        let requirements = |path: &Path| {
            let text = path.extension().is_some_and(|e| e == "txt" || e == "in");
            let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
            text && (name.contains("requirements") || folder.ends_with("requirements"))
        };
        entries.filter(|path| requirements(path)).any(|path| read(&path).lines().any(names_testdiet))
    })
}

/// A requirement anywhere, or a dependency by name (Poetry, Pipenv), but not in testdiet's own table.
fn in_toml(text: &str) -> bool {
    fn walk(value: &DeValue<'_>, dependencies: bool) -> bool {
        match value {
            DeValue::String(text) => dependencies && names_testdiet(text),
            DeValue::Array(items) => items.iter().any(|item| walk(item.get_ref(), dependencies)),
            DeValue::Table(table) => within(table, dependencies),
            _ => false,
        }
    }
    fn within(table: &DeTable<'_>, dependencies: bool) -> bool {
        table.iter().any(|(key, value)| {
            let key = key.get_ref();
            if !dependencies && key == "testdiet" {
                return false;
            }
            let here = dependencies || key.contains("dependencies") || key.contains("dependency") || key.ends_with("packages");
            dependencies && key == "testdiet" || walk(value.get_ref(), here)
        })
    }
    DeTable::parse(text).is_ok_and(|table| within(table.get_ref(), false))
}

/// `deps = testdiet`, or a line of a longer list.
fn in_ini(text: &str) -> bool {
    text.lines().any(|line| {
        let value = line.split_once('=').filter(|(key, _)| !key.trim().eq_ignore_ascii_case("testdiet")).map(|(_, v)| v);
        // `py3{9,10}: testdiet` is tox's way to say for which environments.
        names_testdiet(line) && !line.trim_start().starts_with('[')
            || value.is_some_and(names_testdiet)
            || line.split_once(": ").is_some_and(|(_, rest)| names_testdiet(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_told_from_other_mentions() {
        for yes in [
            "[project.optional-dependencies]\ntest = ['pytest', 'testdiet>=0.2']\n",
            "[dependency-groups]\ndev = ['TestDiet']\n",
            "[tool.poetry.group.dev.dependencies]\ntestdiet = '^0.2'\n",
            "[tool.hatch.envs.default]\ndependencies = ['testdiet ; python_version > \"3.8\"']\n",
            "[dev-packages]\ntestdiet = '*'\n",
        ] {
            assert!(in_toml(yes), "{yes}");
        }
        for no in [
            "[tool.testdiet]\nprofile = 'ci'\n",
            "[project]\nname = 'testdiet'\ndependencies = ['testdiet-extras', 'my-testdiet']\n",
            "[project]\nkeywords = ['testdiet']\n",
            "not toml",
        ] {
            assert!(!in_toml(no), "{no}");
        }
        assert!(in_ini("[testenv]\ndeps =\n    pytest\n    testdiet\n"));
        assert!(in_ini("[testenv]\ndeps = testdiet==1\n"));
        assert!(!in_ini("[testdiet]\nx = 1\n[testenv]\ncommands = testdiet check\n"));
    }

    #[test]
    fn a_block_has_two_ends() {
        let text = format!("import pytest\n{BLOCK_START}\nx = 1\n{BLOCK_END}\n");
        assert_eq!(block(&text).map(|r| &text[r]), Some(&text[14..text.len() - 1]));
        assert_eq!(block(BLOCK_START), None);
    }
}
