//! Loops, and `try` with `catch` and `finally`. The operand stack is empty between statements, so handlers keep no
//! operands. Values that outlive a statement (iterators, pending exits) are in hidden slots.

use oxc_ast::ast::{
    CatchClause, DoWhileStatement, Expression, ForInStatement, ForOfStatement, ForStatement, ForStatementInit,
    ForStatementLeft, Statement, TryStatement, WhileStatement,
};
use oxc_semantic::ScopeId;
use oxc_span::GetSpan;
use runstate_value::sort_by;
use runstate_vm::op::Op;
use runstate_vm::program::PromiseUse;
use serde_json::json;

use super::compiler::{Compiler, ControlScope, DeferredExit, Storage};
use super::function_code::{InstructionArg, Label};
use super::{async_await, destructuring, diagnostic, generator};

/// The body of a loop, as the target of `break` and `continue`. ECMA-262 §14.7.1.1 LoopContinues.
fn loop_body<'a>(
    compiler: &mut Compiler<'a, '_>,
    body: &'a Statement<'a>,
    labels: Vec<&'a str>,
    leave: Label,
    next: Label,
) {
    compiler.current.control.push(ControlScope::Target { labels, leave, next: Some(next), plain_break: true });
    compiler.statement(body);
    compiler.current.control.pop();
}

/// ECMA-262 §14.7.3 The while Statement.
pub(super) fn while_loop<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a WhileStatement<'a>) {
    let labels = std::mem::take(&mut compiler.pending_labels);
    let (start, next, leave) = (compiler.new_label(), compiler.new_label(), compiler.new_label());
    // The test follows the body: one jump per iteration.
    compiler.jump(Op::Jump, next);
    compiler.bind_label(start);
    loop_body(compiler, &statement.body, labels, leave, next);
    compiler.bind_label(next);
    compiler.set_location(statement.test.span());
    compiler.jump_if(&statement.test, start);
    compiler.bind_label(leave);
}

/// ECMA-262 §14.7.2 The do-while Statement.
pub(super) fn do_while<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a DoWhileStatement<'a>) {
    let labels = std::mem::take(&mut compiler.pending_labels);
    let (start, next, leave) = (compiler.new_label(), compiler.new_label(), compiler.new_label());
    compiler.bind_label(start);
    loop_body(compiler, &statement.body, labels, leave, next);
    compiler.bind_label(next);
    compiler.jump_if(&statement.test, start);
    compiler.bind_label(leave);
}

/// ECMA-262 §14.7.4 The for Statement.
pub(super) fn for_loop<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a ForStatement<'a>) {
    let labels = std::mem::take(&mut compiler.pending_labels);
    let (start, test, next, leave) =
        (compiler.new_label(), compiler.new_label(), compiler.new_label(), compiler.new_label());
    compiler.enter_scope(statement.scope_id.get());
    match &statement.init {
        Some(ForStatementInit::VariableDeclaration(declaration)) => compiler.variables(declaration),
        Some(init) => {
            if let Some(expression) = init.as_expression() {
                compiler.discard(expression);
            }
        }
        None => {}
    }
    let cells = loop_cells(compiler, statement.scope_id.get());
    // Each iteration has its own variables; closures created in the head keep those of the first.
    copy_cells(compiler, &cells);
    compiler.jump(Op::Jump, test);
    compiler.bind_label(start);
    loop_body(compiler, &statement.body, labels, leave, next);
    compiler.bind_label(next);
    copy_cells(compiler, &cells);
    if let Some(update) = &statement.update {
        compiler.set_location(update.span());
        compiler.discard(update);
    }
    compiler.bind_label(test);
    match &statement.test {
        Some(condition) => {
            compiler.set_location(condition.span());
            compiler.jump_if(condition, start);
        }
        None => compiler.jump(Op::Jump, start),
    }
    compiler.bind_label(leave);
}

/// The cells of the variables in the head of a `for` loop.
fn loop_cells<'a>(compiler: &Compiler<'a, '_>, scope: Option<ScopeId>) -> Vec<u16> {
    let Some(scope) = scope else { return Vec::new() };
    let mut cells: Vec<u16> = compiler
        .semantic
        .scoping()
        .get_bindings(scope)
        .values()
        .filter_map(|symbol| match compiler.current.storage.get(symbol) {
            Some(Storage::Cell(slot)) => Some(*slot),
            _ => None,
        })
        .collect();
    sort_by(&mut cells, Ord::cmp);
    cells
}

/// ECMA-262 §14.7.4.4 CreatePerIterationEnvironment.
fn copy_cells<'a>(compiler: &mut Compiler<'a, '_>, cells: &[u16]) {
    for slot in cells {
        compiler.emit_slot(Op::CopyCell, *slot);
    }
}

/// ECMA-262 §14.7.5 The for-in, for-of, and for-await-of Statements. In a program that cannot have async iterators,
/// `for await` awaits the elements of an iterable.
pub(super) fn for_of<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a ForOfStatement<'a>) {
    compiler.expression(&statement.right);
    compiler.set_location(statement.right.span());
    let slot = compiler.current.code.acquire_hidden_slot();
    let mut arg = json!({ "slot": slot });
    // For `a || b`, V8 prints the value instead of the source text.
    if !matches!(statement.right.get_inner_expression(), Expression::LogicalExpression(_)) {
        arg["text"] = json!(diagnostic::iterable_text(&statement.right));
    }
    if statement.r#await {
        arg["wait"] = json!(PromiseUse::Await.name());
        if let Expression::CallExpression(call) = statement.right.get_inner_expression() {
            let callee = diagnostic::callee_text(&call.callee);
            arg["text"] = json!(format!("{callee}(...) is not a function or its return value"));
        }
    }
    compiler.emit_json(Op::Iter, arg);
    let awaited = statement.r#await.then_some(&statement.right);
    iterate(compiler, slot, &statement.left, statement.scope_id.get(), &statement.body, (true, awaited));
}

/// ECMA-262 §14.7.5 The for-in, for-of, and for-await-of Statements, §14.7.5.9 EnumerateObjectProperties.
pub(super) fn for_in<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a ForInStatement<'a>) {
    compiler.expression(&statement.right);
    compiler.set_location(statement.right.span());
    let slot = compiler.current.code.acquire_hidden_slot();
    compiler.emit_slot(Op::Keys, slot);
    iterate(compiler, slot, &statement.left, statement.scope_id.get(), &statement.body, (false, None));
}

/// ECMA-262 §14.7.5.7 ForIn/OfBodyEvaluation. The elements of the `awaited` expression are awaited. An exit closes the
/// iterator.
fn iterate<'a>(
    compiler: &mut Compiler<'a, '_>,
    slot: u16,
    left: &'a ForStatementLeft<'a>,
    scope: Option<ScopeId>,
    body: &'a Statement<'a>,
    (closes, awaited): (bool, Option<&'a Expression<'a>>),
) {
    let labels = std::mem::take(&mut compiler.pending_labels);
    let (next, end, leave) = (compiler.new_label(), compiler.new_label(), compiler.new_label());
    let last = compiler.new_label();
    compiler.bind_label(next);
    compiler.set_location(left.span());
    match awaited {
        Some(awaited) if compiler.plan.has_iterators => {
            compiler.set_location(awaited.span());
            generator::await_next(compiler, slot, last);
        }
        awaited => {
            let arg = json!({ "slot": slot });
            compiler.current.code.emit(Op::IterNext, InstructionArg::Targeted { arg, target: end });
            if let Some(awaited) = awaited {
                async_await::await_element(compiler, awaited);
            }
        }
    }
    compiler.current.control.push(ControlScope::Hidden(slot));
    let iterator_use = if closes { generator::begin_use(compiler, slot, awaited.is_some()) } else { None };
    // The scope is entered again in each iteration: closures of one do not see the variables of another.
    compiler.enter_scope(scope);
    match left {
        ForStatementLeft::VariableDeclaration(declaration) => {
            if let Some(declarator) = declaration.declarations.first() {
                destructuring::bind_from(compiler, &declarator.id, true, Some(".for".to_owned()));
            }
        }
        other => {
            if let Some(target) = other.as_assignment_target() {
                destructuring::assign_pattern(compiler, target);
            }
        }
    }
    loop_body(compiler, body, labels, leave, next);
    if let Some(iterator_use) = iterator_use {
        iterator_use.end(compiler, left.span(), |compiler| compiler.jump(Op::Jump, next));
        compiler.current.control.pop();
        compiler.bind_label(leave);
        generator::close_iterator(compiler, slot, awaited.is_some());
        if awaited.is_some() {
            let closed = compiler.new_label();
            compiler.jump(Op::Jump, closed);
            compiler.bind_label(last);
            compiler.emit(Op::Pop);
            compiler.bind_label(closed);
        }
        compiler.bind_label(end);
        return compiler.current.code.release_hidden_slot(slot);
    }
    compiler.current.control.pop();
    compiler.jump(Op::Jump, next);
    compiler.bind_label(end);
    if let Some(awaited) = awaited {
        // The end is awaited like an element.
        compiler.push_undefined();
        async_await::await_element(compiler, awaited);
        compiler.emit(Op::Pop);
    }
    compiler.bind_label(leave);
    compiler.current.code.release_hidden_slot(slot);
}

/// ECMA-262 §14.15 The try Statement.
pub(super) fn try_statement<'a>(compiler: &mut Compiler<'a, '_>, statement: &'a TryStatement<'a>) {
    match (&statement.handler, &statement.finalizer) {
        (handler, None) => try_catch(compiler, statement, handler.as_deref()),
        (handler, Some(finalizer)) => {
            let (kind, value) =
                (compiler.current.code.acquire_hidden_slot(), compiler.current.code.acquire_hidden_slot());
            let (entry, thrown) = (compiler.new_label(), compiler.new_label());
            let start = compiler.current.code.next_index();
            compiler.current.control.push(ControlScope::Finally { kind, value, entry, exits: Vec::new() });
            try_catch(compiler, statement, handler.as_deref());
            let exits = match compiler.current.control.pop() {
                Some(ControlScope::Finally { exits, .. }) => exits,
                _ => Vec::new(),
            };
            compiler.push_number(0.0);
            compiler.emit_slot(Op::Store, kind);
            compiler.jump(Op::Jump, entry);
            let end = compiler.current.code.next_index();
            compiler.current.code.add_handler(start, end, thrown);
            compiler.bind_label(thrown);
            compiler.emit_slot(Op::Store, value);
            compiler.push_number(1.0);
            compiler.emit_slot(Op::Store, kind);
            compiler.bind_label(entry);
            compiler.current.control.push(ControlScope::Hidden(kind));
            compiler.current.control.push(ControlScope::Hidden(value));
            compiler.enter_scope(finalizer.scope_id.get());
            compiler.statements(&finalizer.body);
            compiler.current.control.truncate(compiler.current.control.len() - 2);
            dispatch_after_finally(compiler, kind, value, exits);
        }
    }
}

/// Continues with the exit that `finally` interrupted.
fn dispatch_after_finally<'a>(compiler: &mut Compiler<'a, '_>, kind: u16, value: u16, exits: Vec<DeferredExit>) {
    let next = compiler.new_label();
    jump_unless_kind(compiler, kind, 1.0, next);
    compiler.emit_slot(Op::Load, value);
    compiler.emit(Op::Throw);
    compiler.bind_label(next);
    for (number, exit) in exits.into_iter().enumerate() {
        let next = compiler.new_label();
        jump_unless_kind(compiler, kind, number as f64 + 2.0, next);
        match exit {
            DeferredExit::Return => compiler.emit_slot(Op::Load, value),
            DeferredExit::Jump(..) => {
                compiler.emit_slot(Op::Clear, kind);
                compiler.emit_slot(Op::Clear, value);
            }
        }
        compiler.emit_exit(exit);
        compiler.bind_label(next);
    }
    compiler.current.code.release_hidden_slot(kind);
    compiler.current.code.release_hidden_slot(value);
}

fn jump_unless_kind<'a>(compiler: &mut Compiler<'a, '_>, kind: u16, number: f64, next: Label) {
    compiler.emit_slot(Op::Load, kind);
    compiler.push_number(number);
    compiler.emit(Op::Eq);
    compiler.jump(Op::JumpIfN, next);
}

/// ECMA-262 §14.15.2 CatchClauseEvaluation.
fn try_catch<'a>(
    compiler: &mut Compiler<'a, '_>,
    statement: &'a TryStatement<'a>,
    handler: Option<&'a CatchClause<'a>>,
) {
    let Some(handler) = handler else {
        compiler.enter_scope(statement.block.scope_id.get());
        return compiler.statements(&statement.block.body);
    };
    let start = compiler.current.code.next_index();
    compiler.current.control.push(ControlScope::Catch(Vec::new()));
    compiler.enter_scope(statement.block.scope_id.get());
    compiler.statements(&statement.block.body);
    let exits = match compiler.current.control.pop() {
        Some(ControlScope::Catch(exits)) => exits,
        _ => Vec::new(),
    };
    let (caught, end) = (compiler.new_label(), compiler.new_label());
    let stop = compiler.current.code.next_index();
    compiler.jump(Op::Jump, end);
    compiler.current.code.add_handler(start, stop, caught);
    compiler.bind_label(caught);
    compiler.set_location(handler.span);
    compiler.enter_scope(handler.scope_id.get());
    compiler.enter_scope(handler.body.scope_id.get());
    match handler.param.as_ref().map(|param| &param.pattern) {
        None => compiler.emit(Op::Pop),
        Some(pattern) => destructuring::bind(compiler, pattern, true),
    }
    compiler.statements(&handler.body.body);
    if !exits.is_empty() {
        compiler.jump(Op::Jump, end);
    }
    compiler.emit_shared_exits(exits);
    compiler.bind_label(end);
}
