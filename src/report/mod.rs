//! Prints what was found. A report never decides: it shows findings, their costs and their fixes as they are.
//!
//! One file a format, one line each in [`FORMATS`]. Human formats write colours and leave it to anstream to take them
//! out; whatever they print of a file, its name or a message is escaped first ([`shown`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::edit::Applicability;
use crate::engine::Checked;
use crate::finding::Finding;
use crate::fingerprint;
use crate::measure::Record;
use crate::rules::Code;
use crate::source::SourceFile;
use crate::verify::Figures;
use totals::Limits;

pub mod amount;
pub mod concise;
pub mod excerpt;
pub mod full;
pub mod github;
pub mod gitlab;
pub mod grouped;
pub mod html;
pub mod json;
pub mod junit;
pub mod markup;
pub mod measured;
pub mod overview;
pub mod patch;
pub mod proof;
#[cfg(test)]
pub(crate) mod samples;
pub mod sarif;
pub mod shown;
pub mod statistics;
pub mod style;
pub mod totals;

/// Writes the findings in one format.
type Findings = fn(&Checked, &View, &mut dyn Write) -> io::Result<()>;
/// Writes the counts of `--statistics` in one format.
type Statistics = fn(&[statistics::Count<'_>], &mut dyn Write) -> io::Result<()>;

/// A format of `--output-format`.
pub struct Format {
    /// Its name on the command line and in the configuration.
    pub name: &'static str,
    /// What `--help` says of it.
    pub help: &'static str,
    /// Whether it shows what was measured: only for it are the runs read that were kept.
    pub evidence: bool,
    /// Whether people read it: then totals are printed beside it.
    pub human: bool,
    /// Writes findings.
    pub findings: Findings,
    /// Writes counts; `None` where the format has no place for them.
    pub statistics: Option<Statistics>,
}

/// All formats, the default first.
pub static FORMATS: &[Format] = &[
    Format {
        name: "full",
        help: "each finding with its source, its cost and its fix",
        evidence: false,
        human: true,
        findings: full::write,
        statistics: Some(statistics::write),
    },
    Format {
        name: "concise",
        help: "one line a finding",
        evidence: false,
        human: true,
        findings: concise::write,
        statistics: Some(statistics::write),
    },
    Format {
        name: "grouped",
        help: "one line a finding, under its file",
        evidence: false,
        human: true,
        findings: grouped::write,
        statistics: Some(statistics::write),
    },
    Format {
        name: "json",
        help: "one array of objects",
        evidence: false,
        human: false,
        findings: json::write,
        statistics: Some(statistics::write_json),
    },
    Format {
        name: "json-lines",
        help: "one object a line",
        evidence: false,
        human: false,
        findings: json::write_lines,
        statistics: Some(statistics::write_json_lines),
    },
    Format {
        name: "sarif",
        help: "SARIF 2.1.0, for code scanning and editors",
        evidence: false,
        human: false,
        findings: sarif::write,
        statistics: None,
    },
    Format {
        name: "github",
        help: "annotations of GitHub Actions",
        evidence: false,
        human: false,
        findings: github::write,
        statistics: None,
    },
    Format {
        name: "gitlab",
        help: "a code quality report of GitLab",
        evidence: false,
        human: false,
        findings: gitlab::write,
        statistics: None,
    },
    Format {
        name: "junit",
        help: "JUnit XML, a failure a finding",
        evidence: false,
        human: false,
        findings: junit::write,
        statistics: None,
    },
    Format {
        name: "html",
        help: "a page to look at, complete in one file",
        evidence: true,
        human: false,
        findings: html::write,
        statistics: None,
    },
];

impl Format {
    /// The format of a name.
    ///
    /// # Errors
    /// When there is none, with the names there are.
    pub fn named(name: &str) -> Result<&'static Self, UnknownFormat> {
        FORMATS.iter().find(|f| f.name == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl Default for &'static Format {
    fn default() -> Self {
        &FORMATS[0]
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What is no format.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no format `{0}`; there are {names}", names = names())]
pub struct UnknownFormat(String);

fn names() -> String {
    FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(", ")
}

/// How a report looks at findings: from which folder, and with which fixes in reach.
#[derive(Debug, Clone)]
pub struct View {
    /// The folder that names are relative to.
    pub cwd: PathBuf,
    /// The top of the project, which programs take names to be relative to: that of the repository, where there is one.
    pub root: PathBuf,
    /// The budgets of suites, by their roots.
    pub limits: BTreeMap<PathBuf, Limits>,
    /// The least that a fix must be for the command at hand to apply it: safe, or unsafe with `--unsafe-fixes`.
    pub applies: Applicability,
    /// What runs of the tests have shown, for a format that shows it.
    pub evidence: Evidence,
}

/// What runs of the tests have shown.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The measured runs of suites, by their roots, the oldest first.
    pub runs: BTreeMap<PathBuf, Vec<Record>>,
    /// What the tests did without the fixes of this run and with them, where it has proven them.
    pub proof: Option<(Figures, Figures)>,
}

impl View {
    /// A path from the working directory, or as it is when it lies elsewhere.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        let path = path.strip_prefix(&self.cwd).unwrap_or(path);
        path.strip_prefix(".").unwrap_or(path)
    }

    /// The same as text with `/`, for machines.
    #[must_use]
    pub fn name(&self, path: &Path) -> String {
        let name = self.relative(path).to_string_lossy();
        if std::path::MAIN_SEPARATOR == '/' { name.into_owned() } else { name.replace(std::path::MAIN_SEPARATOR, "/") }
    }

    /// A path as programs that know the repository want it: from its top, with `/`.
    #[must_use]
    pub fn in_project(&self, path: &Path) -> String {
        fingerprint::name(path, &self.root)
    }

    /// A name for people: nothing in it steers a terminal.
    #[must_use]
    pub fn shown(&self, path: &Path) -> String {
        shown::escaped(&self.name(path)).into_owned()
    }

    /// Where a finding is: `tests/test_a.py:12:5`, with the path in colour.
    #[must_use]
    pub fn position(&self, finding: &Finding) -> String {
        let (at, place) = (finding.source.location(finding.span.start), style::PLACE);
        format!("{place}{}{place:#}:{}:{}", self.shown(&finding.file), at.row, at.column)
    }

    /// Whether the command at hand would apply a finding's fix.
    #[must_use]
    pub fn applies(&self, finding: &Finding) -> bool {
        finding.fix.as_ref().is_some_and(|fix| fix.applicability >= self.applies)
    }

    /// The mark behind a code: ` [*]` when the command at hand would fix it.
    #[must_use]
    pub fn mark(&self, finding: &Finding) -> String {
        let style = style::FIXABLE;
        if self.applies(finding) { format!(" [{style}*{style:#}]") } else { String::new() }
    }
}

/// The title of a rule; a rule that a project added has its name for one.
#[must_use]
pub fn title(code: &Code) -> &str {
    code.rule().map_or(code.as_str(), |rule| rule.title)
}

/// The files whose text is at hand, to say where the edits of a fix are.
pub struct Sources<'a>(HashMap<&'a Path, &'a SourceFile>);

impl<'a> Sources<'a> {
    /// Those of the findings, and those that the engine kept because a fix reaches into them.
    #[must_use]
    pub fn new(checked: &'a Checked) -> Self {
        let kept = checked.sources.iter().map(|(path, source)| (path.as_path(), &**source));
        let found = checked.findings.iter().map(|f| (f.file.as_path(), &*f.source));
        Self(kept.chain(found).collect())
    }

    /// Files as they are at some point of a review.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = &'a SourceFile>) -> Self {
        Self(files.into_iter().map(|file| (file.path.as_path(), file)).collect())
    }

    /// The file at a path.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&'a SourceFile> {
        self.0.get(path).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_name() {
        for format in FORMATS {
            assert_eq!(Format::named(format.name).unwrap().name, format.name);
            assert!(!format.help.is_empty());
        }
        assert_eq!(<&Format>::default().name, "full");
        for format in FORMATS {
            assert!(crate::config::reference().contains(&format!("`{}`", format.name)), "{format:?} is documented");
        }
        assert_eq!(
            Format::named("xml").unwrap_err().to_string(),
            "there is no format `xml`; there are full, concise, grouped, json, json-lines, sarif, github, gitlab, junit, html"
        );
    }

    #[test]
    fn names_are_relative_to_the_working_directory() {
        let view = samples::view();
        for (path, name) in [
            ("/work/tests/a.py", "tests/a.py"),
            ("./tests/a.py", "tests/a.py"),
            ("tests/a.py", "tests/a.py"),
            ("../a.py", "../a.py"),
            ("/elsewhere/a.py", "/elsewhere/a.py"),
        ] {
            assert_eq!(view.name(Path::new(path)), name);
        }
        assert_eq!(view.shown(Path::new("a\x1b[1m.py")), "a\\x1b[1m.py");
    }
}
