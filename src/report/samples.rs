//! Findings made by hand for the reports' tests, and where their snapshots lie.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Evidence, View};
use crate::edit::{Applicability, Edit, Fix};
use crate::engine::{Checked, FileTotal, TestTotal};
use crate::finding::{Cost, Finding, Severity};
use crate::rules::Code;
use crate::source::{SourceFile, Span};

/// A view from `/work` on safe fixes.
pub fn view() -> View {
    View {
        cwd: PathBuf::from("/work"),
        root: PathBuf::from("/work"),
        limits: BTreeMap::new(),
        applies: Applicability::Safe,
        evidence: Evidence::default(),
    }
}

/// A finding without a fix under the first `what` of a file.
pub fn finding(name: &str, text: &str, what: &str) -> Finding {
    let source = SourceFile::from_bytes(PathBuf::from(name), text.as_bytes().to_vec()).unwrap();
    let at = source.text().find(what).unwrap();
    Finding {
        code: Code::new("long-sleep"),
        message: "sleeps 2.5 s; a test has 0.5 s".to_owned(),
        severity: Severity::Warning,
        file: Arc::new(source.path.clone()),
        span: Span::new(u32::try_from(at).unwrap(), u32::try_from(at + what.len()).unwrap()),
        source: Arc::new(source),
        test: None,
        cost: Cost { sleep_s: 2.5, ..Cost::default() },
        fix: None,
        declined: None,
    }
}

const MONITOR: &str = "\
import threading
import time


def test_monitor(monitor):
    t = threading.Thread(target=monitor.run)
    t.start()
    time.sleep(2.5)
    monitor.stop()
    t.join()
    assert monitor.count == 1
";

/// A safe fix, an unsafe one, a declined one, one without a word about a fix; two files.
pub fn several() -> Checked {
    let name = "/work/tests/test_monitor.py";
    let test = Some("tests/test_monitor.py::test_monitor".to_owned());
    let mut sleep = finding(name, MONITOR, "time.sleep(2.5)");
    sleep.test.clone_from(&test);
    let at = u32::try_from(MONITOR.find("2.5").unwrap()).unwrap();
    let shrink = vec![Edit::replace(&sleep.file, Span::new(at, at + 3), "0.3")];
    sleep.fix = Some(
        Fix::new(Applicability::Unsafe, "Shrink 2.5 s to 0.3 s", shrink, "monitor-timeout")
            .because("what the sleep waits for was not seen"),
    );

    let mut join = finding(name, MONITOR, "t.join()");
    join.code = Code::new("join-without-timeout");
    "`t.join()` can hang for ever".clone_into(&mut join.message);
    join.severity = Severity::Error;
    join.cost = Cost { threads: 1, ..Cost::default() };
    join.test.clone_from(&test);
    let inside = join.span.end - 1;
    let live = vec![
        Edit::insert(&join.file, inside, "timeout=5.0"),
        Edit::insert(&join.file, join.span.end, "\n    assert not t.is_alive()"),
    ];
    join.fix = Some(Fix::new(Applicability::Safe, "Wait 5 s at most and assert that it ended", live, "join-1"));

    let mut big = finding("/work/tests/test_size.py", "DATA = 'x' * 100_000\n", "'x' * 100_000");
    big.code = Code::new("large-allocation");
    "allocates 100 KB; the budget is 20 KB".clone_into(&mut big.message);
    big.cost = Cost { bytes: 100_000, ..Cost::default() };
    big.declined = Some("product code compares its length".to_owned());

    let mut broken = finding("/work/tests/test_size.py", "DATA = 'x' * 100_000\n", "DATA");
    broken.code = Code::new("syntax-error");
    "testdiet could not parse this".clone_into(&mut broken.message);
    broken.severity = Severity::Info;
    broken.cost = Cost::default();
    checked(vec![sleep, join, big, broken])
}

/// The same under rules of a project's own: their titles are their names, whatever testdiet's rules come to say.
pub fn several_of_a_project() -> Checked {
    let mut checked = several();
    for finding in &mut checked.findings {
        finding.code = Code::custom(format!("my-{}", finding.code));
    }
    checked
}

/// What `check` would hand over with these findings.
pub fn checked(findings: Vec<Finding>) -> Checked {
    Checked { findings, files: 12, ..Checked::default() }
}

/// A file that costs what its tests cost.
pub fn total(file: &str, suite: &str, tests: &[(&str, u64, Cost)]) -> FileTotal {
    let tests: Vec<TestTotal> = tests
        .iter()
        .map(|&(id, runs, cost)| TestTotal {
            id: format!("{file}::{id}"),
            runs,
            cost,
            exempt: id.ends_with("_fast"),
            slow: false,
        })
        .collect();
    FileTotal {
        file: Arc::new(PathBuf::from(file)),
        suite: Arc::new(PathBuf::from(suite)),
        cost: super::amount::sum(tests.iter().map(|t| &t.cost)),
        tests,
        measured: None,
    }
}

/// What a report writes, without its colours.
pub fn plain(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut anstream::StripStream::new(&mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares with `snapshots/report__<name>.snap`.
pub fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("report__{name}"), text));
}
