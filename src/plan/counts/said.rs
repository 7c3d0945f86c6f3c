//! What says, in so many words, that how much a test takes is its point: names, comments, messages and other strings.

use std::path::Path;

use super::Dimension;
use crate::python::ast::{ExprKind, StmtId, StmtKind};
use crate::python::project::Module;
use crate::source::Span;

/// Whether a test's name says that its size or number of rounds is what it is about (HAZARDS rows 15, 19 to 21).
pub(super) fn is_the_point(name: &str, dimension: Dimension) -> bool {
    const ALWAYS: &[&str] = &[
        "overflow",
        "recursi",
        "quadratic",
        "perf",
        "benchmark",
        "stress",
        "hammer",
        "torture",
        "soak",
        "flood",
        "exhaust",
        "oom",
        "fuzz",
        "deep",
        "nest",
        "trash",
        "race",
        "contention",
        "speed",
        "throughput",
        "scalab",
        "optimi",
        "stack",
        "uniq",
    ];
    const SIZES: &[&str] = &[
        "memory",
        "leak",
        "pipe",
        "buffer",
        "chunk",
        "expan",
        "rotat",
        "rollover",
        "spill",
        "flow",
        "window",
        "fragment",
        "framing",
        "backpressure",
        "socket",
        "stdin",
        "stdout",
        "stream",
        "limit",
        "paus",
        "resum",
        "progress",
    ];
    let lower = name.to_ascii_lowercase();
    lower.split('_').any(|part| {
        let starts = |words: &[&str]| words.iter().any(|w| part.starts_with(w));
        starts(ALWAYS) || dimension == Dimension::Size && starts(SIZES)
    })
}

/// Whether a name says how large something is: `_16_MB`, `kb_512`, `one_meg`. That of a function needs a number beside the unit, as
/// `mb` alone may be anything.
pub(super) fn says_its_size(name: &str, function: bool) -> bool {
    const UNITS: &[&str] = &[
        "kb",
        "mb",
        "gb",
        "kib",
        "mib",
        "gib",
        "meg",
        "megs",
        "megabyte",
        "megabytes",
        "kilobytes",
        "gigabyte",
        "thousand",
        "million",
        "billion",
    ];
    const NUMBERS: &[&str] = &["one", "two", "three", "four", "five", "six", "eight", "ten", "half", "a"];
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('_').filter(|part| !part.is_empty()).collect();
    let number = |part: Option<&&str>| part.is_some_and(|p| NUMBERS.contains(p) || p.bytes().all(|b| b.is_ascii_digit()));
    parts.iter().enumerate().any(|(i, part)| {
        let unit = part.trim_start_matches(|c: char| c.is_ascii_digit());
        UNITS.contains(&unit)
            && (!function
                || unit.len() < part.len()
                || number(i.checked_sub(1).and_then(|i| parts.get(i)))
                || number(parts.get(i + 1)))
    })
}

/// Whether the path of a file says that it is about how fast something is: `benchmarks/test_copy.py`.
///
/// Where the suite itself lies says nothing.
pub(super) fn measures_speed(m: &Module, suite: &Path) -> bool {
    let path = m.file.strip_prefix(suite).unwrap_or(&m.file).with_extension("");
    path.iter().filter_map(|part| part.to_str()).flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric())).any(|word| {
        let word = word.to_ascii_lowercase();
        matches!(word.as_str(), "perf" | "performance" | "bench" | "benchmark" | "benchmarks" | "stress")
    })
}

/// Whether the name of a helper says that what it makes is large.
pub(super) fn makes_much(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !lower.starts_with("test") && lower.split('_').any(|part| matches!(part, "large" | "big" | "huge" | "long"))
}

/// A comment beside a statement, or above it, that holds its size against something else: `# well over the limit`.
pub(super) fn compared_in_a_comment(m: &Module, stmt: StmtId) -> Option<String> {
    const WORDS: &[&str] = &[
        "over", "above", "beyond", "exceed", "exceeds", "than", "bigger", "larger", "longer", "enough", "force", "forces",
        "limit",
    ];
    m.comments_at(stmt).find_map(|comment| {
        let mut words = comment.split(|c: char| !c.is_alphanumeric()).map(str::to_ascii_lowercase);
        let compares = words.any(|word| WORDS.contains(&word.as_str()));
        compares.then(|| format!("`#{}`", comment.trim_end().chars().take(50).collect::<String>()))
    })
}

/// A word in the text of the given regions that says that much is needed: to overflow, to crash, to take for ever.
pub(super) fn needs_much(m: &Module, regions: &[Span]) -> Option<&'static str> {
    const WORDS: &[&str] = &[
        "overflow",
        "segfault",
        "recursion",
        "recursive",
        "deeply",
        "redos",
        "quadratic",
        "backtracking",
        "trashcan",
        "exponential",
        "catastrophic",
        "crash",
        "realloc",
        "too long",
        "too_long",
        "toolong",
        "malicious",
        "tracemalloc",
        "stress",
        "buffer",
        "very big",
        "very large",
        "perf_counter",
        "process_time",
        "exceed",
        "larger than",
        "bigger than",
        "longer than",
        "size limit",
        "size_limit",
        "max_size",
        "truncat",
        "optimiz",
        "settime(",
        "set_time(",
    ];
    regions.iter().find_map(|r| {
        let text = m.source.slice(*r).to_ascii_lowercase();
        WORDS.iter().copied().find(|w| text.contains(w))
    })
}

/// A string that looks like a digest, which is one of all that there is.
pub(super) fn digested(m: &Module, regions: &[Span]) -> Option<String> {
    m.ast.exprs.iter().find_map(|expr| {
        let ExprKind::Str { text: Some(text), .. } = &expr.kind else { return None };
        let digest =
            text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) && regions.iter().any(|r| r.contains(expr.span));
        digest.then(|| format!("`{}…`", &text[..12]))
    })
}

/// A string that holds the number: `b"Content-Length: 100000"`, or `"2MB"` for a size of 2,000,000.
pub(super) fn named(m: &Module, regions: &[Span], stmt: StmtId, n: u64) -> Option<String> {
    if n < 10 {
        return None;
    }
    let own = m.stmt(stmt).span;
    let own = if matches!(m.stmt(stmt).kind, StmtKind::Assign { .. } | StmtKind::Expr(_)) { own } else { Span::at(0) };
    let mut wanted = vec![n.to_string()];
    for (unit, letter) in [(1_000, 'k'), (1_000_000, 'm'), (1_000_000_000, 'g'), (1 << 10, 'k'), (1 << 20, 'm'), (1 << 30, 'g')] {
        if n >= unit && n.is_multiple_of(unit) {
            wanted.push(format!("{}{letter}", n / unit));
        }
    }
    let names_plainly = |text: &str| {
        let plain: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
        let digit = |i: Option<usize>| i.and_then(|i| plain.get(i)).is_some_and(char::is_ascii_digit);
        wanted.iter().any(|w| {
            let w: Vec<char> = w.chars().collect();
            plain.windows(w.len()).enumerate().any(|(at, window)| {
                let (before, after) = (at.checked_sub(1), at + w.len());
                let decimal =
                    |dot: Option<usize>, next: Option<usize>| dot.and_then(|i| plain.get(i)) == Some(&'.') && digit(next);
                window == w
                    && !digit(before)
                    && !decimal(before, at.checked_sub(2))
                    && if w.last().is_some_and(char::is_ascii_digit) {
                        !digit(Some(after)) && !decimal(Some(after), Some(after + 1))
                    } else {
                        plain.get(after).is_none_or(|c| !c.is_ascii_alphanumeric() || matches!(c, 'b' | 'i'))
                    }
            })
        })
    };
    // `1,000` and `1_000` are one number, `range(1, 5000)` holds two.
    let names = |text: &str| {
        let text = text.to_ascii_lowercase();
        names_plainly(&text) || names_plainly(&text.replace([',', '_'], "")) && !text.contains(", ")
    };
    // A number that nobody writes by chance is looked for everywhere.
    let odd = n >= 1000 && !n.is_multiple_of(100);
    let string = m.ast.exprs.iter().find_map(|expr| {
        let near = odd || own.contains(expr.span) || regions.iter().any(|r| r.contains(expr.span));
        let text = m.source.slice(expr.span);
        (matches!(expr.kind, ExprKind::Str { .. }) && near && (odd || text.len() <= 400) && names(text))
            .then(|| format!("`{}`", text.lines().next().unwrap_or_default().chars().take(50).collect::<String>()))
    });
    string.or_else(|| {
        // A comment would go on saying what is no longer true.
        [own].iter().chain(regions).flat_map(|r| m.source.slice(*r).lines()).find_map(|line| {
            let comment =
                line.split_once(" #").or_else(|| line.trim_start().split_once('#').filter(|(code, _)| code.is_empty()))?.1;
            names(comment).then(|| format!("the comment `#{}`", comment.chars().take(50).collect::<String>()))
        })
    })
}

/// Whether a string in a statement holds a number: `assert len(keys) == 80, f"expected 80 keys"`.
pub(super) fn told(m: &Module, stmt: StmtId, n: u64) -> bool {
    let n = n.to_string();
    m.ast.exprs.iter().any(|expr| {
        matches!(expr.kind, ExprKind::Str { .. })
            && expr.stmt == stmt
            && m.source.slice(expr.span).split(|c: char| !c.is_ascii_digit()).any(|number| number == n)
    })
}
