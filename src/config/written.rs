//! What a source says: values and where they stand, so that every mistake is told with its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::selection::nearest;
use super::{ConfigError, Place};

/// Names of rules as written, and where.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub place: Place,
    pub names: Vec<String>,
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
    pub fn place(&self, span: Option<&Range<usize>>) -> Place {
        let line = span.filter(|_| self.numbered).map(|span| {
            let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
            memchr::memchr_iter(b'\n', before).count() + 1
        });
        Place { origin: self.origin.clone(), line }
    }
}

/// A value and where it stands.
pub(super) struct At<'a> {
    pub source: &'a Source<'a>,
    pub value: &'a DeValue<'a>,
    pub span: Range<usize>,
}

/// What is wrong with a value.
pub(super) struct Wrong {
    pub span: Range<usize>,
    /// The keys below the one being read that lead there.
    pub path: String,
    /// As the rest of a sentence that starts with the key; for an unknown key, the hint.
    pub message: String,
    pub unknown: bool,
}

impl Wrong {
    pub fn within(mut self, key: &str) -> Self {
        self.path = if self.path.is_empty() { key.to_owned() } else { format!("{key}.{}", self.path) };
        self
    }

    pub fn into_error(self, source: &Source<'_>, key: &str) -> ConfigError {
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
    pub fn new(source: &'a Source<'a>, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { source, value: value.get_ref(), span: value.span() }
    }

    pub fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { span: self.span.clone(), path: String::new(), message: message.into(), unknown: false }
    }

    pub fn expected(&self, what: &str) -> Wrong {
        self.wrong(format!("must be {what}, but is {}", article(self.value.type_str())))
    }

    pub fn one_of(&self, name: &str, names: impl IntoIterator<Item = &'static str>) -> Wrong {
        let names: Vec<&str> = names.into_iter().collect();
        let all = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        match nearest(name, names.into_iter()) {
            Some(near) => self.wrong(format!("cannot be `{name}`; did you mean `{near}`?")),
            None => self.wrong(format!("cannot be `{name}`; it is one of {all}")),
        }
    }

    pub fn boolean(&self) -> Result<bool, Wrong> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub fn string(&self) -> Result<&'a str, Wrong> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    pub fn integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A finite number that is not negative.
    pub fn number(&self) -> Result<f64, Wrong> {
        let number = match self.value {
            DeValue::Integer(_) => self.integer().map(|i| i as f64),
            DeValue::Float(f) => f.as_str().parse().ok(),
            _ => return Err(self.expected("a number")),
        };
        number.filter(|n: &f64| n.is_finite() && *n >= 0.0).ok_or_else(|| self.wrong("must be a number from 0 on"))
    }

    pub fn above_zero(&self) -> Result<f64, Wrong> {
        let number = self.number()?;
        if number > 0.0 { Ok(number) } else { Err(self.wrong("must be more than 0")) }
    }

    pub fn count(&self) -> Result<u64, Wrong> {
        if self.value.as_integer().is_none() {
            return Err(self.expected("a whole number"));
        }
        let count = self.integer().and_then(|i| u64::try_from(i).ok()).filter(|&i| i > 0);
        count.ok_or_else(|| self.wrong("must be a whole number from 1 on"))
    }

    pub fn size(&self) -> Result<u64, Wrong> {
        match self.value {
            DeValue::String(text) => size(text).map_err(|message| self.wrong(message)),
            DeValue::Integer(_) => self.count(),
            _ => Err(self.expected("a number of bytes or a text such as \"20 KB\"")),
        }
    }

    pub fn items(&self, what: &str) -> Result<Vec<At<'a>>, Wrong> {
        let array = self.value.as_array().ok_or_else(|| self.expected(what))?;
        Ok(array.iter().map(|value| At::new(self.source, value)).collect())
    }

    pub fn table(&self) -> Result<Vec<(String, At<'a>)>, Wrong> {
        let table = self.value.as_table().ok_or_else(|| self.expected("a table"))?;
        Ok(in_order(table).map(|(key, _, value)| (key.to_owned(), At::new(self.source, value))).collect())
    }

    pub fn strings(&self) -> Result<Vec<(String, Place)>, Wrong> {
        let item = |at: At<'_>| Ok((at.string()?.to_owned(), self.source.place(Some(&at.span))));
        self.items("an array of strings")?.into_iter().map(item).collect()
    }

    pub fn globs(&self) -> Result<Vec<(String, Place)>, Wrong> {
        self.strings()
    }

    pub fn names(&self) -> Result<Names, Wrong> {
        let names = self.strings()?.into_iter().map(|(name, _)| name).collect();
        Ok(Names { place: self.source.place(Some(&self.span)), names })
    }
}

/// Keys, where they stand, and values, in the order of the file: the first mistake is told first.
pub(super) fn in_order<'a>(table: &'a DeTable<'a>) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'a>>)> {
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
