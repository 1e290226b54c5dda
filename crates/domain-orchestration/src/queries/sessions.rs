//! Queries of sessions: those without a heartbeat, those to recover, those that failed, and the health of one.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::Page;

use super::{ROWS, is_one_of};
use crate::session::{Session, SessionStatus};
use crate::settings::OrchestrationSettings;
use crate::task::{Task, TaskStatus};

/// Lists active and paused sessions without a recent heartbeat, page by page, the earliest heartbeat first.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "orchestration.session.stale", query)]
pub struct StaleSessions {
    /// Time without a heartbeat, in milliseconds; by default that from which the health of a session is `stale`.
    #[operation(name = "silentForMs")]
    pub silent_for: Option<Millis>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for StaleSessions {
    type Output = Page<Session>;

    fn reads(&self, view: &View) -> ReadSet {
        let settings: OrchestrationSettings = view.settings().get();
        let until = view.now() - self.silent_for.unwrap_or(settings.unresponsive_within);
        let query = Query::of(&Session::COLLECTION)
            .filter(is_one_of("status", ["active", "paused"]))
            .filter(Filter::Lte("last_heartbeat".to_owned(), until.as_millis().into()))
            .sort("last_heartbeat", Ascending);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<Session>> {
        Ok(view.page(ROWS))
    }
}

/// Lists sessions that can be recovered, page by page: stalled or failed, with attempts left.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "orchestration.session.recoverable", query)]
pub struct RecoverableSessions {
    /// Only sessions of this project.
    pub project: Option<String>,
    /// Maximum number of rows; by default 100, never more than 1,000. A page may have fewer, and not be the last.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for RecoverableSessions {
    type Output = Page<Session>;

    fn reads(&self, _: &View) -> ReadSet {
        let query = Query::of(&Session::COLLECTION).filter(is_one_of("status", ["stalled", "failed"]));
        let query = match &self.project {
            Some(project) => query.eq("project_id", project.as_str()),
            None => query,
        };
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<Page<Session>> {
        let attempts = OrchestrationSettings::of(ctx).recovery_attempts;
        let mut page: Page<Session> = view.page(ROWS);
        page.items.retain(|session| session.recovery.attempts < attempts);
        Ok(page)
    }
}

/// Lists sessions that failed recently, page by page, newest first.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Operation)]
#[operation(name = "orchestration.session.failed", query)]
pub struct FailedSessions {
    /// In this number of hours; by default 24.
    #[operation(default = 24)]
    pub hours: u32,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for FailedSessions {
    type Output = Page<Session>;

    fn reads(&self, view: &View) -> ReadSet {
        let since = view.now() - Millis::minutes(60 * i64::from(self.hours));
        let query = Query::of(&Session::COLLECTION)
            .eq("status", SessionStatus::Failed.as_str())
            .filter(Filter::Gte("completed_at".to_owned(), since.as_millis().into()))
            .sort("completed_at", Descending);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<Session>> {
        Ok(view.page(ROWS))
    }
}

/// Returns the health of a session.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "orchestration.session.health", query)]
pub struct ShowHealth {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
}

/// How long ago the owner of a session was alive.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Less than 60 seconds.
    Healthy,
    /// Less than 120 seconds.
    Degraded,
    /// Less than 300 seconds.
    Unresponsive,
    /// Longer.
    Stale,
}

/// The health of a session.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct SessionHealth {
    /// The session.
    #[entity(id)]
    pub session_id: String,
    /// Its status.
    pub status: SessionStatus,
    /// How long ago its owner was alive, in a word; null: the session has ended.
    pub health: Option<Health>,
    /// Seconds since the heartbeat.
    pub seconds_since_heartbeat: u64,
    /// For how long it has been running, or ran until it ended.
    pub duration_ms: Millis,
    /// How often it can be recovered.
    pub attempts_left: u32,
    /// The task that it runs.
    pub current_task: Option<Task>,
    /// The task that was completed last.
    pub last_completed_task: Option<Task>,
}

impl DomainQuery for ShowHealth {
    type Output = SessionHealth;

    fn reads(&self, _: &View) -> ReadSet {
        let completed = Query::of(&Task::COLLECTION)
            .eq("session_id", &*self.session_id)
            .eq("status", TaskStatus::Completed.as_str())
            .sort("completed_at", Descending)
            .limit(1);
        ReadSet::entity::<Session>(&self.session_id).query("completed", completed)
    }

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<SessionHealth> {
        let settings = OrchestrationSettings::of(ctx);
        let session = view.entity::<Session>(&self.session_id)?.entity;
        let silent = ctx.now.since(session.last_heartbeat);
        let limits = [
            (settings.healthy_within, Health::Healthy),
            (settings.degraded_within, Health::Degraded),
            (settings.unresponsive_within, Health::Unresponsive),
        ];
        let health = limits.into_iter().find(|(limit, _)| silent < *limit).map_or(Health::Stale, |(_, health)| health);
        // An ended session of the older system may lack the time of its end. It was changed last when it ended.
        let last_change = if session.state.is_terminal() { session.updated_at } else { ctx.now };
        let current = session.current_task_id.as_deref().map(|task| view.find_entity::<Task>(task)).transpose()?;
        Ok(SessionHealth {
            session_id: session.session_id.clone(),
            status: session.state.status(),
            health: (!session.state.is_terminal()).then_some(health),
            seconds_since_heartbeat: u64::try_from(silent.0 / 1_000).unwrap_or_default(),
            duration_ms: session.state.completed_at().unwrap_or(last_change).since(session.started_at),
            attempts_left: settings.recovery_attempts.saturating_sub(session.recovery.attempts),
            current_task: current.flatten().map(|task| task.entity),
            last_completed_task: view.entities("completed")?.pop(),
        })
    }
}
