//! `logs` and log levels.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::support::{CliFixture, CliOutput, FAILS, GREET, SUM};

fn events(output: &CliOutput) -> Vec<Json> {
    output.values().iter().map(|row| row["event"].clone()).collect()
}

#[test]
fn a_log_says_what_was_asked_and_how_it_ended() {
    let scene = CliFixture::greeting("g");
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(3);
    scene.run(&["answer", "g", "--text", "no"]).expect_exit(0);
    let printed = scene.run(&["logs", "g"]).expect_exit(0);
    let lines: Vec<&str> = printed.out.lines().collect();
    assert!(lines[0].contains("  cc_call      call ") && lines[0].ends_with("(line 3)"), "{}", printed.out);
    assert!(lines[2].contains("  complete     after "), "{}", printed.out);
    let output = scene.run(&["logs", "g", "--json"]).expect_exit(0);
    assert_eq!(events(&output), ["cc_call", "cc_call", "complete"]);
    assert!(output.values()[0]["timestamp"].is_string());
    assert_eq!(events(&scene.run(&["logs", "g", "--limit", "2", "--json"])), ["cc_call", "complete"], "the newest");
    assert_eq!(events(&scene.run(&["logs", "g", "--event", "complete", "--json"])), ["complete"]);
    scene.run(&["logs", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
    scene.run(&["logs", "g", "--event", "answers"]).expect_exit(2).expect_stderr(&["cc_call"]);
}

#[test]
fn the_log_of_all_executions_is_read_by_event_and_time() {
    let scene = CliFixture::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f1"]).expect_exit(1);
    scene.run(&["start", "fails", "--id", "f2"]).expect_exit(1);
    scene.file("sum.ts", "1 + 1");
    scene.run(&["run", "sum.ts", "--id", "s1"]).expect_exit(0);
    let output = scene.run(&["logs", "--event", "error"]).expect_exit(0).out;
    let executions: Vec<&str> = output.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(executions, ["f1", "f2"]);
    let all = scene.run(&["logs", "--json"]).expect_exit(0);
    assert_eq!(all.values().iter().map(|row| row["executionId"].clone()).collect::<Vec<_>>(), ["f1", "f2", "s1"]);
    assert_eq!(events(&scene.run(&["logs", "--limit", "1", "--json"])), ["complete"], "the newest");
    let second = all.values()[1]["timestamp"].as_str().unwrap().to_owned();
    assert_eq!(scene.run(&["logs", "--since", &second, "--event", "error", "--json"]).values().len(), 1);
    assert_eq!(scene.run(&["logs", "--before", &second, "--json"]).values().len(), 1);
    scene
        .run(&["logs", "--since", "2000-01-01T00:00:00Z", "--before", "1d"])
        .expect_exit(0)
        .expect_stderr(&["nothing in the log"]);
    scene.run(&["logs", "--follow"]).expect_exit(2);
}

#[test]
fn a_failure_is_in_the_log() {
    let scene = CliFixture::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f"]).expect_exit(1);
    let output = scene.run(&["logs", "f", "--event", "error"]).expect_exit(0).out;
    assert!(
        output.contains("TypeError: Cannot read properties of null (reading 'name') (line 3, column 21)"),
        "{output}"
    );
}

#[test]
fn the_log_level_is_set_by_a_flag_or_the_environment() {
    let scene = CliFixture::with("sum", SUM);
    let input = ["--input", r#"{"a": 1, "b": 2}"#];
    let start = |id: &str, level: Option<&str>, environment: Option<&str>| {
        let level = level.map_or(vec![], |level| vec!["--log-level", level]);
        let mut command = scene.command(&[&["start", "sum", "--id", id][..], &input, &level].concat());
        environment.map(|level| command.env("RUNSTATE_LOG_LEVEL", level));
        CliOutput::from(command.output().unwrap())
    };
    let logged = |id: &str| events(&scene.run(&["logs", id, "--json"]).expect_exit(0));
    start("calls", None, None).expect_exit(0);
    assert_eq!(logged("calls"), ["complete"]);
    start("off", None, Some("off")).expect_exit(0);
    assert_eq!(logged("off"), Vec::<Json>::new());
    scene.run(&["logs", "off"]).expect_exit(0).expect_stderr(&["nothing in the log of off"]);
    start("all", Some("instructions"), Some("off")).expect_exit(0);
    let all = logged("all");
    assert!(all.len() > 5 && all.iter().filter(|event| **event == json!("instruction")).count() == all.len() - 1);
    let output = scene.run(&["logs", "all", "--event", "instruction"]).expect_exit(0).out;
    assert!(output.lines().any(|line| line.contains("  PUSH ")), "{output}");
    start("wrong", None, Some("loud")).expect_exit(2).expect_stderr(&["RUNSTATE_LOG_LEVEL is `loud`", "instructions"]);
    start("wrong", Some("loud"), None).expect_exit(2).expect_stderr(&["loud", "instructions"]);
    scene.file("sum.ts", SUM);
    scene.run(&[&["run", "sum.ts", "--id", "r", "--log-level", "off"][..], &input].concat()).expect_exit(0);
    assert_eq!(logged("r"), Vec::<Json>::new());
}

#[test]
fn a_log_is_followed_to_the_end_of_the_execution() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g"]).expect_exit(3);
    let mut child = scene.spawn(&["logs", "g", "--follow", "--json"], Stdio::null());
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("cc_call"), "{first}");
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(3);
    scene.run(&["answer", "g", "--text", "no"]).expect_exit(0);
    let mut out = String::new();
    lines.read_to_string(&mut out).unwrap();
    let output = CliOutput { out, ..CliOutput::from(child.wait_with_output().unwrap()) }.expect_exit(0);
    assert_eq!(events(&output), ["cc_call", "complete"]);
    assert_eq!(output.err, "");
    scene.run(&["logs", "missing", "--follow"]).expect_exit(5).expect_stderr(&["`missing`"]);
}
