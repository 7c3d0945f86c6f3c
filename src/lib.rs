//! testdiet puts a Python test suite on a diet.
//!
//! Data flows one way:
//!
//! ```text
//! discover → source → query (match) → python (resolve) → rules (judge) → plan → edit → (review) → write
//! ```
//!
//! * [`discover`] walks to the test files, [`source`] decodes them.
//! * [`query`] compiles `queries/*.scm` and finds *sites*: sleeps, joins, threads, allocations, loops.
//! * [`python`] says what the code around a site means: names, values, types, tests, fixtures, calls.
//! * [`rules`] judge sites against the budgets of [`config`]; one file a rule.
//! * [`plan`] finds the numbers that belong together and solves for smaller ones.
//! * [`rewrite`] knows where new code goes in a file: a line, a parameter, an import, a cleanup.
//! * [`suppression`] reads the comments that silence a finding.
//! * [`engine`] runs the above over a project, once for `check`, to a fixpoint for `fix`.
//! * [`init`] proposes what a suite needs once: configuration, a conftest block, guidelines, hooks.
//! * [`pytest`] runs the user's tests, for the commands that ask a run and not the source; [`measure`] keeps what it saw,
//!   [`verify`] of the fixes what a run proves.
//! * [`evidence`] is what such runs have shown of a place or a test, for the rules and the planner: read, where it is fresh.
//! * [`fingerprint`] recognises a finding of an earlier run; [`baseline`] and [`changed`] say which are old.
//! * [`cache`] keeps what a run found for the next one.
//! * [`review`] asks a person about each fix.
//! * [`report`] prints, [`write`] writes, [`cli`] ties it to a command line.

pub mod baseline;
pub mod cache;
pub mod changed;
pub mod cli;
pub mod config;
pub mod discover;
pub mod edit;
pub mod engine;
pub mod evidence;
pub mod finding;
pub mod fingerprint;
pub mod init;
pub mod measure;
pub mod plan;
pub mod pytest;
pub mod python;
pub mod query;
pub mod report;
pub mod review;
pub mod rewrite;
pub mod rules;
pub mod source;
pub mod suppression;
pub mod verify;
pub mod write;
