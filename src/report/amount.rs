//! How figures are written for people: seconds, bytes, counts and whole costs.

use crate::finding::Cost;

/// Seconds with at most three decimals: `2.5 s`, `0.05 s`, `1,200 s`.
#[must_use]
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return "forever".to_owned();
    }
    if value > 0.0 && value < 0.0005 {
        return "<0.001 s".to_owned();
    }
    let text = format!("{value:.3}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    let whole = thousands(whole);
    if decimals.is_empty() { format!("{whole} s") } else { format!("{whole}.{decimals} s") }
}

/// Bytes in decimal units, as the budgets are written: `20 KB` are 20,000.
#[must_use]
pub fn bytes(value: u64) -> String {
    for (unit, size) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)] {
        if value >= size {
            let tenths = value / (size / 10);
            let whole = thousands(&(tenths / 10).to_string());
            return if tenths.is_multiple_of(10) { format!("{whole} {unit}") } else { format!("{whole}.{} {unit}", tenths % 10) };
        }
    }
    format!("{value} B")
}

/// By how much something changed: `−79 %`; empty where there was nothing.
#[must_use]
pub fn change(was: f64, now: f64) -> String {
    if was > 0.0 { format!("{:+.0} %", (now - was) / was * 100.0).replace('-', "−") } else { String::new() }
}

/// A moment in seconds since 1970 as a day and a time: `2026-11-24 14:30 UTC`. A page is read on other days and in other places.
#[must_use]
pub fn date(seconds: u64) -> String {
    // From days to a date of the Gregorian calendar, by eras of 400 years that start in March: Howard Hinnant's algorithm.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (year, minutes) = (year + era * 400 + next, seconds / 60 % 1_440);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// A count with its thousands set apart: `20,000`.
#[must_use]
pub fn number(value: impl TryInto<u64>) -> String {
    thousands(&value.try_into().unwrap_or(u64::MAX).to_string())
}

/// A count and what is counted: `1 finding`, `2 findings`.
#[must_use]
pub fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(value), if value == 1 { "" } else { "s" })
}

/// A number of fixes: `1 fix`, `2 fixes`.
#[must_use]
pub fn counted_fixes(value: usize) -> String {
    format!("{} {}", number(value), if value == 1 { "fix" } else { "fixes" })
}

/// A cost, its parts that are not zero: `2.5 s asleep, 10 threads`; empty when there are none.
#[must_use]
pub fn cost(cost: &Cost) -> String {
    let mut parts = Vec::new();
    if cost.sleep_s > 0.0 {
        parts.push(if cost.sleep_s.is_finite() {
            format!("{} asleep", seconds(cost.sleep_s))
        } else {
            "asleep forever".to_owned()
        });
    }
    for (value, noun) in [(cost.threads, "thread"), (cost.iterations, "iteration")] {
        if value > 0 {
            parts.push(format!("{} {noun}{}", number(value), if value == 1 { "" } else { "s" }));
        }
    }
    if cost.bytes > 0 {
        parts.push(bytes(cost.bytes));
    }
    parts.join(", ")
}

/// Adds up costs as totals do: everything summed but the bytes, of which the largest counts.
#[must_use]
pub fn sum<'a>(costs: impl IntoIterator<Item = &'a Cost>) -> Cost {
    costs.into_iter().fold(Cost::default(), |a, b| Cost {
        sleep_s: a.sleep_s + b.sleep_s,
        threads: a.threads.saturating_add(b.threads),
        bytes: a.bytes.max(b.bytes),
        iterations: a.iterations.saturating_add(b.iterations),
    })
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59 UTC"),
            (1_795_530_600, "2026-11-24 14:30 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [2.5, 0.05, 1200.0, 3.0, 0.0001, 0.0, f64::INFINITY].map(seconds),
            ["2.5 s", "0.05 s", "1,200 s", "3 s", "<0.001 s", "0 s", "forever"]
        );
        assert_eq!([20_000, 1_000_000, 1_550_000, 12].map(bytes), ["20 KB", "1 MB", "1.5 MB", "12 B"]);
        assert_eq!([(4.0, 1.0), (1.0, 1.5), (0.0, 2.0)].map(|(was, now)| change(was, now)), ["−75 %", "+50 %", ""]);
        assert_eq!(number(1_234_567_usize), "1,234,567");
        assert_eq!((counted(1, "finding").as_str(), counted(0, "finding").as_str()), ("1 finding", "0 findings"));
        let all = Cost { sleep_s: 2.5, threads: 10, bytes: 100_000, iterations: 1 };
        assert_eq!(cost(&all), "2.5 s asleep, 10 threads, 1 iteration, 100 KB");
        assert_eq!(cost(&Cost::default()), "");
    }
}
