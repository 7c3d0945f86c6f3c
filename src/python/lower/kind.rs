//! The grammar's node kinds as an enum, so that lowering matches on a byte rather than on names.

use std::sync::OnceLock;

use crate::python::ast::{BinaryOp, CompareOp};

/// Declares [`Kind`] and its lookup by the grammar's name; `true` for named nodes, `false` for tokens.
macro_rules! kinds {
    ($($variant:ident = $name:literal $named:literal,)*) => {
        /// What a concrete node is, as far as lowering cares.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// A token that says nothing the node around it does not.
            Punctuation,
            /// A named node lowering knows nothing of, or one in a place the grammar does not allow (inside an ERROR).
            Unknown,
            /// An ERROR node.
            Error,
            /// The left side of an assignment; no node of its own.
            Target,
        }

        fn of_name(name: &str, named: bool) -> Kind {
            match (name, named) {
                $(($name, $named) => Kind::$variant,)*
                (_, false) => Kind::Punctuation,
                (_, true) => Kind::Unknown,
            }
        }
    };
}

kinds! {
    Module = "module" true,
    // Simple statements.
    FutureImport = "future_import_statement" true,
    Import = "import_statement" true,
    ImportFrom = "import_from_statement" true,
    Print = "print_statement" true,
    Assert = "assert_statement" true,
    ExpressionStatement = "expression_statement" true,
    Return = "return_statement" true,
    Delete = "delete_statement" true,
    Raise = "raise_statement" true,
    Pass = "pass_statement" true,
    Break = "break_statement" true,
    Continue = "continue_statement" true,
    Global = "global_statement" true,
    Nonlocal = "nonlocal_statement" true,
    Exec = "exec_statement" true,
    TypeAlias = "type_alias_statement" true,
    // Compound statements.
    If = "if_statement" true,
    For = "for_statement" true,
    While = "while_statement" true,
    Try = "try_statement" true,
    With = "with_statement" true,
    Function = "function_definition" true,
    Class = "class_definition" true,
    Decorated = "decorated_definition" true,
    Match = "match_statement" true,
    // Their parts.
    Block = "block" true,
    ElifClause = "elif_clause" true,
    ElseClause = "else_clause" true,
    ExceptClause = "except_clause" true,
    FinallyClause = "finally_clause" true,
    CaseClause = "case_clause" true,
    CasePattern = "case_pattern" true,
    WithClause = "with_clause" true,
    WithItem = "with_item" true,
    Decorator = "decorator" true,
    Parameters = "parameters" true,
    LambdaParameters = "lambda_parameters" true,
    TypedParameter = "typed_parameter" true,
    DefaultParameter = "default_parameter" true,
    TypedDefaultParameter = "typed_default_parameter" true,
    KeywordSeparator = "keyword_separator" true,
    PositionalSeparator = "positional_separator" true,
    ImportPrefix = "import_prefix" true,
    RelativeImport = "relative_import" true,
    AliasedImport = "aliased_import" true,
    WildcardImport = "wildcard_import" true,
    DottedName = "dotted_name" true,
    Assignment = "assignment" true,
    AugmentedAssignment = "augmented_assignment" true,
    ExpressionList = "expression_list" true,
    Chevron = "chevron" true,
    // Types.
    Type = "type" true,
    TypeParameter = "type_parameter" true,
    SplatType = "splat_type" true,
    GenericType = "generic_type" true,
    UnionType = "union_type" true,
    ConstrainedType = "constrained_type" true,
    MemberType = "member_type" true,
    // Patterns.
    ClassPattern = "class_pattern" true,
    SplatPattern = "splat_pattern" true,
    TuplePattern = "tuple_pattern" true,
    ListPattern = "list_pattern" true,
    PatternList = "pattern_list" true,
    ListSplatPattern = "list_splat_pattern" true,
    DictionarySplatPattern = "dictionary_splat_pattern" true,
    AsPattern = "as_pattern" true,
    AsPatternTarget = "as_pattern_target" true,
    // Expressions.
    Identifier = "identifier" true,
    Integer = "integer" true,
    Float = "float" true,
    True = "true" true,
    False = "false" true,
    None = "none" true,
    Ellipsis = "ellipsis" true,
    String = "string" true,
    ConcatenatedString = "concatenated_string" true,
    Interpolation = "interpolation" true,
    FormatSpecifier = "format_specifier" true,
    FormatExpression = "format_expression" true,
    Attribute = "attribute" true,
    Call = "call" true,
    ArgumentList = "argument_list" true,
    KeywordArgument = "keyword_argument" true,
    ListSplat = "list_splat" true,
    DictionarySplat = "dictionary_splat" true,
    Subscript = "subscript" true,
    Slice = "slice" true,
    List = "list" true,
    Tuple = "tuple" true,
    Set = "set" true,
    Dictionary = "dictionary" true,
    Pair = "pair" true,
    ListComprehension = "list_comprehension" true,
    SetComprehension = "set_comprehension" true,
    DictionaryComprehension = "dictionary_comprehension" true,
    GeneratorExpression = "generator_expression" true,
    ForInClause = "for_in_clause" true,
    IfClause = "if_clause" true,
    Parenthesized = "parenthesized_expression" true,
    ParenthesizedSplat = "parenthesized_list_splat" true,
    BinaryOperator = "binary_operator" true,
    UnaryOperator = "unary_operator" true,
    NotOperator = "not_operator" true,
    BooleanOperator = "boolean_operator" true,
    Comparison = "comparison_operator" true,
    Conditional = "conditional_expression" true,
    NamedExpression = "named_expression" true,
    Lambda = "lambda" true,
    Await = "await" true,
    Yield = "yield" true,
    // Nodes that stand anywhere or hold nothing.
    Comment = "comment" true,
    LineContinuation = "line_continuation" true,
    StringStart = "string_start" true,
    StringContent = "string_content" true,
    StringEnd = "string_end" true,
    TypeConversion = "type_conversion" true,
    // Tokens that tell parts of a node apart.
    Comma = "," false,
    Async = "async" false,
    As = "as" false,
    In = "in" false,
    NotIn = "not in" false,
    Is = "is" false,
    IsNot = "is not" false,
    And = "and" false,
    Or = "or" false,
    From = "from" false,
    ImportKeyword = "import" false,
    Plus = "+" false,
    Minus = "-" false,
    Star = "*" false,
    DoubleStar = "**" false,
    Slash = "/" false,
    DoubleSlash = "//" false,
    Percent = "%" false,
    At = "@" false,
    Pipe = "|" false,
    Ampersand = "&" false,
    Caret = "^" false,
    Tilde = "~" false,
    ShiftLeft = "<<" false,
    ShiftRight = ">>" false,
    PlusAssign = "+=" false,
    MinusAssign = "-=" false,
    StarAssign = "*=" false,
    DoubleStarAssign = "**=" false,
    SlashAssign = "/=" false,
    DoubleSlashAssign = "//=" false,
    PercentAssign = "%=" false,
    AtAssign = "@=" false,
    PipeAssign = "|=" false,
    AmpersandAssign = "&=" false,
    CaretAssign = "^=" false,
    ShiftLeftAssign = "<<=" false,
    ShiftRightAssign = ">>=" false,
    Less = "<" false,
    LessEqual = "<=" false,
    Equal = "==" false,
    NotEqual = "!=" false,
    OldNotEqual = "<>" false,
    GreaterEqual = ">=" false,
    Greater = ">" false,
}

/// The kind of every symbol of the grammar, by its id.
pub(super) fn table() -> &'static [Kind] {
    static TABLE: OnceLock<Vec<Kind>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let language = tree_sitter::Language::new(tree_sitter_python::LANGUAGE);
        let count = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
        (0..count).map(|id| of_name(language.node_kind_for_id(id).unwrap_or_default(), language.node_kind_is_named(id))).collect()
    })
}

/// Nodes that become a statement.
pub(super) fn is_statement(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::FutureImport
            | Kind::Import
            | Kind::ImportFrom
            | Kind::Print
            | Kind::Assert
            | Kind::ExpressionStatement
            | Kind::Return
            | Kind::Delete
            | Kind::Raise
            | Kind::Pass
            | Kind::Break
            | Kind::Continue
            | Kind::Global
            | Kind::Nonlocal
            | Kind::Exec
            | Kind::TypeAlias
            | Kind::If
            | Kind::For
            | Kind::While
            | Kind::Try
            | Kind::With
            | Kind::Function
            | Kind::Class
            | Kind::Decorated
            | Kind::Match
    )
}

/// Nodes a block belongs to.
pub(super) fn takes_block(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::If
            | Kind::ElifClause
            | Kind::ElseClause
            | Kind::For
            | Kind::While
            | Kind::Try
            | Kind::ExceptClause
            | Kind::FinallyClause
            | Kind::With
            | Kind::Function
            | Kind::Class
            | Kind::Match
            | Kind::CaseClause
    )
}

/// Nodes that tree-sitter puts around a `*x` that starts them, where the `*` is around all of them.
pub(super) fn splats_the_whole(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Attribute | Kind::Subscript | Kind::Call | Kind::BinaryOperator | Kind::Comparison | Kind::BooleanOperator
    )
}

/// Tokens that are kept as items.
pub(super) fn is_token(kind: Kind) -> bool {
    matches!(kind, Kind::Async | Kind::As | Kind::In | Kind::From | Kind::ImportKeyword | Kind::And | Kind::Or | Kind::Tilde)
        || binary_operator(kind).is_some()
        || augmented_operator(kind).is_some()
        || compare_operator(kind).is_some()
}

/// Nodes that become an expression or a statement, and so count towards [`MAX_DEPTH`]. The others add nothing to
/// the tree's depth, however deep they are (parentheses).
pub(super) fn nests(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Block
            | Kind::ElseClause
            | Kind::ExceptClause
            | Kind::FinallyClause
            | Kind::CaseClause
            | Kind::CasePattern
            | Kind::WithClause
            | Kind::WithItem
            | Kind::Decorator
            | Kind::Parameters
            | Kind::LambdaParameters
            | Kind::TypedParameter
            | Kind::DefaultParameter
            | Kind::TypedDefaultParameter
            | Kind::RelativeImport
            | Kind::AliasedImport
            | Kind::DottedName
            | Kind::Assignment
            | Kind::AugmentedAssignment
            | Kind::Chevron
            | Kind::Type
            | Kind::AsPatternTarget
            | Kind::Interpolation
            | Kind::FormatSpecifier
            | Kind::FormatExpression
            | Kind::ArgumentList
            | Kind::KeywordArgument
            | Kind::Pair
            | Kind::ForInClause
            | Kind::IfClause
            | Kind::Parenthesized
            | Kind::ParenthesizedSplat
    )
}

pub(super) fn binary_operator(kind: Kind) -> Option<BinaryOp> {
    Some(match kind {
        Kind::Plus => BinaryOp::Add,
        Kind::Minus => BinaryOp::Sub,
        Kind::Star => BinaryOp::Mul,
        Kind::DoubleStar => BinaryOp::Pow,
        Kind::Slash => BinaryOp::Div,
        Kind::DoubleSlash => BinaryOp::FloorDiv,
        Kind::Percent => BinaryOp::Mod,
        Kind::At => BinaryOp::MatMul,
        Kind::Pipe => BinaryOp::BitOr,
        Kind::Ampersand => BinaryOp::BitAnd,
        Kind::Caret => BinaryOp::BitXor,
        Kind::ShiftLeft => BinaryOp::ShiftLeft,
        Kind::ShiftRight => BinaryOp::ShiftRight,
        _ => return None,
    })
}

pub(super) fn augmented_operator(kind: Kind) -> Option<BinaryOp> {
    Some(match kind {
        Kind::PlusAssign => BinaryOp::Add,
        Kind::MinusAssign => BinaryOp::Sub,
        Kind::StarAssign => BinaryOp::Mul,
        Kind::DoubleStarAssign => BinaryOp::Pow,
        Kind::SlashAssign => BinaryOp::Div,
        Kind::DoubleSlashAssign => BinaryOp::FloorDiv,
        Kind::PercentAssign => BinaryOp::Mod,
        Kind::AtAssign => BinaryOp::MatMul,
        Kind::PipeAssign => BinaryOp::BitOr,
        Kind::AmpersandAssign => BinaryOp::BitAnd,
        Kind::CaretAssign => BinaryOp::BitXor,
        Kind::ShiftLeftAssign => BinaryOp::ShiftLeft,
        Kind::ShiftRightAssign => BinaryOp::ShiftRight,
        _ => return None,
    })
}

pub(super) fn compare_operator(kind: Kind) -> Option<CompareOp> {
    Some(match kind {
        Kind::Equal => CompareOp::Eq,
        Kind::NotEqual | Kind::OldNotEqual => CompareOp::NotEq,
        Kind::Less => CompareOp::Lt,
        Kind::LessEqual => CompareOp::LtE,
        Kind::Greater => CompareOp::Gt,
        Kind::GreaterEqual => CompareOp::GtE,
        Kind::Is => CompareOp::Is,
        Kind::IsNot => CompareOp::IsNot,
        Kind::In => CompareOp::In,
        Kind::NotIn => CompareOp::NotIn,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grammar that renames a node would otherwise lower to `Other` in silence.
    #[test]
    fn every_visible_node_of_the_grammar_is_known() {
        let language = tree_sitter::Language::new(tree_sitter_python::LANGUAGE);
        let mut unknown: Vec<&str> = (0..u16::try_from(language.node_kind_count()).unwrap())
            .filter(|&id| language.node_kind_is_visible(id) && language.node_kind_is_named(id))
            .filter_map(|id| language.node_kind_for_id(id))
            .filter(|name| of_name(name, true) == Kind::Unknown)
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        // Parts of nodes the walk does not descend into (strings), or of patterns, whose names alone matter.
        let expected =
            ["complex_pattern", "dict_pattern", "escape_interpolation", "escape_sequence", "keyword_pattern", "union_pattern"];
        assert_eq!(unknown, expected);
    }

    #[test]
    fn every_kind_is_in_the_grammar() {
        let table = table();
        for kind in
            [Kind::NotIn, Kind::IsNot, Kind::OldNotEqual, Kind::FormatExpression, Kind::ParenthesizedSplat, Kind::SplatType]
        {
            assert!(table.contains(&kind), "{kind:?}");
        }
    }
}
