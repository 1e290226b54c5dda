//! Statements: declarations, blocks, branches and exits. Loops and `try` are in `control.rs`.

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, BindingPattern, Class, Declaration, ExportDefaultDeclarationKind, Expression, Function,
    IfStatement, ReturnStatement, Statement, SwitchStatement, VariableDeclaration, VariableDeclarationKind,
};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;

use super::compiler::{Compiler, ControlScope, DeferredExit, SharedExit};
use super::function_code::Label;
use super::{
    SourceForm, assignment, class, control, destructuring, diagnostic, enumeration, feature_test, function, generator,
    tool,
};

/// The form of an import.
pub(super) const IMPORT_HINT: &str = "write import { name } from \"./file.ts\"";

/// What a script has instead of imports.
pub(super) const SCRIPT_IMPORT_HINT: &str =
    "`tools`, `ask` and `input` are there without an import; write the rest in the script";

impl<'a> Compiler<'a, '_> {
    /// The statements of one scope. Its functions are initialized before the first statement. ECMA-262 §14.2.3
    /// BlockDeclarationInstantiation.
    pub(super) fn statements(&mut self, statements: &'a [Statement<'a>]) {
        self.hoist_functions(statements);
        self.statements_in_order(statements);
    }

    /// What to write in place of an import that is not supported.
    pub(super) fn import_hint(&self) -> &'static str {
        if self.graph.form == SourceForm::Script { SCRIPT_IMPORT_HINT } else { IMPORT_HINT }
    }

    /// Initializes the functions of a scope.
    pub(super) fn hoist_functions(&mut self, statements: &'a [Statement<'a>]) {
        for statement in statements {
            let function = match statement {
                Statement::ExportDefaultDeclaration(export) => match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => Some(&**function),
                    _ => None,
                },
                Statement::ExportDeclaration(export) => function_of(&export.declaration),
                other => other.as_declaration().and_then(function_of),
            };
            if let Some(function) = function {
                function::hoisted_function(self, function);
            }
        }
    }

    /// The statements of one scope whose functions are initialized.
    pub(super) fn statements_in_order(&mut self, statements: &'a [Statement<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    pub(super) fn statement(&mut self, statement: &'a Statement<'a>) {
        self.with_nesting(statement.span(), |this| this.statement_inner(statement));
    }

    /// ECMA-262 §14.2 Block, §14.4 Empty Statement, §14.5 Expression Statement, §14.13 Labelled Statements, §14.14 The
    /// throw Statement, §14.16 The debugger Statement. Deviation: `debugger` has no effect. §14.11 The with Statement
    /// is an early error in strict code.
    fn statement_inner(&mut self, statement: &'a Statement<'a>) {
        self.set_location(statement.span());
        if !matches!(
            statement,
            Statement::LabeledStatement(_)
                | Statement::ForStatement(_)
                | Statement::ForInStatement(_)
                | Statement::ForOfStatement(_)
                | Statement::WhileStatement(_)
                | Statement::DoWhileStatement(_)
        ) && !self.pending_labels.is_empty()
        {
            self.labelled_statement(statement);
            return;
        }
        match statement {
            Statement::EmptyStatement(_) | Statement::DebuggerStatement(_) => {}
            Statement::ExpressionStatement(statement) => self.discard(&statement.expression),
            Statement::BlockStatement(block) => {
                self.enter_scope(block.scope_id.get());
                self.statements(&block.body);
            }
            Statement::IfStatement(statement) => self.if_statement(statement),
            Statement::SwitchStatement(statement) => self.switch(statement),
            Statement::ForStatement(statement) => control::for_loop(self, statement),
            Statement::ForOfStatement(statement) => control::for_of(self, statement),
            Statement::ForInStatement(statement) => control::for_in(self, statement),
            Statement::WhileStatement(statement) => control::while_loop(self, statement),
            Statement::DoWhileStatement(statement) => control::do_while(self, statement),
            Statement::TryStatement(statement) => control::try_statement(self, statement),
            Statement::ThrowStatement(statement) => {
                self.expression(&statement.argument);
                self.emit_at(Op::Throw, statement.span);
            }
            Statement::ReturnStatement(statement) => self.return_statement(statement),
            Statement::BreakStatement(statement) => {
                self.break_or_continue(
                    statement.span,
                    statement.label.as_ref().map(|label| label.name.as_str()),
                    false,
                );
            }
            Statement::ContinueStatement(statement) => {
                self.break_or_continue(statement.span, statement.label.as_ref().map(|label| label.name.as_str()), true);
            }
            Statement::LabeledStatement(statement) => {
                self.pending_labels.push(statement.label.name.as_str());
                self.statement(&statement.body);
            }
            Statement::WithStatement(statement) => self.unsupported(statement.span, "`with` is not supported", ""),
            other => match other.as_declaration() {
                Some(declaration) => self.declaration(declaration),
                None => self.module_declaration(other),
            },
        }
    }

    /// ECMA-262 §16.2 Modules. Imports and exports are names of variables: they have no code.
    fn module_declaration(&mut self, statement: &'a Statement<'a>) {
        match statement {
            Statement::ExportDeclaration(export) => self.declaration(&export.declaration),
            Statement::ExportDefaultDeclaration(export) => self.default_export(&export.declaration),
            Statement::TSExportAssignment(export) => {
                self.unsupported(export.span, "`export =` is not supported", "write export default");
            }
            Statement::TSNamespaceExportDeclaration(export) => {
                self.unsupported(export.span, "`export as namespace` is not supported", "write export { name }");
            }
            _ => {}
        }
    }

    /// `export default …`. ECMA-262 §16.2.3.7 Runtime Semantics: Evaluation of exports.
    fn default_export(&mut self, declaration: &'a ExportDefaultDeclarationKind<'a>) {
        match declaration {
            // Hoisted by `statements`.
            ExportDefaultDeclarationKind::FunctionDeclaration(_)
            | ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => {}
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                class::class(self, class, Some("default"));
                match class.id {
                    Some(_) => self.emit(Op::Pop),
                    None => function::store_default(self),
                }
            }
            other => match (other.as_expression(), self.default_slot()) {
                (Some(expression), Some(_)) => {
                    self.named_expression(expression, "default");
                    function::store_default(self);
                }
                (Some(expression), None) => self.discard(expression),
                (None, _) => {}
            },
        }
    }

    fn declaration(&mut self, declaration: &'a Declaration<'a>) {
        match declaration {
            Declaration::VariableDeclaration(declaration) => self.variables(declaration),
            // Hoisted by `statements`.
            Declaration::FunctionDeclaration(_) => {}
            Declaration::ClassDeclaration(class) => self.class_declaration(class),
            Declaration::TSTypeAliasDeclaration(_)
            | Declaration::TSInterfaceDeclaration(_)
            | Declaration::TSGlobalDeclaration(_) => {}
            Declaration::TSEnumDeclaration(one) if one.declare => {}
            Declaration::TSEnumDeclaration(one) => enumeration::compile_enum(self, one),
            Declaration::TSExternalModuleDeclaration(_) => {}
            Declaration::TSNamespaceDeclaration(one) if one.declare => {}
            Declaration::TSNamespaceDeclaration(one) => {
                self.unsupported(one.span, "`namespace` is not supported", "use an object or plain functions");
            }
            Declaration::TSImportEqualsDeclaration(one) => {
                self.unsupported(one.span, "`import =` is not supported", self.import_hint());
            }
        }
    }

    /// ECMA-262 §15.7.15 BindingClassDeclarationEvaluation.
    fn class_declaration(&mut self, class: &'a Class<'a>) {
        if class.declare {
            return;
        }
        class::class(self, class, None);
        // The class is stored in its variable before its static fields run.
        self.emit(Op::Pop);
    }

    /// ECMA-262 §14.3.1 Let and Const Declarations, §14.3.2 Variable Statement. Deviation: `using` is not supported.
    pub(super) fn variables(&mut self, declaration: &'a VariableDeclaration<'a>) {
        if declaration.declare {
            return;
        }
        if matches!(declaration.kind, VariableDeclarationKind::Using | VariableDeclarationKind::AwaitUsing) {
            self.unsupported(declaration.span, "`using` is not supported", "use const and try/finally");
        }
        for declarator in &declaration.declarations {
            self.set_location(declarator.span);
            if tool::declare(self, declarator) {
                continue;
            }
            match (&declarator.init, &declarator.id) {
                (Some(init), BindingPattern::BindingIdentifier(id)) => {
                    if declaration.kind == VariableDeclarationKind::Var {
                        self.check_catch_parameters(declaration, id);
                    }
                    self.named_expression(init, id.name.as_str());
                    if let Some(symbol) = id.symbol_id.get() {
                        self.init_symbol(symbol, id.span);
                    }
                }
                (Some(init), pattern) => {
                    self.expression(init);
                    let from = match (pattern, init.get_inner_expression().is_member_expression()) {
                        (BindingPattern::ArrayPattern(_), true) => None,
                        (BindingPattern::ArrayPattern(_), false) => Some(diagnostic::iterable_text(init)),
                        _ => Some(diagnostic::callee_text(init)),
                    };
                    destructuring::bind_from(self, pattern, true, from);
                }
                (None, BindingPattern::BindingIdentifier(id)) if declaration.kind != VariableDeclarationKind::Var => {
                    self.push_undefined();
                    if let Some(symbol) = id.symbol_id.get() {
                        self.init_symbol(symbol, id.span);
                    }
                }
                // `var x;` does not change x.
                (None, _) => {}
            }
        }
    }

    /// Refuses `var e = …` in a `catch (e)`: it assigns the parameter, not the variable. ECMA-262 §B.3.4.
    fn check_catch_parameters(&mut self, declaration: &VariableDeclaration<'a>, id: &BindingIdentifier<'a>) {
        let is_function =
            |kind: &AstKind<'_>| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_));
        let mut outer =
            self.semantic.nodes().ancestor_kinds(declaration.node_id.get()).take_while(|kind| !is_function(kind));
        let declares = |kind: AstKind<'_>| match kind {
            AstKind::CatchClause(clause) => clause.param.as_ref().is_some_and(
                |param| matches!(&param.pattern, BindingPattern::BindingIdentifier(caught) if caught.name == id.name),
            ),
            _ => false,
        };
        if outer.any(declares) {
            let message = format!("`var {}` has the name of the caught error", id.name);
            self.unsupported(id.span, message, "rename one of them");
        }
    }

    /// ECMA-262 §14.6 The if Statement.
    fn if_statement(&mut self, statement: &'a IfStatement<'a>) {
        let (otherwise, end) = (self.new_label(), self.new_label());
        let truth = feature_test::truth(self, &statement.test);
        self.jump_unless(&statement.test, otherwise);
        if truth != Some(false) {
            self.statement(&statement.consequent);
        }
        if let Some(alternate) = &statement.alternate {
            self.jump(Op::Jump, end);
            self.bind_label(otherwise);
            if truth != Some(true) {
                self.statement(alternate);
            }
        } else {
            self.bind_label(otherwise);
        }
        self.bind_label(end);
    }

    /// ECMA-262 §14.12 The switch Statement.
    fn switch(&mut self, statement: &'a SwitchStatement<'a>) {
        self.expression(&statement.discriminant);
        let subject = self.current.code.acquire_hidden_slot();
        self.emit_slot(Op::Store, subject);
        self.enter_scope(statement.scope_id.get());
        let bodies: Vec<Label> = statement.cases.iter().map(|_| self.new_label()).collect();
        let end = self.new_label();
        for case in &statement.cases {
            for one in &case.consequent {
                if let Some(Declaration::FunctionDeclaration(function)) = one.as_declaration() {
                    function::hoisted_function(self, function);
                }
            }
        }
        let mut default = end;
        for (case, body) in statement.cases.iter().zip(&bodies) {
            match &case.test {
                None => default = *body,
                Some(test) => {
                    self.emit_slot(Op::Load, subject);
                    self.expression(test);
                    self.emit_at(Op::Eq, test.span());
                    self.jump(Op::JumpIf, *body);
                }
            }
        }
        self.jump(Op::Jump, default);
        self.current.control.push(ControlScope::Hidden(subject));
        self.current.control.push(ControlScope::Target {
            labels: Vec::new(),
            leave: end,
            next: None,
            plain_break: true,
        });
        for (case, body) in statement.cases.iter().zip(&bodies) {
            self.bind_label(*body);
            for one in &case.consequent {
                self.statement(one);
            }
        }
        self.current.control.truncate(self.current.control.len() - 2);
        self.bind_label(end);
        self.current.code.release_hidden_slot(subject);
    }

    /// ECMA-262 §14.13 Labelled Statements.
    fn labelled_statement(&mut self, statement: &'a Statement<'a>) {
        let labels = std::mem::take(&mut self.pending_labels);
        let leave = self.new_label();
        self.current.control.push(ControlScope::Target { labels, leave, next: None, plain_break: false });
        self.statement_inner(statement);
        self.current.control.pop();
        self.bind_label(leave);
    }

    /// ECMA-262 §14.10 The return Statement.
    fn return_statement(&mut self, statement: &'a ReturnStatement<'a>) {
        match (&statement.argument, self.current.kind) {
            (Some(argument), _) => {
                self.expression(argument);
                if generator::is_async_generator(self) {
                    self.emit_at(Op::Await, statement.span);
                }
            }
            (None, FunctionKind::Class | FunctionKind::Derived) => self.emit(Op::This),
            (None, _) => self.push_undefined(),
        }
        self.set_location(statement.span);
        self.emit_exit(DeferredExit::Return);
    }

    /// `break` and `continue`. ECMA-262 §14.9 The break Statement, §14.8 The continue Statement.
    fn break_or_continue(&mut self, span: Span, label: Option<&str>, is_continue: bool) {
        let target = self.current.control.iter().enumerate().rev().find_map(|(depth, control)| {
            let ControlScope::Target { labels, leave, next, plain_break } = control else { return None };
            let fits = match label {
                Some(label) => labels.contains(&label),
                None if is_continue => next.is_some(),
                None => *plain_break,
            };
            if !fits {
                return None;
            }
            if is_continue { next.map(|to| (to, depth)) } else { Some((*leave, depth)) }
        });
        match target {
            Some((to, depth)) => self.emit_exit(DeferredExit::Jump(to, depth)),
            None => self.unsupported(span, "`break` or `continue` has no target here", ""),
        }
    }

    /// Emits an exit through every `finally` block in between. A returned value is on the stack. ECMA-262 §14.15 The
    /// try Statement.
    pub(super) fn emit_exit(&mut self, exit: DeferredExit) {
        let floor = match exit {
            DeferredExit::Return => 0,
            DeferredExit::Jump(_, depth) => depth,
        };
        let mut cleared = Vec::new();
        let mut closed = false;
        // What a script returns is awaited, and made plain: both may throw.
        let ends_script =
            exit == DeferredExit::Return && self.graph.form == SourceForm::Script && self.enclosing.is_empty();
        for at in (floor..self.current.control.len()).rev() {
            let (outer, [scope, ..]) = self.current.control.split_at_mut(at) else { continue };
            match scope {
                ControlScope::Hidden(slot) if exit != DeferredExit::Return => cleared.push(*slot),
                // The innermost iterator is closed here, with the location of this exit.
                ControlScope::Iterator { slot, is_async, .. } if !closed => {
                    let (slot, is_async) = (*slot, *is_async);
                    generator::close_iterator(self, slot, is_async);
                    closed = true;
                }
                ControlScope::Finally { kind, value, entry, exits } => {
                    let (kind, value, entry) = (*kind, *value, *entry);
                    let number = exits.iter().position(|one| *one == exit).unwrap_or_else(|| {
                        exits.push(exit);
                        exits.len() - 1
                    });
                    if exit == DeferredExit::Return {
                        self.emit_slot(Op::Store, value);
                    }
                    self.clear_all(&cleared);
                    // 0 continues after the block, 1 throws again.
                    self.push_number(number as f64 + 2.0);
                    self.emit_slot(Op::Store, kind);
                    self.jump(Op::Jump, entry);
                    return;
                }
                ControlScope::Catch(_) if !ends_script && !closes_iterator(&outer[floor..]) => {}
                ControlScope::Iterator { exits, .. } | ControlScope::Catch(exits) => {
                    let known = exits.iter().find(|shared| shared.exit == exit).map(|shared| shared.label);
                    let label = known.unwrap_or_else(|| {
                        let (label, location) = (self.current.code.new_label(), self.current.code.location());
                        exits.push(SharedExit { exit, label, location });
                        label
                    });
                    self.clear_all(&cleared);
                    return self.jump(Op::Jump, label);
                }
                ControlScope::Hidden(_) | ControlScope::Target { .. } => {}
            }
        }
        self.clear_all(&cleared);
        match exit {
            DeferredExit::Return if ends_script => function::end_script(self),
            DeferredExit::Return => self.emit(Op::Return),
            DeferredExit::Jump(to, _) => self.jump(Op::Jump, to),
        }
    }

    /// Emits the code of exits after the block that they leave.
    pub(super) fn emit_shared_exits(&mut self, exits: Vec<SharedExit>) {
        for SharedExit { exit, label, location } in exits {
            self.current.code.set_location(location);
            self.bind_label(label);
            self.emit_exit(exit);
        }
    }

    fn clear_all(&mut self, slots: &[u16]) {
        for slot in slots {
            self.emit_slot(Op::Clear, *slot);
        }
    }

    /// Evaluates an expression and discards its value. ECMA-262 §14.5 Expression Statement.
    pub(super) fn discard(&mut self, expression: &'a Expression<'a>) {
        match expression {
            Expression::AssignmentExpression(assignment) => assignment::assignment(self, assignment, false),
            Expression::UpdateExpression(update) => assignment::update(self, update, false),
            Expression::SequenceExpression(sequence) => {
                for one in &sequence.expressions {
                    self.discard(one);
                }
            }
            Expression::ParenthesizedExpression(inner) => self.discard(&inner.expression),
            other => {
                self.expression(other);
                self.emit(Op::Pop);
            }
        }
    }
}

/// Whether an exit through these scopes closes an iterator before a `finally` block runs.
fn closes_iterator(scopes: &[ControlScope<'_>]) -> bool {
    let mut before_finally = scopes.iter().rev().take_while(|scope| !matches!(scope, ControlScope::Finally { .. }));
    before_finally.any(|scope| matches!(scope, ControlScope::Iterator { .. }))
}

fn function_of<'d, 'a>(declaration: &'d Declaration<'a>) -> Option<&'d Function<'a>> {
    match declaration {
        Declaration::FunctionDeclaration(function) => Some(function),
        _ => None,
    }
}
