//! Promises and their reactions as the heap stores them. ECMA-262 §27.2 Promise Objects.
//!
//! A reaction is in the list of its promise until that is settled, then in the queue of jobs (`job.rs`). Reactions of
//! the machine itself (`await`, `Promise.all`, `finally`, adopting another promise) have kinds of their own and need no
//! functions.

use super::abrupt_completion::{self, AbruptCompletion, Completion, internal};
use super::entry::Entry;
use super::machine::Machine;
use super::natives::Builtin;
use super::object::{BoundFunction, ErrorKind};
use super::value::{HeapRef, Value};
use super::{conversion, property};

/// A promise.
#[derive(Clone)]
pub struct PromiseObject {
    /// Whether it is settled.
    pub state: PromiseState,
    /// Whether a reaction was ever added.
    pub handled: bool,
    /// The value or the reason. While calls of one `CC.all` are open, an array: the list of answers, and the index
    /// of the first error with the error.
    pub value: Value,
    /// The first reaction while it is pending. After a rejection, the next rejected promise without a reaction.
    pub first: HeapRef,
    /// The last reaction while it is pending.
    pub last: HeapRef,
}

named_enum! {
    /// Whether a promise is settled. ECMA-262 §27.2.6 Properties of Promise Instances, `[[PromiseState]]`.
    #[allow(missing_docs, reason = "each is the state of its name")]
    pub enum PromiseState {
        Pending = "pending",
        Fulfilled = "fulfilled",
        Rejected = "rejected",
    }
}

/// A reaction of a promise, or a job. ECMA-262 §27.2.1.2 PromiseReaction Records.
#[derive(Clone)]
pub struct Reaction {
    /// The effect of its promise when that is settled.
    pub kind: ReactionKind,
    /// The promise that it reacts to.
    pub source: HeapRef,
    /// The promise that it settles; for `await`, the suspended function or generator, or nothing for the program
    /// itself.
    pub derived: HeapRef,
    /// The next reaction of the promise, or the next job.
    pub next: HeapRef,
    /// Index of an element of `Promise.all` and its like; of a constant, whether it is thrown.
    pub index: u32,
    /// The handlers or other values of the kind.
    pub values: [Value; 2],
}

named_enum! {
    /// The effect of a reaction.
    pub enum ReactionKind {
        /// A suspended function continues. ECMA-262 §27.7.5.3 Await.
        Await = "await",
        /// Calls one of two handlers. ECMA-262 §27.2.5.4 Promise.prototype.then.
        Then = "then",
        /// Calls a handler without an argument. ECMA-262 §27.2.5.3 Promise.prototype.finally.
        Finally = "finally",
        /// Settles the derived promise with a constant, after a handler of `finally`.
        Constant = "constant",
        /// Settles the derived promise in the same way.
        Settle = "settle",
        /// Job: adds a `Settle` to the promise that the derived one was resolved with. ECMA-262 §27.2.2.2
        /// NewPromiseResolveThenableJob.
        Adopt = "adopt",
        /// Job: calls the method `then` of an object that the derived promise was resolved with. ECMA-262 §27.2.2.2
        /// NewPromiseResolveThenableJob.
        Thenable = "thenable",
        /// An element of `Promise.all`. The values are the count of pending elements, in an array, and the results.
        All = "all",
        /// An element of `Promise.allSettled`.
        AllSettled = "allSettled",
        /// An element of `Promise.any`.
        Any = "any",
        /// A request to return from an async generator, which is the derived entry. ECMA-262 §27.6.3.9
        /// AsyncGeneratorAwaitReturn.
        Return = "return",
        /// The value of a result of an iterator, which the derived promise receives; the last one if the index is 1.
        /// ECMA-262 §27.1.6.4 AsyncFromSyncIteratorContinuation.
        Result = "result",
    }
}

impl Reaction {
    /// A reaction without values.
    pub(super) fn new(kind: ReactionKind, derived: HeapRef) -> Reaction {
        let values = [Value::Undefined, Value::Undefined];
        Reaction { kind, source: HeapRef::NONE, derived, next: HeapRef::NONE, index: 0, values }
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        for at in [self.source, self.derived, self.next] {
            visit(&Value::Ref(at));
        }
        self.values.iter().for_each(visit);
    }
}

impl PromiseObject {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.value);
        visit(&Value::Ref(self.first));
        visit(&Value::Ref(self.last));
    }
}

/// A pending promise.
pub(super) fn new_promise(machine: &mut Machine) -> HeapRef {
    machine.heap.allocate(Entry::Promise(PromiseObject {
        state: PromiseState::Pending,
        handled: false,
        value: Value::Undefined,
        first: HeapRef::NONE,
        last: HeapRef::NONE,
    }))
}

pub(super) fn is_promise(machine: &Machine, value: &Value) -> bool {
    matches!(value, Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Promise(_)))
}

/// State and value of a promise.
pub(super) fn promise_state(machine: &Machine, at: HeapRef) -> Completion<(PromiseState, Value)> {
    match machine.heap.get(at) {
        Entry::Promise(promise) => Ok((promise.state, promise.value.clone())),
        _ => internal("a promise that does not exist"),
    }
}

fn pending_promise(machine: &mut Machine, at: HeapRef) -> Option<&mut PromiseObject> {
    match machine.heap.get_mut(at) {
        Some(Entry::Promise(promise)) if promise.state == PromiseState::Pending => Some(promise),
        _ => None,
    }
}

/// ECMA-262 §27.2.1.4 FulfillPromise. A settled promise is unchanged.
pub(super) fn fulfill(machine: &mut Machine, at: HeapRef, value: Value) {
    settle(machine, at, PromiseState::Fulfilled, value);
}

/// ECMA-262 §27.2.1.7 RejectPromise. A settled promise is unchanged.
pub(super) fn reject(machine: &mut Machine, at: HeapRef, reason: Value) {
    if settle(machine, at, PromiseState::Rejected, reason) {
        machine.append_rejection(at);
    }
}

/// Settles a pending promise: its reactions become jobs. Returns whether it was rejected without a reaction.
fn settle(machine: &mut Machine, at: HeapRef, state: PromiseState, value: Value) -> bool {
    let bytes = value.weight();
    let Some(promise) = pending_promise(machine, at) else { return false };
    (promise.state, promise.value) = (state, value);
    let (first, last) = (std::mem::replace(&mut promise.first, HeapRef::NONE), promise.last);
    promise.last = HeapRef::NONE;
    let is_unhandled = state == PromiseState::Rejected && !promise.handled;
    machine.heap.charge(bytes);
    machine.append_jobs(first, last);
    is_unhandled
}

/// Resolves a promise: with the state of another promise, through a method `then`, or with the value itself.
/// ECMA-262 §27.2.1.3.2 Promise Resolve Functions. Deviation: a getter of `then` is not called, and
/// rejects the promise.
pub(super) fn resolve(machine: &mut Machine, at: HeapRef, value: Value) -> Completion {
    let Value::Ref(resolution) = value else {
        fulfill(machine, at, value);
        return Ok(());
    };
    if pending_promise(machine, at).is_none() {
        return Ok(());
    }
    if resolution == at {
        let message = "Chaining cycle detected for promise #<Promise>";
        let error = abrupt_completion::new_error(machine, ErrorKind::Type, message);
        reject(machine, at, error);
        return Ok(());
    }
    if let Entry::Promise(_) = machine.heap.get(resolution) {
        machine.append_job(Reaction { source: resolution, ..Reaction::new(ReactionKind::Adopt, at) });
        return Ok(());
    }
    match property::own_or_inherited(machine, &value, &Value::text("then")) {
        Ok(Some(then)) if conversion::is_callable(machine, &then) => {
            machine.append_job(Reaction { values: [value, then], ..Reaction::new(ReactionKind::Thenable, at) });
        }
        Ok(_) => fulfill(machine, at, value),
        Err(completion) => {
            let thrown = abrupt_completion::thrown_value(machine, completion)?;
            reject(machine, at, thrown);
        }
    }
    Ok(())
}

/// The value itself if it is a promise, otherwise a promise resolved with it. ECMA-262 §27.2.4.7.1 PromiseResolve.
pub(super) fn promise_from(machine: &mut Machine, value: &Value) -> Completion<HeapRef> {
    if let Value::Ref(at) = value
        && let Entry::Promise(_) = machine.heap.get(*at)
    {
        return Ok(*at);
    }
    let promise = new_promise(machine);
    resolve(machine, promise, value.clone())?;
    Ok(promise)
}

/// Adds a reaction to a promise; the reaction of a settled one is a job at once. ECMA-262 §27.2.5.4.1
/// PerformPromiseThen.
pub(super) fn add_reaction(machine: &mut Machine, at: HeapRef, reaction: Reaction) -> Completion {
    let added = machine.heap.allocate(Entry::Reaction(Box::new(Reaction { source: at, ..reaction })));
    let Some(Entry::Promise(promise)) = machine.heap.get_mut(at) else {
        return internal("a promise that does not exist");
    };
    promise.handled = true;
    if promise.state != PromiseState::Pending {
        machine.append_jobs(added, added);
        return Ok(());
    }
    let last = std::mem::replace(&mut promise.last, added);
    if last == HeapRef::NONE {
        promise.first = added;
    } else if let Some(Entry::Reaction(last)) = machine.heap.get_mut(last) {
        last.next = added;
    }
    Ok(())
}

/// The functions that settle a promise, of which only the first call has an effect: the cell says whether there was
/// one. ECMA-262 §27.2.1.3 CreateResolvingFunctions.
pub(super) fn resolving_functions(machine: &mut Machine, promise: HeapRef, cell: HeapRef) -> Completion<[Value; 2]> {
    let find = |name| machine.registry.find(name).ok_or(AbruptCompletion::Internal("a missing built-in"));
    let functions: [Builtin; 2] = [find(RESOLVE)?, find(REJECT)?];
    Ok(functions.map(|function| {
        let bound = BoundFunction {
            target: Value::Builtin(function),
            this: Value::Undefined,
            args: vec![Value::Ref(promise), Value::Ref(cell)],
        };
        Value::Ref(machine.heap.allocate(Entry::Bound(Box::new(bound))))
    }))
}

/// The built-in function of a resolving function.
pub(super) const RESOLVE: &str = "promise resolve";
/// The built-in function of a rejecting function.
pub(super) const REJECT: &str = "promise reject";

/// Whether a bound function has this built-in as a resolving function.
pub(super) fn is_resolving_function(target: &Value) -> bool {
    matches!(target, Value::Builtin(builtin) if matches!(builtin.name(), RESOLVE | REJECT))
}

/// A cell for [`resolving_functions`].
pub(super) fn new_resolved_cell(machine: &mut Machine) -> HeapRef {
    machine.heap.allocate(Entry::Cell(Value::Bool(false)))
}

/// Whether the promise of a cell is resolved.
pub(super) fn is_resolved(machine: &Machine, cell: &Value) -> bool {
    !matches!(cell, Value::Ref(cell) if matches!(machine.heap.get(*cell), Entry::Cell(Value::Bool(false))))
}

/// Marks the promise of a cell as resolved. Returns whether it was before.
pub(super) fn replace_resolved(machine: &mut Machine, cell: &Value) -> bool {
    let Value::Ref(cell) = cell else { return true };
    match machine.heap.get_mut(*cell) {
        Some(Entry::Cell(resolved @ Value::Bool(false))) => {
            *resolved = Value::Bool(true);
            false
        }
        _ => true,
    }
}
