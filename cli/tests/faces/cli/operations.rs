//! Commands that are built from the declarations of operations.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{CliFixture, GREET};

#[test]
fn the_help_of_an_operation_comes_from_its_declaration() {
    let scene = CliFixture::new();
    assert_snapshot!(scene.run(&["runs", "heartbeat", "-h"]).expect_exit(0).text().split("      --store").next().unwrap(), @"
    Reports that a worker still works on an item, and renews its lease

    Usage: runstate runs heartbeat [OPTIONS] --token <N> <CALL>

    Arguments:
      <CALL>  The item

    Options:
          --token <N>        The fencing token of the claim
          --lease-ms <MS>    How long the claim lasts from now on, in milliseconds, from 1 second to 30
                             days; by default 30 seconds: `5m`, or milliseconds
          --command-id <ID>  Id of this command: a repeated id has no further effect; commands that run
                             an execution then print its current status, others their first result
          --color <WHEN>     Colors: on a terminal (`auto`), `always` or `never`
          --json             Print one JSON value per line, errors included, on standard output
    ");
    let help = scene.run(&["help", "runs", "complete"]).expect_exit(0).out;
    assert!(help.contains("Errors: `stale_claim`") && help.contains("--answer <JSON>"), "{help}");
    let groups = scene.run(&["runs", "-h"]).expect_exit(0).out;
    for name in ["claim", "heartbeat", "release", "statuses", "latency-by-kind"] {
        assert!(groups.contains(&format!("\n  {name} ")), "`{name}` is missing in: {groups}");
    }
}

#[test]
fn a_worker_of_another_language_claims_and_completes() {
    let scene = CliFixture::greeting("g");
    let claimed = scene.run(&["runs", "claim", "--kinds", "cc", "--owner", "w1", "--json"]).expect_exit(0).json();
    let (call, token) = (claimed["claimed"]["call"].as_str().unwrap(), claimed["claimed"]["token"].to_string());
    assert!(claimed["claimed"]["until"].as_str().is_some_and(|at| at.ends_with('Z')), "{claimed}");
    let words = ["runs", "complete", call, "--execution", "g", "--token", &token, "--answer"];
    scene.file("answer.json", "\"Ada\"\n");
    scene.run(&[&words[..], &["Ada"]].concat()).expect_exit(2).expect_stderr(&["--answer is not JSON"]);
    assert_snapshot!(scene.run(&[&words[..], &["@answer.json"]].concat()).expect_exit(0).text(), @"
    id      g
    status  waiting_cc
    ");
    scene.run(&[&words[..], &["\"Bob\""]].concat()).expect_exit(5);
    assert_eq!(scene.show("g")["output"], json!(["Hello, Ada"]));
    // The second question: its answer comes from standard input.
    let claimed = scene.run(&["runs", "claim", "--kinds", "cc", "--owner", "w1", "--json"]).expect_exit(0).json();
    let (call, token) = (claimed["claimed"]["call"].as_str().unwrap(), claimed["claimed"]["token"].to_string());
    let words = ["runs", "complete", call, "--execution", "g", "--token", &token, "--answer", "-", "--json"];
    let completed = scene.run_with(&words, "\"yes\"").expect_exit(0).json();
    assert_eq!(completed, json!({ "id": "g", "status": "complete" }));
    assert_snapshot!(scene.run(&["runs", "claim", "--kinds", "cc", "--owner", "w1"]).expect_exit(0).text(), @"
    --- stderr
    none
    ");
}

#[test]
fn results_are_lines_tables_and_json() {
    let scene = CliFixture::greeting("g");
    assert_snapshot!(scene.run(&["runs", "statuses"]).expect_exit(0).text(), @"
    cancelled   0
    complete    0
    error       0
    paused      0
    running     0
    waiting_cc  1
    ");
    assert_snapshot!(scene.run(&["runs", "summary", "g"]).expect_exit(0).text(), @"
    id               g
    program name     greet
    program version  1
    status           waiting_cc
    prompt           Who is there?
    open calls       1
    started          [time]
    last modified    [time]
    ");
    assert_snapshot!(scene.run(&["list", "--program", "greet"]).expect_exit(0).text(), @"
    ID  PROGRAM  STATUS      STARTED               QUESTION
    g   greet    waiting_cc  [time]  Who is there?
    ");
    let next = scene.run(&["runs", "next-available", "--kinds", "cc", "--json"]).expect_exit(0).json();
    assert!(next.as_str().is_some_and(|at| at.ends_with('Z')), "{next}");
    assert_eq!(scene.run(&["due", "next"]).expect_exit(0).err, "none\n");
    assert_eq!(scene.run(&["store", "capabilities", "--json"]).expect_exit(0).json()["name"], "file");
}

#[test]
fn parameters_that_do_not_fit_are_explained() {
    let scene = CliFixture::greeting("g");
    let refused = |args: &[&str]| scene.run(args).expect_exit(2).err;
    assert_snapshot!(refused(&["runs", "heartbeat", "c", "--token", "one"]), @r#"
    error: cvm.heartbeat: `token` must be a whole number, 0 or more, not "one"
    "#);
    assert_snapshot!(refused(&["runs", "heartbeat", "c", "--token", "1", "--lease-ms", "-5"]), @"
    error: cvm.heartbeat: `leaseMs` must be a whole number of milliseconds, 0 or more, not -5
    ");
    for lease in ["soon", "1000000d"] {
        let error = refused(&["runs", "heartbeat", "c", "--token", "1", "--lease-ms", lease]);
        let hint =
            "--lease-ms: write a number and a unit, from 1ms to 100 years: 500ms, 30s, 10m, 2h, 30d, or milliseconds";
        assert!(error.contains(hint), "{error}");
    }
    for ledger in ["0", "1h", "366d"] {
        assert!(refused(&["prepare", "--ledger", ledger]).contains("write from 1 to 365 days: 7d"), "{ledger}");
    }
    assert!(refused(&["runs", "heartbeat", "c"]).contains("--token <N>"));
    assert!(refused(&["runs", "heartbeet", "c"]).contains("'heartbeat'"));
    assert!(refused(&["list", "--status", "waitin"]).contains("waiting"));
    assert!(refused(&["due", "run", "--run-limit", "fast"]).contains("[possible values: stop, slice]"));
    assert!(refused(&["runs", "count-finished", "--before", "yesterday"]).contains("--before"));
    scene.run(&["runs", "call", "missing"]).expect_exit(5).expect_stderr(&["call `missing` does not exist"]);
}

#[test]
fn completions_include_every_operation() {
    let script = CliFixture::new().run(&["completions", "bash"]).expect_exit(0).out;
    for words in ["runstate__subcmd__pause", "runstate__subcmd__runs__subcmd__heartbeat", "--lease-ms"] {
        assert!(script.contains(words), "`{words}` is missing");
    }
}

#[test]
fn a_limit_counts_rows_over_all_pages() {
    let scene = CliFixture::with("greet", GREET);
    for n in 0..3 {
        scene.run(&["start", "greet", "--id", &format!("e{n}")]).expect_exit(3);
    }
    assert_eq!(scene.run(&["list", "--active", "--limit", "2", "--json"]).expect_exit(0).values().len(), 2);
    assert_eq!(scene.run(&["list", "--active", "--json"]).expect_exit(0).values().len(), 3);
}

#[test]
fn documents_are_declared_first_and_written_once_per_command_id() {
    let scene = CliFixture::new();
    scene.run(&["documents", "query", "notes"]).expect_exit(4);
    let fields = r#"[{"name": "text", "kind": "text"}, {"name": "count", "kind": "int"}]"#;
    scene.run(&["documents", "declare", "notes", "--fields", fields]).expect_exit(0);
    scene.file("writes.json", r#"[{"collection": "notes", "id": "a", "put": {"text": "x"}}]"#);
    let write = ["documents", "commit", "--writes", "@writes.json", "--json", "--command-id", "first"];
    let written = scene.run(&write).expect_exit(0).json();
    let repeated = scene.run(&write).expect_exit(0).json();
    assert_eq!((&written["replayed"], &repeated["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(repeated["revisions"], written["revisions"]);
    let other = r#"{"collection": "notes", "id": "b", "put": {"text": "y"}}"#;
    let conflict = scene.run(&["documents", "commit", "--writes", other, "--command-id", "first"]);
    assert!(conflict.expect_exit(5).err.contains("was used for a different command"));
    for args in [
        ["--where", r#"{"eq": ["_id", "a"]}"#],
        ["--where", r#"{"not": {"and": [{"exists": ["_rev", true]}]}}"#],
        ["--order", "-_id"],
    ] {
        let refused = scene.run(&["documents", "query", "notes", args[0], args[1]]).expect_exit(2);
        assert!(refused.err.contains("is not a field of documents"), "{}", refused.err);
    }
    scene.run(&["verify"]).expect_exit(0);
}

#[test]
fn help_of_json_flags_names_files_and_standard_input() {
    let scene = CliFixture::new();
    for command in [&["documents", "commit"][..], &["documents", "declare"], &["documents", "query"]] {
        let help = scene.run(&[command, &["--help"]].concat()).expect_exit(0).out.replace(char::is_whitespace, "");
        let flags = help.split_once("Options:").unwrap().1.matches("<JSON>").count();
        assert!(flags > 0 && help.matches("JSON,`@FILE`withit,or`-`forstandardinput").count() >= flags, "{help}");
    }
}
