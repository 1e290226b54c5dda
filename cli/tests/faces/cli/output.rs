//! The output of executions: `output --follow`, `logs` and log levels, `variables`, `show --full`, `health`, and the
//! options for saving an execution.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use crate::support::{CliFixture, CliOutput, FAILS, GREET, SUM};

/// A running command, read line by line.
pub struct FollowedOutput {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl FollowedOutput {
    /// Starts `output --follow`.
    fn start(scene: &CliFixture, args: &[&str]) -> Self {
        Self::start_command(scene, &[&["output", "--follow"], args].concat())
    }

    pub fn start_command(scene: &CliFixture, args: &[&str]) -> Self {
        let mut child = scene.spawn(args, Stdio::null());
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    #[cfg(unix)]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, and returns the rest of the output.
    pub fn end(mut self) -> CliOutput {
        let mut out = String::new();
        self.lines.read_to_string(&mut out).unwrap();
        CliOutput { out, ..CliOutput::from(self.child.wait_with_output().unwrap()) }
    }
}

#[test]
fn lines_are_printed_as_they_come_until_the_end() {
    let scene = CliFixture::greeting("g");
    let (mut people, mut programs) =
        (FollowedOutput::start(&scene, &["g"]), FollowedOutput::start(&scene, &["g", "--json"]));
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(3);
    assert_eq!((people.line().as_str(), programs.line().as_str()), ("Hello, Ada\n", "\"Hello, Ada\"\n"));
    scene.run(&["pause", "g"]).expect_exit(0);
    scene.run(&["unpause", "g"]).expect_exit(3);
    scene.run(&["answer", "g", "--text", "no"]).expect_exit(0);
    let output = people.end().expect_exit(0);
    assert_eq!(output.out, "noted: no\n");
    output.expect_stderr(&["g waits for an answer: All fine?", "g is complete"]);
    let output = programs.end().expect_exit(0);
    assert_eq!((output.values(), output.err.as_str()), (vec![json!("noted: no")], ""));
}

#[test]
fn following_an_ended_execution_exits_with_its_code() {
    let scene = CliFixture::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f"]).expect_exit(1);
    let output = FollowedOutput::start(&scene, &["f"]).end().expect_exit(1);
    assert_eq!(output.out, "before\n");
    output.expect_stderr(&["f failed at line 3"]);
    assert_eq!(FollowedOutput::start(&scene, &["missing", "--json"]).end().expect_exit(5).error_code(), "not_found");
}

#[test]
fn cancelling_an_execution_ends_its_followers() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "other"]).expect_exit(3);
    scene.run(&["start", "greet", "--id", "g"]).expect_exit(3);
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(3);
    let mut followed = FollowedOutput::start(&scene, &["g"]);
    assert_eq!(followed.line(), "Hello, Ada\n");
    // Changes of other executions are not reported.
    scene.run(&["answer", "other", "--text", "Bob"]).expect_exit(3);
    scene.run(&["cancel", "g"]).expect_exit(0);
    let output = followed.end().expect_exit(1);
    assert_eq!(output.out, "");
    output.expect_stderr(&["g is cancelled"]);
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_output_follow_without_a_change() {
    let scene = CliFixture::greeting("g");
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(3);
    let before = scene.show("g");
    let mut followed = FollowedOutput::start(&scene, &["g"]);
    assert_eq!(followed.line(), "Hello, Ada\n");
    crate::support::send(crate::support::Signal::INT, followed.pid());
    assert_eq!(followed.end().expect_exit(130).out, "");
    assert_eq!(scene.show("g"), before);
}

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
    start("invalid", None, Some("loud"))
        .expect_exit(2)
        .expect_stderr(&["`loud` in RUNSTATE_LOG_LEVEL", "instructions"]);
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

const SHOP: &str = "\
const seen = new Map([['a', NaN]]);
const list = Array.from({ length: 150 }, (_, i) => i);
function ask(item, nothing) {
  const answer = CC('price of ' + item + '?');
  return nothing.rate * answer;
}
ask('tea', null);
";

#[test]
fn variables_are_shown_call_by_call_also_after_a_failure() {
    let scene = CliFixture::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1"]).expect_exit(3);
    let output = scene.run(&["variables", "s1"]).expect_exit(0).out;
    assert!(
        output.starts_with(
            "ask (line 4)\n  item = 'tea'\n  nothing = null\n  answer = <not yet assigned>\n<program> (line 7)\n"
        ),
        "{output}"
    );
    assert!(output.contains("\n  seen = Map(1) { 'a' => NaN }\n"), "{output}");
    assert!(output.contains("\n    ... 50 more items\n  ]\n"), "{output}");
    assert!(!scene.run(&["variables", "s1", "--full"]).expect_exit(0).out.contains("more items"));
    scene.run(&["answer", "s1", "--text", "3"]).expect_exit(1);
    assert_eq!(scene.run(&["variables", "s1", "answer"]).expect_exit(0).out, "ask (line 5)\n  answer = '3'\n");
    let frame = scene.run(&["variables", "s1", "seen", "--json"]).expect_exit(0).json();
    assert_eq!(frame["function"], "<program>");
    assert_eq!(frame["variables"][0]["value"], json!({"$map": [["a", {"$number": "NaN"}]]}));
    scene
        .run(&["variables", "s1", "price"])
        .expect_exit(5)
        .expect_stderr(&["variable `price` does not exist; execution `s1` has item, nothing, answer"]);
    scene.run(&["variables", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
}

#[test]
fn show_says_where_an_execution_is_and_what_its_variables_hold() {
    let scene = CliFixture::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1", "--input", "[1]"]).expect_exit(3);
    let output = scene.run(&["show", "s1"]).expect_exit(0).out;
    assert!(output.contains("\ninput        [1]\n") && output.contains("\nat           line 4, column "), "{output}");
    assert!(output.contains("\nvariables\n  ask (line 4)\n    item = 'tea'\n"), "{output}");
    assert!(output.contains("values are truncated; to show them in full: runstate show s1 --full"), "{output}");
    let full = scene.run(&["show", "s1", "--full"]).expect_exit(0).out;
    assert!(full.contains(" 149\n") && !full.contains("values are truncated"), "{full}");
}

#[test]
fn health_says_whether_a_store_answers_and_can_be_written() {
    let scene = CliFixture::with("greet", GREET);
    assert_eq!(scene.run(&["health"]).expect_exit(0).out, "ok\n");
    assert_eq!(scene.run(&["health", "--json"]).expect_exit(0).json()["healthy"], true);
    scene.run(&["health", "--store", "file:nowhere"]).expect_exit(4).expect_stderr(&["there is no store"]);
    let identity = std::fs::read_to_string(scene.path().join("store/runstate.json")).unwrap();
    let damaged = scene.path().join("store/commits/0000000000000001.json");
    std::fs::write(&damaged, "{}").unwrap();
    assert_eq!(scene.run(&["health", "--json"]).expect_exit(4).error_code(), "corrupt", "{identity}");
}

#[test]
fn how_often_an_execution_is_saved_can_be_chosen() {
    let scene = CliFixture::with("busy", "let n = 0; for (let i = 0; i < 30000; i++) n += i; n");
    let commits = || std::fs::read_dir(scene.path().join("store/commits")).unwrap().count();
    let start = |id: &str, args: &[&str]| -> usize {
        let before = commits();
        scene.run(&[&["start", "busy", "--id", id][..], args].concat()).expect_exit(0);
        commits() - before
    };
    let plain = start("a", &[]);
    assert!(start("b", &["--save-every", "50000"]) > plain + 2);
    let before = commits();
    let mut command = scene.command(&["start", "busy", "--id", "c"]);
    CliOutput::from(command.env("RUNSTATE_SAVE_EVERY", "50000").output().unwrap()).expect_exit(0);
    assert!(commits() - before > plain + 2);
    assert_eq!(start("d", &["--save-every-bytes", "1MiB"]), plain);
    scene.run(&["start", "busy", "--id", "e", "--save-every", "0"]).expect_exit(2).expect_stderr(&["--save-every"]);
    scene
        .run(&["start", "busy", "--id", "e", "--save-every-bytes", "much"])
        .expect_exit(2)
        .expect_stderr(&["--save-every-bytes"]);
}
