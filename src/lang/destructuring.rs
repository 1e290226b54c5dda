//! Destructuring in declarations and assignments. Each function consumes the value on the stack.

use oxc_ast::ast::{
    ArrayAssignmentTarget, ArrayPattern, AssignmentTarget, AssignmentTargetMaybeDefault, AssignmentTargetProperty,
    BindingPattern, Expression, ObjectAssignmentTarget, ObjectPattern, PropertyKey,
};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::Compiler;

impl<'a> Compiler<'a, '_> {
    /// Initialises (`fresh`) or assigns the variables of a pattern. ECMA-262 §8.6.2 BindingInitialization.
    pub(super) fn bind(&mut self, pattern: &'a BindingPattern<'a>, fresh: bool) {
        self.bind_from(pattern, fresh, None);
    }

    /// As [`Self::bind`]; `from` is the source text of the value, for messages.
    pub(super) fn bind_from(&mut self, pattern: &'a BindingPattern<'a>, fresh: bool, from: Option<String>) {
        self.with_nesting(pattern.span(), |this| match pattern {
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

    /// `( value -- value-or-default )`. ECMA-262 §14.3.3.3 KeyedBindingInitialization.
    pub(super) fn default_value(&mut self, default: &'a Expression<'a>, name: Option<&str>) {
        let given = self.new_label();
        self.jump(Op::JumpDefinedKeep, given);
        match name {
            Some(name) => self.named_expression(default, name),
            None => self.expression(default),
        }
        self.bind_label(given);
    }

    /// ECMA-262 §14.3.3 Destructuring Binding Patterns, §14.3.3.1 PropertyBindingInitialization, §14.3.3.2 RestBindingInitialization.
    fn bind_object(&mut self, pattern: &'a ObjectPattern<'a>, fresh: bool, from: Option<String>) {
        let first = pattern.properties.first().and_then(|property| property.key.static_name());
        let source = self.store_object(pattern.span, first.as_deref(), from);
        let mut keys = Vec::new();
        for property in &pattern.properties {
            self.set_location(property.span);
            self.emit_slot(Op::Load, source);
            keys.push(self.read_key(&property.key, property.computed, pattern.rest.is_some()));
            self.bind(&property.value, fresh);
        }
        if let Some(rest) = &pattern.rest {
            self.rest_properties(source, &keys);
            self.bind(&rest.argument, fresh);
        }
        self.release_slots(source, keys);
    }

    /// Checks the object and stores it in a hidden slot. ECMA-262 §7.2.1 RequireObjectCoercible.
    fn store_object(&mut self, span: Span, first: Option<&str>, from: Option<String>) -> u16 {
        self.set_location(span);
        let text = match (first, from) {
            (Some(first), Some(from)) => Some(format!("property '{first}' of '{from}'")),
            (None, Some(from)) => Some(format!("'{from}'")),
            _ => None,
        };
        match text {
            Some(text) => self.emit_json(Op::RequireObject, json!({ "text": text })),
            // Within another pattern, reading the first property fails with Node's message.
            None if first.is_some() => {}
            None => self.emit(Op::RequireObject),
        }
        let source = self.current.code.acquire_hidden_slot();
        self.emit_slot(Op::Store, source);
        source
    }

    /// `( object -- value )`. If a rest follows, a computed key is kept in a hidden slot.
    fn read_key(&mut self, key: &'a PropertyKey<'a>, computed: bool, keep: bool) -> PatternKey {
        if let (false, Some(name)) = (computed, key.static_name()) {
            self.emit_json(Op::GetProp, json!(name));
            return PatternKey::Name(name.into_owned());
        }
        match key.as_expression() {
            Some(expression) => self.expression(expression),
            None => self.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
        }
        if !keep {
            self.emit(Op::GetIndex);
            return PatternKey::Unused;
        }
        let slot = self.current.code.acquire_hidden_slot();
        self.emit(Op::Dup);
        self.emit_slot(Op::Store, slot);
        self.emit(Op::GetIndex);
        PatternKey::Slot(slot)
    }

    /// `( -- object )` The properties of the source except those keys. ECMA-262 §7.3.25 CopyDataProperties.
    fn rest_properties(&mut self, source: u16, keys: &[PatternKey]) {
        self.emit_slot(Op::Load, source);
        let mut count = 0;
        for key in keys {
            match key {
                PatternKey::Name(name) => self.push_text(name),
                PatternKey::Slot(slot) => self.emit_slot(Op::Load, *slot),
                PatternKey::Unused => continue,
            }
            count += 1;
        }
        self.emit_json(Op::RestProps, json!(count));
    }

    fn release_slots(&mut self, source: u16, keys: Vec<PatternKey>) {
        for key in keys {
            if let PatternKey::Slot(slot) = key {
                self.current.code.release_hidden_slot(slot);
            }
        }
        self.current.code.release_hidden_slot(source);
    }

    /// ECMA-262 §8.6.3 IteratorBindingInitialization.
    fn bind_array(&mut self, pattern: &'a ArrayPattern<'a>, fresh: bool, from: Option<String>) {
        let iterator = self.store_iterator(pattern.span, from);
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
        self.current.code.release_hidden_slot(iterator);
    }

    /// Creates an iterator in a hidden slot. ECMA-262 §7.4.4 GetIterator.
    fn store_iterator(&mut self, span: Span, from: Option<String>) -> u16 {
        self.set_location(span);
        let iterator = self.current.code.acquire_hidden_slot();
        match from {
            Some(text) => self.emit_json(Op::Iter, json!({ "slot": iterator, "text": text })),
            None => self.emit_slot(Op::Iter, iterator),
        }
        iterator
    }

    /// Assigns the value on the stack to the left side of `=`. ECMA-262 §13.15.5.2 DestructuringAssignmentEvaluation.
    pub(super) fn assign_pattern(&mut self, target: &'a AssignmentTarget<'a>) {
        self.with_nesting(target.span(), |this| match target {
            AssignmentTarget::ArrayAssignmentTarget(array) => this.assign_array(array),
            AssignmentTarget::ObjectAssignmentTarget(object) => this.assign_object(object),
            simple => this.assign_simple(simple),
        });
    }

    /// Assigns the value that `value` pushes, or the default.
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

    /// ECMA-262 §13.15.5.5 IteratorDestructuringAssignmentEvaluation.
    fn assign_array(&mut self, pattern: &'a ArrayAssignmentTarget<'a>) {
        let iterator = self.store_iterator(pattern.span, None);
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
        self.current.code.release_hidden_slot(iterator);
    }

    /// ECMA-262 §13.15.5.3 PropertyDestructuringAssignmentEvaluation, §13.15.5.4 RestDestructuringAssignmentEvaluation.
    fn assign_object(&mut self, pattern: &'a ObjectAssignmentTarget<'a>) {
        let source = self.store_object(pattern.span, None, None);
        let mut keys = Vec::new();
        for property in &pattern.properties {
            self.set_location(property.span());
            match property {
                AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(one) => {
                    self.emit_slot(Op::Load, source);
                    self.emit_json(Op::GetProp, json!(one.binding.name.as_str()));
                    keys.push(PatternKey::Name(one.binding.name.to_string()));
                    if let Some(default) = &one.init {
                        self.default_value(default, Some(one.binding.name.as_str()));
                    }
                    self.store_identifier(&one.binding);
                }
                AssignmentTargetProperty::AssignmentTargetPropertyProperty(one) => {
                    let key = self.evaluate_key(&one.name, one.computed);
                    self.assign_maybe_default(&one.binding, |this| {
                        this.emit_slot(Op::Load, source);
                        match &key {
                            PatternKey::Slot(slot) => {
                                this.emit_slot(Op::Load, *slot);
                                this.emit(Op::GetIndex);
                            }
                            PatternKey::Name(name) => this.emit_json(Op::GetProp, json!(name)),
                            PatternKey::Unused => {}
                        }
                    });
                    keys.push(key);
                }
            }
        }
        if let Some(rest) = &pattern.rest {
            self.assign_target(&rest.target, |this| this.rest_properties(source, &keys));
        }
        self.release_slots(source, keys);
    }

    /// A key that is needed later: its name, or the hidden slot of its value.
    fn evaluate_key(&mut self, key: &'a PropertyKey<'a>, computed: bool) -> PatternKey {
        if let (false, Some(name)) = (computed, key.static_name()) {
            return PatternKey::Name(name.into_owned());
        }
        match key.as_expression() {
            Some(expression) => self.expression(expression),
            None => self.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
        }
        let slot = self.current.code.acquire_hidden_slot();
        self.emit_slot(Op::Store, slot);
        PatternKey::Slot(slot)
    }
}

/// A key that an object pattern has read. The rest excludes it.
enum PatternKey {
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
