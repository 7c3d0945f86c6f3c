//! The keys of the configuration: one table from which they are read, shown and documented.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::patterns::{self, Ignored, Patterns, Written};
use super::selection::{self, Choice, Known, nearest};
use super::{Budgets, ConfigError, CustomRule, Dimension, FixSettings, Overrides, Place, Profile, Settings, Strategy};
use crate::report::FORMATS;
use crate::rules::Code;

/// One key.
struct Key {
    /// With its tables, below `tool.testdiet`.
    name: &'static str,
    /// What it does, for the reference.
    doc: &'static str,
    kind: Kind,
}

/// How a key is read and shown.
enum Kind {
    /// A budget in seconds.
    Seconds(fn(&mut Budgets) -> &mut f64),
    /// A budget that is a count.
    Count(fn(&mut Budgets) -> &mut u64),
    /// A budget in bytes.
    Size(fn(&mut Budgets) -> &mut u64),
    /// Anything else: read into a layer, shown from the settings.
    Other(fn(&mut Layer, &At<'_>) -> Result<(), Wrong>, fn(&Settings) -> String),
}

use Kind::{Count, Other, Seconds, Size};

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

static KEYS: &[Key] = &[
    Key {
        name: "profile",
        doc: "The kind of machine that budgets are meant for: `wsl2` (a virtual machine that a suite can bring down), `ci` \
              or `native`.",
        kind: Other(
            |layer, at| {
                let name = at.string()?;
                let profile = Profile::ALL.into_iter().find(|p| p.name() == name);
                layer.profile = Some(profile.ok_or_else(|| at.one_of(name, Profile::ALL.map(Profile::name)))?);
                Ok(())
            },
            |s| quoted(s.profile.name()),
        ),
    },
    Key {
        name: "select",
        doc: "The rules that run, in place of the default ones; `ALL` stands for every rule.",
        kind: Other(|layer, at| at.names().map(|v| layer.select = Some(v)), |s| codes(&s.selected)),
    },
    Key {
        name: "ignore",
        doc: "Rules that do not run. A name outweighs `ALL`.",
        kind: Other(|layer, at| at.names().map(|v| layer.ignore = Some(v)), |_| list(&[])),
    },
    Key {
        name: "extend-select",
        doc: "Rules that run besides the default ones or those of `select`.",
        kind: Other(|layer, at| at.names().map(|v| layer.extend_select = Some(v)), |_| list(&[])),
    },
    Key {
        name: "fixable",
        doc: "The rules whose fixes are offered.",
        kind: Other(
            |layer, at| at.names().map(|v| layer.fixable = Some(v)),
            |s| if s.may_fix == *Known::new(&s.rules).all() { list(&[selection::ALL.to_owned()]) } else { codes(&s.may_fix) },
        ),
    },
    Key {
        name: "unfixable",
        doc: "Rules whose fixes are not offered.",
        kind: Other(|layer, at| at.names().map(|v| layer.unfixable = Some(v)), |_| list(&[])),
    },
    Key {
        name: "per-file-ignores",
        doc: "A table of patterns, each with the rules that do not run in the files it matches: \
              `\"tests/stress/*\" = [\"too-many-threads\"]`. A pattern that starts with `!` means all other files.",
        kind: Other(
            |layer, at| {
                let ignores = at.table()?.into_iter().map(|(pattern, at)| Ok((pattern, at.names()?)));
                layer.per_file_ignores = Some(ignores.collect::<Result<_, Wrong>>()?);
                Ok(())
            },
            |s| {
                let each = |i: &Ignored| format!("{} = {}", quoted(&i.pattern), codes(&i.codes));
                let all: Vec<String> = s.ignored.iter().map(each).collect();
                if all.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", all.join(", ")) }
            },
        ),
    },
    Key {
        name: "exclude",
        doc: "Files and folders that are left out, in place of the default ones. A pattern without a slash is held against \
              names at any depth, one with a slash against paths below the folder of the configuration file.",
        kind: Other(|layer, at| at.globs().map(|v| layer.exclude = Some(v)), |s| list(&s.exclude)),
    },
    Key {
        name: "extend-exclude",
        doc: "Patterns that are left out besides those of `exclude`.",
        kind: Other(|layer, at| at.globs().map(|v| layer.extend_exclude = Some(v)), |_| list(&[])),
    },
    Key {
        name: "force-exclude",
        doc: "Leave out excluded files and product code even when they are named on the command line, as pre-commit does \
              with every changed file.",
        kind: Other(|layer, at| at.boolean().map(|v| layer.force_exclude = Some(v)), |s| s.force_exclude.to_string()),
    },
    Key {
        name: "respect-gitignore",
        doc: "Leave out what `.gitignore`, `.ignore` and git's own exclude files say.",
        kind: Other(|layer, at| at.boolean().map(|v| layer.respect_gitignore = Some(v)), |s| s.respect_gitignore.to_string()),
    },
    Key {
        name: "output-format",
        doc: "How findings are printed: `full`, `concise`, `grouped`, `json`, `json-lines`, `sarif`, `github`, `gitlab`, \
              `junit` or `html`. Unset, it is `full`, or a summary where a terminal would be flooded.",
        kind: Other(
            |layer, at| {
                let name = at.string()?;
                if !FORMATS.iter().any(|f| f.name == name) {
                    return Err(at.one_of(name, FORMATS.iter().map(|f| f.name)));
                }
                layer.output_format = Some(name.to_owned());
                Ok(())
            },
            |s| s.output_format.as_deref().map_or_else(String::new, quoted),
        ),
    },
    Key {
        name: "unsafe-fixes",
        doc: "Apply unsafe fixes too, as `--unsafe-fixes` does.",
        kind: Other(|layer, at| at.boolean().map(|v| layer.unsafe_fixes = Some(v)), |s| s.unsafe_fixes.to_string()),
    },
    Key {
        name: "budget.sleep-per-test",
        doc: "Seconds a test may sleep, its fixtures and helpers included.",
        kind: Seconds(|b| &mut b.sleep_per_test),
    },
    Key {
        name: "budget.sleep-per-file",
        doc: "Seconds the tests of a file may sleep together.",
        kind: Seconds(|b| &mut b.sleep_per_file),
    },
    Key {
        name: "budget.sleep-per-suite",
        doc: "Seconds the tests of a suite may sleep together.",
        kind: Seconds(|b| &mut b.sleep_per_suite),
    },
    Key {
        name: "budget.threads-per-test",
        doc: "Threads and processes a test may start.",
        kind: Count(|b| &mut b.threads_per_test),
    },
    Key {
        name: "budget.threads-target",
        doc: "What a number of threads over budget is brought down to.",
        kind: Count(|b| &mut b.threads_target),
    },
    Key {
        name: "budget.allocation",
        doc: "What a test may allocate at once: bytes, or a text such as `\"20 KB\"` (1,000 bytes) or `\"16 MiB\"`.",
        kind: Size(|b| &mut b.allocation),
    },
    Key { name: "budget.iterations-per-loop", doc: "Iterations a loop may make.", kind: Count(|b| &mut b.iterations_per_loop) },
    Key {
        name: "budget.test-runtime",
        doc: "Seconds a test may run, as `testdiet measure` finds.",
        kind: Seconds(|b| &mut b.test_runtime),
    },
    Key {
        name: "budget.file-runtime",
        doc: "Seconds the tests of a file may run together, as `testdiet measure` finds.",
        kind: Seconds(|b| &mut b.file_runtime),
    },
    Key {
        name: "fix.strategies",
        doc: "What fixes may do to make a test wait less, the preferred way first: `fast-time` (the fixture of virtual time), \
              `wait-until` (wait for what is asserted), `shrink` (shorter durations) and `slow` (the marker). A way that is \
              left out is not taken. The first two need testdiet's fixtures in the suite.",
        kind: Other(
            |layer, at| {
                let mut all = Vec::new();
                for item in at.items("an array of strings")? {
                    let name = item.string()?;
                    let known = Strategy::ALL.into_iter().find(|s| s.name() == name);
                    let strategy = known.ok_or_else(|| item.one_of(name, Strategy::ALL.map(Strategy::name)))?;
                    if all.contains(&strategy) {
                        return Err(item.wrong(format!("names `{name}` twice")));
                    }
                    all.push(strategy);
                }
                layer.strategies = Some(all);
                Ok(())
            },
            |s| list(&s.fix.strategies.iter().map(|s| s.name().to_owned()).collect::<Vec<_>>()),
        ),
    },
    Key {
        name: "fix.fast-time",
        doc: "Fixes may use the `fast_time` fixture and `wait_until` although nothing shows that the suite has them: neither a \
              block that `testdiet init` wrote, nor testdiet among the dependencies.",
        kind: Other(|layer, at| at.boolean().map(|v| layer.fast_time = Some(v)), |s| s.fix.fast_time.to_string()),
    },
    Key {
        name: "fix.join-timeout",
        doc: "Seconds given to a `join` that had no timeout.",
        kind: Other(|layer, at| at.above_zero().map(|v| layer.join_timeout = Some(v)), |s| float(s.fix.join_timeout)),
    },
    Key {
        name: "fix.floor",
        doc: "Seconds below which no duration is shrunk.",
        kind: Other(|layer, at| at.above_zero().map(|v| layer.floor = Some(v)), |s| float(s.fix.floor)),
    },
    Key {
        name: "fix.margin",
        doc: "Seconds that have to lie between two moments whose order matters: a sleep and the timeout it waits for. At \
              least 0.05.",
        kind: Other(
            |layer, at| {
                let margin = at.number()?;
                if margin < FixSettings::LEAST_MARGIN {
                    return Err(at.wrong(format!(
                        "must be at least {}: on a loaded machine an event wakes up to 12 ms late, so that moments closer \
                         than this change places now and then",
                        FixSettings::LEAST_MARGIN
                    )));
                }
                layer.margin = Some(margin);
                Ok(())
            },
            |s| float(s.fix.margin),
        ),
    },
    Key {
        name: RULES,
        doc: "Rules of the project's own; see below.",
        kind: Other(
            |layer, at| {
                for (n, rule) in at.items("an array of tables, each starting with [[tool.testdiet.rules]]")?.iter().enumerate() {
                    let rule = custom(&layer.dir, rule).map_err(|wrong| wrong.within(&format!("{RULES}[{n}]")))?;
                    if layer.rules.iter().any(|r| r.name == rule.name) {
                        return Err(at.wrong(format!("has two rules named `{}`", rule.name)));
                    }
                    layer.rules.push(rule);
                }
                Ok(())
            },
            |s| {
                let each = |r: &CustomRule| {
                    let limit = r.limit.map_or_else(String::new, |limit| format!(", limit = {}", float(limit)));
                    let (name, message) = (quoted(&r.name), quoted(&r.message));
                    let (query, dimension) = (quoted(&r.query.to_string_lossy()), quoted(r.dimension.name()));
                    format!("{{ name = {name}, query = {query}, message = {message}, dimension = {dimension}{limit} }}")
                };
                format!("[{}]", s.rules.iter().map(each).collect::<Vec<_>>().join(", "))
            },
        ),
    },
];

const RULES: &str = "rules";

/// The keys of one entry of `rules`, with what they mean; the last one may be left out.
static RULE_KEYS: [(&str, &str); 5] = [
    ("name", "Its id in comments, flags and reports: lower case, words joined by hyphens."),
    ("query", "The `.scm` file, relative to the configuration file."),
    ("message", "What its findings say."),
    ("dimension", "What its amounts are: `seconds`, `threads`, `iterations` or `bytes`."),
    ("limit", "The amount above which it finds something; without it, it finds every match."),
];

/// Names of rules as written, and where.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub place: Place,
    pub names: Vec<String>,
}

/// What one source says: a file, a `--config KEY = VALUE`, or the flags.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// What patterns are relative to.
    pub base: PathBuf,
    /// What files are relative to.
    dir: PathBuf,
    /// Whether it comes from the command line, which speaks to every folder at once.
    command_line: bool,
    profile: Option<Profile>,
    budgets: Vec<(&'static Key, f64, u64)>,
    select: Option<Names>,
    ignore: Option<Names>,
    extend_select: Option<Names>,
    per_file_ignores: Option<Vec<(String, Names)>>,
    fixable: Option<Names>,
    unfixable: Option<Names>,
    exclude: Option<Vec<(String, Place)>>,
    extend_exclude: Option<Vec<(String, Place)>>,
    force_exclude: Option<bool>,
    respect_gitignore: Option<bool>,
    output_format: Option<String>,
    unsafe_fixes: Option<bool>,
    strategies: Option<Vec<Strategy>>,
    fast_time: Option<bool>,
    join_timeout: Option<f64>,
    floor: Option<f64>,
    margin: Option<f64>,
    rules: Vec<CustomRule>,
}

/// A text to read keys from.
pub(super) struct Source<'a> {
    /// How errors call it.
    pub origin: String,
    pub text: &'a str,
    /// Whether its lines have numbers worth telling.
    pub numbered: bool,
}

impl Source<'_> {
    fn place(&self, span: Option<&Range<usize>>) -> Place {
        let line = span.filter(|_| self.numbered).map(|span| {
            let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
            memchr::memchr_iter(b'\n', before).count() + 1
        });
        Place { origin: self.origin.clone(), line }
    }
}

/// A value and where it stands.
struct At<'a> {
    source: &'a Source<'a>,
    value: &'a DeValue<'a>,
    span: Range<usize>,
}

/// What is wrong with a value.
struct Wrong {
    span: Range<usize>,
    /// The keys below the one being read that lead there.
    path: String,
    /// As the rest of a sentence that starts with the key; for an unknown key, the hint.
    message: String,
    unknown: bool,
}

impl Wrong {
    fn within(mut self, key: &str) -> Self {
        self.path = if self.path.is_empty() { key.to_owned() } else { format!("{key}.{}", self.path) };
        self
    }

    fn into_error(self, source: &Source<'_>, key: &str) -> ConfigError {
        let place = source.place(Some(&self.span));
        let wrong = if self.path.is_empty() { self.within(key) } else { self };
        let (key, message) = (wrong.path, wrong.message);
        if wrong.unknown {
            ConfigError::UnknownKey { place, key, hint: message }
        } else {
            ConfigError::Value { place, key, message }
        }
    }
}

impl<'a> At<'a> {
    fn new(source: &'a Source<'a>, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { source, value: value.get_ref(), span: value.span() }
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { span: self.span.clone(), path: String::new(), message: message.into(), unknown: false }
    }

    fn expected(&self, what: &str) -> Wrong {
        self.wrong(format!("must be {what}, but is {}", article(self.value.type_str())))
    }

    fn one_of(&self, name: &str, names: impl IntoIterator<Item = &'static str>) -> Wrong {
        let names: Vec<&str> = names.into_iter().collect();
        let all = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        match nearest(name, names.into_iter()) {
            Some(near) => self.wrong(format!("cannot be `{name}`; did you mean `{near}`?")),
            None => self.wrong(format!("cannot be `{name}`; it is one of {all}")),
        }
    }

    fn boolean(&self) -> Result<bool, Wrong> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    fn string(&self) -> Result<&'a str, Wrong> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    fn integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A finite number that is not negative.
    fn number(&self) -> Result<f64, Wrong> {
        let number = match self.value {
            DeValue::Integer(_) => self.integer().map(|i| i as f64),
            DeValue::Float(f) => f.as_str().parse().ok(),
            _ => return Err(self.expected("a number")),
        };
        number.filter(|n: &f64| n.is_finite() && *n >= 0.0).ok_or_else(|| self.wrong("must be a number from 0 on"))
    }

    fn above_zero(&self) -> Result<f64, Wrong> {
        let number = self.number()?;
        if number > 0.0 { Ok(number) } else { Err(self.wrong("must be more than 0")) }
    }

    fn count(&self) -> Result<u64, Wrong> {
        if self.value.as_integer().is_none() {
            return Err(self.expected("a whole number"));
        }
        let count = self.integer().and_then(|i| u64::try_from(i).ok()).filter(|&i| i > 0);
        count.ok_or_else(|| self.wrong("must be a whole number from 1 on"))
    }

    fn size(&self) -> Result<u64, Wrong> {
        match self.value {
            DeValue::String(text) => size(text).map_err(|message| self.wrong(message)),
            DeValue::Integer(_) => self.count(),
            _ => Err(self.expected("a number of bytes or a text such as \"20 KB\"")),
        }
    }

    fn items(&self, what: &str) -> Result<Vec<At<'a>>, Wrong> {
        let array = self.value.as_array().ok_or_else(|| self.expected(what))?;
        Ok(array.iter().map(|value| At::new(self.source, value)).collect())
    }

    fn table(&self) -> Result<Vec<(String, At<'a>)>, Wrong> {
        let table = self.value.as_table().ok_or_else(|| self.expected("a table"))?;
        Ok(in_order(table).map(|(key, _, value)| (key.to_owned(), At::new(self.source, value))).collect())
    }

    fn strings(&self) -> Result<Vec<(String, Place)>, Wrong> {
        let item = |at: At<'_>| Ok((at.string()?.to_owned(), self.source.place(Some(&at.span))));
        self.items("an array of strings")?.into_iter().map(item).collect()
    }

    fn globs(&self) -> Result<Vec<(String, Place)>, Wrong> {
        self.strings()
    }

    fn names(&self) -> Result<Names, Wrong> {
        let names = self.strings()?.into_iter().map(|(name, _)| name).collect();
        Ok(Names { place: self.source.place(Some(&self.span)), names })
    }
}

/// Keys, where they stand, and values, in the order of the file: the first mistake is told first.
fn in_order<'a>(table: &'a DeTable<'a>) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    entries.into_iter()
}

fn article(kind: &str) -> String {
    match kind {
        "boolean" => "true or false".to_owned(),
        "array" | "integer" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// A size as people write it. `KB` is 1,000 bytes, `KiB` 1,024.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        other => return Err(format!("has the unit `{other}`; use B, KB, MB, GB, KiB, MiB or GiB")),
    };
    let bytes = number.replace('_', "").parse::<f64>().ok().map(|n| (n * scale).round());
    // Sizes up to 2^53 bytes are exact; nobody allocates petabytes.
    match bytes.filter(|b| (1.0..=9e15).contains(b)) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range has just been checked")]
        Some(bytes) => Ok(bytes as u64),
        None => Err(format!("cannot be `{text}`; write bytes as a number, or a text such as \"20 KB\"")),
    }
}

/// One of a project's own rules.
fn custom(dir: &Path, at: &At<'_>) -> Result<CustomRule, Wrong> {
    let (mut name, mut query, mut message, mut dimension, mut limit) = (None, None, None, None, None);
    let table = at.value.as_table().ok_or_else(|| at.expected("a table"))?;
    for (key, span, value) in in_order(table) {
        let at = At::new(at.source, value);
        let read = match key {
            "name" => rule_name(&at).map(|v| name = Some(v)),
            "query" => at.string().and_then(|v| {
                let file = dir.join(v);
                let there = file.is_file();
                query = Some(file);
                if there { Ok(()) } else { Err(at.wrong(format!("names `{v}`, which is not a file"))) }
            }),
            "message" => at.string().map(|v| message = Some(v.to_owned())),
            "dimension" => at.string().and_then(|v| {
                dimension = Dimension::ALL.into_iter().find(|d| d.name() == v);
                if dimension.is_some() { Ok(()) } else { Err(at.one_of(v, Dimension::ALL.map(Dimension::name))) }
            }),
            // Sizes may be written as such.
            "limit" if at.value.is_str() => at.size().map(|v| limit = Some(v as f64)),
            "limit" => at.number().map(|v| limit = Some(v)),
            _ => {
                let names = RULE_KEYS.map(|(name, _)| name);
                let hint = match nearest(key, names.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a rule has {}", names.map(|n| format!("`{n}`")).join(", ")),
                };
                Err(Wrong { span, path: String::new(), message: hint, unknown: true })
            }
        };
        read.map_err(|wrong| wrong.within(key))?;
    }
    let missing = |key: &str| at.wrong(format!("has no `{key}`"));
    Ok(CustomRule {
        name: name.ok_or_else(|| missing("name"))?,
        query: query.ok_or_else(|| missing("query"))?,
        message: message.ok_or_else(|| missing("message"))?,
        dimension: dimension.ok_or_else(|| missing("dimension"))?,
        limit,
    })
}

fn rule_name(at: &At<'_>) -> Result<String, Wrong> {
    let name = at.string()?;
    let kebab = !name.is_empty()
        && name.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !kebab {
        return Err(at.wrong(format!("cannot be `{name}`; use lower case letters and digits, words joined by hyphens")));
    }
    if Code::custom(name.to_owned()).rule().is_some() {
        return Err(at.wrong(format!("cannot be `{name}`, which is a rule of testdiet's own")));
    }
    Ok(name.to_owned())
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
            Seconds(_) => self.budgets.push((key, at.number()?, 0)),
            Count(_) => self.budgets.push((key, 0.0, at.count()?)),
            Size(_) => self.budgets.push((key, 0.0, at.size()?)),
            Other(read, _) => read(self, at)?,
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

/// What to say about a key that does not exist.
fn near_key(name: &str, within: &str) -> String {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let tables = ["budget", "fix"];
    let candidates = || KEYS.iter().map(|k| k.name);
    let own = || candidates().filter_map(|k| k.strip_prefix(within)).filter(|k| !k.contains('.'));
    let typed = name.strip_prefix(within).unwrap_or(name);
    // First among its neighbours, then anywhere: `sleep-per-test` at the top belongs into `budget`.
    let near = nearest(typed, own().chain(tables.into_iter().filter(|_| within.is_empty()))).map(|k| format!("{within}{k}"));
    let near = near.or_else(|| {
        let word = nearest(typed, candidates().map(last))?;
        candidates().find(|k| last(k) == word).map(ToOwned::to_owned)
    });
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", own().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
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
            Seconds(field) => *field(budgets) = *seconds,
            Count(field) | Size(field) => *field(budgets) = *count,
            Other(..) => {}
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

// ---- showing ----

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|i| quoted(i)).collect::<Vec<_>>().join(", "))
}

fn codes(codes: &BTreeSet<Code>) -> String {
    list(&codes.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// A number as TOML's, without a needless point.
fn float(number: f64) -> String {
    format!("{number}")
}

fn integer(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

fn bytes(number: u64) -> String {
    match number {
        n if n % 1_000_000 == 0 => quoted(&format!("{} MB", n / 1_000_000)),
        n if n % 1_000 == 0 => quoted(&format!("{} KB", n / 1_000)),
        n => integer(n),
    }
}

impl Key {
    /// As TOML; empty for what is not set.
    fn shown(&self, settings: &Settings) -> String {
        let mut budgets = settings.budgets.clone();
        match self.kind {
            Seconds(field) => float(*field(&mut budgets)),
            Count(field) => integer(*field(&mut budgets)),
            Size(field) => bytes(*field(&mut budgets)),
            Other(_, show) => show(settings),
        }
    }

    fn split(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

/// `--show-settings`.
pub(super) fn show(settings: &Settings, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &settings.file {
        Some(file) => writeln!(f, "# {}", file.display())?,
        None => writeln!(f, "# no configuration file")?,
    }
    // TOML wants the keys of the top before any table.
    for table in ["", "budget", "fix"] {
        if !table.is_empty() {
            writeln!(f, "\n[{table}]")?;
        }
        for key in KEYS.iter().filter(|k| k.split().0 == table) {
            let value = key.shown(settings);
            let unset = if value.is_empty() { "# " } else { "" };
            writeln!(f, "{}", format!("{unset}{} = {value}", key.split().1).trim_end())?;
        }
    }
    Ok(())
}

/// All keys with their defaults and what they do, as Markdown: the reference of the documentation.
#[must_use]
pub fn reference() -> String {
    let defaults = Settings::default();
    let mut out = String::new();
    let mut table = |title: &str, name: &str| {
        _ = writeln!(out, "### {title}\n");
        if name == "budget" {
            let profiles = Profile::ALL.map(|p| (p, Settings { budgets: Budgets::profile(p), ..Settings::default() }));
            let [a, b, c] = Profile::ALL.map(Profile::name);
            _ = writeln!(out, "| key | `{a}` | `{b}` | `{c}` | |\n|---|---|---|---|---|");
            for key in KEYS.iter().filter(|k| k.split().0 == name) {
                let [a, b, c] = profiles.each_ref().map(|(_, settings)| key.shown(settings));
                _ = writeln!(out, "| `{}` | `{a}` | `{b}` | `{c}` | {} |", key.split().1, key.doc);
            }
        } else {
            _ = writeln!(out, "| key | default | |\n|---|---|---|");
            for key in KEYS.iter().filter(|k| k.split().0 == name) {
                let default = key.shown(&defaults);
                let default = if default.is_empty() { "unset".to_owned() } else { format!("`{default}`") };
                _ = writeln!(out, "| `{}` | {default} | {} |", key.split().1, key.doc);
            }
        }
        out.push('\n');
    };
    table("`[tool.testdiet]`", "");
    table("`[tool.testdiet.budget]`", "budget");
    table("`[tool.testdiet.fix]`", "fix");
    _ = writeln!(out, "### `[[tool.testdiet.{RULES}]]`\n\n| key | |\n|---|---|");
    for (key, doc) in RULE_KEYS {
        _ = writeln!(out, "| `{key}` | {doc} |");
    }
    out
}
