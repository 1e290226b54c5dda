//! ECMA-262 §15.8 Async Function Definitions, with one deviation: a call blocks until it returns, so no function returns a promise. An async
//! function is accepted as long as the program cannot observe the missing promise.

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression, Statement};
use oxc_semantic::{NodeId, SymbolId};
use oxc_span::GetSpan;
use runstate_vm::op::Op;
use runstate_vm::program::PromiseUse;
use serde_json::json;

use super::compiler::Compiler;
use super::host_call::is_host_name;
use super::{is_types_only, names};

/// Built-in methods that call their callback argument. They do not await a promise that it returns.
const CALLBACK_METHODS: &[&str] = &[
    "map",
    "filter",
    "forEach",
    "reduce",
    "reduceRight",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "some",
    "every",
    "sort",
    "toSorted",
    "flatMap",
    "replace",
    "replaceAll",
    "Array.from",
];

/// Refuses an async function as the callback of a built-in method.
pub(super) fn refuse_promises<'a>(compiler: &mut Compiler<'a, '_>, name: &str, call: &CallExpression<'a>) {
    if !CALLBACK_METHODS.contains(&name) || compiler.plan.own_properties.contains(name) {
        return;
    }
    for argument in &call.arguments {
        let is_async = match argument.as_expression().map(Expression::get_inner_expression) {
            Some(Expression::ArrowFunctionExpression(arrow)) => arrow.r#async,
            Some(Expression::FunctionExpression(function)) => function.r#async,
            Some(Expression::Identifier(id)) => {
                compiler.resolve_symbol(id).is_some_and(|symbol| is_async(compiler, symbol))
            }
            _ => false,
        };
        if is_async {
            let hint = "remove `async` and `await`, or write a for-of loop; a call blocks until it returns";
            compiler.unsupported(
                argument.span(),
                "an async function here would return promises that are never awaited",
                hint,
            );
        }
    }
}

/// Whether a name is declared as an async function.
fn is_async<'a>(compiler: &Compiler<'a, '_>, symbol: SymbolId) -> bool {
    let scoping = compiler.semantic.scoping();
    let redeclarations = scoping.symbol_redeclarations(symbol).iter().map(|redeclaration| redeclaration.declaration);
    std::iter::once(scoping.symbol_declaration(symbol)).chain(redeclarations).any(|node| declares_async(compiler, node))
}

fn declares_async<'a>(compiler: &Compiler<'a, '_>, declaration: NodeId) -> bool {
    match compiler.semantic.nodes().kind(declaration) {
        AstKind::Function(function) => function.r#async,
        AstKind::VariableDeclarator(declarator) => {
            match declarator.init.as_ref().map(Expression::get_inner_expression) {
                Some(Expression::ArrowFunctionExpression(arrow)) => arrow.r#async,
                Some(Expression::FunctionExpression(function)) => function.r#async,
                _ => false,
            }
        }
        _ => false,
    }
}

/// Refuses a call of an async function that is not awaited at once. In Node the caller would continue before such a call completes.
pub(super) fn check_unawaited<'a>(compiler: &mut Compiler<'a, '_>, call: &CallExpression<'a>) {
    let name = match call.callee.get_inner_expression() {
        Expression::Identifier(id) if compiler.resolve_symbol(id).is_some_and(|symbol| is_async(compiler, symbol)) => {
            id.name.as_str()
        }
        Expression::StaticMemberExpression(member)
            if compiler.plan.async_members.contains(member.property.name.as_str())
                && !names::builtin_root(compiler, &member.object).is_some_and(is_host_name) =>
        {
            member.property.name.as_str()
        }
        Expression::ArrowFunctionExpression(arrow) if arrow.r#async => "(anonymous)",
        Expression::FunctionExpression(function) if function.r#async => "(anonymous)",
        _ => return,
    };
    if promise_use(compiler, call).is_none() || is_in_callback(compiler, call.node_id.get()) {
        let message = format!("the call of the async function `{name}` is not awaited");
        compiler.unsupported(
            call.span,
            message,
            "write await before the call: without it Node continues before the call completes",
        );
    }
}

/// Whether the function around a node is the callback of a built-in method, which does not await its result.
fn is_in_callback<'a>(compiler: &Compiler<'a, '_>, node: NodeId) -> bool {
    let nodes = compiler.semantic.nodes();
    let is_function =
        |id: &NodeId| matches!(nodes.kind(*id), AstKind::Function(_) | AstKind::ArrowFunctionExpression(_));
    let Some(function) = nodes.ancestor_ids(node).find(is_function) else { return false };
    let is_async = match nodes.kind(function) {
        AstKind::Function(function) => function.r#async,
        AstKind::ArrowFunctionExpression(arrow) => arrow.r#async,
        _ => true,
    };
    let name = match nodes.ancestor_kinds(function).find(|kind| !is_types_only(kind)) {
        Some(AstKind::CallExpression(call)) => match call.callee.get_inner_expression() {
            Expression::StaticMemberExpression(member) => member.property.name.as_str(),
            _ => return false,
        },
        _ => return false,
    };
    !is_async && CALLBACK_METHODS.contains(&name) && !compiler.plan.own_properties.contains(name)
}

/// `( value -- value )` ECMA-262 §27.7.5.3 Await: Node calls the `then` method of an awaited value and of a value that an async function
/// returns. The check is compiled only where the program has a property of this name.
pub(super) fn check_thenable<'a>(compiler: &mut Compiler<'a, '_>) {
    if compiler.plan.own_properties.contains("then") {
        compiler.emit_json(Op::CallNative, json!({ "name": "await", "argc": 1 }));
    }
}

/// The immediate use of a call's value in a program with async functions.
pub(super) fn promise_use<'a>(compiler: &Compiler<'a, '_>, call: &CallExpression<'a>) -> Option<PromiseUse> {
    if !compiler.plan.has_async {
        return None;
    }
    let nodes = compiler.semantic.nodes();
    let mut span = call.span;
    for node in nodes.ancestors(call.node_id.get()) {
        let kind = node.kind();
        let passes_value = match kind {
            AstKind::AwaitExpression(_) => return Some(PromiseUse::Await),
            // In Node an enclosing handler catches an error of the promise only if the promise is awaited inside the handler.
            AstKind::ReturnStatement(_) => return (!is_guarded(compiler, node.id())).then_some(PromiseUse::Return),
            AstKind::ArrowFunctionExpression(arrow) => {
                let body = arrow.body.as_expression().map(GetSpan::span);
                return (body == Some(span)).then_some(PromiseUse::Return);
            }
            // The last statement of the program.
            AstKind::ExpressionStatement(statement) => {
                let last = nodes.program().body.iter().rev().find(|one| !declares_only(one)).map(GetSpan::span);
                return (!compiler.calls_main && last == Some(statement.span)).then_some(PromiseUse::Await);
            }
            AstKind::ConditionalExpression(conditional) => conditional.test.span() != span,
            AstKind::LogicalExpression(logical) => logical.right.span() == span,
            AstKind::SequenceExpression(sequence) => {
                sequence.expressions.last().is_some_and(|last| last.span() == span)
            }
            AstKind::ChainExpression(_) => true,
            kind => is_types_only(&kind),
        };
        if !passes_value {
            return None;
        }
        span = kind.span();
    }
    None
}

/// Whether a statement is inside a `try` of its function with a `catch` or `finally` that has not run yet.
fn is_guarded<'a>(compiler: &Compiler<'a, '_>, statement: NodeId) -> bool {
    let nodes = compiler.semantic.nodes();
    let mut span = nodes.kind(statement).span();
    for kind in nodes.ancestor_kinds(statement) {
        match kind {
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => return false,
            AstKind::TryStatement(statement) => {
                let in_handler = statement.handler.as_ref().is_some_and(|handler| handler.span == span);
                if statement.block.span == span || (in_handler && statement.finalizer.is_some()) {
                    return true;
                }
            }
            _ => {}
        }
        span = kind.span();
    }
    false
}

/// Whether the execution of a statement has no effect.
fn declares_only(statement: &Statement<'_>) -> bool {
    matches!(
        statement,
        Statement::FunctionDeclaration(_)
            | Statement::TSTypeAliasDeclaration(_)
            | Statement::TSInterfaceDeclaration(_)
            | Statement::EmptyStatement(_)
    )
}
