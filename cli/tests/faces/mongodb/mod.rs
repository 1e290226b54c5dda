//! Tests of the real binary on a real MongoDB: every command works as on files. Stores are moved between files and a
//! server and back, and their contents stay identical.

mod foreign;
mod secrets;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::settings::is_full_run;
use crate::support::{CliFixture, CliOutput, FAILS, GREET, SUM};
use serde_json::Value as Json;

/// A fixture and the URL of its own store.
struct CliServerFixture {
    scene: CliFixture,
    url: String,
}

impl CliServerFixture {
    fn new(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
            println!("skipped: {test}: RUNSTATE_TEST_MONGODB names no server");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let (base, query) = server.split_once('?').unwrap_or((&server, ""));
        let url = format!("{}/cli{}_{next}_{now:x}?{query}", base.trim_end_matches('/'), std::process::id());
        Some(Self { scene: CliFixture::new(), url })
    }

    /// Returns the URL of another store on the server, with a database for each domain.
    fn domain_layout_url(&self) -> String {
        let (server, rest) = self.url.rsplit_once('/').unwrap();
        let (name, query) = rest.split_once('?').unwrap();
        format!("{server}/?layout=seed&databasePrefix={}_&{query}", &name[name.len() - 20..])
    }

    fn run(&self, args: &[&str]) -> CliOutput {
        self.scene.run(&[&["--store", &self.url], args].concat())
    }

    fn load(&self, name: &str, source: &str) {
        self.scene.file(&format!("{name}.ts"), source);
        self.run(&["load", &format!("{name}.ts")]).expect_exit(0);
    }

    fn json(&self, args: &[&str]) -> Json {
        self.run(&[args, &["--json"]].concat()).expect_exit(0).json()
    }
}

#[cfg(unix)]
#[test]
fn hostile_programs_stay_within_their_memory() {
    let Some(server) = CliServerFixture::new("hostile_programs_stay_within_their_memory") else { return };
    crate::cli::hostile_programs::run_hostile_programs(&server.url);
}

#[test]
fn executions_are_run_answered_looked_at_and_deleted() {
    let Some(on) = CliServerFixture::new("executions_are_run_answered_looked_at_and_deleted") else { return };
    on.load("greet", GREET);
    on.load("sum", SUM);
    on.load("fails", FAILS);
    on.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    on.run(&["run", "sum.ts", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    on.run(&["start", "fails", "--id", "f1"]).expect_exit(1);
    let active = on.run(&["list", "--active", "--json"]).expect_exit(0);
    assert!(active.out.contains("g1") && !active.out.contains("s1"), "{}", active.out);
    assert_eq!(on.run(&["list", "--json"]).expect_exit(0).values().len(), 3);

    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    assert_eq!(on.run(&["output", "g1"]).expect_exit(0).out, "Hello, Ada\n");
    on.scene.run_with(&["--store", &on.url, "resume", "g1"], "yes\n").expect_exit(0);
    assert_eq!(on.json(&["show", "g1"])["result"], serde_json::json!({"name": "Ada", "fine": "yes"}));
    assert!(on.run(&["logs", "g1", "--json"]).expect_exit(0).values().len() >= 3);
    assert!(on.run(&["calls", "g1", "--json"]).expect_exit(0).out.contains("Who is there?"));
    on.run(&["stats"]).expect_exit(0);
    on.run(&["programs"]).expect_exit(0);
    on.run(&["program", "show", "greet"]).expect_exit(0);

    for execution in ["g1", "s1", "f1"] {
        on.run(&["delete", execution]).expect_exit(0);
    }
    on.run(&["program", "delete", "greet"]).expect_exit(0);
    on.run(&["sweep"]).expect_exit(0);
    assert!(on.run(&["list", "--json"]).expect_exit(0).values().is_empty());
}

#[test]
fn workers_and_timers_work_on_mongodb() {
    let Some(on) = CliServerFixture::new("workers_and_timers_work_on_mongodb") else { return };
    on.load("one", r#"function main() { const a = CC("one?"); console.log("got", a); return a; }"#);
    on.load("nap", "function main() { sleep(1); return 'awake' }");
    on.run(&["start", "one", "--id", "o1"]).expect_exit(3);
    on.run(&["start", "nap", "--id", "n1"]).expect_exit(3);
    on.run(&["work", "--kind", "cc", "--exec", "echo 42", "--drain"]).expect_exit(0);
    on.run(&["tick"]).expect_exit(0);
    assert_eq!(on.json(&["show", "o1"])["status"], "complete");
    assert_eq!(on.json(&["show", "n1"])["status"], "complete");
}

#[test]
fn a_store_moved_there_and_back_is_the_same() {
    let Some(on) = CliServerFixture::new("a_store_moved_there_and_back_is_the_same") else { return };
    let scene = &on.scene;
    scene.file("greet.ts", GREET);
    scene.run(&["load", "greet.ts"]).expect_exit(0);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    let contents = |output: CliOutput| output.expect_exit(0).json()["contents"].as_str().unwrap().to_owned();
    let first = contents(scene.run(&["export", "a.jsonl", "--json"]));
    assert_eq!(contents(on.run(&["import", "a.jsonl", "--json"])), first);
    assert_eq!(contents(on.run(&["export", "b.jsonl", "--json"])), first);
    assert_eq!(contents(scene.run(&["--store", "file:back", "import", "b.jsonl", "--json"])), first);
    let hash = |output: CliOutput| output.expect_exit(0).json()["stateHash"].clone();
    let here = hash(scene.run(&["show", "g1", "--json"]));
    assert_eq!(hash(on.run(&["show", "g1", "--json"])), here);
    assert_eq!(hash(scene.run(&["--store", "file:back", "show", "g1", "--json"])), here);
    // A command that was committed before the move is answered after it.
    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    on.run(&["answer", "g1", "--text", "yes"]).expect_exit(0);
}

#[test]
fn info_prints_the_server_and_its_contents() {
    let Some(on) = CliServerFixture::new("info_prints_the_server_and_its_contents") else { return };
    on.load("greet", GREET);
    on.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    on.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    let info = on.json(&["info"]);
    assert_eq!((&info["kind"], &info["oldestWaiting"]["id"]), (&"mongodb".into(), &"g1".into()));
    let facts = &info["facts"];
    assert!(facts["server"].as_str().unwrap().starts_with("MongoDB "), "{facts}");
    assert_eq!(facts["indexesMissing"], serde_json::json!([]));
    assert!(facts["indexesAsDeclared"].as_u64().unwrap() > 15, "{facts}");
    assert_eq!(facts["sizes"]["cvm.executions"]["documents"], 2);
    assert!(facts["members"].as_object().unwrap().values().any(|state| state == "PRIMARY"), "{facts}");
    let output = on.run(&["info"]).expect_exit(0).out;
    for words in ["server: MongoDB", "waits longest", "replicaSet: ", "indexesOfOthers: none", "cvm.executions: "] {
        assert!(output.contains(words), "`{words}` is missing in: {output}");
    }
}

#[test]
fn a_whole_store_is_verified_on_the_server() {
    let Some(on) = CliServerFixture::new("a_whole_store_is_verified_on_the_server") else { return };
    on.run(&["verify"]).expect_exit(4);
    on.load("greet", GREET);
    on.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let output = on.run(&["verify"]).expect_exit(0).out;
    assert!(output.contains(" is intact: ") && output.contains(" index entries compared"), "{output}");
    let report = on.json(&["verify"])["report"].clone();
    assert_eq!((&report["findings"], &report["omitted"]), (&serde_json::json!([]), &serde_json::json!(0)));
}

#[test]
fn file_store_commands_are_unsupported_on_mongodb() {
    let Some(on) = CliServerFixture::new("file_store_commands_are_unsupported_on_mongodb") else { return };
    on.load("sum", SUM);
    for command in ["repair", "compact"] {
        let output = on.run(&[command, "--json"]);
        assert!(output.code != Some(0), "{command}: {}", output.out);
        assert_eq!(output.error_code(), "unsupported", "{command}");
    }
}

#[test]
fn the_environment_names_the_server_and_hides_its_password() {
    let Some(on) = CliServerFixture::new("the_environment_names_the_server_and_hides_its_password") else { return };
    on.load("sum", SUM);
    let mut command = on.scene.command(&["programs", "--json"]);
    command.env_remove("RUNSTATE_STORE").env("CVM_STORAGE_TYPE", "mongodb").env("MONGODB_URI", &on.url);
    assert!(CliOutput::from(command.output().unwrap()).expect_exit(0).out.contains("sum"));

    let (scheme, rest) = on.url.split_once("://").unwrap();
    let secret = format!("{scheme}://ann:pass%40w%25rd@{rest}");
    for args in [&["info"][..], &["list"], &["import", "sum.ts"], &["verify"], &["export", "x.jsonl"]] {
        let output = on.scene.run(&[&["--store", &secret], args].concat());
        let all = format!("{}{}", output.out, output.err);
        assert!(output.code != Some(0) && !all.contains("pass%40") && !all.contains("pass@w%rd"), "{args:?}: {all}");
    }
    for from in [secret.replacen("mongodb", "mongo", 1), secret.replacen("mongodb", "http", 1)] {
        let output = on.run(&["import", &from]).expect_exit(2);
        assert!(!output.err.contains("pass%40"), "{}", output.err);
    }
    let output = on.run(&["import", &secret]);
    assert!(output.code != Some(0) && !output.err.contains("pass%40"), "{}", output.err);
}

#[test]
fn a_new_database_is_prepared_before_anything_is_in_it() {
    let Some(on) = CliServerFixture::new("a_new_database_is_prepared_before_anything_is_in_it") else { return };
    on.run(&["programs"]).expect_exit(4).expect_stderr(&[
        "there is no store",
        "nothing was created",
        "load or run a program",
    ]);
    for _ in 0..2 {
        assert_eq!(on.json(&["prepare"])["ready"], true);
    }
    let facts = &on.json(&["info"])["facts"];
    assert_eq!(facts["indexesMissing"], serde_json::json!([]));
    assert!(facts["indexesAsDeclared"].as_u64().unwrap() > 15, "{facts}");
    assert!(on.run(&["programs", "--json"]).expect_exit(0).values().is_empty());
}

#[test]
fn an_unusable_server_url_is_a_usage_error() {
    let Some(on) = CliServerFixture::new("an_unusable_server_url_is_a_usage_error") else { return };
    on.run(&["prepare"]).expect_exit(0);
    let (server, rest) = on.url.rsplit_once('/').unwrap();
    let (name, query) = rest.split_once('?').unwrap();
    for url in [
        format!("{}&tlsCAFile=none.pem&tls=true", on.url),
        format!("{}&nonsense=1", on.url),
        format!("{}&timeoutMS=18446744073709551615", on.url),
        format!("{server}/{}?{query}", name.to_uppercase()),
        format!("{server}/admin?{query}"),
        format!("{server}/config?{query}"),
        format!("{server}/a.b?{query}"),
    ] {
        let output = on.scene.run(&["--store", &url, "prepare", "--json"]).expect_exit(2);
        assert_eq!(output.error_code(), "invalid_url", "{url}");
        assert!(!output.out.contains("labels:") && output.out.contains(r#""retryable":false"#), "{}", output.out);
    }
    let from = format!("{}&tlsCAFile=none.pem&tls=true", on.url);
    on.scene.run(&["--store", "memory:", "import", &from]).expect_exit(2).expect_stderr(&["none.pem"]);
}

#[test]
fn importing_a_database_without_legacy_data_is_refused() {
    let Some(on) = CliServerFixture::new("importing_a_database_without_legacy_data_is_refused") else { return };
    let output = on.scene.run(&["--store", "memory:", "import", &on.url]);
    assert!(output.code == Some(5) && output.err.contains("no programs and no executions"), "{output:?}");
    assert!(output.err.contains("import --domain DOMAIN"), "{output:?}");
}

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
    run(&["answer", "c1", "--call", asked["calls"][0]["id"].as_str().unwrap(), "--text", "a"]).expect_exit(3);
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
        assert_eq!((&imported["contents"], &imported["alreadyPresent"]), (&contents, &0.into()), "{store}");
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
        // The short form shows those that have continued.
        let ids = ["g1", "d1", "paused", "c1", "s1", "f1", "cancelled", "second-version"];
        ids[..if is_full_run() { ids.len() } else { 4 }].iter().map(execution_json).collect::<Vec<Json>>()
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
