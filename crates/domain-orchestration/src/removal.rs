//! The audit log of removals: one row for each session and task that due work has removed, in the commit of the removal.
//! What a person ends or deletes has no row: that person knows of it.
use runstate_core::prelude::*;

/// A session or task that due work has removed, because its retention had ended.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "orchestration.removals",
    version = 1,
    insert_only,
    noun = "removal",
    filters(target, session_id)
)]
#[entity(list(sort = "at desc"))]
#[index(at desc)]
#[index(target, at)]
#[index(session_id, at)]
#[ttl(at, days = 365)]
pub struct RemovalRow {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// When it was removed.
    pub at: Timestamp,
    /// The document: its collection and its id.
    pub target: String,
    /// The session.
    #[entity(kind = id)]
    pub session_id: String,
    /// Its status before.
    pub status: String,
    /// When it had ended.
    pub ended_at: Option<Timestamp>,
    /// Why it had failed.
    #[entity(max = 100_000)]
    pub reason: Option<String>,
    /// The id of the command that removed it.
    pub cmd: String,
}

/// A document that is removed.
pub(super) struct Removed<'a> {
    pub(super) key: &'a Key,
    pub(super) session_id: &'a str,
    pub(super) status: &'static str,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) reason: Option<&'a str>,
}

impl Removed<'_> {
    /// The change that adds its row.
    pub(super) fn row(&self, ctx: &mut Ctx) -> Result<Change> {
        Change::insert(&RemovalRow {
            id: ctx.new_id(),
            at: ctx.now,
            target: self.key.to_string(),
            session_id: self.session_id.to_owned(),
            status: self.status.to_owned(),
            ended_at: self.ended_at,
            reason: self.reason.map(str::to_owned),
            cmd: ctx.command().as_str().to_owned(),
        })
    }
}
