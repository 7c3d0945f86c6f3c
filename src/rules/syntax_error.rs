//! # syntax-error
//!
//! testdiet could not parse (all of) a file.
//!
//! ## Why is this bad?
//! What is not understood is not counted. The grammar testdiet reads Python with lags behind CPython in places (type parameter
//! defaults, say), so this is for your information: it does not mean that the file is wrong.
//!
//! ## Example
//! ```python
//! class Box[T = int]: ...
//! ```
//!
//! ## Fix
//! None; and nothing else is fixed in such a file.

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::finding::Severity;

pub(super) static RULE: Rule = Rule {
    code: Code::new("syntax-error"),
    title: "File that testdiet could not parse",
    source: include_str!("syntax_error.rs"),
    default: true,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let m = cx.module;
    let Some(&first) = m.ast.errors.first() else { return };
    let line = m.source.line_span(m.source.line_of(first.start));
    let span = crate::source::Span::new(first.start, first.end.min(line.end.max(first.start)));
    let mut finding =
        cx.finding(&RULE.code, m, span, "testdiet could not parse this; nothing in this file will be fixed".to_owned());
    finding.severity = Severity::Info;
    out.push(Draft::new(finding));
}
