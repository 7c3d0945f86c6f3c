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
//! * [`suppression`] reads the comments that silence a finding.
//! * [`engine`] runs the above over a project, once for `check`, to a fixpoint for `fix`.
//! * [`fingerprint`] recognises a finding of an earlier run; [`baseline`] and [`changed`] say which are old.
//! * [`review`] asks a person about each fix.
//! * [`report`] prints, [`write`] writes, [`cli`] ties it to a command line.

pub mod baseline;
pub mod changed;
pub mod cli;
pub mod config;
pub mod discover;
pub mod edit;
pub mod engine;
pub mod finding;
pub mod fingerprint;
pub mod plan;
pub mod python;
pub mod query;
pub mod report;
pub mod review;
pub mod rules;
pub mod source;
pub mod suppression;
pub mod write;
