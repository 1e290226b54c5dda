//! The places of a running worker: how many handlers of each kind may run. Free ones are offered to the commands of the
//! same process ([`Offer`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::AbortHandle;
use runstate_core::decision::{AnyCommand, Change, Ctx, Decision, TypedCommand, View};
use runstate_core::lease::{Claim, Leased as _, Release};
use runstate_core::operation::WorkItem;
use runstate_core::schema::{Entity as _, Filter, Key};
use runstate_store::eval;
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};

use super::Worker;
use super::task::Signal;
use crate::offers::{Claimed, Offer};

/// The places of one worker.
pub(super) struct Places<W: WorkItem> {
    /// The kinds that it serves, and how many handlers of each may run.
    served: Vec<(String, usize)>,
    claim: Claim<W::Row>,
    only: Option<Filter>,
    state: Arc<Mutex<State<W>>>,
    /// The items whose handlers run, or whose results are reported, by their ids. No command claims one of them: it may
    /// be available again, but its worker still has it.
    running: Mutex<HashMap<String, RunningItem<W>>>,
    /// Set when items were delivered, or a place that an item had taken is free again.
    changed: Signal,
}

struct State<W> {
    /// Number of taken places, for each kind.
    taken: Vec<usize>,
    /// Number of claims in progress, each of which may take a place of any kind.
    claims: usize,
    delivered: Vec<ClaimedItem<W>>,
    is_closed: bool,
}

pub(super) struct RunningItem<W> {
    pub work: Box<W>,
    /// Ends its handler.
    pub handler: AbortHandle,
}

/// An item that was claimed for a worker, and its place.
pub(super) struct ClaimedItem<W> {
    pub work: Box<W>,
    /// The claim lasts since this time at least.
    pub since: Timestamp,
    pub place: Place<W>,
}

/// A taken place. It is free again when this is dropped.
pub(super) struct Place<W> {
    state: Arc<Mutex<State<W>>>,
    /// The index of its kind among those that are served.
    pub served: usize,
}

impl<W> Drop for Place<W> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.taken[self.served] = state.taken[self.served].saturating_sub(1);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: WorkItem> Places<W> {
    pub fn new(worker: &Worker<W>) -> Self {
        let served: Vec<_> = worker.served.iter().map(|served| (served.kind.clone(), served.concurrency)).collect();
        let (taken, claims, delivered, is_closed) = (vec![0; served.len()], 0, Vec::new(), false);
        Self {
            served,
            claim: worker.claim_of(&[]),
            only: worker.selection.only.clone(),
            state: Arc::new(Mutex::new(State { taken, claims, delivered, is_closed })),
            running: Mutex::default(),
            changed: Signal::default(),
        }
    }

    pub fn running(&self) -> MutexGuard<'_, HashMap<String, RunningItem<W>>> {
        lock(&self.running)
    }

    /// The kinds of which one more item may run, whatever the claims in progress return.
    pub fn kinds_with_capacity(&self) -> Vec<String> {
        let state = lock(&self.state);
        let served = self.served.iter().zip(&state.taken);
        let has_place = served.filter(|((_, concurrency), taken)| **taken + state.claims < *concurrency);
        has_place.map(|((kind, _), _)| kind.clone()).collect()
    }

    /// Number of claims in progress.
    pub fn claims(&self) -> usize {
        lock(&self.state).claims
    }

    pub fn begin_claim(&self) {
        lock(&self.state).claims += 1;
    }

    pub fn end_claim(&self) {
        let mut state = lock(&self.state);
        state.claims = state.claims.saturating_sub(1);
    }

    /// Takes a place for an item that was claimed.
    pub fn take(&self, served: usize) -> Place<W> {
        lock(&self.state).taken[served] += 1;
        Place { state: self.state.clone(), served }
    }

    /// Whether no place is taken.
    pub fn are_free(&self) -> bool {
        lock(&self.state).taken.iter().all(|taken| *taken == 0)
    }

    /// Completes when [`Places::take_delivered`] has news.
    pub async fn wait_for_change(&self) {
        self.changed.wait().await;
    }

    /// The items that were delivered since the last call.
    pub fn take_delivered(&self) -> Vec<ClaimedItem<W>> {
        self.changed.reset();
        std::mem::take(&mut lock(&self.state).delivered)
    }

    /// Offers nothing more.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
    }

    /// A kind of an item that has a free place.
    fn free_place(&self, state: &State<W>, kind: Option<&str>) -> Option<usize> {
        let serves = |(served, _): &(String, usize)| kind.is_none_or(|kind| kind == served);
        let index = self.served.iter().position(serves)?;
        let has_place = !state.is_closed && state.taken[index] + state.claims < self.served[index].1;
        has_place.then_some(index)
    }
}

/// The kind of an item; `None`: items have none.
fn kind_of<W: WorkItem>(item: &Document) -> Option<Option<&str>> {
    match W::Row::KIND {
        Some(kind) => item.get(kind.field).and_then(Json::as_str).map(Some),
        None => Some(None),
    }
}

impl<W: WorkItem> Offer for Places<W> {
    fn collection(&self) -> &'static str {
        W::Row::COLLECTION.name
    }

    fn wants(&self, change: &Change, now: Timestamp) -> bool {
        let Some(item) = change.document() else { return false };
        let is_available =
            item.get(W::Row::AVAILABLE_AT).and_then(Json::as_i64).is_some_and(|at| at <= now.as_millis());
        let is_selected = |only: &Filter| eval::matches(&W::Row::COLLECTION, only, item);
        is_available
            && !self.running().contains_key(&*change.key().id)
            && self.only.as_ref().is_none_or(is_selected)
            && kind_of::<W>(item).is_some_and(|kind| self.free_place(&lock(&self.state), kind).is_some())
    }

    fn claim(&self, view: &View, ctx: &mut Ctx, key: &Key) -> Option<(Decision<()>, Box<dyn Claimed>)> {
        let (_, condition) = W::Row::condition(view);
        let item = &view.get(key)?.document;
        if !eval::matches(&W::Row::COLLECTION, &condition?, item) {
            return None;
        }
        let place = {
            let mut state = lock(&self.state);
            let served = self.free_place(&state, kind_of::<W>(item)?)?;
            state.taken[served] += 1;
            Place { state: self.state.clone(), served }
        };
        let claim = self.claim.claim_changed(view, ctx, &key.id)?;
        let mut work = None;
        let claim = claim.map(|result| work = result.work);
        let item = ClaimedItem { work: work?, since: ctx.now, place };
        Some((claim, Box::new(Delivery { item: Some(item), changed: self.changed.clone() })))
    }
}

/// An item on its way to its worker.
struct Delivery<W> {
    item: Option<ClaimedItem<W>>,
    changed: Signal,
}

impl<W: WorkItem> Claimed for Delivery<W> {
    fn deliver(mut self: Box<Self>) -> Option<Box<dyn AnyCommand>> {
        let item = self.item.take()?;
        let shared = item.place.state.clone();
        let mut state = lock(&shared);
        if state.is_closed {
            drop(state);
            return Some(TypedCommand::boxed(Release::<W::Row>::new(item.work.id(), item.work.token())));
        }
        state.delivered.push(item);
        None
    }
}

impl<W> Drop for Delivery<W> {
    /// The item was delivered, or its commit has failed and the place is free again.
    fn drop(&mut self) {
        drop(self.item.take());
        self.changed.set();
    }
}
