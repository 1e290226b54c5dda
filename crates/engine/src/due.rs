//! Due work of all domains. Each due rule finds entities whose time has come by an index; the host decides when to
//! look. Expired and abandoned rows are removed too.

use std::sync::{Mutex, PoisonError};

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::marker::BoxFuture;
use runstate_core::operation::{DueKind, DueRow, DueRule, Parameter};
use runstate_core::schema::DamagedDocument;
use runstate_store::{Freshness, Row, StoreError};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{self as value, Json, SortedMap};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Engine, Error, STAGED, log};

/// How far a due entity is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Parameter)]
#[schemars(rename_all = "snake_case")]
pub enum RunLimit {
    /// To the end of its work: an execution to its next stop.
    Stop,
    /// One commit or a few. The remaining work is due at once, for any process. Suits a host that runs due work between
    /// the commands of a waiting caller.
    Slice,
}

/// The result of running due work.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct DueReport {
    /// Entities that were resumed.
    pub resumed: u32,
    /// Entities deleted because their retention ended, or because an earlier deletion was interrupted.
    pub deleted: u32,
    /// Rows removed because they expired, or because the command that staged them was abandoned.
    pub swept: u64,
    /// Documents whose secrets were encrypted again, because their key is not the current one any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub encrypted: u64,
    /// Whether more may be due than the limit allowed.
    pub more: bool,
    /// Entities whose due work failed. They do not delay the others. A damaged one is among them once for each engine.
    pub failed: Vec<DueFailure>,
    /// Number of damaged entities that an earlier report has.
    #[serde(skip)]
    pub(super) known_damage: u32,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An entity or a collection whose due work failed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DueFailure {
    /// The id of the entity, or the name of the collection.
    pub id: String,
    /// The error.
    pub error: Error,
}

impl DueReport {
    /// Whether something is due that cannot be done.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty() || self.known_damage > 0
    }

    pub(super) fn add_failure(&mut self, id: &str, error: Error) {
        log::due_failed(id, &error);
        self.failed.push(DueFailure { id: id.to_owned(), error });
    }

    /// Whether nothing was due.
    pub fn is_empty(&self) -> bool {
        self.resumed == 0 && self.deleted == 0 && self.swept == 0 && self.encrypted == 0 && self.failed.is_empty()
    }
}

/// Documents that are encrypted again in place of one entity: that takes far less time than to run one.
const ROTATED_PER_ITEM: u32 = 16;

/// Number of due entities per query.
const PAGE: u32 = 64;

/// Number of expired rows of one collection that are removed at once.
const SWEPT_AT_ONCE: usize = 1_000;

/// The reason of a failure that is reported for all that a page of a query does not name.
const MORE_DAMAGED: &str = "more of its documents cannot be read; `verify` reports all damage";

/// The longest time for which a read of a rule counts. Documents that get an old timestamp, for example by an import,
/// are found after it.
const MAX_READ_AGE: Millis = Millis::minutes(1);

/// For each rule, when it was last read, and when its next entity is due.
#[derive(Default)]
pub(super) struct DueReads(Mutex<SortedMap<&'static str, (Timestamp, Option<Timestamp>)>>);

impl DueReads {
    /// Forgets the reads of rules whose next entity was due at `now`. Those of others count as before: work that was
    /// done makes nothing due sooner than any commit does.
    fn forget_due(&self, now: Timestamp) {
        let mut reads = self.lock();
        let is_later = |due: &Option<Timestamp>| due.is_none_or(|due| due > now);
        let mut later = SortedMap::default();
        later.extend(reads.iter().filter(|(_, (_, due))| is_later(due)).map(|(rule, read)| (*rule, *read)));
        *reads = later;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SortedMap<&'static str, (Timestamp, Option<Timestamp>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Runs the work that is due now, for at most `limit` entities of each rule, and removes all rows that have expired
    /// or belong to abandoned commits. With [`RunLimit::Slice`] at most `limit` rows of each collection are removed.
    /// Several hosts may do so concurrently: each item is done once.
    ///
    /// A document that cannot be read is among the failures, in one report of this engine. It delays no other.
    pub async fn run_due(&self, limit: u32, run_limit: RunLimit) -> Result<DueReport, Error> {
        let now = self.now();
        let mut report = DueReport::default();
        // The first read sees every acknowledged commit, and the others are no older.
        let mut freshness = Freshness::Linearizable;
        for rule in self.shared.registry.due_rules() {
            if let Some(delay) = (rule.delay)(self.settings()) {
                self.run_rule_from(freshness, rule, now - delay, limit, run_limit, &mut report).await?;
                freshness = Freshness::Session;
            }
        }
        self.clean_up(limit, run_limit, report).await
    }

    /// The part of [`Engine::run_due`] that no rule finds: it removes expired rows and what interrupted commits left,
    /// and continues the rotation of keys. It suits a caller to which [`Engine::poll_due`] reports that nothing is due.
    pub async fn sweep_due(&self, limit: u32) -> Result<DueReport, Error> {
        self.clean_up(limit, RunLimit::Stop, DueReport::default()).await
    }

    fn clean_up(
        &self,
        limit: u32,
        run_limit: RunLimit,
        mut report: DueReport,
    ) -> BoxFuture<'_, Result<DueReport, Error>> {
        Box::pin(async move {
            let now = self.now();
            // A caller that waits gets small steps.
            let is_slice = run_limit == RunLimit::Slice;
            let (step, most) = if is_slice { (limit as usize, limit) } else { (SWEPT_AT_ONCE, u32::MAX) };
            let mut expired = 0;
            loop {
                let swept = self.sweep(now, step).await?;
                expired += swept;
                // As many rows of one collection as the limit allows may not be all of them.
                report.more |= is_slice && swept >= u64::from(limit.max(1));
                if is_slice || swept == 0 {
                    break;
                }
            }
            let removed = match self.remove_abandoned(now, most).await {
                Ok(removed) => u64::from(removed),
                // The caller must still receive the report of the work done so far.
                Err(error) if error.code == ErrorCode::CORRUPT => {
                    report.add_failure(STAGED.name, error);
                    0
                }
                Err(error) => return Err(error),
            };
            let rotated = if is_slice { limit } else { limit.saturating_mul(ROTATED_PER_ITEM) };
            self.run_rotation(rotated, &mut report).await?;
            self.shared.due_reads.forget_due(now);
            report.more |= removed >= u64::from(most.max(1));
            report.swept = removed + expired;
            // Last, so that a pass that fails keeps them for the next one.
            report.failed.extend(self.shared.reported_damage.take_failures());
            Ok(report)
        })
    }

    /// Does the work of one rule, for at most `limit` entities whose timestamp is at or before `until`.
    pub async fn run_rule(
        &self,
        rule: &DueRule,
        until: Timestamp,
        limit: u32,
        run_limit: RunLimit,
        report: &mut DueReport,
    ) -> Result<(), Error> {
        self.run_rule_from(Freshness::Linearizable, rule, until, limit, run_limit, report).await
    }

    /// As [`Engine::run_rule`], with the freshness of its first read.
    async fn run_rule_from(
        &self,
        mut freshness: Freshness,
        rule: &DueRule,
        until: Timestamp,
        limit: u32,
        run_limit: RunLimit,
        report: &mut DueReport,
    ) -> Result<(), Error> {
        let mut done = 0;
        for mut query in rule.work_queries(until) {
            query = query.limit(PAGE).with_unreadable();
            loop {
                let page = self.store().query(&query, freshness).await?;
                freshness = Freshness::Session;
                for DamagedDocument { id, reason, .. } in page.damaged {
                    self.add_damage(rule, &id, None, reason, report);
                }
                if page.more_damaged {
                    let (at, why) = (rule.collection.name.to_owned(), MORE_DAMAGED.to_owned());
                    self.add_damaged_failure(rule, &at.clone(), None, StoreError::Corrupt { at, why }.into(), report);
                }
                for row in page.items {
                    if due_time(rule, &row).is_none() {
                        let why = format!("`{}` is not a time", rule.field);
                        self.add_damage(rule, &row.id, Some(&row.stored.revision), why, report);
                        continue;
                    }
                    if done >= limit {
                        report.more = true;
                        return Ok(());
                    }
                    let due = DueRow {
                        id: &row.id,
                        document: &row.stored.document,
                        until,
                        one_part: run_limit == RunLimit::Slice,
                        refreshed: None,
                    };
                    match self.run_due_row(rule, due, &row.stored.revision).await {
                        Ok(kind) => {
                            done += u32::from(kind.is_some());
                            match kind {
                                Some(DueKind::Resumed) => report.resumed += 1,
                                Some(DueKind::Deleted) => report.deleted += 1,
                                None => {}
                            }
                        }
                        Err(error) if matches!(error.code, ErrorCode::CORRUPT | ErrorCode::KEY_MISSING) => {
                            self.add_damaged_failure(rule, &row.id, Some(&row.stored.revision), error, report)
                        }
                        Err(error) => report.add_failure(&row.id, error),
                    }
                }
                // Entities whose due work failed are still due. The cursor moves past them; a repeated query would not.
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn add_damage(&self, rule: &DueRule, id: &str, revision: Option<&Revision>, why: String, report: &mut DueReport) {
        let at = format!("{}/{id}", rule.collection.name);
        self.add_damaged_failure(rule, id, revision, StoreError::Corrupt { at, why }.into(), report);
    }

    /// Adds the failure of a damaged document, unless this engine has reported it before.
    fn add_damaged_failure(
        &self,
        rule: &DueRule,
        id: &str,
        revision: Option<&Revision>,
        error: Error,
        report: &mut DueReport,
    ) {
        match self.shared.reported_damage.is_new(rule.name, id, revision) {
            true => report.add_failure(id, error),
            false => report.known_damage += 1,
        }
    }

    async fn run_due_row(
        &self,
        rule: &DueRule,
        mut row: DueRow<'_>,
        revision: &Revision,
    ) -> Result<Option<DueKind>, Error> {
        let id = row.id.to_owned();
        let is_due = row.until <= self.now();
        if (rule.maintains)(row.document) {
            row.refreshed = self.store().maintain().await?;
        }
        let mut command = (rule.command)(row);
        let max_parts = row.one_part.then_some(1);
        match self.execute_any(&mut *command, None, max_parts).await {
            Ok(_) => {}
            Err(error)
                if matches!(error.code, ErrorCode::NOT_FOUND | ErrorCode::ILLEGAL_TRANSITION | ErrorCode::STALE) =>
            {
                // Another process was faster, unless the entity is as it was: its due time contradicts the rest of it.
                if !is_due || !self.shared.reported_damage.was_idle(rule.name, &id, revision) {
                    return Ok(None);
                }
                let at = format!("{}/{id}", rule.collection.name);
                let why = format!("it is due by its `{}`, and cannot be: {}", rule.field, error.message);
                return Err(StoreError::Corrupt { at, why }.into());
            }
            Err(error) => return Err(error),
        }
        Ok((rule.outcome)(&command.result().map_err(Error::internal)?))
    }

    /// The time at which [`Engine::run_due`] next has work; `None`: not before another command. A time in the past
    /// means now.
    ///
    /// With [`Freshness::Session`] it may miss recent commits of other processes. That suits a caller that calls it
    /// after each of its own commands, and with [`Freshness::Linearizable`] from time to time.
    pub async fn next_due(&self, freshness: Freshness) -> Result<Option<Timestamp>, Error> {
        let mut next: Option<Timestamp> = self.is_rotating().then(|| Timestamp::from_millis(0));
        for rule in self.shared.registry.due_rules() {
            let Some(delay) = (rule.delay)(self.settings()) else { continue };
            let due = self.next_due_of(rule, freshness).await?.map(|at| at + delay);
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// As [`Engine::next_due`], for a caller that asks again every second: a rule whose entities are due minutes after
    /// their commit is read once a minute. [`Engine::run_due`] reads them all again.
    pub async fn poll_due(&self) -> Result<Option<Timestamp>, Error> {
        let (mut next, now) = (self.is_rotating().then(|| Timestamp::from_millis(0)), self.now());
        for rule in self.shared.registry.due_rules() {
            let Some(delay) = (rule.delay)(self.settings()) else { continue };
            // Nothing that was committed since the last read is due earlier than this.
            let lead = Millis(delay.0.saturating_add((rule.lead)(self.settings()).0)).min(MAX_READ_AGE);
            let last = self.shared.due_reads.lock().get(rule.name).copied();
            let due = match last {
                Some((read, due)) if (Millis(0)..lead).contains(&now.since(read)) => due,
                _ => {
                    let due = self.next_due_of(rule, Freshness::Linearizable).await?.map(|at| at + delay);
                    self.shared.due_reads.lock().insert(rule.name, (now, due));
                    due
                }
            };
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// The earliest timestamp among the entities of a rule that are not known to be damaged.
    async fn next_due_of(&self, rule: &DueRule, freshness: Freshness) -> Result<Option<Timestamp>, Error> {
        let is_known = |row: &Row| self.shared.reported_damage.contains(rule.name, &row.id, &row.stored.revision);
        let mut query = rule.query(None).limit(1).with_unreadable();
        let first = loop {
            let page = self.store().query(&query, freshness).await?;
            let mut rows = page.items.iter().filter(|row| !is_known(row));
            match (rows.find_map(|row| due_time(rule, row)), page.next) {
                (None, Some(next)) => query = query.limit(PAGE).after(Some(next)),
                (first, _) => break first,
            }
        };
        let now = self.now();
        let is_misplaced = |at: &Timestamp| rule.horizon.is_some_and(|horizon| *at > now + horizon);
        Ok(first.map(|at| if is_misplaced(&at) { now } else { at }))
    }
}

/// The timestamp of an entity of a rule. None: the entity cannot be read, or the field is not a time.
fn due_time(rule: &DueRule, row: &Row) -> Option<Timestamp> {
    value::get(&row.stored.document, rule.field).and_then(Json::as_i64).map(Timestamp::from_millis)
}
