//! Suppression comments: `# testdiet: ignore[long-sleep] reason` on the line of a finding or on its own line above it, and
//! `# testdiet: ignore-file[…]` anywhere in the file. Without brackets, every rule is meant. [`insert`] writes them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::{Cost, Finding, Severity};
use crate::python::project::Module;
use crate::rules::{ALL, Code};
use crate::source::{SourceFile, Span};

pub mod insert;

/// One rule named in one comment; `None` for a comment that names none.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Entry {
    code: Option<String>,
    /// Where the name is.
    span: Span,
    used: bool,
}

/// One comment.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Comment {
    span: Span,
    /// Line it stands on, from 0.
    line: usize,
    /// Whether nothing else stands on its line.
    alone: bool,
    /// `ignore-file`
    whole_file: bool,
    entries: Vec<Entry>,
}

/// The suppressions of a file.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Suppressions {
    /// The file.
    pub file: Arc<PathBuf>,
    #[serde(skip, default = "SourceFile::absent")]
    source: Arc<SourceFile>,
    comments: Vec<Comment>,
    broken: bool,
}

impl Suppressions {
    /// Reads the comments of a module.
    #[must_use]
    pub fn of(module: &Module) -> Self {
        Self::new(&module.source, &module.file, &module.ast.comments, module.broken())
    }

    /// Reads the comments of a text.
    fn new(source: &Arc<SourceFile>, file: &Arc<PathBuf>, comments: &[Span], broken: bool) -> Self {
        let comments = comments.iter().filter_map(|&span| comment(source, span)).collect();
        Self { file: Arc::clone(file), source: Arc::clone(source), comments, broken }
    }

    /// Takes up the text again, which is not kept with what was read of it.
    pub fn anchor(&mut self, source: Arc<SourceFile>) {
        self.source = source;
    }

    /// Whether a finding is suppressed; the comment that does it is then used.
    pub fn suppresses(&mut self, finding: &Finding) -> bool {
        let entries = self.entries(finding.span, &finding.code);
        for &(comment, entry) in &entries {
            self.comments[comment].entries[entry].used = true;
        }
        !entries.is_empty()
    }

    /// Whether a finding would be suppressed.
    #[must_use]
    pub fn would_suppress(&self, finding: &Finding) -> bool {
        !self.entries(finding.span, &finding.code).is_empty()
    }

    /// The entries that suppress a rule's finding in a place, by the index of their comment and their own.
    fn entries(&self, span: Span, code: &Code) -> Vec<(usize, usize)> {
        let names = |e: &Entry| e.code.as_deref().is_none_or(|c| c == code.as_str());
        let mut out = Vec::new();
        for i in self.reaching(span) {
            let entries = self.comments[i].entries.iter().enumerate();
            out.extend(entries.filter(|(_, e)| names(e)).map(|(j, _)| (i, j)));
        }
        out
    }

    /// The comments that are about a place, whatever rules they name, by their index.
    fn reaching(&self, span: Span) -> Vec<usize> {
        if self.comments.is_empty() {
            return Vec::new();
        }
        let (first, last) = lines(&self.source, span);
        // Comments on lines of their own directly above, however many.
        let mut top = first;
        while top > 0 && self.source.line(top - 1).trim_start().starts_with('#') {
            top -= 1;
        }
        let here = |c: &Comment| c.whole_file || (first..=last).contains(&c.line) || c.alone && (top..first).contains(&c.line);
        (0..self.comments.len()).filter(|&i| here(&self.comments[i])).collect()
    }

    /// What suppressed nothing, as findings of `code`; only rules that were looked for can be judged so.
    #[must_use]
    pub fn unused(&self, code: &Code, role: Role, enabled: &dyn Fn(&Code) -> bool) -> Vec<Finding> {
        let mut out = Vec::new();
        for comment in &self.comments {
            let known = |c: &str| ALL.iter().any(|r| r.code.as_str() == c);
            let unused: Vec<&Entry> = comment
                .entries
                .iter()
                .filter(|e| !e.used && e.code.as_ref().is_none_or(|c| !known(c) || enabled(&Code::custom(c.clone()))))
                .collect();
            for entry in &unused {
                let message = match &entry.code {
                    Some(c) if !known(c) => format!("`{c}` is not a rule of testdiet"),
                    Some(c) => format!("this suppresses no `{c}`"),
                    None => "this suppresses nothing".to_owned(),
                };
                let gone = unused.len() == comment.entries.len();
                let edit = if gone { self.without(comment) } else { self.shorter(comment, entry) };
                let mut finding = Finding {
                    code: code.clone(),
                    message,
                    severity: Severity::Warning,
                    source: Arc::clone(&self.source),
                    file: Arc::clone(&self.file),
                    span: entry.span,
                    test: None,
                    cost: Cost::default(),
                    fix: None,
                    declined: None,
                };
                // A name that no rule has may belong to a rule of the project that is not configured here.
                let unknown = entry.code.as_ref().is_some_and(|c| !known(c));
                if role == Role::Product || self.broken {
                    finding.declined = Some("nothing is changed in this file".to_owned());
                } else if unknown {
                    finding.declined = Some("correct its name".to_owned());
                } else {
                    let group = format!("suppression:{}", if gone { comment.span.start } else { entry.span.start });
                    finding.fix = Some(Fix::new(Applicability::Safe, "Remove it", vec![edit], group));
                }
                out.push(finding);
            }
        }
        out
    }

    /// Removes a whole comment, with its line when it stands alone.
    fn without(&self, comment: &Comment) -> Edit {
        let line = self.source.line_span(comment.line);
        if comment.alone && comment.line + 1 < self.source.line_count() {
            let next = self.source.line_span(comment.line + 1).start;
            return Edit::replace(&self.file, Span::new(line.start, next), "");
        }
        let before = self.source.slice(Span::new(line.start, comment.span.start));
        let start = line.start + u32::try_from(before.trim_end().len()).unwrap_or(0);
        Edit::replace(&self.file, Span::new(start, comment.span.end), "")
    }

    /// Removes one of several names.
    fn shorter(&self, comment: &Comment, entry: &Entry) -> Edit {
        let rest = self.source.slice(Span::new(entry.span.end, comment.span.end));
        let after = rest.len() - rest.trim_start().len();
        if rest.trim_start().starts_with(',') {
            let tail = &rest[after + 1..];
            let blank = tail.len() - tail.trim_start().len();
            let end = entry.span.end + u32::try_from(after + 1 + blank).unwrap_or(0);
            return Edit::replace(&self.file, Span::new(entry.span.start, end), "");
        }
        let before = self.source.slice(Span::new(comment.span.start, entry.span.start));
        let kept = before.trim_end().trim_end_matches(',').trim_end();
        let start = comment.span.start + u32::try_from(kept.len()).unwrap_or(0);
        Edit::replace(&self.file, Span::new(start, entry.span.end), "")
    }
}

/// The first and the last line of a place, from 0.
fn lines(source: &SourceFile, span: Span) -> (usize, usize) {
    (source.line_of(span.start), source.line_of(span.end.max(span.start + 1) - 1))
}

fn comment(source: &SourceFile, span: Span) -> Option<Comment> {
    let text = source.slice(span);
    let body = text.trim_start_matches('#').trim_start();
    let rest = body.strip_prefix("testdiet:")?.trim_start();
    let (whole_file, rest) = match rest.strip_prefix("ignore-file") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("ignore")?),
    };
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_') {
        return None;
    }
    let at = span.end - u32::try_from(rest.len()).ok()?;
    let mut entries = Vec::new();
    if let Some(inner) = rest.strip_prefix('[')
        && let Some(end) = inner.find(']')
    {
        let mut offset = at + 1;
        for part in inner[..end].split(',') {
            let lead = part.len() - part.trim_start().len();
            let name = part.trim();
            if !name.is_empty() {
                let start = offset + u32::try_from(lead).ok()?;
                let span = Span::new(start, start + u32::try_from(name.len()).ok()?);
                entries.push(Entry { code: Some(name.to_owned()), span, used: false });
            }
            offset += u32::try_from(part.len() + 1).ok()?;
        }
    }
    if entries.is_empty() {
        entries.push(Entry { code: None, span, used: false });
    }
    let line = source.line_of(span.start);
    let alone = source.slice(Span::new(source.line_span(line).start, span.start)).trim().is_empty();
    Some(Comment { span, line, alone, whole_file, entries })
}
