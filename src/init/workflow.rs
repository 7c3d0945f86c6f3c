//! A workflow for GitHub: the budgets, the tests on Linux and on WSL2, and the slow tests in a job of their own.

use super::requirements::requirement_files;
use super::{Part, Project, Proposal};

pub(super) static PART: Part = Part {
    name: "workflow",
    title: "Hold the budgets in CI, on Linux and on WSL2",
    why: "GitHub runs `testdiet check`, the tests with a limit of 5 minutes on both, and the slow tests in a job of their own.",
    propose,
};

const NAME: &str = ".github/workflows/testdiet.yml";

/// What other hosts read; a project with one of these and no `.github` is not on GitHub.
const ELSEWHERE: [&str; 5] = [".gitlab-ci.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".circleci", "Jenkinsfile"];

fn propose(project: &Project) -> Proposal {
    let path = project.top.join(NAME);
    // One file of several suites: theirs to change once it is there.
    if path.exists() {
        return Ok(Vec::new());
    }
    let folder = project.top.join(".github");
    if let Some(other) = ELSEWHERE.iter().find(|name| !folder.exists() && project.top.join(name).exists()) {
        return Err(format!("the project uses {other}, not GitHub's workflows"));
    }
    let file = project.read(&path)?;
    Ok(vec![file.with_text(workflow(project))])
}

fn workflow(project: &Project) -> String {
    let folder = project.shown(&project.suite.root);
    let defaults = if folder.is_empty() || project.suite.root == project.top {
        String::new()
    } else {
        format!("\ndefaults:\n  run:\n    working-directory: {}\n", quoted(&folder))
    };
    let install = install(project);
    let testdiet = format!("pip install testdiet=={}", env!("CARGO_PKG_VERSION"));
    let linux = |job: &str, title: &str, minutes: u32, run: &str| {
        format!(
            r"
  {job}:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: '3.x'
      - run: python -m {install}
      - name: {title}
        timeout-minutes: {minutes}
        run: python -m {run}
"
        )
    };
    let tests = linux("tests", "Tests", 5, "pytest");
    let slow = linux("slow-tests", "Slow tests too", 30, "pytest -m \"\"");
    format!(
        r"# Written by `testdiet init`, and yours from now on. What the tests need is a guess: look at the lines with `pip install`.
name: testdiet

on:
  pull_request:
  push:
    branches: [main, master]

permissions:
  contents: read
{defaults}
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: '3.x'
      - run: python -m {testdiet}
      - name: Budgets
        run: testdiet check --output-format github
{tests}
  # WSL2 bears far fewer threads than a Linux of its own, and shares its memory with Windows: what passes above may bring it down.
  tests-on-wsl2:
    runs-on: windows-latest
    defaults:
      run:
        shell: wsl-bash {{0}}{wsl_folder}
    steps:
      - run: git config --global core.autocrlf input
        shell: bash
        working-directory: .
      - uses: actions/checkout@v4
      - uses: Vampire/setup-wsl@v5
        with:
          distribution: Ubuntu-24.04
          wsl-version: 2
          additional-packages: python3-pip python3-venv
      - run: python3 -m venv ~/venv && ~/venv/bin/python -m {install}
      - name: Tests
        timeout-minutes: 5
        run: ~/venv/bin/python -m pytest
{slow}",
        wsl_folder =
            if defaults.is_empty() { String::new() } else { format!("\n        working-directory: {}", quoted(&folder)) },
    )
}

/// A guess at what installs the project with what its tests need.
fn install(project: &Project) -> String {
    let root = &project.suite.root;
    let mut words = vec!["pip install".to_owned()];
    let files = requirement_files(project).into_iter().filter(|f| f.extension().is_some_and(|e| e == "txt"));
    let name = |f: std::path::PathBuf| Some(f.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/"));
    let files: Vec<String> = files.filter_map(name).collect();
    let for_tests = |name: &&String| name.contains("test") || name.contains("dev");
    let chosen: Vec<&String> =
        if files.iter().any(|f| for_tests(&f)) { files.iter().filter(for_tests).collect() } else { files.iter().collect() };
    words.extend(chosen.iter().map(|file| format!("-r {}", quoted(file))));
    let pyproject =
        project.text(&root.join("pyproject.toml")).and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    let names = |table: Option<&toml::Value>| -> Vec<String> {
        let known = ["test", "tests", "testing", "dev"];
        let table = table.and_then(toml::Value::as_table);
        known.iter().filter(|name| table.is_some_and(|t| t.contains_key(**name))).map(ToString::to_string).collect()
    };
    let extras = names(pyproject.get("project").and_then(|p| p.get("optional-dependencies")));
    if root.join("setup.py").is_file() || pyproject.contains_key("project") || pyproject.contains_key("build-system") {
        words.push(if extras.is_empty() { "-e .".to_owned() } else { format!("-e '.[{}]'", extras.join(",")) });
    }
    words.extend(names(pyproject.get("dependency-groups")).iter().map(|group| format!("--group {group}")));
    words.push("pytest".to_owned());
    words.join(" ")
}

/// A path as it can stand in YAML and in a shell.
fn quoted(path: &str) -> String {
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) && !path.starts_with('-');
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "''")) }
}
