//! The process itself: ctrl-c, and its memory while a program allocates as much as it can.

use std::process::Stdio;

use super::hostile_programs::run_hostile_programs;
use crate::support::{CliFixture, FOREVER, GREET, Signal, send, wait_until};

#[test]
fn ctrl_c_during_a_computation_leaves_it_resumable() {
    let scene = CliFixture::new();
    scene.file("forever.ts", FOREVER);
    let run = scene.spawn_running(&["run", "forever.ts", "--id", "f"], Stdio::null());
    wait_until("it runs", || scene.run(&["show", "f"]).code == Some(0));
    send(Signal::INT, run.pid());
    run.wait().expect_exit(130).expect_stderr(&["interrupted", "runstate resume f"]);
    assert_eq!(scene.status("f"), "running");
    scene.run(&["resume", "f", "--max-instructions", "1"]).expect_exit(1);
}

#[test]
fn ctrl_c_at_a_question_prints_how_to_resume() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let mut run = scene.spawn_running(&["run", "greet.ts", "--id", "g", "--json"], Stdio::piped());
    // A pipe that never sent a line counts as empty after some seconds. One that has sent a line is waited for.
    run.write_stdin("Ada\n");
    let asked = |prompt: &str| {
        let output = scene.run(&["show", "g", "--json"]);
        output.code == Some(0) && output.json()["calls"][0]["prompt"] == prompt
    };
    wait_until("it asks the second question", || asked("All fine?"));
    send(Signal::INT, run.pid());
    let output = run.wait().expect_exit(130);
    assert_eq!(output.json()["resume"], "runstate resume g");
    scene.run_with(&["resume", "g"], "yes\n").expect_exit(0);
}

#[test]
fn an_interrupted_import_keeps_its_writes_and_can_be_repeated() {
    let scene = CliFixture::with("many", "for (let i = 0; i < 50; i++) { console.log('x'.repeat(20000) + i) }");
    scene.run(&["start", "many", "--id", "m"]).expect_exit(0);
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    // An import may end before it is interrupted: then another store is tried.
    for attempt in 0..20 {
        let store = format!("file:new-{attempt}");
        let import = ["--store", &store, "import", "all.jsonl"];
        let running = scene.spawn_running(&import, Stdio::null());
        let second = scene.path().join(format!("new-{attempt}/commits/0000000000000002.json"));
        wait_until("it writes", || second.exists());
        send(Signal::INT, running.pid());
        let output = running.wait();
        if output.code == Some(0) {
            continue;
        }
        output.expect_exit(130).expect_stderr(&["interrupted", "repeat the import to continue"]);
        assert!(second.exists(), "what it wrote is kept");
        scene.run(&import).expect_exit(0);
        let show = ["--store", &store, "show", "m", "--json"];
        return assert_eq!(scene.run(&show).expect_exit(0).json(), scene.show("m"));
    }
    panic!("no import was interrupted in the middle");
}

#[test]
fn hostile_programs_stay_within_their_memory_on_files() {
    run_hostile_programs("file:store");
}

#[test]
fn hostile_programs_stay_within_their_memory_in_memory() {
    run_hostile_programs("memory:");
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_during_an_import_says_what_was_written() {
    let scene = CliFixture::new();
    // The rest of the export never arrives.
    let running = scene.spawn_running(&["import", "-"], Stdio::piped());
    wait_for_handler(running.pid());
    send(Signal::INT, running.pid());
    let output = running.wait().expect_exit(130);
    output.expect_stderr(&["interrupted; nothing was written; repeat the import"]);
    assert!(!scene.path().join("store").exists());
}

/// Waits until the process handles ctrl-c.
#[cfg(target_os = "linux")]
fn wait_for_handler(pid: u32) {
    wait_until("it handles ctrl-c", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default().trim().to_owned();
        // Bit 1 is signal 2.
        u64::from_str_radix(&caught, 16).is_ok_and(|caught| caught & 2 != 0)
    });
}
