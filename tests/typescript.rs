//! The types of the npm package: `pkg/src/generated.ts` equals the generated text, and the results of every method satisfy the types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use runstate::domain;
use runstate::domain::cvm::Load;
use runstate::engine::{Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::Memory;
use runstate::wasm::{calls, compiler, typescript};
use serde_json::{Value as Json, json};

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn generated_types_of_the_package_are_current() {
    let path = checkout().join("pkg/src/generated.ts");
    let generated = typescript::generate().unwrap();
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let current = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = generated
        .lines()
        .zip(current.lines().chain(std::iter::repeat("")))
        .find(|(generated, current)| generated != current);
    assert!(
        generated == current,
        "pkg/src/generated.ts differs from the sources (first at {differing:?}); write it again with\n    \
         INSTA_UPDATE=always cargo test -p runstate --features typescript --test typescript"
    );
}

/// Calls and their results, as TypeScript.
struct RecordedCalls {
    engine: Engine,
    text: String,
    called: BTreeSet<&'static str>,
}

impl RecordedCalls {
    async fn new() -> Self {
        let engine =
            Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), domain::catalog().unwrap(), Settings::default());
        let text = "import type { Calls, CompiledSource, ErrorFields } from \"./generated.js\";\n".to_owned();
        Self { engine: engine.await.unwrap(), text, called: BTreeSet::new() }
    }

    fn add_value(&mut self, type_name: &str, value: &Json) {
        // TypeScript checks literals strictly: unknown fields are errors.
        writeln!(self.text, "({value}) satisfies {type_name};").unwrap();
    }

    async fn call(&mut self, method: &'static str, params: Json) -> Json {
        self.called.insert(method);
        let result = calls::call(&self.engine, method, &params.to_string()).await;
        self.add_value(&format!("Calls[\"{method}\"][\"params\"]"), &params);
        let result = serde_json::from_str(&result.unwrap_or_else(|error| panic!("{method}: {error}"))).unwrap();
        self.add_value(&format!("Calls[\"{method}\"][\"result\"]"), &result);
        result
    }

    async fn call_rejected(&mut self, method: &str, params: Json) {
        let error = calls::call(&self.engine, method, &params.to_string()).await.unwrap_err();
        self.add_value("ErrorFields", &json!(error));
    }
}

const PROGRAM: &str = r#"
    function main(input) {
        console.log("begins", input);
        const [a, b] = CC.all(["a?", { tool: "add", args: [1, 2] }]);
        const kept = [{ a, b }];
        CC("b?", { key: "k", choices: ["x", "y"], timeoutMs: 600000, default: "x" });
        return kept;
    }
"#;

fn bytecode_of(source: &str) -> Json {
    let compiled: Json = serde_json::from_str(&compiler::compile_to_json("r.ts", source).unwrap()).unwrap();
    compiled["bytecode"].clone()
}

async fn call_every_method(recorder: &mut RecordedCalls) {
    for method in ["info", "health", "capabilities", "verify"] {
        recorder.call(method, json!({})).await;
    }
    let from = recorder.call("store.changes", json!({"waitMs": 0})).await["next"].clone();
    let compiled: Json = serde_json::from_str(&compiler::compile_to_json("p.ts", PROGRAM).unwrap()).unwrap();
    recorder.add_value("CompiledSource", &compiled);
    recorder.add_value("ErrorFields", &json!(compiler::compile_to_json("p.ts", "nowhere; class {").unwrap_err()));
    let load = json!({
        "name": "p", "source": PROGRAM, "bytecode": compiled["bytecode"], "compiler": compiled["compiler"],
        "description": "of all", "tags": ["daily"], "commandId": "load",
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
    for method in ["cvm.show", "cvm.output", "cvm.stands", "cvm.versionOf", "cvm.wake"] {
        recorder.call(method, json!({"id": "e"})).await;
    }
    recorder.call("cvm.show", json!({"id": "e", "hash": false, "machine": true, "full": true})).await;
    recorder.call("cvm.variables", json!({"id": "e"})).await;
    recorder.call("cvm.glance", json!({"id": "e"})).await;
    recorder.call("cvm.calls", json!({"execution": "e", "open": true})).await;
    recorder.call("cvm.calls", json!({"limit": 1})).await;

    recorder.call("cvm.claim", json!({"kinds": ["nothing"], "owner": "w"})).await;
    let work =
        recorder.call("cvm.claim", json!({"kinds": ["add"], "owner": "w", "leaseMs": 60000, "commandId": "c"})).await;
    let claimed = &work["claimed"];
    recorder.call("cvm.heartbeat", json!({"claimed": claimed})).await;
    recorder.call("cvm.show", json!({"id": "e"})).await;
    let retry = json!({"attempts": 9, "initialMs": 0, "longestMs": 0});
    recorder
        .call("cvm.fail", json!({"claimed": claimed, "message": "no", "name": "No", "retry": retry, "by": "w"}))
        .await;
    recorder.call("cvm.calls", json!({"kind": "add"})).await;
    let work = recorder.call("cvm.claim", json!({"call": claimed["call"], "owner": "w"})).await;
    recorder.call("cvm.release", json!({"claimed": work["claimed"]})).await;
    let work = recorder.call("cvm.claim", json!({"call": claimed["call"], "owner": "w"})).await;
    recorder.call("cvm.complete", json!({"claimed": work["claimed"], "answer": 3, "by": "w"})).await;
    recorder.call("cvm.start", json!({"program": "p", "id": "f"})).await;
    let work = recorder.call("cvm.claim", json!({"kinds": ["add"], "owner": "w"})).await;
    recorder.call("cvm.fail", json!({"claimed": work["claimed"], "message": "never"})).await;

    recorder.call("cvm.answer", json!({"id": "e", "key": "k", "occurrence": 1, "answer": "y", "by": "ann"})).await;
    recorder.call_rejected("cvm.answer", json!({"id": "e", "call": "c", "answer": "y"})).await;
    recorder.call_rejected("cvm.pause", json!({"id": "nobody"})).await;
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
    recorder.call("cvm.cancel", json!({"id": "f"})).await;

    recorder.call("info", json!({})).await;
    recorder.call("cvm.list", json!({"status": "complete", "program": "p", "limit": 5})).await;
    recorder.call("cvm.active", json!({})).await;
    recorder.call("cvm.history", json!({"program": "p"})).await;
    recorder.call("cvm.logs", json!({"id": "e", "limit": 2})).await;
    recorder.call("cvm.logs", json!({"event": "cc_call", "since": 0, "before": i64::MAX >> 12})).await;
    recorder.call("cvm.slowest", json!({})).await;
    for method in ["cvm.stats", "cvm.statuses", "cvm.latency", "cvm.latencyByKind"] {
        recorder.call(method, json!({"program": "p"})).await;
    }
    recorder.call("cvm.latencyByProgram", json!({})).await;
    recorder
        .call("store.changes", json!({"from": from, "collection": "cvm.executions", "limit": 99, "waitMs": 0}))
        .await;
    recorder.call("cvm.changes", json!({"from": from, "things": ["call"], "executions": ["e"], "waitMs": 0})).await;

    let before = i64::MAX >> 12;
    recorder.call("cvm.countFinished", json!({"before": before})).await;
    recorder.call("cvm.delete", json!({"id": "f"})).await;
    recorder.call("cvm.deleteFinished", json!({"before": before, "limit": 5})).await;
    recorder.call("store.changes", json!({"from": from, "waitMs": 0})).await;
    recorder.call("cvm.runDue", json!({"limit": 5, "pace": "slice"})).await;
    recorder.call("cvm.nextDue", json!({"known": true})).await;
}

/// The TypeScript compiler of the package's tools; `None`, and a skip line, if it is not installed.
fn compiler() -> Option<PathBuf> {
    let path = checkout().join("pkg/node_modules/typescript/bin/tsc");
    if path.exists() {
        return Some(path);
    }
    println!(
        "skipped: typescript::method_results_satisfy_their_typescript_types: run `npm ci` in pkg to install the compiler"
    );
    assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
    None
}

#[tokio::test]
async fn method_results_satisfy_their_typescript_types() {
    let mut recorder = RecordedCalls::new().await;
    call_every_method(&mut recorder).await;
    let missing: Vec<_> = calls::METHODS.iter().filter(|method| !recorder.called.contains(*method)).collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
    let Some(compiler) = compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("generated.ts"), typescript::generate().unwrap()).unwrap();
    std::fs::write(folder.path().join("recorded.ts"), &recorder.text).unwrap();
    let options = json!({
        "strict": true, "noEmit": true, "exactOptionalPropertyTypes": true, "module": "nodenext", "target": "es2022", "types": [],
    });
    let project = json!({"compilerOptions": options, "files": ["recorded.ts"]});
    std::fs::write(folder.path().join("tsconfig.json"), project.to_string()).unwrap();
    let checked = Command::new("node").arg(compiler).arg("--project").arg(folder.path()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
