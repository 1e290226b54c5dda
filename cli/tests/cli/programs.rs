//! `programs`, `program show|rm|history`, `stats`, and programs of older machines.

use std::sync::Arc;

use insta::assert_snapshot;
use runstate::domain::cvm::PROGRAMS;
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::{Batch, Expect, Op, Write};
use runstate::time::Timestamp;
use serde_json::{Value as Json, json};

use super::support::{GREET, SUM, Scene, block_on};
#[cfg(target_os = "linux")]
use super::terminal::typed;

/// Two programs, one of them in two versions and tagged.
fn two() -> Scene {
    let scene = Scene::with("greet", GREET);
    scene.file("sum.ts", "1 + 1");
    scene.run(&["load", "sum.ts"]).ended(0);
    scene.file("sum.ts", SUM);
    scene.run(&["load", "sum.ts", "--tag", "maths", "--tag", "daily", "--description", "adds"]).ended(0);
    scene
}

#[test]
fn programs_are_listed_by_name_and_found_by_tag() {
    let scene = two();
    assert_snapshot!(scene.run(&["programs"]).ended(0).text(), @"
    NAME   VERSION  MODIFIED              TAGS          DESCRIPTION
    greet        1  [time]
    sum          2  [time]  maths, daily  adds
    ");
    let tagged = |tag: &str| scene.run(&["programs", "--tag", tag, "--json"]).ended(0).values();
    let [sum] = tagged("daily").try_into().unwrap();
    assert_eq!(
        (&sum["name"], &sum["programVersion"], &sum["tags"]),
        (&json!("sum"), &json!(2), &json!(["maths", "daily"]))
    );
    assert!(sum["modified"].as_str().is_some_and(|at| at.ends_with('Z')), "{sum}");
    assert_eq!(tagged("dail"), Vec::<Json>::new());
    assert_eq!(scene.run(&["programs", "--limit", "1"]).ended(0).out.lines().count(), 2);
    scene.run(&["load", "sum.ts"]).ended(0);
    assert_eq!(tagged("maths").len(), 1, "what is not said stays");
    scene.run(&["programs", "--limit", "0"]).ended(2).explains(&["--limit"]);
}

#[test]
fn a_program_is_loaded_under_an_id_and_shown_by_it() {
    let scene = Scene::new();
    scene.file("sum.ts", SUM);
    let loaded = scene.run(&["load", "sum.ts", "--id", "p1", "--json"]).ended(0).json();
    assert_eq!(loaded["id"], "p1");
    assert_eq!(scene.run(&["program", "show", "--id", "p1", "--json"]).ended(0).json()["name"], "sum");
    assert_eq!(scene.run(&["program", "show", "--id", "p1", "--source"]).ended(0).out, SUM);
    scene.run(&["load", "sum.ts", "--name", "other", "--id", "p1"]).ended(5).explains(&["`p1` exists already"]);
    scene.run(&["load", "sum.ts", "--id", "p2"]).ended(5).explains(&["under the id `p1`"]);
    scene.run(&["program", "show", "--id", "p2"]).ended(5).explains(&["`p2`"]);
    scene.run(&["program", "show"]).ended(2).explains(&["--id"]);
    scene.run(&["program", "show", "sum", "--id", "p1"]).ended(2);
}

#[test]
fn a_program_shows_what_it_is_its_source_and_its_bytecode() {
    let scene = two();
    scene.run(&["start", "sum", "--id", "s", "--input", r#"{"a": 1, "b": 2}"#]).ended(0);
    let said = scene.run(&["program", "show", "sum"]).ended(0).out;
    for fact in
        ["version      2", "description  adds", "tags         maths, daily", "source       1 line, ", "1 complete"]
    {
        assert!(said.contains(fact), "`{fact}` is missing in: {said}");
    }
    assert_eq!(scene.run(&["program", "show", "sum", "--source"]).ended(0).out, SUM, "byte for byte");
    assert_eq!(scene.run(&["program", "show", "sum", "--version", "1", "--source", "--json"]).json(), "1 + 1");
    let listing = scene.run(&["program", "show", "sum", "--version", "1", "--bytecode"]).ended(0).out;
    let bytecode = scene.run(&["program", "show", "sum", "--version", "1", "--bytecode", "--json"]).ended(0).json();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = listing.lines().map(words).collect();
    assert_eq!(lines[0], ["PC", "LINE", "OP", "ARG"]);
    assert_eq!(lines.len() - 1, bytecode.as_array().unwrap().len());
    assert!(lines.iter().any(|line| line[2..] == ["PUSH", "1"]), "{listing}");

    let shown = scene.run(&["program", "show", "sum", "--json"]).ended(0).json();
    assert_eq!((&shown["source"], &shown["executions"]["complete"]), (&json!(SUM), &json!(1)));
    scene.run(&["program", "show", "sum", "--version", "9"]).ended(5).explains(&["newest version is 2"]);
    scene.run(&["program", "show", "nobody"]).ended(5).explains(&["`nobody`"]);
    scene.run(&["program", "show", "sum", "--source", "--bytecode"]).ended(2).explains(&["--bytecode"]);
}

#[test]
fn a_source_that_would_command_a_terminal_is_copied_to_pipes_alone() {
    let source = "// \u{1b}[2J\r\n'x'";
    let scene = Scene::with("esc", source);
    assert_eq!(scene.run(&["program", "show", "esc", "--source"]).ended(0).out, source);
    #[cfg(target_os = "linux")]
    if let Some(said) = typed("programs", &scene, "program show esc --source", "") {
        assert!(!said.out.contains("\u{1b}[2J") && said.out.contains(r"\u{1b}[2J"), "{}", said.out);
    }
}

#[test]
fn the_versions_of_a_program_are_its_history() {
    let scene = two();
    let said = scene.run(&["program", "history", "sum"]).ended(0);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["VERSION", "CREATED", "COMPILER", "BYTECODE", "INSTRUCTIONS", "SOURCE"]);
    assert_eq!((lines[1][0], lines[2][0], &lines[2][5..]), ("2", "1", &["5", "bytes"][..]));
    let told = scene.run(&["program", "history", "sum", "--limit", "1", "--json"]).ended(0).json();
    assert_eq!((&told["programVersion"], &told["sourceBytes"]), (&json!(2), &json!(SUM.len())));
    assert!(told["created"].is_string() && told["instructions"].is_u64(), "{told}");
    scene.run(&["program", "history", "nobody"]).ended(5).explains(&["`nobody`"]);
    scene.run(&["program", "history"]).ended(2).explains(&["<NAME>"]);
}

#[test]
fn a_program_is_removed_when_nothing_runs_it() {
    let scene = two();
    scene.run(&["start", "greet", "--id", "g"]).ended(3);
    let refused = scene.run(&["program", "rm", "greet"]).ended(5);
    refused.explains(&[
        "`g` for one",
        "It has 1 (1 waiting_cc)",
        "runstate list --program greet",
        "runstate delete ID…",
    ]);
    let said = scene.run(&["program", "rm", "sum", "greet", "nobody", "--json"]).ended(5).values();
    assert_eq!(said[0], json!({"name": "sum", "removed": true}));
    let codes: Vec<_> = said[1..].iter().map(|v| (&v["error"]["code"], &v["error"]["program"])).collect();
    assert_eq!(codes, [(&json!("in_use"), &json!("greet")), (&json!("not_found"), &json!("nobody"))]);
    scene.run(&["cancel", "g"]).ended(0);
    scene.run(&["delete", "g"]).ended(0);
    assert_eq!(scene.run(&["program", "rm", "greet"]).ended(0).out, "greet is removed\n");
    scene.run(&["programs"]).ended(0).explains(&["no programs; runstate load FILE keeps one"]);
    scene.run(&["program", "rm"]).ended(2).explains(&["<NAME>"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_is_asked_before_a_program_is_removed() {
    let scene = two();
    let Some(said) = typed("programs", &scene, "program rm greet sum", "n\n") else { return };
    let said = said.ended(5);
    assert!(said.out.contains("Remove greet, sum for ever, with all versions? [y/N]"), "{}", said.out);
    assert_eq!(scene.run(&["programs", "--json"]).values().len(), 2);
    typed("programs", &scene, "program rm greet", "y\n").unwrap().ended(0);
    typed("programs", &scene, "program rm sum --yes", "").unwrap().ended(0);
    assert_eq!(scene.run(&["programs", "--json"]).values().len(), 0);
}

#[test]
fn a_program_is_told_in_numbers() {
    let scene = two();
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json"]).ended(0);
    scene.run(&["start", "greet", "--id", "g2"]).ended(3);
    let said = scene.run(&["stats", "greet"]).ended(0).out;
    for fact in
        ["executions   2: 1 complete, 1 waiting_cc", "calls        3: 2 answered, 1 open", "answers took ", "slowest"]
    {
        assert!(said.contains(fact), "`{fact}` is missing in: {said}");
    }
    let told = scene.run(&["stats", "--json"]).ended(0).json();
    assert_eq!((&told["executions"], &told["latency"]["outcomes"]["answered"]), (&json!(2), &json!(2)));
    assert!(told["slowest"].as_array().unwrap().iter().all(|call| call["askedAt"].is_string()), "{told}");
    assert!(scene.run(&["stats", "sum"]).ended(0).out.contains("executions   none"));
    assert_eq!(scene.run(&["stats", "nobody", "--json"]).ended(5).error_code(), "not_found");
}

/// Makes the store say that a program was compiled for an older machine, from `source`.
fn age(scene: &Scene, name: &str, source: &str) {
    block_on(async {
        let engine = scene.engine().await;
        let row = engine.store().query(&Query::of(&PROGRAMS).eq("name", name)).await.unwrap().rows.remove(0);
        let mut document = (*row.stored.document).clone();
        document["metadata"]["version"] = 0.into();
        document["source"] = source.into();
        let op = Op::Put { version: row.stored.version, document: Arc::new(document) };
        let write = Write { key: Key::new(&PROGRAMS, &row.id), expect: Expect::Revision(row.stored.revision), op };
        let batch = Batch {
            command: CommandId::new(&format!("age {name}")).unwrap(),
            fingerprint: "f".to_owned(),
            at: Timestamp::from_millis(0),
            result: Json::Null,
            writes: vec![write],
            checks: vec![],
        };
        engine.store().commit(batch).await.unwrap();
        engine.store().close().await.unwrap();
    });
}

#[test]
fn a_program_of_an_older_machine_is_compiled_again_where_it_is_started() {
    let scene = Scene::with("sum", SUM);
    age(&scene, "sum", SUM);
    let start = ["start", "sum", "--id", "s", "--input", r#"{"a": 1, "b": 2}"#, "--command-id", "once"];
    let said = scene.run(&start).ended(0);
    assert!(said.out.ends_with("= 3\n"), "{}", said.out);
    said.explains(&["sum was compiled for an older machine; its source was compiled again, as version 2"]);
    assert_eq!(scene.run(&["programs", "--json"]).json()["programVersion"], 2);
    let again = scene.run(&start).ended(0);
    assert!(!again.err.contains("older machine"), "{}", again.err);
}

#[test]
fn an_older_program_that_does_not_compile_any_more_says_where_and_what_to_do() {
    let scene = Scene::with("sum", SUM);
    age(&scene, "sum", "consle.log(1)");
    let said = scene.run(&["start", "sum", "--id", "s"]).ended(2);
    said.explains(&["sum (version 1):1:1", "consle", "runstate program show sum --source", "load it again"]);
    assert_eq!(scene.run(&["start", "sum", "--json"]).ended(2).error_code(), "compile_error");
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}
