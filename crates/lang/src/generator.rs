//! Generators and the closing of iterators. ECMA-262 §15.5 Generator Function Definitions, §15.6 Async Generator
//! Function Definitions, §7.4 Operations on Iterator Objects.
//!
//! A program without generators and symbols has no iterators of its own, so its loops need no code that closes them.

use oxc_ast::AstKind;
use oxc_ast::ast::YieldExpression;
use oxc_semantic::{AstNodes, Scoping};
use oxc_span::Span;
use runstate_vm::op::Op;
use runstate_vm::program::PromiseUse;
use serde_json::json;

use super::compiler::{Compiler, ControlScope, DeferredExit};
use super::function_code::{InstructionArg, Label};

/// Whether a program may have iterators of its own: generators, or methods whose key is a symbol.
pub(super) fn may_have_iterators(scoping: &Scoping, nodes: &AstNodes<'_>) -> bool {
    nodes.iter().any(|node| match node.kind() {
        AstKind::Function(function) => function.generator,
        AstKind::IdentifierReference(identifier) => {
            let symbol = identifier.reference_id.get().and_then(|id| scoping.get_reference(id).symbol_id());
            identifier.name.as_str() == "Symbol" && symbol.is_none()
        }
        _ => false,
    })
}

/// Whether the code of an async generator is compiled.
pub(super) fn is_async_generator(compiler: &Compiler<'_, '_>) -> bool {
    let function = &compiler.current.code.function;
    function.is_generator && function.returns_promise
}

/// ECMA-262 §15.5.5 Runtime Semantics: Evaluation of `yield`, §27.5.3.7 GeneratorYield, §27.6.3.8 AsyncGeneratorYield.
pub(super) fn yield_expression<'a>(compiler: &mut Compiler<'a, '_>, expression: &'a YieldExpression<'a>) {
    match &expression.argument {
        Some(argument) => compiler.expression(argument),
        None => compiler.push_undefined(),
    }
    compiler.set_location(expression.span);
    if expression.delegate {
        return delegate(compiler);
    }
    let is_async = is_async_generator(compiler);
    if is_async {
        compiler.emit(Op::Await);
    }
    let (returned, next) = (compiler.new_label(), compiler.new_label());
    compiler.current.code.emit(Op::Yield, InstructionArg::Targeted { arg: json!({}), target: returned });
    compiler.jump(Op::Jump, next);
    compiler.bind_label(returned);
    if is_async {
        compiler.emit(Op::Await);
    }
    compiler.emit_exit(DeferredExit::Return);
    compiler.bind_label(next);
}

/// `( iterable -- value )` `yield*`. ECMA-262 §14.4.14 YieldExpression. Deviation: if `return` of an async generator
/// receives a promise that is rejected, the inner iterator is not notified.
fn delegate(compiler: &mut Compiler<'_, '_>) {
    let is_async = is_async_generator(compiler);
    let (iterator, mode) = (compiler.current.code.acquire_hidden_slot(), compiler.current.code.acquire_hidden_slot());
    let mut arg = json!({ "slot": iterator });
    if is_async {
        arg["wait"] = json!(PromiseUse::Await.name());
    }
    compiler.emit_json(Op::Iter, arg);
    let (next, finished, returned, end) =
        (compiler.new_label(), compiler.new_label(), compiler.new_label(), compiler.new_label());
    compiler.push_number(0.0);
    compiler.emit_slot(Op::Store, mode);
    compiler.push_undefined();
    compiler.bind_label(next);
    compiler.emit_slot(Op::Load, mode);
    compiler.emit_slot(Op::Load, iterator);
    let name = if is_async { "async iterator call" } else { "iterator call" };
    compiler.emit_json(Op::CallNative, json!({ "name": name, "argc": 3 }));
    check_result(compiler, is_async);
    compiler.emit(Op::Dup);
    compiler.emit_json(Op::GetProp, json!("done"));
    compiler.jump(Op::JumpIf, finished);
    if is_async {
        compiler.emit_json(Op::GetProp, json!("value"));
    }
    compiler.emit(Op::Delegate);
    compiler.emit_slot(Op::Store, mode);
    if is_async {
        jump_unless_returned(compiler, mode, next);
        compiler.emit(Op::Await);
    }
    compiler.jump(Op::Jump, next);
    compiler.bind_label(finished);
    compiler.emit_json(Op::GetProp, json!("value"));
    jump_unless_returned(compiler, mode, end);
    // `return` of the generator ended the inner iterator.
    compiler.jump(Op::Leave, returned);
    compiler.bind_label(returned);
    compiler.emit_exit(DeferredExit::Return);
    compiler.bind_label(end);
    compiler.current.code.release_hidden_slot(iterator);
    compiler.current.code.release_hidden_slot(mode);
}

fn jump_unless_returned(compiler: &mut Compiler<'_, '_>, mode: u16, target: Label) {
    compiler.emit_slot(Op::Load, mode);
    compiler.push_number(2.0);
    compiler.emit(Op::Eq);
    compiler.jump(Op::JumpIfN, target);
}

/// `( result -- result )` Awaits the result of an async iterator, and checks that it is an object.
fn check_result(compiler: &mut Compiler<'_, '_>, is_async: bool) {
    if is_async {
        compiler.emit(Op::Await);
    }
    compiler.emit_json(Op::CallNative, json!({ "name": "iterator result", "argc": 1 }));
}

/// `( -- value )` The next value of the iterator in a slot, for `for await`. At the end jumps, `( -- result )`.
/// ECMA-262 §14.7.5.7 ForIn/OfBodyEvaluation.
pub(super) fn await_next(compiler: &mut Compiler<'_, '_>, slot: u16, end: Label) {
    compiler.emit_slot(Op::Load, slot);
    compiler.emit_json(Op::CallNative, json!({ "name": "async iterator call", "argc": 1 }));
    check_result(compiler, true);
    compiler.emit(Op::Dup);
    compiler.emit_json(Op::GetProp, json!("done"));
    compiler.jump(Op::JumpIf, end);
    compiler.emit_json(Op::GetProp, json!("value"));
}

/// Closes the iterator in a slot. ECMA-262 §7.4.11 IteratorClose, §7.4.13 AsyncIteratorClose, with a completion that is
/// not a throw completion.
pub(super) fn close_iterator(compiler: &mut Compiler<'_, '_>, slot: u16, is_async: bool) {
    let closed = compiler.new_label();
    emit_return(compiler, slot, is_async, closed);
    check_result(compiler, is_async);
    compiler.emit(Op::Pop);
    compiler.bind_label(closed);
}

fn emit_return(compiler: &mut Compiler<'_, '_>, slot: u16, is_async: bool, closed: Label) {
    let mut arg = json!({ "slot": slot });
    if is_async {
        arg["wait"] = json!(PromiseUse::Await.name());
    }
    compiler.current.code.emit(Op::IterReturn, InstructionArg::Targeted { arg, target: closed });
}

/// The code that uses an iterator, which an error or an exit in it closes.
pub(super) struct IteratorUse {
    slot: u16,
    is_async: bool,
    start: u32,
}

/// Begins the code that uses an iterator, if the program may have iterators of its own.
pub(super) fn begin_use(compiler: &mut Compiler<'_, '_>, slot: u16, is_async: bool) -> Option<IteratorUse> {
    compiler.plan.has_iterators.then(|| {
        compiler.current.control.push(ControlScope::Iterator { slot, is_async, exits: Vec::new() });
        IteratorUse { slot, is_async, start: compiler.current.code.next_index() }
    })
}

impl IteratorUse {
    /// Ends the code. Then comes that for errors, which begins where no path arrives.
    pub(super) fn end(&self, compiler: &mut Compiler<'_, '_>, span: Span, after: impl FnOnce(&mut Compiler<'_, '_>)) {
        let exits = match compiler.current.control.pop() {
            Some(ControlScope::Iterator { exits, .. }) => exits,
            _ => Vec::new(),
        };
        let (end, thrown, closed, failed) =
            (compiler.current.code.next_index(), compiler.new_label(), compiler.new_label(), compiler.new_label());
        after(compiler);
        compiler.set_location(span);
        compiler.bind_label(thrown);
        let start = compiler.current.code.next_index();
        emit_return(compiler, self.slot, self.is_async, closed);
        if self.is_async {
            compiler.emit(Op::Await);
        }
        let stop = compiler.current.code.next_index();
        // The result, or an error of `return`, is dropped: the first error is thrown.
        compiler.bind_label(failed);
        compiler.emit(Op::Pop);
        compiler.bind_label(closed);
        compiler.emit(Op::Throw);
        compiler.current.code.add_iterator_handlers((start, stop, failed), (self.start, end, thrown), self.slot);
        let (slot, is_async) = (self.slot, self.is_async);
        compiler.current.control.push(ControlScope::Iterator { slot, is_async, exits: Vec::new() });
        compiler.emit_shared_exits(exits);
        compiler.current.control.pop();
    }
}
