//! Moving stores into other stores: through a file, a pipe or a folder.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::support::{CliFixture, CliOutput, GREET};

/// Has many kinds of state when it asks: a heap, a closure, output.
const DEEP: &str = r#"
function main(input) {
  const seen = new Map();
  const add = (k, v) => { seen.set(k, { v, list: [k, v, null] }); return seen.size; };
  for (let i = 0; i < 300; i++) { add("k" + i, i / 7); }
  console.log("before", seen.size, "\u{1F600}");
  const first = CC("first?");
  console.log("got " + first);
  const second = CC("second?", { choices: ["yes", "no"] });
  console.log("then " + second, add(first, second));
  return [...seen.keys()].length + ":" + seen.get(first).v;
}
"#;

fn in_store<'a>(store: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["--store", store], args].concat()
}

/// Creates a fixture with an execution of [`DEEP`] that waits for its second answer, and a complete one.
fn waiting_and_complete() -> CliFixture {
    let scene = CliFixture::with("deep", DEEP);
    scene.run(&["start", "deep", "--id", "d1"]).expect_exit(3);
    scene.run(&["answer", "d1", "--text", "Ada", "--command-id", "first-answer"]).expect_exit(3);
    scene.file("sum.ts", "console.log('s'); 1 + 2");
    scene.run(&["run", "sum.ts", "--id", "s1"]).expect_exit(0);
    scene
}

fn contents(output: &CliOutput) -> String {
    output.json()["contents"].as_str().unwrap().to_owned()
}

/// Asserts that the execution continues in `store` as in the store that it came from.
#[track_caller]
fn expect_same_continuation(scene: &CliFixture, store: &str) {
    let before = scene.show("d1");
    let there = scene.run(&in_store(store, &["show", "d1", "--json"])).expect_exit(0).json();
    assert_eq!(there, before, "status, output, calls, times, state hash");
    let answered = scene.run(&in_store(store, &["answer", "d1", "--text", "yes", "--json"])).expect_exit(0).json();
    let here = scene.run(&["answer", "d1", "--text", "yes", "--json"]).expect_exit(0).json();
    for field in ["status", "output", "result", "stateHash", "metrics"] {
        if field != "metrics" {
            assert_eq!(answered[field], here[field], "{field}");
        }
    }
    assert_eq!(answered["result"], "301:yes");
}

#[test]
fn a_waiting_execution_continues_in_another_store() {
    let scene = waiting_and_complete();
    let exported = scene.run(&["export", "all.jsonl", "--json"]).expect_exit(0);
    let imported = scene.run(&in_store("file:new", &["import", "all.jsonl", "--json"])).expect_exit(0);
    assert_eq!(contents(&imported), contents(&exported));
    assert_eq!(imported.json()["alreadyPresent"], 0);
    let again = scene.run(&in_store("file:new", &["export", "again.jsonl", "--json"])).expect_exit(0);
    assert_eq!(contents(&again), contents(&exported), "the contents exclude the records of the import itself");
    // The export holds the command ledger: the command has no further effect, and returns the execution's status.
    scene.run(&in_store("file:new", &["answer", "d1", "--text", "Ada", "--command-id", "first-answer"])).expect_exit(3);
    scene
        .run(&in_store("file:new", &["answer", "d1", "--text", "Bob", "--command-id", "first-answer"]))
        .expect_exit(5)
        .expect_stderr(&["first-answer", "different command"]);
    expect_same_continuation(&scene, "file:new");
    scene.run(&["verify", "--store", "file:new"]).expect_exit(0);
}

#[test]
fn an_export_goes_through_a_pipe() {
    let scene = waiting_and_complete();
    let exported = scene.run(&["export", "-"]).expect_exit(0).expect_stderr(&["exported"]);
    let last: Json = serde_json::from_str(exported.out.lines().last().unwrap()).unwrap();
    assert!(last["end"]["sha256"].is_string(), "{last}");
    scene.run_with(&in_store("file:new", &["import", "-"]), &exported.out).expect_exit(0).expect_stderr(&["contents"]);
    expect_same_continuation(&scene, "file:new");
    let cut = &exported.out[..exported.out.len() / 2];
    scene
        .run_with(&in_store("file:cut", &["import", "-"]), cut)
        .expect_exit(4)
        .expect_stderr(&["standard input", "cut off"]);
    assert!(!scene.path().join("cut").exists(), "nothing is made for what is refused");
    scene.run(&["export", "-", "--json"]).expect_exit(2);
}

#[test]
fn importing_again_changes_nothing() {
    let scene = waiting_and_complete();
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&in_store("file:new", &["import", "all.jsonl"])).expect_exit(0);
    let again = scene.run(&in_store("file:new", &["import", "all.jsonl", "--json"])).expect_exit(0).json();
    assert_eq!(again["written"], 0);
    // The same is true for the store that it came from.
    assert_eq!(scene.run(&["import", "all.jsonl", "--json"]).expect_exit(0).json()["written"], 0);
}

#[test]
fn an_import_names_and_keeps_documents_that_differ() {
    let scene = waiting_and_complete();
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&["answer", "d1", "--text", "no"]).expect_exit(0);
    let output = scene.run(&["import", "all.jsonl", "--json"]).expect_exit(5);
    assert_eq!(output.error_code(), "already_exists");
    assert!(output.json()["error"]["message"].as_str().unwrap().contains("nothing was overwritten"), "{}", output.out);
    assert_eq!(scene.status("d1"), "complete");
}

#[test]
fn a_name_clash_of_programs_is_found_before_writing() {
    let scene = waiting_and_complete();
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&in_store("file:other", &["load", "deep.ts"])).expect_exit(0);
    let before = scene.run(&in_store("file:other", &["info", "--json"])).expect_exit(0).json()["collections"].clone();
    scene.run(&in_store("file:other", &["import", "all.jsonl"])).expect_exit(5).expect_stderr(&[
        "cvm.programs/",
        "the same name",
        "nothing was overwritten",
    ]);
    assert_eq!(scene.run(&in_store("file:other", &["info", "--json"])).expect_exit(0).json()["collections"], before);
}

#[test]
fn a_damaged_file_is_refused_before_anything_is_written() {
    let scene = waiting_and_complete();
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    let whole = fs::read_to_string(scene.path().join("all.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let refused = |text: String, words: &[&str]| {
        scene.file("wrong.jsonl", text);
        scene.run(&in_store("file:wrong", &["import", "wrong.jsonl"])).expect_exit(4).expect_stderr(words);
        assert!(!scene.path().join("wrong").exists(), "nothing is made for what is refused");
    };
    for bytes in [0, 1, 100, whole.len() / 2, whole.len() - 2] {
        let words: &[&str] = if bytes < 101 { &["wrong.jsonl", "not an export"] } else { &["cut off"] };
        let words = if bytes == whole.len() - 2 || bytes == whole.len() / 2 { &["cut off"][..] } else { words };
        refused(whole[..bytes].to_owned(), words);
    }
    refused(lines[..lines.len() - 1].join("\n") + "\n", &["cut off"]);
    refused(whole.replace("second?", "seconds?"), &["wrong.jsonl", "hash differs"]);
    refused([&lines[..3], &lines[4..]].concat().join("\n") + "\n", &["wrong.jsonl"]);
    refused(whole.replacen("\"format\":1", "\"format\":2", 1), &["format version 2", "newer runstate"]);
    refused(
        whole.replacen("\"cvm.executions\":5", "\"cvm.executions\":7", 1),
        &["cvm.executions", "version 7", "newer runstate"],
    );
    refused(format!("{whole}more\n"), &["after the closing line"]);
    refused("{\"a\": 1}\n".repeat(3), &["not an export"]);
    refused("[".repeat(100_000) + "\n", &["not an export"]);
    refused(lines[0].to_owned() + "\n" + &"[".repeat(100_000) + "\n", &["line 2", "not valid JSON"]);
    refused(lines[0].to_owned() + "\n" + &" ".repeat(17 * 1024 * 1024), &["line 2", "longer than any document"]);
    scene.run(&["import", "nowhere.jsonl"]).expect_exit(2).expect_stderr(&["nowhere.jsonl"]);
}

#[test]
fn an_existing_file_is_not_replaced_without_force() {
    let scene = waiting_and_complete();
    scene.file("all.jsonl", "precious");
    scene.run(&["export", "all.jsonl"]).expect_exit(5).expect_stderr(&["all.jsonl exists", "--force"]);
    assert_eq!(fs::read_to_string(scene.path().join("all.jsonl")).unwrap(), "precious");
    scene.run(&["export", "all.jsonl", "--force"]).expect_exit(0);
    scene.run(&in_store("file:new", &["import", "all.jsonl"])).expect_exit(0);
    fs::create_dir(scene.path().join("photos")).unwrap();
    scene.file("photos/cat.jpg", "meow");
    scene
        .run(&["export", "--tree", "photos", "--force"])
        .expect_exit(5)
        .expect_stderr(&["not an export", "not replaced"]);
    scene.run(&["export", "--tree", "tree"]).expect_exit(0);
    scene.run(&["export", "--tree", "tree"]).expect_exit(5);
    scene.run(&["export", "--tree", "tree", "--force"]).expect_exit(0);
    let left: Vec<_> = names(scene.path()).into_iter().filter(|name| name.contains("tmp-")).collect();
    assert_eq!(left, [""; 0], "nothing is left beside it");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_tree_export_is_readable_and_round_trips() {
    let scene = waiting_and_complete();
    let exported = scene.run(&["export", "--tree", "tree", "--json"]).expect_exit(0);
    let tree = scene.path().join("tree");
    let execution: Json = serde_json::from_slice(&fs::read(tree.join("executions/d1.json")).unwrap()).unwrap();
    assert_eq!(execution["state"]["status"], "waiting_cc");
    for field in ["id", "programId", "state", "pc", "stack", "variables", "output", "created", "updated"] {
        assert!(execution.get(field).is_some(), "{field}");
    }
    let history = names(&tree.join("history/d1"));
    assert!(history.len() == 2 && history[0].ends_with("-1.json") && history[1].ends_with("-2.json"), "{history:?}");
    let call: Json = serde_json::from_slice(&fs::read(tree.join("history/d1").join(&history[0])).unwrap()).unwrap();
    for field in ["executionId", "step", "pc", "instruction", "stack", "variables", "timestamp"] {
        assert!(call.get(field).is_some(), "{field}");
    }
    let imported = scene.run(&in_store("file:new", &["import", "--tree", "tree", "--json"])).expect_exit(0);
    assert_eq!(contents(&imported), contents(&exported));
    expect_same_continuation(&scene, "file:new");
}

#[test]
fn early_answers_are_part_of_a_tree_export() {
    let scene = waiting_and_complete();
    for key in ["one", "two"] {
        scene.run(&["answer", "d1", "--key", key, "--text", "kept"]).expect_exit(3);
    }
    let exported = scene.run(&["export", "--tree", "tree", "--json"]).expect_exit(0);
    assert_eq!(names(&scene.path().join("tree/history/d1")).len(), 4);
    let imported = scene.run(&in_store("file:new", &["import", "--tree", "tree", "--json"])).expect_exit(0);
    assert_eq!(contents(&imported), contents(&exported));
}

#[test]
fn a_changed_tree_is_refused_with_the_file_name() {
    let scene = waiting_and_complete();
    scene.run(&["export", "--tree", "tree"]).expect_exit(0);
    let tree = scene.path().join("tree");
    let refused = |words: &[&str]| {
        scene.run(&in_store("file:wrong", &["import", "tree"])).expect_exit(4).expect_stderr(words);
        assert!(!scene.path().join("wrong").exists());
    };
    let file = tree.join("executions/d1.json");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("\"waiting_cc\"", "\"complete\"")).unwrap();
    refused(&["d1.json", "changed after it was exported"]);
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(&["d1.json", "not valid JSON"]);
    fs::remove_file(&file).unwrap();
    refused(&["1 documents of cvm.executions where 2 were exported"]);
    fs::write(&file, &whole).unwrap();
    scene.file("tree/executions/note.txt", "mine");
    refused(&["note.txt", "not part of the export"]);
    fs::remove_file(tree.join("executions/note.txt")).unwrap();
    scene.file("tree/executions/.DS_Store", "litter");
    scene.run(&in_store("file:new", &["import", "tree"])).expect_exit(0);
}

#[test]
fn hostile_ids_stay_in_their_tree() {
    let scene = CliFixture::with("greet", GREET);
    let long = "é".repeat(100);
    let ids = ["../x", "..", "CON", "con", "Key", "key", "a/b", "a b.", "-", "🦀", "%41", "~", long.as_str()];
    for id in ids {
        scene.run(&["start", "greet", &format!("--id={id}")]).expect_exit(3);
    }
    let before = names(scene.path());
    let exported = scene.run(&["export", "--tree", "tree", "--json"]).expect_exit(0);
    assert_eq!(names(scene.path()).len(), before.len() + 1);
    for name in names(&scene.path().join("tree/executions")) {
        assert!(name.is_ascii() && name.len() <= 210 && !name.contains(".."), "{name}");
        assert!(!name.to_ascii_lowercase().starts_with("con."), "{name}");
    }
    let imported = scene.run(&in_store("file:new", &["import", "tree", "--json"])).expect_exit(0);
    assert_eq!(contents(&imported), contents(&exported));
    for id in ids {
        scene.run(&in_store("file:new", &["answer", "--text", "Ada", "--", id])).expect_exit(3);
    }
}

/// Starts the import into the named store and kills it after one more commit. Returns whether it was killed before its
/// end.
fn kill_import(scene: &CliFixture, store: &str) -> bool {
    let commits = scene.path().join(store).join("commits");
    let count = || match commits.exists() {
        true => names(&commits).iter().filter(|name| name.ends_with(".json")).count(),
        false => 0,
    };
    // The first commit of a store only records its collections.
    let before = count().max(1);
    let mut child = scene.spawn(&in_store(&format!("file:{store}"), &["import", "all.jsonl"]), Stdio::null());
    while count() <= before && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

#[test]
fn a_killed_import_can_be_repeated() {
    let scene =
        CliFixture::with("many", "for (let i = 0; i < 50; i++) { console.log('x'.repeat(20000) + i) }; CC('q?')");
    for n in 0..2 {
        scene.run(&["start", "many", "--id", &format!("m{n}")]).expect_exit(3);
    }
    let exported = scene.run(&["export", "all.jsonl", "--json"]).expect_exit(0);
    // An import may end before it is killed: then another store is tried.
    for attempt in 0..20 {
        let store = format!("new-{attempt}");
        if (0..3).filter(|_| kill_import(&scene, &store)).count() == 0 {
            continue;
        }
        let url = format!("file:{store}");
        let imported = scene.run(&in_store(&url, &["import", "all.jsonl", "--json"])).expect_exit(0);
        assert_eq!(contents(&imported), contents(&exported));
        assert!(imported.json()["alreadyPresent"].as_u64().unwrap() > 0, "{}", imported.out);
        let shown = scene.run(&in_store(&url, &["show", "m1", "--json"])).expect_exit(0).json();
        return assert_eq!(shown, scene.show("m1"));
    }
    panic!("no import was killed in the middle");
}

#[test]
fn a_store_in_memory_can_be_imported_into() {
    let scene = waiting_and_complete();
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&in_store("memory:", &["import", "all.jsonl"])).expect_exit(0);
}

#[test]
fn importing_a_store_directory_is_refused() {
    let scene = waiting_and_complete();
    scene.run(&in_store("file:new", &["import", "store"])).expect_exit(2).expect_stderr(&["is a store", "export FILE"]);
    scene.run(&["export", "x.jsonl", "--store", "file:nowhere"]).expect_exit(4).expect_stderr(&["there is no store"]);
    assert!(!scene.path().join("x.jsonl").exists());
}

#[test]
fn info_prints_what_a_store_is_and_holds() {
    let scene = waiting_and_complete();
    let info = scene.run(&["info", "--json"]).expect_exit(0).json();
    assert_eq!((&info["url"], &info["kind"]), (&"file:store".into(), &"file".into()));
    assert_eq!(info["storeId"].as_str().unwrap().len(), 36);
    assert_eq!(info["executions"], serde_json::json!({"complete": 1, "waiting_cc": 1}));
    assert_eq!((&info["oldest"]["id"], &info["newest"]["id"]), (&"d1".into(), &"s1".into()));
    assert_eq!(info["health"], Json::Null);
    let count = |name: &str| {
        let found = info["collections"].as_array().unwrap().iter().find(|c| c["name"] == name).cloned();
        found.unwrap()["documents"].as_u64().unwrap()
    };
    assert_eq!((count("cvm.executions"), count("cvm.programs"), count("cvm.cc_history")), (2, 2, 2));
    let output = scene.run(&["info"]).expect_exit(0);
    let capabilities = "capabilities  durable, multi-process, change feed, aggregates, text search\n";
    for words in [
        "store         file:store",
        "1 waiting_cc",
        "cvm.executions",
        "health        ok\n",
        capabilities,
        "d1 (waiting_cc",
    ] {
        assert!(output.out.contains(words), "{words}: {}", output.out);
    }
    scene.run(&["info", "--store", "file:nowhere"]).expect_exit(4);
}

/// Writes a directory of the older CVM: two programs of one name, executions in every state.
fn write_legacy_directory(scene: &CliFixture) {
    for folder in ["old/programs", "old/executions", "old/outputs"] {
        fs::create_dir_all(scene.path().join(folder)).unwrap();
    }
    let at = "2025-03-01T10:00:00.123Z";
    let program = |id: &str, name: &str, source: &str| {
        let program =
            serde_json::json!({"id": id, "name": name, "source": source, "bytecode": [{"op": "HALT"}], "created": at});
        scene.file(&format!("old/programs/{id}.json"), program.to_string());
    };
    program("greet", "greeter", GREET);
    program("greet2", "greeter", "CC('again?')");
    program("broken", "broken", "import 'y'");
    let execution = |id: &str, program: &str, state: &str, more: Json| {
        let mut execution = serde_json::json!({
            "id": id, "programId": program, "state": state, "pc": 3, "stack": [], "variables": {}, "created": at,
        });
        execution.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene.file(&format!("old/executions/{id}.json"), execution.to_string());
    };
    let done = serde_json::json!({"returnValue": "Ada", "updated": "2025-03-01T10:05:00Z"});
    execution("done", "greet", "COMPLETED", done);
    execution("failed", "greet2", "ERROR", serde_json::json!({"error": "Undefined variable: xyz"}));
    execution("asks", "greet", "AWAITING_COGNITIVE_RESULT", serde_json::json!({"ccPrompt": "Who is there?"}));
    execution("orphan", "gone", "COMPLETED", serde_json::json!({}));
    execution("of_broken", "broken", "COMPLETED", serde_json::json!({}));
    scene.file("old/outputs/done.output", "Hello, Ada\n\nnoted: yes\n");
    scene.file("old/outputs/lost.output", "?\n");
    scene.file("old/executions/torn.json", "{\"id\": \"to");
    scene.file("old/metadata.json", r#"{"currentExecutionId": "asks"}"#);
}

#[test]
fn a_legacy_directory_is_imported_and_the_rest_is_listed() {
    let scene = CliFixture::new();
    write_legacy_directory(&scene);
    expect_store_refusal(&scene, "old");
    let output = scene.run(&["import", "old"]).expect_exit(0);
    insta::assert_snapshot!(output.out);
    let done = scene.show("done");
    assert_eq!((&done["status"], &done["result"]), (&"complete".into(), &"Ada".into()));
    assert_eq!(done["output"], serde_json::json!(["Hello, Ada", "", "noted: yes"]));
    assert_eq!(
        (&done["started"], &done["completed"]),
        (&"2025-03-01T10:00:00.123Z".into(), &"2025-03-01T10:05:00Z".into())
    );
    assert_eq!(scene.show("failed")["error"]["message"], "Undefined variable: xyz");
    scene.run(&["start", "greeter", "--id", "new"]).expect_exit(3);
    scene.run(&["start", "greet2", "--id", "other"]).expect_exit(3);
    let again = scene.run(&["import", "old", "--json"]).expect_exit(0).json();
    assert_eq!(again["executions"], serde_json::json!(["done", "failed", "of_broken"]));
    assert_eq!(again["left"].as_array().unwrap().len(), 6);
    // This version cannot run its bytecode, so it is only kept for reading.
    scene.run(&["retry", "failed"]).expect_exit(5).expect_stderr(&["cannot run here", "start its program again"]);
    // Imported executions can be exported again.
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&in_store("file:new", &["import", "all.jsonl"])).expect_exit(0);
    assert_eq!(scene.run(&in_store("file:new", &["show", "done", "--json"])).expect_exit(0).json(), done);
}

/// Asserts that a directory of the older CVM is refused as a store, with the command that imports it.
fn expect_store_refusal(scene: &CliFixture, directory: &str) {
    let import = format!("runstate --store file:NEW import '{directory}'");
    scene.run(&["list", "--store", &format!("file:{directory}")]).expect_exit(4).expect_stderr(&["older CVM", &import]);
    let mut command = scene.command(&["list"]);
    let output: CliOutput =
        command.env_remove("RUNSTATE_STORE").env("CVM_DATA_DIR", directory).output().unwrap().into();
    output.expect_exit(4).expect_stderr(&["older CVM", &import]);
}

#[test]
fn a_directory_in_the_first_layout_of_the_older_cvm_is_imported_whole() {
    let scene = CliFixture::new();
    let at = "2024-01-20T10:00:00.000Z";
    let write = |path: &str, document: Json| {
        let path = scene.path().join("seed").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, document.to_string()).unwrap();
    };
    let bytecode = serde_json::json!([
        {"op": 1, "arg": "Name?"}, {"op": 6}, {"op": 4, "arg": "name"}, {"op": 1, "arg": "Hello, "}, {"op": 3, "arg": "name"},
        {"op": 5}, {"op": 7}, {"op": 255}
    ]);
    let source = "const name = CC('Name?');\nconsole.log('Hello, ' + name);";
    let program =
        serde_json::json!({"id": "greet", "name": "greet", "source": source, "bytecode": bytecode, "created": at});
    write("programs/greet.json", program);
    let execution = |id: &str, state: &str, pc: u32, more: Json| {
        let mut execution = serde_json::json!({
            "id": id, "programId": "greet", "state": state, "pc": pc, "stack": [], "variables": {"name": "Ada"}, "output": [],
            "created": at, "updated": at
        });
        execution.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        write(&format!("executions/{id}.json"), execution);
    };
    execution("ended", "complete", 7, serde_json::json!({"output": ["Hello, Ada"]}));
    execution("waits", "waiting_cc", 1, serde_json::json!({"stack": ["Name?"], "variables": {}}));
    let error = serde_json::json!({"message": "down", "instruction": {"op": 3, "arg": "name"}, "stack": ["Hello, "]});
    execution("failed", "error", 4, serde_json::json!({"stack": ["Hello, "], "error": error}));
    let entry = serde_json::json!({
        "executionId": "ended", "step": 1, "pc": 1, "instruction": {"op": 6}, "stack": ["Name?"], "variables": {}, "timestamp": at
    });
    write(&format!("history/ended/{at}-1.json"), entry);

    expect_store_refusal(&scene, "seed");
    let imported = scene.run(&["import", "seed", "--json"]).expect_exit(0).json();
    assert_eq!(imported["executions"], serde_json::json!(["ended", "failed", "waits"]));
    assert_eq!(imported["left"], serde_json::json!([]), "{imported}");
    assert_eq!(scene.show("ended")["output"], serde_json::json!(["Hello, Ada"]));
    assert!(scene.run(&["logs", "ended"]).expect_exit(0).out.contains("[\"Name?\"]"));
    let failed = &scene.show("failed")["error"];
    assert_eq!(
        (&failed["pc"], &failed["instruction"]["op"], &failed["instruction"]["arg"]),
        (&4.into(), &3.into(), &"name".into())
    );
    assert_eq!(failed["stack"], serde_json::json!(["Hello, "]));
    scene.run(&["export", "--tree", "tree"]).expect_exit(0);
    for (id, field, expected) in [
        ("ended", "variables", serde_json::json!({"input": null, "name": "Ada"})),
        ("ended", "pc", 7.into()),
        ("failed", "stack", serde_json::json!(["Hello, "])),
    ] {
        let path = scene.path().join(format!("tree/executions/{id}.json"));
        let exported: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(exported[field], expected, "{id}");
    }
    scene.run(&["retry", "failed"]).expect_exit(0);
    assert_eq!(scene.show("failed")["output"], serde_json::json!(["Hello, Ada"]));
    scene.run(&["answer", "waits", "--text", "Bob"]).expect_exit(0);
    assert_eq!(scene.show("waits")["output"], serde_json::json!(["Hello, Bob"]));
    scene.run(&["verify"]).expect_exit(0);
}

#[test]
fn one_exported_execution_continues_in_another_store() {
    let scene = waiting_and_complete();
    let exported = scene.run(&["export", "d1.jsonl", "--execution", "d1", "--json"]).expect_exit(0);
    assert_eq!(exported.json()["counts"]["cvm.executions"], 1);
    let imported = scene.run(&in_store("file:new", &["import", "d1.jsonl", "--json"])).expect_exit(0);
    assert_eq!(contents(&imported), contents(&exported));
    expect_same_continuation(&scene, "file:new");
    let verified = scene.run(&["verify", "--store", "file:new"]).expect_exit(0).out;
    assert!(verified.contains("harmless: cvm.executions/d1: its `programId` names "), "{verified}");
    scene
        .run(&["export", "none.jsonl", "--execution", "missing"])
        .expect_exit(5)
        .expect_stderr(&["missing", "does not exist"]);
    assert!(!scene.path().join("none.jsonl").exists());
    scene.run(&["export", "tree", "--tree", "--execution", "d1"]).expect_exit(0);
    scene.run(&in_store("file:other", &["import", "tree"])).expect_exit(0);
    assert_eq!(
        scene.run(&in_store("file:other", &["show", "d1", "--json"])).expect_exit(0).json()["status"],
        "complete"
    );
}

#[test]
fn an_import_ends_with_a_snapshot() {
    let scene = CliFixture::greeting("g");
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    scene.run(&["import", "all.jsonl", "--store", "file:new"]).expect_exit(0);
    let verified = scene.run(&["verify", "--json", "--store", "file:new"]).expect_exit(0).json();
    let report = &verified["report"];
    assert!(report["snapshot"].as_u64().is_some_and(|snapshot| snapshot > 0), "{report}");
    assert_eq!(report["commits"], 0, "{report}");
}
