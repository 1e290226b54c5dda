//! The scene of a test: a store, a simulated clock, and an engine.

use std::ops::Deref;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::apps::DOMAIN;
use runstate::domain::cvm;
use runstate::store::{Memory, Store};
use runstate::testing::DomainScene;
use runstate::value::Json;
use serde_json::json;

pub use super::agreement::claim_of;
use super::agreement::expect_agreement;

pub struct AppScene(DomainScene);

impl Deref for AppScene {
    type Target = DomainScene;

    fn deref(&self) -> &DomainScene {
        &self.0
    }
}

impl AppScene {
    pub fn new() -> Self {
        Self::with_store(Arc::new(Memory::new()))
    }

    pub fn with_store(store: Arc<dyn Store>) -> Self {
        Self(DomainScene::new(store, &[&DOMAIN], EngineSettings::default()))
    }

    /// A scene on a store, with the domain that has schemas.
    pub fn with_schemas(store: Arc<dyn Store>) -> Self {
        Self(DomainScene::new(store, &[&cvm::DOMAIN, &DOMAIN], EngineSettings::default()))
    }

    /// The scene of another process on the store.
    pub fn reopen(&self, store: Arc<dyn Store>) -> Self {
        Self(self.open_beside(store))
    }

    /// A scene in which app 1 has these steps, and is active.
    pub fn with_steps(steps: Json) -> Self {
        Self::with_configuration(json!({"steps": steps}))
    }

    pub fn with_configuration(configuration: Json) -> Self {
        let scene = Self::new();
        scene.save("1.0.0", configuration);
        scene
    }

    /// Saves a version of app 1 and activates it.
    pub fn save(&self, version: &str, configuration: Json) {
        let version = json!({
            "appId": 1, "appName": "suite", "version": version, "configuration": configuration, "activate": true
        });
        self.ok("configuration.save", version);
    }

    /// Starts the execution `e` of app 1.
    pub fn start(&self, input: Json) {
        self.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "e", "input": input}));
    }

    /// Claims a step of this name.
    pub fn claim(&self, name: &str) -> Json {
        self.ok("step.claim", json!({"names": [name], "owner": "w"}))
    }

    /// Claims and completes a step of this name.
    pub fn complete(&self, name: &str, output: Json) -> Json {
        let work = self.claim(name);
        assert!(!work.is_null(), "no step {name} may be claimed");
        self.ok("step.complete", claim_of(&work, json!({"output": output})))
    }

    /// Claims a step of this name and fails it for good.
    pub fn fail(&self, name: &str) -> Json {
        let work = self.claim(name);
        assert!(!work.is_null(), "no step {name} may be claimed");
        self.ok("step.fail", claim_of(&work, json!({"message": format!("{name} broke"), "permanent": true})))
    }

    pub fn show(&self) -> Json {
        self.ok("execution.show", json!({"id": "e"}))
    }

    pub fn status(&self) -> String {
        self.show()["status"].as_str().unwrap().to_owned()
    }

    pub fn steps(&self) -> Vec<Json> {
        self.ok("execution.steps", json!({"id": "e"})).as_array().unwrap().clone()
    }

    pub fn step(&self, id: i64) -> Json {
        self.steps().into_iter().find(|step| step["stepId"] == id).unwrap()
    }

    /// The status of each step: `1 completed, 2 pending`.
    pub fn statuses(&self) -> String {
        let status = |step: &Json| format!("{} {}", step["stepId"], step["status"].as_str().unwrap());
        self.steps().iter().map(status).collect::<Vec<_>>().join(", ")
    }

    /// Checks that all documents agree with their declarations and with each other.
    pub fn check(&self) {
        self.verify();
        self.check_agreement();
    }

    /// Checks that all documents agree with each other.
    pub fn check_agreement(&self) {
        let all = |name: &str| self.ok(name, json!({"limit": 1000}))["items"].as_array().unwrap().clone();
        expect_agreement(&all("execution.list"), &all("step.list"));
    }
}
