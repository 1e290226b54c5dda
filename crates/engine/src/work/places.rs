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
use runstate_value::time::{Millis, Timestamp};
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
    /// be available again, but its worker still has it. Locked before `state`.
    running: Mutex<HashMap<String, RunningItem<W>>>,
    /// Set when there is something in [`Delivered`].
    changed: Signal,
}

struct State<W> {
    /// Number of taken places, for each kind.
    taken: Vec<usize>,
    /// Since when the last claim of each kind has found nothing else; `None`: it has.
    nothing_else_since: Vec<Option<Timestamp>>,
    /// Number of claims in progress, each of which may take a place of any kind.
    claims: usize,
    delivered: Delivered<W>,
    is_closed: bool,
}

/// What commands have done with offered places.
pub(super) struct Delivered<W> {
    /// The items that they have claimed.
    pub items: Vec<ClaimedItem<W>>,
    /// Items that they may have claimed: their outcome is unknown.
    pub in_doubt: Vec<Box<W>>,
    /// Whether they have given a place back.
    pub has_free_place: bool,
}

impl<W> Default for Delivered<W> {
    fn default() -> Self {
        Self { items: Vec::new(), in_doubt: Vec::new(), has_free_place: false }
    }
}

/// How long a worker that runs items claims others only through offers, after a claim of its own has found nothing
/// else. Otherwise items that make each other would keep its places for ever, and all others would wait.
const OFFERS_LAST: Millis = Millis::seconds(1);

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
        let state = State {
            taken: vec![0; served.len()],
            nothing_else_since: vec![None; served.len()],
            claims: 0,
            delivered: Delivered::default(),
            is_closed: false,
        };
        Self {
            served,
            claim: worker.claim_of(&[]),
            only: worker.selection.only.clone(),
            state: Arc::new(Mutex::new(state)),
            running: Mutex::default(),
            changed: Signal::default(),
        }
    }

    pub fn running(&self) -> MutexGuard<'_, HashMap<String, RunningItem<W>>> {
        lock(&self.running)
    }

    /// The kinds of which one more item may run, whatever the claims in progress return.
    pub fn kinds_with_capacity(&self) -> Vec<String> {
        self.kinds_with_place(&lock(&self.state))
    }

    fn kinds_with_place(&self, state: &State<W>) -> Vec<String> {
        let served = self.served.iter().zip(&state.taken);
        let has_place = served.filter(|((_, concurrency), taken)| **taken + state.claims < *concurrency);
        has_place.map(|((kind, _), _)| kind.clone()).collect()
    }

    /// Number of claims in progress.
    pub fn claims(&self) -> usize {
        lock(&self.state).claims
    }

    /// Begins a claim of the kinds with capacity. None: it does not begin.
    pub fn begin_claim(&self) -> Vec<String> {
        let mut state = lock(&self.state);
        let kinds = self.kinds_with_place(&state);
        state.claims += usize::from(!kinds.is_empty());
        kinds
    }

    /// Ends a claim of these kinds. Takes a place for the item that it has found, if there is one of a kind that is
    /// served. `nothing_else_since`: when it began, if it has found nothing else.
    pub fn end_claim(
        &self,
        kinds: &[String],
        nothing_else_since: Option<Timestamp>,
        work: Option<&W>,
    ) -> Option<Place<W>> {
        let mut state = lock(&self.state);
        state.claims = state.claims.saturating_sub(1);
        for ((served, _), since) in self.served.iter().zip(&mut state.nothing_else_since) {
            if kinds.contains(served) {
                *since = nothing_else_since;
            }
        }
        let served = self.served.iter().position(|(served, _)| work.is_some_and(|work| work.kind() == served))?;
        Some(self.take(&mut state, served))
    }

    fn take(&self, state: &mut State<W>, served: usize) -> Place<W> {
        state.taken[served] += 1;
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

    /// What was delivered since the last call.
    pub fn take_delivered(&self) -> Delivered<W> {
        self.changed.reset();
        std::mem::take(&mut lock(&self.state).delivered)
    }

    /// Offers nothing more.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
    }

    /// Which of the kinds that are served the kind of an item is, if it has a place that is offered.
    fn offered_place(&self, state: &State<W>, kind: Option<&str>, is_idle: bool, now: Timestamp) -> Option<usize> {
        let serves = |(served, _): &(String, usize)| kind.is_none_or(|kind| kind == served);
        let index = self.served.iter().position(serves)?;
        let has_place = !state.is_closed && state.taken[index] + state.claims < self.served[index].1;
        let is_last = |since: Timestamp| (Millis(0)..OFFERS_LAST).contains(&now.since(since));
        (has_place && (is_idle || state.nothing_else_since[index].is_some_and(is_last))).then_some(index)
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
        let has_place = |kind| {
            let running = self.running();
            let state = lock(&self.state);
            !running.contains_key(&*change.key().id)
                && self.offered_place(&state, kind, running.is_empty(), now).is_some()
        };
        is_available && self.only.as_ref().is_none_or(is_selected) && kind_of::<W>(item).is_some_and(has_place)
    }

    fn claim(&self, view: &View, ctx: &mut Ctx, key: &Key) -> Option<(Decision<()>, Box<dyn Claimed>)> {
        let (_, condition) = W::Row::condition(view);
        let item = &view.get(key)?.document;
        if !eval::matches(&W::Row::COLLECTION, &condition?, item) {
            return None;
        }
        let claim = self.claim.claim_changed(view, ctx, &key.id)?;
        let mut work = None;
        let claim = claim.map(|result| work = result.work);
        let work = work?;
        let is_idle = self.running().is_empty();
        let mut state = lock(&self.state);
        let served = self.offered_place(&state, Some(work.kind()), is_idle, ctx.now)?;
        let item = ClaimedItem { work, since: ctx.now, place: self.take(&mut state, served) };
        Some((claim, Box::new(Delivery { item: Some(item), is_sent: false, changed: self.changed.clone() })))
    }
}

/// An item on its way to its worker.
struct Delivery<W> {
    item: Option<ClaimedItem<W>>,
    is_sent: bool,
    changed: Signal,
}

impl<W: WorkItem> Claimed for Delivery<W> {
    fn set_sent(&mut self, is_sent: bool) {
        self.is_sent = is_sent;
    }

    fn deliver(mut self: Box<Self>) -> Option<Box<dyn AnyCommand>> {
        let item = self.item.take()?;
        let shared = item.place.state.clone();
        let mut state = lock(&shared);
        if state.is_closed {
            drop(state);
            return Some(TypedCommand::boxed(Release::<W::Row>::new(item.work.id(), item.work.token())));
        }
        state.delivered.items.push(item);
        None
    }
}

impl<W> Drop for Delivery<W> {
    /// The item was delivered, or the place is free again.
    fn drop(&mut self) {
        if let Some(ClaimedItem { work, place, .. }) = self.item.take() {
            let shared = place.state.clone();
            drop(place);
            let delivered = &mut lock(&shared).delivered;
            delivered.has_free_place = true;
            delivered.in_doubt.extend(self.is_sent.then_some(work));
        }
        self.changed.set();
    }
}
