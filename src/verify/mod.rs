//! Proof: keeps of the fixes exactly what a run of the tests proves.
//!
//! * [`units`] turns the fixes of all rounds into edits that can be had one by one.
//! * [`reach`] says which tests a fix can reach, by the [`outline`] of each file; only they run.
//! * [`shadow`] is the copy of the project they run in.
//! * [`session`] runs them there and hears what is said of each.
//! * [`baseline`] is what they do without any fix, and what a run is held against.
//! * [`search`] finds the fixes that the tests refuse.
//! * [`trial`] tries fixes in the copy, [`load`] makes that hard.
//! * [`memory`] spares what an earlier run has proven or refused.
//! * [`prove`] ties these together; `fix --verify` and the reviewer call it.
//!
//! Nothing here writes to the project: what is proven is handed back as changes.

mod baseline;
mod load;
mod memory;
mod outline;
mod prove;
pub mod reach;
pub mod search;
mod session;
pub mod shadow;
mod trial;
pub mod units;

use std::path::PathBuf;

use crate::pytest::RunError;
use crate::pytest::run::How;

pub use baseline::Figures;
pub use prove::{Fate, Judged, Progress, Proof, Request, Spent, prove};

/// Why nothing could be proven. The project is as it was.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A project's own query does not load.
    #[error(transparent)]
    Query(#[from] crate::query::QueryError),
    /// There is no copy.
    #[error(transparent)]
    Shadow(#[from] shadow::ShadowError),
    /// What is recorded cannot be kept.
    #[error("cannot keep what the tests do in the folder for temporary files: {0}; name another one with TMPDIR")]
    Scratch(#[source] std::io::Error),
    /// pytest could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// pytest ended without having run a test.
    #[error("pytest could not run the tests ({}); nothing was written. It said:\n{tail}{}", ended(*how), advice(*how))]
    Pytest {
        /// How it ended.
        how: How,
        /// Its last lines.
        tail: String,
    },
    /// pytest found none of the tests.
    #[error("pytest collects none of the tests that the fixes can reach; are the arguments after `--` those you run it with?")]
    NoTests,
    /// The product was not that of the copy.
    #[error(
        "cannot prove anything: `{module}` was loaded from {path}, not from the copy that the fixes are tried on; install the \
         project without an import hook of its own, or make pytest find it with `pythonpath`",
        path = path.display()
    )]
    Stray {
        /// The module.
        module: String,
        /// Where it came from.
        path: PathBuf,
    },
    /// The tests are not in the copy.
    #[error(
        "cannot prove anything: {folder} is in a folder that says it is a cache or a virtual environment, which is not copied \
         to try fixes in; move the project out of it",
        folder = folder.display()
    )]
    LeftOut {
        /// Where the tests are.
        folder: PathBuf,
    },
    /// Everything fails already.
    #[error(
        "all {tests} tests that the fixes can reach fail before any fix, so nothing can be proven; the first, {test}:\n{tail}"
    )]
    Red {
        /// How many.
        tests: usize,
        /// The first one.
        test: String,
        /// The last lines of its failure.
        tail: String,
    },
    /// Ctrl-C.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

/// What to do about pytest's own complaint.
fn advice(how: How) -> &'static str {
    match how {
        // `ExitCode.USAGE_ERROR`
        How::Exited(4) => {
            "\nIf an option is unknown, a plugin of pytest that has it may be missing there: install it, or leave the options of the \
             configuration out with `-- -o addopts=`."
        }
        _ => "",
    }
}

fn ended(how: How) -> String {
    match how {
        How::Exited(code) => format!("exit code {code}"),
        How::Killed(signal) => format!("signal {signal}"),
        How::Silent | How::Overdue => "it hung".to_owned(),
        How::Interrupted | How::Stopped => "it was interrupted".to_owned(),
    }
}
