//! Mutated Python through the whole of testdiet: bytes → check → fix → write → undo.
//!
//! ```text
//! cargo run --example fuzz -- [--seconds N] [--seed N] [--keep FOLDER] [FOLDER…]     mutate the sources below folders
//! cargo run --example fuzz -- --replay FILE                                          run one file that failed
//! ```
//!
//! What must hold for any bytes:
//! * nothing panics, and nothing takes half a minute;
//! * a fix changes nothing outside of its edits, byte for byte;
//! * a file that does not parse is not changed, and what is changed parses;
//! * what is written is what was to be written, a second fix has nothing to do, and `undo` brings the very bytes back.
//!
//! A case depends on the seed and its number alone. Its bytes lie in the folder of reproducers while it runs, so that
//! what ends the process leaves them there; cases that fail stay.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testdiet::config::{Configuration, Overrides};
use testdiet::discover::discover;
use testdiet::edit::{Applicability, Edit};
use testdiet::engine::{self, Change, Fixed, Input};
use testdiet::finding::Finding;
use testdiet::python::lower;
use testdiet::write;

/// No source is larger: many small cases find more than few large ones.
const LARGEST: usize = 40_000;
/// A case that takes longer has met something that is not linear. A debug build on a busy machine needs a second.
const SLOW: Duration = Duration::from_secs(30);
/// The other file of a case's project.
const CONFIG: &str = "pyproject.toml";
/// Failures after which there is no point in going on.
const ENOUGH: usize = 20;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut seconds, mut seed, mut keep, mut replay) = (60, 1, PathBuf::from("target/fuzz"), None);
    let mut folders = Vec::new();
    while let Some(argument) = arguments.next() {
        let (name, given) = argument.split_once('=').map_or((argument.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
        let mut value = || given.clone().or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"));
        match name {
            "--seconds" => seconds = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            "--keep" => keep = value()?.into(),
            "--replay" => replay = Some(PathBuf::from(value()?)),
            _ if argument.starts_with('-') => return Err(format!("there is no {argument}").into()),
            _ => folders.push(PathBuf::from(argument)),
        }
    }
    if let Some(file) = replay {
        return one(&fs::read(&file)?).map_err(|what| format!("{}: {what}", file.display()).into());
    }
    let mut sources = Vec::new();
    for folder in &folders {
        gather(folder, &mut sources)?;
    }
    if sources.is_empty() {
        return Err("no Python sources; name folders that hold some".into());
    }
    fs::create_dir_all(&keep)?;
    println!("fuzz: {} sources, {seconds} s, seed {seed}", sources.len());
    // A panic is told with its case; its own message would only stand between.
    std::panic::set_hook(Box::new(|_| {}));
    let (start, mut number, mut changed, mut failures) = (Instant::now(), 0_u64, 0_u64, Vec::new());
    while start.elapsed() < Duration::from_secs(seconds) && failures.len() < ENOUGH {
        let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes = mutated(&sources, &mut random);
        let file = keep.join(format!("seed-{seed}-case-{number}.py"));
        save(&file, &bytes)?;
        let began = Instant::now();
        let outcome = one(&bytes).and_then(|fixed| {
            let took = began.elapsed();
            if took > SLOW { Err(format!("it took {} s", took.as_secs())) } else { Ok(fixed) }
        });
        match outcome {
            Ok(()) => fs::remove_file(&file)?,
            Err(what) => {
                println!("case {number}: {what}\n    {}", file.display());
                failures.push(file);
            }
        }
        changed += u64::from(CHANGED.take());
        number += 1;
    }
    println!("fuzz: {number} cases, {changed} of them changed by fixes, {} failed", failures.len());
    if changed == 0 {
        return Err("no case was changed by a fix, so nothing was tried".into());
    }
    if failures.is_empty() { Ok(()) } else { Err("replay a case with `cargo run --example fuzz -- --replay FILE`".into()) }
}

fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    File::create(path)?.write_all(bytes)
}

/// The Python files below a folder, in an order that does not depend on the file system.
fn gather(folder: &Path, sources: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            gather(&path, sources)?;
        } else if path.extension().is_some_and(|e| e == "py") {
            sources.extend(Some(fs::read(&path)?).filter(|bytes| !bytes.is_empty() && bytes.len() <= LARGEST));
        }
    }
    Ok(())
}

/// What is put into sources: what decides how bytes are read, what opens and closes, what testdiet looks for.
const MORSELS: &[&str] = &[
    "\r",
    "\r\n",
    "\n",
    "\t",
    "\u{c}",
    "\0",
    "\u{feff}",
    "\u{e9}",
    "\u{202e}",
    "\u{1f40d}",
    "\\\n",
    "\\",
    "'''",
    "\"\"\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ";",
    ",",
    "=",
    "*",
    "**",
    "->",
    ":=",
    "#",
    "@",
    "f'{",
    "rb'",
    "lambda: ",
    "async ",
    "await ",
    "yield ",
    "global t\n",
    "# -*- coding: latin-1 -*-\n",
    "# coding: utf-16\n",
    "# testdiet: ignore\n",
    "  # testdiet: ignore[long-sleep] because\n",
    "# testdiet: ignore-file\n",
    "@generated",
    "import time\n",
    "time.sleep(2.5)\n",
    "    time.sleep(30)\n",
    "t.join()\n",
    ".join()",
    "    t = threading.Thread(target=print); t.start(); t.join()\n",
    "for _ in range(100_000): pass\n",
    "x = 'x' * 10**6\n",
    "@pytest.mark.parametrize('x', [1, 2])\n",
    "def test_it(fast_time):\n",
    "class Test(unittest.TestCase):\n",
    "\u{a0}",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2.5",
    "-1",
    "1e9",
    "1e400",
    "0x1F",
    "0b101",
    "1_000_000",
    "10**12",
    "1j",
    ".5",
    "5.",
    "00",
    "99999999999999999999",
    "True",
    "None",
    "float('inf')",
    "2.50",
    "1_0.0_1",
];

/// One of the sources, changed in a few places.
fn mutated(sources: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = sources[random.usize(..sources.len())].clone();
    for _ in 0..random.usize(0..6) {
        let (from, to) = lines(&bytes, random);
        match random.u8(0..13) {
            0 => drop(bytes.drain(from..to)),
            1 => {
                let again = bytes[from..to].to_vec();
                insert(&mut bytes, to, &again);
            }
            2 => {
                let moved: Vec<u8> = bytes.drain(from..to).collect();
                let (at, _) = lines(&bytes, random);
                insert(&mut bytes, at, &moved);
            }
            3 | 4 => {
                let other = &sources[random.usize(..sources.len())];
                let (a, b) = lines(other, random);
                insert(&mut bytes, from, &other[a..b]);
            }
            5 | 6 => number(&mut bytes, from, NUMBERS[random.usize(..NUMBERS.len())]),
            7 | 8 => {
                let at = random.usize(..=bytes.len());
                insert(&mut bytes, at, MORSELS[random.usize(..MORSELS.len())].as_bytes());
            }
            9 => insert(&mut bytes, from, MORSELS[random.usize(..MORSELS.len())].as_bytes()),
            10 => {
                if !bytes.is_empty() {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
            }
            11 => {
                let newline = ["\r\n", "\r", "\n"][random.usize(..3)];
                let text: Vec<u8> = bytes[from..to].to_vec();
                let text = text.split(|b| *b == b'\n').collect::<Vec<_>>().join(newline.as_bytes());
                bytes.splice(from..to, text);
            }
            _ => bytes.truncate(random.usize(..=bytes.len())),
        }
    }
    match random.u8(0..16) {
        0 => String::from_utf8_lossy(&bytes).replace('\n', "\r\n").into_bytes(),
        1 => ["\u{feff}".as_bytes(), &bytes].concat(),
        2 => String::from_utf8_lossy(&bytes).replace("    ", "\t").into_bytes(),
        3 => bytes.trim_ascii_end().to_vec(),
        4 => nested(&bytes, random.usize(1..80)),
        _ => bytes,
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// A few whole lines, as a range of bytes.
fn lines(bytes: &[u8], random: &mut fastrand::Rng) -> (usize, usize) {
    let starts: Vec<usize> = std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1)).collect();
    let first = random.usize(..starts.len());
    let last = first + random.usize(1..12);
    (starts[first], starts.get(last).copied().unwrap_or(bytes.len()))
}

/// Puts a number in the place of the next one.
fn number(bytes: &mut Vec<u8>, from: usize, with: &str) {
    let Some(at) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let len = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_')).count();
    bytes.splice(at..at + len, with.bytes());
}

/// All of it in blocks within blocks.
fn nested(bytes: &[u8], depth: usize) -> Vec<u8> {
    let mut out: Vec<u8> = (0..depth).flat_map(|n| format!("{:n$}if True:\n", "").into_bytes()).collect();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        out.extend(std::iter::repeat_n(b' ', depth));
        out.extend(line);
    }
    out
}

thread_local! {
    /// Whether the last case was changed by a fix.
    static CHANGED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs one case; what is wrong with it.
fn one(bytes: &[u8]) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| case(bytes))) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

fn case(bytes: &[u8]) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().canonicalize()?;
    let path = root.join("test_a.py");
    save(&root.join(CONFIG), b"[tool.pytest.ini_options]\n")?;
    save(&path, bytes)?;
    let input = input(&root)?;
    let checked = engine::check(&input)?;
    spans(&checked.findings)?;
    let fixed = engine::fix(&input, Applicability::Unsafe)?;
    spans(&fixed.after.findings)?;
    // A mark may be registered in the configuration.
    if let Some(other) = fixed.changes.iter().find(|c| c.after.path != path && c.after.path != root.join(CONFIG)) {
        return Err(format!("{} was changed", other.after.path.display()).into());
    }
    let Some(change) = fixed.changes.iter().find(|c| c.after.path == path) else { return Ok(()) };
    CHANGED.set(true);
    edits(&fixed, change)?;
    outside(bytes, change, &fixed)?;
    if !parses(change.before.text()) {
        return Err("a file that does not parse was changed".into());
    }
    if !parses(change.after.text()) {
        return Err(format!("what was changed does not parse:\n{}", change.after.text()).into());
    }
    let wanted = change.after.encode();
    match (write::write_all(&fixed.changes, &root, "fix"), wanted) {
        // A character that the encoding lacks is told, and nothing is written.
        (Err(_), None) => return if fs::read(&path)? == bytes { Ok(()) } else { Err("it was written all the same".into()) },
        (written, wanted) => {
            written?;
            if Some(fs::read(&path)?) != wanted {
                return Err("something else was written than was to be".into());
            }
        }
    }
    let again = engine::fix(&self::input(&root)?, Applicability::Unsafe)?;
    if let Some(again) = again.changes.first() {
        let changed = again.before.text().lines().zip(again.after.text().lines()).find(|(a, b)| a != b);
        return Err(format!("a second fix changed more: {changed:?}").into());
    }
    write::undo(&root)?;
    if fs::read(&path)? == bytes { Ok(()) } else { Err("undo did not bring the bytes back".into()) }
}

/// The project in a folder, with all rules.
fn input(root: &Path) -> Result<Input, Failure> {
    let overrides = Overrides { select: Some(vec!["ALL".to_owned()]), ..Overrides::default() };
    let configuration = Configuration::new(overrides, root)?;
    let found = discover(&[], &configuration)?;
    let files = found.files.into_iter().map(|f| Ok((f.clone(), configuration.for_path(&f.path)?)));
    let files = files.collect::<Result<_, Failure>>()?;
    Ok(Input {
        files,
        folders: vec![root.to_path_buf()],
        stdin: None,
        own: Vec::new(),
        rules: Vec::new(),
        evidence: std::sync::Arc::default(),
    })
}

fn parses(text: &str) -> bool {
    lower::lower(text).errors.is_empty()
}

/// Every place is one in the text, and may be cut there.
fn spans(findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits).filter(|e| e.file == finding.file).map(|e| e.span);
        for span in edits.chain([finding.span]) {
            if finding.source.text().get(span.range()).is_none() {
                return Err(format!("{}: {span:?} is not in the text", finding.code).into());
            }
        }
    }
    Ok(())
}

/// The edits of all rounds, applied by hand, make the new text out of the old one.
fn edits(fixed: &Fixed, change: &Change) -> Result<(), Failure> {
    let mut text = change.before.text().to_owned();
    for round in &fixed.rounds {
        let mut edits = sorted(round, &change.after.path);
        while let Some(edit) = edits.pop() {
            if edits.last().is_some_and(|e| e.span.end > edit.span.start) {
                return Err(format!("edits overlap: {edit:?}").into());
            }
            text.replace_range(edit.span.range(), &edit.content);
        }
    }
    if text == change.after.text() { Ok(()) } else { Err("something changed that no edit is about".into()) }
}

/// The edits of a round in one file, in its order.
fn sorted<'a>(round: &'a [Finding], path: &Path) -> Vec<&'a Edit> {
    let edits = round.iter().filter_map(|f| f.fix.as_ref()).flat_map(|fix| &fix.edits);
    let mut edits: Vec<&Edit> = edits.filter(|edit| edit.file.as_path() == path).collect();
    edits.sort_by_key(|e| (e.span.start, e.span.end));
    edits.dedup();
    edits
}

/// On disk, too, nothing differs before the first edit, nor after the last one of a single round.
fn outside(bytes: &[u8], change: &Change, fixed: &Fixed) -> Result<(), Failure> {
    let Some(new) = change.after.encode() else { return Ok(()) };
    let raw = |text: &str| -> Result<Vec<u8>, Failure> {
        let mut part = change.before.with_text(text.to_owned());
        part.bom = false;
        part.encode().ok_or_else(|| "a part of the file cannot be written".into())
    };
    let text = change.before.text();
    let starts = fixed.rounds.iter().flat_map(|round| sorted(round, &change.after.path)).map(|e| e.span.start);
    let bom = if change.before.bom { 3 } else { 0 };
    let head = bom + raw(&text[..starts.min().unwrap_or(0) as usize])?.len();
    if bytes.get(..head) != new.get(..head) {
        return Err("bytes before the first edit changed".into());
    }
    if let [round] = fixed.rounds.as_slice() {
        let end = sorted(round, &change.after.path).iter().map(|e| e.span.end).max().unwrap_or(0);
        if !new.ends_with(&raw(&text[end as usize..])?) || !bytes.ends_with(&raw(&text[end as usize..])?) {
            return Err("bytes after the last edit changed".into());
        }
    }
    Ok(())
}
