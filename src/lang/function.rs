//! Functions: declarations, expressions, arrows; their parameters and bodies.

use std::collections::HashMap;

use oxc_ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, BindingPattern, Expression, FormalParameters, Function, Statement,
};
use oxc_semantic::{ScopeId, SymbolId};
use oxc_span::{GetSpan, Span};

use crate::vm::op::Op;
use crate::vm::program::FunctionKind;

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
        self.prologue(&function.params, function.scope_id.get());
        if kind == FunctionKind::Class {
            self.emit(Op::InitFields);
            self.emit(Op::Pop);
        }
        self.parameter_properties(&function.params);
        self.statements(&body.statements);
        self.end_function(function.span);
    }

    pub(super) fn arrow(&mut self, arrow: &'a ArrowFunctionExpression<'a>, name: Option<&str>) {
        self.begin_function(name.unwrap_or_default(), FunctionKind::Arrow, arrow.r#async);
        self.prologue(&arrow.params, arrow.scope_id.get());
        match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self.statements(&body.statements),
            other => {
                if let Some(expression) = other.as_expression() {
                    self.at(expression.span());
                    self.expression(expression);
                    self.emit(Op::Return);
                    return self.finish_function(arrow.span);
                }
            }
        }
        self.end_function(arrow.span);
    }

    /// Starts a function inside the current one.
    pub(super) fn begin_function(&mut self, name: &str, kind: FunctionKind, is_async: bool) {
        let index = self.codes.len();
        self.codes.push(None);
        let mut code = Code::new(name);
        code.function.kind = kind;
        code.set_place(self.current.code.place());
        let frame = Frame { code, index, storage: HashMap::new(), control: Vec::new(), is_async, kind };
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
        for (item, slot) in params.items.iter().zip(&hidden) {
            self.at(item.span);
            if let Some(default) = &item.initializer {
                self.check_later_parameters(default, params);
            }
            self.parameter(&item.pattern, item.initializer.as_deref(), *slot);
        }
        if let (Some(rest), Some(slot)) = (&params.rest, rest) {
            self.parameter(&rest.rest.argument, None, slot);
        }
    }

    /// The slot of a parameter: the variable's own where it is a plain name.
    fn parameter_slot(&mut self, pattern: &'a BindingPattern<'a>) -> u16 {
        match pattern {
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
            (BindingPattern::BindingIdentifier(_), None) => {}
            (BindingPattern::BindingIdentifier(id), Some(default)) => {
                let Some(symbol) = id.symbol_id.get() else { return };
                self.load_symbol(symbol, id.span);
                self.default_value(default, Some(id.name.as_str()));
                self.init_symbol(symbol, id.span);
            }
            (pattern, default) => {
                self.emit_slot(Op::Load, slot);
                self.emit_slot(Op::Clear, slot);
                if let Some(default) = default {
                    self.default_value(default, None);
                }
                self.bind_from(pattern, true, Some("undefined".to_owned()));
            }
        }
    }

    /// A default that reads a parameter to its right would meet it uninitialised in Node.
    fn check_later_parameters(&mut self, default: &Expression<'a>, params: &FormalParameters<'a>) {
        let scoping = self.semantic.scoping();
        let later = |symbol: SymbolId, start: u32| {
            scoping.get_resolved_references(symbol).any(|reference| {
                let span = self.semantic.nodes().kind(reference.node_id()).span();
                span.start >= default.span().start && span.end <= default.span().end && start > span.start
            })
        };
        let found = params.items.iter().any(|item| match &item.pattern {
            BindingPattern::BindingIdentifier(id) => {
                id.symbol_id.get().is_some_and(|symbol| later(symbol, id.span.start))
            }
            _ => false,
        });
        if found {
            self.unsupported(
                default.span(),
                "a default cannot use a parameter that comes after it",
                "change the order",
            );
        }
    }

    /// `constructor(private x: number)` declares and sets a field.
    fn parameter_properties(&mut self, params: &'a FormalParameters<'a>) {
        for item in &params.items {
            if item.accessibility.is_none() && !item.readonly {
                continue;
            }
            if let BindingPattern::BindingIdentifier(id) = &item.pattern
                && let Some(symbol) = id.symbol_id.get()
            {
                if self.current.kind == FunctionKind::Derived {
                    self.unsupported(
                        item.span,
                        "parameter properties of a derived class are not supported",
                        "assign to this after super(…)",
                    );
                }
                self.emit(Op::This);
                self.load_symbol(symbol, id.span);
                self.emit_json(Op::InitProp, serde_json::json!(id.name.as_str()));
                self.emit(Op::Pop);
            }
        }
    }

    /// The program itself: its statements, then `main(input)` where that is declared and not called.
    pub(super) fn program(&mut self, statements: &'a [Statement<'a>], scope: Option<ScopeId>, main: Option<SymbolId>) {
        self.current.code.input();
        self.enter_scope(scope);
        self.statements(statements);
        match main {
            Some(main) => {
                self.load_symbol(main, Span::default());
                self.emit_slot(Op::Load, 0);
                self.emit_json(Op::Call, serde_json::json!({ "argc": 1, "text": "main" }));
                self.emit(Op::Return);
            }
            None => self.emit(Op::Halt),
        }
    }
}
