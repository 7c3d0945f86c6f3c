//! The keys of the configuration: one table from which they are read, shown and documented.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::custom::{RULE_KEYS, custom};
use super::layer::Layer;
use super::patterns::Ignored;
use super::selection::{self, Known, nearest};
use super::written::{At, Wrong};
use super::{Budgets, CustomRule, FixSettings, Profile, Settings, Strategy};
use crate::report::FORMATS;
use crate::rules::Code;

/// One key.
pub(super) struct Key {
    /// With its tables, below `tool.testdiet`.
    pub name: &'static str,
    /// What it does, for the reference.
    doc: &'static str,
    pub kind: Kind,
}

/// How a key is read and shown.
pub(super) enum Kind {
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

pub(super) static KEYS: &[Key] = &[
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

/// What to say about a key that does not exist.
pub(super) fn near_key(name: &str, within: &str) -> String {
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
