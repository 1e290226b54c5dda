//! Commands, with and without their types. The engine receives them without, so that it is compiled once and not once
//! for each command. All code that depends on the type is in [`TypedCommand`].

use std::any::Any;
use std::borrow::Borrow;
use std::marker::PhantomData;

use runstate_value::{DeserializeError, Json, from_value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cost, Ctx, Decision, Ports, ReadSet, Rejection, View};
use crate::marker::MaybeSync;
use crate::schema::Key;

/// The name of a command or query. `#[derive(Operation)]` implements it, and `#[derive(OperationName)]` for one that
/// callers cannot invoke by name; both read `#[operation(name = "…")]`.
pub trait OperationName {
    /// `domain.verb` or `domain.noun.verb`, as used by callers, logs, audits and fingerprints. It is stored, so it must
    /// not change.
    const NAME: &'static str;

    /// The document that `#[operation(contends(COLLECTION, field))]` names, by the id in that field: the default of
    /// [`Command::subject`].
    fn contended(&self) -> Option<Key> {
        None
    }
}

/// A request of a caller that changes documents. One that only reads is a [`DomainQuery`](super::DomainQuery).
///
/// The serialized form of a command distinguishes a repeat from another command under the same id. It is stored, so it
/// must not change.
pub trait Command: OperationName + Serialize + MaybeSync {
    /// The result for the caller. The ledger keeps it, so a repeat returns the same result. It has at most 4 KiB of
    /// JSON: where it holds texts, bound them so that it fits. A command whose result is larger is refused as
    /// `too_large`.
    type Output: Serialize + DeserializeOwned + MaybeSync + 'static;

    /// Checks the rules that need no document. It is called first, once.
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }

    /// The document that commands like this one contend for. Within a process, the engine decides one command per
    /// subject at a time.
    fn subject(&self) -> Option<Key> {
        self.contended()
    }

    /// The documents and queries that the decision needs. The engine calls it again with what it has read so far, until
    /// nothing new is requested. Entities need not be named here: the decision requests those that are missing
    /// ([`View::entity`]).
    fn reads(&self, view: &View) -> ReadSet {
        _ = view;
        ReadSet::empty()
    }

    /// The cost of the command, by what was read so far; `None`: it costs nothing. The engine records it against the
    /// budgets, in the commit of the command. If a budget does not have it, the command is rejected. A command that
    /// changes nothing costs nothing. For work that takes longer than one commit, a command reserves the cost:
    /// [`View::budgets`].
    fn cost(&self, view: &View) -> Option<Cost> {
        _ = view;
        None
    }

    /// Whether the command removes data, or ends what keeps data in use: a cancellation, a deletion. A file store on a
    /// full disk makes room for it, so that the store can be emptied.
    fn frees_space(&self) -> bool {
        false
    }

    /// Whether `output` records a refusal alone, with which [`Command::next`] ends: the documents of a caller are not
    /// written with it.
    fn is_refusal(&self, output: &Self::Output) -> bool {
        _ = output;
        false
    }

    /// Decides. Total and deterministic: the same view and context give the same decision. The engine may call it again
    /// after a conflict.
    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Self::Output>, Rejection>;

    /// The command that continues the work after this one was committed with `output`; `None`: the work is done. Its id
    /// is derived from the id of the first command. A caller that stops between two parts leaves nothing half done:
    /// each part is a commit of its own, and a row with a due time represents the rest.
    fn next(&self, output: &Self::Output, ports: &Ports) -> Option<Box<dyn AnyCommand>> {
        _ = (output, ports);
        None
    }

    /// Adds the output of a later part to that of this command. By default it replaces this output, if it has the same
    /// type.
    fn absorb(&self, output: &mut Self::Output, part: Box<dyn Any>) {
        if let Ok(part) = part.downcast() {
            *output = *part;
        }
    }

    /// The output as callers without types receive it, if that is not its serialized form. The ledger keeps at most
    /// 4 KiB, so a large reply is not a part of that form.
    fn reply(&self, output: &Self::Output) -> Option<Result<Json, serde_json::Error>> {
        _ = output;
        None
    }
}

/// The operations of a command that the engine needs.
pub trait AnyCommand: MaybeSync {
    /// See [`OperationName::NAME`].
    fn name(&self) -> &'static str;

    /// See [`Command::check`].
    fn check(&self) -> Result<(), Rejection>;

    /// See [`Command::subject`].
    fn subject(&self) -> Option<Key>;

    /// See [`Command::reads`].
    fn reads(&self, view: &View) -> ReadSet;

    /// See [`Command::cost`].
    fn cost(&self, view: &View) -> Option<Cost> {
        _ = view;
        None
    }

    /// See [`Command::frees_space`].
    fn frees_space(&self) -> bool {
        false
    }

    /// See [`Command::is_refusal`]. It follows [`AnyCommand::decide`].
    fn is_refusal(&self) -> bool {
        false
    }

    /// Decides, and keeps the output.
    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection>;

    /// The output of the last decision as JSON, for the ledger.
    fn result(&self) -> Result<Json, String>;

    /// The output as JSON, for callers without types. See [`Command::reply`]. `result` is the result in the ledger, if
    /// the output is still the same; it is not serialized again.
    fn reply(&self, result: Option<Json>) -> Result<Json, String>;

    /// Sets the output to a result from the ledger.
    fn replay_result(&mut self, result: Json) -> Result<(), String>;

    /// The serialized command. It distinguishes a repeat from a different command under the same id.
    fn to_json(&self) -> Result<Json, String>;

    /// See [`Command::next`].
    fn next(&self, ports: &Ports) -> Option<Box<dyn AnyCommand>>;

    /// Takes the output out of a part of the work.
    fn take_output(&mut self) -> Option<Box<dyn Any>>;

    /// See [`Command::absorb`].
    fn absorb(&mut self, part: Box<dyn Any>);
}

// Not generic and not inlined, so that each command and query has a call of it instead of its code: pages load that
// code.
#[inline(never)]
pub(super) fn describe_failure(json: Result<Json, serde_json::Error>) -> Result<Json, String> {
    json.map_err(|error| error.to_string())
}

#[cold]
#[inline(never)]
fn unreadable(error: &DeserializeError) -> String {
    error.to_string()
}

#[cold]
#[inline(never)]
fn undecided(name: &str) -> String {
    format!("{name} was not decided")
}

/// A command, owned or borrowed, with the output of its last decision.
pub struct TypedCommand<C: Command, B: Borrow<C> = C> {
    command: B,
    output: Option<C::Output>,
    types: PhantomData<fn() -> C>,
}

impl<C: Command, B: Borrow<C>> TypedCommand<C, B> {
    /// A command that was not decided yet.
    pub fn new(command: B) -> Self {
        Self { command, output: None, types: PhantomData }
    }

    /// The output of the last decision; `None` before it.
    pub fn into_output(self) -> Option<C::Output> {
        self.output
    }
}

impl<C: Command + 'static> TypedCommand<C> {
    /// A command without its type.
    pub fn boxed(command: C) -> Box<dyn AnyCommand> {
        Box::new(Self::new(command))
    }
}

impl<C: Command, B: Borrow<C> + MaybeSync> AnyCommand for TypedCommand<C, B> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn check(&self) -> Result<(), Rejection> {
        self.command.borrow().check()
    }

    fn subject(&self) -> Option<Key> {
        self.command.borrow().subject()
    }

    fn reads(&self, view: &View) -> ReadSet {
        self.command.borrow().reads(view)
    }

    fn cost(&self, view: &View) -> Option<Cost> {
        self.command.borrow().cost(view)
    }

    fn frees_space(&self) -> bool {
        self.command.borrow().frees_space()
    }

    fn is_refusal(&self) -> bool {
        self.output.as_ref().is_some_and(|output| self.command.borrow().is_refusal(output))
    }

    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let decision = self.command.borrow().decide(view, ctx)?;
        Ok(decision.map(|output| self.output = Some(output)))
    }

    fn result(&self) -> Result<Json, String> {
        describe_failure(serde_json::to_value(&self.output))
    }

    fn reply(&self, result: Option<Json>) -> Result<Json, String> {
        let Some(output) = &self.output else { return Err(undecided(C::NAME)) };
        match self.command.borrow().reply(output) {
            Some(reply) => describe_failure(reply),
            None => result.map_or_else(|| self.result(), Ok),
        }
    }

    fn replay_result(&mut self, result: Json) -> Result<(), String> {
        match from_value(&result) {
            Ok(output) => self.output = Some(output),
            Err(error) => return Err(unreadable(&error)),
        }
        Ok(())
    }

    fn to_json(&self) -> Result<Json, String> {
        describe_failure(serde_json::to_value(self.command.borrow()))
    }

    fn next(&self, ports: &Ports) -> Option<Box<dyn AnyCommand>> {
        self.command.borrow().next(self.output.as_ref()?, ports)
    }

    fn take_output(&mut self) -> Option<Box<dyn Any>> {
        Some(Box::new(self.output.take()?))
    }

    fn absorb(&mut self, part: Box<dyn Any>) {
        if let Some(output) = &mut self.output {
            self.command.borrow().absorb(output, part);
        }
    }
}
