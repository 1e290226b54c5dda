//! A store that was opened for one command, and how the person named it.

use std::env;
use std::path::Path;
use std::sync::Arc;

use runstate::code::Code;
use runstate::engine::open::{self, Environment, Missing, Opened, StoreOrigin, store_url};
use runstate::engine::{Cvm, Engine, Error, Pace, StillDue, SystemHost};
use runstate::limits::Settings;
use runstate::schema::Catalog;
use runstate::store;
use runstate::time::Millis;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::print::Out;

/// How many days finished executions are kept.
const RETENTION: &str = "RUNSTATE_RETENTION_DAYS";

/// Executions that are woken before a command of somebody who waits for it.
const DUE: u32 = 16;

/// What a command works with.
pub struct Session {
    /// Commands.
    pub engine: Engine,
    /// Programs and executions.
    pub cvm: Cvm,
    /// Where it is said.
    pub out: Out,
    /// The store's own id, where it has one.
    pub store_id: Option<String>,
    /// The store, named or not.
    url: String,
    /// `--store`, as given.
    store: Option<String>,
    /// It ends with the process, and everything in it.
    fleeting: bool,
}

impl Session {
    /// Opens the store that was named, else the environment's.
    pub async fn open(global: &Global, missing: Missing, settings: Settings, out: Out) -> Result<Self, Failure> {
        let url = url(global)?;
        // The default store is explained when it is made.
        let made = (missing == Missing::Create && !is_there(&url)).then(|| origin(global)).flatten();
        let opened = engine(&url, missing, settings).await;
        let (engine, store_id) = opened.map_err(|error| unnamed(global, &url, error))?;
        let fleeting = !engine.store().capabilities().durable;
        let session = Self { cvm: engine.cvm(), engine, out, store_id, url, store: global.store.clone(), fleeting };
        session.warn();
        if let Some(origin @ StoreOrigin::Default) = made {
            out.remark(&format!("made {}: it {origin}; --store URL or RUNSTATE_STORE names another one", session.url));
        }
        Ok(session)
    }

    /// Does some of what is due, before a command that works with executions. It is nobody's errand here: where it cannot be done the command
    /// goes on all the same.
    pub async fn do_due(&self) {
        if self.engine.store().health().is_some() {
            return;
        }
        // The command itself will meet what lasts.
        let Ok(due) = self.cvm.run_due(DUE, Pace::Slice).await else { return };
        for StillDue { execution, error } in due.failed {
            self.out.remark(&format!("{execution} is due, but: {error}"));
        }
    }

    /// How a command ended. The store is closed, so that what it does in the background is done.
    pub async fn end(&self, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
        let judged = self.judged(ended);
        match (self.engine.store().close().await, judged) {
            (Err(error), Ok(_)) => Err(Error::from(error).into()),
            (_, judged) => judged,
        }
    }

    /// How a command ended, as far as that can be known: in a damaged store what is missing cannot be told from what never was.
    fn judged(&self, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
        let damage = self.engine.store().health().filter(|why| matches!(why, store::Error::Corrupt { .. }));
        let Some(mut damage) = damage.map(Error::from) else { return ended };
        match ended {
            // People have read the warning.
            Ok(_) if !self.out.json() => Ok(Exit::Store),
            Ok(_) => Err(damage.into()),
            Err(Failure::Error(error) | Failure::Driving { error, .. }) if error.code == Code::NotFound => {
                let what = error.key.unwrap_or_default();
                damage.message += &format!("; `{what}` is not in what is whole, but may have been in what is not");
                Err(damage.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Says, before anything that was read is shown, why the store can only be read.
    fn warn(&self) {
        match self.engine.store().health() {
            None => {}
            Some(damage @ store::Error::Corrupt { .. }) => self.out.remark(&format!(
                "warning: {damage}. What is whole can be read; what is missing here may have been in what is damaged"
            )),
            Some(why) => self.out.remark(&format!("this store can be read, not written: {why}")),
        }
    }

    /// The store's URL, without what a server's may hold of a password.
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

    /// What to do next, where that can be done: `hint`, but not of a store that is gone by then.
    pub fn next_step(&self, hint: impl FnOnce() -> String) -> String {
        match self.fleeting {
            true => "This store is in memory and ends with the process; --store file:DIR keeps it".to_owned(),
            false => hint(),
        }
    }

    /// How to go on with an execution here, where that can be done.
    pub fn resume(&self, id: &str) -> Option<String> {
        (!self.fleeting).then(|| self.invocation("resume", id, ""))
    }

    /// A command line that goes on in the same store, to be copied.
    pub fn invocation(&self, command: &str, id: &str, rest: &str) -> String {
        // An id that looks like a flag stands behind the end of flags.
        match id.starts_with('-') {
            true => self.line(&format!("{command}{rest} -- {}", quoted(id))),
            false => self.line(&format!("{command} {}{rest}", quoted(id))),
        }
    }

    /// As [`Session::invocation`], of a command that takes the name after a flag.
    pub fn flagged(&self, command: &str, flag: &str, name: &str) -> String {
        let between = if name.starts_with('-') { '=' } else { ' ' };
        self.line(&format!("{command} {flag}{between}{}", quoted(name)))
    }

    /// A command line in the same store, of words that need no quotes.
    pub fn line(&self, words: &str) -> String {
        let store = self.store.as_ref().map(|url| format!("--store {} ", repeated(url))).unwrap_or_default();
        format!("runstate {store}{words}")
    }
}

/// How long finished executions are kept, where the environment says.
pub fn retention() -> Result<Option<Millis>, Failure> {
    let Some(days) = env::var_os(RETENTION).filter(|days| !days.is_empty()) else { return Ok(None) };
    let number = days.to_str().and_then(|days| days.trim().parse::<u32>().ok());
    let wrong = || failure::usage(format!("{RETENTION} is {}; it must be a number of days", days.to_string_lossy()));
    number.map(|days| Some(Millis::days(days.into()))).ok_or_else(wrong)
}

/// The store that was named, else the environment's.
pub fn url(global: &Global) -> Result<String, Error> {
    match &global.store {
        Some(url) => open::at_home(url, environment().home.as_deref()),
        None => Ok(store_url(&environment())?.0),
    }
}

/// What named the store, where `--store` did not.
pub fn origin(global: &Global) -> Option<StoreOrigin> {
    let named = global.store.is_none().then(|| store_url(&environment()))?;
    named.ok().map(|(_, origin)| origin)
}

/// Whether a store on files is there already.
fn is_there(url: &str) -> bool {
    let folder = url.strip_prefix("file:").map(|rest| rest.split('?').next().unwrap_or_default());
    folder.is_some_and(|folder| Path::new(folder).join("runstate.json").exists())
}

/// Why a store cannot be opened; where `--store` did not name it, with what did and how to name another.
pub fn unnamed(global: &Global, url: &str, mut error: Error) -> Error {
    // Other URLs may hold a password.
    if url.starts_with("file:")
        && let Some(origin) = origin(global)
    {
        error.message += &format!(" ({url} {origin}; name another one with --store file:DIR)");
    }
    if error.code == Code::Corrupt && url.starts_with("file:") {
        let store = global.store.as_ref().map(|url| format!("--store {} ", quoted(url))).unwrap_or_default();
        error.message += &format!(". See what can be kept: runstate {store}repair --dry-run");
    }
    error
}

/// All that a store of this program holds.
pub fn catalog() -> Result<Catalog, Error> {
    let domains = runstate::domain::catalog().map_err(|error| Error::internal(error.to_string()))?;
    runstate::engine::catalog(&domains)
}

/// An engine over the store at `url`, and the store's own id.
pub async fn engine(url: &str, missing: Missing, settings: Settings) -> Result<(Engine, Option<String>), Error> {
    let Opened { store, id } = open::open_known(url, missing).await?;
    let catalog = catalog()?;
    Ok((Engine::new(store, Arc::new(SystemHost), catalog, settings).await?, id))
}

fn environment() -> Environment {
    // What is no Unicode cannot be part of a URL; it counts as not set.
    let of = |name| env::var(name).ok();
    Environment {
        runstate_store: of("RUNSTATE_STORE"),
        cvm_storage_type: of("CVM_STORAGE_TYPE"),
        cvm_data_dir: of("CVM_DATA_DIR"),
        mongodb_uri: of("MONGODB_URI"),
        home: env::home_dir().and_then(|home| home.into_os_string().into_string().ok()),
    }
}

/// A store's URL in a command line that is to be copied: what holds a secret is not written again.
fn repeated(url: &str) -> String {
    let server = url.contains("://") && !url.starts_with("file:");
    let secret = |option: &str| {
        let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
        ["password", "authmechanismproperties", "proxyusername", "token", "secret"]
            .iter()
            .any(|part| name.contains(part))
    };
    let hides = url.contains('@') || url.split_once('?').is_some_and(|(_, options)| options.split('&').any(secret));
    if server && hides { "URL".to_owned() } else { quoted(url) }
}

/// `text` so that a shell reads it as one word.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_written_again() {
        assert_eq!(repeated("file:a@b"), "file:a@b");
        assert_eq!(repeated("mongodb://h/x?layout=seed"), "'mongodb://h/x?layout=seed'");
        assert_eq!(repeated("mongodb://ann:secret@h/x"), "URL");
        assert_eq!(repeated("mongodb://ann:se@cret?w=1@h/x"), "URL");
        assert_eq!(repeated("mongodb://h/x?proxyHost=h&proxyUsername=ann"), "URL");
        assert_eq!(repeated("mongodb://h/x?tls=true&tlsCertificateKeyFilePassword=secret"), "URL");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_not_read_them_as_they_are() {
        assert_eq!(quoted("../a-1"), "../a-1");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("~/x"), "'~/x'");
    }
}
