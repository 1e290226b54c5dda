//! Property reads, calls, `new` and optional chains. Calls of methods are in `method_call.rs`.

use oxc_ast::ast::{
    Argument, CallExpression, ChainElement, ChainExpression, Expression, NewExpression, StaticMemberExpression,
};
use oxc_semantic::SymbolFlags;
use oxc_span::{GetSpan, Span};
use serde_json::{Value as Json, json};

use crate::vm::globals::{CALLABLE_CLASSES, CLASSES, FUNCTIONS};
use crate::vm::op::Op;
use crate::vm::program::FunctionKind;

use super::compiler::Compiler;
use super::function_code::Label;
use super::host_call::is_host_name;
use super::unresolved_names::is_builtin;

/// The pushed arguments: their number, or one array.
pub(super) enum PushedArguments {
    Count(usize),
    Array,
}

impl<'a> Compiler<'a, '_> {
    /// Reads a property. In an optional chain, `nothing` is the target if an object is missing. ECMA-262 §13.3.2 Property Accessors.
    pub(super) fn member(&mut self, expression: &'a Expression<'a>, nothing: Option<Label>) {
        match expression {
            Expression::StaticMemberExpression(member) => {
                if let Expression::Super(_) = &member.object {
                    self.set_location(member.span);
                    return self.emit_json(Op::SuperGet, json!(member.property.name.as_str()));
                }
                if self.builtin_member(member) {
                    return;
                }
                self.chain_link(&member.object, member.optional, nothing);
                self.read_property(member);
            }
            Expression::ComputedMemberExpression(member) => {
                self.refuse_computed_builtin(&member.object);
                self.chain_link(&member.object, member.optional, nothing);
                self.expression(&member.expression);
                self.set_location(member.span);
                self.emit(Op::GetIndex);
            }
            other => self.expression(other),
        }
    }

    /// `( object -- value )`. ECMA-262 §13.3.4 EvaluatePropertyAccessWithIdentifierKey.
    pub(super) fn read_property(&mut self, member: &StaticMemberExpression<'a>) {
        self.check_member_name(member.property.name.as_str(), member.property.span, false);
        self.set_location(member.property.span);
        self.emit_json(Op::GetProp, json!(member.property.name.as_str()));
    }

    pub(super) fn refuse_computed_builtin(&mut self, object: &Expression<'a>) {
        if let Some(root) = self.builtin_root(object).filter(|root| is_builtin(root)) {
            self.unsupported(
                object.span(),
                format!("members of `{root}` are read by name only"),
                "write Math.max, not Math[name]",
            );
        }
    }

    /// One link of a chain: the object, and the jump if it is nullish after `?.`. ECMA-262 §13.3.9.2 ChainEvaluation.
    pub(super) fn chain_link(&mut self, object: &'a Expression<'a>, optional: bool, nothing: Option<Label>) {
        self.chain_expression(object, nothing);
        if let (true, Some(nothing)) = (optional, nothing) {
            self.jump(Op::JumpNullish, nothing);
        }
    }

    /// An expression that continues the chain around it.
    fn chain_expression(&mut self, expression: &'a Expression<'a>, nothing: Option<Label>) {
        if nothing.is_none() {
            return self.expression(expression);
        }
        let fine = self.with_nesting(expression.span(), |this| match expression {
            Expression::StaticMemberExpression(_) | Expression::ComputedMemberExpression(_) => {
                this.member(expression, nothing)
            }
            Expression::CallExpression(call) => this.call(call, nothing),
            Expression::TSNonNullExpression(inner) => this.chain_expression(&inner.expression, nothing),
            other => this.expression(other),
        });
        if !fine {
            self.push_undefined();
        }
    }

    /// `a?.b.c`: undefined as a whole if a `?.` follows a nullish value. ECMA-262 §13.3.9 Optional Chains.
    pub(super) fn chain(&mut self, chain: &'a ChainExpression<'a>) {
        let (nothing, end) = (self.new_label(), self.new_label());
        match &chain.expression {
            ChainElement::CallExpression(call) => self.call(call, Some(nothing)),
            ChainElement::TSNonNullExpression(inner) => self.chain_expression(&inner.expression, Some(nothing)),
            ChainElement::StaticMemberExpression(member) => {
                if !self.builtin_member(member) {
                    self.chain_link(&member.object, member.optional, Some(nothing));
                    self.read_property(member);
                }
            }
            ChainElement::ComputedMemberExpression(member) => {
                self.chain_link(&member.object, member.optional, Some(nothing));
                self.expression(&member.expression);
                self.set_location(member.span);
                self.emit(Op::GetIndex);
            }
            ChainElement::PrivateFieldExpression(member) => {
                self.unsupported_value(member.span, "private names (`#x`) are not supported", "use an ordinary field");
            }
        }
        self.jump(Op::Jump, end);
        self.bind_label(nothing);
        self.push_undefined();
        self.bind_label(end);
    }

    /// ECMA-262 §13.3.6 Function Calls.
    pub(super) fn call(&mut self, call: &'a CallExpression<'a>, nothing: Option<Label>) {
        self.check_unawaited(call);
        // Type assertions and parentheses around a callee (`o.f!()`, `(o.f as any)()`) have no effect: `this` is the object.
        match call.callee.get_inner_expression() {
            Expression::Super(_) => self.super_call(call),
            Expression::Identifier(id) if self.resolve_symbol(id).is_none() => {
                self.named_call(id.name.as_str(), id.span, call)
            }
            Expression::StaticMemberExpression(member) => self.method_call(member, call, nothing),
            Expression::ComputedMemberExpression(member) => {
                self.refuse_computed_builtin(&member.object);
                self.chain_link(&member.object, member.optional, nothing);
                self.emit(Op::Dup);
                self.expression(&member.expression);
                self.set_location(member.span);
                self.emit(Op::GetIndex);
                self.call_with_this(call, nothing);
            }
            Expression::ChainExpression(chain) => {
                self.chain_callee(chain);
                self.call_with_this(call, nothing);
            }
            callee => {
                self.chain_expression(callee, nothing);
                if let (true, Some(nothing)) = (call.optional, nothing) {
                    self.jump(Op::JumpNullish, nothing);
                }
                let given = self.arguments(&call.arguments);
                self.set_location(call.span);
                let arg = self.call_arg(call, &given);
                self.emit_json(if let PushedArguments::Array = given { Op::CallSpread } else { Op::Call }, arg);
            }
        }
    }

    /// `Math.max(…)`, `console.log(…)`.
    pub(super) fn builtin_call(
        &mut self,
        root: &str,
        member: &StaticMemberExpression<'a>,
        call: &'a CallExpression<'a>,
    ) {
        let path = format!("{root}.{}", member.property.name);
        if self.host_call(&path, call) {
            return;
        }
        if is_host_name(root) {
            return self.host_name_as_value(&path, member.span);
        }
        self.refuse_promises(&path, call);
        let given = call.arguments.get(1).and_then(|argument| argument.as_expression());
        if let (Some(function), "JSON.parse" | "JSON.stringify") =
            (given.filter(|given| given.is_function()), path.as_str())
        {
            let message = format!("a function as the second argument of {path} is not supported");
            self.unsupported(function.span(), message, "change the value before or after");
        }
        if !FUNCTIONS.contains(&path.as_str()) {
            self.missing_builtin(&path, member.span);
        }
        self.call_builtin(Op::CallNative, Op::CallNativeSpread, &path, &call.arguments, call.span);
    }

    fn call_builtin(&mut self, op: Op, spread: Op, name: &str, arguments: &'a [Argument<'a>], span: Span) {
        let given = self.arguments(arguments);
        self.set_location(span);
        match given {
            PushedArguments::Count(argc) => self.emit_json(op, json!({ "name": name, "argc": argc })),
            PushedArguments::Array => self.emit_json(spread, json!({ "name": name })),
        }
    }

    /// A call of a name that the program does not declare. ECMA-262 §13.3.6 Function Calls.
    fn named_call(&mut self, name: &str, span: Span, call: &'a CallExpression<'a>) {
        if self.host_call(name, call) {
            return;
        }
        if FUNCTIONS.contains(&name) && !CALLABLE_CLASSES.contains(&name) {
            return self.call_builtin(Op::CallNative, Op::CallNativeSpread, name, &call.arguments, call.span);
        }
        // A call returns its argument if that is a regexp.
        if name == "RegExp" {
            return self.call_builtin(Op::CallNative, Op::CallNativeSpread, name, &call.arguments, call.span);
        }
        if CALLABLE_CLASSES.contains(&name) {
            return self.call_builtin(Op::NewNative, Op::NewNativeSpread, name, &call.arguments, call.span);
        }
        if CLASSES.contains(&name) {
            let message = format!("`{name}` cannot be called without `new`");
            return self.unsupported_value(span, message, "write new Map()");
        }
        match name {
            "input" => {
                self.emit_slot(if self.enclosing.is_empty() { Op::Load } else { Op::LoadGlobal }, 0);
                let given = self.arguments(&call.arguments);
                if let PushedArguments::Count(argc) = given {
                    self.emit_json(Op::Call, json!({ "argc": argc, "text": "input" }));
                } else {
                    self.emit_json(Op::CallSpread, json!({ "text": "input" }));
                }
            }
            _ => {
                self.unknown_name(name, span);
                if matches!(self.arguments(&call.arguments), PushedArguments::Array) {
                    self.emit(Op::Pop);
                }
            }
        }
    }

    /// ECMA-262 §13.3.5 The new Operator. Deviation: plain functions are not constructors.
    pub(super) fn new_expression(&mut self, new: &'a NewExpression<'a>) {
        if let Some(root) = self.builtin_root(&new.callee) {
            if CLASSES.contains(&root) {
                return self.call_builtin(Op::NewNative, Op::NewNativeSpread, root, &new.arguments, new.span);
            }
            let message = format!("`new {root}` is not supported");
            return match is_builtin(root) || is_host_name(root) {
                true => self.unsupported_value(new.span, message, if root == "Date" { "use Date.now()" } else { "" }),
                false => self.unknown_name(root, new.callee.span()),
            };
        }
        if let Expression::Identifier(id) = new.callee.get_inner_expression()
            && let Some(symbol) = self.resolve_symbol(id)
            && self.semantic.scoping().symbol_flags(symbol).contains(SymbolFlags::Function)
        {
            self.unsupported(new.span, "`new` of a plain function is not supported", "write a class");
        }
        if let Expression::FunctionExpression(function) = new.callee.get_inner_expression() {
            self.unsupported(function.span, "`new` of a plain function is not supported", "write a class");
        }
        self.expression(&new.callee);
        let text = self.callee_text(&new.callee);
        let given = self.arguments(&new.arguments);
        self.set_location(new.span);
        match given {
            PushedArguments::Count(argc) => self.emit_json(Op::New, json!({ "argc": argc, "text": text })),
            PushedArguments::Array => self.emit_json(Op::NewSpread, json!({ "text": text })),
        }
    }

    /// ECMA-262 §13.3.7 The super Keyword. Deviation: `super(…)` within an arrow function is not supported.
    fn super_call(&mut self, call: &'a CallExpression<'a>) {
        if self.current.kind != FunctionKind::Derived {
            self.unsupported(call.span, "`super(…)` within an arrow function is not supported", "call it directly");
        }
        match self.arguments(&call.arguments) {
            PushedArguments::Count(argc) => {
                self.set_location(call.span);
                self.emit_json(Op::SuperCall, json!(argc));
            }
            PushedArguments::Array => {
                self.set_location(call.span);
                self.emit(Op::SuperCallSpread);
            }
        }
        self.emit(Op::InitFields);
        self.emit(Op::Pop);
    }

    /// ECMA-262 §13.3.8 Argument Lists.
    pub(super) fn arguments(&mut self, arguments: &'a [Argument<'a>]) -> PushedArguments {
        if arguments.iter().all(|argument| argument.is_expression()) && arguments.len() <= 250 {
            for argument in arguments {
                if let Some(expression) = argument.as_expression() {
                    self.expression(expression);
                }
            }
            return PushedArguments::Count(arguments.len());
        }
        self.emit_json(Op::Array, Json::from(0));
        for argument in arguments {
            match argument {
                Argument::SpreadElement(spread) => {
                    self.expression(&spread.argument);
                    self.set_location(spread.span);
                    self.emit(Op::Spread);
                }
                other => {
                    if let Some(expression) = other.as_expression() {
                        self.expression(expression);
                        self.emit(Op::Append);
                    }
                }
            }
        }
        PushedArguments::Array
    }
}
