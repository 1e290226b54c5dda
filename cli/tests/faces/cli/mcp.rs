//! `mcp`: a client of the official library drives the real binary over its standard input and output.

#![allow(deprecated, reason = "clients of protocol versions before 2026-07-28 subscribe to one resource at a time")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ReadResourceRequestParams, ResourceContents,
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
        let mut client = McpConnection::open(&scene, &[]).await;
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
        let mut client = McpConnection::open(&scene, &[]).await;
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
        let client = McpConnection::open(&scene, &[]).await;
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
    static UNDECLARED: Collection = Collection::new("cvm.executions", 3);
    let scene = CliFixture::greeting("g");
    block_on(async {
        let store = FileStore::open(scene.path().join("store"), FileStoreOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&UNDECLARED]).unwrap()).await.unwrap();
        store.commit(batch(CommandId::new("by hand").unwrap()).insert(&UNDECLARED, "bad", json!({}))).await.unwrap();
        drop(store);
        let client = McpConnection::open(&scene, &[]).await;
        let resources = client.service.list_all_resources().await.unwrap();
        let listed: Vec<_> = resources.iter().map(|one| (one.name.as_str(), one.description.as_deref())).collect();
        let reason = Some("It cannot be read: id: is missing");
        assert_eq!(listed[1..], [("g", Some("greet is waiting_cc: Who is there?")), ("bad", reason)]);
        client.close().await;
    });
}

#[test]
fn every_operation_is_a_tool_and_read_only_serves_queries() {
    let scene = CliFixture::greeting("g");
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
        let all = client.tools().await;
        let writes = |tool: &&rmcp::model::Tool| tool.annotations.as_ref().unwrap().read_only_hint == Some(false);
        let names =
            |tools: &[rmcp::model::Tool]| tools.iter().map(|tool| tool.name.to_string()).collect::<BTreeSet<_>>();
        assert!(all.iter().any(|tool| tool.name == "cvm_load") && all.iter().any(|tool| tool.name == "store_info"));
        let start = all.iter().find(|tool| tool.name == "cvm_start").unwrap();
        assert_eq!(start.input_schema["required"], json!(["program"]));
        let logs = all.iter().find(|tool| tool.name == "cvm_logs").unwrap();
        let since = &logs.input_schema["properties"]["since"];
        assert_eq!((&since["type"], &since["format"]), (&json!(["string", "null"]), &json!("date-time")));
        assert_eq!(start.input_schema["properties"]["commandId"]["type"], "string");
        client.close().await;

        let client = McpConnection::open(&scene, &["--read-only"]).await;
        let queries = client.tools().await;
        assert!(!queries.iter().any(|tool| writes(&tool)));
        assert_eq!(names(&queries).len(), all.len() - all.iter().filter(writes).count());
        assert_eq!(client.result("cvm_status", json!({ "id": "g" })).await["execution"]["status"], "waiting_cc");
        let refused = client.call("cvm_cancel", json!({ "id": "g" })).await.unwrap_err();
        assert!(refused.to_string().contains("`cvm_cancel` is not a tool"), "{refused}");
        client.close().await;

        let client = McpConnection::open(&scene, &["--domain", "store", "--domain", "due"]).await;
        assert!(names(&client.tools().await).iter().all(|name| name.starts_with("store_") || name.starts_with("due_")));
        client.close().await;
    });
    assert_eq!(scene.status("g"), "waiting_cc");
}

#[test]
fn approvals_are_left_to_people_unless_they_are_allowed() {
    let scene = CliFixture::with("pays", "console.log(call('pay', 1))");
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    let approvals = ["cvm_approve", "cvm_reject"];
    block_on(async {
        let client = McpConnection::open(&scene, &[]).await;
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

        let client = McpConnection::open(&scene, &["--allow-approvals"]).await;
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
        let client = McpConnection::open(&scene, &[]).await;
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
