//! What is due, and what is kept no longer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::support::Scene;

const NAP: &str = "function main() { sleep(300); return 'awake' }";

fn nap() -> Scene {
    let scene = Scene::with("nap", NAP);
    scene.run(&["start", "nap", "--id", "n"]).ended(3);
    scene
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: not after 30 seconds");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_tick_does_what_is_due() {
    let scene = nap();
    until("it is over", || scene.run(&["tick"]).ended(0).out == "1 execution went on\n");
    assert_eq!(scene.status("n"), "complete");
    assert_eq!(scene.run(&["tick"]).ended(0).out, "nothing is due\n");
    let told = scene.run(&["tick", "--json"]).ended(0).json();
    assert_eq!(told, serde_json::json!({"woken": 0, "deleted": 0, "swept": 0, "failed": []}));
}

#[test]
fn a_tick_ends_though_programs_set_one_timer_after_the_other() {
    let scene = Scene::with("clock", "while (true) sleep(1)");
    scene.run(&["start", "clock", "--id", "c"]).ended(3);
    std::thread::sleep(Duration::from_millis(20));
    scene.run(&["tick"]).ended(0);
    assert_eq!(scene.status("c"), "waiting_cc");
}

#[cfg(unix)]
#[test]
fn one_that_follows_goes_on_until_ctrl_c() {
    let scene = nap();
    let child = scene.spawn(&["tick", "--follow"], Stdio::null());
    // Looking does not wake it: only the other process does.
    let watched = || std::fs::read_dir(scene.path().join("store/commits")).map_or(0, Iterator::count);
    let before = watched();
    until("it is woken", || watched() > before);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let said = super::support::Said::from(child.wait_with_output().unwrap()).ended(0);
    said.explains(&["1 execution went on"]);
}

#[test]
fn every_command_that_works_with_executions_does_what_is_due() {
    let scene = nap();
    std::thread::sleep(Duration::from_millis(350));
    assert_eq!(scene.run(&["list", "--json"]).ended(0).json()["status"], "complete");
}

#[test]
fn what_ended_long_ago_is_counted_and_removed() {
    let scene = Scene::greeting("open");
    scene.file("sum.ts", super::support::SUM);
    scene.run(&["run", "sum.ts", "--id", "done", "--input", r#"{"a":1,"b":2}"#]).ended(0);
    let count = scene.run(&["sweep", "--dry-run", "--finished-before", "1ms", "--json"]).ended(0).json();
    assert_eq!(count, serde_json::json!({"dryRun": true, "expired": {}, "executions": 1}));
    let young = scene.run(&["sweep", "--finished-before", "30d"]).ended(0);
    assert_eq!(young.out, "0 expired rows removed, 0 executions deleted\n");
    let swept = scene.run(&["sweep", "--finished-before", "1ms", "--json"]).ended(0).json();
    assert_eq!(swept, serde_json::json!({"swept": 0, "deleted": 1, "failed": []}));
    scene.run(&["show", "done"]).ended(5);
    assert_eq!(scene.status("open"), "waiting_cc");
    scene.run(&["sweep", "--finished-before", "yesterday"]).ended(2).explains(&["30d", "2024-01-20T10:00:00Z"]);
}

#[test]
fn the_environment_says_how_long_what_ended_is_kept() {
    let scene = Scene::new();
    scene.file("sum.ts", super::support::SUM);
    scene.run(&["run", "sum.ts", "--id", "done", "--input", r#"{"a":1,"b":2}"#]).ended(0);
    let kept = |days: &str, args: &[&str]| -> super::support::Said {
        scene.command(args).env("RUNSTATE_RETENTION_DAYS", days).output().unwrap().into()
    };
    assert_eq!(kept("1", &["tick"]).ended(0).out, "nothing is due\n");
    kept("some", &["list"]).ended(2).explains(&["RUNSTATE_RETENTION_DAYS is some", "number of days"]);
    assert_eq!(kept("0", &["tick"]).ended(0).out, "1 execution was deleted\n");
    scene.run(&["show", "done"]).ended(5);
}

#[test]
fn where_nothing_has_expired_nothing_is_counted() {
    let scene = Scene::greeting("g");
    assert_eq!(scene.run(&["sweep", "--dry-run"]).ended(0).err, "there is nothing to remove\n");
    assert_eq!(scene.run(&["sweep"]).ended(0).out, "0 expired rows removed, 0 executions deleted\n");
}
