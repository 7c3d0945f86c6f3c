//! `html`: a page to look at and to pass on. One file, no script and nothing fetched: it opens from a disk and from an archive
//! of CI alike, in light and dark, on a phone and on paper.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

mod chart;
mod runs;

use chart::{Bar, Budget};

use super::markup::escaped;
use super::totals::{Limits, charged, threads};
use super::{Sources, View, amount, excerpt, style, title};
use crate::edit::Applicability;
use crate::engine::{Checked, FileTotal, TestTotal};
use crate::finding::{Finding, Severity};
use crate::rules::Code;

const STYLE: &str = include_str!("style.css");
/// Findings up to which all of them are unfolded.
const UNFOLDED: usize = 30;

/// Writes all findings and what the suites cost.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"generator\" content=\"testdiet {}\">", env!("CARGO_PKG_VERSION"))?;
    let project = view.root.file_name().map(|name| escaped(&name.to_string_lossy())).unwrap_or_default();
    writeln!(out, "<title>testdiet: {project}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>")?;
    writeln!(out, "<header>\n<h1>{project} on a diet</h1>")?;
    writeln!(out, "<p class=\"soft\">What the tests of this project cost, as testdiet reads it from their source.</p>")?;
    tiles(checked, out)?;
    writeln!(out, "</header>\n<main>")?;
    if let Some((before, after)) = &view.evidence.proof {
        runs::proven(before, after, out)?;
    }
    let mut suites: BTreeMap<&Path, Vec<&FileTotal>> = BTreeMap::new();
    for file in &checked.totals {
        suites.entry(file.suite.as_path()).or_default().push(file);
    }
    // One that costs nothing by its source may have been measured all the same.
    for suite in view.evidence.runs.keys() {
        suites.entry(suite).or_default();
    }
    let several = suites.len() > 1;
    for (suite, files) in suites {
        let name = view.name(suite);
        let name = if several { Some(if name.is_empty() { ".".to_owned() } else { name }) } else { None };
        if let Some(name) = name {
            writeln!(out, "<h2>Suite <code>{}</code></h2>", escaped(&name))?;
        }
        let limits = view.limits.get(suite);
        if let Some(records) = view.evidence.runs.get(suite) {
            runs::measured(records, limits, out)?;
        }
        costs(&files, limits, view, out)?;
    }
    rules(checked, out)?;
    findings(checked, view, out)?;
    errors(checked, view, out)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

/// The figures to see first.
fn tiles(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    let all = amount::sum(checked.totals.iter().map(|f| &f.cost));
    let with = |level| checked.findings.iter().filter(|f| f.fix.as_ref().is_some_and(|fix| fix.applicability == level)).count();
    let most = checked.totals.iter().flat_map(|f| &f.tests).map(threads).max().unwrap_or(0);
    writeln!(out, "<ul class=\"tiles\">")?;
    for (figure, what) in [
        (amount::number(checked.findings.len()), format!("findings in {}", amount::counted(checked.files, "file"))),
        (amount::number(with(Applicability::Safe)), "with a safe fix".to_owned()),
        (amount::number(with(Applicability::Unsafe)), "with a fix to be proven".to_owned()),
        (amount::seconds(all.sleep_s), "asleep in a run".to_owned()),
        (amount::number(most), "threads at most in a test".to_owned()),
        (amount::bytes(all.bytes), "at most allocated at once".to_owned()),
    ] {
        writeln!(out, "<li><b>{}</b>{}</li>", escaped(&figure), escaped(&what))?;
    }
    writeln!(out, "</ul>")
}

/// The charts of what the source says.
fn costs(files: &[&FileTotal], limits: Option<&Limits>, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let tests: Vec<&TestTotal> = files.iter().flat_map(|f| &f.tests).collect();
    let slept: f64 = files.iter().map(|f| charged(f)).sum();
    let budget = |of: fn(&Limits) -> f64| limits.map(|l| Budget::seconds(of(l)));
    let whole = Bar::seconds("the whole suite".to_owned(), slept);
    chart::bars("Sleep of the suite", vec![whole], budget(|l| l.sleep_per_suite).as_ref(), out)?;
    let bars = tests.iter().map(|t| Bar::seconds(t.id.clone(), t.cost.sleep_s).free(t.exempt)).collect();
    chart::bars("Tests that sleep most", bars, budget(|l| l.sleep_per_test).as_ref(), out)?;
    let bars = files.iter().map(|f| Bar::seconds(view.name(&f.file), charged(f))).collect();
    chart::bars("Files that sleep most", bars, budget(|l| l.sleep_per_file).as_ref(), out)?;
    let bars = tests.iter().map(|t| Bar::count(t.id.clone(), threads(t))).collect();
    let most = limits.map(|l| Budget::count(l.threads_per_test));
    chart::bars("Tests that start most threads", bars, most.as_ref(), out)
}

fn rules(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: BTreeMap<&Code, usize> = BTreeMap::new();
    for finding in &checked.findings {
        *counts.entry(&finding.code).or_default() += 1;
    }
    if counts.is_empty() {
        return writeln!(out, "<h2>Findings</h2>\n<p>None.</p>");
    }
    writeln!(
        out,
        "<h2>Findings by rule</h2>\n<table>\n<thead><tr><th>rule</th><th class=\"hide\">finds</th><th></th></tr></thead>\n<tbody>"
    )?;
    let mut counts: Vec<(&Code, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    for (code, n) in counts {
        let (name, title) = (escaped(code.as_str()), escaped(title(code)));
        writeln!(
            out,
            "<tr><td><code>{name}</code></td><td class=\"hide\">{title}</td><td class=\"number\">{}</td></tr>",
            amount::number(n)
        )?;
    }
    writeln!(out, "</tbody>\n</table>")
}

fn findings(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    if checked.findings.is_empty() {
        return Ok(());
    }
    let sources = Sources::new(checked);
    let open = if checked.findings.len() <= UNFOLDED { " open" } else { "" };
    writeln!(out, "<h2>Findings by file</h2>")?;
    for file in checked.findings.chunk_by(|a, b| a.file == b.file) {
        let (name, n) = (escaped(&view.name(&file[0].file)), amount::counted(file.len(), "finding"));
        writeln!(out, "<details{open}>\n<summary><code>{name}</code> <span class=\"soft\">{n}</span></summary>")?;
        for finding in file {
            one(finding, &sources, view, out)?;
        }
        writeln!(out, "</details>")?;
    }
    Ok(())
}

fn one(finding: &Finding, sources: &Sources<'_>, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let at = finding.source.location(finding.span.start);
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    writeln!(out, "<article>\n<p><b>{}</b></p>", escaped(&finding.message))?;
    write!(out, "<p><code>{}</code> <span class=\"soft\">line {}</span>", escaped(finding.code.as_str()), at.row)?;
    write!(out, " <span class=\"tag {severity}\">{severity}</span>")?;
    if let Some(fix) = &finding.fix {
        let level = match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Unsafe => "unsafe",
            Applicability::Display => "suggested",
        };
        write!(out, " <span class=\"tag {level}\">{level} fix</span>")?;
    }
    writeln!(out, "</p>")?;
    let cost = amount::cost(&finding.cost);
    let fix = finding.fix.as_ref();
    for (label, text) in [
        ("cost", Some(cost.as_str()).filter(|c| !c.is_empty())),
        ("test", finding.test.as_deref()),
        ("no fix", finding.declined.as_deref()),
        ("fix", fix.map(|f| f.message.as_str())),
        ("why not safe", fix.and_then(|f| f.reason.as_deref())),
    ] {
        if let Some(text) = text {
            writeln!(out, "<p><span class=\"soft\">{label}:</span> {}</p>", escaped(text))?;
        }
    }
    let columns = excerpt::Columns::of(finding, sources);
    picture(|to| excerpt::source(&finding.source, finding.span, columns.gutter, to), out)?;
    if let Some(fix) = fix {
        picture(|to| excerpt::diff(fix, &finding.file, sources, view, columns, to), out)?;
    }
    writeln!(out, "</article>")
}

/// What the full format draws, its colours turned into classes.
fn picture(draw: impl FnOnce(&mut dyn Write) -> io::Result<()>, out: &mut dyn Write) -> io::Result<()> {
    let mut drawn = Vec::new();
    draw(&mut drawn)?;
    let drawn = String::from_utf8_lossy(&drawn);
    let lines: Vec<String> = drawn.lines().map(row).collect();
    // Lines with nothing but a gutter are air on a terminal; here the frame is.
    let blank = |line: &&String| line.contains("<i></i>");
    let first = lines.iter().take_while(blank).count();
    let last = lines.iter().rev().take_while(blank).count();
    let kept = lines.get(first..lines.len().saturating_sub(last)).unwrap_or_default();
    writeln!(out, "<pre>{}</pre>", kept.concat())
}

/// A line: every run of escape sequences opens or closes one of our styles.
fn row(line: &str) -> String {
    let tags = [
        (style::PLACE, "<span class=\"place\">", "</span>"),
        (style::CARET, "<span class=\"caret\">", "</span>"),
        (style::REMOVED, "<span>", "</span>"),
        (style::ADDED, "<span>", "</span>"),
        (style::REMOVED_WORD, "<b>", "</b>"),
        (style::ADDED_WORD, "<b>", "</b>"),
    ];
    let tags = tags.map(|(style, open, close)| (style.render().to_string(), open, close));
    let mut out = String::new();
    let mut kind = "";
    let mut close = "";
    let mut rest = line;
    let mut text = String::new();
    while let Some(at) = rest.find('\x1b') {
        text.push_str(&rest[..at]);
        out.push_str(&escaped(&rest[..at]));
        let len = sequences(&rest[at..]);
        let run = &rest[at..at + len];
        out.push_str(std::mem::take(&mut close));
        let tag = tags.iter().position(|(style, ..)| run.trim_start_matches("\x1b[0m") == style);
        if let Some((_, open, end)) = tag.map(|i| &tags[i]) {
            out.push_str(open);
            close = end;
        }
        kind = match tag {
            Some(2) => " gone",
            Some(3) => " come",
            _ => kind,
        };
        rest = &rest[at + len..];
    }
    text.push_str(rest);
    out.push_str(&escaped(rest));
    out.push_str(close);
    let air = if text.trim() == "|" { "<i></i>" } else { "" };
    format!("<span class=\"row{kind}\">{out}{air}</span>")
}

/// Length of the escape sequences that a text starts with.
fn sequences(text: &str) -> usize {
    let mut len = 0;
    while let Some(end) = text[len..].starts_with("\x1b[").then(|| text[len..].find('m')).flatten() {
        len += end + 1;
    }
    // Nothing else writes escapes; were there one, it would have to be passed over.
    len.max(1)
}

fn errors(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    if checked.errors.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Could not be read</h2>\n<ul>")?;
    for error in &checked.errors {
        writeln!(out, "<li><code>{}</code>: {}</li>", escaped(&view.name(&error.path)), escaped(&error.message))?;
    }
    writeln!(out, "</ul>")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, plain, total, view};
    use super::*;
    use crate::engine::FileError;
    use crate::finding::Cost;
    use crate::measure::record::VERSION;
    use crate::measure::{Ended, EndedHow, Header, Record, Totals};
    use crate::pytest::{Outcome, Test};
    use crate::report::Evidence;
    use crate::verify::Figures;

    fn page(checked: &Checked) -> String {
        page_with(checked, Evidence::default())
    }

    fn page_with(checked: &Checked, evidence: Evidence) -> String {
        let limits = Limits {
            sleep_per_suite: 60.0,
            sleep_per_file: 5.0,
            sleep_per_test: 0.5,
            threads_per_test: 5,
            test_runtime: 2.0,
            file_runtime: 30.0,
        };
        let view = View { limits: [("/work".into(), limits)].into(), evidence, ..view() };
        let mut out = Vec::new();
        write(checked, &view, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// A run of one test that slept so long; whether it finished.
    fn run(number: u64, slept: f64, how: EndedHow) -> Record {
        let test = Test { outcome: Outcome::Passed, wall_s: slept + 0.25, sleep_s: slept, ..Test::crashed("a.py::<t>".into()) };
        Record {
            header: Header {
                version: VERSION,
                run: number,
                started: 1_700_000_000 + number * 86_400,
                interpreter: "/python".into(),
                python: "3.11.7".to_owned(),
                pytest: "8.4.2".to_owned(),
                arguments: Vec::new(),
                alloc: false,
                constrain: None,
            },
            root: "/work".into(),
            took_s: slept + 1.0,
            workers: 0,
            collected: 1,
            ended: Ended { how, exit: None, signal: None, running: Vec::new(), collecting: None, last: None },
            totals: Totals::of([&test]),
            tests: vec![test],
            outside: Vec::new(),
        }
    }

    fn with_runs(records: &[Record]) -> Evidence {
        Evidence { runs: [("/work".into(), records.to_vec())].into(), proof: None }
    }

    #[test]
    fn runs_and_a_proof_are_shown() {
        use EndedHow::{Crashed, Finished};
        let runs = [run(1, 80.0, Finished), run(2, 0.001, Crashed), run(3, 40.0, Finished), run(4, 20.0, Finished)];
        let before = Figures { tests: 1, sleep_s: 80.0, started: 4, peak: 3, runtime_s: 81.0, bare_joins: 2 };
        let after = Figures { sleep_s: 20.0, runtime_s: 21.0, bare_joins: 0, ..before };
        let text = page_with(&heavy(), Evidence { proof: Some((before, after)), ..with_runs(&runs) });
        let (text, _) = text.split_once("<h2>From the source</h2>").unwrap();
        samples::snapshot("html-runs", text.split_once("</header>").unwrap().1);
    }

    #[test]
    fn what_says_nothing_is_not_shown() {
        use EndedHow::{Crashed, Finished};
        let mut other = run(2, 1.0, Finished);
        other.header.arguments = vec!["tests/test_<a>.py".to_owned()];
        for (runs, between, trend, all) in [
            (vec![run(1, 1.0, Finished)], false, false, false),
            (vec![run(1, 2.0, Finished), run(2, 1.0, Finished)], true, false, true),
            // What was killed, and what ran other tests, is no before.
            (vec![run(1, 2.0, Crashed), run(2, 1.0, Finished)], false, false, true),
            (vec![run(1, 2.0, Finished), other.clone()], false, false, true),
            (vec![run(1, 2.0, Finished), run(2, 1.0, Finished), other], true, false, true),
            ((1..4).map(|n| run(n, 1.0, Finished)).collect(), true, true, true),
        ] {
            let text = page_with(&heavy(), with_runs(&runs));
            for (what, shown) in [
                ("Before and after", between),
                ("Sleep charged to the budget", trend),
                ("that were kept", all),
                ("took longest in run", true),
            ] {
                assert_eq!(text.contains(what), shown, "{what} of {} runs", runs.len());
            }
            assert!(!text.contains("<t>") && !text.contains("test_<a>"));
        }
    }

    fn heavy() -> Checked {
        let mut checked = samples::several();
        let cost = |sleep_s, threads| Cost { sleep_s, threads, ..Cost::default() };
        let tests: &[(&str, u64, Cost)] =
            &[("test_long", 1, cost(2.5, 0)), ("test_short", 2, cost(0.25, 16)), ("test_fast", 1, cost(9.0, 0))];
        checked.totals = vec![total("/work/tests/test_monitor.py", "/work", tests)];
        checked
    }

    #[test]
    fn the_whole_page() {
        let text = page(&heavy()).replace(STYLE, "");
        let version = format!("testdiet {}\"", env!("CARGO_PKG_VERSION"));
        samples::snapshot("html", &text.replace(&version, "testdiet VERSION\""));
    }

    #[test]
    fn it_fetches_nothing_and_holds_no_escape() {
        let mut checked = heavy();
        checked.errors = vec![FileError { path: "/work/<b>.py".into(), message: "no\x1b".to_owned() }];
        let text = page(&checked);
        for not in ["http", "src=", "href=", "<script", "url(", "@import", "\x1b"] {
            assert!(!text.contains(not), "{not}");
        }
        assert!(text.contains("&lt;b&gt;.py") && text.contains("no\\x1b"));
        assert!(plain(|out| write(&samples::checked(Vec::new()), &view(), out)).contains("<p>None.</p>"));
    }

    #[test]
    fn what_changes_within_a_line_is_marked() {
        let text = page(&heavy());
        assert!(text.contains("<span class=\"row gone\">") && text.contains("<span class=\"row come\">"));
        assert!(text.contains("<b>2.5</b>") || text.contains("<b>2</b>") || text.contains("<b>0.3</b>"), "{text}");
    }
}
