//! From a URL to a store: `memory:`, `file:DIR`, `indexeddb:NAME`, `mongodb://…`, `postgres://…`.

mod backends;
mod environment;

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::Registry;
pub use runstate_engine::redact_url;
use runstate_engine::{
    DECLARATIONS, DOCUMENTS_PREFIX, Error, MIRROR, catalog, invalid_url_message, is_scheme, redact_rest,
};
use runstate_store::{COMMANDS, Store};
use runstate_value::Json;

use backends::{file, indexeddb, mongodb, postgres};
pub use environment::{Environment, StoreOrigin, expand_home, store_url};

/// A store named by a URL.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In the memory of this process, lost when it ends.
    Memory,
    /// In a directory.
    File {
        /// The directory.
        directory: String,
        /// Only one process uses it: allowed where the file system cannot arbitrate between several.
        single_process: bool,
    },
    /// In the browser's database with this name.
    IndexedDb(String),
    /// On a MongoDB replica set.
    MongoDb(String),
    /// On a PostgreSQL server.
    Postgres(String),
}

/// Debug output may appear in crash reports, so it contains no password.
impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::File { directory, single_process } => {
                write!(f, "File({directory:?}, single process: {single_process})")
            }
            Self::IndexedDb(name) => write!(f, "IndexedDb({name:?})"),
            Self::MongoDb(url) | Self::Postgres(url) => write!(f, "Server({:?})", redact_url(url)),
        }
    }
}

/// The URL of a store in memory, which every host has.
const MEMORY: &str = "memory:";

/// The URL forms of the stores that this build can open on this host. A store that keeps data comes first.
///
/// ```
/// assert!(runstate::open::url_forms().contains(&"memory:"));
/// ```
pub fn url_forms() -> Vec<&'static str> {
    [file::url_forms(), indexeddb::url_forms(), mongodb::url_forms(), postgres::url_forms(), &[MEMORY]].concat()
}

fn scheme_of(form: &str) -> &str {
    form.split_once(':').map_or(form, |(scheme, _)| scheme)
}

impl StoreUrl {
    /// Parses a store URL. An error names the stores that this build can open.
    ///
    /// ```
    /// use runstate::open::StoreUrl;
    /// assert_eq!(StoreUrl::parse("memory:"), Ok(StoreUrl::Memory));
    /// assert!(StoreUrl::parse("fiel:data").unwrap_err().message.contains("did you mean `file:data`?"));
    /// ```
    pub fn parse(url: &str) -> Result<Self, Error> {
        Self::parse_among(url, &url_forms())
    }

    /// As [`StoreUrl::parse`], with an error that names these stores.
    fn parse_among(url: &str, offered: &[&str]) -> Result<Self, Error> {
        let invalid = |message: String| Err(Error::new(ErrorCode::INVALID_URL, message));
        let missing_scheme = || {
            let why = format!("a scheme and `:` are missing. Use {}", join_alternatives(offered));
            invalid_url_message(url, &why)
        };
        let Some((scheme, rest)) = url.split_once(':') else {
            if url.is_empty() {
                return invalid(format!("the store URL is empty. Use {}", join_alternatives(offered)));
            }
            if url == "memory" {
                return invalid("`memory` is not a valid store URL; did you mean `memory:`?".to_owned());
            }
            if url.contains("//") {
                return invalid(missing_scheme());
            }
            return invalid(match offered.first().filter(|form| **form != MEMORY) {
                Some(form) => format!("`{url}` is not a valid store URL; did you mean `{}:{url}`?", scheme_of(form)),
                None => format!("`{url}` is not a valid store URL. Use {}", join_alternatives(offered)),
            });
        };
        let missing_part = |part: &str| {
            invalid(format!(
                "`{url}` is not a valid store URL: the {part} is missing. Use `{scheme}:{}`",
                part.to_ascii_uppercase()
            ))
        };
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => invalid(format!("`{url}` is not a valid store URL: a memory store has no name. Use `memory:`")),
            "file" => {
                let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
                let single_process = match query {
                    None => false,
                    Some("single_process") => true,
                    Some(other) => {
                        return invalid(format!(
                            "`{url}` is not a valid store URL: unknown option `{other}`. The only option is `?single_process`"
                        ));
                    }
                };
                let directory = path.strip_prefix("//").unwrap_or(path);
                if directory.len() < path.len() && !directory.is_empty() && !directory.starts_with('/') {
                    return invalid(format!(
                        "`{url}` is not a valid store URL: the path after `//` is not absolute; did you mean \
                         `file:{directory}` or `file:///{directory}`?"
                    ));
                }
                match directory {
                    "" => missing_part("directory"),
                    directory => Ok(Self::File { directory: directory.to_owned(), single_process }),
                }
            }
            "indexeddb" if rest.is_empty() => missing_part("name"),
            // They would become a part of the name, and each form another database.
            "indexeddb" if rest.starts_with("//") || rest.contains('?') => invalid(format!(
                "`{url}` is not a valid store URL: the name of a database begins right after `indexeddb:`, and no options \
                 follow it. Use {}",
                join_alternatives(offered)
            )),
            "indexeddb" => Ok(Self::IndexedDb(rest.to_owned())),
            "mongodb" | "mongodb+srv" => Ok(Self::MongoDb(url.to_owned())),
            "postgres" | "postgresql" => Ok(Self::Postgres(url.to_owned())),
            _ if !is_scheme(scheme) => invalid(missing_scheme()),
            _ => {
                let rest = match rest.strip_prefix("//") {
                    Some(rest) => redact_rest("//", rest),
                    None => redact_rest("", rest),
                };
                let url = redact_url(url);
                let unknown = format!("`{url}` is not a valid store URL: unknown scheme `{scheme}`");
                match nearest_scheme(scheme, offered) {
                    Some(known) => invalid(format!("{unknown}; did you mean `{known}:{rest}`?")),
                    None => invalid(format!("{unknown}. Use {}", join_alternatives(offered))),
                }
            }
        }
    }
}

/// The action of [`open_with`] if the store does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStore {
    /// Create it.
    Create,
    /// Fail. A caller that only reads has probably mistyped the name.
    Refuse,
}

/// Opens the store that `url` names, and creates it if it does not exist.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, Error> {
    open_with(url, MissingStore::Create).await
}

/// The commands that create the roles of least privilege for the store that `url` names, for an engine with these
/// domains: reader, worker, operator and owner, each with the privileges of those before it. On MongoDB each command is
/// a `createRole` for `admin`, on PostgreSQL a statement of SQL for the database, whose tables exist. No server is
/// contacted.
///
/// Errors: `invalid_url`; `unsupported` for a store that has no users of its own.
pub async fn roles(url: &str, registry: &Registry) -> Result<Vec<Json>, Error> {
    let parsed = StoreUrl::parse(url)?;
    let catalog = catalog(registry.catalog())?;
    let names: Vec<&str> = catalog.iter().chain([&COMMANDS]).map(|collection| collection.name).collect();
    let all: Vec<&str> = names.iter().copied().chain([MIRROR, DOCUMENTS_PREFIX]).collect();
    let definitions = registry.domains().iter().flat_map(|domain| domain.definitions.iter().map(|one| one.name));
    let read_only: Vec<&str> = definitions.chain([DECLARATIONS.name, MIRROR, DOCUMENTS_PREFIX]).collect();
    match parsed {
        StoreUrl::MongoDb(url) => mongodb::roles(&url, &all, &read_only).await,
        // Only tables that exist can be named.
        StoreUrl::Postgres(url) => {
            let views = catalog.iter().flat_map(|collection| collection.views.iter().map(|view| view.name));
            postgres::roles(&url, &names, &read_only, &views.collect::<Vec<_>>())
        }
        _ => {
            let message = format!(
                "`{}` is a store without users of its own, so it has no roles. Use a store on MongoDB or PostgreSQL",
                redact_url(url)
            );
            Err(Error::new(ErrorCode::UNSUPPORTED, message))
        }
    }
}

/// A store that was opened.
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The store's own id, if it has one that outlives the process.
    pub id: Option<String>,
}

/// Opens the store that `url` names; `missing` decides what happens if it does not exist.
pub async fn open_with(url: &str, missing: MissingStore) -> Result<Arc<dyn Store>, Error> {
    Ok(open_with_id(url, missing).await?.store)
}

/// As [`open_with`], with the store's id.
pub async fn open_with_id(url: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
    open_with_keys(url, missing, None).await
}

/// As [`open_with_id`]; `keys` encrypt the secret fields of documents.
pub async fn open_with_keys(url: &str, missing: MissingStore, keys: StoreKeys) -> Result<OpenedStore, Error> {
    let OpenedStore { store, id } = open_backend(url, missing).await?;
    Ok(OpenedStore { store: encrypt(store, keys), id })
}

/// The keys of the secrets of a store; none: its encrypted values cannot be read.
#[cfg(feature = "encryption")]
pub type StoreKeys = Option<Arc<dyn runstate_encryption::KeyProvider>>;

/// This build encrypts nothing, so there are no keys.
#[cfg(not(feature = "encryption"))]
pub type StoreKeys = Option<std::convert::Infallible>;

/// Adds the encryption of secret fields to a store that was opened.
#[cfg(feature = "encryption")]
fn encrypt(store: Arc<dyn Store>, keys: StoreKeys) -> Arc<dyn Store> {
    Arc::new(runstate_encryption::EncryptedStore::new(store, keys))
}

#[cfg(not(feature = "encryption"))]
fn encrypt(store: Arc<dyn Store>, _: StoreKeys) -> Arc<dyn Store> {
    store
}

async fn open_backend(url: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
    match StoreUrl::parse(url)? {
        StoreUrl::Memory => Ok(OpenedStore { store: Arc::new(runstate_store::Memory::new()), id: None }),
        StoreUrl::File { directory, single_process } => file::open(&directory, single_process, missing).await,
        StoreUrl::IndexedDb(name) => indexeddb::open(&name, missing).await,
        StoreUrl::MongoDb(url) => mongodb::open(&url, missing).await,
        StoreUrl::Postgres(url) => postgres::open(&url, missing).await,
    }
}

/// The known scheme with the smallest edit distance, at most two.
fn nearest_scheme<'a>(scheme: &str, offered: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| runstate_value::levenshtein(scheme, known);
    let nearest = offered.iter().map(|form| scheme_of(form)).min_by_key(|known| distance(known));
    nearest.filter(|known| distance(known) <= 2)
}

fn join_alternatives(offered: &[&str]) -> String {
    let quoted: Vec<String> = offered.iter().map(|form| format!("`{form}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_contain_credentials() {
        for url in ["mongo://ann:secret@h/x", "mongodbs://ann:se@cret@h/x", "redis:ann:secret@h"] {
            let message = StoreUrl::parse(url).unwrap_err().message;
            assert!(!message.contains("cret") && !message.contains("ann") && message.contains("…@h"), "{message}");
        }
        for url in ["mongo://h/x?token=secret", "mongo://h?token=s@cret", "mongo//h/x?token=secret"] {
            let message = StoreUrl::parse(url).unwrap_err().message;
            assert!(!message.contains("cret"), "{message}");
        }
        let debug = format!("{:?}", StoreUrl::parse("mongodb://ann:secret@h/x?tlsCertificateKeyFilePassword=secret"));
        assert!(!debug.contains("secret") && !debug.contains("ann") && debug.contains("…@h/x?…"), "{debug}");
        let some = |url: &str| Some(url.to_owned());
        let environment = Environment { mongodb_uri: some("mongodb://ann:secret@h"), ..Environment::default() };
        assert!(!format!("{environment:?}").contains("secret"));
    }

    /// Passwords in three parts, with what may separate the parts of a URL between them.
    fn passwords() -> impl Iterator<Item = String> {
        const BETWEEN: [&str; 14] = ["", "@", "?", "?w=", "&", "&w=", "/", "//", "://", ":", "#", "%", "=", ","];
        BETWEEN.iter().flat_map(|one| BETWEEN.iter().map(move |other| format!("pw1{one}pw2{other}pw3")))
    }

    #[test]
    fn passwords_never_appear_in_errors_or_debug_output() {
        let templates = [
            "mongodb://us1r:{}@h/app",
            "mongodb://us1r:{}@h/app?w=1&appName=a@b",
            "mongodb+srv://us1r:{}@h/app",
            "postgres://us1r:{}@h/app",
            "mongodb:us1r:{}@h/app",
            "mongodb//us1r:{}@h/app",
            "//us1r:{}@h/app",
            "mongo://us1r:{}@h/app",
            "mongo:us1r:{}@h/app",
            "mongodbs:us1r:{}@h/app",
            "MONGODB://us1r:{}@h/app?w=1",
            "redis:us1r:{}@h",
            "http://{}@h/app?token=us1r",
            "mongo://h/app?password={}",
        ];
        for password in passwords() {
            for template in templates {
                let url = template.replace("{}", &password);
                let environment = Environment { mongodb_uri: Some(url.clone()), ..Environment::default() };
                let mongodb = Environment { cvm_storage_type: Some("mongodb".into()), ..environment.clone() };
                let mut outputs = vec![redact_url(&url), format!("{environment:?}")];
                outputs.extend(store_url(&mongodb).err().map(|error| error.to_string()));
                outputs.push(match StoreUrl::parse(&url) {
                    Ok(parsed) => format!("{parsed:?}"),
                    Err(error) => error.to_string(),
                });
                for output in outputs {
                    assert!(!["us1r", "pw1", "pw2", "pw3"].iter().any(|part| output.contains(part)), "{url}: {output}");
                }
            }
            // A name before the first `:` may be a scheme.
            let message = StoreUrl::parse(&format!("mongo:{password}@h/app")).unwrap_err().message;
            assert!(!["pw1", "pw2", "pw3"].iter().any(|part| message.contains(part)), "{password}: {message}");
        }
    }

    #[test]
    fn errors_suggest_only_stores_of_this_host() {
        let page = ["indexeddb:NAME", MEMORY];
        for url in ["redis://x", "mongo://x", "fiel:x", "postgress:x", "data", ""] {
            let message = StoreUrl::parse_among(url, &page).unwrap_err().message;
            assert!(
                ["file:", "mongodb", "postgres:"].iter().all(|scheme| !message.contains(scheme)),
                "{url}: {message}"
            );
        }
        assert!(StoreUrl::parse_among("data", &page).unwrap_err().message.contains("`indexeddb:data`"));
        assert_eq!(url_forms().contains(&"mongodb://HOST/DATABASE"), cfg!(feature = "mongodb"));
        assert_eq!(url_forms().contains(&"file:DIRECTORY"), cfg!(feature = "file"));
        assert_eq!(url_forms().contains(&"postgres://HOST/DATABASE"), cfg!(feature = "postgres"));
    }

    #[test]
    fn urls_are_read_or_explained() {
        let file =
            |directory: &str, single_process| Ok(StoreUrl::File { directory: directory.to_owned(), single_process });
        assert_eq!(StoreUrl::parse("file:data"), file("data", false));
        assert_eq!(StoreUrl::parse("file:///var/data"), file("/var/data", false));
        assert_eq!(StoreUrl::parse("file:a?single_process"), file("a", true));
        assert_eq!(StoreUrl::parse("indexeddb:a/b"), Ok(StoreUrl::IndexedDb("a/b".to_owned())));
        let message = |url| {
            StoreUrl::parse_among(url, &["file:DIRECTORY", "mongodb://HOST/DATABASE", MEMORY]).unwrap_err().message
        };
        insta::assert_snapshot!(
            [
                "",
                "data",
                "memory",
                "file://tmp/x",
                "file://",
                "file:",
                "memory:x",
                "file:a?b",
                "mongo://x",
                "redis://x",
                "indexeddb:",
                "indexeddb://x",
                "indexeddb:x?single_process"
            ]
            .map(message)
            .join("\n")
        );
    }
}
