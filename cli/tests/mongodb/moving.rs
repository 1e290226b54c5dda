//! Stores moved between files and a server, there and back: what comes back is what went.

use std::fs;

use serde_json::Value as Json;

use super::OnServer;
use super::support::{FAILS, GREET, SUM, Said, Scene};

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

/// Calls of every kind, open at once and one after the other.
const CALLS: &str = r#"
const [a, b, c] = CC.all(["a?", { tool: "search", args: { of: 1.5 } }, { prompt: "c?", timeoutMs: 3600000, default: "none" }]);
console.log(a, b, c, CC("d?", { key: "d" }), CC("e?", { key: "e", schema: { type: "integer" } }));
sleep(3600000);
"#;

/// Something of everything, in whatever store `run` is on.
fn fill(scene: &Scene, run: &dyn Fn(&[&str]) -> Said) {
    for (name, source) in [("greet", GREET), ("sum", SUM), ("fails", FAILS), ("deep", DEEP), ("calls", CALLS)] {
        scene.file(&format!("{name}.ts"), source);
        run(&["load", &format!("{name}.ts"), "--tag", "moved", "--description", "é, \"quoted\""]).ended(0);
    }
    for (id, program) in [("g1", "greet"), ("paused", "greet"), ("cancelled", "greet"), ("d1", "deep"), ("c1", "calls")]
    {
        run(&["start", program, "--id", id, "--log-level", "calls"]).ended(3);
    }
    run(&["answer", "g1", "--text", "Ada", "--by", "ann", "--command-id", "first"]).ended(3);
    run(&["answer", "d1", "--json-value", r#"{"deep":[1,2.5,-0.0,1e300,"\ud83e\udd80"]}"#]).ended(3);
    // One of three is answered, and one of those that come later.
    let asked = run(&["show", "c1", "--json"]).ended(0).json();
    run(&["answer", "c1", "--call", asked["calls"][0]["callId"].as_str().unwrap(), "--text", "a"]).ended(3);
    run(&["answer", "c1", "--key", "d", "--text", "early"]).ended(3);
    run(&["pause", "paused"]).ended(0);
    run(&["answer", "paused", "--text", "kept"]).ended(3);
    run(&["cancel", "cancelled"]).ended(0);
    run(&["start", "sum", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).ended(0);
    run(&["start", "fails", "--id", "f1"]).ended(1);
    // A program of two versions, of which both are run.
    scene.file("greet.ts", "console.log('another'); CC('another?')");
    run(&["load", "greet.ts"]).ended(0);
    run(&["start", "greet", "--id", "second-version"]).ended(3);
}

/// All lines of the store's export but the first, which tells when it was made; and what it says of them.
fn exported(scene: &Scene, store: &str, file: &str) -> (Vec<String>, Json) {
    let said = scene.run(&["--store", store, "export", file, "--json"]).ended(0).json();
    let text = fs::read_to_string(scene.path().join(file)).unwrap();
    let lines = text.lines().skip(1).filter(|line| !line.starts_with(r#"{"end""#)).map(str::to_owned).collect();
    (lines, said["contents"].clone())
}

/// Moves `stores[0]` into the next one, and so on; in each there is exactly what was in the first.
fn expect_identity(scene: &Scene, stores: &[&str]) {
    let (lines, contents) = exported(scene, stores[0], "0.jsonl");
    for of in ["executions", "program_versions", "cc_history", "heap_pages", "outputs", "execution_logs", "commands"] {
        let found =
            lines.iter().any(|line| line.contains(&format!("cvm.{of}")) || line.contains(&format!("runstate.{of}")));
        assert!(found, "no {of} is moved");
    }
    for (n, store) in stores.iter().enumerate().skip(1) {
        let imported = scene.run(&["--store", store, "import", &format!("{}.jsonl", n - 1), "--json"]).ended(0).json();
        assert_eq!((&imported["contents"], &imported["there"]), (&contents, &0.into()), "{store}");
        let (there, hash) = exported(scene, store, &format!("{n}.jsonl"));
        assert!(there == lines, "{store} holds other lines: {:?}", there.iter().find(|line| !lines.contains(line)));
        assert_eq!(hash, contents, "{store}");
    }
}

/// In every one of the stores all goes on in the same way.
fn expect_to_go_on(scene: &Scene, stores: &[&str]) {
    let on = |store: &str| {
        let run = |args: &[&str]| scene.run(&[&["--store", store], args].concat());
        run(&["answer", "g1", "--text", "Ada", "--by", "ann", "--command-id", "first"]).ended(3);
        run(&["answer", "g1", "--text", "yes"]).ended(0);
        run(&["answer", "d1", "--text", "no"]).ended(0);
        run(&["unpause", "paused"]).ended(3);
        run(&["work", "--kind", "search", "--exec", "echo found", "--drain"]).ended(0);
        run(&["answer", "c1", "--text", "c"]).ended(3);
        let told = |id: &&str| {
            let mut shown = run(&["show", id, "--json"]).ended(0).json();
            ["calls", "lastModified", "completed", "wakeAt", "metrics"].iter().for_each(|of| drop(shown[of].take()));
            shown
        };
        let ids = ["g1", "d1", "paused", "c1", "s1", "f1", "cancelled", "second-version"];
        ids.iter().map(told).collect::<Vec<Json>>()
    };
    let first = on(stores[0]);
    for store in &stores[1..] {
        assert_eq!(on(store), first, "{store}");
    }
}

#[test]
fn from_files_to_a_server_and_back_to_files_is_identity() {
    let Some(on) = OnServer::of("from_files_to_a_server_and_back_to_files_is_identity") else { return };
    fill(&on.scene, &|args| on.scene.run(args));
    let domains = on.in_domains();
    let stores = ["file:store", &on.url, "file:back", &domains, "file:again"];
    expect_identity(&on.scene, &stores);
    expect_to_go_on(&on.scene, &stores);
}

#[test]
fn from_a_server_to_files_and_back_to_a_server_is_identity() {
    let Some(on) = OnServer::of("from_a_server_to_files_and_back_to_a_server_is_identity") else { return };
    let Some(other) = OnServer::of("the other") else { return };
    fill(&on.scene, &|args| on.run(args));
    let stores = [on.url.as_str(), "file:there", other.url.as_str()];
    expect_identity(&on.scene, &stores);
    expect_to_go_on(&on.scene, &stores);
}
