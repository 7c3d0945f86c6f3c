//! Suppression comments: where they reach, what an unused one says, and that what is suppressed stays as it is.

mod sandbox;

use sandbox::{Sandbox, places};

const FILE: &str = "tests/test_a.py";

/// Findings of the default rules, as lines and rules.
fn found(text: &str) -> Vec<(u32, String)> {
    let checked = Sandbox::of(FILE, text).check(&[]);
    places(&checked.findings).into_iter().map(|(line, code)| (line, code.to_owned())).collect()
}

fn fixed(text: &str) -> String {
    let sandbox = Sandbox::of(FILE, text);
    let fixed = sandbox.fix(&[]);
    sandbox.text_after(&fixed, FILE)
}

/// A test whose body is `body`, indented by four.
fn test(body: &str) -> String {
    format!("import threading\nimport time\n\n\ndef test_a():\n{body}")
}

#[test]
fn a_comment_suppresses_on_its_line_and_below_its_own_line() {
    for body in [
        "    time.sleep(2)  # testdiet: ignore[long-sleep]\n",
        "    time.sleep(2)  # testdiet: ignore[long-sleep] because the server needs it\n",
        "    time.sleep(2)  #testdiet:ignore[long-sleep]\n",
        "    time.sleep(2)  # testdiet: ignore\n",
        "    time.sleep(2)  # testdiet: ignore without a reason in brackets\n",
        "    # testdiet: ignore[long-sleep]\n    time.sleep(2)\n",
        "    # testdiet: ignore[long-sleep]\n    # and another comment\n    time.sleep(2)\n",
        "    time.sleep(\n        2,\n    )  # testdiet: ignore[long-sleep]\n",
        "    time.sleep(  # testdiet: ignore[long-sleep]\n        2,\n    )\n",
        "    time.sleep(\n        # testdiet: ignore[long-sleep]\n        2,\n    )\n",
        "    x = [\n        1,\n        time.sleep(2),  # testdiet: ignore[long-sleep]\n    ]\n",
        "    pass  # testdiet: ignore-file[long-sleep]\n    time.sleep(2)\n",
        "    time.sleep(2)\n# testdiet: ignore-file\n",
    ] {
        assert_eq!(found(&test(body)), [], "{body}");
    }
}

#[test]
fn a_comment_suppresses_nothing_else() {
    for (body, line) in [
        ("    pass  # testdiet: ignore[long-sleep]\n    time.sleep(2)\n", 7),
        ("    # testdiet: ignore[long-sleep]\n\n    time.sleep(2)\n", 8),
        ("    time.sleep(2)\n    # testdiet: ignore[long-sleep]\n", 6),
        ("    time.sleep(2)  # testdiet: ignore[too-many-threads]\n", 6),
    ] {
        let found = found(&test(body));
        assert!(found.contains(&(line, "long-sleep".to_owned())), "{body}{found:?}");
        assert!(found.iter().any(|(_, code)| code == "unused-suppression"), "{body}{found:?}");
    }
    let not_ours = test("    time.sleep(2)  # noqa: testdiet: ignore\n    x = '# testdiet: ignore-file'\n");
    assert_eq!(found(&not_ours), [(6, "long-sleep".to_owned())]);
}

#[test]
fn several_rules_in_one_bracket() {
    let both = "    [t.join() for t in [threading.Thread(target=print) for _ in range(9)]]";
    let codes = |comment: &str| {
        let mut codes: Vec<String> = found(&test(&format!("{both}{comment}\n"))).into_iter().map(|(_, c)| c).collect();
        codes.sort();
        codes
    };
    assert_eq!(codes(""), ["join-without-timeout", "too-many-threads"]);
    assert_eq!(codes("  # testdiet: ignore[too-many-threads]"), ["join-without-timeout"]);
    assert_eq!(codes("  # testdiet: ignore[ too-many-threads , join-without-timeout ]"), [""; 0]);
    assert_eq!(codes("  # testdiet: ignore[too-many-threads,join-without-timeout,]"), [""; 0]);
}

#[test]
fn an_unused_comment_goes_and_the_rest_of_its_line_stays() {
    for (before, after) in [
        ("    pass  # testdiet: ignore[long-sleep]\n", "    pass\n"),
        ("    # testdiet: ignore[long-sleep]\n    pass\n", "    pass\n"),
        ("    pass\n# testdiet: ignore", "    pass\n"),
        (
            "    time.sleep(2)  # testdiet: ignore[long-loop, long-sleep] why\n",
            "    time.sleep(2)  # testdiet: ignore[long-sleep] why\n",
        ),
        (
            "    time.sleep(2)  # testdiet: ignore[long-sleep, long-loop] why\n",
            "    time.sleep(2)  # testdiet: ignore[long-sleep] why\n",
        ),
        (
            "    time.sleep(2)  # testdiet: ignore[long-loop, long-sleep, sleep-budget]\n",
            "    time.sleep(2)  # testdiet: ignore[long-sleep]\n",
        ),
        ("    pass  # testdiet: ignore[long-loop, long-sleep]\n", "    pass\n"),
    ] {
        assert_eq!(fixed(&test(before)), test(after), "{before}");
    }
}

#[test]
fn newlines_are_not_part_of_a_comment() {
    let text = test("    pass  # testdiet: ignore[long-sleep]\n    time.sleep(2)  # testdiet: ignore[long-sleep,long-loop]\n");
    let after = test("    pass\n    time.sleep(2)  # testdiet: ignore[long-sleep]\n");
    assert_eq!(fixed(&text.replace('\n', "\r\n")), after.replace('\n', "\r\n"));
}

#[test]
fn a_name_no_rule_has_is_told_and_kept() {
    let text = test("    time.sleep(0.1)  # testdiet: ignore[long-slep]\n");
    let sandbox = Sandbox::of(FILE, &text);
    let checked = sandbox.check(&[]);
    assert_eq!(places(&checked.findings), [(6, "unused-suppression")]);
    assert_eq!(checked.findings[0].message, "`long-slep` is not a rule of testdiet");
    assert!(checked.findings[0].fix.is_none());
    assert_eq!(fixed(&text), text);
}

#[test]
fn what_is_not_looked_for_is_not_unused() {
    let text = test("    pass  # testdiet: ignore[long-sleep]\n    pass  # testdiet: ignore[unchecked-join]\n");
    let sandbox = Sandbox::of(FILE, &text);
    for (select, expected) in [
        (&["unused-suppression", "long-loop"][..], vec![]),
        (&["unused-suppression", "long-sleep"], vec![(6, "unused-suppression")]),
        (&["long-sleep"], vec![]),
        (&[], vec![(6, "unused-suppression")]),
    ] {
        assert_eq!(places(&sandbox.check(select).findings), expected, "{select:?}");
    }
}

#[test]
fn what_is_suppressed_does_not_change_along_with_others() {
    let text = test("    time.sleep(2)\n    time.sleep(3)  # testdiet: ignore[long-sleep] real time\n");
    let after = fixed(&text);
    assert!(after.contains("time.sleep(3)  # testdiet: ignore[long-sleep] real time"), "{after}");

    let constant = "import time\n\nSETTLE = 2\n\n\ndef test_a():\n    time.sleep(SETTLE)  # testdiet: ignore[long-sleep]\n\n\n\
        def test_b():\n    time.sleep(SETTLE)\n";
    assert_eq!(fixed(constant), constant);

    let count = "import os\n\nSIZE = 100_000\n\n\ndef test_a():\n    os.urandom(SIZE)  # testdiet: ignore[large-allocation]\n\n\n\
        def test_b():\n    os.urandom(SIZE)\n";
    assert_eq!(fixed(count), count);
    let declined = Sandbox::of(FILE, count).check(&[]).findings[0].declined.clone();
    assert_eq!(declined.as_deref(), Some("it would also change what a comment suppresses the finding for"));
}

#[test]
fn a_comment_in_a_helper_holds_for_all_tests_that_call_it() {
    let sandbox = Sandbox::of(FILE, "from helpers import settle\n\n\ndef test_a():\n    settle()\n");
    sandbox.write("tests/helpers.py", "import time\n\n\ndef settle():\n    time.sleep(2)  # testdiet: ignore[long-sleep]\n");
    assert_eq!(places(&sandbox.check(&[]).findings), []);
}
