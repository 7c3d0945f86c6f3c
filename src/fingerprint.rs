//! Recognises a finding of an earlier run: [`Fingerprint`], made of a file's path, a rule and the text found.
//!
//! Lines are not part of it, nor is anything else of the file: a finding keeps its fingerprint when it moves, when code around it
//! changes and when a formatter lays it out anew. The same text found twice in a file by one rule is told apart by its place
//! among its equals; which of two equal findings has gone is unknowable, and nobody has to know.
//!
//! Baselines, the memory of the reviewer and the files of other tools hold fingerprints: what goes into one must not change.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use twox_hash::XxHash3_128;

use crate::finding::Finding;

/// Identifies a finding across runs; shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fingerprint: 32 hexadecimal digits")]
pub struct NoFingerprint(String);

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| NoFingerprint(text.to_owned()))
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The fingerprints of the findings of a run, in their order, which has to be that of
/// [`crate::engine::Checked::findings`].
///
/// `root` is the project's ([`crate::config::Configuration::project_root`]), so that a fingerprint holds in every clone and
/// whatever the current folder is.
#[must_use]
pub fn of(findings: &[Finding], root: &Path) -> Vec<Fingerprint> {
    let mut equals: HashMap<String, u32> = HashMap::new();
    let fingerprint = |finding: &Finding| {
        // No path, rule or source holds a NUL.
        let key = format!("{}\0{}\0{}", name(&finding.file, root), finding.code, squeezed(finding));
        let ordinal = equals.entry(key.clone()).or_default();
        let print = Fingerprint(XxHash3_128::oneshot(format!("{key}\0{ordinal}").as_bytes()));
        *ordinal += 1;
        print
    };
    findings.iter().map(fingerprint).collect()
}

/// A path in the project as every machine writes it: relative to the root, with `/`. One outside of it stays as it is.
#[must_use]
pub fn name(path: &Path, root: &Path) -> String {
    let Ok(inside) = path.strip_prefix(root) else { return path.to_string_lossy().into_owned() };
    let parts = inside.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The text of a finding without white space, which a formatter may lay out as it likes.
fn squeezed(finding: &Finding) -> String {
    finding.source.slice(finding.span).split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::finding;
    use crate::rules::Code;

    const ROOT: &str = "/work";

    fn one(file: &str, text: &str, what: &str) -> Fingerprint {
        of(&[finding(file, text, what)], Path::new(ROOT))[0]
    }

    #[test]
    fn a_finding_that_moves_keeps_its_fingerprint() {
        let was = one("/work/tests/a.py", "import time\ntime.sleep(2.5)\n", "time.sleep(2.5)");
        let moved = "import time\n\n\n# more\ndef test_b():\n    x = 1; time.sleep(\n        2.5 )\n";
        assert_eq!(one("/work/tests/a.py", moved, "time.sleep(\n        2.5 )"), was);
        assert_eq!(one("/work/tests/./a.py", "time.sleep(2.5)", "time.sleep(2.5)"), was);
        assert_ne!(one("/work/tests/b.py", "time.sleep(2.5)", "time.sleep(2.5)"), was);
        assert_ne!(one("/work/tests/a.py", "time.sleep(2.6)", "time.sleep(2.6)"), was);
    }

    #[test]
    fn equal_findings_of_a_file_differ_and_other_rules_do_not_count() {
        let text = "time.sleep(2.5)\n";
        let same = || finding("/work/tests/a.py", text, "time.sleep(2.5)");
        let mut other = same();
        other.code = Code::new("sleep-budget");
        let [first, second, third] = of(&[same(), other, same()], Path::new(ROOT))[..] else { panic!() };
        assert!(first != second && second != third && first != third);
        assert_eq!(of(&[same(), same()], Path::new(ROOT)), [first, third]);
    }

    #[test]
    fn a_fingerprint_survives_text_and_releases() {
        let print = one("/work/tests/a.py", "time.sleep(2.5)\n", "time.sleep(2.5)");
        // A different value here makes every baseline there is worthless.
        assert_eq!(print.to_string(), "2b834fa8acf50b80e2e3b4c1d1a1ec0c");
        assert_eq!(print.to_string().parse(), Ok(print));
        assert_eq!(serde_json::from_str::<Fingerprint>(&serde_json::to_string(&print).unwrap()).unwrap(), print);
        for wrong in ["", "12", "+123456789abcdef0123456789abcdef0", "g0000000000000000000000000000000"] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NoFingerprint(wrong.to_owned())));
        }
    }
}
