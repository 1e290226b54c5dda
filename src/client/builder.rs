//! Opening an engine in one line.

use std::sync::Arc;

use runstate_core::decision::{DomainSettings, EngineSettings};
use runstate_core::operation::Domain;
use runstate_engine::{Engine, Error, Host, SystemHost};

use crate::domain;
use crate::open::{self, MissingStore, StoreKeys};

/// Opens the store that `url` names, and creates it if it does not exist: `memory:`, `file:DIRECTORY`,
/// `mongodb://HOST/DATABASE`, `indexeddb:NAME`, as far as this build has them. The engine has all domains, the system's
/// host and the default settings.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
/// let engine = runstate::open("memory:").await?;
/// assert!(engine.health().await.is_none());
/// # Ok(()) }
/// ```
pub async fn open(url: &str) -> Result<Engine, Error> {
    Builder::new().open(url).await
}

/// Opens an engine with other domains, settings or hosts than [`open()`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
/// use runstate::domain::cvm;
///
/// let settings = cvm::Settings { heap_bytes: 8 << 20, ..cvm::Settings::default() };
/// let engine = runstate::Builder::new().settings(settings).open("memory:").await?;
/// # _ = engine; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Builder {
    domains: Vec<&'static Domain>,
    settings: EngineSettings,
    host: Arc<dyn Host>,
    missing: MissingStore,
    keys: StoreKeys,
}

impl Default for Builder {
    fn default() -> Self {
        #[allow(clippy::arc_with_non_send_sync, reason = "hosts in a page live on its one thread")]
        let host = Arc::new(SystemHost);
        Self {
            domains: domain::ALL.to_vec(),
            settings: EngineSettings::default(),
            host,
            missing: MissingStore::Create,
            keys: None,
        }
    }
}

impl Builder {
    /// All domains of this library, the system's host, the default settings; a missing store is created.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a domain.
    pub fn domain(mut self, domain: &'static Domain) -> Self {
        self.domains.push(domain);
        self
    }

    /// Sets the settings of one domain.
    pub fn settings(mut self, settings: impl DomainSettings) -> Self {
        self.settings = self.settings.with(settings);
        self
    }

    /// Sets the clock and the source of entropy.
    pub fn host(mut self, host: Arc<dyn Host>) -> Self {
        self.host = host;
        self
    }

    /// Refuses to open a store that does not exist.
    pub fn must_exist(mut self) -> Self {
        self.missing = MissingStore::Refuse;
        self
    }

    /// Sets the keys that encrypt the secret fields of documents.
    pub fn keys(mut self, keys: StoreKeys) -> Self {
        self.keys = keys;
        self
    }

    /// Opens the store that `url` names.
    pub async fn open(self, url: &str) -> Result<Engine, Error> {
        let Self { domains, settings, host, missing, keys } = self;
        Engine::with_settings(open::open_with_keys(url, missing, keys).await?.store, host, &domains, settings).await
    }
}
