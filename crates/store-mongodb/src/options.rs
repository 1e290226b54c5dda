//! The URL of a server: the store's own options, the driver's options, and the redaction of secrets.

use std::sync::Arc;
use std::time::Duration;

use mongodb::error::{Error as DriverError, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};
use runstate_store::StoreError;

use super::Layout;

/// The database if the URL names none.
const DEFAULT_DATABASE: &str = "runstate";
/// The default time limit of one call.
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The default time limit for finding a server.
const DEFAULT_SELECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The default interval at which servers are monitored: short, so that a server that returns is found soon.
const DEFAULT_MONITOR_INTERVAL: Duration = Duration::from_secs(2);
/// The longest time limit of one call, in milliseconds. Servers accept no longer `maxTimeMS`.
const MAX_TIMEOUT_MS: u64 = 2_147_483_647;
/// The longest name of a database, in bytes.
const MAX_DATABASE_NAME_BYTES: usize = 63;
/// Replaces user and password in a redacted URL.
const PLACEHOLDER_CREDENTIALS: &str = "user:password";

/// Options are secret if their names contain one of these.
const SECRET_OPTION_NAMES: [&str; 5] = ["password", "authmechanismproperties", "proxyusername", "token", "secret"];

const AMPERSAND_HINT: &str = "a `&` within a value is written as %26";
const AT_SIGN_HINT: &str = "an `@` within a value is written as %40";

/// Receives the name of each command.
pub type CommandObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// Options for opening a store.
#[derive(Clone, Default)]
pub struct MongoOptions {
    /// Do not create a store. If there is none, opening fails with [`StoreError::Unavailable`].
    pub must_exist: bool,
    /// Receives the name of every command that is sent to a server. For tests, and for measuring how many commands a
    /// step costs. The observer itself costs time.
    pub on_command: Option<CommandObserver>,
}

impl MongoOptions {
    /// Installs the observer in the driver's options.
    pub(super) fn install_observer(&self, client: &mut ClientOptions) {
        let Some(observer) = self.on_command.clone() else { return };
        client.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                observer(&started.command_name);
            }
        }));
    }
}

/// The settings in a store's URL.
pub(super) struct ConnectionSettings {
    pub(super) client: ClientOptions,
    pub(super) layout: Layout,
    pub(super) call_timeout: Duration,
}

/// The options of the URL that belong to the store; the driver does not know them.
#[derive(Debug, Default, PartialEq, Eq)]
struct OwnUrlOptions {
    seed: bool,
    prefix: Option<String>,
    call_timeout: Option<Duration>,
}

/// Parses the URL of a store.
pub(super) async fn parse_url(url: &str) -> Result<ConnectionSettings, StoreError> {
    let (uri, own) = split_own_options(url)?;
    let mut client = match ClientOptions::parse(&uri).await {
        Ok(client) => client,
        Err(error) => return Err(driver_refusal(&uri, &error).await),
    };
    let database = client.default_database.clone();
    database.as_deref().map_or(Ok(()), check_database_name)?;
    let layout = match (own.seed, database, own.prefix) {
        (true, Some(name), _) => {
            let why = format!(
                "`layout=seed` keeps each domain in a database of its own, so the path `/{name}` has no meaning; remove it"
            );
            return Err(invalid_url(why));
        }
        (true, None, prefix) => Layout::Seed { prefix: prefix.unwrap_or_default() },
        (false, _, Some(_)) => {
            return Err(invalid_url(
                "`databasePrefix` requires `layout=seed`; add it, or remove `databasePrefix`".to_owned(),
            ));
        }
        (false, database, None) => Layout::One { database: database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()) },
    };
    client.server_selection_timeout.get_or_insert(DEFAULT_SELECTION_TIMEOUT);
    client.connect_timeout.get_or_insert(DEFAULT_SELECTION_TIMEOUT);
    client.heartbeat_freq.get_or_insert(DEFAULT_MONITOR_INTERVAL);
    client.app_name.get_or_insert_with(|| "runstate".to_owned());
    // The URL must not weaken the guarantees of the store: reads use the primary, and writes wait for the majority.
    client.selection_criteria = None;
    client.read_concern = Some(ReadConcern::majority());
    client.write_concern = Some(WriteConcern::majority());
    Ok(ConnectionSettings { client, layout, call_timeout: own.call_timeout.unwrap_or(DEFAULT_CALL_TIMEOUT) })
}

/// The settings in the URL of a database that is only read, and need not be a store.
pub(super) struct ForeignSettings {
    pub(super) client: ClientOptions,
    /// The database in the path.
    pub(super) database: Option<String>,
    pub(super) prefix: String,
    pub(super) call_timeout: Duration,
}

/// Parses the URL of such a database.
pub(super) async fn parse_foreign_url(url: &str) -> Result<ForeignSettings, StoreError> {
    let (uri, own) = split_own_options(url)?;
    let mut client = match ClientOptions::parse(&uri).await {
        Ok(client) => client,
        Err(error) => return Err(driver_refusal(&uri, &error).await),
    };
    client.server_selection_timeout.get_or_insert(DEFAULT_SELECTION_TIMEOUT);
    client.connect_timeout.get_or_insert(DEFAULT_SELECTION_TIMEOUT);
    let (prefix, call_timeout) = (own.prefix.unwrap_or_default(), own.call_timeout.unwrap_or(DEFAULT_CALL_TIMEOUT));
    Ok(ForeignSettings { database: client.default_database.clone(), client, prefix, call_timeout })
}

/// Splits a URL into the driver's URL and the store's own options.
fn split_own_options(url: &str) -> Result<(String, OwnUrlOptions), StoreError> {
    // With an `@` after the `?`, the driver may read part of a password as the host, which errors contain.
    if redact_url(url).is_none() {
        return Err(invalid_url(format!("{}; {AT_SIGN_HINT}", describe_syntax(url))));
    }
    let Some((base, query)) = url.split_once('?').filter(|(base, _)| !base.is_empty()) else {
        return Ok((url.to_owned(), OwnUrlOptions::default()));
    };
    let mut own = OwnUrlOptions::default();
    let mut driver_options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        // The message does not repeat the option: it may be the rest of a secret that contains `&`.
        let nameless = || invalid_url(format!("an option does not have the form `NAME=VALUE`; {AMPERSAND_HINT}"));
        let (name, value) = option.split_once('=').ok_or_else(nameless)?;
        // Drivers ignore the case of option names.
        match name.to_ascii_lowercase().as_str() {
            "layout" => match value {
                "seed" => own.seed = true,
                // No message repeats a value: it may be the rest of a secret that contains `&`.
                _ => {
                    return Err(invalid_url(
                        "`layout` is not `seed`, the only layout; write `layout=seed`, or remove the option".to_owned(),
                    ));
                }
            },
            "databaseprefix" => own.prefix = Some(parse_prefix(value)?),
            "timeoutms" => own.call_timeout = Some(parse_timeout(value)?),
            "compressors" => return Err(invalid_url("compression is not supported; remove `compressors`".to_owned())),
            _ => driver_options.push(option),
        }
    }
    let uri = if driver_options.is_empty() { base.to_owned() } else { format!("{base}?{}", driver_options.join("&")) };
    Ok((uri, own))
}

fn parse_prefix(value: &str) -> Result<String, StoreError> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_plain && value.len() <= 38 {
        return Ok(value.to_owned());
    }
    Err(invalid_url("`databasePrefix` must have at most 38 letters, digits, `_` or `-`".to_owned()))
}

fn parse_timeout(value: &str) -> Result<Duration, StoreError> {
    let millis = value.parse().ok().filter(|millis| (1..=MAX_TIMEOUT_MS).contains(millis));
    let out_of_range =
        || invalid_url(format!("`timeoutMS` must be a number of milliseconds from 1 to {MAX_TIMEOUT_MS}"));
    millis.map(Duration::from_millis).ok_or_else(out_of_range)
}

/// Checks the name of a database. The server would report a bad name only on first use, and accepts its own databases.
fn check_database_name(name: &str) -> Result<(), StoreError> {
    let why = match name {
        "admin" | "config" | "local" => "is reserved by the server",
        _ if name.contains('.') => "contains `.`",
        _ if name.len() > MAX_DATABASE_NAME_BYTES => "is longer than 63 bytes",
        _ => return Ok(()),
    };
    Err(invalid_url(format!("the database name `{name}` is not valid: it {why}; choose another name")))
}

/// The error for a URL that the driver refuses. The driver's message may quote any part of the URL, so it is repeated
/// only if the URL without its secrets fails too.
async fn driver_refusal(uri: &str, error: &DriverError) -> StoreError {
    let message = match redact_url(uri) {
        Some(harmless) if harmless == uri => Some(driver_message(error)),
        Some(harmless) => ClientOptions::parse(&harmless).await.err().map(|error| driver_message(&error)),
        None => None,
    };
    match (&*error.kind, message) {
        (ErrorKind::DnsResolve { .. }, Some(why)) => {
            StoreError::Unavailable { what: "resolving the servers of the URL".to_owned(), why }
        }
        (_, Some(message)) => invalid_url(format!("{message}; {}", describe_syntax(uri))),
        (_, None) => invalid_url(describe_syntax(uri)),
    }
}

/// Describes the syntax of a URL, as far as this one has the parts.
fn describe_syntax(uri: &str) -> String {
    let mut advice = "write `mongodb://HOST:PORT/DATABASE?OPTION=VALUE`".to_owned();
    if uri.contains('@') {
        advice += "; in a user and a password, `%`, `@`, `:`, `/` and `?` are written as %25, %40, %3A, %2F and %3F";
    }
    if uri.split(['?', '&']).any(is_secret) {
        advice = format!("{advice}; {AMPERSAND_HINT}");
    }
    advice
}

/// The driver's message, without the text around it.
pub(super) fn driver_message(error: &DriverError) -> String {
    match &*error.kind {
        ErrorKind::InvalidArgument { message, .. }
        | ErrorKind::DnsResolve { message, .. }
        | ErrorKind::InvalidTlsConfig { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// The URL with a placeholder for user and password, and without secret options. `None` if the secret parts cannot be
/// determined.
fn redact_url(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    // Everything before the last `@`: a password may hold characters that should have been encoded.
    let (user, harmless) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains('?') => return None,
        Some((_, harmless)) => (format!("{PLACEHOLDER_CREDENTIALS}@"), harmless),
        None => (String::new(), rest),
    };
    let (base, options) = harmless.split_once('?').map_or((harmless, None), |(base, options)| (base, Some(options)));
    // Everything from the first secret option on: after a `&` in a secret, its rest looks like other options.
    let harmless =
        |options: &str| options.split('&').take_while(|option| !is_secret(option)).collect::<Vec<_>>().join("&");
    let options = options.map(|options| format!("?{}", harmless(options))).unwrap_or_default();
    Some(format!("{scheme}://{user}{base}{options}"))
}

/// Whether the value of an option is secret.
fn is_secret(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
    SECRET_OPTION_NAMES.iter().any(|secret| name.contains(secret))
}

fn invalid_url(why: String) -> StoreError {
    StoreError::InvalidUrl { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_options_are_removed_from_the_driver_url() {
        let url = "mongodb://h/?w=majority&layout=seed&databasePrefix=t_&timeoutMS=1500&maxPoolSize=3";
        let own =
            || OwnUrlOptions { seed: true, prefix: Some("t_".into()), call_timeout: Some(Duration::from_millis(1500)) };
        assert_eq!(split_own_options(url).unwrap(), ("mongodb://h/?w=majority&maxPoolSize=3".into(), own()));
        assert_eq!(split_own_options("mongodb://h/x?layout=seed").unwrap().0, "mongodb://h/x");
        assert_eq!(split_own_options("mongodb://h/?Layout=seed&databaseprefix=t_&timeoutms=1500").unwrap().1, own());
        let wrong =
            ["layout=flat", "databasePrefix=a/b", "timeoutMS=0", "timeoutMS=soon", "timeoutMS=2147483648", "tls"];
        for wrong in wrong.iter().chain(&["compressors=zstd"]) {
            assert!(
                matches!(split_own_options(&format!("mongodb://h/?{wrong}")), Err(StoreError::InvalidUrl { .. })),
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn the_path_names_the_database() {
        let layout = async |url| parse_url(url).await.map(|read| read.layout);
        let one = |database: &str| Ok(Layout::One { database: database.into() });
        assert_eq!(layout("mongodb://h").await, one("runstate"));
        assert_eq!(layout("mongodb://h/").await, one("runstate"));
        assert_eq!(layout("mongodb://h/app?w=majority").await, one("app"));
        assert_eq!(layout("mongodb://h/?layout=seed").await, Ok(Layout::Seed { prefix: String::new() }));
        assert!(layout("mongodb://h/app?layout=seed").await.unwrap_err().to_string().contains("`/app` has no meaning"));
        assert!(layout("mongodb://h/?databasePrefix=x").await.is_err());
    }

    #[tokio::test]
    async fn url_error_never_repeats_a_password() {
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
            let Err(error) = parse_url(uri).await else { panic!("{uri} was accepted") };
            let message = error.to_string();
            assert!(!message.contains("cret") && !message.contains("ann"), "{uri}: {message}");
            assert_eq!(error.code(), runstate_core::error_code::ErrorCode::INVALID_URL);
        }
    }

    /// Passwords in three parts, with the separators of URLs between them. The first part can be a port.
    fn passwords() -> impl Iterator<Item = String> {
        const SEPARATORS: [&str; 16] =
            ["", "@", "?", "?w=", "?appName=", "&", "&w=", "/", "//", "://", ":", "#", "%", "=", ",", "["];
        SEPARATORS.iter().flat_map(|one| SEPARATORS.iter().map(move |other| format!("41977{one}pw2k{other}pw3j")))
    }

    /// URLs with a place for a secret, some of them with another error.
    const URL_TEMPLATES: [&str; 11] = [
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

    fn expect_no_secret(url: &str, message: &str) {
        let lower = message.to_ascii_lowercase();
        for secret in ["us1r", "41977", "pw2k", "pw3j"] {
            assert!(!lower.contains(secret), "{url}: {message}");
        }
    }

    /// Later errors repeat the part that the driver reads as a host or a database.
    #[tokio::test]
    async fn no_part_of_a_password_is_in_an_error_or_is_read_as_a_host() {
        let (mut refused, mut accepted) = (0, 0);
        for password in passwords() {
            for template in URL_TEMPLATES {
                let url = template.replace("{}", &password);
                match parse_url(&url).await {
                    Err(error) => {
                        assert_eq!(error.code(), runstate_core::error_code::ErrorCode::INVALID_URL, "{url}");
                        expect_no_secret(&url, &error.to_string());
                        refused += 1;
                    }
                    Ok(settings) => {
                        let hosts: Vec<String> = settings.client.hosts.iter().map(ToString::to_string).collect();
                        assert_eq!(hosts, ["h:27017"], "{url}");
                        expect_no_secret(&url, &settings.layout.describe());
                        accepted += 1;
                    }
                }
                match parse_foreign_url(&url).await {
                    Err(error) => expect_no_secret(&url, &error.to_string()),
                    Ok(settings) => {
                        expect_no_secret(&url, &format!("{:?} {:?}", settings.client.hosts, settings.database))
                    }
                }
            }
        }
        assert!(refused > 2_000 && accepted > 20, "{refused} refused, {accepted} accepted");
    }

    #[tokio::test]
    async fn options_of_the_pool_are_those_of_the_url() {
        let url = "mongodb://u:p@localhost:27017/ai_apps?maxPoolSize=100&minPoolSize=10&maxIdleTimeMS=30000&retryWrites=true&w=1";
        let Ok(settings) = parse_url(url).await else { panic!() };
        let client = &settings.client;
        assert_eq!((client.max_pool_size, client.min_pool_size), (Some(100), Some(10)));
        assert_eq!((client.max_idle_time, client.retry_writes), (Some(Duration::from_secs(30)), Some(true)));
        // A weaker write concern has no effect.
        assert_eq!(client.write_concern, Some(WriteConcern::majority()));
    }

    #[tokio::test]
    async fn invalid_url_error_says_what_is_wrong() {
        let error_of = async |url| match parse_url(url).await {
            Ok(_) => panic!("{url} was accepted"),
            Err(error) => error,
        };
        assert_eq!(
            error_of("mongodb://h/?nonsense=1").await.to_string(),
            "the store URL is not valid: nonsense is an invalid option; write `mongodb://HOST:PORT/DATABASE?OPTION=VALUE`"
        );
        for (url, words) in [
            ("mongodb://h/admin", "is reserved by the server"),
            ("mongodb://h/a.b", "contains `.`"),
            ("mongodb://h/?tlsCertificateKeyFilePassword=se&cret", "written as %26"),
            ("mongodb://ann:se@cret@h/x", "written as %25, %40"),
        ] {
            assert!(error_of(url).await.to_string().contains(words), "{}", error_of(url).await);
        }
        let long = format!("mongodb://h/{}", "x".repeat(64));
        assert!(error_of(&long).await.to_string().contains("longer than 63 bytes"));
    }

    #[tokio::test]
    async fn failed_dns_lookup_is_unavailable_not_invalid_url() {
        let Err(error) = parse_url("mongodb+srv://ann:secret@nowhere.runstate.invalid/app").await else { panic!() };
        assert_eq!(error.code(), runstate_core::error_code::ErrorCode::UNAVAILABLE);
        assert!(
            !error.to_string().contains("secret") && error.to_string().contains("nowhere.runstate.invalid"),
            "{error}"
        );
    }
}
