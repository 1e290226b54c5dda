//! Queries: requests that only read. They have no changes, no ledger row and no later parts, so their parameters and
//! results are never stored.

use std::any::Any;
use std::borrow::Borrow;
use std::marker::PhantomData;

use runstate_value::Json;
use serde::Serialize;

use super::command::describe_failure;
use super::{AnyCommand, Ctx, Decision, OperationName, Ports, ReadSet, Rejection, View};
use crate::marker::MaybeSync;
use crate::schema::Key;

/// A request that only reads.
pub trait DomainQuery: OperationName + MaybeSync {
    /// The result for the caller.
    type Output: Serialize + MaybeSync + 'static;

    /// Checks the rules that need no document. It is called first, once.
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }

    /// The documents and queries that the result needs. The engine calls it again with what it has read so far, until
    /// nothing new is requested. Entities need not be named here: the evaluation requests those that are missing
    /// ([`View::entity`]).
    fn reads(&self, view: &View) -> ReadSet {
        _ = view;
        ReadSet::empty()
    }

    /// The result. Total and deterministic. The engine may call it again, after it has read again.
    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<Self::Output, Rejection>;
}

#[inline(never)]
fn no_changes() -> Decision<()> {
    Decision::new(())
}

#[cold]
#[inline(never)]
fn no_result(name: &str) -> String {
    format!("{name} is a query: the ledger has no result of it")
}

/// A query, owned or borrowed, with its last result.
pub struct TypedQuery<Q: DomainQuery, B: Borrow<Q> = Q> {
    query: B,
    output: Option<Q::Output>,
    types: PhantomData<fn() -> Q>,
}

impl<Q: DomainQuery, B: Borrow<Q>> TypedQuery<Q, B> {
    /// A query that was not evaluated yet.
    pub fn new(query: B) -> Self {
        Self { query, output: None, types: PhantomData }
    }

    /// The last result; `None` before it.
    pub fn into_output(self) -> Option<Q::Output> {
        self.output
    }
}

impl<Q: DomainQuery + 'static> TypedQuery<Q> {
    /// A query without its type.
    pub fn boxed(query: Q) -> Box<dyn AnyCommand> {
        Box::new(Self::new(query))
    }
}

/// The engine loads documents for queries as for commands. It never commits a query, so what concerns the ledger has no
/// meaning here.
impl<Q: DomainQuery, B: Borrow<Q> + MaybeSync> AnyCommand for TypedQuery<Q, B> {
    fn name(&self) -> &'static str {
        Q::NAME
    }

    fn check(&self) -> Result<(), Rejection> {
        self.query.borrow().check()
    }

    fn subject(&self) -> Option<Key> {
        None
    }

    fn reads(&self, view: &View) -> ReadSet {
        self.query.borrow().reads(view)
    }

    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        match self.query.borrow().evaluate(view, ctx) {
            Ok(output) => self.output = Some(output),
            Err(rejection) => return Err(rejection),
        }
        Ok(no_changes())
    }

    fn result(&self) -> Result<Json, String> {
        describe_failure(serde_json::to_value(&self.output))
    }

    fn reply(&self, _: Option<Json>) -> Result<Json, String> {
        self.result()
    }

    fn replay_result(&mut self, _: Json) -> Result<(), String> {
        Err(no_result(Q::NAME))
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(Json::Null)
    }

    fn next(&self, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        None
    }

    fn take_output(&mut self) -> Option<Box<dyn Any>> {
        Some(Box::new(self.output.take()?))
    }

    fn absorb(&mut self, _: Box<dyn Any>) {}
}
