//! Directories of the older CVM, in the layouts of its versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use runstate::client::Cvm;
use runstate::domain::cvm::HISTORY;
use runstate::domain::cvm::{ListCalls, ListLogs, LogRow};
use runstate::legacy::LegacyDirectory;
use runstate::schema::Query;
use runstate::store::Freshness;
use tempfile::TempDir;

use super::*;

const AT: &str = "2024-01-20T10:00:00.000Z";

/// A directory that is written file by file.
struct LegacyDirectoryBuilder(TempDir);

impl LegacyDirectoryBuilder {
    fn new() -> Self {
        let directory = Self(TempDir::new().unwrap());
        for folder in ["programs", "executions"] {
            fs::create_dir(directory.0.path().join(folder)).unwrap();
        }
        directory
    }

    fn write_file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn program(&self, id: &str, source: &str, bytecode: Json) -> &Self {
        let program = json!({"id": id, "name": id, "source": source, "bytecode": bytecode, "created": AT});
        self.write_file(&format!("programs/{id}.json"), &program.to_string())
    }

    /// The program of the fixtures.
    fn email(&self) -> &Self {
        self.program("email", fixtures::email_program()["source"].as_str().unwrap(), fixtures::email_bytecode())
    }

    /// An execution of the program `email`.
    fn execution(&self, id: &str, state: &str, fields: Json) -> &Self {
        let mut execution = json!({
            "id": id, "programId": "email", "state": state, "pc": 0, "stack": [], "variables": {}, "created": AT,
            "updated": "2024-01-20T10:05:00.000Z"
        });
        execution.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write_file(&format!("executions/{id}.json"), &execution.to_string())
    }

    /// An entry of a history, at the given second.
    fn entry(&self, execution: &str, second: u32, step: i64, fields: Json) -> &Self {
        let at = format!("2024-01-20T10:00:{second:02}.000Z");
        let mut entry = json!({"executionId": execution, "step": step, "timestamp": at});
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write_file(&format!("history/{execution}/{at}-{step}.json"), &entry.to_string())
    }

    async fn import_into(&self, engine: &Engine) -> LegacyImportReport {
        assert!(LegacyDirectory::detect(self.0.path()));
        let database = LegacyDirectory::open(self.0.path()).unwrap();
        legacy::import_legacy(engine, &database, compile, |_| {}).await.unwrap()
    }
}

/// The calls of an execution: step, prompt, outcome.
async fn calls(engine: &Engine, id: &str) -> Vec<(u64, String, String)> {
    let listing = ListCalls { execution: Some(id.to_owned()), ..ListCalls::default() };
    let mut calls = Cvm::new(engine).calls(&listing).await.unwrap().items;
    calls.sort_by_key(|call| call.step);
    calls
        .into_iter()
        .map(|call| {
            (call.step.unwrap_or_default(), call.prompt, json!(call.outcome).as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn flat_waiting_execution_is_imported_waiting() {
    let directory = LegacyDirectoryBuilder::new();
    let variables = json!({"email": "test@example.com", "unused": [1]});
    let waiting = |stack: Json| json!({"pc": 5, "stack": stack, "variables": variables, "output": ["Line 1"]});
    directory.email();
    // Seed 001 has no field for the prompt. It is still on the stack, or was pushed by the instruction before, or has a
    // field after all.
    directory.execution("on_top", "waiting_cc", waiting(json!(["Is this email urgent?"])));
    directory.execution("popped", "waiting_cc", waiting(json!([])));
    let mut with_prompt = waiting(json!([]));
    with_prompt["ccPrompt"] = json!("Is it?");
    directory.execution("named", "AWAITING_COGNITIVE_RESULT", with_prompt);
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert_eq!(
        (&report.executions[..], &report.left[..]),
        (&["named", "on_top", "popped"].map(String::from)[..], &[][..])
    );
    for (id, prompt) in [("on_top", "Is this email urgent?"), ("popped", "Is this email urgent?"), ("named", "Is it?")]
    {
        let view = Cvm::new(&engine).show(id).await.unwrap();
        assert_eq!((view.status, view.calls[0].prompt.as_str()), (Status::WaitingCc, prompt));
        let head = head(&engine, id).await;
        assert!(head["state"]["scopes"][0]["variables"]["unused"]["$ref"].is_u64(), "{head}");
        let reached = Cvm::new(&engine).answer(id, json!("very")).await.unwrap();
        assert_eq!(reached.status, Status::Complete);
        assert_eq!(Cvm::new(&engine).output(id).await.unwrap(), ["Line 1", "test@example.com: very"]);
    }
}

#[tokio::test]
async fn flat_running_or_ready_execution_is_imported_due() {
    let directory = LegacyDirectoryBuilder::new();
    directory.email();
    let email = json!({"email": "test@example.com"});
    let running = json!({"pc": 6, "stack": ["urgent"], "variables": email, "output": ["Line 1"]});
    directory.execution("runs", "running", running).execution("ready", "READY", json!({}));
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert!(report.left.is_empty(), "{:?}", report.left);
    Cvm::new(&engine).engine().run_due(10, RunLimit::Slice).await.unwrap();
    assert_eq!(Cvm::new(&engine).output("runs").await.unwrap(), ["Line 1", "test@example.com: urgent"]);
    assert_eq!(Cvm::new(&engine).show("ready").await.unwrap().calls[0].prompt, "Is this email urgent?");
}

#[tokio::test]
async fn flat_ended_execution_keeps_result_output_and_error() {
    let directory = LegacyDirectoryBuilder::new();
    directory.email();
    let variables = json!({"email": "test@example.com", "result": "late"});
    let ended = json!({
        "pc": 13, "variables": variables, "output": ["Line 1", "test@example.com: late"], "returnValue": {"n": [1]}
    });
    directory.execution("ended", "complete", ended);
    let error = json!({
        "message": "Undefined variable: result", "line": 4, "instruction": {"op": 3, "arg": "result"},
        "stack": ["test@example.com: "], "timestamp": AT
    });
    let failed = json!({
        "pc": 10, "stack": ["test@example.com: "], "variables": variables, "output": ["Line 1"], "error": error
    });
    directory.execution("failed", "error", failed);
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert!(report.left.is_empty(), "{:?}", report.left);
    let cvm = Cvm::new(&engine);
    let ended = cvm.show("ended").await.unwrap();
    assert_eq!((ended.status, &ended.result), (Status::Complete, &json!({"n": [1]})));
    assert_eq!(ended.output, ["Line 1", "test@example.com: late"]);
    assert_eq!(ended.completed.unwrap().to_rfc3339(), "2024-01-20T10:05:00Z");
    assert_eq!(head(&engine, "ended").await["state"]["scopes"][0]["variables"]["result"], "late");
    let error = cvm.show("failed").await.unwrap().error.unwrap();
    assert_eq!((error.line, error.pc, &error.instruction), (4, 10, &json!({"op": 3, "arg": "result"})));
    assert_eq!(error.stack, ["test@example.com: "]);
    assert_eq!(cvm.retry("failed").await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output("failed").await.unwrap(), ["Line 1", "test@example.com: late"]);
}

#[tokio::test]
async fn history_is_imported_and_its_answers_become_calls() {
    let directory = LegacyDirectoryBuilder::new();
    directory.email();
    directory.execution("ended", "complete", json!({"pc": 13, "output": ["Line 1"]}));
    directory.execution("waits", "waiting_cc", json!({"pc": 5, "variables": {"email": "e"}}));
    let call = json!({
        "pc": 5, "instruction": {"op": 6}, "stack": ["Is this email urgent?"], "variables": {"email": "e"}
    });
    let answered =
        json!({"pc": 6, "instruction": {"op": 4, "arg": "result"}, "stack": ["yes"], "variables": {"email": "e"}});
    directory.entry("ended", 2, 10, answered.clone()).entry("ended", 1, 9, call.clone());
    directory.entry("ended", 1, 8, json!({"pc": 4, "instruction": "PUSH", "stack": [], "variables": {}}));
    directory.entry("waits", 1, 9, call.clone()).entry("waits", 2, 10, answered).entry("waits", 3, 20, call);
    directory.entry("gone", 1, 1, json!({})).write_file("history/ended/torn.json", "{");
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert_eq!(skipped(&report), [("history entry", "torn"), ("history", "gone")]);
    engine.sweep(engine.now(), 100).await.unwrap();
    let rows = Cvm::new(&engine).logs(&ListLogs::of_execution("ended")).await.unwrap().items;
    let steps: Vec<&Json> = rows.iter().map(|row| &row.details["step"]).collect();
    assert_eq!(steps, [8, 9, 10]);
    assert!(rows.iter().all(|row| row.event == "history"), "{rows:?}");
    let two = ListLogs { limit: Some(2), ..ListLogs::of_execution("ended") };
    let first = Cvm::new(&engine).logs(&two).await.unwrap();
    let cursor = first.items.last().map(LogRow::cursor);
    let second = Cvm::new(&engine).logs(&ListLogs { cursor, ..two }).await.unwrap();
    assert_eq!((&[first.items, second.items].concat(), first.next.is_some(), second.next), (&rows, true, None));
    assert_eq!(rows[1].details["variables"], json!({"email": "e"}));
    assert_eq!(rows[1].details["stack"], json!(["Is this email urgent?"]));
    let question = "Is this email urgent?".to_owned();
    assert_eq!(calls(&engine, "ended").await, [(1, question.clone(), "answered".to_owned())]);
    let answered = (1, question.clone(), "answered".to_owned());
    assert_eq!(calls(&engine, "waits").await, [answered, (2, question, String::new())]);
    assert_eq!(Cvm::new(&engine).latency(None).await.unwrap().max_ms, Some(Millis(1000)));
    assert_eq!(directory.import_into(&engine).await, report);
    Cvm::new(&engine).delete("ended").await.unwrap();
    let left =
        engine.store().query(&Query::of(&HISTORY).eq("executionId", "ended"), Freshness::Linearizable).await.unwrap();
    assert!(left.items.is_empty(), "{:?}", left.items);
}

#[tokio::test]
async fn cc_result_in_the_history_becomes_an_answered_call() {
    let directory = LegacyDirectoryBuilder::new();
    directory.email().execution("ended", "completed", json!({"pc": 13}));
    directory.entry("ended", 3, -1, json!({"pc": 5, "instruction": "CC_RESULT", "stack": ["yes"], "variables": {}}));
    let engine = engine().await;
    directory.import_into(&engine).await;
    let answered = (1, "Is this email urgent?".to_owned(), "answered".to_owned());
    assert_eq!(calls(&engine, "ended").await, [answered]);
}

/// The form of the last versions: operations by name, output in a file, arrays and objects in a heap.
#[tokio::test]
async fn directory_of_the_last_version_is_imported() {
    let directory = LegacyDirectoryBuilder::new();
    let code = json!([
        {"op": "PUSH", "arg": "Name?"}, {"op": "CC"}, {"op": "STORE", "arg": "name"}, {"op": "PUSH", "arg": "Hello, "},
        {"op": "LOAD", "arg": "name"}, {"op": "ADD"}, {"op": "PRINT"}, {"op": "HALT"}
    ]);
    directory.program("email", "function main() { console.log('Hello, ' + CC('Name?')); }\nmain();", code);
    directory.write_file("metadata.json", r#"{"currentExecutionId": "asks"}"#);
    directory.execution(
        "asks",
        "AWAITING_COGNITIVE_RESULT",
        json!({"pc": 1, "ccPrompt": "Name?", "iterators": [], "attempts": 2}),
    );
    let heap =
        json!({"nextId": 2, "objects": {"1": {"type": "array", "data": {"type": "array", "elements": ["a", 1]}}}});
    let list = json!({"type": "array-ref", "id": 1});
    let ended = json!({"pc": 7, "variables": {"list": list}, "returnValue": list, "heap": heap});
    directory.execution("ended", "COMPLETED", ended).write_file("outputs/ended.output", "Hello, Ada\n\nend\n");
    directory.write_file("outputs/lost.output", "?\n");
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    let metadata = directory.0.path().join("metadata.json").display().to_string();
    assert_eq!(skipped(&report), [("file", metadata.as_str()), ("fields", "asks"), ("output", "lost")]);
    let cvm = Cvm::new(&engine);
    let view = cvm.show("ended").await.unwrap();
    assert_eq!((&view.result, &view.output[..]), (&json!(["a", 1]), &["Hello, Ada", "", "end"].map(String::from)[..]));
    cvm.answer("asks", json!("Bob")).await.unwrap();
    assert_eq!(cvm.output("asks").await.unwrap(), ["Hello, Bob"]);
}

#[tokio::test]
async fn ids_that_escape_the_directory_read_no_other_files() {
    let directory = LegacyDirectoryBuilder::new();
    directory.email().write_file("secret.output", "secret\n");
    let ended = json!({"id": "../secret", "programId": "email", "state": "complete", "created": AT});
    directory.write_file("executions/x.json", &ended.to_string());
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert_eq!(report.executions, ["../secret"]);
    assert_eq!(Cvm::new(&engine).output("../secret").await.unwrap(), [""; 0]);
}

/// All files below a folder with their contents. Files of more than a MiB, and entries that are not files, have no
/// contents here.
fn file_contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(file_contents(&path));
        }
        let is_small = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < 1 << 20);
        found.insert(path.clone(), is_small.then(|| fs::read(&path).unwrap()));
    }
    found
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_cannot_be_read_are_named_and_the_others_are_imported() {
    use std::os::unix::fs::symlink;

    let directory = LegacyDirectoryBuilder::new();
    directory.email().execution("ended", "complete", json!({"pc": 13})).execution("half", "complete", json!({}));
    let executions = directory.0.path().join("executions");
    let whole = fs::read_to_string(executions.join("half.json")).unwrap();
    directory.write_file("executions/half.json", &whole[..whole.len() / 2]);
    directory.write_file("executions/twin.json", &whole.replace("half", "ended"));
    directory.write_file("executions/deep.json", &"[".repeat(10_000)).write_file("executions/empty.json", "");
    directory.write_file("executions/temporary.json.tmp", &whole).write_file("notes.txt", "?");
    fs::create_dir(executions.join("folder.json")).unwrap();
    fs::create_dir_all(directory.0.path().join("outputs/ended.output")).unwrap();
    fs::File::create(executions.join("huge.json")).unwrap().set_len(1 << 30).unwrap();
    symlink("nowhere.json", executions.join("dangling.json")).unwrap();
    symlink("/dev/zero", executions.join("endless.json")).unwrap();
    let linked = directory.0.path().join("linked");
    fs::write(&linked, whole.replace("half", "linked")).unwrap();
    symlink(&linked, executions.join("linked.json")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(executions.join("pipe.json")).status().unwrap();
    assert!(pipe.success());

    let before = file_contents(directory.0.path());
    let engine = engine().await;
    let report = directory.import_into(&engine).await;
    assert_eq!(report.executions, ["ended", "linked"]);
    let file = |name: &str| directory.0.path().join(name).display().to_string();
    let expected = [
        ("file", file("linked"), "not part of the older CVM's data"),
        ("file", file("notes.txt"), "not part of the older CVM's data"),
        ("file", file("executions/temporary.json.tmp"), "not part of the older CVM's data"),
        ("execution", "dangling".to_owned(), "No such file"),
        ("execution", "deep".to_owned(), "not valid JSON"),
        ("execution", "empty".to_owned(), "not valid JSON"),
        ("output", "ended".to_owned(), "not a file"),
        ("execution", "endless".to_owned(), "not a file"),
        ("execution", "folder".to_owned(), "not a file"),
        ("execution", "half".to_owned(), "not valid JSON"),
        ("execution", "huge".to_owned(), "more than"),
        ("execution", "pipe".to_owned(), "not a file"),
        ("execution", "twin".to_owned(), "another document has the same id ended"),
    ];
    for (left, (what, id, why)) in report.left.iter().zip(&expected) {
        assert_eq!((left.what, &left.id), (*what, id), "{:?}", report.left);
        assert!(left.why.contains(why), "{left:?}");
    }
    assert_eq!(report.left.len(), expected.len(), "{:?}", report.left);
    assert_eq!(directory.import_into(&engine).await, report);
    assert_eq!(file_contents(directory.0.path()), before, "the import changed the directory");
}
