//! A test that this program runs again in a process of its own, to be killed, traced or run as another user.

use std::process::Command;

/// A call of this program that runs one test alone. `test` is its path in the program. A path that names no test runs
/// nothing and succeeds, so a caller that only checks the exit code calls [`expect_passed`].
pub fn child_test(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    command
}

/// Runs the command of a [`child_test`]. Its test passes.
#[track_caller]
pub fn expect_passed(command: &mut Command) {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
