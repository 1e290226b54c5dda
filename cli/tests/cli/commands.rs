//! Every command as people use it, and how it ends.

use std::io::Write;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::json;

use super::support::{FAILS, GREET, SUM, Said, Scene};

#[test]
fn run_drives_a_program_to_its_end_with_answers_from_a_file() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    let said = scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json"]).ended(0);
    assert_snapshot!(said.text());
}

#[test]
fn run_reads_answers_from_a_pipe_by_text_number_or_beginning() {
    for second in ["yes", "1", "y", " YES "] {
        let scene = Scene::new();
        scene.file("greet.ts", GREET);
        let said = scene.run_with(&["run", "greet.ts", "--json"], format!("Ada\r\n{second}\n")).ended(0);
        assert_eq!(said.json()["result"], json!({"name": "Ada", "fine": "yes"}));
    }
}

#[test]
fn run_takes_an_array_of_answers_from_standard_input_where_told_so() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts", "--answers", "-"], r#"["Ada", "yes"]"#).ended(0);
}

#[test]
fn run_leaves_standard_input_to_others_where_nothing_is_asked() {
    let scene = Scene::new();
    scene.file("sum.ts", "'done'");
    let mut shell = scene.prepared(std::process::Command::new("sh"), &["-c", r#""$1" run sum.ts --json; cat"#, "sh"]);
    let mut child =
        shell.arg(env!("CARGO_BIN_EXE_runstate")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"for the next one").unwrap();
    let said = Said::from(child.wait_with_output().unwrap()).ended(0);
    assert!(said.out.ends_with("\nfor the next one"), "{}", said.out);
}

#[test]
fn run_takes_the_last_line_of_a_pipe_without_its_end() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts"], "Ada\nno").ended(0);
}

#[test]
fn run_waits_where_nobody_answers_and_says_how_to_go_on() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(scene.run(&["run", "greet.ts", "--id", "g1"]).ended(3).text(), @"
    ? Who is there?
    --- stderr
    execution g1 of greet
    g1 waits for an answer. Go on with: runstate resume g1
      or answer it with: runstate answer g1 --text …
    ");
    scene.run_with(&["resume", "g1"], "Ada\n").ended(3).explains(&["runstate resume g1"]);
    scene.run_with(&["resume", "g1"], "no\n").ended(0);
}

#[test]
fn answers_of_a_file_go_to_questions_asked_together_and_one_by_one_in_order() {
    let scene = Scene::new();
    let source = r#"
function main() {
  const first = CC.all(["a?", { tool: "t" }, "b?"]);
  sleep(1);
  const then = CC("c?");
  return [first, then].flat().join();
}"#;
    scene.file("many.ts", source);
    scene.file("answers.json", r#"["1", "2", "3", "4"]"#);
    let said = scene.run(&["run", "many.ts", "--id", "m1", "--answers", "answers.json", "--json"]).ended(0);
    assert_eq!(said.json()["result"], "1,2,3,4");
    // Cut off among those that were asked together.
    scene.file("two.json", r#"["1", "2"]"#);
    scene.run(&["run", "many.ts", "--id", "m2", "--answers", "two.json"]).ended(3);
    let said = scene.run(&["resume", "m2", "--answers", "answers.json", "--json"]).ended(0);
    assert_eq!(said.json()["result"], "1,2,3,4");
}

#[test]
fn run_stops_where_the_answers_of_a_file_end_and_resume_skips_those_taken() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.file("one.json", r#"["Ada"]"#);
    scene.file("two.json", r#"["never asked again", "no"]"#);
    scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "one.json"]).ended(3);
    let said = scene.run(&["resume", "g1", "--answers", "two.json", "--json"]).ended(0);
    assert_eq!(said.json()["result"], json!({"name": "Ada", "fine": "no"}));
}

#[test]
fn an_answer_of_a_file_outside_of_the_choices_names_its_question() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "perhaps"]"#);
    let run = ["run", "greet.ts", "--id", "g1", "--answers", "answers.json"];
    scene.run(&run).ended(5).explains(&["All fine?", r#""yes", "no""#]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_of_a_pipe_outside_of_the_choices_names_its_question() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts"], "Ada\nperhaps\n").ended(5).explains(&["All fine?", "yes, no"]);
}

#[test]
fn a_refused_answer_tells_the_execution_and_how_to_go_on() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let run = ["run", "greet.ts", "--id", "g1"];
    scene.run_with(&run, "Ada\nperhaps\n").ended(5).explains(&["Go on with: runstate resume g1"]);
    let refused = scene.run_with(&["resume", "g1", "--json"], "perhaps\n").ended(5).json();
    assert_eq!((&refused["error"]["execution"], &refused["error"]["code"]), (&json!("g1"), &json!("invalid_answer")));
    scene.file("answers.json", r#"["Ada", "perhaps"]"#);
    let refused = scene.run(&["run", "greet.ts", "--json", "--answers", "answers.json"]).ended(5).json();
    let made = refused["error"]["execution"].as_str().unwrap();
    scene.run_with(&["resume", made], "no\n").ended(0);
}

#[test]
fn run_under_an_id_that_exists_says_to_resume() {
    let scene = Scene::greeting("g1");
    let said = scene.run(&["run", "greet.ts", "--id", "g1", "--store", "file:store"]).ended(5);
    said.explains(&["`g1` exists already", "runstate --store file:store resume g1"]);
    assert_eq!(scene.run(&["run", "greet.ts", "--id", "g1", "--json"]).ended(5).error_code(), "already_exists");
}

#[test]
fn run_gives_the_program_its_input() {
    let scene = Scene::new();
    scene.file("sum.ts", SUM);
    let said = scene.run(&["run", "sum.ts", "--input", r#"{"a": 20, "b": 22}"#, "--id", "s"]).ended(0);
    assert_snapshot!(said.text(), @"
    adding
    = 42
    --- stderr
    execution s of sum
    s is complete
    ");
}

#[test]
fn run_of_a_program_that_fails_says_where() {
    let scene = Scene::new();
    scene.file("fails.ts", FAILS);
    let said = scene.run(&["run", "fails.ts", "--id", "f"]).ended(1);
    assert_eq!(said.out, "before\n");
    said.explains(&["f failed at line 3, column", "TypeError", "Cannot read properties of null (reading 'name')"]);
}

#[test]
fn an_id_that_is_not_given_is_made_and_printed() {
    let scene = Scene::new();
    scene.file("sum.ts", "'done'");
    assert_snapshot!(scene.run(&["run", "sum.ts"]).ended(0).text(), @"
    --- stderr
    execution [id] of sum
    [id] is complete
    ");
}

#[test]
fn load_makes_a_version_of_each_changed_source() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(scene.run(&["load", "greet.ts"]).ended(0).text(), @"
    greet (version 1)
    --- stderr
    start it with: runstate start greet
    ");
    assert_eq!(scene.run(&["load", "greet.ts"]).ended(0).out, "greet (version 1)\n");
    scene.file("greet.ts", SUM);
    assert_eq!(scene.run(&["load", "greet.ts"]).ended(0).out, "greet (version 2)\n");
    assert_eq!(scene.run(&["load", "greet.ts", "--name", "other"]).ended(0).out, "other (version 1)\n");
}

#[test]
fn start_and_answer_go_from_question_to_question() {
    let scene = Scene::with("greet", GREET);
    let started = scene.run(&["start", "greet", "--id", "g1"]).ended(3);
    let first = scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    let second = scene.run(&["answer", "g1", "--text", "no"]).ended(0);
    assert_snapshot!([started, first, second].map(|said| said.text()).join("\n"));
}

#[test]
fn next_tells_how_an_execution_stands() {
    let scene = Scene::greeting("g1");
    let said = scene.run(&["next", "g1"]).ended(3);
    assert!(said.out.contains("? Who is there?"), "{}", said.out);
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    scene.run(&["answer", "g1", "--text", "no"]).ended(0);
    scene.run(&["next", "g1"]).ended(0);
}

#[test]
fn an_answer_may_be_json_a_file_or_standard_input() {
    let scene = Scene::with("echo", "function main() { return [CC('a'), CC('b'), CC('c')] }");
    scene.file("answer.txt", "from a file\r\n");
    scene.run(&["start", "echo", "--id", "e"]).ended(3);
    scene.run(&["answer", "e", "--json-value", r#"{"score": [1, 2.5, null]}"#]).ended(3);
    scene.run(&["answer", "e", "--file", "answer.txt"]).ended(3);
    let said = scene.run_with(&["answer", "e", "--file", "-", "--json"], "two\nlines\n").ended(0);
    assert_eq!(said.json()["result"], json!([{"score": [1, 2.5, null]}, "from a file", "two\nlines"]));
}

#[test]
fn an_answer_may_begin_with_a_dash() {
    let scene = Scene::with("echo", "function main() { return [CC('a'), CC('b')] }");
    scene.run(&["start", "echo", "--id", "-e"]).ended(3);
    scene.run(&["answer", "--text", "--no", "--", "-e"]).ended(3);
    let said = scene.run(&["answer", "--json-value", "-1", "--json", "--", "-e"]).ended(0);
    assert_eq!(said.json()["result"], json!(["--no", -1]));
}

#[test]
fn resume_goes_on_where_the_execution_is_and_recalls_what_it_printed() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    assert_snapshot!(scene.run_with(&["resume", "g1"], "no\n").ended(0).text(), @r#"
    Hello, Ada
    ? All fine?
      1) yes
      2) no
    > no
    noted: no
    = {"fine":"no","name":"Ada"}
    --- stderr
    g1 is complete
    "#);
    scene.run(&["resume", "g1"]).ended(0);
}

#[test]
fn show_tells_all_of_an_execution() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    let said = scene.run(&["show", "g1"]).ended(0).text();
    let lines = said.lines().filter(|line| !line.starts_with("instructions ") && !line.starts_with("at  "));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn output_prints_every_line() {
    let scene = Scene::with(
        "lines",
        "for (let i = 1; i <= 300; i++) console.log(`line ${i}`); console.log('a\\nb'); console.log('')",
    );
    scene.run(&["start", "lines", "--id", "l"]).ended(0);
    let lines: String = (1..=300).map(|i| format!("line {i}\n")).collect();
    assert_eq!(scene.run(&["output", "l"]).ended(0).out, format!("{lines}a\nb\n\n"));
    let values = scene.run(&["output", "l", "--json"]).ended(0).values();
    assert_eq!(values.len(), 302);
    assert_eq!(values[300..], ["a\nb", ""]);
}

#[test]
fn list_finds_executions_by_status_and_program() {
    let scene = Scene::with("greet", GREET);
    scene.file("sum.ts", "1 + 1");
    assert_eq!(scene.run(&["list"]).ended(0).err, "no executions\n");
    for id in ["a", "b"] {
        scene.run(&["start", "greet", "--id", id]).ended(3);
    }
    scene.run(&["run", "sum.ts", "--id", "c"]).ended(0);
    let ids = |args: &[&str]| -> Vec<String> {
        let said = scene.run(&[&["list", "--json"], args].concat()).ended(0);
        said.values().iter().map(|v| v["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]).len(), 3);
    assert_eq!(ids(&["--status", "complete"]), ["c"]);
    assert_eq!(ids(&["--status", "waiting"]).len(), 2);
    assert_eq!(ids(&["--program", "sum"]), ["c"]);
    let first = ids(&["--limit", "1"]);
    assert_eq!(first.len(), 1);
    assert_eq!([first.clone(), ids(&["--after", &first[0]])].concat(), ids(&[]));
    scene.run(&["list", "--after", "nobody"]).ended(5).explains(&["nobody"]);
    assert_snapshot!(scene.run(&["list", "--program", "greet", "--limit", "1"]).ended(0).text().replace("\nb ", "\na "), @"
    ID  PROGRAM  STATUS      STARTED               QUESTION
    a   greet    waiting_cc  [time]  Who is there?
    ");
}

#[test]
fn verify_says_that_a_store_is_whole() {
    let scene = Scene::greeting("g1");
    assert!(scene.run(&["verify"]).ended(0).text().starts_with("the store at store is whole: 8 documents, 3 commits"));
    assert_eq!(scene.run(&["verify", "--json"]).ended(0).json()["ok"], true);
    assert!(scene.run(&["repair"]).ended(0).text().contains("there is nothing to repair"));
}

#[test]
fn compact_leaves_what_lives_and_info_tells_the_sizes() {
    let scene = Scene::greeting("g1");
    let files = || scene.run(&["info", "--json"]).ended(0).json()["files"].clone();
    let (before, hash) = (files(), scene.run(&["show", "g1", "--json"]).json()["stateHash"].clone());
    assert_eq!((before["snapshot"].as_u64(), before["commits"].as_u64()), (Some(0), Some(3)));
    assert!(scene.run(&["compact"]).ended(0).text().contains("rests on snapshot 3"));
    let after = files();
    assert_eq!((after["snapshot"].as_u64(), after["commits"].as_u64()), (Some(3), Some(0)));
    assert!(scene.run(&["info"]).ended(0).text().contains("snapshot 3: "));
    assert_eq!(scene.run(&["show", "g1", "--json"]).json()["stateHash"], hash);
    scene.run(&["compact", "--store", "memory:"]).ended(4).explains(&["no store on files"]);
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
}

#[test]
fn every_command_has_help_with_an_example() {
    let scene = Scene::new();
    let listed = scene.run(&["--help"]).ended(0).out;
    let commands: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && line.as_bytes()[2].is_ascii_lowercase())
        .take_while(|line| !line.starts_with("  runstate "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 20, "{listed}");
    for command in commands {
        let said = scene.run(&[command, "--help"]).ended(0);
        assert!(said.out.contains("Example") && said.out.contains(&format!("runstate {command}")), "{}", said.out);
    }
    assert!(scene.run(&["--version"]).ended(0).out.starts_with("runstate 0."));
    assert!(scene.run(&["--help"]).ended(0).out.contains("Exit codes"));
}

#[test]
fn without_a_command_the_commands_are_shown_in_groups() {
    let said = Scene::new().run(&[]).ended(2);
    let groups: Vec<&str> = said.err.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    let expected =
        ["Programs:", "Executions:", "Calls and workers:", "Stores:", "This command line:", "Options:", "Examples:"];
    assert_eq!(groups, expected);
}

#[test]
fn every_shell_is_told_how_to_complete() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = scene.run(&["completions", shell]).ended(0);
        assert!(said.out.contains("unpause") && said.out.contains("command-id"), "{shell}");
        assert_eq!(scene.run(&["completions", shell, "--json"]).ended(0).json(), said.out.trim_end());
    }
    scene.run(&["completions", "tcsh"]).ended(2).explains(&["tcsh", "bash"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::with("lines", "for (let i = 0; i < 50000; i++) console.log('some line of output')");
    scene.run(&["start", "lines", "--id", "l", "--json"]).ended(0);
    let mut child = scene.spawn(&["output", "l"], Stdio::null());
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().unwrap()).ended(141);
    assert_eq!(said.err, "");
}

#[test]
fn what_would_command_a_terminal_is_shown_to_people_as_escapes() {
    let scene = Scene::new();
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
        let said = scene.run(command);
        let all = format!("{}{}", said.out, said.err);
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{command:?}: {all:?}");
        // An answer that is refused is shown as JSON, which has escapes of its own.
        assert!(all.contains(r"\u{") || all.contains(r"\u001b"), "{command:?}: {all}");
    }
    let shown = scene.run(&["show", "e"]).ended(0).out;
    assert!(shown.contains("  a\\u{1b}[2Jb\n    c\n"), "{shown}");
    assert!(shown.contains("\n    1) yes\n  1) \\u{202e}no\n"), "{shown}");
    assert_eq!(scene.show("e")["output"][0], "a\u{1b}[2Jb\nc");
    scene.run(&["answer", "e", "--text", "y"]).ended(1).explains(&[r"Error: \u{1b}[1m"]);
}
