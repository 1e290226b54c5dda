//! Removal of versions and apps. A removed version is not found any more, and no execution starts with it. A version
//! that was used is deleted once no execution uses it: a start does not check its version, so one may still commit.

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::DueKind;
use runstate_core::prelude::*;
use runstate_core::schema::Direction;

use super::commands::{ACTIVE, find_version, reads};
use super::{App, AppConfiguration, AppKey, ConfigurationSummary};
use crate::codes;
use crate::execution::{AppExecution, AppExecutionStatus};

/// How long after its removal a version is deleted, if no execution uses it. A start that has read it commits before.
const UNUSED_AFTER: Millis = Millis::minutes(60);

/// How long after that a version that is still used is reviewed again.
const REVIEW: Millis = Millis::days(1);

/// Number of versions that one commit removes.
const VERSIONS: u32 = 100;

/// Writes besides those of versions: the app, the ledger and the audit log.
const OTHER_WRITES: usize = 3;

/// The names of the queries for executions, and for all versions.
const EXECUTIONS: &str = "executions";
const ALL: &str = "all versions";

/// Rejects a removal if the query found an execution that has not ended.
fn check_executions(view: &View, what: &str) -> Result<()> {
    let Some((key, _)) = view.rows(EXECUTIONS).unwrap_or_default().first() else { return Ok(()) };
    let message =
        format!("execution `{}` uses {what} and has not ended; cancel it, or wait. Nothing was removed", key.id);
    Err(Rejection::domain(ErrorCode::IN_USE, message))
}

/// The query for an execution that has not ended.
fn running() -> Query {
    Query::of(&AppExecution::COLLECTION).eq("status", AppExecutionStatus::Running.as_str()).limit(1)
}

impl LoadedVersion {
    /// The change that removes it: one that no execution was started with is deleted.
    fn remove(mut self, ctx: &Ctx) -> Result<Change> {
        if !self.0.entity.used {
            return Ok(self.0.delete());
        }
        (self.0.entity.active, self.0.entity.remove_at) = (false, Some(ctx.now + UNUSED_AFTER));
        self.0.update(ctx.now)
    }
}

/// A version that is removed.
struct LoadedVersion(LoadedEntity<AppConfiguration>);

/// Removes a version of the configuration of an app. Executions that have ended keep it: it is deleted when none is
/// left.
///
/// Errors: `not_found`, `version_active` (activate another one, or remove the app), `in_use` (an execution that has not
/// ended uses it).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.configuration.remove", cli = "apps configuration delete")]
pub struct RemoveConfiguration {
    /// The number of the app.
    #[operation(subject)]
    pub app_id: i64,
    /// The number of a part of the app; by default the whole app.
    pub sub_app_id: Option<i64>,
    /// The version.
    pub version: String,
}

impl RemoveConfiguration {
    fn key(&self) -> AppKey {
        AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }
    }
}

impl Command for RemoveConfiguration {
    type Output = ConfigurationSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = reads(self.key(), &self.version);
        match find_version(view, self.key(), &self.version) {
            Ok(version) => reads.query(EXECUTIONS, running().eq("configuration_id", version.entity.id)),
            Err(_) => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ConfigurationSummary>> {
        let version = find_version(view, self.key(), &self.version)?;
        let (name, app) = (&self.version, self.key().app());
        if version.entity.active {
            let message = format!(
                "version {name} of app `{app}` is active; activate another one first, or remove the app. Nothing was removed"
            );
            return Err(Rejection::domain(codes::VERSION_ACTIVE, message));
        }
        check_executions(view, &format!("version {name} of app `{app}`"))?;
        let mut decision = Decision::new(version.entity.summary());
        // Each change of the versions writes the app. It has the names of a version.
        if let Some(mut found) = view.find_entity::<App>(&app)? {
            if let Some(active) = view.entities::<AppConfiguration>(ACTIVE)?.pop() {
                (found.entity.app_name, found.entity.sub_app_name) = (active.app_name, active.sub_app_name);
            }
            decision.changes.push(found.update(ctx.now)?);
        }
        Ok(decision.change(LoadedVersion(version).remove(ctx)?))
    }
}

/// Deletes a removed version, if no execution uses it.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.configuration.delete")]
pub struct DeleteConfiguration {
    /// The id of the version.
    pub id: String,
}

impl DeleteConfiguration {
    /// The kind of due work that was done.
    pub fn kind(output: &Json) -> Option<DueKind> {
        (*output == true).then_some(DueKind::Deleted)
    }
}

impl Command for DeleteConfiguration {
    /// Whether it was deleted.
    type Output = bool;

    fn reads(&self, _: &View) -> ReadSet {
        let users = Query::of(&AppExecution::COLLECTION).eq("configuration_id", &*self.id).limit(1);
        ReadSet::entity::<AppConfiguration>(&self.id).query(EXECUTIONS, users)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<bool>> {
        let found = view.find_entity::<AppConfiguration>(&self.id)?;
        let is_due = |found: &LoadedEntity<AppConfiguration>| found.entity.remove_at.is_some_and(|at| at <= ctx.now);
        let Some(mut version) = found.filter(is_due) else { return Ok(Decision::new(false)) };
        let is_used = view.rows(EXECUTIONS).is_some_and(|rows| !rows.is_empty());
        let mut decision = Decision::new(!is_used);
        decision.continues = true;
        if is_used {
            version.entity.remove_at = Some(ctx.now + REVIEW);
            return decision.save(version, ctx.now);
        }
        Ok(decision.change(version.delete()))
    }
}

/// Removes an app, or a part of one, with all versions. Its executions that have ended stay for their retention.
///
/// Errors: `not_found`, `in_use` (an execution of it has not ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.app.remove", cli = "apps delete")]
pub struct RemoveApp {
    /// The number of the app.
    #[operation(subject)]
    pub app_id: i64,
    /// The number of a part of the app, which alone is removed; by default the whole app without its parts.
    pub sub_app_id: Option<i64>,
}

/// An app that was removed.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct AppRemoval {
    /// Its id.
    pub id: String,
    /// Whether nothing is left to do. Due work does the rest.
    pub done: bool,
}

/// The decision that removes versions of an app; the last one deletes the app.
fn remove_versions(view: &View, ctx: &Ctx, mut app: LoadedEntity<App>) -> Result<Decision<AppRemoval>> {
    let mut versions = view.loaded_entities::<AppConfiguration>(ALL)?;
    let most = ctx.max_writes.saturating_sub(OTHER_WRITES).max(1);
    let done = versions.len() <= most && view.next_cursor(ALL).is_none();
    versions.truncate(most);
    let mut decision = Decision::new(AppRemoval { id: app.entity.id.clone(), done });
    for version in versions {
        decision.changes.push(LoadedVersion(version).remove(ctx)?);
    }
    if done {
        return Ok(decision.change(app.delete()));
    }
    app.entity.remove_at = app.entity.remove_at.or(Some(ctx.now));
    Ok(decision.change(app.update(ctx.now)?))
}

/// The query for the versions of an app that were not removed, the active one first: with it, no execution starts.
fn versions(key: AppKey) -> Query {
    let missing = Filter::Exists("remove_at".to_owned(), false);
    key.versions().filter(missing).sort("active", Direction::Descending).limit(VERSIONS)
}

impl Command for RemoveApp {
    type Output = AppRemoval;

    fn reads(&self, _: &View) -> ReadSet {
        let key = AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id };
        let part = self.sub_app_id.map_or(Json::Null, Json::from);
        let running = running().eq("app_id", self.app_id).eq("sub_app_id", part);
        ReadSet::entity::<App>(&key.app()).query(ALL, versions(key)).query(EXECUTIONS, running)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppRemoval>> {
        let id = AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }.app();
        let app = view.entity::<App>(&id)?;
        if app.entity.remove_at.is_some() {
            return Err(Rejection::not_found::<App>(&id));
        }
        check_executions(view, &format!("app `{id}`"))?;
        remove_versions(view, ctx, app)
    }

    fn next(&self, output: &AppRemoval, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (!output.done).then(|| TypedCommand::boxed(ClearApp { id: output.id.clone() }))
    }

    fn absorb(&self, output: &mut AppRemoval, part: Box<dyn std::any::Any>) {
        output.done = part.downcast::<ClearedApp>().is_ok_and(|part| *part != ClearedApp::Begun);
    }
}

/// Continues the removal of an app.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.app.clear", contends(App::COLLECTION, id))]
pub struct ClearApp {
    /// The id of the app.
    pub id: String,
}

/// The result of [`ClearApp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClearedApp {
    /// It was not removed, was saved again, or does not exist.
    None,
    /// Versions are left.
    Begun,
    /// Nothing is left.
    Done,
}

impl ClearApp {
    /// The kind of due work that was done.
    pub fn kind(output: &Json) -> Option<DueKind> {
        (*output != "none").then_some(DueKind::Deleted)
    }
}

impl Command for ClearApp {
    type Output = ClearedApp;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<App>(&self.id);
        match view.peek_entity::<App>(&self.id) {
            Some(app) => {
                let key = AppKey { app_id: app.app_id, sub_app_id: app.sub_app_id };
                reads.query(ALL, versions(key))
            }
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ClearedApp>> {
        let found = view.find_entity::<App>(&self.id)?;
        let is_due = |app: &LoadedEntity<App>| app.entity.remove_at.is_some_and(|at| at <= ctx.now);
        let Some(app) = found.filter(is_due) else { return Ok(Decision::new(ClearedApp::None)) };
        let mut decision = remove_versions(view, ctx, app)?;
        decision.continues = true;
        Ok(decision.map(|removal| if removal.done { ClearedApp::Done } else { ClearedApp::Begun }))
    }

    fn next(&self, output: &ClearedApp, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (*output == ClearedApp::Begun).then(|| TypedCommand::boxed(self.clone()))
    }
}
