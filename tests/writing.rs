//! Writing and undoing, with real files, real links and real kills.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use testdiet::engine::Change;
use testdiet::source::SourceFile;
use testdiet::write::{self, Recovered, Refusal, Why, WriteError};

fn put(path: &Path, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(bytes.as_ref()).unwrap();
    path.to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Replaces a word in a file.
fn change(path: &Path, from: &str, to: &str) -> Change {
    let before = SourceFile::read(path).unwrap();
    let after = before.with_text(before.text().replace(from, to));
    Change { before: Arc::new(before), after }
}

fn create(path: &Path, text: &str) -> Change {
    let before = SourceFile::from_bytes(path.to_path_buf(), Vec::new()).unwrap();
    Change { after: before.with_text(text.to_owned()), before: Arc::new(before) }
}

/// Names in a folder, the journal's left out.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|n| n != write::FOLDER).collect();
    names.sort();
    names
}

fn refusals(result: Result<write::Written, WriteError>) -> Vec<Refusal> {
    match result.unwrap_err() {
        WriteError::Refused(refusals) => refusals,
        other => panic!("{other}"),
    }
}

#[test]
fn only_what_changed_is_written_and_undo_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let cases: [(&str, &[u8], &[u8]); 5] = [
        ("lf.py", b"sleep(OLD)\n", b"sleep(NEW)\n"),
        ("crlf.py", b"a\r\nOLD\r\n\r\n", b"a\r\nNEW\r\n\r\n"),
        ("bom.py", b"\xef\xbb\xbfOLD = '\xc3\xa9'", b"\xef\xbb\xbfNEW = '\xc3\xa9'"),
        ("latin.py", b"# coding: latin-1\nOLD = '\xe9'\n", b"# coding: latin-1\nNEW = '\xe9'\n"),
        ("sub/cr.py", b"OLD\rx\r", b"NEW\rx\r"),
    ];
    let paths: Vec<PathBuf> = cases.iter().map(|(name, old, _)| put(&root.join(name), old)).collect();
    let same = put(&root.join("same.py"), "x\n");
    let mut changes: Vec<Change> = paths.iter().map(|p| change(p, "OLD", "NEW")).collect();
    changes.push(change(&same, "OLD", "NEW"));

    let written = write::write_all(&changes, root, "fix").unwrap();
    assert_eq!(written.files, paths);
    for (path, (_, _, new)) in paths.iter().zip(cases) {
        assert_eq!(fs::read(path).unwrap(), new, "{}", path.display());
    }
    assert_eq!(names(root), ["bom.py", "crlf.py", "latin.py", "lf.py", "same.py", "sub"]);
    assert_eq!(read(&root.join(".testdiet/.gitignore")), "*\n");

    let undone = write::undo(root).unwrap();
    assert_eq!((undone.command.as_str(), undone.files.len()), ("fix", 5));
    for (path, (_, old, _)) in paths.iter().zip(cases) {
        assert_eq!(fs::read(path).unwrap(), old, "{}", path.display());
    }
    assert!(matches!(write::undo(root), Err(WriteError::NothingToUndo(_))));
}

#[test]
fn nothing_to_write_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir.path().join("a.py"), "x");
    assert!(write::write_all(&[change(&path, "OLD", "NEW")], dir.path(), "fix").unwrap().files.is_empty());
    assert_eq!(write::recover(dir.path()).unwrap(), Recovered::default());
    assert!(matches!(write::undo(dir.path()), Err(WriteError::NothingToUndo(_))));
    assert!(!dir.path().join(write::FOLDER).exists());
}

#[test]
fn one_stale_file_stops_the_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a.py", "b.py", "c.py"].map(|n| put(&dir.path().join(n), "OLD"));
    let changes: Vec<Change> = [&a, &b, &c].iter().map(|p| change(p, "OLD", "NEW")).collect();
    // As long as before, and the time of the last change is not looked at either.
    put(&b, "OLE");
    fs::remove_file(&c).unwrap();
    let refused = refusals(write::write_all(&changes, dir.path(), "fix"));
    assert!(matches!(&refused[..], [Refusal { path, why: Why::Stale }, Refusal { why: Why::Gone, .. }] if *path == b));
    assert_eq!((read(&a), read(&b)), ("OLD".into(), "OLE".into()));
    assert!(write::history(dir.path()).is_empty());
}

#[test]
fn undo_is_refused_when_files_were_edited_since() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a.py", "b.py"].map(|n| put(&dir.path().join(n), "OLD"));
    write::write_all(&[change(&a, "OLD", "NEW"), change(&b, "OLD", "NEW")], dir.path(), "review").unwrap();
    put(&b, "NEW, and more");
    let error = write::undo(dir.path()).unwrap_err();
    assert!(error.to_string().contains("b.py") && !error.to_string().contains("a.py"), "{error}");
    assert!(matches!(error, WriteError::Edited { command, files } if command == "review" && files.len() == 1));
    assert_eq!((read(&a), read(&b)), ("NEW".into(), "NEW, and more".into()));
    // Once the edit is gone, so is the obstacle.
    put(&b, "NEW");
    write::undo(dir.path()).unwrap();
    assert_eq!((read(&a), read(&b)), ("OLD".into(), "OLD".into()));
}

#[test]
fn runs_are_taken_back_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let a = put(&dir.path().join("a.py"), "v0");
    for n in 0..23 {
        write::write_all(&[change(&a, &format!("v{n}"), &format!("v{}", n + 1))], dir.path(), &format!("fix {n}")).unwrap();
    }
    let history = write::history(dir.path());
    assert_eq!((history.len(), history[0].command.as_str(), history[0].files), (20, "fix 22", 1));
    for n in (3..23).rev() {
        write::undo(dir.path()).unwrap();
        assert_eq!(read(&a), format!("v{n}"));
    }
    assert!(matches!(write::undo(dir.path()), Err(WriteError::NothingToUndo(_))));
    assert_eq!(fs::read_dir(dir.path().join(".testdiet/journal")).unwrap().count(), 0);
}

#[test]
fn files_are_created_with_their_folders_and_removed_again() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["conftest.py", "new/folder/b.py"].map(|n| dir.path().join(n));
    write::write_all(&[create(&a, "x\n"), create(&b, "y\n")], dir.path(), "init").unwrap();
    assert_eq!((read(&a), read(&b)), ("x\n".into(), "y\n".into()));
    let refused = refusals(write::write_all(&[create(&a, "z\n")], dir.path(), "init"));
    assert!(matches!(refused[..], [Refusal { why: Why::Exists, .. }]));
    write::undo(dir.path()).unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn characters_that_the_encoding_lacks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let a = put(&dir.path().join("a.py"), b"# coding: latin-1\nOLD");
    let refused = refusals(write::write_all(&[change(&a, "OLD", "€")], dir.path(), "fix"));
    assert!(matches!(refused[..], [Refusal { why: Why::Encoding, .. }]));
}

#[test]
fn a_folder_that_cannot_hold_a_journal_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let a = put(&dir.path().join("a.py"), "OLD");
    put(&dir.path().join(write::FOLDER), "in the way");
    let error = write::write_all(&[change(&a, "OLD", "NEW")], dir.path(), "fix").unwrap_err();
    assert!(error.to_string().starts_with("nothing was written, because there would be no way to undo"), "{error}");
    assert_eq!(read(&a), "OLD");
}

#[test]
fn a_journal_that_was_copied_along_is_about_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let [here, copy] = ["here", "copy"].map(|n| dir.path().join(n));
    let outside = put(&dir.path().join("outside.py"), "OLD");
    let inside = put(&here.join("a.py"), "OLD");
    write::write_all(&[change(&inside, "OLD", "NEW")], &here, "fix").unwrap();
    assert!(Command::new("cp").arg("-a").args([&here, &copy]).status().unwrap().success());
    write::undo(&copy).unwrap();
    assert_eq!((read(&inside), read(&copy.join("a.py"))), ("NEW".into(), "OLD".into()));

    // A file outside the project can be undone at home only.
    write::write_all(&[change(&outside, "OLD", "NEW")], &here, "fix").unwrap();
    fs::remove_dir_all(&copy).unwrap();
    assert!(Command::new("cp").arg("-a").args([&here, &copy]).status().unwrap().success());
    assert!(matches!(write::undo(&copy), Err(WriteError::Edited { .. })));
    assert_eq!(read(&outside), "NEW");
    write::undo(&here).unwrap();
    assert_eq!(read(&outside), "OLD");
}

#[test]
fn processes_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..8).map(|n| put(&dir.path().join(format!("{n}.py")), "OLD")).collect();
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| write::write_all(&[change(file, "OLD", "NEW")], dir.path(), "fix").unwrap());
        }
    });
    assert!(files.iter().all(|f| read(f) == "NEW"));
    assert_eq!(write::history(dir.path()).len(), 8);
    for _ in 0..8 {
        write::undo(dir.path()).unwrap();
    }
    assert!(files.iter().all(|f| read(f) == "OLD"));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::time::Instant;

    use super::*;

    #[test]
    fn modes_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        let script = put(&root.join("script.py"), "OLD");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o751)).unwrap();
        let target = put(&dir.path().join("elsewhere/target.py"), "OLD");
        let link = root.join("link.py");
        symlink("../elsewhere/target.py", &link).unwrap();
        let first = put(&root.join("first.py"), "OLD\n");
        let second = root.join("second.py");
        fs::hard_link(&first, &second).unwrap();
        let inode = fs::metadata(&first).unwrap().ino();

        let all = [&script, &link, &first, &second];
        let changes: Vec<Change> = all.iter().map(|p| change(p, "OLD", "NEW, and longer")).collect();
        assert_eq!(write::write_all(&changes, &root, "fix").unwrap().files.len(), 4);
        let intact = |text: &str| {
            assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o7777, 0o751);
            assert_eq!(fs::read_link(&link).unwrap(), Path::new("../elsewhere/target.py"));
            assert_eq!((fs::metadata(&first).unwrap().ino(), fs::metadata(&second).unwrap().ino()), (inode, inode));
            assert_eq!((read(&script), read(&target)), (text.into(), text.into()));
            assert_eq!((read(&first), read(&second)), (format!("{text}\n"), format!("{text}\n")));
        };
        intact("NEW, and longer");
        write::undo(&root).unwrap();
        intact("OLD");
    }

    #[test]
    fn owners_stay_where_permitted() {
        let dir = tempfile::tempdir().unwrap();
        let a = put(&dir.path().join("a.py"), "OLD");
        // Only root may give a file away; others have no stranger's file to lose.
        let given = std::os::unix::fs::chown(&a, Some(1234), Some(1235)).is_ok();
        let before = fs::metadata(&a).unwrap();
        write::write_all(&[change(&a, "OLD", "NEW")], dir.path(), "fix").unwrap();
        let after = fs::metadata(&a).unwrap();
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert!(!given || after.uid() == 1234);
    }

    #[test]
    fn two_changes_to_one_file_are_refused_when_they_differ() {
        let dir = tempfile::tempdir().unwrap();
        let a = put(&dir.path().join("a.py"), "OLD");
        let link = dir.path().join("b.py");
        symlink("a.py", &link).unwrap();
        let refused = refusals(write::write_all(&[change(&a, "OLD", "1"), change(&link, "OLD", "2")], dir.path(), "fix"));
        assert!(matches!(refused[..], [Refusal { why: Why::Twice, .. }]));
        assert_eq!(read(&a), "OLD");
    }

    #[test]
    fn read_only_files_are_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let a = put(&dir.path().join("a.py"), "OLD");
        fs::set_permissions(&a, fs::Permissions::from_mode(0o444)).unwrap();
        let refused = refusals(write::write_all(&[change(&a, "OLD", "NEW")], dir.path(), "fix"));
        assert!(matches!(refused[..], [Refusal { why: Why::ReadOnly, .. }]));
    }

    #[test]
    fn a_folder_that_takes_no_new_file_is_no_reason_to_write_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let a = put(&root.join("a.py"), "OLD");
        // Permissions do not stop root, the longest possible path does: there is room for `b`, not for a temporary file.
        let mut deep = root.clone();
        while deep.as_os_str().len() < 4095 - 250 {
            deep.push("d".repeat(200));
        }
        deep.push("d".repeat(4095 - 5 - deep.as_os_str().len()));
        let b = put(&deep.join("b"), "OLD");
        let error = write::write_all(&[change(&a, "OLD", "NEW"), change(&b, "OLD", "NEW")], &root, "fix").unwrap_err();
        assert!(matches!(&error, WriteError::Failed { path, .. } if *path == b), "{error}");
        assert_eq!((read(&a), read(&b)), ("OLD".into(), "OLD".into()));
        assert!(write::history(&root).is_empty());
    }

    #[test]
    fn a_full_disk_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let a = put(&dir.path().join("a.py"), "OLD");
        // A limit on the size of files fails a write like a full disk does; 1 block is 512 or 1,024 bytes.
        let child = r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact child::grows_a_file --nocapture"#;
        let this = std::env::current_exe().unwrap();
        let run = Command::new("sh").args(["-c", child]).arg(this).env(child::FOLDER, dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(said.contains("failed: nothing was written"), "{said}{}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(read(&a), "OLD");
        assert_eq!(names(dir.path()), ["a.py"]);
        assert_eq!(write::recover(dir.path()).unwrap(), Recovered::default());
        assert!(write::history(dir.path()).is_empty());
    }

    #[test]
    fn a_fix_killed_while_it_writes_is_taken_back_by_the_next_start() {
        killed_while_it_writes(12);
    }

    #[test]
    #[ignore = "takes a minute or more"]
    fn a_fix_killed_a_hundred_times_is_taken_back_each_time() {
        killed_while_it_writes(100);
    }

    /// The program killed while it replaces three hundred files, some of them in place. Two times of three what it does is
    /// watched, so that the kill falls into the writing and not before or after; the others are spread over the whole run.
    fn killed_while_it_writes(rounds: u32) {
        const FILES: usize = 300;
        const OLD: &str = "import threading\n\n\ndef work():\n    pass\n\n\ndef test_it():\n    t = threading.Thread(target=work)\n    t.start()\n    t.join()\n";
        let new = OLD.replace("t.join()", "t.join(timeout=5.0)\n    assert not t.is_alive()");
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        put(&root.join("pytest.ini"), "[pytest]\n");
        let files: Vec<PathBuf> = (0..FILES).map(|n| put(&root.join(format!("test_{n:03}.py")), OLD)).collect();
        // Every tenth has another name, outside of what is looked at: it is written in place.
        let others: Vec<PathBuf> = (0..FILES).step_by(10).map(|n| root.join(format!("other_{n:03}.txt"))).collect();
        for (n, other) in others.iter().enumerate() {
            fs::hard_link(&files[n * 10], other).unwrap();
        }
        let testdiet = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_testdiet"));
            command.args(args).current_dir(&root).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let pending = || {
            let runs = fs::read_dir(root.join(".testdiet/journal")).into_iter().flatten().flatten();
            runs.map(|run| run.path()).any(|path| path.extension().is_some_and(|stage| stage == "pending"))
        };
        let all = |text: &str| files.iter().chain(&others).all(|file| read(file) == text);
        let begun = Instant::now();
        testdiet(&["fix", "--quiet", "--no-cache"]).status().unwrap();
        let whole = begun.elapsed();
        assert!(all(&new) && testdiet(&["undo"]).status().unwrap().success());
        let (mut hit, mut mixed) = (0, 0);
        for round in 0..rounds {
            let begun = Instant::now();
            let mut child = testdiet(&["fix", "--quiet", "--no-cache"]).spawn().unwrap();
            // As soon as the journal is there; when some of the files have changed, a few more each round; at any moment.
            let file = &files[round as usize * FILES / rounds as usize + 1];
            let changed = || fs::metadata(file).is_ok_and(|meta| meta.len() != OLD.len() as u64);
            let moment = whole.mul_f64(f64::from(round) * 0.618 % 1.0);
            let over = || match round % 3 {
                0 => pending(),
                1 => changed(),
                _ => begun.elapsed() >= moment,
            };
            while child.try_wait().unwrap().is_none() && !over() {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            for (n, file) in files.iter().enumerate().filter(|(n, _)| n % 10 != 0) {
                let text = read(file);
                assert!(text == OLD || text == new, "round {round}: file {n} is neither old nor new: {text:?}");
            }
            let was_hit = pending();
            hit += u32::from(was_hit);
            mixed += u32::from(!all(OLD) && !all(&new));
            // Whatever comes next mends it.
            testdiet(&["check", "--no-cache"]).status().unwrap();
            assert!(!pending(), "round {round}: nothing mended it");
            if was_hit {
                assert!(all(OLD), "round {round}: not all files are as before");
            } else {
                assert!(all(OLD) || all(&new), "round {round}: written in part");
            }
            if all(&new) {
                assert!(testdiet(&["undo"]).status().unwrap().success());
                assert!(all(OLD), "round {round}: undo did not bring all back");
            }
        }
        // Else the test tests nothing.
        assert!(
            hit >= rounds / 3 && mixed > 0,
            "{hit} of {rounds} kills fell into the writing, {mixed} left old beside new files"
        );
        // After all that: written whole, refused once edited, taken back once it is not.
        testdiet(&["fix", "--quiet"]).status().unwrap();
        assert!(all(&new));
        put(&files[7], "edited");
        assert_eq!(testdiet(&["undo"]).status().unwrap().code(), Some(2));
        put(&files[7], &new);
        assert!(testdiet(&["undo"]).status().unwrap().success() && all(OLD));
    }

    /// What a killed process leaves: each file whole, old or new, but for those written in place, which recovery mends.
    #[test]
    fn a_killed_process_leaves_every_file_whole() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut files: Vec<PathBuf> = (0..6).map(|n| put(&root.join(format!("{n}.py")), child::text(0, n))).collect();
        fs::hard_link(&files[0], root.join("hard.py")).unwrap();
        symlink("1.py", root.join("soft.py")).unwrap();
        files[1] = root.join("soft.py");
        let mut killed_half_way = 0;
        for round in 0..30 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child::writes_for_ever"])
                .env(child::FOLDER, &root)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Spread over start-up and many runs without a source of chance.
            std::thread::sleep(Duration::from_micros(20_000 + (round * 7_919) % 31_000));
            child.kill().unwrap();
            child.wait().unwrap();

            // The first one is written in place and may be mixed until it is recovered.
            let before = files.iter().skip(1).map(|f| child::generation(&read(f)));
            assert!(before.collect::<Option<Vec<_>>>().is_some(), "a file is neither old nor new");
            let recovered = write::recover(&root).unwrap();
            killed_half_way += usize::from(recovered.command.is_some());
            assert!(recovered.kept.is_empty(), "{recovered:?}");
            let after: Vec<_> = files.iter().map(|f| child::generation(&read(f)).expect("whole")).collect();
            assert!(after.iter().all(|g| *g == after[0]), "round {round}: {after:?}");
            assert_eq!(read(&root.join("hard.py")), read(&files[0]));
            assert_eq!(names(&root), ["0.py", "1.py", "2.py", "3.py", "4.py", "5.py", "hard.py", "soft.py"]);
            assert!(fs::symlink_metadata(root.join("soft.py")).unwrap().is_symlink());
            let left = names(&root.join(".testdiet/journal"));
            assert!(left.iter().all(|name| Path::new(name).extension().is_some_and(|e| e == "done")), "{left:?}");
        }
        // Else the test tests nothing.
        assert!(killed_half_way > 3, "{killed_half_way} of 30 kills hit a run");
        let now = child::generation(&read(&files[2])).unwrap();
        write::undo(&root).unwrap();
        assert_eq!(child::generation(&read(&files[2])).unwrap(), now - 1);
    }

    #[test]
    fn a_file_edited_after_a_kill_is_left_alone_and_its_old_bytes_are_saved() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let [a, b, hard] = ["a.py", "b.py", "hard.py"].map(|n| put(&root.join(n), "OLD text"));
        fs::hard_link(&hard, root.join("other.py")).unwrap();
        let changes = [&a, &b, &hard].map(|p| change(p, "OLD", "NEW"));
        write::write_all(&changes, &root, "fix").unwrap();
        // As if killed right before the end, with one file mixed, and edited by somebody since.
        let journal = root.join(".testdiet/journal");
        fs::rename(journal.join("00000001.done"), journal.join("00000001.pending")).unwrap();
        put(&b, "mine");
        put(&hard, "mine too");
        let recovered = write::recover(&root).unwrap();
        assert_eq!(recovered.command.as_deref(), Some("fix"));
        assert_eq!(recovered.restored, std::slice::from_ref(&a));
        let [(kept_b, None), (kept_hard, Some(saved))] = &recovered.kept[..] else { panic!("{recovered:?}") };
        assert_eq!((kept_b, kept_hard), (&b, &hard));
        assert_eq!((read(saved), read(&a)), ("OLD text".into(), "OLD text".into()));
        assert_eq!((read(&b), read(&hard)), ("mine".into(), "mine too".into()));
    }

    #[test]
    fn a_planted_journal_reaches_nothing_outside_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let outside = put(&dir.path().join("bashrc"), "NEW");
        let link = dir.path().join("project/sub");
        let run = dir.path().join("project/.testdiet/journal/00000001.pending");
        put(&run.join("bytes"), "evilNEW");
        symlink(dir.path(), &link).unwrap();
        for path in [outside.to_str().unwrap(), "../bashrc", "sub/bashrc"] {
            let file = format!(r#"{{"path": "{path}", "old": [0, 4], "new": [4, 3], "in_place": false}}"#);
            let manifest = format!(
                r#"{{"version": 1, "command": "x", "time": 0, "id": "1-1", "home": 7, "files": [{file}], "folders": []}}"#
            );
            put(&run.join("manifest.json"), manifest);
            let recovered = write::recover(&dir.path().join("project")).unwrap();
            assert_eq!((recovered.restored.len(), recovered.kept.len()), (0, 1), "{path}");
            assert_eq!(read(&outside), "NEW");
            put(&run.join("bytes"), "evilNEW");
        }
    }
}

/// What the processes do that tests start. Each is this very file, asked for one test; without its variable it does nothing.
mod child {
    use super::*;

    pub const FOLDER: &str = "TESTDIET_CHILD_FOLDER";

    /// Long enough to take more than one write, and of a length that changes.
    pub fn text(generation: usize, file: usize) -> String {
        let line = format!("generation = {generation}  # {file}\n");
        line.repeat(3_000 + generation % 7 * 500)
    }

    /// The generation of a text, if it is one whole text.
    pub fn generation(found: &str) -> Option<usize> {
        let line = found.lines().next()?;
        let (generation, file) = line.strip_prefix("generation = ")?.split_once("  # ")?;
        let generation = generation.parse().ok()?;
        (text(generation, file.parse().ok()?) == found).then_some(generation)
    }

    #[test]
    fn writes_for_ever() {
        let Some(root) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        write::recover(&root).unwrap();
        loop {
            let paths = ["0.py", "soft.py", "2.py", "3.py", "4.py", "5.py"].map(|name| root.join(name));
            let changes = paths.iter().enumerate().map(|(n, path)| {
                let before = SourceFile::read(path).unwrap();
                let next = generation(before.text()).unwrap() + 1;
                Change { after: before.with_text(text(next, n)), before: Arc::new(before) }
            });
            write::write_all(&changes.collect::<Vec<_>>(), &root, "fix").unwrap();
        }
    }

    #[test]
    fn grows_a_file() {
        let Some(root) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        let change = change(&root.join("a.py"), "OLD", &"long ".repeat(10_000));
        match write::write_all(&[change], &root, "fix") {
            Ok(_) => println!("written"),
            Err(error) => println!("failed: {error}"),
        }
    }
}
