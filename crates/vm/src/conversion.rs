//! Type conversions. ECMA-262 §7.1 Type Conversion. Where a method of the program converts (`toString`, `valueOf`),
//! [`AbruptCompletion::ConvertOperand`] interrupts the instruction, which then runs again on the primitive.

use std::collections::HashSet;

use super::abrupt_completion::{AbruptCompletion, Completion, PreferredType, type_error, unsupported};
use super::array_buffer::{View, ViewKind};
use super::entry::Entry;
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::natives::{Builtin, NativeRegistry, Receiver};
use super::object::{self, IterationKind, PrototypeKind};
use super::operand_conversion::OperandConversion;
use super::program::DecodedInstruction as I;
use super::text::{ROPE_BYTES, Str};
use super::value::{HeapRef, Symbol, Value};
use super::{accessor, date, descriptor, iteration, number, property, work};

/// Deepest nesting of errors, as messages of errors, that are converted to text. Arrays have no limit.
const ERROR_DEPTH: usize = 64;

/// `String(value)` of a primitive; `None` for objects. ECMA-262 §7.1.17 ToString.
#[inline]
pub(super) fn primitive_text(value: &Value) -> Option<Str> {
    Some(match value {
        Value::Text(text) => text.clone(),
        Value::Number(n) => number::to_text(*n),
        Value::Bool(true) => Str::new("true"),
        Value::Bool(false) => Str::new("false"),
        Value::Null => Str::new("null"),
        Value::Undefined | Value::Hole | Value::Uninitialized => Str::new("undefined"),
        Value::BigInt(value) => value.to_text(10),
        Value::Ref(_) | Value::Builtin(_) | Value::Symbol(_) | Value::Accessor(_) => return None,
    })
}

/// `String(value)` of the value at an index of the stack. ECMA-262 §7.1.17 ToString.
pub(super) fn to_text_at(machine: &Machine, at: usize) -> Completion<Str> {
    let value = machine.stack.get(at).unwrap_or(&Value::Undefined);
    match primitive_text(value) {
        Some(text) => Ok(text),
        None => {
            require_own_conversion(machine, value, at, PreferredType::Text)?;
            TextConversion::for_operand(machine, at).object(value)
        }
    }
}

/// `Number(value)` of the value at an index of the stack. ECMA-262 §7.1.4 ToNumber.
pub(super) fn to_number_at(machine: &Machine, at: usize) -> Completion<f64> {
    let value = machine.stack.get(at).unwrap_or(&Value::Undefined);
    if let Value::Ref(object) = value {
        require_own_conversion(machine, value, at, PreferredType::Number)?;
        if machine.heap.date(*object).is_none() {
            return Ok(number::from_text(&TextConversion::for_operand(machine, at).object(value)?));
        }
    }
    to_number(machine, value)
}

/// The primitive of the value at an index of the stack, for operators. ECMA-262 §7.1.1 ToPrimitive.
pub(super) fn to_primitive_at(machine: &Machine, at: usize, hint: PreferredType) -> Completion<Value> {
    let value = machine.stack.get(at).unwrap_or(&Value::Undefined);
    match value {
        Value::Ref(_) | Value::Builtin(_) => {
            require_own_conversion(machine, value, at, hint)?;
            // ECMA-262 §21.4.4.45 Date.prototype [ %Symbol.toPrimitive% ]: only the hint of a number gives one.
            if let Value::Ref(date) = value
                && let Some(time) = machine.heap.date(*date)
                && hint == PreferredType::Number
            {
                return Ok(Value::Number(time));
            }
            TextConversion::for_operand(machine, at).object(value).map(Value::Text)
        }
        value => Ok(value.clone()),
    }
}

/// Interrupts the instruction if a method of the program converts the value.
fn require_own_conversion(machine: &Machine, value: &Value, at: usize, hint: PreferredType) -> Completion {
    match own_conversion(machine, value, hint) {
        Some(_) => Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Primitive(hint))),
        None => Ok(()),
    }
}

/// The program's method under `Symbol.toPrimitive`. ECMA-262 §7.1.1 ToPrimitive.
pub(super) fn exotic_conversion(machine: &Machine, value: &Value) -> Completion<Option<Value>> {
    let found = property::own_or_inherited(machine, value, &Value::Symbol(Symbol::TO_PRIMITIVE))?;
    iteration::require_method(machine, found.unwrap_or(Value::Undefined))
}

/// The program's method that converts this object to a primitive. ECMA-262 §7.1.1.1 OrdinaryToPrimitive.
pub(super) fn own_conversion(machine: &Machine, value: &Value, hint: PreferredType) -> Option<Value> {
    let Value::Ref(at) = value else { return None };
    match machine.heap.get(*at) {
        Entry::Object(_) | Entry::Error(_) | Entry::Closure(_) => {}
        Entry::Array(array) if array.extra.is_some() => {}
        _ => return None,
    }
    // The conversion reports the error.
    match exotic_conversion(machine, value) {
        Ok(None) => {}
        Ok(method) => return method,
        Err(_) => return Some(Value::Undefined),
    }
    let is_date = machine.heap.date(*at).is_some();
    let names = match hint {
        PreferredType::Default if is_date => ["toString", "valueOf"],
        PreferredType::Text => ["toString", "valueOf"],
        PreferredType::Number | PreferredType::Default => ["valueOf", "toString"],
    };
    for name in names {
        // The conversion reports a getter.
        let Ok(method) = property::property(machine, value, &Value::text(name)) else { return Some(Value::Undefined) };
        match method {
            Value::Ref(at) if matches!(machine.heap.get(at), Entry::Closure(_) | Entry::Bound(_)) => {
                return Some(Value::Ref(at));
            }
            // The built-in `toString` gives a string. The built-in `valueOf` gives the object, so the other name is
            // tried.
            Value::Builtin(_) if is_date => return None,
            Value::Builtin(builtin) if calls_getters(machine, value, builtin) => return Some(method),
            Value::Builtin(_) if name == "toString" => {
                return own_join(machine, value).unwrap_or(Some(Value::Undefined));
            }
            _ => {}
        }
    }
    None
}

/// Whether `Error.prototype.toString` calls getters of this error. ECMA-262 §20.5.3.4 Error.prototype.toString.
pub(super) fn calls_getters(machine: &Machine, error: &Value, method: Builtin) -> bool {
    method.name() == "Error.prototype.toString" && has_called_getters(machine, error)
}

/// Whether the name or the message of an error is the result of a getter that [`simple_result`] does not know.
fn has_called_getters(machine: &Machine, error: &Value) -> bool {
    machine.linked.has_accessors
        && ["name", "message"].iter().any(|name| {
            let found = property::lookup(machine, error, &Value::text(name)).unwrap_or(Value::Undefined);
            matches!(found, Value::Accessor(_)) && result_of(machine, error, found, name).is_err()
        })
}

/// Interrupts the instruction if getters give the name or the message of the error at an index of the stack.
pub(super) fn require_error_parts(machine: &Machine, at: usize) -> Completion {
    match machine.stack.get(at) {
        Some(error @ Value::Ref(reference))
            if matches!(machine.heap.get(*reference), Entry::Error(_)) && has_called_getters(machine, error) =>
        {
            Err(AbruptCompletion::ConvertOperand(at, OperandConversion::ErrorParts))
        }
        _ => Ok(()),
    }
}

/// The program's method `join` of an array, which the built-in `toString` calls. ECMA-262 §23.1.3.36
/// Array.prototype.toString. Deviation: another value as `join` is not supported.
pub(super) fn own_join(machine: &Machine, value: &Value) -> Completion<Option<Value>> {
    if !matches!(value, Value::Ref(at) if machine.heap.array(*at).is_some()) {
        return Ok(None);
    }
    match property::own_or_inherited(machine, value, &Value::text("join"))? {
        Some(join) if !is_callable(machine, &join) => {
            unsupported("an array whose join is not a function cannot become a string here")
        }
        join => Ok(join),
    }
}

/// `Number(value)`; objects are converted by built-in methods. ECMA-262 §7.1.4 ToNumber.
pub(super) fn to_number(machine: &Machine, value: &Value) -> Completion<f64> {
    Ok(match value {
        Value::Number(n) => *n,
        Value::Text(text) => number::from_text(text),
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Null => 0.0,
        Value::Undefined | Value::Hole | Value::Uninitialized | Value::Builtin(_) | Value::Accessor(_) => f64::NAN,
        Value::Symbol(_) => return type_error("Cannot convert a Symbol value to a number"),
        Value::BigInt(_) => return type_error("Cannot convert a BigInt value to a number"),
        Value::Ref(at) => match machine.heap.date(*at) {
            Some(time) => time,
            None if own_conversion(machine, value, PreferredType::Number).is_some() => {
                return unsupported("the valueOf of this object is not called here; call Number() on it first");
            }
            None => number::from_text(&object_to_text(machine, value)?),
        },
    })
}

/// `String(value)`; objects are converted by built-in methods. ECMA-262 §7.1.17 ToString.
pub(super) fn to_text(machine: &Machine, value: &Value) -> Completion<Str> {
    match primitive_text(value) {
        Some(text) => Ok(text),
        None => object_to_text(machine, value),
    }
}

/// The string of an object by its built-in `toString`. ECMA-262 §20.1.3.6 Object.prototype.toString, §20.2.3.5
/// Function.prototype.toString, §20.5.3.4 Error.prototype.toString, §21.4.4.41 Date.prototype.toString, §22.2.6.17
/// RegExp.prototype.toString, §23.1.3.36 Array.prototype.toString. Deviation: a method of the program for a nested
/// object, and the source text of a function, are not supported.
pub(super) fn object_to_text(machine: &Machine, value: &Value) -> Completion<Str> {
    TextConversion::new(machine).object(value)
}

/// `array.join(separator)`. ECMA-262 §23.1.3.18 Array.prototype.join. Nested arrays are joined by commas. An array
/// within itself gives the empty string, as in V8; the standard leaves that open. `operand` is the index of the array
/// on the stack.
pub(super) fn join_array(machine: &Machine, at: HeapRef, separator: &Str, operand: Option<usize>) -> Completion<Str> {
    TextConversion { operand, ..TextConversion::new(machine) }.join(at, separator)
}

/// `typedArray.join(separator)`. ECMA-262 §23.2.3.18 %TypedArray%.prototype.join.
pub(super) fn join_elements(machine: &Machine, view: View, separator: &Str) -> Completion<Str> {
    let mut joined = StrBuilder::default();
    for (index, number) in machine.heap.view_numbers(view, 0, view.len as usize).enumerate() {
        if index > 0 {
            joined.push(separator);
        }
        joined.push(&number::to_text(number));
        check_text_length(machine, joined.len())?;
    }
    Ok(joined.build())
}

/// `name: message`. ECMA-262 §20.5.3.4 Error.prototype.toString.
pub(super) fn error_text(machine: &Machine, error: &Value) -> Completion<Str> {
    TextConversion::new(machine).error(error)
}

/// One conversion of an object to text, with all objects within.
struct TextConversion<'m> {
    machine: &'m Machine,
    /// Arrays whose text is being built.
    enclosing: HashSet<HeapRef>,
    /// Errors whose text is being built.
    errors: usize,
    /// The index of the object on the stack, if methods of the program may convert elements of it.
    operand: Option<usize>,
}

impl<'m> TextConversion<'m> {
    fn new(machine: &'m Machine) -> Self {
        TextConversion { machine, enclosing: HashSet::new(), errors: 0, operand: None }
    }

    fn for_operand(machine: &'m Machine, at: usize) -> Self {
        TextConversion { operand: Some(at), ..TextConversion::new(machine) }
    }

    fn value(&mut self, value: &Value) -> Completion<Str> {
        primitive_text(value).map_or_else(|| self.object(value), Ok)
    }

    fn object(&mut self, value: &Value) -> Completion<Str> {
        let machine = self.machine;
        if let Value::Symbol(_) = value {
            return type_error("Cannot convert a Symbol value to a string");
        }
        if own_conversion(machine, value, PreferredType::Text).is_some() {
            if let Some(operand) = self.operand.filter(|_| self.errors == 0 && !self.enclosing.is_empty()) {
                return Err(AbruptCompletion::ConvertOperand(operand, OperandConversion::Texts));
            }
            return unsupported("the toString or valueOf of this object is not called here; call String() on it first");
        }
        if let Some(method) = property::own_or_inherited(machine, value, &Value::text("toString"))?
            && !is_callable(machine, &method)
        {
            return type_error("Cannot convert object to primitive value");
        }
        match value {
            Value::Builtin(builtin) if builtin.is_namespace() => Ok(Str::new(&format!("[object {}]", builtin.name()))),
            Value::Builtin(builtin) => {
                let name = NativeRegistry::global().name(*builtin);
                let name = name.rsplit('.').next().unwrap_or(name);
                Ok(Str::new(&format!("function {name}() {{ [native code] }}")))
            }
            Value::Ref(at) => match machine.heap.get(machine.heap.collection(*at).unwrap_or(*at)) {
                Entry::Array(_) => self.join(*at, &Str::single(u16::from(b','))),
                Entry::Error(_) => self.error(value),
                Entry::Closure(closure) => {
                    let name = property::function_name(machine, closure.function);
                    unsupported(format!("the source text of the function `{name}` is not stored; use its name"))
                }
                Entry::Bound(_) => Ok(Str::new("function () { [native code] }")),
                Entry::RegExp(regexp) => Ok(Str::new(&format!("/{}/{}", regexp.source, regexp.flags))),
                Entry::View(view) if view.kind != ViewKind::DataView => join_elements(machine, *view, &Str::new(",")),
                Entry::Date(time) => Ok(Str::new(&date::date_text(*time, date::DateText::Full))),
                Entry::Object(object)
                    if property::last_prototype(&self.machine.heap, object) == PrototypeKind::Null =>
                {
                    type_error("Cannot convert object to primitive value")
                }
                Entry::Object(_) if property::receiver(self.machine, value) == Some(Receiver::Error) => {
                    error_text(self.machine, value)
                }
                _ => self.tagged(value),
            },
            value => Ok(primitive_text(value).unwrap_or_else(Str::empty)),
        }
    }

    /// ECMA-262 §20.1.3.6 Object.prototype.toString.
    fn tagged(&self, value: &Value) -> Completion<Str> {
        let tag = tag(self.machine, value)?;
        Ok(Str::new(&format!("[object {}]", tag.unwrap_or_else(|| Str::new("Object")))))
    }

    /// Uses no call stack for nested arrays: programs decide how deep they are.
    fn join(&mut self, array: HeapRef, separator: &Str) -> Completion<Str> {
        let heap = &self.machine.heap;
        let comma = Str::single(u16::from(b','));
        let mut joined = StrBuilder::default();
        if !self.enclosing.insert(array) {
            return Ok(joined.build());
        }
        let mut arrays = vec![(array, 0)];
        while let Some((array, index)) = arrays.last_mut() {
            let (array, at) = (*array, *index);
            if at == heap.array_len(array) {
                self.enclosing.remove(&array);
                arrays.pop();
                continue;
            }
            *index += 1;
            work::count_link(at);
            if at > 0 {
                joined.push(if arrays.len() == 1 { separator } else { &comma });
            }
            match heap.element(array, at) {
                Value::Undefined | Value::Null | Value::Hole => {}
                Value::Ref(inner)
                    if heap.array(inner).is_some()
                        && own_conversion(self.machine, &Value::Ref(inner), PreferredType::Text).is_none() =>
                {
                    if self.enclosing.insert(inner) {
                        arrays.push((inner, 0));
                    }
                }
                value => joined.push(&self.value(&value)?),
            }
            if joined.len() > self.machine.limits.text_units as usize {
                return Err(ExceededLimit::TextUnits.into());
            }
        }
        Ok(joined.build())
    }

    fn error(&mut self, error: &Value) -> Completion<Str> {
        if self.errors == ERROR_DEPTH {
            return unsupported(format!("errors nested deeper than {ERROR_DEPTH} cannot become text"));
        }
        self.errors += 1;
        let name = self.error_property(error, "name", "Error")?;
        let message = self.error_property(error, "message", "")?;
        self.errors -= 1;
        Ok(Str::new(&match (name.is_empty(), message.is_empty()) {
            (true, _) => message,
            (_, true) => name,
            _ => format!("{name}: {message}"),
        }))
    }

    fn error_property(&mut self, error: &Value, name: &str, missing: &str) -> Completion<String> {
        Ok(match read_property(self.machine, error, name)? {
            Value::Undefined => missing.to_owned(),
            value => self.value(&value)?.to_utf8(),
        })
    }
}

/// The text under `Symbol.toStringTag` of an object of the program. ECMA-262 §20.1.3.6 Object.prototype.toString.
/// Deviation: of the getters only those are supported that [`simple_result`] knows.
pub(super) fn own_tag(machine: &Machine, value: &Value) -> Completion<Option<Str>> {
    let Some(found) = property::find_property(machine, value, &Value::Symbol(Symbol::TO_STRING_TAG))? else {
        return Ok(None);
    };
    let tag = result_of(machine, value, found, "Symbol.toStringTag")?;
    Ok(if let Value::Text(tag) = tag { Some(tag) } else { None })
}

/// The text under `Symbol.toStringTag` of an object, its own or that of a built-in.
pub(super) fn tag(machine: &Machine, value: &Value) -> Completion<Option<Str>> {
    let receiver = property::receiver(machine, value);
    Ok(own_tag(machine, value)?.or_else(|| property::builtin_tag(machine, value, receiver?)))
}

/// `value[name]`, where the program does not run. Deviation: of the getters only those are supported that
/// [`simple_result`] knows.
pub(super) fn read_property(machine: &Machine, value: &Value, name: &str) -> Completion<Value> {
    let found = property::lookup(machine, value, &Value::text(name))?;
    result_of(machine, value, found, name)
}

/// The value of a property that was found, or the result of its getter.
fn result_of(machine: &Machine, this: &Value, found: Value, name: &str) -> Completion<Value> {
    match descriptor::data_value(&machine.heap, found) {
        Value::Accessor(pair) => match simple_result(machine, this, &machine.heap.element(pair, 0)) {
            Some(result) => Ok(result),
            None => unsupported(format!(
                "this getter of `{name}` is not called here; return a literal, a variable, a property of `this` or a \
                 template of them"
            )),
        },
        found => Ok(found),
    }
}

/// The result of a getter that returns a literal, a variable, properties of `this` or a template of them.
fn simple_result(machine: &Machine, this: &Value, getter: &Value) -> Option<Value> {
    let at = match getter {
        Value::Ref(at) => *at,
        Value::Undefined => return Some(Value::Undefined),
        _ => return None,
    };
    let Entry::Closure(closure) = machine.heap.get(at) else { return None };
    let entry = machine.program.functions.get(closure.function as usize)?.entry as usize;
    let mut operands = Vec::new();
    for instruction in machine.program.code.get(entry..)? {
        let value = match instruction {
            I::Push(constant) => machine.linked.constants.get(*constant as usize)?.clone(),
            I::This => this.clone(),
            I::LoadGlobal(slot) => machine.stack.get(usize::from(*slot))?.clone(),
            I::LoadCapture(index) => match machine.heap.get(*closure.captures.get(usize::from(*index))?) {
                Entry::Cell(value) => value.clone(),
                _ => return None,
            },
            I::PrivateGet(_) => {
                let (name, target) = (operands.pop()?, operands.pop()?);
                accessor::private_field(machine, &target, &name)?
            }
            I::GetProp(name) => {
                let name = machine.linked.names.get(*name as usize)?;
                property::property(machine, &operands.pop()?, &name.key).ok()?
            }
            I::ToText => Value::Text(primitive_text(&operands.pop()?)?),
            I::Concat => {
                let (second, first) = (primitive_text(&operands.pop()?)?, primitive_text(&operands.pop()?)?);
                check_text_length(machine, first.len() + second.len()).ok()?;
                Value::Text(Str::concat(&first, &second))
            }
            I::Return => return operands.pop(),
            _ => return None,
        };
        if let Value::Uninitialized = value {
            return None;
        }
        operands.push(value);
    }
    None
}

/// The tag of a built-in iterator.
pub(super) fn iterator_tag(machine: &Machine, value: &Value) -> Option<&'static str> {
    let Value::Ref(at) = value else { return None };
    let Entry::Iterator(iterator) = machine.heap.get(*at) else { return None };
    match iterator.kind {
        IterationKind::Names => return None,
        IterationKind::Matches => return Some("RegExp String Iterator"),
        _ => {}
    }
    Some(match object::iterated_class(&machine.heap, iterator) {
        "Map" => "Map Iterator",
        "Set" => "Set Iterator",
        "String" => "String Iterator",
        _ => "Array Iterator",
    })
}

/// `typeof value`. ECMA-262 §13.5.3 The typeof Operator.
pub(super) fn type_of(machine: &Machine, value: &Value) -> &'static str {
    match value {
        Value::Undefined | Value::Hole | Value::Uninitialized | Value::Accessor(_) => "undefined",
        Value::Null => "object",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::Symbol(_) => "symbol",
        Value::BigInt(_) => "bigint",
        Value::Builtin(builtin) if builtin.is_namespace() => "object",
        Value::Builtin(_) => "function",
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Closure(_) | Entry::Bound(_) => "function",
            _ => "object",
        },
    }
}

/// Whether the value can be called. ECMA-262 §7.2.3 IsCallable.
pub(super) fn is_callable(machine: &Machine, value: &Value) -> bool {
    type_of(machine, value) == "function"
}

/// The value at an index of the stack as a property key: a string or a symbol. ECMA-262 §7.1.19 ToPropertyKey.
pub(super) fn to_property_key_at(machine: &Machine, at: usize) -> Completion<Value> {
    match machine.stack.get(at) {
        Some(Value::Text(text)) => Ok(Value::Text(text.clone())),
        Some(Value::Symbol(symbol)) => Ok(Value::Symbol(*symbol)),
        _ => to_text_at(machine, at).map(Value::Text),
    }
}

/// Checks the length of a string before it is built.
pub(super) fn check_text_length(machine: &Machine, units: usize) -> Completion {
    if units > machine.limits.text_units as usize { Err(ExceededLimit::TextUnits.into()) } else { Ok(()) }
}

/// Concatenates two strings within the limit.
pub(super) fn concat(machine: &mut Machine, a: &Str, b: &Str) -> Completion<Str> {
    check_text_length(machine, a.len() + b.len())?;
    // The bytes shared with the left half were counted when it was created.
    machine.heap.charge(ROPE_BYTES + b.len() as u64);
    machine.heap.charge_shared_text(a.len() as u64);
    Ok(Str::concat(a, b))
}

/// Units of a string under construction, narrow as long as they fit.
#[derive(Default)]
pub(super) struct StrBuilder {
    latin: Vec<u8>,
    wide: Option<Vec<u16>>,
}

impl Drop for StrBuilder {
    /// The units count when they are abandoned, too.
    fn drop(&mut self) {
        work::count_text(self.len());
    }
}

impl StrBuilder {
    pub(super) fn len(&self) -> usize {
        self.wide.as_ref().map_or(self.latin.len(), Vec::len)
    }

    pub(super) fn push(&mut self, text: &Str) {
        self.push_units(text.units());
    }

    pub(super) fn push_units(&mut self, units: super::text::Units<'_>) {
        match (&mut self.wide, units) {
            (None, super::text::Units::Latin(bytes)) => self.latin.extend_from_slice(bytes),
            (Some(wide), units) => units.append_to(wide),
            (None, units) => {
                let mut wide: Vec<u16> = self.latin.iter().map(|b| u16::from(*b)).collect();
                units.append_to(&mut wide);
                self.wide = Some(wide);
            }
        }
    }

    pub(super) fn push_unit(&mut self, unit: u16) {
        match (&mut self.wide, u8::try_from(unit)) {
            (None, Ok(byte)) => self.latin.push(byte),
            (Some(wide), _) => wide.push(unit),
            (None, Err(_)) => self.push_units(super::text::Units::Wide(&[unit])),
        }
    }

    pub(super) fn push_str(&mut self, text: &str) {
        if text.is_ascii() {
            self.push_units(super::text::Units::Latin(text.as_bytes()));
        } else {
            text.encode_utf16().for_each(|unit| self.push_unit(unit));
        }
    }

    pub(super) fn build(mut self) -> Str {
        work::count_text(self.len());
        match self.wide.take() {
            Some(wide) => Str::from_units(&wide),
            None => Str::from_latin_vec(std::mem::take(&mut self.latin)),
        }
    }
}
