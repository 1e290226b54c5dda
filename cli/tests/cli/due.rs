//! What is due, and what is kept no longer.

use std::time::Duration;

use super::support::Scene;

const NAP: &str = "function main() { sleep(1); return 'awake' }";

/// A program that starts and whose first timer is due when this returns.
fn started(name: &str, source: &str, id: &str) -> Scene {
    let scene = Scene::with(name, source);
    scene.run(&["start", name, "--id", id]).ended(3);
    // The timer of one millisecond began before the process that started it ended.
    std::thread::sleep(Duration::from_millis(2));
    scene
}

fn nap() -> Scene {
    started("nap", NAP, "n")
}

#[test]
fn a_tick_does_what_is_due() {
    let scene = nap();
    assert_eq!(scene.run(&["tick"]).ended(0).out, "1 execution went on\n");
    assert_eq!(scene.status("n"), "complete");
    assert_eq!(scene.run(&["tick"]).ended(0).out, "nothing is due\n");
    let told = scene.run(&["tick", "--json"]).ended(0).json();
    assert_eq!(told, serde_json::json!({"woken": 0, "deleted": 0, "swept": 0, "failed": []}));
}

#[test]
fn a_tick_ends_though_programs_set_one_timer_after_the_other() {
    let scene = started("clock", "while (true) sleep(1)", "c");
    scene.run(&["tick"]).ended(0);
    assert_eq!(scene.status("c"), "waiting_cc");
}

#[cfg(unix)]
#[test]
fn one_that_follows_goes_on_until_ctrl_c() {
    use super::support::{Signal, send};

    let scene = nap();
    let mut follows = scene.begin(&["tick", "--follow"], std::process::Stdio::null());
    // No other command runs until then: nothing else does what is due.
    follows.until_it_says("1 execution went on");
    // This timer begins while the process follows.
    scene.file("later.ts", "function main() { sleep(200); return 'awake' }");
    scene.run(&["load", "later.ts"]).ended(0);
    scene.run(&["start", "later", "--id", "l"]).ended(3);
    follows.until_it_says("1 execution went on");
    send(Signal::INT, follows.pid());
    follows.end().ended(0);
    assert_eq!((scene.status("n"), scene.status("l")), ("complete".to_owned(), "complete".to_owned()));
}

#[test]
fn every_command_that_works_with_executions_does_what_is_due() {
    let scene = nap();
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
