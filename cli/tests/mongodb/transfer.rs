//! Moving stores between files and a server and back: the contents stay identical.

use std::fs;

use serde_json::Value as Json;

use super::CliServerFixture;
use super::support::{CliFixture, CliOutput, FAILS, GREET, SUM};

/// A heap of several pages, closures, output of several rows.
const DEEP: &str = r#"
function main(input) {
  const seen = new Map();
  const add = (k, v) => { seen.set(k, { v, text: "é\u{1F600}".repeat(200), list: [k, v, null, { "$a.b": -0 }] }); return seen.size; };
  for (let i = 0; i < 300; i++) { add("k" + i, i / 7); console.log("line", i); }
  const first = CC("first?");
  console.log("got " + first);
  const second = CC("second?", { choices: ["yes", "no"] });
  return add(first, second) + ":" + seen.get("k3").text.length;
}
"#;

/// Makes calls of every kind, several at once and one after the other.
const CALLS: &str = r#"
const [a, b, c] = CC.all(["a?", { tool: "search", args: { of: 1.5 } }, { prompt: "c?", timeoutMs: 3600000, default: "none" }]);
console.log(a, b, c, CC("d?", { key: "d" }), CC("e?", { key: "e", schema: { type: "integer" } }));
sleep(3600000);
"#;

/// Fills the store of `run` with data of every kind.
fn fill_store(scene: &CliFixture, run: &dyn Fn(&[&str]) -> CliOutput) {
    for (name, source) in [("greet", GREET), ("sum", SUM), ("fails", FAILS), ("deep", DEEP), ("calls", CALLS)] {
        scene.file(&format!("{name}.ts"), source);
        run(&["load", &format!("{name}.ts"), "--tag", "moved", "--description", "é, \"quoted\""]).expect_exit(0);
    }
    for (id, program) in [("g1", "greet"), ("paused", "greet"), ("cancelled", "greet"), ("d1", "deep"), ("c1", "calls")]
    {
        run(&["start", program, "--id", id, "--log-level", "calls"]).expect_exit(3);
    }
    run(&["answer", "g1", "--text", "Ada", "--by", "ann", "--command-id", "first"]).expect_exit(3);
    run(&["answer", "d1", "--json-value", r#"{"deep":[1,2.5,-0.0,1e300,"\ud83e\udd80"]}"#]).expect_exit(3);
    // Answers one of three calls, and one later call early.
    let asked = run(&["show", "c1", "--json"]).expect_exit(0).json();
    run(&["answer", "c1", "--call", asked["calls"][0]["callId"].as_str().unwrap(), "--text", "a"]).expect_exit(3);
    run(&["answer", "c1", "--key", "d", "--text", "early"]).expect_exit(3);
    run(&["pause", "paused"]).expect_exit(0);
    run(&["answer", "paused", "--text", "kept"]).expect_exit(3);
    run(&["cancel", "cancelled"]).expect_exit(0);
    run(&["start", "sum", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    run(&["start", "fails", "--id", "f1"]).expect_exit(1);
    // Loads a second version of a program, and runs both versions.
    scene.file("greet.ts", "console.log('another'); CC('another?')");
    run(&["load", "greet.ts"]).expect_exit(0);
    run(&["start", "greet", "--id", "second-version"]).expect_exit(3);
}

/// Returns the lines of the store's export without the first, which has the export time, and the hash of the contents.
fn export_lines(scene: &CliFixture, store: &str, file: &str) -> (Vec<String>, Json) {
    let output = scene.run(&["--store", store, "export", file, "--json"]).expect_exit(0).json();
    let text = fs::read_to_string(scene.path().join(file)).unwrap();
    let lines = text.lines().skip(1).filter(|line| !line.starts_with(r#"{"end""#)).map(str::to_owned).collect();
    (lines, output["contents"].clone())
}

/// Moves `stores[0]` into the next one, and so on, and asserts that each holds exactly the contents of the first.
fn expect_identity(scene: &CliFixture, stores: &[&str]) {
    let (lines, contents) = export_lines(scene, stores[0], "0.jsonl");
    for of in ["executions", "program_versions", "cc_history", "heap_pages", "outputs", "execution_logs", "commands"] {
        let found =
            lines.iter().any(|line| line.contains(&format!("cvm.{of}")) || line.contains(&format!("runstate.{of}")));
        assert!(found, "no {of} is moved");
    }
    for (n, store) in stores.iter().enumerate().skip(1) {
        let imported =
            scene.run(&["--store", store, "import", &format!("{}.jsonl", n - 1), "--json"]).expect_exit(0).json();
        assert_eq!((&imported["contents"], &imported["there"]), (&contents, &0.into()), "{store}");
        let (there, hash) = export_lines(scene, store, &format!("{n}.jsonl"));
        assert!(there == lines, "{store} holds other lines: {:?}", there.iter().find(|line| !lines.contains(line)));
        assert_eq!(hash, contents, "{store}");
    }
}

/// Asserts that the executions continue in the same way in all stores.
fn expect_same_continuations(scene: &CliFixture, stores: &[&str]) {
    let on = |store: &str| {
        let run = |args: &[&str]| scene.run(&[&["--store", store], args].concat());
        run(&["answer", "g1", "--text", "Ada", "--by", "ann", "--command-id", "first"]).expect_exit(3);
        run(&["answer", "g1", "--text", "yes"]).expect_exit(0);
        run(&["answer", "d1", "--text", "no"]).expect_exit(0);
        run(&["unpause", "paused"]).expect_exit(3);
        run(&["work", "--kind", "search", "--exec", "echo found", "--drain"]).expect_exit(0);
        run(&["answer", "c1", "--text", "c"]).expect_exit(3);
        let execution_json = |id: &&str| {
            let mut shown = run(&["show", id, "--json"]).expect_exit(0).json();
            ["calls", "lastModified", "completed", "wakeAt", "metrics"].iter().for_each(|of| drop(shown[of].take()));
            shown
        };
        let ids = ["g1", "d1", "paused", "c1", "s1", "f1", "cancelled", "second-version"];
        ids.iter().map(execution_json).collect::<Vec<Json>>()
    };
    let first = on(stores[0]);
    for store in &stores[1..] {
        assert_eq!(on(store), first, "{store}");
    }
}

#[test]
fn from_files_to_a_server_and_back_to_files_is_identity() {
    let Some(on) = CliServerFixture::new("from_files_to_a_server_and_back_to_files_is_identity") else { return };
    fill_store(&on.scene, &|args| on.scene.run(args));
    let domains = on.domain_layout_url();
    let stores = ["file:store", &on.url, "file:back", &domains, "file:again"];
    expect_identity(&on.scene, &stores);
    expect_same_continuations(&on.scene, &stores);
}

#[test]
fn from_a_server_to_files_and_back_to_a_server_is_identity() {
    let Some(on) = CliServerFixture::new("from_a_server_to_files_and_back_to_a_server_is_identity") else { return };
    let Some(other) = CliServerFixture::new("the other") else { return };
    fill_store(&on.scene, &|args| on.run(args));
    let stores = [on.url.as_str(), "file:there", other.url.as_str()];
    expect_identity(&on.scene, &stores);
    expect_same_continuations(&on.scene, &stores);
}
