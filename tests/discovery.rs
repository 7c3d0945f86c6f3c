//! What is looked at, in real folders.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use testdiet::config::{Configuration, Overrides};
use testdiet::discover::{self, DiscoverError, Discovered, Role};

struct Tree {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    /// A repository with these files; a name that ends in `=…` says what is in it.
    fn new(files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Self { root: dir.path().canonicalize().unwrap(), _dir: dir };
        fs::create_dir(tree.root.join(".git")).unwrap();
        for file in files {
            tree.add(file);
        }
        tree
    }

    fn add(&self, file: &str) -> PathBuf {
        let (name, text) = file.split_once('=').unwrap_or((file, ""));
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    fn search_in(&self, cwd: &str, paths: &[&str], overrides: Overrides) -> Result<Discovered, DiscoverError> {
        let config = Configuration::new(overrides, &self.root.join(cwd)).unwrap();
        discover::discover(&paths.iter().map(PathBuf::from).collect::<Vec<_>>(), &config)
    }

    fn search(&self, paths: &[&str]) -> Discovered {
        self.search_in("", paths, Overrides::default()).unwrap()
    }

    /// Files found, relative to the root, each with the letter of its role.
    fn shown(&self, found: &Discovered) -> Vec<String> {
        let role = |role| match role {
            Role::Test => 'T',
            Role::Conftest => 'C',
            Role::Helper => 'H',
            Role::Product => 'P',
        };
        let name = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        found.files.iter().map(|f| format!("{} {}", role(f.role), name(&f.path))).collect()
    }

    fn found(&self, paths: &[&str]) -> Vec<String> {
        let found = self.search(paths);
        assert!(found.errors.is_empty() && found.notes.is_empty(), "{found:?}");
        self.shown(&found)
    }
}

#[test]
fn tests_conftests_and_helpers_are_found_and_the_product_is_not() {
    let tree = Tree::new(&[
        "pyproject.toml=[tool.pytest.ini_options]\n",
        "setup.py",
        "src/pkg/core.py",
        "src/pkg/latest/core.py",
        "src/pkg/test_inline.py",
        "conftest.py",
        "tests/__init__.py",
        "tests/unit/test_a.py",
        "tests/unit/a_test.py",
        "tests/unit/data/mod.py",
        "tests/unit/notes.txt",
        "integration-tests/util.py",
        ".hidden/test_x.py",
        "build/test_b.py",
        ".venv/lib/site-packages/pkg/tests/test_c.py",
        "env/pyvenv.cfg",
        "env/lib/test_d.py",
    ]);
    let all = [
        "C conftest.py",
        "H integration-tests/util.py",
        "T src/pkg/test_inline.py",
        "H tests/__init__.py",
        "T tests/unit/a_test.py",
        "H tests/unit/data/mod.py",
        "T tests/unit/test_a.py",
    ];
    assert_eq!(tree.found(&[]), all);
    assert_eq!(tree.found(&["."]), all);
    // However it is named, once, and in order.
    assert_eq!(tree.found(&["tests/unit", "./tests", "tests/../tests/unit/test_a.py", "tests"]), all[3..]);
    let found = tree.search(&["tests/unit/test_a.py"]);
    assert!(found.files[0].explicit && found.files[0].suite.root == tree.root && found.files[0].path.is_absolute());
    // What is hidden or excluded is found when it is named.
    assert_eq!(tree.found(&[".hidden"]), ["T .hidden/test_x.py"]);
    assert_eq!(tree.found(&["build", "env/lib"]), ["T build/test_b.py", "T env/lib/test_d.py"]);
}

#[test]
fn the_folder_of_a_project_is_no_test_folder_whatever_its_name() {
    let tree = Tree::new(&["my-tests/setup.py", "my-tests/core.py", "my-tests/test_a.py"]);
    assert_eq!(tree.found(&["my-tests"]), ["T my-tests/test_a.py"]);
    assert_eq!(tree.search_in("my-tests", &[], Overrides::default()).unwrap().files.len(), 1);
    // One with nothing but pytest's configuration is.
    let tree = Tree::new(&["tests/pytest.ini", "tests/util.py", "tests/test_a.py"]);
    assert_eq!(tree.found(&[]), ["T tests/test_a.py", "H tests/util.py"]);
    assert_eq!(tree.search_in("tests", &[], Overrides::default()).unwrap().files.len(), 2);
}

#[test]
fn what_a_package_offers_for_testing_is_product() {
    let tree = Tree::new(&[
        "pyproject.toml=[tool.pytest.ini_options]\n",
        "src/pkg/__init__.py",
        "src/pkg/testing/fakes.py",
        "src/pkg/test/client.py",
        "src/pkg/sub/__init__.py",
        "src/pkg/sub/test/util.py",
        "src/pkg/sub/test/test_a.py",
        "src/pkg/_tests/util.py",
        "testing/deep/er/util.py",
        "other/testing/util.py",
        "src/pkg/t/table.py",
        "t/__init__.py",
        "t/unit/util.py",
    ]);
    let expected = [
        "H other/testing/util.py",
        "H src/pkg/_tests/util.py",
        "T src/pkg/sub/test/test_a.py",
        "H src/pkg/sub/test/util.py",
        "H t/__init__.py",
        "H t/unit/util.py",
        "H testing/deep/er/util.py",
    ];
    assert_eq!(tree.found(&[]), expected);
    assert_eq!(tree.found(&["src/pkg/testing/fakes.py", "src/pkg/testing"]), ["P src/pkg/testing/fakes.py"]);
}

#[test]
fn pytest_says_which_files_are_tests() {
    for (config, pattern) in [
        ("pytest.ini=[pytest]\npython_files = check_*.py\n  spec/*.py\nnorecursedirs = golden\n", ""),
        (".pytest.ini=[pytest]\npython_files: check_*.py spec/*.py\nnorecursedirs = golden\n", ""),
        ("tox.ini=[tox]\n[pytest]\npython_files = 'check_*.py' spec/*.py\nnorecursedirs = golden\n", ""),
        ("setup.cfg=[tool:pytest]\npython_files = check_*.py spec/*.py\nnorecursedirs = golden\n", ""),
        ("pytest.toml=[pytest]\npython_files = ['check_*.py', 'spec/*.py']\nnorecursedirs = ['golden']\n", ""),
        ("pyproject.toml=[tool.pytest]\npython_files = ['check_*.py', 'spec/*.py']\nnorecursedirs = ['golden']\n", ""),
        ("pyproject.toml=[tool.pytest.ini_options]\npython_files = 'check_*.py spec/*.py'\nnorecursedirs = 'golden'\n", ""),
    ] {
        let tree = Tree::new(
            &[config, "a/check_a.py", "a/test_a.py", "spec/b.py", "golden/check_g.py", pattern]
                .map(|f| if f.is_empty() { "x" } else { f }),
        );
        assert_eq!(tree.found(&[]), ["T a/check_a.py", "T spec/b.py"], "{config}");
        let suite = &tree.search(&["a"]).files[0].suite;
        assert_eq!((suite.root.clone(), suite.python_files.len()), (tree.root.clone(), 2), "{config}");
        assert_eq!(suite.config_file.as_deref(), Some(tree.root.join(config.split('=').next().unwrap()).as_path()));
    }
}

#[test]
fn a_monorepo_has_a_suite_for_each_configuration() {
    let tree = Tree::new(&[
        "pyproject.toml=[tool.pytest.ini_options]\nmarkers = ['slow: s', 'net(host): n']\npythonpath = ['lib']\n",
        "tests/test_a.py",
        "one/pytest.ini",
        "one/pyproject.toml=[tool.pytest.ini_options]\n",
        "one/tests/test_b.py",
        "two/pyproject.toml=[project]\nname = 'two'\n",
        "two/tests/test_c.py",
    ]);
    let found = tree.search(&[]);
    let roots: Vec<_> = found.files.iter().map(|f| f.suite.root.clone()).collect();
    // pytest goes on upwards from `two`, whose file says nothing to it.
    assert_eq!(roots, [tree.root.join("one"), tree.root.clone(), tree.root.clone()]);
    assert_eq!(found.files[1].suite.markers, ["slow", "net"]);
    assert_eq!(found.files[1].suite.pythonpath, [tree.root.join("lib")]);
    assert!(std::sync::Arc::ptr_eq(&found.files[1].suite, &found.files[2].suite));

    let tree = Tree::new(&["two/pyproject.toml=[project]\n", "two/tests/test_c.py", "test_d.py"]);
    let roots: Vec<_> = tree.search(&[]).files.iter().map(|f| f.suite.root.clone()).collect();
    assert_eq!(roots, [tree.root.clone(), tree.root.join("two")]);
}

#[test]
fn testpaths_say_where_to_look() {
    let tree = Tree::new(&[
        "pytest.ini=[pytest]\ntestpaths = checks */specs nowhere\n",
        "checks/test_a.py",
        "x/specs/test_b.py",
        "y/test_c.py",
    ]);
    assert_eq!(tree.found(&[]), ["T checks/test_a.py", "T x/specs/test_b.py"]);
    assert_eq!(tree.found(&["."]).len(), 3);
    // As with pytest, only in the folder of the configuration.
    let below = tree.search_in("y", &[], Overrides::default()).unwrap();
    assert_eq!(tree.shown(&below), ["T y/test_c.py"]);
    // None of them there: everywhere.
    let tree = Tree::new(&["pytest.ini=[pytest]\ntestpaths = nowhere\n", "y/test_c.py"]);
    assert_eq!(tree.found(&[]), ["T y/test_c.py"]);
}

#[test]
fn testpaths_make_a_test_folder_unless_the_product_lies_there() {
    let tree = Tree::new(&[
        "pytest.ini=[pytest]\ntestpaths = t pkg .\n",
        "t/util.py",
        "t/unit/test_a.py",
        "pkg/__init__.py",
        "pkg/core.py",
        "pkg/conftest.py",
        "pkg/more.py",
        "pkg/tests/test_b.py",
        "pkg/tests/util.py",
    ]);
    let expected = ["C pkg/conftest.py", "T pkg/tests/test_b.py", "H pkg/tests/util.py", "T t/unit/test_a.py", "H t/util.py"];
    assert_eq!(tree.found(&[]), expected);
    assert_eq!(tree.found(&["pkg/core.py", "t/util.py"]), ["P pkg/core.py", "H t/util.py"]);
}

#[test]
fn broken_configurations_of_pytest_are_noted_and_defaults_used() {
    for (config, note) in [
        ("pytest.ini=[pytest\n", "line 1 is not valid in an INI file"),
        ("tox.ini=[pytest]\na = 1\nnonsense\n", "line 3 is not valid in an INI file"),
        ("pyproject.toml=[tool.pytest.ini_options\n", "line 1 is not valid TOML"),
    ] {
        let tree = Tree::new(&[config, "tests/test_a.py", "tests/more/test_b.py"]);
        let found = tree.search(&[]);
        assert_eq!((found.files.len(), found.errors.len(), found.notes.len()), (2, 0, 1), "{found:?}");
        assert!(found.notes[0].message.contains(note), "{}", found.notes[0].message);
        assert_eq!(found.files[0].suite.root, tree.root);
    }
}

#[test]
fn what_git_ignores_is_left_out_in_a_repository_or_not() {
    for git in [true, false] {
        let tree = Tree::new(&[
            ".gitignore=generated/\ntest_ignored.py\n!tests/keep/test_ignored.py\n",
            "tests/.gitignore=*_tmp.py\n",
            "generated/test_a.py",
            "tests/test_ignored.py",
            "tests/keep/test_ignored.py",
            "tests/test_b.py",
            "tests/b_tmp.py",
        ]);
        if !git {
            fs::remove_dir(tree.root.join(".git")).unwrap();
        }
        assert_eq!(tree.found(&[]), ["T tests/keep/test_ignored.py", "T tests/test_b.py"], "{git}");
        assert_eq!(tree.found(&["tests"]), ["T tests/keep/test_ignored.py", "T tests/test_b.py"], "{git}");
        assert_eq!(
            tree.found(&["tests/test_ignored.py", "generated"]),
            ["T generated/test_a.py", "T tests/test_ignored.py"],
            "{git}"
        );
        let all = Overrides { respect_gitignore: Some(false), ..Overrides::default() };
        assert_eq!(tree.search_in("", &["."], all).unwrap().files.len(), 5, "{git}");
    }
}

#[test]
fn excludes_hold_for_named_files_when_forced() {
    let tree = Tree::new(&[
        "testdiet.toml=extend-exclude = ['tests/golden', '*_gen.py']\n",
        "tests/golden/test_a.py",
        "tests/test_b.py",
        "tests/b_gen.py",
        "deep/testdiet.toml=exclude = ['test_c.py']\n",
        "deep/test_c.py",
        "deep/x_gen.py",
        "deep/buck-out/test_d.py",
        "src/core.py",
    ]);
    assert_eq!(tree.found(&[]), ["T deep/buck-out/test_d.py", "T tests/test_b.py"]);
    let named = ["tests/golden/test_a.py", "tests/b_gen.py", "tests/test_b.py", "deep/test_c.py", "src/core.py", "tests/golden"];
    assert_eq!(
        tree.found(&named),
        ["T deep/test_c.py", "P src/core.py", "H tests/b_gen.py", "T tests/golden/test_a.py", "T tests/test_b.py"]
    );
    let force = Overrides { force_exclude: Some(true), ..Overrides::default() };
    assert_eq!(tree.shown(&tree.search_in("", &named, force.clone()).unwrap()), ["T tests/test_b.py"]);
    let as_test = Overrides { as_test: true, ..force };
    assert_eq!(tree.shown(&tree.search_in("", &named, as_test).unwrap()), ["P src/core.py", "T tests/test_b.py"]);
}

#[test]
fn named_files_that_are_not_python_are_noted() {
    let tree = Tree::new(&["a.pyi", "b.ipynb", "c.txt", "script=#!/usr/bin/env python3\n", "other=#!/bin/sh\n"]);
    let found = tree.search(&["a.pyi", "b.ipynb", "c.txt", "script", "other"]);
    assert_eq!(tree.shown(&found), ["P script"]);
    let notes: Vec<_> = found.notes.iter().map(|n| n.message.as_str()).collect();
    let expected = [
        "skipped: a stub runs no tests",
        "skipped: notebooks are not read",
        "skipped: not a Python file",
        "skipped: not a Python file",
    ];
    assert_eq!((notes, found.errors.len()), (expected.to_vec(), 0));
}

#[test]
fn named_paths_that_are_not_there_stop_everything() {
    let tree = Tree::new(&["test_a.py"]);
    let error = tree.search_in("", &["test_a.py", "tests/nope.py"], Overrides::default()).unwrap_err();
    assert!(matches!(&error, DiscoverError::Missing(path) if path == Path::new("tests/nope.py")), "{error}");
    assert_eq!(error.to_string(), "tests/nope.py: no such file or folder");
    let long = "x".repeat(300);
    assert!(matches!(tree.search_in("", &[&long], Overrides::default()), Err(DiscoverError::Unreadable { .. })));
    let tree = Tree::new(&["sub/testdiet.toml=nonsense = 1\n", "sub/test_a.py"]);
    let error = tree.search_in("", &["."], Overrides::default()).unwrap_err();
    assert!(matches!(&error, DiscoverError::Config(_)) && error.to_string().contains("unknown key `nonsense`"), "{error}");
}

#[test]
fn module_roots_are_those_of_pytest() {
    let tree = Tree::new(&[
        "pytest.ini=[pytest]\npythonpath = lib missing\n",
        "lib/x.py",
        "src/pkg/__init__.py",
        "tests/conftest.py",
        "tests/pack/__init__.py",
        "tests/pack/sub/__init__.py",
        "tests/pack/sub/test_a.py",
        "tests/plain/test_b.py",
    ]);
    let found = tree.search(&[]);
    let roots = |name: &str| {
        let file = found.files.iter().find(|f| f.path.ends_with(name)).unwrap();
        let roots = discover::module_roots(&file.suite, file.path.parent().unwrap());
        roots.iter().map(|r| r.strip_prefix(&tree.root).unwrap().to_string_lossy().replace('\\', "/")).collect::<Vec<_>>()
    };
    assert_eq!(roots("test_a.py"), ["lib", "tests", "", "src"]);
    assert_eq!(roots("test_b.py"), ["lib", "tests/plain", "tests", "", "src"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_count_once_and_loops_end() {
        let tree = Tree::new(&["tests/test_a.py", "elsewhere/real.py", "elsewhere/test_z.py"]);
        let link = |to: &str, at: &str| symlink(to, tree.root.join(at)).unwrap();
        link("test_a.py", "tests/test_0.py"); // sorts before what it leads to, which is kept all the same
        link("../elsewhere/real.py", "tests/test_link.py"); // all that is found of it
        link("../elsewhere/real.py", "tests/test_link2.py");
        link("nowhere.py", "tests/test_dangling.py");
        link("../tests", "tests/loop");
        link("../elsewhere", "tests/folder.py"); // a folder that is called like a file
        assert_eq!(tree.found(&["tests"]), ["T tests/test_a.py", "T tests/test_link.py"]);
        assert_eq!(tree.found(&["."]), ["T elsewhere/test_z.py", "T tests/test_a.py", "T tests/test_link.py"]);
        // Named links are followed.
        assert_eq!(tree.found(&["tests/loop"]), ["T tests/loop/test_a.py", "T tests/loop/test_link.py"]);
        assert_eq!(tree.found(&["tests/loop", "tests"]), ["T tests/test_a.py", "T tests/test_link.py"]);
        assert_eq!(tree.found(&["tests/test_0.py"]), ["T tests/test_0.py"]);
        let error = tree.search_in("", &["tests/test_dangling.py"], Overrides::default()).unwrap_err();
        assert!(matches!(error, DiscoverError::Dangling(_)), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_rest_is_found() {
        let tree = Tree::new(&["tests/test_a.py", "tests/z/test_b.py"]);
        // Permissions do not stop root; a path that grew too long for the system does. It is made by renaming: the folders
        // above become longer than what they were when the folder was created.
        let mut deep = tree.root.join("tests/s");
        while deep.as_os_str().len() < 3_700 {
            deep.push("d".repeat(200));
        }
        deep.push("d".repeat(4_000 - 1 - deep.as_os_str().len()));
        fs::create_dir_all(&deep).unwrap();
        fs::rename(tree.root.join("tests/s"), tree.root.join("tests").join("l".repeat(250))).unwrap();
        let found = tree.search(&["tests"]);
        assert_eq!(tree.shown(&found), ["T tests/test_a.py", "T tests/z/test_b.py"]);
        assert_eq!(found.errors.len(), 1, "{:?}", found.errors);
        assert!(found.errors[0].message.starts_with("cannot read it: "), "{:?}", found.errors);
    }

    #[test]
    fn names_need_not_be_unicode() {
        let tree = Tree::new(&[]);
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"test_\xff.py");
        if File::create(tree.root.join(name)).is_ok() {
            assert_eq!(tree.search(&[]).files[0].path, tree.root.join(name));
        }
    }
}

/// Ten thousand files take a twentieth of a second in a release build. The limit here is wide, for busy machines and builds
/// without optimisation; it is there to catch what grows faster than the number of files.
#[test]
fn many_files_are_listed_at_once() {
    let tree = Tree::new(&["pytest.ini"]);
    for folder in 0..100 {
        let dir = tree.root.join(format!("pkg{folder}/tests"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..20 {
            File::create(dir.join(format!("test_{file}.py"))).unwrap();
        }
    }
    let start = std::time::Instant::now();
    let found = tree.search(&[]);
    let took = start.elapsed();
    assert_eq!(found.files.len(), 2_000);
    assert!(took.as_secs() < 2, "{took:?}");
}
