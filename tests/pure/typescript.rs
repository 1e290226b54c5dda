//! The types of the npm package, `pkg/src/generated.ts`: parameters and results of every operation satisfy them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use runstate::blob::{Artifacts, Chunks, NewArtifact};
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, ProgramFile, SourceOptions};
use runstate::engine::{Engine, SystemHost};
use runstate::store::Memory;
use runstate_wasm_compiler as compiler;
use serde_json::{Value as Json, json};

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Calls and their results, as TypeScript.
struct RecordedCalls {
    engine: Engine,
    text: String,
    called: BTreeSet<&'static str>,
}

impl RecordedCalls {
    async fn new() -> Self {
        let engine = Engine::with_settings(
            Arc::new(Memory::new()),
            Arc::new(SystemHost),
            runstate::domain::ALL,
            Settings::default(),
        );
        let text = "import type { Operations, CompiledSource, ErrorFields } from \"./generated.js\";\n".to_owned();
        Self { engine: engine.await.unwrap(), text, called: BTreeSet::new() }
    }

    fn add_value(&mut self, type_name: &str, value: &Json) {
        // TypeScript checks literals strictly: unknown fields are errors.
        writeln!(self.text, "({value}) satisfies {type_name};").unwrap();
    }

    async fn call(&mut self, name: &'static str, params: Json) -> Json {
        self.called.insert(name);
        let result = self.engine.call(name, params.as_object().cloned().unwrap()).await;
        self.add_value(&format!("Operations[\"{name}\"][\"params\"]"), &params);
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        self.add_value(&format!("Operations[\"{name}\"][\"result\"]"), &result);
        result
    }

    async fn call_rejected(&mut self, name: &str, params: Json) {
        let error = self.engine.call(name, params.as_object().cloned().unwrap()).await.unwrap_err();
        self.add_value("ErrorFields", &json!(error));
    }
}

const PROGRAM: &str = r#"
    import { begins } from "./words.ts";
    function main(input) {
        console.log(begins, input);
        const [a, b] = CC.all(["a?", { tool: "add", args: [1, 2] }]);
        const kept = [{ a, b }];
        CC("b?", { key: "k", choices: ["x", "y"], timeoutMs: 600000, default: "x" });
        return kept;
    }
"#;

/// The file that the program imports, and its own path.
fn program_options() -> SourceOptions {
    let words = ProgramFile { path: "words.ts".to_owned(), source: "export const begins = 'begins';".to_owned() };
    SourceOptions { entry: Some("main.ts".to_owned()), files: vec![words], ..SourceOptions::default() }
}

fn bytecode_of(source: &str) -> Json {
    json!(compiler::compile("r.ts", source, SourceOptions::default(), Vec::new()).unwrap().bytecode)
}

async fn call_every_operation(recorder: &mut RecordedCalls) {
    for method in ["store.info", "store.health", "store.capabilities", "store.verify"] {
        recorder.call(method, json!({})).await;
    }
    let from = recorder.call("store.changes", json!({"waitMs": 0})).await["next"].clone();
    let compiled = json!(compiler::compile("p.ts", PROGRAM, program_options(), Vec::new()).unwrap());
    recorder.add_value("CompiledSource", &compiled);
    recorder.add_value(
        "ErrorFields",
        &json!(compiler::compile("p.ts", "nowhere; class {", SourceOptions::default(), Vec::new()).unwrap_err()),
    );
    let load = json!({
        "name": "p", "source": PROGRAM, "bytecode": compiled["bytecode"], "compiler": compiled["compiler"],
        "entry": compiled["entry"], "files": compiled["files"], "description": "of all", "tags": ["daily"], "commandId": "load",
    });
    recorder.call("cvm.load", load).await;
    let Load { source, bytecode, compiler, .. } =
        Load::new("q", PROGRAM, serde_json::from_value(compiled["bytecode"].clone()).unwrap());
    recorder.call("cvm.load", json!({"name": "q", "source": source, "bytecode": bytecode, "compiler": compiler})).await;
    recorder.call("cvm.programs", json!({"tag": "daily", "limit": 1})).await;
    for method in ["cvm.program", "cvm.versions"] {
        recorder.call(method, json!({"name": "p"})).await;
    }
    recorder.call("cvm.version", json!({"name": "p", "version": 1})).await;
    let load = json!({"name": "r", "source": "1", "bytecode": bytecode_of("1"), "compiler": "c", "id": "r-1"});
    recorder.call("cvm.load", load).await;
    recorder.call("cvm.programById", json!({"id": "r-1"})).await;
    recorder.call("cvm.removeProgram", json!({"name": "q", "commandId": "remove"})).await;

    recorder
        .call("cvm.start", json!({"program": "p", "id": "e", "input": {"n": 1}, "logLevel": "calls", "commandId": "s"}))
        .await;
    for method in ["cvm.show", "cvm.output", "cvm.status", "cvm.summary", "cvm.versionOf", "cvm.wake"] {
        recorder.call(method, json!({"id": "e"})).await;
    }
    recorder.call("cvm.show", json!({"id": "e", "hash": false, "machine": true, "full": true})).await;
    recorder.call("cvm.variables", json!({"id": "e"})).await;
    recorder.call("cvm.progress", json!({"id": "e"})).await;
    recorder.call("cvm.calls", json!({"execution": "e", "open": true})).await;
    recorder.call("cvm.calls", json!({"limit": 1})).await;

    recorder.call("cvm.claim", json!({"kinds": ["nothing"], "owner": "w"})).await;
    let work =
        recorder.call("cvm.claim", json!({"kinds": ["add"], "owner": "w", "leaseMs": 60000, "commandId": "c"})).await;
    let claim = |work: &Json| work["claimed"].clone();
    let claimed = claim(&work);
    let (call, token) = (&claimed["call"], &claimed["token"]);
    recorder.call("cvm.call", json!({"id": call})).await;
    recorder.call("cvm.heartbeat", json!({"call": call, "token": token, "leaseMs": 60000})).await;
    recorder.call("cvm.show", json!({"id": "e"})).await;
    let retry = json!({"attempts": 9, "initialMs": 0, "longestMs": 0});
    let fail = json!({
        "execution": "e", "call": call, "token": token, "message": "no", "name": "No", "retry": retry, "by": "w",
    });
    recorder.call("cvm.fail", fail).await;
    recorder.call("cvm.nextAvailable", json!({"kinds": ["add"]})).await;
    recorder.call("cvm.calls", json!({"kind": "add"})).await;
    let token = claim(&recorder.call("cvm.claim", json!({"call": call, "owner": "w"})).await)["token"].clone();
    recorder.call("cvm.release", json!({"call": call, "token": token})).await;
    let token = claim(&recorder.call("cvm.claim", json!({"call": call, "owner": "w"})).await)["token"].clone();
    let complete = json!({"execution": "e", "call": call, "token": token, "answer": 3, "by": "w"});
    recorder.call("cvm.complete", complete).await;
    recorder.call("cvm.start", json!({"program": "p", "id": "f"})).await;
    let claimed = claim(&recorder.call("cvm.claim", json!({"kinds": ["add"], "owner": "w"})).await);
    let fail = json!({"execution": "f", "call": claimed["call"], "token": claimed["token"], "message": "never"});
    recorder.call("cvm.fail", fail).await;

    let policy = json!({"kinds": ["add", "cc"], "approve": ["add"], "calls": 9, "open": 1, "ms": 60_000});
    let start = json!({"program": "p", "id": "g", "policy": policy});
    recorder.call("cvm.start", start.clone()).await;
    recorder.call("cvm.show", json!({"id": "g"})).await;
    let awaiting = recorder.call("cvm.calls", json!({"awaitsApproval": true})).await["items"][0]["id"].clone();
    let approve = json!({"execution": "g", "call": awaiting, "by": "ann", "note": "checked", "args": [1, 3]});
    recorder.call("cvm.approve", approve.clone()).await;
    recorder.call_rejected("cvm.approve", approve).await;
    recorder.call("cvm.call", json!({"id": awaiting})).await;
    let mut start = start;
    start["id"] = json!("h");
    recorder.call("cvm.start", start).await;
    let awaiting = recorder.call("cvm.calls", json!({"awaitsApproval": true})).await["items"][0]["id"].clone();
    recorder.call("cvm.reject", json!({"execution": "h", "call": awaiting, "by": "ann", "reason": "no"})).await;
    recorder.call("cvm.call", json!({"id": awaiting})).await;
    for id in ["g", "h"] {
        recorder.call("cvm.cancel", json!({"id": id})).await;
    }

    recorder.call("cvm.answer", json!({"id": "e", "key": "k", "occurrence": 1, "answer": "y", "by": "ann"})).await;
    recorder.call_rejected("cvm.answer", json!({"id": "e", "call": "c", "answer": "y"})).await;
    recorder.call_rejected("cvm.pause", json!({"id": "unknown"})).await;
    recorder.call("cvm.pause", json!({"id": "e"})).await;
    recorder.call("cvm.show", json!({"id": "e"})).await;
    recorder.call("cvm.unpause", json!({"id": "e"})).await;
    recorder.call("cvm.answer", json!({"id": "e", "answer": "a", "commandId": "a"})).await;
    recorder.call("cvm.answer", json!({"id": "f", "answer": "a"})).await;
    for id in ["e", "f"] {
        recorder.call("cvm.show", json!({"id": id})).await;
    }
    recorder.call("cvm.next", json!({"id": "e"})).await;
    recorder.call("cvm.retry", json!({"id": "f"})).await;
    recorder.call_rejected("cvm.cancel", json!({"id": "unknown", "graceful": true, "deadlineMs": 1000})).await;
    recorder.call("cvm.cancel", json!({"id": "f"})).await;

    recorder.call("store.info", json!({})).await;
    recorder.call("cvm.overview", json!({})).await;
    recorder.call("cvm.list", json!({"status": "complete", "program": "p", "limit": 5})).await;
    recorder.call("cvm.list", json!({"status": ["running", "paused"], "sort": "started"})).await;
    recorder.call("cvm.logs", json!({"execution": "e", "limit": 2})).await;
    recorder.call("cvm.logs", json!({"event": "cc_call", "since": 0, "before": i64::MAX >> 12})).await;
    recorder.call("cvm.slowest", json!({})).await;
    for method in ["cvm.stats", "cvm.statuses", "cvm.latency", "cvm.latencyByKind"] {
        recorder.call(method, json!({"program": "p"})).await;
    }
    recorder.call("cvm.latencyByProgram", json!({})).await;
    recorder
        .call("store.changes", json!({"from": from, "collections": ["cvm.executions"], "limit": 99, "subjects": ["e"]}))
        .await;

    let fields = json!([{"name": "title", "kind": "text", "required": true}]);
    let notes = json!({"collection": "notes", "fields": fields, "indexes": [{"fields": ["title"]}]});
    recorder.call("documents.declare", notes).await;
    recorder.call("documents.collections", json!({})).await;
    let writes = json!([{"collection": "notes", "id": "n", "put": {"title": "a"}, "expect": "absent"}]);
    recorder.call("documents.commit", json!({"writes": writes, "commandId": "note"})).await;
    recorder.call("documents.get", json!({"collection": "notes", "ids": ["n", "none"]})).await;
    recorder.call("documents.query", json!({"collection": "notes", "order": ["-title"], "limit": 5})).await;
    recorder.call("documents.count", json!({"collection": "notes", "where": {"eq": ["title", "a"]}})).await;
    let insertion = json!([{"collection": "notes", "id": "n", "insertIfAbsent": {"title": "b"}}]);
    recorder.call("documents.commit", json!({"writes": insertion})).await;
    recorder.call("documents.changes", json!({"collections": ["notes"], "waitMs": 0})).await;
    recorder.call("documents.drop", json!({"collection": "notes"})).await;

    let before = i64::MAX >> 12;
    recorder.call("cvm.countFinished", json!({"before": before})).await;
    recorder.call("cvm.delete", json!({"id": "f"})).await;
    recorder.call("due.run", json!({"rule": "cvm.retention", "before": before, "limit": 5})).await;
    recorder.call("store.changes", json!({"from": from, "waitMs": 0})).await;
    recorder.call("due.run", json!({"limit": 5, "runLimit": "slice"})).await;
    recorder.call("due.next", json!({"known": true})).await;
}

async fn call_orchestration(recorder: &mut RecordedCalls) {
    let calls = [
        ("machine.register", json!({"id": "m", "hostname": "h", "slots": [1, 2], "metadata": {"os": "linux"}})),
        ("machine.heartbeat", json!({"id": "m"})),
        ("machine.slots", json!({"id": "m", "add": [3], "remove": [2]})),
        ("machine.pick", json!({"requirements": {"os": "linux"}})),
        ("session.create", json!({"id": "s", "project": "p", "machine": "m", "slot": "auto", "metadata": {"a": [1]}})),
        ("machine.release", json!({"id": "m", "sessionId": "s"})),
        ("machine.assign", json!({"id": "m", "sessionId": "s", "slot": 3})),
        ("session.heartbeat", json!({"id": "s", "epoch": 1, "commandId": "beat"})),
        ("session.metadata", json!({"id": "s", "set": {"a": null}})),
        ("task.add", json!({"sessionId": "s", "id": "t", "name": "n", "githubIssue": "7"})),
        ("task.add", json!({"sessionId": "s", "id": "u", "name": "n", "dependsOn": ["t"]})),
        ("task.start", json!({"id": "t"})),
        ("session.pause", json!({"id": "s"})),
        ("session.health", json!({"id": "s"})),
        ("session.resume", json!({"id": "s"})),
        ("task.fail", json!({"id": "t", "error": "no"})),
        ("task.list", json!({"session": "s", "status": "failed"})),
        ("task.retry", json!({"id": "t"})),
        ("task.block", json!({"id": "t"})),
        ("task.release", json!({"id": "t"})),
        ("task.complete", json!({"id": "t"})),
        ("task.progress", json!({"sessionId": "s"})),
        ("session.stall", json!({"id": "s", "reason": "r"})),
        ("session.recover", json!({"id": "s", "machine": "m", "slot": "auto", "task": "u"})),
        ("session.show", json!({"id": "s"})),
        ("task.show", json!({"id": "t"})),
        ("session.fail", json!({"id": "s", "reason": "r", "details": {"n": 1}})),
        ("session.failed", json!({"hours": 1})),
        ("session.recoverable", json!({"project": "p"})),
        ("session.stale", json!({"silentForMs": 0})),
        ("session.create", json!({"id": "done", "project": "p", "machine": "m"})),
        ("session.complete", json!({"id": "done", "force": true})),
        ("session.list", json!({"project": "p", "machine": "m", "limit": 5})),
        ("project.counts", json!({"project": "p"})),
        ("session.delete", json!({"id": "s"})),
        ("machine.maintenance", json!({"id": "m"})),
        ("machine.drain", json!({"id": "m"})),
        ("machine.show", json!({"id": "m"})),
        ("machine.list", json!({"status": "maintenance", "sort": "status", "descending": true})),
        ("machine.free", json!({"limit": 5})),
        ("removal.list", json!({"session": "s"})),
        ("cleanup", json!({})),
    ];
    for (name, parameters) in calls {
        let full = format!("orchestration.{name}");
        let name = recorder.engine.signatures().map(|one| one.name).find(|known| *known == full);
        recorder.call(name.unwrap_or_else(|| panic!("{full}")), parameters).await;
    }
}

async fn call_apps(recorder: &mut RecordedCalls) {
    let configuration = json!({
        "description": "two steps", "input": [{"name": "url", "type": "string"}],
        "settings": {"timeout_seconds": 60, "max_retries": 1, "on_failure": "continue"},
        "steps": [
            {"id": 1, "name": "a", "input": {"u": "$.input.url"}, "output": [{"name": "n", "type": "integer", "optional": true}],
             "retry": {"max_attempts": 3, "backoff_ms": 0, "factor": 2, "jitter": 0}, "compensate": {"name": "undo"}},
            {"id": 2, "name": "b", "depends_on": [1], "input": [{"name": "url"}], "timeout_ms": 1000,
             "when": {"any": [{"value": "$.steps.1.output.n", "equals": 1}, {"not": {"value": "$.input.url", "exists": false}}]}}
        ]
    });
    let app =
        json!({"appId": 1, "appName": "suite", "version": "1", "configuration": configuration, "createdBy": "ada"});
    recorder.call("apps.configuration.save", app).await;
    let execution = json!({"id": "app"});
    let calls = [
        ("apps.configuration.activate", json!({"appId": 1, "version": "1"})),
        ("apps.configuration.show", json!({"id": "1@1"})),
        ("apps.configuration.list", json!({"app": 1, "active": true})),
        ("apps.app.list", json!({"limit": 1})),
        (
            "apps.execution.start",
            json!({"appId": 1, "userId": "u", "id": "app", "input": {"url": "x"}, "metadata": {"ip": "::1"}}),
        ),
        ("apps.step.nextAvailable", json!({"names": ["a"]})),
    ];
    for (name, parameters) in calls {
        recorder.call(name, parameters).await;
    }
    // Each command ends the claim, or its step.
    for (name, more) in [
        ("apps.step.release", json!({})),
        ("apps.step.fail", json!({"message": "no", "name": "Busy", "output": {"part": 1}})),
        ("apps.step.complete", json!({"output": {"n": 1}, "metadata": {"cpu": 0.5}})),
    ] {
        let work = recorder.call("apps.step.claim", json!({"names": ["a"], "owner": "w", "leaseMs": 60_000})).await;
        let mut parameters = more;
        parameters["id"] = work["claimed"]["id"].clone();
        parameters["token"] = work["claimed"]["token"].clone();
        let heartbeat = json!({"id": parameters["id"], "token": parameters["token"], "leaseMs": 60_000});
        recorder.call("apps.step.heartbeat", heartbeat).await;
        recorder.call(name, parameters).await;
    }
    let work = recorder.call("apps.step.claim", json!({"names": ["b"], "owner": "w"})).await;
    let failed = json!({"id": "app:2", "token": work["claimed"]["token"], "message": "no", "permanent": true});
    let calls = [
        ("apps.step.fail", failed),
        ("apps.execution.failed", json!({"hours": 1})),
        ("apps.step.claim", json!({"names": ["none"], "owner": "w"})),
        ("apps.execution.steps", execution.clone()),
        ("apps.step.show", json!({"id": "app:1"})),
        ("apps.step.list", json!({"execution": "app", "status": "completed"})),
        ("apps.execution.start", json!({"appId": 1, "userId": "u", "id": "other", "input": {"url": "x"}})),
        ("apps.step.skip", json!({"executionId": "other", "stepId": 1})),
        ("apps.execution.cancel", json!({"id": "other"})),
        ("apps.execution.show", execution),
        ("apps.execution.list", json!({"user": "u", "sort": "startedAt"})),
        ("apps.execution.delete", json!({"id": "other"})),
        ("apps.search", json!({"text": "a", "appId": 1, "executionId": "app", "kind": "step", "limit": 1})),
        ("apps.report.success", json!({"days": 1})),
        ("apps.report.durations", json!({"stepName": "a"})),
        ("apps.report.executions", json!({"period": "week", "userId": "u"})),
        (
            "apps.metrics.record",
            json!({"executionId": "app", "metrics": {"cpu": 0.5}, "samples": [{"metrics": {"n": 1}}]}),
        ),
        ("apps.metrics.list", json!({"executionId": "app", "since": 0, "descending": true, "limit": 5})),
        ("apps.metrics.summary", json!({"appId": 1, "names": ["cpu"], "hours": 1, "spanSeconds": 60})),
        ("apps.audit.list", json!({"command": "apps.step.claim"})),
        ("apps.cleanup", json!({"searchOnly": true})),
    ];
    for (name, parameters) in calls {
        recorder.call(name, parameters).await;
    }
    let artifacts = Artifacts::new(&recorder.engine, Chunks::new(&recorder.engine));
    let log = NewArtifact::of_step("app", 1).named("log", "a.log", "text/plain");
    let mut upload = artifacts.put(log).await.unwrap();
    upload.write(b"done").await.unwrap();
    let artifact = json!({"id": upload.finish().await.unwrap()});
    recorder.call("apps.artifact.show", artifact.clone()).await;
    recorder.call("apps.artifact.list", json!({"execution": "app", "step": 1, "artifactType": "log"})).await;
    recorder.call("apps.artifact.remove", artifact).await;
    // Without a step to undo, a failed step is retried.
    let plain = json!({"steps": [{"id": 1, "name": "c"}]});
    let app = json!({"appId": 2, "appName": "plain", "version": "1", "configuration": plain, "activate": true});
    recorder.call("apps.configuration.save", app).await;
    recorder.call("apps.execution.start", json!({"appId": 2, "userId": "u", "id": "plain"})).await;
    let work = recorder.call("apps.step.claim", json!({"names": ["c"], "owner": "w"})).await;
    let failed = json!({"id": "plain:1", "token": work["claimed"]["token"], "message": "no"});
    recorder.call("apps.step.fail", failed).await;
    recorder.call("apps.step.retry", json!({"executionId": "plain", "stepId": 1})).await;
    let unused = json!({"steps": [{"id": 1, "name": "d"}]});
    let app = json!({"appId": 3, "appName": "unused", "version": "1", "configuration": unused});
    recorder.call("apps.configuration.save", app.clone()).await;
    recorder.call("apps.configuration.remove", json!({"appId": 3, "version": "1"})).await;
    recorder.call("apps.configuration.save", app).await;
    recorder.call("apps.app.remove", json!({"id": 3})).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let subscription = json!({
        "url": "https://example.com", "secret": secret, "events": ["apps.execution.failed"], "filter": {"appId": 1},
        "name": "hook", "createdBy": "ada", "id": "hook"
    });
    recorder.call("apps.subscription.create", subscription).await;
    let hook = json!({"id": "hook"});
    let delivery = recorder.call("apps.subscription.test", hook.clone()).await;
    for (name, parameters) in [
        ("apps.delivery.show", json!({"id": delivery})),
        ("apps.delivery.list", json!({"subscription": "hook", "status": "pending", "sort": "createdAt"})),
        ("apps.subscription.redeliver", hook.clone()),
        ("apps.subscription.pause", hook.clone()),
        ("apps.subscription.show", hook.clone()),
        ("apps.subscription.list", json!({"active": false})),
        ("apps.subscription.resume", hook.clone()),
        ("apps.subscription.remove", hook),
    ] {
        recorder.call(name, parameters).await;
    }
}

async fn call_fleet(recorder: &mut RecordedCalls) {
    const PROJECT: &str = "01900000-0000-7000-8000-000000000001";
    let project = json!({"id": PROJECT});
    for (name, parameters) in [
        ("fleet.project.create", json!({"name": "p", "greediness": "0.5", "metadata": {"a": 1}, "id": PROJECT})),
        ("fleet.project.change", json!({"id": PROJECT, "greediness": "0.6", "reason": "r", "description": "d"})),
        ("fleet.project.rebalance", json!({"id": PROJECT, "efficiency": "1", "reasons": ["r"]})),
        ("fleet.project.share", project.clone()),
        ("fleet.project.show", project),
        ("fleet.project.list", json!({"status": "active", "sort": "greediness", "descending": true})),
        ("fleet.greedinessChange.list", json!({"projectUuid": PROJECT})),
        ("fleet.machineType.register", json!({"name": "own", "capabilities": ["edit"], "costCad": "1.5"})),
        ("fleet.machineType.choose", json!({"capabilities": ["edit"]})),
        ("fleet.machineType.show", json!({"name": "own"})),
        ("fleet.machineType.list", json!({})),
        ("fleet.exchangeRate.set", json!({"currency": "USD", "priceCad": "1.35", "validFrom": "2024-01-01"})),
        ("fleet.exchangeRate.list", json!({"currency": "USD"})),
    ] {
        recorder.call(name, parameters).await;
    }
    let file = json!({"size": 1, "sha256": "ab", "modifiedAt": 1_700_000_000_000i64});
    let first = json!({"projectUuid": PROJECT, "type": "genesis", "fileManifest": {"a.rs": file}});
    let first = recorder.call("fleet.checkpoint.create", first).await["id"].clone();
    let budget = json!({
        "owner": PROJECT, "resourceType": "money", "budgetPeriod": "weekly", "allocatedAmount": "100", "unit": "CAD",
    });
    let budget = recorder.call("fleet.budget.create", budget).await["id"].clone();
    recorder.call("fleet.budget.change", json!({"id": budget, "allocatedAmount": "200", "autoReset": false})).await;
    let reserve = json!({"resourceType": "money", "amount": "5", "unit": "CAD", "ttlMs": 60_000});
    let spawn = json!({"projectUuid": PROJECT, "type": "own", "reserve": reserve, "prompt": "work", "vmId": "v"});
    let machine = recorder.call("fleet.intelligentMachine.spawn", spawn).await["id"].clone();
    for status in ["active", "working"] {
        recorder.call("fleet.intelligentMachine.status", json!({"id": machine, "status": status})).await;
    }
    let beat = json!({"id": machine, "progress": "half", "activity": "api_response"});
    recorder.call("fleet.intelligentMachine.heartbeat", beat).await;
    let next = json!({"projectUuid": PROJECT, "type": "automatic", "machineUuid": machine, "compressionRatio": "1.5"});
    let next = recorder.call("fleet.checkpoint.create", next).await["id"].clone();
    let unused = json!({"projectUuid": PROJECT, "type": "manual", "parentUuid": first, "trigger": "manual"});
    let unused = recorder.call("fleet.checkpoint.create", unused).await["id"].clone();
    recorder.call("fleet.checkpoint.diff", json!({"fromUuid": first, "toUuid": next})).await;
    recorder.call("fleet.checkpoint.path", json!({"id": next})).await;
    recorder.call("fleet.checkpoint.show", json!({"id": next})).await;
    recorder.call("fleet.checkpoint.list", json!({"projectUuid": PROJECT, "checkpointType": "manual"})).await;
    recorder.call("fleet.verification.list", json!({})).await;
    recorder.call("fleet.verification.nextAvailable", json!({})).await;
    for end in ["release", "fail", "complete"] {
        let work = recorder.call("fleet.verification.claim", json!({"owner": "w", "leaseMs": 60_000})).await;
        let mut claim = json!({"id": work["id"], "token": work["token"]});
        recorder.call("fleet.verification.heartbeat", claim.clone()).await;
        let name = match end {
            "release" => "fleet.verification.release",
            "fail" => "fleet.verification.fail",
            _ => "fleet.verification.complete",
        };
        if end == "fail" {
            claim["message"] = "unreachable".into();
        }
        recorder.call(name, claim).await;
    }
    while let work @ Json::Object(_) = recorder.call("fleet.verification.claim", json!({"owner": "w"})).await {
        let failed = json!({"id": work["id"], "token": work["token"], "failure": "damaged"});
        recorder.call("fleet.verification.complete", failed).await;
    }
    // One of the three is the current one, and the one of the machine is in use.
    let current = recorder.call("fleet.project.show", json!({"id": PROJECT})).await["currentCheckpointUuid"].clone();
    if current == unused {
        let newer = json!({"projectUuid": PROJECT, "type": "manual", "parentUuid": first});
        let newer = recorder.call("fleet.checkpoint.create", newer).await["id"].clone();
        recorder.call("fleet.checkpoint.delete", json!({"id": newer})).await;
    } else {
        recorder.call("fleet.checkpoint.delete", json!({"id": unused})).await;
    }
    let money = json!({"owner": PROJECT, "resourceType": "money", "amount": "1.5", "unit": "CAD"});
    let mut used = money.clone();
    (used["machineUuid"], used["resourceSubtype"]) = (machine.clone(), "claude_api".into());
    let used = recorder.call("fleet.usage.record", used).await["id"].clone();
    let one = recorder.call("fleet.budget.reserve", money.clone()).await["id"].clone();
    let other = recorder.call("fleet.budget.reserve", money).await["id"].clone();
    for (name, parameters) in [
        ("fleet.reservation.commit", json!({"id": one, "actual": "1", "costCad": "1"})),
        ("fleet.reservation.release", json!({"id": other, "failed": true})),
        ("fleet.reservation.show", json!({"id": one})),
        ("fleet.reservation.list", json!({"state": "active", "resourceType": "money"})),
        ("fleet.intelligentMachine.show", json!({"id": machine})),
        ("fleet.intelligentMachine.terminate", json!({"id": machine, "error": "broke", "actual": "0.5"})),
        ("fleet.intelligentMachine.list", json!({"type": "own", "status": "terminated"})),
        ("fleet.intelligentMachine.performance", json!({"days": 1})),
        ("fleet.budget.show", json!({"id": budget})),
        ("fleet.budget.list", json!({"projectUuid": PROJECT, "budgetPeriod": "weekly"})),
        ("fleet.budgetAccount.list", json!({"resourceType": "money"})),
        ("fleet.budgetEvent.list", json!({"kind": "warning"})),
        ("fleet.usage.show", json!({"id": used})),
        ("fleet.usage.list", json!({"projectUuid": PROJECT, "sort": "recordedAt"})),
        ("fleet.usage.summary", json!({"projectUuid": PROJECT, "days": 1})),
        ("fleet.maintenance.list", json!({"operation": "cleanup_resource_usage"})),
        ("fleet.project.status", json!({"id": PROJECT, "status": "completed"})),
    ] {
        recorder.call(name, parameters).await;
    }
    call_hubs(recorder).await;
}

async fn call_hubs(recorder: &mut RecordedCalls) {
    let hub = |hub_type: &str| json!({"type": hub_type, "vmId": "v", "version": "1", "configuration": {"threads": 4}});
    let original = recorder.call("fleet.hub.register", hub("primary")).await["id"].clone();
    let experimental = recorder.call("fleet.hub.register", hub("experimental")).await["id"].clone();
    recorder.call("fleet.hub.status", json!({"id": original, "status": "active"})).await;
    let base = json!({
        "hubUuid": original, "type": "pre_experiment", "proxmoxSnapshotId": "s", "systemMetrics": {"cpu": 0.5},
        "checkpointSizeGb": "1.5", "activeMachines": 1,
    });
    let base = recorder.call("fleet.hubCheckpoint.create", base).await["id"].clone();
    recorder.call("fleet.hubCheckpoint.verify", json!({"id": base})).await;
    recorder.call("fleet.hubCheckpoint.show", json!({"id": base})).await;
    recorder.call("fleet.hubCheckpoint.list", json!({"hubUuid": original})).await;
    let metrics = json!([{"name": "latency", "better": "lower", "minEffect": 0.1, "weight": 1}]);
    let plan = json!({
        "name": "x", "baseCheckpointUuid": base, "configurationChanges": {"threads": 8}, "successMetrics": metrics,
    });
    let experiment = recorder.call("fleet.experiment.plan", plan.clone()).await["id"].clone();
    let other = recorder.call("fleet.experiment.plan", plan).await["id"].clone();
    recorder.call("fleet.experiment.fail", json!({"id": other, "reason": "r"})).await;
    recorder.call("fleet.experiment.start", json!({"id": experiment, "hubUuid": experimental})).await;
    for (arm, mean) in [("original", 10.0), ("experimental", 5.0)] {
        for distance in [0.0, 0.5, 1.0] {
            let values = json!({"id": experiment, "arm": arm, "values": {"latency": mean + distance}});
            recorder.call("fleet.experiment.observe", values).await;
        }
    }
    for name in ["fleet.experiment.complete", "fleet.experiment.adopt", "fleet.experiment.show"] {
        recorder.call(name, json!({"id": experiment})).await;
    }
    recorder.call("fleet.experiment.list", json!({"status": "completed"})).await;
    recorder.call("fleet.hub.show", json!({"id": experimental})).await;
    recorder.call("fleet.hub.list", json!({"type": "primary"})).await;
}

/// The TypeScript compiler of the package's tools; `None`, and a skip line, if it is not installed.
fn compiler() -> Option<PathBuf> {
    let path = checkout().join("pkg/node_modules/typescript/bin/tsc");
    if path.exists() {
        return Some(path);
    }
    println!(
        "skipped: typescript::results_of_operations_satisfy_their_types: run `npm ci` in pkg to install the compiler"
    );
    assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
    None
}

#[tokio::test]
async fn results_of_operations_satisfy_their_types() {
    let mut recorder = RecordedCalls::new().await;
    call_every_operation(&mut recorder).await;
    call_orchestration(&mut recorder).await;
    call_apps(&mut recorder).await;
    call_fleet(&mut recorder).await;
    let names = recorder.engine.signatures().map(|signature| signature.name);
    let missing: Vec<_> = names.filter(|name| !recorder.called.contains(name)).collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
    let Some(compiler) = compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(checkout().join("pkg/src/generated.ts"), folder.path().join("generated.ts")).unwrap();
    std::fs::write(folder.path().join("recorded.ts"), &recorder.text).unwrap();
    let options = json!({
        "strict": true, "noEmit": true, "exactOptionalPropertyTypes": true, "module": "nodenext", "target": "es2022", "types": [], "lib": ["es2022", "dom"],
    });
    let project = json!({"compilerOptions": options, "files": ["recorded.ts"]});
    std::fs::write(folder.path().join("tsconfig.json"), project.to_string()).unwrap();
    let checked = Command::new("node").arg(compiler).arg("--project").arg(folder.path()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
