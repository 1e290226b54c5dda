//! The scene of a test of a domain: an engine on one store, a simulated clock, and operations by their names.

use std::sync::Arc;

use runstate_core::decision::EngineSettings;
use runstate_core::id::CommandId;
use runstate_core::operation::Domain;
use runstate_core::schema::{Collection, Key};
use runstate_store::testing::{BatchExt as _, batch, block_on};
use runstate_store::{Batch, Freshness, Store};
use runstate_value::time::Millis;
use runstate_value::{Document, Json};

use super::SimHost;
use crate::{DueReport, Engine, Error, RunLimit};

/// An engine with a simulated clock, for tests of one domain. Its functions panic where a test would.
pub struct DomainScene {
    /// The host, with the clock.
    pub host: SimHost,
    /// The engine.
    pub engine: Engine,
    domains: Vec<&'static Domain>,
}

#[allow(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]
impl DomainScene {
    /// A scene of the last domain, which may stand on those before it.
    pub fn new(store: Arc<dyn Store>, domains: &[&'static Domain], settings: EngineSettings) -> Self {
        Self::with_host(SimHost::default(), store, domains.to_vec(), settings)
    }

    fn with_host(
        host: SimHost,
        store: Arc<dyn Store>,
        domains: Vec<&'static Domain>,
        settings: EngineSettings,
    ) -> Self {
        let engine = block_on(Engine::with_settings(store, Arc::new(host.clone()), &domains, settings));
        Self { host, engine: engine.expect("the engine opens its store"), domains }
    }

    /// A scene with the same clock, as another process has it on its own store object.
    pub fn open_beside(&self, store: Arc<dyn Store>) -> Self {
        Self::with_host(self.host.clone(), store, self.domains.clone(), EngineSettings::default())
    }

    /// Calls an operation of the domain.
    pub fn call(&self, name: &str, parameters: Json) -> Result<Json, Error> {
        let parameters = match parameters {
            Json::Object(parameters) => parameters,
            _ => Document::new(),
        };
        block_on(
            self.engine
                .call(&format!("{}.{name}", self.domains.last().expect("a scene has a domain").name), parameters),
        )
    }

    /// Calls an operation that succeeds.
    pub fn ok(&self, name: &str, parameters: Json) -> Json {
        self.call(name, parameters).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Calls an operation that is rejected, and returns the code.
    pub fn code(&self, name: &str, parameters: Json) -> &'static str {
        match self.call(name, parameters) {
            Err(error) => error.code.as_str(),
            Ok(result) => panic!("{name} was not rejected: {result}"),
        }
    }

    /// Calls an operation that is rejected, and returns the message.
    pub fn message(&self, name: &str, parameters: Json) -> String {
        match self.call(name, parameters) {
            Err(error) => error.to_string(),
            Ok(result) => panic!("{name} was not rejected: {result}"),
        }
    }

    /// Stores a document as another program wrote it.
    pub fn put(&self, collection: &'static Collection, id: &str, document: Json) {
        let command = CommandId::new(&format!("put {id} in {}", collection.name)).expect("a valid id");
        let empty = Batch { at: self.host.clock.now(), ..batch(command) };
        block_on(self.engine.store().commit(empty.insert(collection, id, document)))
            .expect("the store takes the document");
    }

    /// The stored document.
    pub fn stored(&self, collection: &'static Collection, id: &str) -> Json {
        let found = block_on(self.engine.store().get(&[Key::new(collection, id)], Freshness::Linearizable));
        let found = found.expect("the store is read").pop().flatten().expect("the document exists");
        Json::Object((*found.document).clone())
    }

    /// Waits, and does the work that is due then.
    pub fn after(&self, time: Millis) -> DueReport {
        self.host.clock.advance(time);
        let report = block_on(self.engine.run_due(10_000, RunLimit::Stop)).expect("due work is found");
        assert!(report.failed.is_empty(), "{report:?}");
        report
    }

    /// Checks that all documents agree with their declarations and with each other.
    pub fn verify(&self) {
        let findings = block_on(self.engine.verify(|_| {})).expect("the store is verified").findings;
        assert!(findings.is_empty(), "{findings:?}");
    }
}
