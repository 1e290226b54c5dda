//! The URL of a server: what is ours in it, what is the driver's, and what of it may be said aloud.

use std::sync::Arc;
use std::time::Duration;

use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};

use super::names::Layout;
use crate::store::Error;

/// The database where the URL names none.
const DATABASE: &str = "runstate";
/// How long one call may take unless told.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server is looked for unless told.
const SELECTION: Duration = Duration::from_secs(10);
/// How often a server is looked at unless told: one that comes back is not waited for much longer.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What stands in place of user and password where a URL is only tried.
const NOBODY: &str = "user:password";

/// What the names of options have in them that hold a secret.
const SECRETS: [&str; 5] = ["password", "authmechanismproperties", "proxyusername", "token", "secret"];

/// Hears the names of commands.
pub type OnCommand = Arc<dyn Fn(&str) + Send + Sync>;

/// How a store is opened.
#[derive(Clone, Default)]
pub struct Options {
    /// Where there is no store none is made: [`Error::Unavailable`].
    pub existing: bool,
    /// Is told the name of every command that is sent to a server. For tests and figures of what a step costs; costs something itself.
    pub on_command: Option<OnCommand>,
}

impl Options {
    /// Hands the driver what has to be told.
    pub(super) fn watch(&self, client: &mut ClientOptions) {
        let Some(told) = self.on_command.clone() else { return };
        client.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                told(&started.command_name);
            }
        }));
    }
}

/// What a URL says.
pub(super) struct Read {
    pub(super) client: ClientOptions,
    pub(super) layout: Layout,
    pub(super) patience: Duration,
}

/// The options that are ours and no driver knows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    seed: bool,
    prefix: Option<String>,
    patience: Option<Duration>,
}

/// Reads the URL of a server.
pub(super) async fn read(url: &str) -> Result<Read, Error> {
    let (uri, own) = cut(url)?;
    let mut client = match ClientOptions::parse(&uri).await {
        Ok(client) => client,
        Err(fault) => return Err(refused(&uri, &fault).await),
    };
    let named = client.default_database.clone();
    let layout = match (own.seed, named, own.prefix) {
        (true, Some(name), _) => {
            let why = format!(
                "`layout=seed` keeps each domain in a database of its own, so the path `/{name}` means nothing; leave it out"
            );
            return Err(invalid(why));
        }
        (true, None, prefix) => Layout::Seed { prefix: prefix.unwrap_or_default() },
        (false, _, Some(_)) => return Err(invalid("`databasePrefix` goes with `layout=seed`".to_owned())),
        (false, named, None) => Layout::One { database: named.unwrap_or_else(|| DATABASE.to_owned()) },
    };
    client.server_selection_timeout.get_or_insert(SELECTION);
    client.connect_timeout.get_or_insert(SELECTION);
    client.heartbeat_freq.get_or_insert(HEARTBEAT);
    client.app_name.get_or_insert_with(|| "runstate".to_owned());
    // What the store promises is not the URL's to lessen: it reads from the primary, and what it writes is with the majority.
    client.selection_criteria = None;
    client.read_concern = Some(ReadConcern::majority());
    client.write_concern = Some(WriteConcern::majority());
    Ok(Read { client, layout, patience: own.patience.unwrap_or(PATIENCE) })
}

/// What the URL of a database says that is only read, and need be none of a store.
pub(super) struct Foreign {
    pub(super) client: ClientOptions,
    /// The database in the path.
    pub(super) named: Option<String>,
    pub(super) prefix: String,
    pub(super) patience: Duration,
}

/// Reads the URL of such a database.
pub(super) async fn foreign(url: &str) -> Result<Foreign, Error> {
    let (uri, own) = cut(url)?;
    let mut client = match ClientOptions::parse(&uri).await {
        Ok(client) => client,
        Err(fault) => return Err(refused(&uri, &fault).await),
    };
    client.server_selection_timeout.get_or_insert(SELECTION);
    client.connect_timeout.get_or_insert(SELECTION);
    let (prefix, patience) = (own.prefix.unwrap_or_default(), own.patience.unwrap_or(PATIENCE));
    Ok(Foreign { named: client.default_database.clone(), client, prefix, patience })
}

/// The URL without what is ours, and that.
fn cut(url: &str) -> Result<(String, Own), Error> {
    let Some((base, query)) = url.split_once('?').filter(|(base, _)| !base.is_empty()) else {
        return Ok((url.to_owned(), Own::default()));
    };
    let mut own = Own::default();
    let mut kept = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "layout" => match value {
                "seed" => own.seed = true,
                _ => return Err(invalid("there is `layout=seed`, and no other layout".to_owned())),
            },
            "databasePrefix" => own.prefix = Some(prefix(value)?),
            "timeoutMS" => own.patience = Some(patience(value)?),
            _ => kept.push(option),
        }
    }
    let uri = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((uri, own))
}

fn prefix(value: &str) -> Result<String, Error> {
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && value.len() <= 38 {
        return Ok(value.to_owned());
    }
    Err(invalid("`databasePrefix` takes up to 38 letters, digits, `_` and `-`".to_owned()))
}

fn patience(value: &str) -> Result<Duration, Error> {
    let millis = value.parse().ok().filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| invalid("`timeoutMS` is a number of milliseconds".to_owned()))
}

/// Why the driver does not take the URL. Its words may quote any part of it, so they are repeated only where the same is wrong without
/// what is secret in it.
async fn refused(uri: &str, fault: &mongodb::error::Error) -> Error {
    let advice = "write `mongodb://HOST:PORT/DATABASE`; in a user and a password, `%`, `@`, `:`, `/` and `?` are written as %25, %40, %3A, %2F and %3F";
    let spoken = match without_secrets(uri) {
        Some(harmless) if harmless == uri => Some(fault.to_string()),
        Some(harmless) => ClientOptions::parse(&harmless).await.err().map(|fault| fault.to_string()),
        None => None,
    };
    invalid(spoken.map_or_else(|| advice.to_owned(), |spoken| format!("{spoken}; {advice}")))
}

/// The URL with others in place of user, password and what options hide; `None` where it cannot be told what of it that is.
fn without_secrets(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    // All up to the last `@`, since a password may hold what should have been encoded.
    let (user, harmless) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains('?') => return None,
        Some((_, harmless)) => (format!("{NOBODY}@"), harmless),
        None => (String::new(), rest),
    };
    let (base, options) = harmless.split_once('?').map_or((harmless, None), |(base, options)| (base, Some(options)));
    let options = options.map(|options| options.split('&').map(harmless_option).collect::<Vec<_>>().join("&"));
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    Some(format!("{scheme}://{user}{base}{options}"))
}

/// An option, with nothing in place of what it hides.
fn harmless_option(option: &str) -> &str {
    let name = option.split('=').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    match SECRETS.iter().any(|secret| lower.contains(secret)) {
        true if lower == "authmechanismproperties" => "authMechanismProperties=NAME:value",
        true => name,
        false => option,
    }
}

fn invalid(why: String) -> Error {
    Error::InvalidUrl { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_cut_out() {
        let url = "mongodb://h/?w=majority&layout=seed&databasePrefix=t_&timeoutMS=1500&maxPoolSize=3";
        let own = Own { seed: true, prefix: Some("t_".into()), patience: Some(Duration::from_millis(1500)) };
        assert_eq!(cut(url).unwrap(), ("mongodb://h/?w=majority&maxPoolSize=3".into(), own));
        assert_eq!(cut("mongodb://h/x?layout=seed").unwrap().0, "mongodb://h/x");
        for wrong in ["layout=flat", "databasePrefix=a/b", "timeoutMS=0", "timeoutMS=soon"] {
            assert!(matches!(cut(&format!("mongodb://h/?{wrong}")), Err(Error::InvalidUrl { .. })), "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_path_names_the_database() {
        let layout = async |url| read(url).await.map(|read| read.layout);
        let one = |database: &str| Ok(Layout::One { database: database.into() });
        assert_eq!(layout("mongodb://h").await, one("runstate"));
        assert_eq!(layout("mongodb://h/").await, one("runstate"));
        assert_eq!(layout("mongodb://h/app?w=majority").await, one("app"));
        assert_eq!(layout("mongodb://h/?layout=seed").await, Ok(Layout::Seed { prefix: String::new() }));
        assert!(layout("mongodb://h/app?layout=seed").await.unwrap_err().to_string().contains("`/app` means nothing"));
        assert!(layout("mongodb://h/?databasePrefix=x").await.is_err());
    }

    #[tokio::test]
    async fn a_password_is_never_repeated() {
        for uri in [
            "mongodb://ann:s%ecret@h:1/x",
            "mongodb://ann:s@cret@h:1/x",
            "mongodb://ann:se/cret@h:1/x",
            "mongodb://ann:se?cret@h:1/x",
            "mongodb://ann:secret@h:port/x",
            "mongodb://ann:secret@h/?nonsense=1",
            "mongodb://ann:secret:cret@h/",
            "mongodb://h/?authMechanismProperties=secret",
            "mongodb://h/?nonsense=1&authMechanismProperties=AWS_SESSION_TOKEN:s@cret",
            "mongodb://h/?nonsense=1&authMechanismProperties=AWS_SESSION_TOKEN:a,secret",
            "mongodb://h:port/?tlsCertificateKeyFilePassword=secret",
        ] {
            let Err(error) = read(uri).await else { panic!("{uri} was taken") };
            let said = error.to_string();
            assert!(!said.contains("cret") && !said.contains("ann"), "{uri}: {said}");
            assert_eq!(error.code(), crate::code::Code::InvalidUrl);
        }
    }
}
