//! The rules: each file holds one rule's documentation, its judgement and its rewrite.

use std::fmt;

/// Identifies a rule: one of testdiet's own by its place in [`ALL`], or one a project added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        ALL.iter().find(|r| r.code == *self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What there is to know about a rule apart from its code.
#[derive(Debug)]
pub struct Rule {
    /// Its id everywhere.
    pub code: Code,
    /// Its title, the JSON `name`: a short phrase.
    pub title: &'static str,
    /// The text of its file's header: Markdown, what it finds, why that hurts, an example, when the fix is unsafe.
    pub doc: &'static str,
    /// Whether it runs without being selected.
    pub default: bool,
}

/// All rules, in the order of the documentation.
pub static ALL: &[Rule] = &[];
