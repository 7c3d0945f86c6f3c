//! Names of rules: which exist, which is the nearest to one that does not, and which a list of layers selects.

use std::collections::BTreeSet;

use super::written::Names;
use super::{ConfigError, CustomRule, Place};
use crate::rules::{self, Code};

/// Stands for every rule.
pub(super) const ALL: &str = "ALL";

/// The rules there are for some files.
pub(super) struct Known {
    codes: BTreeSet<Code>,
    /// Rules of testdiet's own that run by default, and those the project added.
    pub default: BTreeSet<Code>,
}

/// What one layer says about a set of rules.
pub(super) struct Choice<'a> {
    /// Replaces what was selected so far.
    pub select: Option<&'a Names>,
    pub extend: Option<&'a Names>,
    pub ignore: Option<&'a Names>,
    /// Whether names that do not exist are errors.
    pub strict: bool,
}

impl Known {
    pub fn new(custom: &[CustomRule]) -> Self {
        let own = || rules::ALL.iter();
        let added = || custom.iter().map(CustomRule::code);
        Self {
            codes: own().map(|r| r.code.clone()).chain(added()).collect(),
            default: own().filter(|r| r.default).map(|r| r.code.clone()).chain(added()).collect(),
        }
    }

    /// Every rule.
    pub fn all(&self) -> &BTreeSet<Code> {
        &self.codes
    }

    /// The rules that names stand for.
    pub fn resolve(&self, names: &Names, strict: bool) -> Result<BTreeSet<Code>, ConfigError> {
        let mut out = BTreeSet::new();
        for name in &names.names {
            if name == ALL {
                out.extend(self.codes.iter().cloned());
            } else if let Some(code) = self.codes.iter().find(|c| c.as_str() == name) {
                out.insert(code.clone());
            } else if strict {
                return Err(self.unknown(name, &names.place));
            }
        }
        Ok(out)
    }

    fn unknown(&self, name: &str, place: &Place) -> ConfigError {
        let near = nearest(name, self.codes.iter().map(Code::as_str).chain([ALL]));
        let hint =
            near.map_or_else(|| "`testdiet rule` lists those there are".to_owned(), |near| format!("did you mean `{near}`?"));
        ConfigError::UnknownRule { place: place.clone(), name: name.to_owned(), hint }
    }

    /// Applies layers to a set, later ones over earlier ones. Within a layer a name outweighs `ALL`, as in ruff:
    /// `select = ["long-sleep"], ignore = ["ALL"]` is `long-sleep`.
    pub fn select<'a>(
        &self,
        start: BTreeSet<Code>,
        layers: impl Iterator<Item = Choice<'a>>,
    ) -> Result<BTreeSet<Code>, ConfigError> {
        let mut on = start;
        for layer in layers {
            if layer.select.is_some() {
                on.clear();
            }
            for general in [true, false] {
                let part = |names: Option<&Names>| -> Result<BTreeSet<Code>, ConfigError> {
                    let Some(names) = names else { return Ok(BTreeSet::new()) };
                    let part = names.names.iter().filter(|n| (*n == ALL) == general).cloned().collect();
                    self.resolve(&Names { place: names.place.clone(), names: part }, layer.strict)
                };
                on.extend(part(layer.select)?);
                on.extend(part(layer.extend)?);
                for code in part(layer.ignore)? {
                    on.remove(&code);
                }
            }
        }
        Ok(on)
    }
}

/// The candidate that was probably meant, if one is near enough to be worth naming.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.to_lowercase().replace('_', "-");
    let name = plain(name);
    candidates
        .map(|c| (strsim::osa_distance(&name, &plain(c)), c))
        // A third of the letters may be wrong; more than that is another word.
        .filter(|(distance, c)| *distance <= (c.len().min(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> Known {
        let codes: BTreeSet<Code> = names.iter().map(|n| Code::custom((*n).to_owned())).collect();
        Known { default: codes.iter().take(2).cloned().collect(), codes }
    }

    fn names(names: &[&str]) -> Names {
        Names { place: Place { origin: "p.toml".into(), line: Some(7) }, names: names.iter().map(ToString::to_string).collect() }
    }

    /// What a layer selects, extends by and ignores.
    type Said<'a> = (Option<&'a [&'a str]>, &'a [&'a str], &'a [&'a str]);

    fn chosen(known: &Known, layers: &[Said<'_>]) -> Vec<String> {
        let layers: Vec<_> = layers.iter().map(|(s, e, i)| (s.map(names), names(e), names(i))).collect();
        let choices =
            layers.iter().map(|(s, e, i)| Choice { select: s.as_ref(), extend: Some(e), ignore: Some(i), strict: true });
        known.select(known.default.clone(), choices).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_outweigh_all_and_later_layers_outweigh_earlier_ones() {
        let k = known(&["a", "b", "c", "d"]);
        assert_eq!(chosen(&k, &[]), ["a", "b"]);
        assert_eq!(chosen(&k, &[(None, &["c"], &["a"])]), ["b", "c"]);
        assert_eq!(chosen(&k, &[(Some(&["ALL"]), &[], &["b"])]), ["a", "c", "d"]);
        assert_eq!(chosen(&k, &[(Some(&["c"]), &[], &["ALL"])]), ["c"]);
        assert_eq!(chosen(&k, &[(Some(&["c"]), &["d"], &["a"]), (Some(&["a"]), &[], &[])]), ["a"]);
        assert_eq!(chosen(&k, &[(Some(&["ALL"]), &[], &["d"]), (None, &[], &["a"])]), ["b", "c"]);
    }

    #[test]
    fn an_unknown_rule_suggests_the_nearest() {
        let k = known(&["long-sleep", "slow-poll"]);
        let error = |name: &str| k.resolve(&names(&[name]), true).unwrap_err().to_string();
        assert_eq!(error("long_slep"), "p.toml:7: there is no rule `long_slep`; did you mean `long-sleep`?");
        assert_eq!(error("all"), "p.toml:7: there is no rule `all`; did you mean `ALL`?");
        assert_eq!(error("E501"), "p.toml:7: there is no rule `E501`; `testdiet rule` lists those there are");
        assert!(k.resolve(&names(&["E501"]), false).unwrap().is_empty());
    }
}
