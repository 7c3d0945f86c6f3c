//! The syntax tree rules and the semantic model work on.
//!
//! It says what things are: a call's arguments by kind, a binding's targets, a number's value. It is compact (arenas, 32-bit
//! ids), and owns nothing of the parser that it came from.
//!
//! Expressions are stored children first, in the order of their ends; statements parents first, in the order of
//! their starts. Looking a span up is a binary search over them, and needs no index of its own.
//!
//! Every expression knows the statement it stands in, every statement its parent, so walking outwards
//! (enclosing loop, function, `with`) is as cheap as walking inwards.

use crate::source::Span;

/// An interned identifier of one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

/// Index of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// Index of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StmtId(pub u32);

/// A whole file.
#[derive(Debug, Default)]
pub struct Ast {
    /// All expressions.
    pub exprs: Vec<Expr>,
    /// All statements.
    pub stmts: Vec<Stmt>,
    /// Top-level statements.
    pub body: Vec<StmtId>,
    /// Identifiers by [`Symbol`].
    pub names: Vec<String>,
    /// Comments, in order: `#` to the end of the line.
    pub comments: Vec<Span>,
    /// What is not Python, in order.
    pub errors: Vec<SyntaxError>,
    /// Whether something was nested too deeply to be lowered (it is among [`Self::errors`]).
    pub too_deep: bool,
}

/// A place that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What is wrong there, as part of a sentence.
    pub message: String,
}

/// An expression.
#[derive(Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where, without parentheses around it.
    pub span: Span,
    /// The innermost expression around it, if any (also through arguments, clauses, parameters of a lambda).
    pub parent: Option<ExprId>,
    /// The statement it belongs to.
    pub stmt: StmtId,
}

/// What an expression is.
#[derive(Debug)]
pub enum ExprKind {
    /// A name being read, written or deleted.
    Name(Symbol),
    /// `value.attr`, with the span of `attr`.
    Attribute {
        /// Left of the dot.
        value: ExprId,
        /// Right of the dot.
        attr: Symbol,
        /// Where the attribute's name is.
        attr_span: Span,
    },
    /// A call.
    Call {
        /// What is called.
        func: ExprId,
        /// Arguments in source order.
        args: Vec<Arg>,
        /// `(` to `)`; for `f(x for x in y)` the generator's own parentheses.
        args_span: Span,
    },
    /// An integer; `None` when it does not fit `i128`.
    Int(Option<i128>),
    /// A float.
    Float(f64),
    /// An imaginary number.
    Imaginary,
    /// A string or bytes literal, or several joined by juxtaposition.
    Str {
        /// Whether it is bytes.
        bytes: bool,
        /// Decoded text, where it has no interpolation and no escape but the simple ones (`\n \t \\ \' \" \r \0`);
        /// `None` otherwise.
        text: Option<String>,
        /// Length in characters (bytes for bytes) with escapes taken as one character each; `None` with interpolation.
        len: Option<u64>,
        /// Interpolated expressions of f-strings.
        parts: Vec<ExprId>,
    },
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// `...`
    Ellipsis,
    /// `[a, b]`
    List(Vec<ExprId>),
    /// `(a, b)` or `a, b`
    Tuple(Vec<ExprId>),
    /// `{a, b}`
    Set(Vec<ExprId>),
    /// `{k: v, **rest}`; the key of a splat is `None`.
    Dict(Vec<(Option<ExprId>, ExprId)>),
    /// A comprehension or generator expression.
    Comprehension {
        /// Which brackets.
        kind: ComprehensionKind,
        /// The element; the key in a dict comprehension.
        element: ExprId,
        /// The value of a dict comprehension.
        value: Option<ExprId>,
        /// `for`/`if` clauses in order.
        clauses: Vec<Clause>,
    },
    /// `lambda params: body`
    Lambda {
        /// Parameters.
        params: Vec<Param>,
        /// Body.
        body: ExprId,
    },
    /// `left op right`
    Binary {
        /// Operator.
        op: BinaryOp,
        /// Left.
        left: ExprId,
        /// Right.
        right: ExprId,
    },
    /// `-x`, `+x`, `~x`
    Unary {
        /// `-`, `+` or `~`.
        op: char,
        /// Operand.
        operand: ExprId,
    },
    /// `not x`
    Not(ExprId),
    /// `a and b`, `a or b`
    Bool2 {
        /// `and` rather than `or`.
        and: bool,
        /// Left.
        left: ExprId,
        /// Right.
        right: ExprId,
    },
    /// `a < b <= c`
    Compare {
        /// First operand.
        first: ExprId,
        /// The rest.
        rest: Vec<(CompareOp, ExprId)>,
    },
    /// `value[index]`; several indices are a [`ExprKind::Tuple`].
    Subscript {
        /// What is indexed.
        value: ExprId,
        /// The index.
        index: ExprId,
    },
    /// `a:b:c` inside a subscript
    Slice(Vec<ExprId>),
    /// `then if test else otherwise`
    IfElse {
        /// Condition.
        test: ExprId,
        /// Value if true.
        then: ExprId,
        /// Value if false.
        otherwise: ExprId,
    },
    /// `await x`
    Await(ExprId),
    /// `yield x`, `yield from x`
    Yield {
        /// What is yielded.
        value: Option<ExprId>,
        /// `yield from`.
        from: bool,
    },
    /// `target := value`
    Walrus {
        /// A name.
        target: ExprId,
        /// The value.
        value: ExprId,
    },
    /// `*x` outside of a call
    Starred(ExprId),
    /// What has no meaning here (what is missing in a damaged text, what is nested too deeply): its children, unclassified.
    Other(Vec<ExprId>),
}

/// Brackets of a comprehension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComprehensionKind {
    /// `[...]`
    List,
    /// `{...}`
    Set,
    /// `{k: v ...}`
    Dict,
    /// `(...)`
    Generator,
}

/// A clause of a comprehension.
#[derive(Debug)]
pub enum Clause {
    /// `for target in iter`
    For {
        /// Target.
        target: ExprId,
        /// What is iterated.
        iter: ExprId,
        /// `async for`.
        is_async: bool,
    },
    /// `if test`
    If(ExprId),
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub struct Arg {
    /// How it is passed.
    pub kind: ArgKind,
    /// The value.
    pub value: ExprId,
    /// The whole argument, `name=` included.
    pub span: Span,
}

/// How an argument is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// By position.
    Positional,
    /// `name=value`
    Keyword(Symbol),
    /// `*value`
    Star,
    /// `**value`
    DoubleStar,
}

/// A parameter of a function or lambda.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: Symbol,
    /// Where the name is.
    pub name_span: Span,
    /// How it takes arguments.
    pub kind: ParamKind,
    /// Annotation.
    pub annotation: Option<ExprId>,
    /// Default.
    pub default: Option<ExprId>,
    /// The whole parameter.
    pub span: Span,
}

/// How a parameter takes arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Before a `/`.
    PositionalOnly,
    /// Ordinary.
    Normal,
    /// After a `*`.
    KeywordOnly,
    /// `*args`
    Star,
    /// `**kwargs`
    DoubleStar,
}

/// Operators of [`ExprKind::Binary`] and augmented assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    MatMul,
    ShiftLeft,
    ShiftRight,
    BitAnd,
    BitOr,
    BitXor,
}

/// Operators of [`ExprKind::Compare`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum CompareOp {
    Eq,
    NotEq,
    Lt,
    LtE,
    Gt,
    GtE,
    Is,
    IsNot,
    In,
    NotIn,
}

/// A statement.
#[derive(Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where; definitions without their decorators.
    pub span: Span,
    /// The compound statement around it.
    pub parent: Option<StmtId>,
}

/// What a statement is.
#[derive(Debug)]
pub enum StmtKind {
    /// `def`
    Function(Box<Function>),
    /// `class`
    Class(Box<Class>),
    /// `a = b = value`, `a: T = value`, `a: T`
    Assign {
        /// Targets, left to right.
        targets: Vec<ExprId>,
        /// Annotation.
        annotation: Option<ExprId>,
        /// Value.
        value: Option<ExprId>,
    },
    /// `a += value`
    AugAssign {
        /// Target.
        target: ExprId,
        /// Operator.
        op: BinaryOp,
        /// Value.
        value: ExprId,
    },
    /// `for target in iter`
    For {
        /// Target.
        target: ExprId,
        /// What is iterated.
        iter: ExprId,
        /// Body.
        body: Vec<StmtId>,
        /// `else` block.
        orelse: Vec<StmtId>,
        /// `async for`.
        is_async: bool,
    },
    /// `while`
    While {
        /// Condition.
        test: ExprId,
        /// Body.
        body: Vec<StmtId>,
        /// `else` block.
        orelse: Vec<StmtId>,
    },
    /// `if`; an `elif` is an `If` as the only statement of `orelse`.
    If {
        /// Condition.
        test: ExprId,
        /// Body.
        body: Vec<StmtId>,
        /// `else` block.
        orelse: Vec<StmtId>,
    },
    /// `with`
    With {
        /// Context managers and targets.
        items: Vec<(ExprId, Option<ExprId>)>,
        /// Body.
        body: Vec<StmtId>,
        /// `async with`.
        is_async: bool,
    },
    /// `try`
    Try {
        /// Body.
        body: Vec<StmtId>,
        /// Handlers.
        handlers: Vec<Handler>,
        /// `else` block.
        orelse: Vec<StmtId>,
        /// `finally` block.
        finally: Vec<StmtId>,
    },
    /// `match`
    Match {
        /// Subject.
        subject: ExprId,
        /// Names the patterns capture, guards as expressions, and bodies.
        cases: Vec<Case>,
    },
    /// `return`
    Return(Option<ExprId>),
    /// `raise x from y`
    Raise(Vec<ExprId>),
    /// `assert test, message`
    Assert {
        /// Test.
        test: ExprId,
        /// Message.
        message: Option<ExprId>,
    },
    /// An expression as a statement.
    Expr(ExprId),
    /// `import a.b as c`
    Import(Vec<Alias>),
    /// `from ..a import b as c`
    ImportFrom {
        /// Leading dots.
        level: u32,
        /// Dotted module name; empty for `from . import x`.
        module: String,
        /// Names; `*` for a star import.
        names: Vec<Alias>,
    },
    /// `global`
    Global(Vec<Symbol>),
    /// `nonlocal`
    Nonlocal(Vec<Symbol>),
    /// `del`
    Delete(Vec<ExprId>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `pass`, and what has no meaning here (`type X = …`), with the expressions inside.
    Other(Vec<ExprId>),
}

/// An `except` clause.
#[derive(Debug)]
pub struct Handler {
    /// Exception type(s).
    pub exception: Option<ExprId>,
    /// `as name`
    pub name: Option<(Symbol, Span)>,
    /// Body.
    pub body: Vec<StmtId>,
}

/// A `case` clause.
#[derive(Debug)]
pub struct Case {
    /// Names the pattern binds.
    pub captures: Vec<Symbol>,
    /// Guard.
    pub guard: Option<ExprId>,
    /// Body.
    pub body: Vec<StmtId>,
}

/// A name in an import.
#[derive(Debug, Clone)]
pub struct Alias {
    /// Dotted name as written, or `*`.
    pub name: String,
    /// `as` name.
    pub asname: Option<Symbol>,
    /// The name it binds: `asname`, else the first part of a dotted `import`, else the name itself; `None` for `*`.
    pub binds: Option<Symbol>,
    /// Where.
    pub span: Span,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Name.
    pub name: Symbol,
    /// Where the name is.
    pub name_span: Span,
    /// Parameters.
    pub params: Vec<Param>,
    /// `(` to `)`.
    pub params_span: Span,
    /// Decorators, without the `@`.
    pub decorators: Vec<ExprId>,
    /// Return annotation.
    pub returns: Option<ExprId>,
    /// Body.
    pub body: Vec<StmtId>,
    /// `async def`.
    pub is_async: bool,
    /// From the first decorator (or `def`) to the end.
    pub outer_span: Span,
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Name.
    pub name: Symbol,
    /// Where the name is.
    pub name_span: Span,
    /// Bases and keywords.
    pub args: Vec<Arg>,
    /// Decorators, without the `@`.
    pub decorators: Vec<ExprId>,
    /// Body.
    pub body: Vec<StmtId>,
    /// From the first decorator (or `class`) to the end.
    pub outer_span: Span,
}

impl Ast {
    /// An expression.
    #[must_use]
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    /// A statement.
    #[must_use]
    pub fn stmt(&self, id: StmtId) -> &Stmt {
        &self.stmts[id.0 as usize]
    }

    /// The expression with this span. Where several share a span, the outermost.
    #[must_use]
    pub fn expr_at(&self, span: Span) -> Option<ExprId> {
        let after = self.exprs.partition_point(|e| e.span.end <= span.end);
        let same_end = self.exprs[..after].iter().rposition(|e| e.span.end != span.end).map_or(0, |i| i + 1);
        let i = self.exprs[same_end..after].iter().rposition(|e| e.span.start == span.start)?;
        u32::try_from(same_end + i).ok().map(ExprId)
    }

    /// Text of an identifier.
    #[must_use]
    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol.0 as usize]
    }
}

impl ExprKind {
    /// Calls `f` with each direct child, in source order.
    pub fn children(&self, f: &mut dyn FnMut(ExprId)) {
        match self {
            Self::Name(_) | Self::Int(_) | Self::Float(_) | Self::Imaginary | Self::Bool(_) | Self::None | Self::Ellipsis => {}
            Self::Attribute { value, .. } => f(*value),
            Self::Call { func, args, .. } => {
                f(*func);
                for arg in args {
                    f(arg.value);
                }
            }
            Self::Str { parts: list, .. }
            | Self::List(list)
            | Self::Tuple(list)
            | Self::Set(list)
            | Self::Slice(list)
            | Self::Other(list) => list.iter().for_each(|&e| f(e)),
            Self::Dict(items) => {
                for &(key, value) in items {
                    if let Some(key) = key {
                        f(key);
                    }
                    f(value);
                }
            }
            Self::Comprehension { element, value, clauses, .. } => {
                f(*element);
                if let Some(value) = value {
                    f(*value);
                }
                for clause in clauses {
                    match clause {
                        Clause::For { target, iter, .. } => {
                            f(*target);
                            f(*iter);
                        }
                        Clause::If(test) => f(*test),
                    }
                }
            }
            Self::Lambda { params, body } => {
                for param in params {
                    if let Some(default) = param.default {
                        f(default);
                    }
                }
                f(*body);
            }
            Self::Binary { left, right, .. } | Self::Bool2 { left, right, .. } => {
                f(*left);
                f(*right);
            }
            Self::Unary { operand: x, .. } | Self::Not(x) | Self::Await(x) | Self::Starred(x) => f(*x),
            Self::Compare { first, rest } => {
                f(*first);
                for (_, e) in rest {
                    f(*e);
                }
            }
            Self::Subscript { value, index } => {
                f(*value);
                f(*index);
            }
            Self::IfElse { test, then, otherwise } => {
                f(*then);
                f(*test);
                f(*otherwise);
            }
            Self::Yield { value, .. } => {
                if let Some(value) = value {
                    f(*value);
                }
            }
            Self::Walrus { target, value } => {
                f(*target);
                f(*value);
            }
        }
    }
}

impl StmtKind {
    /// Calls `f` with each expression directly in the statement, in source order but for decorators and parameters,
    /// which come as they are listed.
    pub fn exprs(&self, f: &mut dyn FnMut(ExprId)) {
        match self {
            Self::Function(function) => {
                function.decorators.iter().for_each(|&e| f(e));
                for param in &function.params {
                    param.annotation.iter().chain(&param.default).for_each(|&e| f(e));
                }
                function.returns.iter().for_each(|&e| f(e));
            }
            Self::Class(class) => {
                class.decorators.iter().for_each(|&e| f(e));
                class.args.iter().for_each(|a| f(a.value));
            }
            Self::Assign { targets, annotation, value } => {
                targets.iter().chain(annotation).chain(value).for_each(|&e| f(e));
            }
            Self::AugAssign { target, value, .. } => [target, value].into_iter().for_each(|&e| f(e)),
            Self::For { target, iter, .. } => [target, iter].into_iter().for_each(|&e| f(e)),
            Self::While { test, .. } | Self::If { test, .. } => f(*test),
            Self::With { items, .. } => {
                for (value, target) in items {
                    f(*value);
                    if let Some(target) = target {
                        f(*target);
                    }
                }
            }
            Self::Try { handlers, .. } => handlers.iter().filter_map(|h| h.exception).for_each(f),
            Self::Match { subject, cases } => {
                f(*subject);
                cases.iter().filter_map(|c| c.guard).for_each(f);
            }
            Self::Return(value) => value.iter().for_each(|&e| f(e)),
            Self::Assert { test, message } => {
                f(*test);
                if let Some(message) = message {
                    f(*message);
                }
            }
            Self::Expr(value) => f(*value),
            Self::Raise(list) | Self::Delete(list) | Self::Other(list) => list.iter().for_each(|&e| f(e)),
            Self::Import(_) | Self::ImportFrom { .. } | Self::Global(_) | Self::Nonlocal(_) | Self::Break | Self::Continue => {}
        }
    }

    /// Calls `f` with each block of the statement, in source order; those that are absent are empty.
    pub fn blocks(&self, f: &mut dyn FnMut(&[StmtId])) {
        match self {
            Self::Function(function) => f(&function.body),
            Self::Class(class) => f(&class.body),
            Self::With { body, .. } => f(body),
            Self::For { body, orelse, .. } | Self::While { body, orelse, .. } | Self::If { body, orelse, .. } => {
                f(body);
                f(orelse);
            }
            Self::Try { body, handlers, orelse, finally } => {
                f(body);
                for handler in handlers {
                    f(&handler.body);
                }
                f(orelse);
                f(finally);
            }
            Self::Match { cases, .. } => cases.iter().for_each(|c| f(&c.body)),
            _ => {}
        }
    }
}
