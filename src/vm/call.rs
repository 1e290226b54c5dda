//! Calls: a function of the program gets a frame, a built-in function runs at once. Classes and `new` are in `class.rs`.

use super::abrupt_completion::{AbruptCompletion, type_error, unsupported};
use super::builtin::{NativeArgs, NativeOutcome};
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::InstructionOutcome;
use super::limits::ExceededLimit;
use super::machine::{LinkedProgram, Machine};
use super::object::Closure;
use super::program::{Capture, FunctionKind, PromiseUse};
use super::value::{HeapRef, Value};

/// The outcome of a call.
pub(super) enum InvokeOutcome {
    /// The call returned a value, and its operands are removed.
    Value(Value),
    /// A frame was pushed; `pc` and `base` are set.
    FramePushed,
}

/// A call about to be made. Its arguments are the stack from `base` on, and the slot below them is for `this`.
#[derive(Clone, Copy)]
pub(super) struct Invocation {
    pub(super) this: ThisLocation,
    pub(super) base: usize,
    pub(super) bottom: usize,
    pub(super) return_pc: u32,
    pub(super) call_kind: CallKind,
}

/// The location of `this` of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ThisLocation {
    /// Directly below the arguments.
    InPlace,
    /// One slot below the callee, which is below the arguments.
    Below,
    /// Not on the stack: `this` is undefined.
    Undefined,
}

impl Machine {
    /// `CALL`: callee and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall.
    pub(super) fn call(&mut self, argc: usize) -> Result<InstructionOutcome, AbruptCompletion> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(1);
        self.call_at(
            bottom,
            Invocation {
                this: ThisLocation::Undefined,
                base,
                bottom,
                return_pc: self.pc + 1,
                call_kind: CallKind::Plain,
            },
        )
    }

    /// `CALL_THIS`: `this`, callee and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall.
    pub(super) fn call_with_this(&mut self, argc: usize) -> Result<InstructionOutcome, AbruptCompletion> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(2);
        let calling =
            Invocation { this: ThisLocation::Below, base, bottom, return_pc: self.pc + 1, call_kind: CallKind::Plain };
        self.call_at(bottom + 1, calling)
    }

    /// Calls the value at an index of the stack.
    fn call_at(&mut self, at: usize, calling: Invocation) -> Result<InstructionOutcome, AbruptCompletion> {
        if let Some(Value::Ref(closure)) = self.stack.get(at) {
            let closure = *closure;
            if let Entry::Closure(_) = self.heap.get(closure) {
                self.call_closure(closure, calling)?;
                return Ok(InstructionOutcome::Jumped);
            }
        }
        let callee = self.stack.get(at).cloned().unwrap_or(Value::Undefined);
        self.call_value(&callee, calling)
    }

    /// `CALL_METHOD`: receiver and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall with a property reference.
    pub(super) fn call_method(
        &mut self,
        linked: &LinkedProgram,
        argc: usize,
        name: u32,
    ) -> Result<InstructionOutcome, AbruptCompletion> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(1);
        let receiver = self.stack.get(bottom).cloned().unwrap_or(Value::Undefined);
        let Some(name) = linked.names.get(name as usize) else {
            return Err(AbruptCompletion::Internal("a name outside its table"));
        };
        let kind = self.receiver(&receiver);
        // Arrays, strings, Maps and Sets seldom have properties of the program.
        let own = match &receiver {
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Object(object) => self.get_from_chain(object, &name.key),
                Entry::Array(array) => array.extra.as_ref().and_then(|table| self.heap.table_get(table, &name.key)),
                Entry::Map(_) | Entry::Set(_) | Entry::Iterator(_) => None,
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
        if matches!(callee, Value::Undefined) && !self.program.callee_texts.contains_key(&self.pc) {
            let key = self.to_text(&name.key)?;
            return type_error(format!("{}.{key} is not a function", self.type_of(&receiver)));
        }
        let calling = Invocation {
            this: ThisLocation::InPlace,
            base,
            bottom,
            return_pc: self.pc + 1,
            call_kind: CallKind::Plain,
        };
        self.call_value(&callee, calling)
    }

    /// `CALL_NATIVE`, `NEW_NATIVE`: the arguments are on the stack. ECMA-262 §10.3.3 BuiltinCallOrConstruct.
    pub(super) fn call_native(
        &mut self,
        linked: &LinkedProgram,
        argc: usize,
        name: u32,
        prefix: &str,
    ) -> Result<InstructionOutcome, AbruptCompletion> {
        let builtin = match linked.names.get(name as usize) {
            Some(name) if prefix.is_empty() => name.builtin,
            Some(name) => name.constructor,
            None => None,
        };
        let base = self.stack.len().saturating_sub(argc);
        match builtin {
            Some(builtin) => {
                let calling = Invocation {
                    this: ThisLocation::Undefined,
                    base,
                    bottom: base,
                    return_pc: self.pc + 1,
                    call_kind: CallKind::Plain,
                };
                self.call_value(&Value::Builtin(builtin), calling)
            }
            None => {
                let name = self.program.names.get(name as usize).map_or("", |name| &**name);
                type_error(format!("{name} is not a {}", if prefix.is_empty() { "function" } else { "constructor" }))
            }
        }
    }

    fn call_value(&mut self, callee: &Value, calling: Invocation) -> Result<InstructionOutcome, AbruptCompletion> {
        match self.invoke(callee, calling)? {
            InvokeOutcome::Value(value) => {
                self.stack.push(value);
                Ok(InstructionOutcome::FallThrough)
            }
            InvokeOutcome::FramePushed => Ok(InstructionOutcome::Jumped),
        }
    }

    /// Calls a value. ECMA-262 §7.3.13 Call, §10.3.1 `[[Call]]` of built-in and §10.4.1.1 `[[Call]]` of bound functions.
    pub(super) fn invoke(&mut self, callee: &Value, calling: Invocation) -> Result<InvokeOutcome, AbruptCompletion> {
        match callee {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(_) => self.call_closure(*at, calling).map(|()| InvokeOutcome::FramePushed),
                Entry::Bound(bound) => {
                    let bound = bound.clone();
                    let (base, count) = (calling.base, bound.args.len());
                    let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) else {
                        return Err(AbruptCompletion::Internal("a call without a place for this"));
                    };
                    let before = std::mem::replace(place, bound.this);
                    self.stack.splice(base..base, bound.args);
                    let flow = self.invoke(&bound.target, Invocation { this: ThisLocation::InPlace, ..calling });
                    if flow.is_err() {
                        self.stack.drain(base..base + count);
                        if let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) {
                            *place = before;
                        }
                    }
                    flow
                }
                _ => self.throw_not_a_function(callee),
            },
            Value::Builtin(builtin) if !builtin.is_namespace() => {
                let Some(native) = self.registry.native(*builtin) else {
                    return Err(AbruptCompletion::Internal("a built-in without code"));
                };
                let Invocation { this, base, bottom, return_pc, .. } = calling;
                let this = match this {
                    ThisLocation::InPlace => self.stack.get(base.wrapping_sub(1)).cloned(),
                    ThisLocation::Below => self.stack.get(base.wrapping_sub(2)).cloned(),
                    ThisLocation::Undefined => None,
                };
                let count = self.stack.len().saturating_sub(base);
                let args = NativeArgs { this: this.unwrap_or(Value::Undefined), base, count, bottom, return_pc };
                match native(self, &args)? {
                    NativeOutcome::Value(value) => {
                        self.stack.truncate(bottom);
                        Ok(InvokeOutcome::Value(value))
                    }
                    NativeOutcome::FramePushed => Ok(InvokeOutcome::FramePushed),
                }
            }
            _ => self.throw_not_a_function(callee),
        }
    }

    /// Calls a closure by pushing its frame. ECMA-262 §10.2.1 `[[Call]]`.
    /// Deviation: an async function runs only where its promise is awaited at once.
    #[inline]
    pub(super) fn call_closure(&mut self, at: HeapRef, calling: Invocation) -> Result<(), AbruptCompletion> {
        let Entry::Closure(closure) = self.heap.get(at) else {
            return Err(AbruptCompletion::Internal("a call of a value that is not a closure"));
        };
        let function = closure.function;
        let Some(described) = self.program.functions.get(function as usize) else {
            return Err(AbruptCompletion::Internal("a function outside its table"));
        };
        if described.is_async && !self.is_awaited() {
            return self.throw_not_awaited(function);
        }
        match described.kind {
            FunctionKind::Arrow => {
                let this = closure.this.clone().unwrap_or(Value::Undefined);
                self.push_frame(at, function, calling)?;
                if !matches!((&this, calling.this), (Value::Undefined, ThisLocation::Undefined)) {
                    self.store_this(calling.base, this);
                }
                Ok(())
            }
            FunctionKind::Class | FunctionKind::Derived if calling.call_kind == CallKind::Plain => {
                let name = self.function_name(function);
                type_error(format!("Class constructor {name} cannot be invoked without 'new'"))
            }
            _ => self.push_frame(at, function, calling),
        }
    }

    /// Whether the value of the running call is awaited at once: by its caller, or by a caller of the functions that return it.
    fn is_awaited(&self) -> bool {
        for (index, pc) in self.frames_with_pc() {
            let Some(Frame::Code(frame)) = self.frames.get(index) else { return false };
            match self.program.promise_uses.get(&pc) {
                Some(PromiseUse::Await) => return true,
                // An async function runs only where its call is awaited.
                Some(PromiseUse::Return) if self.is_async(frame.function) => return true,
                Some(PromiseUse::Return) => {}
                None => return false,
            }
        }
        false
    }

    fn is_async(&self, function: u32) -> bool {
        self.program.functions.get(function as usize).is_some_and(|described| described.is_async)
    }

    #[cold]
    fn throw_not_awaited<T>(&self, function: u32) -> Result<T, AbruptCompletion> {
        let name = match self.function_name(function) {
            "" => "(anonymous)",
            name => name,
        };
        unsupported(format!(
            "the call of the async function `{name}` is not awaited at once: promises are not supported. Write await \
             before the call."
        ))
    }

    fn store_this(&mut self, base: usize, this: Value) {
        if let Some(place) = self.stack.get_mut(base.wrapping_sub(1)) {
            *place = this;
        }
    }

    #[cold]
    fn throw_not_a_function<T>(&self, callee: &Value) -> Result<T, AbruptCompletion> {
        match self.program.callee_texts.get(&self.pc) {
            Some(text) => type_error(format!("{text} is not a function")),
            None => type_error(format!("{} is not a function", self.display_text(callee))),
        }
    }

    /// Pushes the frame of a function whose arguments are the stack from `base` on. ECMA-262 §10.2.11 FunctionDeclarationInstantiation.
    fn push_frame(&mut self, closure: HeapRef, function: u32, calling: Invocation) -> Result<(), AbruptCompletion> {
        let Some(described) = self.program.functions.get(function as usize) else {
            return Err(AbruptCompletion::Internal("a function outside its table"));
        };
        if self.frames.len() >= self.limits.frames as usize {
            return Err(ExceededLimit::Frames.into());
        }
        let (base, slots, params) = (calling.base, described.slots.len(), usize::from(described.params));
        if base + slots + described.max_stack as usize > self.limits.stack as usize {
            return Err(ExceededLimit::Stack.into());
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
            ThisLocation::InPlace => {}
            ThisLocation::Undefined => self.store_this(base, Value::Undefined),
            ThisLocation::Below => {
                let this = self.stack.get(base.wrapping_sub(2)).cloned().unwrap_or(Value::Undefined);
                self.store_this(base, this);
            }
        }
        self.frames.push(Frame::Code(CodeFrame {
            function,
            return_pc: calling.return_pc,
            bottom: calling.bottom as u32,
            base: base as u32,
            closure,
            call_kind: calling.call_kind,
        }));
        self.base = base;
        self.pc = entry;
        Ok(())
    }

    /// `FUNCTION`: creates a closure of the running frame. ECMA-262 §10.2.3 OrdinaryFunctionCreate.
    pub(super) fn new_closure(&mut self, number: u32) -> Result<InstructionOutcome, AbruptCompletion> {
        let program = std::sync::Arc::clone(&self.program);
        let Some(function) = program.functions.get(number as usize) else {
            return Err(AbruptCompletion::Internal("a function outside its table"));
        };
        let mut captures = Vec::with_capacity(function.captures.len());
        for capture in &function.captures {
            let cell = match capture {
                Capture::Slot(slot) => match self.stack.get(self.base + usize::from(*slot)) {
                    Some(Value::Ref(at)) => Some(*at),
                    _ => None,
                },
                Capture::Capture(index) => self.captured_cell(*index),
            };
            captures.push(cell.ok_or(AbruptCompletion::Internal("a capture without its cell"))?);
        }
        let mut closure = Closure { function: number, captures, ..Closure::default() };
        if function.kind == FunctionKind::Arrow {
            closure.this = Some(self.current_this());
            if let Some(Frame::Code(frame)) = self.frames.last()
                && let Entry::Closure(outer) = self.heap.get(frame.closure)
            {
                (closure.home_object, closure.is_static) = (outer.home_object, outer.is_static);
            }
        }
        let closure = self.heap.allocate(Entry::Closure(Box::new(closure)));
        self.stack.push(Value::Ref(closure));
        Ok(InstructionOutcome::FallThrough)
    }

    /// Replaces the array on top of the stack by its elements for one call. If the call fails, the array is restored.
    /// ECMA-262 §13.3.8.1 ArgumentListEvaluation.
    pub(super) fn with_spread_arguments(
        &mut self,
        call: impl FnOnce(&mut Machine, usize) -> Result<InstructionOutcome, AbruptCompletion>,
    ) -> Result<InstructionOutcome, AbruptCompletion> {
        let array = self.operand(0);
        let elements = self.iterate(&array)?;
        let (below, count) = (self.stack.len().saturating_sub(1), elements.len());
        if below + count > self.limits.stack as usize {
            return Err(ExceededLimit::Stack.into());
        }
        self.stack.truncate(below);
        self.stack.extend(elements);
        call(self, count).map_err(|raise| {
            self.stack.truncate(below);
            self.stack.push(array);
            match raise {
                AbruptCompletion::ToPrimitive(at, _) if at >= below => AbruptCompletion::Unsupported(
                    "an object with its own toString cannot be spread into this call; call String() on it first"
                        .to_owned(),
                ),
                raise => raise,
            }
        })
    }
}
