//! The scene of a test: a store, a simulated clock, an engine, and one project.

use std::ops::Deref;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::fleet::DOMAIN;
use runstate::operation::Domain;
use runstate::store::{Memory, Store};
use runstate::testing::DomainScene;
use runstate::value::Json;
use serde_json::json;

/// The id of the project.
pub const PROJECT: &str = "01900000-0000-7000-8000-000000000001";

/// An id that no document has.
pub const UNKNOWN: &str = "01900000-0000-7000-8000-0000000000ff";

pub struct FleetScene(DomainScene);

impl Deref for FleetScene {
    type Target = DomainScene;

    fn deref(&self) -> &DomainScene {
        &self.0
    }
}

impl FleetScene {
    /// A scene with the project.
    pub fn new() -> Self {
        let scene = Self::with_store(Arc::new(Memory::new()));
        scene.create_project();
        scene
    }

    pub fn with_store(store: Arc<dyn Store>) -> Self {
        Self::with_domains(store, &[&DOMAIN])
    }

    /// A scene of these domains, of which the last one is the fleet.
    pub fn with_domains(store: Arc<dyn Store>, domains: &[&'static Domain]) -> Self {
        Self(DomainScene::new(store, domains, EngineSettings::default()))
    }

    /// The scene of another process on the store.
    pub fn reopen(&self, store: Arc<dyn Store>) -> Self {
        Self(self.open_beside(store))
    }

    pub fn create_project(&self) {
        self.ok("project.create", json!({"name": "p", "greediness": "0.5", "id": PROJECT, "commandId": "project"}));
    }

    /// A scene whose project has a checkpoint, from which machines can be spawned.
    pub fn with_checkpoint() -> Self {
        let scene = Self::new();
        scene.checkpoint(json!({"type": "genesis"}));
        scene
    }

    /// Creates a checkpoint, and returns its id.
    pub fn checkpoint(&self, mut parameters: Json) -> String {
        parameters["projectUuid"] = PROJECT.into();
        text(&self.ok("checkpoint.create", parameters)["id"])
    }

    /// Creates a budget of money in CAD, and returns its id.
    pub fn budget(&self, period: &str, allocated: &str) -> String {
        let budget = json!({
            "owner": PROJECT, "resourceType": "money", "budgetPeriod": period, "allocatedAmount": allocated,
            "unit": "CAD",
        });
        text(&self.ok("budget.create", budget)["id"])
    }

    /// Spawns a machine of this type that reserves 1 CAD, and returns its id.
    pub fn spawn(&self, machine_type: &str) -> String {
        text(&self.ok("intelligentMachine.spawn", spawning(machine_type))["id"])
    }

    pub fn machine(&self, uuid: &str) -> Json {
        self.ok("intelligentMachine.show", json!({"id": uuid}))
    }

    /// The allocated, used, reserved and overrun amount of a budget.
    pub fn amounts(&self, budget: &str) -> [String; 4] {
        let budget = self.ok("budget.show", json!({"id": budget}));
        ["allocatedAmount", "usedAmount", "reservedAmount", "overrunAmount"].map(|name| text(&budget[name]))
    }

    pub fn items(&self, list: &str, mut parameters: Json) -> Vec<Json> {
        parameters["limit"] = 1_000.into();
        self.ok(list, parameters)["items"].as_array().unwrap().clone()
    }
}

pub fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

/// The parameters of a reservation of this amount in CAD.
pub fn money(amount: &str) -> Json {
    json!({"owner": PROJECT, "resourceType": "money", "amount": amount, "unit": "CAD"})
}

/// The parameters of a machine of this type that reserves 1 CAD.
pub fn spawning(machine_type: &str) -> Json {
    let reserve = json!({"resourceType": "money", "amount": "1", "unit": "CAD"});
    json!({"projectUuid": PROJECT, "type": machine_type, "reserve": reserve, "prompt": "work"})
}
