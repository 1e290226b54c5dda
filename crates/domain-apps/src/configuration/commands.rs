//! Saving and activating versions of a configuration.

use runstate_core::prelude::*;
use runstate_core::schema::entity::serialize;

use super::{App, AppConfiguration, AppKey, Configuration};
use crate::codes;

/// The names of the queries for active versions and for the one of the command.
pub(super) const ACTIVE: &str = "active";
pub const VERSION: &str = "version";

/// A version after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ConfigurationSummary {
    /// Its id.
    pub id: String,
    /// The version.
    pub version: String,
    /// Whether executions run it unless they name another one.
    pub active: bool,
}

/// Saves a version of the configuration of an app. A version that no execution uses yet is replaced; one that was
/// removed is there again.
///
/// Errors: `invalid` (an unknown step, or an input that nothing produces), `step_cycle`, `version_used`, `limit` (too
/// many steps).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.configuration.save", creates)]
pub struct SaveConfiguration {
    /// The number of the app.
    #[operation(subject)]
    pub app_id: i64,
    /// The name of the app.
    pub app_name: String,
    /// The number of a part of the app; by default the whole app.
    pub sub_app_id: Option<i64>,
    /// The name of that part.
    pub sub_app_name: Option<String>,
    /// The version: `1.0.0`.
    pub version: String,
    /// The steps, and their defaults.
    pub configuration: Configuration,
    /// The person that saves it.
    pub created_by: Option<String>,
    /// Whether to activate it too.
    pub activate: bool,
}

impl SaveConfiguration {
    fn key(&self) -> AppKey {
        AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }
    }
}

/// The documents that saving or activating a version reads: the app, the version, and the versions that are active.
pub(super) fn reads(key: AppKey, version: &str) -> ReadSet {
    ReadSet::entity::<App>(&key.app()).query(VERSION, key.version(version)).query(ACTIVE, key.active())
}

/// The version that a query found.
pub fn find_version(view: &View, key: AppKey, version: &str) -> Result<LoadedEntity<AppConfiguration>> {
    let found = view.loaded_entities::<AppConfiguration>(VERSION)?.pop();
    found.filter(|found| found.entity.remove_at.is_none()).ok_or_else(|| Rejection::NotFound {
        what: "version",
        id: version.to_owned(),
        hint: format!(" of app `{}`", key.app()),
    })
}

/// Adds the changes that make a version the only active one, and the change of the app: each save and each activation
/// writes it, so two of them at once are a conflict.
fn save_app(
    view: &View,
    ctx: &Ctx,
    summary: ConfigurationSummary,
    names: &AppConfiguration,
) -> Result<Decision<ConfigurationSummary>> {
    let key = AppKey { app_id: names.app_id, sub_app_id: names.sub_app_id };
    let app = App {
        id: key.app(),
        app_id: names.app_id,
        app_name: names.app_name.clone(),
        sub_app_id: names.sub_app_id,
        sub_app_name: names.sub_app_name.clone(),
        remove_at: None,
        updated_at: ctx.now,
    };
    let active = if summary.active { view.loaded_entities::<AppConfiguration>(ACTIVE)? } else { Vec::new() };
    let mut decision = Decision::new(summary);
    for mut other in active {
        if other.entity.id != decision.output.id {
            other.entity.active = false;
            decision = decision.save(other, ctx.now)?;
        }
    }
    match view.find_entity::<App>(&app.id)? {
        Some(mut found) => {
            found.entity = app;
            Ok(decision.change(found.update(ctx.now)?))
        }
        None => decision.and_insert(&app),
    }
}

impl Command for SaveConfiguration {
    type Output = ConfigurationSummary;

    fn check(&self) -> Result<()> {
        self.configuration.check()
    }

    fn reads(&self, _: &View) -> ReadSet {
        reads(self.key(), &self.version)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ConfigurationSummary>> {
        self.configuration.check_schemas(view)?;
        let found = view.loaded_entities::<AppConfiguration>(VERSION)?.pop();
        let before = found.as_ref().map(|found| &found.entity);
        let configuration = match serialize(&self.configuration) {
            Ok(Json::Object(configuration)) => configuration,
            _ => Document::new(),
        };
        if before.is_some_and(|before| before.used && before.configuration != configuration) {
            let (version, app) = (&self.version, self.key().app());
            let message = format!(
                "version {version} of app `{app}` was used by an execution, so it does not change; save another version"
            );
            return Err(Rejection::domain(codes::VERSION_USED, message));
        }
        let after = AppConfiguration {
            id: before.map_or_else(|| self.key().configuration(&self.version), |before| before.id.clone()),
            app_id: self.app_id,
            app_name: self.app_name.clone(),
            sub_app_id: self.sub_app_id,
            sub_app_name: self.sub_app_name.clone(),
            version: self.version.clone(),
            configuration,
            active: self.activate || before.is_some_and(|before| before.active),
            used: before.is_some_and(|before| before.used),
            remove_at: None,
            created_at: before.map_or(ctx.now, |before| before.created_at),
            created_by: before.map_or_else(|| self.created_by.clone(), |before| before.created_by.clone()),
        };
        let decision = save_app(view, ctx, after.summary(), &after)?;
        match found {
            Some(mut found) => {
                found.entity = after;
                Ok(decision.change(found.update(ctx.now)?))
            }
            None => decision.and_insert(&after),
        }
    }
}

/// Activates a version of the configuration of an app. The version that was active until then no longer is. Executions
/// that were started before keep theirs.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.configuration.activate")]
pub struct ActivateConfiguration {
    /// The number of the app.
    #[operation(subject)]
    pub app_id: i64,
    /// The number of a part of the app; by default the whole app.
    pub sub_app_id: Option<i64>,
    /// The version.
    pub version: String,
}

impl Command for ActivateConfiguration {
    type Output = ConfigurationSummary;

    fn reads(&self, _: &View) -> ReadSet {
        reads(AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }, &self.version)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ConfigurationSummary>> {
        let key = AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id };
        let mut version = find_version(view, key, &self.version)?;
        version.entity.active = true;
        save_app(view, ctx, version.entity.summary(), &version.entity)?.save(version, ctx.now)
    }
}
