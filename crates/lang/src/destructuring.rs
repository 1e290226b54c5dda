//! Destructuring in declarations and assignments. Each function consumes the value on the stack.

use oxc_ast::ast::{
    ArrayAssignmentTarget, ArrayPattern, AssignmentTarget, AssignmentTargetMaybeDefault, AssignmentTargetProperty,
    BindingPattern, Expression, ObjectAssignmentTarget, ObjectPattern, PropertyKey,
};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use serde_json::json;

use super::compiler::Compiler;
use super::generator::IteratorUse;
use super::{assignment, generator, names};

/// Initializes (`fresh`) or assigns the variables of a pattern. ECMA-262 §8.6.2 BindingInitialization.
pub(super) fn bind<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a BindingPattern<'a>, fresh: bool) {
    bind_from(compiler, pattern, fresh, None);
}

/// As [`bind`]; `from` is the source text of the value, for messages.
pub(super) fn bind_from<'a>(
    compiler: &mut Compiler<'a, '_>,
    pattern: &'a BindingPattern<'a>,
    fresh: bool,
    from: Option<String>,
) {
    compiler.with_nesting(pattern.span(), |this| match pattern {
        BindingPattern::BindingIdentifier(id) => match id.symbol_id.get() {
            Some(symbol) if fresh => this.init_symbol(symbol, id.span),
            Some(symbol) => this.store_symbol(symbol, id.span),
            None => this.emit(Op::Pop),
        },
        BindingPattern::AssignmentPattern(default) => {
            default_value(this, &default.right, pattern_name(&default.left));
            bind_from(this, &default.left, fresh, from);
        }
        BindingPattern::ObjectPattern(object) => bind_object(this, object, fresh, from),
        BindingPattern::ArrayPattern(array) => bind_array(this, array, fresh, from),
    });
}

/// `( value -- value-or-default )`. ECMA-262 §14.3.3.3 KeyedBindingInitialization.
pub(super) fn default_value<'a>(compiler: &mut Compiler<'a, '_>, default: &'a Expression<'a>, name: Option<&str>) {
    let defined = compiler.new_label();
    compiler.jump(Op::JumpDefinedKeep, defined);
    match name {
        Some(name) => compiler.named_expression(default, name),
        None => compiler.expression(default),
    }
    compiler.bind_label(defined);
}

/// ECMA-262 §14.3.3 Destructuring Binding Patterns, §14.3.3.1 PropertyBindingInitialization, §14.3.3.2
/// RestBindingInitialization.
fn bind_object<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a ObjectPattern<'a>, fresh: bool, from: Option<String>) {
    let first = pattern.properties.first().and_then(|property| names::static_name(&property.key));
    let source = store_object(compiler, pattern.span, first.as_deref(), from);
    let mut keys = Vec::new();
    for property in &pattern.properties {
        compiler.set_location(property.span);
        compiler.emit_slot(Op::Load, source);
        keys.push(read_key(compiler, &property.key, property.computed, pattern.rest.is_some()));
        bind(compiler, &property.value, fresh);
    }
    if let Some(rest) = &pattern.rest {
        rest_properties(compiler, source, &keys);
        bind(compiler, &rest.argument, fresh);
    }
    release_slots(compiler, source, keys);
}

/// Checks the object and stores it in a hidden slot. ECMA-262 §7.2.1 RequireObjectCoercible.
fn store_object<'a>(compiler: &mut Compiler<'a, '_>, span: Span, first: Option<&str>, from: Option<String>) -> u16 {
    compiler.set_location(span);
    let text = match (first, from) {
        (Some(first), Some(from)) => Some(format!("property '{first}' of '{from}'")),
        (None, Some(from)) => Some(format!("'{from}'")),
        _ => None,
    };
    match text {
        Some(text) => compiler.emit_json(Op::RequireObject, json!({ "text": text })),
        // Within another pattern, reading the first property fails with Node's message.
        None if first.is_some() => {}
        None => compiler.emit(Op::RequireObject),
    }
    let source = compiler.current.code.acquire_hidden_slot();
    compiler.emit_slot(Op::Store, source);
    source
}

/// `( object -- value )`. If a rest follows, a computed key is stored in a hidden slot.
fn read_key<'a>(
    compiler: &mut Compiler<'a, '_>,
    key: &'a PropertyKey<'a>,
    computed: bool,
    has_rest: bool,
) -> PatternKey {
    if let (false, Some(name)) = (computed, names::static_name(key)) {
        compiler.emit_json(Op::GetProp, json!(name));
        return PatternKey::Name(name.into_owned());
    }
    match key.as_expression() {
        Some(expression) => compiler.property_key(expression),
        None => compiler.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
    }
    if !has_rest {
        compiler.emit(Op::GetIndex);
        return PatternKey::Unused;
    }
    let slot = compiler.current.code.acquire_hidden_slot();
    compiler.emit(Op::Dup);
    compiler.emit_slot(Op::Store, slot);
    compiler.emit(Op::GetIndex);
    PatternKey::Slot(slot)
}

/// `( -- object )` The properties of the source except those keys. ECMA-262 §7.3.25 CopyDataProperties.
fn rest_properties<'a>(compiler: &mut Compiler<'a, '_>, source: u16, keys: &[PatternKey]) {
    compiler.emit_slot(Op::Load, source);
    let mut count = 0;
    for key in keys {
        match key {
            PatternKey::Name(name) => compiler.push_text(name),
            PatternKey::Slot(slot) => compiler.emit_slot(Op::Load, *slot),
            PatternKey::Unused => continue,
        }
        count += 1;
    }
    compiler.emit_json(Op::RestProps, json!(count));
}

fn release_slots<'a>(compiler: &mut Compiler<'a, '_>, source: u16, keys: Vec<PatternKey>) {
    for key in keys {
        if let PatternKey::Slot(slot) = key {
            compiler.current.code.release_hidden_slot(slot);
        }
    }
    compiler.current.code.release_hidden_slot(source);
}

/// ECMA-262 §8.6.3 IteratorBindingInitialization.
fn bind_array<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a ArrayPattern<'a>, fresh: bool, from: Option<String>) {
    let iterator = store_iterator(compiler, pattern.span, from);
    let iterator_use = generator::begin_use(compiler, iterator, false);
    for element in &pattern.elements {
        compiler.emit_slot(Op::IterTake, iterator);
        match element {
            Some(element) => bind(compiler, element, fresh),
            None => compiler.emit(Op::Pop),
        }
    }
    if let Some(rest) = &pattern.rest {
        compiler.emit_slot(Op::IterRest, iterator);
        bind(compiler, &rest.argument, fresh);
    }
    release_iterator(compiler, pattern.span, iterator, iterator_use);
}

/// Closes an iterator that has not ended, and releases its slot.
fn release_iterator(compiler: &mut Compiler<'_, '_>, span: Span, iterator: u16, iterator_use: Option<IteratorUse>) {
    if let Some(iterator_use) = iterator_use {
        let end = compiler.new_label();
        iterator_use.end(compiler, span, |compiler| {
            generator::close_iterator(compiler, iterator, false);
            compiler.jump(Op::Jump, end);
        });
        compiler.bind_label(end);
    }
    compiler.current.code.release_hidden_slot(iterator);
}

/// Creates an iterator in a hidden slot. ECMA-262 §7.4.4 GetIterator.
fn store_iterator<'a>(compiler: &mut Compiler<'a, '_>, span: Span, from: Option<String>) -> u16 {
    compiler.set_location(span);
    let iterator = compiler.current.code.acquire_hidden_slot();
    match from {
        Some(text) => compiler.emit_json(Op::Iter, json!({ "slot": iterator, "text": text })),
        None => compiler.emit_slot(Op::Iter, iterator),
    }
    iterator
}

/// Assigns the value on the stack to the left side of `=`. ECMA-262 §13.15.5.2 DestructuringAssignmentEvaluation.
pub(super) fn assign_pattern<'a>(compiler: &mut Compiler<'a, '_>, target: &'a AssignmentTarget<'a>) {
    compiler.with_nesting(target.span(), |this| match target {
        AssignmentTarget::ArrayAssignmentTarget(array) => assign_array(this, array),
        AssignmentTarget::ObjectAssignmentTarget(object) => assign_object(this, object),
        simple => assignment::assign_simple(this, simple),
    });
}

/// Assigns the value that `value` pushes, or the default.
fn assign_maybe_default<'a>(
    compiler: &mut Compiler<'a, '_>,
    target: &'a AssignmentTargetMaybeDefault<'a>,
    value: impl FnOnce(&mut Compiler<'a, '_>),
) {
    match target {
        AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(with) => {
            let name = match &with.binding {
                AssignmentTarget::AssignmentTargetIdentifier(id) => Some(id.name.as_str()),
                _ => None,
            };
            assignment::assign_target(compiler, &with.binding, |this| {
                value(this);
                default_value(this, &with.init, name);
            });
        }
        other => {
            if let Some(target) = other.as_assignment_target() {
                assignment::assign_target(compiler, target, value);
            }
        }
    }
}

/// ECMA-262 §13.15.5.5 IteratorDestructuringAssignmentEvaluation.
fn assign_array<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a ArrayAssignmentTarget<'a>) {
    let iterator = store_iterator(compiler, pattern.span, None);
    let iterator_use = generator::begin_use(compiler, iterator, false);
    for element in &pattern.elements {
        let take = |this: &mut Compiler<'a, '_>| this.emit_slot(Op::IterTake, iterator);
        match element {
            Some(element) => assign_maybe_default(compiler, element, take),
            None => {
                take(compiler);
                compiler.emit(Op::Pop);
            }
        }
    }
    if let Some(rest) = &pattern.rest {
        assignment::assign_target(compiler, &rest.target, |this| this.emit_slot(Op::IterRest, iterator));
    }
    release_iterator(compiler, pattern.span, iterator, iterator_use);
}

/// ECMA-262 §13.15.5.3 PropertyDestructuringAssignmentEvaluation, §13.15.5.4 RestDestructuringAssignmentEvaluation.
fn assign_object<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a ObjectAssignmentTarget<'a>) {
    let source = store_object(compiler, pattern.span, None, None);
    let mut keys = Vec::new();
    for property in &pattern.properties {
        compiler.set_location(property.span());
        match property {
            AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(shorthand) => {
                compiler.emit_slot(Op::Load, source);
                compiler.emit_json(Op::GetProp, json!(shorthand.binding.name.as_str()));
                keys.push(PatternKey::Name(shorthand.binding.name.to_string()));
                if let Some(default) = &shorthand.init {
                    default_value(compiler, default, Some(shorthand.binding.name.as_str()));
                }
                assignment::store_identifier(compiler, &shorthand.binding);
            }
            AssignmentTargetProperty::AssignmentTargetPropertyProperty(keyed) => {
                let key = evaluate_key(compiler, &keyed.name, keyed.computed);
                assign_maybe_default(compiler, &keyed.binding, |this| {
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
        assignment::assign_target(compiler, &rest.target, |this| rest_properties(this, source, &keys));
    }
    release_slots(compiler, source, keys);
}

/// A key that is needed later: its name, or the hidden slot of its value.
fn evaluate_key<'a>(compiler: &mut Compiler<'a, '_>, key: &'a PropertyKey<'a>, computed: bool) -> PatternKey {
    if let (false, Some(name)) = (computed, names::static_name(key)) {
        return PatternKey::Name(name.into_owned());
    }
    match key.as_expression() {
        Some(expression) => compiler.property_key(expression),
        None => compiler.unsupported_value(key.span(), "private names are not supported", "use an ordinary property"),
    }
    let slot = compiler.current.code.acquire_hidden_slot();
    compiler.emit_slot(Op::Store, slot);
    PatternKey::Slot(slot)
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
