//! Gives a suite testdiet's fixtures without a dependency: the plugin as one file beside the `conftest.py` that loads it.

use std::fmt::Write as _;

use super::conftest::{self, Holds};
use super::{Part, Project, Proposal, in_newlines_of};
use crate::pytest::plugin;
use crate::python::ast::StmtKind;
use crate::python::lower;

pub(super) static PART: Part = Part {
    name: "fixtures",
    title: "Have the fixtures fast_time and with_cleanup, and wait_until",
    why: "Fixes can then run a test on virtual time, or wait for what it asserts. It is one file, which needs nothing but pytest.",
    propose,
};

/// The file's name; discovery leaves it out, as it would an installed package.
const NAME: &str = "_testdiet.py";

/// The modules in the order of `testdiet.vendor`: each needs nothing but those before it.
const MODULES: [&str; 9] = ["real", "turns", "clock", "file_times", "guards", "locks", "install", "waiting", "plugin"];

fn propose(project: &Project) -> Proposal {
    if project.suite.requires_testdiet() {
        return Ok(Vec::new());
    }
    let path = conftest::home(project)?.with_file_name(NAME);
    let mut out = conftest::with_block(project, "def fast_time", |holds| Holds { fixtures: true, ..holds })?;
    let file = project.read(&path)?;
    let text = in_newlines_of(&file, &one_file().ok_or("this build lacks a part of the plugin")?);
    if file.text() != text {
        out.push(file.with_text(text));
    }
    Ok(out)
}

/// The plugin as one file; the same text as `python -m testdiet.vendor` prints.
fn one_file() -> Option<String> {
    let mut out = String::from(
        "\"\"\"Virtual time for tests with real threads: pytest's plugin of testdiet in one file. Made by testdiet.vendor.\n\n\
         PYTEST_DONT_REWRITE\n\"\"\"\n",
    );
    for name in MODULES {
        let path = format!("testdiet/{name}.py");
        let (_, text) = plugin::FILES.iter().find(|(file, _)| *file == path)?;
        _ = writeln!(out, "\n\n# ---- {name} {}", "-".repeat(120 - name.len()));
        out.push_str(&without_own_imports(text)?);
    }
    Some(out)
}

/// A module's text without its docstring, and with nothing of `from testdiet.` left.
fn without_own_imports(text: &str) -> Option<String> {
    let ast = lower::lower(text);
    let docstring = ast.stmt(*ast.body.first()?).span;
    let imports = ast.stmts.iter().filter_map(|statement| match &statement.kind {
        StmtKind::ImportFrom { level: 0, module, .. } if module.starts_with("testdiet") => Some(statement.span),
        _ => None,
    });
    let mut left: Vec<Option<&str>> = text.lines().map(Some).collect();
    let row = |at: u32| text[..at as usize].matches('\n').count();
    for span in imports.chain([docstring]) {
        left[row(span.start)..=row(span.end)].fill(None);
    }
    let lines: Vec<&str> = left.into_iter().flatten().collect();
    Some(format!("{}\n", lines.join("\n").trim_matches('\n')))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    #[test]
    fn it_is_what_the_package_itself_makes() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let made = Command::new("python3").args(["-B", "-m", "testdiet.vendor"]).current_dir(package).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (made, ours) = (String::from_utf8(made.stdout).unwrap(), one_file().unwrap());
        assert!(ours == made, "they differ");
        assert!(ours.contains("def fast_time(") && ours.contains("def wait_until(") && !ours.contains("import testdiet"));
    }
}
