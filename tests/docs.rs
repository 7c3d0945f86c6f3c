//! What the documentation says is what testdiet does: its tables come from the code, its output from real runs.
//!
//! Parts of README.md between `<!-- generated: … -->` and `<!-- end -->`, and the whole of docs/rules.md, are generated:
//!
//! * `rules`: the table of rules;
//! * `configuration`: the reference of all keys;
//! * `file PATH`: that file of this repository, as a code block;
//! * `run FOLDER $ testdiet ARGUMENTS`: what that prints in that folder.
//!
//! The clock that tests/suites/m2 carries is what `init` writes.
//!
//! `TESTDIET_BLESS=1 cargo test --test docs` writes them; without it, a difference fails.

mod sandbox;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use testdiet::rules::{ALL, Rule};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}")).replace("\r\n", "\n")
}

/// Compares a file with what it should hold, or writes it.
#[expect(clippy::disallowed_methods, reason = "a file of this repository, when asked for")]
fn compare(path: &str, expected: &str) {
    if std::env::var_os("TESTDIET_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(root().join(path), expected).unwrap();
        return;
    }
    let there = std::fs::read_to_string(root().join(path)).unwrap_or_default().replace("\r\n", "\n");
    let differ = there.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let line = differ.unwrap_or_else(|| there.lines().count().min(expected.lines().count()));
    assert!(
        there == expected,
        "{path} is not what the code says, from line {} on:\n  is        {}\n  should be {}\n\
         Regenerate it with `TESTDIET_BLESS=1 cargo test --test docs`, and commit the result.",
        line + 1,
        there.lines().nth(line).unwrap_or("(the end)"),
        expected.lines().nth(line).unwrap_or("(the end)"),
    );
}

/// What a rule's fix is, by the words its documentation sets apart.
fn fix_column(rule: &Rule) -> String {
    let doc = rule.doc();
    let (_, fix) = doc.split_once("## Fix\n").unwrap_or_else(|| panic!("`{}` has no `## Fix`", rule.code));
    let words: Vec<&str> =
        ["safe", "unsafe"].into_iter().filter(|word| fix.to_lowercase().contains(&format!("*{word}*"))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" or ") }
}

fn rules_table() -> String {
    let mut out = String::from("| rule | finds | fix | by default |\n|---|---|---|---|\n");
    for rule in ALL {
        let (code, on) = (&rule.code, if rule.default { "on" } else { "off" });
        _ = writeln!(out, "| [`{code}`](docs/rules.md#{code}) | {} | {} | {on} |", rule.title, fix_column(rule));
    }
    out
}

fn rules_page() -> String {
    let mut out = String::from(
        "<!-- Generated from src/rules/*.rs: TESTDIET_BLESS=1 cargo test --test docs -->\n\n# Rules\n\n\
         `testdiet rule NAME` prints the same.\n",
    );
    for rule in ALL {
        let state = if rule.default {
            "On by default.".to_owned()
        } else {
            format!("Off by default: `--extend-select {}`, or `extend-select` in the configuration.", rule.code)
        };
        _ = write!(out, "\n## {}\n\n{}. {state}\n\n", rule.code, rule.title);
        // Headings of a rule's own are one level deeper on a page of many.
        let mut fenced = false;
        for line in rule.doc().lines() {
            fenced ^= line.starts_with("```");
            let deeper = if !fenced && line.starts_with('#') { "#" } else { "" };
            _ = writeln!(out, "{deeper}{line}");
        }
    }
    out
}

fn code_block(language: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("```{language}\n{}\n```\n", lines.join("\n").trim_end())
}

/// What a command prints: its results, then what goes to standard error.
fn ran(folder: &str, command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words[0], "testdiet", "`{command}`");
    let output = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(&words[1..])
        .current_dir(root().join(folder))
        .env_remove("CLICOLOR_FORCE")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.code().is_some_and(|code| code < 2), "`{command}` failed:\n{}", printed[1]);
    format!("$ {command}\n{}", printed.concat())
}

fn generated(what: &str) -> String {
    let (kind, rest) = what.split_once(' ').unwrap_or((what, ""));
    match kind {
        "rules" => rules_table(),
        "configuration" => testdiet::config::reference(),
        "file" => {
            let language = match Path::new(rest).extension().and_then(|e| e.to_str()) {
                Some("py") => "python",
                Some("toml") => "toml",
                Some("scm") => "scheme",
                _ => "",
            };
            code_block(language, &read(rest))
        }
        "run" => {
            let (folder, command) = rest.split_once(" $ ").unwrap_or_else(|| panic!("`{rest}` is not FOLDER $ COMMAND"));
            let language = if command.contains("--diff") { "diff" } else { "text" };
            code_block(language, &ran(folder, command))
        }
        _ => panic!("README.md asks for `{what}`, which nothing generates"),
    }
}

#[test]
fn readme_is_up_to_date() {
    const START: &str = "<!-- generated: ";
    const END: &str = "<!-- end -->";
    let readme = read("README.md");
    let mut expected = String::new();
    let mut rest = readme.as_str();
    while let Some((before, marked)) = rest.split_once(START) {
        let (what, marked) = marked.split_once(" -->\n").expect("a marker ends its line");
        let (_, after) = marked.split_once(END).unwrap_or_else(|| panic!("`{what}` has no end"));
        _ = write!(expected, "{before}{START}{what} -->\n\n{}\n\n{END}", generated(what).trim_end());
        rest = after;
    }
    expected.push_str(rest);
    compare("README.md", &expected);
}

#[test]
fn rules_page_is_up_to_date() {
    compare("docs/rules.md", &rules_page());
}

#[test]
fn every_rule_has_a_heading_and_a_title() {
    for rule in ALL {
        let source = read(&format!("src/rules/{}.rs", rule.code.as_str().replace('-', "_")));
        assert!(source.starts_with(&format!("//! # {}\n//!\n", rule.code)), "`{}`: its file starts with its name", rule.code);
        assert!(!rule.title.ends_with('.') && !rule.title.contains('|'), "`{}`: its title is a phrase for a table", rule.code);
    }
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    for page in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = read(page);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || root().join(target).exists(), "{page} links to `{target}`, which is not there");
        }
    }
}

/// Whoever copies a command from a page gets no error for its name or its flags.
#[test]
fn every_command_of_the_documentation_is_one() {
    let mut seen = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/fast-time.md", "tests/hazards/README.md"] {
        let text = read(page);
        // Lines of code blocks, and what stands between backquotes.
        let blocks = text.lines().filter_map(|line| line.strip_prefix("    ").or_else(|| line.strip_prefix("$ ")));
        let inline = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        for command in blocks.chain(inline).filter(|command| command.starts_with("testdiet ")) {
            // What the shell does with it afterwards, and words that stand for others.
            let command = command.split([' ', '\n']).take_while(|word| !["#", ">", "|"].contains(word));
            let command = command.collect::<Vec<_>>().join(" ");
            let mut words = shlex::split(&command).unwrap_or_else(|| panic!("{page}: `{command}` has an open quote"));
            if ["COMMAND", "SHELL"].iter().any(|name| words.iter().any(|word| word == name)) {
                continue;
            }
            words.retain(|word| !word.starts_with('[') && !word.ends_with(']'));
            // Help stops a run after the flags were taken for what they are.
            let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.insert(end, "--help".to_owned());
            let output = Command::new(env!("CARGO_BIN_EXE_testdiet")).args(&words[1..]).output().unwrap();
            assert!(output.status.success(), "{page}: `{command}`:\n{}", String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
}

/// m2 carries the clock as a suite has it that takes no new dependency.
#[test]
fn the_clock_of_m2_is_what_init_writes() {
    const FILES: [&str; 2] = ["tests/_testdiet.py", "tests/conftest.py"];
    let m2 = root().join("tests/suites/m2");
    let copy = sandbox::Sandbox::bare();
    copy.copy(&m2);
    let out = copy.run(&["init", "--yes", "--only", "fixtures"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for file in FILES {
        let made = String::from_utf8(copy.read(file)).unwrap().replace("\r\n", "\n");
        assert!(made.contains("testdiet"), "init left {file} alone");
        compare(&format!("tests/suites/m2/{file}"), &made);
    }
}
