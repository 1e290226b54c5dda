//! Secrets of apps on the command line and over MCP: a worker gets them, and all that is printed or stored is without
//! them.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::encryption::{HASH, K1, K2, contains, run_with_keys};
use super::mcp::McpConnection;
use crate::settings::is_full_run;
use crate::support::{CliFixture, CliOutput, block_on};

/// The secret of the input.
pub const TOKEN: &str = "hunter2-correct-horse";
/// The secret of an output.
pub const SESSION: &str = "session-of-the-worker";

/// What prints or exports what executions have; standard output and all files are searched.
const READERS: &[&[&str]] = &[
    &["apps", "execution", "show", "e"],
    &["apps", "execution", "list"],
    &["apps", "execution", "failed"],
    &["apps", "execution", "steps", "e"],
    &["apps", "execution", "wait", "e", "--timeout", "100ms"],
    &["apps", "step", "list"],
    &["apps", "step", "show", "e:1"],
    &["apps", "step", "show", "e:2"],
    &["apps", "audit", "list"],
    &["apps", "search", "fetch"],
    &["apps", "report", "executions"],
    &["apps", "configuration", "list"],
    &["apps", "delivery", "list"],
    &["documents", "query", "apps.events"],
    &["store", "changes"],
    &["info"],
    &["verify"],
    &["export", "-"],
    &["export", "exported.jsonl"],
    &["export", "exported", "--tree"],
];

/// A configuration whose first step gets a secret and reports one, which the second gets.
pub fn configuration() -> Json {
    let secret = json!({"type": "string", "x-secret": true});
    json!({
        "input_schema": {"type": "object", "properties": {"token": secret}},
        "steps": [
            {"id": 1, "name": "fetch", "input": {"auth": "$.input.token"}, "retry": {"max_attempts": 3, "backoff_ms": 0},
                "output_schema": {"type": "object", "properties": {"session": secret}}},
            {"id": 2, "name": "use", "depends_on": [1], "input": {"session": "$.steps.1.output.session"}},
        ],
    })
}

/// A store with the app under these keys.
pub fn with_app(keys: &str) -> CliFixture {
    let scene = CliFixture::new();
    scene.file("configuration.json", configuration().to_string());
    scene.file("input.json", json!({"token": TOKEN}).to_string());
    scene.file("output.json", json!({"session": SESSION, "echo": TOKEN}).to_string());
    let save = ["apps", "configuration", "save", "1", "--app-name", "a", "--version", "1", "--activate"];
    let configuration = ["--configuration", "@configuration.json"];
    run_with_keys(&scene, keys, &[&save[..], &configuration].concat()).expect_exit(0);
    scene
}

fn start(scene: &CliFixture, keys: &str) -> CliOutput {
    run_with_keys(
        scene,
        keys,
        &["apps", "execution", "start", "1", "--user-id", "u", "--id", "e", "--input", "@input.json"],
    )
}

fn claim(scene: &CliFixture, keys: &str, step: &str) -> Json {
    run_with_keys(scene, keys, &["apps", "step", "claim", "--names", step, "--owner", "w", "--json"])
        .expect_exit(0)
        .json()
}

#[track_caller]
fn expect_hidden(text: &str) {
    assert!(!text.contains(TOKEN) && !text.contains(SESSION), "{text}");
}

/// Runs every reader, in both forms, and searches what it prints and writes, and the store. The short form runs each
/// reader in one form, and in the other one in the next `round` of the same test.
#[track_caller]
pub fn expect_hidden_everywhere(scene: &CliFixture, keys: &str, round: usize) {
    for (nth, reader) in READERS.iter().enumerate() {
        for (form, words) in [&[][..], &["--json"]].into_iter().enumerate() {
            // An export to standard output has one form.
            let runs = if reader.contains(&"-") { form == 0 } else { is_full_run() || (nth + round) % 2 == form };
            if !runs {
                continue;
            }
            let output = run_with_keys(scene, keys, &[reader, words].concat());
            assert!(output.code != Some(2), "{reader:?}: {}", output.err);
            expect_hidden(&format!("{}{}", output.out, output.err));
        }
        for written in ["store", "exported.jsonl", "exported"].map(|name| scene.path().join(name)) {
            for secret in [TOKEN, SESSION] {
                assert!(!written.exists() || !contains(&written, secret), "{}", written.display());
            }
            if !written.ends_with("store") {
                remove(&written);
            }
        }
    }
}

fn remove(path: &Path) {
    match path.is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => _ = std::fs::remove_file(path),
    }
}

#[test]
fn a_verification_without_a_key_names_it() {
    let keys = format!("{K1},{HASH}");
    let scene = with_app(&keys);
    start(&scene, &keys).expect_exit(0);
    run_with_keys(&scene, &keys, &["verify"]).expect_exit(0);
    let verified = scene.run(&["verify", "--json"]);
    assert_eq!(verified.error_code(), "key_missing");
    let findings = verified.json()["report"]["findings"].as_array().unwrap().clone();
    assert!(!findings.is_empty() && findings.iter().all(|found| found["severity"] == "key_missing"), "{findings:?}");
    scene.run(&["verify"]).expect_stderr(&["verify the store with all its keys"]);
}

#[test]
fn the_command_line_shows_secrets_of_apps_to_workers_alone() {
    let keys = format!("{K1},{HASH}");
    let scene = with_app(&keys);
    let refused = scene.run(&[
        "--store",
        "file:plain",
        "apps",
        "configuration",
        "save",
        "1",
        "--app-name",
        "a",
        "--version",
        "1",
        "--activate",
        "--configuration",
        "@configuration.json",
    ]);
    refused.expect_exit(0);
    let plain = [
        "--store",
        "file:plain",
        "apps",
        "execution",
        "start",
        "1",
        "--user-id",
        "u",
        "--input",
        "@input.json",
        "--json",
    ];
    let refused = scene.run(&plain).expect_exit(4);
    assert_eq!(refused.error_code(), "key_missing");
    expect_hidden(&refused.text());
    assert!(!contains(&scene.path().join("plain"), TOKEN));

    expect_hidden(&start(&scene, &keys).expect_exit(0).text());
    // A worker that fails with the secret in its message, and one that reports it.
    let exec = "read input; echo \"no $input\" >&2; exit 1";
    let work = run_with_keys(&scene, &keys, &["work", "--step", "fetch", "--owner", "w", "--exec", exec, "--drain"]);
    assert!(work.err.contains("failed e step 1"), "{}", work.err);
    expect_hidden(&run_with_keys(&scene, &keys, &["apps", "step", "show", "e:1"]).expect_exit(0).text());
}

#[test]
fn a_key_of_secrets_of_apps_is_rotated_beside_waiting_steps() {
    let keys = format!("{K1},{HASH}");
    let scene = with_app(&keys);
    start(&scene, &keys).expect_exit(0);
    let work = claim(&scene, &keys, "fetch");
    assert_eq!(work["input"], json!({"auth": TOKEN}));
    expect_hidden_everywhere(&scene, &keys, 0);
    // The key is replaced while a worker has the step.
    let (both, second) = (format!("{K2},{K1},{HASH}"), format!("{K2},{HASH}"));
    assert_eq!(claim(&scene, &second, "fetch"), Json::Null);
    let token = work["claimed"]["token"].to_string();
    let complete = ["apps", "step", "complete", "e:1", "--token", &token, "--output", "@output.json"];
    let lost = run_with_keys(&scene, &second, &[&complete[..], &["--json"]].concat()).expect_exit(4);
    assert_eq!(lost.error_code(), "key_missing");
    expect_hidden(&run_with_keys(&scene, &both, &complete).expect_exit(0).text());
    run_with_keys(&scene, &both, &["tick"]).expect_exit(0);
    let info = run_with_keys(&scene, &both, &["info", "--json"]).expect_exit(0).json();
    let values = &info["facts"]["encryptedValues"];
    assert!(values["k2"].as_u64() > Some(1) && values.get("k1").is_none(), "{info}");
    // What was encrypted under the old key is read with the new one alone.
    assert_eq!(claim(&scene, &second, "use")["input"], json!({"session": SESSION}));
    let step = run_with_keys(&scene, &second, &["apps", "step", "show", "e:1", "--json"]).expect_exit(0).json();
    assert_eq!((&step["input"], &step["output"]), (&json!({"auth": "***"}), &json!({"session": "***", "echo": "***"})));
    run_with_keys(&scene, &second, &["verify"]).expect_exit(0);
    expect_hidden_everywhere(&scene, &second, 1);
    let lost = run_with_keys(&scene, &keys, &["apps", "step", "show", "e:1", "--json"]).expect_exit(4);
    assert_eq!(lost.error_code(), "key_missing");
    expect_hidden(&lost.text());
}

#[test]
fn mcp_shows_secrets_of_apps_to_workers_alone() {
    let keys = format!("{K1},{HASH}");
    let scene = with_app(&keys);
    block_on(async {
        let mut command = scene.command(&["mcp", "--domain", "apps"]);
        command.env("RUNSTATE_KEYS", &keys);
        let client = McpConnection::open_with(command).await;
        let mut replies = Vec::new();
        let start = json!({"appId": 1, "userId": "u", "id": "e", "input": {"token": TOKEN}});
        replies.push(client.result("apps_execution_start", start).await);
        let claim = json!({"names": ["fetch"], "owner": "model"});
        let work = client.result("apps_step_claim", claim).await;
        assert_eq!(work["input"], json!({"auth": TOKEN}));
        let output =
            json!({"id": "e:1", "token": work["claimed"]["token"], "output": {"session": SESSION, "echo": TOKEN}});
        replies.push(client.result("apps_step_complete", output.clone()).await);
        replies.push(client.error("apps_step_complete", output).await);
        for (tool, parameters) in [
            ("apps_execution_show", json!({"id": "e"})),
            ("apps_execution_list", json!({})),
            ("apps_execution_steps", json!({"id": "e"})),
            ("apps_step_list", json!({})),
            ("apps_step_show", json!({"id": "e:2"})),
            ("apps_audit_list", json!({})),
            ("apps_search", json!({"text": "fetch"})),
        ] {
            replies.push(client.result(tool, parameters).await);
        }
        replies.iter().for_each(|reply| expect_hidden(&reply.to_string()));
        let work = client.result("apps_step_claim", json!({"names": ["use"], "owner": "model"})).await;
        assert_eq!(work["input"], json!({"session": SESSION}));
        client.close().await;
    });
    expect_hidden_everywhere(&scene, &keys, 0);
}
