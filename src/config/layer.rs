//! What the sources of settings say, each read into a layer, and the layers laid over the defaults.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::keys::{KEYS, Key, Kind, near_key};
use super::patterns::{self, Ignored, Patterns, Written};
use super::selection::{Choice, Known};
use super::written::{At, Names, Source, Wrong, in_order};
use super::{Budgets, ConfigError, CustomRule, Overrides, Place, Profile, Settings, Strategy};

/// What one source says: a file, a `--config KEY = VALUE`, or the flags.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// What patterns are relative to.
    pub base: PathBuf,
    /// What files are relative to.
    pub dir: PathBuf,
    /// Whether it comes from the command line, which speaks to every folder at once.
    pub command_line: bool,
    pub profile: Option<Profile>,
    pub budgets: Vec<(&'static Key, f64, u64)>,
    pub select: Option<Names>,
    pub ignore: Option<Names>,
    pub extend_select: Option<Names>,
    pub per_file_ignores: Option<Vec<(String, Names)>>,
    pub fixable: Option<Names>,
    pub unfixable: Option<Names>,
    pub exclude: Option<Vec<(String, Place)>>,
    pub extend_exclude: Option<Vec<(String, Place)>>,
    pub force_exclude: Option<bool>,
    pub respect_gitignore: Option<bool>,
    pub output_format: Option<String>,
    pub unsafe_fixes: Option<bool>,
    pub strategies: Option<Vec<Strategy>>,
    pub fast_time: Option<bool>,
    pub join_timeout: Option<f64>,
    pub floor: Option<f64>,
    pub margin: Option<f64>,
    pub rules: Vec<CustomRule>,
}

impl Layer {
    /// Reads keys; `None` when a `pyproject.toml` has no table of ours.
    pub fn parse(source: &Source<'_>, dir: &Path, pyproject: bool) -> Result<Option<Self>, ConfigError> {
        let table = DeTable::parse(source.text).map_err(|e| ConfigError::Syntax {
            place: source.place(e.span().as_ref()),
            message: e.message().trim().replace('\n', ", "),
        })?;
        let mut ours = Some(table.get_ref());
        if pyproject {
            for name in ["tool", "testdiet"] {
                ours = ours.and_then(|t| t.get(name)).and_then(|v| v.get_ref().as_table());
            }
        }
        let Some(ours) = ours else { return Ok(None) };
        let mut layer =
            Self { base: dir.to_path_buf(), dir: dir.to_path_buf(), command_line: !source.numbered, ..Self::default() };
        layer.read(source, ours, "")?;
        Ok(Some(layer))
    }

    fn read(&mut self, source: &Source<'_>, table: &DeTable<'_>, within: &str) -> Result<(), ConfigError> {
        for (name, span, value) in in_order(table) {
            let name = format!("{within}{name}");
            let at = At::new(source, value);
            if let Some(key) = KEYS.iter().find(|k| k.name == name) {
                self.set(key, &at).map_err(|wrong| wrong.into_error(source, &name))?;
            } else if KEYS.iter().any(|k| k.name.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))) {
                let table = at.value.as_table().ok_or_else(|| at.expected("a table").into_error(source, &name))?;
                self.read(source, table, &format!("{name}."))?;
            } else {
                return Err(ConfigError::UnknownKey {
                    place: source.place(Some(&span)),
                    hint: near_key(&name, within),
                    key: name,
                });
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &'static Key, at: &At<'_>) -> Result<(), Wrong> {
        match key.kind {
            Kind::Seconds(_) => self.budgets.push((key, at.number()?, 0)),
            Kind::Count(_) => self.budgets.push((key, 0.0, at.count()?)),
            Kind::Size(_) => self.budgets.push((key, 0.0, at.size()?)),
            Kind::Other(read, _) => read(self, at)?,
        }
        Ok(())
    }

    /// What the flags say.
    pub fn flags(flags: Overrides, cwd: &Path) -> Result<Self, ConfigError> {
        let place = |flag: &str| Place { origin: flag.to_owned(), line: None };
        let names = |flag: &str, names: Option<Vec<String>>| names.map(|names| Names { place: place(flag), names });
        let globs =
            |flag: &str, globs: Option<Vec<String>>| globs.map(|globs| globs.into_iter().map(|g| (g, place(flag))).collect());
        let ignores = |given: String| {
            let flag = "--per-file-ignores";
            // The last colon: a pattern may hold one, a rule does not.
            let (pattern, rule) = given.rsplit_once(':').ok_or_else(|| ConfigError::Value {
                place: place("the command line"),
                key: flag.to_owned(),
                message: format!("needs PATTERN:RULE, but got `{given}`"),
            })?;
            Ok((pattern.to_owned(), Names { place: place(flag), names: vec![rule.to_owned()] }))
        };
        let per_file_ignores = flags.per_file_ignores.map(|all| all.into_iter().map(ignores).collect::<Result<_, _>>());
        Ok(Self {
            base: cwd.to_path_buf(),
            dir: cwd.to_path_buf(),
            command_line: true,
            select: names("--select", flags.select),
            ignore: names("--ignore", flags.ignore),
            extend_select: names("--extend-select", flags.extend_select),
            per_file_ignores: per_file_ignores.transpose()?,
            fixable: names("--fixable", flags.fixable),
            unfixable: names("--unfixable", flags.unfixable),
            exclude: globs("--exclude", flags.exclude),
            extend_exclude: globs("--extend-exclude", flags.extend_exclude),
            force_exclude: flags.force_exclude,
            respect_gitignore: flags.respect_gitignore,
            ..Self::default()
        })
    }

    fn place(&self) -> Place {
        let origin = self.file.as_ref().map_or_else(|| "--config".to_owned(), |f| f.display().to_string());
        Place { origin, line: None }
    }
}

/// Lays layers over the defaults, later ones over earlier ones. `strict` refuses unknown rules on the command line too.
pub(super) fn settle(settings: &mut Settings, layers: &[&Layer], strict: bool) -> Result<(), ConfigError> {
    if let Some(profile) = layers.iter().rev().find_map(|l| l.profile) {
        settings.profile = profile;
        settings.budgets = Budgets::profile(profile);
    }
    settle_budgets(&mut settings.budgets, layers)?;
    for layer in layers {
        let fix = &mut settings.fix;
        if let Some(strategies) = &layer.strategies {
            fix.strategies.clone_from(strategies);
        }
        fix.fast_time = layer.fast_time.unwrap_or(fix.fast_time);
        fix.join_timeout = layer.join_timeout.unwrap_or(fix.join_timeout);
        fix.floor = layer.floor.unwrap_or(fix.floor);
        fix.margin = layer.margin.unwrap_or(fix.margin);
        settings.force_exclude = layer.force_exclude.unwrap_or(settings.force_exclude);
        settings.respect_gitignore = layer.respect_gitignore.unwrap_or(settings.respect_gitignore);
        settings.unsafe_fixes = layer.unsafe_fixes.unwrap_or(settings.unsafe_fixes);
        if layer.output_format.is_some() {
            settings.output_format.clone_from(&layer.output_format);
        }
        settings.rules.extend(layer.rules.iter().cloned());
    }
    settle_rules(settings, layers, strict)?;
    settle_exclude(settings, layers)
}

fn settle_budgets(budgets: &mut Budgets, layers: &[&Layer]) -> Result<(), ConfigError> {
    let mut target = None;
    for (layer, (key, seconds, count)) in layers.iter().flat_map(|l| l.budgets.iter().map(move |b| (l, b))) {
        match key.kind {
            Kind::Seconds(field) => *field(budgets) = *seconds,
            Kind::Count(field) | Kind::Size(field) => *field(budgets) = *count,
            Kind::Other(..) => {}
        }
        if key.name == "budget.threads-target" {
            target = Some((layer, key.name));
        }
    }
    if budgets.threads_target > budgets.threads_per_test {
        // A budget below the profile's target brings the target along; two numbers that disagree are a mistake.
        if let Some((layer, key)) = target {
            return Err(ConfigError::Value {
                place: layer.place(),
                key: key.to_owned(),
                message: format!(
                    "is {}, above budget.threads-per-test, which is {}: fixes could not reach the budget",
                    budgets.threads_target, budgets.threads_per_test
                ),
            });
        }
        budgets.threads_target = budgets.threads_per_test;
    }
    Ok(())
}

fn settle_rules(settings: &mut Settings, layers: &[&Layer], strict: bool) -> Result<(), ConfigError> {
    let known = Known::new(&settings.rules);
    let strict = |layer: &Layer| strict || !layer.command_line;
    settings.selected = known.select(
        known.default.clone(),
        layers.iter().map(|l| Choice {
            select: l.select.as_ref(),
            extend: l.extend_select.as_ref(),
            ignore: l.ignore.as_ref(),
            strict: strict(l),
        }),
    )?;
    settings.may_fix = known.select(
        known.all().clone(),
        layers.iter().map(|l| Choice {
            select: l.fixable.as_ref(),
            extend: None,
            ignore: l.unfixable.as_ref(),
            strict: strict(l),
        }),
    )?;
    if let Some((layer, ignores)) = layers.iter().rev().find_map(|l| Some((l, l.per_file_ignores.as_ref()?))) {
        for (pattern, names) in ignores {
            let written = Written { pattern, base: &layer.base, place: &names.place };
            settings.ignored.push(Ignored::new(&written, known.resolve(names, strict(layer))?)?);
        }
    }
    Ok(())
}

fn settle_exclude(settings: &mut Settings, layers: &[&Layer]) -> Result<(), ConfigError> {
    let replaced = layers.iter().rev().find_map(|l| Some((&l.base, l.exclude.as_ref()?)));
    let extended: Vec<_> = layers.iter().filter_map(|l| Some((&l.base, l.extend_exclude.as_ref()?))).collect();
    if replaced.is_none() && extended.is_empty() {
        return Ok(());
    }
    let nowhere = Place { origin: String::new(), line: None };
    let default = patterns::EXCLUDED.iter().filter(|_| replaced.is_none());
    let default = default.map(|pattern| Written { pattern, base: Path::new(""), place: &nowhere });
    let given = replaced.into_iter().chain(extended);
    let given = given.flat_map(|(base, all)| all.iter().map(move |(pattern, place)| Written { pattern, base, place }));
    let all: Vec<Written<'_>> = default.chain(given).collect();
    settings.exclude = all.iter().map(|w| w.pattern.to_owned()).collect();
    settings.excluded = Patterns::new(all)?;
    Ok(())
}
