//! What holds of all rules and queries together: stems agree between `src/rules/`, `queries/` and `tests/cases/`, every rule is
//! documented, every pattern and every trigger of every query is shown by some case, and a wrong query is refused where it is wrong.

mod sandbox;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::Sandbox;
use testdiet::discover::Role;
use testdiet::python::project::{Module, Project};
use testdiet::python::semantics::Semantics;
use testdiet::query::{Own, Queries};
use testdiet::rules::ALL;
use testdiet::source::SourceFile;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the entries of a folder without what follows the dot.
fn stems(folder: &str, extension: Option<&str>) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository().join(folder)).unwrap().map(|e| e.unwrap().path());
    entries
        .filter(|p| match extension {
            Some(extension) => p.extension().is_some_and(|e| e == extension),
            None => p.is_dir(),
        })
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn rules_have_unique_kebab_case_codes_and_files_of_that_name() {
    let files = stems("src/rules", Some("rs"));
    let mut seen = BTreeSet::new();
    for rule in ALL {
        let code = rule.code.as_str();
        let kebab = code.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()));
        assert!(kebab, "{code} is not kebab-case");
        assert!(seen.insert(code), "{code} is the code of two rules");
        assert!(files.contains(&code.replace('-', "_")), "src/rules/{}.rs is missing", code.replace('-', "_"));
        assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{code}: `{}`", rule.title);
    }
    for file in files {
        let other = ["mod", "context", "custom"].contains(&file.as_str());
        assert!(other || seen.contains(file.replace('_', "-").as_str()), "src/rules/{file}.rs is not in rules::ALL");
    }
}

#[test]
fn rules_are_documented() {
    for rule in ALL {
        let code = rule.code.as_str();
        let doc = rule.doc();
        let header: Vec<&str> = doc.lines().map(str::trim).collect();
        let file = format!("src/rules/{}.rs", code.replace('-', "_"));
        let source = std::fs::read_to_string(repository().join(&file)).unwrap();
        assert_eq!(source.lines().next(), Some(format!("//! # {code}").as_str()), "{file}");
        let at = |section: &str| {
            let at = header.iter().position(|l| *l == section).unwrap_or_else(|| panic!("{code}: no section `{section}`"));
            let text = header[at + 1..].iter().take_while(|l| !l.starts_with("## ")).any(|l| !l.is_empty());
            assert!(text, "{code}: nothing under `{section}`");
            at
        };
        let (why, example, fix) = (at("## Why is this bad?"), at("## Example"), at("## Fix"));
        assert!(why < example && example < fix, "{code}: sections out of order");
        assert!(header[..why].iter().any(|l| !l.is_empty()), "{code}: what it finds is not said");
        assert_eq!(header.iter().filter(|l| l.starts_with("```")).count() % 2, 0, "{code}: a code block is not closed");
    }
}

#[test]
fn every_rule_has_cases_and_every_folder_of_cases_a_rule() {
    let rules: BTreeSet<String> = ALL.iter().map(|r| r.code.as_str().to_owned()).collect();
    assert_eq!(stems("tests/cases", None), rules);
    let harness = std::fs::read_to_string(repository().join("tests/cases.rs")).unwrap();
    for rule in &rules {
        assert!(harness.contains(&format!("cases(\"{rule}\")")), "tests/cases.rs does not run {rule}");
    }
}

#[test]
fn every_snapshot_of_a_case_has_its_case() {
    for snapshot in stems("snapshots", Some("snap")) {
        let Some((rule, case)) = snapshot.strip_prefix("cases__").and_then(|s| s.split_once("__")) else { continue };
        let path = repository().join("tests/cases").join(rule.replace('_', "-")).join(case);
        assert!(path.is_dir() || path.with_extension("py").is_file(), "snapshots/{snapshot}.snap is of no case");
    }
}

/// All cases, each in a project of its own.
fn cases() -> Vec<Sandbox> {
    let mut out = Vec::new();
    for rule in stems("tests/cases", None) {
        for path in std::fs::read_dir(repository().join("tests/cases").join(rule)).unwrap().map(|e| e.unwrap().path()) {
            let sandbox = Sandbox::bare();
            if path.is_dir() {
                sandbox.copy(&path);
            } else {
                let name = path.file_stem().unwrap().to_str().unwrap();
                sandbox.write(&format!("tests/test_{name}.py"), std::fs::read(&path).unwrap());
                sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\n");
            }
            out.push(sandbox);
        }
    }
    out
}

#[test]
fn every_pattern_and_every_trigger_finds_something_in_a_case() {
    let mut triggers: BTreeMap<String, Vec<regex::Regex>> = BTreeMap::new();
    let mut files = BTreeSet::new();
    for stem in stems("queries", Some("scm")) {
        let file = format!("queries/{stem}.scm");
        for (i, line) in std::fs::read_to_string(repository().join(&file)).unwrap().lines().enumerate() {
            // `;; trigger: …` and `;; trigger above N: …`
            if let Some((_, trigger)) = line.strip_prefix(";; trigger").and_then(|l| l.split_once(':')) {
                let terms = trigger.split(" && ").map(|t| regex::Regex::new(t.trim()).unwrap()).collect();
                triggers.insert(format!("{file}:{}", i + 1), terms);
            }
        }
        files.insert(file);
    }
    let queries = Queries::load(Vec::new()).unwrap();
    let mut texts: Vec<(Arc<SourceFile>, Role, usize)> = Vec::new();
    let sandboxes = cases();
    let inputs: Vec<_> = sandboxes.iter().map(|s| s.input(&[], &[])).collect();
    for (i, input) in inputs.iter().enumerate() {
        for (found, _) in &input.files {
            let Ok(source) = SourceFile::read(&found.path) else { continue };
            triggers.retain(|_, terms| !terms.iter().all(|t| t.is_match(source.text())));
            texts.push((Arc::new(source), found.role, i));
        }
    }
    assert!(triggers.is_empty(), "no case for these triggers: {:?}", triggers.keys().collect::<Vec<_>>());
    let mut missing: BTreeSet<String> = queries.patterns().map(|p| p.origin.clone()).collect();
    let builtin: BTreeSet<String> = missing.iter().map(|o| o.rsplit_once(':').unwrap().0.to_owned()).collect();
    assert_eq!(builtin, files, "a file in queries/ is not built in, or holds no pattern");

    let roles = inputs.iter().flat_map(|i| &i.files).map(|(f, _)| (f.path.clone(), f.role)).collect();
    let project = Project::new(queries, roles, Vec::new());
    for (source, role, i) in texts {
        let mask = project.queries.triggered(source.text());
        let module = Arc::new(Module::new(source, role, &project.queries, mask));
        let suite = Arc::clone(&inputs[i].files[0].0.suite);
        let semantics = Semantics::new(&project, suite);
        for found in &module.matches {
            if missing.contains(&found.pattern.origin) && semantics.accepts(&module, found) {
                missing.remove(&found.pattern.origin);
            }
        }
    }
    assert!(missing.is_empty(), "no case for these patterns: {missing:?}");
}

/// What loading a project's own query says.
fn refused(text: &str) -> String {
    let own = Own { file: PathBuf::from("queries/own.scm"), text: text.to_owned(), rule: 0 };
    match Queries::load(vec![own]) {
        Ok(_) => panic!("it loads:\n{text}"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_query_that_says_nothing_is_refused_where_it_does() {
    for (text, expected) in [
        ("(call) @site\n(kall) @site\n", "queries/own.scm:2: there is no node type `"),
        ("\n(call funktion: (_)) @site\n", "queries/own.scm:2: there is no field `funktion`"),
        ("(call) @sight\n", "queries/own.scm:1: unknown capture `@sight`; the captures are @sleep "),
        (
            ";; prose\n\n((call function: (_) @callee) @site\n  (#resolves_to? @callee \"a.b\"))\n",
            "queries/own.scm:3: unknown predicate `#resolves_to?`; the predicates are #resolves-to? ",
        ),
        ("((call function: (_) @callee) @site (#is-not? @callee local))\n", "queries/own.scm:1: unknown predicate"),
        ("((call function: (_) @callee) @site (#resolves-to? @callee))\n", "takes one capture and at least one dotted name"),
        ("((call function: (_) @callee) @site (#resolves-to? \"a\" @callee))\n", "asks about a capture, then names"),
        (
            "((call function: (_) @callee) @site (#resolves-to? @caller \"a\"))\n",
            "names `@caller`, which the pattern does not capture",
        ),
        ("((call) @site (#set! ammount \"0\"))\n", "queries/own.scm:1: unknown setting `ammount`; the settings are `amount` and"),
        ("((call) @site (#set! amount \"-\"))\n", "an amount is a position, keywords, or both"),
        ("((call) @site (#set! amount \"args.x\"))\n", "`args.x`: after the dot comes an index"),
        ("((call) @site (#set! scale \"big\"))\n", "`big` is not a number"),
        ("(call function: (_) @callee)\n", "a pattern marks exactly one site with @sleep,"),
        ("((call function: (_) @sleep) @site)\n", "a pattern marks exactly one site with @sleep,"),
        (";; trigger: ok\n;; trigger: a && (b\n(call) @site\n", "queries/own.scm:2: this trigger is not a regular expression"),
        ("(call\n", "queries/own.scm:"),
        ("(call function: (module)) @site\n", "queries/own.scm:1: this pattern can never match"),
    ] {
        let message = refused(text);
        assert!(message.starts_with("queries/own.scm:") && message.contains(expected), "{text}{message}");
    }
}

#[test]
fn a_query_that_says_something_loads() {
    let text = ";; trigger: settle\n((call function: (_) @callee arguments: (argument_list . (_) @amount)) @sleep\n  \
        (#resolves-to? @callee \"helpers.settle\") (#not-instance-of? @amount \"builtins.str\") (#set! scale \"2\"))\n";
    let own = Own { file: PathBuf::from("queries/own.scm"), text: text.to_owned(), rule: 0 };
    let queries = Queries::load(vec![own]).unwrap();
    assert!(!queries.triggered("settle(1)").is_empty());
    let pattern = queries.patterns().find(|pattern| pattern.custom.is_some()).unwrap();
    assert_eq!((pattern.origin.as_str(), pattern.custom), ("queries/own.scm:2", Some(0)));
    assert!((pattern.scale - 2.0).abs() < f64::EPSILON);
    assert!(queries.triggered("nothing here").is_empty());
}
