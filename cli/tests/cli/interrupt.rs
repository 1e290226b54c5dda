//! Ctrl-c.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::{FOREVER, GREET, Said, Scene};

pub fn interrupt(pid: u32) {
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: not after 30 seconds");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn in_the_middle_of_a_computation_it_leaves_an_execution_that_goes_on() {
    let scene = Scene::new();
    scene.file("forever.ts", FOREVER);
    let child = scene.spawn(&["run", "forever.ts", "--id", "f"], Stdio::null());
    until("it runs", || scene.run(&["show", "f"]).code == Some(0));
    interrupt(child.id());
    let said = Said::from(child.wait_with_output().unwrap()).ended(130);
    said.explains(&["interrupted", "runstate resume f"]);
    assert_eq!(scene.status("f"), "running");
    scene.run(&["resume", "f", "--max-instructions", "1"]).ended(1);
}

#[test]
fn at_a_question_it_says_how_to_go_on() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let mut child = scene.spawn(&["run", "greet.ts", "--id", "g", "--json"], Stdio::piped());
    let _open = child.stdin.take();
    until("it asks", || scene.run(&["show", "g"]).code == Some(0));
    interrupt(child.id());
    let said = Said::from(child.wait_with_output().unwrap()).ended(130);
    assert_eq!(said.json()["resume"], "runstate resume g");
    scene.run_with(&["resume", "g"], "Ada\nyes\n").ended(0);
}

#[test]
fn an_import_that_is_interrupted_keeps_what_it_wrote_and_goes_on() {
    let scene = Scene::with("many", "for (let i = 0; i < 50; i++) { console.log('x'.repeat(40000) + i) }");
    scene.run(&["start", "many", "--id", "m"]).ended(0);
    scene.run(&["export", "all.jsonl"]).ended(0);
    let import = ["--store", "file:new", "import", "all.jsonl"];
    let child = scene.spawn(&import, Stdio::null());
    until("it writes", || scene.path().join("new/commits/0000000000000002.json").exists());
    interrupt(child.id());
    let said = Said::from(child.wait_with_output().unwrap());
    // On a fast machine it may be done before it is stopped.
    if said.code != Some(0) {
        said.ended(130).explains(&["interrupted", "the same import again goes on"]);
    }
    scene.run(&import).ended(0);
    assert_eq!(scene.run(&["--store", "file:new", "show", "m", "--json"]).ended(0).json(), scene.show("m"));
}
