//! A person at a terminal, played through `script`.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Command, Stdio};

use super::support::{GREET, Said, Scene};

/// Runs `runstate` with `args` on a terminal where `typed` is typed; `None`: there is no terminal to be had here.
pub fn typed(test: &str, scene: &Scene, args: &str, typed: &str) -> Option<Said> {
    shell(test, scene, &format!("{} {args}", env!("CARGO_BIN_EXE_runstate")), typed)
}

/// Runs a line of shell on a terminal, as [`typed`] does.
pub fn shell(test: &str, scene: &Scene, line: &str, typed: &str) -> Option<Said> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: {test}: `script` is not installed");
        return None;
    }
    let mut command = scene.prepared(Command::new("script"), &["--quiet", "--return", "--command", line, "/dev/null"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    // Ctrl-d comes from `script` when its own input ends.
    drop(keyboard);
    Some(child.wait_with_output().unwrap().into())
}

#[test]
fn a_wrong_choice_is_asked_again() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let Some(said) = typed("terminal", &scene, "run greet.ts --id g", "Ada\nperhaps\nn\n") else { return };
    let said = said.ended(0);
    for words in
        ["? Who is there?", "1) yes", "`perhaps` is none of the choices; type a number from 1 to 2", "noted: no"]
    {
        assert!(said.out.contains(words), "`{words}` is missing in: {}", said.out);
    }
}

#[test]
fn ctrl_d_leaves_the_execution_waiting() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let Some(said) = typed("terminal", &scene, "run greet.ts --id g", "Ada\n") else { return };
    let said = said.ended(3);
    assert!(said.out.contains("runstate resume g"), "{}", said.out);
    assert_eq!(scene.status("g"), "waiting_cc");
}

#[test]
fn an_answer_that_the_terminal_cut_is_not_sent() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let keys = format!("{}\nAda\nyes\n", "x".repeat(5000));
    let Some(said) = typed("terminal", &scene, "run greet.ts --id g", &keys) else { return };
    let said = said.ended(0);
    assert!(said.out.contains("cuts lines at 4095 bytes; answer with runstate answer g --file F"), "{}", said.out);
    assert_eq!(scene.show("g")["result"]["name"], "Ada");
}
