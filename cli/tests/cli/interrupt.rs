//! Ctrl-c.
#![cfg(unix)]

use std::process::Stdio;

use super::support::{FOREVER, GREET, Scene, Signal, send, until};

#[test]
fn in_the_middle_of_a_computation_it_leaves_an_execution_that_goes_on() {
    let scene = Scene::new();
    scene.file("forever.ts", FOREVER);
    let run = scene.begin(&["run", "forever.ts", "--id", "f"], Stdio::null());
    until("it runs", || scene.run(&["show", "f"]).code == Some(0));
    send(Signal::INT, run.pid());
    run.end().ended(130).explains(&["interrupted", "runstate resume f"]);
    assert_eq!(scene.status("f"), "running");
    scene.run(&["resume", "f", "--max-instructions", "1"]).ended(1);
}

#[test]
fn at_a_question_it_says_how_to_go_on() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let mut run = scene.begin(&["run", "greet.ts", "--id", "g", "--json"], Stdio::piped());
    // A pipe that never answered would count as nobody after some seconds; one that did is waited for.
    run.writes("Ada\n");
    let asked = |prompt: &str| {
        let said = scene.run(&["show", "g", "--json"]);
        said.code == Some(0) && said.json()["calls"][0]["prompt"] == prompt
    };
    until("it asks the second question", || asked("All fine?"));
    send(Signal::INT, run.pid());
    let said = run.end().ended(130);
    assert_eq!(said.json()["resume"], "runstate resume g");
    scene.run_with(&["resume", "g"], "yes\n").ended(0);
}

#[test]
fn an_interrupted_import_keeps_what_it_wrote_and_goes_on() {
    let scene = Scene::with("many", "for (let i = 0; i < 50; i++) { console.log('x'.repeat(20000) + i) }");
    scene.run(&["start", "many", "--id", "m"]).ended(0);
    scene.run(&["export", "all.jsonl"]).ended(0);
    // An import may end before it is interrupted: then another store is tried.
    for attempt in 0..20 {
        let store = format!("file:new-{attempt}");
        let import = ["--store", &store, "import", "all.jsonl"];
        let running = scene.begin(&import, Stdio::null());
        let second = scene.path().join(format!("new-{attempt}/commits/0000000000000002.json"));
        until("it writes", || second.exists());
        send(Signal::INT, running.pid());
        let said = running.end();
        if said.code == Some(0) {
            continue;
        }
        said.ended(130).explains(&["interrupted", "the same import again goes on"]);
        assert!(second.exists(), "what it wrote is kept");
        scene.run(&import).ended(0);
        let show = ["--store", &store, "show", "m", "--json"];
        return assert_eq!(scene.run(&show).ended(0).json(), scene.show("m"));
    }
    panic!("no import was interrupted in the middle");
}
