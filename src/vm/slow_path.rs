//! Instructions that need more than the state of the interpreter loop. Each reads its operands in place and removes them
//! only when no step can fail any more.

use super::abrupt_completion::{AbruptCompletion, PreferredType, reference_error, type_error};
use super::builtin::Receiver;
use super::entry::Entry;
use super::frame::{CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, remainder};
use super::iterator::IterationKind;
use super::machine::{LinkedProgram, Machine, StopReason};
use super::number;
use super::object::{ErrorKind, Object};
use super::program::DecodedInstruction;
use super::table::{Table, TableKind};
use super::text::Str;
use super::value::{HeapRef, Value};

const MUST_CALL_SUPER: &str =
    "Must call super constructor in derived class before accessing 'this' or returning from derived constructor";

type StepResult = Result<InstructionOutcome, AbruptCompletion>;

impl Machine {
    /// The operand `depth` below the top.
    #[inline]
    pub(super) fn operand(&self, depth: usize) -> Value {
        let at = self.stack.len().wrapping_sub(depth + 1);
        self.stack.get(at).cloned().unwrap_or(Value::Undefined)
    }

    /// Replaces `count` operands by one value.
    #[inline]
    pub(super) fn replace_operands(&mut self, count: usize, value: Value) -> StepResult {
        self.stack.truncate(self.stack.len().saturating_sub(count));
        self.stack.push(value);
        Ok(InstructionOutcome::FallThrough)
    }

    /// Executes an instruction. `op.rs` cites the standard for each operation.
    pub(super) fn execute_slow(&mut self, linked: &LinkedProgram, instruction: DecodedInstruction) -> StepResult {
        use DecodedInstruction as I;
        match instruction {
            I::StoreGlobal(slot) => {
                if !self.program.named_globals
                    && matches!(self.stack.get(usize::from(slot)), Some(Value::Uninitialised))
                {
                    return self.throw_uninitialised_global(slot);
                }
                self.store_at(usize::from(slot))
            }
            I::StoreChecked(slot) => {
                let at = self.base + usize::from(slot);
                if matches!(self.stack.get(at), Some(Value::Uninitialised)) {
                    return self.throw_uninitialised_slot(slot);
                }
                self.store_at(at)
            }
            I::Uninit(slot) => self.set_slot(slot, Value::Uninitialised),
            I::Clear(slot) => self.set_slot(slot, Value::Undefined),
            I::NewCell(slot) => {
                let cell = self.heap.allocate(Entry::Cell(Value::Uninitialised));
                self.set_slot(slot, Value::Ref(cell))
            }
            I::CopyCell(slot) => {
                let cell = self.cell_in(slot)?;
                let Entry::Cell(value) = self.heap.get(cell) else {
                    return Err(AbruptCompletion::Internal("a slot without its cell"));
                };
                let entry = Entry::Cell(value.clone());
                let copy = self.heap.allocate(entry);
                self.set_slot(slot, Value::Ref(copy))
            }
            I::InitCell(slot) => {
                let (cell, value) = (self.cell_in(slot)?, self.operand(0));
                self.set_cell(cell, value)
            }
            I::StoreCell(slot) => {
                let (cell, value) = (self.cell_in(slot)?, self.operand(0));
                if let Entry::Cell(Value::Uninitialised) = self.heap.get(cell) {
                    return self.throw_uninitialised_slot(slot);
                }
                self.set_cell(cell, value)
            }
            I::Dup2 => {
                let (a, b) = (self.operand(1), self.operand(0));
                self.stack.extend([a, b]);
                Ok(InstructionOutcome::FallThrough)
            }
            I::Swap => {
                let len = self.stack.len();
                self.stack.swap(len.saturating_sub(2), len.saturating_sub(1));
                Ok(InstructionOutcome::FallThrough)
            }
            I::DupX1 => {
                let (at, top) = (self.stack.len().saturating_sub(2), self.operand(0));
                self.stack.insert(at, top);
                Ok(InstructionOutcome::FallThrough)
            }
            I::DupX2 => {
                let (at, top) = (self.stack.len().saturating_sub(3), self.operand(0));
                self.stack.insert(at, top);
                Ok(InstructionOutcome::FallThrough)
            }
            I::JumpIfKeep(target) => self.jump_or_pop(target, self.operand(0).truthy()),
            I::JumpIfNKeep(target) => self.jump_or_pop(target, !self.operand(0).truthy()),
            I::JumpSomeKeep(target) => self.jump_or_pop(target, !self.operand(0).is_nullish()),
            I::JumpDefinedKeep(target) => self.jump_or_pop(target, !matches!(self.operand(0), Value::Undefined)),
            I::JumpNullish(target) => {
                if !self.operand(0).is_nullish() {
                    return Ok(InstructionOutcome::FallThrough);
                }
                self.stack.pop();
                self.pc = target;
                Ok(InstructionOutcome::Jumped)
            }
            I::Concat => {
                let len = self.stack.len();
                let (a, b) = (self.to_text_at(len.wrapping_sub(2))?, self.to_text_at(len.wrapping_sub(1))?);
                let text = self.concat(&a, &b)?;
                self.replace_operands(2, Value::Text(text))
            }
            I::Cc { .. } | I::Ask { .. } => self.run_host_call(instruction),
            I::Print => {
                let line = self.display_text(&self.operand(0));
                self.print(line)?;
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::Pow | I::BitXor | I::Shl | I::Shr | I::UShr | I::LooseEq | I::LooseNeq | I::In | I::InstanceOf => {
                self.binary(instruction)
            }
            I::Neg | I::BitNot | I::TypeOf | I::ToText | I::RequireObject => self.unary(instruction),
            I::Array(count) => {
                let at = self.stack.len().saturating_sub(count as usize);
                let values = self.stack.split_off(at);
                let array = self.heap.new_array(values);
                self.replace_operands(0, Value::Ref(array))
            }
            I::Map(count) => self.make_object(count as usize),
            I::SetIndex => self.set_index(),
            I::SetProp(name) => {
                let (target, value) = (self.operand(1), self.operand(0));
                let key = linked_name(linked, name);
                if let Value::Ref(at) = &target
                    && let Entry::Object(Object { frozen: false, .. }) = self.heap.get(*at)
                {
                    self.heap.table_set(*at, TableKind::Main, key, value.clone());
                } else {
                    self.set_property(&target, key, value.clone())?;
                }
                self.replace_operands(2, value)
            }
            I::Delete => {
                let key = self.to_property_key_at(self.stack.len().wrapping_sub(1))?;
                let deleted = self.delete_property(&self.operand(1), &key)?;
                self.replace_operands(2, Value::Bool(deleted))
            }
            I::InitProp(name) => {
                let (object, value) = (self.operand(1), self.operand(0));
                self.define(&object, linked_name(linked, name), value)?;
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::InitIndex => {
                let key = self.to_property_key_at(self.stack.len().wrapping_sub(2))?;
                let (object, value) = (self.operand(2), self.operand(0));
                self.define(&object, key, value)?;
                self.replace_operands(3, object)
            }
            I::Append => {
                let (array, value) = (self.operand(1), self.operand(0));
                if let Value::Ref(at) = array {
                    self.heap.push(at, value)?;
                }
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::Spread => {
                let (array, iterable) = (self.operand(1), self.operand(0));
                // The call's text is absent among arguments. In an array literal it is the source of the spread expression.
                if self.iteration_kind(&iterable).is_none()
                    && !iterable.is_nullish()
                    && !self.program.callee_texts.contains_key(&self.pc)
                {
                    return type_error("Spread syntax requires ...iterable[Symbol.iterator] to be a function");
                }
                let values = self.iterate(&iterable)?;
                if let Value::Ref(at) = array {
                    for value in values {
                        self.heap.push(at, value)?;
                    }
                }
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::SpreadProps => {
                let (object, source) = (self.operand(1), self.operand(0));
                for (key, value) in self.own_entries(&source) {
                    self.define(&object, key, value)?;
                }
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::RestProps(count) => self.rest_properties(count as usize),
            I::RegExp { pattern, flags } => {
                let (pattern, flags) = (linked_name(linked, pattern), linked_name(linked, u32::from(flags)));
                let regexp = self.new_regexp(&pattern, &flags)?;
                self.replace_operands(0, regexp)
            }
            I::CallNative { argc, name } => self.call_native(linked, usize::from(argc), name, ""),
            I::NewNative { argc, name } => self.call_native(linked, usize::from(argc), name, "new "),
            I::CallThis { argc } => self.call_with_this(usize::from(argc)),
            I::CallSpread => self.with_spread_arguments(|machine, count| machine.call(count)),
            I::CallMethodSpread { name } => {
                self.with_spread_arguments(|machine, count| machine.call_method(linked, count, name))
            }
            I::CallThisSpread => self.with_spread_arguments(|machine, count| machine.call_with_this(count)),
            I::CallNativeSpread { name } => {
                self.with_spread_arguments(|machine, count| machine.call_native(linked, count, name, ""))
            }
            I::NewNativeSpread { name } => {
                self.with_spread_arguments(|machine, count| machine.call_native(linked, count, name, "new "))
            }
            I::New { argc } => self.construct(usize::from(argc)),
            I::NewSpread => self.with_spread_arguments(|machine, count| machine.construct(count)),
            I::SuperCall { argc } => self.super_call(usize::from(argc)),
            I::SuperCallSpread => self.with_spread_arguments(|machine, count| machine.super_call(count)),
            I::Builtin { name } => {
                let found = self.program.names.get(name as usize).and_then(|name| self.registry.find(name));
                match found {
                    Some(builtin) => self.replace_operands(0, Value::Builtin(builtin)),
                    None => Err(AbruptCompletion::Internal("a built-in that this machine does not have")),
                }
            }
            I::Function(number) => self.new_closure(number),
            I::This => match self.current_this() {
                Value::Uninitialised => reference_error(MUST_CALL_SUPER),
                this => self.replace_operands(0, this),
            },
            I::Iter(slot) => {
                let iterator = self.iterator(&self.operand(0))?;
                self.stack.pop();
                self.set_slot(slot, iterator)
            }
            I::Keys(slot) => {
                let source = self.operand(0);
                let keys = self.keys_for_in(&source);
                let names = self.heap.new_array(std::iter::once(source).chain(keys).collect());
                let cursor = self.heap.new_iterator(Value::Ref(names), IterationKind::Names);
                self.stack.pop();
                self.set_slot(slot, Value::Ref(cursor))
            }
            I::IterNext { slot, target } => match self.next_from_slot(slot)? {
                Some(value) => self.replace_operands(0, value),
                None => {
                    self.pc = target;
                    Ok(InstructionOutcome::Jumped)
                }
            },
            I::IterTake(slot) => {
                let value = self.next_from_slot(slot)?.unwrap_or(Value::Undefined);
                self.replace_operands(0, value)
            }
            I::IterRest(slot) => {
                let array = self.heap.new_array(Vec::new());
                while let Some(value) = self.next_from_slot(slot)? {
                    self.heap.push(array, value)?;
                }
                self.replace_operands(0, Value::Ref(array))
            }
            I::Throw => Err(AbruptCompletion::Throw(self.operand(0))),
            I::ThrowError { name, message } => {
                let text = |number: u32| self.program.names.get(number as usize).map_or("", |name| &**name);
                let kind = ErrorKind::from_name(text(u32::from(name))).unwrap_or_default();
                Err(AbruptCompletion::Error(kind, text(message).to_owned()))
            }
            I::Class { derived } => self.new_class(derived),
            I::Method { is_static: fixed, name } => self.define_method(fixed, linked_name(linked, name)),
            I::Fields => {
                let (class, fields) = (self.operand(1), self.operand(0));
                self.make_method(&fields, &class, false);
                if let (Value::Ref(class), Value::Ref(fields)) = (class, fields)
                    && let Some(Entry::Closure(closure)) = self.heap.get_mut(class)
                    && let Some(parts) = &mut closure.class
                {
                    parts.fields = Some(fields);
                }
                self.stack.pop();
                Ok(InstructionOutcome::FallThrough)
            }
            I::InitFields => self.init_fields(),
            I::SuperGet(name) => {
                let value = self.super_property(&linked_name(linked, name))?;
                self.replace_operands(0, value)
            }
            I::Enter => Ok(InstructionOutcome::FallThrough),
            I::Halt => Ok(InstructionOutcome::Stop(Box::new(StopReason::Complete(serde_json::Value::Null)))),
            _ => Err(AbruptCompletion::Internal("an instruction of the interpreter loop outside the loop")),
        }
    }

    fn store_at(&mut self, at: usize) -> StepResult {
        let value = self.stack.pop().unwrap_or(Value::Undefined);
        if let Some(place) = self.stack.get_mut(at) {
            *place = value;
        }
        Ok(InstructionOutcome::FallThrough)
    }

    fn set_slot(&mut self, slot: u16, value: Value) -> StepResult {
        if let Some(place) = self.stack.get_mut(self.base + usize::from(slot)) {
            *place = value;
        }
        Ok(InstructionOutcome::FallThrough)
    }

    /// The cell in a slot. A closure captures it. ECMA-262 §9.1.1.1 Declarative Environment Records.
    fn cell_in(&self, slot: u16) -> Result<HeapRef, AbruptCompletion> {
        match self.stack.get(self.base + usize::from(slot)) {
            Some(Value::Ref(at)) if matches!(self.heap.get(*at), Entry::Cell(_)) => Ok(*at),
            _ => Err(AbruptCompletion::Internal("a slot without its cell")),
        }
    }

    fn set_cell(&mut self, cell: HeapRef, value: Value) -> StepResult {
        if let Some(Entry::Cell(place)) = self.heap.get_mut(cell) {
            *place = value;
        }
        self.stack.pop();
        Ok(InstructionOutcome::FallThrough)
    }

    fn jump_or_pop(&mut self, target: u32, jump: bool) -> StepResult {
        if jump {
            self.pc = target;
            return Ok(InstructionOutcome::Jumped);
        }
        self.stack.pop();
        Ok(InstructionOutcome::FallThrough)
    }

    /// ReferenceError for a slot read before its declaration. ECMA-262 §9.1.1.1.6 GetBindingValue.
    #[cold]
    pub(super) fn throw_uninitialised_slot(&self, slot: u16) -> StepResult {
        let function = match self.frames.last() {
            Some(Frame::Code(frame)) => self.program.functions.get(frame.function as usize),
            _ => None,
        };
        throw_uninitialised(function.and_then(|f| f.slots.get(usize::from(slot))).map_or("", String::as_str))
    }

    /// ReferenceError for a global variable. ECMA-262 §9.1.1.1.6 GetBindingValue.
    #[cold]
    pub(super) fn throw_uninitialised_global(&self, slot: u16) -> StepResult {
        let names = self.program.functions.first().map_or(&[][..], |f| f.slots.as_slice());
        let name = names.get(usize::from(slot)).map_or("", String::as_str);
        if self.program.named_globals {
            return reference_error(format!("{name} is not defined"));
        }
        throw_uninitialised(name)
    }

    /// ReferenceError for a captured variable. ECMA-262 §9.1.1.1.6 GetBindingValue.
    #[cold]
    pub(super) fn throw_uninitialised_capture(&self, index: u16) -> StepResult {
        let function = match self.frames.last() {
            Some(Frame::Code(frame)) => self.program.functions.get(frame.function as usize),
            _ => None,
        };
        throw_uninitialised(function.and_then(|f| f.capture_names.get(usize::from(index))).map_or("", String::as_str))
    }

    /// `this` of the running function. ECMA-262 §9.4.4 ResolveThisBinding.
    pub(super) fn current_this(&self) -> Value {
        match self.frames.last() {
            Some(Frame::Code(frame)) if frame.base > 0 => self.frame_this(frame),
            _ => Value::Undefined,
        }
    }

    /// `this` of a function that has not returned.
    pub(super) fn frame_this(&self, frame: &CodeFrame) -> Value {
        self.stack.get((frame.base as usize).wrapping_sub(1)).cloned().unwrap_or(Value::Undefined)
    }

    /// A binary operator. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator, §7.2.12 IsLessThan, §13.10 Relational Operators,
    /// §7.2.13 IsLooselyEqual.
    pub(super) fn binary(&mut self, instruction: DecodedInstruction) -> StepResult {
        use DecodedInstruction as I;
        let (first, second) = (self.stack.len().wrapping_sub(2), self.stack.len().wrapping_sub(1));
        let result = match instruction {
            I::Add => {
                let (a, b) = (
                    self.to_primitive_at(first, PreferredType::Number)?,
                    self.to_primitive_at(second, PreferredType::Number)?,
                );
                if matches!(a, Value::Text(_)) || matches!(b, Value::Text(_)) {
                    let (a, b) = (self.to_text(&a)?, self.to_text(&b)?);
                    Value::Text(self.concat(&a, &b)?)
                } else {
                    Value::Number(self.to_number(&a)? + self.to_number(&b)?)
                }
            }
            I::Lt | I::Gt | I::Le | I::Ge => {
                let (a, b) = (
                    self.to_primitive_at(first, PreferredType::Number)?,
                    self.to_primitive_at(second, PreferredType::Number)?,
                );
                let order = match (&a, &b) {
                    (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
                    _ => self.to_number(&a)?.partial_cmp(&self.to_number(&b)?),
                };
                Value::Bool(order.is_some_and(|order| match instruction {
                    I::Lt => order.is_lt(),
                    I::Gt => order.is_gt(),
                    I::Le => order.is_le(),
                    _ => order.is_ge(),
                }))
            }
            I::LooseEq => Value::Bool(self.loosely_equal(first, second)?),
            I::LooseNeq => Value::Bool(!self.loosely_equal(first, second)?),
            I::In => {
                let key = self.to_property_key_at(first)?;
                Value::Bool(self.has_property(&self.operand(0), &key)?)
            }
            I::InstanceOf => Value::Bool(self.instance_of(&self.operand(1), &self.operand(0))?),
            _ => {
                let (a, b) = (self.to_number_at(first)?, self.to_number_at(second)?);
                let shift = number::to_int32(b) as u32 & 31;
                Value::Number(match instruction {
                    I::Sub => a - b,
                    I::Mul => a * b,
                    I::Div => a / b,
                    I::Mod => remainder(a, b),
                    I::Pow => number::power(a, b),
                    I::BitAnd => f64::from(number::to_int32(a) & number::to_int32(b)),
                    I::BitOr => f64::from(number::to_int32(a) | number::to_int32(b)),
                    I::BitXor => f64::from(number::to_int32(a) ^ number::to_int32(b)),
                    I::Shl => f64::from(number::to_int32(a).wrapping_shl(shift)),
                    I::Shr => f64::from(number::to_int32(a) >> shift),
                    I::UShr => f64::from(number::to_int32(a) as u32 >> shift),
                    _ => return Err(AbruptCompletion::Internal("an unknown binary operator")),
                })
            }
        };
        self.replace_operands(2, result)
    }

    /// A unary operator. ECMA-262 §13.5 Unary Operators, §13.4 Update Expressions, §7.2.1 RequireObjectCoercible.
    pub(super) fn unary(&mut self, instruction: DecodedInstruction) -> StepResult {
        use DecodedInstruction as I;
        let at = self.stack.len().wrapping_sub(1);
        let result = match instruction {
            I::ToNumber => Value::Number(self.to_number_at(at)?),
            I::Inc => Value::Number(self.to_number_at(at)? + 1.0),
            I::Dec => Value::Number(self.to_number_at(at)? - 1.0),
            I::Neg => Value::Number(-self.to_number_at(at)?),
            I::BitNot => Value::Number(f64::from(!number::to_int32(self.to_number_at(at)?))),
            I::TypeOf => Value::text(self.type_of(&self.operand(0))),
            I::ToText => Value::Text(self.to_text_at(at)?),
            I::RequireObject => match self.operand(0) {
                value @ (Value::Undefined | Value::Null) => {
                    let name = super::property::nullish_name(&value);
                    let written = match self
                        .program
                        .callee_texts
                        .get(&self.pc)
                        .map(|text| (&**text, text.strip_suffix("'undefined'")))
                    {
                        // The text describes an argument.
                        Some((_, Some(before))) if matches!(value, Value::Null) => format!("{before}'object null'"),
                        Some((text, _)) => text.to_owned(),
                        None => format!("'{name}'"),
                    };
                    return type_error(format!("Cannot destructure {written} as it is {name}."));
                }
                value => value,
            },
            _ => return Err(AbruptCompletion::Internal("an unknown unary operator")),
        };
        self.replace_operands(1, result)
    }

    /// `==` of two values on the stack. ECMA-262 §7.2.13 IsLooselyEqual.
    fn loosely_equal(&self, first: usize, second: usize) -> Result<bool, AbruptCompletion> {
        let operand = |at: usize| self.stack.get(at).unwrap_or(&Value::Undefined);
        let (a, b) = (operand(first), operand(second));
        let is_object = |value: &Value| matches!(value, Value::Ref(_) | Value::Builtin(_));
        if a.is_nullish() || b.is_nullish() {
            return Ok(a.is_nullish() && b.is_nullish());
        }
        Ok(match (is_object(a), is_object(b)) {
            (true, true) => a.strict_equals(b),
            (true, false) => self.loosely_equal_primitives(&self.to_primitive_at(first, PreferredType::Number)?, b)?,
            (false, true) => self.loosely_equal_primitives(a, &self.to_primitive_at(second, PreferredType::Number)?)?,
            (false, false) => self.loosely_equal_primitives(a, b)?,
        })
    }

    /// `==` of two primitives. ECMA-262 §7.2.13 IsLooselyEqual.
    fn loosely_equal_primitives(&self, a: &Value, b: &Value) -> Result<bool, AbruptCompletion> {
        match (a, b) {
            (Value::Text(a), Value::Text(b)) => Ok(a == b),
            _ => Ok(self.to_number(a)? == self.to_number(b)?),
        }
    }

    /// `object.name`. ECMA-262 §6.2.5.5 GetValue of §13.3.4 EvaluatePropertyAccessWithIdentifierKey.
    pub(super) fn get_prop(&mut self, linked: &LinkedProgram, name: u32) -> StepResult {
        if linked.names.get(name as usize).is_some_and(|name| name.is_length) {
            let length = match self.stack.last() {
                Some(Value::Text(text)) => Some(text.len()),
                Some(Value::Ref(at)) => self.heap.array(*at).map(super::array::Array::len),
                _ => None,
            };
            if let Some(length) = length {
                return self.replace_operands(1, Value::Number(length as f64));
            }
        }
        let target = self.operand(0);
        let value = match self.get_method_fast(linked, &target, name) {
            Some(method) => method,
            None => self.property(&target, &linked_name(linked, name))?,
        };
        self.replace_operands(1, value)
    }

    /// `object[key]`. ECMA-262 §6.2.5.5 GetValue of §13.3.3 EvaluatePropertyAccessWithExpressionKey.
    pub(super) fn get_index(&mut self) -> StepResult {
        let (target, key) = (self.operand(1), self.operand(0));
        let value = match (&target, &key) {
            (Value::Ref(at), Value::Number(n))
                if *n >= 0.0 && *n < f64::from(u32::MAX) && n.fract() == 0.0 && self.heap.array(*at).is_some() =>
            {
                self.heap.element(*at, *n as usize).or_undefined()
            }
            (Value::Text(text), Value::Number(n)) if *n >= 0.0 && n.fract() == 0.0 => {
                text.unit(*n as usize).map_or(Value::Undefined, |unit| Value::Text(Str::single(unit)))
            }
            (Value::Undefined | Value::Null, _) => {
                let key = self.to_text(&key)?;
                let name = super::property::nullish_name(&target);
                return type_error(format!("Cannot read properties of {name} (reading '{key}')"));
            }
            _ => {
                let key = self.to_property_key_at(self.stack.len().wrapping_sub(1))?;
                self.property(&target, &key)?
            }
        };
        self.replace_operands(2, value)
    }

    /// `object[key] = value`. ECMA-262 §6.2.5.6 PutValue.
    fn set_index(&mut self) -> StepResult {
        let (target, value) = (self.operand(2), self.operand(0));
        if let (Value::Ref(at), Some(Value::Number(n))) = (&target, self.stack.get(self.stack.len().wrapping_sub(2)))
            && let Entry::Array(array) = self.heap.get(*at)
            && !array.frozen
            && *n >= 0.0
            && n.fract() == 0.0
            && *n < f64::from(u32::MAX)
        {
            let (at, index) = (*at, *n as usize);
            self.heap.set_element(at, index, value.clone())?;
            return self.replace_operands(3, value);
        }
        if target.is_nullish() {
            let (name, key) = (super::property::nullish_name(&target), self.to_text(&self.operand(1))?);
            return type_error(format!("Cannot set properties of {name} (setting '{key}')"));
        }
        let key = self.to_property_key_at(self.stack.len().wrapping_sub(2))?;
        self.set_property(&target, key, value.clone())?;
        self.replace_operands(3, value)
    }

    /// Defines an own property of a literal. ECMA-262 §7.3.6 CreateDataPropertyOrThrow.
    pub(super) fn define(&mut self, target: &Value, key: Value, value: Value) -> Result<(), AbruptCompletion> {
        let Value::Ref(at) = target else { return Err(AbruptCompletion::Internal("a literal that is not an object")) };
        match self.heap.get(*at) {
            Entry::Array(_) => self.set_property(target, key, value),
            Entry::Object(Object { frozen: true, .. }) => {
                type_error(format!("Cannot define property {}, object is not extensible", self.to_text(&key)?))
            }
            _ => {
                self.heap.table_set(*at, TableKind::Main, key, value);
                Ok(())
            }
        }
    }

    /// An object literal of `count` pairs on the stack. ECMA-262 §13.2.5.5 PropertyDefinitionEvaluation.
    fn make_object(&mut self, count: usize) -> StepResult {
        let from = self.stack.len().saturating_sub(2 * count);
        for pair in 0..count {
            self.to_property_key_at(from + 2 * pair)?;
        }
        let object = self.heap.allocate(Entry::Object(Object::default()));
        for pair in 0..count {
            let key = self.to_property_key_at(from + 2 * pair)?;
            let value = self.stack.get(from + 2 * pair + 1).cloned().unwrap_or(Value::Undefined);
            self.heap.table_set(object, TableKind::Main, key, value);
        }
        self.replace_operands(2 * count, Value::Ref(object))
    }

    /// `{a, ...rest} = source`: the properties except those keys. ECMA-262 §7.3.25 CopyDataProperties.
    fn rest_properties(&mut self, count: usize) -> StepResult {
        let from = self.stack.len().saturating_sub(count);
        let keys = (from..from + count).map(|at| self.to_property_key_at(at)).collect::<Result<Vec<_>, _>>()?;
        let source = self.stack.get(from.wrapping_sub(1)).cloned().unwrap_or(Value::Undefined);
        let entries = self.own_entries(&source).into_iter();
        let rest = entries.filter(|(key, _)| !keys.iter().any(|k| k.strict_equals(key))).collect();
        let object = self.new_object(rest);
        self.replace_operands(count + 1, object)
    }

    /// A new object with these properties. The keys must be unique.
    pub(super) fn new_object(&mut self, pairs: Vec<(Value, Value)>) -> Value {
        if pairs.len() > 200 {
            let object = self.heap.allocate(Entry::Object(Object::default()));
            for (key, value) in pairs {
                self.heap.table_set(object, TableKind::Main, key, value);
            }
            return Value::Ref(object);
        }
        let object = Object { table: Table::from_pairs(pairs), ..Object::default() };
        Value::Ref(self.heap.allocate(Entry::Object(object)))
    }

    /// An iterator over a value, or TypeError. ECMA-262 §7.4.4 GetIterator.
    /// Deviation: only built-in collections and their iterators are iterable, because `Symbol.iterator` does not exist.
    pub(super) fn iterator(&mut self, value: &Value) -> Result<Value, AbruptCompletion> {
        match (self.receiver(value), self.iteration_kind(value)) {
            (Some(Receiver::Iterator), _) => Ok(value.clone()),
            (_, Some(yields)) => Ok(Value::Ref(self.heap.new_iterator(value.clone(), yields))),
            _ => self.throw_not_iterable(value),
        }
    }

    /// The parts that the default iterator of a value yields; `None` if it is not iterable.
    fn iteration_kind(&self, value: &Value) -> Option<IterationKind> {
        match self.receiver(value)? {
            Receiver::Array | Receiver::String | Receiver::Set | Receiver::Iterator => Some(IterationKind::Values),
            Receiver::Map => Some(IterationKind::Entries),
            _ => None,
        }
    }

    fn throw_not_iterable<T>(&self, value: &Value) -> Result<T, AbruptCompletion> {
        // The text of a call instruction is its callee, which would be wrong here.
        let written = match self.program.code.get(self.pc as usize) {
            Some(DecodedInstruction::Iter(_) | DecodedInstruction::Spread) => self.program.callee_texts.get(&self.pc),
            _ => None,
        };
        if let Some(text) = written {
            return type_error(format!("{text} is not iterable"));
        }
        let what = match value {
            Value::Null => "object null".to_owned(),
            Value::Undefined => "undefined".to_owned(),
            Value::Number(_) | Value::Bool(_) => format!("{} {}", self.type_of(value), self.to_text(value)?),
            _ => self.type_of(value).to_owned(),
        };
        type_error(format!("{what} is not iterable (cannot read property Symbol(Symbol.iterator))"))
    }

    /// All values that a value iterates over. ECMA-262 IteratorToList.
    pub(super) fn iterate(&mut self, value: &Value) -> Result<Vec<Value>, AbruptCompletion> {
        match value {
            Value::Ref(at) if self.heap.array(*at).is_some() => {
                Ok(self.heap.elements(*at).into_iter().map(Value::or_undefined).collect())
            }
            _ => {
                let Value::Ref(cursor) = self.iterator(value)? else { return Ok(Vec::new()) };
                let mut values = Vec::new();
                while let Some(value) = self.heap.iterator_next(cursor) {
                    values.push(value);
                    // The characters of a string are shared, so the list is what must be bounded.
                    self.heap.check_room(16 * values.len() as u64)?;
                }
                Ok(values)
            }
        }
    }

    /// The next value of the iterator in a slot. ECMA-262 §7.4.10 IteratorStepValue.
    fn next_from_slot(&mut self, slot: u16) -> Result<Option<Value>, AbruptCompletion> {
        match self.stack.get(self.base + usize::from(slot)) {
            Some(Value::Ref(at)) => {
                let at = *at;
                Ok(self.heap.iterator_next(at))
            }
            _ => Err(AbruptCompletion::Internal("a slot without its iterator")),
        }
    }
}

fn linked_name(linked: &LinkedProgram, name: u32) -> Value {
    linked.names.get(name as usize).map_or(Value::Undefined, |name| name.key.clone())
}

fn throw_uninitialised<T>(name: &str) -> Result<T, AbruptCompletion> {
    reference_error(format!("Cannot access '{}' before initialization", source_name(name)))
}

/// The name of a slot in the source. The slot of a second variable of the same name is `x$1`, and a `$` of the source is
/// doubled. Empty for hidden slots.
pub(super) fn source_name(slot: &str) -> String {
    let mut name = String::new();
    let mut rest = slot;
    while let Some(at) = rest.find('$') {
        name.push_str(&rest[..at]);
        match rest[at..].strip_prefix("$$") {
            Some(after) => {
                name.push('$');
                rest = after;
            }
            None => return name,
        }
    }
    name + rest
}
