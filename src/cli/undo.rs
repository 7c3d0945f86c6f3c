//! `testdiet undo`: take back what the last `fix`, `review` or `init` wrote.

use std::collections::BTreeMap;

use clap::Args;

use super::console::{Console, Verbosity};
use super::{Failure, Status, project};
use crate::edit::Applicability;
use crate::report::{Evidence, View, amount};

/// Arguments of `testdiet undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {}

/// Runs it.
pub(crate) fn run(_args: &UndoArgs, console: &mut Console) -> Result<Status, Failure> {
    let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
    let restored = project::take_back()?;
    let view =
        View { root: cwd.clone(), limits: BTreeMap::new(), cwd, applies: Applicability::Safe, evidence: Evidence::default() };
    console.results(|out| restored.iter().try_for_each(|path| writeln!(out, "{}", view.shown(path))))?;
    console.aside(Verbosity::Default, |err| match restored.len() {
        0 => writeln!(err, "Nothing to take back."),
        n => writeln!(err, "Took back the changes to {}.", amount::counted(n, "file")),
    })?;
    Ok(Status::Clean)
}
