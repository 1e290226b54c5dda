//! Verification of apps: one version of each is active, and the document of the app agrees with its versions.

use runstate_core::decision::TypedQuery;
use runstate_core::operation::EntityCheck;
use runstate_core::prelude::*;

use super::AppsInspection;
use crate::configuration::{App, AppConfiguration, AppKey};

/// Apps and their parts.
pub static APP_CHECK: EntityCheck = EntityCheck {
    collection: &App::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectApp { id: id.to_owned() }),
    rows: &[],
};

/// Versions of apps.
pub static CONFIGURATION_CHECK: EntityCheck = EntityCheck {
    collection: &AppConfiguration::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectConfiguration { id: id.to_owned() }),
    rows: &[],
};

/// The names of the queries for active versions and for one with the names of the app.
const ACTIVE: &str = "active";
const NAMED: &str = "named";

/// Checks an app with its versions. Changes nothing.
#[derive(OperationName)]
#[operation(name = "apps.app.inspect")]
struct InspectApp {
    id: String,
}

impl DomainQuery for InspectApp {
    /// `None`: the app does not exist.
    type Output = Option<AppsInspection>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<App>(&self.id);
        let Ok(Some(app)) = view.find_entity::<App>(&self.id) else { return reads };
        let app = app.entity;
        let key = AppKey { app_id: app.app_id, sub_app_id: app.sub_app_id };
        let part = app.sub_app_name.map_or(Json::Null, Json::from);
        let named = key.versions().eq("app_name", app.app_name).eq("sub_app_name", part).limit(1);
        reads.query(ACTIVE, key.active()).query(NAMED, named)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(app) = view.find_entity::<App>(&self.id)? else { return Ok(None) };
        let mut inspection = AppsInspection::begin(view, &Key::new(&App::COLLECTION, &self.id));
        let app = app.entity;
        if app.remove_at.is_some() {
            return Ok(Some(inspection));
        }
        let key = AppKey { app_id: app.app_id, sub_app_id: app.sub_app_id };
        if self.id != key.app() {
            inspection.add(format!("its id should be `{}`", key.app()));
        }
        let active = view.entities::<AppConfiguration>(ACTIVE)?;
        let is_active = !active.is_empty();
        if active.len() > 1 {
            let versions: Vec<String> = active.into_iter().map(|one| one.version).collect();
            inspection.add(format!("{} of its versions are active: {}", versions.len(), versions.join(", ")));
        }
        // It has the names of the version that was saved or activated last; that one may have been removed since.
        if is_active && view.entities::<AppConfiguration>(NAMED)?.is_empty() {
            inspection.add(format!("none of its versions has its name `{}`", app.app_name));
        }
        Ok(Some(inspection))
    }
}

/// Checks a version. Changes nothing.
#[derive(OperationName)]
#[operation(name = "apps.configuration.inspect")]
struct InspectConfiguration {
    id: String,
}

impl DomainQuery for InspectConfiguration {
    /// `None`: the version does not exist.
    type Output = Option<AppsInspection>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<AppConfiguration>(&self.id);
        match view.find_entity::<AppConfiguration>(&self.id) {
            Ok(Some(found)) => reads.with_entity::<App>(&found.entity.key().app()),
            _ => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(found) = view.find_entity::<AppConfiguration>(&self.id)? else { return Ok(None) };
        let mut inspection = AppsInspection::begin(view, &Key::new(&AppConfiguration::COLLECTION, &self.id));
        let version = found.entity;
        let key = version.key();
        // A version that another program saved has any id, and need not run here.
        if self.id != key.configuration(&version.version) {
            return Ok(Some(inspection));
        }
        if version.remove_at.is_none() && view.find_entity::<App>(&key.app())?.is_none() {
            inspection.add(format!("its app `{}` has no document", key.app()));
        }
        if let Err(problem) = version.parse().and_then(|configuration| configuration.check()) {
            inspection.add(problem.to_string());
        }
        Ok(Some(inspection))
    }
}
