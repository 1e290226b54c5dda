//! Assignments, `++` and `--`, of variables and of members.

use oxc_ast::ast::{
    AssignmentExpression, AssignmentOperator, AssignmentTarget, ComputedMemberExpression, Expression,
    IdentifierReference, LogicalOperator, SimpleAssignmentTarget, StaticMemberExpression, UpdateExpression,
    UpdateOperator,
};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::Compiler;
use super::diagnostic::Kind;
use super::expression::{binary_op, keeping_jump};

/// What is assigned to, without its TypeScript wrapping.
enum Place<'a> {
    Variable(&'a IdentifierReference<'a>),
    Static(&'a StaticMemberExpression<'a>),
    Computed(&'a ComputedMemberExpression<'a>),
    Other(Span),
}

fn simple_place<'a>(target: &'a SimpleAssignmentTarget<'a>) -> Place<'a> {
    match target {
        SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => Place::Variable(id),
        SimpleAssignmentTarget::StaticMemberExpression(member) => Place::Static(member),
        SimpleAssignmentTarget::ComputedMemberExpression(member) => Place::Computed(member),
        SimpleAssignmentTarget::PrivateFieldExpression(member) => Place::Other(member.span),
        SimpleAssignmentTarget::TSAsExpression(inner) => wrapped_place(&inner.expression),
        SimpleAssignmentTarget::TSSatisfiesExpression(inner) => wrapped_place(&inner.expression),
        SimpleAssignmentTarget::TSNonNullExpression(inner) => wrapped_place(&inner.expression),
        SimpleAssignmentTarget::TSTypeAssertion(inner) => wrapped_place(&inner.expression),
    }
}

fn wrapped_place<'a>(expression: &'a Expression<'a>) -> Place<'a> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) => Place::Variable(id),
        Expression::StaticMemberExpression(member) => Place::Static(member),
        Expression::ComputedMemberExpression(member) => Place::Computed(member),
        other => Place::Other(other.span()),
    }
}

impl<'a> Compiler<'a, '_> {
    /// An assignment; its value is left on the stack when `value` is asked for.
    pub(super) fn assignment(&mut self, assignment: &'a AssignmentExpression<'a>, value: bool) {
        self.nested(assignment.span, |this| this.assignment_inner(assignment, value));
    }

    fn assignment_inner(&mut self, assignment: &'a AssignmentExpression<'a>, value: bool) {
        let Some(simple) = assignment.left.as_simple_assignment_target() else {
            self.expression(&assignment.right);
            if value {
                self.emit(Op::Dup);
            }
            return self.assign_pattern(&assignment.left);
        };
        let place = simple_place(simple);
        if assignment.operator == AssignmentOperator::Assign {
            return self.plain(place, assignment, value);
        }
        if let Some(operator) = assignment.operator.to_logical_operator() {
            return self.logical_assignment(place, operator, &assignment.right, assignment.span, value);
        }
        self.read_for_update(&place);
        self.expression(&assignment.right);
        self.at(assignment.span);
        if let Some(operator) = assignment.operator.to_binary_operator() {
            self.emit(binary_op(operator));
        }
        self.write_back(&place, assignment.span, value);
    }

    fn plain(&mut self, place: Place<'a>, assignment: &'a AssignmentExpression<'a>, value: bool) {
        match &place {
            Place::Variable(id) => self.named_expression(&assignment.right, id.name.as_str()),
            Place::Static(member) => {
                self.member_object(&member.object);
                self.expression(&assignment.right);
            }
            Place::Computed(member) => {
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.expression(&assignment.right);
            }
            Place::Other(_) => self.expression(&assignment.right),
        }
        self.at(assignment.span);
        self.write_back(&place, assignment.span, value);
    }

    /// Leaves what `write_back` needs below the value that is there now.
    fn read_for_update(&mut self, place: &Place<'a>) {
        match place {
            Place::Variable(id) => self.read_identifier(id),
            Place::Static(member) => {
                self.member_object(&member.object);
                self.emit(Op::Dup);
                self.at(member.property.span);
                self.emit_json(Op::GetProp, json!(member.property.name.as_str()));
            }
            Place::Computed(member) => {
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.emit(Op::Dup2);
                self.at(member.span);
                self.emit(Op::GetIndex);
            }
            Place::Other(_) => self.push_undefined(),
        }
    }

    /// `( [object [key]] value -- [value] )`
    fn write_back(&mut self, place: &Place<'a>, span: Span, value: bool) {
        match place {
            Place::Variable(id) => {
                if value {
                    self.emit(Op::Dup);
                }
                self.at(span);
                self.store_identifier(id);
                return;
            }
            Place::Static(member) => {
                self.check_prototype(member);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
            }
            Place::Computed(_) => self.emit(Op::SetIndex),
            Place::Other(span) => {
                let hint = "use an ordinary field; TypeScript's `private` is accepted";
                self.unsupported(*span, "this cannot be assigned to here", hint);
            }
        }
        if !value {
            self.emit(Op::Pop);
        }
    }

    /// `a ||= b`: the right side and the assignment happen only when the left side does not decide.
    fn logical_assignment(
        &mut self,
        place: Place<'a>,
        operator: LogicalOperator,
        right: &'a Expression<'a>,
        span: Span,
        value: bool,
    ) {
        let (decided, end) = (self.label(), self.label());
        self.read_for_update(&place);
        self.jump(keeping_jump(operator), decided);
        match &place {
            Place::Variable(id) => self.named_expression(right, id.name.as_str()),
            _ => self.expression(right),
        }
        self.write_back(&place, span, true);
        self.jump(Op::Jump, end);
        self.mark(decided);
        let below = match place {
            Place::Static(_) => 1,
            Place::Computed(_) => 2,
            Place::Variable(_) | Place::Other(_) => 0,
        };
        for _ in 0..below {
            self.emit(Op::Swap);
            self.emit(Op::Pop);
        }
        self.mark(end);
        if !value {
            self.emit(Op::Pop);
        }
    }

    /// `++` and `--`.
    pub(super) fn update(&mut self, update: &'a UpdateExpression<'a>, value: bool) {
        let place = simple_place(&update.argument);
        let step = if update.operator == UpdateOperator::Increment { Op::Inc } else { Op::Dec };
        self.at(update.span);
        self.read_for_update(&place);
        if update.prefix || !value {
            self.emit(step);
            return self.write_back(&place, update.span, value);
        }
        // The old value stays below what the assignment consumes.
        self.emit(Op::ToNumber);
        match &place {
            Place::Variable(_) | Place::Other(_) => self.emit(Op::Dup),
            Place::Static(_) => self.emit(Op::DupX1),
            Place::Computed(_) => self.emit(Op::DupX2),
        }
        self.emit(step);
        self.write_back(&place, update.span, false);
    }

    /// Assigns to a target of a pattern what `value` leaves on the stack. Object and key of a member are evaluated before that.
    pub(super) fn assign_target(&mut self, target: &'a AssignmentTarget<'a>, value: impl FnOnce(&mut Self)) {
        match target.as_simple_assignment_target().map(simple_place) {
            Some(Place::Static(member)) => {
                self.check_prototype(member);
                self.member_object(&member.object);
                value(self);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
                self.emit(Op::Pop);
            }
            Some(Place::Computed(member)) => {
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

    /// A target that is there when its value is, as in the head of a `for-of` loop: `( value -- )`.
    pub(super) fn assign_simple(&mut self, target: &'a AssignmentTarget<'a>) {
        let Some(simple) = target.as_simple_assignment_target() else {
            return self.emit(Op::Pop);
        };
        match simple_place(simple) {
            Place::Variable(id) => self.store_identifier(id),
            Place::Static(member) => {
                self.check_prototype(member);
                self.member_object(&member.object);
                self.emit(Op::Swap);
                self.emit_json(Op::SetProp, json!(member.property.name.as_str()));
                self.emit(Op::Pop);
            }
            Place::Computed(member) => {
                let waiting = self.current.code.hidden();
                self.emit_slot(Op::Store, waiting);
                self.member_object(&member.object);
                self.expression(&member.expression);
                self.emit_slot(Op::Load, waiting);
                self.emit(Op::SetIndex);
                self.emit(Op::Pop);
                self.current.code.release(waiting);
            }
            Place::Other(span) => {
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

    /// The object of a member that is assigned to.
    fn member_object(&mut self, object: &'a Expression<'a>) {
        if let Expression::Super(one) = object {
            return self.unsupported_value(one.span, "assigning to `super` is not supported", "assign to `this`");
        }
        self.expression(object);
    }

    /// Assigns the value on the stack to a name.
    pub(super) fn store_identifier(&mut self, identifier: &IdentifierReference<'a>) {
        match self.symbol_of(identifier) {
            Some(symbol) => self.store_symbol(symbol, identifier.span),
            None => {
                let name = identifier.name.as_str();
                let (kind, hint) = if name == "input" || self.is_builtin_name(name) {
                    (Kind::Unsupported, "choose another name".to_owned())
                } else {
                    (Kind::Name, format!("declare it: let {name} = …"))
                };
                let message = if kind == Kind::Name {
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
