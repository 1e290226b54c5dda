//! Full-text search: what is found, where, and for how long.

use std::sync::Arc;

use runstate::blob::{Artifacts, Chunks, NewArtifact};
use runstate::domain::apps::{Artifact, SearchEntry, Step};
use runstate::id::CommandId;
use runstate::schema::{Collection, Entity as _, Key};
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::testing::{Fault, FaultStore};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::artifacts::rows;
use super::scene::{AppScene, claim_of};
use super::search_documents::{fill, hits, searches};

static STEPS: Collection = Step::COLLECTION;
static ENTRIES: Collection = SearchEntry::COLLECTION;

/// The hits: `e:1 name: fetch page`.
fn found(scene: &AppScene, text: &str) -> Vec<String> {
    let page = scene.ok("search", json!({"text": text}));
    assert!(page.get("next").is_none());
    let hit = |hit: &Json| {
        let text = |name: &str| hit[name].as_str().unwrap().to_owned();
        let id = if hit["kind"] == "artifact" { format!("artifact of {}", hit["stepId"]) } else { text("id") };
        format!("{id} {}: {}", text("field"), text("excerpt"))
    };
    page["items"].as_array().unwrap().iter().map(hit).collect()
}

fn sweep(scene: &AppScene) {
    block_on(scene.engine.sweep(scene.host.clock.now(), 1_000)).unwrap();
}

/// Steps `fetch page` and then `write_report`, with two attempts.
fn scene() -> AppScene {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "fetch page", "retry": {"max_attempts": 2, "backoff_ms": 0, "jitter": 0}},
        {"id": 2, "name": "write_report", "depends_on": [1]}
    ]));
    scene.start(json!({"url": "https://example.com"}));
    scene
}

#[test]
fn a_step_is_found_by_what_it_has_at_the_moment() {
    let scene = scene();
    assert_eq!(found(&scene, "PAGE fetch"), ["e:1 name: fetch page"]);
    assert_eq!(found(&scene, "report"), ["e:2 name: write_report"]);
    assert!(found(&scene, "pages").is_empty() && found(&scene, "fetch report").is_empty());
    // A failed attempt, a completed one, and one that has failed for good.
    let work = scene.claim("fetch page");
    scene.ok("step.fail", claim_of(&work, json!({"message": "no answer in 30s", "name": "Timeout"})));
    assert_eq!(found(&scene, "timeout page"), ["e:1 name: fetch page"]);
    assert_eq!(found(&scene, "answer timeout"), ["e:1 error: no answer in 30s Timeout"]);
    let output = json!({"pages": [{"title": "About\tus"}, 42]});
    let work = scene.claim("fetch page");
    scene.ok("step.complete", claim_of(&work, json!({"output": output, "metadata": {"log": "GET 200"}})));
    assert!(found(&scene, "timeout").is_empty());
    assert_eq!(found(&scene, "us"), ["e:1 output: About us 42"]);
    assert_eq!(found(&scene, "200"), ["e:1 metadata: GET 200"]);
    // Names of members, and inputs, are not searched.
    assert!(found(&scene, "title").is_empty() && found(&scene, "example").is_empty());
    scene.fail("write_report");
    assert_eq!(found(&scene, "broke"), ["e:2 error: write_report broke"]);
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 2}));
    assert!(found(&scene, "broke").is_empty());
    scene.ok("execution.cancel", json!({"id": "e"}));
    assert_eq!(found(&scene, "write"), ["e:2 name: write_report"]);
    scene.check();
}

#[test]
fn the_newest_are_first_and_filters_and_pages_leave_out_the_others() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "same"}, {"id": 2, "name": "same"}]));
    let other = json!({"steps": [{"id": 1, "name": "same"}]});
    scene.ok(
        "configuration.save",
        json!({"appId": 2, "appName": "b", "version": "1", "configuration": other, "activate": true}),
    );
    for (app, id) in [(1, "x"), (2, "y"), (1, "z")] {
        scene.ok("execution.start", json!({"appId": app, "userId": "u", "id": id}));
        scene.host.clock.advance(Millis::seconds(1));
    }
    let ids = |search: Json| -> Vec<String> {
        let page = scene.ok("search", search);
        page["items"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(json!({"text": "same"})), ["z:1", "z:2", "y:1", "x:1", "x:2"]);
    assert_eq!(ids(json!({"text": "same", "appId": 1})), ["z:1", "z:2", "x:1", "x:2"]);
    assert_eq!(ids(json!({"text": "same", "executionId": "y"})), ["y:1"]);
    assert_eq!(ids(json!({"text": "same", "kind": "artifact"})), [] as [String; 0]);
    let first = scene.ok("search", json!({"text": "same", "limit": 3}));
    assert_eq!(ids(json!({"text": "same", "limit": 3, "cursor": first["next"]})), ["x:1", "x:2"]);
    assert_eq!(scene.code("search", json!({"text": "same", "cursor": "x"})), "invalid");
    assert_eq!(scene.code("search", json!({"text": "- _"})), "invalid");
    assert_eq!(scene.code("search", json!({"text": "a ".repeat(33)})), "limit");
    assert_eq!(scene.code("search", json!({"text": "a", "kind": "log"})), "usage");
}

#[test]
fn an_entry_expires_with_its_step() {
    let scene = scene();
    scene.complete("fetch page", json!("first"));
    scene.fail("write_report");
    scene.host.clock.advance(Millis::days(182));
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 2}));
    scene.host.clock.advance(Millis::days(2));
    sweep(&scene);
    let ids = |collection: &'static Collection| -> Vec<Json> {
        rows(&scene, collection).iter().map(|row| row["id"].clone()).collect()
    };
    // The step that was retried has not ended.
    assert_eq!((ids(&STEPS), ids(&ENTRIES)), (vec![json!("e:2")], vec![json!("e:2")]));
    assert!(found(&scene, "first").is_empty());
    scene.complete("write_report", json!({}));
    scene.host.clock.advance(Millis::days(183));
    sweep(&scene);
    assert_eq!((ids(&STEPS), ids(&ENTRIES)), (vec![], vec![]));
    scene.verify();
}

/// Stores an artifact of step 1.
fn put(scene: &AppScene, kind: &str, mime_type: &str, pieces: &[&[u8]]) -> String {
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    block_on(async {
        let new = NewArtifact::of_step("e", 1).named(kind, format!("{kind}.bin"), mime_type);
        let mut upload = artifacts.put(new).await.unwrap();
        for piece in pieces {
            upload.write(piece).await.unwrap();
        }
        upload.finish().await.unwrap()
    })
}

#[test]
fn an_artifact_that_is_a_text_is_found_until_it_is_removed_or_expires() {
    let scene = scene();
    put(&scene, "page", "text/html; charset=utf-8", &[b"<p>Hello</p>", b" w\xc3", b"\xb6rld"]);
    let code = put(&scene, "code", "application/octet-stream", &[b"fn main() { hello(); }"]);
    put(&scene, "report", "application/ld+json", &[b"{\"says\": \"hello\"}"]);
    put(&scene, "screenshot", "image/png", &[b"hello"]);
    assert_eq!(found(&scene, "wörld"), ["artifact of 1 content: <p>Hello</p> wörld"]);
    assert_eq!(found(&scene, "code bin main"), ["artifact of 1 name: code.bin"]);
    assert_eq!(found(&scene, "hello").len(), 3);
    assert!(found(&scene, "screenshot").is_empty());
    scene.ok("artifact.remove", json!({"id": code}));
    assert_eq!((found(&scene, "hello").len(), found(&scene, "main").len()), (2, 0));
    scene.verify();
    scene.host.clock.advance(Millis::days(91));
    sweep(&scene);
    assert_eq!(found(&scene, "hello").len(), 2);
    scene.host.clock.advance(Millis::days(1));
    sweep(&scene);
    assert_eq!((found(&scene, "hello").len(), rows(&scene, &Artifact::COLLECTION).len()), (0, 0));
    scene.verify();
}

#[test]
fn of_a_large_text_the_first_256_kib_are_found() {
    let scene = scene();
    let words: String = (0..100_000).map(|n| format!("w{n}é ")).collect();
    let output = &words[..words.floor_char_boundary(1_000_000)];
    scene.complete("fetch page", json!({"text": output}));
    put(&scene, "log", "", &words.as_bytes().chunks(1_000).collect::<Vec<_>>());
    for (word, hits) in [("w20000é", 2), ("w40000é", 0)] {
        assert_eq!(found(&scene, word).len(), hits, "{word}");
    }
    // One word without an end, bytes that are not a text, and nothing.
    put(&scene, "log", "", &[&vec![b'x'; 400 * 1024]]);
    put(&scene, "log", "", &[&vec![0xff; 400 * 1024]]);
    put(&scene, "log", "", &[]);
    for entry in rows(&scene, &ENTRIES) {
        assert!(entry.to_string().len() < 1024 * 1024);
    }
}

#[test]
fn a_step_of_an_earlier_version_is_found_after_its_next_change() {
    let scene = scene();
    for id in ["e:1", "e:2"] {
        let command = batch(CommandId::new(&format!("delete {id}")).unwrap());
        block_on(scene.engine.store().commit(command.delete(&ENTRIES, id))).unwrap();
    }
    assert!(found(&scene, "page").is_empty());
    scene.complete("fetch page", json!("done"));
    assert_eq!(found(&scene, "page done"), ["e:1 name: fetch page"]);
    assert!(found(&scene, "report").is_empty());
    scene.check();
}

#[test]
fn no_death_separates_a_step_from_its_entry() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for nth in 1..=6 {
            let disk = Arc::new(Memory::new());
            let survivor = AppScene::with_store(disk.clone());
            survivor.save("1", json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "depends_on": [1]}]}));
            let store = Arc::new(FaultStore::new(disk));
            let dying = survivor.open_beside(store.clone());
            store.plan(Method::Commit, nth, fault.clone());
            let call = |name: &str, parameters: Json| dying.call(name, parameters);
            let run = || {
                call("execution.start", json!({"appId": 1, "userId": "u", "id": "e"}))?;
                for name in ["a", "b"] {
                    let work = call("step.claim", json!({"names": [name], "owner": "w"}))?;
                    call("step.complete", claim_of(&work, json!({"output": format!("done {name}")})))?;
                }
                Ok::<(), runstate::engine::Error>(())
            };
            assert_eq!(run().is_err(), nth < 6, "{fault:?} {nth}");
            survivor.verify();
            for step in rows(&survivor, &STEPS) {
                let key = Key::new(&ENTRIES, step["id"].as_str().unwrap());
                let entry = block_on(survivor.engine.store().get(&[key], Freshness::Linearizable)).unwrap();
                let words = entry[0].as_ref().unwrap().document["words"].as_str().unwrap().to_owned();
                assert_eq!(words.contains("done"), step["status"] == "completed", "{fault:?} {nth}: {step}");
            }
        }
    }
}

#[test]
fn files_and_memory_have_the_same_hits_in_the_same_order() {
    let files = block_on(FileStore::open_on(Disk::new().process(), FileStoreOptions::default())).unwrap();
    let (memory, files) = (block_on(fill(Arc::new(Memory::new()))), block_on(fill(Arc::new(files))));
    let mut all = 0;
    for search in searches() {
        let expected = block_on(hits(&memory, search.clone()));
        assert_eq!(block_on(hits(&files, search.clone())), expected, "{search}");
        all += expected.len();
    }
    assert!(all > 1_000, "{all}");
}
