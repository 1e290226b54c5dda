//! Calls with an object as `this`: of its methods, and of the result of an optional chain.

use oxc_ast::ast::{
    CallExpression, ChainElement, ChainExpression, Expression, MemberExpression, ObjectPropertyKind,
    StaticMemberExpression, UnaryOperator,
};
use serde_json::{Value as Json, json};

use crate::vm::op::Op;

use super::call::PushedArguments;
use super::compiler::Compiler;
use super::function_code::Label;
use super::host_call::is_host_name;
use super::unresolved_names::is_builtin;

impl<'a> Compiler<'a, '_> {
    /// `(a?.b)()`: calls the result of a chain with its last object as `this`. `( -- this f )`. ECMA-262 §13.3.9 Optional Chains.
    pub(super) fn chain_callee(&mut self, chain: &'a ChainExpression<'a>) {
        let member = match &chain.expression {
            ChainElement::TSNonNullExpression(inner) => inner.expression.get_inner_expression().as_member_expression(),
            element => element.as_member_expression(),
        };
        let Some(member) = member else {
            self.push_undefined();
            return self.chain(chain);
        };
        let (nothing, end) = (self.new_label(), self.new_label());
        self.chain_link(member.object(), member.optional(), Some(nothing));
        self.emit(Op::Dup);
        match member {
            MemberExpression::StaticMemberExpression(member) => self.read_property(member),
            MemberExpression::ComputedMemberExpression(member) => {
                self.expression(&member.expression);
                self.set_location(member.span);
                self.emit(Op::GetIndex);
            }
            MemberExpression::PrivateFieldExpression(member) => {
                self.unsupported(member.span, "private names (`#x`) are not supported", "use an ordinary field");
            }
        }
        self.jump(Op::Jump, end);
        self.bind_label(nothing);
        self.push_undefined();
        self.push_undefined();
        self.bind_label(end);
    }

    /// `( this f -- result )`; pushes the arguments first. ECMA-262 §13.3.6.2 EvaluateCall.
    pub(super) fn call_with_this(&mut self, call: &'a CallExpression<'a>, nothing: Option<Label>) {
        let (missing, end) = (self.new_label(), self.new_label());
        let optional = call.optional && nothing.is_some();
        if optional {
            self.jump(Op::JumpNullish, missing);
        }
        let given = self.arguments(&call.arguments);
        self.set_location(call.span);
        let arg = self.call_arg(call, &given);
        self.emit_json(if let PushedArguments::Array = given { Op::CallThisSpread } else { Op::CallThis }, arg);
        if let (true, Some(nothing)) = (optional, nothing) {
            self.jump(Op::Jump, end);
            // If the method is missing, the receiver is still on the stack.
            self.bind_label(missing);
            self.emit(Op::Pop);
            self.jump(Op::Jump, nothing);
            self.bind_label(end);
        }
    }

    /// ECMA-262 §13.3.6 Function Calls, with a property as callee.
    pub(super) fn method_call(
        &mut self,
        member: &'a StaticMemberExpression<'a>,
        call: &'a CallExpression<'a>,
        nothing: Option<Label>,
    ) {
        let name = member.property.name.as_str();
        if let Expression::Super(_) = &member.object {
            self.set_location(call.span);
            self.emit(Op::This);
            self.emit_json(Op::SuperGet, json!(name));
            return self.call_with_this(call, nothing);
        }
        if let Some(root) = self.builtin_root(&member.object).filter(|root| is_builtin(root) || is_host_name(root)) {
            return self.builtin_call(root, member, call);
        }
        if let (Some("Promise"), "all" | "allSettled" | "any" | "race") = (self.builtin_root(&member.object), name) {
            let hint = "ask several at once with CC.all([{ prompt: \"a\" }, { prompt: \"b\" }])";
            return self.unsupported_value(member.span, format!("`Promise.{name}` is not supported"), hint);
        }
        self.check_member_name(name, member.property.span, true);
        self.refuse_promises(name, call);
        self.chain_link(&member.object, member.optional, nothing);
        // CALL_METHOD looks up the method after the arguments. That is not observable if the arguments have no effects.
        let early = call.arguments.iter().any(|argument| argument.as_expression().is_none_or(has_effect));
        if early || (call.optional && nothing.is_some()) {
            self.emit(Op::Dup);
            self.read_property(member);
            return self.call_with_this(call, nothing);
        }
        let given = self.arguments(&call.arguments);
        self.set_location(member.property.span);
        let mut arg = self.call_arg(call, &given);
        arg["name"] = json!(name);
        self.emit_json(if let PushedArguments::Array = given { Op::CallMethodSpread } else { Op::CallMethod }, arg);
    }

    /// The argument of a call instruction: the number of arguments, the callee's source text, the immediate use of the value.
    pub(super) fn call_arg(&self, call: &CallExpression<'a>, given: &PushedArguments) -> Json {
        let mut arg = json!({ "text": self.callee_text(&call.callee) });
        if let PushedArguments::Count(argc) = given {
            arg["argc"] = json!(argc);
        }
        if let Some(wait) = self.promise_use(call) {
            arg["wait"] = json!(wait.name());
        }
        arg
    }
}

/// Whether the evaluation may change the method that a name refers to, make a host call, or print.
fn has_effect(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::ArrayExpression(array) => {
            array.elements.iter().any(|element| element.as_expression().is_none_or(has_effect))
        }
        Expression::ObjectExpression(object) => object.properties.iter().any(|property| match property {
            ObjectPropertyKind::ObjectProperty(property) => property.computed || has_effect(&property.value),
            ObjectPropertyKind::SpreadProperty(_) => true,
        }),
        Expression::BinaryExpression(binary) => has_effect(&binary.left) || has_effect(&binary.right),
        Expression::LogicalExpression(logical) => has_effect(&logical.left) || has_effect(&logical.right),
        Expression::ConditionalExpression(either) => {
            has_effect(&either.test) || has_effect(&either.consequent) || has_effect(&either.alternate)
        }
        Expression::UnaryExpression(unary) => unary.operator == UnaryOperator::Delete || has_effect(&unary.argument),
        Expression::TemplateLiteral(template) => template.expressions.iter().any(has_effect),
        Expression::StaticMemberExpression(member) => has_effect(&member.object),
        Expression::ComputedMemberExpression(member) => has_effect(&member.object) || has_effect(&member.expression),
        other => {
            !(other.is_literal()
                || other.is_function()
                || matches!(other, Expression::Identifier(_) | Expression::ThisExpression(_) | Expression::Super(_)))
        }
    }
}
