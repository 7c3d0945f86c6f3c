//! What parsing and lowering cost, on CPython's own tests: `cargo bench --bench lower [-- FOLDER]`.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use testdiet::python::lower::lower;
use testdiet::source::SourceFile;

/// Passes over the files; the fastest counts, as the others were disturbed by something else.
const PASSES: usize = 5;

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).map(PathBuf::from).or_else(lib_test);
    let Some(folder) = folder else {
        eprintln!("no CPython with its tests; name a folder");
        return;
    };
    let texts: Vec<String> = ignore::Walk::new(folder)
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "py"))
        .filter_map(|entry| SourceFile::read(entry.path()).ok())
        .map(|file| file.text().to_owned())
        .collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut best = [Duration::MAX; 2];
    let (mut exprs, mut stmts) = (0, 0);
    for _ in 0..PASSES {
        let mut took = [Duration::ZERO; 2];
        (exprs, stmts) = (0, 0);
        for text in &texts {
            let start = Instant::now();
            let ast = lower(text);
            took[0] += start.elapsed();
            exprs += ast.exprs.len();
            stmts += ast.stmts.len();
            let start = Instant::now();
            drop(ast);
            took[1] += start.elapsed();
        }
        for (best, took) in best.iter_mut().zip(took) {
            *best = (*best).min(took);
        }
    }
    println!("{} files, {bytes} bytes, {exprs} expressions, {stmts} statements", texts.len());
    for (what, took) in ["lower", "drop"].iter().zip(best) {
        println!("{what:>6} {:6.2} ns/byte", took.as_nanos() as f64 / bytes as f64);
    }
}

fn lib_test() -> Option<PathBuf> {
    let script = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()).join("test"))
}
