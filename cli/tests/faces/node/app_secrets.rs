//! Secrets of apps in the npm package, on a store that the command line reads too.

use serde_json::{Value as Json, json};

use super::{node_script, url};
use crate::cli::app_secrets::{SESSION, TOKEN, configuration, expect_hidden_everywhere};
use crate::support::CliFixture;

const KEYS: &str = "k1:YVQ0yJxk2dpVUEGBNVqAPhw3Sjs2+2BgbN1Ksj1lMJY=,hash:GyX0fUXeL7Yy4lsIEjVD4mbVCmv6qKGBWsBYbYbdxqY=";

#[test]
fn node_shows_secrets_of_apps_to_workers_alone() {
    let Some(mut command) = node_script("app_secrets", "app_secrets.mjs") else { return };
    let scene = CliFixture::new();
    let secrets = json!({"keys": KEYS, "configuration": configuration(), "token": TOKEN, "session": SESSION});
    let store = url(&scene.path().join("store"));
    let output = command.args([&store, &secrets.to_string()]).stderr(std::process::Stdio::piped()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}");
    assert!(![TOKEN, SESSION].iter().any(|secret| out.contains(secret) || err.contains(secret)), "{out}{err}");
    let shown: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["input"], json!({"token": "***"}));
    assert_eq!(shown["status"], "completed");
    expect_hidden_everywhere(&scene, KEYS, 1);
}
