//! The scene of a test: a store, a simulated clock, and an engine.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::apps::DOMAIN;
use runstate::store::{Memory, Store};
use runstate::testing::DomainScene;
use runstate::value::Json;
use serde_json::json;

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
        self.ok("execution.show", json!({"executionId": "e"}))
    }

    pub fn status(&self) -> String {
        self.show()["status"].as_str().unwrap().to_owned()
    }

    pub fn steps(&self) -> Vec<Json> {
        self.ok("execution.steps", json!({"executionId": "e"})).as_array().unwrap().clone()
    }

    pub fn step(&self, id: i64) -> Json {
        self.steps().into_iter().find(|step| step["step_id"] == id).unwrap()
    }

    /// The status of each step: `1 completed, 2 pending`.
    pub fn statuses(&self) -> String {
        let status = |step: &Json| format!("{} {}", step["step_id"], step["status"].as_str().unwrap());
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
        let steps = all("step.list");
        for execution in all("execution.list") {
            let (id, status) = (&execution["execution_id"], execution["status"].as_str().unwrap());
            assert_eq!(status != "running", execution["completed_at"].is_i64(), "{execution}");
            assert_eq!(status != "running", execution["duration_ms"].is_i64(), "{execution}");
            let mine: Vec<&Json> = steps.iter().filter(|step| step["execution_id"] == *id).collect();
            let progress: BTreeMap<String, String> =
                serde_json::from_value(execution["progress"]["steps"].clone()).unwrap();
            for step in &mine {
                let (id, state) = (step["step_id"].to_string(), step["status"].as_str().unwrap());
                let expected = progress.get(&id).map_or("pending", String::as_str);
                let agrees = expected == state || expected == "open" && ["pending", "running"].contains(&state);
                assert!(agrees, "{step}: {expected}");
                assert_eq!(
                    ["completed", "failed", "skipped"].contains(&state),
                    step["completed_at"].is_i64(),
                    "{step}"
                );
                assert!(status == "running" || state != "running", "{step}");
            }
            assert!(
                progress.keys().all(|key| mine.iter().any(|step| key.parse() == Ok(step["step_id"].as_i64().unwrap()))),
                "{execution}"
            );
            let is_done = |step: &&Json| ["completed", "skipped"].contains(&step["status"].as_str().unwrap());
            assert_eq!(status == "completed", mine.iter().all(is_done) && status != "cancelled", "{execution}");
            assert_eq!(status != "running", !progress.values().any(|one| one == "open"), "{execution}");
        }
    }
}

/// The parameters of a command on a claimed step.
pub fn claim_of(work: &Json, mut more: Json) -> Json {
    more["id"] = work["claimed"]["id"].clone();
    more["token"] = work["claimed"]["token"].clone();
    more
}
