//! Functions: declarations, expressions, arrow functions; their parameters and bodies.

use std::collections::HashMap;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, BindingIdentifier, BindingPattern, Expression, FormalParameters,
    Function, Statement,
};
use oxc_semantic::{NodeId, ScopeId, SymbolId};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;
use crate::vm::program::{FunctionKind, PromiseUse};

use super::compiler::{Compiler, FunctionState, Storage};
use super::function_code::{FunctionCode, InstructionArg};

impl<'a> Compiler<'a, '_> {
    /// A function declaration, initialised when its scope is entered. ECMA-262 §15.2.4 InstantiateOrdinaryFunctionObject.
    pub(super) fn hoisted_function(&mut self, function: &'a Function<'a>) {
        if function.declare || function.body.is_none() {
            return;
        }
        let name = function.id.as_ref().map(|id| id.name.as_str()).unwrap_or_default();
        self.set_location(function.span);
        self.function(function, name, FunctionKind::Function);
        if let Some(id) = &function.id
            && let Some(symbol) = id.symbol_id.get()
        {
            self.init_symbol(symbol, id.span);
        }
    }

    /// ECMA-262 §15.2.5 InstantiateOrdinaryFunctionExpression.
    pub(super) fn function_expression(&mut self, function: &'a Function<'a>, name: Option<&str>) {
        let own = function.id.as_ref().and_then(|id| id.symbol_id.get().map(|symbol| (id, symbol)));
        let Some((id, symbol)) = own else {
            return self.function(function, name.unwrap_or_default(), FunctionKind::Function);
        };
        let used = !self.semantic.scoping().get_resolved_reference_ids(symbol).is_empty();
        if !used {
            return self.function(function, id.name.as_str(), FunctionKind::Function);
        }
        // Its own name is a cell outside the function, initialised after the closure is created.
        let slot = self.current.code.add_slot(id.name.as_str());
        self.emit_slot(Op::NewCell, slot);
        self.current.storage.insert(symbol, Storage::Cell(slot));
        self.function(function, id.name.as_str(), FunctionKind::Function);
        self.emit(Op::Dup);
        self.emit_slot(Op::InitCell, slot);
    }

    /// `( -- closure )`. ECMA-262 §15.2 Function Definitions, §15.8 Async Function Definitions. Deviation: generators are not supported.
    pub(super) fn function(&mut self, function: &'a Function<'a>, name: &str, kind: FunctionKind) {
        if function.generator {
            return self.unsupported_value(
                function.span,
                "generators are not supported",
                "collect the values in an array",
            );
        }
        let Some(body) = &function.body else {
            return self.push_undefined();
        };
        self.begin_function(name, kind, function.r#async);
        // The fields of an object are initialised before the defaults of the constructor's parameters are evaluated.
        if kind == FunctionKind::Class {
            self.emit(Op::InitFields);
            self.emit(Op::Pop);
        }
        self.prologue(&function.params, function.scope_id.get());
        self.parameter_properties(&function.params);
        self.statements(&body.statements);
        self.end_function(function.span);
    }

    /// ECMA-262 §15.3 Arrow Function Definitions, §15.9 Async Arrow Function Definitions.
    pub(super) fn arrow(&mut self, arrow: &'a ArrowFunctionExpression<'a>, name: Option<&str>) {
        self.check_early_arrow(arrow);
        self.begin_function(name.unwrap_or_default(), FunctionKind::Arrow, arrow.r#async);
        self.prologue(&arrow.params, arrow.scope_id.get());
        match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self.statements(&body.statements),
            other => {
                if let Some(expression) = other.as_expression() {
                    self.set_location(expression.span());
                    self.expression(expression);
                    if arrow.r#async {
                        self.check_thenable();
                    }
                    self.emit(Op::Return);
                    return self.finish_function(arrow.span);
                }
            }
        }
        self.end_function(arrow.span);
    }

    /// Refuses an arrow function that captures `this` before `super(…)`. Deviation: the closure captures `this` at its creation.
    fn check_early_arrow(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        if self.current.kind != FunctionKind::Derived {
            return;
        }
        let nodes = self.semantic.nodes();
        let function =
            |node: NodeId| nodes.ancestor_ids(node).find(|id| matches!(nodes.kind(*id), AstKind::Function(_)));
        let own = function(arrow.node_id.get());
        let of_constructor =
            |is: &dyn Fn(AstKind<'a>) -> bool| nodes.iter().any(|node| is(node.kind()) && function(node.id()) == own);
        let uses_this = of_constructor(&|kind| {
            matches!(kind, AstKind::ThisExpression(_) | AstKind::Super(_))
                && arrow.span.start <= kind.span().start
                && kind.span().end <= arrow.span.end
        });
        let before_super = || {
            of_constructor(&|kind| {
                matches!(kind, AstKind::CallExpression(call)
                    if matches!(call.callee, Expression::Super(_))
                        && call.span.end > arrow.span.start
                        && !(arrow.span.start < call.span.start && call.span.end <= arrow.span.end))
            })
        };
        if uses_this && before_super() {
            let message = "an arrow function created before `super(…)` cannot use `this`";
            self.unsupported(arrow.span, message, "create it after super(…)");
        }
    }

    /// Starts a function within the current one.
    pub(super) fn begin_function(&mut self, name: &str, kind: FunctionKind, is_async: bool) {
        let index = self.codes.len();
        self.codes.push(None);
        let mut code = FunctionCode::new(name);
        code.function.kind = kind;
        code.set_location(self.current.code.location());
        code.function.is_async = is_async;
        let frame = FunctionState { code, index, storage: HashMap::new(), control: Vec::new(), kind };
        self.enclosing.push(std::mem::replace(&mut self.current, frame));
    }

    /// Ends a body whose end may be reached without `return`.
    pub(super) fn end_function(&mut self, span: Span) {
        if self.current.kind == FunctionKind::Class || self.current.kind == FunctionKind::Derived {
            self.emit(Op::This);
        } else {
            self.push_undefined();
        }
        self.emit(Op::Return);
        self.finish_function(span);
    }

    /// Returns to the enclosing function and emits the creation of the closure there.
    pub(super) fn finish_function(&mut self, span: Span) {
        let Some(outer) = self.enclosing.pop() else { return };
        let done = std::mem::replace(&mut self.current, outer);
        if done.code.is_too_large() {
            self.unsupported(span, "this function has too many variables", "split it into several functions");
        }
        self.codes[done.index] = Some(done.code);
        self.set_location(span);
        self.current.code.emit(Op::Function, InstructionArg::Function(done.index));
    }

    /// Parameters are in the first slots. Patterns and defaults are evaluated before the body.
    /// ECMA-262 §10.2.11 FunctionDeclarationInstantiation.
    fn prologue(&mut self, params: &'a FormalParameters<'a>, scope: Option<ScopeId>) {
        let mut hidden = Vec::new();
        let mut length = None;
        for (at, item) in params.items.iter().enumerate() {
            if item.initializer.is_some() || matches!(item.pattern, BindingPattern::AssignmentPattern(_)) {
                length.get_or_insert(at);
            }
            hidden.push(self.parameter_slot(&item.pattern));
        }
        let rest = params.rest.as_ref().map(|rest| self.parameter_slot(&rest.rest.argument));
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.current.code.function.params = count(params.items.len());
        self.current.code.function.length = count(length.unwrap_or(params.items.len()));
        self.current.code.function.rest = rest.is_some();
        self.enter_scope(scope);
        self.check_body_variables(params, scope);
        for (item, slot) in params.items.iter().zip(&hidden) {
            self.set_location(item.span);
            self.parameter(&item.pattern, item.initializer.as_deref(), *slot);
        }
        if let (Some(rest), Some(slot)) = (&params.rest, rest) {
            self.parameter(&rest.rest.argument, None, slot);
        }
    }

    /// The slot of a parameter. A plain name is the variable itself.
    fn parameter_slot(&mut self, pattern: &'a BindingPattern<'a>) -> u16 {
        match pattern {
            // If the default may read the parameter, the argument is kept elsewhere until then.
            BindingPattern::BindingIdentifier(id) if self.is_read_early(id) => self.current.code.add_hidden_slot(),
            BindingPattern::BindingIdentifier(id) => {
                let slot = self.current.code.add_slot(id.name.as_str());
                if let Some(symbol) = id.symbol_id.get() {
                    self.current.storage.insert(symbol, Storage::Slot(slot));
                }
                slot
            }
            BindingPattern::AssignmentPattern(inner) => self.parameter_slot(&inner.left),
            _ => self.current.code.add_hidden_slot(),
        }
    }

    fn parameter(&mut self, pattern: &'a BindingPattern<'a>, default: Option<&'a Expression<'a>>, slot: u16) {
        match (pattern, default) {
            (BindingPattern::AssignmentPattern(inner), None) => self.parameter(&inner.left, Some(&inner.right), slot),
            (BindingPattern::BindingIdentifier(id), None) if !self.is_read_early(id) => {}
            (BindingPattern::BindingIdentifier(id), Some(default)) if !self.is_read_early(id) => {
                let Some(symbol) = id.symbol_id.get() else { return };
                self.load_symbol(symbol, id.span);
                self.default_value(default, Some(id.name.as_str()));
                self.init_symbol(symbol, id.span);
            }
            (pattern, default) => {
                self.emit_slot(Op::Load, slot);
                self.emit_slot(Op::Clear, slot);
                if let Some(default) = default {
                    let name = match pattern {
                        BindingPattern::BindingIdentifier(id) => Some(id.name.as_str()),
                        _ => None,
                    };
                    self.default_value(default, name);
                }
                let from = matches!(pattern, BindingPattern::ObjectPattern(_)).then(|| "undefined".to_owned());
                self.bind_from(pattern, true, from);
            }
        }
    }

    fn is_read_early(&self, id: &BindingIdentifier<'a>) -> bool {
        id.symbol_id.get().is_some_and(|symbol| self.plan.variable(symbol).dead_zone)
    }

    /// Refuses a `var` with the name of a parameter if functions in the parameter list use that name: they would see another variable.
    /// ECMA-262 §10.2.11 FunctionDeclarationInstantiation.
    fn check_body_variables(&mut self, params: &FormalParameters<'a>, scope: Option<ScopeId>) {
        let Some(scope) = scope else { return };
        let (scoping, nodes) = (self.semantic.scoping(), self.semantic.nodes());
        let inside = |span: Span| params.span.start <= span.start && span.end <= params.span.end;
        let in_function = |node: NodeId| {
            nodes
                .ancestor_kinds(node)
                .find(|kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)))
                .is_some_and(|function| inside(function.span()))
        };
        let found = scoping.get_bindings(scope).values().find(|symbol| {
            let declared = nodes.kind(scoping.symbol_declaration(**symbol));
            matches!(declared, AstKind::FormalParameter(_) | AstKind::FormalParameterRest(_))
                && !scoping.symbol_redeclarations(**symbol).is_empty()
                && scoping.get_resolved_references(**symbol).any(|reference| in_function(reference.node_id()))
        });
        if let Some(symbol) = found {
            let span = scoping.symbol_redeclarations(*symbol).last().map_or(params.span, |one| one.span);
            let message = "this variable has the name of a parameter that a function in the parameter list uses";
            self.unsupported(span, message, "give it another name");
        }
    }

    /// The program: its statements, then `main(input)` if `main` is declared and not called. ECMA-262 §16.2 Modules.
    /// Addition: the call of `main`.
    pub(super) fn program(&mut self, statements: &'a [Statement<'a>], scope: Option<ScopeId>, main: Option<SymbolId>) {
        self.calls_main = main.is_some();
        self.current.code.add_input_parameter();
        self.enter_scope(scope);
        self.statements(statements);
        match main {
            Some(main) => {
                self.load_symbol(main, Span::default());
                self.emit_slot(Op::Load, 0);
                let mut arg = json!({ "argc": 1, "text": "main" });
                if self.plan.has_async {
                    arg["wait"] = json!(PromiseUse::Await.name());
                }
                self.emit_json(Op::Call, arg);
                self.emit(Op::Return);
            }
            None => self.emit(Op::Halt),
        }
    }
}
