//! The types that the npm package is written against are those that cross: `pkg/src/generated.ts` is made here and compared, and what
//! every method really says is held against it.
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
use runstate::wasm::{calls, compiling, typescript};
use serde_json::{Value as Json, json};

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_package_has_the_types_that_cross() {
    let path = checkout().join("pkg/src/generated.ts");
    let made = typescript::generated().unwrap();
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = made.lines().zip(kept.lines().chain(std::iter::repeat(""))).find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "pkg/src/generated.ts is not what the sources say (first at {differing:?}); write it anew with\n    \
         INSTA_UPDATE=always cargo test -p runstate --features typescript --test typescript"
    );
}

/// Calls, and what came of them, as TypeScript.
struct Said {
    engine: Engine,
    text: String,
    called: BTreeSet<&'static str>,
}

impl Said {
    async fn new() -> Self {
        let engine =
            Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), domain::catalog().unwrap(), Settings::default());
        let text = "import type { Calls, CompiledSource, ErrorFields } from \"./generated.js\";\n".to_owned();
        Self { engine: engine.await.unwrap(), text, called: BTreeSet::new() }
    }

    fn value(&mut self, of: &str, value: &Json) {
        // Literals are held to their type more strictly than other values: nothing unknown may be there.
        writeln!(self.text, "({value}) satisfies {of};").unwrap();
    }

    async fn call(&mut self, method: &'static str, params: Json) -> Json {
        self.called.insert(method);
        let result = calls::call(&self.engine, method, &params.to_string()).await;
        self.value(&format!("Calls[\"{method}\"][\"params\"]"), &params);
        let result = serde_json::from_str(&result.unwrap_or_else(|error| panic!("{method}: {error}"))).unwrap();
        self.value(&format!("Calls[\"{method}\"][\"result\"]"), &result);
        result
    }

    async fn refused(&mut self, method: &str, params: Json) {
        let error = calls::call(&self.engine, method, &params.to_string()).await.unwrap_err();
        self.value("ErrorFields", &json!(error));
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
    let compiled: Json = serde_json::from_str(&compiling::compiled("r.ts", source).unwrap()).unwrap();
    compiled["bytecode"].clone()
}

async fn everything(said: &mut Said) {
    for method in ["info", "health", "capabilities", "verify"] {
        said.call(method, json!({})).await;
    }
    let from = said.call("store.changes", json!({"waitMs": 0})).await["next"].clone();
    let compiled: Json = serde_json::from_str(&compiling::compiled("p.ts", PROGRAM).unwrap()).unwrap();
    said.value("CompiledSource", &compiled);
    said.value("ErrorFields", &json!(compiling::compiled("p.ts", "nowhere; class {").unwrap_err()));
    let load = json!({
        "name": "p", "source": PROGRAM, "bytecode": compiled["bytecode"], "compiler": compiled["compiler"],
        "description": "of all", "tags": ["daily"], "commandId": "load",
    });
    said.call("cvm.load", load).await;
    let Load { source, bytecode, compiler, .. } =
        Load::new("q", PROGRAM, serde_json::from_value(compiled["bytecode"].clone()).unwrap());
    said.call("cvm.load", json!({"name": "q", "source": source, "bytecode": bytecode, "compiler": compiler})).await;
    said.call("cvm.programs", json!({"tag": "daily", "limit": 1})).await;
    for method in ["cvm.program", "cvm.versions"] {
        said.call(method, json!({"name": "p"})).await;
    }
    said.call("cvm.version", json!({"name": "p", "version": 1})).await;
    let made = json!({"name": "r", "source": "1", "bytecode": bytecode_of("1"), "compiler": "c", "id": "r-1"});
    said.call("cvm.load", made).await;
    said.call("cvm.programById", json!({"id": "r-1"})).await;
    said.call("cvm.removeProgram", json!({"name": "q", "commandId": "remove"})).await;

    said.call(
        "cvm.start",
        json!({"program": "p", "id": "e", "input": {"n": 1}, "logLevel": "calls", "commandId": "s"}),
    )
    .await;
    for method in ["cvm.show", "cvm.output", "cvm.stands", "cvm.versionOf", "cvm.wake"] {
        said.call(method, json!({"id": "e"})).await;
    }
    said.call("cvm.show", json!({"id": "e", "hash": false, "machine": true, "full": true})).await;
    said.call("cvm.variables", json!({"id": "e"})).await;
    said.call("cvm.glance", json!({"id": "e"})).await;
    said.call("cvm.calls", json!({"execution": "e", "open": true})).await;
    said.call("cvm.calls", json!({"limit": 1})).await;

    said.call("cvm.claim", json!({"kinds": ["nothing"], "owner": "w"})).await;
    let work =
        said.call("cvm.claim", json!({"kinds": ["add"], "owner": "w", "leaseMs": 60000, "commandId": "c"})).await;
    let claimed = &work["claimed"];
    said.call("cvm.heartbeat", json!({"claimed": claimed})).await;
    said.call("cvm.show", json!({"id": "e"})).await;
    let retry = json!({"attempts": 9, "initialMs": 0, "longestMs": 0});
    said.call("cvm.fail", json!({"claimed": claimed, "message": "no", "name": "No", "retry": retry, "by": "w"})).await;
    said.call("cvm.calls", json!({"kind": "add"})).await;
    let work = said.call("cvm.claim", json!({"call": claimed["call"], "owner": "w"})).await;
    said.call("cvm.release", json!({"claimed": work["claimed"]})).await;
    let work = said.call("cvm.claim", json!({"call": claimed["call"], "owner": "w"})).await;
    said.call("cvm.complete", json!({"claimed": work["claimed"], "answer": 3, "by": "w"})).await;
    said.call("cvm.start", json!({"program": "p", "id": "f"})).await;
    let work = said.call("cvm.claim", json!({"kinds": ["add"], "owner": "w"})).await;
    said.call("cvm.fail", json!({"claimed": work["claimed"], "message": "never"})).await;

    said.call("cvm.answer", json!({"id": "e", "key": "k", "occurrence": 1, "answer": "y", "by": "ann"})).await;
    said.refused("cvm.answer", json!({"id": "e", "call": "c", "answer": "y"})).await;
    said.refused("cvm.pause", json!({"id": "nobody"})).await;
    said.call("cvm.pause", json!({"id": "e"})).await;
    said.call("cvm.show", json!({"id": "e"})).await;
    said.call("cvm.unpause", json!({"id": "e"})).await;
    said.call("cvm.answer", json!({"id": "e", "answer": "a", "commandId": "a"})).await;
    said.call("cvm.answer", json!({"id": "f", "answer": "a"})).await;
    for id in ["e", "f"] {
        said.call("cvm.show", json!({"id": id})).await;
    }
    said.call("cvm.next", json!({"id": "e"})).await;
    said.call("cvm.retry", json!({"id": "f"})).await;
    said.call("cvm.cancel", json!({"id": "f"})).await;

    said.call("info", json!({})).await;
    said.call("cvm.list", json!({"status": "complete", "program": "p", "limit": 5})).await;
    said.call("cvm.active", json!({})).await;
    said.call("cvm.history", json!({"program": "p"})).await;
    said.call("cvm.logs", json!({"id": "e", "limit": 2})).await;
    said.call("cvm.logs", json!({"event": "cc_call", "since": 0, "before": i64::MAX >> 12})).await;
    said.call("cvm.slowest", json!({})).await;
    for method in ["cvm.stats", "cvm.statuses", "cvm.latency", "cvm.latencyByKind"] {
        said.call(method, json!({"program": "p"})).await;
    }
    said.call("cvm.latencyByProgram", json!({})).await;
    said.call("store.changes", json!({"from": from, "collection": "cvm.executions", "limit": 99, "waitMs": 0})).await;
    said.call("cvm.changes", json!({"from": from, "things": ["call"], "executions": ["e"], "waitMs": 0})).await;

    let before = i64::MAX >> 12;
    said.call("cvm.countFinished", json!({"before": before})).await;
    said.call("cvm.delete", json!({"id": "f"})).await;
    said.call("cvm.deleteFinished", json!({"before": before, "limit": 5})).await;
    said.call("store.changes", json!({"from": from, "waitMs": 0})).await;
    said.call("cvm.runDue", json!({"limit": 5, "pace": "slice"})).await;
    said.call("cvm.nextDue", json!({"known": true})).await;
}

/// The TypeScript compiler of the package's tools; None and a word about it where they are not there.
fn compiler() -> Option<PathBuf> {
    let path = checkout().join("pkg/node_modules/typescript/bin/tsc");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: typescript::what_methods_say_is_what_their_types_say: `npm ci` in pkg brings the compiler");
    assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
    None
}

#[tokio::test]
async fn what_methods_say_is_what_their_types_say() {
    let mut said = Said::new().await;
    everything(&mut said).await;
    let missing: Vec<_> = calls::METHODS.iter().filter(|method| !said.called.contains(*method)).collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
    let Some(compiler) = compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("generated.ts"), typescript::generated().unwrap()).unwrap();
    std::fs::write(folder.path().join("said.ts"), &said.text).unwrap();
    let options = json!({
        "strict": true, "noEmit": true, "exactOptionalPropertyTypes": true, "module": "nodenext", "target": "es2022", "types": [],
    });
    let project = json!({"compilerOptions": options, "files": ["said.ts"]});
    std::fs::write(folder.path().join("tsconfig.json"), project.to_string()).unwrap();
    let checked = Command::new("node").arg(compiler).arg("--project").arg(folder.path()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
