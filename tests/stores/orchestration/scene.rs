//! The scene of a test: a store, a simulated clock, and an engine with one machine `m` of three slots.

use std::ops::Deref;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::orchestration::DOMAIN;
use runstate::operation::Domain;
use runstate::store::{Memory, Store};
use runstate::testing::DomainScene;
use runstate::value::Json;
use serde_json::json;

/// An object with further members.
pub fn with(mut object: Json, members: Json) -> Json {
    object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    object
}

pub struct SessionScene(DomainScene);

impl Deref for SessionScene {
    type Target = DomainScene;

    fn deref(&self) -> &DomainScene {
        &self.0
    }
}

impl SessionScene {
    pub fn new() -> Self {
        Self::with_store(Arc::new(Memory::new()), EngineSettings::default())
    }

    pub fn with_store(store: Arc<dyn Store>, settings: EngineSettings) -> Self {
        Self::with_domains(store, &[&DOMAIN], settings)
    }

    pub fn with_domains(store: Arc<dyn Store>, domains: &[&'static Domain], settings: EngineSettings) -> Self {
        let scene = Self(DomainScene::new(store, domains, settings));
        scene.ok("machine.register", json!({"id": "m", "hostname": "host", "slots": [1, 2, 3]}));
        scene
    }

    /// A scene with the same clock, as another process has it on its own store object.
    pub fn open_beside(here: &Self, store: Arc<dyn Store>) -> Self {
        Self(here.0.open_beside(store))
    }

    /// A scene with the session `s` on `m`.
    pub fn session() -> Self {
        let scene = Self::new();
        scene.create("s", json!({}));
        scene
    }

    pub fn create(&self, id: &str, options: Json) -> Json {
        self.ok("session.create", with(json!({"id": id, "project": "p", "machine": "m"}), options))
    }

    pub fn show(&self, session: &str) -> Json {
        self.ok("session.show", json!({"id": session}))
    }

    pub fn machine(&self, machine: &str) -> Json {
        self.ok("machine.show", json!({"id": machine}))
    }

    /// The status of a session.
    pub fn status(&self, session: &str) -> Json {
        self.show(session)["status"].clone()
    }

    pub fn task(&self, task: &str) -> Json {
        let tasks = self.ok("task.list", json!({"limit": 1000}));
        let found = tasks["items"].as_array().unwrap().iter().find(|one| one["id"] == task);
        found.unwrap_or_else(|| panic!("no task {task}")).clone()
    }

    /// Checks that all documents agree with their declarations and with each other.
    pub fn check(&self) {
        self.verify();
        self.check_agreement();
    }

    /// Checks that all documents agree with each other.
    pub fn check_agreement(&self) {
        let list = |name: &str| self.ok(name, json!({"limit": 1000}))["items"].as_array().unwrap().clone();
        let (sessions, tasks, machines) = (list("session.list"), list("task.list"), list("machine.list"));
        for session in &sessions {
            let (id, status) = (&session["id"], session["status"].as_str().unwrap());
            let is_over = ["completed", "failed"].contains(&status);
            assert_eq!(is_over, session["completedAt"].is_i64(), "{session}");
            assert_eq!(is_over, session["dueAt"].is_null(), "{session}");
            let mine = || tasks.iter().filter(|task| task["sessionId"] == *id);
            let running: Vec<_> = mine().filter(|task| task["status"] == "in_progress").collect();
            assert_eq!(running.first().map_or(&Json::Null, |task| &task["id"]), &session["currentTaskId"]);
            assert!(running.len() <= 1, "{running:?}");
            let open = mine().filter(|task| task["completedAt"].is_null()).count();
            assert_eq!(session["openTasks"], open, "{session}");
            let holders: Vec<_> = machines
                .iter()
                .flat_map(|machine| machine["slots"].as_object().unwrap().iter().map(move |slot| (machine, slot)))
                .filter(|(_, (_, holder))| *holder == id)
                .map(|(machine, (slot, _))| (machine["id"].clone(), slot.parse::<u32>().unwrap()))
                .collect();
            let held = session["dockerSlot"].as_u64().map(|slot| (session["machineId"].clone(), slot as u32));
            assert_eq!(holders, held.into_iter().collect::<Vec<_>>(), "{session}");
            let present: Vec<_> =
                machines.iter().filter(|one| one["activeSessions"].as_array().unwrap().contains(id)).collect();
            assert!(present.len() <= usize::from(!is_over), "{session}: {present:?}");
            assert!(present.iter().all(|machine| machine["id"] == session["machineId"]), "{session}");
        }
        for task in &tasks {
            let is_over = ["completed", "failed"].contains(&task["status"].as_str().unwrap());
            assert_eq!(is_over, task["completedAt"].is_i64(), "{task}");
        }
        for machine in &machines {
            let slots = machine["slots"].as_object().unwrap();
            let declared: Vec<String> =
                machine["dockerSlots"].as_array().unwrap().iter().map(ToString::to_string).collect();
            assert!(slots.keys().all(|slot| declared.contains(slot)), "{machine}");
            let active = machine["activeSessions"].as_array().unwrap();
            assert!(slots.values().all(|holder| active.contains(holder)), "{machine}");
        }
    }
}
