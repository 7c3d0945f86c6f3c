//! From tree-sitter's concrete tree to [`Ast`]: one walk with one cursor, children before the node that holds them is finished.
//!
//! Nothing here can fail: what the grammar could not parse becomes [`ExprKind::Other`] or [`StmtKind::Other`] and a span in
//! [`Ast::errors`]. Nesting is followed to [`DEPTH`] levels; deeper code is told like a syntax error, because a file that is not
//! understood as a whole must not be fixed.

use rustc_hash::FxHashMap as HashMap;
use std::cell::RefCell;
use std::sync::OnceLock;

use tree_sitter::{Language, Parser, Tree, TreeCursor};

use super::ast::{
    Alias, Arg, ArgKind, Ast, BinaryOp, Case, Class, Clause, CompareOp, ComprehensionKind, Expr, ExprId, ExprKind, Function,
    Handler, Param, ParamKind, Stmt, StmtId, StmtKind, Symbol,
};
use crate::source::Span;

/// Deepest nesting of expressions and statements that is followed. A level costs a few hundred bytes of stack in a release build and
/// about two kilobytes in a debug build, whose test threads have two megabytes.
const DEPTH: usize = 200;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = const { RefCell::new(None) };
}

/// Parses Python. `None` only if the grammar does not fit the tree-sitter library, which the tests would show.
#[must_use]
pub fn parse(text: &str) -> Option<Tree> {
    PARSER.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut parser = Parser::new();
            parser.set_language(&language()).ok()?;
            *slot = Some(parser);
        }
        slot.as_mut()?.parse(text, None)
    })
}

fn language() -> Language {
    tree_sitter_python::LANGUAGE.into()
}

/// Lowers a tree of `text`.
#[must_use]
pub fn lower(tree: &Tree, text: &str) -> Ast {
    let mut lower = Lower {
        text,
        grammar: grammar(),
        ast: Ast::default(),
        symbols: HashMap::default(),
        stmt: StmtId(0),
        depth: 0,
        has_error: tree.root_node().has_error(),
    };
    // About one expression in ten bytes of ordinary code.
    lower.ast.exprs.reserve(text.len() / 12);
    lower.ast.by_span.reserve(text.len() / 12);
    let mut cursor = tree.walk();
    lower.ast.body = lower.block(&mut cursor, None);
    lower.ast.comments.sort();
    lower.ast.comments.dedup();
    lower.ast.errors.sort();
    lower.ast.errors.dedup();
    lower.ast
}

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// Node types of the grammar that mean something here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Kind { Error, Token, Unknown, $($variant,)* }

        fn kind_named(name: &str) -> Kind {
            match name { $($name => Kind::$variant,)* _ => Kind::Unknown }
        }
    };
}

kinds! {
    Comment = "comment",
    LineContinuation = "line_continuation",
    Identifier = "identifier",
    Integer = "integer",
    Float = "float",
    True = "true",
    False = "false",
    None = "none",
    Ellipsis = "ellipsis",
    String = "string",
    Concatenated = "concatenated_string",
    StringStart = "string_start",
    StringContent = "string_content",
    StringEnd = "string_end",
    Interpolation = "interpolation",
    FormatSpecifier = "format_specifier",
    FormatExpression = "format_expression",
    Attribute = "attribute",
    Call = "call",
    ArgumentList = "argument_list",
    KeywordArgument = "keyword_argument",
    ListSplat = "list_splat",
    DictionarySplat = "dictionary_splat",
    ListSplatPattern = "list_splat_pattern",
    DictionarySplatPattern = "dictionary_splat_pattern",
    Parenthesized = "parenthesized_expression",
    List = "list",
    ListPattern = "list_pattern",
    Tuple = "tuple",
    TuplePattern = "tuple_pattern",
    PatternList = "pattern_list",
    ExpressionList = "expression_list",
    Set = "set",
    Dictionary = "dictionary",
    Pair = "pair",
    ListComprehension = "list_comprehension",
    SetComprehension = "set_comprehension",
    DictionaryComprehension = "dictionary_comprehension",
    Generator = "generator_expression",
    ForInClause = "for_in_clause",
    IfClause = "if_clause",
    Lambda = "lambda",
    LambdaParameters = "lambda_parameters",
    Parameters = "parameters",
    DefaultParameter = "default_parameter",
    TypedParameter = "typed_parameter",
    TypedDefaultParameter = "typed_default_parameter",
    KeywordSeparator = "keyword_separator",
    PositionalSeparator = "positional_separator",
    BinaryOperator = "binary_operator",
    UnaryOperator = "unary_operator",
    NotOperator = "not_operator",
    BooleanOperator = "boolean_operator",
    ComparisonOperator = "comparison_operator",
    Subscript = "subscript",
    Slice = "slice",
    Conditional = "conditional_expression",
    Await = "await",
    Yield = "yield",
    NamedExpression = "named_expression",
    AsPattern = "as_pattern",
    AsPatternTarget = "as_pattern_target",
    Type = "type",
    GenericType = "generic_type",
    TypeParameter = "type_parameter",
    UnionType = "union_type",
    MemberType = "member_type",
    DottedName = "dotted_name",
    Block = "block",
    ExpressionStatement = "expression_statement",
    Assignment = "assignment",
    AugmentedAssignment = "augmented_assignment",
    FunctionDefinition = "function_definition",
    ClassDefinition = "class_definition",
    DecoratedDefinition = "decorated_definition",
    Decorator = "decorator",
    For = "for_statement",
    While = "while_statement",
    If = "if_statement",
    ElifClause = "elif_clause",
    ElseClause = "else_clause",
    With = "with_statement",
    WithClause = "with_clause",
    WithItem = "with_item",
    Try = "try_statement",
    ExceptClause = "except_clause",
    ExceptGroupClause = "except_group_clause",
    FinallyClause = "finally_clause",
    Match = "match_statement",
    CaseClause = "case_clause",
    CasePattern = "case_pattern",
    ClassPattern = "class_pattern",
    KeywordPattern = "keyword_pattern",
    SplatPattern = "splat_pattern",
    DictPattern = "dict_pattern",
    UnionPattern = "union_pattern",
    Return = "return_statement",
    Raise = "raise_statement",
    Assert = "assert_statement",
    Import = "import_statement",
    ImportFrom = "import_from_statement",
    FutureImport = "future_import_statement",
    AliasedImport = "aliased_import",
    RelativeImport = "relative_import",
    ImportPrefix = "import_prefix",
    WildcardImport = "wildcard_import",
    Global = "global_statement",
    Nonlocal = "nonlocal_statement",
    Delete = "delete_statement",
    Break = "break_statement",
    Continue = "continue_statement",
    Pass = "pass_statement",
    Print = "print_statement",
    Exec = "exec_statement",
    TypeAlias = "type_alias_statement",
}

/// Kinds by node id, and the fields that are asked for.
struct Grammar {
    kinds: Vec<Kind>,
    fields: Fields,
}

macro_rules! fields {
    ($($name:ident,)*) => {
        struct Fields { $($name: u16,)* }
        impl Fields {
            fn new(language: &Language) -> Self {
                // An unknown field gets a number that no node has.
                let id = |name: &str| language.field_id_for_name(name).map_or(u16::MAX, |id| id.get());
                Self { $($name: id(stringify!($name).trim_start_matches("r#")),)* }
            }
        }
    };
}

fields! {
    name, value, alias, module_name, left, right, operator, operators, object, attribute, function, arguments, body, condition,
    consequence, parameters, return_type, superclasses, definition, r#type, argument, key, subscript,
    expression, subject, guard, format_specifier,
}

fn grammar() -> &'static Grammar {
    static GRAMMAR: OnceLock<Grammar> = OnceLock::new();
    GRAMMAR.get_or_init(|| {
        let language = language();
        let count = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
        let kinds = (0..count)
            .map(|id| {
                let name = language.node_kind_for_id(id).unwrap_or_default();
                if language.node_kind_is_named(id) { kind_named(name) } else { Kind::Token }
            })
            .collect();
        Grammar { kinds, fields: Fields::new(&language) }
    })
}

type Cursor<'t> = TreeCursor<'t>;

struct Lower<'a> {
    text: &'a str,
    grammar: &'static Grammar,
    ast: Ast,
    symbols: HashMap<&'a str, Symbol>,
    /// The statement being lowered.
    stmt: StmtId,
    depth: usize,
    has_error: bool,
}

impl<'a> Lower<'a> {
    fn kind(&self, c: &Cursor<'_>) -> Kind {
        let id = c.node().kind_id();
        if id == u16::MAX { Kind::Error } else { self.grammar.kinds.get(id as usize).copied().unwrap_or(Kind::Unknown) }
    }

    fn span(c: &Cursor<'_>) -> Span {
        let range = c.node().byte_range();
        Span::new(u32::try_from(range.start).unwrap_or(u32::MAX), u32::try_from(range.end).unwrap_or(u32::MAX))
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn token(&self, c: &Cursor<'_>) -> &'a str {
        self.slice(Self::span(c))
    }

    fn symbol(&mut self, name: &'a str) -> Symbol {
        if let Some(&s) = self.symbols.get(name) {
            return s;
        }
        let s = Symbol(u32::try_from(self.ast.names.len()).unwrap_or(u32::MAX));
        self.ast.names.push(name.to_owned());
        self.symbols.insert(name, s);
        s
    }

    /// Calls `f` with the cursor on each child that means something; comments are collected on the way.
    fn each(&mut self, c: &mut Cursor<'_>, mut f: impl FnMut(&mut Self, &mut Cursor<'_>, u16, Kind)) {
        if !c.goto_first_child() {
            return;
        }
        loop {
            let kind = self.kind(c);
            if self.has_error && (kind == Kind::Error || c.node().is_missing()) {
                self.ast.errors.push(Self::span(c));
            }
            match kind {
                Kind::Comment => self.ast.comments.push(Self::span(c)),
                Kind::LineContinuation => {}
                _ => {
                    let field = c.field_id().map_or(0, std::num::NonZero::get);
                    f(self, c, field, kind);
                }
            }
            if !c.goto_next_sibling() {
                break;
            }
        }
        c.goto_parent();
    }

    /// Whether there is room for another level; otherwise the node is noted as not understood.
    fn too_deep(&mut self, c: &Cursor<'_>) -> bool {
        if self.depth < DEPTH {
            return false;
        }
        self.ast.errors.push(Self::span(c));
        true
    }

    // ---- expressions ----

    fn new_expr(&mut self, span: Span, parent: Option<ExprId>) -> ExprId {
        let id = ExprId(u32::try_from(self.ast.exprs.len()).unwrap_or(u32::MAX));
        self.ast.exprs.push(Expr { kind: ExprKind::None, span, parent, stmt: self.stmt });
        id
    }

    fn expr(&mut self, c: &mut Cursor<'_>, parent: Option<ExprId>) -> ExprId {
        // Parentheses and the wrapper of annotations are not nodes of their own.
        let mut kind = self.kind(c);
        if matches!(kind, Kind::Parenthesized | Kind::Type | Kind::AsPatternTarget) {
            let outer = Self::span(c);
            if !self.too_deep(c) {
                self.depth += 1;
                let mut inner = None;
                self.each(c, |s, c, _, k| {
                    if k != Kind::Token && inner.is_none() {
                        inner = Some(s.expr(c, parent));
                    }
                });
                self.depth -= 1;
                if let Some(inner) = inner {
                    self.ast.by_span.insert(outer, inner);
                    return inner;
                }
            }
            kind = Kind::Unknown;
        }
        let span = Self::span(c);
        let id = self.new_expr(span, parent);
        let lowered = if self.too_deep(c) {
            ExprKind::Other(Vec::new())
        } else {
            self.depth += 1;
            let lowered = self.expr_kind(c, kind, id, span);
            self.depth -= 1;
            lowered
        };
        self.ast.exprs[id.0 as usize].kind = lowered;
        self.ast.by_span.insert(span, id);
        id
    }

    fn items(&mut self, c: &mut Cursor<'_>, id: ExprId) -> Vec<ExprId> {
        let mut out = Vec::new();
        self.each(c, |s, c, _, k| {
            if k != Kind::Token {
                out.push(s.expr(c, Some(id)));
            }
        });
        out
    }

    fn only(&mut self, c: &mut Cursor<'_>, id: ExprId) -> Option<ExprId> {
        self.items(c, id).into_iter().next()
    }

    fn expr_kind(&mut self, c: &mut Cursor<'_>, kind: Kind, id: ExprId, span: Span) -> ExprKind {
        let f = &self.grammar.fields;
        let me = Some(id);
        match kind {
            Kind::Identifier => ExprKind::Name(self.symbol(self.slice(span))),
            Kind::Integer => integer(self.slice(span)),
            Kind::Float => float(self.slice(span)),
            Kind::True => ExprKind::Bool(true),
            Kind::False => ExprKind::Bool(false),
            Kind::None => ExprKind::None,
            Kind::Ellipsis => ExprKind::Ellipsis,
            Kind::String => self.string(c, id),
            Kind::Concatenated => self.concatenated(c, id),
            Kind::Attribute => {
                let (mut value, mut attr) = (None, None);
                self.each(c, |s, c, field, k| {
                    if field == f.object {
                        value = Some(s.expr(c, me));
                    } else if field == f.attribute && k == Kind::Identifier {
                        attr = Some((s.symbol(s.token(c)), Self::span(c)));
                    }
                });
                match (value, attr) {
                    (Some(value), Some((attr, attr_span))) => ExprKind::Attribute { value, attr, attr_span },
                    (value, _) => ExprKind::Other(value.into_iter().collect()),
                }
            }
            Kind::DottedName => self.dotted(c, id),
            Kind::Call => {
                let (mut func, mut args, mut args_span) = (None, Vec::new(), span);
                self.each(c, |s, c, field, k| {
                    if field == f.function {
                        func = Some(s.expr(c, me));
                    } else if field == f.arguments {
                        args_span = Self::span(c);
                        if k == Kind::Generator {
                            let value = s.expr(c, me);
                            args.push(Arg { kind: ArgKind::Positional, value, span: args_span });
                        } else {
                            args = s.args(c, me);
                        }
                    }
                });
                match func {
                    Some(func) => ExprKind::Call { func, args, args_span },
                    None => ExprKind::Other(args.into_iter().map(|a| a.value).collect()),
                }
            }
            Kind::List | Kind::ListPattern => ExprKind::List(self.items(c, id)),
            Kind::Tuple | Kind::TuplePattern | Kind::PatternList | Kind::ExpressionList => ExprKind::Tuple(self.items(c, id)),
            Kind::Set => ExprKind::Set(self.items(c, id)),
            Kind::Dictionary => {
                let mut items = Vec::new();
                self.each(c, |s, c, _, k| match k {
                    Kind::Pair => {
                        let (key, value) = s.pair(c, me);
                        if let Some(value) = value {
                            items.push((key, value));
                        }
                    }
                    Kind::DictionarySplat => {
                        s.each(c, |s, c, _, k| {
                            if k != Kind::Token {
                                let value = s.expr(c, me);
                                items.push((None, value));
                            }
                        });
                    }
                    Kind::Token => {}
                    _ => {
                        let value = s.expr(c, me);
                        items.push((None, value));
                    }
                });
                ExprKind::Dict(items)
            }
            Kind::ListComprehension => self.comprehension(c, id, ComprehensionKind::List),
            Kind::SetComprehension => self.comprehension(c, id, ComprehensionKind::Set),
            Kind::DictionaryComprehension => self.comprehension(c, id, ComprehensionKind::Dict),
            Kind::Generator => self.comprehension(c, id, ComprehensionKind::Generator),
            Kind::Lambda => {
                let (mut params, mut body) = (Vec::new(), None);
                self.each(c, |s, c, field, _| {
                    if field == f.parameters {
                        params = s.params(c, me);
                    } else if field == f.body {
                        body = Some(s.expr(c, me));
                    }
                });
                match body {
                    Some(body) => ExprKind::Lambda { params, body },
                    None => ExprKind::Other(Vec::new()),
                }
            }
            Kind::BinaryOperator => {
                let (mut left, mut right, mut op) = (None, None, None);
                self.each(c, |s, c, field, _| {
                    if field == f.left {
                        left = Some(s.expr(c, me));
                    } else if field == f.right {
                        right = Some(s.expr(c, me));
                    } else if field == f.operator {
                        op = binary_op(s.token(c));
                    }
                });
                match (left, op, right) {
                    (Some(left), Some(op), Some(right)) => ExprKind::Binary { op, left, right },
                    (l, _, r) => ExprKind::Other(l.into_iter().chain(r).collect()),
                }
            }
            Kind::UnaryOperator => {
                let (mut operand, mut op) = (None, '+');
                self.each(c, |s, c, field, _| {
                    if field == f.argument {
                        operand = Some(s.expr(c, me));
                    } else if field == f.operator {
                        op = s.token(c).chars().next().unwrap_or('+');
                    }
                });
                operand.map_or_else(|| ExprKind::Other(Vec::new()), |operand| ExprKind::Unary { op, operand })
            }
            Kind::NotOperator => self.only(c, id).map_or_else(|| ExprKind::Other(Vec::new()), ExprKind::Not),
            Kind::BooleanOperator => {
                let (mut left, mut right, mut and) = (None, None, true);
                self.each(c, |s, c, field, _| {
                    if field == f.left {
                        left = Some(s.expr(c, me));
                    } else if field == f.right {
                        right = Some(s.expr(c, me));
                    } else if field == f.operator {
                        and = s.token(c) == "and";
                    }
                });
                match (left, right) {
                    (Some(left), Some(right)) => ExprKind::Bool2 { and, left, right },
                    (l, r) => ExprKind::Other(l.into_iter().chain(r).collect()),
                }
            }
            Kind::ComparisonOperator => {
                let (mut first, mut rest, mut op) = (None, Vec::new(), None);
                self.each(c, |s, c, field, k| {
                    if k == Kind::Token || field == f.operators {
                        let token = s.token(c);
                        op = match (op, token) {
                            (Some(CompareOp::Is), "not") => Some(CompareOp::IsNot),
                            (Some(CompareOp::NotIn), "in") => Some(CompareOp::NotIn),
                            _ => compare_op(token),
                        };
                    } else {
                        let e = s.expr(c, me);
                        match (first, op.take()) {
                            (None, _) => first = Some(e),
                            (Some(_), Some(op)) => rest.push((op, e)),
                            (Some(_), None) => rest.push((CompareOp::Eq, e)),
                        }
                    }
                });
                first.map_or_else(|| ExprKind::Other(Vec::new()), |first| ExprKind::Compare { first, rest })
            }
            Kind::Subscript => {
                let (mut value, mut indices) = (None, Vec::new());
                let mut index_span: Option<Span> = None;
                self.each(c, |s, c, field, _| {
                    if field == f.value {
                        value = Some(s.expr(c, me));
                    } else if field == f.subscript {
                        let at = Self::span(c);
                        index_span = Some(index_span.map_or(at, |all| Span::new(all.start, at.end)));
                        let e = s.expr(c, me);
                        indices.push(e);
                    }
                });
                let Some(value) = value else { return ExprKind::Other(indices) };
                match indices[..] {
                    [index] => ExprKind::Subscript { value, index },
                    [] => ExprKind::Other(vec![value]),
                    _ => {
                        let index = self.new_expr(index_span.unwrap_or(span), me);
                        for &e in &indices {
                            self.ast.exprs[e.0 as usize].parent = Some(index);
                        }
                        self.ast.exprs[index.0 as usize].kind = ExprKind::Tuple(indices);
                        ExprKind::Subscript { value, index }
                    }
                }
            }
            Kind::GenericType => {
                // `list[int]` where the grammar expects a type: a subscript like any other.
                let (mut value, mut indices) = (None, Vec::new());
                self.each(c, |s, c, _, k| match k {
                    Kind::TypeParameter => {
                        s.each(c, |s, c, _, k| {
                            if k != Kind::Token {
                                let e = s.expr(c, me);
                                indices.push(e);
                            }
                        });
                    }
                    Kind::Token => {}
                    _ => value = Some(s.expr(c, me)),
                });
                let Some(value) = value else { return ExprKind::Other(indices) };
                match indices[..] {
                    [index] => ExprKind::Subscript { value, index },
                    [] => ExprKind::Other(vec![value]),
                    _ => {
                        let index = self.new_expr(span, me);
                        for &e in &indices {
                            self.ast.exprs[e.0 as usize].parent = Some(index);
                        }
                        self.ast.exprs[index.0 as usize].kind = ExprKind::Tuple(indices);
                        ExprKind::Subscript { value, index }
                    }
                }
            }
            Kind::Slice => ExprKind::Slice(self.items(c, id)),
            Kind::Conditional => match self.items(c, id)[..] {
                [then, test, otherwise] => ExprKind::IfElse { test, then, otherwise },
                ref other => ExprKind::Other(other.to_vec()),
            },
            Kind::Await => self.only(c, id).map_or_else(|| ExprKind::Other(Vec::new()), ExprKind::Await),
            Kind::Yield => {
                let (mut value, mut from) = (None, false);
                self.each(c, |s, c, _, k| {
                    if k == Kind::Token {
                        from |= s.token(c) == "from";
                    } else {
                        value = Some(s.expr(c, me));
                    }
                });
                ExprKind::Yield { value, from }
            }
            Kind::NamedExpression => {
                let (mut target, mut value) = (None, None);
                self.each(c, |s, c, field, _| {
                    if field == f.name {
                        target = Some(s.expr(c, me));
                    } else if field == f.value {
                        value = Some(s.expr(c, me));
                    }
                });
                match (target, value) {
                    (Some(target), Some(value)) => ExprKind::Walrus { target, value },
                    (t, v) => ExprKind::Other(t.into_iter().chain(v).collect()),
                }
            }
            Kind::ListSplat | Kind::ListSplatPattern => {
                self.only(c, id).map_or_else(|| ExprKind::Other(Vec::new()), ExprKind::Starred)
            }
            _ => ExprKind::Other(self.items(c, id)),
        }
    }

    /// `a.b.c` as the grammar gives it in decorators and patterns: names joined by dots.
    fn dotted(&mut self, c: &mut Cursor<'_>, id: ExprId) -> ExprKind {
        let mut parts = Vec::new();
        self.each(c, |s, c, _, k| {
            if k == Kind::Identifier {
                parts.push((s.symbol(s.token(c)), Self::span(c)));
            }
        });
        let Some(((first, first_span), rest)) = parts.split_first() else { return ExprKind::Other(Vec::new()) };
        let Some(((last, last_span), middle)) = rest.split_last() else { return ExprKind::Name(*first) };
        let mut value = self.new_expr(*first_span, Some(id));
        self.ast.exprs[value.0 as usize].kind = ExprKind::Name(*first);
        for (attr, attr_span) in middle {
            let next = self.new_expr(Span::new(first_span.start, attr_span.end), Some(id));
            self.ast.exprs[value.0 as usize].parent = Some(next);
            self.ast.exprs[next.0 as usize].kind = ExprKind::Attribute { value, attr: *attr, attr_span: *attr_span };
            value = next;
        }
        ExprKind::Attribute { value, attr: *last, attr_span: *last_span }
    }

    fn pair(&mut self, c: &mut Cursor<'_>, parent: Option<ExprId>) -> (Option<ExprId>, Option<ExprId>) {
        let f = &self.grammar.fields;
        let (mut key, mut value) = (None, None);
        self.each(c, |s, c, field, _| {
            if field == f.key {
                key = Some(s.expr(c, parent));
            } else if field == f.value {
                value = Some(s.expr(c, parent));
            }
        });
        (key, value)
    }

    fn comprehension(&mut self, c: &mut Cursor<'_>, id: ExprId, kind: ComprehensionKind) -> ExprKind {
        let f = &self.grammar.fields;
        let me = Some(id);
        let (mut element, mut value, mut clauses) = (None, None, Vec::new());
        self.each(c, |s, c, field, k| {
            if field == f.body {
                if k == Kind::Pair {
                    (element, value) = s.pair(c, me);
                } else {
                    element = Some(s.expr(c, me));
                }
            } else if k == Kind::ForInClause {
                let (mut target, mut iter, mut is_async) = (None, None, false);
                s.each(c, |s, c, field, k| {
                    if field == f.left {
                        target = Some(s.expr(c, me));
                    } else if field == f.right && k != Kind::Token {
                        iter = Some(s.expr(c, me));
                    } else if k == Kind::Token {
                        is_async |= s.token(c) == "async";
                    }
                });
                if let (Some(target), Some(iter)) = (target, iter) {
                    clauses.push(Clause::For { target, iter, is_async });
                }
            } else if k == Kind::IfClause {
                s.each(c, |s, c, _, k| {
                    if k != Kind::Token {
                        let test = s.expr(c, me);
                        clauses.push(Clause::If(test));
                    }
                });
            } else if k != Kind::Token {
                s.expr(c, me);
            }
        });
        match element {
            Some(element) => ExprKind::Comprehension { kind, element, value, clauses },
            None => ExprKind::Other(Vec::new()),
        }
    }

    fn args(&mut self, c: &mut Cursor<'_>, parent: Option<ExprId>) -> Vec<Arg> {
        let f = &self.grammar.fields;
        let mut out = Vec::new();
        self.each(c, |s, c, _, k| {
            let span = Self::span(c);
            match k {
                Kind::Token => {}
                Kind::KeywordArgument => {
                    let (mut name, mut value) = (None, None);
                    s.each(c, |s, c, field, k| {
                        if field == f.name {
                            name = Some(s.symbol(s.token(c)));
                        } else if field == f.value && k != Kind::Token {
                            value = Some(s.expr(c, parent));
                        }
                    });
                    if let (Some(name), Some(value)) = (name, value) {
                        out.push(Arg { kind: ArgKind::Keyword(name), value, span });
                    }
                }
                Kind::ListSplat | Kind::DictionarySplat => {
                    let kind = if k == Kind::ListSplat { ArgKind::Star } else { ArgKind::DoubleStar };
                    s.each(c, |s, c, _, k| {
                        if k != Kind::Token {
                            let value = s.expr(c, parent);
                            out.push(Arg { kind, value, span });
                        }
                    });
                }
                _ => {
                    let value = s.expr(c, parent);
                    out.push(Arg { kind: ArgKind::Positional, value, span });
                }
            }
        });
        out
    }

    fn params(&mut self, c: &mut Cursor<'_>, parent: Option<ExprId>) -> Vec<Param> {
        let f = &self.grammar.fields;
        let mut out: Vec<Param> = Vec::new();
        let mut after_star = false;
        self.each(c, |s, c, _, k| {
            let span = Self::span(c);
            let plain = if after_star { ParamKind::KeywordOnly } else { ParamKind::Normal };
            let mut param = Param { name: Symbol(0), name_span: span, kind: plain, annotation: None, default: None, span };
            let mut named = false;
            match k {
                Kind::Token => return,
                Kind::KeywordSeparator => {
                    after_star = true;
                    return;
                }
                Kind::PositionalSeparator => {
                    for p in &mut out {
                        if p.kind == ParamKind::Normal {
                            p.kind = ParamKind::PositionalOnly;
                        }
                    }
                    return;
                }
                Kind::Identifier => {
                    param.name = s.symbol(s.token(c));
                    named = true;
                }
                Kind::ListSplatPattern | Kind::DictionarySplatPattern => {
                    param.kind = if k == Kind::ListSplatPattern { ParamKind::Star } else { ParamKind::DoubleStar };
                    s.each(c, |s, c, _, k| {
                        if k == Kind::Identifier {
                            param.name = s.symbol(s.token(c));
                            param.name_span = Self::span(c);
                            named = true;
                        }
                    });
                }
                _ => {
                    s.each(c, |s, c, field, k| {
                        if field == f.r#type {
                            param.annotation = Some(s.expr(c, parent));
                        } else if field == f.value {
                            param.default = Some(s.expr(c, parent));
                        } else {
                            match k {
                                Kind::Identifier => {
                                    param.name = s.symbol(s.token(c));
                                    param.name_span = Self::span(c);
                                    named = true;
                                }
                                Kind::ListSplatPattern | Kind::DictionarySplatPattern => {
                                    param.kind =
                                        if k == Kind::ListSplatPattern { ParamKind::Star } else { ParamKind::DoubleStar };
                                    s.each(c, |s, c, _, k| {
                                        if k == Kind::Identifier {
                                            param.name = s.symbol(s.token(c));
                                            param.name_span = Self::span(c);
                                            named = true;
                                        }
                                    });
                                }
                                _ => {}
                            }
                        }
                    });
                }
            }
            if named {
                after_star |= param.kind == ParamKind::Star;
                out.push(param);
            }
        });
        out
    }

    fn string(&mut self, c: &mut Cursor<'_>, id: ExprId) -> ExprKind {
        let span = Self::span(c);
        let mut parts = Vec::new();
        let mut interpolated = false;
        self.each(c, |s, c, _, k| {
            if k == Kind::Interpolation {
                interpolated = true;
                s.interpolation(c, id, &mut parts);
            }
        });
        let (bytes, text, len) = literal(self.slice(span));
        if interpolated {
            return ExprKind::Str { bytes, text: None, len: None, parts };
        }
        ExprKind::Str { bytes, text, len: Some(len), parts }
    }

    fn interpolation(&mut self, c: &mut Cursor<'_>, id: ExprId, parts: &mut Vec<ExprId>) {
        let f = &self.grammar.fields;
        self.each(c, |s, c, field, k| {
            if field == f.expression {
                let e = s.expr(c, Some(id));
                parts.push(e);
            } else if field == f.format_specifier || k == Kind::FormatSpecifier {
                let mut nested = Vec::new();
                s.each(c, |s, c, _, k| {
                    if matches!(k, Kind::FormatExpression | Kind::Interpolation) && !s.too_deep(c) {
                        s.depth += 1;
                        s.interpolation(c, id, &mut nested);
                        s.depth -= 1;
                    }
                });
                parts.append(&mut nested);
            }
        });
    }

    fn concatenated(&mut self, c: &mut Cursor<'_>, id: ExprId) -> ExprKind {
        let (mut any_bytes, mut text, mut len, mut parts) = (false, Some(String::new()), Some(0u64), Vec::new());
        self.each(c, |s, c, _, k| {
            if k != Kind::String {
                return;
            }
            if let ExprKind::Str { bytes, text: t, len: n, parts: p } = s.string(c, id) {
                any_bytes |= bytes;
                text = match (text.take(), t) {
                    (Some(all), Some(t)) => Some(all + &t),
                    _ => None,
                };
                len = len.zip(n).map(|(a, b)| a + b);
                parts.extend(p);
            }
        });
        ExprKind::Str { bytes: any_bytes, text, len, parts }
    }

    // ---- statements ----

    /// The statements that are children of the cursor's node.
    fn block(&mut self, c: &mut Cursor<'_>, parent: Option<StmtId>) -> Vec<StmtId> {
        let mut out = Vec::new();
        self.each(c, |s, c, _, k| {
            if k != Kind::Token {
                out.push(s.statement(c, k, parent));
            }
        });
        out
    }

    fn statement(&mut self, c: &mut Cursor<'_>, kind: Kind, parent: Option<StmtId>) -> StmtId {
        let span = Self::span(c);
        let id = StmtId(u32::try_from(self.ast.stmts.len()).unwrap_or(u32::MAX));
        self.ast.stmts.push(Stmt { kind: StmtKind::Break, span, parent });
        let around = std::mem::replace(&mut self.stmt, id);
        let lowered = if self.too_deep(c) {
            StmtKind::Other(Vec::new())
        } else {
            self.depth += 1;
            let lowered = self.stmt_kind(c, kind, id);
            self.depth -= 1;
            lowered
        };
        // A decorated definition is the definition; its decorators belong to it.
        match &lowered {
            StmtKind::Function(f) => {
                self.ast.stmts[id.0 as usize].span = Span::new(def_start(self.text, f.name_span, span), span.end);
            }
            StmtKind::Class(k) => {
                self.ast.stmts[id.0 as usize].span = Span::new(def_start(self.text, k.name_span, span), span.end);
            }
            _ => {}
        }
        self.ast.stmts[id.0 as usize].kind = lowered;
        let span = self.ast.stmts[id.0 as usize].span;
        self.ast.stmt_by_span.insert(span, id);
        self.stmt = around;
        id
    }

    fn loose(&mut self, c: &mut Cursor<'_>) -> Vec<ExprId> {
        let mut out = Vec::new();
        self.each(c, |s, c, _, k| {
            if k != Kind::Token {
                out.push(s.expr(c, None));
            }
        });
        out
    }

    fn stmt_kind(&mut self, c: &mut Cursor<'_>, kind: Kind, id: StmtId) -> StmtKind {
        let f = &self.grammar.fields;
        match kind {
            Kind::ExpressionStatement => {
                let mut out = Vec::new();
                let mut lowered = None;
                self.each(c, |s, c, _, k| match k {
                    Kind::Token => {}
                    Kind::Assignment => lowered = Some(s.assignment(c)),
                    Kind::AugmentedAssignment => lowered = Some(s.augmented(c)),
                    _ => out.push(s.expr(c, None)),
                });
                match (lowered, &out[..]) {
                    (Some(lowered), _) => lowered,
                    (None, [one]) => StmtKind::Expr(*one),
                    // `a, b` as a statement.
                    (None, _) => StmtKind::Other(out),
                }
            }
            Kind::FunctionDefinition => self.function(c, Vec::new(), Self::span(c), id),
            Kind::ClassDefinition => self.class(c, Vec::new(), Self::span(c), id),
            Kind::DecoratedDefinition => {
                let outer = Self::span(c);
                let mut decorators = Vec::new();
                let mut lowered = StmtKind::Other(Vec::new());
                self.each(c, |s, c, field, k| match k {
                    Kind::Decorator => s.each(c, |s, c, _, k| {
                        if k != Kind::Token {
                            decorators.push(s.expr(c, None));
                        }
                    }),
                    Kind::FunctionDefinition if field == f.definition => {
                        lowered = s.function(c, std::mem::take(&mut decorators), outer, id);
                    }
                    Kind::ClassDefinition if field == f.definition => {
                        lowered = s.class(c, std::mem::take(&mut decorators), outer, id);
                    }
                    _ => {}
                });
                lowered
            }
            Kind::For => {
                let (mut target, mut iter, mut body, mut orelse, mut is_async) = (None, None, Vec::new(), Vec::new(), false);
                self.each(c, |s, c, field, k| {
                    if field == f.left {
                        target = Some(s.expr(c, None));
                    } else if field == f.right {
                        iter = Some(s.expr(c, None));
                    } else if field == f.body {
                        body = s.block(c, Some(id));
                    } else if k == Kind::ElseClause {
                        orelse = s.clause_body(c, id);
                    } else if k == Kind::Token {
                        is_async |= s.token(c) == "async";
                    }
                });
                match (target, iter) {
                    (Some(target), Some(iter)) => StmtKind::For { target, iter, body, orelse, is_async },
                    _ => StmtKind::Other(Vec::new()),
                }
            }
            Kind::While => {
                let (mut test, mut body, mut orelse) = (None, Vec::new(), Vec::new());
                self.each(c, |s, c, field, k| {
                    if field == f.condition {
                        test = Some(s.expr(c, None));
                    } else if field == f.body {
                        body = s.block(c, Some(id));
                    } else if k == Kind::ElseClause {
                        orelse = s.clause_body(c, id);
                    }
                });
                match test {
                    Some(test) => StmtKind::While { test, body, orelse },
                    None => StmtKind::Other(Vec::new()),
                }
            }
            Kind::If => self.if_chain(c, id),
            Kind::With => {
                let (mut items, mut body, mut is_async) = (Vec::new(), Vec::new(), false);
                self.each(c, |s, c, field, k| {
                    if k == Kind::WithClause {
                        s.with_items(c, &mut items);
                    } else if field == f.body {
                        body = s.block(c, Some(id));
                    } else if k == Kind::Token {
                        is_async |= s.token(c) == "async";
                    }
                });
                StmtKind::With { items, body, is_async }
            }
            Kind::Try => {
                let (mut body, mut handlers, mut orelse, mut finally) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                self.each(c, |s, c, field, k| {
                    if field == f.body {
                        body = s.block(c, Some(id));
                    } else {
                        match k {
                            Kind::ExceptClause | Kind::ExceptGroupClause => {
                                let handler = s.handler(c, id);
                                handlers.push(handler);
                            }
                            Kind::ElseClause => orelse = s.clause_body(c, id),
                            Kind::FinallyClause => finally = s.clause_body(c, id),
                            _ => {}
                        }
                    }
                });
                StmtKind::Try { body, handlers, orelse, finally }
            }
            Kind::Match => {
                let (mut subjects, mut cases) = (Vec::new(), Vec::new());
                self.each(c, |s, c, field, k| {
                    if field == f.subject {
                        subjects.push(s.expr(c, None));
                    } else if k == Kind::Block {
                        s.each(c, |s, c, _, k| {
                            if k == Kind::CaseClause {
                                let case = s.case(c, id);
                                cases.push(case);
                            }
                        });
                    }
                });
                match subjects.first() {
                    Some(&subject) => StmtKind::Match { subject, cases },
                    None => StmtKind::Other(Vec::new()),
                }
            }
            Kind::Return => StmtKind::Return(self.loose(c).into_iter().next()),
            Kind::Raise => StmtKind::Raise(self.loose(c)),
            Kind::Assert => {
                let all = self.loose(c);
                match all[..] {
                    [test] => StmtKind::Assert { test, message: None },
                    [test, message, ..] => StmtKind::Assert { test, message: Some(message) },
                    [] => StmtKind::Other(all),
                }
            }
            Kind::Import => {
                let mut names = Vec::new();
                self.each(c, |s, c, field, k| {
                    if field == f.name {
                        names.extend(s.alias(c, k, true));
                    }
                });
                StmtKind::Import(names)
            }
            Kind::FutureImport => {
                let mut names = Vec::new();
                self.each(c, |s, c, field, k| {
                    if field == f.name {
                        names.extend(s.alias(c, k, false));
                    }
                });
                StmtKind::ImportFrom { level: 0, module: "__future__".to_owned(), names }
            }
            Kind::ImportFrom => {
                let (mut level, mut module, mut names) = (0, String::new(), Vec::new());
                self.each(c, |s, c, field, k| {
                    if field == f.module_name {
                        let text: String = s.token(c).chars().filter(|ch| !ch.is_whitespace()).collect();
                        let name = text.trim_start_matches('.');
                        level = u32::try_from(text.len() - name.len()).unwrap_or(0);
                        name.clone_into(&mut module);
                    } else if field == f.name {
                        names.extend(s.alias(c, k, false));
                    } else if k == Kind::WildcardImport {
                        names.push(Alias { name: "*".to_owned(), asname: None, binds: None, span: Self::span(c) });
                    }
                });
                StmtKind::ImportFrom { level, module, names }
            }
            Kind::Global | Kind::Nonlocal => {
                let mut names = Vec::new();
                self.each(c, |s, c, _, k| {
                    if k == Kind::Identifier {
                        names.push(s.symbol(s.token(c)));
                    }
                });
                if kind == Kind::Global { StmtKind::Global(names) } else { StmtKind::Nonlocal(names) }
            }
            Kind::Delete => {
                let mut targets = Vec::new();
                for e in self.loose(c) {
                    match &self.ast.exprs[e.0 as usize].kind {
                        ExprKind::Tuple(items) => targets.extend(items.iter().copied()),
                        _ => targets.push(e),
                    }
                }
                StmtKind::Delete(targets)
            }
            Kind::Break => StmtKind::Break,
            Kind::Continue => StmtKind::Continue,
            Kind::Pass => StmtKind::Other(Vec::new()),
            _ => StmtKind::Other(self.loose(c)),
        }
    }

    fn assignment(&mut self, c: &mut Cursor<'_>) -> StmtKind {
        let f = &self.grammar.fields;
        let (mut targets, mut annotation, mut value) = (Vec::new(), None, None);
        // `a = b = c` nests to the right; the chain is walked in a loop by descending the cursor's recursion one level each.
        let mut chained = None;
        self.each(c, |s, c, field, k| {
            if field == f.left {
                targets.push(s.expr(c, None));
            } else if field == f.r#type {
                annotation = Some(s.expr(c, None));
            } else if field == f.right {
                match k {
                    Kind::Assignment if !s.too_deep(c) => {
                        s.depth += 1;
                        chained = Some(s.assignment(c));
                        s.depth -= 1;
                    }
                    Kind::Assignment | Kind::AugmentedAssignment => {}
                    _ => value = Some(s.expr(c, None)),
                }
            }
        });
        if let Some(StmtKind::Assign { targets: more, value: last, .. }) = chained {
            targets.extend(more);
            value = last;
        }
        StmtKind::Assign { targets, annotation, value }
    }

    fn augmented(&mut self, c: &mut Cursor<'_>) -> StmtKind {
        let f = &self.grammar.fields;
        let (mut target, mut op, mut value) = (None, None, None);
        self.each(c, |s, c, field, _| {
            if field == f.left {
                target = Some(s.expr(c, None));
            } else if field == f.right {
                value = Some(s.expr(c, None));
            } else if field == f.operator {
                op = binary_op(s.token(c).trim_end_matches('='));
            }
        });
        match (target, op, value) {
            (Some(target), Some(op), Some(value)) => StmtKind::AugAssign { target, op, value },
            (t, _, v) => StmtKind::Other(t.into_iter().chain(v).collect()),
        }
    }

    fn function(&mut self, c: &mut Cursor<'_>, decorators: Vec<ExprId>, outer_span: Span, id: StmtId) -> StmtKind {
        let f = &self.grammar.fields;
        let mut name = None;
        let (mut params, mut params_span, mut returns, mut body, mut is_async) =
            (Vec::new(), outer_span, None, Vec::new(), false);
        self.each(c, |s, c, field, k| {
            if field == f.name {
                name = Some((s.symbol(s.token(c)), Self::span(c)));
            } else if field == f.parameters {
                params_span = Self::span(c);
                params = s.params(c, None);
            } else if field == f.return_type {
                returns = Some(s.expr(c, None));
            } else if field == f.body {
                body = s.block(c, Some(id));
            } else if k == Kind::Token {
                is_async |= s.token(c) == "async";
            }
        });
        match name {
            Some((name, name_span)) => StmtKind::Function(Box::new(Function {
                name,
                name_span,
                params,
                params_span,
                decorators,
                returns,
                body,
                is_async,
                outer_span,
            })),
            None => StmtKind::Other(decorators),
        }
    }

    fn class(&mut self, c: &mut Cursor<'_>, decorators: Vec<ExprId>, outer_span: Span, id: StmtId) -> StmtKind {
        let f = &self.grammar.fields;
        let (mut name, mut args, mut body) = (None, Vec::new(), Vec::new());
        self.each(c, |s, c, field, _| {
            if field == f.name {
                name = Some((s.symbol(s.token(c)), Self::span(c)));
            } else if field == f.superclasses {
                args = s.args(c, None);
            } else if field == f.body {
                body = s.block(c, Some(id));
            }
        });
        match name {
            Some((name, name_span)) => StmtKind::Class(Box::new(Class { name, name_span, args, decorators, body, outer_span })),
            None => StmtKind::Other(decorators),
        }
    }

    /// The block of an `else`, `finally` and the like.
    fn clause_body(&mut self, c: &mut Cursor<'_>, id: StmtId) -> Vec<StmtId> {
        let mut body = Vec::new();
        self.each(c, |s, c, _, k| {
            if k == Kind::Block {
                body = s.block(c, Some(id));
            }
        });
        body
    }

    fn if_chain(&mut self, c: &mut Cursor<'_>, id: StmtId) -> StmtKind {
        let f = &self.grammar.fields;
        let (mut test, mut body) = (None, Vec::new());
        // Statements of the `elif`s in order, to be nested afterwards.
        let mut elifs: Vec<StmtId> = Vec::new();
        let mut orelse = Vec::new();
        self.each(c, |s, c, field, k| {
            let owner = elifs.last().copied().unwrap_or(id);
            if field == f.condition {
                test = Some(s.expr(c, None));
            } else if field == f.consequence {
                body = s.block(c, Some(id));
            } else if k == Kind::ElifClause {
                let elif = StmtId(u32::try_from(s.ast.stmts.len()).unwrap_or(u32::MAX));
                s.ast.stmts.push(Stmt { kind: StmtKind::Break, span: Self::span(c), parent: Some(owner) });
                let around = std::mem::replace(&mut s.stmt, elif);
                let (mut test, mut body) = (None, Vec::new());
                s.each(c, |s, c, field, _| {
                    if field == f.condition {
                        test = Some(s.expr(c, None));
                    } else if field == f.consequence {
                        body = s.block(c, Some(elif));
                    }
                });
                s.stmt = around;
                s.ast.stmts[elif.0 as usize].kind = match test {
                    Some(test) => StmtKind::If { test, body, orelse: Vec::new() },
                    None => StmtKind::Other(Vec::new()),
                };
                elifs.push(elif);
            } else if k == Kind::ElseClause {
                orelse = s.clause_body(c, owner);
            }
        });
        for &elif in elifs.iter().rev() {
            if let StmtKind::If { orelse: tail, .. } = &mut self.ast.stmts[elif.0 as usize].kind {
                *tail = std::mem::replace(&mut orelse, vec![elif]);
            } else {
                orelse = vec![elif];
            }
        }
        match test {
            Some(test) => StmtKind::If { test, body, orelse },
            None => StmtKind::Other(Vec::new()),
        }
    }

    fn with_items(&mut self, c: &mut Cursor<'_>, items: &mut Vec<(ExprId, Option<ExprId>)>) {
        self.each(c, |s, c, _, k| match k {
            Kind::WithItem => s.with_item(c, items),
            Kind::Token => {}
            _ => {
                let e = s.expr(c, None);
                items.push((e, None));
            }
        });
    }

    fn with_item(&mut self, c: &mut Cursor<'_>, items: &mut Vec<(ExprId, Option<ExprId>)>) {
        self.each(c, |s, c, _, k| match k {
            Kind::Token => {}
            Kind::AsPattern => {
                let item = s.as_pattern(c);
                items.extend(item);
            }
            // `with (a as b, c as d):` may come as a tuple of as-patterns.
            Kind::Tuple => {
                let span = Self::span(c);
                let mut nested = false;
                let before = items.len();
                s.each(c, |s, c, _, k| match k {
                    Kind::Token => {}
                    Kind::AsPattern => {
                        nested = true;
                        let item = s.as_pattern(c);
                        items.extend(item);
                    }
                    _ => {
                        let e = s.expr(c, None);
                        items.push((e, None));
                    }
                });
                if !nested && items.len() > before {
                    // A plain tuple: one (odd) context.
                    let parts: Vec<ExprId> = items.drain(before..).map(|(e, _)| e).collect();
                    let id = s.new_expr(span, None);
                    for &p in &parts {
                        s.ast.exprs[p.0 as usize].parent = Some(id);
                    }
                    s.ast.exprs[id.0 as usize].kind = ExprKind::Tuple(parts);
                    s.ast.by_span.insert(span, id);
                    items.push((id, None));
                }
            }
            _ => {
                let e = s.expr(c, None);
                items.push((e, None));
            }
        });
    }

    /// `value as target`
    fn as_pattern(&mut self, c: &mut Cursor<'_>) -> Option<(ExprId, Option<ExprId>)> {
        let f = &self.grammar.fields;
        let (mut value, mut target) = (None, None);
        self.each(c, |s, c, field, k| {
            if field == f.alias {
                target = Some(s.expr(c, None));
            } else if k != Kind::Token {
                value = Some(s.expr(c, None));
            }
        });
        value.map(|v| (v, target))
    }

    fn handler(&mut self, c: &mut Cursor<'_>, id: StmtId) -> Handler {
        let f = &self.grammar.fields;
        let mut handler = Handler { exception: None, name: None, body: Vec::new() };
        let mut types = Vec::new();
        self.each(c, |s, c, field, k| match k {
            Kind::Block => handler.body = s.block(c, Some(id)),
            Kind::Token => {}
            Kind::AsPattern => {
                if let Some((value, target)) = s.as_pattern(c) {
                    types.push(value);
                    handler.name = target.and_then(|t| match s.ast.exprs[t.0 as usize] {
                        Expr { kind: ExprKind::Name(name), span, .. } => Some((name, span)),
                        _ => None,
                    });
                }
            }
            Kind::Identifier if field == f.alias => handler.name = Some((s.symbol(s.token(c)), Self::span(c))),
            _ => types.push(s.expr(c, None)),
        });
        handler.exception = types.first().copied();
        handler
    }

    fn case(&mut self, c: &mut Cursor<'_>, id: StmtId) -> Case {
        let f = &self.grammar.fields;
        let mut case = Case { captures: Vec::new(), guard: None, body: Vec::new() };
        self.each(c, |s, c, field, k| {
            if field == f.consequence || k == Kind::Block {
                case.body = s.block(c, Some(id));
            } else if field == f.guard || k == Kind::IfClause {
                s.each(c, |s, c, _, k| {
                    if k != Kind::Token {
                        case.guard = Some(s.expr(c, None));
                    }
                });
            } else if k != Kind::Token {
                s.captures(c, k, &mut case.captures);
            }
        });
        case
    }

    /// The names a pattern binds: bare names and what follows `as` and stars; not dotted names, not classes, not `_`.
    fn captures(&mut self, c: &mut Cursor<'_>, kind: Kind, out: &mut Vec<Symbol>) {
        if self.too_deep(c) {
            return;
        }
        self.depth += 1;
        match kind {
            Kind::Identifier | Kind::DottedName => {
                let text = self.token(c);
                if !text.contains('.') && text != "_" {
                    let symbol = self.symbol(text);
                    out.push(symbol);
                }
            }
            Kind::ClassPattern => {
                // The first name is the class.
                let mut first = true;
                self.each(c, |s, c, _, k| {
                    if k != Kind::Token && !std::mem::take(&mut first) {
                        s.captures(c, k, out);
                    }
                });
            }
            Kind::KeywordPattern => {
                let mut first = true;
                self.each(c, |s, c, _, k| {
                    if k != Kind::Token && !std::mem::take(&mut first) {
                        s.captures(c, k, out);
                    }
                });
            }
            _ => self.each(c, |s, c, _, k| {
                if k != Kind::Token {
                    s.captures(c, k, out);
                }
            }),
        }
        self.depth -= 1;
    }

    fn alias(&mut self, c: &mut Cursor<'_>, kind: Kind, import: bool) -> Option<Alias> {
        let f = &self.grammar.fields;
        let span = Self::span(c);
        let (mut name, mut asname) = (String::new(), None);
        if kind == Kind::AliasedImport {
            self.each(c, |s, c, field, _| {
                if field == f.name {
                    name = s.token(c).chars().filter(|ch| !ch.is_whitespace()).collect();
                } else if field == f.alias {
                    asname = Some(s.symbol(s.token(c)));
                }
            });
        } else {
            name = self.slice(span).chars().filter(|ch| !ch.is_whitespace()).collect();
        }
        if name.is_empty() {
            return None;
        }
        let first = if import { self.slice(span).split('.').next().unwrap_or_default().trim() } else { self.slice(span) };
        let binds = match asname {
            Some(symbol) => symbol,
            None => self.symbol(first),
        };
        Some(Alias { name, asname, binds: Some(binds), span })
    }
}

/// Where `def`, `async def` or `class` starts: after the decorators.
fn def_start(text: &str, name: Span, outer: Span) -> u32 {
    let before = text.get(outer.start as usize..name.start as usize).unwrap_or_default();
    let trimmed = before.trim_end();
    for keyword in ["async def", "def", "class"] {
        if let Some(rest) = trimmed.strip_suffix(keyword) {
            return outer.start + u32::try_from(rest.len()).unwrap_or(0);
        }
    }
    // `async   def` with more white space between.
    match trimmed.rfind("async") {
        Some(at) if trimmed.ends_with("def") && !trimmed[at..].contains('\n') => outer.start + u32::try_from(at).unwrap_or(0),
        _ => outer.start,
    }
}

fn integer(text: &str) -> ExprKind {
    let clean: String = text.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    if clean.ends_with('j') {
        return ExprKind::Imaginary;
    }
    let clean = clean.trim_end_matches('l');
    let value = if let Some(hex) = clean.strip_prefix("0x") {
        i128::from_str_radix(hex, 16)
    } else if let Some(octal) = clean.strip_prefix("0o") {
        i128::from_str_radix(octal, 8)
    } else if let Some(binary) = clean.strip_prefix("0b") {
        i128::from_str_radix(binary, 2)
    } else if clean.len() > 1 && clean.starts_with('0') && clean.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        // Octal in Python 2; all zeros in Python 3, which is the same.
        i128::from_str_radix(clean, 8)
    } else {
        clean.parse()
    };
    ExprKind::Int(value.ok())
}

fn float(text: &str) -> ExprKind {
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    if clean.ends_with(['j', 'J']) {
        return ExprKind::Imaginary;
    }
    clean.parse().map_or(ExprKind::Other(Vec::new()), ExprKind::Float)
}

/// Whether a literal is bytes, its text where its escapes are simple, and its length.
fn literal(source: &str) -> (bool, Option<String>, u64) {
    let quote = source.find(['"', '\'']).unwrap_or(0);
    let prefix = source[..quote].to_ascii_lowercase();
    let bytes = prefix.contains('b');
    let raw = prefix.contains('r');
    let body = &source[quote..];
    let delimiter = if body.starts_with("\"\"\"") || body.starts_with("'''") { 3 } else { 1 };
    let inner = body.get(delimiter..body.len().saturating_sub(delimiter)).unwrap_or_default();
    let count = |s: &str| if bytes { s.len() } else { s.chars().count() } as u64;
    if raw || !inner.contains('\\') {
        return (bytes, Some(inner.to_owned()), count(inner));
    }
    let mut text = Some(String::new());
    let mut len = 0;
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        len += count(plain);
        if let Some(t) = &mut text {
            t.push_str(plain);
        }
        let mut chars = escape[1..].chars();
        let Some(first) = chars.next() else { break };
        let mut used = 1 + first.len_utf8();
        let simple = match first {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '\\' | '\'' | '"' => Some(first),
            '0' if !chars.clone().next().is_some_and(|c| c.is_digit(8)) => Some('\0'),
            _ => None,
        };
        match (first, simple) {
            ('\n', _) => {
                rest = &escape[used..];
                continue;
            }
            (_, Some(c)) => {
                if let Some(t) = &mut text {
                    t.push(c);
                }
            }
            _ => {
                text = None;
                let digits = |n: usize| escape[2..].chars().take(n).take_while(char::is_ascii_hexdigit).count();
                used = match first {
                    'x' => 2 + digits(2),
                    'u' if !bytes => 2 + digits(4),
                    'U' if !bytes => 2 + digits(8),
                    'N' if !bytes => escape.find('}').map_or(used, |end| end + 1),
                    '0'..='7' => 1 + escape[1..].chars().take(3).take_while(|c| c.is_digit(8)).count(),
                    // An unknown escape stays as it is written: two characters.
                    _ => {
                        len += 1;
                        used
                    }
                };
            }
        }
        len += 1;
        rest = &escape[used..];
    }
    len += count(rest);
    if let Some(t) = &mut text {
        t.push_str(rest);
    }
    (bytes, text, len)
}

fn binary_op(token: &str) -> Option<BinaryOp> {
    Some(match token {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "//" => BinaryOp::FloorDiv,
        "%" => BinaryOp::Mod,
        "**" => BinaryOp::Pow,
        "@" => BinaryOp::MatMul,
        "<<" => BinaryOp::ShiftLeft,
        ">>" => BinaryOp::ShiftRight,
        "&" => BinaryOp::BitAnd,
        "|" => BinaryOp::BitOr,
        "^" => BinaryOp::BitXor,
        _ => return None,
    })
}

fn compare_op(token: &str) -> Option<CompareOp> {
    // `not in` and `is not` come as one token or as two.
    let words: Vec<&str> = token.split_whitespace().collect();
    Some(match words.as_slice() {
        ["=="] => CompareOp::Eq,
        ["!=" | "<>"] => CompareOp::NotEq,
        ["<"] => CompareOp::Lt,
        ["<="] => CompareOp::LtE,
        [">"] => CompareOp::Gt,
        [">="] => CompareOp::GtE,
        ["is"] => CompareOp::Is,
        ["is", "not"] => CompareOp::IsNot,
        ["in"] => CompareOp::In,
        ["not"] | ["not", "in"] => CompareOp::NotIn,
        _ => return None,
    })
}
