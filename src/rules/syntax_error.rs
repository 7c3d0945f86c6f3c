//! # syntax-error
//!
//! testdiet could not parse (all of) a file.
//!
//! ## Why is this bad?
//! What is not understood is not counted. testdiet reads Python as its newest version does: files of Python 2, and those that are
//! broken on purpose to test something, are no Python. So this is for your information: it does not mean that something has to be
//! done.
//!
//! ## Example
//! ```python
//! print "of Python 2"
//! ```
//!
//! ## Fix
//! None; and nothing else is fixed in such a file.

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::finding::Severity;
use crate::python::ast::SyntaxError;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("syntax-error"),
    title: "File that testdiet could not parse",
    source: include_str!("syntax_error.rs"),
    default: true,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let m = cx.module;
    let Some(SyntaxError { span: first, message }) = m.ast.errors.first() else { return };
    let line = m.source.line_span(m.source.line_of(first.start));
    let span = Span::new(first.start, first.end.min(line.end.max(first.start)));
    let message = format!("testdiet could not parse this ({message}); nothing in this file will be fixed");
    let mut finding = cx.finding(&RULE.code, m, span, message);
    finding.severity = Severity::Info;
    out.push(Draft::new(finding));
}
