//! # unused-suppression
//!
//! A `# testdiet: ignore[…]` comment that suppresses nothing.
//!
//! ## Why is this bad?
//! It hides the next finding of that kind on that line, and says something about the code that is no longer true.
//!
//! ## Example
//! ```python
//! time.sleep(0.1)  # testdiet: ignore[long-sleep] the server needs it
//! ```
//!
//! ## Fix
//! Removes the rule from the comment, and the comment when no rule is left. *Safe*. A comment that names no rule at all, or one that does not
//! exist, is told too.

use super::{Code, Rule};

/// Judged by the engine, once it is known what every suppression suppressed.
pub(crate) static RULE: Rule = Rule {
    code: Code::new("unused-suppression"),
    title: "Suppression that suppresses nothing",
    source: include_str!("unused_suppression.rs"),
    default: true,
    judge: None,
};
