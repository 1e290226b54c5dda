//! Secrets in inputs, outputs and metadata: workers get them, and nothing else shows or stores them.

use std::sync::Arc;

use runstate::encryption::{EncryptedStore, Keys};
use runstate::store::{Memory, Store};
use runstate::testing::block_on;
use runstate::transfer::{LineWriter, export};
use runstate::value::Json;
use serde_json::json;

use super::scene::{AppScene, claim_of};

const TOKEN: &str = "hunter2-correct-horse";
const SESSION: &str = "session-of-the-worker";
const PIN: i64 = 482_913_557;
const KEYS: &str = "k1:YVQ0yJxk2dpVUEGBNVqAPhw3Sjs2+2BgbN1Ksj1lMJY=,hash:GyX0fUXeL7Yy4lsIEjVD4mbVCmv6qKGBWsBYbYbdxqY=";

fn encrypted() -> AppScene {
    let keys = Arc::new(Keys::parse(KEYS).unwrap());
    AppScene::with_schemas(Arc::new(EncryptedStore::new(Arc::new(Memory::new()) as Arc<dyn Store>, Some(keys))))
}

fn configuration() -> Json {
    let secret = json!({"type": "string", "x-secret": true});
    json!({
        "input_schema": {
            "type": "object",
            "properties": {"token": secret, "url": {"type": "string"},
                "login": {"type": "object", "properties": {"pin": {"type": "integer", "x-secret": true}}}},
            "required": ["token"],
        },
        "metadata_schema": {"properties": {"ticket": secret}},
        "steps": [
            {"id": 1, "name": "fetch",
                "input": {"auth": {"header": "$.input.token", "url": "$.input.url"}, "all": ["$.input.login"]},
                "output_schema": {"type": "object", "required": ["count"],
                    "properties": {"session": secret, "count": {"type": "integer", "minimum": 1}}},
                "metadata_schema": {"properties": {"log": secret}},
                "retry": {"max_attempts": 3, "backoff_ms": 0}, "compensate": {"name": "undo"}},
            {"id": 2, "name": "use", "depends_on": [1], "input": {"s": "$.steps.1.output.session", "n": "$.steps.1.output.count"},
                "when": {"value": "$.steps.1.output.session", "exists": true}},
            {"id": 3, "name": "all", "depends_on": [2]},
        ],
    })
}

fn input() -> Json {
    json!({"token": TOKEN, "url": "https://example.com", "login": {"pin": PIN}})
}

fn expect_hidden(text: &str) {
    for secret in [TOKEN, SESSION, &PIN.to_string()] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn secrets_flow_to_workers_and_nothing_else_shows_them() {
    let scene = encrypted();
    scene.save("1.0.0", configuration());
    let subscription = json!({"url": "https://example.com", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "events": ["apps.execution.failed", "apps.step.failed"]});
    scene.ok("subscription.create", subscription);
    let start = json!({"appId": 1, "userId": "u", "id": "e", "input": input(), "metadata": {"ticket": TOKEN, "a": 1}});
    scene.ok("execution.start", start);
    // The worker gets clear values, also in the attempt after one that repeats them in its error.
    let clear = json!({"auth": {"header": TOKEN, "url": "https://example.com"}, "all": [{"pin": PIN}]});
    let work = scene.claim("fetch");
    assert_eq!(work["input"], clear);
    let failure = json!({"message": format!("401 for {TOKEN} and {PIN}"), "name": "E", "output": {"tried": TOKEN}});
    scene.ok("step.fail", claim_of(&work, failure));
    assert_eq!(scene.step(1)["error"]["message"], "401 for *** and ***");
    let work = scene.claim("fetch");
    assert_eq!(work["input"], clear);
    let invalid = claim_of(&work, json!({"output": {"session": SESSION, "count": 0}}));
    assert_eq!(scene.code("step.complete", invalid.clone()), "invalid_output");
    let message = scene.message("step.complete", invalid);
    assert!(message.contains("output.count of step `e:1` must be an integer of at least 1"), "{message}");
    let output = json!({"session": SESSION, "count": 7, "log": format!("sent {TOKEN}")});
    let metadata = json!({"log": SESSION, "took": 3});
    scene.ok("step.complete", claim_of(&work, json!({"output": output, "metadata": metadata})));
    let work = scene.claim("use");
    assert_eq!(work["input"], json!({"s": SESSION, "n": 7}));
    scene.ok("step.complete", claim_of(&work, json!({"output": {"echo": [SESSION, "ok"]}})));
    let last = scene.claim("all");
    assert_eq!(last["input"], input());

    let (first, second) = (scene.step(1), scene.step(2));
    let shown = json!({"auth": {"header": "***", "url": "https://example.com"}, "all": [{"pin": "***"}]});
    assert_eq!(first["input"], shown);
    assert_eq!(first["output"], json!({"session": "***", "count": 7, "log": "sent ***"}));
    assert_eq!(first["metadata"], json!({"log": "***", "took": 3}));
    assert_eq!((&second["input"], &second["output"]), (&json!({"s": "***", "n": 7}), &json!({"echo": ["***", "ok"]})));
    let head = scene.show();
    assert_eq!(head["input"], json!({"token": "***", "url": "https://example.com", "login": {"pin": "***"}}));
    assert_eq!(head["metadata"], json!({"ticket": "***", "a": 1}));

    // After a failure, what undoes a step has the secrets of its input and output.
    assert_eq!(scene.step(3)["input"]["token"], "***");
    let failure = json!({"message": format!("no {TOKEN}"), "permanent": true});
    scene.ok("step.fail", claim_of(&last, failure));
    let undo = scene.claim("undo");
    assert_eq!(undo["input"], json!({"input": clear, "output": output}));

    for (operation, parameters) in [
        ("execution.list", json!({})),
        ("execution.steps", json!({"id": "e"})),
        ("step.list", json!({})),
        ("step.show", json!({"id": "e:-1"})),
        ("audit.list", json!({})),
        ("execution.failed", json!({})),
        ("delivery.list", json!({})),
        ("search", json!({"text": "sent"})),
        ("configuration.list", json!({})),
    ] {
        expect_hidden(&scene.ok(operation, parameters).to_string());
    }
    assert_eq!(scene.ok("search", json!({"text": "hunter2"}))["items"], json!([]));
    let mut exported = Vec::new();
    block_on(export(&scene.engine, &mut LineWriter::new(&mut exported, "an export"), |_| {})).unwrap();
    let exported = String::from_utf8(exported).unwrap();
    assert!(exported.contains("secret_input") && exported.contains("sealed"));
    expect_hidden(&exported);
    scene.check();
}

#[test]
fn secrets_are_refused_without_keys_and_values_by_their_schemas() {
    let plain = AppScene::with_schemas(Arc::new(Memory::new()));
    plain.save("1.0.0", configuration());
    let start = |input: Json| json!({"appId": 1, "userId": "u", "id": "e", "input": input});
    assert_eq!(plain.code("execution.start", start(input())), "key_missing");
    assert!(plain.message("execution.start", start(input())).contains("RUNSTATE_KEYS"));
    assert_eq!(plain.ok("execution.list", json!({}))["items"], json!([]));

    // A mark of a step is enough: its worker would report a secret that cannot be kept.
    let marked = json!({"type": "object", "properties": {"list": {"items": {"x-secret": true}}}});
    for schema in ["input_schema", "output_schema", "metadata_schema"] {
        plain.save(schema, json!({"steps": [{"id": 1, "name": "a", schema: marked}]}));
        assert_eq!(plain.code("execution.start", start(json!({}))), "key_missing");
        assert!(plain.message("execution.start", start(json!({}))).contains(&format!("`steps[0].{schema}`")));
    }
    plain.save("no mark", json!({"steps": [{"id": 1, "name": "a", "output_schema": {"items": {"x-secret": false}}}]}));
    plain.ok("execution.start", start(json!({})));

    let scene = encrypted();
    scene.save("1.0.0", configuration());
    let wrong = json!({"token": "t", "login": {"pin": TOKEN}});
    assert_eq!(scene.code("execution.start", start(wrong.clone())), "invalid");
    let message = scene.message("execution.start", start(wrong));
    assert!(message.contains("input.login.pin") && !message.contains(TOKEN), "{message}");
    assert_eq!(scene.code("execution.start", start(json!({"url": "u"}))), "invalid");

    let save = |schema: Json| {
        let configuration = json!({"steps": [{"id": 1, "name": "a", "output_schema": schema}]});
        json!({"appId": 2, "appName": "b", "version": "1", "configuration": configuration})
    };
    assert_eq!(scene.code("configuration.save", save(json!({"type": "strange"}))), "invalid");
    let marked = save(json!({"properties": {"a": {"x-secret": "yes"}}}));
    assert!(scene.message("configuration.save", marked).contains("configuration.steps[0].output_schema"));
}

#[test]
fn a_step_whose_input_does_not_match_its_schema_fails() {
    let scene = encrypted();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a", "input_schema": schema}]}));
    scene.start(json!({"n": "text"}));
    assert_eq!(scene.claim("a"), Json::Null);
    assert_eq!((scene.status().as_str(), &scene.step(1)["error"]["name"]), ("failed", &json!("InvalidInput")));
}
