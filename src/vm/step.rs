//! Instructions that need more than the loop's own state. Each reads its operands where they lie and takes them only
//! when nothing can fail any more.

use super::builtin::Receiver;
use super::entry::Entry;
use super::frame::{CodeFrame, Frame};
use super::interpreter::{Next, remainder};
use super::iterator::Yields;
use super::machine::{Linked, Machine, Stop};
use super::number;
use super::object::{ErrorKind, Object};
use super::program::Instruction;
use super::raise::{Hint, Raise, reference_error, type_error};
use super::table::{Table, Which};
use super::text::Str;
use super::value::{HeapRef, Value};

const MUST_CALL_SUPER: &str =
    "Must call super constructor in derived class before accessing 'this' or returning from derived constructor";

type Step = Result<Next, Raise>;

impl Machine {
    /// The operand `depth` below the top.
    #[inline]
    pub(super) fn operand(&self, depth: usize) -> Value {
        let at = self.stack.len().wrapping_sub(depth + 1);
        self.stack.get(at).cloned().unwrap_or(Value::Undefined)
    }

    /// Replaces `count` operands by one value.
    #[inline]
    pub(super) fn replace(&mut self, count: usize, value: Value) -> Step {
        self.stack.truncate(self.stack.len().saturating_sub(count));
        self.stack.push(value);
        Ok(Next::Follow)
    }

    pub(super) fn step(&mut self, linked: &Linked, instruction: Instruction) -> Step {
        use Instruction as I;
        match instruction {
            I::StoreGlobal(slot) => {
                if !self.program.named_globals
                    && matches!(self.stack.get(usize::from(slot)), Some(Value::Uninitialised))
                {
                    return self.uninitialised_global(slot);
                }
                self.store_at(usize::from(slot))
            }
            I::StoreChecked(slot) => {
                let at = self.base + usize::from(slot);
                if matches!(self.stack.get(at), Some(Value::Uninitialised)) {
                    return self.uninitialised_slot(slot);
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
                    return Err(Raise::Internal("a slot without its cell"));
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
                    return self.uninitialised_slot(slot);
                }
                self.set_cell(cell, value)
            }
            I::Dup2 => {
                let (a, b) = (self.operand(1), self.operand(0));
                self.stack.extend([a, b]);
                Ok(Next::Follow)
            }
            I::Swap => {
                let len = self.stack.len();
                self.stack.swap(len.saturating_sub(2), len.saturating_sub(1));
                Ok(Next::Follow)
            }
            I::DupX1 => {
                let (at, top) = (self.stack.len().saturating_sub(2), self.operand(0));
                self.stack.insert(at, top);
                Ok(Next::Follow)
            }
            I::DupX2 => {
                let (at, top) = (self.stack.len().saturating_sub(3), self.operand(0));
                self.stack.insert(at, top);
                Ok(Next::Follow)
            }
            I::JumpIfKeep(target) => self.jump_keeping(target, self.operand(0).truthy()),
            I::JumpIfNKeep(target) => self.jump_keeping(target, !self.operand(0).truthy()),
            I::JumpSomeKeep(target) => self.jump_keeping(target, !self.operand(0).is_nullish()),
            I::JumpDefinedKeep(target) => self.jump_keeping(target, !matches!(self.operand(0), Value::Undefined)),
            I::JumpNullish(target) => {
                if !self.operand(0).is_nullish() {
                    return Ok(Next::Follow);
                }
                self.stack.pop();
                self.pc = target;
                Ok(Next::Moved)
            }
            I::Concat => {
                let len = self.stack.len();
                let (a, b) = (self.text_at(len.wrapping_sub(2))?, self.text_at(len.wrapping_sub(1))?);
                let text = self.concat(&a, &b)?;
                self.replace(2, Value::Text(text))
            }
            I::Cc { .. } | I::Ask { .. } => self.ask(instruction),
            I::Print => {
                let line = self.shown(&self.operand(0));
                self.print(line)?;
                self.stack.pop();
                Ok(Next::Follow)
            }
            I::Pow | I::BitXor | I::Shl | I::Shr | I::UShr | I::LooseEq | I::LooseNeq | I::In | I::InstanceOf => {
                self.binary(instruction)
            }
            I::Neg | I::BitNot | I::TypeOf | I::ToText | I::RequireObject => self.unary(instruction),
            I::Array(count) => {
                let at = self.stack.len().saturating_sub(count as usize);
                let values = self.stack.split_off(at);
                let array = self.heap.new_array(values);
                self.replace(0, Value::Ref(array))
            }
            I::Map(count) => self.make_object(count as usize),
            I::SetIndex => self.set_index(),
            I::SetProp(name) => {
                let (target, value) = (self.operand(1), self.operand(0));
                let key = name_of(linked, name);
                if let Value::Ref(at) = &target
                    && let Entry::Object(Object { frozen: false, .. }) = self.heap.get(*at)
                {
                    self.heap.table_set(*at, Which::Main, key, value.clone());
                } else {
                    self.set_property(&target, key, value.clone())?;
                }
                self.replace(2, value)
            }
            I::Delete => {
                let key = self.key_at(self.stack.len().wrapping_sub(1))?;
                let deleted = self.delete_property(&self.operand(1), &key)?;
                self.replace(2, Value::Bool(deleted))
            }
            I::InitProp(name) => {
                let (object, value) = (self.operand(1), self.operand(0));
                self.define(&object, name_of(linked, name), value)?;
                self.stack.pop();
                Ok(Next::Follow)
            }
            I::InitIndex => {
                let key = self.key_at(self.stack.len().wrapping_sub(2))?;
                let (object, value) = (self.operand(2), self.operand(0));
                self.define(&object, key, value)?;
                self.replace(3, object)
            }
            I::Append => {
                let (array, value) = (self.operand(1), self.operand(0));
                if let Value::Ref(at) = array {
                    self.heap.push(at, value)?;
                }
                self.stack.pop();
                Ok(Next::Follow)
            }
            I::Spread => {
                let (array, iterable) = (self.operand(1), self.operand(0));
                // Among arguments; in a literal it says what is written.
                if self.iterable_yields(&iterable).is_none()
                    && !iterable.is_nullish()
                    && !self.program.texts.contains_key(&self.pc)
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
                Ok(Next::Follow)
            }
            I::SpreadProps => {
                let (object, source) = (self.operand(1), self.operand(0));
                for (key, value) in self.own_entries(&source) {
                    self.define(&object, key, value)?;
                }
                self.stack.pop();
                Ok(Next::Follow)
            }
            I::RestProps(count) => self.rest_properties(count as usize),
            I::RegExp { pattern, flags } => {
                let (pattern, flags) = (name_of(linked, pattern), name_of(linked, u32::from(flags)));
                let regexp = self.new_regexp(&pattern, &flags)?;
                self.replace(0, regexp)
            }
            I::CallNative { argc, name } => self.call_native(linked, usize::from(argc), name, ""),
            I::NewNative { argc, name } => self.call_native(linked, usize::from(argc), name, "new "),
            I::CallThis { argc } => self.call_with_this(usize::from(argc)),
            I::CallSpread => self.with_unpacked(|machine, count| machine.call(count)),
            I::CallMethodSpread { name } => {
                self.with_unpacked(|machine, count| machine.call_method(linked, count, name))
            }
            I::CallThisSpread => self.with_unpacked(|machine, count| machine.call_with_this(count)),
            I::CallNativeSpread { name } => {
                self.with_unpacked(|machine, count| machine.call_native(linked, count, name, ""))
            }
            I::NewNativeSpread { name } => {
                self.with_unpacked(|machine, count| machine.call_native(linked, count, name, "new "))
            }
            I::New { argc } => self.construct(usize::from(argc)),
            I::NewSpread => self.with_unpacked(|machine, count| machine.construct(count)),
            I::SuperCall { argc } => self.super_call(usize::from(argc)),
            I::SuperCallSpread => self.with_unpacked(|machine, count| machine.super_call(count)),
            I::Builtin { name } => {
                let found = self.program.names.get(name as usize).and_then(|name| self.registry.find(name));
                match found {
                    Some(builtin) => self.replace(0, Value::Builtin(builtin)),
                    None => Err(Raise::Internal("a built-in that this machine does not have")),
                }
            }
            I::Function(number) => self.new_closure(number),
            I::This => match self.this() {
                Value::Uninitialised => reference_error(MUST_CALL_SUPER),
                this => self.replace(0, this),
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
                let cursor = self.heap.new_cursor(Value::Ref(names), Yields::Names);
                self.stack.pop();
                self.set_slot(slot, Value::Ref(cursor))
            }
            I::IterNext { slot, target } => match self.next_of(slot)? {
                Some(value) => self.replace(0, value),
                None => {
                    self.pc = target;
                    Ok(Next::Moved)
                }
            },
            I::IterTake(slot) => {
                let value = self.next_of(slot)?.unwrap_or(Value::Undefined);
                self.replace(0, value)
            }
            I::IterRest(slot) => {
                let array = self.heap.new_array(Vec::new());
                while let Some(value) = self.next_of(slot)? {
                    self.heap.push(array, value)?;
                }
                self.replace(0, Value::Ref(array))
            }
            I::Throw => Err(Raise::Throw(self.operand(0))),
            I::ThrowError { name, message } => {
                let text = |number: u32| self.program.names.get(number as usize).map_or("", |name| &**name);
                let kind = ErrorKind::named(text(u32::from(name))).unwrap_or_default();
                Err(Raise::Error(kind, text(message).to_owned()))
            }
            I::Class { derived } => self.new_class(derived),
            I::Method { fixed, name } => self.define_method(fixed, name_of(linked, name)),
            I::Fields => {
                let (class, fields) = (self.operand(1), self.operand(0));
                self.set_home(&fields, &class, false);
                if let (Value::Ref(class), Value::Ref(fields)) = (class, fields)
                    && let Some(Entry::Closure(closure)) = self.heap.get_mut(class)
                    && let Some(parts) = &mut closure.class
                {
                    parts.fields = Some(fields);
                }
                self.stack.pop();
                Ok(Next::Follow)
            }
            I::InitFields => self.init_fields(),
            I::SuperGet(name) => {
                let value = self.super_property(&name_of(linked, name))?;
                self.replace(0, value)
            }
            I::Enter => Ok(Next::Follow),
            I::Halt => Ok(Next::Stop(Box::new(Stop::Complete(serde_json::Value::Null)))),
            _ => Err(Raise::Internal("an instruction that the loop runs itself")),
        }
    }

    fn store_at(&mut self, at: usize) -> Step {
        let value = self.stack.pop().unwrap_or(Value::Undefined);
        if let Some(place) = self.stack.get_mut(at) {
            *place = value;
        }
        Ok(Next::Follow)
    }

    fn set_slot(&mut self, slot: u16, value: Value) -> Step {
        if let Some(place) = self.stack.get_mut(self.base + usize::from(slot)) {
            *place = value;
        }
        Ok(Next::Follow)
    }

    fn cell_in(&self, slot: u16) -> Result<HeapRef, Raise> {
        match self.stack.get(self.base + usize::from(slot)) {
            Some(Value::Ref(at)) if matches!(self.heap.get(*at), Entry::Cell(_)) => Ok(*at),
            _ => Err(Raise::Internal("a slot without its cell")),
        }
    }

    fn set_cell(&mut self, cell: HeapRef, value: Value) -> Step {
        if let Some(Entry::Cell(place)) = self.heap.get_mut(cell) {
            *place = value;
        }
        self.stack.pop();
        Ok(Next::Follow)
    }

    fn jump_keeping(&mut self, target: u32, jump: bool) -> Step {
        if jump {
            self.pc = target;
            return Ok(Next::Moved);
        }
        self.stack.pop();
        Ok(Next::Follow)
    }

    #[cold]
    pub(super) fn uninitialised_slot(&self, slot: u16) -> Step {
        let function = match self.frames.last() {
            Some(Frame::Code(frame)) => self.program.functions.get(frame.function as usize),
            _ => None,
        };
        uninitialised(function.and_then(|f| f.slots.get(usize::from(slot))).map_or("", String::as_str))
    }

    #[cold]
    pub(super) fn uninitialised_global(&self, slot: u16) -> Step {
        let names = self.program.functions.first().map_or(&[][..], |f| f.slots.as_slice());
        let name = names.get(usize::from(slot)).map_or("", String::as_str);
        if self.program.named_globals {
            return reference_error(format!("{name} is not defined"));
        }
        uninitialised(name)
    }

    #[cold]
    pub(super) fn uninitialised_capture(&self, index: u16) -> Step {
        let function = match self.frames.last() {
            Some(Frame::Code(frame)) => self.program.functions.get(frame.function as usize),
            _ => None,
        };
        uninitialised(function.and_then(|f| f.capture_names.get(usize::from(index))).map_or("", String::as_str))
    }

    /// `this` of the running function.
    pub(super) fn this(&self) -> Value {
        match self.frames.last() {
            Some(Frame::Code(frame)) if frame.base > 0 => self.this_of(frame),
            _ => Value::Undefined,
        }
    }

    /// `this` of a function under way.
    pub(super) fn this_of(&self, frame: &CodeFrame) -> Value {
        self.stack.get((frame.base as usize).wrapping_sub(1)).cloned().unwrap_or(Value::Undefined)
    }

    pub(super) fn binary(&mut self, instruction: Instruction) -> Step {
        use Instruction as I;
        let (first, second) = (self.stack.len().wrapping_sub(2), self.stack.len().wrapping_sub(1));
        let result = match instruction {
            I::Add => {
                let (a, b) = (self.primitive_at(first, Hint::Number)?, self.primitive_at(second, Hint::Number)?);
                if matches!(a, Value::Text(_)) || matches!(b, Value::Text(_)) {
                    let (a, b) = (self.text_of(&a)?, self.text_of(&b)?);
                    Value::Text(self.concat(&a, &b)?)
                } else {
                    Value::Number(self.number_of(&a)? + self.number_of(&b)?)
                }
            }
            I::Lt | I::Gt | I::Le | I::Ge => {
                let (a, b) = (self.primitive_at(first, Hint::Number)?, self.primitive_at(second, Hint::Number)?);
                let order = match (&a, &b) {
                    (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
                    _ => self.number_of(&a)?.partial_cmp(&self.number_of(&b)?),
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
                let key = self.key_at(first)?;
                Value::Bool(self.has(&self.operand(0), &key)?)
            }
            I::InstanceOf => Value::Bool(self.instance_of(&self.operand(1), &self.operand(0))?),
            _ => {
                let (a, b) = (self.number_at(first)?, self.number_at(second)?);
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
                    _ => return Err(Raise::Internal("an operator of two operands")),
                })
            }
        };
        self.replace(2, result)
    }

    pub(super) fn unary(&mut self, instruction: Instruction) -> Step {
        use Instruction as I;
        let at = self.stack.len().wrapping_sub(1);
        let result = match instruction {
            I::ToNumber => Value::Number(self.number_at(at)?),
            I::Inc => Value::Number(self.number_at(at)? + 1.0),
            I::Dec => Value::Number(self.number_at(at)? - 1.0),
            I::Neg => Value::Number(-self.number_at(at)?),
            I::BitNot => Value::Number(f64::from(!number::to_int32(self.number_at(at)?))),
            I::TypeOf => Value::text(self.type_of(&self.operand(0))),
            I::ToText => Value::Text(self.text_at(at)?),
            I::RequireObject => match self.operand(0) {
                value @ (Value::Undefined | Value::Null) => {
                    let name = super::property::nullish_name(&value);
                    let written = match self
                        .program
                        .texts
                        .get(&self.pc)
                        .map(|text| (&**text, text.strip_suffix("'undefined'")))
                    {
                        // An argument.
                        Some((_, Some(before))) if matches!(value, Value::Null) => format!("{before}'object null'"),
                        Some((text, _)) => text.to_owned(),
                        None => format!("'{name}'"),
                    };
                    return type_error(format!("Cannot destructure {written} as it is {name}."));
                }
                value => value,
            },
            _ => return Err(Raise::Internal("an operator of one operand")),
        };
        self.replace(1, result)
    }

    fn loosely_equal(&self, first: usize, second: usize) -> Result<bool, Raise> {
        let operand = |at: usize| self.stack.get(at).unwrap_or(&Value::Undefined);
        let (a, b) = (operand(first), operand(second));
        let is_object = |value: &Value| matches!(value, Value::Ref(_) | Value::Builtin(_));
        if a.is_nullish() || b.is_nullish() {
            return Ok(a.is_nullish() && b.is_nullish());
        }
        Ok(match (is_object(a), is_object(b)) {
            (true, true) => a.strict_equals(b),
            (true, false) => self.loose_primitives(&self.primitive_at(first, Hint::Number)?, b)?,
            (false, true) => self.loose_primitives(a, &self.primitive_at(second, Hint::Number)?)?,
            (false, false) => self.loose_primitives(a, b)?,
        })
    }

    fn loose_primitives(&self, a: &Value, b: &Value) -> Result<bool, Raise> {
        match (a, b) {
            (Value::Text(a), Value::Text(b)) => Ok(a == b),
            _ => Ok(self.number_of(a)? == self.number_of(b)?),
        }
    }

    pub(super) fn get_prop(&mut self, linked: &Linked, name: u32) -> Step {
        if linked.names.get(name as usize).is_some_and(|name| name.is_length) {
            let length = match self.stack.last() {
                Some(Value::Text(text)) => Some(text.len()),
                Some(Value::Ref(at)) => self.heap.array(*at).map(super::array::Array::len),
                _ => None,
            };
            if let Some(length) = length {
                return self.replace(1, Value::Number(length as f64));
            }
        }
        let target = self.operand(0);
        let value = match self.quick_method(linked, &target, name) {
            Some(method) => method,
            None => self.property(&target, &name_of(linked, name))?,
        };
        self.replace(1, value)
    }

    pub(super) fn get_index(&mut self) -> Step {
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
                let key = self.text_of(&key)?;
                let name = super::property::nullish_name(&target);
                return type_error(format!("Cannot read properties of {name} (reading '{key}')"));
            }
            _ => {
                let key = self.key_at(self.stack.len().wrapping_sub(1))?;
                self.property(&target, &key)?
            }
        };
        self.replace(2, value)
    }

    fn set_index(&mut self) -> Step {
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
            return self.replace(3, value);
        }
        if target.is_nullish() {
            let (name, key) = (super::property::nullish_name(&target), self.text_of(&self.operand(1))?);
            return type_error(format!("Cannot set properties of {name} (setting '{key}')"));
        }
        let key = self.key_at(self.stack.len().wrapping_sub(2))?;
        self.set_property(&target, key, value.clone())?;
        self.replace(3, value)
    }

    /// Defines an own property of a literal.
    pub(super) fn define(&mut self, target: &Value, key: Value, value: Value) -> Result<(), Raise> {
        let Value::Ref(at) = target else { return Err(Raise::Internal("a literal that is no object")) };
        match self.heap.get(*at) {
            Entry::Array(_) => self.set_property(target, key, value),
            Entry::Object(Object { frozen: true, .. }) => {
                type_error(format!("Cannot define property {}, object is not extensible", self.text_of(&key)?))
            }
            _ => {
                self.heap.table_set(*at, Which::Main, key, value);
                Ok(())
            }
        }
    }

    fn make_object(&mut self, count: usize) -> Step {
        let from = self.stack.len().saturating_sub(2 * count);
        for pair in 0..count {
            self.key_at(from + 2 * pair)?;
        }
        let object = self.heap.allocate(Entry::Object(Object::default()));
        for pair in 0..count {
            let key = self.key_at(from + 2 * pair)?;
            let value = self.stack.get(from + 2 * pair + 1).cloned().unwrap_or(Value::Undefined);
            self.heap.table_set(object, Which::Main, key, value);
        }
        self.replace(2 * count, Value::Ref(object))
    }

    fn rest_properties(&mut self, count: usize) -> Step {
        let from = self.stack.len().saturating_sub(count);
        let keys = (from..from + count).map(|at| self.key_at(at)).collect::<Result<Vec<_>, _>>()?;
        let source = self.stack.get(from.wrapping_sub(1)).cloned().unwrap_or(Value::Undefined);
        let entries = self.own_entries(&source).into_iter();
        let rest = entries.filter(|(key, _)| !keys.iter().any(|k| k.strict_equals(key))).collect();
        let object = self.new_object(rest);
        self.replace(count + 1, object)
    }

    /// A new object of these properties, whose keys differ.
    pub(super) fn new_object(&mut self, pairs: Vec<(Value, Value)>) -> Value {
        if pairs.len() > 200 {
            let object = self.heap.allocate(Entry::Object(Object::default()));
            for (key, value) in pairs {
                self.heap.table_set(object, Which::Main, key, value);
            }
            return Value::Ref(object);
        }
        let object = Object { table: Table::of(pairs), ..Object::default() };
        Value::Ref(self.heap.allocate(Entry::Object(object)))
    }

    /// An iterator over a value, or TypeError.
    pub(super) fn iterator(&mut self, value: &Value) -> Result<Value, Raise> {
        match (self.receiver(value), self.iterable_yields(value)) {
            (Some(Receiver::Iterator), _) => Ok(value.clone()),
            (_, Some(yields)) => Ok(Value::Ref(self.heap.new_cursor(value.clone(), yields))),
            _ => self.not_iterable(value),
        }
    }

    fn iterable_yields(&self, value: &Value) -> Option<Yields> {
        match self.receiver(value)? {
            Receiver::Array | Receiver::String | Receiver::Set | Receiver::Iterator => Some(Yields::Values),
            Receiver::Map => Some(Yields::Entries),
            _ => None,
        }
    }

    fn not_iterable<T>(&self, value: &Value) -> Result<T, Raise> {
        // The text of a call is its callee.
        let written = match self.program.code.get(self.pc as usize) {
            Some(Instruction::Iter(_) | Instruction::Spread) => self.program.texts.get(&self.pc),
            _ => None,
        };
        if let Some(text) = written {
            return type_error(format!("{text} is not iterable"));
        }
        let what = match value {
            Value::Null => "object null".to_owned(),
            Value::Undefined => "undefined".to_owned(),
            Value::Number(_) | Value::Bool(_) => format!("{} {}", self.type_of(value), self.text_of(value)?),
            _ => self.type_of(value).to_owned(),
        };
        type_error(format!("{what} is not iterable (cannot read property Symbol(Symbol.iterator))"))
    }

    /// Everything a value iterates over.
    pub(super) fn iterate(&mut self, value: &Value) -> Result<Vec<Value>, Raise> {
        match value {
            Value::Ref(at) if self.heap.array(*at).is_some() => {
                Ok(self.heap.elements(*at).into_iter().map(Value::or_undefined).collect())
            }
            _ => {
                let Value::Ref(cursor) = self.iterator(value)? else { return Ok(Vec::new()) };
                let mut values = Vec::new();
                while let Some(value) = self.heap.cursor_next(cursor) {
                    values.push(value);
                    // Characters of a text are shared: what there is to bound is the list.
                    self.heap.room(16 * values.len() as u64)?;
                }
                Ok(values)
            }
        }
    }

    fn next_of(&mut self, slot: u16) -> Result<Option<Value>, Raise> {
        match self.stack.get(self.base + usize::from(slot)) {
            Some(Value::Ref(at)) => {
                let at = *at;
                Ok(self.heap.cursor_next(at))
            }
            _ => Err(Raise::Internal("a slot without its iterator")),
        }
    }
}

fn name_of(linked: &Linked, name: u32) -> Value {
    linked.names.get(name as usize).map_or(Value::Undefined, |name| name.key.clone())
}

fn uninitialised<T>(name: &str) -> Result<T, Raise> {
    reference_error(format!("Cannot access '{}' before initialization", written_name(name)))
}

/// The name of a slot as the program writes it: a second variable of the same name is saved as `x$1`, a `$` of its own is
/// doubled. Empty for hidden slots.
pub(super) fn written_name(slot: &str) -> String {
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
