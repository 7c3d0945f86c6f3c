//! Where the commands meet configuration, discovery, the engine's input and the writer: small functions, and the only
//! place in `cli` that knows those modules.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::options::{FileOptions, GlobalOptions, RuleOptions};
use crate::config::{Configuration, Overrides, Settings};
use crate::discover::{Discovered, Found, Role, Suites, discover, normal};
use crate::edit::Applicability;
use crate::engine::{Change, FileError, Input};
use crate::evidence::Evidence;
use crate::init::Project;
use crate::report::totals::Limits;
use crate::report::{self, Format, View};
use crate::source::SourceFile;
use crate::write;

/// What a run works on and how it is told.
pub(crate) struct Opened {
    /// For the engine.
    pub input: Input,
    /// The current folder.
    pub cwd: PathBuf,
    /// Standard input, when that is the project.
    pub stdin: Option<Arc<SourceFile>>,
    /// The format the configuration asks for.
    pub format: Option<&'static Format>,
    /// Whether the configuration lets unsafe fixes be applied.
    pub unsafe_fixes: bool,
    /// Files that could not be listed, and notes on what was left out.
    pub errors: Vec<FileError>,
    /// Where the undo journal lives.
    pub root: PathBuf,
    home: Arc<Settings>,
}

impl Opened {
    /// Reads the configuration and finds the files.
    pub(crate) fn new(files: &FileOptions, rules: &RuleOptions, global: &GlobalOptions) -> Result<Self, Failure> {
        let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
        let stdin = if files.stdin()? { Some(Arc::new(read_stdin(&cwd, files.stdin_filename.as_deref())?)) } else { None };
        let configuration = Configuration::new(overrides(files, rules, global), &cwd)?;
        recover(configuration.project_root())?;
        let (found, mut errors) = if let Some(source) = &stdin {
            let folder = source.path.parent().unwrap_or(&cwd);
            let suite = Suites::default().of_folder(folder, folder);
            let role = if files.stdin_filename.is_some() { suite.role(&source.path) } else { Role::Test };
            (vec![Found { path: source.path.clone(), role, suite, explicit: true }], Vec::new())
        } else {
            let Discovered { files, errors, notes } = discover(&files.paths, &configuration)?;
            for note in notes {
                eprintln_note(&note);
            }
            (files, errors)
        };
        let mut input = Input {
            files: Vec::new(),
            folders: Vec::new(),
            stdin: stdin.clone(),
            own: Vec::new(),
            rules: Vec::new(),
            evidence: Arc::default(),
        };
        for mut file in found {
            let settings = configuration.for_path(&file.path)?;
            if settings.as_test && file.explicit && file.role == Role::Product {
                file.role = Role::Test;
            }
            for rule in &settings.rules {
                if !input.rules.contains(rule) {
                    input.own.push(crate::query::read_own(&rule.query, input.rules.len())?);
                    input.rules.push(rule.clone());
                }
            }
            input.files.push((file, settings));
        }
        input.evidence = Arc::new(Evidence::read(input.suites().iter().map(|suite| &*suite.root)));
        let folders =
            |paths: &[PathBuf]| paths.iter().map(|p| cwd.join(p)).filter(|p| p.is_dir()).map(|p| normal(&p)).collect::<Vec<_>>();
        input.folders = if files.paths.is_empty() && stdin.is_none() {
            // pytest's own `testpaths`: the whole suite.
            input.files.iter().map(|(f, _)| f.suite.root.clone()).collect()
        } else {
            folders(&files.paths)
        };
        input.folders.sort();
        input.folders.dedup();
        errors.sort_by(|a, b| a.path.cmp(&b.path));
        let home = configuration.for_folder(&cwd)?;
        let format = match &home.output_format {
            Some(name) => Some(Format::named(name).map_err(|e| Failure::Usage(e.to_string()))?),
            None => None,
        };
        let root = configuration.project_root().to_path_buf();
        Ok(Self { input, stdin, format, unsafe_fixes: home.unsafe_fixes, errors, root, home, cwd })
    }

    /// How findings are looked at.
    pub(crate) fn view(&self, applies: Applicability) -> View {
        let limits = self.input.suites().into_iter().map(|suite| (suite.root.clone(), self.limits(&suite.root))).collect();
        View { cwd: self.cwd.clone(), root: self.root.clone(), limits, applies, evidence: report::Evidence::default() }
    }

    /// The budgets of a suite, by its root.
    pub(crate) fn limits(&self, suite: &Path) -> Limits {
        let of_suite = self.input.files.iter().find(|(f, _)| f.suite.root == suite).map(|(_, s)| s);
        let budgets = &of_suite.unwrap_or(&self.home).budgets;
        Limits {
            sleep_per_suite: budgets.sleep_per_suite,
            sleep_per_file: budgets.sleep_per_file,
            sleep_per_test: budgets.sleep_per_test,
            threads_per_test: budgets.threads_per_test,
            test_runtime: budgets.test_runtime,
            file_runtime: budgets.file_runtime,
        }
    }

    /// The files the engine would look at, for `--show-files`.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.input.files.iter().map(|(f, _)| f.path.clone()).collect()
    }

    /// The settings the engine would use, for `--show-settings`.
    pub(crate) fn settings(&self) -> String {
        self.home.to_string()
    }
}

/// Every file of the suites that are looked at, also where only some were named: a fix may reach the others.
pub(crate) fn suites(
    files: &FileOptions,
    rules: &RuleOptions,
    global: &GlobalOptions,
    opened: &Opened,
) -> Result<Vec<Found>, Failure> {
    let configuration = Configuration::new(overrides(files, rules, global), &opened.cwd)?;
    let mut roots: Vec<PathBuf> = opened.input.files.iter().map(|(f, _)| f.suite.root.clone()).collect();
    roots.sort();
    roots.dedup();
    let mut found = if roots.is_empty() { Vec::new() } else { discover(&roots, &configuration)?.files };
    found.extend(opened.input.files.iter().map(|(f, _)| f.clone()));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

fn overrides(files: &FileOptions, rules: &RuleOptions, global: &GlobalOptions) -> Overrides {
    Overrides {
        select: rules.select.clone(),
        ignore: rules.ignore.clone(),
        extend_select: rules.extend_select.clone(),
        per_file_ignores: rules.per_file_ignores.clone(),
        fixable: rules.fixable.clone(),
        unfixable: rules.unfixable.clone(),
        exclude: files.exclude.clone(),
        extend_exclude: files.extend_exclude.clone(),
        force_exclude: files.force_exclude(),
        respect_gitignore: files.respect_gitignore(),
        config: global.config.clone(),
        isolated: global.isolated,
        as_test: files.as_test,
    }
}

fn eprintln_note(note: &FileError) {
    anstream::eprintln!("note: {}: {}", note.path.display(), note.message);
}

#[cfg(test)]
impl Opened {
    /// A run in `/work` that found no file.
    pub(crate) fn nothing() -> Self {
        let root = PathBuf::from("/work");
        Self {
            input: Input::default(),
            cwd: root.clone(),
            stdin: None,
            format: None,
            unsafe_fixes: false,
            errors: Vec::new(),
            home: Arc::new(Settings::at(root.clone())),
            root,
        }
    }
}

/// Standard input as a file of the given name.
fn read_stdin(cwd: &Path, name: Option<&Path>) -> Result<SourceFile, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::Stdin(e.into()))?;
    SourceFile::from_bytes(cwd.join(name.unwrap_or(Path::new("-"))), bytes).map_err(Failure::Stdin)
}

/// The suite of a folder, to be set up, and the current folder.
pub(crate) fn suite(folder: Option<&Path>, global: &GlobalOptions) -> Result<(Project, PathBuf), Failure> {
    let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
    let files = FileOptions::default();
    let configuration = Configuration::new(overrides(&files, &RuleOptions::default(), global), &cwd)?;
    recover(configuration.project_root())?;
    let folder = normal(&cwd.join(folder.unwrap_or(Path::new("."))));
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("{}: there is no such folder", folder.display())));
    }
    let suite = Suites::default().of_folder(&folder, &folder);
    let found = discover(std::slice::from_ref(&suite.root), &configuration)?;
    for note in &found.notes {
        eprintln_note(note);
    }
    let files = found.files.into_iter().filter(|f| f.suite.root == suite.root && matches!(f.role, Role::Test | Role::Conftest));
    let files = files.map(|f| f.path).collect();
    let settings = configuration.for_folder(&suite.root)?;
    // A suite above the project's top would have it change files that are not the project's.
    let top = configuration.project_root();
    let top = if suite.root.starts_with(top) { top } else { &suite.root };
    Ok((Project::new(Arc::clone(&suite), top.to_path_buf(), settings, files), cwd))
}

/// Writes changed files, all of them or none; `command` is what is undone later.
pub(crate) fn save(changes: &[Change], root: &Path, command: &str) -> Result<(), Failure> {
    if !changes.is_empty() {
        write::write_all(changes, root, command)?;
    }
    Ok(())
}

/// Finishes or takes back what a killed run left half-way, and says so.
fn recover(root: &Path) -> Result<(), Failure> {
    let recovered = write::recover(root)?;
    if !recovered.restored.is_empty() {
        let command = recovered.command.unwrap_or_else(|| "run".to_owned());
        let files = recovered.restored.len();
        anstream::eprintln!("note: the last `{command}` was killed half-way; {files} file(s) are back as they were before it");
    }
    for (path, copy) in recovered.kept {
        let copy = copy.map(|c| format!("; their old text is in {}", c.display())).unwrap_or_default();
        anstream::eprintln!("note: {} was edited since the last run was killed and is left as it is{copy}", path.display());
    }
    Ok(())
}

/// Takes back what the last run wrote. Hands back the files that are as they were, or why that cannot be.
pub(crate) fn take_back() -> Result<Vec<PathBuf>, Failure> {
    let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
    let configuration = Configuration::new(Overrides { isolated: true, ..Overrides::default() }, &cwd)?;
    let root = configuration.project_root();
    recover(root)?;
    if write::history(root).is_empty() {
        return Ok(Vec::new());
    }
    Ok(write::undo(root)?.files)
}
