//! A person at a terminal, simulated with `script`.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Command, Stdio};

use super::support::{CliFixture, CliOutput, GREET};

/// Runs `runstate` with `args` on a terminal where `typed` is typed. `None`: no terminal is available.
pub fn run_at_terminal(test: &str, scene: &CliFixture, args: &str, typed: &str) -> Option<CliOutput> {
    run_shell_at_terminal(test, scene, &format!("runstate {args}"), typed)
}

/// Runs a shell command line on a terminal where `typed` is typed.
pub fn run_shell_at_terminal(test: &str, scene: &CliFixture, line: &str, typed: &str) -> Option<CliOutput> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: {test}: `script` is not installed");
        return None;
    }
    let mut command = scene.configure(Command::new("script"), &["--quiet", "--return", "--command", line, "/dev/null"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    // `script` sends ctrl-d when its own input ends.
    drop(keyboard);
    Some(child.wait_with_output().unwrap().into())
}

#[test]
fn a_wrong_choice_is_asked_again() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let Some(output) = run_at_terminal("terminal", &scene, "run greet.ts --id g", "Ada\nperhaps\nn\n") else { return };
    let output = output.expect_exit(0);
    for words in
        ["? Who is there?", "1) yes", "`perhaps` is none of the choices; type a number from 1 to 2", "noted: no"]
    {
        assert!(output.out.contains(words), "`{words}` is missing in: {}", output.out);
    }
}

#[test]
fn ctrl_d_leaves_the_execution_waiting() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let Some(output) = run_at_terminal("terminal", &scene, "run greet.ts --id g", "Ada\n") else { return };
    let output = output.expect_exit(3);
    assert!(output.out.contains("runstate resume g"), "{}", output.out);
    assert_eq!(scene.status("g"), "waiting_cc");
}

#[test]
fn an_answer_that_the_terminal_cut_is_not_sent() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let keys = format!("{}\nAda\nyes\n", "x".repeat(5000));
    let Some(output) = run_at_terminal("terminal", &scene, "run greet.ts --id g", &keys) else { return };
    let output = output.expect_exit(0);
    assert!(output.out.contains("cuts lines at 4095 bytes; answer with runstate answer g --file F"), "{}", output.out);
    assert_eq!(scene.show("g")["result"]["name"], "Ada");
}
