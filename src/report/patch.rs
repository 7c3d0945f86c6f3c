//! The unified diff of `fix --diff`: bytes that `git apply` and `patch -p1` take, in each file's own encoding, with its
//! own newlines and byte order mark. A line ends at `\n` and nowhere else, because that is what a line is to git.
//!
//! There is no `diff --git` line, on purpose: with one, git takes names as relative to the top of the repository and
//! silently skips the patch when it is applied from a folder below; without, they are relative to where one stands.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, DiffTag};

use super::{shown, style};
use crate::engine::Change;
use crate::source::{Encoding, SourceFile};

/// Unchanged lines around a change, as git has it.
const CONTEXT: usize = 3;

/// Writes the patch of one change; nothing when both sides are equal. `name` is the path from the working directory.
///
/// # Errors
/// When writing fails, or when the text cannot be written in the file's encoding.
pub fn write(change: &Change, name: &Path, out: &mut dyn Write) -> io::Result<()> {
    for line in lines(change, name)? {
        out.write_all(&line)?;
    }
    Ok(())
}

/// Writes the same patch for a person at a terminal: coloured, decoded, and with nothing in it that steers the terminal.
///
/// # Errors
/// When writing fails, or when the text cannot be written in the file's encoding.
pub fn show(change: &Change, name: &Path, out: &mut dyn Write) -> io::Result<()> {
    for (i, line) in lines(change, name)?.iter().enumerate() {
        let text: String = match change.before.encoding {
            // The header is ASCII: `quoted` has seen to that.
            Encoding::Latin1 => line.iter().map(|&b| char::from(b)).collect(),
            Encoding::Utf8 => String::from_utf8_lossy(line).into_owned(),
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let style = match text.as_bytes().first() {
            _ if i < 2 => style::STRONG,
            Some(b'-') => style::REMOVED,
            Some(b'+') => style::ADDED,
            Some(b'@') => style::PLACE,
            _ => anstyle::Style::new(),
        };
        // The mark and the text apart, or tabs would be laid out a column off.
        let (mark, rest) = if i < 2 { ("", text) } else { text.split_at(text.chars().next().map_or(0, char::len_utf8)) };
        let rest = if i < 2 { shown::escaped(rest).into_owned() } else { shown::Line::new(rest).whole() };
        writeln!(out, "{style}{mark}{rest}{style:#}")?;
    }
    Ok(())
}

/// All lines of the patch, each with its newline.
fn lines(change: &Change, name: &Path) -> io::Result<Vec<Vec<u8>>> {
    let (before, after) = (encode(&change.before)?, encode(&change.after)?);
    let (old, new) = (split(&before), split(&after));
    let ops = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    let hunks = similar::group_diff_ops(ops, CONTEXT);
    let mut out = Vec::new();
    if hunks.is_empty() {
        return Ok(out);
    }
    let creates = change.before.stamp.is_none() && before.is_empty();
    out.push(if creates { b"--- /dev/null\n".to_vec() } else { format!("--- {}\n", quoted("a/", name)).into_bytes() });
    out.push(format!("+++ {}\n", quoted("b/", name)).into_bytes());
    for hunk in &hunks {
        out.push(format!("{}\n", UnifiedHunkHeader::new(hunk)).into_bytes());
        for op in hunk {
            let (tag, from, to) = op.as_tag_tuple();
            match tag {
                DiffTag::Equal => push(&mut out, b' ', &old, from),
                DiffTag::Delete => push(&mut out, b'-', &old, from),
                DiffTag::Insert => push(&mut out, b'+', &new, to),
                DiffTag::Replace => {
                    push(&mut out, b'-', &old, from);
                    push(&mut out, b'+', &new, to);
                }
            }
        }
    }
    Ok(out)
}

fn push(out: &mut Vec<Vec<u8>>, mark: u8, lines: &[&[u8]], range: Range<usize>) {
    for line in &lines[range] {
        let mut bytes = vec![mark];
        bytes.extend_from_slice(line);
        let ended = bytes.ends_with(b"\n");
        if !ended {
            bytes.push(b'\n');
        }
        out.push(bytes);
        if !ended {
            out.push(b"\\ No newline at end of file\n".to_vec());
        }
    }
}

fn encode(file: &SourceFile) -> io::Result<Vec<u8>> {
    file.encode().ok_or_else(|| {
        let name = file.path.display();
        io::Error::new(io::ErrorKind::InvalidData, format!("{name}: a fix holds a character that the file's encoding lacks"))
    })
}

/// Lines with their `\n`; a lone `\r` does not end one.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').collect()
}

/// A name as git writes it in a header: in quotes, with C escapes, when it holds anything but printable ASCII or a quote
/// or a backslash; with a tab after it when it holds a space, so that nothing takes what follows for a date.
fn quoted(prefix: &str, name: &Path) -> String {
    let bytes = slashed(name);
    if bytes.iter().all(|&b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\') {
        let tab = if bytes.contains(&b' ') { "\t" } else { "" };
        return format!("{prefix}{}{tab}", String::from_utf8_lossy(&bytes));
    }
    let mut out = format!("\"{prefix}");
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => _ = write!(out, "\\{byte:03o}"),
        }
    }
    out.push('"');
    out
}

/// The bytes of a path with `/` between its parts.
fn slashed(name: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        name.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        name.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::Arc;

    use super::*;
    use crate::source::Stamp;

    fn change(name: &str, before: &[u8], edit: impl Fn(&str) -> String) -> Change {
        let mut before = SourceFile::from_bytes(PathBuf::from(name), before.to_vec()).unwrap();
        before.stamp = Some(Stamp { len: 0, modified: None });
        let after = before.with_text(edit(before.text()));
        Change { before: Arc::new(before), after }
    }

    fn git(dir: &Path, args: &[&str]) {
        let run = Command::new("git").args(args).current_dir(dir).output().unwrap();
        assert!(run.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    }

    fn save(path: &Path, bytes: &[u8]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
    }

    /// Applies the patch of all changes with git, from `below` the top of a repository, and compares every byte.
    fn applies(changes: &[Change], below: &str) {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]);
        git(dir.path(), &["config", "core.autocrlf", "false"]);
        let here = dir.path().join(below);
        let mut patch = Vec::new();
        for change in changes {
            save(&here.join(&change.before.path), &change.before.encode().unwrap());
            write(change, &change.before.path, &mut patch).unwrap();
        }
        let file = dir.path().join("fix.patch");
        save(&file, &patch);
        git(&here, &["apply", "--check", file.to_str().unwrap()]);
        git(&here, &["apply", file.to_str().unwrap()]);
        for change in changes {
            let written = std::fs::read(here.join(&change.before.path)).unwrap();
            assert_eq!(written, change.after.encode().unwrap(), "{}", change.before.path.display());
        }
    }

    fn awkward() -> Vec<Change> {
        let long: String = (0..50).flat_map(|i| [format!("line{i} = {i}"), "\n".to_owned()]).collect();
        vec![
            change("plain.py", b"a = 1\nb = 2\nc = 3\n", |t| t.replace('2', "20")),
            change("crlf.py", b"a = 1\r\nb = 2\r\n", |t| t.replace('2', "20")),
            change("mixed.py", b"a = 1\r\nb = 2\nc\rd = 4\n", |t| t.replace('4', "40")),
            change("no_newline.py", b"a = 1\nb = 2", |t| t.replace('2', "20")),
            change("gains_newline.py", b"a = 1", |t| format!("{t}\n")),
            change("loses_newline.py", b"a = 1\nb = 2\n", |t| t.trim_end().to_owned()),
            change("latin1.py", b"# coding: latin-1\na = '\xe9'\nb = 2\n", |t| t.replace('2', "'\u{fc}'")),
            change("bom.py", b"\xef\xbb\xbfa = 1\nb = 2\n", |t| t.replace('1', "10")),
            change("empty.py", b"", |_| "import time\n".to_owned()),
            change("emptied.py", b"import time\n", |_| String::new()),
            change("with space/a b.py", b"a = 1\n", |t| t.replace('1', "2")),
            change("caf\u{e9} \"q\" \\ \t.py", b"a = 1\n", |t| t.replace('1', "2")),
            change("far.py", long.as_bytes(), |t| t.replace("line3 = 3\n", "new\nlines\n").replace("line44 = 44\n", "")),
            change("mail.py", b"-- \nFrom me\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n", |t| {
                t.replace("me", "you").replace("-- \n", "--\n")
            }),
        ]
    }

    #[test]
    fn git_applies_every_kind_of_file() {
        for change in awkward() {
            applies(&[change], "");
        }
    }

    #[test]
    fn git_creates_what_was_not_there() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]);
        let before = Arc::new(SourceFile::from_bytes(PathBuf::from("a b/new.md"), Vec::new()).unwrap());
        let after = before.with_text("one\ntwo".to_owned());
        let mut patch = Vec::new();
        write(&Change { before, after }, Path::new("a b/new.md"), &mut patch).unwrap();
        save(&dir.path().join("new.patch"), &patch);
        git(dir.path(), &["apply", "new.patch"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("a b/new.md")).unwrap(), "one\ntwo");
    }

    #[test]
    fn git_applies_all_at_once_also_from_a_folder_below() {
        applies(&awkward(), "");
        applies(&awkward(), "services/a");
    }

    proptest::proptest! {
        // Each case is thirty files and two runs of git.
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(8))]
        #[test]
        fn git_applies_whatever_changes(files in proptest::collection::vec(("([ab ]{0,2}(\n|\r\n|\r)){0,12}[ab]?", "([ab ]{0,2}(\n|\r\n|\r)){0,12}[ab]?"), 30)) {
            let changes: Vec<Change> = files
                .iter()
                .enumerate()
                .filter(|(_, (before, after))| before != after)
                .map(|(i, (before, after))| change(&format!("test_{i}.py"), before.as_bytes(), |_| after.clone()))
                .collect();
            applies(&changes, "");
        }
    }

    #[test]
    fn no_change_is_no_patch() {
        let mut out = Vec::new();
        write(&change("a.py", b"a\n", str::to_owned), Path::new("a.py"), &mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn a_terminal_gets_colours_and_no_escapes_from_the_file() {
        let change = change("a\x1b.py", b"a = '\x1b[31m'\r\n\tb = 2\r\n", |t| t.replace('2', "\u{202e}"));
        let mut out = Vec::new();
        show(&change, &change.before.path, &mut anstream::StripStream::new(&mut out)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "--- \"a/a\\033.py\"\n+++ \"b/a\\033.py\"\n@@ -1,2 +1,2 @@\n a = '\\x1b[31m'\n-    b = 2\n+    b = \\u202e\n"
        );
    }
}
