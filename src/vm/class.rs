//! Classes: the operations behind `class`, `new` and `super`. ECMA-262 §15.7 Class Definitions.

use super::abrupt_completion::{AbruptCompletion, reference_error, type_error, unsupported};
use super::call::{Invocation, InvokeOutcome, ThisLocation};
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::InstructionOutcome;
use super::machine::Machine;
use super::object::{Class, ErrorKind, ErrorObject, Object};
use super::program::FunctionKind;
use super::table::TableKind;
use super::value::{HeapRef, Value};

const MUST_CALL_SUPER: &str =
    "Must call super constructor in derived class before accessing 'this' or returning from derived constructor";

impl Machine {
    /// `CLASS`: `( [parent] constructor -- class )`. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    pub(super) fn new_class(&mut self, derived: bool) -> Result<InstructionOutcome, AbruptCompletion> {
        let (constructor, parent) = (self.operand(0), self.operand(1));
        let Value::Ref(class) = constructor else {
            return Err(AbruptCompletion::Internal("a class without its constructor"));
        };
        let proto = if derived { self.parent_prototype(&parent)? } else { None };
        let prototype = Object { proto, prototype: true, ..Object::default() };
        let prototype = self.heap.allocate(Entry::Object(prototype));
        self.heap.table_set(prototype, TableKind::Main, Value::text("constructor"), constructor.clone());
        let Some(Entry::Closure(closure)) = self.heap.get_mut(class) else {
            return Err(AbruptCompletion::Internal("a class without its constructor"));
        };
        closure.home_object = Some(class);
        closure.class = Some(Class { prototype, parent: derived.then_some(parent), fields: None });
        self.replace_operands(1 + usize::from(derived), constructor)
    }

    /// The prototype of the class after `extends`; `None` for built-in error classes. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    /// Deviation: null, plain functions and built-in classes other than errors are not supported after `extends`.
    fn parent_prototype(&self, parent: &Value) -> Result<Option<HeapRef>, AbruptCompletion> {
        match parent {
            Value::Ref(at) => {
                if let Entry::Closure(closure) = self.heap.get(*at)
                    && let Some(class) = &closure.class
                {
                    return Ok(Some(class.prototype));
                }
            }
            Value::Builtin(builtin) if ErrorKind::from_name(builtin.name()).is_some() => return Ok(None),
            Value::Null => return unsupported("a class that extends null is not supported"),
            Value::Builtin(builtin) if self.registry.find(&format!("new {}", builtin.name())).is_some() => {
                return unsupported(format!("a class that extends `{}` is not supported", builtin.name()));
            }
            _ => {}
        }
        if self.is_constructor_in_node(parent) {
            return unsupported("a class that extends a plain function is not supported; write a class");
        }
        type_error(format!("Class extends value {} is not a constructor or null", self.display_text(parent)))
    }

    /// Whether Node constructs objects with this value and this machine does not: plain functions, bound functions and wrapper classes.
    fn is_constructor_in_node(&self, value: &Value) -> bool {
        match value {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(closure) => {
                    let function = self.program.functions.get(closure.function as usize);
                    function.is_some_and(|function| function.kind == FunctionKind::Function && !function.is_async)
                }
                Entry::Bound(_) => true,
                _ => false,
            },
            Value::Builtin(builtin) => matches!(builtin.name(), "Boolean" | "Number" | "String"),
            _ => false,
        }
    }

    /// `METHOD`: `( class f -- class )`. ECMA-262 §10.2.8 DefineMethodProperty.
    pub(super) fn define_method(&mut self, fixed: bool, name: Value) -> Result<InstructionOutcome, AbruptCompletion> {
        let (class, method) = (self.operand(1), self.operand(0));
        self.make_method(&method, &class, fixed);
        let Value::Ref(at) = class else { return Err(AbruptCompletion::Internal("a method without its class")) };
        let prototype = match self.heap.get(at) {
            Entry::Closure(closure) => closure.class.as_ref().map(|class| class.prototype),
            _ => None,
        };
        match prototype {
            _ if fixed => self.heap.table_set(at, TableKind::Hidden, name, method),
            Some(prototype) => self.heap.table_set(prototype, TableKind::Main, name, method),
            None => return Err(AbruptCompletion::Internal("a method without its class")),
        };
        self.stack.pop();
        Ok(InstructionOutcome::FallThrough)
    }

    /// Sets the home object of a method. ECMA-262 §10.2.7 MakeMethod.
    pub(super) fn make_method(&mut self, function: &Value, class: &Value, fixed: bool) {
        if let (Value::Ref(function), Value::Ref(class)) = (function, class)
            && let Some(Entry::Closure(closure)) = self.heap.get_mut(*function)
        {
            closure.home_object = Some(*class);
            closure.is_static = fixed;
        }
    }

    fn class_parts(&self, at: HeapRef) -> Option<&Class> {
        match self.heap.get(at) {
            Entry::Closure(closure) => closure.class.as_ref(),
            _ => None,
        }
    }

    /// `NEW`: class and arguments are on the stack. ECMA-262 §13.3.5.1.1 EvaluateNew and §7.3.14 Construct.
    /// Deviation: `new` of a plain function is not supported.
    pub(super) fn construct(&mut self, argc: usize) -> Result<InstructionOutcome, AbruptCompletion> {
        let base = self.stack.len().saturating_sub(argc);
        let bottom = base.saturating_sub(1);
        let callee = self.stack.get(bottom).cloned().unwrap_or(Value::Undefined);
        if let Value::Builtin(builtin) = &callee
            && let Some(constructor) = self.registry.find(&format!("new {}", builtin.name()))
        {
            let calling = Invocation {
                this: ThisLocation::Undefined,
                base,
                bottom,
                return_pc: self.pc + 1,
                call_kind: CallKind::Plain,
            };
            return match self.invoke(&Value::Builtin(constructor), calling)? {
                InvokeOutcome::Value(value) => {
                    self.stack.push(value);
                    Ok(InstructionOutcome::FallThrough)
                }
                InvokeOutcome::FramePushed => Ok(InstructionOutcome::Jumped),
            };
        }
        let class = match callee {
            Value::Ref(at) if self.class_parts(at).is_some() => at,
            _ => {
                let text = self.program.callee_texts.get(&self.pc).map(|text| (**text).to_owned());
                let text = text.unwrap_or_else(|| self.display_text(&callee));
                if self.is_constructor_in_node(&callee) {
                    return unsupported(format!("`new` of {text}, a plain function, is not supported; write a class"));
                }
                return type_error(format!("{text} is not a constructor"));
            }
        };
        self.run_constructor(class, class, base, bottom, CallKind::New(class))
    }

    /// Runs a constructor on a new object. ECMA-262 §10.2.2 `[[Construct]]`.
    fn run_constructor(
        &mut self,
        constructor: HeapRef,
        class: HeapRef,
        base: usize,
        bottom: usize,
        entry: CallKind,
    ) -> Result<InstructionOutcome, AbruptCompletion> {
        let kind = match self.heap.get(constructor) {
            Entry::Closure(closure) => self.program.functions.get(closure.function as usize).map(|f| f.kind),
            _ => None,
        };
        let this = if kind == Some(FunctionKind::Derived) {
            Value::Uninitialised
        } else {
            let proto = self.class_parts(class).map(|class| class.prototype);
            Value::Ref(self.heap.allocate(Entry::Object(Object { proto, ..Object::default() })))
        };
        // `super(…)` has no operand below its arguments, so a slot for `this` is inserted.
        let fresh = base == bottom;
        if fresh {
            self.stack.insert(bottom, Value::Undefined);
        }
        let Some(place) = self.stack.get_mut(bottom) else {
            return Err(AbruptCompletion::Internal("a class outside the stack"));
        };
        let before = std::mem::replace(place, this);
        let calling = Invocation {
            this: ThisLocation::InPlace,
            base: bottom + 1,
            bottom,
            return_pc: self.pc + 1,
            call_kind: entry,
        };
        match self.call_closure(constructor, calling) {
            Ok(()) => Ok(InstructionOutcome::Jumped),
            Err(raise) => {
                if fresh {
                    self.stack.remove(bottom);
                } else if let Some(place) = self.stack.get_mut(bottom) {
                    *place = before;
                }
                Err(raise)
            }
        }
    }

    fn set_this(&mut self, frame: &CodeFrame, this: Value) {
        if let Some(place) = self.stack.get_mut((frame.base as usize).wrapping_sub(1)) {
            *place = this;
        }
    }

    /// The frame of the running constructor. ECMA-262 §9.4.3 GetThisEnvironment.
    fn constructor_frame(&self) -> Result<(usize, CodeFrame), AbruptCompletion> {
        match self.frames.last() {
            Some(Frame::Code(frame)) if frame.call_kind != CallKind::Plain => Ok((self.frames.len() - 1, *frame)),
            _ => type_error("'super' was called outside its constructor"),
        }
    }

    /// `SUPER_CALL`: the arguments are on the stack. ECMA-262 §13.3.7 The super Keyword.
    /// Deviation: a second call of the super constructor is not supported; the standard runs it and then throws.
    pub(super) fn super_call(&mut self, argc: usize) -> Result<InstructionOutcome, AbruptCompletion> {
        let (_, frame) = self.constructor_frame()?;
        if !matches!(self.frame_this(&frame), Value::Uninitialised) {
            return unsupported("a second call of the super constructor is not supported");
        }
        let (CallKind::New(class) | CallKind::Super(class)) = frame.call_kind else {
            return Err(AbruptCompletion::Internal("a constructor that was not called by new"));
        };
        let base = self.stack.len().saturating_sub(argc);
        match self.class_parts(frame.closure).and_then(|parts| parts.parent.clone()) {
            Some(Value::Ref(parent)) => self.run_constructor(parent, class, base, base, CallKind::Super(class)),
            Some(Value::Builtin(parent)) => {
                let kind = ErrorKind::from_name(parent.name()).unwrap_or_default();
                let this = self.new_error_from_args(kind, base)?;
                let proto = self.class_parts(class).map(|class| class.prototype);
                if let Value::Ref(error) = this
                    && let Some(Entry::Error(error)) = self.heap.get_mut(error)
                {
                    let ErrorObject { object, .. } = &mut **error;
                    object.proto = proto;
                }
                self.set_this(&frame, this.clone());
                self.replace_operands(argc, this)
            }
            _ => type_error("Super constructor is not a constructor"),
        }
    }

    /// Returns from a constructor: unless it returns an object, the result is `this`. ECMA-262 §10.2.2 `[[Construct]]`.
    pub(super) fn return_from_constructor(&mut self) -> Result<InstructionOutcome, AbruptCompletion> {
        let Some(Frame::Code(frame)) = self.frames.last() else {
            return Err(AbruptCompletion::Internal("a return without a frame"));
        };
        let frame = *frame;
        let result = match (self.operand(0), self.frame_this(&frame)) {
            (object @ Value::Ref(_), _) => object,
            (Value::Undefined, Value::Uninitialised) => return reference_error(MUST_CALL_SUPER),
            (_, Value::Uninitialised) => return type_error("Derived constructors may only return object or undefined"),
            (_, this) => this,
        };
        self.frames.pop();
        self.stack.truncate(frame.bottom as usize);
        match self.frames.last() {
            Some(Frame::Code(caller)) => {
                let caller = *caller;
                if let CallKind::Super(_) = frame.call_kind {
                    self.set_this(&caller, result.clone());
                }
                self.base = caller.base as usize;
                self.pc = frame.return_pc;
                self.stack.push(result);
                Ok(InstructionOutcome::Jumped)
            }
            _ => Err(AbruptCompletion::Internal("a constructor without its caller")),
        }
    }

    /// `INIT_FIELDS`: calls the field initialiser of the class with the current `this`.
    /// ECMA-262 §7.3.33 InitializeInstanceElements.
    pub(super) fn init_fields(&mut self) -> Result<InstructionOutcome, AbruptCompletion> {
        let (_, frame) = self.constructor_frame()?;
        match self.class_parts(frame.closure).and_then(|parts| parts.fields) {
            None => self.replace_operands(0, Value::Undefined),
            Some(fields) => {
                let (bottom, this) = (self.stack.len(), self.frame_this(&frame));
                self.stack.push(this);
                let calling = Invocation {
                    this: ThisLocation::InPlace,
                    base: bottom + 1,
                    bottom,
                    return_pc: self.pc + 1,
                    call_kind: CallKind::Plain,
                };
                match self.invoke(&Value::Ref(fields), calling) {
                    Ok(_) => Ok(InstructionOutcome::Jumped),
                    Err(raise) => {
                        self.stack.truncate(bottom);
                        Err(raise)
                    }
                }
            }
        }
    }

    /// `super.name`. ECMA-262 §13.3.7.3 MakeSuperPropertyReference.
    pub(super) fn super_property(&self, name: &Value) -> Result<Value, AbruptCompletion> {
        let Some(Frame::Code(frame)) = self.frames.last() else {
            return Err(AbruptCompletion::Internal("super without a frame"));
        };
        let Entry::Closure(closure) = self.heap.get(frame.closure) else {
            return Err(AbruptCompletion::Internal("super without its home"));
        };
        let parent = closure.home_object.and_then(|home| self.class_parts(home)).and_then(|parts| parts.parent.clone());
        match parent {
            Some(parent @ Value::Ref(_)) if closure.is_static => self.property(&parent, name),
            Some(Value::Ref(parent)) => match self.class_parts(parent) {
                Some(parts) => self.property(&Value::Ref(parts.prototype), name),
                None => Ok(Value::Undefined),
            },
            Some(Value::Builtin(_)) => {
                let text = self.to_text(name)?;
                let found = self.registry.find(&format!("Error.prototype.{text}"));
                Ok(found.map_or(Value::Undefined, Value::Builtin))
            }
            _ => {
                let text = self.to_text(name)?;
                let found = self.registry.find(&format!("Object.prototype.{text}"));
                Ok(found.map_or(Value::Undefined, Value::Builtin))
            }
        }
    }

    /// `value instanceof class`. ECMA-262 §13.10.2 InstanceofOperator and §7.3.21 OrdinaryHasInstance.
    /// Deviation: `Symbol.hasInstance` does not exist.
    pub(super) fn instance_of(&self, value: &Value, class: &Value) -> Result<bool, AbruptCompletion> {
        match class {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(closure) => Ok(match &closure.class {
                    Some(class) => self.has_prototype(value, class.prototype),
                    None => match (value, self.program.functions.get(closure.function as usize).map(|f| f.kind)) {
                        (Value::Ref(_) | Value::Builtin(_), Some(FunctionKind::Arrow)) => {
                            return type_error("Function has non-object prototype 'undefined' in instanceof check");
                        }
                        // Plain functions do not construct objects here.
                        _ => false,
                    },
                }),
                Entry::Bound(bound) => self.instance_of(value, &bound.target),
                _ => type_error("Right-hand side of 'instanceof' is not callable"),
            },
            Value::Builtin(builtin) if !builtin.is_namespace() => {
                let Value::Ref(at) = value else {
                    return Ok(matches!(value, Value::Builtin(_)) && matches!(builtin.name(), "Function" | "Object"));
                };
                Ok(match (builtin.name(), self.heap.get(*at)) {
                    ("Object", _) | ("Error", Entry::Error(_)) | ("Array", Entry::Array(_)) => true,
                    ("Map", Entry::Map(_)) | ("Set", Entry::Set(_)) | ("RegExp", Entry::RegExp(_)) => true,
                    ("Function", Entry::Closure(_) | Entry::Bound(_)) => true,
                    (name, Entry::Error(error)) => error.kind.name() == name,
                    _ => false,
                })
            }
            Value::Builtin(_) => type_error("Right-hand side of 'instanceof' is not callable"),
            _ => type_error("Right-hand side of 'instanceof' is not an object"),
        }
    }

    fn has_prototype(&self, value: &Value, prototype: HeapRef) -> bool {
        let Value::Ref(at) = value else { return false };
        let mut proto = match self.heap.get(*at) {
            Entry::Object(object) => object.proto,
            Entry::Error(error) => error.object.proto,
            _ => None,
        };
        for _ in 0..10_000 {
            match proto {
                None => return false,
                Some(at) if at == prototype => return true,
                Some(at) => {
                    proto = match self.heap.get(at) {
                        Entry::Object(object) => object.proto,
                        _ => None,
                    }
                }
            }
        }
        false
    }
}
