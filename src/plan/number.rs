//! Numbers written the way their author writes them: a diff should show a smaller number and nothing else.
//!
//! What is kept: whole or decimal, the grouping of digits (`100_000`), exponents (`1e5`), a missing digit beside
//! the point (`.5`, `3.`). What is not: trailing zeros, since `2.50` says no more than `2.5`. Hexadecimal, octal,
//! binary and imaginary literals are nobody's way to write a duration or a count, and are left alone.

/// Differences up to a billionth are none; what is written reads back as the value to this.
const EPSILON: f64 = 1e-9;
/// From `1e3` on an exponent saves digits; `5e-1` for a half would be a riddle.
const FIRST_EXPONENT: i32 = 3;

/// `new_value` written like `original_literal`, a decimal Python literal that stands for `original_value`.
///
/// A whole literal becomes a decimal one where the new value needs it (`2` → `0.2`); a decimal one stays decimal
/// (`3.0` → `1.0`), so that the type of the expression never changes from float to int.
///
/// `None` when the literal is not a plain decimal number of that value, or when the new value is negative, not
/// finite, or not a decimal of at most nine places.
#[must_use]
pub fn rewrite_number(original_literal: &str, original_value: f64, new_value: f64) -> Option<String> {
    let style = Style::of(original_literal)?;
    let value: f64 = original_literal.replace('_', "").parse().ok()?;
    if !close(value, original_value) {
        return None;
    }
    if close(value, new_value) {
        return Some(original_literal.to_owned());
    }
    style.write(new_value)
}

/// `value` written in the manner of a whole expression, to replace it: `5 * 2` → `3`, `60 * 1.5` → `0.5`,
/// `10 * 1_000` → `2_000`.
///
/// Whole where Python computes an int from the literals: no decimal point, no exponent, no true division. Names
/// in the expression say nothing about the style, and an expression without a literal has none: `None`.
#[must_use]
pub fn format_like(style: &str, value: f64) -> Option<String> {
    let styles: Vec<Style> = literals(style).map(Style::of).collect::<Option<_>>()?;
    let divides = style.replace("//", "").contains('/');
    if let [only] = styles.as_slice()
        && !divides
    {
        return only.write(value);
    }
    let point = match styles.iter().find(|s| s.is_float()) {
        Some(float) if float.point != Point::None => float.point,
        Some(_) => Point::Inside,
        None if divides => Point::Inside,
        None => Point::None,
    };
    // A result of arithmetic is written out: an exponent belonged to one factor.
    let like = Style { point, group: styles.iter().find_map(|s| s.group), exponent: None };
    if styles.is_empty() { None } else { like.write(value) }
}

/// A duration or ratio as a Python float: `0.25`, `5.0`.
///
/// Places beyond the ninth are dropped, and what is not finite becomes the call that makes it in Python.
#[must_use]
pub fn write_seconds(v: f64) -> String {
    if !v.is_finite() {
        return format!("float(\"{v}\")");
    }
    let digits = plain(v.abs());
    let sign = if v < 0.0 { "-" } else { "" };
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{sign}{digits}{point}")
}

/// Where the decimal point of a literal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// `2`
    None,
    /// `2.5`
    Inside,
    /// `.5`
    Leading,
    /// `3.`
    Trailing,
}

/// The `e` of a literal: how it is spelled, and whether it makes the number small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exponent {
    /// `e`, `E`, `e+`, `E-`…
    mark: String,
}

impl Exponent {
    fn negative(&self) -> bool {
        self.mark.ends_with('-')
    }
}

/// What is worth keeping of a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Style {
    point: Point,
    /// Digits between underscores.
    group: Option<usize>,
    exponent: Option<Exponent>,
}

impl Style {
    /// The style of a decimal literal as Python's grammar has it; `None` for everything else.
    fn of(literal: &str) -> Option<Self> {
        let (number, exponent) = match literal.find(['e', 'E']) {
            None => (literal, None),
            Some(at) => {
                let rest = &literal[at + 1..];
                let digits = rest.trim_start_matches(['+', '-']);
                if rest.len() - digits.len() > 1 || !is_digits(digits) {
                    return None;
                }
                let mark = literal[at..literal.len() - digits.len()].to_owned();
                (&literal[..at], Some(Exponent { mark }))
            }
        };
        let (whole, point) = match number.split_once('.') {
            None => (number, Point::None),
            Some((whole, "")) => (whole, Point::Trailing),
            Some(("", fraction)) if is_digits(fraction) => ("", Point::Leading),
            Some((whole, fraction)) if is_digits(fraction) => (whole, Point::Inside),
            Some(_) => return None,
        };
        if point != Point::Leading && !is_digits(whole) {
            return None;
        }
        let group = whole.rsplit_once('_').map(|(_, last)| last.len());
        Some(Self { point, group, exponent })
    }

    fn is_float(&self) -> bool {
        self.point != Point::None || self.exponent.is_some()
    }

    fn write(&self, value: f64) -> Option<String> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        let digits = plain(value);
        let text = self.exponent.as_ref().and_then(|e| self.scientific(&digits, e)).unwrap_or_else(|| self.positional(&digits));
        let read: f64 = text.replace('_', "").parse().ok()?;
        (close(read, value) && (read > 0.0) == (value > 0.0)).then_some(text)
    }

    fn positional(&self, digits: &str) -> String {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = self.grouped(whole);
        match (fraction, self.point) {
            ("", Point::Trailing) => format!("{whole}."),
            ("", _) if self.is_float() => format!("{whole}.0"),
            ("", _) => whole,
            (_, Point::Leading) if whole == "0" => format!(".{fraction}"),
            _ => format!("{whole}.{fraction}"),
        }
    }

    /// With an exponent, where that takes no more than two digits and the exponent points the way the author's did.
    fn scientific(&self, digits: &str, exponent: &Exponent) -> Option<String> {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_matches('0');
        if significant.is_empty() || significant.len() > 2 {
            return None;
        }
        let zeros = all.len() - all.trim_start_matches('0').len();
        let power = i32::try_from(whole.len()).ok()? - 1 - i32::try_from(zeros).ok()?;
        if power.abs() < FIRST_EXPONENT || (power < 0) != exponent.negative() {
            return None;
        }
        let (first, rest) = significant.split_at(1);
        let mantissa = match (rest, self.point) {
            ("", Point::None | Point::Leading) => first.to_owned(),
            ("", Point::Inside) => format!("{first}.0"),
            ("", Point::Trailing) => format!("{first}."),
            _ => format!("{first}.{rest}"),
        };
        Some(format!("{mantissa}{}{}", exponent.mark, power.abs()))
    }

    fn grouped(&self, digits: &str) -> String {
        let Some(size) = self.group else {
            return digits.to_owned();
        };
        let mut out = String::with_capacity(digits.len() * 2);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(size) {
                out.push('_');
            }
            out.push(digit);
        }
        out
    }
}

/// Digits with single underscores between them, as PEP 515 allows.
fn is_digits(text: &str) -> bool {
    text.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// A non-negative value in decimal, with at most nine places and no trailing zeros.
fn plain(value: f64) -> String {
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= EPSILON * a.abs().max(1.0)
}

/// The number literals of an expression, in order; digits within names are skipped.
fn literals(expression: &str) -> impl Iterator<Item = &str> {
    let bytes = expression.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
            let word = |i: usize| bytes.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || !b.is_ascii());
            if digit(at) || (bytes[at] == b'.' && digit(at + 1)) {
                while word(at) || bytes.get(at) == Some(&b'.') || sign_of_exponent(bytes, start, at) {
                    at += 1;
                }
                return Some(&expression[start..at]);
            }
            if word(at) {
                while word(at) || bytes.get(at) == Some(&b'.') {
                    at += 1;
                }
            } else {
                at += 1;
            }
        }
        None
    })
}

/// Whether the byte is the sign in `1e-3`, not the minus of `1 - 3`.
fn sign_of_exponent(bytes: &[u8], start: usize, at: usize) -> bool {
    matches!(bytes.get(at), Some(b'+' | b'-'))
        && at > start
        && matches!(bytes[at - 1], b'e' | b'E')
        && !bytes[start..at].starts_with(b"0x")
        && !bytes[start..at].starts_with(b"0X")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rewritten(literal: &str, new: f64) -> Option<String> {
        let value = literal.replace('_', "").parse().unwrap_or(f64::NAN);
        rewrite_number(literal, value, new)
    }

    #[test]
    fn numbers_keep_the_style_of_their_author() {
        for (literal, new, expected) in [
            ("2", 0.2, "0.2"),
            ("5", 3.0, "3"),
            ("2.0", 0.2, "0.2"),
            ("2.50", 0.3, "0.3"),
            ("3.0", 1.0, "1.0"),
            ("2.5", 0.25, "0.25"),
            ("100_000", 20_000.0, "20_000"),
            ("100000", 20_000.0, "20000"),
            ("1_000_000", 500.0, "500"),
            ("10_0000", 20_000.0, "2_0000"),
            ("1_000.5", 1.5, "1.5"),
            ("1e5", 20_000.0, "2e4"),
            ("1E5", 20_000.0, "2E4"),
            ("1e+5", 20_000.0, "2e+4"),
            ("1.0e5", 20_000.0, "2.0e4"),
            ("1e5", 15_000.0, "1.5e4"),
            ("1e5", 12_345.0, "12345.0"),
            ("1e3", 500.0, "500.0"),
            ("1e1", 0.2, "0.2"),
            ("1e-2", 0.005, "5e-3"),
            (".5", 0.1, ".1"),
            (".5", 1.5, "1.5"),
            ("3.", 1.0, "1."),
            ("3.", 0.2, "0.2"),
            ("10", 0.0, "0"),
            ("2.50", 2.5, "2.50"),
        ] {
            assert_eq!(rewritten(literal, new).as_deref(), Some(expected), "{literal} -> {new}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_number_is_left_alone() {
        for literal in [
            "0xff", "0X10", "0b11", "0o17", "2j", "-2", "+2", "", ".", "1__0", "_1", "1_", "1e", "1e+-3", "TIMEOUT", "5 * 2",
            "inf", "nan",
        ] {
            assert_eq!(rewrite_number(literal, 2.0, 1.0), None, "{literal}");
        }
        assert_eq!(rewrite_number("2", 2000.0, 200.0), None, "the literal is in another unit than the value");
        for new in [f64::NAN, f64::INFINITY, -1.0, 1e-10] {
            assert_eq!(rewritten("2.0", new), None, "{new}");
        }
    }

    #[test]
    fn binary_dust_is_not_written_down() {
        assert_eq!(rewritten("2.0", 0.1 + 0.2).as_deref(), Some("0.3"));
        assert_eq!(write_seconds(0.1 + 0.2), "0.3");
    }

    #[test]
    fn seconds_are_always_floats() {
        for (value, expected) in
            [(0.25, "0.25"), (5.0, "5.0"), (0.0, "0.0"), (-0.5, "-0.5"), (1e9, "1000000000.0"), (f64::INFINITY, "float(\"inf\")")]
        {
            assert_eq!(write_seconds(value), expected);
        }
    }

    #[test]
    fn an_expression_is_replaced_by_a_number_of_its_type_and_style() {
        for (style, value, expected) in [
            ("5 * 2", 3.0, Some("3")),
            ("5 * 2", 0.3, Some("0.3")),
            ("60 * 1.5", 2.0, Some("2.0")),
            ("10 / 2", 1.0, Some("1.0")),
            ("10 // 2", 1.0, Some("1")),
            ("10 * 1_000", 2_000.0, Some("2_000")),
            (".5 * 3", 0.3, Some(".3")),
            ("1e3 * 5", 2_000.0, Some("2000.0")),
            ("1e-3 * 5", 0.001, Some("0.001")),
            ("(1e5)", 20_000.0, Some("2e4")),
            ("T1.x2 * 2", 3.0, Some("3")),
            ("1-3", 3.0, Some("3")),
            ("2 * 0x10", 3.0, None),
            ("TIMEOUT", 3.0, None),
            ("", 3.0, None),
        ] {
            assert_eq!(format_like(style, value).as_deref(), expected, "{style}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_value(
            literal in r"([1-9][0-9]{0,2}(_[0-9]{3}){0,2}|[1-9][0-9]{0,7})(\.[0-9]{0,3})?([eE][+-]?[0-9])?|\.[0-9]{1,4}",
            billionths in 0_u64..100_000_000_000,
            coarse in 0_u32..10,
        ) {
            let value = (billionths / 10_u64.pow(coarse)) as f64 / 10_f64.powi(9 - i32::try_from(coarse).unwrap());
            let text = rewritten(&literal, value);
            prop_assert!(text.is_some(), "{literal} -> {value}");
            let text = text.unwrap();
            let read: f64 = text.replace('_', "").parse().unwrap();
            prop_assert!((read - value).abs() <= EPSILON * value.max(1.0), "{literal} -> {value}: {text}");
            let float = |t: &str| t.contains(['.', 'e', 'E']);
            prop_assert!(!float(&literal) || float(&text), "{literal} became an int: {text}");
            prop_assert!(Style::of(&text).is_some(), "{text} is no Python literal");
        }
    }
}
