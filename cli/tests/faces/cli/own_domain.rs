//! The domain of `examples/own_domain.rs` on every face: typed commands, calls with JSON text, the command line and
//! tools of the example's program, and its due work.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use insta::assert_snapshot;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::TokioChildProcess;
use runstate::engine::{Engine, Error, Host, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::operation::Domain;
use runstate::store::{Freshness, Memory};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Json, parse};
use serde_json::json;

use self::domain::{ALREADY_DONE, AddReminder, CODES, Finish, NOTES, Reminder, ReminderState, Snooze};
use crate::support::{CliFixture, CliOutput, block_on};

#[allow(dead_code, reason = "the tests have a main function of their own")]
#[path = "../../../../examples/own_domain.rs"]
mod domain;

/// An engine in memory with the domain.
fn open() -> Engine {
    block_on(Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), &[&NOTES])).unwrap()
}

/// Calls an operation with JSON text, as pages do.
fn call(engine: &Engine, name: &str, text: &str) -> Result<Json, Error> {
    let Json::Object(parameters) = parse(text).unwrap() else { panic!("{text} is not an object") };
    block_on(engine.call(name, parameters))
}

fn add(id: &str, due: Timestamp) -> AddReminder {
    AddReminder { id: id.to_owned(), text: "Drink tea".to_owned(), due }
}

/// The command line of the example. Its program is built with the tests.
fn program(scene: &CliFixture, args: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_BIN_EXE_runstate")).with_file_name("examples").join("own_domain");
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "build it first: cargo build -p runstate-cli --example own_domain");
    let mut command = scene.configure(Command::new(path), args);
    command.env_remove("CARGO");
    command
}

fn run(scene: &CliFixture, args: &[&str]) -> CliOutput {
    program(scene, args).output().unwrap().into()
}

#[test]
fn commands_of_a_domain_have_types() {
    let (engine, due) = (open(), SystemHost.now() + Millis::minutes(5));
    let added = block_on(engine.execute(&add("tea", due))).unwrap();
    assert_eq!(added.state, ReminderState::Open { due });
    let later = due + Millis::minutes(5);
    let snoozed: Reminder = block_on(engine.execute(&Snooze { id: "tea".to_owned(), due: later })).unwrap();
    assert_eq!(snoozed.state, ReminderState::Open { due: later });
    let finish = |due_by| block_on(engine.execute(&Finish { id: "tea".to_owned(), due_by }));
    assert_eq!(finish(Some(due)).unwrap(), snoozed, "due work of a reminder that was put off changes nothing");
    assert!(matches!(finish(None).unwrap().state, ReminderState::Done { .. }));
    assert_eq!(finish(None).unwrap_err().code, ALREADY_DONE);
}

#[test]
fn operations_of_a_domain_are_called_with_json_text() {
    let engine = open();
    let text = r#"{"id": "tea", "text": "Drink tea", "due": 5000, "commandId": "one"}"#;
    let added = call(&engine, "notes.reminder.add", text).unwrap();
    assert_eq!(added, json!({"id": "tea", "text": "Drink tea", "status": "open", "due": 5_000}));
    assert_eq!(call(&engine, "notes.reminder.add", text).unwrap(), added, "a repeat returns the first result");
    assert_eq!(call(&engine, "notes.reminder.show", r#"{"id": "tea"}"#).unwrap(), added);
    assert_eq!(call(&engine, "notes.reminder.list", r#"{"status": "open"}"#).unwrap()["items"], json!([added]));
    assert_eq!(call(&engine, "notes.reminder.list", r#"{"status": "done"}"#).unwrap()["items"], json!([]));
}

#[test]
fn due_work_of_a_domain_is_done_by_the_engine() {
    let (engine, due) = (open(), SystemHost.now() - Millis::minutes(5));
    block_on(engine.execute(&add("tea", due))).unwrap();
    block_on(engine.execute(&add("cake", due + Millis::days(1)))).unwrap();
    assert_eq!(block_on(engine.next_due(Freshness::Linearizable)).unwrap(), Some(due));
    let report = block_on(engine.run_due(10, RunLimit::Stop)).unwrap();
    assert_eq!((report.resumed, report.failed.len()), (1, 0));
    let done = json!({"collection": "notes.reminders", "where": {"eq": ["status", "done"]}}).to_string();
    let found = call(&engine, "documents.query", &done).unwrap();
    assert_eq!((&found["items"][0]["id"], found["items"].as_array().unwrap().len()), (&json!("tea"), 1));
}

#[test]
fn wrong_parameters_of_a_domain_are_explained() {
    let engine = open();
    let message = |name: &str, parameters: Json| {
        let error = call(&engine, name, &parameters.to_string()).unwrap_err();
        assert_eq!(error.code, ErrorCode::USAGE);
        error.message
    };
    assert_snapshot!([
        message("notes.reminder.ad", json!({})),
        message("orchestration.session.create", json!({})),
        message("notes.reminder.add", json!({"id": "tea", "text": "Drink", "dew": 1})),
        message("notes.reminder.add", json!({"id": "tea", "text": ["Drink"], "due": 1})),
        message("notes.reminder.add", json!({"id": "tea"})),
        message("notes.reminder.add", json!({"id": "tea", "text": "Drink", "due": 1, "commandID": "x"})),
        message("notes.reminder.add", json!({"id": "tea", "text": "x".repeat(1_000_000), "due": "today"})),
        message("notes.reminder.finish", json!({"id": "tea", "dueBy": 1})),
        message("notes.reminder.list", json!({"status": "opened"})),
        message("notes.reminder.list", json!({"status": 1})),
        message("notes.reminder.list", json!({"sort": "text"})),
        message("notes.reminder.list", json!({"text": "x"})),
    ].join("\n"), @r#"
    `notes.reminder.ad` is not an operation; did you mean `notes.reminder.add`?
    `orchestration.session.create` is not an operation; this store was not opened with a domain `orchestration`
    notes.reminder.add has no option `dew`; its options are `id`, `text`, `due`, `commandId`
    notes.reminder.add: `text` must be a string, not ["Drink"]
    notes.reminder.add: `text` is missing; it must be a string
    notes.reminder.add has no option `commandID`; did you mean `commandId`?
    notes.reminder.add: `due` must be a time in milliseconds since 1970, not "today"
    notes.reminder.finish has no option `dueBy`; its options are `id`, `commandId`
    notes.reminder.list: `status` is not one of open, done
    notes.reminder.list: `status` is not a text
    notes.reminder.list: `sort` must be one of due, not "text"
    notes.reminder.list has no option `text`; its options are `status`, `sort`, `descending`, `limit`, `cursor`
    "#);
}

#[test]
fn a_domain_that_declares_something_twice_is_refused_by_name() {
    static TWICE: Domain = Domain::new("twice").codes(CODES);
    static FOREIGN: Domain = Domain::new("foreign").collections(NOTES.collections);
    let refusal = |domains: &[&'static Domain]| {
        let engine = Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), domains);
        block_on(engine).map(drop).unwrap_err().message
    };
    assert_snapshot!([refusal(&[&NOTES, &NOTES]), refusal(&[&NOTES, &TWICE]), refusal(&[&FOREIGN])].join("\n"), @"
    the domain `notes` is declared twice: by the domain `notes` and by the domain `notes`
    error code `already_done` is declared twice: by the domain `notes` and by the domain `twice`
    the domain `foreign` declares the collection `notes.reminders`; its name must begin with `foreign.`
    ");
}

#[test]
fn a_domain_is_described_like_the_built_in_ones() {
    let engine = open();
    let signature = engine.signatures().find(|signature| signature.name == "notes.reminder.add").unwrap();
    let description = (signature.description.unwrap())();
    assert_eq!((description.documentation, &*description.command_line), ("Adds a reminder.", "notes reminder add"));
    let parameters = (description.parameters)();
    assert_eq!(parameters.get("required"), Some(&json!(["id", "text", "due"])));
    assert_eq!(parameters.pointer("/properties/due/description"), Some(&json!("When it is due.")));
}

#[test]
fn a_program_with_a_domain_has_its_commands() {
    let scene = CliFixture::new();
    let due = "2100-01-20T10:00:00Z";
    assert_snapshot!(run(&scene, &["notes", "reminder", "add", "tea", "--text", "Drink tea", "--due", due]).expect_exit(0).text(), @"
    id      tea
    text    Drink tea
    status  open
    due     [time]
    ");
    let snoozed = run(&scene, &["notes", "reminder", "snooze", "tea", "--due", "2100-01-21T10:00:00Z", "--json"]);
    let snoozed = snoozed.expect_exit(0).json();
    assert_eq!(snoozed, json!({"id": "tea", "text": "Drink tea", "status": "open", "due": "2100-01-21T10:00:00Z"}));
    assert_snapshot!(run(&scene, &["notes", "reminder", "list", "--status", "open", "--sort", "due"]).expect_exit(0).text(), @"
    ID   TEXT       STATUS  DUE
    tea  Drink tea  open    [time]
    ");
    assert_eq!(run(&scene, &["notes", "reminder", "show", "tea", "--json"]).expect_exit(0).json(), snoozed);
    assert!(
        run(&scene, &["notes", "reminder", "list", "--status", "opn"])
            .expect_exit(2)
            .err
            .contains("[possible values: open, done]")
    );
    // Finish takes no other parameter, so it takes several reminders.
    run(&scene, &["notes", "reminder", "add", "cake", "--text", "Bake", "--due", "+1h"]).expect_exit(0);
    run(&scene, &["notes", "reminder", "finish", "tea", "cake", "--command-id", "evening"]).expect_exit(0);
    run(&scene, &["notes", "reminder", "finish", "tea", "cake", "--command-id", "evening"]).expect_exit(0);
    let again = run(&scene, &["notes", "reminder", "finish", "tea"]).expect_exit(5);
    assert_eq!(again.err, "error: reminder `tea` is done already\n");
    let both = run(&scene, &["notes", "reminder", "finish", "tea", "pie", "--json"]).expect_exit(5).values();
    assert_eq!((&both[0]["error"]["reminder"], &both[1]["error"]["code"]), (&json!("tea"), &json!("not_found")));
    run(&scene, &["verify"]).expect_exit(0);
}

/// The bounds of texts count their bytes. As JSON, control characters have six bytes each.
#[test]
fn a_valid_text_is_never_too_large_for_the_ledger() {
    let scene = CliFixture::new();
    let text = "\u{1}".repeat(500);
    let add =
        |id: &str, text: &str| run(&scene, &["notes", "reminder", "add", id, "--text", text, "--due", "+1h", "--json"]);
    assert_eq!(add("tea", &text).expect_exit(0).json()["text"], text);
    assert_eq!(add("pie", &format!("{text}x")).expect_exit(5).error_code(), "invalid");
}

#[test]
fn a_program_with_a_domain_does_its_due_work() {
    let scene = CliFixture::new();
    let status = |id: &str| {
        run(&scene, &["notes", "reminder", "show", id, "--json"]).expect_exit(0).json()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for id in ["first", "second"] {
        run(&scene, &["notes", "reminder", "add", id, "--text", "now", "--due", "1s"]).expect_exit(0);
        match id {
            "first" => assert_eq!(run(&scene, &["tick"]).expect_exit(0).out, "1 continued\n"),
            _ => _ = run(&scene, &["work", "--kind", "cc", "--exec", "cat", "--drain"]).expect_exit(0),
        }
        assert_eq!(status(id), "done");
    }
}

#[test]
fn a_program_with_a_domain_explains_wrong_words() {
    let scene = CliFixture::new();
    let refused = |args: &[&str]| run(&scene, args).expect_exit(2).err;
    assert!(refused(&["notes", "reminder", "snoze", "tea"]).contains("'snooze'"));
    assert!(refused(&["reminder", "add"]).contains("'notes reminder add'"));
    assert!(refused(&["notes", "reminder", "add", "tea", "--txt", "x"]).contains("'--text'"));
    assert!(refused(&["notes", "reminder", "add", "tea", "--text", "x"]).contains("--due <WHEN>"));
    let soon = ["notes", "reminder", "add", "tea", "--text", "x", "--due", "+5m", "--command-id", "c"];
    assert!(refused(&soon).contains("a repeat of a command id must have the same time"));
    assert!(
        refused(&["notes", "reminder", "add", "tea", "--text", "x", "--due", "soon"])
            .contains("--due: write a number and a unit")
    );
    // Only an operation that creates something may be the first in a store.
    assert_eq!(
        run(&scene, &["notes", "reminder", "finish", "te", "--json"]).expect_exit(4).error_code(),
        "unavailable"
    );
    run(&scene, &["notes", "reminder", "add", "tea", "--text", "Drink tea", "--due", "+1h"]).expect_exit(0);
    let missing = run(&scene, &["notes", "reminder", "finish", "te", "--json"]).expect_exit(5);
    assert_eq!(missing.error_code(), "not_found");
    let help = run(&scene, &["--help"]).expect_exit(0).out;
    let all = run(&scene, &["help", "all"]).expect_exit(0).out;
    for (help, words) in [
        (&help, "Usage: own_domain [OPTIONS]"),
        (&help, "\nMore: own_domain help store|"),
        (&help, "|notes|all\n"),
        (&all, "\n  reminder "),
        (&all, "\n  own_domain run review.ts"),
    ] {
        assert!(help.contains(words) && !help.contains("runstate "), "`{words}` is missing in: {help}");
    }
    assert_snapshot!(run(&scene, &["notes", "reminder", "add", "-h"]).expect_exit(0).text().split("      --store").next().unwrap(), @"
    Adds a reminder

    Usage: own_domain notes reminder add [OPTIONS] --text <TEXT> --due <WHEN> <ID>

    Arguments:
      <ID>  Id of the reminder

    Options:
          --text <TEXT>      The text to remember
          --due <WHEN>       When it is due: `5m` ago, `+5m` from now, or RFC 3339
          --command-id <ID>  Id of this command: a repeated id has no further effect; commands that run
                             an execution then print its current status, others their first result
          --color <WHEN>     Colors: on a terminal (`auto`), `always` or `never`
          --json             Print one JSON value per line, errors included, on standard output
    ");
}

#[test]
fn a_program_with_a_domain_serves_its_tools() {
    let scene = CliFixture::new();
    block_on(async {
        let command = tokio::process::Command::from(program(&scene, &["mcp", "--domain", "notes"]));
        let client = ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
        assert_eq!(client.peer_info().unwrap().server_info.as_ref().unwrap().name, "own_domain");
        let tools = client.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        let expected = ["add", "finish", "list", "show", "snooze"].map(|verb| format!("notes_reminder_{verb}"));
        assert_eq!(names, expected);
        assert_eq!(tools[0].input_schema["required"], json!(["id", "text", "due"]));
        let call = async |tool: &'static str, arguments: Json| {
            let arguments = arguments.as_object().unwrap().clone();
            let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
            (result.is_error.unwrap_or_default(), result.structured_content.unwrap())
        };
        let due = SystemHost.now() + Millis::minutes(5);
        let (failed, added) = call("notes_reminder_add", json!({"id": "tea", "text": "Drink", "due": due})).await;
        assert_eq!((failed, &added["status"]), (false, &json!("open")));
        let (failed, done) = call("notes_reminder_finish", json!({"id": "tea"})).await;
        assert_eq!((failed, &done["status"]), (false, &json!("done")));
        let (failed, error) = call("notes_reminder_snooze", json!({"id": "tea", "due": due})).await;
        assert_eq!((failed, &error["code"]), (true, &json!("already_done")));
        client.cancel().await.unwrap();
    });
}
