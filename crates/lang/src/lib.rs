//! The compiler: a TypeScript subset to bytecode. A program that compiles has the meaning that it has in Node. Every other program is refused
//! with a location and a hint. The compiler reads only the source and has no access to a running machine.

use std::collections::HashSet;

use compiler::Compiler;
use diagnostic::Diagnostics;
use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{Expression, Program};
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Semantic, SemanticBuilder, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, SourceType, Span};
use runstate_vm::program::Instruction;

mod assignment;
mod async_await;
mod call;
mod class;
mod compiler;
mod control;
mod destructuring;
mod diagnostic;
mod expression;
mod function;
mod function_code;
mod host_call;
mod names;
mod nesting;
mod statement;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use diagnostic::{Diagnostic, DiagnosticKind};

/// Maximum length of a source, in bytes.
pub const MAX_SOURCE: usize = 1 << 20;

/// A compiled program.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledProgram {
    /// The instructions in their wire form.
    pub bytecode: Vec<Instruction>,
}

/// Compiles one source. `file` appears only in diagnostics.
///
/// # Errors
/// All diagnostics, in source order.
///
/// ```
/// let compiled = runstate_lang::compile("hello.ts", "console.log('hello')").expect("it compiles");
/// assert!(!compiled.bytecode.is_empty());
///
/// let found = runstate_lang::compile("hello.ts", "consle.log('hello')").expect_err("no such name");
/// assert_eq!((found[0].line, found[0].hint.as_deref()), (1, Some("did you mean console?")));
/// ```
pub fn compile(file: &str, source: &str) -> Result<CompiledProgram, Vec<Diagnostic>> {
    let source = source.strip_prefix('\u{FEFF}').unwrap_or(source);
    let mut diagnostics = Diagnostics::new(file, source);
    if source.len() > MAX_SOURCE {
        let message = format!("the source has {} bytes; at most {MAX_SOURCE} are compiled", source.len());
        diagnostics.add(
            0,
            DiagnosticKind::Unsupported,
            message,
            Some("split the work into several programs".to_owned()),
        );
        return Err(diagnostics.into_list());
    }
    if let Err(error) = nesting::check(source) {
        diagnostics.add(
            error.offset,
            DiagnosticKind::Unsupported,
            format!("this is nested too deeply: {}", error.construct),
            Some("split it up".to_owned()),
        );
        return Err(diagnostics.into_list());
    }
    let allocator = Allocator::default();
    let options = ParseOptions { parse_regular_expression: true, preserve_parens: false, ..ParseOptions::default() };
    // ECMA-262 §16.2.1.7 Source Text Module Records: module code is strict, and so is every program.
    let parsed = Parser::new(&allocator, source, SourceType::ts().with_module(true)).with_options(options).parse();
    for error in parsed.diagnostics.errors() {
        let offset = error.labels.first().map_or(0, |label| label.offset());
        diagnostics.add(
            offset,
            DiagnosticKind::Syntax,
            error.message.to_string(),
            error.help.as_ref().map(ToString::to_string),
        );
    }
    if !diagnostics.is_empty() || parsed.panicked {
        return Err(diagnostics.into_list());
    }
    let mut program = parsed.program;
    // Redeclarations follow JavaScript's rules: TypeScript's rules would accept functions that a module refuses.
    program.source_type = SourceType::mjs();
    let program: &Program<'_> = allocator.alloc(program);
    let built = SemanticBuilder::new().with_check_syntax_error(true).with_build_nodes(true).build(program);
    let semantic = built.semantic;
    let merged = merged_declarations(&semantic);
    let namespaces: Vec<Span> = namespace_spans(&semantic).collect();
    for error in built.diagnostics.errors() {
        if error.labels.len() > 1 && error.labels.iter().all(|label| merged.contains(&label.offset())) {
            continue;
        }
        let offset = error.labels.first().map_or(0, |label| label.offset());
        // A namespace is refused as a whole.
        if namespaces.iter().any(|one| (one.start..one.end).contains(&offset)) {
            continue;
        }
        diagnostics.add(
            offset,
            DiagnosticKind::Syntax,
            error.message.to_string(),
            error.help.as_ref().map(ToString::to_string),
        );
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics.into_list());
    }
    let main = main_to_call(&semantic);
    let mut compiler = Compiler::new(&semantic, diagnostics);
    function::program(&mut compiler, &program.body, program.scope_id.get(), main);
    compiler.finish()
}

fn namespace_spans(semantic: &Semantic<'_>) -> impl Iterator<Item = Span> {
    semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::TSNamespaceDeclaration(namespace) => Some(namespace.span),
        _ => None,
    })
}

/// Whether a node affects only types: `main!`, `(main as any)`.
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

/// The `main` function to call: declared at the top level and not called there.
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
        let parent = nodes.ancestor_kinds(node).find(|kind| !is_types_only(kind));
        let called = matches!(parent, Some(AstKind::CallExpression(call))
            if call.callee.get_inner_expression().span() == nodes.kind(node).span());
        called
            && !nodes
                .ancestor_kinds(node)
                .any(|kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)))
    });
    (!called_at_top).then_some(main)
}

/// Start offsets of the declarations of names that have at most one declaration at run time. Their other declarations are overloads and
/// types, which JavaScript's rules would report as redeclarations.
fn merged_declarations(semantic: &Semantic<'_>) -> HashSet<u32> {
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let mut starts = HashSet::new();
    for symbol in scoping.symbol_ids() {
        let declarations = scoping.symbol_redeclarations(symbol);
        let at_run_time = declarations.iter().filter(|one| {
            let body = !matches!(nodes.kind(one.declaration), AstKind::Function(function) if function.body.is_none());
            body && one.flags.intersects(SymbolFlags::Value) && !one.flags.contains(SymbolFlags::Ambient)
        });
        if at_run_time.count() <= 1 {
            starts.extend(declarations.iter().map(|one| one.span.start));
        }
    }
    starts
}
