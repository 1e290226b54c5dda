//! Assignments, `++` and `--`, of variables and of properties.

use oxc_ast::ast::{
    AssignmentExpression, AssignmentOperator, AssignmentTarget, ComputedMemberExpression, Expression,
    IdentifierReference, LogicalOperator, SimpleAssignmentTarget, StaticMemberExpression, UpdateExpression,
    UpdateOperator,
};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::expression::{binary_op, short_circuit_jump};

/// The target of an assignment, without TypeScript's type assertions. ECMA-262 §13.15 Assignment Operators.
enum LeftHandSide<'a> {
    Variable(&'a IdentifierReference<'a>),
    Static(&'a StaticMemberExpression<'a>),
    Computed(&'a ComputedMemberExpression<'a>),
    Other(Span),
}

fn simple_left_hand_side<'a>(target: &'a SimpleAssignmentTarget<'a>) -> LeftHandSide<'a> {
    match target {
        SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => LeftHandSide::Variable(id),
        SimpleAssignmentTarget::StaticMemberExpression(member) => LeftHandSide::Static(member),
        SimpleAssignmentTarget::ComputedMemberExpression(member) => LeftHandSide::Computed(member),
        SimpleAssignmentTarget::PrivateFieldExpression(member) => LeftHandSide::Other(member.span),
        SimpleAssignmentTarget::TSAsExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSSatisfiesExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSNonNullExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSTypeAssertion(inner) => unwrap_left_hand_side(&inner.expression),
    }
}

fn unwrap_left_hand_side<'a>(expression: &'a Expression<'a>) -> LeftHandSide<'a> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) => LeftHandSide::Variable(id),
        Expression::StaticMemberExpression(member) => LeftHandSide::Static(member),
        Expression::ComputedMemberExpression(member) => LeftHandSide::Computed(member),
        other => LeftHandSide::Other(other.span()),
    }
}

impl<'a> Compiler<'a, '_> {
    /// An assignment; its value remains on the stack if `value` is set. ECMA-262 §13.15 Assignment Operators.
    pub(super) fn assignment(&mut self, assignment: &'a AssignmentExpression<'a>, value: bool) {
        self.with_nesting(assignment.span, |this| this.assignment_inner(assignment, value));
    }

    fn assignment_inner(&mut self, assignment: &'a AssignmentExpression<'a>, value: bool) {
        let Some(simple) = assignment.left.as_simple_assignment_target() else {
            self.expression(&assignment.right);
            if value {
                self.emit(Op::Dup);
            }
            return self.assign_pattern(&assignment.left);
        };
        let place = simple_left_hand_side(simple);
        if assignment.operator == AssignmentOperator::Assign {
            return self.plain_assignment(place, assignment, value);
        }
        if let Some(operator) = assignment.operator.to_logical_operator() {
            return self.logical_assignment(place, operator, &assignment.right, assignment.span, value);
        }
        self.read_for_update(&place);
        self.expression(&assignment.right);
        self.set_location(assignment.span);
        if let Some(operator) = assignment.operator.to_binary_operator() {
            self.emit(binary_op(operator));
        }
        self.write_back(&place, assignment.span, value);
    }

    /// `a = b`. ECMA-262 §13.15 Assignment Operators.
    fn plain_assignment(&mut self, place: LeftHandSide<'a>, assignment: &'a AssignmentExpression<'a>, value: bool) {
        match &place {
            LeftHandSide::Variable(id) => self.named_expression(&assignment.right, id.name.as_str()),
            LeftHandSide::Static(member) => {
                self.member_object(&member.object);
                self.expression(&assignment.right);
            }
            LeftHandSide::Computed(member) => {
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.expression(&assignment.right);
            }
            LeftHandSide::Other(_) => self.expression(&assignment.right),
        }
        self.set_location(assignment.span);
        self.write_back(&place, assignment.span, value);
    }

    /// Reads the target and leaves the operands of `write_back` below its value.
    fn read_for_update(&mut self, place: &LeftHandSide<'a>) {
        match place {
            LeftHandSide::Variable(id) => self.read_identifier(id),
            LeftHandSide::Static(member) => {
                self.member_object(&member.object);
                self.emit(Op::Dup);
                self.set_location(member.property.span);
                self.emit_json(Op::GetProp, json!(member.property.name.as_str()));
            }
            LeftHandSide::Computed(member) => {
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.emit(Op::Dup2);
                self.set_location(member.span);
                self.emit(Op::GetIndex);
            }
            LeftHandSide::Other(_) => self.push_undefined(),
        }
    }

    /// `( [object [key]] value -- [value] )`. ECMA-262 §6.2.5.6 PutValue.
    fn write_back(&mut self, place: &LeftHandSide<'a>, span: Span, value: bool) {
        match place {
            LeftHandSide::Variable(id) => {
                if value {
                    self.emit(Op::Dup);
                }
                self.set_location(span);
                self.store_identifier(id);
                return;
            }
            LeftHandSide::Static(member) => {
                self.check_prototype(member);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
            }
            LeftHandSide::Computed(_) => self.emit(Op::SetIndex),
            LeftHandSide::Other(span) => {
                let hint = "use an ordinary field; TypeScript's `private` is accepted";
                self.unsupported(*span, "this cannot be assigned to here", hint);
            }
        }
        if !value {
            self.emit(Op::Pop);
        }
    }

    /// `a ||= b`: the right side is evaluated and assigned only if the left side does not decide the result.
    /// ECMA-262 §13.15 Assignment Operators.
    fn logical_assignment(
        &mut self,
        place: LeftHandSide<'a>,
        operator: LogicalOperator,
        right: &'a Expression<'a>,
        span: Span,
        value: bool,
    ) {
        let (decided, end) = (self.new_label(), self.new_label());
        self.read_for_update(&place);
        self.jump(short_circuit_jump(operator), decided);
        match &place {
            LeftHandSide::Variable(id) => self.named_expression(right, id.name.as_str()),
            _ => self.expression(right),
        }
        self.write_back(&place, span, true);
        self.jump(Op::Jump, end);
        self.bind_label(decided);
        let below = match place {
            LeftHandSide::Static(_) => 1,
            LeftHandSide::Computed(_) => 2,
            LeftHandSide::Variable(_) | LeftHandSide::Other(_) => 0,
        };
        for _ in 0..below {
            self.emit(Op::Swap);
            self.emit(Op::Pop);
        }
        self.bind_label(end);
        if !value {
            self.emit(Op::Pop);
        }
    }

    /// `++` and `--`. ECMA-262 §13.4 Update Expressions.
    pub(super) fn update(&mut self, update: &'a UpdateExpression<'a>, value: bool) {
        let place = simple_left_hand_side(&update.argument);
        let step = if update.operator == UpdateOperator::Increment { Op::Inc } else { Op::Dec };
        self.set_location(update.span);
        self.read_for_update(&place);
        if update.prefix || !value {
            self.emit(step);
            return self.write_back(&place, update.span, value);
        }
        // The old value remains below the operands of the assignment.
        self.emit(Op::ToNumber);
        match &place {
            LeftHandSide::Variable(_) | LeftHandSide::Other(_) => self.emit(Op::Dup),
            LeftHandSide::Static(_) => self.emit(Op::DupX1),
            LeftHandSide::Computed(_) => self.emit(Op::DupX2),
        }
        self.emit(step);
        self.write_back(&place, update.span, false);
    }

    /// Assigns the value that `value` pushes to a target in a pattern. Object and key of a property are evaluated first.
    /// ECMA-262 §13.15.5.6 KeyedDestructuringAssignmentEvaluation.
    pub(super) fn assign_target(&mut self, target: &'a AssignmentTarget<'a>, value: impl FnOnce(&mut Self)) {
        match target.as_simple_assignment_target().map(simple_left_hand_side) {
            Some(LeftHandSide::Static(member)) => {
                self.check_prototype(member);
                self.member_object(&member.object);
                value(self);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
                self.emit(Op::Pop);
            }
            Some(LeftHandSide::Computed(member)) => {
                self.member_object(&member.object);
                self.expression(&member.expression);
                value(self);
                self.emit(Op::SetIndex);
                self.emit(Op::Pop);
            }
            _ => {
                value(self);
                self.assign_pattern(target);
            }
        }
    }

    /// `( value -- )` Assigns to a simple target after its value is known, as in the head of a `for-of` loop.
    pub(super) fn assign_simple(&mut self, target: &'a AssignmentTarget<'a>) {
        let Some(simple) = target.as_simple_assignment_target() else {
            return self.emit(Op::Pop);
        };
        match simple_left_hand_side(simple) {
            LeftHandSide::Variable(id) => self.store_identifier(id),
            LeftHandSide::Static(member) => {
                self.check_prototype(member);
                self.member_object(&member.object);
                self.emit(Op::Swap);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
                self.emit(Op::Pop);
            }
            LeftHandSide::Computed(member) => {
                let waiting = self.current.code.acquire_hidden_slot();
                self.emit_slot(Op::Store, waiting);
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.emit_slot(Op::Load, waiting);
                self.emit(Op::SetIndex);
                self.emit(Op::Pop);
                self.current.code.release_hidden_slot(waiting);
            }
            LeftHandSide::Other(span) => {
                self.unsupported(span, "this cannot be assigned to here", "");
                self.emit(Op::Pop);
            }
        }
    }

    fn check_prototype(&mut self, member: &StaticMemberExpression<'a>) {
        if member.property.name.as_str() == "__proto__" {
            self.unsupported(member.property.span, "setting a prototype is not supported", "use a class");
        }
    }

    /// The object of a property that is assigned.
    fn member_object(&mut self, object: &'a Expression<'a>) {
        if let Expression::Super(one) = object {
            return self.unsupported_value(one.span, "assigning to `super` is not supported", "assign to `this`");
        }
        self.expression(object);
    }

    /// `( value -- )` Assigns to a name. ECMA-262 §6.2.5.6 PutValue. An undeclared name is a compile error.
    pub(super) fn store_identifier(&mut self, identifier: &IdentifierReference<'a>) {
        match self.resolve_symbol(identifier) {
            Some(symbol) => self.store_symbol(symbol, identifier.span),
            None => {
                let name = identifier.name.as_str();
                let (kind, hint) = if name == "input" || self.is_builtin_name(name) {
                    (DiagnosticKind::Unsupported, "choose another name".to_owned())
                } else {
                    (DiagnosticKind::Name, format!("declare it: let {name} = …"))
                };
                let message = if kind == DiagnosticKind::Name {
                    format!("{name} is not defined")
                } else {
                    format!("`{name}` cannot be assigned")
                };
                self.findings.add(identifier.span.start, kind, message, Some(hint));
                self.emit(Op::Pop);
            }
        }
    }
}
