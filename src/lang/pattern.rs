//! Destructuring, of declarations and of assignments. Each takes the value on the stack apart and leaves nothing.

use oxc_ast::ast::{
    ArrayAssignmentTarget, ArrayPattern, AssignmentTarget, AssignmentTargetMaybeDefault, AssignmentTargetProperty,
    BindingPattern, Expression, ObjectAssignmentTarget, ObjectPattern, PropertyKey,
};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::Compiler;

impl<'a> Compiler<'a, '_> {
    /// Initialises (`fresh`) or assigns the variables of a pattern.
    pub(super) fn bind(&mut self, pattern: &'a BindingPattern<'a>, fresh: bool) {
        self.bind_from(pattern, fresh, None);
    }

    /// The same; `from` is the value as it is written, for messages.
    pub(super) fn bind_from(&mut self, pattern: &'a BindingPattern<'a>, fresh: bool, from: Option<String>) {
        self.nested(pattern.span(), |this| match pattern {
            BindingPattern::BindingIdentifier(id) => match id.symbol_id.get() {
                Some(symbol) if fresh => this.init_symbol(symbol, id.span),
                Some(symbol) => this.store_symbol(symbol, id.span),
                None => this.emit(Op::Pop),
            },
            BindingPattern::AssignmentPattern(default) => {
                this.default_value(&default.right, pattern_name(&default.left));
                this.bind_from(&default.left, fresh, from);
            }
            BindingPattern::ObjectPattern(object) => this.bind_object(object, fresh, from),
            BindingPattern::ArrayPattern(array) => this.bind_array(array, fresh, from),
        });
    }

    /// `( value -- value-or-default )`
    pub(super) fn default_value(&mut self, default: &'a Expression<'a>, name: Option<&str>) {
        let given = self.label();
        self.jump(Op::JumpDefinedKeep, given);
        match name {
            Some(name) => self.named_expression(default, name),
            None => self.expression(default),
        }
        self.mark(given);
    }

    fn bind_object(&mut self, pattern: &'a ObjectPattern<'a>, fresh: bool, from: Option<String>) {
        let first = pattern.properties.first().and_then(|property| property.key.static_name());
        let source = self.take_object(pattern.span, first.as_deref(), from);
        let mut keys = Vec::new();
        for property in &pattern.properties {
            self.at(property.span);
            self.emit_slot(Op::Load, source);
            keys.push(self.read_key(&property.key, property.computed, pattern.rest.is_some()));
            self.bind(&property.value, fresh);
        }
        if let Some(rest) = &pattern.rest {
            self.rest_of(source, &keys);
            self.bind(&rest.argument, fresh);
        }
        self.give_back(source, keys);
    }

    fn take_object(&mut self, span: Span, first: Option<&str>, from: Option<String>) -> u16 {
        self.at(span);
        let text = match (first, from) {
            (Some(first), Some(from)) => Some(format!("property '{first}' of '{from}'")),
            (None, Some(from)) => Some(format!("'{from}'")),
            _ => None,
        };
        match text {
            Some(text) => self.emit_json(Op::RequireObject, json!({ "text": text })),
            // Inside another pattern, reading the first property fails in Node's words.
            None if first.is_some() => {}
            None => self.emit(Op::RequireObject),
        }
        let source = self.current.code.hidden();
        self.emit_slot(Op::Store, source);
        source
    }

    /// `( object -- value )`; with a rest to come, a computed key is kept in a hidden slot.
    fn read_key(&mut self, key: &'a PropertyKey<'a>, computed: bool, keep: bool) -> Key {
        if let (false, Some(name)) = (computed, key.static_name()) {
            self.emit_json(Op::GetProp, json!(name));
            return Key::Name(name.into_owned());
        }
        match key.as_expression() {
            Some(expression) => self.expression(expression),
            None => self.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
        }
        if !keep {
            self.emit(Op::GetIndex);
            return Key::Unused;
        }
        let slot = self.current.code.hidden();
        self.emit(Op::Dup);
        self.emit_slot(Op::Store, slot);
        self.emit(Op::GetIndex);
        Key::Slot(slot)
    }

    fn rest_of(&mut self, source: u16, keys: &[Key]) {
        self.emit_slot(Op::Load, source);
        let mut count = 0;
        for key in keys {
            match key {
                Key::Name(name) => self.push_text(name),
                Key::Slot(slot) => self.emit_slot(Op::Load, *slot),
                Key::Unused => continue,
            }
            count += 1;
        }
        self.emit_json(Op::RestProps, json!(count));
    }

    fn give_back(&mut self, source: u16, keys: Vec<Key>) {
        for key in keys {
            if let Key::Slot(slot) = key {
                self.current.code.release(slot);
            }
        }
        self.current.code.release(source);
    }

    fn bind_array(&mut self, pattern: &'a ArrayPattern<'a>, fresh: bool, from: Option<String>) {
        let iterator = self.take_iterable(pattern.span, from);
        for element in &pattern.elements {
            self.emit_slot(Op::IterTake, iterator);
            match element {
                Some(element) => self.bind(element, fresh),
                None => self.emit(Op::Pop),
            }
        }
        if let Some(rest) = &pattern.rest {
            self.emit_slot(Op::IterRest, iterator);
            self.bind(&rest.argument, fresh);
        }
        self.current.code.release(iterator);
    }

    fn take_iterable(&mut self, span: Span, from: Option<String>) -> u16 {
        self.at(span);
        let iterator = self.current.code.hidden();
        match from {
            Some(text) => self.emit_json(Op::Iter, json!({ "slot": iterator, "text": text })),
            None => self.emit_slot(Op::Iter, iterator),
        }
        iterator
    }

    /// Assigns the value on the stack to what stands left of `=`.
    pub(super) fn assign_pattern(&mut self, target: &'a AssignmentTarget<'a>) {
        self.nested(target.span(), |this| match target {
            AssignmentTarget::ArrayAssignmentTarget(array) => this.assign_array(array),
            AssignmentTarget::ObjectAssignmentTarget(object) => this.assign_object(object),
            simple => this.assign_simple(simple),
        });
    }

    /// Assigns what `value` leaves on the stack, or the default.
    fn assign_maybe_default(&mut self, target: &'a AssignmentTargetMaybeDefault<'a>, value: impl FnOnce(&mut Self)) {
        match target {
            AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(with) => {
                let name = match &with.binding {
                    AssignmentTarget::AssignmentTargetIdentifier(id) => Some(id.name.as_str()),
                    _ => None,
                };
                self.assign_target(&with.binding, |this| {
                    value(this);
                    this.default_value(&with.init, name);
                });
            }
            other => {
                if let Some(target) = other.as_assignment_target() {
                    self.assign_target(target, value);
                }
            }
        }
    }

    fn assign_array(&mut self, pattern: &'a ArrayAssignmentTarget<'a>) {
        let iterator = self.take_iterable(pattern.span, None);
        for element in &pattern.elements {
            let take = |this: &mut Self| this.emit_slot(Op::IterTake, iterator);
            match element {
                Some(element) => self.assign_maybe_default(element, take),
                None => {
                    take(self);
                    self.emit(Op::Pop);
                }
            }
        }
        if let Some(rest) = &pattern.rest {
            self.assign_target(&rest.target, |this| this.emit_slot(Op::IterRest, iterator));
        }
        self.current.code.release(iterator);
    }

    fn assign_object(&mut self, pattern: &'a ObjectAssignmentTarget<'a>) {
        let source = self.take_object(pattern.span, None, None);
        let mut keys = Vec::new();
        for property in &pattern.properties {
            self.at(property.span());
            match property {
                AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(one) => {
                    self.emit_slot(Op::Load, source);
                    self.emit_json(Op::GetProp, json!(one.binding.name.as_str()));
                    keys.push(Key::Name(one.binding.name.to_string()));
                    if let Some(default) = &one.init {
                        self.default_value(default, Some(one.binding.name.as_str()));
                    }
                    self.store_identifier(&one.binding);
                }
                AssignmentTargetProperty::AssignmentTargetPropertyProperty(one) => {
                    let key = self.key(&one.name, one.computed);
                    self.assign_maybe_default(&one.binding, |this| {
                        this.emit_slot(Op::Load, source);
                        match &key {
                            Key::Slot(slot) => {
                                this.emit_slot(Op::Load, *slot);
                                this.emit(Op::GetIndex);
                            }
                            Key::Name(name) => this.emit_json(Op::GetProp, json!(name)),
                            Key::Unused => {}
                        }
                    });
                    keys.push(key);
                }
            }
        }
        if let Some(rest) = &pattern.rest {
            self.assign_target(&rest.target, |this| this.rest_of(source, &keys));
        }
        self.give_back(source, keys);
    }

    /// A key that is read later: its name, or the hidden slot of its value.
    fn key(&mut self, key: &'a PropertyKey<'a>, computed: bool) -> Key {
        if let (false, Some(name)) = (computed, key.static_name()) {
            return Key::Name(name.into_owned());
        }
        match key.as_expression() {
            Some(expression) => self.expression(expression),
            None => self.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
        }
        let slot = self.current.code.hidden();
        self.emit_slot(Op::Store, slot);
        Key::Slot(slot)
    }
}

/// A key that an object pattern has read, for the rest to leave it out.
enum Key {
    Name(String),
    Slot(u16),
    Unused,
}

fn pattern_name<'p>(pattern: &'p BindingPattern<'_>) -> Option<&'p str> {
    match pattern {
        BindingPattern::BindingIdentifier(id) => Some(id.name.as_str()),
        _ => None,
    }
}
