//! Due work, and the deletion of expired rows and executions.

use std::time::Duration;

use crate::support::CliFixture;

const NAP: &str = "function main() { sleep(1); return 'awake' }";

/// Starts a program. Its first timer is due when this returns.
fn started(name: &str, source: &str, id: &str) -> CliFixture {
    let scene = CliFixture::with(name, source);
    scene.run(&["start", name, "--id", id]).expect_exit(3);
    // The timer of one millisecond began before the process that started it ended.
    std::thread::sleep(Duration::from_millis(2));
    scene
}

fn nap() -> CliFixture {
    started("nap", NAP, "n")
}

#[test]
fn a_tick_does_what_is_due() {
    let scene = nap();
    assert_eq!(scene.run(&["tick"]).expect_exit(0).out, "1 continued\n");
    assert_eq!(scene.status("n"), "complete");
    assert_eq!(scene.run(&["tick"]).expect_exit(0).out, "nothing is due\n");
    let output = scene.run(&["tick", "--json"]).expect_exit(0).json();
    assert_eq!(output, serde_json::json!({"resumed": 0, "deleted": 0, "swept": 0, "failed": []}));
}

#[test]
fn a_run_that_waits_ends_at_the_end_of_its_time() {
    let scene = CliFixture::new();
    scene.file("long.ts", "sleep(3600000)");
    let output = scene.run(&["run", "long.ts", "--id", "l", "--policy", r#"{"ms":1000}"#]).expect_exit(1);
    output.expect_stderr(&["time limit reached: 1000 ms"]);
}

#[test]
fn a_tick_ends_though_programs_set_one_timer_after_the_other() {
    let scene = started("clock", "while (true) sleep(1)", "c");
    scene.run(&["tick"]).expect_exit(0);
    assert_eq!(scene.status("c"), "waiting_cc");
}

#[cfg(unix)]
#[test]
fn tick_follow_runs_until_ctrl_c() {
    use crate::support::{Signal, send};

    let scene = nap();
    let mut follows = scene.spawn_running(&["tick", "--follow"], std::process::Stdio::null());
    // No other command runs until then, so no other process does the due work.
    follows.wait_for_line("1 continued");
    // This timer starts while the process follows.
    scene.file("later.ts", "function main() { sleep(200); return 'awake' }");
    scene.run(&["load", "later.ts"]).expect_exit(0);
    scene.run(&["start", "later", "--id", "l"]).expect_exit(3);
    follows.wait_for_line("1 continued");
    send(Signal::INT, follows.pid());
    follows.wait().expect_exit(0);
    assert_eq!((scene.status("n"), scene.status("l")), ("complete".to_owned(), "complete".to_owned()));
}

#[test]
fn every_command_that_works_with_executions_does_what_is_due() {
    let scene = nap();
    assert_eq!(scene.run(&["list", "--json"]).expect_exit(0).json()["status"], "complete");
}

#[test]
fn executions_that_ended_long_ago_are_counted_and_swept() {
    let scene = CliFixture::greeting("open");
    scene.file("sum.ts", crate::support::SUM);
    scene.run(&["run", "sum.ts", "--id", "done", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    let count = scene.run(&["sweep", "--dry-run", "--finished-before", "1ms", "--json"]).expect_exit(0).json();
    let counted = serde_json::json!({
        "dryRun": true, "expired": {}, "expiredBytes": {}, "executions": 1,
        "retention": {"orchestration.session_retention": 0, "orchestration.task_retention": 0, "apps.retention": 0}
    });
    assert_eq!(count, counted);
    for when in ["+5m", "2100-01-20T10:00:00Z"] {
        for dry in [&["--dry-run"][..], &["--yes"]] {
            let refused = scene.run(&[&["sweep", "--finished-before", when], dry].concat()).expect_exit(2);
            assert!(
                refused.err.contains("in the future") && refused.err.contains("`5m` for five minutes ago"),
                "{}",
                refused.err
            );
        }
    }
    let young = scene.run(&["sweep", "--finished-before", "30d"]).expect_exit(0);
    assert_eq!(young.out, "0 expired rows removed, 0 executions deleted\n");
    let swept = scene.run(&["sweep", "--finished-before", "1ms", "--json"]).expect_exit(0).json();
    assert_eq!(swept, serde_json::json!({"swept": 0, "deleted": 1, "failed": []}));
    scene.run(&["show", "done"]).expect_exit(5);
    assert_eq!(scene.status("open"), "waiting_cc");
    scene
        .run(&["sweep", "--finished-before", "yesterday"])
        .expect_exit(2)
        .expect_stderr(&["30d", "2024-01-20T10:00:00Z"]);
}

#[test]
fn the_environment_sets_the_retention_of_ended_executions() {
    let scene = CliFixture::new();
    scene.file("sum.ts", crate::support::SUM);
    scene.run(&["run", "sum.ts", "--id", "done", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    let kept = |days: &str, args: &[&str]| -> crate::support::CliOutput {
        scene.command(args).env("RUNSTATE_RETENTION_DAYS", days).output().unwrap().into()
    };
    assert_eq!(kept("1", &["tick"]).expect_exit(0).out, "nothing is due\n");
    kept("some", &["list"])
        .expect_exit(2)
        .expect_stderr(&["RUNSTATE_RETENTION_DAYS is `some`", "whole number of days"]);
    assert_eq!(kept("0", &["tick"]).expect_exit(0).out, "1 deleted\n");
    scene.run(&["show", "done"]).expect_exit(5);
}

#[test]
fn a_sweep_without_expired_rows_reports_nothing() {
    let scene = CliFixture::greeting("g");
    assert_eq!(scene.run(&["sweep", "--dry-run"]).expect_exit(0).err, "there is nothing to remove\n");
    assert_eq!(scene.run(&["sweep"]).expect_exit(0).out, "0 expired rows removed, 0 executions deleted\n");
}

#[test]
fn the_environment_sets_the_settings_of_domains() {
    let scene = CliFixture::new();
    let with = |settings: &str, args: &[&str]| -> crate::support::CliOutput {
        scene.command(args).env("RUNSTATE_SETTINGS", settings).output().unwrap().into()
    };
    for (settings, reason) in [
        ("[]", "must be a JSON object"),
        (r#"{"sessionRetention": 1}"#, "did you mean `sessionRetentionMs`"),
        (r#"{"heapBytes": 1}"#, "has no option `heapBytes`"),
    ] {
        with(settings, &["sessions", "list"]).expect_exit(2).expect_stderr(&["RUNSTATE_SETTINGS", reason]);
    }
    scene.run(&["sessions", "machine", "register", "m", "--hostname", "h"]).expect_exit(0);
    for (id, end) in [("done", "complete"), ("broken", "fail")] {
        scene.run(&["sessions", "create", "--id", id, "--project", "p", "--machine", "m"]).expect_exit(0);
        let reason: &[&str] = if end == "fail" { &["--reason", "the disk is full"] } else { &[] };
        scene.run(&[&["sessions", end, id], reason].concat()).expect_exit(0);
    }
    assert_eq!(scene.run(&["tick"]).expect_exit(0).out, "nothing is due\n");
    assert_eq!(with(r#"{"sessionRetentionMs": 1}"#, &["tick"]).expect_exit(0).out, "1 deleted\n");
    let rows = scene.run(&["sessions", "removal", "list", "--json"]).expect_exit(0).values();
    let row = |row: &serde_json::Value| (row["target"].clone(), row["reason"].clone());
    assert_eq!(
        rows.iter().map(row).collect::<Vec<_>>(),
        [("orchestration.sessions/broken".into(), "the disk is full".into())]
    );
    scene.run(&["sessions", "show", "done"]).expect_exit(0);
}
