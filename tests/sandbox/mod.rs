//! A project in a temporary folder, looked at through the library as the command line would: configuration, discovery, engine.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use testdiet::config::{Configuration, Overrides};
use testdiet::discover::{Found, discover};
use testdiet::edit::Applicability;
use testdiet::engine::{self, Change, Checked, Fixed, Input};
use testdiet::finding::Finding;
use testdiet::report::patch;

/// A project that exists as long as the value does.
pub struct Sandbox {
    dir: tempfile::TempDir,
    root: PathBuf,
}

impl Sandbox {
    /// An empty project: a folder with a `pyproject.toml` that makes it a pytest root.
    pub fn new() -> Self {
        let sandbox = Self::bare();
        sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n");
        sandbox
    }

    /// An empty folder.
    pub fn bare() -> Self {
        let dir = tempfile::Builder::new().prefix("testdiet-case-").tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        Self { dir, root }
    }

    /// A project with one test file.
    pub fn of(name: &str, text: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write(name, text);
        sandbox
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file, with the folders it needs.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(bytes.as_ref()).unwrap();
    }

    /// A file's bytes.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.root.join(name)).unwrap()
    }

    /// Copies a folder as it is.
    pub fn copy(&self, from: &Path) {
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            self.copy_below(&entry.path(), Path::new(&entry.file_name()));
        }
    }

    fn copy_below(&self, from: &Path, to: &Path) {
        if from.is_dir() {
            for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
                self.copy_below(&entry.path(), &to.join(entry.file_name()));
            }
        } else if !to.components().any(|c| c.as_os_str() == "__pycache__") {
            self.write(to.to_str().unwrap(), std::fs::read(from).unwrap());
        }
    }

    /// What the command line would hand the engine; all paths of the project when none are given, the default rules when none are.
    pub fn input(&self, paths: &[&str], select: &[&str]) -> Input {
        let select = (!select.is_empty()).then(|| select.iter().map(ToString::to_string).collect());
        let configuration = Configuration::new(Overrides { select, ..Overrides::default() }, &self.root).unwrap();
        let paths: Vec<PathBuf> = paths.iter().map(|p| self.root.join(p)).collect();
        let found = discover(&paths, &configuration).unwrap();
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let files: Vec<(Found, _)> = found
            .files
            .into_iter()
            .map(|f| {
                let settings = configuration.for_path(&f.path).unwrap();
                (f, settings)
            })
            .collect();
        let folders = if paths.is_empty() { vec![self.root.clone()] } else { paths.into_iter().filter(|p| p.is_dir()).collect() };
        Input { files, folders, stdin: None, own: Vec::new(), rules: Vec::new(), evidence: std::sync::Arc::default() }
    }

    /// Looks.
    pub fn check(&self, select: &[&str]) -> Checked {
        engine::check(&self.input(&[], select)).unwrap()
    }

    /// Fixes with `--unsafe-fixes`, nothing written.
    pub fn fix(&self, select: &[&str]) -> Fixed {
        engine::fix(&self.input(&[], select), Applicability::Unsafe).unwrap()
    }

    /// Writes what a fix would change.
    pub fn apply(&self, fixed: &Fixed) {
        for change in &fixed.changes {
            let name = self.name(&change.after.path);
            self.write(&name, change.after.encode().expect("an encoding that holds the new text"));
        }
    }

    /// The new text of a file after a fix, or its old one.
    pub fn text_after(&self, fixed: &Fixed, name: &str) -> String {
        let path = self.root.join(name);
        match fixed.changes.iter().find(|c| c.after.path == path) {
            Some(change) => change.after.text().to_owned(),
            None => String::from_utf8(self.read(name)).unwrap(),
        }
    }

    /// A path as people in the project's folder write it.
    pub fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// Findings, each with its line of source, its fix and its reasons.
    pub fn told(&self, checked: &Checked) -> String {
        let mut out = String::new();
        for f in &checked.findings {
            let at = f.source.location(f.span.start);
            let line = f.source.line(f.source.line_of(f.span.start)).trim();
            writeln!(out, "{}:{}:{} {} {}", self.name(&f.file), at.row, at.column, f.code, f.message).unwrap();
            writeln!(out, "    | {line}").unwrap();
            if let Some(fix) = &f.fix {
                let level = format!("{:?}", fix.applicability).to_lowercase();
                let reason = fix.reason.as_deref().map_or_else(String::new, |r| format!(" ({r})"));
                writeln!(out, "    {level} fix: {}{reason}", fix.message).unwrap();
            }
            if let Some(why) = &f.declined {
                writeln!(out, "    no fix: {why}").unwrap();
            }
        }
        out
    }

    /// The changes as one patch.
    pub fn patch(&self, changes: &[Change]) -> String {
        let mut out = Vec::new();
        for change in changes {
            patch::write(change, Path::new(&self.name(&change.after.path)), &mut out).unwrap();
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Runs the binary in the project's folder.
    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_testdiet"))
            .args(args)
            .current_dir(&self.root)
            .env_remove("CLICOLOR_FORCE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// An interpreter with pytest, pytest-xdist, coverage and `PyYAML`: that of target/venv, which `dev.py` makes when it is not there.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Several test binaries may want it at once.
        let lock = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("venv.lock")).unwrap();
        lock.lock().unwrap();
        let dev = Command::new("python3")
            .args(["dev.py", "venv", "pytest-xdist", "coverage", "pyyaml"])
            .current_dir(root)
            .output()
            .expect("python3 on PATH");
        assert!(dev.status.success(), "dev.py venv: {}", String::from_utf8_lossy(&dev.stderr));
        PathBuf::from(String::from_utf8(dev.stdout).unwrap().trim())
    })
}

/// Findings as `(line, rule)`.
pub fn places(findings: &[Finding]) -> Vec<(u32, &str)> {
    findings.iter().map(|f| (f.source.location(f.span.start).row, f.code.as_str())).collect()
}

/// Asks CPython whether files are Python; its complaint if one is not.
pub fn cpython_parses(files: &[PathBuf]) -> Result<(), String> {
    const PROGRAM: &str = "import ast, sys\nfor p in sys.argv[1:]:\n    ast.parse(open(p, 'rb').read(), p)";
    let output = Command::new("python3").args(["-c", PROGRAM]).args(files).output().expect("python3 on PATH");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
