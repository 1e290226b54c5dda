//! `output --follow`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::json;

use super::support::{CliFixture, CliOutput, FAILS, GREET};

/// A running `output --follow`, read line by line.
struct FollowedOutput {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl FollowedOutput {
    fn start(scene: &CliFixture, args: &[&str]) -> Self {
        let mut child = scene.spawn(&[&["output", "--follow"], args].concat(), Stdio::null());
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the next line.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Waits for the end, and returns the rest of the output.
    fn end(mut self) -> CliOutput {
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
    super::support::send(super::support::Signal::INT, followed.child.id());
    assert_eq!(followed.end().expect_exit(130).out, "");
    assert_eq!(scene.show("g"), before);
}
