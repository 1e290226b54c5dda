//! Sessions, tasks and machines on the command line.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Map, Value as Json, json};

use crate::support::{CliFixture, CliOutput};

#[test]
fn names_in_lists_are_joined_by_commas() {
    let scene = CliFixture::new();
    let run = |args: &[&str]| scene.run(args).expect_exit(0);
    run(&["sessions", "machine", "register", "m", "--hostname", "box", "--slots", "1"]);
    run(&["sessions", "create", "--id", "s", "--project", "p", "--machine", "m"]);
    let added = |id: &str, on: &[&str]| -> Json {
        run(&[&["sessions", "task", "add", "s", "--id", id, "--name", "work"], on].concat());
        run(&["sessions", "task", "show", id, "--json"]).json()["dependsOn"].clone()
    };
    for id in ["a", "b", "c,d"] {
        added(id, &[]);
    }
    assert_eq!(added("t1", &["--depends-on", "a,b"]), json!(["a", "b"]));
    assert_eq!(added("t2", &["--depends-on", "a", "--depends-on", " b"]), json!(["a", "b"]));
    assert_eq!(added("t3", &["--depends-on", r#"["a", "c,d"]"#]), json!(["a", "c,d"]), "a name with a comma");
    let help = run(&["sessions", "task", "add", "--help"]).out;
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains("joined by commas"), "{help}");
}

#[test]
fn sessions_tasks_and_machines_have_commands() {
    let scene = CliFixture::new();
    let run = |line: &str| scene.run(&line.split(' ').collect::<Vec<_>>());
    run("sessions machine register m --hostname box --slots 1,2,3").expect_exit(0);
    assert_snapshot!(run("sessions create --id s --project p --machine m --slot auto").expect_exit(0).text(), @"
    id              s
    project id      p
    machine id      m
    docker slot     1
    status          active
    epoch           1
    last heartbeat  [time]
    ");
    run("sessions task add s --id t --name work").expect_exit(0);
    run("sessions task start t --epoch 1").expect_exit(0);
    assert_snapshot!(run("sessions list --project p").expect_exit(0).text(), @"
    ID  PROJECT ID  MACHINE ID  DOCKER SLOT  LAST HEARTBEAT        DUE AT                EXPIRES  CURRENT TASK ID  OPEN TASKS  EPOCH  STARTED AT            CREATED AT            UPDATED AT            STATUS
    s   p           m                     1  [time]  [time]  no       t                         1      1  [time]  [time]  [time]  active
    ");
    // Their documents have the id under another name.
    run("sessions task add s --id one-long-name --name work").expect_exit(0);
    assert_eq!(run("sessions task show one-lo --json").expect_exit(0).json()["id"], "one-long-name");
    run("sessions task complete one-lo").expect_exit(0);
    let machine = run("sessions machine show m --json").expect_exit(0).json();
    assert_eq!((&machine["slots"], &machine["activeSessions"]), (&json!({"1": "s"}), &json!(["s"])));
    assert_eq!(run("sessions complete s --json").expect_exit(5).error_code(), "open_tasks");
    let stale = run("sessions heartbeat s --epoch 0 --json").expect_exit(5);
    assert_eq!(stale.error_code(), "stale_owner");
    run("sessions task complete t").expect_exit(0);
    assert_snapshot!(run("sessions task progress s").expect_exit(0).text(), @"
    session id  s
    total       2
    counts      2 completed
    percent     100
    tasks
      ID             SESSION ID  PROJECT ID  TASK NAME  EXPIRES  RETRY COUNT  CREATED AT            UPDATED AT            STATUS     STARTED AT            COMPLETED AT
      one-long-name  s           p           work       yes                0  [time]  [time]  completed                        [time]
      t              s           p           work       yes                0  [time]  [time]  completed  [time]  [time]
    ");
    run("sessions complete s").expect_exit(0);
    let retried = run("sessions task retry t").expect_exit(5);
    assert_snapshot!(retried.err, @"
    error: `s` is completed: `task` is not possible now; nothing was changed
    ");
    run("sessions machine register m --hostname box").expect_exit(5).expect_stderr(&["`m` already exists"]);
    run("verify").expect_exit(0);
}

#[test]
fn sixty_processes_that_fight_for_seven_slots_give_seven_holders() {
    let scene = CliFixture::new();
    scene
        .run(&["sessions", "machine", "register", "m", "--hostname", "box", "--slots", "1,2,3,4,5,6,7"])
        .expect_exit(0);
    let create = ["sessions", "create", "--project", "p", "--machine", "m", "--slot", "auto", "--json"];
    let processes: Vec<_> = (0..60).map(|_| scene.spawn(&create, Stdio::null())).collect();
    let outputs = processes.into_iter().map(|process| CliOutput::from(process.wait_with_output().unwrap()));
    let (winners, losers): (Vec<_>, Vec<_>) = outputs.partition(|output| output.code == Some(0));
    for output in losers {
        assert_eq!(output.expect_exit(5).error_code(), "no_free_slot");
    }
    let holders: Map<_, _> =
        winners.iter().map(CliOutput::json).map(|won| (won["dockerSlot"].to_string(), won["id"].clone())).collect();
    assert_eq!((winners.len(), holders.len()), (7, 7));
    let machine = scene.run(&["sessions", "machine", "show", "m", "--json"]).expect_exit(0).json();
    assert_eq!(machine["slots"], Json::Object(holders));
    scene.run(&["verify"]).expect_exit(0);
}
