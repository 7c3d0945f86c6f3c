//! `check --add-suppressions`: afterwards nothing that was asked about is found, everything else is, and Python reads the same
//! program.

mod sandbox;

use std::process::{Command, Output};

use sandbox::Sandbox;

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What CPython makes of files, positions aside.
fn dump(sandbox: &Sandbox, names: &[String]) -> String {
    const PROGRAM: &str = "import ast, sys\nfor p in sys.argv[1:]: print(ast.dump(ast.parse(open(p, 'rb').read())))";
    let files = names.iter().map(|name| sandbox.root().join(name));
    let output = Command::new("python3").args(["-c", PROGRAM]).args(files).output().expect("python3 on PATH");
    assert!(output.status.success(), "{}", err(&output));
    out(&output)
}

/// Adds comments to files, and hands back what they look like then. Nothing may be found in them any more.
fn added(texts: &[String], flag: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    sandbox.write("testdiet.toml", "budget.sleep-per-suite = 1e6\n");
    let names: Vec<String> = (0..texts.len()).map(|i| format!("tests/test_{i}.py")).collect();
    for (name, text) in names.iter().zip(texts) {
        sandbox.write(name, text);
    }
    let before = dump(&sandbox, &names);
    let output = sandbox.run(&["check", "--select", "ALL", flag]);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert_eq!(dump(&sandbox, &names), before);
    let again = sandbox.run(&["check", "--select", "ALL"]);
    assert_eq!(again.status.code(), Some(0), "{}{}", out(&again), err(&again));
    names.iter().map(|name| String::from_utf8(sandbox.read(name)).unwrap()).collect()
}

fn test(body: &str) -> String {
    format!("import threading\nimport time\n\n\ndef test_a(x=0):\n{body}")
}

#[test]
fn each_kind_of_line_gets_its_comment_where_one_can_stand() {
    let cases = [
        ("    time.sleep(2)\n", "    time.sleep(2)  # testdiet: ignore[long-sleep]\n"),
        ("    time.sleep(2)", "    time.sleep(2)  # testdiet: ignore[long-sleep]"),
        ("    time.sleep(2) \t\n", "    time.sleep(2)  # testdiet: ignore[long-sleep]\n"),
        // Several lines: the first that takes a comment.
        ("    time.sleep(\n        2,\n    )\n", "    time.sleep(  # testdiet: ignore[long-sleep]\n        2,\n    )\n"),
        (
            "    x = [\n        time.sleep(2),\n    ]\n",
            "    x = [\n        time.sleep(2),  # testdiet: ignore[long-sleep]\n    ]\n",
        ),
        ("    x = (1,\n         time.sleep(2))\n", "    x = (1,\n         time.sleep(2))  # testdiet: ignore[long-sleep]\n"),
        // A backslash is the last thing of its line.
        ("    x = 1 + \\\n        time.sleep(2)\n", "    x = 1 + \\\n        time.sleep(2)  # testdiet: ignore[long-sleep]\n"),
        ("    time.sleep(2); \\\n        x = 1\n", "    # testdiet: ignore[long-sleep]\n    time.sleep(2); \\\n        x = 1\n"),
        ("    time. \\\n        sleep(2)\n", "    time. \\\n        sleep(2)  # testdiet: ignore[long-sleep]\n"),
        // A string goes on at the end of the line, or begins before it.
        ("    time.sleep(2), '''\n    '''\n", "    # testdiet: ignore[long-sleep]\n    time.sleep(2), '''\n    '''\n"),
        ("    x = '''\n    ''', time.sleep(2)\n", "    x = '''\n    ''', time.sleep(2)  # testdiet: ignore[long-sleep]\n"),
        ("    x = f'''{time.sleep(2)}\n    '''\n", "    # testdiet: ignore[long-sleep]\n    x = f'''{time.sleep(2)}\n    '''\n"),
        // Another tool's comment stays as it is, and ours is read.
        ("    time.sleep(2)  # noqa\n", "    # testdiet: ignore[long-sleep]\n    time.sleep(2)  # noqa\n"),
        ("    # why\n    time.sleep(2)  # noqa\n", "    # why\n    # testdiet: ignore[long-sleep]\n    time.sleep(2)  # noqa\n"),
        (
            "    time.sleep(  # noqa\n        2,  # two\n    )\n",
            "    time.sleep(  # noqa\n        2,  # two\n    )  # testdiet: ignore[long-sleep]\n",
        ),
        // One of ours takes a further name.
        (
            "    for t in [threading.Thread(target=print) for _ in range(9)]: t.join()  # testdiet: ignore[too-many-threads ] why\n",
            "    for t in [threading.Thread(target=print) for _ in range(9)]: t.join()  # testdiet: ignore[too-many-threads, \
             join-without-timeout] why\n",
        ),
        // Headers, lambdas, decorators, defaults.
        ("    if time.sleep(2):\n        pass\n", "    if time.sleep(2):  # testdiet: ignore[long-sleep]\n        pass\n"),
        (
            "    if x:\n        pass\n    elif time.sleep(2):\n        pass\n",
            "    if x:\n        pass\n    elif time.sleep(2):  # testdiet: ignore[long-sleep]\n        pass\n",
        ),
        ("\ttime.sleep(2)  # noqa\n", "\t# testdiet: ignore[long-sleep]\n\ttime.sleep(2)  # noqa\n"),
        (
            "    t = threading.Thread(target=time.sleep, args=(2,)); t.start(); t.join()\n",
            "    t = threading.Thread(target=time.sleep, args=(2,)); t.start(); t.join()  # testdiet: ignore[long-sleep, join-without-timeout]\n",
        ),
    ];
    let all = |newline: &str| cases.map(|(before, after)| [before, after].map(|body| test(body).replace('\n', newline)));
    let all: Vec<[String; 2]> = all("\n").into_iter().chain(all("\r\n")).collect();
    let befores: Vec<String> = all.iter().map(|[before, _]| before.clone()).collect();
    for ([before, expected], found) in all.iter().zip(added(&befores, "--add-suppressions")) {
        assert_eq!(&found, expected, "{before}");
    }
}

#[test]
fn a_whole_suite_falls_silent_and_undo_brings_it_back() {
    let sandbox = Sandbox::bare();
    sandbox.copy(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/m2"));
    let output = sandbox.run(&["check", "--select", "ALL", "--show-files"]);
    let names: Vec<String> = out(&output).lines().map(str::to_owned).collect();
    let read = || names.iter().map(|name| sandbox.read(name)).collect::<Vec<_>>();
    let (before, meaning) = (read(), dump(&sandbox, &names));
    let output = sandbox.run(&["check", "--select", "ALL", "--add-suppressions=they take what they take"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert!(out(&output).is_empty() && err(&output).ends_with("`testdiet undo` takes it back.\n"), "{}", err(&output));
    assert_eq!(dump(&sandbox, &names), meaning);
    assert_eq!(sandbox.run(&["check", "--select", "ALL"]).status.code(), Some(0));
    assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0));
    assert_eq!(read(), before);
}

#[test]
fn a_reason_is_written_in_what_the_file_can_hold() {
    let text = "# coding: latin-1\nimport time\n\n\ndef test_é():\n    time.sleep(2)\n    time.sleep(2)  # testdiet: ignore[long-loop] old\n";
    let sandbox = Sandbox::new();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    sandbox.write("tests/test_a.py", &latin);
    let select = ["check", "--select", "long-sleep"];
    let run = |reason: &str| sandbox.run(&[&select[..], &[&format!("--add-suppressions={reason}")]].concat());

    for bad in ["two\nlines", "an \x1b escape", "a\u{2028}separator"] {
        let output = run(bad);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("a reason is one line of text"), "{}", err(&output));
    }
    let output = run("漢");
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("tests/test_a.py:6:5") && out(&output).contains("tests/test_a.py:7:5"), "{}", out(&output));
    assert!(err(&output).contains("the file's encoding does not have all characters of the reason"), "{}", err(&output));
    assert_eq!(sandbox.read("tests/test_a.py"), latin);

    assert_eq!(run("déjà vu").status.code(), Some(0));
    let after = text
        .replace("sleep(2)\n", "sleep(2)  # testdiet: ignore[long-sleep] déjà vu\n")
        .replace("[long-loop] old", "[long-loop, long-sleep] old; déjà vu");
    let after: Vec<u8> = after.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(sandbox.read("tests/test_a.py"), after);
}

#[test]
fn nothing_falls_silent_that_was_not_asked_about() {
    let sandbox = Sandbox::of(
        "tests/test_a.py",
        "import threading\n\n\ndef test_a():\n    t = threading.Thread(target=print)\n    t.start()\n    t.join()\n",
    );
    let baseline = ["--baseline", "known.json"];
    assert_eq!(sandbox.run(&[&["check"][..], &baseline, &["--write-baseline"]].concat()).status.code(), Some(0));
    let text = "import threading\n\n\ndef test_a():\n    t = threading.Thread(target=print)\n    t.start()\n    t.join(); u.join()\n    \
        u.join()\n"
        .replace("t.start()", "t.start(); u = t");
    sandbox.write("tests/test_a.py", &text);
    let output = sandbox.run(&[&["check", "--add-suppressions"][..], &baseline].concat());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        err(&output).contains(
            "tests/test_a.py:7:15: join-without-timeout could not be suppressed: a comment there would also suppress another \
             finding of `join-without-timeout`"
        ),
        "{}",
        err(&output)
    );
    let after = text.replace("    u.join()\n", "    u.join()  # testdiet: ignore[join-without-timeout]\n");
    assert_eq!(String::from_utf8(sandbox.read("tests/test_a.py")).unwrap(), after);
}

#[test]
fn where_no_comment_can_stand_it_says_so() {
    let sleeps = "import time\n\n\ndef test_a():\n    time.sleep(2)\n";
    let sandbox = Sandbox::new();
    sandbox.write("testdiet.toml", "budget.sleep-per-suite = 1\n");
    sandbox.write("tests/test_first.py", format!("#!/usr/bin/env python3\n{sleeps}    time.sleep(2)\n"));
    sandbox.write("tests/test_generated.py", format!("# @generated\n{sleeps}"));
    sandbox.write("tests/test_broken.py", format!("{sleeps}    x = (\n"));
    sandbox.write("src/product.py", sleeps);
    let output = sandbox.run(&["check", "--add-suppressions", "tests", "src/product.py"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    for said in [
        "src/product.py:5:5: long-sleep could not be suppressed: it is product code",
        "tests/test_broken.py:5:5: long-sleep could not be suppressed: the file has syntax",
        "tests/test_broken.py:7:1: syntax-error could not be suppressed: a comment cannot suppress `syntax-error`",
        "tests/test_generated.py:6:5: long-sleep could not be suppressed: the file is marked @generated",
        "tests/test_first.py:1:1: sleep-budget could not be suppressed: no comment can stand there; put it by hand, or use \
         `# testdiet: ignore-file[sleep-budget]`",
        "Suppressed 2 findings; changed 1 file.",
    ] {
        assert!(err(&output).contains(said), "{said}\n{}", err(&output));
    }
    assert_eq!(sandbox.run(&["check", "-", "--add-suppressions"]).status.code(), Some(2));
}

#[test]
fn a_file_that_cannot_be_written_stops_it_before_any_is() {
    let sleeps = "import time\n\n\ndef test_a():\n    time.sleep(2)\n";
    let sandbox = Sandbox::of("tests/test_a.py", sleeps);
    sandbox.write("tests/test_b.py", sleeps);
    let path = sandbox.root().join("tests/test_b.py");
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let output = sandbox.run(&["check", "--add-suppressions"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("nothing was written") && err(&output).contains("read-only"), "{}", err(&output));
    assert_eq!(sandbox.read("tests/test_a.py"), sleeps.as_bytes());
}
