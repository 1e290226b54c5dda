//! `await` and `for await`. ECMA-262 §15.8 Async Function Definitions.
//!
//! A program that cannot have a promise compiles `await` to nothing: its host calls block, and no other task could run
//! meanwhile.

use oxc_ast::AstKind;
use oxc_ast::ast::{AwaitExpression, Expression};
use oxc_semantic::{AstNodes, Scoping};
use oxc_span::GetSpan;
use runstate_vm::op::Op;
use serde_json::json;

use super::compiler::Compiler;
use super::host_call;

/// Whether a program may have promises: async functions, `Promise`, `for await`, or an awaited value with a method
/// `then`.
pub(super) fn may_have_promises(scoping: &Scoping, nodes: &AstNodes<'_>, has_own_then: bool) -> bool {
    nodes.iter().any(|node| match node.kind() {
        AstKind::Function(function) => function.r#async,
        AstKind::ArrowFunctionExpression(arrow) => arrow.r#async,
        AstKind::ForOfStatement(statement) => statement.r#await,
        AstKind::AwaitExpression(_) => has_own_then,
        // A call with a signal is a promise.
        AstKind::ObjectProperty(property) => host_call::is_signal(property),
        AstKind::IdentifierReference(identifier) => {
            let is_declared =
                identifier.reference_id.get().is_some_and(|id| scoping.get_reference(id).symbol_id().is_some());
            matches!(identifier.name.as_str(), "Promise" | "globalThis" | "queueMicrotask" | "setTimeout")
                && !is_declared
        }
        _ => false,
    })
}

/// ECMA-262 §27.7.5.3 Await. The plan of the calls opens a host call here, so that other tasks run until its answer
/// arrives.
pub(super) fn await_expression<'a>(compiler: &mut Compiler<'a, '_>, expression: &'a AwaitExpression<'a>) {
    if !compiler.plan.has_promises {
        return compiler.expression(&expression.argument);
    }
    compiler.expression(&expression.argument);
    compiler.emit_at(Op::Await, expression.span);
}

/// `( value -- value )` The element of an iterator that is not async, for `for await`. ECMA-262 §27.1.6.4
/// AsyncFromSyncIteratorContinuation.
pub(super) fn await_element<'a>(compiler: &mut Compiler<'a, '_>, expression: &Expression<'a>) {
    compiler.set_location(expression.span());
    compiler.emit_json(Op::CallNative, json!({ "name": "promise of element", "argc": 1 }));
    compiler.emit(Op::Await);
}
