//! Text in XML and HTML: what these take for markup is escaped as they do it, what they cannot hold and what misleads a reader
//! as testdiet does.

use super::shown;

/// Text for content, and for an attribute in double quotes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown::escaped(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Neither is a character of XML.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markup_cannot_hold_is_escaped() {
        assert_eq!(escaped("<a & \"b\">\n\x1b\u{ffff}"), "&lt;a &amp; &quot;b&quot;&gt;\\n\\x1b\u{fffd}");
    }
}
