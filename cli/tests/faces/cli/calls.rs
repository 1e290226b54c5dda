//! `calls`, and answers by call, by key, and with several open calls.

use insta::assert_snapshot;
use runstate::client::Cvm;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

#[cfg(target_os = "linux")]
use super::terminal::run_at_terminal;
use crate::support::{CliFixture, GREET, block_on};

/// Asks two questions at once, then one by key, calls a tool, then sleeps.
const MANY: &str = r#"
const [ready, size] = CC.all([
  { prompt: "Ready?", choices: ["yes", "no"] },
  { prompt: "How large?", schema: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
    timeoutMs: 600000, default: { n: 0 } },
]);
console.log(ready, size.n);
console.log(CC("Your verdict?", { key: "verdict" }));
console.log(call("mail", { to: "ada" }));
sleep(600000);
"#;

/// Creates a fixture with an execution of [`MANY`] that waits for its first two answers.
fn waiting_calls() -> CliFixture {
    let scene = CliFixture::with("many", MANY);
    scene.run(&["start", "many", "--id", "m"]).expect_exit(3);
    scene
}

/// Returns the ids of the open calls.
fn open_call_ids(scene: &CliFixture) -> Vec<String> {
    let calls = scene.show("m")["calls"].clone();
    calls.as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_ambiguous_answer_lists_every_open_call() {
    let scene = waiting_calls();
    let [first, second] = open_call_ids(&scene).try_into().unwrap();
    let named = format!("or answer it with: runstate answer m --call {first} --text …");
    scene.run(&["next", "m"]).expect_exit(3).expect_stderr(&[&named]);
    let output = scene.run(&["answer", "m", "--text", "yes"]).expect_exit(5);
    output.expect_stderr(&[
        "execution `m` has 2 open calls",
        &format!("Ready?\n    runstate answer m --call {first} --text …"),
        &format!("How large?\n    runstate answer m --call {second} --json-value …"),
    ]);
    let error = scene.run(&["answer", "m", "--text", "yes", "--json"]).expect_exit(5).json()["error"].clone();
    assert_eq!((&error["code"], &error["details"]["calls"][1]["id"]), (&json!("ambiguous_call"), &json!(second)));
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).expect_exit(3);
    // One open call is left, so the answer need not name it.
    let output = scene.run(&["answer", "m", "--json-value", r#"{"n": 3}"#]).expect_exit(3);
    assert!(output.out.starts_with("yes 3\n? Your verdict?\n"), "{}", output.out);
}

#[test]
fn open_questions_are_counted_and_calls_show_arguments_and_answers() {
    let scene = waiting_calls();
    scene.run(&["resume", "m"]).expect_exit(3).expect_stderr(&["to the first of 2 questions that are open"]);
    let list = scene.run(&["list"]).expect_exit(0).out;
    assert!(list.contains("  OPEN  QUESTION\n") && list.contains("   2  Ready?\n"), "{list}");
    let [first, _] = open_call_ids(&scene).try_into().unwrap();
    let answered = scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).expect_exit(3);
    answered.expect_stderr(&["? Ready?\n> yes\n"]);
    assert!(!scene.run(&["list"]).expect_exit(0).out.contains("OPEN"), "one question is shown");
    scene.run(&["answer", "m", "--json-value", r#"{"n": 3}"#]).expect_exit(3);
    let calls = scene.run(&["calls", "m"]).expect_exit(0).out;
    assert!(calls.contains(" ANSWER ") && calls.contains(" yes ") && calls.contains("{\"n\":3}"), "{calls}");
}

#[test]
fn many_open_calls_are_not_all_listed() {
    let source = "async function main() { await Promise.all(Array.from({ length: 60 }, (_, n) => ask(n))); } \
                  async function ask(n) { return await CC(`question ${n}?`); }";
    let scene = CliFixture::with("many", source);
    scene.run(&["start", "many", "--id", "m"]).expect_exit(3);
    if scene.show("m")["calls"].as_array().unwrap().len() < 60 {
        panic!("{}", scene.show("m")["calls"]);
    }
    let shown = scene.run(&["show", "m"]).expect_exit(0);
    assert_eq!(shown.out.matches("\n? question ").count(), 20);
    shown.expect_stderr(&["40 more calls are open; to see them: runstate calls m --open"]);
    let refused = scene.run(&["answer", "m", "--text", "x"]).expect_exit(5);
    assert_eq!(refused.err.matches("runstate answer m --call ").count(), 20);
    refused.expect_stderr(&["and 40 more; to see them: runstate calls m --open"]);
}

#[test]
fn an_answer_by_key_may_come_before_its_question() {
    let scene = waiting_calls();
    // Nor does it have to follow the start: it is sent again.
    let unknown = scene.run(&["answer", "unknown", "--key", "verdict", "--text", "fine", "--json"]).json();
    assert_eq!((&unknown["error"]["code"], &unknown["error"]["retryable"]), (&json!("not_found"), &json!(true)));
    let early = scene.run(&["answer", "m", "--key", "verdict", "--text", "fine", "--by", "ada"]).expect_exit(3);
    early.expect_stderr(&["the answer under `verdict` is stored until m asks for it"]);
    let again = ["answer", "m", "--key", "verdict", "--occurrence", "1", "--text", "other", "--json"];
    assert_eq!(scene.run(&again).expect_exit(5).error_code(), "already_answered");
    // Without a number it is for the next call.
    scene.run(&["answer", "m", "--key", "verdict", "--text", "more"]).expect_exit(3);
    assert_eq!(scene.run(&again).expect_exit(5).error_code(), "already_answered");
    let [first, second] = open_call_ids(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).expect_exit(3);
    let output = scene.run(&["answer", "m", "--call", &second, "--json-value", r#"{"n": 3}"#]).expect_exit(3);
    assert_eq!(output.out, "yes 3\nfine\n");
    output.expect_stderr(&["m waits for a worker"]);
    let calls = scene.run(&["calls", "m", "--json"]).expect_exit(0).values();
    let verdict = calls.iter().find(|call| call["prompt"] == "Your verdict?").unwrap();
    assert_eq!(
        (&verdict["response"]["by"], &verdict["response"]["result"], &verdict["key"]),
        (&json!("ada"), &json!("fine"), &json!("verdict"))
    );
    scene.run(&["answer", "m", "--call", "c", "--key", "k", "--text", "x"]).expect_exit(2).expect_stderr(&["--key"]);
    scene.run(&["answer", "m", "--occurrence", "2", "--text", "x"]).expect_exit(2).expect_stderr(&["--key"]);
}

#[test]
fn show_lists_open_calls_and_their_workers() {
    let scene = waiting_calls();
    let output = scene.run(&["show", "m"]).expect_exit(0).out;
    assert_eq!(output.lines().filter(|line| line.starts_with("call  ")).count(), 2, "{output}");
    for line in ["  1) yes\n", "  expected: an object with \"n\" (integer), as JSON\n", " (in 10m), then {\"n\":0}\n"] {
        assert!(output.contains(line), "`{line}` is missing in: {output}");
    }
    let [first, second] = open_call_ids(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &second, "--json-value", r#"{"n": 3}"#]).expect_exit(3);
    scene.run(&["answer", "m", "--call", &first, "--text", "no"]).expect_exit(3);
    scene.run(&["answer", "m", "--key", "verdict", "--text", "fine"]).expect_exit(3);
    block_on(async {
        let engine = scene.engine().await;
        Cvm::new(&engine).claim(&["mail".to_owned()], "w1", Millis::minutes(10)).await.unwrap().unwrap();
        engine.store().close().await.unwrap();
    });
    let output = scene.run(&["show", "m"]).expect_exit(0).out;
    assert!(output.contains("(mail, line 9)\n? mail {\"to\":\"ada\"}\n  claimed by w1, lease ends in "), "{output}");
    let call = scene.show("m")["calls"][0].clone();
    assert_eq!((&call["kind"], &call["args"]), (&json!("mail"), &json!({"to": "ada"})));
    assert_eq!(call["claim"]["owner"], "w1");
    // A tool gets no answer without its name.
    let id = call["id"].as_str().unwrap();
    let unnamed = scene.run(&["answer", "m", "--text", "sent"]).expect_exit(5);
    unnamed.expect_stderr(&["asks no question now: the call of mail is open", &format!("(`--call {id}`)")]);
    scene.run(&["answer", "m", "--call", id, "--text", "sent"]).expect_exit(3);
    let output = scene.run(&["show", "m"]).expect_exit(0).out;
    assert!(output.contains("(timer, line 10)\n  sleeps until ") && output.contains(" (in 10m)\n"), "{output}");
}

#[test]
fn calls_are_listed_with_their_outcome() {
    let scene = waiting_calls();
    let [first, second] = open_call_ids(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).expect_exit(3);
    let columns = |args: &[&str]| -> Vec<String> {
        let output = scene.run(args).expect_exit(0).out;
        output.lines().map(|line| line.split_whitespace().next().unwrap().to_owned() + " " + &outcome(line)).collect()
    };
    assert_eq!(columns(&["calls", "m"]), ["STEP ", "1 answered", "2 "]);
    // Both calls were made at the same time.
    let mut of_program = columns(&["calls", "--program", "many", "--kind", "cc"]);
    of_program.sort();
    assert_eq!(of_program, ["EXECUTION ", "m ", "m answered"]);
    let opened = scene.run(&["calls", "--open", "--json"]).expect_exit(0).json();
    assert_eq!(
        (&opened["id"], &opened["default"], &opened["executionId"]),
        (&json!(second), &json!({"n": 0}), &json!("m"))
    );
    for time in ["requestedAt", "deadline", "availableAt"] {
        assert!(opened[time].as_str().is_some_and(|at| at.ends_with('Z')), "{time}: {opened}");
    }
    assert_eq!(scene.run(&["calls", "--limit", "1", "--json"]).expect_exit(0).values().len(), 1);
    assert_snapshot!(scene.run(&["calls", "--kind", "fs.readFile"]).expect_exit(0).text(), @"
    --- stderr
    no calls
    ");
    scene.run(&["calls", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
}

/// Returns the outcome in a line of the table.
fn outcome(line: &str) -> String {
    ["answered", "open"].into_iter().find(|name| line.contains(&format!(" {name} "))).unwrap_or_default().to_owned()
}

#[test]
fn list_active_leaves_out_ended_executions() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    scene.run(&["start", "greet", "--id", "g3"]).expect_exit(3);
    scene.run(&["cancel", "g1"]).expect_exit(0);
    scene.run(&["pause", "g2"]).expect_exit(0);
    let listed = |args: &[&str]| -> Vec<Json> {
        let output = scene.run(&[&["list", "--active", "--json"], args].concat()).expect_exit(0);
        output.values().iter().map(|v| v["id"].clone()).collect()
    };
    assert_eq!(listed(&[]), ["g3", "g2"]);
    assert_eq!(listed(&["--program", "greet", "--limit", "1"]), ["g3"]);
    assert_eq!(listed(&["--program", "other"]), Vec::<Json>::new());
    scene.run(&["list", "--active", "--status", "paused"]).expect_exit(2).expect_stderr(&["--status"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_shows_the_expected_form_and_asks_again() {
    let scene = CliFixture::new();
    scene.file(
        "size.ts",
        r#"const v = CC("How large?", { schema: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
            timeoutMs: 600000, default: { n: 0 } }); console.log(v.n + 1);"#,
    );
    let keys = "large\n{\"n\": \"x\"}\n{\"n\": 41}\n";
    let Some(output) = run_at_terminal("calls", &scene, "run size.ts --id s", keys) else { return };
    let output = output.expect_exit(0);
    for words in [
        "expected: an object with \"n\" (integer), as JSON",
        "(in 10m), then {\"n\":0}",
        "at /n: an integer is expected",
        "42",
    ] {
        assert!(output.out.contains(words), "`{words}` is missing in: {}", output.out);
    }
}

#[test]
fn a_pipe_answers_with_json_where_that_is_expected() {
    let scene = CliFixture::new();
    scene.file(
        "list.ts",
        "const v = CC('Which?', { schema: { type: 'array', items: { type: 'integer' } } }); console.log(v.length);",
    );
    let output = scene.run_with(&["run", "list.ts", "--id", "l"], "[1, 2, 3]\n").expect_exit(0);
    assert!(output.out.contains("? Which?\n  expected: ") && output.out.contains("\n3\n"), "{}", output.out);
    scene.run_with(&["run", "list.ts"], "some\n").expect_exit(5).expect_stderr(&["the question was `Which?`", "JSON"]);
    scene.file("greet.ts", GREET);
    assert!(!scene.run(&["run", "greet.ts"]).expect_exit(3).out.contains("expected"));
}

#[test]
fn an_id_is_named_by_its_beginning() {
    let scene = CliFixture::with("greet", GREET);
    for id in ["review-1", "review-10", "review-2", "abcd"] {
        scene.run(&["start", "greet", "--id", id]).expect_exit(3);
    }
    for (words, id) in [("show revi", "several"), ("show abc", "none"), ("cancel review", "several")] {
        let output = scene.run(&words.split(' ').collect::<Vec<_>>()).expect_exit(if id == "several" { 2 } else { 5 });
        let several = ["begins several ids: `review-1`, `review-10`, `review-2`; type more of it"];
        output.expect_stderr(if id == "several" { &several } else { &["execution `abc` does not exist"] });
    }
    scene.run(&["start", "greet", "--id", "report-10"]).expect_exit(3);
    assert_eq!(scene.run(&["show", "repo", "--json"]).expect_exit(0).json()["id"], "report-10");
    scene.run(&["delete", "report-1"]).expect_exit(5).expect_stderr(&["`report-1` does not exist"]);
    scene.run(&["cancel", "report-…"]).expect_exit(0);
    assert_eq!(scene.status("report-10"), "cancelled");
    let call = scene.show("abcd")["calls"][0]["id"].as_str().unwrap().to_owned();
    scene.run(&["answer", "abcd", "--call", &call[..30], "--text", "Ada"]).expect_exit(3);
    let generated = scene.run(&["start", "greet", "--json"]).expect_exit(3).json()["id"].as_str().unwrap().to_owned();
    let begin = &generated[..24];
    assert_eq!(scene.run(&["resume", begin, "--json"]).expect_exit(3).json()["id"], *generated);
    assert!(scene.run(&["calls", begin]).expect_exit(0).out.contains("Who is there?"));
    scene.run(&["output", begin]).expect_exit(0);
    scene.run(&["logs", begin]).expect_exit(0);
    scene.run(&["export", "one.jsonl", "--execution", begin]).expect_exit(0);
}
