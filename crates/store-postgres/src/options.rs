//! The URL of a server: the store's own options, the driver's options, and TLS.

use std::sync::Arc;
use std::time::Duration;

use runstate_store::StoreError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The default time limit of one call.
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The default time limit for connecting to one server.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The default time without traffic after which the client asks whether the server's machine is there.
const DEFAULT_KEEPALIVES_IDLE: Duration = Duration::from_secs(15);
/// The default time between two such questions, and how many remain unanswered before the connection is lost.
const DEFAULT_KEEPALIVES: (Duration, u32) = (Duration::from_secs(5), 3);
/// The default time after which a connection is lost whose data the server's machine does not acknowledge.
const DEFAULT_TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// The default number of connections.
const DEFAULT_MAX_CONNECTIONS: usize = 16;
/// The most connections that a URL may ask for.
const MAX_CONNECTIONS: usize = 10_000;
/// The longest time limit of one call, in milliseconds. Servers accept no longer ones.
const MAX_TIMEOUT_MS: u64 = 2_147_483_647;

/// A setting of sessions that no server knows. A pooler refuses it, so a session that it shares never gets the settings
/// that a connection of this store needs.
const SESSION_MARK: &str = "-c runstate.session=on";

/// The options of the driver, for errors.
const DRIVER_OPTIONS: [&str; 14] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Receives the first statement of each round trip to the server.
pub type RoundTripObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// Options for opening a store.
#[derive(Clone, Default)]
pub struct PostgresOptions {
    /// Do not create a store. If there is none, opening fails with [`StoreError::Unavailable`].
    pub must_exist: bool,
    /// Is called before each round trip, with the first of the statements that are sent together. For tests, and for
    /// measuring the cost of a step.
    pub on_round_trip: Option<RoundTripObserver>,
}

/// The settings in a store's URL.
#[derive(Clone)]
pub(super) struct ServerSettings {
    pub(super) config: Config,
    /// The servers and the database, for error messages.
    pub(super) server: String,
    pub(super) tls: MakeRustlsConnect,
    pub(super) call_timeout: Duration,
    pub(super) max_connections: usize,
    /// Whether statements are prepared under names, which a pooler between transactions may not keep.
    pub(super) prepared: bool,
}

impl ServerSettings {
    /// Parses the URL of a store.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (location, query) = url.split_once('?').map_or((url, ""), |(location, query)| (location, query));
        let mut driver: Vec<&str> = Vec::new();
        let (mut call_timeout, mut max_connections, mut prepared) =
            (DEFAULT_CALL_TIMEOUT, DEFAULT_MAX_CONNECTIONS, true);
        let (mut ssl_mode, mut root_certificate) = (SslMode::Prefer, None);
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "callTimeoutMS" => call_timeout = Duration::from_millis(parse_number(name, value, MAX_TIMEOUT_MS)?),
                "maxConnections" => {
                    let number = parse_number(name, value, MAX_CONNECTIONS as u64)?;
                    max_connections = usize::try_from(number).unwrap_or(MAX_CONNECTIONS);
                }
                "preparedStatements" => {
                    prepared = match value {
                        "true" => true,
                        "false" => false,
                        _ => return Err(invalid_url("`preparedStatements` must be `true` or `false`")),
                    }
                }
                "sslmode" => {
                    ssl_mode = match value {
                        "disable" => SslMode::Disable,
                        "prefer" => SslMode::Prefer,
                        "require" | "verify-ca" | "verify-full" => SslMode::Require,
                        _ => {
                            return Err(invalid_url(
                                "`sslmode` must be `disable`, `prefer`, `require` or `verify-full`; each one but the first two \
                                 verifies the server's certificate",
                            ));
                        }
                    }
                }
                "sslrootcert" => root_certificate = Some(decode_percent(value)?),
                "user" | "password" | "dbname" | "host" => driver.push(option),
                name if DRIVER_OPTIONS.contains(&name) => driver.push(option),
                _ => {
                    // The name may be a part of a password with a `?` or an `&`.
                    return Err(invalid_url(
                        "it has an unknown option; see docs/postgresql.md for all options. A `?` or `&` within a password is \
                         written as %3F or %26",
                    ));
                }
            }
        }
        let uri = if driver.is_empty() { location.to_owned() } else { format!("{location}?{}", driver.join("&")) };
        // The driver's message may repeat a part of a password.
        let mut config: Config = uri.parse().map_err(|_| {
            invalid_url(
                "it is not `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or an option has a wrong value. Within user and password, \
                 `@` is written as %40, `/` as %2F, `:` as %3A, and `%` as %25",
            )
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid_url("the host is missing; use `postgres://HOST/DATABASE`"));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(invalid_url("the database is missing; use `postgres://HOST/DATABASE`"));
        }
        if config.get_user().is_none() {
            return Err(invalid_url("the user is missing; use `postgres://USER@HOST/DATABASE`"));
        }
        config.ssl_mode(ssl_mode);
        if config.get_application_name().is_none() {
            config.application_name(runstate_tls::USER_AGENT);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(DEFAULT_CONNECT_TIMEOUT.min(call_timeout));
        }
        let is_set = |name: &str| driver.iter().any(|option| option.split('=').next() == Some(name));
        if !is_set("keepalives_idle") {
            config.keepalives_idle(DEFAULT_KEEPALIVES_IDLE);
        }
        let (interval, retries) = DEFAULT_KEEPALIVES;
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(interval);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(retries);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(DEFAULT_TCP_USER_TIMEOUT);
        }
        if prepared {
            let options = config.get_options().map_or(String::new(), |options| format!("{options} "));
            config.options(format!("{options}{SESSION_MARK}"));
        }
        let server =
            location.rsplit_once('@').or_else(|| location.split_once("//")).map_or(location, |(_, server)| server);
        let tls = MakeRustlsConnect::new(tls_config(root_certificate.as_deref())?);
        let mut settings = Self { config, server: server.to_owned(), tls, call_timeout, max_connections, prepared };
        let is_chosen = is_set("target_session_attrs") && !settings.has_several_hosts();
        if settings.config.get_target_session_attrs() == TargetSessionAttrs::Any && !is_chosen {
            // Only the primary can commit, and a standby is late. One host name may lead to several servers.
            settings.config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(settings)
    }

    /// Whether the URL names several servers.
    pub(super) fn has_several_hosts(&self) -> bool {
        self.config.get_hosts().len().max(self.config.get_hostaddrs().len()) > 1
    }
}

/// The configuration of TLS: trusts what the system trusts, or the certificates in a file alone.
fn tls_config(root_certificate: Option<&str>) -> Result<ClientConfig, StoreError> {
    let failed = |why: String| StoreError::InvalidUrl { why };
    let Some(path) = root_certificate else {
        return runstate_tls::client_config()
            .map_err(|error| failed(format!("the certificates that the system trusts cannot be read: {error}")));
    };
    let unreadable = |why: String| failed(format!("the certificates in `sslrootcert` ({path}) cannot be read: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| failed(error.to_string()))?.with_root_certificates(roots).with_no_client_auth())
}

fn parse_number(name: &str, value: &str, max: u64) -> Result<u64, StoreError> {
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| invalid_url(&format!("`{name}` must be a number from 1 to {max}")))
}

fn decode_percent(text: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
        let decoded = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.ok_or_else(|| invalid_url("an option has a `%` without two hexadecimal digits"))?);
    }
    String::from_utf8(bytes).map_err(|_| invalid_url("an option is not UTF-8"))
}

fn invalid_url(why: &str) -> StoreError {
    StoreError::InvalidUrl { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        ServerSettings::parse(url).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn options_of_the_url_are_read() {
        let url = "postgresql://ann:se%40c%25ret@db:6432/app?maxConnections=3&callTimeoutMS=5&preparedStatements=false&sslmode=require";
        let settings = ServerSettings::parse(url).unwrap();
        assert_eq!((settings.max_connections, settings.prepared), (3, false));
        assert_eq!(settings.call_timeout, Duration::from_millis(5));
        assert_eq!(settings.config.get_password(), Some(&b"se@c%ret"[..]));
        assert_eq!(settings.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(settings.server, "db:6432/app");
        let target = |url: &str| ServerSettings::parse(url).unwrap().config.get_target_session_attrs();
        let any = "target_session_attrs=any";
        assert_eq!(target("postgres://u@a/x"), TargetSessionAttrs::ReadWrite);
        assert_eq!(target(&format!("postgres://u@a/x?{any}")), TargetSessionAttrs::Any);
        assert_eq!(target("postgres://u@a/x?target_session_attrs=read-only"), TargetSessionAttrs::ReadOnly);
        assert_eq!(target(&format!("postgres://u@a,b:1/x?{any}")), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn a_silent_server_is_noticed_unless_the_url_says_otherwise() {
        let limits = |options: &str| {
            let config = ServerSettings::parse(&format!("postgres://u@h/x?{options}")).unwrap().config;
            let seconds = |time: Option<&Duration>| time.map(Duration::as_secs);
            let tcp = seconds(config.get_tcp_user_timeout());
            (config.get_keepalives(), config.get_keepalives_idle().as_secs(), tcp, config.get_keepalives_retries())
        };
        assert_eq!(limits(""), (true, 15, Some(30), Some(3)));
        let chosen = "keepalives_idle=7200&tcp_user_timeout=600&keepalives_retries=9";
        assert_eq!(limits(chosen), (true, 7_200, Some(600), Some(9)));
        assert_eq!(limits("keepalives=0"), (false, 15, Some(30), Some(3)));
    }

    #[test]
    fn invalid_url_is_explained_without_its_password() {
        for url in [
            "postgres://ann:secret@/app",
            "postgres://ann:secret@h",
            "postgres://h/app",
            "postgres://ann:sec@ret@h:x/app",
            "postgres://ann:pw?secret@h/app",
            "postgres://ann:secret@h/app?sslmode=secret",
            "postgres://ann:secret@h/app?maxConnections=0",
            "postgres://ann:secret@h/app?sslrootcert=%zz",
            "postgres://ann:secret@h/app?connect_timeout=secret",
        ] {
            let why = refusal(url);
            assert!(why.starts_with("the store URL is not valid: ") && !why.contains("secret"), "{url}: {why}");
        }
    }
}
