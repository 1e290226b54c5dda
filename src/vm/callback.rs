//! Built-in functions that call back into the program (`map`, `sort`, `replace`, …). The program may ask within a
//! callback, so such a function is a frame with its state laid open, saved like any other.
//!
//! The operands of the call stay on the stack until the function ends; callbacks get theirs above them.

use super::builtin::{Args, Done};
use super::call::{Calling, Flow, This};
use super::entry::Entry;
use super::frame::{Entered, Frame};
use super::limits::Exceeded;
use super::machine::Machine;
use super::raise::{Hint, Raise, type_error, unsupported};
use super::sorting::Sorting;
use super::value::Value;

/// What a waiting function does with its callback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the built-in method of its name")]
pub enum Kind {
    Map,
    Filter,
    ForEach,
    Some,
    Every,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    Reduce,
    ReduceRight,
    FlatMap,
    Sort,
    From,
    /// `forEach` of Map and Set, over an iterator of entries.
    Entries,
    /// `replace` with a function: `source` lists the calls' arguments, `out` collects the results.
    Replace,
    /// A method makes a primitive of an operand; then the instruction runs again.
    Primitive,
}

impl Kind {
    const NAMES: [(Kind, &'static str); 17] = [
        (Kind::Map, "map"),
        (Kind::Filter, "filter"),
        (Kind::ForEach, "forEach"),
        (Kind::Some, "some"),
        (Kind::Every, "every"),
        (Kind::Find, "find"),
        (Kind::FindIndex, "findIndex"),
        (Kind::FindLast, "findLast"),
        (Kind::FindLastIndex, "findLastIndex"),
        (Kind::Reduce, "reduce"),
        (Kind::ReduceRight, "reduceRight"),
        (Kind::FlatMap, "flatMap"),
        (Kind::Sort, "sort"),
        (Kind::From, "from"),
        (Kind::Entries, "entries"),
        (Kind::Replace, "replace"),
        (Kind::Primitive, "primitive"),
    ];

    /// As a snapshot writes it.
    pub fn name(self) -> &'static str {
        Kind::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// From a snapshot.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn backwards(self) -> bool {
        matches!(self, Kind::FindLast | Kind::FindLastIndex | Kind::ReduceRight)
    }

    /// Whether elements that an array does not have are passed over.
    fn skips_holes(self) -> bool {
        !matches!(self, Kind::Find | Kind::FindIndex | Kind::FindLast | Kind::FindLastIndex | Kind::From)
    }
}

/// A built-in function that waits for a callback.
#[derive(Clone)]
pub struct Waiting {
    /// Which function.
    pub kind: Kind,
    /// Where the stack is cut when it ends.
    pub bottom: u32,
    /// Where the callback's arguments begin.
    pub top: u32,
    /// Where the program goes on when it ends.
    pub return_pc: u32,
    /// What is called back.
    pub callback: Value,
    /// `this` of the callback.
    pub this: Value,
    /// What is walked over.
    pub source: Value,
    /// Steps begun.
    pub index: u32,
    /// Steps there are.
    pub len: u32,
    /// What becomes of it: the result so far.
    pub out: Value,
    /// What the running callback was called with.
    pub item: Value,
    /// The state of a sort.
    pub sorting: Option<Box<Sorting>>,
}

enum Step {
    /// The arguments are on the stack.
    Call,
    Done(Value),
}

impl Waiting {
    /// A function over the elements of an array.
    pub(super) fn over(machine: &mut Machine, args: &Args, kind: Kind) -> Result<Waiting, Raise> {
        let callback = machine.arg(args, 0);
        if !machine.is_callable(&callback) {
            return type_error(format!("{} is not a function", machine.shown(&callback)));
        }
        let len = match &args.this {
            Value::Ref(at) => machine.heap.array_len(*at) as u32,
            _ => 0,
        };
        Ok(Waiting {
            kind,
            bottom: args.bottom as u32,
            top: machine.stack.len() as u32,
            return_pc: args.return_pc,
            callback,
            this: machine.arg(args, 1),
            source: args.this.clone(),
            index: 0,
            len,
            out: Value::Undefined,
            item: Value::Undefined,
            sorting: None,
        })
    }

    /// Calls the program's method that makes a primitive of an operand.
    pub(super) fn primitive(machine: &mut Machine, at: usize, hint: Hint) -> Result<(), Raise> {
        let value = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
        let Some(callback) = machine.own_conversion(&value, hint) else {
            return Err(Raise::Internal("a conversion without its method"));
        };
        let top = machine.stack.len() as u32;
        let waiting = Waiting {
            kind: Kind::Primitive,
            bottom: top,
            top,
            return_pc: machine.pc,
            callback,
            this: value.clone(),
            source: value,
            index: 0,
            len: 1,
            out: Value::Number(at as f64),
            item: Value::Undefined,
            sorting: None,
        };
        match machine.begin(waiting)? {
            Done::Entered => Ok(()),
            Done::Value(_) => Err(Raise::Internal("a conversion that is not the program's")),
        }
    }

    /// Whether the instruction that led here runs again afterwards.
    pub fn again(&self) -> bool {
        self.kind == Kind::Primitive
    }

    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        for value in [&self.callback, &self.this, &self.source, &self.out, &self.item] {
            visit(value);
        }
        if let Some(sorting) = &self.sorting {
            sorting.each(visit);
        }
    }

    /// The next callback, or the end.
    fn next(&mut self, machine: &mut Machine) -> Result<Step, Raise> {
        match self.kind {
            Kind::Sort => self.next_comparison(machine),
            Kind::Entries => {
                let Value::Ref(cursor) = self.out else { return Ok(Step::Done(Value::Undefined)) };
                let Some(Value::Ref(entry)) = machine.heap.cursor_next(cursor) else {
                    return Ok(Step::Done(Value::Undefined));
                };
                let (key, value) = (machine.heap.element(entry, 0), machine.heap.element(entry, 1));
                machine.stack.extend([value, key, self.source.clone()]);
                Ok(Step::Call)
            }
            Kind::Primitive => Ok(Step::Call),
            Kind::Replace => {
                let Value::Ref(calls) = self.source else { return Ok(Step::Done(Value::Undefined)) };
                if self.index >= self.len {
                    return super::natives::string::replaced(machine, self).map(Step::Done);
                }
                let Value::Ref(arguments) = machine.heap.element(calls, self.index as usize) else {
                    return Err(Raise::Internal("a replacement without its arguments"));
                };
                self.index += 1;
                let mut arguments = machine.heap.elements(arguments);
                // The text stands behind the place, the only number.
                let place = arguments.iter().position(|argument| matches!(argument, Value::Number(_)));
                if let Some(text) = place.and_then(|place| arguments.get_mut(place + 1)) {
                    *text = self.item.clone();
                }
                machine.stack.extend(arguments);
                Ok(Step::Call)
            }
            _ => self.next_element(machine),
        }
    }

    fn next_element(&mut self, machine: &mut Machine) -> Result<Step, Raise> {
        let Value::Ref(array) = self.source else { return Ok(Step::Done(Value::Undefined)) };
        // An iterator sees what is added behind it.
        if self.kind == Kind::From {
            self.len = machine.heap.array_len(array) as u32;
        }
        while self.index < self.len {
            let index = if self.kind.backwards() { self.len - 1 - self.index } else { self.index };
            self.index += 1;
            let element = machine.heap.element(array, index as usize);
            if matches!(element, Value::Hole) && self.kind.skips_holes() {
                if self.kind == Kind::Map
                    && let Value::Ref(out) = self.out
                {
                    machine.heap.push(out, Value::Hole)?;
                }
                continue;
            }
            let element = element.or_undefined();
            // A callback is rarely interested in more than the element.
            let mut wanted = machine.parameters(&self.callback);
            if let Kind::Filter | Kind::Find | Kind::FindLast = self.kind {
                self.item = element.clone();
            }
            if let Kind::Reduce | Kind::ReduceRight = self.kind {
                machine.stack.push(self.out.clone());
                wanted = wanted.saturating_sub(1);
            }
            machine.stack.push(element);
            if wanted > 1 {
                machine.stack.push(Value::Number(f64::from(index)));
            }
            if wanted > 2 && self.kind != Kind::From {
                machine.stack.push(Value::Ref(array));
            }
            return Ok(Step::Call);
        }
        Ok(Step::Done(match self.kind {
            Kind::Some => Value::Bool(false),
            Kind::Every => Value::Bool(true),
            Kind::FindIndex | Kind::FindLastIndex => Value::Number(-1.0),
            Kind::ForEach | Kind::Find | Kind::FindLast => Value::Undefined,
            _ => self.out.clone(),
        }))
    }

    fn next_comparison(&mut self, machine: &mut Machine) -> Result<Step, Raise> {
        let Some(sorting) = &mut self.sorting else { return Ok(Step::Done(self.out.clone())) };
        if let Some((a, b)) = sorting.pair() {
            machine.stack.extend([a, b]);
            return Ok(Step::Call);
        }
        if let Value::Ref(out) = self.out {
            let values = sorting.finished();
            machine.heap.set_elements(out, values);
        }
        Ok(Step::Done(self.out.clone()))
    }

    /// Takes in what the callback returned. `Some` ends the function.
    fn accept(&mut self, machine: &mut Machine, result: Value) -> Result<Option<Value>, Raise> {
        let index = self.index.wrapping_sub(1);
        let index = if self.kind.backwards() { self.len.wrapping_sub(1).wrapping_sub(index) } else { index };
        match self.kind {
            Kind::Map | Kind::From => self.collect(machine, result)?,
            Kind::Filter if result.truthy() => self.collect(machine, self.item.clone())?,
            Kind::FlatMap => match result {
                Value::Ref(at) if machine.heap.array(at).is_some() => {
                    for value in machine.heap.elements(at) {
                        if !matches!(value, Value::Hole) {
                            self.collect(machine, value)?;
                        }
                    }
                }
                result => self.collect(machine, result)?,
            },
            Kind::Some if result.truthy() => return Ok(Some(Value::Bool(true))),
            Kind::Every if !result.truthy() => return Ok(Some(Value::Bool(false))),
            Kind::Find | Kind::FindLast if result.truthy() => return Ok(Some(self.item.clone())),
            Kind::FindIndex | Kind::FindLastIndex if result.truthy() => {
                return Ok(Some(Value::Number(f64::from(index))));
            }
            Kind::Reduce | Kind::ReduceRight => self.out = result,
            Kind::Sort => {
                let order = machine.number_of(&result)?;
                if let Some(sorting) = &mut self.sorting {
                    sorting.decide(order < 0.0);
                }
            }
            Kind::Replace => {
                let text = machine.text_of(&result)?;
                self.collect(machine, Value::Text(text))?;
            }
            Kind::Primitive => {
                let primitive = match result {
                    Value::Ref(_) | Value::Builtin(_) => {
                        return unsupported("a toString or valueOf that returns an object is not supported");
                    }
                    primitive => primitive,
                };
                if let Value::Number(at) = self.out
                    && let Some(operand) = machine.stack.get_mut(at as usize)
                {
                    *operand = primitive;
                }
                return Ok(Some(Value::Undefined));
            }
            _ => {}
        }
        Ok(None)
    }

    fn collect(&self, machine: &mut Machine, value: Value) -> Result<(), Raise> {
        if let Value::Ref(out) = self.out {
            machine.heap.push(out, value)?;
        }
        Ok(())
    }
}

/// A waiting function that has ended.
struct Ended {
    value: Value,
    return_pc: u32,
    again: bool,
}

impl Machine {
    /// Starts a function that calls back.
    pub(super) fn begin(&mut self, waiting: Waiting) -> Result<Done, Raise> {
        if self.frames.len() >= self.limits.frames as usize {
            return Err(Exceeded::Frames.into());
        }
        let (top, depth) = (waiting.top as usize, self.frames.len());
        self.frames.push(Frame::Native(Box::new(waiting)));
        match self.drive() {
            Ok(Some(ended)) => Ok(Done::Value(ended.value)),
            Ok(None) => Ok(Done::Entered),
            Err(raise) => {
                // As if it had not begun: the operands are still there.
                self.frames.truncate(depth);
                self.stack.truncate(top);
                Err(match raise {
                    Raise::Primitive(at, _) if at >= top => Raise::Unsupported(
                        "a built-in function used as a callback met an object with its own toString; use an arrow"
                            .to_owned(),
                    ),
                    raise => raise,
                })
            }
        }
    }

    /// Runs the waiting function on top until a callback of the program runs or it ends.
    fn drive(&mut self) -> Result<Option<Ended>, Raise> {
        loop {
            let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                return Err(Raise::Internal("a callback without its function"));
            };
            match &waiting.this {
                Value::Undefined => self.stack.push(Value::Undefined),
                this => self.stack.push(this.clone()),
            }
            let step = waiting.next(self);
            match step {
                Ok(Step::Call) => {}
                Ok(Step::Done(value)) => return Ok(Some(self.end(&waiting, value))),
                Err(raise) => {
                    self.stack.truncate(waiting.top as usize);
                    self.frames.push(Frame::Native(waiting));
                    return Err(raise);
                }
            }
            let bottom = waiting.top as usize;
            let calling = Calling {
                this: This::InPlace,
                base: bottom + 1,
                bottom,
                return_pc: waiting.return_pc,
                entry: Entered::Plain,
            };
            if let Value::Ref(at) = waiting.callback
                && let Entry::Closure(_) = self.heap.get(at)
            {
                self.frames.push(Frame::Native(waiting));
                self.call_closure(at, calling)?;
                return Ok(None);
            }
            let callback = waiting.callback.clone();
            self.frames.push(Frame::Native(waiting));
            let value = match self.invoke(&callback, calling)? {
                Flow::Entered => return Ok(None),
                Flow::Value(value) => value,
            };
            let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                return Err(Raise::Internal("a callback without its function"));
            };
            let accepted = waiting.accept(self, value);
            match accepted {
                Ok(Some(value)) => return Ok(Some(self.end(&waiting, value))),
                accepted => {
                    self.frames.push(Frame::Native(waiting));
                    accepted?;
                }
            }
        }
    }

    fn end(&mut self, waiting: &Waiting, value: Value) -> Ended {
        self.stack.truncate(waiting.bottom as usize);
        Ended { value, return_pc: waiting.return_pc, again: waiting.again() }
    }

    /// A callback of the program returns the value on top of the stack to the function that waits below it.
    pub(super) fn return_to_native(&mut self, bottom: usize) -> Result<(), Raise> {
        let result = self.operand(0);
        let (Some(code), Some(Frame::Native(mut waiting))) = (self.frames.pop(), self.frames.pop()) else {
            return Err(Raise::Internal("a callback without its function"));
        };
        let ended = match waiting.accept(self, result) {
            Ok(ended) => ended,
            Err(raise) => {
                // Nothing was accepted: everything is as it was.
                self.frames.extend([Frame::Native(waiting), code]);
                return Err(raise);
            }
        };
        self.stack.truncate(bottom);
        let ended = match ended {
            Some(value) => Some(self.end(&waiting, value)),
            None => {
                self.frames.push(Frame::Native(waiting));
                self.drive()?
            }
        };
        match ended {
            None => Ok(()),
            Some(ended) => self.finish(ended),
        }
    }

    /// Gives the value of a function that has ended to what is below it.
    fn finish(&mut self, ended: Ended) -> Result<(), Raise> {
        let mut ended = ended;
        loop {
            match self.frames.last() {
                Some(Frame::Code(frame)) => {
                    self.base = frame.base as usize;
                    self.pc = ended.return_pc;
                    if !ended.again {
                        self.stack.push(ended.value);
                    }
                    return Ok(());
                }
                Some(Frame::Native(_)) => {
                    let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                        return Err(Raise::Internal("a callback without its function"));
                    };
                    let accepted = waiting.accept(self, ended.value)?;
                    ended = match accepted {
                        Some(value) => self.end(&waiting, value),
                        None => {
                            self.frames.push(Frame::Native(waiting));
                            match self.drive()? {
                                Some(ended) => ended,
                                None => return Ok(()),
                            }
                        }
                    };
                }
                None => return Err(Raise::Internal("a callback without its function")),
            }
        }
    }

    /// How many arguments a function looks at; all that there are where it cannot be known.
    #[inline]
    fn parameters(&self, function: &Value) -> usize {
        if let Value::Ref(at) = function
            && let Entry::Closure(closure) = self.heap.get(*at)
            && let Some(described) = self.program.functions.get(closure.function as usize)
            && !described.rest
        {
            return usize::from(described.params);
        }
        usize::MAX
    }

    /// An array for results, which a waiting function fills.
    pub(super) fn empty_array(&mut self) -> Value {
        Value::Ref(self.heap.new_array(Vec::new()))
    }
}
