//! The scene of a test: a store, a simulated clock, and an engine with one machine `m` of three slots.

use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::orchestration::DOMAIN;
use runstate::engine::{DueReport, Engine, Error, RunLimit};
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::Collection;
use runstate::store::{Batch, Memory, Store};
use runstate::testing::{BatchExt as _, SimHost, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

pub struct SessionScene {
    pub host: SimHost,
    pub engine: Engine,
}

impl SessionScene {
    pub fn new() -> Self {
        Self::with_store(Arc::new(Memory::new()), EngineSettings::default())
    }

    pub fn with_store(store: Arc<dyn Store>, settings: EngineSettings) -> Self {
        Self::with_domains(store, &[&DOMAIN], settings)
    }

    pub fn with_domains(store: Arc<dyn Store>, domains: &[&'static Domain], settings: EngineSettings) -> Self {
        let host = SimHost::default();
        let engine = block_on(Engine::with_settings(store, Arc::new(host.clone()), domains, settings)).unwrap();
        let scene = Self { host, engine };
        scene.ok("machine.register", json!({"machineId": "m", "hostname": "host", "slots": [1, 2, 3]}));
        scene
    }

    /// A scene with the session `s` on `m`.
    pub fn session() -> Self {
        let scene = Self::new();
        scene.create("s", json!({}));
        scene
    }

    pub fn create(&self, id: &str, options: Json) -> Json {
        let mut parameters = json!({"id": id, "project": "p", "machine": "m"});
        parameters.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.ok("session.create", parameters)
    }

    /// Stores a document as the older system wrote it.
    pub fn put(&self, collection: &'static Collection, id: &str, document: Json) {
        let command = CommandId::new(&format!("put {id} in {}", collection.name)).unwrap();
        let empty = Batch { at: self.host.clock.now(), ..batch(command) };
        block_on(self.engine.store().commit(empty.insert(collection, id, document))).unwrap();
    }

    /// Calls an operation of the domain.
    pub fn call(&self, name: &str, parameters: Json) -> Result<Json, Error> {
        block_on(self.engine.call(&format!("orchestration.{name}"), parameters.as_object().unwrap().clone()))
    }

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

    pub fn show(&self, session: &str) -> Json {
        self.ok("session.show", json!({"sessionId": session}))
    }

    pub fn machine(&self, machine: &str) -> Json {
        self.ok("machine.show", json!({"machineId": machine}))
    }

    /// The status of a session.
    pub fn status(&self, session: &str) -> Json {
        self.show(session)["status"].clone()
    }

    pub fn task(&self, task: &str) -> Json {
        let tasks = self.ok("task.list", json!({"limit": 1000}));
        let found = tasks["items"].as_array().unwrap().iter().find(|one| one["task_id"] == task);
        found.unwrap_or_else(|| panic!("no task {task}")).clone()
    }

    /// Waits, and does the work that is due then.
    pub fn after(&self, time: Millis) -> DueReport {
        self.host.clock.advance(time);
        let report = block_on(self.engine.run_due(10_000, RunLimit::Stop)).unwrap();
        assert!(report.failed.is_empty(), "{report:?}");
        report
    }

    /// Checks that all documents agree with their declarations and with each other.
    pub fn check(&self) {
        let findings = block_on(self.engine.verify(|_| {})).unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
        self.check_agreement();
    }

    /// Checks that all documents agree with each other.
    pub fn check_agreement(&self) {
        let list = |name: &str| self.ok(name, json!({"limit": 1000}))["items"].as_array().unwrap().clone();
        let (sessions, tasks, machines) = (list("session.list"), list("task.list"), list("machine.list"));
        for session in &sessions {
            let (id, status) = (&session["session_id"], session["status"].as_str().unwrap());
            let is_over = ["completed", "failed"].contains(&status);
            assert_eq!(is_over, session["completed_at"].is_i64(), "{session}");
            assert_eq!(is_over, session["due_at"].is_null(), "{session}");
            let mine = || tasks.iter().filter(|task| task["session_id"] == *id);
            let running: Vec<_> = mine().filter(|task| task["status"] == "in_progress").collect();
            assert_eq!(running.first().map_or(&Json::Null, |task| &task["task_id"]), &session["current_task_id"]);
            assert!(running.len() <= 1, "{running:?}");
            let open = mine().filter(|task| task["completed_at"].is_null()).count();
            assert_eq!(session["open_tasks"], open, "{session}");
            let holders: Vec<_> = machines
                .iter()
                .flat_map(|machine| machine["slots"].as_object().unwrap().iter().map(move |slot| (machine, slot)))
                .filter(|(_, (_, holder))| *holder == id)
                .map(|(machine, (slot, _))| (machine["machine_id"].clone(), slot.parse::<u32>().unwrap()))
                .collect();
            let held = session["docker_slot"].as_u64().map(|slot| (session["machine_id"].clone(), slot as u32));
            assert_eq!(holders, held.into_iter().collect::<Vec<_>>(), "{session}");
            let present: Vec<_> =
                machines.iter().filter(|one| one["active_sessions"].as_array().unwrap().contains(id)).collect();
            assert!(present.len() <= usize::from(!is_over), "{session}: {present:?}");
            assert!(present.iter().all(|machine| machine["machine_id"] == session["machine_id"]), "{session}");
        }
        for task in &tasks {
            let is_over = ["completed", "failed"].contains(&task["status"].as_str().unwrap());
            assert_eq!(is_over, task["completed_at"].is_i64(), "{task}");
        }
        for machine in &machines {
            let slots = machine["slots"].as_object().unwrap();
            let declared: Vec<String> =
                machine["docker_slots"].as_array().unwrap().iter().map(ToString::to_string).collect();
            assert!(slots.keys().all(|slot| declared.contains(slot)), "{machine}");
            let active = machine["active_sessions"].as_array().unwrap();
            assert!(slots.values().all(|holder| active.contains(holder)), "{machine}");
        }
    }
}
