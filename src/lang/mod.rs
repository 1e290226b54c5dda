//! The compiler: a TypeScript subset to bytecode. Where a program runs it means what Node means; where it cannot, it is refused
//! with its place and a hint. It reads source and knows nothing of a running machine.

mod ask;
mod assign;
mod call;
mod class;
mod compiler;
mod control;
mod diagnostic;
mod emit;
mod expression;
mod function;
mod method;
mod names;
mod nesting;
mod pattern;
mod redeclaration;
mod resolve;
mod statement;
mod text;
mod waiting;
mod written;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{Expression, Program};
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Semantic, SemanticBuilder, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, SourceType, Span};

use crate::vm::program::WireInstruction;

pub use diagnostic::{Diagnostic, Kind};

use compiler::Compiler;
use diagnostic::Findings;

/// Bytes that a source may have.
pub const MAX_SOURCE: usize = 1 << 20;

/// A compiled program.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The instructions, as they travel.
    pub bytecode: Vec<WireInstruction>,
}

/// Compiles one source. `file` is only named in what is found.
///
/// # Errors
/// Everything that was found wrong with it, in order of place.
///
/// ```
/// let compiled = runstate::lang::compile("hello.ts", "console.log('hello')").expect("it compiles");
/// assert!(!compiled.bytecode.is_empty());
///
/// let found = runstate::lang::compile("hello.ts", "consle.log('hello')").expect_err("no such name");
/// assert_eq!((found[0].line, found[0].hint.as_deref()), (1, Some("did you mean console?")));
/// ```
pub fn compile(file: &str, source: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let source = source.strip_prefix('\u{FEFF}').unwrap_or(source);
    let mut findings = Findings::new(file, source);
    if source.len() > MAX_SOURCE {
        let message = format!("the source has {} bytes; at most {MAX_SOURCE} are compiled", source.len());
        findings.add(0, Kind::Unsupported, message, Some("split the work into several programs".to_owned()));
        return Err(findings.into_list());
    }
    if let Err(deep) = nesting::check(source) {
        findings.add(
            deep.offset,
            Kind::Unsupported,
            format!("this is nested too deeply: {}", deep.what),
            Some("split it up".to_owned()),
        );
        return Err(findings.into_list());
    }
    let allocator = Allocator::default();
    let options = ParseOptions { parse_regular_expression: true, preserve_parens: false, ..ParseOptions::default() };
    // A module is strict, as every program is.
    let parsed = Parser::new(&allocator, source, SourceType::ts().with_module(true)).with_options(options).parse();
    for error in parsed.diagnostics.errors() {
        let offset = error.labels.first().map_or(0, |label| label.offset());
        findings.add(offset, Kind::Syntax, error.message.to_string(), error.help.as_ref().map(ToString::to_string));
    }
    if !findings.is_empty() || parsed.panicked {
        return Err(findings.into_list());
    }
    let mut program = parsed.program;
    // Redeclarations are judged by JavaScript's rules: TypeScript's would accept functions that a module refuses.
    program.source_type = SourceType::mjs();
    let program: &Program<'_> = allocator.alloc(program);
    let built = SemanticBuilder::new().with_check_syntax_error(true).with_build_nodes(true).build(program);
    let semantic = built.semantic;
    let merged = redeclaration::merged(&semantic);
    let namespaces: Vec<Span> = namespaces(&semantic).collect();
    for error in built.diagnostics.errors() {
        if error.labels.len() > 1 && error.labels.iter().all(|label| merged.contains(&label.offset())) {
            continue;
        }
        let offset = error.labels.first().map_or(0, |label| label.offset());
        // A namespace is refused as a whole.
        if namespaces.iter().any(|one| (one.start..one.end).contains(&offset)) {
            continue;
        }
        findings.add(offset, Kind::Syntax, error.message.to_string(), error.help.as_ref().map(ToString::to_string));
    }
    if !findings.is_empty() {
        return Err(findings.into_list());
    }
    let main = main_to_call(&semantic);
    let mut compiler = Compiler::new(&semantic, findings);
    compiler.program(&program.body, program.scope_id.get(), main);
    compiler.finish()
}

fn namespaces(semantic: &Semantic<'_>) -> impl Iterator<Item = Span> {
    semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::TSNamespaceDeclaration(namespace) => Some(namespace.span),
        _ => None,
    })
}

/// Whether a node is gone once types are: `main!`, `(main as any)`.
fn is_types_only(kind: &AstKind<'_>) -> bool {
    matches!(
        kind,
        AstKind::ParenthesizedExpression(_)
            | AstKind::TSAsExpression(_)
            | AstKind::TSInstantiationExpression(_)
            | AstKind::TSNonNullExpression(_)
            | AstKind::TSSatisfiesExpression(_)
            | AstKind::TSTypeAssertion(_)
    )
}

/// The `main` that is to be called: declared at the top and not called there.
fn main_to_call(semantic: &Semantic<'_>) -> Option<SymbolId> {
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let main = scoping.get_root_binding("main".into())?;
    let is_function = match nodes.kind(scoping.symbol_declaration(main)) {
        AstKind::Function(function) => !function.declare,
        AstKind::VariableDeclarator(declarator) => declarator.init.as_ref().is_some_and(Expression::is_function),
        _ => false,
    };
    if !is_function || scoping.symbol_flags(main).contains(SymbolFlags::Ambient) {
        return None;
    }
    let called_at_top = scoping.get_resolved_references(main).any(|reference| {
        let node = reference.node_id();
        let around = nodes.ancestor_kinds(node).find(|kind| !is_types_only(kind));
        let called = matches!(around, Some(AstKind::CallExpression(call))
            if call.callee.get_inner_expression().span() == nodes.kind(node).span());
        called
            && !nodes
                .ancestor_kinds(node)
                .any(|kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)))
    });
    (!called_at_top).then_some(main)
}
