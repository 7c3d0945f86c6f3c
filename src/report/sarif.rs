//! `sarif`: SARIF 2.1.0, which code scanning and editors read. One run, whose rules are those that found something.
//!
//! Names are relative to the top of the repository, columns count characters, ends are exclusive, as SARIF has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Sources, View, title};
use crate::edit::{Applicability, Edit, Fix};
use crate::engine::{Checked, FileError};
use crate::finding::{Finding, Severity};
use crate::fingerprint::{self, Fingerprint};
use crate::rules::Code;
use crate::source::{SourceFile, Span};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The name for the top of the repository, as GitHub has it.
const TOP: &str = "%SRCROOT%";

/// Writes all findings as one log.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let sources = Sources::new(checked);
    let mut rules: BTreeMap<&Code, usize> = checked.findings.iter().map(|f| (&f.code, 0)).collect();
    for (i, index) in rules.values_mut().enumerate() {
        *index = i;
    }
    let prints = fingerprint::of(&checked.findings, &view.root);
    let results = checked.findings.iter().zip(prints).map(|(f, print)| result(f, print, rules[&f.code], &sources, view));
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "testdiet",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.keys().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": checked.errors.is_empty(),
                "toolExecutionNotifications": checked.errors.iter().map(|e| notification(e, view)).collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn rule(code: &Code) -> Value {
    let title = title(code);
    let Some(known) = code.rule() else {
        return json!({"id": code.as_str(), "shortDescription": {"text": title}});
    };
    let doc = known.doc();
    let summary = doc.split("\n\n").next().unwrap_or(title).replace('\n', " ");
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": title},
        "fullDescription": {"text": summary},
        "help": {"text": doc, "markdown": doc},
    })
}

fn result(finding: &Finding, print: Fingerprint, rule: usize, sources: &Sources<'_>, view: &View) -> Value {
    let mut location = json!({"physicalLocation": {
        "artifactLocation": artifact(&finding.file, view),
        "region": region(&finding.source, finding.span),
    }});
    if let Some(test) = &finding.test {
        location["logicalLocations"] = json!([{"fullyQualifiedName": test, "kind": "function"}]);
    }
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"testdiet/v1": print},
        "properties": {"cost": finding.cost, "declined": finding.declined},
    });
    if let Some(fix) = finding.fix.as_ref().and_then(|fix| fixed(fix, sources, view)) {
        result["fixes"] = json!([fix]);
    }
    result
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A fix, unless it reaches into a file whose text is not at hand: half of one is worse than none.
fn fixed(fix: &Fix, sources: &Sources<'_>, view: &View) -> Option<Value> {
    let mut changes = Vec::new();
    for edits in fix.edits.chunk_by(|a, b| a.file == b.file) {
        let source = sources.get(&edits[0].file)?;
        let replacements: Vec<Value> = edits.iter().map(|edit| replacement(edit, source)).collect();
        changes.push(json!({"artifactLocation": artifact(&edits[0].file, view), "replacements": replacements}));
    }
    if changes.is_empty() {
        return None;
    }
    let reason = fix.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let text = match fix.applicability {
        Applicability::Safe => fix.message.clone(),
        Applicability::Unsafe | Applicability::Display => format!("{} (unsafe{reason})", fix.message),
    };
    Some(json!({
        "description": {"text": text},
        "artifactChanges": changes,
        "properties": {"applicability": fix.applicability, "group": fix.group},
    }))
}

fn replacement(edit: &Edit, source: &SourceFile) -> Value {
    json!({"deletedRegion": region(source, edit.span), "insertedContent": {"text": edit.content}})
}

/// A place in a file; an empty one is the point before a character.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

fn region(source: &SourceFile, span: Span) -> Region {
    let (start, end) = (source.location(span.start), source.location(span.end));
    Region { start_line: start.row, start_column: start.column, end_line: end.row, end_column: end.column }
}

fn notification(error: &FileError, view: &View) -> Value {
    json!({
        "level": "error",
        "message": {"text": error.message},
        "locations": [{"physicalLocation": {"artifactLocation": artifact(&error.path, view)}}],
    })
}

/// A file by its URI: relative to the top of the repository, or absolute when it lies elsewhere.
fn artifact(path: &Path, view: &View) -> Value {
    let name = view.in_project(path);
    if Path::new(&name).is_absolute() {
        let slash = if name.starts_with('/') { "" } else { "/" };
        json!({"uri": format!("file://{slash}{}", quoted(&name.replace('\\', "/")))})
    } else {
        json!({"uri": quoted(&name), "uriBaseId": TOP})
    }
}

/// A path as part of a URI: everything but the unreserved characters of RFC 3986 and `/` percent-encoded.
fn quoted(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, view};
    use super::*;

    fn log(checked: &Checked) -> Value {
        serde_json::from_str(&plain(|out| write(checked, &view(), out))).unwrap()
    }

    #[test]
    fn the_whole_log() {
        let text = plain(|out| write(&samples::several_of_a_project(), &view(), out));
        let version = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
        samples::snapshot("sarif", &text.replace(version, "\"VERSION\""));
    }

    #[test]
    fn a_rule_is_listed_once_and_explained() {
        let mut several = samples::several();
        several.findings.extend(samples::several().findings);
        let log = log(&several);
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["join-without-timeout", "large-allocation", "long-sleep", "syntax-error"]);
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(result["ruleId"], rules[index]["id"]);
        }
        assert!(rules[2]["help"]["text"].as_str().unwrap().contains("## Fix"));
    }

    #[test]
    fn names_are_uris_and_places_outside_of_the_repository_absolute() {
        let uri = |name: &str| {
            log(&checked(vec![samples::finding(name, "sleep(2)\n", "sleep")]))["runs"][0]["results"][0]
            ["locations"][0]["physicalLocation"]["artifactLocation"]
            .clone()
        };
        assert_eq!(uri("/work/tests/a b:é%.py"), json!({"uri": "tests/a%20b%3A%C3%A9%25.py", "uriBaseId": "%SRCROOT%"}));
        assert_eq!(uri("/elsewhere/a.py"), json!({"uri": "file:///elsewhere/a.py"}));
    }

    #[test]
    fn what_could_not_be_read_is_a_notification() {
        let mut none = checked(Vec::new());
        assert_eq!(log(&none)["runs"][0]["invocations"][0]["executionSuccessful"], true);
        none.errors = vec![FileError { path: "/work/tests/a.py".into(), message: "cannot read it".to_owned() }];
        let invocation = &log(&none)["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        assert_eq!(invocation["toolExecutionNotifications"][0]["message"]["text"], "cannot read it");
    }

    #[test]
    fn a_fix_that_cannot_be_told_whole_is_not_told() {
        let mut checked = samples::several();
        let fix = checked.findings[0].fix.as_mut().unwrap();
        fix.edits.push(Edit::insert(&std::sync::Arc::new("/work/unread.py".into()), 0, "x"));
        assert_eq!(log(&checked)["runs"][0]["results"][0].get("fixes"), None);
        assert!(log(&samples::several())["runs"][0]["results"][0].get("fixes").is_some());
    }
}
