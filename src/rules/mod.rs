//! The rules: each file holds one rule's documentation (its header), its judgement and its rewrite.
//!
//! Adding a rule is one file here, one line in [`ALL`], one case in `tests/cases/`, and a pattern in `queries/` if it looks
//! for something that no query finds yet.

pub mod context;
mod custom;
mod join_without_timeout;
mod large_allocation;
mod leaked_thread;
mod long_loop;
mod long_sleep;
mod long_timeout;
mod loop_impact;
mod missing_slow_marker;
mod sleep_before_assert;
mod sleep_budget;
mod slow_poll;
mod syntax_error;
mod too_many_threads;
mod unchecked_join;
mod unclosed_resource;
mod unregistered_marker;
mod untracked_thread_errors;
pub(crate) mod unused_suppression;
mod wait_without_timeout;

use std::fmt;

pub use custom::custom;

/// Identifies a rule: one of testdiet's own by its place in [`ALL`], or one a project added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Code(std::borrow::Cow<'static, str>);

impl Code {
    /// A rule of testdiet's own.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// A rule that a project's configuration added.
    #[must_use]
    pub const fn custom(name: String) -> Self {
        Self(std::borrow::Cow::Owned(name))
    }

    /// The kebab-case name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rule behind it, unless a project added it.
    #[must_use]
    pub fn rule(&self) -> Option<&'static Rule> {
        ALL.iter().copied().find(|r| r.code == *self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A rule.
pub struct Rule {
    /// Its id everywhere.
    pub code: Code,
    /// Its title, the JSON `name`: a short phrase.
    pub title: &'static str,
    /// The text of its own file; the header is its documentation.
    source: &'static str,
    /// Whether it runs without being selected.
    pub default: bool,
    /// Judges a file; `None` for what can only be judged after all others.
    judge: Option<fn(&context::Context<'_>, &mut Vec<context::Draft>)>,
}

impl Rule {
    /// What it finds, why that hurts, an example, when the fix is unsafe: Markdown, without the heading, which is the code.
    #[must_use]
    pub fn doc(&self) -> String {
        let header = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<&str> = header.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let text = lines.join("\n");
        let heading = format!("# {}\n", self.code);
        text.strip_prefix(&heading).unwrap_or(&text).trim().to_owned()
    }

    /// Judges one file.
    pub fn judge(&self, cx: &context::Context<'_>, out: &mut Vec<context::Draft>) {
        if let Some(judge) = self.judge {
            judge(cx, out);
        }
    }
}

#[cfg(test)]
impl Rule {
    /// A rule that judges nothing, with the text its file would have.
    pub(crate) const fn sample(code: Code, title: &'static str, source: &'static str, default: bool) -> Self {
        Self { code, title, source, default, judge: None }
    }
}

/// All rules, in the order of the documentation.
pub static ALL: &[&Rule] = &[
    &long_sleep::RULE,
    &sleep_budget::RULE,
    &sleep_before_assert::RULE,
    &slow_poll::RULE,
    &long_timeout::RULE,
    &join_without_timeout::RULE,
    &unchecked_join::RULE,
    &wait_without_timeout::RULE,
    &too_many_threads::RULE,
    &untracked_thread_errors::RULE,
    &leaked_thread::RULE,
    &unclosed_resource::RULE,
    &large_allocation::RULE,
    &long_loop::RULE,
    &loop_impact::RULE,
    &missing_slow_marker::RULE,
    &unregistered_marker::RULE,
    &unused_suppression::RULE,
    &syntax_error::RULE,
];
