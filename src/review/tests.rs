//! The state and the view without a terminal: plans made by hand, keys pressed, lines looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::moment::{Decision, How};
use super::plan::Plan;
use super::state::{Effect, Key, Leaving, Question, State};
use super::view::{self, Size, Weight};
use crate::edit::{Applicability, Edit, Fix};
use crate::engine::Checked;
use crate::finding::{Cost, Finding};
use crate::report::{samples, shown};
use crate::rules::Code;
use crate::source::{SourceFile, Span};

const HOSTILE: &str = "def test_b():\r\n\tx = '\u{1b}[31m\u{202e}\u{6f22}'; time.sleep(WAIT)\r\n";

/// Of `samples`: a sleep (unsafe) and a join (safe). And one over two files, in a hostile one.
fn checked() -> Checked {
    let mut checked = samples::several();
    let mut tied = samples::finding("/work/tests/test_w.py", HOSTILE, "time.sleep(WAIT)");
    let constant = Arc::new(PathBuf::from("/work/tests/helpers.py"));
    let source = SourceFile::from_bytes((*constant).clone(), b"WAIT = 2.0\n\nOTHER = 1.0\n".to_vec()).unwrap();
    let edits = vec![
        Edit::replace(&constant, Span::new(7, 10), "0.3"),
        Edit::replace(&tied.file, Span::new(tied.span.end - 5, tied.span.end - 1), "WAIT + 0.1"),
    ];
    let fix = Fix::new(Applicability::Unsafe, "Shrink 2.0 s to 0.3 s, with 1 duration tied to it", edits, "wait");
    tied.fix = Some(fix.because("only a run of the tests can tell"));
    checked.findings.push(tied);
    checked.sources.insert(constant, Arc::new(source));
    checked
}

fn plan() -> Plan {
    Plan::new(checked(), Path::new("/work"), &BTreeSet::new())
}

fn press(state: &mut State, keys: &str) -> Option<Effect> {
    keys.chars().fold(None, |_, key| state.step(Key::Char(key)))
}

fn text(state: &State, name: &str) -> Option<String> {
    state.now().texts().get(Path::new(name)).map(|s| s.text().to_owned())
}

fn decisions(state: &State) -> String {
    let letter = |at| match state.now().decision(at) {
        Decision::Open => '.',
        Decision::Rejected => 'n',
        Decision::Taken(How::Accepted, _) => 'y',
        Decision::Taken(How::Edited, _) => 'e',
        Decision::Taken(How::Suppressed, _) => 'S',
    };
    (0..state.now().plan().items.len()).map(letter).collect()
}

const MONITOR: &str = "/work/tests/test_monitor.py";

#[test]
fn keys_decide_and_move_on() {
    for (keys, decided, at) in [
        ("y", "y..", 1),
        ("n", "n..", 1),
        ("j", "...", 1),
        ("a", "yy.", 2),
        ("d", "nn.", 2),
        ("A", "y.y", 1),
        ("R", "n.n", 1),
        ("jjk", "...", 1),
        ("yK", "y..", 0),
        ("yKn", "n..", 1),
        ("yJ", "y..", 2),
        ("nuu", "...", 0),
        ("ynuy", "yy.", 2),
        ("?y", "...", 0),
        ("iy", "...", 0),
        ("pxx", "...", 0),
    ] {
        let mut state = State::new(plan());
        press(&mut state, keys);
        assert_eq!((decisions(&state).as_str(), state.now().current().unwrap().0), (decided, at), "{keys}");
    }
}

#[test]
fn what_is_taken_is_in_the_texts_and_nothing_else_is() {
    let mut state = State::new(plan());
    assert!(state.now().texts().is_empty());
    press(&mut state, "ny");
    let now = text(&state, MONITOR).unwrap();
    assert!(now.contains("time.sleep(2.5)") && now.contains("t.join(timeout=5.0)\n    assert not t.is_alive()\n"), "{now}");
    assert_eq!(state.changes().len(), 1);
    assert_eq!(press(&mut state, "y"), Some(Effect::Replan), "all is decided: what do the fixes make possible?");
    assert_eq!(text(&state, "/work/tests/helpers.py").unwrap(), "WAIT = 0.3\n\nOTHER = 1.0\n");
    assert_eq!(text(&state, "/work/tests/test_w.py").unwrap(), HOSTILE.replace("(WAIT)", "(WAIT + 0.1)"));
    let kept = state.kept();
    assert_eq!((kept.texts.len(), kept.rejected.len(), kept.together.len()), (3, 1, 1));
    assert_eq!(kept.together.first().unwrap().len(), 2);
}

#[test]
fn neither_escape_nor_control_c_decides() {
    let mut state = State::new(plan());
    press(&mut state, "y");
    for key in [Key::Escape, Key::Other, Key::Enter, Key::Down, Key::Up] {
        assert_eq!(state.step(key), None);
        assert_eq!(decisions(&state), "y..");
    }
    assert_eq!(state.step(Key::Interrupt), Some(Effect::Leave(Leaving::Interrupted)));
    press(&mut state, "?");
    assert_eq!(state.step(Key::Interrupt), Some(Effect::Leave(Leaving::Interrupted)));
    assert_eq!(decisions(&state), "y..");
    assert_eq!(press(&mut State::new(plan()), "q"), Some(Effect::Leave(Leaving::Save)));
    assert_eq!(press(&mut State::new(plan()), "Q"), Some(Effect::Leave(Leaving::Discard)));
}

/// A plan of the same findings but those of some rules, in texts with another line at the top.
fn planned_again(without: &[usize]) -> Plan {
    let mut checked = checked();
    let keep: Vec<Finding> =
        checked.findings.iter().enumerate().filter(|(i, _)| !without.contains(i)).map(|(_, f)| f.clone()).collect();
    checked.findings = keep;
    Plan::new(checked, Path::new("/work"), &BTreeSet::new())
}

#[test]
fn a_new_plan_keeps_what_was_rejected_and_counts_what_was_taken() {
    let mut state = State::new(plan());
    press(&mut state, "jn");
    assert_eq!(decisions(&state), ".n.");
    press(&mut state, "KKy");
    // The sleep is gone from the new plan. What was rejected is after it in the file, and has moved with the edit.
    let mut plan = planned_again(&[0]);
    let source = state.now().texts()[Path::new(MONITOR)].clone();
    let join = &mut plan.items[0].findings[0];
    let at = u32::try_from(source.text().find("t.join()").unwrap()).unwrap();
    (join.span, join.source) = (Span::new(at, at + 8), source);
    state.replanned(plan);
    assert_eq!((decisions(&state).as_str(), state.now().count()), ("n.", (3, 3)));
    assert_eq!(state.now().progress().0.total(), 1);
    // One step back is one decision, whatever plan it was made on.
    press(&mut state, "u");
    assert_eq!((decisions(&state).as_str(), state.now().count()), (".n.", (1, 3)));
    press(&mut state, "u");
    assert_eq!(decisions(&state), "...");
}

#[test]
fn an_edit_is_taken_when_it_is_python() {
    let mut state = State::new(plan());
    let Some(Effect::Ask(question)) = press(&mut state, "e") else { panic!() };
    let Question::Replacement { lines, row, place, error, .. } = &question else { panic!() };
    assert_eq!((lines.as_str(), *row, *place, *error), ("    time.sleep(0.3)", 8, (1, 1), None));
    let Some(Effect::Ask(Question::Replacement { lines, error, .. })) = state.answer(&question, Some("    time.sleep(0.4"))
    else {
        panic!()
    };
    assert_eq!((lines.as_str(), error.is_some(), decisions(&state).as_str()), ("    time.sleep(0.4", true, "..."));
    assert_eq!(state.answer(&question, Some("    time.sleep(0.4)")), Some(Effect::Replan));
    assert_eq!(decisions(&state), "e..");
    assert!(text(&state, MONITOR).unwrap().contains("time.sleep(0.4)\n"));
    // Not given: nothing happens.
    press(&mut state, "u");
    press(&mut state, "e");
    assert_eq!(state.answer(&question, None), None);
    assert_eq!(decisions(&state), "...");

    // Each place of a fix is asked for; the file's own newlines are written.
    press(&mut state, "jj");
    let Some(Effect::Ask(first)) = press(&mut state, "e") else { panic!() };
    let Some(Effect::Ask(second)) = state.answer(&first, Some("WAIT = 0.5\nMORE = 1")) else { panic!() };
    let Question::Replacement { place, .. } = &second else { panic!() };
    assert_eq!(*place, (2, 2));
    assert_eq!(state.answer(&second, Some("\ttime.sleep(WAIT)\n\tpass")), Some(Effect::Replan));
    assert_eq!(text(&state, "/work/tests/helpers.py").unwrap(), "WAIT = 0.5\nMORE = 1\n\nOTHER = 1.0\n");
    assert_eq!(text(&state, "/work/tests/test_w.py").unwrap(), "def test_b():\r\n\ttime.sleep(WAIT)\r\n\tpass\r\n");
}

#[test]
fn lines_that_a_fix_removes_come_back_as_lines() {
    let mut checked = samples::checked(vec![samples::finding("/work/a.py", "a = 1\nb = 2\nc = 3\n", "b = 2")]);
    let finding = &mut checked.findings[0];
    let edits = vec![Edit::replace(&finding.file, Span::new(6, 12), "")];
    finding.fix = Some(Fix::new(Applicability::Safe, "Remove it", edits, "b"));
    let mut state = State::new(Plan::new(checked, Path::new("/work"), &BTreeSet::new()));
    let Some(Effect::Ask(question)) = press(&mut state, "e") else { panic!() };
    state.answer(&question, Some("d = 4"));
    assert_eq!(text(&state, "/work/a.py").unwrap(), "a = 1\nd = 4\nc = 3\n");
}

#[test]
fn a_fix_that_overlaps_one_that_is_taken_is_planned_again() {
    let mut checked = checked();
    let mut twin = checked.findings[0].clone();
    twin.code = Code::new("sleep-budget");
    let fix = twin.fix.as_mut().unwrap();
    fix.edits[0].content = "0.2".to_owned();
    fix.group = "other".to_owned();
    checked.findings.insert(1, twin);
    let plan = || Plan::new(checked.clone(), Path::new("/work"), &BTreeSet::new());
    let mut state = State::new(plan());
    assert_eq!(press(&mut state, "y"), None);
    assert_eq!(press(&mut state, "y"), Some(Effect::Replan));
    assert_eq!(decisions(&state), "y...");
    // Among many, it is left for the next look.
    let mut state = State::new(plan());
    press(&mut state, "!");
    assert_eq!(decisions(&state), "y.yy");
    assert!(state.message().unwrap().contains("stays open (1)"), "{:?}", state.message());
}

#[test]
fn a_fix_that_breaks_its_file_is_not_taken() {
    let mut checked = samples::several();
    checked.findings[0].fix.as_mut().unwrap().edits[0].content = "0.3))(".to_owned();
    let mut state = State::new(Plan::new(checked, Path::new("/work"), &BTreeSet::new()));
    assert_eq!(press(&mut state, "y"), None);
    assert_eq!(decisions(&state), "..");
    assert!(state.message().unwrap().contains("would not be Python"));
    press(&mut state, "!");
    assert_eq!(decisions(&state), ".y");
}

fn size(columns: usize, rows: usize) -> Size {
    Size { columns, rows }
}

fn shown(state: &State, weight: Option<Weight>, size: Size) -> Vec<String> {
    view::screen(state, &samples::view(), weight, size).lines
}

fn plain(lines: &[String]) -> String {
    anstream::adapter::strip_str(&lines.join("\n")).to_string()
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("review__{name}"), text));
}

fn weight() -> Option<Weight> {
    let total = |sleep_s, threads| {
        let cost = Cost { sleep_s, threads, ..Cost::default() };
        [samples::total("tests/test_monitor.py", "/work", &[("test_monitor", 1, cost)])]
    };
    Weight::new(&total(2.5, 1), &total(0.3, 1))
}

#[test]
fn a_long_node_id_goes_on_in_the_next_line_after_one_of_its_parts() {
    let mut checked = checked();
    let test = "tests/test_event_detector.py::TestCooldownAcrossThreads::test_only_one_thread_reports";
    checked.findings.iter_mut().for_each(|f| f.test = Some(test.to_owned()));
    let state = State::new(Plan::new(checked, Path::new("/work"), &BTreeSet::new()));
    let text = plain(&shown(&state, None, size(80, 40)));
    let lines = "test: tests/test_event_detector.py::TestCooldownAcrossThreads::\ntest_only_one_thread_reports\n";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn a_paragraph_of_a_rule_that_starts_with_code_stays_one() {
    let mut state = State::new(plan());
    press(&mut state, "ji");
    let text = plain(&shown(&state, None, size(2000, 80)));
    assert!(
        text.contains("so the timeout alone would turn a hang into a pass. The fix adds the assertion as well, unless"),
        "{text}"
    );
}

#[test]
fn a_fix_on_screens_of_two_sizes() {
    let mut state = State::new(plan());
    snapshot("fix", &plain(&shown(&state, weight(), size(80, 40))));
    snapshot("fix_narrow", &plain(&shown(&state, weight(), size(40, 24))));
    snapshot("fix_colours", &shown(&state, weight(), size(80, 40)).join("\n").replace('\x1b', "ESC"));
    press(&mut state, "jj");
    snapshot("fix_in_two_files", &plain(&shown(&state, None, size(80, 40))));
    press(&mut state, "s");
    snapshot("part", &plain(&shown(&state, None, size(80, 40))));
    press(&mut state, "ny");
    state.replanned(Plan::default());
    assert_eq!((state.now().torn(), state.now().progress().1), (1, 1));
    snapshot("end", &plain(&shown(&state, None, size(80, 40))));
    press(&mut state, "?");
    snapshot("help", &plain(&shown(&state, None, size(80, 40))));
}

#[test]
fn what_was_taken_before_is_part_of_the_picture() {
    let mut state = State::new(plan());
    press(&mut state, "y");
    let screen = plain(&shown(&state, None, size(80, 40)));
    assert!(screen.contains(" 8 |       time.sleep(0.3)"), "{screen}");
    press(&mut state, "y");
    press(&mut state, "KK");
    let screen = plain(&shown(&state, None, size(80, 40)));
    assert!(screen.contains("unsafe taken") && screen.contains("t.join(timeout=5.0)"), "{screen}");
}

#[test]
fn a_weight_says_what_changes_and_nothing_else() {
    let one = weight().unwrap();
    assert_eq!((one.before.threads, one.after.threads), (0, 0));
    assert_eq!(one.tests, ["tests/test_monitor.py::test_monitor"]);
    let same = [samples::total("a.py", "/work", &[("test_a", 1, Cost { threads: 2, ..Cost::default() })])];
    assert_eq!(Weight::new(&same, &same), None);
}

#[test]
fn every_screen_fits_and_is_safe_to_print() {
    let mut states: Vec<State> = ["", "jj", "?", "i", "jjs", "yyy", "/", "x"]
        .iter()
        .map(|keys| {
            let mut state = State::new(plan());
            press(&mut state, keys);
            state
        })
        .collect();
    states[7].tell("\u{1b}[2J\u{9b}0m\n".repeat(50));
    states[6].answer(&Question::Search, Some(&"\u{1b}[1mno such thing ".repeat(20)));
    for state in &mut states {
        for columns in [20, 33, 40, 79, 80, 140, 300] {
            for rows in [8, 13, 24, 60] {
                for key in [Key::Home, Key::PageDown, Key::End] {
                    let mut scrolled = view::screen(state, &samples::view(), weight(), size(columns, rows));
                    assert!(scrolled.lines.len() <= rows, "{} lines in {rows}", scrolled.lines.len());
                    for line in scrolled.lines.drain(..) {
                        let line = anstream::adapter::strip_str(&line).to_string();
                        assert!(shown::width(&line) <= columns, "{} columns in {columns}: {line:?}", shown::width(&line));
                        assert!(!line.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{line:?}");
                    }
                    state.step(key);
                }
                state.step(Key::Home);
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_pressed_can_be_taken_back(keys in proptest::collection::vec("[ynadARsjkJKi?!uSeEgvp/ x]", 0..40)) {
        let mut state = State::new(plan());
        for key in keys.concat().chars() {
            match state.step(Key::Char(key)) {
                Some(Effect::Ask(question)) => {
                    let mut next = Some(Effect::Ask(question));
                    while let Some(Effect::Ask(question)) = &next {
                        let answer = match question {
                            Question::Replacement { lines, .. } => format!("{lines}  # by hand"),
                            Question::Reason => "it has to".to_owned(),
                            Question::Search => "sleep".to_owned(),
                            Question::Number => "2".to_owned(),
                        };
                        next = state.answer(&question.clone(), Some(&answer));
                    }
                    if next == Some(Effect::Replan) {
                        state.replanned(Plan::default());
                    }
                }
                Some(Effect::Replan) => state.replanned(Plan::default()),
                Some(Effect::Open(..)) => {
                    state.written();
                    state.edited(BTreeMap::new());
                    state.replanned(Plan::default());
                }
                _ => {}
            }
            for (_, new) in state.now().texts() {
                proptest::prop_assert!(crate::python::lower::lower(new.text()).errors.is_empty());
            }
            proptest::prop_assert!(view::screen(&state, &samples::view(), None, size(80, 24)).lines.len() <= 24);
        }
        // Whatever is open closes first.
        press(&mut state, "p");
        for _ in 0..80 {
            press(&mut state, "u");
        }
        proptest::prop_assert_eq!(decisions(&state), "...");
        proptest::prop_assert!(state.now().texts().is_empty());
        // What an editor was given is on the disk; it would be put back.
        for (old, new) in state.changes().values() {
            proptest::prop_assert!(old.text() != new.text());
        }
    }
}
