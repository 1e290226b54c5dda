//! Two processes that send the same command at once, and commands that are repeated.

use std::process::Stdio;

use runstate::engine::{Host as _, SystemHost};

use crate::support::{CliFixture, CliOutput, GREET};

#[test]
fn of_two_concurrent_answers_one_wins_and_one_is_rejected() {
    for round in 0..5 {
        let scene = CliFixture::greeting("g1");
        let call = scene.show("g1")["calls"][0]["id"].as_str().unwrap().to_owned();
        let answers = ["Ada", "Bob"]
            .map(|name| scene.spawn(&["answer", "g1", "--call", &call, "--text", name, "--json"], Stdio::null()));
        let outputs = answers.map(|child| CliOutput::from(child.wait_with_output().unwrap()));
        let mut codes: Vec<_> = outputs.iter().map(|output| output.code).collect();
        codes.sort();
        assert_eq!(codes, [Some(3), Some(5)], "round {round}: {outputs:?}");
        let (winner, loser) = if outputs[0].code == Some(3) { (0, 1) } else { (1, 0) };
        assert_eq!(outputs[loser].error_code(), "already_answered");
        let output = &scene.show("g1")["output"];
        assert_eq!(output[0], format!("Hello, {}", ["Ada", "Bob"][winner]));
        assert_eq!(output.as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_repeated_command_id_returns_the_first_result() {
    let scene = CliFixture::greeting("g1");
    let answer = ["answer", "g1", "--text", "Ada", "--command-id", "c1", "--json"];
    let first = scene.run(&answer).expect_exit(3).json();
    assert_eq!(scene.run(&answer).expect_exit(3).json(), first);
    assert_eq!(first["calls"][0]["prompt"], "All fine?");
}

#[test]
fn the_same_command_id_starts_and_loads_once() {
    let scene = CliFixture::with("greet", GREET);
    let start = ["start", "greet", "--command-id", "s1", "--json"];
    let first = scene.run(&start).expect_exit(3).json();
    assert_eq!(scene.run(&start).expect_exit(3).json(), first);
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 1);

    let load = ["load", "greet.ts", "--name", "two", "--command-id", "l1", "--json"];
    let first = scene.run(&load).expect_exit(0).json();
    assert_eq!(scene.run(&load).expect_exit(0).json(), first);
}

#[test]
fn a_run_repeated_under_its_command_id_continues() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let run = ["run", "greet.ts", "--command-id", "r1", "--json"];
    let first = scene.run_with(&run, "Ada\n").expect_exit(3).json();
    let second = scene.run_with(&run, "yes\n").expect_exit(0).json();
    assert_eq!(first["id"], second["id"]);
}

#[test]
fn a_command_id_is_not_used_for_two_commands() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "c1"]).expect_exit(3);
    let output = scene.run(&["answer", "g1", "--text", "no", "--command-id", "c1"]).expect_exit(5);
    output.expect_stderr(&["command id `c1`", "choose another"]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answered_call_is_not_answered_again() {
    let scene = CliFixture::greeting("g1");
    let call = scene.show("g1")["calls"][0]["id"].as_str().unwrap().to_owned();
    scene.run(&["answer", "g1", "--call", &call, "--text", "Ada"]).expect_exit(3);
    let again = ["answer", "g1", "--call", &call, "--text", "Bob"];
    scene.run(&again).expect_exit(5).expect_stderr(&["was already answered", "runstate show g1"]);
    scene.run(&["answer", "g1", "--text", "no"]).expect_exit(0);
    scene.run(&again).expect_exit(5).expect_stderr(&["was already answered"]);
}

/// The seed of an execution's random source comes from the command that started it, and is part of its state. The same
/// start gives the same hash at every stop, however the program is driven.
#[test]
fn the_state_hash_is_the_same_step_by_step_and_in_one_run() {
    let answers = ["Ada", "no"];
    let in_one_run = |answered: usize, command: &str| {
        let scene = CliFixture::new();
        scene.file("greet.ts", GREET);
        scene.file("answers.json", serde_json::to_string(&answers[..answered]).unwrap());
        let run = ["run", "greet.ts", "--id", "e", "--answers", "answers.json", "--command-id", command, "--json"];
        scene.run(&run).json()["stateHash"].clone()
    };
    let scene = CliFixture::with("greet", GREET);
    let mut step = scene.run(&["start", "greet", "--id", "e", "--command-id", "first", "--json"]).json();
    for (answered, answer) in answers.iter().enumerate() {
        assert_eq!(step["stateHash"], in_one_run(answered, "first"), "after {answered} answers");
        assert_eq!(scene.run(&["next", "e", "--json"]).json()["stateHash"], step["stateHash"]);
        step = scene.run(&["answer", "e", "--text", answer, "--json"]).json();
    }
    assert_eq!(step["stateHash"], in_one_run(2, "first"));
    assert_ne!(step["stateHash"], in_one_run(2, "another"));
}

#[test]
fn results_are_kept_as_long_as_prepare_says() {
    let scene = CliFixture::new();
    let prepare = |args: &[&str], days: &str| -> CliOutput {
        scene
            .command(&[&["prepare", "--json"], args].concat())
            .env("RUNSTATE_LEDGER_DAYS", days)
            .output()
            .unwrap()
            .into()
    };
    let day = 86_400_000;
    for (args, days, kept) in
        [(&[][..], "", 7), (&["--ledger", "30d"], "10", 30), (&[], "", 30), (&[], "10", 10), (&[], "", 10)]
    {
        assert_eq!(prepare(args, days).expect_exit(0).json()["ledgerMs"], kept * day, "{args:?} {days}");
    }
    for (args, days) in
        [(&["--ledger", "12h"][..], ""), (&["--ledger", "366d"], ""), (&["--ledger", "soon"], ""), (&[], "some")]
    {
        prepare(args, days).expect_exit(2);
    }
    assert_eq!(prepare(&[], "400").expect_exit(5).error_code(), "invalid");
    scene.file("greet.ts", GREET);
    let load = |age: i64| {
        let millis = SystemHost.now().as_millis() - age;
        let (high, low) = (millis >> 16, millis & 0xffff);
        scene.run(&[
            "load",
            "greet.ts",
            "--command-id",
            &format!("{high:08x}-{low:04x}-7abc-8abc-0123456789ab"),
            "--json",
        ])
    };
    load(6 * day).expect_exit(0);
    assert_eq!(load(8 * day).expect_exit(5).error_code(), "stale");
    // What may have been removed does not come back.
    prepare(&["--ledger", "90d"], "").expect_exit(0);
    assert_eq!(load(8 * day).expect_exit(5).error_code(), "stale");
}
