//! The commands that all items of workers have.

use std::any::Any;
use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;

use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Json, sort_by};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    KINDS_PER_CLAIM, LARGEST_PAGE, LEASE, Lease, Leased, MOST_PASSED_OVER, READ_AHEAD, SHORTEST_LEASE, check_lease,
    check_name, has_next_token, next_token, pick, stale_claim,
};
use crate::decision::{
    AnyCommand, Command, Ctx, Decision, DomainQuery, Hint, LoadedDocument, LoadedEntity, OperationName, Ports, ReadSet,
    Rejection, TypedCommand, TypedQuery, View,
};
use crate::error_code::ErrorCode;
use crate::operation::{DueRule, EntityCheck, Operation};
use crate::schema::Direction::Ascending;
use crate::schema::{DamageCode, Filter, Freshness, Key, Query};

/// Names of the queries for items that may be claimed, one for each kind.
const KIND_QUERIES: [&str; KINDS_PER_CLAIM] = [
    "kind 1", "kind 2", "kind 3", "kind 4", "kind 5", "kind 6", "kind 7", "kind 8", "kind 9", "kind 10", "kind 11",
    "kind 12", "kind 13", "kind 14", "kind 15", "kind 16",
];

/// Rejects more kinds of items than one command reads.
fn check_kinds<L: Leased>(kinds: &[String]) -> Result<(), Rejection> {
    let Some(kind) = L::KIND.filter(|_| kinds.len() > KINDS_PER_CLAIM) else { return Ok(()) };
    Err(Rejection::Limit {
        what: format!("{} {} at once", kinds.len(), kind.plural),
        limit: format!("at most {KINDS_PER_CLAIM}"),
        remedy: "pass the others separately",
    })
}

/// Reads items of each of these kinds that are available at this time: those on the page of the query that `page` says.
fn reads_of_kinds<L: Leased>(
    view: &View,
    kinds: &[String],
    only: Option<&Filter>,
    available_at: &Filter,
    page: impl Fn(&'static str, Query) -> Query,
) -> ReadSet {
    let (reads, condition) = L::condition(view);
    let Some(condition) = condition else { return reads };
    let only = only.unwrap_or(&Filter::All);
    let queries = match L::KIND {
        Some(kind) => kinds.iter().map(|one| Query::of(&L::COLLECTION).eq(kind.field, one.as_str())).collect(),
        None => vec![Query::of(&L::COLLECTION)],
    };
    KIND_QUERIES.iter().zip(queries).fold(reads, |reads, (name, query)| {
        let query = query.filter(available_at.clone()).filter(condition.clone()).filter(only.clone());
        reads.query(name, page(name, query.sort(L::AVAILABLE_AT, Ascending).with_unreadable()))
    })
}

/// The items that the queries for kinds have found, without those that the claim passes over. An error is one that is
/// damaged, with the reason.
fn found_items<L: Leased>(view: &View) -> impl Iterator<Item = Result<LoadedEntity<L>, (Key, DamageCode, String)>> {
    view.each_entity::<L>(&KIND_QUERIES).map(|row| {
        let row = row?;
        match lease_problem(&row.entity) {
            Some(problem) => Err((row.key().clone(), DamageCode::Corrupt, problem.to_owned())),
            None => Ok(row),
        }
    })
}

/// Why no claim of the item can begin or end: another program has changed its lease.
fn lease_problem<L: Leased>(row: &L) -> Option<&'static str> {
    let is_last = row.lease().is_some_and(|lease| !has_next_token(lease.token));
    row.contradiction().or_else(|| is_last.then_some("no token is greater than its `token`"))
}

/// The item that a worker has claimed under this token.
pub fn claimed<L: Leased>(view: &View, id: &str, token: u64) -> Result<LoadedEntity<L>, Rejection> {
    let is_held = |row: &LoadedEntity<L>| row.entity.lease().is_some_and(|lease| lease.is_held_with(token));
    L::find(view, id)?.filter(is_held).ok_or_else(|| stale_claim::<L>(id, token))
}

/// The items that a worker may claim.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimTarget {
    /// Any item of one of these kinds, at most 16. Items without kinds: any.
    Kinds(Vec<String>),
    /// The item with this id.
    Item(String),
}

/// Which items of its kinds a claim takes, and in which order; by default any.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClaimSelection {
    /// Only items that match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Filter>,
    /// Whether it takes the item that has been available for the longest time. By default it takes one of the oldest at
    /// random, so that workers hinder each other less.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oldest_first: bool,
}

/// Claims one item for a worker until its lease ends.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = L::NAMES.claim)]
#[serde(bound = "")]
pub struct Claim<L: Leased> {
    of: ClaimTarget,
    owner: String,
    lease: Millis,
    #[serde(flatten)]
    selection: ClaimSelection,
    /// A repeat of the claim may have others.
    #[serde(skip)]
    except: BTreeSet<String>,
    #[serde(skip)]
    item: PhantomData<fn() -> L>,
}

impl<L: Leased> Claim<L> {
    /// The claim of one of these items for the worker `owner`, whose name is for people.
    pub fn new(of: ClaimTarget, owner: impl Into<String>, lease: Millis) -> Self {
        let (selection, except) = Default::default();
        Self { of, owner: owner.into(), lease, selection, except, item: PhantomData }
    }

    /// The claim of one of the selected items.
    pub fn select(self, selection: ClaimSelection) -> Self {
        Self { selection, ..self }
    }

    /// The claim of none of the items with these ids: its worker still handles them, even if their leases have ended.
    pub fn except(self, ids: BTreeSet<String>) -> Self {
        Self { except: ids, ..self }
    }

    /// The claim passes over the item `first`, which needs a missing key, and over those of `rows` that need one too.
    /// What the claims of up to [`READ_AHEAD`] of them need is read together before.
    fn pass_over_sealed(
        &self,
        view: &View,
        ctx: &mut Ctx,
        first: (Key, String),
        rows: Vec<LoadedEntity<L>>,
    ) -> Rejection {
        let (mut sealed, mut unread, mut waiting) = (vec![first], BTreeSet::new(), 0);
        for row in rows.into_iter().rev() {
            let key = row.key().clone();
            match L::claim(view, ctx, row, self) {
                Ok(_) => return Rejection::PassedOver(sealed),
                Err(Rejection::Unread(keys)) if waiting < READ_AHEAD => {
                    waiting += 1;
                    unread.extend(keys);
                }
                Err(rejection) if rejection.code() == ErrorCode::KEY_MISSING => {
                    sealed.push((key, rejection.to_string()))
                }
                // The next decision meets it again.
                Err(_) => {}
            }
        }
        // Decided without so many, the claim reads their documents no more.
        let are_many = sealed.len() >= READ_AHEAD && view.keys().count() >= READ_AHEAD;
        match unread.is_empty() || are_many {
            true => Rejection::PassedOver(sealed),
            false => Rejection::Unread(unread.into_iter().collect()),
        }
    }

    /// Claims the item `id`, which another part of the same command has made available; `None`: it may not be claimed,
    /// or not now. `view` is the one after that part.
    pub fn claim_changed(&self, view: &View, ctx: &mut Ctx, id: &str) -> Option<Decision<ClaimResult<L>>> {
        // What prevents this claim is found, and reported, by the next one of any worker.
        let row = L::find(view, id).ok()??;
        let is_free = lease_problem(&row.entity).is_none() && row.entity.may_be_claimed(ctx.now, false);
        if is_free { L::claim(view, ctx, row, self).ok() } else { None }
    }

    /// Begins a lease. Returns it.
    pub fn begin(&self, row: &mut L, now: Timestamp) -> Result<Lease, Rejection> {
        let earlier = row.lease().ok_or_else(|| stale_claim::<L>(row.id(), 0))?;
        let until = now + self.lease;
        let lease = Lease {
            owner: Some(self.owner.clone()),
            available_at: row.latest_end().map_or(until, |latest| until.min(latest)),
            token: next_token(earlier.token, now),
            attempts: earlier.attempts.saturating_add(1),
        };
        row.set_lease(lease.clone());
        Ok(lease)
    }
}

/// Lets an item wait whose claim was rejected, so that it delays no other, or removes it. `next`: those that are tried
/// after it, to read their documents at once.
fn pass_over<'a, L: Leased>(
    view: &View,
    ctx: &mut Ctx,
    mut row: LoadedEntity<L>,
    rejection: &Rejection,
    next: impl Iterator<Item = &'a L>,
) -> Result<Decision<()>, Rejection> {
    let document = row.entity.document();
    view.require(next.map(Leased::document).chain([document.clone()]))?;
    let is_orphan = view.get(&document).is_none();
    let earlier = row.entity.clone();
    if row.entity.skip(view, ctx, rejection, is_orphan)? {
        return Ok(Decision::new(()).change(row.delete()));
    }
    let mut waits = Decision::new(());
    waits.hints.extend(row.entity.warning(&earlier).map(Hint::Warning));
    Ok(waits.change(row.update(ctx.now)?))
}

/// The result of a claim, by default of none. The ledger keeps the claim alone: a repeat reads the work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct ClaimResult<L: Leased> {
    /// The claim; `None`: no item may be claimed.
    claimed: Option<L::Claimed>,
    /// The work. `None`: no item was claimed, or the claim of a repeat has ended.
    #[serde(skip)]
    pub work: Option<Box<L::Work>>,
    /// Whether the claim has found other items too.
    #[serde(skip)]
    pub has_found_more: bool,
}

impl<L: Leased> Default for ClaimResult<L> {
    fn default() -> Self {
        Self { claimed: None, work: None, has_found_more: false }
    }
}

impl<L: Leased> ClaimResult<L> {
    /// The result for a claimed item.
    pub fn new(claimed: L::Claimed, work: L::Work) -> Self {
        Self { claimed: Some(claimed), work: Some(Box::new(work)), has_found_more: false }
    }
}

impl<L: Leased> Command for Claim<L> {
    type Output = ClaimResult<L>;

    fn check(&self) -> Result<(), Rejection> {
        check_lease(self.lease)?;
        check_name("owner", Some(&self.owner))?;
        let ClaimTarget::Kinds(kinds) = &self.of else { return Ok(()) };
        check_kinds::<L>(kinds)?;
        kinds.iter().try_for_each(|kind| L::check_kind(kind))
    }

    fn reads(&self, view: &View) -> ReadSet {
        match &self.of {
            ClaimTarget::Item(id) => ReadSet::entity::<L>(id),
            ClaimTarget::Kinds(kinds) => {
                let now = Filter::Lte(L::AVAILABLE_AT.to_owned(), view.now().as_millis().into());
                // Items that cannot be read, or that it excepts, keep their places, so it reads on behind them.
                let is_candidate = |row: &LoadedEntity<L>| !self.except.contains(row.entity.id());
                let is_behind = LazyCell::new(|| !found_items::<L>(view).flatten().any(|row| is_candidate(&row)));
                let reads = reads_of_kinds::<L>(view, kinds, self.selection.only.as_ref(), &now, |name, query| {
                    let Some(last) = view.query(name) else { return query.limit(view.spread()) };
                    let limit = last.limit.filter(|limit| *limit < LARGEST_PAGE);
                    match (limit, view.next_cursor(name)) {
                        (Some(limit), Some(next)) if *is_behind => {
                            query.limit((limit * 2).min(LARGEST_PAGE)).after(Some(next.to_owned()))
                        }
                        _ => last.clone(),
                    }
                });
                // Rows may be old. The commit writes the row that is claimed at the revision that was read, so it fails
                // if another command has claimed, ended or deleted the item before it. Commands that close an item
                // without its worker write or delete its row too, so documents that were read beside a row that is
                // unchanged at the commit are of a time at which the item was open. An item that was missed is found by
                // a later claim: one that takes none reads again. The oldest item must not be missed, nor what a
                // condition depends on.
                let is_of_kinds = |(name, _): &(&'static str, Query)| KIND_QUERIES.contains(name);
                match self.selection.oldest_first || !reads.queries.iter().all(is_of_kinds) {
                    true => reads,
                    false => reads.with_candidates(),
                }
            }
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ClaimResult<L>>, Rejection> {
        let (mut candidates, mut passed_over) = (Vec::new(), Decision::new(ClaimResult::default()));
        let known = view.all_rows(&KIND_QUERIES).find_map(|(key, _)| view.passed_over(key));
        let mut missing_key = known.map(str::to_owned);
        let is_named = match &self.of {
            ClaimTarget::Item(id) => {
                candidates.extend(L::find(view, id)?);
                true
            }
            ClaimTarget::Kinds(_) => {
                for row in found_items::<L>(view) {
                    match row {
                        Ok(row) => candidates.push(row),
                        Err((key, DamageCode::KeyMissing, why)) => {
                            missing_key.get_or_insert_with(|| format!("{key} cannot be read: {why}"));
                        }
                        Err(damaged) => passed_over.damaged.push(damaged),
                    }
                }
                false
            }
        };
        candidates.retain(|row| row.entity.may_be_claimed(ctx.now, is_named) && !self.except.contains(row.entity.id()));
        if self.selection.oldest_first {
            let since = |row: &LoadedEntity<L>| row.entity.lease().map(|lease| lease.available_at);
            sort_by(&mut candidates, |a, b| since(a).cmp(&since(b)));
            candidates.reverse();
        }
        while !candidates.is_empty() && passed_over.changes.len() < MOST_PASSED_OVER {
            let row = match self.selection.oldest_first {
                true => candidates.len() - 1,
                false => pick(ctx, candidates.len()),
            };
            let row = candidates.swap_remove(row);
            match L::claim(view, ctx, row.clone(), self) {
                Ok(mut claimed) => {
                    claimed.item = Some(row.key().clone());
                    let is_cut = KIND_QUERIES.iter().any(|name| view.next_cursor(name).is_some());
                    claimed.output.has_found_more = is_cut || !candidates.is_empty();
                    claimed.include(passed_over)?;
                    return Ok(claimed);
                }
                // Another process may have the key, so the item stays as it is.
                Err(rejection) if !is_named && rejection.code() == ErrorCode::KEY_MISSING => {
                    let first = (row.key().clone(), rejection.to_string());
                    return Err(self.pass_over_sealed(view, ctx, first, candidates));
                }
                // Another item may be claimed, and this one later.
                Err(rejection) if !is_named && !matches!(rejection, Rejection::Unread(_) | Rejection::Torn(_)) => {
                    let damage = rejection.damage_code().map(|code| (row.key().clone(), code, rejection.to_string()));
                    passed_over.damaged.extend(damage);
                    let next = candidates.iter().rev().take(MOST_PASSED_OVER).map(|next| &next.entity);
                    passed_over.include(pass_over(view, ctx, row, &rejection, next)?)?;
                }
                Err(rejection) => return Err(rejection),
            }
        }
        match missing_key {
            Some(why) if passed_over.changes.is_empty() => {
                ctx.damaged = passed_over.damaged;
                Err(Rejection::domain(ErrorCode::KEY_MISSING, why))
            }
            // No commit checks why it passes over items, and they wait for up to an hour.
            _ => Ok(Decision { needs_newest: !passed_over.changes.is_empty(), ..passed_over }),
        }
    }

    fn next(&self, output: &ClaimResult<L>, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let ClaimResult { claimed: Some(claimed), work: None, .. } = output else { return None };
        Some(TypedQuery::boxed(ClaimedWork::<L> { claimed: claimed.clone() }))
    }

    fn absorb(&self, output: &mut ClaimResult<L>, part: Box<dyn Any>) {
        if let Ok(work) = part.downcast::<Option<L::Work>>() {
            output.work = work.map(Box::new);
        }
    }

    fn reply(&self, output: &ClaimResult<L>) -> Option<Result<Json, serde_json::Error>> {
        Some(serde_json::to_value(&output.work))
    }
}

/// Reads the work of a repeated claim.
#[derive(OperationName)]
#[operation(name = L::NAMES.claim)]
struct ClaimedWork<L: Leased> {
    claimed: L::Claimed,
}

impl<L: Leased> DomainQuery for ClaimedWork<L> {
    type Output = Option<L::Work>;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<L::Work>, Rejection> {
        L::work(view, &self.claimed)
    }
}

/// Reports that a worker still works on an item, and renews its lease.
///
/// Errors: `stale_claim` (the worker must stop: its claim has ended), `invalid` (the lease).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = L::NAMES.heartbeat)]
#[serde(bound = "")]
pub struct Heartbeat<L: Leased> {
    /// The item.
    #[operation(subject, name = L::ID)]
    id: String,
    /// The fencing token of the claim.
    token: u64,
    /// How long the claim lasts from now on, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    lease: Millis,
    #[operation(skip)]
    #[serde(skip)]
    item: PhantomData<fn() -> L>,
}

impl<L: Leased> Heartbeat<L> {
    /// The heartbeat of the worker that has claimed the item under this token.
    pub fn new(id: impl Into<String>, token: u64, lease: Millis) -> Self {
        Self { id: id.into(), token, lease, item: PhantomData }
    }
}

impl<L: Leased> Command for Heartbeat<L> {
    type Output = Timestamp;

    fn check(&self) -> Result<(), Rejection> {
        check_lease(self.lease)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>, Rejection> {
        let mut row = claimed::<L>(view, &self.id, self.token)?;
        let until = ctx.now + self.lease;
        let until = row.entity.latest_end().map_or(until, |latest| until.min(latest));
        if let Some(lease) = row.entity.lease() {
            row.entity.set_lease(Lease { available_at: until, ..lease });
        }
        let item = row.key().clone();
        Ok(L::extend(view, ctx, row)?.map(|()| until).with_item(item))
    }
}

/// Releases a claimed item, which others may claim at once. The attempt does not count.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = L::NAMES.release)]
#[serde(bound = "")]
pub struct Release<L: Leased> {
    /// The item.
    #[operation(subject, name = L::ID)]
    id: String,
    /// The fencing token of the claim.
    token: u64,
    #[operation(skip)]
    #[serde(skip)]
    item: PhantomData<fn() -> L>,
}

impl<L: Leased> Release<L> {
    /// The release by the worker that has claimed the item under this token.
    pub fn new(id: impl Into<String>, token: u64) -> Self {
        Self { id: id.into(), token, item: PhantomData }
    }
}

impl<L: Leased> Command for Release<L> {
    type Output = ();

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut row = claimed::<L>(view, &self.id, self.token)?;
        if let Some(Lease { token, attempts, .. }) = row.entity.lease() {
            let attempts = attempts.saturating_sub(1);
            row.entity.set_lease(Lease { owner: None, available_at: ctx.now, token, attempts });
        }
        let item = row.key().clone();
        Ok(L::release(view, ctx, row)?.with_item(item))
    }
}

/// Ends the claim of an item whose lease has ended. It counts as a failed attempt.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = L::NAMES.expire)]
#[serde(bound = "")]
pub struct Expire<L: Leased> {
    id: String,
    #[serde(skip)]
    item: PhantomData<fn() -> L>,
}

impl<L: Leased> Expire<L> {
    /// The rule for claims that have ended.
    pub const RULE: DueRule = DueRule {
        lead: |_| SHORTEST_LEASE,
        ..DueRule::new(L::NAMES.expire, &L::COLLECTION, "due_at", |row| {
            TypedCommand::boxed(Self { id: row.id.to_owned(), item: PhantomData })
        })
    };
}

impl<L: Leased> Command for Expire<L> {
    type Output = ();

    fn subject(&self) -> Option<Key> {
        L::subject(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let has_ended = |lease: Lease| lease.owner.is_some() && lease.available_at <= ctx.now;
        let row = L::find(view, &self.id)?;
        if let Some((row, problem)) = row.as_ref().and_then(|row| Some((row, row.entity.contradiction()?))) {
            return Err(Rejection::damaged(row.key(), &problem));
        }
        let row = row.filter(|row| row.entity.lease().is_some_and(has_ended));
        let mut row = row.ok_or_else(|| Rejection::Stale {
            what: format!("the claim of {} `{}` is not due; nothing was changed", L::NOUN, self.id),
        })?;
        let item = row.key().clone();
        let decision = match L::expire(view, ctx, row.clone()) {
            // Its document does not exist. The next claim passes over it.
            Err(Rejection::NotFound { .. }) => {
                row.entity.make_available(ctx.now);
                Decision::new(()).save(row, ctx.now)
            }
            decision => decision,
        };
        Ok(decision?.with_item(item))
    }
}

/// Verifies the lease of an item. Changes nothing.
#[derive(OperationName)]
#[operation(name = L::NAMES.claim)]
struct InspectLease<L: Leased> {
    id: String,
    item: PhantomData<fn() -> L>,
}

/// The check of the leases of items.
pub const fn lease_check<L: Leased>() -> EntityCheck {
    EntityCheck {
        collection: &L::COLLECTION,
        inspect: |id| TypedQuery::boxed(InspectLease::<L> { id: id.to_owned(), item: PhantomData }),
        rows: &[],
    }
}

impl<L: Leased> DomainQuery for InspectLease<L> {
    /// `None`: the item does not exist.
    type Output = Option<Json>;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Json>, Rejection> {
        let inspect = |row: LoadedEntity<L>| {
            let problems: Vec<&str> = lease_problem(&row.entity).into_iter().collect();
            json!({"revision": row.revision().to_string(), "problems": problems})
        };
        Ok(L::find(view, &self.id)?.map(inspect))
    }
}

/// Finds when a worker may claim an item of these kinds next. `None`: none is open. It may miss recent commits of other
/// processes.
#[derive(Clone, Debug, OperationName)]
#[operation(name = L::NAMES.next_available)]
pub struct NextAvailable<L: Leased> {
    kinds: Vec<String>,
    only: Option<Filter>,
    item: PhantomData<fn() -> L>,
}

impl<L: Leased> NextAvailable<L> {
    /// The query for items of these kinds; of items without kinds for any.
    pub fn new(kinds: &[String]) -> Self {
        Self { kinds: kinds.to_vec(), only: None, item: PhantomData }
    }

    /// The query for items that match.
    pub fn only(self, only: Option<Filter>) -> Self {
        Self { only, ..self }
    }
}

impl<L: Leased> DomainQuery for NextAvailable<L> {
    type Output = Option<Timestamp>;

    fn check(&self) -> Result<(), Rejection> {
        check_kinds::<L>(&self.kinds)
    }

    fn reads(&self, view: &View) -> ReadSet {
        // An index of timestamps is selected by a condition on their order.
        let any = Filter::Gte(L::AVAILABLE_AT.to_owned(), i64::MIN.into());
        reads_of_kinds::<L>(view, &self.kinds, self.only.as_ref(), &any, |_, query| query.limit(1))
            .with_freshness(Freshness::Session)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Timestamp>, Rejection> {
        let at = |(_, row): &(Key, LoadedDocument)| row.document.get(L::AVAILABLE_AT).and_then(Json::as_i64);
        Ok(view.all_rows(&KIND_QUERIES).filter_map(at).min().map(Timestamp::from_millis))
    }
}
