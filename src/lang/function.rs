//! Functions: declarations, expressions, arrows; their parameters and bodies.

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
use crate::vm::program::{FunctionKind, Wait};

use super::compiler::{Compiler, Frame, Storage};
use super::emit::{Arg, Code};

impl<'a> Compiler<'a, '_> {
    /// A function declaration, made when its scope is entered.
    pub(super) fn hoisted_function(&mut self, function: &'a Function<'a>) {
        if function.declare || function.body.is_none() {
            return;
        }
        let name = function.id.as_ref().map(|id| id.name.as_str()).unwrap_or_default();
        self.at(function.span);
        self.function(function, name, FunctionKind::Function);
        if let Some(id) = &function.id
            && let Some(symbol) = id.symbol_id.get()
        {
            self.init_symbol(symbol, id.span);
        }
    }

    pub(super) fn function_expression(&mut self, function: &'a Function<'a>, name: Option<&str>) {
        let own = function.id.as_ref().and_then(|id| id.symbol_id.get().map(|symbol| (id, symbol)));
        let Some((id, symbol)) = own else {
            return self.function(function, name.unwrap_or_default(), FunctionKind::Function);
        };
        let used = !self.semantic.scoping().get_resolved_reference_ids(symbol).is_empty();
        if !used {
            return self.function(function, id.name.as_str(), FunctionKind::Function);
        }
        // Its own name is a cell around it, filled once the closure is there.
        let slot = self.current.code.slot(id.name.as_str());
        self.emit_slot(Op::NewCell, slot);
        self.current.storage.insert(symbol, Storage::Cell(slot));
        self.function(function, id.name.as_str(), FunctionKind::Function);
        self.emit(Op::Dup);
        self.emit_slot(Op::InitCell, slot);
    }

    /// `( -- closure )`
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
        // An object has its fields before the defaults of the constructor's parameters are evaluated.
        if kind == FunctionKind::Class {
            self.emit(Op::InitFields);
            self.emit(Op::Pop);
        }
        self.prologue(&function.params, function.scope_id.get());
        self.parameter_properties(&function.params);
        self.statements(&body.statements);
        self.end_function(function.span);
    }

    pub(super) fn arrow(&mut self, arrow: &'a ArrowFunctionExpression<'a>, name: Option<&str>) {
        self.check_early_arrow(arrow);
        self.begin_function(name.unwrap_or_default(), FunctionKind::Arrow, arrow.r#async);
        self.prologue(&arrow.params, arrow.scope_id.get());
        match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self.statements(&body.statements),
            other => {
                if let Some(expression) = other.as_expression() {
                    self.at(expression.span());
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

    /// An arrow function takes `this` where it is made: before `super(…)`, there is none yet.
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
            let message = "an arrow function made before `super(…)` cannot use `this`";
            self.unsupported(arrow.span, message, "make it after super(…)");
        }
    }

    /// Starts a function inside the current one.
    pub(super) fn begin_function(&mut self, name: &str, kind: FunctionKind, is_async: bool) {
        let index = self.codes.len();
        self.codes.push(None);
        let mut code = Code::new(name);
        code.function.kind = kind;
        code.set_place(self.current.code.place());
        code.function.is_async = is_async;
        let frame = Frame { code, index, storage: HashMap::new(), control: Vec::new(), kind };
        self.frames.push(std::mem::replace(&mut self.current, frame));
    }

    /// Ends a body that may fall off its end.
    pub(super) fn end_function(&mut self, span: Span) {
        if self.current.kind == FunctionKind::Class || self.current.kind == FunctionKind::Derived {
            self.emit(Op::This);
        } else {
            self.push_undefined();
        }
        self.emit(Op::Return);
        self.finish_function(span);
    }

    /// Goes back to the function around and makes the closure there.
    pub(super) fn finish_function(&mut self, span: Span) {
        let Some(outer) = self.frames.pop() else { return };
        let done = std::mem::replace(&mut self.current, outer);
        if done.code.is_too_large() {
            self.unsupported(span, "this function has too many variables", "split it into several functions");
        }
        self.codes[done.index] = Some(done.code);
        self.at(span);
        self.current.code.emit(Op::Function, Arg::Function(done.index));
    }

    /// Parameters come in the first slots; patterns are taken apart and defaults filled in before the body starts.
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
            self.at(item.span);
            self.parameter(&item.pattern, item.initializer.as_deref(), *slot);
        }
        if let (Some(rest), Some(slot)) = (&params.rest, rest) {
            self.parameter(&rest.rest.argument, None, slot);
        }
    }

    /// The slot of a parameter: the variable's own where it is a plain name.
    fn parameter_slot(&mut self, pattern: &'a BindingPattern<'a>) -> u16 {
        match pattern {
            // One that its default may read keeps what was given elsewhere until then.
            BindingPattern::BindingIdentifier(id) if self.is_read_early(id) => self.current.code.fixed_hidden(),
            BindingPattern::BindingIdentifier(id) => {
                let slot = self.current.code.slot(id.name.as_str());
                if let Some(symbol) = id.symbol_id.get() {
                    self.current.storage.insert(symbol, Storage::Slot(slot));
                }
                slot
            }
            BindingPattern::AssignmentPattern(inner) => self.parameter_slot(&inner.left),
            _ => self.current.code.fixed_hidden(),
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

    /// A body's `var` of a parameter's name is another variable than the one that functions in the parameter list see.
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
            let message = "a variable of the name of a parameter that a function among the parameters uses";
            self.unsupported(span, message, "give it another name");
        }
    }

    /// The program itself: its statements, then `main(input)` where that is declared and not called.
    pub(super) fn program(&mut self, statements: &'a [Statement<'a>], scope: Option<ScopeId>, main: Option<SymbolId>) {
        self.calls_main = main.is_some();
        self.current.code.input();
        self.enter_scope(scope);
        self.statements(statements);
        match main {
            Some(main) => {
                self.load_symbol(main, Span::default());
                self.emit_slot(Op::Load, 0);
                let mut arg = json!({ "argc": 1, "text": "main" });
                if self.plan.has_async {
                    arg["wait"] = json!(Wait::Await.name());
                }
                self.emit_json(Op::Call, arg);
                self.emit(Op::Return);
            }
            None => self.emit(Op::Halt),
        }
    }
}
