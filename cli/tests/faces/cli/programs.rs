//! `programs`, `program show|delete|history`, `stats`, and programs of older machines. The programs in `examples/` run
//! as their comments say.

use std::sync::Arc;

use insta::assert_snapshot;
use runstate::domain::cvm::PROGRAMS;
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::{Batch, Expectation, Freshness, Write, WriteOp};
use runstate::time::Timestamp;
use serde_json::{Value as Json, json};

#[cfg(target_os = "linux")]
use super::terminal::run_at_terminal;
use crate::support::{CliFixture, GREET, SUM, block_on};

/// Creates a fixture with two programs, one of them tagged and in two versions.
fn two_programs() -> CliFixture {
    let scene = CliFixture::with("greet", GREET);
    scene.file("sum.ts", "1 + 1");
    scene.run(&["load", "sum.ts"]).expect_exit(0);
    scene.file("sum.ts", SUM);
    scene.run(&["load", "sum.ts", "--tag", "maths", "--tag", "daily", "--description", "adds"]).expect_exit(0);
    scene
}

#[test]
fn a_script_keeps_its_form_and_its_tools() {
    let scene = CliFixture::new();
    scene.file("late.ts", "const found = await tools.crm.find({ days: input });\nreturn found.length");
    scene.run(&["load", "late.ts"]).expect_exit(2).expect_stderr(&["late.ts:2:1"]);
    let misspelled = ["load", "late.ts", "--script", "--tools", "crm.fnd,pay.refund"];
    scene.run(&misspelled).expect_exit(2).expect_stderr(&["did you mean tools.crm.fnd?"]);
    let load = |tools: &str| scene.run(&["load", "late.ts", "--script", "--tools", tools]).expect_exit(0);
    load("crm.find,pay.refund");
    // Tools that it does not use make no version.
    assert!(load("crm.find").text().contains("(version 1)"));
    let program = scene.run(&["program", "show", "late", "--json"]).expect_exit(0).json();
    assert_eq!(program["metadata"]["script"], json!(true));
    assert_eq!(program["metadata"]["tools"], json!(["crm.find"]));
    scene.run(&["start", "late", "--id", "l1", "--input", "30"]).expect_exit(3);
    let calls = scene.run(&["calls", "l1", "--json"]).expect_exit(0).values();
    let call = calls[0]["id"].as_str().unwrap();
    scene.run(&["answer", "l1", "--call", call, "--json-value", "[1, 2]"]).expect_exit(0);
    let shown = scene.run(&["show", "l1", "--json"]).expect_exit(0).json();
    assert_eq!((&shown["status"], &shown["result"]), (&json!("complete"), &json!(2)));
}

#[test]
fn programs_are_listed_by_name_and_found_by_tag() {
    let scene = two_programs();
    assert_snapshot!(scene.run(&["programs"]).expect_exit(0).text(), @"
    NAME   VERSION  MODIFIED              TAGS          DESCRIPTION
    greet        1  [time]
    sum          2  [time]  maths, daily  adds
    ");
    let tagged = |tag: &str| scene.run(&["programs", "--tag", tag, "--json"]).expect_exit(0).values();
    let [sum] = tagged("daily").try_into().unwrap();
    assert_eq!(
        (&sum["name"], &sum["programVersion"], &sum["tags"]),
        (&json!("sum"), &json!(2), &json!(["maths", "daily"]))
    );
    assert!(sum["modified"].as_str().is_some_and(|at| at.ends_with('Z')), "{sum}");
    assert_eq!(tagged("dail"), Vec::<Json>::new());
    assert_eq!(scene.run(&["programs", "--limit", "1"]).expect_exit(0).out.lines().count(), 2);
    scene.run(&["load", "sum.ts"]).expect_exit(0);
    assert_eq!(tagged("maths").len(), 1, "tags that are not given are kept");
    scene.run(&["programs", "--limit", "0"]).expect_exit(2).expect_stderr(&["--limit"]);
}

#[test]
fn a_program_is_loaded_under_an_id_and_shown_by_it() {
    let scene = CliFixture::new();
    scene.file("sum.ts", SUM);
    let loaded = scene.run(&["load", "sum.ts", "--id", "p1", "--json"]).expect_exit(0).json();
    assert_eq!(loaded["id"], "p1");
    assert_eq!(scene.run(&["program", "show", "--id", "p1", "--json"]).expect_exit(0).json()["name"], "sum");
    assert_eq!(scene.run(&["program", "show", "--id", "p1", "--source"]).expect_exit(0).out, SUM);
    scene
        .run(&["load", "sum.ts", "--name", "other", "--id", "p1"])
        .expect_exit(5)
        .expect_stderr(&["`p1` already exists"]);
    scene.run(&["load", "sum.ts", "--id", "p2"]).expect_exit(5).expect_stderr(&["under the id `p1`"]);
    scene.run(&["program", "show", "--id", "p2"]).expect_exit(5).expect_stderr(&["`p2`"]);
    scene.run(&["program", "show"]).expect_exit(2).expect_stderr(&["--id"]);
    scene.run(&["program", "show", "sum", "--id", "p1"]).expect_exit(2);
}

#[test]
fn a_program_shows_what_it_is_its_source_and_its_bytecode() {
    let scene = two_programs();
    scene.run(&["start", "sum", "--id", "s", "--input", r#"{"a": 1, "b": 2}"#]).expect_exit(0);
    let output = scene.run(&["program", "show", "sum"]).expect_exit(0).out;
    for fact in [
        "program version  2",
        "description      adds",
        "tags             maths, daily",
        "source           1 line, ",
        "1 complete",
    ] {
        assert!(output.contains(fact), "`{fact}` is missing in: {output}");
    }
    assert_eq!(scene.run(&["program", "show", "sum", "--source"]).expect_exit(0).out, SUM, "byte for byte");
    assert_eq!(scene.run(&["program", "show", "sum", "--version", "1", "--source", "--json"]).json(), "1 + 1");
    let listing = scene.run(&["program", "show", "sum", "--version", "1", "--bytecode"]).expect_exit(0).out;
    let bytecode =
        scene.run(&["program", "show", "sum", "--version", "1", "--bytecode", "--json"]).expect_exit(0).json();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = listing.lines().map(words).collect();
    assert_eq!(lines[0], ["PC", "LINE", "OP", "ARG"]);
    assert_eq!(lines.len() - 1, bytecode.as_array().unwrap().len());
    assert!(lines.iter().any(|line| line[2..] == ["PUSH", "1"]), "{listing}");

    let shown = scene.run(&["program", "show", "sum", "--json"]).expect_exit(0).json();
    assert_eq!((&shown["source"], &shown["executions"]["complete"]), (&json!(SUM), &json!(1)));
    scene.run(&["program", "show", "sum", "--version", "9"]).expect_exit(5).expect_stderr(&["newest version is 2"]);
    scene.run(&["program", "show", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
    scene.run(&["program", "show", "sum", "--source", "--bytecode"]).expect_exit(2).expect_stderr(&["--bytecode"]);
}

#[test]
fn a_source_is_copied_to_pipes_and_escaped_on_terminals() {
    let source = "// \u{1b}[2J\r\n'x'";
    let scene = CliFixture::with("esc", source);
    assert_eq!(scene.run(&["program", "show", "esc", "--source"]).expect_exit(0).out, source);
    #[cfg(target_os = "linux")]
    if let Some(output) = run_at_terminal("programs", &scene, "program show esc --source", "") {
        assert!(!output.out.contains("\u{1b}[2J") && output.out.contains(r"\u{1b}[2J"), "{}", output.out);
    }
}

#[test]
fn an_empty_tag_clears_the_tags() {
    let scene = two_programs();
    let tags = |args: &[&str]| {
        scene.run(&[&["load", "sum.ts"], args].concat()).expect_exit(0);
        let programs = scene.run(&["programs", "--json"]).values();
        programs.into_iter().find(|program| program["name"] == "sum").unwrap()["tags"].clone()
    };
    assert_eq!(tags(&["--tag", "daily", "--tag", "a"]), json!(["daily", "a"]));
    assert_eq!(tags(&[]), json!(["daily", "a"]), "they are kept");
    assert_eq!(tags(&["--tag", ""]), json!([]));
}

#[test]
fn the_versions_of_a_program_are_its_history() {
    let scene = two_programs();
    let output = scene.run(&["program", "history", "sum"]).expect_exit(0);
    let lines: Vec<Vec<&str>> = output.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["VERSION", "CREATED", "COMPILER", "BYTECODE"]);
    assert_eq!((lines[1][0], lines[2][0]), ("2", "1"));
    let version = scene.run(&["program", "history", "sum", "--limit", "1", "--json"]).expect_exit(0).json();
    assert_eq!(version["programVersion"], 2);
    assert!(version["created"].as_str().is_some_and(|at| at.ends_with('Z')), "{version}");
    scene.run(&["program", "history", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
    scene.run(&["program", "history"]).expect_exit(2).expect_stderr(&["<NAME>"]);
}

#[test]
fn a_program_is_removed_when_nothing_runs_it() {
    let scene = two_programs();
    scene.run(&["start", "greet", "--id", "g"]).expect_exit(3);
    let refused = scene.run(&["program", "delete", "greet"]).expect_exit(5);
    refused.expect_stderr(&["for example `g`", "delete them first", "runstate list --program greet"]);
    let output = scene.run(&["program", "delete", "sum", "greet", "missing", "--json"]).expect_exit(5).values();
    assert_eq!(output[0], json!({"name": "sum", "deleted": true}));
    let codes: Vec<_> = output[1..].iter().map(|v| (&v["error"]["code"], &v["error"]["program"])).collect();
    assert_eq!(codes, [(&json!("in_use"), &json!("greet")), (&json!("not_found"), &json!("missing"))]);
    scene.run(&["cancel", "g"]).expect_exit(0);
    scene.run(&["delete", "g"]).expect_exit(0);
    assert_eq!(scene.run(&["program", "delete", "greet"]).expect_exit(0).out, "greet is deleted\n");
    scene.run(&["programs"]).expect_exit(0).expect_stderr(&["no programs"]);
    scene.run(&["program", "delete"]).expect_exit(2).expect_stderr(&["<NAME>"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_is_asked_before_a_program_is_removed() {
    let scene = two_programs();
    let Some(output) = run_at_terminal("programs", &scene, "program delete greet sum", "n\n") else { return };
    let output = output.expect_exit(5);
    assert!(output.out.contains("Delete greet, sum permanently, with all versions? [y/N]"), "{}", output.out);
    assert_eq!(scene.run(&["programs", "--json"]).values().len(), 2);
    run_at_terminal("programs", &scene, "program delete greet", "y\n").unwrap().expect_exit(0);
    run_at_terminal("programs", &scene, "program delete sum --yes", "").unwrap().expect_exit(0);
    assert_eq!(scene.run(&["programs", "--json"]).values().len(), 0);
}

#[test]
fn stats_count_executions_calls_and_latency() {
    let scene = two_programs();
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json"]).expect_exit(0);
    scene.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    let output = scene.run(&["stats", "greet"]).expect_exit(0).out;
    for fact in
        ["executions         2\n", "statuses           1 complete, 1 waiting_cc\n", "  outcomes  2 answered, 1 open\n"]
    {
        assert!(output.contains(fact), "`{fact}` is missing in: {output}");
    }
    let stats = scene.run(&["stats", "--json"]).expect_exit(0).json();
    assert_eq!((&stats["executions"], &stats["latency"]["outcomes"]["answered"]), (&json!(2), &json!(2)));
    assert!(scene.run(&["stats", "sum"]).expect_exit(0).out.contains("statuses           none"));
    let slowest = scene.run(&["slowest", "--program", "greet", "--json"]).expect_exit(0).values();
    assert!(slowest.len() == 2 && slowest.iter().all(|call| call["requestedAt"].is_string()), "{slowest:?}");
    assert_eq!(scene.run(&["stats", "missing", "--json"]).expect_exit(5).error_code(), "not_found");
}

/// Changes the store as if a program had been compiled for an older machine, from `source`.
fn mark_as_older(scene: &CliFixture, name: &str, source: &str) {
    block_on(async {
        let engine = scene.engine().await;
        let row = engine
            .store()
            .query(&Query::of(&PROGRAMS).eq("name", name), Freshness::Linearizable)
            .await
            .unwrap()
            .items
            .remove(0);
        let mut document = (*row.stored.document).clone();
        document["metadata"]["version"] = 0.into();
        document["source"] = source.into();
        let op = WriteOp::Put { version: row.stored.version, document: Arc::new(document) };
        let write = Write { key: Key::new(&PROGRAMS, &row.id), expect: Expectation::Revision(row.stored.revision), op };
        let batch = Batch {
            command: CommandId::new(&format!("age {name}")).unwrap(),
            fingerprint: "f".to_owned(),
            at: Timestamp::from_millis(0),
            result: Json::Null,
            writes: vec![write],
            checks: vec![],
            frees_space: false,
        };
        engine.store().commit(batch).await.unwrap();
        engine.store().close().await.unwrap();
    });
}

#[test]
fn a_program_of_an_older_machine_is_compiled_again_where_it_is_started() {
    let scene = CliFixture::with("sum", SUM);
    mark_as_older(&scene, "sum", SUM);
    let start = ["start", "sum", "--id", "s", "--input", r#"{"a": 1, "b": 2}"#, "--command-id", "once"];
    let output = scene.run(&start).expect_exit(0);
    assert!(output.out.ends_with("= 3\n"), "{}", output.out);
    output.expect_stderr(&["sum was compiled for an older machine; its source was compiled again, as version 2"]);
    assert_eq!(scene.run(&["programs", "--json"]).json()["programVersion"], 2);
    let again = scene.run(&start).expect_exit(0);
    assert!(!again.err.contains("older machine"), "{}", again.err);
}

#[test]
fn an_older_program_that_no_longer_compiles_gets_a_hint() {
    let scene = CliFixture::with("sum", SUM);
    mark_as_older(&scene, "sum", "consle.log(1)");
    let output = scene.run(&["start", "sum", "--id", "s"]).expect_exit(2);
    output.expect_stderr(&["sum (version 1):1:1", "consle", "runstate program show sum --source", "load it again"]);
    assert_eq!(scene.run(&["start", "sum", "--json"]).expect_exit(2).error_code(), "compile_error");
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_code_review_comes_to_its_end_with_its_answers() {
    let scene = CliFixture::new();
    let (program, answers) = (example("code_review.ts"), example("code_review.answers.json"));
    assert_snapshot!(scene.run(&["run", &program, "--id", "review", "--answers", &answers]).expect_exit(0).text());
}

/// Runs an example with its answers, and returns the printed lines without those that have times.
fn run_example(name: &str) -> String {
    let scene = CliFixture::new();
    let (program, answers) = (example(&format!("{name}.ts")), example(&format!("{name}.answers.json")));
    let output = scene.run(&["run", &program, "--id", name, "--answers", &answers]).expect_exit(0).text();
    output.lines().filter(|line| !line.contains(" until ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_of_agents_come_to_their_end_with_their_answers() {
    for name in ["agent_loop", "approval", "debate", "fan_out", "saga"] {
        assert_snapshot!(name, run_example(name));
    }
}

#[test]
fn the_approval_decides_by_default_if_both_deadlines_pass() {
    let scene = CliFixture::new();
    let input = r#"{"amount": 90, "hours": 0.0002}"#;
    let run = ["run", &example("approval.ts"), "--input", input, "--answer-with", "sleep 3; echo approve", "--json"];
    let result = scene.run(&run).expect_exit(0).json()["result"].clone();
    assert_eq!(result, json!({ "approved": true, "by": "default", "note": "it is small" }));
}

#[test]
fn the_code_review_accepts_an_empty_reason() {
    let scene = CliFixture::new();
    let output = scene.run_with(&["run", &example("code_review.ts"), "--json"], "comment\n\napprove\napprove\nmerge\n");
    let result = output.expect_exit(0).json()["result"].clone();
    assert_eq!(result["findings"][0]["note"], "no reason given");
    assert_eq!(result["verdict"], "merge");
}

#[test]
fn the_code_review_looks_at_a_folder_that_it_was_granted() {
    let scene = CliFixture::new();
    std::fs::create_dir_all(scene.path().join("code/below")).unwrap();
    scene.file("code/b.ts", "const a = 1;\n");
    scene.file("code/a.txt", "text");
    scene.file("code/below/c.ts", "not looked at");
    let program = example("code_review.ts");
    let run = ["run", &program, "--id", "r", "--input", r#"{"folder": "."}"#, "--allow-read", "code"];
    let output = scene.run_with(&run, "approve\ncomment\nwhy 1?\nmerge\n").expect_exit(0);
    assert!(output.out.contains("Review of the folder .: a.txt, b.ts\n"), "{}", output.out);
    assert!(output.out.contains("  - b.ts: why 1?\n") && !output.out.contains("not looked at"), "{}", output.out);
    // Nothing is granted, so nothing is read, and the program gets an error.
    let denied = ["run", &program, "--id", "denied", "--input", r#"{"folder": "code"}"#];
    let output = scene.run_with(&denied, "").expect_exit(1);
    output.expect_stderr(&["PermissionError", "--allow-read"]);
}

#[test]
fn a_model_answers_through_workers() {
    let scene = CliFixture::new();
    let ended = std::process::Command::new("sh")
        .arg(example("watch.sh"))
        .env("RUNSTATE", env!("CARGO_BIN_EXE_runstate"))
        .env("STORE", format!("file:{}", scene.path().join("watched").display()))
        .env_remove("MODEL")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{output}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(output.contains("100 of 100 looked at\n\nbug: 50\nfeature: 25\nquestion: 25\n"), "{output}");
    assert!(output.contains("Hello Model.\n") && output.ends_with("They are kept.\n"), "{output}");
}
