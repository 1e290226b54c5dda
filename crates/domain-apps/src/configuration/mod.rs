//! Apps and the versions of their configuration.
//!
//! | file | contents |
//! |---|---|
//! | `definition.rs` | steps, inputs, outputs, retries |
//! | `condition.rs`, `mapping.rs` | conditions and inputs that are made of earlier outputs |
//! | `schema.rs` | schemas of inputs, outputs and metadata, and their secrets |
//! | `check.rs` | the check before a configuration is saved |
//! | `commands.rs` | save and activate |
//! | `removal.rs` | removal of versions and apps |

pub(super) mod check;
mod commands;
mod condition;
mod definition;
mod mapping;
mod removal;
mod schema;

use runstate_core::error_code::ErrorCode;
use runstate_core::limits::MAX_PAGE_ROWS;
use runstate_core::prelude::*;

pub use commands::{ActivateConfiguration, ConfigurationSummary, SaveConfiguration};
pub(super) use commands::{VERSION, find_version};
pub use condition::Condition;
pub use definition::{
    Compensation, Configuration, FailurePolicy, FieldDefinition, FieldKind, StepDefaults, StepDefinition, StepInput,
    StepRetry,
};
pub(super) use definition::{SHORTEST_DEADLINE, SHORTEST_RETENTION};
pub use mapping::ValuePath;
pub use removal::{AppRemoval, ClearApp, DeleteConfiguration, RemoveApp, RemoveConfiguration};
pub(super) use schema::{redact, schema_mismatch};

/// An app or a part of one. Every save and activation of a version writes it, so one version is active at a time.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.apps", version = 1, noun = "app", filters(app_id), when = "missing(remove_at)")]
#[index(app_id, sub_app_id)]
#[index(remove_at, when = "exists(remove_at)")]
pub struct App {
    /// Its id: the numbers of the app and of its part, such as `1` or `1:2`.
    #[entity(id)]
    pub id: String,
    /// The number of the app.
    pub app_id: i64,
    /// The name of the app.
    #[entity(max = 1_000)]
    pub app_name: String,
    /// The number of the part; missing: the whole app.
    pub sub_app_id: Option<i64>,
    /// The name of the part.
    #[entity(max = 1_000)]
    pub sub_app_name: Option<String>,
    /// When its removal continues; missing: it was not removed.
    pub remove_at: Option<Timestamp>,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// One version of the configuration of an app.
// Documents of other programs do not repeat their id.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "apps.app_configurations",
    version = 1,
    noun = "configuration",
    filters(app_id, sub_app_id, active),
    when = "missing(remove_at)"
)]
#[index(app_id, sub_app_id, version, unique)]
#[index(active)]
#[index(remove_at, when = "exists(remove_at)")]
pub struct AppConfiguration {
    /// Its id: that of the app with the version, such as `1:2@1.0.0`.
    #[entity(id, default)]
    pub id: String,
    /// The number of the app.
    pub app_id: i64,
    /// The name of the app.
    #[entity(max = 1_000)]
    pub app_name: String,
    /// The number of the part; missing: the whole app.
    pub sub_app_id: Option<i64>,
    /// The name of the part.
    #[entity(max = 1_000)]
    pub sub_app_name: Option<String>,
    /// The version.
    #[entity(max = 100)]
    pub version: String,
    /// The steps and their defaults.
    pub configuration: Document,
    /// Whether executions run this version unless they name another one.
    pub active: bool,
    /// Whether an execution was started with it. It does not change then.
    #[entity(omit_default)]
    pub used: bool,
    /// When it is deleted, unless an execution still uses it; missing: it was not removed.
    pub remove_at: Option<Timestamp>,
    /// When it was saved first.
    pub created_at: Timestamp,
    /// The person that saved it.
    #[entity(max = 1_000)]
    pub created_by: Option<String>,
}

/// Identifies an app or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppKey {
    /// The number of the app.
    pub app_id: i64,
    /// The number of the part.
    pub sub_app_id: Option<i64>,
}

impl AppKey {
    /// The id of the document of the app.
    pub fn app(self) -> String {
        let Self { app_id, sub_app_id } = self;
        sub_app_id.map_or_else(|| app_id.to_string(), |sub_app_id| format!("{app_id}:{sub_app_id}"))
    }

    /// The id of the document of a new version.
    pub fn configuration(self, version: &str) -> String {
        format!("{}@{version}", self.app())
    }
}

impl AppKey {
    /// The query for the active version.
    pub fn active(self) -> Query {
        self.versions().eq("active", true).limit(MAX_PAGE_ROWS)
    }

    /// The query for a version. One that another program saved has any id.
    pub fn version(self, version: &str) -> Query {
        self.versions().eq("version", version).limit(1)
    }

    /// The query for all versions.
    pub fn versions(self) -> Query {
        let sub_app_id = self.sub_app_id.map_or(Json::Null, Json::from);
        // Null matches a missing field too.
        Query::of(&AppConfiguration::COLLECTION).eq("app_id", self.app_id).eq("sub_app_id", sub_app_id)
    }
}

impl AppConfiguration {
    /// The app or part that it is of.
    pub fn key(&self) -> AppKey {
        AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }
    }

    fn summary(&self) -> ConfigurationSummary {
        ConfigurationSummary { id: self.id.clone(), version: self.version.clone(), active: self.active }
    }

    /// The configuration with its types.
    pub fn parse(&self) -> Result<Configuration> {
        let parsed = Configuration::from_json(Json::Object(self.configuration.clone()));
        parsed.map_err(|mismatch| {
            let reason = mismatch.within("configuration").into_rejection(&format!("configuration `{}`", self.id));
            Rejection::domain(ErrorCode::CORRUPT, reason.to_string())
        })
    }
}
