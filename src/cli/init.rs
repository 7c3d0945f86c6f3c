//! `testdiet init`: what a suite needs once, each part shown as a diff and chosen or refused.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use ::console::{Key, Term};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use super::console::{Console, Verbosity};
use super::options::GlobalOptions;
use super::{Failure, Status, project};
use crate::engine::Change;
use crate::init::{PARTS, Part, Project};
use crate::report::{amount, patch, shown, style};
use crate::source::{SourceError, SourceFile};

/// Arguments of `testdiet init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder of the suite [default: the current folder]
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// Write all parts without asking
    #[arg(short, long, conflicts_with = "diff")]
    pub yes: bool,
    /// Print a patch for `git apply`, and write nothing
    #[arg(long)]
    pub diff: bool,
    /// Only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = names())]
    pub only: Vec<String>,
    /// All parts but these
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = names(), conflicts_with = "only")]
    pub skip: Vec<String>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(PARTS.iter().map(|part| part.name))
}

/// Who decides whether a part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// All are.
    All,
    /// Somebody at a terminal.
    Asked,
}

/// Runs it.
pub(crate) fn run(args: &InitArgs, global: &GlobalOptions, console: &mut Console) -> Result<Status, Failure> {
    let (project, cwd) = project::suite(args.folder.as_deref(), global)?;
    let top = project.top.clone();
    let choice = if args.yes || args.diff || !interactive() { Choice::All } else { Choice::Asked };
    let wanted = |part: &&&Part| {
        let named = |list: &[String]| list.iter().any(|name| name == part.name);
        if args.only.is_empty() { !named(&args.skip) } else { named(&args.only) }
    };
    let setup = Setup { cwd, choice, project };
    let (project, refused) = setup.go(PARTS.iter().filter(wanted), console)?;
    let changes = project.into_changes();
    if changes.is_empty() {
        let said = if refused == 0 { "Nothing to do." } else { "Nothing was written." };
        console.aside(Verbosity::Default, |err| writeln!(err, "{said}"))?;
        return Ok(Status::Clean);
    }
    let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
    if args.diff {
        return diff(&changes, &cwd, &top, console);
    }
    if !args.yes && choice == Choice::All {
        return Err(Failure::Usage(format!(
            "there is no terminal to ask at; `testdiet init --yes` writes {}, `testdiet init --diff` prints a patch",
            amount::counted(changes.len(), "file")
        )));
    }
    project::save(&changes, &top, "init")?;
    let files: Vec<_> = changes.iter().map(|change| name(&change.after.path, &cwd)).collect();
    console.results(|out| files.iter().try_for_each(|file| writeln!(out, "{}", shown::escaped(&file.to_string_lossy()))))?;
    let count = amount::counted(files.len(), "file");
    console.aside(Verbosity::Default, |err| writeln!(err, "Wrote {count}. `testdiet undo` takes it back."))?;
    Ok(Status::Clean)
}

/// Whether somebody can be shown something and asked: questions go to standard error, and results to standard output.
fn interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A path from the current folder, or whole.
fn name<'p>(path: &'p Path, cwd: &Path) -> &'p Path {
    path.strip_prefix(cwd).unwrap_or(path)
}

struct Setup {
    cwd: PathBuf,
    choice: Choice,
    project: Project,
}

impl Setup {
    /// Goes through the parts; hands back the project with those that were chosen, and how many were refused.
    fn go<'p>(
        mut self,
        parts: impl Iterator<Item = &'p &'static Part>,
        console: &mut Console,
    ) -> Result<(Project, usize), Failure> {
        let mut refused = 0;
        for part in parts {
            match part.propose(&self.project) {
                Err(why) => console.aside(Verbosity::Default, |err| {
                    writeln!(err, "note: {} is left out: {}", part.name, shown::escaped(&why))
                })?,
                Ok(files) if files.is_empty() => {
                    console.aside(Verbosity::Verbose, |err| writeln!(err, "{}: it is there already", part.name))?;
                }
                Ok(files) => {
                    if self.choice == Choice::Asked && !self.ask(part, &files, console)? {
                        refused += 1;
                        continue;
                    }
                    self.project.accept(files).map_err(|error| unreadable(&error))?;
                }
            }
        }
        Ok((self.project, refused))
    }

    /// Shows a part, and asks.
    fn ask(&self, part: &Part, files: &[SourceFile], console: &mut Console) -> Result<bool, Failure> {
        let changes = files
            .iter()
            .map(|file| self.project.change(file))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(&error))?;
        let strong = style::STRONG;
        console.shown(|out| {
            writeln!(out, "{strong}{}{strong:#} ({})\n{}\n", part.title, part.name, part.why)?;
            changes.iter().try_for_each(|change| patch::show(change, name(&change.after.path, &self.cwd), out))?;
            writeln!(out)
        })?;
        let asked = confirmed("Write this?");
        console.shown(|out| writeln!(out))?;
        asked.map_err(|_| Failure::Usage("nothing was written: the question was not answered".to_owned()))
    }
}

/// Asks for yes or no, with one key. Ctrl-C is a key while one is waited for, and ends the process before and after: at no moment
/// is it lost.
fn confirmed(question: &str) -> io::Result<bool> {
    let term = Term::stderr();
    term.write_str(&format!("{question} [Y/n] "))?;
    term.flush()?;
    let yes = loop {
        match term.read_key_raw()? {
            Key::Char('y' | 'Y') | Key::Enter => break true,
            Key::Char('n' | 'N') => break false,
            Key::Char('\x03') | Key::CtrlC => return Err(io::ErrorKind::Interrupted.into()),
            _ => {}
        }
    };
    term.write_line(if yes { "yes" } else { "no" })?;
    Ok(yes)
}

fn unreadable(error: &SourceError) -> Failure {
    Failure::Usage(format!("a file changed while it was looked at: {error}"))
}

/// The patch of all parts.
fn diff(changes: &[Change], cwd: &Path, top: &Path, console: &mut Console) -> Result<Status, Failure> {
    if changes.iter().any(|change| !change.after.path.starts_with(cwd)) {
        return Err(Failure::Usage(format!(
            "some of the files lie above the current folder, where `git apply` does not reach; run it in {}, and name the folder \
             of the suite",
            top.display()
        )));
    }
    super::fix::diff(changes, |path| name(path, cwd), console)?;
    Ok(Status::Found)
}
