//! Every command as people use it, and its exit code.

use std::io::Write;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{CliFixture, CliOutput, FAILS, GREET, SUM};

#[test]
fn run_drives_a_program_to_its_end_with_answers_from_a_file() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    let output = scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json"]).expect_exit(0);
    assert_snapshot!(output.text());
}

#[test]
fn run_reads_answers_from_a_pipe_by_text_number_or_beginning() {
    for second in ["yes", "1", "y", " YES "] {
        let scene = CliFixture::new();
        scene.file("greet.ts", GREET);
        let output = scene.run_with(&["run", "greet.ts", "--json"], format!("Ada\r\n{second}\n")).expect_exit(0);
        assert_eq!(output.json()["result"], json!({"name": "Ada", "fine": "yes"}));
    }
}

#[test]
fn run_reads_an_array_of_answers_from_standard_input() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts", "--answers", "-"], r#"["Ada", "yes"]"#).expect_exit(0);
}

#[test]
fn run_leaves_standard_input_unread_without_questions() {
    let scene = CliFixture::new();
    scene.file("sum.ts", "'done'");
    let mut shell = scene.configure(std::process::Command::new("sh"), &["-c", r#""$1" run sum.ts --json; cat"#, "sh"]);
    let mut child =
        shell.arg(env!("CARGO_BIN_EXE_runstate")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"for the next one").unwrap();
    let output = CliOutput::from(child.wait_with_output().unwrap()).expect_exit(0);
    assert!(output.out.ends_with("\nfor the next one"), "{}", output.out);
}

#[test]
fn run_takes_the_last_line_of_a_pipe_without_its_end() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts"], "Ada\nno").expect_exit(0);
}

#[test]
fn run_without_answers_exits_waiting_with_a_resume_hint() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(scene.run(&["run", "greet.ts", "--id", "g1"]).expect_exit(3).text(), @"
    ? Who is there?
    --- stderr
    execution g1 of greet
    g1 waits for an answer. Continue with: runstate resume g1
      or answer it with: runstate answer g1 --call [id] --text …
    ");
    scene.run_with(&["resume", "g1"], "Ada\n").expect_exit(3).expect_stderr(&["runstate resume g1"]);
    scene.run_with(&["resume", "g1"], "no\n").expect_exit(0);
}

#[cfg(unix)]
#[test]
fn hints_repeat_the_path_by_which_the_program_was_called() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let binary = env!("CARGO_BIN_EXE_runstate");
    let mut command = scene.configure(std::process::Command::new(binary), &["load", "greet.ts"]);
    // Under `cargo run`, the hint would name cargo.
    let output = CliOutput::from(command.env_remove("CARGO").output().unwrap()).expect_exit(0);
    output.expect_stderr(&[&format!("start it with: {binary} start greet")]);
}

#[test]
fn answers_of_a_file_are_used_in_the_order_of_the_questions() {
    let scene = CliFixture::new();
    let source = r#"
function main() {
  const first = CC.all(["a?", { tool: "t" }, "b?"]);
  sleep(1);
  const then = CC("c?");
  return [first, then].flat().join();
}"#;
    scene.file("many.ts", source);
    scene.file("answers.json", r#"["1", "2", "3", "4"]"#);
    let output = scene.run(&["run", "many.ts", "--id", "m1", "--answers", "answers.json", "--json"]).expect_exit(0);
    assert_eq!(output.json()["result"], "1,2,3,4");
    // The list ends among calls that were made together.
    scene.file("two.json", r#"["1", "2"]"#);
    scene.run(&["run", "many.ts", "--id", "m2", "--answers", "two.json"]).expect_exit(3);
    let output = scene.run(&["resume", "m2", "--answers", "answers.json", "--json"]).expect_exit(0);
    assert_eq!(output.json()["result"], "1,2,3,4");
}

#[test]
fn run_stops_where_the_answers_of_a_file_end_and_resume_skips_those_taken() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.file("one.json", r#"["Ada"]"#);
    scene.file("two.json", r#"["never asked again", "no"]"#);
    scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "one.json"]).expect_exit(3);
    let output = scene.run(&["resume", "g1", "--answers", "two.json", "--json"]).expect_exit(0);
    assert_eq!(output.json()["result"], json!({"name": "Ada", "fine": "no"}));
}

#[test]
fn an_answer_of_a_file_outside_of_the_choices_names_its_question() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "perhaps"]"#);
    let run = ["run", "greet.ts", "--id", "g1", "--answers", "answers.json"];
    scene.run(&run).expect_exit(5).expect_stderr(&["All fine?", r#""yes", "no""#]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_of_a_pipe_outside_of_the_choices_names_its_question() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts"], "Ada\nperhaps\n").expect_exit(5).expect_stderr(&["All fine?", "yes, no"]);
}

#[test]
fn a_refused_answer_names_the_execution_and_how_to_resume() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let run = ["run", "greet.ts", "--id", "g1"];
    scene.run_with(&run, "Ada\nperhaps\n").expect_exit(5).expect_stderr(&["Continue with: runstate resume g1"]);
    let refused = scene.run_with(&["resume", "g1", "--json"], "perhaps\n").expect_exit(5).json();
    assert_eq!((&refused["error"]["execution"], &refused["error"]["code"]), (&json!("g1"), &json!("invalid_answer")));
    scene.file("answers.json", r#"["Ada", "perhaps"]"#);
    let refused = scene.run(&["run", "greet.ts", "--json", "--answers", "answers.json"]).expect_exit(5).json();
    let made = refused["error"]["execution"].as_str().unwrap();
    scene.run_with(&["resume", made], "no\n").expect_exit(0);
}

#[test]
fn run_under_an_id_that_exists_says_to_resume() {
    let scene = CliFixture::greeting("g1");
    let output = scene.run(&["run", "greet.ts", "--id", "g1", "--store", "file:store"]).expect_exit(5);
    output.expect_stderr(&["`g1` already exists", "runstate --store file:store resume g1"]);
    assert_eq!(scene.run(&["run", "greet.ts", "--id", "g1", "--json"]).expect_exit(5).error_code(), "already_exists");
}

#[test]
fn run_gives_the_program_its_input() {
    let scene = CliFixture::new();
    scene.file("sum.ts", SUM);
    let output = scene.run(&["run", "sum.ts", "--input", r#"{"a": 20, "b": 22}"#, "--id", "s"]).expect_exit(0);
    assert_snapshot!(output.text(), @"
    adding
    = 42
    --- stderr
    execution s of sum
    s is complete
    ");
}

#[test]
fn run_of_a_program_that_fails_says_where() {
    let scene = CliFixture::new();
    scene.file("fails.ts", FAILS);
    let output = scene.run(&["run", "fails.ts", "--id", "f"]).expect_exit(1);
    assert_eq!(output.out, "before\n");
    output.expect_stderr(&[
        "f failed at line 3, column",
        "TypeError",
        "Cannot read properties of null (reading 'name')",
    ]);
}

#[test]
fn an_id_that_is_not_given_is_made_and_printed() {
    let scene = CliFixture::new();
    scene.file("sum.ts", "'done'");
    assert_snapshot!(scene.run(&["run", "sum.ts"]).expect_exit(0).text(), @"
    --- stderr
    execution [id] of sum
    [id] is complete
    ");
}

#[test]
fn load_makes_a_version_of_each_changed_source() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(scene.run(&["load", "greet.ts"]).expect_exit(0).text(), @"
    greet (version 1)
    --- stderr
    start it with: runstate start greet
    ");
    assert_eq!(scene.run(&["load", "greet.ts"]).expect_exit(0).out, "greet (version 1)\n");
    scene.file("greet.ts", SUM);
    assert_eq!(scene.run(&["load", "greet.ts"]).expect_exit(0).out, "greet (version 2)\n");
    assert_eq!(scene.run(&["load", "greet.ts", "--name", "other"]).expect_exit(0).out, "other (version 1)\n");
}

#[test]
fn start_and_answer_go_from_question_to_question() {
    let scene = CliFixture::with("greet", GREET);
    let started = scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let first = scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    let second = scene.run(&["answer", "g1", "--text", "no"]).expect_exit(0);
    assert_snapshot!([started, first, second].map(|output| output.text()).join("\n"));
}

#[test]
fn next_reports_the_status_of_an_execution() {
    let scene = CliFixture::greeting("g1");
    let output = scene.run(&["next", "g1"]).expect_exit(3);
    assert!(output.out.contains("? Who is there?"), "{}", output.out);
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    scene.run(&["answer", "g1", "--text", "no"]).expect_exit(0);
    scene.run(&["next", "g1"]).expect_exit(0);
}

#[test]
fn an_answer_may_be_json_a_file_or_standard_input() {
    let scene = CliFixture::with("echo", "function main() { return [CC('a'), CC('b'), CC('c')] }");
    scene.file("answer.txt", "from a file\r\n");
    scene.run(&["start", "echo", "--id", "e"]).expect_exit(3);
    scene.run(&["answer", "e", "--json-value", r#"{"score": [1, 2.5, null]}"#]).expect_exit(3);
    scene.run(&["answer", "e", "--file", "answer.txt"]).expect_exit(3);
    let output = scene.run_with(&["answer", "e", "--file", "-", "--json"], "two\nlines\n").expect_exit(0);
    assert_eq!(output.json()["result"], json!([{"score": [1, 2.5, null]}, "from a file", "two\nlines"]));
}

#[test]
fn an_answer_may_begin_with_a_dash() {
    let scene = CliFixture::with("echo", "function main() { return [CC('a'), CC('b')] }");
    scene.run(&["start", "echo", "--id", "-e"]).expect_exit(3);
    scene.run(&["answer", "--text", "--no", "--", "-e"]).expect_exit(3);
    let output = scene.run(&["answer", "--json-value", "-1", "--json", "--", "-e"]).expect_exit(0);
    assert_eq!(output.json()["result"], json!(["--no", -1]));
}

#[test]
fn resume_continues_and_shows_recent_output() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    assert_snapshot!(scene.run_with(&["resume", "g1"], "no\n").expect_exit(0).text(), @r#"
    Hello, Ada
    ? All fine?
      1) yes
      2) no
    > no
    noted: no
    = {"name":"Ada","fine":"no"}
    --- stderr
    g1 is complete
    "#);
    scene.run(&["resume", "g1"]).expect_exit(0);
}

#[test]
fn show_prints_every_part_of_an_execution() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    let output = scene.run(&["show", "g1"]).expect_exit(0).text();
    let lines = output.lines().filter(|line| !line.starts_with("instructions ") && !line.starts_with("at  "));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn output_prints_every_line() {
    let scene = CliFixture::with(
        "lines",
        "for (let i = 1; i <= 300; i++) console.log(`line ${i}`); console.log('a\\nb'); console.log('')",
    );
    scene.run(&["start", "lines", "--id", "l"]).expect_exit(0);
    let lines: String = (1..=300).map(|i| format!("line {i}\n")).collect();
    assert_eq!(scene.run(&["output", "l"]).expect_exit(0).out, format!("{lines}a\nb\n\n"));
    let values = scene.run(&["output", "l", "--json"]).expect_exit(0).values();
    assert_eq!(values.len(), 302);
    assert_eq!(values[300..], ["a\nb", ""]);
}

#[test]
fn list_finds_executions_by_status_and_program() {
    let scene = CliFixture::with("greet", GREET);
    scene.file("sum.ts", "1 + 1");
    assert_eq!(scene.run(&["list"]).expect_exit(0).err, "no executions\n");
    for id in ["a", "b"] {
        scene.run(&["start", "greet", "--id", id]).expect_exit(3);
    }
    scene.run(&["run", "sum.ts", "--id", "c"]).expect_exit(0);
    let ids = |args: &[&str]| -> Vec<String> {
        let output = scene.run(&[&["list", "--json"], args].concat()).expect_exit(0);
        output.values().iter().map(|v| v["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]).len(), 3);
    assert_eq!(ids(&["--status", "complete"]), ["c"]);
    assert_eq!(ids(&["--status", "waiting"]).len(), 2);
    assert_eq!(ids(&["--program", "sum"]), ["c"]);
    let first = ids(&["--limit", "1"]);
    assert_eq!(first.len(), 1);
    assert_eq!(first, ids(&[])[..1]);
    assert_snapshot!(scene.run(&["list", "--program", "greet", "--limit", "1"]).expect_exit(0).text().replace("\nb ", "\na "), @"
    ID  PROGRAM  STATUS      STARTED               QUESTION
    a   greet    waiting_cc  [time]  Who is there?
    ");
}

#[test]
fn verify_says_that_a_store_is_whole() {
    let scene = CliFixture::greeting("g1");
    assert!(
        scene
            .run(&["verify"])
            .expect_exit(0)
            .text()
            .starts_with("the store at store is intact: 8 documents, 3 commits")
    );
    assert_eq!(scene.run(&["verify", "--json"]).expect_exit(0).json()["ok"], true);
    assert!(scene.run(&["repair"]).expect_exit(0).text().contains("there is nothing to repair"));
}

#[test]
fn compact_keeps_live_data_and_info_prints_sizes() {
    let scene = CliFixture::greeting("g1");
    let files = || scene.run(&["info", "--json"]).expect_exit(0).json()["files"].clone();
    let (before, hash) = (files(), scene.run(&["show", "g1", "--json"]).json()["stateHash"].clone());
    assert_eq!((before["snapshot"].as_u64(), before["commits"].as_u64()), (Some(0), Some(3)));
    assert!(scene.run(&["compact"]).expect_exit(0).text().contains("compacted into snapshot 3"));
    let after = files();
    assert_eq!((after["snapshot"].as_u64(), after["commits"].as_u64()), (Some(3), Some(0)));
    assert!(scene.run(&["info"]).expect_exit(0).text().contains("snapshot 3: "));
    assert_eq!(scene.run(&["show", "g1", "--json"]).json()["stateHash"], hash);
    scene.run(&["compact", "--store", "memory:"]).expect_exit(4).expect_stderr(&["is not a file store"]);
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
}

#[test]
fn every_command_has_help_with_an_example() {
    let scene = CliFixture::new();
    let listed = scene.run(&["help", "all"]).expect_exit(0).out;
    let commands: Vec<&str> = listed
        .lines()
        .take_while(|line| *line != "store:")
        .filter(|line| line.starts_with("  ") && line.as_bytes()[2].is_ascii_lowercase())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 40, "{listed}");
    let domains = ["apps", "store", "due", "documents", "runs", "sessions", "fleet", "budget"];
    for command in commands.into_iter().chain(domains) {
        let output = scene.run(&[command, "--help"]).expect_exit(0);
        assert!(
            output.out.contains("Example") && output.out.contains(&format!("runstate {command}")),
            "{}",
            output.out
        );
    }
    assert!(scene.run(&["--version"]).expect_exit(0).out.starts_with("runstate 0."));
    assert!(listed.contains("Exit codes") && listed.contains("\nfleet:\n") && listed.contains("\n  hub "), "{listed}");
}

#[test]
fn the_help_has_forty_lines_and_names_the_domains() {
    let scene = CliFixture::new();
    let help = scene.run(&["--help"]).expect_exit(0).out;
    assert!(help.lines().count() <= 40, "{help}");
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    for same in [&["-h"][..], &["help"], &[], &["--store", "memory:"]] {
        assert_eq!(scene.run(same).expect_exit(0).out, help, "{same:?}");
    }
    let groups: Vec<&str> = help.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    assert_eq!(groups, ["Programs:", "Runs:", "Questions:", "Stores:", "Options:"]);
    assert!(help.contains("\nMore: runstate help store|due|documents|runs|sessions|apps|budget|fleet|all\n"), "{help}");
    let budget = scene.run(&["help", "budget"]).expect_exit(0).out;
    assert!(budget.contains("\n  create ") && budget.contains("\n  reservation  "), "{budget}");
}

#[test]
fn without_a_command_what_waits_is_shown() {
    let scene = CliFixture::greeting("g");
    let call = scene.show("g")["calls"][0]["id"].as_str().unwrap().to_owned();
    let shown = scene.run(&[]).expect_exit(0).out;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("g (greet), ") && lines[0].ends_with(": Who is there?"), "{shown}");
    assert_eq!(lines[1], format!("  runstate answer g --call {call} --text …"));
    assert_eq!(lines[2..], ["1 waiting_cc: runstate list --active", "all commands: runstate --help"]);
    assert_eq!(scene.run(&["--json"]).expect_exit(2).error_code(), "usage");
    let others = ["a", "b", "c", "d", "e", "f"];
    for id in others {
        scene.run(&["start", "greet", "--id", id]).expect_exit(3);
    }
    let shown = scene.run(&[]).expect_exit(0).out;
    assert!(shown.starts_with("g (greet), ") && shown.lines().count() <= 20, "{shown}");
    assert!(shown.contains("\n2 more questions: runstate questions\n7 waiting_cc: "), "{shown}");
    scene.run(&[&["cancel", "g"][..], &others].concat()).expect_exit(0);
    assert_eq!(scene.run(&[]).expect_exit(0).out, scene.run(&["--help"]).out);
}

#[test]
fn every_shell_has_a_completion_script() {
    let scene = CliFixture::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = scene.run(&["completions", shell]).expect_exit(0);
        assert!(output.out.contains("unpause") && output.out.contains("command-id"), "{shell}");
        assert_eq!(scene.run(&["completions", shell, "--json"]).expect_exit(0).json(), output.out.trim_end());
    }
    scene.run(&["completions", "tcsh"]).expect_exit(2).expect_stderr(&["tcsh", "bash"]);
}

#[test]
fn a_closed_output_pipe_is_not_an_error() {
    let scene = CliFixture::with("lines", "for (let i = 0; i < 50000; i++) console.log('some line of output')");
    scene.run(&["start", "lines", "--id", "l", "--json"]).expect_exit(0);
    let mut child = scene.spawn(&["output", "l"], Stdio::null());
    drop(child.stdout.take());
    let output = CliOutput::from(child.wait_with_output().unwrap()).expect_exit(141);
    assert_eq!(output.err, "");
}

#[test]
fn control_characters_are_printed_as_escapes() {
    let scene = CliFixture::new();
    let source = r#"
        console.log("a\x1b[2Jb\nc");
        CC("Sure?\x1b]0;t\x07\n  1) yes", { choices: ["\u202Eno", "y"] });
        throw new Error("\x1b[1m");
    "#;
    scene.file("esc.ts", source);
    let commands: [&[&str]; 6] = [
        &["run", "esc.ts", "--id", "e"],
        &["list"],
        &["show", "e"],
        &["output", "e"],
        &["resume", "e"],
        &["answer", "e", "--text", "\u{1b}"],
    ];
    for command in commands {
        let output = scene.run(command);
        let all = format!("{}{}", output.out, output.err);
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{command:?}: {all:?}");
        // A rejected answer is printed as JSON, which has escapes of its own.
        assert!(all.contains(r"\u{") || all.contains(r"\u001b"), "{command:?}: {all}");
    }
    let shown = scene.run(&["show", "e"]).expect_exit(0).out;
    assert!(shown.contains("  a\\u{1b}[2Jb\n    c\n"), "{shown}");
    assert!(shown.contains("\n    1) yes\n  1) \\u{202e}no\n"), "{shown}");
    assert_eq!(scene.show("e")["output"][0], "a\u{1b}[2Jb\nc");
    scene.run(&["answer", "e", "--text", "y"]).expect_exit(1).expect_stderr(&[r"Error: \u{1b}[1m"]);
}
