//! The real binary on a real MongoDB: every command does there what it does on files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "shared with the tests on files, which use more of it")]
#[path = "cli/support.rs"]
mod support;

#[cfg(unix)]
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "mongodb/moving.rs"]
mod moving;
#[path = "mongodb/secrets.rs"]
mod secrets;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value as Json;
use support::{FAILS, GREET, SUM, Said, Scene};

/// A scene, and the URL of a store of its own.
struct OnServer {
    scene: Scene,
    url: String,
}

impl OnServer {
    fn of(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
            println!("skipped: {test}: RUNSTATE_TEST_MONGODB names no server");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let (base, query) = server.split_once('?').unwrap_or((&server, ""));
        let url = format!("{}/cli{}_{next}_{now:x}?{query}", base.trim_end_matches('/'), std::process::id());
        Some(Self { scene: Scene::new(), url })
    }

    /// The URL of another store on the server, with each domain in a database of its own.
    fn in_domains(&self) -> String {
        let (server, rest) = self.url.rsplit_once('/').unwrap();
        let (name, query) = rest.split_once('?').unwrap();
        format!("{server}/?layout=seed&databasePrefix={}_&{query}", &name[name.len() - 20..])
    }

    fn run(&self, args: &[&str]) -> Said {
        self.scene.run(&[&["--store", &self.url], args].concat())
    }

    fn load(&self, name: &str, source: &str) {
        self.scene.file(&format!("{name}.ts"), source);
        self.run(&["load", &format!("{name}.ts")]).ended(0);
    }

    fn json(&self, args: &[&str]) -> Json {
        self.run(&[args, &["--json"]].concat()).ended(0).json()
    }
}

#[cfg(unix)]
#[test]
fn hostile_programs_stay_within_their_memory() {
    let Some(server) = OnServer::of("hostile_programs_stay_within_their_memory") else { return };
    hostile::run_hostile_programs(&server.url);
}

#[test]
fn executions_are_run_answered_looked_at_and_deleted() {
    let Some(on) = OnServer::of("executions_are_run_answered_looked_at_and_deleted") else { return };
    on.load("greet", GREET);
    on.load("sum", SUM);
    on.load("fails", FAILS);
    on.run(&["start", "greet", "--id", "g1"]).ended(3);
    on.run(&["run", "sum.ts", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).ended(0);
    on.run(&["start", "fails", "--id", "f1"]).ended(1);
    let active = on.run(&["list", "--active", "--json"]).ended(0);
    assert!(active.out.contains("g1") && !active.out.contains("s1"), "{}", active.out);
    assert_eq!(on.run(&["list", "--json"]).ended(0).values().len(), 3);

    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).ended(3);
    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).ended(3);
    assert_eq!(on.run(&["output", "g1"]).ended(0).out, "Hello, Ada\n");
    on.scene.run_with(&["--store", &on.url, "resume", "g1"], "yes\n").ended(0);
    assert_eq!(on.json(&["show", "g1"])["result"], serde_json::json!({"name": "Ada", "fine": "yes"}));
    assert!(on.run(&["logs", "g1", "--json"]).ended(0).values().len() >= 3);
    assert!(on.run(&["calls", "g1", "--json"]).ended(0).out.contains("Who is there?"));
    on.run(&["stats"]).ended(0);
    on.run(&["programs"]).ended(0);
    on.run(&["program", "show", "greet"]).ended(0);

    for execution in ["g1", "s1", "f1"] {
        on.run(&["delete", execution]).ended(0);
    }
    on.run(&["program", "rm", "greet"]).ended(0);
    on.run(&["sweep"]).ended(0);
    assert!(on.run(&["list", "--json"]).ended(0).values().is_empty());
}

#[test]
fn workers_and_timers_work_there() {
    let Some(on) = OnServer::of("workers_and_timers_work_there") else { return };
    on.load("one", r#"function main() { const a = CC("one?"); console.log("got", a); return a; }"#);
    on.load("nap", "function main() { sleep(1); return 'awake' }");
    on.run(&["start", "one", "--id", "o1"]).ended(3);
    on.run(&["start", "nap", "--id", "n1"]).ended(3);
    on.run(&["work", "--kind", "cc", "--exec", "echo 42", "--drain"]).ended(0);
    on.run(&["tick"]).ended(0);
    assert_eq!(on.json(&["show", "o1"])["status"], "complete");
    assert_eq!(on.json(&["show", "n1"])["status"], "complete");
}

#[test]
fn a_store_moved_there_and_back_is_the_same() {
    let Some(on) = OnServer::of("a_store_moved_there_and_back_is_the_same") else { return };
    let scene = &on.scene;
    scene.file("greet.ts", GREET);
    scene.run(&["load", "greet.ts"]).ended(0);
    scene.run(&["start", "greet", "--id", "g1"]).ended(3);
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).ended(3);
    let contents = |said: Said| said.ended(0).json()["contents"].as_str().unwrap().to_owned();
    let first = contents(scene.run(&["export", "a.jsonl", "--json"]));
    assert_eq!(contents(on.run(&["import", "a.jsonl", "--json"])), first);
    assert_eq!(contents(on.run(&["export", "b.jsonl", "--json"])), first);
    assert_eq!(contents(scene.run(&["--store", "file:back", "import", "b.jsonl", "--json"])), first);
    let hash = |said: Said| said.ended(0).json()["stateHash"].clone();
    let here = hash(scene.run(&["show", "g1", "--json"]));
    assert_eq!(hash(on.run(&["show", "g1", "--json"])), here);
    assert_eq!(hash(scene.run(&["--store", "file:back", "show", "g1", "--json"])), here);
    // What was committed before the move is answered after it.
    on.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).ended(3);
    on.run(&["answer", "g1", "--text", "yes"]).ended(0);
}

#[test]
fn info_tells_of_the_server_and_what_stands_there() {
    let Some(on) = OnServer::of("info_tells_of_the_server_and_what_stands_there") else { return };
    on.load("greet", GREET);
    on.run(&["start", "greet", "--id", "g1"]).ended(3);
    on.run(&["start", "greet", "--id", "g2"]).ended(3);
    let info = on.json(&["info"]);
    assert_eq!((&info["kind"], &info["oldestWaiting"]["id"]), (&"mongodb".into(), &"g1".into()));
    let facts = &info["facts"];
    assert!(facts["server"].as_str().unwrap().starts_with("MongoDB "), "{facts}");
    assert_eq!(facts["indexesMissing"], serde_json::json!([]));
    assert!(facts["indexesAsDeclared"].as_u64().unwrap() > 15, "{facts}");
    assert_eq!(facts["sizes"]["cvm.executions"]["documents"], 2);
    assert!(facts["members"].as_object().unwrap().values().any(|state| state == "PRIMARY"), "{facts}");
    let said = on.run(&["info"]).ended(0).out;
    for words in ["server: MongoDB", "waits longest", "replicaSet: ", "indexesOfOthers: none", "cvm.executions: "] {
        assert!(said.contains(words), "`{words}` is missing in: {said}");
    }
}

#[test]
fn a_whole_store_is_verified_on_the_server() {
    let Some(on) = OnServer::of("a_whole_store_is_verified_on_the_server") else { return };
    on.run(&["verify"]).ended(4);
    on.load("greet", GREET);
    on.run(&["start", "greet", "--id", "g1"]).ended(3);
    let said = on.run(&["verify"]).ended(0).out;
    assert!(said.contains(" is whole: ") && said.contains(" index entries compared"), "{said}");
    let report = on.json(&["verify"])["report"].clone();
    assert_eq!((&report["findings"], &report["omitted"]), (&serde_json::json!([]), &serde_json::json!(0)));
}

#[test]
fn what_is_for_files_says_so() {
    let Some(on) = OnServer::of("what_is_for_files_says_so") else { return };
    on.load("sum", SUM);
    for command in ["repair", "compact"] {
        let said = on.run(&[command, "--json"]);
        assert!(said.code != Some(0), "{command}: {}", said.out);
        assert_eq!(said.error_code(), "unsupported", "{command}");
    }
}

#[test]
fn the_environment_names_the_server_and_a_password_is_never_told() {
    let Some(on) = OnServer::of("the_environment_names_the_server_and_a_password_is_never_told") else { return };
    on.load("sum", SUM);
    let mut command = on.scene.command(&["programs", "--json"]);
    command.env_remove("RUNSTATE_STORE").env("CVM_STORAGE_TYPE", "mongodb").env("MONGODB_URI", &on.url);
    assert!(Said::from(command.output().unwrap()).ended(0).out.contains("sum"));

    let (scheme, rest) = on.url.split_once("://").unwrap();
    let secret = format!("{scheme}://ann:pass%40w%25rd@{rest}");
    for args in [&["info"][..], &["list"], &["import", "sum.ts"], &["verify"], &["export", "x.jsonl"]] {
        let said = on.scene.run(&[&["--store", &secret], args].concat());
        let all = format!("{}{}", said.out, said.err);
        assert!(said.code != Some(0) && !all.contains("pass%40") && !all.contains("pass@w%rd"), "{args:?}: {all}");
    }
    for from in [secret.replacen("mongodb", "mongo", 1), secret.replacen("mongodb", "http", 1)] {
        let said = on.run(&["import", &from]).ended(2);
        assert!(!said.err.contains("pass%40"), "{}", said.err);
    }
    let said = on.run(&["import", &secret]);
    assert!(said.code != Some(0) && !said.err.contains("pass%40"), "{}", said.err);
}

#[test]
fn a_new_database_is_prepared_before_anything_is_in_it() {
    let Some(on) = OnServer::of("a_new_database_is_prepared_before_anything_is_in_it") else { return };
    on.run(&["programs"]).ended(4).explains(&["there is no store", "nothing was made", "load or run a program"]);
    for _ in 0..2 {
        assert_eq!(on.json(&["prepare"])["ready"], true);
    }
    let facts = &on.json(&["info"])["facts"];
    assert_eq!(facts["indexesMissing"], serde_json::json!([]));
    assert!(facts["indexesAsDeclared"].as_u64().unwrap() > 15, "{facts}");
    assert!(on.run(&["programs", "--json"]).ended(0).values().is_empty());
}

#[test]
fn a_url_that_can_lead_nowhere_is_wrong_use() {
    let Some(on) = OnServer::of("a_url_that_can_lead_nowhere_is_wrong_use") else { return };
    on.run(&["prepare"]).ended(0);
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
        let said = on.scene.run(&["--store", &url, "prepare", "--json"]).ended(2);
        assert_eq!(said.error_code(), "invalid_url", "{url}");
        assert!(!said.out.contains("labels:") && said.out.contains(r#""retryable":false"#), "{}", said.out);
    }
    let from = format!("{}&tlsCAFile=none.pem&tls=true", on.url);
    on.scene.run(&["--store", "memory:", "import", &from]).ended(2).explains(&["none.pem"]);
}

#[test]
fn a_database_without_anything_of_the_older_cvm_is_told() {
    let Some(on) = OnServer::of("a_database_without_anything_of_the_older_cvm_is_told") else { return };
    let said = on.scene.run(&["--store", "memory:", "import", &on.url]);
    assert!(said.code == Some(5) && said.err.contains("no programs and no executions"), "{said:?}");
}
