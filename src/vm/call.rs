//! Calls: functions of the program get a frame, built-in functions run at once. Classes and `new` are in `class.rs`.

use super::builtin::{Args, Done};
use super::entry::Entry;
use super::frame::{CodeFrame, Entered, Frame};
use super::interpreter::Next;
use super::limits::Exceeded;
use super::machine::{Linked, Machine};
use super::object::Closure;
use super::program::{Capture, FunctionKind, Wait};
use super::raise::{Raise, type_error, unsupported};
use super::value::{HeapRef, Value};

/// How a call went.
pub(super) enum Flow {
    /// It gave a value; the operands are taken.
    Value(Value),
    /// A frame was pushed; `pc` and `base` are set.
    Entered,
}

/// A call about to be made; its arguments are the stack from `base` on, and the place below them is for `this`.
#[derive(Clone, Copy)]
pub(super) struct Calling {
    pub(super) this: This,
    pub(super) base: usize,
    pub(super) bottom: usize,
    pub(super) return_pc: u32,
    pub(super) entry: Entered,
}

/// Where `this` of a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum This {
    /// Right below the arguments already.
    InPlace,
    /// One below, under the callee.
    Below,
    /// Nowhere: it is undefined.
    Undefined,
}

impl Machine {
    /// `CALL`: callee and arguments are on the stack.
    pub(super) fn call(&mut self, argc: usize) -> Result<Next, Raise> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(1);
        self.call_at(
            bottom,
            Calling { this: This::Undefined, base, bottom, return_pc: self.pc + 1, entry: Entered::Plain },
        )
    }

    /// `CALL_THIS`: `this`, callee and arguments are on the stack.
    pub(super) fn call_with_this(&mut self, argc: usize) -> Result<Next, Raise> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(2);
        let calling = Calling { this: This::Below, base, bottom, return_pc: self.pc + 1, entry: Entered::Plain };
        self.call_at(bottom + 1, calling)
    }

    /// Calls what stands at a place of the stack.
    fn call_at(&mut self, at: usize, calling: Calling) -> Result<Next, Raise> {
        if let Some(Value::Ref(closure)) = self.stack.get(at) {
            let closure = *closure;
            if let Entry::Closure(_) = self.heap.get(closure) {
                self.call_closure(closure, calling)?;
                return Ok(Next::Moved);
            }
        }
        let callee = self.stack.get(at).cloned().unwrap_or(Value::Undefined);
        self.call_value(&callee, calling)
    }

    /// `CALL_METHOD`: receiver and arguments are on the stack.
    pub(super) fn call_method(&mut self, linked: &Linked, argc: usize, name: u32) -> Result<Next, Raise> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(1);
        let receiver = self.stack.get(bottom).cloned().unwrap_or(Value::Undefined);
        let Some(name) = linked.names.get(name as usize) else {
            return Err(Raise::Internal("a name outside its table"));
        };
        let kind = self.receiver(&receiver);
        // Lists, texts and the like have no properties of the program's but in rare cases.
        let own = match &receiver {
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Object(object) => self.chained(object, &name.key),
                Entry::Array(array) => array.extra.as_ref().and_then(|table| self.heap.table_get(table, &name.key)),
                Entry::Map(_) | Entry::Set(_) | Entry::Cursor(_) => None,
                _ => Some(self.property(&receiver, &name.key)?),
            },
            _ => Some(self.property(&receiver, &name.key)?),
        };
        let callee = match (own, kind) {
            (Some(own), _) => own,
            (None, Some(kind)) => {
                let own = name.methods.get(kind as usize).copied().flatten();
                match own.or(name.methods[super::builtin::Receiver::Object as usize]) {
                    Some(builtin) => Value::Builtin(builtin),
                    None => self.property(&receiver, &name.key)?,
                }
            }
            (None, None) => Value::Undefined,
        };
        if matches!(callee, Value::Undefined) && !self.program.texts.contains_key(&self.pc) {
            let key = self.text_of(&name.key)?;
            return type_error(format!("{}.{key} is not a function", self.type_of(&receiver)));
        }
        let calling = Calling { this: This::InPlace, base, bottom, return_pc: self.pc + 1, entry: Entered::Plain };
        self.call_value(&callee, calling)
    }

    /// `CALL_NATIVE`, `NEW_NATIVE`: the arguments are on the stack.
    pub(super) fn call_native(&mut self, linked: &Linked, argc: usize, name: u32, prefix: &str) -> Result<Next, Raise> {
        let builtin = match linked.names.get(name as usize) {
            Some(name) if prefix.is_empty() => name.builtin,
            Some(name) => name.constructor,
            None => None,
        };
        let base = self.stack.len().saturating_sub(argc);
        match builtin {
            Some(builtin) => {
                let calling = Calling {
                    this: This::Undefined,
                    base,
                    bottom: base,
                    return_pc: self.pc + 1,
                    entry: Entered::Plain,
                };
                self.call_value(&Value::Builtin(builtin), calling)
            }
            None => {
                let name = self.program.names.get(name as usize).map_or("", |name| &**name);
                type_error(format!("{name} is not a {}", if prefix.is_empty() { "function" } else { "constructor" }))
            }
        }
    }

    fn call_value(&mut self, callee: &Value, calling: Calling) -> Result<Next, Raise> {
        match self.invoke(callee, calling)? {
            Flow::Value(value) => {
                self.stack.push(value);
                Ok(Next::Follow)
            }
            Flow::Entered => Ok(Next::Moved),
        }
    }

    /// Calls what a value holds.
    pub(super) fn invoke(&mut self, callee: &Value, calling: Calling) -> Result<Flow, Raise> {
        match callee {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(_) => self.call_closure(*at, calling).map(|()| Flow::Entered),
                Entry::Bound(bound) => {
                    let bound = bound.clone();
                    let (base, count) = (calling.base, bound.args.len());
                    let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) else {
                        return Err(Raise::Internal("a call without a place for this"));
                    };
                    let before = std::mem::replace(place, bound.this);
                    self.stack.splice(base..base, bound.args);
                    let flow = self.invoke(&bound.target, Calling { this: This::InPlace, ..calling });
                    if flow.is_err() {
                        self.stack.drain(base..base + count);
                        if let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) {
                            *place = before;
                        }
                    }
                    flow
                }
                _ => self.not_a_function(callee),
            },
            Value::Builtin(builtin) if !builtin.is_namespace() => {
                let Some(native) = self.registry.native(*builtin) else {
                    return Err(Raise::Internal("a built-in without code"));
                };
                let Calling { this, base, bottom, return_pc, .. } = calling;
                let this = match this {
                    This::InPlace => self.stack.get(base.wrapping_sub(1)).cloned(),
                    This::Below => self.stack.get(base.wrapping_sub(2)).cloned(),
                    This::Undefined => None,
                };
                let count = self.stack.len().saturating_sub(base);
                let args = Args { this: this.unwrap_or(Value::Undefined), base, count, bottom, return_pc };
                match native(self, &args)? {
                    Done::Value(value) => {
                        self.stack.truncate(bottom);
                        Ok(Flow::Value(value))
                    }
                    Done::Entered => Ok(Flow::Entered),
                }
            }
            _ => self.not_a_function(callee),
        }
    }

    /// Calls a closure: pushes its frame.
    #[inline]
    pub(super) fn call_closure(&mut self, at: HeapRef, calling: Calling) -> Result<(), Raise> {
        let Entry::Closure(closure) = self.heap.get(at) else { return Err(Raise::Internal("a call of no closure")) };
        let function = closure.function;
        let Some(described) = self.program.functions.get(function as usize) else {
            return Err(Raise::Internal("a function outside its table"));
        };
        if described.is_async && !self.is_awaited() {
            return self.not_awaited(function);
        }
        match described.kind {
            FunctionKind::Arrow => {
                let this = closure.this.clone().unwrap_or(Value::Undefined);
                self.enter(at, function, calling)?;
                if !matches!((&this, calling.this), (Value::Undefined, This::Undefined)) {
                    self.put_this(calling.base, this);
                }
                Ok(())
            }
            FunctionKind::Class | FunctionKind::Derived if calling.entry == Entered::Plain => {
                let name = self.function_name(function);
                type_error(format!("Class constructor {name} cannot be invoked without 'new'"))
            }
            _ => self.enter(at, function, calling),
        }
    }

    /// Whether the value of the running call is awaited at once: by its own function, or by a caller of the functions that return it.
    fn is_awaited(&self) -> bool {
        for (index, pc) in self.running() {
            let Some(Frame::Code(frame)) = self.frames.get(index) else { return false };
            match self.program.waits.get(&pc) {
                Some(Wait::Await) => return true,
                // An async function runs only where it is awaited.
                Some(Wait::Return) if self.is_async(frame.function) => return true,
                Some(Wait::Return) => {}
                None => return false,
            }
        }
        false
    }

    fn is_async(&self, function: u32) -> bool {
        self.program.functions.get(function as usize).is_some_and(|described| described.is_async)
    }

    #[cold]
    fn not_awaited<T>(&self, function: u32) -> Result<T, Raise> {
        let name = match self.function_name(function) {
            "" => "(anonymous)",
            name => name,
        };
        unsupported(format!(
            "the call of the async function `{name}` is not awaited at once: promises are not supported. Write await \
             before the call."
        ))
    }

    fn put_this(&mut self, base: usize, this: Value) {
        if let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) {
            *place = this;
        }
    }

    #[cold]
    fn not_a_function<T>(&self, callee: &Value) -> Result<T, Raise> {
        match self.program.texts.get(&self.pc) {
            Some(text) => type_error(format!("{text} is not a function")),
            None => type_error(format!("{} is not a function", self.shown(callee))),
        }
    }

    /// Pushes the frame of a function whose arguments are the stack from `base` on.
    fn enter(&mut self, closure: HeapRef, function: u32, calling: Calling) -> Result<(), Raise> {
        let Some(described) = self.program.functions.get(function as usize) else {
            return Err(Raise::Internal("a function outside its table"));
        };
        if self.frames.len() >= self.limits.frames as usize {
            return Err(Exceeded::Frames.into());
        }
        let (base, slots, params) = (calling.base, described.slots.len(), usize::from(described.params));
        if base + slots + described.max_stack as usize > self.limits.stack as usize {
            return Err(Exceeded::Stack.into());
        }
        let entry = described.entry;
        if described.rest {
            let from = (base + params).min(self.stack.len());
            let rest = self.stack.split_off(from);
            self.stack.resize(base + params, Value::Undefined);
            let rest = self.heap.new_array(rest);
            self.stack.push(Value::Ref(rest));
        } else if self.stack.len() > base + params {
            self.stack.truncate(base + params);
        }
        while self.stack.len() < base + slots {
            self.stack.push(Value::Undefined);
        }
        match calling.this {
            This::InPlace => {}
            This::Undefined => self.put_this(base, Value::Undefined),
            This::Below => {
                let this = self.stack.get(base.wrapping_sub(2)).cloned().unwrap_or(Value::Undefined);
                self.put_this(base, this);
            }
        }
        self.frames.push(Frame::Code(CodeFrame {
            function,
            return_pc: calling.return_pc,
            bottom: calling.bottom as u32,
            base: base as u32,
            closure,
            entry: calling.entry,
        }));
        self.base = base;
        self.pc = entry;
        Ok(())
    }

    /// `FUNCTION`: makes a closure of the running frame.
    pub(super) fn new_closure(&mut self, number: u32) -> Result<Next, Raise> {
        let program = std::sync::Arc::clone(&self.program);
        let Some(function) = program.functions.get(number as usize) else {
            return Err(Raise::Internal("a function outside its table"));
        };
        let mut captures = Vec::with_capacity(function.captures.len());
        for capture in &function.captures {
            let cell = match capture {
                Capture::Slot(slot) => match self.stack.get(self.base + usize::from(*slot)) {
                    Some(Value::Ref(at)) => Some(*at),
                    _ => None,
                },
                Capture::Capture(index) => self.captured(*index),
            };
            captures.push(cell.ok_or(Raise::Internal("a capture without its cell"))?);
        }
        let mut closure = Closure { function: number, captures, ..Closure::default() };
        if function.kind == FunctionKind::Arrow {
            closure.this = Some(self.this());
            if let Some(Frame::Code(frame)) = self.frames.last()
                && let Entry::Closure(outer) = self.heap.get(frame.closure)
            {
                (closure.home, closure.fixed) = (outer.home, outer.fixed);
            }
        }
        let closure = self.heap.allocate(Entry::Closure(Box::new(closure)));
        self.stack.push(Value::Ref(closure));
        Ok(Next::Follow)
    }

    /// Replaces the array on top of the stack by its elements for the time of a call. When that fails, the array is back.
    pub(super) fn with_unpacked(
        &mut self,
        call: impl FnOnce(&mut Machine, usize) -> Result<Next, Raise>,
    ) -> Result<Next, Raise> {
        let array = self.operand(0);
        let elements = self.iterate(&array)?;
        let (below, count) = (self.stack.len().saturating_sub(1), elements.len());
        if below + count > self.limits.stack as usize {
            return Err(Exceeded::Stack.into());
        }
        self.stack.truncate(below);
        self.stack.extend(elements);
        call(self, count).map_err(|raise| {
            self.stack.truncate(below);
            self.stack.push(array);
            match raise {
                Raise::Primitive(at, _) if at >= below => Raise::Unsupported(
                    "an object with its own toString cannot be spread into this call; call String() on it first"
                        .to_owned(),
                ),
                raise => raise,
            }
        })
    }
}
