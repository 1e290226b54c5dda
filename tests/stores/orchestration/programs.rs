//! Tasks that run programs: the status of the task follows the execution in the same commits.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::decision::EngineSettings;
use runstate::domain::cvm;
use runstate::domain::orchestration::{DOMAIN, StartTask};
use runstate::engine::{Engine, RunLimit};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{block_on, join_all, yield_now};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::SessionScene;

/// Asks once, and fails if the answer says so.
const ASKS: &str = "const answer = CC('How?'); if (answer === 'badly') throw new Error('it went badly'); answer";

fn scene_on(store: Arc<dyn Store>) -> SessionScene {
    let scene = SessionScene::with_domains(store, &[&cvm::DOMAIN, &DOMAIN], EngineSettings::default());
    for (name, source) in [("asks", ASKS), ("prints", "console.log(input)")] {
        block_on(Cvm::new(&scene.engine).load_source(name, source)).unwrap();
    }
    scene.create("s", json!({}));
    scene
}

fn scene() -> SessionScene {
    scene_on(Arc::new(Memory::new()))
}

impl SessionScene {
    fn add_program(&self, id: &str, program: &str) {
        self.ok("task.add", json!({"sessionId": "s", "id": id, "name": id, "program": program, "input": "x"}));
    }

    fn start(&self, id: &str) -> Json {
        self.ok("task.start", json!({"id": id}))
    }

    fn cvm(&self, name: &str, parameters: Json) -> Json {
        block_on(self.engine.call(&format!("cvm.{name}"), parameters.as_object().unwrap().clone())).unwrap()
    }

    /// The status of a task, and what the session says of it.
    fn state(&self, id: &str) -> (Json, Json, Json) {
        let session = self.show("s");
        (self.task(id)["status"].clone(), session["currentTaskId"].clone(), session["openTasks"].clone())
    }
}

#[test]
fn task_is_completed_in_the_commit_that_ends_its_execution() {
    let scene = scene();
    scene.add_program("t", "asks");
    let started = scene.start("t");
    assert_eq!(started["status"], "in_progress");
    assert_eq!(started["execution"], json!({"id": "task:t:0", "status": "waiting_cc"}));
    assert_eq!(scene.task("t")["executionId"], "task:t:0");
    let from = block_on(scene.engine.store().changes(None, 0, Millis(0))).unwrap().next;
    scene.cvm("answer", json!({"id": "task:t:0", "answer": "well", "commandId": "the answer"}));
    assert_eq!(scene.state("t"), (json!("completed"), Json::Null, json!(0)));
    let events = block_on(scene.engine.store().changes(Some(from), 100, Millis(0))).unwrap().events;
    assert!(events.iter().all(|event| event.command.as_str() == "the answer"), "{events:?}");
    let changed = |collection: &str| events.iter().any(|event| event.key.collection == collection);
    assert!(["cvm.executions", "orchestration.tasks", "orchestration.sessions"].into_iter().all(changed), "{events:?}");
    scene.check();
}

#[test]
fn program_that_ends_at_once_ends_its_task() {
    let scene = scene();
    scene.add_program("t", "prints");
    let started = scene.start("t");
    assert_eq!((&started["status"], &started["execution"]["status"]), (&json!("completed"), &json!("complete")));
    assert_eq!(block_on(Cvm::new(&scene.engine).output("task:t:0")).unwrap(), ["x"]);
    assert_eq!(scene.state("t"), (json!("completed"), Json::Null, json!(0)));
    scene.check();
}

#[test]
fn failed_execution_fails_its_task_and_a_retry_continues_either() {
    let scene = scene();
    scene.add_program("t", "asks");
    scene.start("t");
    scene.cvm("answer", json!({"id": "task:t:0", "answer": "badly"}));
    assert_eq!(scene.state("t"), (json!("failed"), Json::Null, json!(0)));
    assert!(scene.task("t")["errorMessage"].as_str().unwrap().contains("it went badly"));
    // A retry of the task is a new execution.
    scene.ok("task.retry", json!({"id": "t"}));
    assert_eq!(scene.start("t")["execution"]["id"], "task:t:1");
    scene.cvm("cancel", json!({"id": "task:t:1"}));
    assert_eq!(scene.task("t")["errorMessage"], "its execution was cancelled");
    scene.ok("task.retry", json!({"id": "t"}));
    scene.start("t");
    scene.cvm("answer", json!({"id": "task:t:2", "answer": "well"}));
    assert_eq!(scene.state("t").0, "completed");
    scene.check();
}

#[test]
fn task_cannot_be_parted_from_its_open_execution() {
    let scene = scene();
    scene.add_program("t", "asks");
    scene.start("t");
    for verb in ["complete", "fail", "block", "release"] {
        assert_eq!(scene.code(&format!("task.{verb}"), json!({"id": "t"})), "program_running", "{verb}");
    }
    scene.cvm("pause", json!({"id": "task:t:0"}));
    assert_eq!(scene.state("t").0, "in_progress");
    scene.cvm("cancel", json!({"id": "task:t:0"}));
    assert_eq!(scene.state("t"), (json!("failed"), Json::Null, json!(0)));
    scene.check();
}

#[test]
fn session_that_fails_keeps_the_execution_for_its_recovery() {
    let scene = scene();
    scene.add_program("t", "asks");
    scene.add_program("u", "asks");
    for (task, ends_meanwhile) in [("t", false), ("u", true)] {
        scene.start(task);
        scene.ok("session.fail", json!({"id": "s", "reason": "test"}));
        assert_eq!(scene.state(task).0, "failed");
        let answer = json!({"id": format!("task:{task}:0"), "answer": "well"});
        if ends_meanwhile {
            scene.cvm("answer", answer.clone());
            assert_eq!(scene.state(task).0, "failed");
        }
        scene.ok("session.recover", json!({"id": "s", "task": task}));
        if !ends_meanwhile {
            assert_eq!(
                (scene.state(task).0, scene.task(task)["executionId"].clone()),
                (json!("in_progress"), json!("task:t:0"))
            );
            scene.cvm("answer", answer);
        }
        assert_eq!((scene.state(task).0, scene.state(task).1), (json!("completed"), Json::Null));
        scene.check();
    }
}

#[test]
fn wrong_programs_are_refused_and_change_nothing() {
    let scene = scene();
    scene.add_program("t", "absent");
    assert_eq!(scene.code("task.start", json!({"id": "t"})), "not_found");
    assert_eq!(scene.state("t"), (json!("pending"), Json::Null, json!(1)));
    let input = json!({"sessionId": "s", "id": "i", "name": "i", "input": 1});
    assert_eq!(scene.code("task.add", input), "invalid");
    // A task of the same id as a deleted one does not take over its execution.
    scene.add_program("again", "asks");
    scene.start("again");
    scene.ok("session.delete", json!({"id": "s", "force": true}));
    scene.create("s", json!({}));
    scene.add_program("again", "asks");
    assert_eq!(scene.code("task.start", json!({"id": "again"})), "already_exists");
    scene.cvm("answer", json!({"id": "task:again:0", "answer": "well"}));
    assert_eq!(scene.state("again").0, "pending");
    scene.check();
}

#[test]
fn process_with_stale_documents_does_not_miss_the_end() {
    let store = Arc::new(Memory::new());
    let one = scene_on(store.clone());
    let other = block_on(Engine::new(store, Arc::new(one.host.clone()), &[&cvm::DOMAIN, &DOMAIN])).unwrap();
    // The other process has the task in its cache, as pending.
    let add = json!({"sessionId": "s", "id": "t", "name": "t", "program": "asks"});
    block_on(other.call("orchestration.task.add", add.as_object().unwrap().clone())).unwrap();
    one.start("t");
    block_on(Cvm::new(&other).answer("task:t:0", "well")).unwrap();
    assert_eq!(one.state("t"), (json!("completed"), Json::Null, json!(0)));
    one.check();
}

#[test]
fn execution_of_a_process_that_died_still_ends_its_task() {
    let settings = cvm::Settings { slice_instructions: 100, ..cvm::Settings::default() };
    let scene = SessionScene::with_domains(Arc::new(Memory::new()), &[&cvm::DOMAIN, &DOMAIN], settings.into());
    block_on(Cvm::new(&scene.engine).load_source("works", "let n = 0; for (let i = 0; i < 5000; i++) { n += i } n"))
        .unwrap();
    scene.create("s", json!({}));
    scene.add_program("t", "works");
    // Only the first part, as if the process had died then.
    let start = StartTask { task_id: "t".to_owned(), epoch: None };
    let started = block_on(scene.engine.execute_part(&start, Some(&CommandId::new("start").unwrap()))).unwrap();
    assert_eq!(started.output.execution.unwrap().status, cvm::Status::Running);
    scene.host.clock.advance(Millis::minutes(2));
    scene.ok("session.heartbeat", json!({"id": "s"}));
    block_on(scene.engine.run_due(10, RunLimit::Stop)).unwrap();
    assert_eq!(scene.state("t"), (json!("completed"), Json::Null, json!(0)));
    scene.check();
}

#[test]
fn retried_execution_continues_its_task() {
    let scene = scene();
    scene.add_program("t", "asks");
    let fail_call = || {
        let work = scene.cvm("claim", json!({"kinds": ["cc"], "owner": "w"}));
        let call = |name: &str| work["claimed"][name].clone();
        let fail = json!({"execution": call("execution"), "call": call("call"), "token": call("token"), "message": "no model"});
        scene.cvm("fail", fail);
        assert_eq!(scene.state("t"), (json!("failed"), Json::Null, json!(0)));
    };
    scene.start("t");
    fail_call();
    scene.cvm("retry", json!({"id": "task:t:0"}));
    assert_eq!(scene.state("t"), (json!("in_progress"), json!("t"), json!(1)));
    assert_eq!(scene.task("t")["retryCount"], 0);
    fail_call();
    // The session runs another task meanwhile, so the execution continues alone, and a start of the task continues with
    // it.
    scene.ok("task.add", json!({"sessionId": "s", "id": "other", "name": "other"}));
    scene.ok("task.start", json!({"id": "other"}));
    scene.cvm("retry", json!({"id": "task:t:0"}));
    assert_eq!(scene.state("t"), (json!("failed"), json!("other"), json!(1)));
    scene.ok("task.complete", json!({"id": "other"}));
    scene.ok("task.retry", json!({"id": "t"}));
    assert_eq!(scene.start("t")["execution"], Json::Null);
    scene.cvm("answer", json!({"id": "task:t:0", "answer": "well"}));
    assert_eq!(scene.state("t"), (json!("completed"), Json::Null, json!(0)));
    scene.check();
}

#[test]
fn deleted_execution_leaves_its_failed_task_as_it_is() {
    let scene = scene();
    scene.add_program("t", "asks");
    scene.start("t");
    scene.cvm("answer", json!({"id": "task:t:0", "answer": "badly"}));
    let failed = scene.task("t");
    scene.cvm("delete", json!({"id": "task:t:0"}));
    assert_eq!((scene.task("t"), scene.state("t").1), (failed, Json::Null));
    scene.check();
}

/// The execution ends between the read and the commit of a start that continues it.
#[test]
fn start_that_races_with_the_end_of_its_execution_completes_the_task() {
    let store = Arc::new(Memory::new());
    let scene = scene_on(store.clone());
    scene.add_program("t", "asks");
    scene.start("t");
    scene.ok("session.fail", json!({"id": "s", "reason": "test"}));
    scene.ok("session.recover", json!({"id": "s"}));
    scene.ok("task.retry", json!({"id": "t"}));
    let slow = Arc::new(FaultStore::new(store));
    let engine = block_on(Engine::new(slow.clone(), Arc::new(scene.host.clone()), &[&cvm::DOMAIN, &DOMAIN])).unwrap();
    slow.plan(Method::Commit, slow.calls(Method::Commit) + 1, Fault::Pause);
    let start = StartTask { task_id: "t".to_owned(), epoch: None };
    let begun: BoxFuture<'_, ()> = Box::pin(async { drop(engine.execute(&start).await.unwrap()) });
    let answered: BoxFuture<'_, ()> = Box::pin(async {
        while !slow.is_paused() {
            yield_now().await;
        }
        Cvm::new(&scene.engine).answer("task:t:0", "well").await.unwrap();
        slow.resume();
    });
    block_on(join_all(vec![begun, answered]));
    assert_eq!(scene.state("t"), (json!("completed"), Json::Null, json!(0)));
    scene.check();
}

#[test]
fn a_program_whose_execution_could_have_no_id_is_refused_when_it_is_added() {
    let scene = scene();
    let add = |length: usize| {
        let id = "t".repeat(length);
        json!({"sessionId": "s", "id": id, "name": "n", "program": "prints", "input": "x"})
    };
    // The id of an execution is that of its task, with a prefix and a count of retries.
    assert_eq!(scene.code("task.add", add(185)), "invalid");
    scene.ok("task.add", add(184));
    assert_eq!(scene.start(&"t".repeat(184))["status"], "completed");
    scene.check();
}
