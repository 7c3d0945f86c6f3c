//! A project's own rules: entries of `rules`, each with a query of its own.

use std::path::Path;

use super::selection::nearest;
use super::written::{At, Wrong, in_order};
use super::{CustomRule, Dimension};
use crate::rules::Code;

/// The keys of one entry of `rules`, with what they mean; the last one may be left out.
pub(super) static RULE_KEYS: [(&str, &str); 5] = [
    ("name", "Its id in comments, flags and reports: lower case, words joined by hyphens."),
    ("query", "The `.scm` file, relative to the configuration file."),
    ("message", "What its findings say."),
    ("dimension", "What its amounts are: `seconds`, `threads`, `iterations` or `bytes`."),
    ("limit", "The amount above which it finds something; without it, it finds every match."),
];

/// One of a project's own rules.
pub(super) fn custom(dir: &Path, at: &At<'_>) -> Result<CustomRule, Wrong> {
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
