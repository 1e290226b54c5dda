//! Loops, and `try` with `catch` and `finally`. The operand stack is empty between statements, so handlers keep nothing; what
//! lasts longer than a statement (iterators, ways out) waits in hidden slots.

use oxc_ast::ast::{
    CatchClause, DoWhileStatement, Expression, ForInStatement, ForOfStatement, ForStatement, ForStatementInit,
    ForStatementLeft, Statement, TryStatement, WhileStatement,
};
use oxc_semantic::ScopeId;
use oxc_span::GetSpan;
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::{Compiler, Control, Exit, Storage};
use super::emit::{Arg, Label};

impl<'a> Compiler<'a, '_> {
    fn loop_body(&mut self, body: &'a Statement<'a>, labels: Vec<&'a str>, leave: Label, next: Label) {
        self.current.control.push(Control::Target { labels, leave, next: Some(next), plain_break: true });
        self.statement(body);
        self.current.control.pop();
    }

    pub(super) fn while_loop(&mut self, statement: &'a WhileStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, next, leave) = (self.label(), self.label(), self.label());
        // The test stands behind the body: one jump for each iteration.
        self.jump(Op::Jump, next);
        self.mark(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.mark(next);
        self.at(statement.test.span());
        self.jump_if(&statement.test, start);
        self.mark(leave);
    }

    pub(super) fn do_while(&mut self, statement: &'a DoWhileStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, next, leave) = (self.label(), self.label(), self.label());
        self.mark(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.mark(next);
        self.jump_if(&statement.test, start);
        self.mark(leave);
    }

    pub(super) fn for_loop(&mut self, statement: &'a ForStatement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (start, test, next, leave) = (self.label(), self.label(), self.label(), self.label());
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
        // Each iteration has variables of its own; closures made in the head keep those of the first.
        self.copy_cells(&cells);
        self.jump(Op::Jump, test);
        self.mark(start);
        self.loop_body(&statement.body, labels, leave, next);
        self.mark(next);
        self.copy_cells(&cells);
        if let Some(update) = &statement.update {
            self.at(update.span());
            self.discard(update);
        }
        self.mark(test);
        match &statement.test {
            Some(condition) => {
                self.at(condition.span());
                self.jump_if(condition, start);
            }
            None => self.jump(Op::Jump, start),
        }
        self.mark(leave);
    }

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

    fn copy_cells(&mut self, cells: &[u16]) {
        for slot in cells {
            self.emit_slot(Op::CopyCell, *slot);
        }
    }

    pub(super) fn for_of(&mut self, statement: &'a ForOfStatement<'a>) {
        if statement.r#await {
            self.unsupported(statement.span, "`for await` is not supported", "use for-of; a call is already a wait");
        }
        self.expression(&statement.right);
        self.at(statement.right.span());
        let slot = self.current.code.hidden();
        let mut arg = json!({ "slot": slot });
        // Of `a || b`, V8 prints the value instead of the text.
        if !matches!(statement.right.get_inner_expression(), Expression::LogicalExpression(_)) {
            arg["text"] = json!(self.iterated(&statement.right));
        }
        self.emit_json(Op::Iter, arg);
        self.iterate(slot, &statement.left, statement.scope_id.get(), &statement.body);
    }

    pub(super) fn for_in(&mut self, statement: &'a ForInStatement<'a>) {
        self.expression(&statement.right);
        self.at(statement.right.span());
        let slot = self.current.code.hidden();
        self.emit_slot(Op::Keys, slot);
        self.iterate(slot, &statement.left, statement.scope_id.get(), &statement.body);
    }

    fn iterate(&mut self, slot: u16, left: &'a ForStatementLeft<'a>, scope: Option<ScopeId>, body: &'a Statement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let (next, leave) = (self.label(), self.label());
        self.mark(next);
        self.at(left.span());
        self.current.code.emit(Op::IterNext, Arg::IterNext { slot, target: leave });
        // Entered anew in each iteration: closures of one do not see the variables of another.
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
        self.current.control.push(Control::Hidden(slot));
        self.loop_body(body, labels, leave, next);
        self.current.control.pop();
        self.jump(Op::Jump, next);
        self.mark(leave);
        self.current.code.release(slot);
    }

    pub(super) fn try_statement(&mut self, statement: &'a TryStatement<'a>) {
        match (&statement.handler, &statement.finalizer) {
            (handler, None) => self.try_catch(statement, handler.as_deref()),
            (handler, Some(finalizer)) => {
                let (kind, value) = (self.current.code.hidden(), self.current.code.hidden());
                let (entry, thrown) = (self.label(), self.label());
                let start = self.current.code.here();
                self.current.control.push(Control::Finally { kind, value, entry, exits: Vec::new() });
                self.try_catch(statement, handler.as_deref());
                let exits = match self.current.control.pop() {
                    Some(Control::Finally { exits, .. }) => exits,
                    _ => Vec::new(),
                };
                self.push_number(0.0);
                self.emit_slot(Op::Store, kind);
                self.jump(Op::Jump, entry);
                let end = self.current.code.here();
                self.current.code.handler(start, end, thrown);
                self.mark(thrown);
                self.emit_slot(Op::Store, value);
                self.push_number(1.0);
                self.emit_slot(Op::Store, kind);
                self.mark(entry);
                self.current.control.push(Control::Hidden(kind));
                self.current.control.push(Control::Hidden(value));
                self.enter_scope(finalizer.scope_id.get());
                self.statements(&finalizer.body);
                self.current.control.truncate(self.current.control.len() - 2);
                self.after_finally(kind, value, exits);
            }
        }
    }

    /// Goes on where the `try` was about to go.
    fn after_finally(&mut self, kind: u16, value: u16, exits: Vec<Exit>) {
        let next = self.label();
        self.unless_kind(kind, 1.0, next);
        self.emit_slot(Op::Load, value);
        self.emit(Op::Throw);
        self.mark(next);
        for (number, exit) in exits.into_iter().enumerate() {
            let next = self.label();
            self.unless_kind(kind, number as f64 + 2.0, next);
            match exit {
                Exit::Return => self.emit_slot(Op::Load, value),
                Exit::Jump(..) => {
                    self.emit_slot(Op::Clear, kind);
                    self.emit_slot(Op::Clear, value);
                }
            }
            self.go(exit);
            self.mark(next);
        }
        self.current.code.release(kind);
        self.current.code.release(value);
    }

    fn unless_kind(&mut self, kind: u16, number: f64, next: Label) {
        self.emit_slot(Op::Load, kind);
        self.push_number(number);
        self.emit(Op::Eq);
        self.jump(Op::JumpIfN, next);
    }

    fn try_catch(&mut self, statement: &'a TryStatement<'a>, handler: Option<&'a CatchClause<'a>>) {
        let start = self.current.code.here();
        self.enter_scope(statement.block.scope_id.get());
        self.statements(&statement.block.body);
        let Some(handler) = handler else { return };
        let (caught, end) = (self.label(), self.label());
        let stop = self.current.code.here();
        self.jump(Op::Jump, end);
        self.current.code.handler(start, stop, caught);
        self.mark(caught);
        self.at(handler.span);
        self.enter_scope(handler.scope_id.get());
        self.enter_scope(handler.body.scope_id.get());
        match handler.param.as_ref().map(|param| &param.pattern) {
            None => self.emit(Op::Pop),
            Some(pattern) => self.bind(pattern, true),
        }
        self.statements(&handler.body.body);
        self.mark(end);
    }
}
