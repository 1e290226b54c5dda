//! The store that a command opened, and the command lines that continue in it.

use std::borrow::Cow;
use std::env;
use std::path::Path;
use std::sync::Arc;

use runstate::blob::{self, Artifacts};
use runstate::client::Cvm;
use runstate::decision::EngineSettings;
use runstate::domain::apps::AppsSettings;
use runstate::domain::cvm;
use runstate::engine::{DueFailure, Engine, Error, LedgerSettings, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::legacy::LegacyDirectory;
use runstate::open::{self, Environment, MissingStore, OpenedStore, StoreOrigin, store_url};
use runstate::operation::{Mismatch, ParameterReader, Registry};
use runstate::schema::{Catalog, Filter, Freshness, Key, Query};
use runstate::store;
use runstate::time::Millis;
use runstate::value::{self, Json};

use crate::args::GlobalArgs;
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::keys::keys_from_environment;
use crate::printer::Printer;
use crate::program_name::program_name;

/// The environment variable for the number of days that finished executions are kept.
const RETENTION_ENV: &str = "RUNSTATE_RETENTION_DAYS";

/// The environment variable for the settings of domains, as JSON.
const SETTINGS_ENV: &str = "RUNSTATE_SETTINGS";

/// The shortest beginning that names an id, in bytes.
const SHORTEST_ID_BEGIN: usize = 4;

/// The largest number of ids that are compared with a beginning.
const ID_CANDIDATES: u32 = 20;

/// The environment variable for the number of days that the results of commands are kept.
const LEDGER_ENV: &str = "RUNSTATE_LEDGER_DAYS";

/// The environment variable for the name in audit logs.
const ACTOR_ENV: &str = "RUNSTATE_ACTOR";

/// The file that each file store has.
const STORE_FILE: &str = "runstate.json";

/// The largest number of due executions that are run before a command: its caller waits.
const DUE_LIMIT: u32 = 16;

/// The context of a command.
pub struct Session {
    pub engine: Engine,
    /// Operations on programs and executions.
    pub cvm: Cvm,
    pub out: Printer,
    /// The store's own id, if it has one.
    pub store_id: Option<String>,
    /// The URL of the store, from `--store` or the environment.
    url: String,
    /// The value of `--store`.
    store: Option<String>,
    /// The store is lost when the process ends.
    ephemeral: bool,
}

impl Session {
    /// Opens the store of `--store`, else that of the environment.
    pub async fn open(
        global: &GlobalArgs,
        missing: MissingStore,
        settings: impl Into<EngineSettings>,
        out: Printer,
    ) -> Result<Self, CliError> {
        let settings = with_ledger(with_actor(with_environment(settings.into())?))?;
        let url = resolve_store_url(global)?;
        // The remark about the default store is printed only when this process creates it.
        let created = (missing == MissingStore::Create && !store_exists(&url)).then(|| store_origin(global)).flatten();
        let opened = open_engine(&url, missing, settings).await;
        let (engine, store_id) = opened.map_err(|error| explain_open_error(global, &url, error))?;
        let ephemeral = !engine.store().capabilities().durable;
        let session =
            Self { cvm: Cvm::new(&engine), engine, out, store_id, url, store: global.store.clone(), ephemeral };
        session.warn();
        if let Some(origin @ StoreOrigin::Default) = created {
            out.remark(&format!(
                "created {}: it {origin}; choose another one with --store URL or RUNSTATE_STORE",
                session.url
            ));
        }
        Ok(session)
    }

    /// Does some due work before a command that works with executions. The command runs even if the due work fails.
    pub async fn run_due(&self) {
        if self.engine.store().read_only_reason().is_some() {
            return;
        }
        // A lasting error also makes the command itself fail.
        let Ok(due) = self.cvm.engine().run_due(DUE_LIMIT, RunLimit::Slice).await else { return };
        for DueFailure { id, error } in due.failed {
            self.out.remark(&format!("due work of {id} failed: {error}"));
        }
    }

    /// The execution whose id is, or begins with, what was typed.
    pub async fn execution_id(&self, typed: &str) -> Result<String, CliError> {
        self.full_id("cvm.executions", typed).await
    }

    /// The id of a document that is, or begins with, what was typed. A beginning that several ids have is refused; one
    /// that no id has stays, and the command says that it does not exist. A table ends a beginning with `…`.
    pub async fn full_id(&self, collection: &str, typed: &str) -> Result<String, CliError> {
        let begin = typed.strip_suffix('…').unwrap_or(typed);
        let store = self.engine.store();
        let key = Key { collection: Cow::Owned(collection.to_owned()), id: typed.into() };
        // The command itself reports a store that cannot be read.
        let exists =
            store.get(&[key], Freshness::Linearizable).await.is_ok_and(|found| found.iter().any(Option::is_some));
        if exists || begin.len() < SHORTEST_ID_BEGIN {
            return Ok(typed.to_owned());
        }
        // A stored document may have its id in a field of another name.
        let field = match self.engine.catalog().get(collection).map(|declared| declared.id_fields) {
            Some([only]) => *only,
            _ => "id",
        };
        let query = Query {
            collection: collection.to_owned(),
            filter: Filter::And(vec![
                Filter::Gte(field.to_owned(), begin.into()),
                Filter::Lt(field.to_owned(), format!("{begin}\u{10FFFF}").into()),
            ]),
            sort: Vec::new(),
            limit: Some(ID_CANDIDATES),
            cursor: None,
            projection: vec![field.to_owned()],
            unreadable: false,
        };
        let Ok(page) = store.query(&query, Freshness::Linearizable).await else { return Ok(typed.to_owned()) };
        let found: Vec<&str> = page.items.iter().map(|row| &*row.id).filter(|id| is_begin(begin, id)).collect();
        match found.as_slice() {
            [] => Ok(typed.to_owned()),
            [only] => Ok((*only).to_owned()),
            several => {
                let more = if page.next.is_some() { ", …" } else { "" };
                let ids: Vec<String> = several.iter().map(|id| format!("`{id}`")).collect();
                let message = format!("`{typed}` begins several ids: {}{more}; type more of it", ids.join(", "));
                Err(Error::new(ErrorCode::USAGE, message).into())
            }
        }
    }

    /// Closes the store, which completes its background work, and returns how the command ended.
    pub async fn finish(&self, result: Result<CliExit, CliError>) -> Result<CliExit, CliError> {
        let result = self.check_damage(result);
        match (self.engine.store().close().await, result) {
            (Err(error), Ok(_)) => Err(Error::from(error).into()),
            (_, result) => result,
        }
    }

    /// Turns the result of a command on a damaged store into an error: missing data may have been in the damaged part.
    fn check_damage(&self, result: Result<CliExit, CliError>) -> Result<CliExit, CliError> {
        let damage =
            self.engine.store().read_only_reason().filter(|reason| matches!(reason, store::StoreError::Corrupt { .. }));
        let Some(mut damage) = damage.map(Error::from) else { return result };
        match result {
            // `warn` has already reported the damage to people.
            Ok(_) if !self.out.is_json() => Ok(CliExit::Store),
            Ok(_) => Err(damage.into()),
            Err(CliError::Error(error) | CliError::Driving { error, .. }) if error.code == ErrorCode::NOT_FOUND => {
                let id = error.key.unwrap_or_default();
                damage.message +=
                    &format!("; `{id}` is not in the undamaged part, but may have been in the damaged part");
                Err(damage.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Remarks why the store is read-only, before any of its data is printed.
    fn warn(&self) {
        match self.engine.store().read_only_reason() {
            None => {}
            Some(damage @ store::StoreError::Corrupt { .. }) => self.out.remark(&format!(
                "warning: {damage}. Undamaged data can be read; data that is missing may have been in the damaged part"
            )),
            Some(reason) => self.out.remark(&format!("this store is read-only: {reason}")),
        }
    }

    /// Opens the artifacts of the store, in the storage at `url`, else in the default one. Reads find those in
    /// documents of the store besides.
    pub async fn artifacts(&self, url: Option<&str>) -> Result<Artifacts, Error> {
        open_artifacts(&self.engine, &self.url, url).await
    }

    /// Returns the store's URL; the URL of a server without user, password and options.
    pub fn url(&self) -> String {
        match self.url.split_once("://") {
            Some((scheme, rest)) if scheme != "file" => {
                let rest = rest.split('?').next().unwrap_or_default();
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{host}")
            }
            _ => self.url.clone(),
        }
    }

    /// Returns `hint`. For a store in memory, which ends with the process, it returns a note about that instead.
    pub fn next_step(&self, hint: impl FnOnce() -> String) -> String {
        match self.ephemeral {
            true => {
                "This store is in memory and is lost when the process ends; use --store file:DIR to keep it".to_owned()
            }
            false => hint(),
        }
    }

    /// Returns the command line that continues an execution, unless the store is in memory.
    pub fn resume_command(&self, id: &str) -> Option<String> {
        (!self.ephemeral).then(|| self.invocation("resume", id, ""))
    }

    /// Returns a command line in the same store, to be copied. `flags` is empty or begins with a space.
    pub fn invocation(&self, command: &str, id: &str, flags: &str) -> String {
        // An id that looks like a flag follows `--`.
        match id.starts_with('-') {
            true => self.command_line(&format!("{command}{flags} -- {}", shell_quote(id))),
            false => self.command_line(&format!("{command} {}{flags}", shell_quote(id))),
        }
    }

    /// Returns a command line in the same store. `words` need no quotes.
    pub fn command_line(&self, words: &str) -> String {
        command_line(self.store.as_deref(), words)
    }
}

/// Returns a command line of this program, with `--store` if the store was named. `words` need no quotes.
pub fn command_line(store: Option<&str>, words: &str) -> String {
    let store = store.map(|url| format!("--store {} ", redact_store_url(url))).unwrap_or_default();
    format!("{} {store}{words}", program_name())
}

/// Whether `begin` can stand for `id`: `job-1` is not `job-10`, which a person may have meant to be another job.
fn is_begin(begin: &str, id: &str) -> bool {
    let is_digit = |text: Option<char>| text.is_some_and(|one| one.is_ascii_digit());
    let is_generated = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    id.strip_prefix(begin)
        .is_some_and(|rest| is_generated || !(is_digit(begin.chars().next_back()) && is_digit(rest.chars().next())))
}

/// Adds the settings of domains from the environment. Those of programs are options of commands.
fn with_environment(settings: EngineSettings) -> Result<EngineSettings, CliError> {
    let Some(text) = env::var_os(SETTINGS_ENV).filter(|text| !text.is_empty()) else { return Ok(settings) };
    let parsed = text.to_str().and_then(|text| value::parse(text).ok());
    let Some(Json::Object(values)) = parsed else {
        let example = r#"{"sessionRetentionMs": 7776000000}"#;
        return Err(error::usage(format!("{SETTINGS_ENV} must be a JSON object, such as {example}")));
    };
    let AppsSettings { actor, .. } = settings.get();
    let (mut reader, mut names) = (ParameterReader::new(values), Vec::new());
    let read = |reader: &mut ParameterReader| {
        let domains = crate::domains().iter().filter(|domain| domain.name != cvm::DOMAIN.name);
        let mut settings = settings;
        for declaration in domains.filter_map(|domain| domain.settings) {
            settings = (declaration.apply)(settings, reader)?;
            names.extend(declaration.parameters.iter().map(|parameter| parameter.name));
        }
        // An actor of the command line comes before that of the environment.
        let apps: AppsSettings = settings.get();
        Ok(match actor == AppsSettings::default().actor {
            true => settings,
            false => settings.with(AppsSettings { actor, ..apps }),
        })
    };
    let settings = read(&mut reader).and_then(|settings| reader.finish(&names).map(|()| settings));
    settings.map_err(|mismatch: Mismatch| Error::from(mismatch.into_rejection(SETTINGS_ENV)).into())
}

/// The name in audit logs that the environment has, else that of the user in it.
pub fn environment_actor() -> Option<String> {
    let names = [ACTOR_ENV, "USER", "LOGNAME", "USERNAME"];
    names.iter().find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()))
}

/// The number of the user: containers and services often have no name in their environment.
fn user_number() -> Option<String> {
    #[cfg(unix)]
    return Some(format!("uid {}", rustix::process::getuid().as_raw()));
    #[cfg(not(unix))]
    None
}

/// Adds the name in audit logs, if the settings have none: that of the environment, else the number of the user.
fn with_actor(settings: EngineSettings) -> EngineSettings {
    let apps = settings.get::<AppsSettings>();
    match environment_actor().or_else(user_number) {
        Some(actor) if apps.actor == AppsSettings::default().actor => settings.with(AppsSettings { actor, ..apps }),
        _ => settings,
    }
}

/// Adds how long the results of commands are kept, if the settings do not say it, from the environment.
fn with_ledger(settings: EngineSettings) -> Result<EngineSettings, CliError> {
    let LedgerSettings { kept } = settings.get();
    let kept = if kept.is_none() { days(LEDGER_ENV)? } else { kept };
    Ok(settings.with(LedgerSettings { kept }))
}

/// Returns how long finished executions are kept, from the environment.
pub fn retention() -> Result<Option<Millis>, CliError> {
    days(RETENTION_ENV)
}

/// Returns the days that a variable of the environment says.
fn days(variable: &str) -> Result<Option<Millis>, CliError> {
    let Some(days) = env::var_os(variable).filter(|days| !days.is_empty()) else { return Ok(None) };
    let number = days.to_str().and_then(|days| days.trim().parse::<u32>().ok());
    let invalid = || {
        let days = days.to_string_lossy();
        error::usage(format!("{variable} is `{days}`; it must be a whole number of days"))
    };
    number.map(|days| Some(Millis::days(days.into()))).ok_or_else(invalid)
}

/// Returns the URL of `--store`, else that of the environment.
pub fn resolve_store_url(global: &GlobalArgs) -> Result<String, Error> {
    match &global.store {
        Some(url) => open::expand_home(url, environment().home.as_deref()),
        None => Ok(store_url(&environment())?.0),
    }
}

/// Returns the source of the store's URL if `--store` is absent.
pub fn store_origin(global: &GlobalArgs) -> Option<StoreOrigin> {
    let resolved = global.store.is_none().then(|| store_url(&environment()))?;
    resolved.ok().map(|(_, origin)| origin)
}

/// Says how data in `~/.cvm`, the default store of older versions, comes into the default store, if there is none yet.
pub fn announce_older_store(global: &GlobalArgs, out: Printer) {
    let is_default = store_origin(global) == Some(StoreOrigin::Default);
    let Some(home) = environment().home.filter(|_| is_default) else { return };
    let folder = Path::new(&home).join(".cvm");
    if store_exists(&format!("file:{home}/.runstate")) {
        return;
    }
    let import = if folder.join(STORE_FILE).exists() {
        format!("{} | {}", command_line(Some("file:~/.cvm"), "export -"), command_line(None, "import -"))
    } else if LegacyDirectory::detect(&folder) {
        command_line(None, "import ~/.cvm")
    } else {
        return;
    };
    out.stderr_line(&format!("~/.cvm has data that the default store, ~/.runstate, lacks. To import it: {import}"));
}

/// Whether there is a file store at this URL.
pub fn store_exists(url: &str) -> bool {
    let folder = url.strip_prefix("file:").map(|rest| rest.split('?').next().unwrap_or_default());
    folder.is_some_and(|folder| Path::new(folder).join(STORE_FILE).exists())
}

/// Adds to an open error the source of the store's URL, if `--store` is absent, and what to do.
pub fn explain_open_error(global: &GlobalArgs, url: &str, mut error: Error) -> Error {
    // The URL of a server may hold a password, so only the URL of a folder is repeated.
    if url.starts_with("file:")
        && let Some(origin) = store_origin(global)
    {
        error.message += &format!(" ({url} {origin}; choose another one with --store file:DIR)");
    }
    if error.code == ErrorCode::CORRUPT && url.starts_with("file:") {
        let repair = command_line(global.store.as_deref(), "repair --dry-run");
        error.message += &format!(". To see what a repair would keep: {repair}");
    }
    error
}

/// Returns the collections of the stores of this program.
pub fn catalog() -> Result<Catalog, Error> {
    let registry = Registry::new(crate::domains()).map_err(|error| Error::internal(error.to_string()))?;
    runstate::engine::catalog(registry.catalog())
}

/// Opens an engine over the store at `url`, and returns it with the store's own id.
pub async fn open_engine(
    url: &str,
    missing: MissingStore,
    settings: impl Into<EngineSettings>,
) -> Result<(Engine, Option<String>), Error> {
    let OpenedStore { store, id } = open::open_with_keys(url, missing, keys_from_environment()?).await?;
    Ok((Engine::with_settings(store, Arc::new(SystemHost), crate::domains(), settings).await?, id))
}

/// Opens the artifacts of a store, in the storage with this URL.
pub async fn open_artifacts(engine: &Engine, store: &str, url: Option<&str>) -> Result<Artifacts, Error> {
    let home = environment().home;
    let url = url.map(|url| open::expand_home(url, home.as_deref())).transpose()?;
    Ok(Artifacts::with_storage(engine, blob::open(url.as_deref(), engine, store).await?))
}

fn environment() -> Environment {
    // A value that is not Unicode cannot be part of a URL, so it counts as not set.
    let var = |name| env::var(name).ok();
    Environment {
        runstate_store: var("RUNSTATE_STORE"),
        cvm_storage_type: var("CVM_STORAGE_TYPE"),
        cvm_data_dir: var("CVM_DATA_DIR"),
        mongodb_uri: var("MONGODB_URI"),
        home: env::home_dir().and_then(|home| home.into_os_string().into_string().ok()),
    }
}

/// Returns a store's URL, quoted for a shell. A URL that may hold a secret becomes `URL`.
fn redact_store_url(url: &str) -> String {
    let server = url.contains("://") && !url.starts_with("file:");
    let secret = |option: &str| {
        let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
        ["password", "authmechanismproperties", "proxyusername", "token", "secret"]
            .iter()
            .any(|part| name.contains(part))
    };
    let may_hold_secret =
        url.contains('@') || url.split_once('?').is_some_and(|(_, options)| options.split('&').any(secret));
    if server && may_hold_secret { "URL".to_owned() } else { shell_quote(url) }
}

/// Quotes `text` so that a shell reads it as one word. A text with a NUL byte, which no argument can have, is shown
/// escaped.
pub fn shell_quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| format!("{text:?}"), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_url_with_a_secret_is_not_repeated() {
        assert_eq!(redact_store_url("file:a@b"), "file:a@b");
        assert_eq!(redact_store_url("mongodb://h/x?layout=seed"), "'mongodb://h/x?layout=seed'");
        assert_eq!(redact_store_url("mongodb://ann:secret@h/x"), "URL");
        assert_eq!(redact_store_url("mongodb://ann:se@cret?w=1@h/x"), "URL");
        assert_eq!(redact_store_url("mongodb://h/x?proxyHost=h&proxyUsername=ann"), "URL");
        assert_eq!(redact_store_url("mongodb://h/x?tls=true&tlsCertificateKeyFilePassword=secret"), "URL");
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(shell_quote("../a-1"), "../a-1");
        assert_eq!(shell_quote("a b"), "'a b'");
        assert_eq!(shell_quote("it's"), r#""it's""#);
        assert_eq!(shell_quote("~/x"), "'~/x'");
        assert_eq!(shell_quote("=ls"), "'=ls'");
    }
}
