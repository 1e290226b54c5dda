//! Abandoned calls: nothing waits for their answers any more, because they lost a `race`, an `any` or a failed `all`.

use std::collections::HashSet;

use super::coroutine::Coroutine;
use super::entry::Entry;
use super::machine::Machine;
use super::program::{DecodedInstruction, ExceptionHandler};
use super::promise::{self, PromiseObject, PromiseState, ReactionKind};
use super::value::{HeapRef, Value};
use super::{conversion, property};

/// Whether each path of reactions from a promise ends at a promise that is settled. A handler of the program on the
/// way, a function that does more than return, or a promise without a reaction may be there for its effects: then the
/// call is kept, as in Node.
pub(super) fn is_abandoned(machine: &Machine, promise: HeapRef) -> bool {
    let (mut pending, mut seen) = (vec![promise], HashSet::new());
    while let Some(at) = pending.pop() {
        if !seen.insert(at) {
            continue;
        }
        let Entry::Promise(PromiseObject { state, first, .. }) = machine.heap.get(at) else { return false };
        if *state != PromiseState::Pending {
            continue;
        }
        if *first == HeapRef::NONE {
            return false;
        }
        let mut next = *first;
        while next != HeapRef::NONE && seen.insert(next) {
            let Entry::Reaction(reaction) = machine.heap.get(next) else { return false };
            let derived = reaction.derived;
            next = reaction.next;
            let reached = match (reaction.kind, machine.heap.get(derived)) {
                (ReactionKind::Await, Entry::Coroutine(coroutine)) if only_returns(machine, coroutine) => {
                    coroutine.promise
                }
                (ReactionKind::Await | ReactionKind::Return | ReactionKind::Thenable, _) => return false,
                (ReactionKind::Then | ReactionKind::Finally, Entry::Promise(derived_promise)) => {
                    let resolved: Vec<_> =
                        reaction.values.iter().filter_map(|value| resolved_promise(machine, value)).collect();
                    let handlers = reaction.values.iter().filter(|value| conversion::is_callable(machine, value));
                    if handlers.count() > resolved.len() {
                        return false;
                    }
                    // A resolving function has its effect, and nothing need react to its own result.
                    let is_unused = derived_promise.first == HeapRef::NONE && !resolved.is_empty();
                    pending.extend(resolved);
                    if is_unused {
                        continue;
                    }
                    derived
                }
                _ => derived,
            };
            pending.push(reached);
        }
    }
    true
}

/// Whether a suspended function has nothing to do after its await but to return a value.
fn only_returns(machine: &Machine, coroutine: &Coroutine) -> bool {
    use DecodedInstruction as I;
    let (program, pc) = (&machine.program, coroutine.pc);
    let catches = |handler: &ExceptionHandler| handler.start <= pc && pc < handler.end;
    let function = program.functions.get(coroutine.function as usize);
    let rest = program.code.get(pc as usize + 1..).unwrap_or_default();
    let end = rest.iter().find(|one| !matches!(one, I::Push(_) | I::Pop | I::Load(_) | I::Store(_) | I::Dup));
    end == Some(&I::Return) && !function.is_some_and(|function| function.handlers.iter().any(catches))
}

/// The promise that a function settles, if it is a resolving function, also one that is bound.
fn resolved_promise(machine: &Machine, function: &Value) -> Option<HeapRef> {
    let find = |function: &Value| match function {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Bound(bound) if promise::is_resolving_function(&bound.target) => match bound.args.first() {
                Some(Value::Ref(promise)) => Some(*promise),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    find(function).or_else(|| match function {
        Value::Ref(at) => find(&property::bound_target(machine, *at).ok()?.0),
        _ => None,
    })
}
