//! Finds the interpreter that has the user's pytest, and refuses one that cannot do, saying what would.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The oldest `CPython` that is supported.
pub const MIN_PYTHON: Version = Version(3, 9);
/// The oldest pytest that is supported: 7.0 is the first whose hooks hand out `pathlib` paths.
pub const MIN_PYTEST: Version = Version(7, 0);

/// How long an interpreter may take to say what it is. A cold start on a network drive takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints what the interpreter is. Written so that Python 2 can read it too: it has to say that it is too old. Without `json`, which
/// would double what asking costs.
const QUESTION: &str = r#"
import sys
pytest = ""
try:
    try:
        # The module's own word, for a fraction of what the package's metadata cost.
        from _pytest import __version__ as pytest
    except Exception:
        import pytest as found
        pytest = found.__version__
except Exception:
    pass
implementation = getattr(getattr(sys, "implementation", None), "name", "cpython")
name = {"cpython": "CPython", "pypy": "PyPy"}.get(implementation, implementation)
print("testdiet:%s %d.%d.%d %s" % ((name,) + tuple(sys.version_info[:3]) + (pytest,)))
"#;

/// Major and minor number of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// Reads the start of a version: `8.3.2` and `9.0.0rc1` are read, `unknown` is not.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| &part[..end]);
            digits.parse().ok()
        });
        Some(Self(parts.next()??, parts.next().flatten().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What said which interpreter to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `--python`
    Asked,
    /// `$VIRTUAL_ENV`
    Environment,
    /// A folder `.venv` or `venv` beside the tests or above them.
    Folder,
    /// The first one on `PATH`.
    Path,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "--python",
            Self::Environment => "$VIRTUAL_ENV",
            Self::Folder => "a virtual environment of the project",
            Self::Path => "PATH",
        })
    }
}

/// An interpreter that can run the tests.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// The program.
    pub path: PathBuf,
    /// What said so.
    pub origin: Origin,
    /// Its version, in full: `3.11.7`.
    pub python: String,
    /// Its pytest's version, in full: `8.3.2`.
    pub pytest: String,
}

/// Why tests cannot be run with an interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// What was named is not there.
    #[error("--python {0}: there is no such program; give the path of an interpreter or of a virtual environment")]
    Missing(String),
    /// A virtual environment without an interpreter.
    #[error("{origin} names {folder}, which has no interpreter; make it anew, or name one with --python", folder = folder.display())]
    EmptyEnvironment {
        /// What named it.
        origin: Origin,
        /// The environment.
        folder: PathBuf,
    },
    /// No Python anywhere.
    #[error("there is no Python here: no --python, no $VIRTUAL_ENV, no .venv or venv, and no python3 on PATH")]
    None,
    /// It could not be started.
    #[error("{path} (from {origin}) cannot be run: {error}", path = path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// Why.
        error: std::io::Error,
    },
    /// It runs, but does not answer as Python does.
    #[error("{path} (from {origin}) is no working Python: {said}", path = path.display())]
    NotPython {
        /// The program.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// The end of what it printed, or what else it did.
        said: String,
    },
    /// Python, but not one that is supported.
    #[error(
        "{path} (from {origin}) is {implementation} {version}; testdiet needs CPython {MIN_PYTHON} or newer: name one with --python",
        path = path.display()
    )]
    Python {
        /// The program.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// Which Python.
        implementation: String,
        /// Its version.
        version: String,
    },
    /// No pytest.
    #[error(
        "{path} (from {origin}) has no pytest; install it there (`{path} -m pip install pytest`), or name another interpreter \
         with --python",
        path = path.display()
    )]
    NoPytest {
        /// The program.
        path: PathBuf,
        /// What named it.
        origin: Origin,
    },
    /// A pytest that is too old.
    #[error(
        "{path} (from {origin}) has pytest {version}; testdiet needs {MIN_PYTEST} or newer \
         (`{path} -m pip install --upgrade pytest`)",
        path = path.display()
    )]
    OldPytest {
        /// The program.
        path: PathBuf,
        /// What named it.
        origin: Origin,
        /// Its version.
        version: String,
    },
}

impl Interpreter {
    /// The interpreter for the tests in a folder: the one asked for, else `$VIRTUAL_ENV`'s, else that of a `.venv` or
    /// `venv` in the folder or above it, up to `top`; else the first `python3` on `PATH`. The first there is has to do: a
    /// second choice could prove something about another pytest.
    ///
    /// # Errors
    /// When there is none, or it cannot run the tests.
    pub fn find(asked: Option<&Path>, folder: &Path, top: &Path) -> Result<Self, InterpreterError> {
        let (path, origin) = Self::locate(asked, folder, top)?;
        Self::check(path, origin)
    }

    fn locate(asked: Option<&Path>, folder: &Path, top: &Path) -> Result<(PathBuf, Origin), InterpreterError> {
        if let Some(asked) = asked {
            let missing = || InterpreterError::Missing(asked.display().to_string());
            if asked.is_dir() {
                return of_environment(asked)
                    .map(|path| (path, Origin::Asked))
                    .ok_or_else(|| InterpreterError::EmptyEnvironment { origin: Origin::Asked, folder: asked.to_path_buf() });
            }
            // A bare name is looked for on PATH, as a shell would.
            let bare = asked.components().count() == 1 && !asked.exists();
            let found = if bare { on_path(asked.as_os_str()) } else { std::path::absolute(asked).ok() };
            return found.filter(|p| p.exists()).map(|p| (p, Origin::Asked)).ok_or_else(missing);
        }
        if let Some(active) = env::var_os("VIRTUAL_ENV").filter(|v| !v.is_empty()) {
            let origin = Origin::Environment;
            let found = of_environment(Path::new(&active)).map(|path| (path, origin));
            return found.ok_or_else(|| InterpreterError::EmptyEnvironment { origin, folder: PathBuf::from(active) });
        }
        let folders = folder.ancestors().take_while(|dir| dir.starts_with(top));
        let environments = folders.flat_map(|dir| [dir.join(".venv"), dir.join("venv")]);
        // A folder of that name that is no environment says nothing.
        if let Some(environment) = environments.into_iter().find(|dir| dir.join("pyvenv.cfg").is_file()) {
            let origin = Origin::Folder;
            let found = of_environment(&environment).map(|path| (path, origin));
            return found.ok_or(InterpreterError::EmptyEnvironment { origin, folder: environment });
        }
        let names: &[&str] = if cfg!(windows) { &["python", "python3"] } else { &["python3", "python"] };
        let found = names.iter().find_map(|name| on_path(OsStr::new(name)));
        found.map(|path| (path, Origin::Path)).ok_or(InterpreterError::None)
    }

    fn check(path: PathBuf, origin: Origin) -> Result<Self, InterpreterError> {
        let said = ask(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => {
                let said = format!("it said nothing for {} s", PATIENCE.as_secs());
                InterpreterError::NotPython { path: path.clone(), origin, said }
            }
            _ => InterpreterError::Start { path: path.clone(), origin, error },
        })?;
        let answer = said.lines().rev().find_map(|line| line.strip_prefix("testdiet:"));
        let mut words = answer.unwrap_or_default().split_whitespace().map(str::to_owned);
        let (Some(implementation), Some(python)) = (words.next(), words.next()) else {
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            let said = last.map_or_else(|| "it printed nothing".to_owned(), |line| format!("it said `{}`", line.trim()));
            return Err(InterpreterError::NotPython { path, origin, said });
        };
        let old = Version::parse(&python).is_none_or(|v| v < MIN_PYTHON);
        if old || implementation != "CPython" {
            return Err(InterpreterError::Python { path, origin, implementation, version: python });
        }
        let Some(pytest) = words.next() else {
            return Err(InterpreterError::NoPytest { path, origin });
        };
        if Version::parse(&pytest).is_none_or(|v| v < MIN_PYTEST) {
            return Err(InterpreterError::OldPytest { path, origin, version: pytest });
        }
        Ok(Self { path, origin, python, pytest })
    }
}

/// The interpreter of a virtual environment.
fn of_environment(folder: &Path) -> Option<PathBuf> {
    let names = if cfg!(windows) { ["Scripts/python.exe", "python.exe"] } else { ["bin/python", "bin/python3"] };
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.exists())?;
    std::path::absolute(found).ok()
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let mut exe = name.to_owned();
    if cfg!(windows) && Path::new(name).extension().is_none() {
        exe.push(".exe");
    }
    env::split_paths(&folders).map(|folder| folder.join(&exe)).find(|path| path.is_file())
}

/// What an interpreter prints when asked what it is, its errors included.
fn ask(path: &Path) -> std::io::Result<String> {
    let mut child =
        Command::new(path).args(["-c", QUESTION]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    // What a working interpreter prints fits a pipe's buffer; one that prints more is not waited for longer than others.
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = Vec::new();
    if let Some(mut err) = child.stderr.take() {
        err.read_to_end(&mut said)?;
    }
    if let Some(mut out) = child.stdout.take() {
        out.read_to_end(&mut said)?;
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_far_as_they_matter() {
        let parse = |text| Version::parse(text).map(|v| (v.0, v.1));
        assert_eq!(parse("8.3.2"), Some((8, 3)));
        assert_eq!(parse("9.0rc1"), Some((9, 0)));
        assert_eq!(parse("10"), Some((10, 0)));
        assert_eq!(parse("unknown"), None);
        assert!(Version(10, 0) > Version(9, 9));
    }
}
