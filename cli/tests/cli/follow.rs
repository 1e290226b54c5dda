//! `output --follow`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::json;

use super::support::{FAILS, GREET, Said, Scene};

/// What is followed, line by line as it comes.
struct Followed {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Followed {
    fn of(scene: &Scene, args: &[&str]) -> Self {
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

    /// Waits for the end; what was not read before.
    fn end(mut self) -> Said {
        let mut out = String::new();
        self.lines.read_to_string(&mut out).unwrap();
        Said { out, ..Said::from(self.child.wait_with_output().unwrap()) }
    }
}

#[test]
fn lines_are_printed_as_they_come_until_the_end() {
    let scene = Scene::greeting("g");
    let (mut people, mut programs) = (Followed::of(&scene, &["g"]), Followed::of(&scene, &["g", "--json"]));
    scene.run(&["answer", "g", "--text", "Ada"]).ended(3);
    assert_eq!((people.line().as_str(), programs.line().as_str()), ("Hello, Ada\n", "\"Hello, Ada\"\n"));
    scene.run(&["pause", "g"]).ended(0);
    scene.run(&["unpause", "g"]).ended(3);
    scene.run(&["answer", "g", "--text", "no"]).ended(0);
    let said = people.end().ended(0);
    assert_eq!(said.out, "noted: no\n");
    said.explains(&["g waits for an answer: All fine?", "g is complete"]);
    let said = programs.end().ended(0);
    assert_eq!((said.values(), said.err.as_str()), (vec![json!("noted: no")], ""));
}

#[test]
fn what_has_ended_is_printed_and_ends_as_it_did() {
    let scene = Scene::with("fails", FAILS);
    scene.run(&["start", "fails", "--id", "f"]).ended(1);
    let said = Followed::of(&scene, &["f"]).end().ended(1);
    assert_eq!(said.out, "before\n");
    said.explains(&["f failed at line 3"]);
    assert_eq!(Followed::of(&scene, &["nobody", "--json"]).end().ended(5).error_code(), "not_found");
}

#[test]
fn who_ends_an_execution_ends_those_who_follow_it() {
    let scene = Scene::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "other"]).ended(3);
    scene.run(&["start", "greet", "--id", "g"]).ended(3);
    scene.run(&["answer", "g", "--text", "Ada"]).ended(3);
    let mut followed = Followed::of(&scene, &["g"]);
    assert_eq!(followed.line(), "Hello, Ada\n");
    // What others do is no news of this one.
    scene.run(&["answer", "other", "--text", "Bob"]).ended(3);
    scene.run(&["cancel", "g"]).ended(0);
    let said = followed.end().ended(1);
    assert_eq!(said.out, "");
    said.explains(&["g is cancelled"]);
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_and_touches_nothing() {
    let scene = Scene::greeting("g");
    scene.run(&["answer", "g", "--text", "Ada"]).ended(3);
    let before = scene.show("g");
    let mut followed = Followed::of(&scene, &["g"]);
    assert_eq!(followed.line(), "Hello, Ada\n");
    super::support::send(super::support::Signal::INT, followed.child.id());
    assert_eq!(followed.end().ended(130).out, "");
    assert_eq!(scene.show("g"), before);
}
