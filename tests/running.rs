//! Running pytest: real interpreters, real signals, real crashes.
#![cfg(unix)]

mod sandbox;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::{Sandbox, python};
use testdiet::pytest::run::How;
use testdiet::pytest::{End, Event, Interpreter, Interrupts, Outcome, Plugin, Run, Told};

/// Runs pytest in a project and keeps all that it told. `change` sets up the run.
fn ran(sandbox: &Sandbox, change: impl FnOnce(&mut Run<'_>)) -> (End, Vec<Told>) {
    ran_until(sandbox, change, |_| ControlFlow::Continue(()))
}

fn ran_until(
    sandbox: &Sandbox,
    change: impl FnOnce(&mut Run<'_>),
    mut listen: impl FnMut(&Told) -> ControlFlow<()>,
) -> (End, Vec<Told>) {
    let interpreter = Interpreter::find(Some(python()), sandbox.root(), sandbox.root()).unwrap();
    let plugin = Plugin::watching().unwrap();
    let keep = tempfile::tempdir_in(sandbox.root()).unwrap().keep();
    let mut run = Run::new(&interpreter, &plugin, sandbox.root(), &keep);
    run.args = vec!["-pno:cacheprovider".into()];
    change(&mut run);
    // Ctrl-C is not pressed here; where it is, a process of its own is tested.
    let interrupts = Interrupts::catch().unwrap();
    let mut told = Vec::new();
    let end = run
        .run(&interrupts, &mut |event: Event| {
            let flow = listen(&event.told);
            told.push(event.told);
            flow
        })
        .unwrap();
    println!("{}", end.tail(40));
    (end, told)
}

fn outcomes(told: &[Told]) -> Vec<(&str, Outcome)> {
    let mut all: Vec<_> = told
        .iter()
        .filter_map(|t| match t {
            Told::Ended(test) => Some((test.test.as_str(), test.outcome)),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    all
}

const OUTCOMES: &str = "\
import pytest, unittest

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_skips(): pytest.skip('no')
@pytest.mark.xfail
def test_xfails(): assert 0
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.fixture
def broken(): raise OSError('no printer')
def test_setup(broken): pass
@pytest.fixture
def dirty():
    yield
    raise OSError('still dirty')
def test_teardown(dirty): pass
class Case(unittest.TestCase):
    def test_unit(self): self.assertTrue(True)
    @unittest.skip('not now')
    def test_unit_skips(self): pass
";

#[test]
fn every_outcome_is_told_as_it_happens() {
    use Outcome::{Error, Failed, Passed, Skipped, Xfailed, Xpassed};
    let sandbox = Sandbox::of("tests/test_a.py", OUTCOMES);
    let expected = [
        ("tests/test_a.py::Case::test_unit", Passed),
        ("tests/test_a.py::Case::test_unit_skips", Skipped),
        ("tests/test_a.py::test_fails", Failed),
        ("tests/test_a.py::test_passes", Passed),
        ("tests/test_a.py::test_setup", Error),
        ("tests/test_a.py::test_skips", Skipped),
        ("tests/test_a.py::test_teardown", Error),
        ("tests/test_a.py::test_xfails", Xfailed),
        ("tests/test_a.py::test_xpasses", Xpassed),
    ];
    for workers in [&[][..], &["-n2"]] {
        let (end, told) = ran(&sandbox, |run| {
            run.args.extend(workers.iter().map(Into::into));
        });
        assert_eq!(end.how, How::Exited(1));
        assert_eq!(outcomes(&told), expected, "{workers:?}");
        let why = told.iter().find_map(|t| match t {
            Told::Ended(test) if test.test.ends_with("test_fails") => test.why.as_deref(),
            _ => None,
        });
        assert_eq!(why, Some("assert 1 == 2"));
        assert!(told.contains(&Told::Collected { tests: 9 }));
    }
}

#[test]
fn thousands_of_tests_can_be_selected() {
    let sandbox = Sandbox::new();
    let text = "import pytest\n@pytest.mark.parametrize('n', range(300))\ndef test_n(n): pass\n";
    for file in 0..10 {
        sandbox.write(&format!("tests/test_a_module_with_a_long_name_{file}.py"), text);
    }
    let name = |file: usize, n: usize| format!("tests/test_a_module_with_a_long_name_{file}.py::test_n[{n}]");
    let mut select: Vec<String> = (0..10).flat_map(|file| (0..200).map(move |n| name(file, n))).collect();
    select.push("tests/test_gone.py::test_gone".to_owned());
    let (end, told) = ran(&sandbox, |run| run.select = Some(select[..2000].to_vec()));
    assert_eq!((end.how, outcomes(&told).len()), (How::Exited(0), 2000));
    assert!(told.contains(&Told::Collected { tests: 2000 }));

    select.push(name(1, 999));
    let one = [name(3, 299), name(1, 999)];
    let (end, told) = ran(&sandbox, |run| run.select = Some(one.to_vec()));
    assert_eq!((end.how, outcomes(&told)), (How::Exited(0), vec![(one[0].as_str(), Outcome::Passed)]));
    assert!(told.contains(&Told::Unknown { tests: vec![one[1].clone()] }));
}

#[test]
fn further_plugins_folders_and_variables_are_handed_over() {
    let sandbox = Sandbox::of(
        "tests/test_a.py",
        "import os, product\n\ndef test_it(given): assert (given, os.environ['FROM'], product.WHERE, 'GONE' in os.environ) == (3, 'us', 'shadow', False)\n",
    );
    sandbox.write("plugins/giving.py", "import pytest\n\n@pytest.fixture\ndef given(): return 3\n");
    sandbox.write("shadow/product.py", "WHERE = 'shadow'\n");
    let (plugins, shadow) = (sandbox.root().join("plugins"), sandbox.root().join("shadow"));
    let (end, _) = ran(&sandbox, |run| {
        run.plugins = vec!["giving".to_owned()];
        run.python_path = vec![plugins, shadow];
        run.env = vec![("FROM".into(), Some("us".into())), ("GONE".into(), None)];
    });
    assert_eq!(end.how, How::Exited(0));
}

#[test]
fn the_testdiet_that_tests_have_is_the_one_they_have_without_us() {
    let sandbox =
        Sandbox::of("tests/test_a.py", "def test_it():\n    import testdiet\n    assert testdiet.WHOSE == 'the suite'\n");
    let (end, told) = ran(&sandbox, |_| {});
    assert_eq!((end.how, outcomes(&told)[0].1), (How::Exited(1), Outcome::Failed), "ours is not handed over");
    // As if it were installed: a folder that the interpreter itself adds after PYTHONPATH.
    sandbox.write("site/testdiet/__init__.py", "WHOSE = 'the suite'\n");
    let site = sandbox.root().join("site");
    let (end, told) = ran(&sandbox, |run| run.python_path = vec![site]);
    assert_eq!((end.how, outcomes(&told)[0].1), (How::Exited(0), Outcome::Passed));
}

fn alive(pid: &str) -> bool {
    // A process that has ended but was not waited for is a zombie: state Z.
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    !stat.is_empty() && !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// A test that starts a child, one in the group and one that has left it, and hangs.
const HANGS: &str = "\
import subprocess, sys, time

def test_quick(): pass

def test_hangs():
    children = [subprocess.Popen(['sleep', '600'], start_new_session=new) for new in (False, True)]
    with open('pids', 'w') as out: out.write('\\n'.join(str(c.pid) for c in children))
    time.sleep(600)
";

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_hangs_is_ended_with_all_that_it_started() {
    let sandbox = Sandbox::of("tests/test_a.py", HANGS);
    let (end, told) = ran(&sandbox, |run| run.timeouts.silence = Some(Duration::from_secs(2)));
    assert_eq!(end.how, How::Silent);
    assert_eq!(outcomes(&told), [("tests/test_a.py::test_quick", Outcome::Passed)]);
    assert!(told.iter().any(|t| matches!(t, Told::Started { test, .. } if test.ends_with("test_hangs"))));
    assert!(end.tail(60).contains("in test_hangs"), "the stack is printed: {}", end.tail(60));
    let pids = String::from_utf8(sandbox.read("pids")).unwrap();
    // Killed they are; the system takes a moment.
    let start = Instant::now();
    while pids.lines().any(alive) {
        assert!(start.elapsed() < Duration::from_mins(1), "orphans are left: {pids}");
        std::thread::sleep(Duration::from_millis(10));
    }

    let (end, _) = ran(&sandbox, |run| run.timeouts.run = Some(Duration::from_secs(3)));
    assert_eq!(end.how, How::Overdue);
}

#[test]
#[cfg(target_os = "linux")]
fn a_listener_that_has_heard_enough_ends_the_run() {
    let sandbox = Sandbox::of("tests/test_a.py", HANGS);
    let (end, _) = ran_until(
        &sandbox,
        |_| {},
        |told| match told {
            Told::Ended(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
    );
    assert_eq!(end.how, How::Stopped);
}

#[test]
fn a_crash_keeps_what_was_told_before() {
    let text = "import os\n\ndef test_before(): pass\n\ndef test_aborts(): os.abort()\n\ndef test_after(): pass\n";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    let (end, told) = ran(&sandbox, |_| {});
    assert_eq!(end.how, How::Killed(6));
    assert_eq!(outcomes(&told), [("tests/test_a.py::test_before", Outcome::Passed)]);
    assert!(matches!(told.last(), Some(Told::Started { test, .. }) if test.ends_with("test_aborts")), "{told:?}");
}
