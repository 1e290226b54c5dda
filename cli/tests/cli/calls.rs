//! `calls`, and answers by call, by key, and where several are open.

use insta::assert_snapshot;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::support::{GREET, Scene, block_on};
#[cfg(target_os = "linux")]
use super::terminal::typed;

/// Asks two at once, then one by key, then a tool, then sleeps.
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

/// With an execution of it that waits for the first two.
fn many() -> Scene {
    let scene = Scene::with("many", MANY);
    scene.run(&["start", "many", "--id", "m"]).ended(3);
    scene
}

/// Ids of the open calls.
fn open(scene: &Scene) -> Vec<String> {
    let calls = scene.show("m")["calls"].clone();
    calls.as_array().unwrap().iter().map(|call| call["callId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn where_several_are_open_the_error_names_them_and_how_to_answer_each() {
    let scene = many();
    let [first, second] = open(&scene).try_into().unwrap();
    let named = format!("or answer it with: runstate answer m --call {first} --text …");
    scene.run(&["next", "m"]).ended(3).explains(&[&named]);
    let said = scene.run(&["answer", "m", "--text", "yes"]).ended(5);
    said.explains(&[
        "2 calls of execution `m` are open",
        &format!("Ready?\n    runstate answer m --call {first} --text …"),
        &format!("How large?\n    runstate answer m --call {second} --json-value …"),
    ]);
    let error = scene.run(&["answer", "m", "--text", "yes", "--json"]).ended(5).json()["error"].clone();
    assert_eq!((&error["code"], &error["details"]["calls"][1]["callId"]), (&json!("ambiguous_call"), &json!(second)));
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).ended(3);
    // One is left, and needs no name.
    let said = scene.run(&["answer", "m", "--json-value", r#"{"n": 3}"#]).ended(3);
    assert!(said.out.starts_with("yes 3\n? Your verdict?\n"), "{}", said.out);
}

#[test]
fn an_answer_by_key_may_come_before_its_question() {
    let scene = many();
    let early = scene.run(&["answer", "m", "--key", "verdict", "--text", "fine", "--by", "ada"]).ended(3);
    early.explains(&["an answer under `verdict` is kept until m asks for it"]);
    let again = scene.run(&["answer", "m", "--key", "verdict", "--text", "other", "--json"]).ended(5);
    assert_eq!(again.error_code(), "already_answered");
    let other = ["answer", "m", "--key", "verdict", "--occurrence", "2", "--text", "more"];
    scene.run(&other).ended(3);
    let [first, second] = open(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).ended(3);
    let said = scene.run(&["answer", "m", "--call", &second, "--json-value", r#"{"n": 3}"#]).ended(3);
    assert_eq!(said.out, "yes 3\nfine\n");
    said.explains(&["m waits for a worker"]);
    let calls = scene.run(&["calls", "m", "--json"]).ended(0).values();
    let verdict = calls.iter().find(|call| call["prompt"] == "Your verdict?").unwrap();
    assert_eq!(
        (&verdict["by"], &verdict["result"], &verdict["key"]),
        (&json!("ada"), &json!("fine"), &json!("verdict"))
    );
    scene.run(&["answer", "m", "--call", "c", "--key", "k", "--text", "x"]).ended(2).explains(&["--key"]);
    scene.run(&["answer", "m", "--occurrence", "2", "--text", "x"]).ended(2).explains(&["--key"]);
}

#[test]
fn show_tells_all_open_calls_and_who_works_on_them() {
    let scene = many();
    let said = scene.run(&["show", "m"]).ended(0).out;
    assert_eq!(said.lines().filter(|line| line.starts_with("call  ")).count(), 2, "{said}");
    for line in ["  1) yes\n", "  expected: an object with \"n\" (integer), as JSON\n", " (in 10m), then {\"n\":0}\n"] {
        assert!(said.contains(line), "`{line}` is missing in: {said}");
    }
    let [first, second] = open(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &second, "--json-value", r#"{"n": 3}"#]).ended(3);
    scene.run(&["answer", "m", "--call", &first, "--text", "no"]).ended(3);
    scene.run(&["answer", "m", "--key", "verdict", "--text", "fine"]).ended(3);
    block_on(async {
        let engine = scene.engine().await;
        engine.cvm().claim(&["mail".to_owned()], "w1", Millis::minutes(10)).await.unwrap().unwrap();
        engine.store().close().await.unwrap();
    });
    let said = scene.run(&["show", "m"]).ended(0).out;
    assert!(said.contains("(mail, line 9)\n? mail {\"to\":\"ada\"}\n  claimed by w1, ends in "), "{said}");
    let told = scene.show("m")["calls"][0].clone();
    assert_eq!((&told["kind"], &told["args"], &told["owner"]), (&json!("mail"), &json!({"to": "ada"}), &json!("w1")));
    scene.run(&["answer", "m", "--text", "sent"]).ended(3);
    let said = scene.run(&["show", "m"]).ended(0).out;
    assert!(said.contains("(timer, line 10)\n  sleeps until ") && said.contains(" (in 10m)\n"), "{said}");
}

#[test]
fn calls_are_listed_with_what_became_of_them() {
    let scene = many();
    let [first, second] = open(&scene).try_into().unwrap();
    scene.run(&["answer", "m", "--call", &first, "--text", "yes"]).ended(3);
    let columns = |args: &[&str]| -> Vec<String> {
        let said = scene.run(args).ended(0).out;
        said.lines().map(|line| line.split_whitespace().next().unwrap().to_owned() + " " + &outcome(line)).collect()
    };
    assert_eq!(columns(&["calls", "m"]), ["STEP ", "1 answered", "2 open"]);
    // Both were asked at one moment.
    let mut of_program = columns(&["calls", "--program", "many", "--kind", "cc"]);
    of_program.sort();
    assert_eq!(of_program, ["EXECUTION ", "m answered", "m open"]);
    let opened = scene.run(&["calls", "--open", "--json"]).ended(0).json();
    assert_eq!(
        (&opened["id"], &opened["default"], &opened["executionId"]),
        (&json!(second), &json!({"n": 0}), &json!("m"))
    );
    for time in ["askedAt", "deadline", "availableAt"] {
        assert!(opened[time].as_str().is_some_and(|at| at.ends_with('Z')), "{time}: {opened}");
    }
    assert_eq!(scene.run(&["calls", "--limit", "1", "--json"]).ended(0).values().len(), 1);
    assert_snapshot!(scene.run(&["calls", "--kind", "fs.readFile"]).ended(0).text(), @"
    --- stderr
    no calls
    ");
    scene.run(&["calls", "nobody"]).ended(5).explains(&["`nobody`"]);
}

/// The outcome that a line of the table names.
fn outcome(line: &str) -> String {
    ["answered", "open"].into_iter().find(|name| line.contains(&format!(" {name} "))).unwrap_or_default().to_owned()
}

#[test]
fn what_is_active_is_listed_without_what_has_ended() {
    let scene = Scene::greeting("g1");
    scene.run(&["start", "greet", "--id", "g2"]).ended(3);
    scene.run(&["start", "greet", "--id", "g3"]).ended(3);
    scene.run(&["cancel", "g1"]).ended(0);
    scene.run(&["pause", "g2"]).ended(0);
    let listed = |args: &[&str]| -> Vec<Json> {
        let said = scene.run(&[&["list", "--active", "--json"], args].concat()).ended(0);
        said.values().iter().map(|v| v["id"].clone()).collect()
    };
    assert_eq!(listed(&[]), ["g3", "g2"]);
    assert_eq!(listed(&["--program", "greet", "--limit", "1"]), ["g3"]);
    assert_eq!(listed(&["--program", "other"]), Vec::<Json>::new());
    scene.run(&["list", "--active", "--status", "paused"]).ended(2).explains(&["--status"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_is_told_what_is_expected_and_asked_again() {
    let scene = Scene::new();
    scene.file(
        "size.ts",
        r#"const v = CC("How large?", { schema: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
            timeoutMs: 600000, default: { n: 0 } }); console.log(v.n + 1);"#,
    );
    let keys = "large\n{\"n\": \"x\"}\n{\"n\": 41}\n";
    let Some(said) = typed("calls", &scene, "run size.ts --id s", keys) else { return };
    let said = said.ended(0);
    for words in [
        "expected: an object with \"n\" (integer), as JSON",
        "(in 10m), then {\"n\":0}",
        "at /n: an integer is expected",
        "42",
    ] {
        assert!(said.out.contains(words), "`{words}` is missing in: {}", said.out);
    }
}

#[test]
fn a_pipe_answers_with_json_where_that_is_expected() {
    let scene = Scene::new();
    scene.file(
        "list.ts",
        "const v = CC('Which?', { schema: { type: 'array', items: { type: 'integer' } } }); console.log(v.length);",
    );
    let said = scene.run_with(&["run", "list.ts", "--id", "l"], "[1, 2, 3]\n").ended(0);
    assert!(said.out.contains("? Which?\n  expected: ") && said.out.contains("\n3\n"), "{}", said.out);
    scene.run_with(&["run", "list.ts"], "some\n").ended(5).explains(&["the question was `Which?`", "JSON"]);
    scene.file("greet.ts", GREET);
    assert!(!scene.run(&["run", "greet.ts"]).ended(3).out.contains("expected"));
}
