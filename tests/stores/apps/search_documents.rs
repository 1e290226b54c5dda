//! A thousand steps and some artifacts with generated texts, and searches of which every store has the same hits in the
//! same order.

use runstate::blob::{Artifacts, Chunks, NewArtifact};
use runstate::domain::apps::DOMAIN;
use runstate::engine::Engine;
use runstate::store::Store;
use runstate::testing::SimHost;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

/// Texts that searches of databases split, fold, shorten or leave out, each in its own way.
pub const TEXTS: [&str; 20] = [
    "The running RUNS",
    "run",
    "foo_bar-baz",
    "foobar",
    "don't",
    "O’Brien",
    "café",
    "cafe\u{301}",
    "cafe",
    "İstanbul",
    "istanbul",
    "straße STRASSE",
    "ΟΔΥΣΣΕΥΣ",
    "東京都",
    "東京 都",
    "🦀crab 👩\u{200d}💻",
    "x² Ⅳ ½",
    "नमस्ते",
    "-minus \"quoted phrase\" $text",
    "https://example.com/a?b=c#42",
];

/// The number of steps in one execution, of which there are four.
const STEPS: usize = 250;

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    let parameters = parameters.as_object().unwrap().clone();
    engine.call(&format!("apps.{name}"), parameters).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fills a store through an engine, which it returns.
pub async fn fill(store: std::sync::Arc<dyn Store>) -> Engine {
    let host = SimHost::default();
    let engine = Engine::new(store, std::sync::Arc::new(host.clone()), &[&DOMAIN]).await.unwrap();
    let text = |n: usize| TEXTS[n % TEXTS.len()];
    let artifacts = Artifacts::new(&engine, Chunks::new(&engine));
    for app in 0..4usize {
        let name = |n: usize| format!("{} {} n{} a{app}", text(n), text(n * n / 7 + app), n % 10);
        let steps: Vec<Json> = (1..=STEPS).map(|n| json!({"id": n, "name": format!("{} {n}", name(n))})).collect();
        let configuration = json!({"steps": steps, "settings": {"on_failure": "continue"}});
        let version = json!({
            "appId": app, "appName": "generated", "version": "1", "configuration": configuration, "activate": true
        });
        call(&engine, "configuration.save", version).await;
        let execution = format!("e{app}");
        call(&engine, "execution.start", json!({"appId": app, "userId": "u", "id": execution})).await;
        for n in (1..=STEPS).step_by(20) {
            host.clock.advance(Millis::seconds(1));
            let claim = json!({"names": [format!("{} {n}", name(n))], "owner": "w"});
            let work = call(&engine, "step.claim", claim).await;
            let mut end = json!({"id": work["claimed"]["id"], "token": work["claimed"]["token"]});
            let output = json!({"lines": [text(n + 3), {"more": "filler ".repeat(40) + text(n + 5)}, n]});
            let end_by = match n % 3 {
                0 => {
                    end["message"] = text(n + 7).into();
                    end["permanent"] = true.into();
                    "step.fail"
                }
                _ => {
                    end["output"] = output;
                    end["metadata"] = json!({"log": text(n + 9)});
                    "step.complete"
                }
            };
            call(&engine, end_by, end).await;
            let log = NewArtifact::of_step(&execution, n as i64).named("log", format!("{n}.log"), "text/plain");
            let mut upload = artifacts.put(log).await.unwrap();
            upload.write(format!("{} of {}", text(n + 11), text(n + 2)).as_bytes()).await.unwrap();
            upload.finish().await.unwrap();
        }
        host.clock.advance(Millis::seconds(1));
    }
    engine
}

/// The hits of a search on all pages, in order. The ids of artifacts differ each time, so they are left out.
pub async fn hits(engine: &Engine, mut search: Json) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = call(engine, "search", search.clone()).await;
        for hit in page["items"].as_array().unwrap() {
            let mut hit = hit.clone();
            if hit["kind"] == "artifact" {
                hit.as_object_mut().unwrap().shift_remove("id");
            }
            found.push(hit.to_string());
        }
        match page.get("next") {
            Some(next) => search["cursor"] = next.clone(),
            None => return found,
        }
    }
}

/// The searches.
pub fn searches() -> Vec<Json> {
    let words = [
        "n3",
        "RUN n7",
        "the",
        "running",
        "foo",
        "bar",
        "minus phrase",
        "東京",
        "stanbul",
        "e",
        "of",
        "filler",
        "missing",
    ];
    let texts = TEXTS.iter().chain(&words).map(|text| json!({"text": text, "limit": 100}));
    let filtered = [
        json!({"text": "run", "appId": 2, "limit": 17}),
        json!({"text": "cafe", "executionId": "e1", "kind": "step"}),
        json!({"text": "the of", "kind": "artifact", "limit": 3}),
    ];
    texts.chain(filtered).collect()
}
