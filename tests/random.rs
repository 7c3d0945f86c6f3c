//! Random test modules, put together from pieces: whatever stands beside whatever, nothing panics, what was fixed parses, a second
//! fix changes nothing, and nothing changes outside of the edits.

mod sandbox;

use proptest::prelude::*;
use sandbox::Sandbox;
use testdiet::python::lower;

const FILE: &str = "tests/test_a.py";

const IMPORTS: &[&str] = &[
    "import time\n",
    "import time as clock\n",
    "from time import sleep\n",
    "from time import sleep as pause\n",
    "from time import *\n",
    "import threading\n",
    "from threading import Thread, Timer, Barrier\n",
    "from threading import *\n",
    "import multiprocessing as mp\n",
    "try:\n    from gevent import sleep\nexcept ImportError:\n    from time import sleep\n",
    "from concurrent.futures import ThreadPoolExecutor\n",
    "from app import Monitor, sleep\n",
    "import pytest\n",
    "SETTLE = 2.0\nN = 12\nSIZE = 50_000\n",
    "SETTLE: float = 1 + 0.5\nN = 3 * 4\nSIZE = 1 << 20\n",
    "class Worker(Thread):\n    def run(self):\n        sleep(1.5)\n",
    "def sleep(n):\n    return n\n",
    "def settle(n=1.5):\n    time.sleep(n)\n",
    "@pytest.fixture(autouse=True)\ndef around():\n    time.sleep(0.7)\n    yield\n    time.sleep(0.2)\n",
];

/// Statements, one level deep; `@` stands for the indentation.
const STATEMENTS: &[&str] = &[
    "@time.sleep(2)\n",
    "@time.sleep(2.5)  # testdiet: ignore[long-sleep]\n",
    "@# testdiet: ignore\n@sleep(1.5)\n",
    "@clock.sleep(SETTLE)\n",
    "@pause(SETTLE / 2)\n",
    "@settle()\n",
    "@settle(\n@    0.75,\n@)\n",
    "@sleep(secs=1.2); sleep(1.4)\n",
    "@sleep(-1)\n",
    "@monitor = Monitor(timeout=2.0, interval=0.5)\n",
    "@monitor = Monitor(timeout=SETTLE)\n",
    "@start = time.monotonic()\n",
    "@elapsed = time.monotonic() - start\n",
    "@assert elapsed >= 1.5\n",
    "@assert elapsed < 3\n",
    "@assert monitor.timeout == 2.0\n",
    "@t = threading.Thread(target=print)\n@t.start()\n",
    "@t = Worker()\n",
    "@t = Timer(1.5, print)\n",
    "@t = mp.get_context('spawn').Process(target=time.sleep, args=(1.5,))\n",
    "@ts = [Thread(target=settle, args=(1.1,)) for _ in range(10)]\n",
    "@ts = [Thread(target=print) for _ in range(N)]\n",
    "@ts = []\n@for i in range(8):\n@    ts.append(threading.Thread(target=print))\n",
    "@t.join()\n",
    "@t.join(None)  # for ever\n",
    "@t.join(timeout=3)\n",
    "@t.join(); t = None\n",
    "@if t: t.join()\n",
    "@for t in ts: t.join()\n",
    "@for t in ts:\n@    t.join()\n",
    "@[t.join() for t in ts]\n",
    "@ts.pop().join()\n",
    "@', '.join('ab')\n",
    "@b = Barrier(10)\n",
    "@assert len(ts) == 10\n",
    "@assert len(ts) == N\n",
    "@x = 'x' * SIZE\n",
    "@x = [0] * 100_000; y = b'\\0' * 10**6\n",
    "@assert len(x) == SIZE\n",
    "@for i in range(100_000):\n@    x = i\n",
    "@for i in range(50):\n@    time.sleep(0.05)\n",
    "@while not x:\n@    time.sleep(1)\n@    break\n",
    "@assert x == 99_999\n",
    "@with ThreadPoolExecutor(max_workers=16) as pool: pool.submit(time.sleep, 2)\n",
    "@def work():\n@    for _ in range(20):\n@        time.sleep(0.6)\n",
    "@ts = [threading.Thread(target=work) for _ in range(4)]\n",
    "@sleep = print\n",
    "@global sleep\n",
    "@time = None\n",
    "@pass\n",
    "@x = '''\n  time.sleep(5)\n'''\n",
    "@return\n",
    "@\u{20}\n",
    "\n",
    "@x = {'caf\u{e9}': time.sleep(2)}\n",
];

const HEADS: &[&str] = &[
    "def test_{}():\n",
    "async def test_{}(t, ts):\n",
    "@pytest.mark.parametrize('x', [1, 2, 3])\ndef test_{}(x):\n",
    "@pytest.mark.slow\ndef test_{}(ts):\n",
    "def test_{}(fast_time, sleep):\n",
    "class Test{}:\n    def test_m(self, x=2):\n",
    "def helper_{}(t):\n",
];

fn module() -> impl Strategy<Value = String> {
    let body = prop::collection::vec(prop::sample::select(STATEMENTS), 1..7);
    let test = (prop::sample::select(HEADS), body);
    let imports = prop::collection::vec(prop::sample::select(IMPORTS), 0..7);
    let newline = prop::sample::select(&["\n", "\n", "\n", "\r\n"][..]);
    (imports, prop::collection::vec(test, 1..4), newline, any::<bool>(), any::<bool>()).prop_map(
        |(imports, tests, newline, tabs, last)| {
            let mut text: String = imports.concat();
            for (i, (head, body)) in tests.iter().enumerate() {
                text.push_str(&head.replace("{}", &i.to_string()));
                let indent = if head.starts_with("class") { "        " } else { "    " };
                for statement in body {
                    text.push_str(&statement.replace('@', indent));
                }
                text.extend([indent, "pass\n"]);
            }
            if tabs {
                text = text.replace("    ", "\t");
            }
            if !last {
                text.truncate(text.trim_end().len());
            }
            text.replace('\n', newline)
        },
    )
}

/// Whether the tree has no error.
fn parses(text: &str) -> bool {
    lower::lower(text).errors.is_empty()
}

/// A text without what fixes may change: numbers, the timeout of a join and its assertion, suppression comments.
fn outline(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, with) in [
        (r"(?m)^[ \t]*# testdiet:[^\r\n]*\r?\n", ""),
        (r"[ \t]*# testdiet:[^\r\n]*", ""),
        (r"\r?\n[ \t]*assert not [^\r\n;]*is_alive\(\)[^\r\n;]*", ""),
        (r"; assert not [^\r\n;]*is_alive\(\)[^\r\n;]*", ""),
        (r"join\((?:timeout=[\d.]+|None)?\)", "join()"),
        (r"\d[\d_.]*(?: ?(?:\*\*|\*|<<|\+) ?\d[\d_.]*)*", "0"),
    ] {
        out = regex::Regex::new(pattern).unwrap().replace_all(&out, with).into_owned();
    }
    out
}

/// Few, unless `PROPTEST_CASES` asks for more: each is a project of its own.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_module_survives(text in module()) {
        let sandbox = Sandbox::of(FILE, &text);
        let select = ["long-sleep", "sleep-budget", "join-without-timeout", "unchecked-join", "too-many-threads", "large-allocation",
            "long-loop", "loop-impact", "unused-suppression", "syntax-error"];
        let fixed = sandbox.fix(&select);
        for finding in fixed.before.findings.iter().chain(&fixed.after.findings) {
            let span = finding.span.range();
            prop_assert!(finding.source.text().get(span).is_some(), "a span off the text");
            prop_assert!(finding.fix.is_none() || finding.declined.is_none());
            for edit in finding.fix.iter().flat_map(|f| &f.edits) {
                prop_assert!(finding.source.text().get(edit.span.range()).is_some(), "an edit off the text");
            }
        }
        if !parses(&text) {
            prop_assert!(fixed.changes.is_empty(), "a broken file was changed:\n{}", text);
        }
        for change in &fixed.changes {
            prop_assert!(parses(change.after.text()), "{}", sandbox.patch(&fixed.changes));
            let (before, after) = (outline(change.before.text()), outline(change.after.text()));
            prop_assert_eq!(before, after, "{}", sandbox.patch(&fixed.changes));
            if text.contains("\r\n") {
                prop_assert_eq!(change.after.text().matches('\n').count(), change.after.text().matches("\r\n").count());
            }
        }
        sandbox.apply(&fixed);
        let again = sandbox.fix(&select);
        prop_assert!(again.changes.is_empty(), "{}\nthen\n{}", sandbox.patch(&fixed.changes), sandbox.patch(&again.changes));
    }
}
