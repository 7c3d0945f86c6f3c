//! Triggers decide which files are parsed at all: whatever a number looks like, a file that a query would find something in has to
//! be looked at. Each line here is all there is in its file.

mod sandbox;

use sandbox::{Sandbox, places};

/// Ways of writing a number that is over every budget.
const NUMBERS: &[&str] =
    &["100000", "100_000", "1_000_000", "(100_000)", "10**6", "1 << 20", "1024 * 1024", "64 * 1024", "10 ** 5"];

/// A file that names the number, in all ways to do so.
fn texts(number: &str, with: &dyn Fn(&str) -> String) -> Vec<String> {
    vec![
        format!("def test_a(f):\n    {}\n", with(number)),
        format!("N = {number}\n\n\ndef test_a(f):\n    {}\n", with("N")),
        format!("COUNT: int = {number}\n\n\ndef test_a(f):\n    {}\n", with("COUNT")),
        format!("class TestA:\n    n = {number}\n\n    def test_a(self, f):\n        {}\n", with("self.n")),
        format!("def test_a(f):\n    n = {number}\n    {}\n", with("n")),
    ]
}

fn missed(code: &str, with: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut out = Vec::new();
    for number in NUMBERS {
        for text in texts(number, with) {
            let sandbox = Sandbox::of("tests/test_a.py", &text);
            if !places(&sandbox.check(&[code]).findings).iter().any(|(_, c)| *c == code) {
                out.push(text);
            }
        }
    }
    out
}

fn found_in_all(code: &str, with: &dyn Fn(&str) -> String) {
    let missed = missed(code, with);
    assert!(missed.is_empty(), "{code} misses {}:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn allocations() {
    found_in_all("large-allocation", &|n| format!("f('x' * ({n}))"));
    found_in_all("large-allocation", &|n| format!("f(b\"\\0\" * ({n}))"));
    found_in_all("large-allocation", &|n| format!("f([0] * ({n}))"));
    found_in_all("large-allocation", &|n| format!("f(({n}) * 'x')"));
    found_in_all("large-allocation", &|n| format!("f(bytearray({n}))"));
    found_in_all("large-allocation", &|n| format!("f(list(range({n})))"));
    found_in_all("large-allocation", &|n| format!("f([i for i in range({n})])"));
}

#[test]
fn allocations_without_parentheses() {
    let texts = |number: &str| {
        vec![
            format!("def test_a(f):\n    f('x' * {number})\n"),
            format!("def test_a(f):\n    f([0] * {number})\n"),
            format!("def test_a(f):\n    f({number} * 'x')\n"),
            format!("def test_a(f):\n    f('0123456789' * {number})\n"),
        ]
    };
    for number in ["100000", "100_000", "1_000_000", "10**6", "20_001", "50_000"] {
        for text in texts(number) {
            let sandbox = Sandbox::of("tests/test_a.py", &text);
            assert_eq!(places(&sandbox.check(&["large-allocation"]).findings), [(2, "large-allocation")], "{text}");
        }
    }
}

#[test]
fn loops() {
    found_in_all("long-loop", &|n| format!("for i in range({n}): f(i)"));
    found_in_all("long-loop", &|n| format!("f(sum(f(i) for i in range({n})))"));
}

#[test]
fn budgets_that_are_smaller_than_the_usual() {
    for text in ["f('x' * 1001)", "f([0] * 126)", "f(126 * [0])", "f(bytes(1001))", "f([i for i in range(126)])"] {
        let sandbox = Sandbox::of("tests/test_a.py", &format!("def test_a(f):\n    {text}\n"));
        assert!(places(&sandbox.check(&["large-allocation"]).findings).is_empty(), "{text}");
        sandbox.write("testdiet.toml", "[budget]\nallocation = '1 KB'\n");
        assert_eq!(places(&sandbox.check(&["large-allocation"]).findings), [(2, "large-allocation")], "{text}");
    }
    let sandbox = Sandbox::of("tests/test_a.py", "def test_a(f):\n    for i in range(101): f(i)\n");
    assert!(places(&sandbox.check(&["long-loop"]).findings).is_empty());
    sandbox.write("testdiet.toml", "[budget]\niterations-per-loop = 100\n");
    assert_eq!(places(&sandbox.check(&["long-loop"]).findings), [(2, "long-loop")]);
}
