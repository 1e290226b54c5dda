//! The URL of a server: what is ours in it, what is the driver's, and what of it may be said aloud.

use std::sync::Arc;
use std::time::Duration;

use mongodb::error::{Error as Fault, ErrorKind};
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
/// The longest that one call may take, in milliseconds: servers take no more as a bound of theirs.
const LONGEST: u64 = 2_147_483_647;
/// Bytes of a name of a database.
const LONGEST_NAME: usize = 63;
/// What stands in place of user and password where a URL is only tried.
const NOBODY: &str = "user:password";

/// What the names of options have in them that hold a secret.
const SECRETS: [&str; 5] = ["password", "authmechanismproperties", "proxyusername", "token", "secret"];

const AMPERSAND: &str = "a `&` within a value is written as %26";
const AT: &str = "an `@` within a value is written as %40";

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
    named.as_deref().map_or(Ok(()), can_be_database)?;
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
    // An `@` behind the `?`: part of a password may be where the driver reads the host, which errors name.
    if without_secrets(url).is_none() {
        return Err(invalid(format!("{}; {AT}", advice(url))));
    }
    let Some((base, query)) = url.split_once('?').filter(|(base, _)| !base.is_empty()) else {
        return Ok((url.to_owned(), Own::default()));
    };
    let mut own = Own::default();
    let mut kept = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        // It is not repeated: what stands behind a `&` in a secret looks so too.
        let nameless = || invalid(format!("an option is no `NAME=VALUE`; {AMPERSAND}"));
        let (name, value) = option.split_once('=').ok_or_else(nameless)?;
        // Drivers do not tell capitals in the names of options from small letters.
        match name.to_ascii_lowercase().as_str() {
            "layout" => match value {
                "seed" => own.seed = true,
                _ => return Err(invalid("there is `layout=seed`, and no other layout".to_owned())),
            },
            "databaseprefix" => own.prefix = Some(prefix(value)?),
            "timeoutms" => own.patience = Some(patience(value)?),
            "compressors" => return Err(invalid("nothing is compressed here; leave `compressors` out".to_owned())),
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
    let millis = value.parse().ok().filter(|millis| (1..=LONGEST).contains(millis));
    let wrong = || invalid(format!("`timeoutMS` is a number of milliseconds, 1 to {LONGEST}"));
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// What the server would only say when it is asked, and of its own databases not at all.
fn can_be_database(name: &str) -> Result<(), Error> {
    let why = match name {
        "admin" | "config" | "local" => "is the server's own",
        _ if name.contains('.') => "has a `.`, which no name of a database may have",
        _ if name.len() > LONGEST_NAME => "is longer than 63 bytes",
        _ => return Ok(()),
    };
    Err(invalid(format!("the database `{name}` in its path {why}; take another name")))
}

/// Why the driver does not take the URL. Its words may quote any part of it, so they are repeated only where the same is wrong without
/// what is secret in it.
async fn refused(uri: &str, fault: &Fault) -> Error {
    let spoken = match without_secrets(uri) {
        Some(harmless) if harmless == uri => Some(words(fault)),
        Some(harmless) => ClientOptions::parse(&harmless).await.err().map(|fault| words(&fault)),
        None => None,
    };
    match (&*fault.kind, spoken) {
        (ErrorKind::DnsResolve { .. }, Some(why)) => {
            Error::Unavailable { what: "looking up the servers of the URL".to_owned(), why }
        }
        (_, Some(spoken)) => invalid(format!("{spoken}; {}", advice(uri))),
        (_, None) => invalid(advice(uri)),
    }
}

/// How a URL is written, as far as this one has such parts.
fn advice(uri: &str) -> String {
    let mut advice = "write `mongodb://HOST:PORT/DATABASE?OPTION=VALUE`".to_owned();
    if uri.contains('@') {
        advice += "; in a user and a password, `%`, `@`, `:`, `/` and `?` are written as %25, %40, %3A, %2F and %3F";
    }
    if uri.split(['?', '&']).any(is_secret) {
        advice = format!("{advice}; {AMPERSAND}");
    }
    advice
}

/// What the driver says, without what it says around it.
pub(super) fn words(fault: &Fault) -> String {
    match &*fault.kind {
        ErrorKind::InvalidArgument { message, .. }
        | ErrorKind::DnsResolve { message, .. }
        | ErrorKind::InvalidTlsConfig { message, .. } => message.clone(),
        other => other.to_string(),
    }
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
    // From the first secret on, since a `&` in it makes the rest of it look like options of their own.
    let harmless =
        |options: &str| options.split('&').take_while(|option| !is_secret(option)).collect::<Vec<_>>().join("&");
    let options = options.map(|options| format!("?{}", harmless(options))).unwrap_or_default();
    Some(format!("{scheme}://{user}{base}{options}"))
}

/// Whether what an option says is nobody's business.
fn is_secret(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret))
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
        let own = || Own { seed: true, prefix: Some("t_".into()), patience: Some(Duration::from_millis(1500)) };
        assert_eq!(cut(url).unwrap(), ("mongodb://h/?w=majority&maxPoolSize=3".into(), own()));
        assert_eq!(cut("mongodb://h/x?layout=seed").unwrap().0, "mongodb://h/x");
        assert_eq!(cut("mongodb://h/?Layout=seed&databaseprefix=t_&timeoutms=1500").unwrap().1, own());
        let wrong =
            ["layout=flat", "databasePrefix=a/b", "timeoutMS=0", "timeoutMS=soon", "timeoutMS=2147483648", "tls"];
        for wrong in wrong.iter().chain(&["compressors=zstd"]) {
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
            "mongodb://h/?tlsCertificateKeyFilePassword=se&cret",
            "mongodb://h/?tlsCertificateKeyFilePassword=se&cret=1",
            "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:se&cret",
            "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:se&cret=1&nonsense=1",
        ] {
            let Err(error) = read(uri).await else { panic!("{uri} was taken") };
            let said = error.to_string();
            assert!(!said.contains("cret") && !said.contains("ann"), "{uri}: {said}");
            assert_eq!(error.code(), crate::code::Code::InvalidUrl);
        }
    }

    /// Passwords in three parts, with what may separate the parts of a URL between them. The first part can be a port.
    fn passwords() -> impl Iterator<Item = String> {
        const BETWEEN: [&str; 16] =
            ["", "@", "?", "?w=", "?appName=", "&", "&w=", "/", "//", "://", ":", "#", "%", "=", ",", "["];
        BETWEEN.iter().flat_map(|one| BETWEEN.iter().map(move |other| format!("41977{one}pw2k{other}pw3j")))
    }

    /// Where a URL holds a secret, and what may be wrong beside it.
    const PLACES: [&str; 11] = [
        "mongodb://us1r:{}@h/app",
        "mongodb://us1r:{}@h:port/app",
        "mongodb://us1r:{}@h/a.b",
        "mongodb://us1r:{}@h/app?nonsense=1",
        "mongodb://us1r:{}@h/app?layout=seed",
        "mongodb://us1r:{}@h/app?appName=a@b",
        "mongodb://{}@h/app",
        "mongodb://h/app?tlsCertificateKeyFilePassword={}",
        "mongodb://h/app?tlsCertificateKeyFilePassword={}&nonsense=1",
        "mongodb://h/app?nonsense=1&authMechanismProperties=AWS_SESSION_TOKEN:{}",
        "mongodb://h:port/app?proxyHost=h&proxyUsername=us1r&proxyPassword={}",
    ];

    fn expect_silent(url: &str, said: &str) {
        let lower = said.to_ascii_lowercase();
        for secret in ["us1r", "41977", "pw2k", "pw3j"] {
            assert!(!lower.contains(secret), "{url}: {said}");
        }
    }

    /// What the driver takes for a host or a database is repeated by later errors.
    #[tokio::test]
    async fn no_part_of_a_password_is_in_an_error_or_is_read_as_a_host() {
        let (mut refused, mut taken) = (0, 0);
        for password in passwords() {
            for place in PLACES {
                let url = place.replace("{}", &password);
                match read(&url).await {
                    Err(error) => {
                        assert_eq!(error.code(), crate::code::Code::InvalidUrl, "{url}");
                        expect_silent(&url, &error.to_string());
                        refused += 1;
                    }
                    Ok(read) => {
                        let hosts: Vec<String> = read.client.hosts.iter().map(ToString::to_string).collect();
                        assert_eq!(hosts, ["h:27017"], "{url}");
                        expect_silent(&url, &read.layout.describe());
                        taken += 1;
                    }
                }
                match foreign(&url).await {
                    Err(error) => expect_silent(&url, &error.to_string()),
                    Ok(read) => expect_silent(&url, &format!("{:?} {:?}", read.client.hosts, read.named)),
                }
            }
        }
        assert!(refused > 2_000 && taken > 20, "{refused} refused, {taken} taken");
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_in_the_words_that_say_it() {
        let said = async |url| match read(url).await {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => error,
        };
        assert_eq!(
            said("mongodb://h/?nonsense=1").await.to_string(),
            "the URL of the store is not understood: nonsense is an invalid option; write `mongodb://HOST:PORT/DATABASE?OPTION=VALUE`"
        );
        for (url, words) in [
            ("mongodb://h/admin", "is the server's own"),
            ("mongodb://h/a.b", "has a `.`"),
            ("mongodb://h/?tlsCertificateKeyFilePassword=se&cret", "written as %26"),
            ("mongodb://ann:se@cret@h/x", "written as %25, %40"),
        ] {
            assert!(said(url).await.to_string().contains(words), "{}", said(url).await);
        }
        let long = format!("mongodb://h/{}", "x".repeat(64));
        assert!(said(&long).await.to_string().contains("longer than 63 bytes"));
    }

    #[tokio::test]
    async fn servers_that_cannot_be_looked_up_may_be_later() {
        let Err(error) = read("mongodb+srv://ann:secret@nowhere.runstate.invalid/app").await else { panic!() };
        assert_eq!(error.code(), crate::code::Code::Unavailable);
        assert!(
            !error.to_string().contains("secret") && error.to_string().contains("nowhere.runstate.invalid"),
            "{error}"
        );
    }
}
