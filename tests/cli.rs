//! The command line as a user meets it: real processes, their exit codes and what they print.

#[path = "../build.rs"]
#[allow(dead_code, reason = "its `main` is for cargo")]
mod build;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn testdiet(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testdiet"));
    command.args(args).current_dir(dir).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("RUST_BACKTRACE");
    command
}

fn run(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    testdiet(dir.path(), args).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_arguments_there_is_help_and_exit_code_2() {
    let none = run(&[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(err(&none).contains("Usage: testdiet"), "{}", err(&none));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for said in ["check", "fix", "review", "init", "measure", "rule", "undo", "--check", "--color", "Exit codes"] {
        assert!(out(&help).contains(said), "{said}");
    }
}

#[test]
fn the_version_names_the_commit_of_a_release() {
    let version = out(&run(&["--version"]));
    let rest = version.strip_prefix(concat!("testdiet ", env!("CARGO_PKG_VERSION"))).unwrap().trim_end();
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    let digits = |c: &str| c.len() == 10 && c.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(if cfg!(debug_assertions) { rest.is_empty() } else { commit.is_none_or(digits) }, "{version}");
}

#[test]
fn the_commit_is_that_of_the_sources_and_of_no_folder_around_them() {
    let commit = build::commit;
    let dir = tempfile::tempdir().unwrap();
    let git = |dir: &Path, args: &[&str]| {
        let user = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
        let output = Command::new("git").args(user).args(args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    assert_eq!(commit(dir.path()), None);
    git(dir.path(), &["init", "-q"]);
    assert_eq!(commit(dir.path()), None);
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_eq!(commit(dir.path()).unwrap(), git(dir.path(), &["rev-parse", "HEAD"])[..10]);

    let inside = dir.path().join("vendor/testdiet");
    std::fs::create_dir_all(&inside).unwrap();
    assert_eq!(commit(&inside), None);
    let info = "{\n  \"git\": {\n    \"sha1\": \"0123456789abcdef0123456789abcdef01234567\"\n  },\n  \"path_in_vcs\": \"\"\n}";
    std::fs::File::create(inside.join(".cargo_vcs_info.json")).unwrap().write_all(info.as_bytes()).unwrap();
    assert_eq!(commit(&inside).unwrap(), "0123456789");
}

#[test]
fn completions_complete() {
    const PROGRAM: &str =
        "source /dev/stdin; COMP_WORDS=(testdiet ch); COMP_CWORD=1; _testdiet testdiet ch testdiet; echo ${COMPREPLY[@]}";
    let script = run(&["completions", "bash"]);
    assert_eq!(script.status.code(), Some(0));
    let mut bash = Command::new("bash").args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&script.stdout).unwrap();
    assert_eq!(out(&bash.wait_with_output().unwrap()), "check\n");
    for (shell, says) in
        [("zsh", "#compdef testdiet"), ("fish", "complete -c testdiet"), ("powershell", "Register-ArgumentCompleter")]
    {
        let script = run(&["completions", shell]);
        assert!(script.status.success() && out(&script).contains(says) && out(&script).contains("changed-since"), "{shell}");
    }
    assert_eq!(run(&["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn wrong_flags_exit_with_2_and_name_the_near_one() {
    for args in [
        &["check", "--selct", "a"][..],
        &["fix", "--verify"],
        &["review", "--verify"],
        &["--nonsense"],
        &["check", "--output-format", "xml"],
        &["check", "-q", "-v"],
        &["check", "-", "tests"],
        &["-q"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(out(&output).is_empty() && err(&output).starts_with("error: "), "{args:?}: {}", err(&output));
    }
    assert!(err(&run(&["check", "--selct", "a"])).contains("--select"));
}

#[test]
fn every_promised_flag_is_taken() {
    let check = "--select a --ignore b --extend-select c --per-file-ignores p:r --fixable a --unfixable b --exclude x \
        --extend-exclude y --force-exclude --respect-gitignore --no-respect-gitignore --isolated --output-format json -o o \
        --stdin-filename n --statistics --show-files -n -q --color never --exit-zero --as-test";
    let fix = "--diff --check --unsafe-fixes --exit-non-zero-on-fix --show-settings --no-cache -s --output-file o";
    for (command, flags) in [("check", check), ("fix", fix), ("fix", check)] {
        // Help stops a run after the flags were taken for what they are.
        let args: Vec<&str> = std::iter::once(command).chain(flags.split_whitespace()).chain(["--help"]).collect();
        assert_eq!(run(&args).status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_leading_check_flag_is_the_check_command() {
    let output = run(&["--check", "missing"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("error: missing: "), "{}", err(&output));
    let help = out(&run(&["--check", "--help"]));
    assert!(help.contains("Usage: testdiet check"), "{help}");
}

#[test]
fn a_missing_path_exits_with_2() {
    for command in ["check", "fix"] {
        let output = run(&[command, "no/such/file.py"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("no/such/file.py"));
    }
}

#[test]
fn an_output_file_that_cannot_be_written_stops_the_run() {
    let output = run(&["check", "-o", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("error: cannot write .: "), "{}", err(&output));
}

#[test]
fn colours_are_for_those_who_ask() {
    let dir = tempfile::tempdir().unwrap();
    let colored = |args: &[&str], no_color: bool| {
        let mut command = testdiet(dir.path(), args);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.output().unwrap().stderr.contains(&b'\x1b')
    };
    assert!(!colored(&["check", "missing"], false));
    assert!(colored(&["check", "missing", "--color", "always"], false));
    assert!(colored(&["--color", "always", "check", "missing"], true));
    assert!(!colored(&["--color", "never", "check", "missing"], false));
}

#[test]
fn names_cannot_steer_the_terminal() {
    let output = run(&["check", "a\x1b[2Jb"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("a\\x1b[2Jb"), "{}", err(&output));
    assert!(!output.stderr.contains(&b'\x1b'));
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        testdiet(dir.path(), &["rule", "--output-format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[test]
fn standard_input_without_anything_to_fix_comes_out_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"\xef\xbb\xbfx = 1\r\ny = '\xc3\xa9'";
    let mut child = testdiet(dir.path(), &["fix", "-q", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &bytes[..]));

    let mut child = testdiet(dir.path(), &["check", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"x = '\xe9'\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("error: standard input: line 1 is not valid UTF-8"), "{}", err(&output));
}

#[test]
fn rules_are_explained() {
    let unknown = run(&["rule", "no-such-rule-at-all"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).starts_with("error: there is no rule `no-such-rule-at-all`"));
    let json = run(&["rule", "--output-format", "json"]);
    assert_eq!(json.status.code(), Some(0));
    assert!(out(&json).starts_with('['));
}
