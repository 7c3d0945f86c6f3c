//! Suppression comments: `# testdiet: ignore[long-sleep] reason` on the line of a finding or on its own line above it, and
//! `# testdiet: ignore-file[…]` anywhere in the file. Without brackets, every rule is meant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix, apply};
use crate::finding::{Cost, Finding, Severity};
use crate::python::lower;
use crate::python::project::Module;
use crate::rules::{ALL, Code};
use crate::source::{SourceFile, Span};

/// One rule named in one comment; `None` for a comment that names none.
#[derive(Debug)]
struct Entry {
    code: Option<String>,
    /// Where the name is.
    span: Span,
    used: bool,
}

/// One comment.
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Suppressions {
    /// The file.
    pub file: Arc<PathBuf>,
    source: Arc<SourceFile>,
    comments: Vec<Comment>,
    broken: bool,
}

impl Suppressions {
    /// Reads the comments of a module.
    #[must_use]
    pub fn of(module: &Module) -> Self {
        let source = Arc::clone(&module.source);
        let comments = module.ast.comments.iter().filter_map(|&span| comment(&source, span)).collect();
        Self { file: Arc::clone(&module.file), source, comments, broken: module.broken() }
    }

    /// Whether a finding is suppressed; the comment that does it is then used.
    pub fn suppresses(&mut self, finding: &Finding) -> bool {
        let entries = self.entries(finding);
        for &(comment, entry) in &entries {
            self.comments[comment].entries[entry].used = true;
        }
        !entries.is_empty()
    }

    /// Whether a finding would be suppressed.
    #[must_use]
    pub fn would_suppress(&self, finding: &Finding) -> bool {
        !self.entries(finding).is_empty()
    }

    /// The entries that suppress a finding, by the index of their comment and their own.
    fn entries(&self, finding: &Finding) -> Vec<(usize, usize)> {
        if self.comments.is_empty() {
            return Vec::new();
        }
        let first = self.source.line_of(finding.span.start);
        let last = self.source.line_of(finding.span.end.max(finding.span.start + 1) - 1);
        // Comments on lines of their own directly above, however many.
        let mut top = first;
        while top > 0 && self.source.line(top - 1).trim_start().starts_with('#') {
            top -= 1;
        }
        let mut out = Vec::new();
        for (i, comment) in self.comments.iter().enumerate() {
            let here = comment.whole_file
                || (first..=last).contains(&comment.line)
                || comment.alone && (top..first).contains(&comment.line);
            if !here {
                continue;
            }
            let entries = comment.entries.iter().enumerate();
            out.extend(
                entries.filter(|(_, e)| e.code.as_deref().is_none_or(|c| c == finding.code.as_str())).map(|(j, _)| (i, j)),
            );
        }
        out
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

/// Columns of a line that a comment may still be added to: what formatters make of a line by default.
const LINE: usize = 88;

/// Comments that suppress findings: the edits that write them, free of conflicts, and the findings that have no place for one.
///
/// Findings that begin on one line of a file share a comment. It goes to the end of that line, also in the middle of a
/// statement, or on a line of its own above it; one that is there already is given more names.
#[must_use]
pub fn comments<'f>(findings: impl IntoIterator<Item = &'f Finding>, reason: &str) -> (Vec<Edit>, Vec<&'f Finding>) {
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines: BTreeMap<(&Arc<PathBuf>, usize), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        lines.entry((&finding.file, finding.source.line_of(finding.span.start))).or_default().push(finding);
    }
    let (mut edits, mut without): (Vec<Edit>, Vec<&Finding>) = (Vec::new(), Vec::new());
    for ((file, line), findings) in lines {
        let edit = one_comment(&findings[0].source, file, line, &findings, reason.trim());
        match edit.filter(|edit| !edits.iter().any(|other| other.conflicts_with(edit))) {
            Some(edit) => edits.push(edit),
            None => without.extend(findings),
        }
    }
    (edits, without)
}

/// The comment for findings that begin on one line.
fn one_comment(source: &SourceFile, file: &Arc<PathBuf>, line: usize, findings: &[&Finding], reason: &str) -> Option<Edit> {
    let mut names: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let there = written(source.text())?;
    let here = there.iter().filter_map(|&span| comment(source, span)).find(|c| {
        !c.whole_file && (c.line == line || c.alone && c.line + 1 == line) && c.entries.iter().all(|e| e.code.is_some())
    });
    if let Some(last) = here.and_then(|c| c.entries.last().map(|e| e.span.end)) {
        return Some(Edit::insert(file, last, format!(", {}", names.join(", "))));
    }
    let space = if reason.is_empty() { "" } else { " " };
    let text = format!("# testdiet: ignore[{}]{space}{reason}", names.join(", "));
    let span = source.line_span(line);
    let code = source.slice(span).trim_end();
    let end = span.start + u32::try_from(code.len()).ok()?;
    let behind = Edit::replace(file, Span::new(end, span.end), format!("  {text}"));
    let above = Edit::insert(file, span.start, format!("{}{text}{}", source.indent_at(span.start), source.newline().as_str()));
    let short = code.chars().count() + 2 + text.chars().count() <= LINE;
    let both = if short { [behind, above] } else { [above, behind] };
    both.into_iter().find(|edit| {
        // A backslash joins lines, and nothing may come between them.
        let joined = if edit.span.start == end {
            code.ends_with('\\')
        } else {
            line > 0 && source.line(line - 1).trim_end().ends_with('\\')
        };
        let after = apply(source.text(), [edit]);
        // In a string, or behind another comment, it is not a comment of its own.
        let is_one = |spans: Vec<Span>| spans.len() == there.len() + 1 && spans.iter().any(|s| after[s.range()] == *text);
        !joined && written(&after).is_some_and(is_one)
    })
}

/// The comments of a text; `None` when it cannot be parsed.
fn written(text: &str) -> Option<Vec<Span>> {
    let tree = lower::parse(text).filter(|tree| !tree.root_node().has_error())?;
    Some(lower::lower(&tree, text).comments)
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
