//! `testdiet rule`: explain a rule, or list them.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::console::Console;
use super::{Failure, Status};
use crate::report::style;
use crate::rules::{self, Rule};

/// Arguments of `testdiet rule`.
#[derive(Debug, Args)]
pub(crate) struct RuleArgs {
    /// The rule to explain; all rules are listed without it
    pub name: Option<String>,
    /// Explain every rule
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = RuleFormat::Text)]
    pub output_format: RuleFormat,
}

/// Formats of `testdiet rule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A rule for programs.
#[derive(Serialize)]
struct Item<'a> {
    code: &'a str,
    name: &'a str,
    default: bool,
    explanation: String,
}

/// Runs it.
pub(crate) fn run(args: &RuleArgs, console: &mut Console) -> Result<Status, Failure> {
    explain(args, rules::ALL, console)
}

fn explain(args: &RuleArgs, all: &[&Rule], console: &mut Console) -> Result<Status, Failure> {
    let rule = args.name.as_deref().map(|name| named(name, all)).transpose()?;
    console.results(|out| match (rule, args.output_format) {
        (Some(rule), RuleFormat::Text) => text(rule, out),
        (Some(rule), RuleFormat::Json) => json(&item(rule), out),
        (None, RuleFormat::Json) => json(&all.iter().map(|rule| item(rule)).collect::<Vec<_>>(), out),
        (None, RuleFormat::Text) if args.all => all.iter().try_for_each(|rule| text(rule, out).and_then(|()| writeln!(out))),
        (None, RuleFormat::Text) => list(all, out),
    })?;
    Ok(Status::Clean)
}

fn named<'a>(name: &str, all: &'a [&'a Rule]) -> Result<&'a Rule, Failure> {
    all.iter().copied().find(|rule| rule.code.as_str() == name).ok_or_else(|| {
        let likeness = |rule: &&&Rule| strsim::jaro_winkler(rule.code.as_str(), name);
        let near = all.iter().filter(|rule| likeness(rule) > 0.7).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let hint = near
            .map_or_else(|| "; `testdiet rule` lists the rules".to_owned(), |rule| format!("; did you mean `{}`?", rule.code));
        Failure::Usage(format!("there is no rule `{name}`{hint}"))
    })
}

fn item(rule: &Rule) -> Item<'_> {
    Item { code: rule.code.as_str(), name: rule.title, default: rule.default, explanation: rule.doc() }
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn list(all: &[&Rule], out: &mut dyn Write) -> io::Result<()> {
    let width = all.iter().map(|rule| rule.code.as_str().len()).max().unwrap_or(0);
    let (code, dim) = (style::STRONG, style::DIM);
    for rule in all {
        let off = if rule.default { "" } else { " (off by default)" };
        writeln!(out, "{code}{:<width$}{code:#}  {}{dim}{off}{dim:#}", rule.code.as_str(), rule.title)?;
    }
    Ok(())
}

/// The rule's documentation; its Markdown is readable as it is, so only headings and code are set apart.
fn text(rule: &Rule, out: &mut dyn Write) -> io::Result<()> {
    let (strong, code, dim) = (style::STRONG, style::PLACE, style::DIM);
    writeln!(out, "{strong}# {}{strong:#}", rule.code)?;
    writeln!(out, "\n{}", rule.title)?;
    let state =
        if rule.default { "On by default.".to_owned() } else { format!("Off by default: `--extend-select {}`.", rule.code) };
    writeln!(out, "{dim}{state}{dim:#}\n")?;
    let mut fenced = false;
    for line in rule.doc().trim().lines() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        match line {
            _ if fence || fenced => writeln!(out, "{code}{line}{code:#}")?,
            _ if line.starts_with('#') => writeln!(out, "{strong}{line}{strong:#}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::console::Verbosity;
    use super::super::console::tests::kept;
    use super::*;
    use crate::rules::Code;

    static RULES: [Rule; 2] = [
        Rule::sample(
            Code::new("long-sleep"),
            "Sleep over the budget",
            "//! ## What it does\n//! Finds `sleep`.\n//!\n//! ```python\n//! # two\n//! time.sleep(2)\n//! ```\n\nuse x;\n",
            true,
        ),
        Rule::sample(Code::new("slow-poll"), "Poll with a long interval", "//! Finds polls.\n", false),
    ];

    fn explained(name: Option<&str>, all: bool, output_format: RuleFormat) -> Result<String, String> {
        let (mut console, out, _) = kept(Verbosity::Default, false);
        let args = RuleArgs { name: name.map(str::to_owned), all, output_format };
        explain(&args, &[&RULES[0], &RULES[1]], &mut console).map(|_| out.text()).map_err(|e| e.to_string())
    }

    #[test]
    fn one_rule_all_rules_and_a_list() {
        let one = explained(Some("long-sleep"), false, RuleFormat::Text).unwrap();
        assert_eq!(
            one,
            "# long-sleep\n\nSleep over the budget\nOn by default.\n\n## What it does\nFinds `sleep`.\n\n```python\n# two\ntime.sleep(2)\n```\n"
        );
        assert!(explained(None, true, RuleFormat::Text).unwrap().contains("--extend-select slow-poll"));
        assert_eq!(
            explained(None, false, RuleFormat::Text).unwrap(),
            "long-sleep  Sleep over the budget\nslow-poll   Poll with a long interval (off by default)\n"
        );
        let json: serde_json::Value = serde_json::from_str(&explained(None, false, RuleFormat::Json).unwrap()).unwrap();
        assert_eq!((&json[1]["code"], &json[1]["default"]), (&"slow-poll".into(), &false.into()));
    }

    #[test]
    fn an_unknown_rule_is_told_its_neighbour() {
        let told = |name| explained(Some(name), false, RuleFormat::Text).unwrap_err();
        assert_eq!(told("long-slep"), "there is no rule `long-slep`; did you mean `long-sleep`?");
        assert_eq!(told("E501"), "there is no rule `E501`; `testdiet rule` lists the rules");
    }
}
