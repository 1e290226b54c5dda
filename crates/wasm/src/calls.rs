//! Options and results of the exports that are not operations. Parameters are JSON text: a parser of text has a bound
//! on depth, and accepts nothing that JSON cannot represent.

use std::collections::BTreeMap;
use std::fmt::Display;

use runstate::domain;
use runstate::open::{MissingStore, StoreKeys};
use runstate_core::decision::EngineSettings;
use runstate_core::decision::Rejection;
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{Domain, Mismatch, ParameterReader, Parameters};
use runstate_engine::SETTINGS;
use runstate_engine::work::{Backoff, Failure};
use runstate_engine::{Engine, Error};
use runstate_transfer::{ConflictPolicy, ImportOptions};
use runstate_value::time::Millis;
use runstate_value::{self as value, Document, Json};

/// Reads a JSON text that must be an object. `name` names it in errors.
pub fn object_from_text(name: &str, text: &str) -> Result<Document, Error> {
    match value::parse_javascript(text).map_err(|error| Error::new(ErrorCode::USAGE, format!("{name}: {error}")))? {
        Json::Object(object) => Ok(object),
        _ => Err(Error::new(ErrorCode::USAGE, format!("{name} takes an object"))),
    }
}

/// Reads options from JSON text.
pub fn options_from_text<P: Parameters>(name: &str, text: &str) -> Result<P, Error> {
    Ok(P::read_all(name, object_from_text(name, text)?)?)
}

/// Checks a value against a JSON Schema, as answers are checked; without a value, the schema itself. Both are JSON text,
/// and `name` names the value or the schema in the error.
///
/// Errors: `invalid`; `usage` (not a schema, or not JSON).
pub fn check_value(name: &str, schema: &str, value: Option<&str>) -> Result<(), Error> {
    let usage = |problem: &dyn Display| usage(format!("{name}: {problem}"));
    let read = |text: &str| value::parse_javascript(text).map_err(|error| usage(&error));
    let schema = domain::cvm::Schema::parse(&read(schema)?).map_err(|problem| usage(&problem))?;
    let Some(value) = value else { return Ok(()) };
    let mismatch = schema.check(&read(value)?);
    mismatch.map_err(|mismatch| Error::new(ErrorCode::INVALID, format!("{name}: {mismatch}")))
}

/// Turns `not_found` into `corrupt` if the store is read-only because of damage: the document may be in a part that
/// cannot be read. Other errors are returned unchanged.
pub fn explain_not_found(engine: &Engine, error: Error) -> Error {
    match engine.store().read_only_reason() {
        Some(read_only_reason)
            if error.code == ErrorCode::NOT_FOUND && read_only_reason.code() == ErrorCode::CORRUPT =>
        {
            let hint =
                "run `runstate verify` to list the damage, and the native `runstate repair` to keep the intact data";
            let message =
                format!("{error}, or it is in a part of the store that cannot be read: {read_only_reason}; {hint}");
            Error { code: ErrorCode::CORRUPT, message, ..error }
        }
        _ => error,
    }
}

/// The operations that only larger modules have: their names, or the domains of them.
const EXCLUDED: &[&str] = &[
    #[cfg(not(feature = "apps"))]
    "apps",
    #[cfg(not(feature = "fleet"))]
    "fleet",
    #[cfg(not(feature = "orchestration"))]
    "orchestration",
    #[cfg(not(feature = "verify"))]
    "store.verify",
];

/// Refuses the operations that this module lacks and that of `runstate/full` has, as `unsupported`.
pub fn check_included(operation: &str) -> Result<(), Error> {
    let domain = operation.split('.').next().unwrap_or_default();
    if EXCLUDED.iter().any(|excluded| [operation, domain].contains(excluded)) {
        let message = format!("this module of runstate does not have `{operation}`; in a page, import `runstate/full`");
        return Err(Error::new(ErrorCode::UNSUPPORTED, message));
    }
    Ok(())
}

/// Options for opening a store: `mustExist`, and the settings of the engine and of all domains.
#[derive(Debug)]
pub struct OpenOptions {
    /// The action if the store does not exist.
    pub missing: MissingStore,
    /// The settings of the engine.
    pub settings: EngineSettings,
    /// The keys of secret fields.
    pub keys: StoreKeys,
}

impl OpenOptions {
    /// Reads options from JSON text.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        #[cfg_attr(not(feature = "encryption"), expect(unused_mut, reason = "keys are taken out of it"))]
        let mut options = object_from_text("open", text)?;
        #[cfg(feature = "encryption")]
        let keys = crate::keys::take_keys(&mut options)?;
        #[cfg(not(feature = "encryption"))]
        let keys = None;
        let reader = ParameterReader::new(options);
        let options = read_open_options(reader, domain::ALL).map_err(|mismatch| mismatch.into_rejection("open"))?;
        Ok(OpenOptions { keys, ..options })
    }
}

fn read_open_options(mut reader: ParameterReader, domains: &[&'static Domain]) -> Result<OpenOptions, Mismatch> {
    let must_exist: bool = reader.take("mustExist")?;
    let (mut settings, mut names) = (EngineSettings::default(), vec!["mustExist"]);
    for declaration in domains.iter().filter_map(|domain| domain.settings).chain([&SETTINGS]) {
        settings = (declaration.apply)(settings, &mut reader)?;
        names.extend(declaration.parameters.iter().map(|parameter| parameter.name));
    }
    reader.finish(&names)?;
    let missing = if must_exist { MissingStore::Refuse } else { MissingStore::Create };
    Ok(OpenOptions { missing, settings, keys: None })
}

/// Options of a worker.
#[derive(Debug, Parameters)]
pub struct WorkerOptions {
    /// The worker's name, for people; by default a generated name.
    pub owner: Option<String>,
    /// The kinds of items to serve, each with its maximum concurrency.
    pub kinds: BTreeMap<String, u32>,
    /// How long a claim lasts without a heartbeat, in milliseconds; by default 30 seconds.
    #[operation(name = "leaseMs")]
    pub lease: Option<Millis>,
    /// The retry policy for failed items; by default 5 attempts within some minutes.
    pub backoff: Option<Backoff>,
    /// Whether the worker also runs due work; by default true.
    #[operation(default = true)]
    pub runs_due: bool,
    /// How long running handlers may continue after the worker was stopped, in milliseconds; by default 30 seconds.
    #[operation(name = "graceMs")]
    pub grace: Option<Millis>,
    /// How long one handler may take, in milliseconds; by default there is no limit.
    #[operation(name = "maxHandlerMs")]
    pub max_handler: Option<Millis>,
    /// Whether an item whose answer is refused fails at once; by default it is retried.
    pub final_answers: bool,
}

/// The failure of a handler.
#[derive(Debug, Parameters)]
pub struct HandlerFailure {
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; by default `CallError`.
    pub name: Option<String>,
    /// The `code` of the error in the program; by default none.
    pub code: Option<String>,
    /// Whether the call is not retried.
    #[operation(name = "final")]
    pub is_final: bool,
    /// What the attempt has cost.
    pub cost: Option<String>,
    /// The shortest wait until the next attempt, in milliseconds. Any number: a handler may have computed it.
    #[operation(name = "retryAfterMs")]
    pub retry_after: Option<f64>,
}

impl From<HandlerFailure> for Failure {
    fn from(HandlerFailure { message, name, code, is_final, cost, retry_after }: HandlerFailure) -> Self {
        // The conversion saturates.
        let retry_after = retry_after.map(|wait| Millis(wait.ceil() as i64));
        Self { message, name, code, retry: !is_final, cost, retry_after }
    }
}

/// Selects documents for an export.
#[derive(Debug, Parameters)]
pub struct ExportOptions {
    /// The collection of one document.
    pub collection: Option<String>,
    /// The id of that document. It is exported with the documents that belong to it and those that it refers to; by
    /// default the whole store is.
    pub id: Option<String>,
}

/// The options of an import.
#[derive(Debug, Parameters)]
pub struct ImportChoices {
    /// What happens to documents that have changed both in the source and here since they were imported, or were not
    /// imported and differ; by default `refuse`.
    pub conflicts: Option<ConflictPolicy>,
    /// Whether documents are imported again that an import wrote and that were deleted here since; by default they are
    /// not.
    pub restore_deleted: Option<bool>,
}

impl From<ImportChoices> for ImportOptions {
    fn from(ImportChoices { conflicts, restore_deleted }: ImportChoices) -> Self {
        let (conflicts, restore_deleted) = (conflicts.unwrap_or_default(), restore_deleted.unwrap_or_default());
        Self { conflicts, restore_deleted, exact: false }
    }
}

/// The rejection of an option.
pub fn usage(message: impl Into<String>) -> Error {
    Rejection::Usage(message.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_that_only_larger_modules_have_are_unsupported() {
        for (operation, is_included) in [
            ("apps.list", cfg!(feature = "apps")),
            ("fleet.project.list", cfg!(feature = "fleet")),
            ("orchestration.session.list", cfg!(feature = "orchestration")),
            ("store.verify", cfg!(feature = "verify")),
            ("store.info", true),
            ("cvm.list", true),
        ] {
            let refused = check_included(operation).err().map(|error| error.code);
            assert_eq!(refused, (!is_included).then_some(ErrorCode::UNSUPPORTED), "{operation}");
        }
    }

    #[test]
    fn values_are_checked_against_a_schema_by_name() {
        let schema = r#"{"type": "object", "required": ["tag"], "properties": {"tag": {"type": "string"}}}"#;
        let outcome = |schema: &str, value: &str| check_value("documents.notes/a", schema, Some(value));
        assert_eq!(outcome(schema, r#"{"tag": "x"}"#), Ok(()));
        let refused = outcome(schema, r#"{"tag": 1}"#).unwrap_err();
        assert_eq!(refused.code, ErrorCode::INVALID);
        assert!(refused.message.starts_with("documents.notes/a: at /tag: "), "{}", refused.message);
        for (schema, value) in [(r#"{"type": "unknown"}"#, "1"), ("{", "1"), ("{}", "{")] {
            assert_eq!(outcome(schema, value).unwrap_err().code, ErrorCode::USAGE, "{schema} {value}");
        }
        assert_eq!(check_value("notes", schema, None), Ok(()));
        let refused = check_value("notes", r#"{"uniqueItems": true}"#, None).unwrap_err();
        assert!(refused.message.starts_with("notes: ") && refused.code == ErrorCode::USAGE, "{}", refused.message);
    }
}
