//! Which of the findings of `check` count: those in what has changed, those that no baseline knows, those that are not to be
//! suppressed from now on.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};

use super::Failure;
use super::project::{self, Opened};
use crate::baseline::{Baseline, Known, Scope};
use crate::changed::Changed;
use crate::discover::Role;
use crate::engine::{self, Change, Checked};
use crate::finding::Finding;
use crate::fingerprint;
use crate::report::{Sources, View, amount, shown, style};
use crate::rules::Code;
use crate::source::SourceFile;
use crate::suppression::insert::{self, Reason};

/// What findings are held against.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Comparing")]
pub(crate) struct CompareOptions {
    /// Report only findings on lines changed since the current commit left this revision of git, and in files git does not know
    #[arg(long, value_name = "REVISION")]
    pub changed_since: Option<String>,
    /// Report only findings that this file does not list; see --write-baseline
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,
    /// List all findings there are now in the baseline, and report none
    #[arg(long, requires = "baseline", conflicts_with = "changed_since")]
    pub write_baseline: bool,
    /// Put a comment at each reported finding that suppresses it, with a reason
    #[arg(long, value_name = "REASON", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "write_baseline")]
    pub add_suppressions: Option<Reason>,
}

/// What is needed to compare, read before anything else is done.
pub(crate) struct Comparison<'a> {
    options: &'a CompareOptions,
    opened: &'a Opened,
    changed: Option<Changed>,
    /// As a file that may not exist yet, and as what it says.
    baseline: Option<(Arc<SourceFile>, Baseline)>,
}

/// What became of the findings that are not shown.
#[derive(Default)]
pub(crate) struct Compared {
    unchanged: usize,
    known: usize,
    gone: Vec<Known>,
    /// The size of a baseline written.
    written: Option<usize>,
    /// Suppressed findings and the files they are in.
    suppressed: Option<(usize, usize)>,
    /// Findings that could not be suppressed: where, and why.
    refused: Vec<(String, String)>,
}

impl<'a> Comparison<'a> {
    /// Asks git, reads the baseline.
    pub(crate) fn new(options: &'a CompareOptions, opened: &'a Opened) -> Result<Self, Failure> {
        let stdin = opened.stdin.is_some();
        let unfit =
            [("--changed-since", options.changed_since.is_some()), ("--add-suppressions", options.add_suppressions.is_some())];
        if let Some((flag, _)) = unfit.iter().find(|(_, given)| stdin && *given) {
            return Err(Failure::Usage(format!("{flag} is about files and cannot be used with standard input")));
        }
        let changed = options.changed_since.as_ref().map(|revision| Changed::since(revision, &opened.cwd)).transpose()?;
        let baseline = options.baseline.as_ref().map(|path| read_baseline(path, options.write_baseline, opened)).transpose()?;
        Ok(Self { options, opened, changed, baseline })
    }

    /// Takes out what is not to be reported; writes what is to be written.
    pub(crate) fn narrow(&self, checked: &mut Checked) -> Result<Compared, Failure> {
        let mut compared = Compared::default();
        let mut shown = vec![true; checked.findings.len()];
        if let Some((file, baseline)) = &self.baseline {
            let root = &self.opened.root;
            let files: HashSet<String> = self.opened.input.files.iter().map(|(f, _)| fingerprint::name(&f.path, root)).collect();
            let enabled = |path: &str, rule: &str| self.enabled(&root.join(path), rule);
            let scope = Scope { root, files: &files, enabled: &enabled };
            let difference = baseline.compare(&checked.findings, &scope);
            compared.gone = difference.gone;
            if self.options.write_baseline {
                let renewed = baseline.renewed(&checked.findings, &scope);
                compared.written = Some(renewed.len());
                let change = Change { before: Arc::clone(file), after: file.with_text(renewed.text()) };
                project::save(&[change], root, "check --write-baseline")?;
                shown.fill(false);
            } else {
                compared.known = difference.known.iter().filter(|known| **known).count();
                shown = difference.known.iter().map(|known| !known).collect();
            }
        }
        if let Some(changed) = &self.changed {
            let sources = Sources::new(checked);
            for (finding, shown) in checked.findings.iter().zip(&mut shown).filter(|(_, shown)| **shown) {
                *shown = changed.touches(finding, |path| sources.get(path));
                compared.unchanged += usize::from(!*shown);
            }
        }
        if let Some(reason) = &self.options.add_suppressions {
            self.suppress(&checked.findings, &mut shown, reason, &mut compared)?;
        }
        let mut shown = shown.into_iter();
        checked.findings.retain(|_| shown.next().unwrap_or(true));
        Ok(compared)
    }

    /// Whether a rule is looked for in a file.
    fn enabled(&self, path: &Path, rule: &str) -> bool {
        let own = self.opened.input.files.iter().find(|(f, _)| f.path == path);
        own.is_some_and(|(_, settings)| settings.enabled(&Code::custom(rule.to_owned()), path))
    }

    /// Writes comments for what is shown, which is then what could not be suppressed.
    fn suppress(
        &self,
        findings: &[Finding],
        shown: &mut [bool],
        reason: &Reason,
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        let mut changes = Vec::new();
        let mut count = 0;
        let mut start = 0;
        for file in findings.chunk_by(|a, b| a.file == b.file) {
            let shown = &mut shown[start..start + file.len()];
            start += file.len();
            if !shown.contains(&true) {
                continue;
            }
            let role = self.opened.input.files.iter().find(|(f, _)| f.path == **file[0].file).map(|(f, _)| f.role);
            let hands_off = match role {
                Some(Role::Product) | None => Some("it is product code, which testdiet never changes"),
                Some(_) if engine::generated(&file[0].source) => Some("the file is marked @generated: change what generates it"),
                Some(_) => None,
            };
            let view = self.opened.view(crate::edit::Applicability::Safe);
            let place = |finding: &Finding| format!("{}: {}", view.position(finding), shown::escaped(finding.code.as_str()));
            if let Some(why) = hands_off {
                let refused = file.iter().zip(&*shown).filter(|(_, shown)| **shown);
                compared.refused.extend(refused.map(|(finding, _)| (place(finding), why.to_owned())));
                continue;
            }
            let all: Vec<&Finding> = file.iter().collect();
            let added = insert::add(&all, shown, reason);
            count += shown.iter().filter(|shown| **shown).count() - added.refused.len();
            shown.fill(false);
            for (i, why) in added.refused {
                shown[i] = true;
                compared.refused.push((place(all[i]), why.to_string()));
            }
            if added.text != file[0].source.text() {
                changes.push(Change { before: Arc::clone(&file[0].source), after: file[0].source.with_text(added.text) });
            }
        }
        project::save(&changes, &self.opened.root, "check --add-suppressions")?;
        compared.suppressed = Some((count, changes.len()));
        Ok(())
    }
}

impl Compared {
    /// Says what was left out and what was written.
    pub(crate) fn tell(&self, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
        const MOST: usize = 10;
        let strong = style::STRONG;
        if self.unchanged > 0 {
            writeln!(out, "{} outside of what changed: not shown.", amount::counted(self.unchanged, "finding"))?;
        }
        if self.known > 0 {
            writeln!(out, "{} known from the baseline: not shown.", amount::counted(self.known, "finding"))?;
        }
        if !self.gone.is_empty() {
            let verb =
                if self.written.is_some() { "Taken out of the baseline" } else { "No longer found, but still in the baseline" };
            writeln!(out, "{verb}: {}.", amount::counted(self.gone.len(), "finding"))?;
            for known in self.gone.iter().take(MOST) {
                let path = view.shown(&view.root.join(&known.path));
                writeln!(out, "  {path}: {}", shown::escaped(&known.rule))?;
            }
            if self.gone.len() > MOST {
                writeln!(out, "  and {} more", self.gone.len() - MOST)?;
            }
            if self.written.is_none() {
                writeln!(out, "  --write-baseline takes them out, so that they do not come back unseen.")?;
            }
        }
        if let Some(size) = self.written {
            writeln!(out, "{strong}Wrote the baseline{strong:#}: it knows {}.", amount::counted(size, "finding"))?;
        }
        for (place, why) in &self.refused {
            writeln!(out, "{place} could not be suppressed: {}", shown::escaped(why))?;
        }
        if let Some((count, files)) = self.suppressed {
            let (findings, in_files) = (amount::counted(count, "finding"), amount::counted(files, "file"));
            writeln!(out, "{strong}Suppressed {findings}{strong:#}; changed {in_files}.")?;
            if files > 0 {
                writeln!(out, "`testdiet undo` takes it back.")?;
            }
        }
        Ok(())
    }
}

fn read_baseline(path: &Path, may_be_missing: bool, opened: &Opened) -> Result<(Arc<SourceFile>, Baseline), Failure> {
    let name = || shown::escaped(&path.to_string_lossy()).into_owned();
    let full = opened.cwd.join(path);
    if !full.exists() {
        let new = SourceFile::from_bytes(full, Vec::new()).map_err(|e| Failure::Baseline(name(), e.to_string()))?;
        let missing = "there is no such baseline; --write-baseline makes it".to_owned();
        return if may_be_missing { Ok((Arc::new(new), Baseline::default())) } else { Err(Failure::Baseline(name(), missing)) };
    }
    let file = SourceFile::read(&full).map_err(|e| Failure::Baseline(name(), e.to_string()))?;
    let baseline = Baseline::parse(file.text()).map_err(|e| Failure::Baseline(name(), e.to_string()))?;
    Ok((Arc::new(file), baseline))
}
