//! The file store in Node, on the same directories as native processes. `cargo xtask test` builds the package with the
//! test exports, runs the conformance suite in it, and passes its path to these tests.

#[cfg(unix)]
mod app_secrets;
#[cfg(target_os = "linux")]
mod durability;
#[cfg(unix)]
mod pipeline;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Execution, Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::id::hex;
use runstate::open;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::Notes;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Number of notes that each process adds.
const NOTES: usize = 60;

/// Number of times that the process is killed.
const KILLS: usize = 20;

/// A call of one of the scripts on the built package; `None`, and a skip line, if there is no package.
fn node_script(test: &str, name: &str) -> Option<Command> {
    let Some(package) = std::env::var_os("RUNSTATE_NODE_PACKAGE") else {
        println!("skipped: node::{test}: the package is built by `cargo xtask test`");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
        return None;
    };
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/node").join(name)).arg(package);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Some(command)
}

fn block_on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap().block_on(future)
}

async fn native_notes(folder: &Path) -> Notes {
    let store = FileStore::open(folder, FileStoreOptions::default()).await.unwrap();
    Notes::open(Arc::new(store)).await.unwrap()
}

fn url(folder: &Path) -> String {
    format!("file:{}", folder.display())
}

/// A process that adds notes after it was started; its output is read line by line.
struct NoteWriter {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl NoteWriter {
    fn spawn(mut command: Command, folder: &Path, prefix: &str, count: usize) -> Self {
        command.arg(url(folder)).args([prefix, &count.to_string()]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Returns when the process has opened the store.
    fn wait_ready(mut self) -> Self {
        assert_eq!(self.lines.next().unwrap().unwrap(), "ready");
        self
    }

    fn start(mut self) -> Self {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        self
    }

    /// The rest of its output, and whether it ended by itself with success.
    fn finish(mut self) -> (Vec<String>, bool) {
        let lines = self.lines.map_while(Result::ok).collect();
        (lines, self.child.wait().unwrap().success())
    }
}

/// The commands of a store in commit order. The commits must be one chain without gaps that begins at the store's
/// identity.
fn commit_chain(folder: &Path) -> Vec<String> {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let mut before = hex(&Sha256::digest(read("runstate.json")));
    let names = std::fs::read_dir(folder.join("commits")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    let mut commands = Vec::new();
    // A killed process leaves temporary files.
    for (seq, name) in (1..).zip(names.iter().filter(|name| !name.starts_with(".tmp-"))) {
        assert_eq!(*name, format!("{seq:016}.json"));
        let bytes = read(&format!("commits/{name}"));
        let file: Json = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&file["seq"], &file["prev"]), (&json!(seq), &json!(before)));
        before = hex(&Sha256::digest(&bytes));
        commands.extend(
            file["commits"].as_array().unwrap().iter().map(|commit| commit["cmd"].as_str().unwrap().to_owned()),
        );
    }
    commands
}

/// The ids that new processes of both kinds read, which must be equal.
fn ids_in_both(test: &str, folder: &Path) -> Vec<String> {
    let command = node_script(test, "notes.mjs").unwrap();
    let (lines, success) = NoteWriter::spawn(command, folder, "none", 0).wait_ready().start().finish();
    assert!(success);
    let in_node: Json = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(in_node["health"], Json::Null);
    block_on_tokio(async {
        let notes = native_notes(folder).await;
        assert_eq!(notes.store().read_only_reason(), None);
        let ids = notes.ids().await.unwrap();
        assert_eq!(in_node["ids"], json!(ids));
        ids
    })
}

#[test]
fn native_and_node_processes_use_one_directory_at_once() {
    const TEST: &str = "native_and_node_processes_use_one_directory_at_once";
    let Some(first) = node_script(TEST, "notes.mjs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let nodes = ["node-a", "node-b"].map(|prefix| (prefix, node_script(TEST, "notes.mjs").unwrap()));
    drop(first);
    let nodes = nodes
        .map(|(prefix, command)| NoteWriter::spawn(command, folder.path(), prefix, NOTES))
        .map(NoteWriter::wait_ready);
    let nodes = block_on_tokio(async {
        let notes = native_notes(folder.path()).await;
        let nodes = nodes.map(NoteWriter::start);
        for i in 0..NOTES {
            let id = format!("native-{i}");
            notes.add(&id).await.unwrap();
            assert!(notes.ids().await.unwrap().contains(&id));
        }
        nodes
    });
    for node in nodes {
        assert!(node.finish().1);
    }
    let mut expected: Vec<String> =
        ["node-a", "node-b", "native"].iter().flat_map(|of| (0..NOTES).map(move |i| format!("{of}-{i}"))).collect();
    let commands = commit_chain(folder.path());
    let notes: Vec<&String> = commands.iter().filter(|command| expected.contains(command)).collect();
    assert_eq!(notes.len(), expected.len(), "each command is committed once");
    let writer = |command: &str| command.rsplit_once('-').map(|(writer, _)| writer.to_owned());
    let turns = notes.windows(2).filter(|pair| writer(pair[0]) != writer(pair[1])).count();
    println!("{} commits, the writer changed {turns} times", commands.len());
    expected.sort();
    assert_eq!(ids_in_both(TEST, folder.path()), expected);
}

#[test]
fn a_node_process_that_is_killed_loses_nothing_acknowledged() {
    const TEST: &str = "a_node_process_that_is_killed_loses_nothing_acknowledged";
    if node_script(TEST, "notes.mjs").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let prefix = |kill: usize| format!("kill{kill}");
    let spawn =
        |kill| NoteWriter::spawn(node_script(TEST, "notes.mjs").unwrap(), folder.path(), &prefix(kill), 1_000_000);
    let (mut acknowledged, mut in_doubt) = (BTreeSet::new(), BTreeSet::new());
    let mut next = spawn(0);
    for kill in 0..KILLS {
        // The next process starts meanwhile, and opens the store in its current state.
        let mut writer = std::mem::replace(&mut next, spawn(kill + 1)).wait_ready().start();
        let first = writer.lines.next().unwrap().unwrap();
        // Each round kills the process at another point within a commit, which takes some milliseconds.
        std::thread::sleep(Duration::from_micros(1_700 * kill as u64));
        writer.child.kill().unwrap();
        let (later, success) = writer.finish();
        assert!(!success);
        in_doubt.insert(format!("{}-{}", prefix(kill), 1 + later.len()));
        acknowledged.extend(later.into_iter().chain([first]));
    }
    next.child.kill().unwrap();
    next.child.wait().unwrap();
    let found: BTreeSet<String> = ids_in_both(TEST, folder.path()).into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let others: Vec<_> = found.difference(&acknowledged).collect();
    assert!(others.iter().all(|id| in_doubt.contains(*id)), "never requested: {others:?}");
    let commands = commit_chain(folder.path());
    assert_eq!(commands.iter().filter(|command| found.contains(*command)).count(), found.len());
    println!("{KILLS} kills, {} acknowledged, {} unacknowledged but committed", acknowledged.len(), others.len());
}

#[test]
fn program_answered_in_node_resumes_natively() {
    const TEST: &str = "program_answered_in_node_resumes_natively";
    const SOURCE: &str = r#"
        const seen = [];
        for (let i = 0; i < 3; i++) {
            seen.push(CC(`question ${i}`));
            console.log(seen.join(" "));
        }
        seen;
    "#;
    let Some(mut command) = node_script(TEST, "program.mjs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let bytecode = runstate::lang::compile("ask.ts", SOURCE).unwrap().bytecode;
    let input = json!({
        "load": Load::new("ask", SOURCE, bytecode),
        "start": Start::new("ask").id("run"),
        "answers": ["é", { "n": 1.5 }],
    });
    let mut child = command.arg(url(folder.path())).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let in_node: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(in_node["status"], "waiting_cc");

    let show = || async {
        let store = open::open(&url(folder.path())).await.unwrap();
        let engine = Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default())
            .await
            .unwrap();
        (Cvm::new(&engine).show("run").await.unwrap(), engine)
    };
    let (shown, after): (Execution, Execution) = block_on_tokio(async {
        let (shown, engine) = show().await;
        Cvm::new(&engine).answer("run", "last").await.unwrap();
        (shown, show().await.0)
    });
    assert_eq!(in_node["shown"], serde_json::to_value(&shown).unwrap(), "both hosts show the same execution and hash");
    assert_eq!(after.output, ["é", "é [object Object]", "é [object Object] last"]);
}

#[test]
fn node_worker_completes_and_fails_calls_of_a_program() {
    const SOURCE: &str = r#"
        try {
            CC.all([{ tool: "add", args: [1, 2] }, { tool: "fetch" }]);
        } catch (e) {
            console.log(e.name, e.message);
        }
        sleep(200);
        console.log("size", CC("size?", { key: "size", choices: ["small", "large"] }));
        CC("more?");
    "#;
    let Some(mut command) = node_script("node_worker_completes_and_fails_calls_of_a_program", "worker.mjs") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let bytecode = runstate::lang::compile("work.ts", SOURCE).unwrap().bytecode;
    let input = json!({ "load": Load::new("work", SOURCE, bytecode), "start": Start::new("work").id("run") });
    let mut child = command.arg(url(folder.path())).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let printed: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, json!(["CallError no network", "size small"]));
}

#[test]
fn disk_failures_have_distinct_errors_in_node() {
    let Some(mut command) = node_script("disk_failures_have_distinct_errors_in_node", "disks.mjs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = command.arg(folder.path()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.ends_with("all done\n"),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The contract of the WebAssembly module, on programs that are compiled here.
#[test]
fn wasm_calls_fulfil_their_contract() {
    const PROGRAMS: [(&str, &str); 6] = [
        ("ask", r#"CC("who?");"#),
        ("add", r#"function main() { return call("add", [1, 2]); }"#),
        ("fail", r#"function main() { try { call("fail"); } catch (e) { return `${e.name}: ${e.message}`; } }"#),
        ("hang", r#"call("hang");"#),
        ("echo", r#"for (;;) CC("more?");"#),
        ("endless", "let n = 0; for (;;) n = (n + 1) % 1000;"),
    ];
    let Some(mut command) = node_script("wasm_calls_fulfil_their_contract", "wasm_calls.mjs") else { return };
    let load = |(name, source): (&str, &str)| {
        let bytecode = runstate::lang::compile("program.ts", source).unwrap().bytecode;
        (name.to_owned(), serde_json::to_value(Load::new(name, source, bytecode)).unwrap())
    };
    let input: Json = Json::Object(PROGRAMS.map(load).into_iter().collect());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.ends_with("all done\n"), "{stdout}");
}
