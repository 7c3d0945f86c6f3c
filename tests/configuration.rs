//! Configuration files and flags, as a project meets them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testdiet::config::{self, Budgets, ConfigError, Configuration, Dimension, Overrides, Profile, Settings, Strategy};
use testdiet::rules::Code;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { dir: tempfile::tempdir().unwrap() };
        // A repository of its own, whatever lies above the folder for temporary files.
        fs::create_dir(project.path(".git")).unwrap();
        for (name, text) in files {
            let path = project.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, overrides: Overrides) -> Result<Configuration, ConfigError> {
        Configuration::new(overrides, self.dir.path())
    }

    fn settings(&self, file: &str) -> Arc<Settings> {
        self.open(Overrides::default()).unwrap().for_path(Path::new(file)).unwrap()
    }
}

/// What is said about a `testdiet.toml`.
fn error(text: &str) -> String {
    let project = Project::new(&[("testdiet.toml", text)]);
    project.open(Overrides::default()).expect_err(text).to_string()
}

fn flags(config: &[&str]) -> Overrides {
    Overrides { config: config.iter().map(ToString::to_string).collect(), ..Overrides::default() }
}

#[allow(clippy::unnecessary_wraps, reason = "what the flags are")]
fn some(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(ToString::to_string).collect())
}

const CUSTOM: &str = "
[[rules]]
name = 'slow-net'
query = 'q.scm'
message = 'waits for the net'
dimension = 'seconds'
limit = 1.5
[[rules]]
name = 'big-blob'
query = 'q.scm'
message = 'is big'
dimension = 'bytes'
limit = '2 KB'
";

#[test]
fn the_profiles_are_those_of_the_design() {
    let project = Project::new(&[("testdiet.toml", "profile = 'ci'\n[budget]\nsleep-per-test = 2\nallocation = '64 KiB'\n")]);
    let settings = project.settings("a.py");
    let expected = Budgets { sleep_per_test: 2.0, allocation: 65_536, ..Budgets::profile(Profile::Ci) };
    assert_eq!((settings.profile, &settings.budgets), (Profile::Ci, &expected));
    assert_eq!(Budgets::default().allocation, 20_000);
    assert_eq!((Budgets::profile(Profile::Native).threads_per_test, Budgets::profile(Profile::Native).threads_target), (32, 8));
}

#[test]
fn sizes_are_numbers_or_texts() {
    for (value, bytes) in [
        ("123", 123),
        ("20_000", 20_000),
        ("'20 KB'", 20_000),
        ("'20kb'", 20_000),
        ("'1.5 MB'", 1_500_000),
        ("'1 MiB'", 1_048_576),
    ] {
        let project = Project::new(&[("testdiet.toml", &format!("[budget]\nallocation = {value}\n"))]);
        assert_eq!(project.settings("a.py").budgets.allocation, bytes, "{value}");
    }
    assert!(error("budget.allocation = '20 parsecs'").ends_with("has the unit `parsecs`; use B, KB, MB, GB, KiB, MiB or GiB"));
    assert!(error("budget.allocation = 'KB'").contains("cannot be `KB`"));
    assert!(error("budget.allocation = 1.5").contains("must be a number of bytes or a text such as \"20 KB\", but is a float"));
}

#[test]
fn the_nearest_file_governs_and_one_folder_has_one() {
    let with = |seconds: u32| format!("[budget]\nsleep-per-file = {seconds}\n");
    let pyproject = |seconds: u32| format!("[tool.testdiet.budget]\nsleep-per-file = {seconds}\n");
    let project = Project::new(&[
        ("pyproject.toml", &pyproject(1)),
        ("a/pyproject.toml", &pyproject(2)),
        ("a/testdiet.toml", &with(3)),
        ("a/.testdiet.toml", &with(4)),
        ("b/testdiet.toml", &with(5)),
        ("b/pyproject.toml", &pyproject(6)),
        ("c/pyproject.toml", "[tool.other]\n"),
        ("d/pyproject.toml", "this is [ broken"),
    ]);
    let config = project.open(Overrides::default()).unwrap();
    for (file, seconds, root) in [
        ("x.py", 1.0, ""),
        ("a/x.py", 4.0, "a"),
        ("a/deep/er/x.py", 4.0, "a"),
        ("b/x.py", 5.0, "b"),
        ("c/x.py", 1.0, ""),
        ("d/x.py", 1.0, ""),
    ] {
        let settings = config.for_path(Path::new(file)).unwrap();
        assert!((settings.budgets.sleep_per_file - seconds).abs() < 1e-9, "{file}");
        assert_eq!(settings.root, project.path(root).components().collect::<PathBuf>(), "{file}");
    }
    let both = ["a/x.py", "a/deep/y.py"].map(|f| config.for_path(&project.path(f)).unwrap());
    assert!(Arc::ptr_eq(&both[0], &both[1]));
    assert_eq!(config.project_root(), project.dir.path());
}

#[test]
fn a_file_below_is_only_wrong_when_it_is_used() {
    let project = Project::new(&[("bad/testdiet.toml", "selekt = []\n")]);
    let config = project.open(Overrides::default()).unwrap();
    config.for_path(Path::new("good/x.py")).unwrap();
    let said = config.for_path(Path::new("bad/x.py")).unwrap_err().to_string();
    let file: PathBuf = ["bad", "testdiet.toml"].iter().collect();
    assert_eq!(said, format!("{}:1: unknown key `selekt`; did you mean `select`?", file.display()));
}

#[test]
fn mistakes_are_told_with_their_line_and_what_was_meant() {
    for (text, said) in [
        ("\n\nselect = [\n", "testdiet.toml:"),
        ("\nextend_select = []\n", "testdiet.toml:2: unknown key `extend_select`; did you mean `extend-select`?"),
        ("[budgets]\nx = 1\n", "testdiet.toml:1: unknown key `budgets`; did you mean `budget`?"),
        (
            "[budget]\n\nsleep-per-tests = 1\n",
            "testdiet.toml:3: unknown key `budget.sleep-per-tests`; did you mean `budget.sleep-per-test`?",
        ),
        ("sleep-per-test = 1\n", "testdiet.toml:1: unknown key `sleep-per-test`; did you mean `budget.sleep-per-test`?"),
        (
            "[fix]\ncolour = 1\n",
            "testdiet.toml:2: unknown key `fix.colour`; there are `strategies`, `fast-time`, `join-timeout`, `floor`, `margin`",
        ),
        ("profile = 'wsl'\n", "testdiet.toml:1: `profile` cannot be `wsl`; did you mean `wsl2`?"),
        ("profile = 'mainframe'\n", "testdiet.toml:1: `profile` cannot be `mainframe`; it is one of `wsl2`, `ci`, `native`"),
        ("output-format = 'jsonlines'\n", "testdiet.toml:1: `output-format` cannot be `jsonlines`; did you mean `json-lines`?"),
        ("select = 'ALL'\n", "testdiet.toml:1: `select` must be an array of strings, but is a string"),
        ("select = ['ALL', 1]\n", "testdiet.toml:1: `select` must be a string, but is an integer"),
        ("ignore = ['E501']\n", "testdiet.toml:1: there is no rule `E501`; `testdiet rule` lists those there are"),
        ("force-exclude = 'yes'\n", "testdiet.toml:1: `force-exclude` must be true or false, but is a string"),
        ("budget.sleep-per-test = -1\n", "testdiet.toml:1: `budget.sleep-per-test` must be a number from 0 on"),
        ("budget.sleep-per-test = inf\n", "testdiet.toml:1: `budget.sleep-per-test` must be a number from 0 on"),
        ("budget.threads-per-test = 0\n", "testdiet.toml:1: `budget.threads-per-test` must be a whole number from 1 on"),
        ("budget.threads-per-test = 2.0\n", "testdiet.toml:1: `budget.threads-per-test` must be a whole number, but is a float"),
        ("budget = 1\n", "testdiet.toml:1: `budget` must be a table, but is an integer"),
        ("fix.join-timeout = 0\n", "testdiet.toml:1: `fix.join-timeout` must be more than 0"),
        ("fix.strategies = 'shrink'\n", "testdiet.toml:1: `fix.strategies` must be an array of strings, but is a string"),
        ("fix.strategies = ['shrnk']\n", "testdiet.toml:1: `fix.strategies` cannot be `shrnk`; did you mean `shrink`?"),
        ("fix.strategies = ['slow', 'slow']\n", "testdiet.toml:1: `fix.strategies` names `slow` twice"),
        ("exclude = [\n'ok',\n'a[',\n]\n", "testdiet.toml:3: `a[` is not a valid pattern: unclosed character class; missing ']'"),
        ("[per-file-ignores]\n'a{' = ['ALL']\n", "testdiet.toml:2: `a{` is not a valid pattern: unclosed alternate group"),
        ("[[rules]]\nname = 'x'\n", "testdiet.toml:1: `rules[0]` has no `query`"),
        ("[[rules]]\nname = 'x'\nqery = 'q'\n", "testdiet.toml:3: unknown key `rules[0].qery`; did you mean `query`?"),
        ("[[rules]]\nquery = 'q.scm'\n", "testdiet.toml:2: `rules[0].query` names `q.scm`, which is not a file"),
        ("[[rules]]\nname = 'Bad_Name'\n", "testdiet.toml:2: `rules[0].name` cannot be `Bad_Name`; use lower case letters"),
        (
            "[[rules]]\ndimension = 'second'\n",
            "testdiet.toml:2: `rules[0].dimension` cannot be `second`; did you mean `seconds`?",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(said), "{text:?}: {error}");
    }
    assert!(error("\n\nselect = [\n").contains("not valid TOML"));
}

#[test]
fn a_margin_that_a_loaded_machine_breaks_is_refused_with_the_reason() {
    let said = error("[fix]\nmargin = 0.02\n");
    assert!(
        said.starts_with(
            "testdiet.toml:2: `fix.margin` must be at least 0.05: on a loaded machine an event wakes up to 12 ms late"
        ),
        "{said}"
    );
    let project = Project::new(&[(
        "testdiet.toml",
        "[fix]\nmargin = 0.05\nfast-time = true\nfloor = 0.2\njoin-timeout = 3\nstrategies = ['shrink', 'fast-time']\n",
    )]);
    let fix = project.settings("a.py").fix.clone();
    assert!(
        fix.fast_time
            && (fix.margin - 0.05).abs() < 1e-9
            && (fix.join_timeout - 3.0).abs() < 1e-9
            && (fix.floor - 0.2).abs() < 1e-9
    );
    assert_eq!(fix.strategies, [Strategy::Shrink, Strategy::FastTime]);
    assert!(fix.prefers(Strategy::Shrink, Strategy::FastTime) && !fix.allows(Strategy::Slow));
}

#[test]
fn a_threads_target_follows_a_smaller_budget_but_must_not_contradict_it() {
    let project = Project::new(&[("testdiet.toml", "budget.threads-per-test = 2\n")]);
    assert_eq!(project.settings("a.py").budgets.threads_target, 2);
    assert!(
        error("[budget]\nthreads-per-test = 2\nthreads-target = 3\n").contains("is 3, above budget.threads-per-test, which is 2")
    );
}

#[test]
fn rules_of_a_project_can_be_chosen_like_any_other() {
    let text =
        format!("per-file-ignores = {{ 'tests/net/*' = ['slow-net'], 'x_*.py' = ['ALL'] }}\nunfixable = ['big-blob']\n{CUSTOM}");
    let project = Project::new(&[("testdiet.toml", &text), ("q.scm", "")]);
    let [net, blob] = ["slow-net", "big-blob"].map(|n| Code::custom(n.into()));
    let settings = project.settings("a.py");
    assert_eq!((settings.rules[1].dimension, settings.rules[1].limit), (Dimension::Bytes, Some(2000.0)));
    assert_eq!(settings.rules[0].query, project.path("q.scm"));
    let on = |code: &Code, file: &str| settings.enabled(code, &project.path(file));
    assert!(on(&net, "tests/a.py") && on(&blob, "tests/net/a.py"));
    assert!(!on(&net, "tests/net/a.py") && !on(&net, "deep/x_1.py"));
    assert!(settings.fixable(&net) && !settings.fixable(&blob));

    let with = |overrides| project.open(overrides).unwrap().for_path(Path::new("a.py")).unwrap();
    let chosen = with(Overrides { select: some(&["big-blob"]), fixable: some(&["ALL"]), ..Overrides::default() });
    assert!(!chosen.selected(&net) && chosen.selected(&blob) && chosen.fixable(&blob));
    let ignored =
        with(Overrides { ignore: some(&["slow-net"]), per_file_ignores: some(&["*.py:big-blob"]), ..Overrides::default() });
    assert!(!ignored.selected(&net) && ignored.selected(&blob) && !ignored.enabled(&blob, &project.path("z.py")));

    let wrong = |overrides| project.open(overrides).unwrap_err().to_string();
    let said = wrong(Overrides { select: some(&["slow-nett"]), ..Overrides::default() });
    assert_eq!(said, "--select: there is no rule `slow-nett`; did you mean `slow-net`?");
    let said = wrong(Overrides { per_file_ignores: some(&["tests"]), ..Overrides::default() });
    assert_eq!(said, "the command line: `--per-file-ignores` needs PATTERN:RULE, but got `tests`");

    // A rule that only one configuration knows may be named on the command line all the same.
    let project = Project::new(&[("testdiet.toml", CUSTOM), ("q.scm", ""), ("other/testdiet.toml", "")]);
    let config = project.open(Overrides { select: some(&["slow-net"]), ..Overrides::default() }).unwrap();
    assert!(!config.for_path(Path::new("other/a.py")).unwrap().selected(&net));
}

#[test]
fn the_command_line_outweighs_files() {
    let project = Project::new(&[
        ("testdiet.toml", "profile = 'ci'\nexclude = ['a']\nextend-exclude = ['b']\nforce-exclude = true\n"),
        ("other.toml", "profile = 'native'\nextend-exclude = ['sub/*']\n"),
        ("conf/pyproject.toml", "[tool.testdiet]\nprofile = 'ci'\n"),
        ("plain/pyproject.toml", "[tool.ruff]\n"),
    ]);
    let with = |overrides| project.open(overrides).unwrap().for_path(Path::new("x.py")).unwrap();
    let settings =
        with(Overrides { extend_exclude: some(&["c"]), force_exclude: Some(false), ..flags(&["budget.sleep-per-test = 9"]) });
    assert!((settings.budgets.sleep_per_test - 9.0).abs() < 1e-9 && (settings.budgets.sleep_per_file - 10.0).abs() < 1e-9);
    let excluded = |settings: &Settings| ["a", "b", "c", ".git"].map(|n| settings.excludes(&project.path(n)));
    assert_eq!((excluded(&settings), settings.force_exclude), ([true, true, true, false], false));
    let settings = with(Overrides { exclude: some(&["c"]), ..Overrides::default() });
    assert_eq!((excluded(&settings), settings.force_exclude), ([false, true, true, false], true));

    let settings = with(flags(&["other.toml"]));
    assert_eq!(settings.profile, Profile::Native);
    assert!(settings.excludes(&project.path("sub/x")) && settings.excludes(&project.path(".git")));
    assert_eq!(with(flags(&["conf/pyproject.toml"])).profile, Profile::Ci);
    assert_eq!(with(flags(&["other.toml", "profile='wsl2'"])).profile, Profile::Wsl2);
    let isolated = Overrides { isolated: true, as_test: true, ..Overrides::default() };
    assert!(with(isolated.clone()).as_test && with(isolated).profile == Profile::Wsl2);

    for (overrides, said) in [
        (flags(&["nowhere.toml"]), "--config nowhere.toml: there is no such file, and it is not KEY = VALUE"),
        (flags(&["other.toml", "testdiet.toml"]), "--config names two files, other.toml and testdiet.toml"),
        (flags(&["plain/pyproject.toml"]), "--config plain/pyproject.toml: it has no [tool.testdiet] table"),
        (flags(&["profle = 'ci'"]), "--config 'profle = 'ci'': unknown key `profle`; did you mean `profile`?"),
        (flags(&["profile = ci"]), "--config 'profile = ci': not valid TOML"),
        (
            Overrides { isolated: true, ..flags(&["other.toml"]) },
            "--isolated ignores configuration files, but --config names other.toml",
        ),
        (Overrides { exclude: some(&["["]), ..Overrides::default() }, "--exclude: `[` is not a valid pattern"),
    ] {
        let error = project.open(overrides).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn what_is_shown_can_be_read_back() {
    let text = format!(
        "profile = 'native'\nextend-exclude = ['x/*']\noutput-format = 'json'\nper-file-ignores = {{ 'a*' = ['slow-net'] }}\n{CUSTOM}"
    );
    let project = Project::new(&[("testdiet.toml", &text), ("q.scm", "")]);
    let shown = project.settings("a.py").to_string();
    assert!(shown.contains("profile = \"native\"") && shown.contains("allocation = \"16 MB\""), "{shown}");
    File::create(project.path("testdiet.toml")).unwrap().write_all(shown.as_bytes()).unwrap();
    assert_eq!(project.settings("a.py").to_string(), shown);
    let nothing = Project::new(&[]).settings("a.py").to_string();
    assert!(
        nothing.starts_with("# no configuration file\nprofile = \"wsl2\"\n") && nothing.contains("\n# output-format =\n"),
        "{nothing}"
    );
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let reference = config::reference();
    for line in [
        "| `profile` | `\"wsl2\"` | ",
        "| `output-format` | unset | ",
        "| `sleep-per-test` | `0.5` | `1` | `1` | Seconds a test may sleep",
        "| `allocation` | `\"20 KB\"` | `\"1 MB\"` | `\"16 MB\"` | ",
        "| `iterations-per-loop` | `1_000` | `100_000` | `1_000_000` | ",
        "| `margin` | `0.1` | ",
        "| `dimension` | ",
    ] {
        assert!(reference.contains(line), "{line}\n{reference}");
    }
    // Every key that can be shown is there, and says what it does.
    for key in Settings::default().to_string().lines().filter_map(|l| l.trim_start_matches("# ").split_once(" =")) {
        assert!(reference.contains(&format!("| `{}` | ", key.0)), "{key:?}");
    }
    assert!(
        reference.lines().filter(|l| l.starts_with("| `") && !l.starts_with("| `wsl2")).all(|l| l.ends_with(". |")),
        "{reference}"
    );
}
