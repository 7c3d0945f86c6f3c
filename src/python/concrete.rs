//! The concrete tree of a text, every token in it: what queries match, and where comments may stand.

use std::cell::RefCell;

use tree_sitter::{Parser, Tree};

/// Parses a text; `None` only if tree-sitter refuses its own grammar, which a test rules out.
#[must_use]
pub fn parse(text: &str) -> Option<Tree> {
    thread_local! {
        static PARSER: RefCell<Option<Parser>> = RefCell::new(parser());
    }
    PARSER.with_borrow_mut(|parser| parser.as_mut()?.parse(text, None))
}

fn parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    Some(parser)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_loads() {
        assert!(parse("x = 1\n").is_some());
    }
}
