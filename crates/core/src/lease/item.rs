//! What a domain declares to have items that workers claim.

use runstate_value::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::commands::{Claim, ClaimResult};
use super::{has_next_token, is_abandoned, skipped_until};
use crate::decision::{Ctx, Decision, LoadedEntity, ReadSet, Rejection, View};
use crate::marker::MaybeSync;
use crate::schema::{Entity, Fields, Filter, Key, Wire};

/// The claim of an item, or the time from which it may be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The worker that has claimed it, for people; `None`: it is not claimed.
    pub owner: Option<String>,
    /// When a worker may claim it. A claimed item: when its lease ends.
    pub available_at: Timestamp,
    /// The fencing token of the last claim.
    pub token: u64,
    /// Number of attempts, a current one included.
    pub attempts: u32,
}

impl Lease {
    /// Whether the worker with this token has the claim.
    pub(super) fn is_held_with(&self, token: u64) -> bool {
        self.owner.is_some() && self.token == token
    }

    /// Whether a worker may claim the item.
    pub fn is_available(&self, now: Timestamp) -> bool {
        self.available_at <= now && has_next_token(self.token)
    }
}

/// The names of the operations that all items have. [`lease_names!`](crate::lease_names) makes them.
#[derive(Clone, Copy, Debug)]
pub struct LeaseNames {
    /// See [`Claim`].
    pub claim: &'static str,
    /// See [`Heartbeat`](super::Heartbeat).
    pub heartbeat: &'static str,
    /// See [`Release`](super::Release).
    pub release: &'static str,
    /// See [`Expire`](super::Expire).
    pub expire: &'static str,
    /// See [`NextAvailable`](super::NextAvailable).
    pub next_available: &'static str,
}

/// The names of the operations of items, by what they begin with: `lease_names!("apps.step")`.
#[macro_export]
macro_rules! lease_names {
    ($item:literal) => {
        $crate::lease::LeaseNames {
            claim: concat!($item, ".claim"),
            heartbeat: concat!($item, ".heartbeat"),
            release: concat!($item, ".release"),
            expire: concat!($item, ".expire"),
            next_available: concat!($item, ".nextAvailable"),
        }
    };
}

/// The kinds among which workers choose items.
#[derive(Clone, Copy, Debug)]
pub struct ItemKind {
    /// The field with the kind. The index of items begins with it.
    pub field: &'static str,
    /// Several of them in messages, such as `kinds of calls`.
    pub plural: &'static str,
}

/// The row of an item that workers claim. The commands that all items have are those of [`lease`](super).
pub trait Leased: Entity + MaybeSync {
    /// A claimed item with all that a worker needs to do it.
    type Work: Serialize + MaybeSync + 'static;

    /// The part of the work that the ledger keeps, which has no secret. A repeated claim finds the work by it.
    type Claimed: Clone + Serialize + DeserializeOwned + MaybeSync + 'static;

    /// The names of its operations.
    const NAMES: LeaseNames;

    /// The parameter that names an item.
    const ID: &'static str = "id";

    /// The kinds of items; `None`: workers claim any of them.
    const KIND: Option<ItemKind> = None;

    /// The field with the time from which a worker may claim it; in an index the only field, or the one after the kind.
    const AVAILABLE_AT: &'static str = "available_at";

    /// Its lease; `None`: it is closed, so no worker may claim it.
    fn lease(&self) -> Option<Lease>;

    /// Changes its lease.
    fn set_lease(&mut self, lease: Lease);

    /// The time at which a claim ends at the latest, whatever its lease.
    fn latest_end(&self) -> Option<Timestamp> {
        None
    }

    /// Ends the claim, if there is one. A worker may claim the item from `at` on.
    fn make_available(&mut self, at: Timestamp) {
        if let Some(lease) = self.lease() {
            self.set_lease(Lease { owner: None, available_at: at, ..lease });
        }
    }

    /// The document without which it cannot be done.
    fn document(&self) -> Key;

    /// Why the fields of its lease cannot all be true; `None`: they can.
    fn contradiction(&self) -> Option<&'static str> {
        None
    }

    /// The item with this id, if it exists.
    fn find(view: &View, id: &str) -> Result<Option<LoadedEntity<Self>>, Rejection> {
        view.find_entity(id)
    }

    /// Rejects a kind that workers do not serve.
    fn check_kind(kind: &str) -> Result<(), Rejection> {
        _ = kind;
        Ok(())
    }

    /// A further condition for items that may be claimed, and the reads on which it depends. `None`: these are not done.
    fn condition(view: &View) -> (ReadSet, Option<Filter>) {
        _ = view;
        (ReadSet::empty(), Some(Filter::All))
    }

    /// Whether a worker may claim the item. `named`: it claims this one, and not any.
    fn may_be_claimed(&self, now: Timestamp, named: bool) -> bool {
        _ = named;
        self.lease().is_some_and(|lease| lease.is_available(now))
    }

    /// Claims the item ([`Claim::begin`]). If it is rejected, the claim passes over the item.
    fn claim(
        view: &View,
        ctx: &mut Ctx,
        row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>, Rejection>;

    /// The work of a claim, for a repeated one; `None`: it cannot be done any more.
    fn work(view: &View, claimed: &Self::Claimed) -> Result<Option<Self::Work>, Rejection>;

    /// Lets the item wait, because its claim was rejected. `is_orphan`: its document does not exist. Returns whether it
    /// is to be removed.
    fn skip(&mut self, view: &View, ctx: &mut Ctx, rejection: &Rejection, is_orphan: bool) -> Result<bool, Rejection>;

    /// What operators should know of an item that was let wait; `earlier`: the item before.
    fn warning(&self, earlier: &Self) -> Option<String> {
        _ = earlier;
        None
    }

    /// Stores an item with a new lease, and what changes with it.
    fn extend(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>, Rejection> {
        _ = view;
        Decision::new(()).save(row, ctx.now)
    }

    /// Stores an item that its worker has released, and what changes with it.
    fn release(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>, Rejection> {
        _ = view;
        Decision::new(()).save(row, ctx.now)
    }

    /// Ends the attempt of an item whose lease has ended. Only a domain with [`Expire`](super::Expire) has it: a claim
    /// may also replace such a worker.
    fn expire(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>, Rejection> {
        _ = (view, row, ctx);
        Ok(Decision::new(()))
    }

    /// The document for which commands on this item contend: [`Command::subject`](crate::decision::Command::subject).
    fn subject(id: &str) -> Option<Key> {
        _ = id;
        None
    }
}

/// The fields of a lease in a row of a queue.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct StoredLease {
    /// When it may be claimed; missing while it is claimed.
    pub available_at: Option<Timestamp>,
    /// Since when it cannot be claimed, because its documents are missing or damaged.
    pub skipped_since: Option<Timestamp>,
    /// When its claim ends; missing unless it is claimed.
    pub due_at: Option<Timestamp>,
    /// The worker that has claimed it, for people.
    #[entity(max = 1_000)]
    pub owner: Option<String>,
    /// The fencing token of the last claim.
    pub token: u64,
    /// Number of attempts.
    pub attempts: u32,
}

impl StoredLease {
    /// The lease of an item that may be claimed at once.
    pub fn available(now: Timestamp) -> Self {
        Self { available_at: Some(now), skipped_since: None, due_at: None, owner: None, token: 0, attempts: 0 }
    }

    /// See [`Leased::contradiction`]: it is claimed until a time, or may be claimed from a time on.
    pub fn contradiction(&self) -> Option<&'static str> {
        let is_claimed = self.owner.is_some();
        let is_consistent = is_claimed == self.available_at.is_none() && is_claimed == self.due_at.is_some();
        (!is_consistent).then_some("it must have either `available_at`, or `owner` and `due_at`")
    }

    /// See [`Leased::lease`].
    pub fn get(&self) -> Option<Lease> {
        let available_at = if self.owner.is_some() { self.due_at } else { self.available_at }?;
        Some(Lease { owner: self.owner.clone(), available_at, token: self.token, attempts: self.attempts })
    }

    /// See [`Leased::set_lease`].
    pub fn set(&mut self, lease: Lease) {
        let Lease { owner, available_at, token, attempts } = lease;
        let at = Some(available_at);
        let (available_at, due_at) = if owner.is_some() { (None, at) } else { (at, None) };
        let skipped_since = self.skipped_since.filter(|_| owner.is_none());
        *self = Self { available_at, skipped_since, due_at, owner, token, attempts };
    }

    /// See [`Leased::skip`]: it waits ever longer. Without its document it is to be removed after a day.
    pub fn skip(&mut self, is_orphan: bool, now: Timestamp) -> bool {
        let since = *self.skipped_since.get_or_insert(now);
        self.available_at = Some(skipped_until(since, now));
        is_orphan && is_abandoned(since, now)
    }
}
