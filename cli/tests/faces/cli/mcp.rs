//! `mcp`: a client of the official library drives the real binary over its standard input and output.

#![allow(deprecated, reason = "clients of protocol versions before 2026-07-28 subscribe to one resource at a time")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, GetPromptRequestParams, ReadResourceRequestParams, ResourceContents,
    ResourceUpdatedNotificationParam, SubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Store as _, StoreAdmin as _};
use runstate::testing::{BatchExt as _, batch};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{CliFixture, GREET, block_on};

/// A client that records the resources that changed.
struct Client(UnboundedSender<String>);

impl ClientHandler for Client {
    async fn on_resource_updated(&self, updated: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.send(updated.uri).unwrap();
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.send("list".to_owned()).unwrap();
    }
}

pub struct McpConnection {
    service: RunningService<RoleClient, Client>,
    changed: UnboundedReceiver<String>,
}

impl McpConnection {
    async fn open(scene: &CliFixture, args: &[&str]) -> Self {
        let words: Vec<&str> = std::iter::once("mcp").chain(args.iter().copied()).collect();
        Self::open_with(scene.command(&words)).await
    }

    /// The connection to the process of this command.
    pub async fn open_with(command: std::process::Command) -> Self {
        let transport = TokioChildProcess::new(tokio::process::Command::from(command)).unwrap();
        let (sender, changed) = unbounded_channel();
        Self { service: Client(sender).serve(transport).await.unwrap(), changed }
    }

    pub async fn call(&self, tool: &str, arguments: Json) -> Result<CallToolResult, ServiceError> {
        let Json::Object(arguments) = arguments else { panic!("{arguments} is not an object") };
        self.service.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await
    }

    /// Calls a tool that succeeds.
    pub async fn result(&self, tool: &str, arguments: Json) -> Json {
        let result = self.call(tool, arguments).await.unwrap();
        assert_ne!(result.is_error, Some(true), "{result:?}");
        result.structured_content.unwrap_or_default()
    }

    /// Calls a tool that fails.
    pub async fn error(&self, tool: &str, arguments: Json) -> Json {
        let result = self.call(tool, arguments).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{result:?}");
        result.structured_content.unwrap()
    }

    pub async fn read(&self, uri: &str) -> String {
        let contents = self.service.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap().contents;
        match contents.as_slice() {
            [ResourceContents::TextResourceContents { text, .. }] => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    async fn tools(&self) -> Vec<rmcp::model::Tool> {
        self.service.list_all_tools().await.unwrap()
    }

    /// Waits for a notification about this resource, among others.
    async fn wait_for(&mut self, uri: &str) {
        let changed = async { while self.changed.recv().await.unwrap() != uri {} };
        tokio::time::timeout(Duration::from_secs(60), changed).await.unwrap();
    }

    pub async fn close(self) {
        self.service.cancel().await.unwrap();
    }
}

#[test]
fn a_client_loads_starts_reads_and_answers() {
    let scene = CliFixture::new();
    block_on(async {
        let mut client = McpConnection::open(&scene, &["--all"]).await;
        let loaded = client.result("cvm_load", json!({ "name": "greet", "source": GREET })).await;
        assert_eq!(loaded["name"], "greet");
        client.service.subscribe(SubscribeRequestParams::new("runstate://calls")).await.unwrap();
        let started = client.result("cvm_start", json!({ "program": "greet", "id": "g 1/ä" })).await;
        assert_eq!(started["status"], "waiting_cc");
        client.wait_for("runstate://calls").await;

        let calls: Json = serde_json::from_str(&client.read("runstate://calls").await).unwrap();
        assert_eq!(calls[0]["prompt"], "Who is there?");
        let resources = client.service.list_all_resources().await.unwrap();
        let execution = resources.iter().find(|one| one.name == "g 1/ä").unwrap();
        assert_eq!(execution.description.as_deref(), Some("greet is waiting_cc: Who is there?"));

        let answered = client.result("cvm_answer", json!({ "id": "g 1/ä", "answer": "Ada" })).await;
        assert_eq!(answered["status"], "waiting_cc");
        assert_eq!(client.read(&format!("{}/output", execution.uri)).await, "Hello, Ada");
        let view: Json = serde_json::from_str(&client.read(&execution.uri).await).unwrap();
        assert_eq!((&view["status"], &view["calls"][0]["prompt"]), (&json!("waiting_cc"), &json!("All fine?")));

        let started = view["started"].as_str().unwrap();
        assert!(started.ends_with('Z'), "{started}");
        for (since, has_rows) in [(started, true), ("2999-01-01T00:00:00Z", false)] {
            let logs = client.result("cvm_logs", json!({ "since": since })).await;
            assert_eq!(logs["items"][0]["timestamp"].is_string(), has_rows, "{logs}");
        }
        let error = client.error("cvm_logs", json!({ "since": "noon" })).await;
        assert_eq!(error["message"], "since: `noon` is not a time in RFC 3339, such as 2024-01-20T10:00:00Z");
        let error = client.error("cvm_show", json!({ "id": "none" })).await;
        assert_eq!(error["message"], "execution `none` does not exist; `cvm_list` lists them");

        let error = client.error("cvm_answer", json!({ "id": "g 1/ä", "answer": "maybe" })).await;
        assert_eq!((&error["code"], &error["details"]["choices"]), (&json!("invalid_answer"), &json!(["yes", "no"])));
        let error = client.error("cvm_start", json!({ "progam": "greet" })).await;
        assert_eq!(error["message"], "cvm.start has no option `progam`; did you mean `program`?");
        client.close().await;
    });
}

#[test]
fn a_call_that_another_process_opens_is_notified() {
    let scene = CliFixture::with("greet", GREET);
    block_on(async {
        let mut client = McpConnection::open(&scene, &["--all"]).await;
        client.service.subscribe(SubscribeRequestParams::new("runstate://executions/r1/calls")).await.unwrap();
        scene.run(&["start", "greet", "--id", "r1"]).expect_exit(3);
        client.wait_for("runstate://executions/r1/calls").await;
        client.close().await;
    });
}

#[test]
fn arguments_are_read_as_models_write_them() {
    let scene = CliFixture::new();
    let source = "function main() { return [CC('a?'), CC('b?', { schema: { type: 'object' } })]; }";
    block_on(async {
        let client = McpConnection::open(&scene, &["--all"]).await;
        let load =
            json!({ "name": "ask", "source": source, "tags": r#"["x", "1"]"#, "description": "", "files": null });
        client.result("cvm_load", load).await;
        let programs = client.result("cvm_programs", json!({ "limit": "10", "tag": "" })).await;
        assert_eq!(programs["items"][0]["tags"], json!(["x", "1"]));
        client.result("cvm_start", json!({ "program": "ask", "id": "e1", "input": "", "commandId": "" })).await;
        for limit in [json!("10"), json!(""), json!(null)] {
            let listed = client.result("cvm_list", json!({ "limit": limit, "program": "", "status": null })).await;
            assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{limit}");
        }
        let filter =
            json!({ "program": r#"["ask", "q4"]"#, "status": r#"["waiting_cc", "complete"]"#, "limit": "null" });
        let listed = client.result("cvm_list", filter).await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        // An answer is any JSON, so a text stays a text.
        client.result("cvm_answer", json!({ "id": "e1", "answer": "10", "call": "", "by": null })).await;
        client.result("cvm_answer", json!({ "id": "e1", "answer": { "n": "1" } })).await;
        let shown = client.result("cvm_show", json!({ "id": "e1", "machine": "false" })).await;
        assert_eq!((&shown["result"], &shown["input"]), (&json!(["10", { "n": "1" }]), &json!("")));

        let fields = r#"[{ "name": "text", "kind": "text", "required": "true" }]"#;
        client.result("documents_declare", json!({ "collection": "notes", "fields": fields })).await;
        let put = r#"[{ "collection": "notes", "id": "1", "put": "{\"text\": \"5\"}" }]"#;
        client.result("documents_commit", json!({ "writes": put })).await;
        let all = json!({ "collection": "notes", "where": r#"{"eq": ["text", "5"]}"#, "order": "" });
        assert_eq!(client.result("documents_query", all).await["items"][0]["text"], "5");

        for (tool, arguments, message) in [
            (
                "cvm_list",
                json!({ "limit": "ten" }),
                "cvm.list: `limit` must be a whole number from 0 to 4294967295, not \"ten\"",
            ),
            ("cvm_load", json!({ "name": 5, "source": "1" }), "`name` must be a string, not 5"),
            ("cvm_claim", json!({ "owner": "w", "kinds": "cc" }), "`kinds` must be a list, each a string, not \"cc\""),
            ("cvm_show", json!({ "id": "" }), "execution `` does not exist"),
            ("cvm_show", json!({ "id": null }), "`id` must be a string, not null"),
            ("cvm_show", json!({ "id": "e1", "full": "yes" }), "`full` must be true or false, not \"yes\""),
        ] {
            let refused = client.error(tool, arguments.clone()).await;
            assert!(refused["message"].as_str().unwrap().contains(message), "{tool} {arguments}: {refused}");
        }
        client.close().await;
    });
}

#[test]
fn a_damaged_execution_is_listed_with_its_reason() {
    static UNDECLARED: Collection = Collection::new("cvm.executions", 5);
    let scene = CliFixture::greeting("g");
    block_on(async {
        let store = FileStore::open(scene.path().join("store"), FileStoreOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&UNDECLARED]).unwrap()).await.unwrap();
        store.commit(batch(CommandId::new("by hand").unwrap()).insert(&UNDECLARED, "bad", json!({}))).await.unwrap();
        drop(store);
        let client = McpConnection::open(&scene, &["--all"]).await;
        let resources = client.service.list_all_resources().await.unwrap();
        let listed: Vec<_> = resources.iter().map(|one| (one.name.as_str(), one.description.as_deref())).collect();
        let reason = Some("It cannot be read: id: is missing");
        assert_eq!(listed[2..], [("g", Some("greet is waiting_cc: Who is there?")), ("bad", reason)]);
        client.close().await;
    });
}

#[test]
fn every_operation_is_a_tool_and_read_only_serves_queries() {
    let scene = CliFixture::greeting("g");
    block_on(async {
        let client = McpConnection::open(&scene, &["--all"]).await;
        let all = client.tools().await;
        let writes = |tool: &&rmcp::model::Tool| tool.annotations.as_ref().unwrap().read_only_hint == Some(false);
        let names =
            |tools: &[rmcp::model::Tool]| tools.iter().map(|tool| tool.name.to_string()).collect::<BTreeSet<_>>();
        assert!(all.iter().any(|tool| tool.name == "cvm_load") && all.iter().any(|tool| tool.name == "store_info"));
        let start = all.iter().find(|tool| tool.name == "cvm_start").unwrap();
        assert_eq!(start.input_schema["required"], json!(["program"]));
        let logs = all.iter().find(|tool| tool.name == "cvm_logs").unwrap();
        let since = &logs.input_schema["properties"]["since"];
        assert_eq!((&since["type"], &since["format"]), (&json!("string"), &json!("date-time")));
        assert_eq!(start.input_schema["properties"]["commandId"]["type"], "string");
        client.close().await;

        let client = McpConnection::open(&scene, &["--all", "--read-only"]).await;
        let queries = client.tools().await;
        assert!(!queries.iter().any(|tool| writes(&tool)));
        assert_eq!(names(&queries).len(), all.len() - all.iter().filter(writes).count());
        assert_eq!(client.result("cvm_status", json!({ "id": "g" })).await["execution"]["status"], "waiting_cc");
        let refused = client.call("cvm_cancel", json!({ "id": "g" })).await.unwrap_err();
        assert!(refused.to_string().contains("`cvm_cancel` is not a tool"), "{refused}");
        client.close().await;

        let client = McpConnection::open(&scene, &["--domain", "store", "--domain", "due"]).await;
        assert!(names(&client.tools().await).iter().all(|name| name.starts_with("store_") || name.starts_with("due_")));
        let listed = client.service.list_all_resources().await.unwrap_err();
        let uri = "runstate://executions/g";
        let read = client.service.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap_err();
        let templates = client.service.list_all_resource_templates().await.unwrap_err();
        let subscribed = client.service.subscribe(SubscribeRequestParams::new(uri)).await.unwrap_err();
        for refused in [listed, read, templates, subscribed] {
            assert!(refused.to_string().contains("this server serves no executions"), "{refused}");
        }
        client.close().await;
    });
    assert_eq!(scene.status("g"), "waiting_cc");
}

/// The parts of a schema that clients commonly take, with the words that each may have.
fn expect_plain(schema: &Json, at: &str) {
    const WORDS: [&str; 12] = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "description",
        "items",
        "enum",
        "anyOf",
        "minimum",
        "minItems",
        "maxItems",
        "default",
    ];
    let members = schema.as_object().unwrap_or_else(|| panic!("{at} has no type: {schema}"));
    for (word, value) in members {
        let is_known = WORDS.contains(&word.as_str())
            || (word == "maximum" && value.is_number())
            || (word == "format" && (value == "date-time" || value == "date"));
        assert!(is_known, "{at}: {word}: {value}");
    }
    match &schema["type"] {
        Json::String(name) => {
            let names = ["string", "integer", "number", "boolean", "array", "object"];
            assert!(names.contains(&name.as_str()), "{at}: {name}");
            assert_eq!(name == "array", schema.get("items").is_some(), "{at}");
        }
        Json::Null if schema.get("anyOf").is_some() => {}
        Json::Null => assert!(schema["description"].as_str().unwrap().contains("Any JSON, written as it is"), "{at}"),
        other => panic!("{at}: {other}"),
    }
    if let Some(words) = schema.get("enum") {
        let words = words.as_array().unwrap();
        assert!(!words.is_empty() && words.iter().all(Json::is_string), "{at}: {words:?}");
    }
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        expect_plain(form, at);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        expect_plain(member, &format!("{at}/{name}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(schema["properties"].get(name.as_str().unwrap()).is_some(), "{at}: {name}");
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(word).filter(|inner| !inner.is_boolean()) {
            expect_plain(inner, &format!("{at}/{word}"));
        }
    }
}

#[test]
fn the_tools_are_few_and_plain() {
    let scene = CliFixture::new();
    block_on(async {
        for (args, names) in [
            (&[][..], "answer call cancel list load output questions retry search show start wait"),
            (&["--read-only"][..], "call list output questions search show wait"),
            (&["--all"][..], ""),
        ] {
            let client = McpConnection::open(&scene, args).await;
            let tools = client.tools().await;
            let bytes = json!({ "tools": tools }).to_string().len();
            println!("{args:?}: {} tools, {bytes} bytes", tools.len());
            if !names.is_empty() {
                let mut listed: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
                listed.sort_unstable();
                assert_eq!(listed.join(" "), names);
                assert!(bytes <= 10_500, "{bytes}");
            }
            for tool in &tools {
                expect_plain(&json!(tool.input_schema), &tool.name);
                let hints = tool.annotations.as_ref().unwrap();
                let is_read = hints.read_only_hint.unwrap();
                assert!(tool.title.is_some() && hints.idempotent_hint.is_some(), "{tool:?}");
                assert!(!is_read || hints.destructive_hint != Some(true), "{tool:?}");
                assert!(is_read || !args.contains(&"--read-only"), "{tool:?}");
                let destroys = ["cancel", "call", "cvm_removeProgram", "documents_drop"].contains(&&*tool.name);
                assert!(!destroys || is_read || hints.destructive_hint == Some(true), "{tool:?}");
            }
            client.close().await;
        }
    });
}

#[test]
fn a_turn_returns_the_open_questions() {
    let scene = CliFixture::new();
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
        client.result("load", json!({ "name": "greet", "source": GREET })).await;
        let started = client.result("start", json!({ "program": "greet", "id": "g1" })).await;
        assert_eq!((&started["id"], &started["status"]), (&json!("g1"), &json!("waiting_cc")));
        let question = &started["questions"][0];
        assert_eq!((&question["prompt"], &question["waitsFor"]), (&json!("Who is there?"), &json!("person")));
        assert!(question["requestedAt"].as_str().unwrap().ends_with('Z'), "{question}");
        // It waits for the client, so a wait ends at once.
        assert_eq!(client.result("wait", json!({ "id": "g1" })).await, started);
        let listed = client.result("questions", json!({ "program": "greet", "open": false })).await;
        assert_eq!(listed["items"][0]["prompt"], "Who is there?");

        let answered = client.result("answer", json!({ "id": "g1", "answer": "Ada" })).await;
        assert_eq!(answered["questions"][0]["choices"], json!(["yes", "no"]));
        assert_eq!(client.result("output", json!({ "id": "g1" })).await["result"], json!(["Hello, Ada"]));
        assert_eq!(client.result("show", json!({ "id": "g1" })).await["status"], "waiting_cc");
        let ended = client.result("answer", json!({ "id": "g1", "answer": "yes" })).await;
        assert_eq!((&ended["status"], &ended["questions"]), (&json!("complete"), &json!([])));

        let source =
            "function main(input) { if (call('slow', 1) > 1) throw new Error('too many'); return CC('Next?'); }";
        client.result("load", json!({ "name": "slow", "source": source })).await;
        client.result("start", json!({ "program": "slow", "id": "s1" })).await;
        let waited = client.result("wait", json!({ "id": "s1", "waitMs": 0 })).await;
        assert_eq!(
            (&waited["questions"][0]["kind"], &waited["questions"][0]["waitsFor"]),
            (&json!("slow"), &json!("worker"))
        );
        // Another client answers meanwhile.
        let other = McpConnection::open(&scene, &[]).await;
        let wait = client.result("wait", json!({ "id": "s1", "waitMs": 60_000 }));
        let (waited, _) = tokio::join!(
            wait,
            other.result("answer", json!({ "id": "s1", "call": waited["questions"][0]["id"], "answer": 1 }))
        );
        assert_eq!(waited["questions"][0]["prompt"], "Next?");
        assert_eq!(client.result("cancel", json!({ "id": "s1" })).await["status"], "cancelled");

        client.result("start", json!({ "program": "slow", "id": "s2" })).await;
        let call = client.result("wait", json!({ "id": "s2", "waitMs": 0 })).await["questions"][0]["id"].clone();
        let failed = client.result("answer", json!({ "id": "s2", "call": call, "answer": 2 })).await;
        assert_eq!((&failed["status"], &failed["error"]["message"]), (&json!("error"), &json!("too many")));
        let retried = client.result("retry", json!({ "id": "s2" })).await;
        assert_eq!((&retried["id"], &retried["status"]), (&json!("s2"), &json!("error")), "{retried}");
        let listed = client.result("list", json!({ "status": "error" })).await;
        assert_eq!(listed["items"][0]["id"], "s2");
        for tool in ["show", "wait"] {
            let missing = client.error(tool, json!({ "id": "none" })).await;
            assert_eq!(missing["message"], "execution `none` does not exist; `list` lists them");
        }
        other.close().await;
        client.close().await;
    });
}

#[test]
fn a_turn_is_bounded_and_names_what_is_cut() {
    let scene = CliFixture::new();
    let source = "function main() { CC('x'.repeat(100_000)); return 'y'.repeat(200_000); }";
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
        client.result("load", json!({ "name": "large", "source": source })).await;
        let started = client.result("start", json!({ "program": "large", "id": "l" })).await;
        let prompt = started["questions"][0]["prompt"].as_str().unwrap();
        assert!(prompt.starts_with("xxx") && prompt.ends_with("… (100002 bytes)"), "{prompt}");
        assert_eq!(started["cut"][0], "the `prompt` of a question: its beginning, as a text");
        let ended = client.result("answer", json!({ "id": "l", "answer": 1 })).await;
        assert!(ended["cut"][0].as_str().unwrap().starts_with("result: the first "), "{}", ended["cut"]);
        for turn in [started, ended] {
            assert!(turn.to_string().len() <= 64 * 1024, "{}", turn.to_string().len());
        }
        client.close().await;
    });
}

#[test]
fn further_operations_are_found_and_called() {
    let scene = CliFixture::with("pays", "console.log(call('pay', 1))");
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
        let found = client.result("search", json!({ "query": "cvm programs", "limit": "2" })).await;
        let operations = found["operations"].as_array().unwrap();
        assert!(operations.len() == 2 && found["more"].as_u64() > Some(0), "{found}");
        let programs = operations.iter().find(|one| one["name"] == "cvm.programs").unwrap();
        assert_eq!(programs["parameters"]["properties"]["limit"]["type"], "integer");
        expect_plain(&programs["parameters"], "cvm.programs");
        let none = client.result("search", json!({ "query": "approve a call" })).await;
        assert!(!none.to_string().contains("\"cvm.approve\""), "{none}");

        for operation in ["cvm.programs", "cvm_programs"] {
            let listed = client.result("call", json!({ "operation": operation, "parameters": { "limit": "1" } })).await;
            assert_eq!(listed["items"][0]["name"], "pays", "{operation}");
        }
        let parameters = r#"{ "since": "2999-01-01T00:00:00Z" }"#;
        let logs = client.result("call", json!({ "operation": "cvm.logs", "parameters": parameters })).await;
        assert_eq!(logs["items"], json!([]));
        let call = client.result("questions", json!({ "execution": "p" })).await["items"][0]["id"].clone();
        let decide = json!({ "execution": "p", "call": call, "by": "model" });
        for (operation, parameters, words) in [
            ("cvm.approve", &decide, "approve EXECUTION --call CALL --by NAME"),
            ("cvm_reject", &decide, "reject EXECUTION --call CALL --by NAME"),
            ("cvm.retry", &json!({ "id": "p", "policy": {} }), "the `policy` of `cvm.retry` is left to people"),
            ("cvm.lsit", &json!({}), "`cvm.lsit` is not an operation of this server; did you mean `cvm.list`?"),
            ("cvm.logs", &json!({ "limt": 1 }), "did you mean `limit`?"),
        ] {
            let refused = client.error("call", json!({ "operation": operation, "parameters": parameters })).await;
            assert!(refused["message"].as_str().unwrap().contains(words), "{operation}: {refused}");
        }
        let refused = client.error("retry", json!({ "id": "p", "policy": {} })).await;
        assert!(refused["message"].as_str().unwrap().contains("`policy`"), "{refused}");
        for policy in [json!(null), json!("")] {
            let refused = client.error("retry", json!({ "id": "p", "policy": policy })).await;
            assert_eq!(refused["code"], "illegal_transition", "{refused}");
        }
        for (name, words) in [("cvm_logs", "`call` makes the operation `cvm.logs`"), ("star", "did you mean `start`?")]
        {
            let unknown = client.call(name, json!({})).await.unwrap_err();
            assert!(unknown.to_string().contains(words), "{unknown}");
        }
        let long = "x".repeat(1 << 20);
        let unknown = client.call(&long, json!({})).await.unwrap_err().to_string();
        let refused = client.error("call", json!({ "operation": long })).await.to_string();
        assert!(unknown.len() < 400 && refused.len() < 400, "{unknown} {refused}");
        client.result("search", json!({ "query": "word ".repeat(100_000) })).await;
        let unknown = client.call("wait", json!({ "id": "p", "forMs": 5 })).await.unwrap_err();
        assert!(unknown.to_string().contains("unknown field `forMs`"), "{unknown}");
        for (tool, arguments, message) in [
            (
                "search",
                json!({ "query": "", "limit": "abc" }),
                "search: `limit` must be a whole number from 1 to 20, not \"abc\"",
            ),
            ("search", json!({ "query": "", "limit": "0" }), "`limit` must be a whole number from 1 to 20, not 0"),
            ("search", json!({ "query": 5 }), "`query` must be a string, not 5"),
            (
                "wait",
                json!({ "id": "p", "waitMs": "-5" }),
                "wait: `waitMs` must be a whole number from 0 to 60000, not -5",
            ),
            ("wait", json!({ "id": "p", "waitMs": 99_999_999 }), "from 0 to 60000, not 99999999"),
            (
                "call",
                json!({ "operation": "cvm.list", "parameters": "[]" }),
                "call: `parameters` must be an object, not \"[]\"",
            ),
        ] {
            let refused = client.call(tool, arguments.clone()).await.unwrap_err();
            assert!(refused.to_string().contains(message), "{tool} {arguments}: {refused}");
        }
        client.close().await;

        let client = McpConnection::open(&scene, &["--read-only"]).await;
        let refused = client.error("call", json!({ "operation": "cvm.cancel", "parameters": { "id": "p" } })).await;
        assert!(refused["message"].as_str().unwrap().contains("is not an operation of this server"), "{refused}");
        client.close().await;

        let client = McpConnection::open(&scene, &["--allow-approvals"]).await;
        client.result("call", json!({ "operation": "cvm.approve", "parameters": decide })).await;
        let question = client.result("questions", json!({ "execution": "p" })).await;
        assert_eq!(question["items"][0]["waitsFor"], "worker");
        client.close().await;
    });
}

#[test]
fn a_command_inside_of_a_commit_is_refused_as_its_operation() {
    let scene = CliFixture::with("pays", "console.log(call('pay', 1))");
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    block_on(async {
        let client = McpConnection::open(&scene, &["--all"]).await;
        let call = client.result("cvm_calls", json!({ "execution": "p" })).await["items"][0]["id"].clone();
        let decide = json!({ "execution": "p", "call": call, "by": "model" });
        let policy = r#"{ "id": "p", "policy": "{}" }"#;
        for (command, words) in [
            (json!({ "name": "cvm.approve", "parameters": decide }), "approve EXECUTION --call CALL --by NAME"),
            (json!({ "name": "cvm_approve", "parameters": decide }), "approve EXECUTION --call CALL --by NAME"),
            (json!({ "name": "cvm.reject", "parameters": decide }), "reject EXECUTION --call CALL --by NAME"),
            (json!({ "name": "cvm.retry", "parameters": policy }), "the `policy` of `cvm.retry` is left to people"),
            (json!({ "name": "cvm.lsit" }), "`cvm.lsit` is not an operation of this server"),
        ] {
            for command in [json!(command.to_string()), command] {
                let refused = client.error("documents_commit", json!({ "writes": [], "command": command })).await;
                assert!(refused["message"].as_str().unwrap().contains(words), "{command}: {refused}");
            }
        }
        assert_eq!(client.result("cvm_calls", json!({ "execution": "p" })).await["items"][0]["waitsFor"], "approval");
        client.close().await;

        let cancel = json!({ "writes": [], "command": { "name": "cvm.cancel", "parameters": { "id": "p" } } });
        let client = McpConnection::open(&scene, &["--domain", "documents"]).await;
        let refused = client.error("documents_commit", cancel).await;
        assert!(refused["message"].as_str().unwrap().contains("is not an operation of this server"), "{refused}");
        client.close().await;

        let client = McpConnection::open(&scene, &["--allow-approvals"]).await;
        let approve = json!({ "writes": [], "command": { "name": "cvm.approve", "parameters": decide } });
        client.result("call", json!({ "operation": "documents.commit", "parameters": approve })).await;
        let question = client.result("questions", json!({ "execution": "p" })).await;
        assert_eq!(question["items"][0]["waitsFor"], "worker");
        client.close().await;
    });
    assert_eq!(scene.status("p"), "waiting_cc");
}

#[test]
fn the_language_is_a_resource_and_a_prompt() {
    let scene = CliFixture::new();
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
        let text = client.read("runstate://language").await;
        assert!(text.len() <= 6 * 1024, "{}", text.len());
        let prompts = client.service.list_all_prompts().await.unwrap();
        let prompt = client.service.get_prompt(GetPromptRequestParams::new(&prompts[0].name)).await.unwrap();
        assert_eq!(json!(prompt.messages[0])["content"]["text"], text);
        let missing = client.service.get_prompt(GetPromptRequestParams::new("a")).await.unwrap_err();
        assert!(missing.to_string().contains("the only one is `language`"), "{missing}");
        // What it shows runs.
        let blocks: Vec<&str> = text.split("```ts\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(blocks.len(), 2);
        for source in blocks {
            let loaded = client.result("load", json!({ "name": "shown", "source": source })).await;
            assert_eq!(loaded["warnings"], json!([]), "{source}");
            let started = client.result("start", json!({ "program": "shown" })).await;
            assert_eq!(started["status"], "waiting_cc", "{source}");
        }
        client.close().await;
    });
}

#[test]
fn approvals_are_left_to_people_unless_they_are_allowed() {
    let scene = CliFixture::with("pays", "console.log(call('pay', 1))");
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    let approvals = ["cvm_approve", "cvm_reject"];
    block_on(async {
        let client = McpConnection::open(&scene, &["--all"]).await;
        assert!(client.tools().await.iter().all(|tool| !approvals.contains(&&*tool.name)));
        let call = client.result("cvm_calls", json!({ "execution": "p" })).await["items"][0]["id"].clone();
        let arguments = || json!({ "execution": "p", "call": call, "by": "model" });
        for tool in approvals {
            let refused = client.error(tool, arguments()).await;
            let (command, message) = (tool.replace("cvm_", ""), refused["message"].as_str().unwrap());
            assert!(message.contains(&format!("{command} EXECUTION --call CALL --by NAME")), "{message}");
        }
        assert_eq!(client.result("cvm_calls", json!({ "execution": "p" })).await["items"][0]["waitsFor"], "approval");
        client.close().await;

        let client = McpConnection::open(&scene, &["--all", "--allow-approvals"]).await;
        assert_eq!(client.result("cvm_approve", arguments()).await["status"], "waiting_cc");
        assert_eq!(client.result("cvm_calls", json!({ "execution": "p" })).await["items"][0]["waitsFor"], "worker");
        client.close().await;
    });
}

#[test]
fn an_unknown_domain_tool_or_resource_is_named() {
    let scene = CliFixture::greeting("g");
    scene.run(&["mcp", "--domain", "orders"]).expect_exit(2).expect_stderr(&[
        "error: `orders` is not a domain; the domains are apps, cvm, documents, due, fleet, orchestration, store",
    ]);
    block_on(async {
        let client = McpConnection::open(&scene, &["--all"]).await;
        let unknown = client.call("cvm_strat", json!({})).await.unwrap_err();
        assert!(unknown.to_string().contains("did you mean `cvm_start`?"), "{unknown}");
        let missing = ReadResourceRequestParams::new("runstate://executions/unknown");
        let missing = client.service.read_resource(missing).await.unwrap_err();
        assert!(missing.to_string().contains("execution `unknown` does not exist"), "{missing}");
        client.close().await;
    });
}

#[test]
fn a_client_that_leaves_at_once_is_no_error() {
    let scene = CliFixture::greeting("g");
    let output = scene.command(&["mcp"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(0), 0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
