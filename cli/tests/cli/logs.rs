//! `logs`, and how much is logged.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::support::{FAILS, GREET, SUM, Said, Scene};

fn events(said: &Said) -> Vec<Json> {
    said.values().iter().map(|row| row["event"].clone()).collect()
}

#[test]
fn a_log_says_what_was_asked_and_how_it_ended() {
    let scene = Scene::greeting("g");
    scene.run(&["answer", "g", "--text", "Ada"]).ended(3);
    scene.run(&["answer", "g", "--text", "no"]).ended(0);
    let said = scene.run(&["logs", "g"]).ended(0);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].contains("  cc_call      call ") && lines[0].ends_with("(line 3)"), "{}", said.out);
    assert!(lines[2].contains("  complete     after "), "{}", said.out);
    let told = scene.run(&["logs", "g", "--json"]).ended(0);
    assert_eq!(events(&told), ["cc_call", "cc_call", "complete"]);
    assert!(told.values()[0]["timestamp"].is_string());
    assert_eq!(events(&scene.run(&["logs", "g", "--limit", "2", "--json"])), ["cc_call", "complete"], "the newest");
    assert_eq!(events(&scene.run(&["logs", "g", "--event", "complete", "--json"])), ["complete"]);
    scene.run(&["logs", "nobody"]).ended(5).explains(&["`nobody`"]);
    scene.run(&["logs", "g", "--event", "answers"]).ended(2).explains(&["cc_call"]);
}

#[test]
fn the_log_of_all_executions_is_read_by_event_and_time() {
    let scene = Scene::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f1"]).ended(1);
    scene.run(&["start", "fails", "--id", "f2"]).ended(1);
    scene.file("sum.ts", "1 + 1");
    scene.run(&["run", "sum.ts", "--id", "s1"]).ended(0);
    let said = scene.run(&["logs", "--event", "error"]).ended(0).out;
    let executions: Vec<&str> = said.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(executions, ["f1", "f2"]);
    let all = scene.run(&["logs", "--json"]).ended(0);
    assert_eq!(all.values().iter().map(|row| row["executionId"].clone()).collect::<Vec<_>>(), ["f1", "f2", "s1"]);
    assert_eq!(events(&scene.run(&["logs", "--limit", "1", "--json"])), ["complete"], "the newest");
    let second = all.values()[1]["timestamp"].as_str().unwrap().to_owned();
    assert_eq!(scene.run(&["logs", "--since", &second, "--event", "error", "--json"]).values().len(), 1);
    assert_eq!(scene.run(&["logs", "--before", &second, "--json"]).values().len(), 1);
    scene
        .run(&["logs", "--since", "2000-01-01T00:00:00Z", "--before", "1d"])
        .ended(0)
        .explains(&["nothing in the log"]);
    scene.run(&["logs", "--follow"]).ended(2);
}

#[test]
fn a_failure_stands_in_the_log() {
    let scene = Scene::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f"]).ended(1);
    let said = scene.run(&["logs", "f", "--event", "error"]).ended(0).out;
    assert!(said.contains("TypeError: Cannot read properties of null (reading 'name') (line 3, column 21)"), "{said}");
}

#[test]
fn how_much_is_logged_is_said_at_the_start_or_by_the_environment() {
    let scene = Scene::with("sum", SUM);
    let input = ["--input", r#"{"a": 1, "b": 2}"#];
    let start = |id: &str, level: Option<&str>, environment: Option<&str>| {
        let level = level.map_or(vec![], |level| vec!["--log-level", level]);
        let mut command = scene.command(&[&["start", "sum", "--id", id][..], &input, &level].concat());
        environment.map(|level| command.env("RUNSTATE_LOG_LEVEL", level));
        Said::from(command.output().unwrap())
    };
    let logged = |id: &str| events(&scene.run(&["logs", id, "--json"]).ended(0));
    start("calls", None, None).ended(0);
    assert_eq!(logged("calls"), ["complete"]);
    start("off", None, Some("off")).ended(0);
    assert_eq!(logged("off"), Vec::<Json>::new());
    scene.run(&["logs", "off"]).ended(0).explains(&["nothing in the log of off"]);
    start("all", Some("instructions"), Some("off")).ended(0);
    let all = logged("all");
    assert!(all.len() > 5 && all.iter().filter(|event| **event == json!("instruction")).count() == all.len() - 1);
    let said = scene.run(&["logs", "all", "--event", "instruction"]).ended(0).out;
    assert!(said.lines().any(|line| line.contains("  PUSH ")), "{said}");
    start("wrong", None, Some("loud")).ended(2).explains(&["RUNSTATE_LOG_LEVEL is `loud`", "instructions"]);
    start("wrong", Some("loud"), None).ended(2).explains(&["loud", "instructions"]);
    scene.file("sum.ts", SUM);
    scene.run(&[&["run", "sum.ts", "--id", "r", "--log-level", "off"][..], &input].concat()).ended(0);
    assert_eq!(logged("r"), Vec::<Json>::new());
}

#[test]
fn a_log_is_followed_to_the_end_of_the_execution() {
    let scene = Scene::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g"]).ended(3);
    let mut child = scene.spawn(&["logs", "g", "--follow", "--json"], Stdio::null());
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("cc_call"), "{first}");
    scene.run(&["answer", "g", "--text", "Ada"]).ended(3);
    scene.run(&["answer", "g", "--text", "no"]).ended(0);
    let mut out = String::new();
    lines.read_to_string(&mut out).unwrap();
    let said = Said { out, ..Said::from(child.wait_with_output().unwrap()) }.ended(0);
    assert_eq!(events(&said), ["cc_call", "complete"]);
    assert_eq!(said.err, "");
    scene.run(&["logs", "nobody", "--follow"]).ended(5).explains(&["`nobody`"]);
}
