//! A person at a terminal, simulated with `script`. Tables and colors, on terminals and in pipes.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{CliFixture, CliOutput, GREET};

/// Runs `runstate` with `args` on a terminal where each line of `typed` is typed when the program asks. `None`: no
/// terminal is available.
pub fn run_at_terminal(test: &str, scene: &CliFixture, args: &str, typed: &str) -> Option<CliOutput> {
    run_shell_at_terminal(test, scene, &format!("runstate {args}"), typed)
}

/// Runs a shell command line on a terminal where each line of `typed` is typed when a program asks.
pub fn run_shell_at_terminal(test: &str, scene: &CliFixture, line: &str, typed: &str) -> Option<CliOutput> {
    let lines: Vec<&str> = typed.split_inclusive('\n').collect();
    type_at_terminal(test, scene, line, &lines)
}

/// What a program writes when it lets a person edit a line.
const ASKS: &str = "\u{1b}[?2004h";

/// A question about the place of the cursor, and a terminal's answer.
const CURSOR: [&str; 2] = ["\u{1b}[6n", "\u{1b}[1;1R"];

/// Runs a shell command line on a terminal. Each time a program asks, the next keys are typed, and in the end ctrl-d.
fn type_at_terminal(test: &str, scene: &CliFixture, line: &str, keys: &[&str]) -> Option<CliOutput> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: {test}: `script` is not installed");
        return None;
    }
    let mut command = scene.configure(Command::new("script"), &["--quiet", "--return", "--command", line, "/dev/null"]);
    let command = command.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take(), child.stdout.take().unwrap());
    let (mut shown, mut piece, mut keys) = (Vec::new(), [0; 4096], keys.iter());
    let asks = if line.contains("TERM=dumb") { "\n> " } else { ASKS };
    loop {
        let read = screen.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        for byte in &piece[..read] {
            shown.push(*byte);
            if shown.ends_with(CURSOR[0].as_bytes()) {
                keyboard.iter_mut().for_each(|keyboard| keyboard.write_all(CURSOR[1].as_bytes()).unwrap());
            } else if shown.ends_with(asks.as_bytes()) {
                match keys.next() {
                    Some(next) => keyboard.as_mut().unwrap().write_all(next.as_bytes()).unwrap(),
                    // `script` sends ctrl-d when its own input ends.
                    None => keyboard = None,
                }
            }
        }
    }
    let mut output: CliOutput = child.wait_with_output().unwrap().into();
    output.out = String::from_utf8(shown).unwrap();
    Some(output)
}

#[test]
fn a_wrong_choice_is_asked_again() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let Some(output) = run_at_terminal("terminal", &scene, "run greet.ts --id g", "Ada\nperhaps\nn\n") else { return };
    let output = output.expect_exit(0);
    for words in
        ["? Who is there?", "1) yes", "`perhaps` is not one of the choices; type a number from 1 to 2", "noted: no"]
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
    let keys = [&*"x".repeat(5000), "\n"].concat();
    let line = "env TERM=dumb runstate run greet.ts --id g";
    let Some(output) = type_at_terminal("terminal", &scene, line, &[&keys, "Ada\n", "yes\n"]) else { return };
    let output = output.expect_exit(0);
    assert!(output.out.contains("cuts lines at 4095 bytes; answer with runstate answer g --call "), "{}", output.out);
    assert_eq!(scene.show("g")["result"]["name"], "Ada");
    let pasted = format!("\u{1b}[200~{}\u{1b}[201~\r", "x".repeat(5000));
    let line = "runstate run greet.ts --id h";
    type_at_terminal("terminal", &scene, line, &[&pasted, "yes\r"]).unwrap().expect_exit(0);
    assert_eq!(scene.show("h")["result"]["name"], "x".repeat(5000), "a line that is edited has no such limit");
}

#[test]
fn what_was_typed_before_a_question_is_not_its_answer() {
    for terminal in ["xterm", "dumb"] {
        let scene = CliFixture::new();
        scene.file("greet.ts", GREET);
        let line = format!("env TERM={terminal} runstate run greet.ts --id g");
        let Some(output) = type_at_terminal("terminal", &scene, &line, &["Ada\ryes\r", "no\r"]) else { return };
        let output = output.expect_exit(0);
        assert!(output.out.contains("was dropped: it is not its answer"), "{terminal}: {}", output.out);
        assert_eq!(scene.show("g")["result"], json!({ "name": "Ada", "fine": "no" }), "{terminal}");
    }
}

#[test]
fn a_pasted_text_is_one_answer_and_a_line_is_edited() {
    let scene = CliFixture::new();
    scene.file("three.ts", "function main() { return [CC('a?'), CC('b?'), CC('c?')]; }");
    let keys = ["\u{1b}[200~first line\r\nsecond: é\u{1b}[201~\r", "Adx\u{7f}a\r", "one\u{1b}\rtwo\r"];
    let Some(output) = type_at_terminal("terminal", &scene, "runstate run three.ts --id t", &keys) else { return };
    output.expect_exit(0);
    assert_eq!(scene.show("t")["result"], json!(["first line\nsecond: é", "Ada", "one\ntwo"]));
}

#[test]
fn a_line_that_a_deadline_ends_is_not_the_next_answer() {
    let scene = CliFixture::new();
    scene.file("late.ts", "function main() { return [CC('a?', { timeoutMs: 300, default: 'late' }), CC('b?')]; }");
    let line = "runstate run late.ts --id l; stty -a";
    let Some(output) = type_at_terminal("terminal", &scene, line, &["abc", "b\r"]) else { return };
    let output = output.expect_exit(0);
    assert!(output.out.contains("the deadline of the question has passed"), "{}", output.out);
    assert_eq!(scene.show("l")["result"], json!(["late", "b"]));
    assert!(output.out.contains(" icanon") && output.out.contains(" echo "), "{}", output.out);
}

#[test]
fn ctrl_c_at_a_question_says_how_to_continue() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let line = "runstate run greet.ts --id g; echo exit $?; stty -a";
    let Some(output) = type_at_terminal("terminal", &scene, line, &["Ad\u{3}"]) else { return };
    let shown = output.expect_exit(0).out;
    assert!(shown.contains("interrupted; saved work is kept. Continue with: runstate resume g"), "{shown}");
    assert!(shown.contains("exit 130") && shown.contains(" icanon"), "{shown}");
    assert_eq!(scene.status("g"), "waiting_cc");
}

/// Runs `runstate` with `args` on a terminal of this width that has colors.
fn run_at_width(columns: u32, scene: &CliFixture, args: &str) -> Option<CliOutput> {
    let line =
        format!("stty rows 24 cols {columns}; env -u NO_COLOR TERM=xterm {} {args}", env!("CARGO_BIN_EXE_runstate"));
    run_shell_at_terminal("tables", scene, &line, "")
}

/// Creates an execution with a question of several lines, and one with the longest id and program name.
fn long_rows() -> CliFixture {
    let scene = CliFixture::with("greet", GREET);
    scene.file(
        "ask.ts",
        "CC('Is this ready to be merged?\\nThink of the tests, of the words, and of those who read it.')",
    );
    scene.run(&["run", "ask.ts", "--id", "review-of-the-parser"]).expect_exit(3);
    let (name, id) = ("n".repeat(200), "i".repeat(200));
    scene.run(&["run", "ask.ts", "--name", &name, "--id", &id]).expect_exit(3);
    scene
}

fn uncolored(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
}

#[test]
fn a_list_fits_the_terminal() {
    let scene = long_rows();
    for columns in [62, 80, 120, 200] {
        let Some(output) = run_at_width(columns, &scene, "list") else { return };
        let shown = uncolored(&output.expect_exit(0).out).replace('\r', "");
        let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width <= columns as usize), "{columns}: {widths:?}\n{shown}");
        assert!(shown.contains("\nreview-of-the-parser ") && shown.contains("ii…"), "{columns}: {shown}");
        assert!(columns < 100 || shown.contains("Is this ready to be merged?"), "{shown}");
    }
}

#[test]
fn a_piped_list_is_complete_and_not_widened_by_a_huge_row() {
    let output = long_rows().run(&["list"]).expect_exit(0).out;
    assert!(output.contains(&"i".repeat(200)) && output.contains(&"n".repeat(200)), "{output}");
    let line = output.lines().find(|line| line.starts_with("review-")).unwrap();
    let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    assert_eq!((words[0], words[1], words[2]), ("review-of-the-parser", "ask", "waiting_cc"));
    assert!(words[4].ends_with(r"merged?\nThink of the tests, of the words, and of those who read it."), "{line}");
    assert!(line.len() < 200, "{line}");
}

#[test]
fn a_terminal_is_shown_the_newest_fifty() {
    let scene = CliFixture::with("one", "CC('?')");
    for n in 0..51 {
        scene.run(&["start", "one", "--id", &format!("e{n}")]).expect_exit(3);
    }
    let Some(output) = run_at_width(80, &scene, "list") else { return };
    let shown = uncolored(&output.expect_exit(0).out);
    assert!(shown.contains("\ne50 ") && shown.contains("\ne1 ") && !shown.contains("\ne0 "), "{shown}");
    assert!(shown.contains("showing the first 50; use --limit N for more"), "{shown}");
    let Some(output) = run_at_width(80, &scene, "list --limit 51") else { return };
    let shown = uncolored(&output.expect_exit(0).out);
    assert!(shown.contains("\ne0 ") && !shown.contains("--limit"), "{shown}");
    assert_eq!(scene.run(&["list"]).expect_exit(0).out.lines().count(), 52, "piped output is never cut");
}

#[test]
fn colors_are_used_on_terminals_and_on_request() {
    let scene = CliFixture::greeting("g1");
    let colored = |args: &[&str]| scene.run(args).out.contains('\u{1b}');
    assert!(!colored(&["list"]));
    assert!(colored(&["list", "--color", "always"]));
    assert!(!colored(&["list", "--color", "always", "--json"]));
    assert!(colored(&["--color=always", "help"]) && !colored(&["help"]));
    let shown = scene.run(&["show", "g1", "--color", "always"]).expect_exit(0).out;
    assert!(shown.contains("\u{1b}[33mwaiting_cc\u{1b}[0m"), "{shown}");
    assert_eq!(uncolored(&shown), scene.run(&["show", "g1"]).expect_exit(0).out);
    assert!(scene.run(&["show", "missing", "--color", "always"]).expect_exit(5).err.starts_with("\u{1b}["));
    scene.run(&["list", "--color", "purple"]).expect_exit(2).expect_stderr(&["purple", "auto"]);

    let Some(output) = run_at_width(80, &scene, "list") else { return };
    assert!(output.out.contains("\u{1b}[33mwaiting_cc\u{1b}[0m"), "{}", output.out);
    let binary = env!("CARGO_BIN_EXE_runstate");
    for forbidden in ["NO_COLOR=1 TERM=xterm", "NO_COLOR= TERM=dumb"] {
        let output = run_shell_at_terminal("tables", &scene, &format!("env {forbidden} {binary} list"), "").unwrap();
        assert!(!output.expect_exit(0).out.contains('\u{1b}'), "{forbidden}");
    }
    let output = run_at_width(80, &scene, "list --color never").unwrap();
    assert!(!output.expect_exit(0).out.contains('\u{1b}'));
}

#[test]
fn all_that_is_listed_fits_the_terminal() {
    let scene = long_rows();
    let long = "d".repeat(300);
    scene.run(&["load", "ask.ts", "--tag", &long, "--description", &long]).expect_exit(0);
    scene.run(&["start", "ask", "--id", "logged", "--log-level", "instructions"]).expect_exit(3);
    for args in
        ["programs", "calls", "calls logged", "program history ask", "program show ask --bytecode", "logs logged"]
    {
        for columns in [60, 72, 100] {
            let Some(output) = run_at_width(columns, &scene, args) else { return };
            let shown = uncolored(&output.expect_exit(0).out).replace('\r', "");
            let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > columns as usize).collect();
            assert!(wide.is_empty(), "{args} at {columns}: {wide:#?}");
        }
    }
}
