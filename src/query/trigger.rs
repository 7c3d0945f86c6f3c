//! Triggers: what a text must hold for a query to have anything to find in it, told without parsing.
//!
//! A trigger is a line in the head of a `.scm` file, and each is an alternative:
//!
//! * `;; trigger: REGEX` or `;; trigger: REGEX && REGEX`: all of them match somewhere in the text;
//! * `;; trigger above LIMIT: REGEX`: some match's group is arithmetic that comes to more than the limit: a number, or a budget
//!   and what to divide it by (`allocation / 8`), the smallest that holds for any file. Names in the arithmetic are looked up
//!   among the numbers assigned to that name anywhere in the text; a constant that is imported (`BIG`, `sizes.BIG`) may be
//!   anything. A group named `repeated` is the end of a literal: its bytes multiply the amount.
//!
//! A trigger should be wrong in one direction only: what it lets through is parsed for nothing, what it holds back is never found.
//! It is an estimate all the same: of a name that is assigned several numbers it takes the largest, and a repeated literal that does
//! not end where it can be measured counts as [`LONG`].

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use regex_syntax::hir::Hir;

use crate::config::Budgets;
use crate::python::stdlib::is_module;

/// The triggers of one query file. Without any, the query always has something to look for.
#[derive(Default)]
pub(super) struct Triggers {
    alternatives: Vec<Alternative>,
}

struct Alternative {
    /// Indices into the set that must all match.
    all: Vec<usize>,
    /// The amount that the group must come to more than.
    above: Option<Above>,
}

struct Above {
    limit: f64,
    term: String,
    amount: OnceLock<Option<Amount>>,
}

/// Where in a text the amounts are. It is compiled for the first file in which the expression matches: often there is none.
struct Amount {
    regex: Regex,
    /// Index of the group around the arithmetic.
    arithmetic: usize,
    /// Index of the group at the end of a literal that is repeated.
    repeated: Option<usize>,
}

/// The group of that name.
const REPEATED: &str = "repeated";

impl Amount {
    fn compile(term: &str) -> Option<Self> {
        let regex = RegexBuilder::new(term).unicode(false).build().ok()?;
        let repeated = regex.capture_names().position(|name| name == Some(REPEATED));
        let arithmetic = (1..regex.captures_len()).find(|i| Some(*i) != repeated)?;
        Some(Self { regex, arithmetic, repeated })
    }
}

impl Above {
    fn read(limit: &str, term: &str, budgets: &Budgets) -> Result<Self, String> {
        let (what, divisor) = limit.split_once('/').map_or((limit, Ok(1.0)), |(what, by)| (what, by.trim().parse::<f64>()));
        let what = match what.trim() {
            "allocation" => Ok(budgets.allocation as f64),
            "iterations-per-loop" => Ok(budgets.iterations_per_loop as f64),
            number => number.parse(),
        };
        let (Ok(what), Ok(divisor)) = (what, divisor) else {
            return Err(format!("`{}` is neither a number nor `allocation` nor `iterations-per-loop`", limit.trim()));
        };
        let groups = expression(term)?.properties().explicit_captures_len();
        if groups != 1 + usize::from(term.contains(&format!("<{REPEATED}>"))) {
            return Err("a trigger above a number has one group, around the arithmetic".to_owned());
        }
        Ok(Self { limit: what / divisor, term: term.to_owned(), amount: OnceLock::new() })
    }

    fn holds(&self, text: &Text<'_>) -> bool {
        let Some(Amount { regex, arithmetic, repeated }) = self.amount.get_or_init(|| Amount::compile(&self.term)) else {
            return true;
        };
        regex.captures_iter(text.bytes).any(|found| {
            let Some(amount) = found.get(*arithmetic) else { return false };
            let unit = repeated.and_then(|i| found.get(i)).map_or(1.0, |end| literal(&text.bytes[..end.end()]));
            text.estimate(amount.as_bytes()) * unit > self.limit
        })
    }
}

/// All expressions of all triggers, looked for in one pass.
#[derive(Default)]
pub(super) struct Expressions {
    terms: Vec<String>,
}

impl Expressions {
    fn add(&mut self, term: &str) -> usize {
        self.terms.iter().position(|t| t == term).unwrap_or_else(|| {
            self.terms.push(term.to_owned());
            self.terms.len() - 1
        })
    }

    /// ASCII classes: what Unicode adds would cost the automaton that reads every file.
    pub(super) fn build(&self) -> Result<RegexSet, regex::Error> {
        RegexSetBuilder::new(&self.terms).unicode(false).build()
    }
}

/// Reads an expression, which costs little; compiling it does not.
fn expression(term: &str) -> Result<Hir, String> {
    let read = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(term);
    read.map_err(|e| format!("this trigger is not a regular expression: {e}"))
}

impl Triggers {
    /// Reads a line of a query file; whether it is a trigger.
    ///
    /// # Errors
    /// When it is one, but makes no sense.
    pub(super) fn read(&mut self, line: &str, budgets: &Budgets, expressions: &mut Expressions) -> Result<bool, String> {
        let Some(rest) = line.trim().strip_prefix(";; trigger") else { return Ok(false) };
        if let Some(terms) = rest.strip_prefix(':') {
            let mut all = Vec::new();
            for term in terms.split(" && ").map(str::trim) {
                expression(term)?;
                all.push(expressions.add(term));
            }
            self.alternatives.push(Alternative { all, above: None });
            return Ok(true);
        }
        let Some((limit, term)) = rest.strip_prefix(" above ").and_then(|r| r.split_once(':')) else { return Ok(false) };
        let term = term.trim();
        let above = Some(Above::read(limit, term, budgets)?);
        self.alternatives.push(Alternative { all: vec![expressions.add(term)], above });
        Ok(true)
    }

    /// Whether one of the alternatives holds.
    pub(super) fn hold(&self, text: &Text<'_>) -> bool {
        self.alternatives.is_empty()
            || self
                .alternatives
                .iter()
                .any(|a| a.all.iter().all(|&t| text.hits.matched(t)) && a.above.as_ref().is_none_or(|above| above.holds(text)))
    }
}

/// Bytes of a literal whose length cannot be told: longer ones are not repeated often.
const LONG: f64 = 64.0;

/// What one repetition of the literal at the end of a text takes, in bytes, at least one: its characters, or eight for each
/// element. What cannot be told from its line is taken for [`LONG`].
fn literal(text: &[u8]) -> f64 {
    let line = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let Some((&end, before)) = text[line..].split_last() else { return LONG };
    match end {
        b'"' | b'\'' => {
            let mut open = before.len();
            let start = loop {
                let Some(at) = before[..open].iter().rposition(|&b| b == end) else { return LONG };
                if at == 0 || before[at - 1] != b'\\' {
                    break at;
                }
                open = at;
            };
            // `"a" "b" * 2` repeats both.
            let prefix = before[..start].trim_ascii_end();
            let name = prefix.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
            let lead = &prefix[..prefix.len() - name];
            if name > 2 || lead.is_empty() || lead.trim_ascii_end().ends_with(b"\"") || lead.trim_ascii_end().ends_with(b"'") {
                return LONG;
            }
            // The contents of an f-string are as long as they please.
            if prefix[lead.len()..].iter().any(|b| b.eq_ignore_ascii_case(&b'f')) {
                return LONG;
            }
            (before.len() - start - 1).max(1) as f64
        }
        b']' => {
            let mut depth = 1;
            let mut elements = 1.0;
            for b in before.iter().rev() {
                match b {
                    b']' => depth += 1,
                    b'[' => depth -= 1,
                    b',' => elements += 1.0,
                    _ => {}
                }
                if depth == 0 {
                    return 8.0 * elements;
                }
            }
            LONG
        }
        // What is in parentheses is arithmetic, most of the time.
        _ => 8.0,
    }
}

/// A text and what is known of it.
pub(super) struct Text<'t> {
    bytes: &'t [u8],
    hits: regex::bytes::SetMatches,
    assigned: std::cell::OnceCell<HashMap<&'t [u8], f64>>,
}

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str, set: &RegexSet) -> Self {
        Self { bytes: text.as_bytes(), hits: set.matches(text.as_bytes()), assigned: std::cell::OnceCell::new() }
    }

    /// The largest number assigned to each name: `N = 10 ** 6`, `def f(n=100)`, `f(count=5)`.
    fn assigned(&self) -> &HashMap<&'t [u8], f64> {
        static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let regex = r"([A-Za-z_]\w*)[ \t]*(?::[^=\n()]*)?=[ \t]*\(*(\d[\w. \t*()<+-]*)";
            RegexBuilder::new(regex).unicode(false).build().ok()
        });
        self.assigned.get_or_init(|| {
            let mut out = HashMap::new();
            for c in ASSIGNMENT.iter().flat_map(|r| r.captures_iter(self.bytes)) {
                if let (Some(name), Some(value)) = (c.get(1), c.get(2)) {
                    let value = arithmetic(value.as_bytes(), &|_| 1.0);
                    let known = out.entry(name.as_bytes()).or_insert(value);
                    *known = value.max(*known);
                }
            }
            out
        })
    }

    /// Whether a constant may get its value from elsewhere: it is on the line of an import, or on one of those in parentheses, which
    /// hold nothing but names; it is an attribute of anything; or something else than a number is assigned to it.
    fn unknown(&self, name: &[u8]) -> bool {
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&self.bytes[from..], name).map(|at| from + at) {
            from = at + name.len();
            let start = self.bytes[..at].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &self.bytes[from..]).map_or(self.bytes.len(), |n| from + n);
            let line = &self.bytes[start..end];
            let code = line.split(|&b| b == b'#').next().unwrap_or(line);
            let names = |b: &u8| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || matches!(b, b'_' | b',' | b'(' | b')');
            let after = self.bytes[from..end].trim_ascii_start();
            let bound = after.starts_with(b":") || after.starts_with(b"=") && !after.starts_with(b"==");
            if bound
                || self.bytes[..at].ends_with(b".")
                || memchr::memmem::find(code, b"import").is_some()
                || code.iter().all(names)
            {
                return true;
            }
        }
        memchr::memmem::find(self.bytes, b"import *").is_some()
    }

    /// What arithmetic may come to, at most.
    fn estimate(&self, text: &[u8]) -> f64 {
        let value = |name: &[u8]| match self.assigned().get(name) {
            Some(v) => *v,
            // A constant from elsewhere.
            None if constant(name) && self.unknown(name) => f64::INFINITY,
            None => 1.0,
        };
        // Of several arguments, the largest.
        text.split(|&b| b == b',').map(|part| arithmetic(part, &value)).fold(0.0, f64::max)
    }
}

/// Whether a name is written as constants are.
fn constant(name: &[u8]) -> bool {
    name.len() > 1 && name.iter().all(|b| b.is_ascii_uppercase() || *b == b'_' || b.is_ascii_digit())
}

/// Evaluates from left to right, without precedence or parentheses: an estimate, and for the products, powers and shifts that
/// make numbers large the right one.
fn arithmetic(text: &[u8], value: &dyn Fn(&[u8]) -> f64) -> f64 {
    let mut total: Option<f64> = None;
    let mut op = b'*';
    let mut i = 0;
    while i < text.len() {
        let b = text[i];
        if b.is_ascii_alphanumeric() || b == b'_' || b == b'.' {
            let start = i;
            while i < text.len() && (text[i].is_ascii_alphanumeric() || matches!(text[i], b'_' | b'.')) {
                i += 1;
            }
            let word = &text[start..i];
            let operand = if b.is_ascii_digit() || b == b'.' {
                number(word)
            } else {
                // `helpers.SIZE`, `self.size`: the last name. `pickle.HIGHEST_PROTOCOL` has no value that the source could tell.
                let object = word.iter().position(|&b| b == b'.').map_or(&b""[..], |dot| &word[..dot]);
                if std::str::from_utf8(object).is_ok_and(is_module) {
                    1.0
                } else {
                    value(word.rsplit(|&b| b == b'.').next().unwrap_or(word))
                }
            };
            total = Some(match (total, op) {
                (None, _) => operand,
                (Some(t), b'+') => t + operand,
                (Some(t), b'-') => t.max(operand),
                (Some(t), b'^') => t.powf(operand),
                (Some(t), b'<') => t * operand.exp2(),
                (Some(t), b'/') => t / operand.max(1.0),
                (Some(t), _) => t * operand,
            });
            op = b'*';
            continue;
        }
        match b {
            b'*' if text.get(i + 1) == Some(&b'*') => {
                op = b'^';
                i += 1;
            }
            b'<' if text.get(i + 1) == Some(&b'<') => {
                op = b'<';
                i += 1;
            }
            b'+' | b'-' | b'*' | b'/' => op = b,
            _ => {}
        }
        i += 1;
    }
    total.unwrap_or(0.0)
}

fn number(word: &[u8]) -> f64 {
    let text: String = word.iter().filter(|b| **b != b'_').map(|&b| char::from(b.to_ascii_lowercase())).collect();
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).map_or(f64::INFINITY, |n| n as f64);
    }
    // Not a number after all (`1st`, `0b1`): nothing large.
    text.parse().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(trigger: &str, text: &str) -> bool {
        let mut expressions = Expressions::default();
        let mut triggers = Triggers::default();
        assert!(triggers.read(trigger, &Budgets::default(), &mut expressions).unwrap());
        triggers.hold(&Text::new(text, &expressions.build().unwrap()))
    }

    #[test]
    fn arithmetic_is_weighed() {
        let above = r";; trigger above 1000: \brange\s*\(([^)\n]*)";
        for text in ["range(1001)", "range(0, 100_000)", "range(10 ** 6)", "range(1<<20)", "range(50 * 40)", "range(1e6)"] {
            assert!(holds(above, text), "{text}");
        }
        for text in ["range(1000)", "range(len(x))", "range(2, 30, 2)", "ranged(5000)", "range(n)"] {
            assert!(!holds(above, text), "{text}");
        }
    }

    #[test]
    fn names_are_looked_up() {
        let above = r";; trigger above 1000: \brange\s*\(([^)\n]*)";
        for text in
            ["N = 5000\nrange(N)", "def f(n=9_999):\n    range(n)", "self.n: int = 10**4\nrange(self.n)", "range(helpers.BIG)"]
        {
            assert!(holds(above, text), "{text}");
        }
        for text in ["N = 50\nrange(N * 2)", "range(pickle.HIGHEST_PROTOCOL + 1)"] {
            assert!(!holds(above, text), "{text}");
        }
    }

    #[test]
    fn a_constant_from_elsewhere_may_be_anything() {
        let above = r";; trigger above 1000: \brange\s*\(([^)\n]*)";
        for text in [
            "from sizes import BIG\nrange(BIG)",
            "from sizes import (\n    BIG,  # large\n)\nrange(BIG)",
            "from sizes import *\nrange(BIG)",
            "BIG = UNIT * 2\nrange(BIG)",
            "BIG: int = size()\nrange(BIG)",
        ] {
            assert!(holds(above, text), "{text}");
        }
        for text in ["range(BIG): prose", "x = range(BIG) == BIG"] {
            assert!(!holds(above, text), "{text}");
        }
    }

    #[test]
    fn what_is_repeated_is_weighed_by_its_length() {
        let above = r#";; trigger above allocation: (?<repeated>["')\]])\s*\*\s*([\w(][\w. \t*()<+-]*)"#;
        for text in [
            r#"x = "a" * 20_001"#,
            r#"x = "abcdefghij" * 2001"#,
            r#"x = b"\"'" * 7000"#,
            "x = [0, 1] * 1251",
            "x = [[0]] * 2501",
            // How long these are is not known.
            r#"x = ("a" "b" * 400)"#,
            r#"x = f"{y}" * 400"#,
            "x = '''\n''' * 400",
        ] {
            assert!(holds(above, text), "{text}");
        }
        for text in [r#"x = "a" * 20_000"#, r#"x = "abcdefghij" * 2000"#, "x = [0, 1] * 1250", r#"x = "*DEFAULT*""#] {
            assert!(!holds(above, text), "{text}");
        }
    }

    #[test]
    fn all_terms_must_match() {
        let read = |line| Triggers::default().read(line, &Budgets::default(), &mut Expressions::default());
        assert!(holds(";; trigger: a && b", "b a"));
        assert!(!holds(";; trigger: a && b", "a"));
        assert!(read(";; trigger above many: (x)").is_err());
        assert!(read(";; trigger above 5: x").is_err());
        assert!(!read(";; prose about a trigger").unwrap());
    }
}
