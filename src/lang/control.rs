//! Loops, and `try` with `catch` and `finally`. The operand stack is empty between statements, so handlers keep no operands. Values
//! that outlive a statement (iterators, pending exits) are in hidden slots.

use oxc_ast::ast::{
    CatchClause, DoWhileStatement, Expression, ForInStatement, ForOfStatement, ForStatement, ForStatementInit,
    ForStatementLeft, Statement, TryStatement, WhileStatement,
};
use oxc_semantic::ScopeId;
use oxc_span::GetSpan;
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::{Compiler, ControlScope, DeferredExit, Storage};
use super::function_code::{InstructionArg, Label};

impl<'a> Compiler<'a, '_> {
    /// The body of a loop, as the target of `break` and `continue`. ECMA-262 §14.7.1.1 LoopContinues.
    fn loop_body(&mut self, body: &'a Statement<'a>, labels: Vec<&'a str>, leave: Label, next: Label) {
        self.current.control.push(ControlScope::Target { labels, leave, next: Some(next), plain_break: true });
        self.statement(body);
        self.current.control.pop();
    }

    /// ECMA-262 §14.7.3 The while Statement.
    pub(super) fn while_loop(&mut self, statement: &'a WhileStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, next, leave) = (self.new_label(), self.new_label(), self.new_label());
        // The test follows the body: one jump per iteration.
        self.jump(Op::Jump, next);
        self.bind_label(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.bind_label(next);
        self.set_location(statement.test.span());
        self.jump_if(&statement.test, start);
        self.bind_label(leave);
    }

    /// ECMA-262 §14.7.2 The do-while Statement.
    pub(super) fn do_while(&mut self, statement: &'a DoWhileStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, next, leave) = (self.new_label(), self.new_label(), self.new_label());
        self.bind_label(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.bind_label(next);
        self.jump_if(&statement.test, start);
        self.bind_label(leave);
    }

    /// ECMA-262 §14.7.4 The for Statement.
    pub(super) fn for_loop(&mut self, statement: &'a ForStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, test, next, leave) = (self.new_label(), self.new_label(), self.new_label(), self.new_label());
        self.enter_scope(statement.scope_id.get());
        match &statement.init {
            Some(ForStatementInit::VariableDeclaration(declaration)) => self.variables(declaration),
            Some(init) => {
                if let Some(expression) = init.as_expression() {
                    self.discard(expression);
                }
            }
            None => {}
        }
        let cells = self.loop_cells(statement.scope_id.get());
        // Each iteration has its own variables; closures created in the head keep those of the first.
        self.copy_cells(&cells);
        self.jump(Op::Jump, test);
        self.bind_label(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.bind_label(next);
        self.copy_cells(&cells);
        if let Some(update) = &statement.update {
            self.set_location(update.span());
            self.discard(update);
        }
        self.bind_label(test);
        match &statement.test {
            Some(condition) => {
                self.set_location(condition.span());
                self.jump_if(condition, start);
            }
            None => self.jump(Op::Jump, start),
        }
        self.bind_label(leave);
    }

    /// The cells of the variables in the head of a `for` loop.
    fn loop_cells(&self, scope: Option<ScopeId>) -> Vec<u16> {
        let Some(scope) = scope else { return Vec::new() };
        let mut cells: Vec<u16> = self
            .semantic
            .scoping()
            .get_bindings(scope)
            .values()
            .filter_map(|symbol| match self.current.storage.get(symbol) {
                Some(Storage::Cell(slot)) => Some(*slot),
                _ => None,
            })
            .collect();
        cells.sort_unstable();
        cells
    }

    /// ECMA-262 §14.7.4.4 CreatePerIterationEnvironment.
    fn copy_cells(&mut self, cells: &[u16]) {
        for slot in cells {
            self.emit_slot(Op::CopyCell, *slot);
        }
    }

    /// ECMA-262 §14.7.5 The for-in, for-of, and for-await-of Statements. Deviation: `for await` is not supported.
    pub(super) fn for_of(&mut self, statement: &'a ForOfStatement<'a>) {
        if statement.r#await {
            self.unsupported(
                statement.span,
                "`for await` is not supported",
                "use for-of; a call blocks until it returns",
            );
        }
        self.expression(&statement.right);
        self.set_location(statement.right.span());
        let slot = self.current.code.acquire_hidden_slot();
        let mut arg = json!({ "slot": slot });
        // For `a || b`, V8 prints the value instead of the source text.
        if !matches!(statement.right.get_inner_expression(), Expression::LogicalExpression(_)) {
            arg["text"] = json!(self.iterable_text(&statement.right));
        }
        self.emit_json(Op::Iter, arg);
        self.iterate(slot, &statement.left, statement.scope_id.get(), &statement.body);
    }

    /// ECMA-262 §14.7.5 The for-in, for-of, and for-await-of Statements, §14.7.5.9 EnumerateObjectProperties.
    pub(super) fn for_in(&mut self, statement: &'a ForInStatement<'a>) {
        self.expression(&statement.right);
        self.set_location(statement.right.span());
        let slot = self.current.code.acquire_hidden_slot();
        self.emit_slot(Op::Keys, slot);
        self.iterate(slot, &statement.left, statement.scope_id.get(), &statement.body);
    }

    /// ECMA-262 §14.7.5.7 ForIn/OfBodyEvaluation. An early exit does not call `return` of the iterator: built-in iterators have none.
    fn iterate(&mut self, slot: u16, left: &'a ForStatementLeft<'a>, scope: Option<ScopeId>, body: &'a Statement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (next, leave) = (self.new_label(), self.new_label());
        self.bind_label(next);
        self.set_location(left.span());
        self.current.code.emit(Op::IterNext, InstructionArg::IterNext { slot, target: leave });
        // The scope is entered again in each iteration: closures of one do not see the variables of another.
        self.enter_scope(scope);
        match left {
            ForStatementLeft::VariableDeclaration(declaration) => {
                if let Some(declarator) = declaration.declarations.first() {
                    self.bind_from(&declarator.id, true, Some(".for".to_owned()));
                }
            }
            other => {
                if let Some(target) = other.as_assignment_target() {
                    self.assign_pattern(target);
                }
            }
        }
        self.current.control.push(ControlScope::Hidden(slot));
        self.loop_body(body, labels, leave, next);
        self.current.control.pop();
        self.jump(Op::Jump, next);
        self.bind_label(leave);
        self.current.code.release_hidden_slot(slot);
    }

    /// ECMA-262 §14.15 The try Statement.
    pub(super) fn try_statement(&mut self, statement: &'a TryStatement<'a>) {
        match (&statement.handler, &statement.finalizer) {
            (handler, None) => self.try_catch(statement, handler.as_deref()),
            (handler, Some(finalizer)) => {
                let (kind, value) = (self.current.code.acquire_hidden_slot(), self.current.code.acquire_hidden_slot());
                let (entry, thrown) = (self.new_label(), self.new_label());
                let start = self.current.code.next_index();
                self.current.control.push(ControlScope::Finally { kind, value, entry, exits: Vec::new() });
                self.try_catch(statement, handler.as_deref());
                let exits = match self.current.control.pop() {
                    Some(ControlScope::Finally { exits, .. }) => exits,
                    _ => Vec::new(),
                };
                self.push_number(0.0);
                self.emit_slot(Op::Store, kind);
                self.jump(Op::Jump, entry);
                let end = self.current.code.next_index();
                self.current.code.add_handler(start, end, thrown);
                self.bind_label(thrown);
                self.emit_slot(Op::Store, value);
                self.push_number(1.0);
                self.emit_slot(Op::Store, kind);
                self.bind_label(entry);
                self.current.control.push(ControlScope::Hidden(kind));
                self.current.control.push(ControlScope::Hidden(value));
                self.enter_scope(finalizer.scope_id.get());
                self.statements(&finalizer.body);
                self.current.control.truncate(self.current.control.len() - 2);
                self.dispatch_after_finally(kind, value, exits);
            }
        }
    }

    /// Continues with the exit that `finally` interrupted.
    fn dispatch_after_finally(&mut self, kind: u16, value: u16, exits: Vec<DeferredExit>) {
        let next = self.new_label();
        self.jump_unless_kind(kind, 1.0, next);
        self.emit_slot(Op::Load, value);
        self.emit(Op::Throw);
        self.bind_label(next);
        for (number, exit) in exits.into_iter().enumerate() {
            let next = self.new_label();
            self.jump_unless_kind(kind, number as f64 + 2.0, next);
            match exit {
                DeferredExit::Return => self.emit_slot(Op::Load, value),
                DeferredExit::Jump(..) => {
                    self.emit_slot(Op::Clear, kind);
                    self.emit_slot(Op::Clear, value);
                }
            }
            self.emit_exit(exit);
            self.bind_label(next);
        }
        self.current.code.release_hidden_slot(kind);
        self.current.code.release_hidden_slot(value);
    }

    fn jump_unless_kind(&mut self, kind: u16, number: f64, next: Label) {
        self.emit_slot(Op::Load, kind);
        self.push_number(number);
        self.emit(Op::Eq);
        self.jump(Op::JumpIfN, next);
    }

    /// ECMA-262 §14.15.2 CatchClauseEvaluation.
    fn try_catch(&mut self, statement: &'a TryStatement<'a>, handler: Option<&'a CatchClause<'a>>) {
        let start = self.current.code.next_index();
        self.enter_scope(statement.block.scope_id.get());
        self.statements(&statement.block.body);
        let Some(handler) = handler else { return };
        let (caught, end) = (self.new_label(), self.new_label());
        let stop = self.current.code.next_index();
        self.jump(Op::Jump, end);
        self.current.code.add_handler(start, stop, caught);
        self.bind_label(caught);
        self.set_location(handler.span);
        self.enter_scope(handler.scope_id.get());
        self.enter_scope(handler.body.scope_id.get());
        match handler.param.as_ref().map(|param| &param.pattern) {
            None => self.emit(Op::Pop),
            Some(pattern) => self.bind(pattern, true),
        }
        self.statements(&handler.body.body);
        self.bind_label(end);
    }
}
