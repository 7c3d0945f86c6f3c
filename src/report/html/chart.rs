//! The charts of the page, in HTML and CSS alone: bars, pairs of bars, columns. Budgets are lines across them.

use std::io::{self, Write};

use super::super::markup::escaped;
use super::super::{amount, measured};

/// Bars of one chart: enough to know where to begin.
const BARS: usize = 15;

/// A bar: what it stands for, its length, the figure beside it.
pub(super) struct Bar {
    name: String,
    value: f64,
    figure: String,
    /// Not held against the budget.
    free: bool,
}

impl Bar {
    /// One of seconds.
    pub(super) fn seconds(name: String, value: f64) -> Self {
        Self { name, value, figure: amount::seconds(value), free: false }
    }

    /// One of seconds that were measured: no more exact than these are.
    pub(super) fn measured(name: String, value: f64) -> Self {
        Self { name, value, figure: measured::seconds(value), free: false }
    }

    /// One of things that are counted.
    pub(super) fn count(name: String, value: u64) -> Self {
        Self { name, value: value as f64, figure: amount::number(value), free: false }
    }

    /// The same, charged or not.
    pub(super) fn free(self, free: bool) -> Self {
        Self { free, ..self }
    }
}

/// What bars are held against.
pub(super) struct Budget {
    value: f64,
    figure: String,
}

impl Budget {
    /// One of seconds.
    pub(super) fn seconds(value: f64) -> Self {
        Self { value, figure: amount::seconds(value) }
    }

    /// One of things that are counted.
    pub(super) fn count(value: u64) -> Self {
        Self { value: value as f64, figure: amount::number(value) }
    }
}

/// How long a value is, in percent of the largest there is.
fn scale(values: impl Iterator<Item = f64>, budget: Option<&Budget>) -> impl Fn(f64) -> f64 {
    // What never ends is as long as the chart is wide.
    let finite = values.filter(|v| v.is_finite());
    let most = finite.chain(budget.map(|b| b.value)).fold(f64::MIN_POSITIVE, f64::max) * 1.02;
    move |value: f64| (value / most * 100.0).min(100.0)
}

fn heading(heading: &str, budget: Option<&Budget>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section>\n<h3>{}</h3>", escaped(heading))?;
    if let Some(budget) = budget {
        writeln!(out, "<p class=\"soft\"><span class=\"key\"></span>budget: {}</p>", escaped(&budget.figure))?;
    }
    Ok(())
}

/// A name that, where it is too long for a line, goes on in the next one after one of its parts.
fn parted(name: &str) -> String {
    ["::", "/", "_"].iter().fold(escaped(name), |text, end| text.replace(end, &format!("{end}<wbr>")))
}

/// How a bar looks beside its budget.
fn class(bar: &Bar, budget: Option<&Budget>) -> &'static str {
    match budget {
        _ if bar.free => " class=\"free\"",
        Some(budget) if bar.value > budget.value => " class=\"over\"",
        _ => "",
    }
}

/// The longest bars, with the budget as a line across them. Nothing where all are zero.
pub(super) fn bars(title: &str, mut bars: Vec<Bar>, budget: Option<&Budget>, out: &mut dyn Write) -> io::Result<()> {
    bars.retain(|bar| bar.value > 0.0);
    if bars.is_empty() {
        return Ok(());
    }
    bars.sort_by(|a, b| b.value.total_cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    let more = bars.len().saturating_sub(BARS);
    let percent = scale(bars.iter().map(|b| b.value), budget);
    heading(title, budget, out)?;
    writeln!(out, "<ul class=\"bars\">")?;
    for bar in bars.iter().take(BARS) {
        write!(out, "<li{}><span class=\"name\">{}</span>", class(bar, budget), parted(&bar.name))?;
        write!(out, "<span class=\"track\"><span class=\"bar\" style=\"width:{:.2}%\"></span>", percent(bar.value))?;
        if let Some(budget) = budget {
            write!(out, "<span class=\"budget\" style=\"left:{:.2}%\"></span>", percent(budget.value))?;
        }
        let free = if bar.free { ", not charged" } else { "" };
        writeln!(out, "</span><span class=\"value\">{}{free}</span></li>", escaped(&bar.figure))?;
    }
    writeln!(out, "</ul>")?;
    if more > 0 {
        writeln!(out, "<p class=\"soft\">and {} more</p>", amount::number(more))?;
    }
    writeln!(out, "</section>")
}

/// The same thing twice.
pub(super) struct Pair {
    /// What it is.
    pub name: &'static str,
    /// How much it was and is.
    pub values: [f64; 2],
    /// How such a value is written.
    pub unit: fn(f64) -> String,
    /// Whether more of it is better.
    pub gain: bool,
}

impl Pair {
    /// The same, of something that is better the more there is of it.
    pub(super) fn gained(self) -> Self {
        Self { gain: true, ..self }
    }
}

/// What was and what is, two bars each. Things that were and are nothing are left out.
pub(super) fn pairs(pairs: &[Pair], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<p class=\"soft\"><span class=\"swatch was\"></span>before <span class=\"swatch\"></span>after</p>")?;
    writeln!(out, "<ul class=\"bars pairs\">")?;
    for Pair { name, values: [was, now], unit, gain } in pairs.iter().filter(|p| p.values.iter().any(|v| *v > 0.0)) {
        let percent = scale([*was, *now].into_iter(), None);
        let class = if now > was && !gain { " class=\"over\"" } else { "" };
        write!(out, "<li{class}><span class=\"name\">{}</span><span class=\"track\">", escaped(name))?;
        write!(out, "<span class=\"bar was\" style=\"width:{:.2}%\"></span>", percent(*was))?;
        write!(out, "<span class=\"bar\" style=\"width:{:.2}%\"></span></span>", percent(*now))?;
        let (from, to, change) = (escaped(&unit(*was)), escaped(&unit(*now)), amount::change(*was, *now));
        let figure = if from == to { to } else { format!("{from} → {to} <span class=\"soft\">{change}</span>") };
        writeln!(out, "<span class=\"value\">{figure}</span></li>")?;
    }
    writeln!(out, "</ul>")
}

/// A column a bar, in their order; the first and the last say how high they are.
pub(super) fn columns(title: &str, bars: &[Bar], budget: Option<&Budget>, out: &mut dyn Write) -> io::Result<()> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(()) };
    if bars.iter().all(|bar| bar.value <= 0.0) {
        return Ok(());
    }
    let percent = scale(bars.iter().map(|b| b.value), budget);
    heading(title, budget, out)?;
    writeln!(out, "<div class=\"columns\">")?;
    for bar in bars {
        let (name, figure) = (escaped(&bar.name), escaped(&bar.figure));
        let class = class(bar, budget);
        writeln!(
            out,
            "<span{class} title=\"{name}: {figure}\"><span class=\"bar\" style=\"height:{:.2}%\"></span></span>",
            percent(bar.value)
        )?;
    }
    if let Some(budget) = budget {
        writeln!(out, "<span class=\"budget\" style=\"bottom:{:.2}%\"></span>", percent(budget.value))?;
    }
    let (from, to) = (escaped(&first.figure), escaped(&last.figure));
    writeln!(out, "</div>\n<p class=\"ends\"><span>{from}</span><span>{to}</span></p>\n</section>")
}
