//! Values of number and string literals.

/// The value of an integer; `None` when it does not fit.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        digits => (10, digits),
    };
    digits.iter().filter(|b| **b != b'_').try_fold(0i128, |value, &b| {
        let digit = char::from(b).to_digit(radix)?;
        value.checked_mul(i128::from(radix))?.checked_add(i128::from(digit))
    })
}

/// The prefix, quotes and body of a string literal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal<'t> {
    /// A `b` prefix.
    pub(super) bytes: bool,
    /// An `f` or `t` prefix: braces are interpolations.
    pub(super) formatted: bool,
    raw: bool,
    body: &'t str,
}

impl<'t> Literal<'t> {
    /// Takes a `string` node's text apart; one without its closing quote keeps what is there.
    pub(super) fn new(text: &'t str) -> Self {
        let quote_at = text.bytes().position(|b| matches!(b, b'"' | b'\'')).unwrap_or(text.len());
        let (prefix, rest) = text.split_at(quote_at);
        let has = |letter: u8| prefix.bytes().any(|b| b.to_ascii_lowercase() == letter);
        let quotes = match rest.as_bytes() {
            [a, b, c, ..] if a == b && b == c => &rest[..3],
            [_, ..] => &rest[..1],
            [] => "",
        };
        let body = &rest[quotes.len()..];
        let body = body.strip_suffix(quotes).unwrap_or(body);
        Self { bytes: has(b'b'), formatted: has(b'f') || has(b't'), raw: has(b'r'), body }
    }

    /// Appends the value to `text`, which becomes `None` at an escape that is not one of the simple ones, and
    /// returns the length, counting such an escape as one. The body must not hold an interpolation.
    pub(super) fn decode(self, text: &mut Option<String>) -> u64 {
        let body = self.body;
        let special = |b: &u8| (*b == b'\\' && !self.raw) || *b == b'\r' || (self.formatted && matches!(b, b'{' | b'}'));
        let Some(first) = body.as_bytes().iter().position(special) else {
            if let Some(text) = text {
                text.push_str(body);
            }
            return if body.is_ascii() { body.len() as u64 } else { body.chars().count() as u64 };
        };
        let (plain, mut rest) = body.split_at(first);
        if let Some(text) = text {
            text.push_str(plain);
        }
        let mut len = plain.chars().count() as u64;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let value = match c {
                '\\' if !self.raw => match self.escape(rest) {
                    Escape::Simple(c) => {
                        rest = &rest[1..];
                        Some(c)
                    }
                    Escape::Nothing(skip) => {
                        rest = &rest[skip..];
                        continue;
                    }
                    Escape::Complex(skip) => {
                        rest = &rest[skip..];
                        None
                    }
                    // An unknown escape keeps its backslash: the character after it is read next.
                    Escape::Unknown => None,
                },
                // Lines end in `\n` whatever the file's newline is.
                '\r' => {
                    rest = rest.strip_prefix('\n').unwrap_or(rest);
                    Some('\n')
                }
                '{' | '}' if self.formatted => {
                    rest = rest.strip_prefix(c).unwrap_or(rest);
                    Some(c)
                }
                c => Some(c),
            };
            len += 1;
            match (text.as_mut(), value) {
                (Some(text), Some(c)) => text.push(c),
                _ => *text = None,
            }
        }
        len
    }

    /// What follows a backslash.
    fn escape(self, rest: &str) -> Escape {
        let bytes = rest.as_bytes();
        let hex = |digits: usize| {
            if bytes.len() > digits && bytes[1..=digits].iter().all(u8::is_ascii_hexdigit) {
                Escape::Complex(digits + 1)
            } else {
                Escape::Unknown
            }
        };
        match bytes {
            [b'n', ..] => Escape::Simple('\n'),
            [b't', ..] => Escape::Simple('\t'),
            [b'r', ..] => Escape::Simple('\r'),
            [b @ (b'\\' | b'\'' | b'"'), ..] => Escape::Simple(char::from(*b)),
            [b'\r', b'\n', ..] => Escape::Nothing(2),
            [b'\n' | b'\r', ..] => Escape::Nothing(1),
            [b'a' | b'b' | b'f' | b'v', ..] => Escape::Complex(1),
            [b'0', next, ..] if !matches!(next, b'0'..=b'7') => Escape::Simple('\0'),
            [b'0'] => Escape::Simple('\0'),
            [b'0'..=b'7', ..] => Escape::Complex(bytes.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count()),
            [b'x', ..] => hex(2),
            [b'u', ..] if !self.bytes => hex(4),
            [b'U', ..] if !self.bytes => hex(8),
            [b'N', b'{', ..] if !self.bytes => rest.find('}').map_or(Escape::Unknown, |end| Escape::Complex(end + 1)),
            _ => Escape::Unknown,
        }
    }
}

/// An escape sequence; the numbers are bytes after the backslash.
enum Escape {
    Simple(char),
    Nothing(usize),
    Complex(usize),
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer("0"), Some(0));
        assert_eq!(integer("00"), Some(0));
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("0xFf"), Some(255));
        assert_eq!(integer("0O17"), Some(15));
        assert_eq!(integer("0b1_01"), Some(5));
        assert_eq!(integer("170141183460469231731687303715884105727"), Some(i128::MAX));
        assert_eq!(integer("170141183460469231731687303715884105728"), None);
    }

    fn decoded(text: &str) -> (Option<String>, u64) {
        let mut out = Some(String::new());
        let len = Literal::new(text).decode(&mut out);
        (out, len)
    }

    #[test]
    fn strings() {
        let some = |text: &str, len| (Some(text.to_owned()), len);
        assert_eq!(decoded("'abc'"), some("abc", 3));
        assert_eq!(decoded("''"), some("", 0));
        assert_eq!(decoded("''''''"), some("", 0));
        assert_eq!(decoded(r#""a\n\t\\\'\"\r\0""#), some("a\n\t\\'\"\r\0", 8));
        assert_eq!(decoded(r"Rb'\n'"), some("\\n", 2));
        assert_eq!(decoded("'''é\r\nb'''"), some("é\nb", 3));
        assert_eq!(decoded("'a\\\nb'"), some("ab", 2));
        assert_eq!(decoded(r"'\x41b'"), (None, 2));
        assert_eq!(decoded(r"'\012'"), (None, 1));
        assert_eq!(decoded(r"'\N{DASH}\u0041\U00000041'"), (None, 3));
        assert_eq!(decoded(r"b'\u0041'"), (None, 6));
        assert_eq!(decoded(r"'\d'"), (None, 2));
        assert_eq!(decoded("f'{{a}}'"), some("{a}", 3));
        assert_eq!(decoded("'unclosed"), some("unclosed", 8));
        assert_eq!(decoded("'"), some("", 0));
        assert_eq!(decoded("'\\"), (None, 1));
    }
}
