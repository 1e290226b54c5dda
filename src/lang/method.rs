//! Calls with an object as `this`: of its methods, and of what an ended chain gives.

use oxc_ast::ast::{
    CallExpression, ChainElement, ChainExpression, Expression, MemberExpression, ObjectPropertyKind,
    StaticMemberExpression, UnaryOperator,
};
use serde_json::{Value as Json, json};

use crate::vm::op::Op;

use super::ask::is_asking;
use super::call::Given;
use super::compiler::Compiler;
use super::emit::Label;
use super::names::is_builtin;

impl<'a> Compiler<'a, '_> {
    /// `(a?.b)()`: a chain that has ended is called with its last object as `this`. `( -- this f )`
    pub(super) fn chained_callee(&mut self, chain: &'a ChainExpression<'a>) {
        let member = match &chain.expression {
            ChainElement::TSNonNullExpression(inner) => inner.expression.get_inner_expression().as_member_expression(),
            element => element.as_member_expression(),
        };
        let Some(member) = member else {
            self.push_undefined();
            return self.chain(chain);
        };
        let (nothing, end) = (self.label(), self.label());
        self.link(member.object(), member.optional(), Some(nothing));
        self.emit(Op::Dup);
        match member {
            MemberExpression::StaticMemberExpression(member) => self.read_property(member),
            MemberExpression::ComputedMemberExpression(member) => {
                self.expression(&member.expression);
                self.at(member.span);
                self.emit(Op::GetIndex);
            }
            MemberExpression::PrivateFieldExpression(member) => {
                self.unsupported(member.span, "private names (`#x`) are not supported", "use an ordinary field");
            }
        }
        self.jump(Op::Jump, end);
        self.mark(nothing);
        self.push_undefined();
        self.push_undefined();
        self.mark(end);
    }

    /// `( this f -- result )` with the arguments still to come.
    pub(super) fn call_with_this(&mut self, call: &'a CallExpression<'a>, nothing: Option<Label>) {
        let (missing, end) = (self.label(), self.label());
        let optional = call.optional && nothing.is_some();
        if optional {
            self.jump(Op::JumpNullish, missing);
        }
        let given = self.arguments(&call.arguments);
        self.at(call.span);
        let arg = self.call_arg(call, &given);
        self.emit_json(if let Given::Array = given { Op::CallThisSpread } else { Op::CallThis }, arg);
        if let (true, Some(nothing)) = (optional, nothing) {
            self.jump(Op::Jump, end);
            // The receiver is still there when its method is not.
            self.mark(missing);
            self.emit(Op::Pop);
            self.jump(Op::Jump, nothing);
            self.mark(end);
        }
    }

    pub(super) fn method_call(
        &mut self,
        member: &'a StaticMemberExpression<'a>,
        call: &'a CallExpression<'a>,
        nothing: Option<Label>,
    ) {
        let name = member.property.name.as_str();
        if let Expression::Super(_) = &member.object {
            self.at(call.span);
            self.emit(Op::This);
            self.emit_json(Op::SuperGet, json!(name));
            return self.call_with_this(call, nothing);
        }
        if let Some(root) = self.builtin_root(&member.object).filter(|root| is_builtin(root) || is_asking(root)) {
            return self.builtin_call(root, member, call);
        }
        if let (Some("Promise"), "all" | "allSettled" | "any" | "race") = (self.builtin_root(&member.object), name) {
            let hint = "ask several at once with CC.all([{ prompt: \"a\" }, { prompt: \"b\" }])";
            return self.unsupported_value(member.span, format!("`Promise.{name}` is not supported"), hint);
        }
        self.check_member_name(name, member.property.span, true);
        self.refuse_promises(name, call);
        self.link(&member.object, member.optional, nothing);
        // CALL_METHOD looks the method up after the arguments. Arguments without effects cannot notice that.
        let early = call.arguments.iter().any(|argument| argument.as_expression().is_none_or(has_effect));
        if early || (call.optional && nothing.is_some()) {
            self.emit(Op::Dup);
            self.read_property(member);
            return self.call_with_this(call, nothing);
        }
        let given = self.arguments(&call.arguments);
        self.at(member.property.span);
        let mut arg = self.call_arg(call, &given);
        arg["name"] = json!(name);
        self.emit_json(if let Given::Array = given { Op::CallMethodSpread } else { Op::CallMethod }, arg);
    }

    /// The argument of a call instruction: the count of arguments, the callee as it is written, the immediate use of the value.
    pub(super) fn call_arg(&self, call: &CallExpression<'a>, given: &Given) -> Json {
        let mut arg = json!({ "text": self.written(&call.callee) });
        if let Given::Count(argc) = given {
            arg["argc"] = json!(argc);
        }
        if let Some(wait) = self.wait_of(call) {
            arg["wait"] = json!(wait.name());
        }
        arg
    }
}

/// Whether evaluating this may change what a method's name means, ask, or print.
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
