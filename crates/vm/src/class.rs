//! Classes: the operations behind `class`, `new` and `super`. ECMA-262 §15.7 Class Definitions.

use super::abrupt_completion::{Completion, internal, reference_error, type_error, unsupported};
use super::call::{Invocation, ThisLocation};
use super::callback::{CallbackMethod, NativeFrame};
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, StepResult};
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::natives::{Builtin, NativeArgs, NativeOutcome, Receiver, errors, promise};
use super::object::{ARRAY_PROTOTYPE, COLLECTION, Class, ErrorKind, ErrorObject, Object, Prototype, PrototypeKind};
use super::program::{DecodedInstruction as I, FunctionKind};
use super::property::MAX_PROTOTYPE_CHAIN;
use super::table::TableKind;
use super::text::Str;
use super::value::{HeapRef, Symbol, Value};
use super::{accessor, call, conversion, descriptor, iteration, property, slow_path, work};

/// The message of V8 for `this` before `super(…)`.
pub(super) const MUST_CALL_SUPER: &str =
    "Must call super constructor in derived class before accessing 'this' or returning from derived constructor";

/// `CLASS`: `( [parent] constructor -- class )`. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
pub(super) fn new_class(machine: &mut Machine, derived: bool) -> StepResult {
    let (constructor, parent) = (slow_path::operand(machine, 0), slow_path::operand(machine, 1));
    let Value::Ref(class) = constructor else { return internal("a class without its constructor") };
    let proto = if derived { parent_prototype(machine, &parent)? } else { Prototype::DEFAULT };
    let parent = Some(parent).filter(|parent| derived && !matches!(parent, Value::Null));
    let prototype = new_prototype(machine, proto, constructor.clone());
    let Some(Entry::Closure(closure)) = machine.heap.get_mut(class) else {
        return internal("a class without its constructor");
    };
    closure.home_object = Some(class);
    closure.class = Some(Class { prototype, parent, fields: None });
    slow_path::replace_operands(machine, 1 + usize::from(derived), constructor)
}

/// Allocates the prototype of a class or function. ECMA-262 §10.2.5 MakeConstructor.
fn new_prototype(machine: &mut Machine, proto: Prototype, constructor: Value) -> HeapRef {
    let prototype = machine.heap.allocate(Entry::Object(Object { proto, ..Object::default() }));
    machine.heap.table_set(prototype, TableKind::Hidden, Value::text("constructor"), constructor);
    prototype
}

/// The prototype of the objects that a plain function constructs, which it has from its first use. `None`: the value is
/// no such function. ECMA-262 §10.2.5 MakeConstructor.
pub(super) fn function_prototype(machine: &mut Machine, function: &Value) -> Option<HeapRef> {
    let Value::Ref(at) = *function else { return None };
    let Entry::Closure(closure) = machine.heap.get(at) else { return None };
    if let Some(class) = &closure.class {
        return Some(class.prototype);
    }
    if !property::is_plain_constructor(machine, closure) {
        return None;
    }
    let prototype = new_prototype(machine, Prototype::DEFAULT, Value::Ref(at));
    set_function_prototype(machine, at, prototype);
    Some(prototype)
}

/// Makes the prototype of a plain function, if the key is its name.
pub(super) fn make_prototype(machine: &mut Machine, target: &Value, key: &Value) {
    if let (Value::Ref(at), Value::Text(name)) = (target, key)
        && matches!(machine.heap.get(*at), Entry::Closure(_))
        && *name == Str::new("prototype")
    {
        function_prototype(machine, target);
    }
}

/// Sets the property `prototype` of a plain function.
pub(super) fn set_function_prototype(machine: &mut Machine, at: HeapRef, prototype: HeapRef) {
    if let Some(Entry::Closure(closure)) = machine.heap.get_mut(at) {
        match &mut closure.class {
            Some(class) => class.prototype = prototype,
            class => *class = Some(Class { prototype, parent: None, fields: None }),
        }
    }
}

/// Built-in classes other than errors that a class may extend.
const EXTENSIBLE_CLASSES: [&str; 8] = ["Array", "Date", "Iterator", "Map", "Object", "Set", "WeakMap", "WeakSet"];

/// The prototype of the class after `extends`. ECMA-262 §15.7.14 ClassDefinitionEvaluation. Deviation: bound functions
/// and other built-in classes are not supported.
fn parent_prototype(machine: &mut Machine, parent: &Value) -> Completion<Prototype> {
    if let Some(prototype) = function_prototype(machine, parent) {
        return Ok(Prototype::object(prototype));
    }
    match parent {
        Value::Builtin(builtin)
            if ErrorKind::from_name(builtin.name()).is_some() || EXTENSIBLE_CLASSES.contains(&builtin.name()) =>
        {
            let prototype = Builtin::prototype_of_class(builtin.name()).filter(|_| builtin.name() != "Object");
            return Ok(prototype.map_or(Prototype::DEFAULT, Prototype::builtin));
        }
        Value::Null => return Ok(Prototype::NULL),
        Value::Builtin(builtin) if machine.registry.find(&format!("new {}", builtin.name())).is_some() => {
            return unsupported(format!("a class that extends `{}` is not supported", builtin.name()));
        }
        _ => {}
    }
    if is_constructor_in_node(machine, parent) {
        return unsupported("a class that extends a bound function or a wrapper class is not supported; write a class");
    }
    type_error(format!(
        "Class extends value {} is not a constructor or null",
        iteration::receiver_text(machine, parent)
    ))
}

/// Whether Node constructs objects with this value and this machine may not: bound functions and wrapper classes.
fn is_constructor_in_node(machine: &mut Machine, value: &Value) -> bool {
    match value {
        Value::Ref(at) => match property::bound_target(machine, *at) {
            Ok((target, 1.., _)) => {
                function_prototype(machine, &target).is_some() || is_constructor_in_node(machine, &target)
            }
            _ => false,
        },
        Value::Builtin(builtin) => {
            matches!(builtin.name(), "Boolean" | "Number" | "String")
                || machine.registry.find(&format!("new {}", builtin.name())).is_some()
        }
        _ => false,
    }
}

/// `METHOD`: `( class f -- class )`. ECMA-262 §10.2.8 DefineMethodProperty.
pub(super) fn define_method(machine: &mut Machine, is_static: bool, name: Value) -> StepResult {
    let (class, method) = (slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    make_method(machine, &method, &class, is_static);
    let Value::Ref(at) = class else { return internal("a method without its class") };
    let owner = if is_static { Some(at) } else { class_parts(machine, at).map(|class| class.prototype) };
    let Some(owner) = owner else { return internal("a method without its class") };
    machine.heap.table_set(owner, TableKind::Hidden, name, method);
    slow_path::drop_operand(machine)
}

/// Sets the home object of a method. ECMA-262 §10.2.7 MakeMethod.
pub(super) fn make_method(machine: &mut Machine, function: &Value, class: &Value, is_static: bool) {
    if let (Value::Ref(function), Value::Ref(class)) = (function, class)
        && let Some(Entry::Closure(closure)) = machine.heap.get_mut(*function)
    {
        closure.home_object = Some(*class);
        closure.is_static = is_static;
    }
}

fn class_parts(machine: &Machine, at: HeapRef) -> Option<&Class> {
    match machine.heap.get(at) {
        Entry::Closure(closure) => closure.class.as_ref(),
        _ => None,
    }
}

/// `NEW`: class and arguments are on the stack. ECMA-262 §13.3.5.1.1 EvaluateNew and §7.3.14 Construct.
/// Deviation: `new` of a bound built-in is not supported.
pub(super) fn construct(machine: &mut Machine, argc: usize) -> StepResult {
    let base = machine.stack.len().saturating_sub(argc);
    let bottom = base.saturating_sub(1);
    let callee = machine.stack.get(bottom).cloned().unwrap_or(Value::Undefined);
    if let Value::Builtin(builtin) = &callee
        && let Some(constructor) = machine.registry.find(&format!("new {}", builtin.name()))
    {
        let invocation = Invocation {
            this: ThisLocation::Undefined,
            base,
            bottom,
            return_pc: machine.pc + 1,
            call_kind: CallKind::Plain,
        };
        return call::call_value(machine, &Value::Builtin(constructor), invocation);
    }
    let class = match (function_prototype(machine, &callee), &callee) {
        (Some(_), Value::Ref(at)) => *at,
        (None, Value::Ref(at))
            if let (target, 1.., count) = property::bound_target(machine, *at)?
                && function_prototype(machine, &target).is_some() =>
        {
            return construct_bound(machine, *at, (target, count), base);
        }
        _ => {
            let text = machine.program.callee_texts.get(&machine.pc).map(|text| (**text).to_owned());
            let text = text.unwrap_or_else(|| iteration::receiver_text(machine, &callee));
            if is_constructor_in_node(machine, &callee) {
                return unsupported(format!("`new` of {text} is not supported; write a class"));
            }
            return type_error(format!("{text} is not a constructor"));
        }
    };
    run_constructor(machine, class, class, base, bottom, CallKind::New(class))
}

/// Constructs the target of a bound function, whose arguments come first. If the call fails, the operands are restored.
/// ECMA-262 §10.4.1.2 `[[Construct]]`.
fn construct_bound(machine: &mut Machine, bound: HeapRef, (target, count): (Value, usize), base: usize) -> StepResult {
    if machine.stack.len() + count > machine.limits.stack as usize {
        return Err(ExceededLimit::Stack.into());
    }
    let (mut at, mut args, mut depth) = (bound, Vec::new(), 0);
    while let Entry::Bound(bound) = machine.heap.get(at) {
        args.extend(bound.args.iter().rev().cloned());
        work::count_link(depth);
        depth += 1;
        let Value::Ref(next) = bound.target else { break };
        at = next;
    }
    work::count_items(count);
    machine.stack.splice(base..base, args.into_iter().rev());
    if let Some(place) = machine.stack.get_mut(base.wrapping_sub(1)) {
        *place = target;
    }
    let outcome = construct(machine, machine.stack.len() - base);
    outcome.inspect_err(|_| {
        machine.stack.drain(base..base + count);
        if let Some(place) = machine.stack.get_mut(base.wrapping_sub(1)) {
            *place = Value::Ref(bound);
        }
    })
}

/// Runs a constructor on a new object. ECMA-262 §10.2.2 `[[Construct]]`.
fn run_constructor(
    machine: &mut Machine,
    constructor: HeapRef,
    class: HeapRef,
    base: usize,
    bottom: usize,
    call_kind: CallKind,
) -> StepResult {
    let kind = match machine.heap.get(constructor) {
        Entry::Closure(closure) => machine.program.functions.get(closure.function as usize).map(|f| f.kind),
        _ => None,
    };
    let this = if kind == Some(FunctionKind::Derived) {
        Value::Uninitialized
    } else {
        let proto = class_parts(machine, class).map_or(Prototype::DEFAULT, |class| Prototype::object(class.prototype));
        Value::Ref(machine.heap.allocate(Entry::Object(Object { proto, ..Object::default() })))
    };
    // `super(…)` has no operand below its arguments, so a slot for `this` is inserted.
    let inserted = base == bottom;
    if inserted {
        machine.stack.insert(bottom, Value::Undefined);
    }
    let Some(place) = machine.stack.get_mut(bottom) else { return internal("a class outside the stack") };
    let previous = std::mem::replace(place, this);
    let invocation =
        Invocation { this: ThisLocation::InPlace, base: bottom + 1, bottom, return_pc: machine.pc + 1, call_kind };
    match call::call_closure(machine, constructor, invocation) {
        Ok(()) => Ok(InstructionOutcome::Jumped),
        Err(completion) => {
            if inserted {
                machine.stack.remove(bottom);
            } else if let Some(place) = machine.stack.get_mut(bottom) {
                *place = previous;
            }
            Err(completion)
        }
    }
}

fn set_this(machine: &mut Machine, frame: &CodeFrame, this: Value) {
    if let Some(place) = machine.stack.get_mut((frame.base as usize).wrapping_sub(1)) {
        *place = this;
    }
}

/// The frame of the running constructor. ECMA-262 §9.4.3 GetThisEnvironment.
fn constructor_frame(machine: &Machine) -> Completion<(usize, CodeFrame)> {
    match machine.frames.last() {
        Some(Frame::Code(frame)) if matches!(frame.call_kind, CallKind::New(_) | CallKind::Super(_)) => {
            Ok((machine.frames.len() - 1, *frame))
        }
        _ => type_error("'super' was called outside its constructor"),
    }
}

/// `SUPER_CALL`: the arguments are on the stack. ECMA-262 §13.3.7 The super Keyword.
/// Deviation: a second call of the super constructor is not supported; the standard runs it and then throws.
pub(super) fn super_call(machine: &mut Machine, argc: usize) -> StepResult {
    let (_, frame) = constructor_frame(machine)?;
    if !matches!(slow_path::frame_this(machine, &frame), Value::Uninitialized) {
        return unsupported("a second call of the super constructor is not supported");
    }
    let (CallKind::New(class) | CallKind::Super(class)) = frame.call_kind else {
        return internal("a constructor that was not called by new");
    };
    let base = machine.stack.len().saturating_sub(argc);
    match class_parts(machine, frame.closure).and_then(|parts| parts.parent.clone()) {
        Some(Value::Ref(parent)) if function_prototype(machine, &Value::Ref(parent)).is_some() => {
            run_constructor(machine, parent, class, base, base, CallKind::Super(class))
        }
        Some(Value::Builtin(parent)) => {
            let prototype = class_parts(machine, class).map(|class| class.prototype).unwrap_or(HeapRef::NONE);
            let (this, return_pc) = (Value::Undefined, machine.pc + 1);
            let args = NativeArgs { builtin: None, this, base, count: argc, bottom: base, return_pc };
            let is_new = |frame: &Frame| matches!(frame, Frame::Code(CodeFrame { call_kind: CallKind::New(_), .. }));
            let depth = machine.frames.iter().rposition(is_new).unwrap_or(machine.frames.len());
            let this = match ErrorKind::from_name(parent.name()) {
                Some(ErrorKind::Aggregate) => promise::new_aggregate_error(machine, &args, depth)?,
                Some(kind) => errors::new_error_from_args(machine, kind, base, depth)?,
                None if matches!(parent.name(), "Iterator" | "Object") => {
                    Value::Ref(machine.heap.allocate(Entry::Object(Object::default())))
                }
                None => new_builtin(machine, parent, prototype, &args)?,
            };
            let this = match this {
                Value::Ref(at) => Value::Ref(set_prototype(machine, at, prototype)),
                this => this,
            };
            set_this(machine, &frame, this.clone());
            slow_path::replace_operands(machine, argc, this)
        }
        _ => {
            let name = match machine.heap.get(frame.closure) {
                Entry::Closure(closure) => property::function_name(machine, closure.function),
                _ => "",
            };
            let name = if name.is_empty() { "anonymous class" } else { name };
            type_error(format!("Super constructor null of {name} is not a constructor"))
        }
    }
}

/// Calls the constructor of a class of [`EXTENSIBLE_CLASSES`] other than Iterator and Object. ECMA-262 §21.4.2.1 Date,
/// §23.1.1.1 Array, §24.1.1.1 Map, §24.2.2.1 Set, §24.3.1.1 WeakMap, §24.4.1.1 WeakSet. Deviation: a collection is
/// filled without `set` or `add` of the program, so a class that declares it takes no iterable.
fn new_builtin(machine: &mut Machine, parent: Builtin, prototype: HeapRef, args: &NativeArgs) -> Completion<Value> {
    let native =
        machine.registry.find(&format!("new {}", parent.name())).and_then(|found| machine.registry.native(found));
    let Some(native) = native else { return internal("a class without its constructor") };
    let adder = if parent.name().ends_with("Map") { "set" } else { "add" };
    if !matches!(parent.name(), "Array" | "Date")
        && machine.stack.get(args.base).is_some_and(|iterable| !iterable.is_nullish())
        && let Entry::Object(object) = machine.heap.get(prototype)
        && property::get_from_chain(machine, object, &Value::text(adder)).is_some()
    {
        return unsupported(format!(
            "an iterable for a class with its own `{adder}` is not supported; call `{adder}` for each value"
        ));
    }
    match native(machine, args)? {
        NativeOutcome::Value(value) => Ok(value),
        NativeOutcome::FramePushed => internal("a constructor that pushed a frame"),
    }
}

/// Gives a new built-in object the prototype of a class, and returns the object.
fn set_prototype(machine: &mut Machine, at: HeapRef, prototype: HeapRef) -> HeapRef {
    match machine.heap.get_mut(at) {
        Some(Entry::Error(error)) => {
            let ErrorObject { object, .. } = &mut **error;
            object.proto = Prototype::object(prototype);
            at
        }
        // A WeakMap, a WeakSet or an ordinary object.
        Some(Entry::Object(object)) => {
            object.proto = Prototype::object(prototype);
            at
        }
        Some(Entry::Array(_)) => {
            machine.heap.table_set(at, TableKind::Main, ARRAY_PROTOTYPE, Value::Ref(prototype));
            at
        }
        _ => {
            let object = Object { proto: Prototype::object(prototype), holds_collection: true, ..Object::default() };
            let object = machine.heap.allocate(Entry::Object(object));
            machine.heap.table_set(object, TableKind::Main, COLLECTION, Value::Ref(at));
            object
        }
    }
}

/// A new array of the class of an array. ECMA-262 §10.4.2.2 ArraySpeciesCreate.
/// Deviation: a class with a constructor or fields is not supported.
pub(super) fn new_array_like(machine: &mut Machine, like: HeapRef, values: Vec<Value>) -> Completion<HeapRef> {
    let prototype = machine.heap.prototype(like);
    if let Some(prototype) = prototype
        && !has_default_constructor(machine, prototype)
    {
        return unsupported(
            "a new array of a class with a constructor or fields is not supported; copy it first: [...list]",
        );
    }
    Ok(new_array_with(machine, prototype, values))
}

/// A new array with the prototype of a class that extends Array.
pub(super) fn new_array_with(machine: &mut Machine, prototype: Option<HeapRef>, values: Vec<Value>) -> HeapRef {
    let array = machine.heap.new_array(values);
    prototype.map_or(array, |prototype| set_prototype(machine, array, prototype))
}

/// The prototype of the arrays that `Array.from` and `Array.of` make with this constructor; `None` for Array.
/// ECMA-262 §23.1.2.1 Array.from, §23.1.2.3 Array.of. Deviation: of the classes only those are supported that extend
/// Array without a constructor and fields of their own.
pub(super) fn array_prototype(machine: &Machine, constructor: &Value) -> Completion<Option<HeapRef>> {
    match constructor {
        Value::Builtin(builtin) if builtin.name() == "Array" => Ok(None),
        Value::Ref(class)
            if extends_array(machine, *class)
                && let Some(Class { prototype, .. }) = class_parts(machine, *class)
                && has_default_constructor(machine, *prototype) =>
        {
            Ok(Some(*prototype))
        }
        this if conversion::is_callable(machine, this) => unsupported(
            "Array.from and Array.of make arrays, and those of classes without a constructor and fields; call them on \
             Array",
        ),
        _ => Ok(None),
    }
}

/// The built-in class that a class extends, perhaps by way of other classes.
fn builtin_ancestor(machine: &Machine, mut class: HeapRef) -> Option<Builtin> {
    // A damaged state may hold a cycle.
    for depth in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(depth);
        match class_parts(machine, class)?.parent.as_ref()? {
            Value::Ref(parent) => class = *parent,
            Value::Builtin(parent) => return Some(*parent),
            _ => return None,
        }
    }
    None
}

/// Whether a class extends Array, perhaps by way of other classes.
pub(super) fn extends_array(machine: &Machine, class: HeapRef) -> bool {
    builtin_ancestor(machine, class).is_some_and(|ancestor| ancestor.name() == "Array")
}

/// Whether the class of a prototype and those it extends have no constructor of their own and no fields.
fn has_default_constructor(machine: &Machine, prototype: HeapRef) -> bool {
    let mut class = machine
        .heap
        .table(prototype, TableKind::Hidden)
        .and_then(|table| machine.heap.table_get(table, &Value::text("constructor")));
    // A damaged state may hold a cycle.
    for depth in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(depth);
        class = match class {
            Some(Value::Builtin(_)) => return true,
            Some(Value::Ref(at)) => match machine.heap.get(at) {
                Entry::Closure(closure) => {
                    let entry =
                        machine.program.functions.get(closure.function as usize).map_or(0, |f| f.entry as usize);
                    let code = machine.program.code.get(entry..).unwrap_or(&[]);
                    let passes_on = matches!(
                        code,
                        [I::Load(_), I::SuperCallSpread, I::Pop, I::InitFields, I::Pop, I::This, I::Return, ..]
                    );
                    match &closure.class {
                        Some(Class { fields: None, parent, .. }) if passes_on => parent.clone(),
                        _ => return false,
                    }
                }
                _ => return false,
            },
            _ => return false,
        };
    }
    false
}

/// Returns from a constructor: unless it returns an object, the result is `this`. ECMA-262 §10.2.2 `[[Construct]]`.
pub(super) fn return_from_constructor(machine: &mut Machine) -> StepResult {
    let Some(Frame::Code(frame)) = machine.frames.last() else { return internal("a return without a frame") };
    let frame = *frame;
    let result = match (slow_path::operand(machine, 0), slow_path::frame_this(machine, &frame)) {
        (object @ (Value::Ref(_) | Value::Builtin(_)), _) => object,
        (Value::Undefined, Value::Uninitialized) => return reference_error(MUST_CALL_SUPER),
        (Value::Undefined, this) => this,
        _ if machine.program.functions.get(frame.function as usize).map(|f| f.kind) == Some(FunctionKind::Derived) => {
            return type_error("Derived constructors may only return object or undefined");
        }
        (_, this) => this,
    };
    machine.frames.pop();
    machine.stack.truncate(frame.bottom as usize);
    match machine.frames.last() {
        Some(Frame::Code(caller)) => {
            let caller = *caller;
            if let CallKind::Super(_) = frame.call_kind {
                set_this(machine, &caller, result.clone());
            }
            machine.base = caller.base as usize;
            machine.pc = frame.return_pc;
            machine.stack.push(result);
            Ok(InstructionOutcome::Jumped)
        }
        _ => internal("a constructor without its caller"),
    }
}

/// `INIT_FIELDS`: calls the field initializer of the class with the current `this`.
/// ECMA-262 §7.3.33 InitializeInstanceElements.
pub(super) fn init_fields(machine: &mut Machine) -> StepResult {
    let (_, frame) = constructor_frame(machine)?;
    match class_parts(machine, frame.closure).and_then(|parts| parts.fields) {
        None => slow_path::replace_operands(machine, 0, Value::Undefined),
        Some(fields) => {
            let place = (machine.stack.len(), machine.pc + 1);
            let this = slow_path::frame_this(machine, &frame);
            let outcome = call::invoke_above(machine, &Value::Ref(fields), this, [], place)?;
            call::finish(machine, outcome)
        }
    }
}

/// `super.name`. ECMA-262 §13.3.7.3 MakeSuperPropertyReference.
pub(super) fn super_property(machine: &Machine, name: &Value) -> Completion<Value> {
    let Some(Frame::Code(frame)) = machine.frames.last() else { return internal("super without a frame") };
    let Entry::Closure(closure) = machine.heap.get(frame.closure) else { return internal("super without its home") };
    if let Some(home) = closure.home_object
        && let Entry::Object(_) = machine.heap.get(home)
    {
        return property::lookup(machine, &descriptor::prototype_of(machine, &Value::Ref(home)), name);
    }
    match closure.home_object.and_then(|home| class_parts(machine, home)).and_then(|parts| parts.parent.as_ref()) {
        Some(parent) if closure.is_static => return property::lookup(machine, parent, name),
        _ if !closure.is_static => {
            let home = closure.home_object.and_then(|home| class_parts(machine, home)).map(|parts| parts.prototype);
            if let Some(above) = home.and_then(|home| machine.heap.prototype(home))
                && let Some(found) = property::find_property(machine, &Value::Ref(above), name)?
            {
                return Ok(found);
            }
        }
        _ => {}
    }
    let ancestor = closure.home_object.and_then(|home| builtin_ancestor(machine, home));
    if let Value::Symbol(_) = name {
        return match ancestor {
            None => Ok(Value::Undefined),
            Some(_) => unsupported("a method of a built-in class under a symbol is not read by `super[…]` here"),
        };
    }
    let text = conversion::to_text(machine, name)?.to_utf8();
    let Some(ancestor) = ancestor else {
        let receiver = if closure.is_static { Receiver::Function } else { Receiver::Object };
        return property::inherited_property(receiver, &text);
    };
    let class = ancestor.name();
    match (ErrorKind::from_name(class), text.as_str()) {
        (_, "constructor") => return Ok(Value::Builtin(ancestor)),
        (Some(kind), "name") => return Ok(Value::text(kind.name())),
        (Some(_), "message") => return Ok(Value::Text(Str::empty())),
        (Some(_), text) => return property::inherited_property(Receiver::Error, text),
        (None, _) => {}
    }
    if text == "size"
        && let Value::Ref(at) = slow_path::frame_this(machine, frame)
        && let Some(collection) = machine.heap.collection(at)
    {
        return property::property(machine, &Value::Ref(collection), name);
    }
    let mut owners = [class, "Object"].into_iter();
    match owners.find_map(|owner| machine.registry.find(&format!("{owner}.prototype.{text}"))) {
        Some(found) => Ok(Value::Builtin(found)),
        None if class == "Object" => property::inherited_property(Receiver::Object, &text),
        None => unsupported(format!("`super.{text}` of a class that extends {class} is not supported")),
    }
}

/// `INSTANCEOF`: `( value class -- bool )`. ECMA-262 §13.10.2 InstanceofOperator.
pub(super) fn instance_of_operator(machine: &mut Machine) -> StepResult {
    let (value, mut class) = (slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    if let Value::Ref(at) = class
        && let Entry::Bound(_) = machine.heap.get(at)
    {
        class = property::bound_target(machine, at)?.0;
    }
    let found = match &class {
        Value::Ref(_) => property::own_or_inherited(machine, &class, &Value::Symbol(Symbol::HAS_INSTANCE))?,
        _ => None,
    };
    let Some(method) = iteration::require_method(machine, found.unwrap_or(Value::Undefined))? else {
        let is_instance = instance_of(machine, &value, &class)?;
        return slow_path::replace_operands(machine, 2, Value::Bool(is_instance));
    };
    let (top, return_pc) = (machine.stack.len(), machine.pc + 1);
    let frame = NativeFrame::new(CallbackMethod::HasInstance, top.saturating_sub(2), top, return_pc);
    accessor::finish_native(machine, NativeFrame { this: class, item: value, callback: method, ..frame })
}

/// Whether a class has constructed a value. ECMA-262 §7.3.21 OrdinaryHasInstance.
pub(super) fn instance_of(machine: &Machine, value: &Value, class: &Value) -> Completion<bool> {
    match class {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Closure(closure) => Ok(match &closure.class {
                Some(class) => has_prototype(machine, value, class.prototype),
                // ECMA-262 §27.3.4.3 prototype: a generator is an instance of its function.
                None if super::generator::is_created_by(machine, value, *at) => true,
                None => match (value, machine.program.functions.get(closure.function as usize).map(|f| f.kind)) {
                    (Value::Ref(_) | Value::Builtin(_), Some(FunctionKind::Arrow)) => {
                        return type_error("Function has non-object prototype 'undefined' in instanceof check");
                    }
                    // A plain function without a prototype has constructed nothing.
                    _ => false,
                },
            }),
            Entry::Bound(_) => instance_of(machine, value, &property::bound_target(machine, *at)?.0),
            _ => type_error("Right-hand side of 'instanceof' is not callable"),
        },
        Value::Builtin(builtin) if !builtin.is_namespace() => {
            let Value::Ref(at) = value else {
                let mut above = value.clone();
                while let Value::Builtin(_) = above {
                    above = descriptor::prototype_of(machine, &above);
                    if matches!(above, Value::Builtin(found) if found.class_of_prototype() == Some(builtin.name())) {
                        return Ok(true);
                    }
                }
                return Ok(false);
            };
            let at = machine.heap.collection(*at).unwrap_or(*at);
            Ok(match (builtin.name(), machine.heap.get(at)) {
                ("Object", Entry::Object(object)) => {
                    property::last_prototype(&machine.heap, object) != PrototypeKind::Null
                }
                ("Object", _) | ("Error", Entry::Error(_)) | ("Array", Entry::Array(_)) => true,
                ("Map", Entry::Map(_))
                | ("Set", Entry::Set(_))
                | ("RegExp", Entry::RegExp(_))
                | ("Date", Entry::Date(_))
                | ("Promise", Entry::Promise(_)) => true,
                ("ArrayBuffer", Entry::Buffer(_)) => true,
                (name, Entry::View(view)) => view.kind.name() == name,
                ("Function", Entry::Closure(_) | Entry::Bound(_)) => true,
                (name, Entry::Closure(_)) => call::function_class(machine, value) == name,
                (name, Entry::Error(error)) => error.kind.name() == name,
                ("Iterator", _) => {
                    matches!(property::receiver(machine, value), Some(Receiver::Iterator | Receiver::Generator))
                }
                ("WeakMap" | "WeakSet", _) => {
                    property::receiver(machine, value).is_some_and(|kind| kind.name() == builtin.name())
                }
                (name, Entry::Object(object)) => match property::last_prototype(&machine.heap, object) {
                    PrototypeKind::Builtin(prototype) => match prototype.class_of_prototype() {
                        Some(class) => class == name || (name == "Error" && ErrorKind::from_name(class).is_some()),
                        None => false,
                    },
                    _ => false,
                },
                _ => false,
            })
        }
        Value::Builtin(_) => type_error("Right-hand side of 'instanceof' is not callable"),
        _ => type_error("Right-hand side of 'instanceof' is not an object"),
    }
}

fn has_prototype(machine: &Machine, value: &Value, prototype: HeapRef) -> bool {
    matches!(value, Value::Ref(at) if machine.heap.prototype_chain(*at).skip(1).any(|at| at == prototype))
}
