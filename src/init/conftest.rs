//! Has a plain `pytest` skip slow tests: by a block in the suite's `conftest.py`.
//!
//! The plugin does not do it by itself: installed beside a suite that has a mark `slow` of its own, it would take tests out of its runs.

use std::fmt::Write as _;
use std::path::{Component, PathBuf};

use super::block::PYTHON;
use super::{Part, Project, Proposal, requirements};
use crate::discover::{basedir, equipment};

pub(super) static PART: Part = Part {
    name: "conftest",
    title: "Skip slow tests in a plain `pytest`",
    why: "They run with --runslow, with -m \"\", with -m slow and by their node id, and with nothing else.",
    propose,
};

/// The hooks that skip slow tests.
const HOOKS: &str = include_str!("conftest/slow.py");
/// The hook that loads the fixtures.
const FIXTURES: &str = include_str!("fixtures/load.py");
/// The first line of the hooks that the block needs.
const FIRST: &str = "import pytest as _testdiet_pytest\n";
/// `hookimpl(specname=…)` came with pluggy 1, which pytest takes since this version.
const SINCE: (u32, u32) = (7, 0);

fn propose(project: &Project) -> Proposal {
    let (_, settings) = project.pytest()?;
    if settings.words("addopts").iter().any(|word| word.starts_with("-m")) {
        return Err("`addopts` holds a `-m`, which would overrule --runslow; take it out first".to_owned());
    }
    with_block(project, "--runslow", |holds| Holds { slow: true, ..holds })
}

/// What the block holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holds {
    /// The hooks that skip slow tests.
    pub slow: bool,
    /// The hook that loads the fixtures.
    pub fixtures: bool,
}

/// The suite's `conftest.py` with a block that holds something more; none of the suite's may have `own` outside of its block.
pub(super) fn with_block(project: &Project, own: &str, more: impl Fn(Holds) -> Holds) -> Proposal {
    if requirements::pytest_older_than(project, SINCE) {
        return Err("it takes pytest 7 or newer, and the project asks for an older one".to_owned());
    }
    let path = home(project)?;
    let file = project.read(&path)?;
    let shown = |path| project.shown(path);
    for other in project.files.iter().chain([&path]).filter(|f| f.file_name().is_some_and(|n| n == "conftest.py")) {
        let text = project.read(other)?;
        let rest = PYTHON.without(text.text()).map_err(|why| format!("{}: {why}", shown(other)))?;
        if rest.contains(own) {
            return Err(format!("{} has a `{own}` of its own", shown(other)));
        }
    }
    if file.text().lines().take(20).any(|line| line.contains("@generated")) {
        return Err(format!("{} is marked @generated: change what generates it", shown(&path)));
    }
    let text = file.text();
    let there = equipment::block(text).map_or("", |block| &text[block]);
    let holds = Holds { slow: there.contains("pytest_testdiet_slow_skip"), fixtures: there.contains("pytest_testdiet_fixtures") };
    let text = PYTHON.put(&file, &block(more(holds)), 2).map_err(|why| format!("{}: {why}", shown(&path)))?;
    Ok(if text == file.text() { Vec::new() } else { vec![file.with_text(text)] })
}

/// What stands between the lines of the block.
fn block(holds: Holds) -> String {
    let mut out = String::from("# Written by `testdiet init`, which updates it too.\n");
    if holds.slow {
        out.push_str(
            "# A plain `pytest` skips tests marked `slow`; they run with --runslow, with -m \"\", with an expression that names the\n\
             # mark (-m slow), and by their node id.\n",
        );
    }
    if holds.fixtures {
        out.push_str("# Tests have the fixtures fast_time and with_cleanup, and can import wait_until from testdiet.\n");
    }
    _ = writeln!(out, "{}  # noqa: E402", FIRST.trim_end());
    if holds.slow {
        out.push_str(HOOKS.split_once(FIRST).map_or(HOOKS, |(_, code)| code));
    }
    if holds.fixtures {
        out.push_str(FIXTURES);
    }
    out
}

/// The `conftest.py` that pytest reads before it reads its command line, whichever tests it is given: the one in the root; or
/// that of the one folder all tests lie in, where pytest looks for it when it is given nothing.
///
/// A new one is made in the root only where there is no such folder, and not at all where that could change what is imported:
/// pytest puts the folder of a `conftest.py` on `sys.path`.
pub(super) fn home(project: &Project) -> Result<PathBuf, String> {
    let root = &project.suite.root;
    let in_root = root.join("conftest.py");
    let tests: Vec<_> = project.files.iter().filter(|f| f.file_name().is_some_and(|n| n != "conftest.py")).collect();
    if tests.is_empty() {
        return Err("no tests were found".to_owned());
    }
    if in_root.is_file() {
        return Ok(in_root);
    }
    let first = |path: &std::path::Path| match path.components().next() {
        Some(Component::Normal(name)) if path.components().count() > 1 => Some(name.to_owned()),
        _ => None,
    };
    let mut folders = tests.iter().map(|test| test.strip_prefix(root).ok().and_then(first));
    let folder = folders.next().flatten();
    if let Some(folder) = folder.filter(|folder| folders.all(|other| other.as_ref() == Some(folder))) {
        let paths = &project.suite.testpaths;
        let looked_at = if paths.is_empty() {
            folder.to_string_lossy().starts_with("test")
        } else {
            paths.iter().all(|path| PathBuf::from(path).starts_with(&folder))
        };
        if looked_at {
            return Ok(root.join(folder).join("conftest.py"));
        }
    }
    match imported_anew(project, &tests) {
        Some(package) => Err(format!(
            "pytest would put the folder of a new conftest.py on `sys.path`, and the tests might import {package} from there instead \
             of what is installed; make an empty one if that is as it should be"
        )),
        None => Ok(in_root),
    }
}

/// A package in the root that tests could not import from there before there is a `conftest.py`.
fn imported_anew(project: &Project, tests: &[&PathBuf]) -> Option<String> {
    let root = &project.suite.root;
    let (_, settings) = project.pytest().ok()?;
    let importlib = settings.words("addopts").iter().any(|word| word.contains("importlib"));
    let on_path = || tests.iter().any(|test| test.parent().is_some_and(|folder| basedir(folder) == *root));
    if importlib || project.suite.pythonpath.contains(root) || on_path() {
        return None;
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let packages = entries.filter(|entry| entry.path().join("__init__.py").is_file());
    packages.map(|entry| entry.file_name().to_string_lossy().into_owned()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_binds_no_name_of_others() {
        let slow = block(Holds { slow: true, fixtures: false });
        assert!(slow.ends_with(HOOKS.split_once(FIRST).unwrap().1));
        let block = block(Holds { slow: true, fixtures: true });
        assert!(block.is_ascii() && block.contains(FIXTURES) && block.starts_with(slow.lines().next().unwrap()));
        for line in block.lines().filter(|l| !l.starts_with(' ')) {
            let name = line.strip_prefix("def ").or_else(|| line.strip_prefix("import pytest as "));
            assert!(line.is_empty() || line.starts_with(['#', '@']) || name.is_some(), "{line}");
            assert!(name.is_none_or(|n| n.starts_with("_testdiet_") || n.starts_with("pytest_testdiet_")), "{line}");
        }
    }
}
