//! Stores with wrong URLs, unusable stores and damaged stores. `verify` of documents: its output, its exit code, and
//! that it changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use runstate::domain::cvm::CC_HISTORY;
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::{Batch, Expectation, Freshness, Write, WriteOp};
use runstate::time::Timestamp;
use serde_json::Value as Json;

#[cfg(target_os = "linux")]
use super::terminal::run_at_terminal;
use crate::support::{CliFixture, CliOutput, GREET, block_on};

#[test]
fn an_unknown_scheme_suggests_the_nearest_one() {
    let scene = CliFixture::new();
    scene.run(&["list", "--store", "fiel:data"]).expect_exit(2).expect_stderr(&["did you mean `file:data`?"]);
    scene.run(&["list", "--store", "data"]).expect_exit(2).expect_stderr(&["did you mean `file:data`?"]);
    scene.run(&["list", "--store", "redis://x"]).expect_exit(2).expect_stderr(&[
        "unknown scheme `redis`",
        "Use `file:DIRECTORY`",
        "`memory:`",
    ]);
    let output = scene.run(&["list", "--store", "redis://x"]).expect_exit(2);
    assert!(!output.err.contains("indexeddb"), "{}", output.err);
    for (scheme, is_built) in [("mongodb://", cfg!(feature = "mongodb")), ("postgres://", cfg!(feature = "postgres"))] {
        assert_eq!(output.err.contains(scheme), is_built, "{}", output.err);
    }
    for command in ["list", "prepare", "import"] {
        let help = scene.run(&[command, "--help"]).expect_exit(0).out;
        assert_eq!(help.contains("mongodb"), cfg!(feature = "mongodb"), "{command}: {help}");
    }
    scene.run(&["list", "--store", "file:data?fast"]).expect_exit(2).expect_stderr(&["fast", "single_process"]);
    let why = if cfg!(feature = "mongodb") { "no suitable server" } else { "no store on MongoDB" };
    let unreachable = "mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=300";
    scene.run(&["list", "--store", unreachable]).expect_exit(4).expect_stderr(&[why]);
    let why = if cfg!(feature = "postgres") { "check the host, the port" } else { "no store on PostgreSQL" };
    let unreachable = "postgres://ann@127.0.0.1:9/x?callTimeoutMS=300";
    scene.run(&["list", "--store", unreachable]).expect_exit(4).expect_stderr(&[why]);
    scene.run(&["list", "--store", "indexeddb:x"]).expect_exit(4).expect_stderr(&["no store in IndexedDB"]);
    scene.run(&["list", "--store", "memory"]).expect_exit(2).expect_stderr(&["did you mean `memory:`?"]);
    scene.run(&["list", "--store", ""]).expect_exit(2).expect_stderr(&["Use `file:DIRECTORY`", "`memory:`"]);
    scene.run(&["list", "--store", "file://tmp/x"]).expect_exit(2).expect_stderr(&["`file:tmp/x` or `file:///tmp/x`?"]);
}

/// Runs the script in Node, with the part of `mongosh` that it uses.
#[test]
fn the_script_of_roles_creates_them_or_updates_them() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    const SHELL: &str = r#"
        const known = new Map([["app_reader", {}]]);
        globalThis.print = () => {};
        globalThis.db = { getSiblingDB: (name) => ({
            getRole: (role) => known.get(role) ?? null,
            createRole: ({ role, privileges, roles }) => known.set(role, { createRole: role, privileges, roles }),
            updateRole: (role, contents) => known.set(role, { createRole: role, ...contents, database: name }),
        }) };
        require("node:vm").runInThisContext(require("node:fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify([...known.values()]));
    "#;
    let scene = CliFixture::new();
    let store = ["--store", "mongodb://ann:secret@nowhere.invalid/app", "roles"];
    let script = scene.run(&store).expect_exit(0).out;
    let mut commands = scene.run(&[&store[..], &["--json"]].concat()).expect_exit(0).json();
    let names: Vec<&str> = commands.as_array().unwrap().iter().filter_map(|role| role["createRole"].as_str()).collect();
    assert_eq!(names, ["app_reader", "app_worker", "app_operator", "app_owner"]);
    assert_eq!(commands[2]["roles"], serde_json::json!([{"db": "admin", "role": "app_worker"}]));
    assert!(!script.contains("secret") && script.contains(r#""collection":"apps.step_queue""#), "{script}");
    scene.run(&["--store", "file:data", "roles"]).expect_exit(4).expect_stderr(&["has no roles"]);

    let mut node = Command::new("node");
    let Ok(mut node) = node.args(["-e", SHELL]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        println!("skipped: the_script_of_roles_creates_them_or_updates_them: node is not on PATH");
        return;
    };
    node.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let created: Json = serde_json::from_slice(&node.wait_with_output().unwrap().stdout).unwrap();
    // The first role existed.
    commands[0]["database"] = "admin".into();
    assert_eq!(created, commands);
}

#[test]
fn a_store_may_be_named_from_the_home_directory() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run(&["load", "greet.ts", "--store", "file:~/kept"]).expect_exit(0);
    assert!(scene.path().join("kept/runstate.json").exists() && !scene.path().join("~").exists());
    scene.run(&["verify", "--store", "file:~/kept"]).expect_exit(0);
    let mut command = scene.command(&["verify"]);
    CliOutput::from(command.env("RUNSTATE_STORE", "file:~/kept").output().unwrap()).expect_exit(0);
}

#[test]
fn a_store_in_memory_serves_a_single_run() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts", "--store", "memory:"], "Ada\nyes\n").expect_exit(0);
    for command in [&["run", "greet.ts", "--id", "g"][..], &["load", "greet.ts"]] {
        let output =
            scene.run(&[command, &["--store", "memory:"]].concat()).expect_stderr(&["is lost when the process ends"]);
        assert!(!output.err.contains("runstate --store"), "{}", output.err);
    }
    assert!(!scene.path().join("store").exists());
}

#[test]
fn the_environment_names_the_store() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let with = |name: &str, value: &str| -> CliOutput {
        let mut command = scene.command(&["load", "greet.ts"]);
        command.env_remove("RUNSTATE_STORE").env(name, value).output().unwrap().into()
    };
    with("CVM_DATA_DIR", "of_cvm").expect_exit(0);
    assert!(scene.path().join("of_cvm/runstate.json").exists());
    with("HOME", scene.path().to_str().unwrap()).expect_exit(0);
    assert!(scene.path().join(".runstate/runstate.json").exists());
    with("CVM_STORAGE_TYPE", "mongodb").expect_exit(2).expect_stderr(&["MONGODB_URI"]);
    let output =
        with("RUNSTATE_STORE", "mongodb://ann:secret@127.0.0.1:9/x?serverSelectionTimeoutMS=300").expect_exit(4);
    assert!(!output.err.contains("secret"), "{}", output.err);
    with("CVM_STORAGE_TYPE", "floppy").expect_exit(2).expect_stderr(&["floppy", "file"]);
    with("CVM_DATA_DIR", "~/older").expect_exit(0);
    assert!(scene.path().join("older/runstate.json").exists() && !scene.path().join("~").exists());
}

#[test]
fn the_default_store_is_explained_when_it_is_made_and_where_it_fails() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let run =
        |args: &[&str]| -> CliOutput { scene.command(args).env_remove("RUNSTATE_STORE").output().unwrap().into() };
    let explained = ["default store", "the folder `.runstate` in the home directory", "--store"];
    run(&["list"]).expect_exit(4).expect_stderr(&explained);
    run(&["load", "greet.ts"])
        .expect_exit(0)
        .expect_stderr(&explained)
        .expect_stderr(&["RUNSTATE_STORE", "created file:"]);
    let again = run(&["load", "greet.ts"]).expect_exit(0);
    assert!(!again.err.contains("default store"), "{}", again.err);
    let mut named = scene.command(&["list"]);
    let output = CliOutput::from(named.env("RUNSTATE_STORE", "file:nowhere").output().unwrap());
    output.expect_exit(4).expect_stderr(&["is the store that RUNSTATE_STORE names"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_where_no_folder_can_be_made_fails_at_once_and_says_why() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let output = scene.run(&["load", "greet.ts", "--store", "file:/proc/x"]).expect_exit(4);
    output.expect_stderr(&["/proc/x", "cannot be created there", "choose another path"]);
}

#[test]
fn an_older_default_store_is_named_with_its_import() {
    let run = |scene: &CliFixture, args: &[&str]| -> CliOutput {
        scene.command(args).env_remove("RUNSTATE_STORE").output().unwrap().into()
    };
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    for folder in ["programs", "executions", "outputs"] {
        fs::create_dir_all(scene.path().join(".cvm").join(folder)).unwrap();
    }
    scene.file(".cvm/metadata.json", "{}");
    let named = ["~/.cvm has data", "To import it: runstate import ~/.cvm\n"];
    for args in [&["list", "--json"][..], &["runs", "statuses"]] {
        run(&scene, args).expect_exit(4).expect_stderr(&named);
    }
    run(&scene, &[]).expect_exit(0).expect_stderr(&named);
    let other = run(&scene, &["list", "--store", "file:other"]).expect_exit(4);
    assert!(!other.err.contains("has data"), "{}", other.err);
    run(&scene, &["load", "greet.ts"]).expect_exit(0).expect_stderr(&named);
    assert_eq!(run(&scene, &["list"]).expect_exit(0).err, "no executions\n");
    assert_eq!(fs::read_dir(scene.path().join(".cvm")).unwrap().count(), 4, "nothing was touched");

    // A store of an earlier version is copied by an export.
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    run(&scene, &["load", "greet.ts", "--store", "file:~/.cvm"]).expect_exit(0);
    let named = ["~/.cvm has data", "file:~/.cvm", "export - | runstate import -\n"];
    run(&scene, &["programs"]).expect_exit(4).expect_stderr(&named);
    run(&scene, &["--store", "file:~/.cvm", "export", "all.jsonl"]).expect_exit(0);
    let imported = run(&scene, &["import", "all.jsonl"]).expect_exit(0);
    assert!(!imported.err.contains("has data"), "{}", imported.err);
    assert_eq!(run(&scene, &["programs", "--json"]).expect_exit(0).json()["name"], "greet");
}

#[test]
fn a_directory_that_is_no_store_is_left_alone() {
    let scene = CliFixture::new();
    fs::create_dir(scene.path().join("photos")).unwrap();
    scene.file("photos/cat.jpg", "meow");
    scene.run(&["list", "--store", "file:photos"]).expect_exit(4).expect_stderr(&["photos", "not a store", "cat.jpg"]);
    assert_eq!(fs::read_dir(scene.path().join("photos")).unwrap().count(), 1);
    scene.file("plain", "text");
    scene.run(&["list", "--store", "file:plain"]).expect_exit(4).expect_stderr(&["plain"]);
}

#[test]
fn verify_does_not_create_a_store() {
    let scene = CliFixture::new();
    scene.run(&["verify", "--store", "file:nowhere"]).expect_exit(4).expect_stderr(&["there is no store at nowhere"]);
    assert!(!scene.path().join("nowhere").exists());
    assert!(
        scene
            .run(&["verify", "--store", "memory:"])
            .expect_exit(0)
            .text()
            .starts_with("the store at memory: is intact")
    );
}

#[test]
fn a_store_of_a_newer_format_is_not_touched() {
    let scene = CliFixture::greeting("g1");
    scene.file("store/runstate.json", r#"{"format":2,"store":"0b8f6a34-95f0-4c9e-9d5e-0b6f6a3495f0"}"#);
    for command in [&["list"][..], &["answer", "g1", "--text", "x"], &["verify"]] {
        scene.run(command).expect_exit(4).expect_stderr(&["newer runstate"]);
    }
}

#[test]
fn a_store_of_a_newer_format_is_read_with_a_remark() {
    let scene = CliFixture::greeting("g1");
    let identity = fs::read_to_string(scene.path().join("store/runstate.json")).unwrap();
    let newer = identity.replace("\"format\":1", "\"format\":2");
    let open = newer.split(",\"crc\"").next().unwrap();
    scene.file("store/runstate.json", format!("{open},\"crc\":\"{:08x}\"}}\n", crc32(open.as_bytes())));
    let output = scene.run(&["list"]).expect_exit(0).expect_stderr(&["this store is read-only", "newer runstate"]);
    assert!(output.out.contains("g1"), "{}", output.out);
    scene.run(&["show", "g1", "--json"]).expect_exit(0).json();
    scene.run(&["answer", "g1", "--text", "x"]).expect_exit(4).expect_stderr(&["newer runstate"]);
    // The export would lack data that this program does not know.
    scene.run(&["export", "all.jsonl"]).expect_exit(4).expect_stderr(&["newer runstate"]);
    assert!(!scene.path().join("all.jsonl").exists());
}

/// The checksum of the files of a store.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_commit_that_was_edited_by_hand_is_found() {
    let scene = CliFixture::greeting("g1");
    let commit = newest_commit(&scene);
    let text = fs::read_to_string(&commit).unwrap();
    assert!(text.contains("Who is there?"), "{text}");
    fs::write(&commit, text.replace("Who is there?", "Who is here?")).unwrap();
    let name = commit.file_name().unwrap().to_str().unwrap();
    scene.run(&["verify"]).expect_exit(4).expect_stderr(&[name, "checksum", "edited"]);
    assert_eq!(scene.run(&["verify", "--json"]).expect_exit(4).error_code(), "corrupt");
    // Undamaged data can be read and exported; nothing can be written.
    scene.run(&["export", "rest.jsonl"]).expect_exit(4).expect_stderr(&["warning", name, "damaged"]);
    scene.run(&["import", "rest.jsonl", "--store", "file:rest"]).expect_exit(0);
    scene.run(&["list"]).expect_exit(4).expect_stderr(&["warning", name, "damaged"]);
    scene.run(&["load", "greet.ts", "--name", "other"]).expect_exit(4).expect_stderr(&[name]);
}

#[test]
fn a_commit_that_is_missing_is_found() {
    let scene = CliFixture::greeting("g1");
    let newest = newest_commit(&scene);
    let first = newest.with_file_name(format!("{:016}.json", 1));
    assert_ne!(first, newest);
    fs::remove_file(&first).unwrap();
    scene.run(&["verify"]).expect_exit(4).expect_stderr(&["0000000000000001.json", "missing", "repair --dry-run"]);
}

#[test]
fn a_damaged_store_is_repaired_and_what_is_gone_is_named() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "lost"]).expect_exit(3);
    let damaged = newest_commit(&scene);
    scene.run(&["start", "greet", "--id", "g2", "--command-id", "kept"]).expect_exit(3);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[200] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let dry = scene.run(&["repair", "--dry-run"]).expect_exit(0).text();
    assert!(dry.contains("lost: command lost") && !dry.contains("lost: command kept"), "{dry}");
    assert!(dry.contains("lost: changes of document cvm.executions/g1 after revision"), "{dry}");
    let found = scene.run(&["verify"]).expect_exit(4).out;
    let planned = scene.run(&["repair", "--dry-run", "--json"]).json();
    let repaired = scene.run(&["repair"]).expect_exit(0).text();
    // All three name the same losses, and the repaired store has as many documents as they say.
    let losses =
        |text: &str| text.lines().filter(|line| line.contains("lost: ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((losses(&dry), losses(&found)), (losses(&repaired), losses(&repaired)));
    let verified = scene.run(&["verify", "--json"]).json();
    assert_eq!(planned["repaired"]["report"]["documents"], verified["report"]["documents"]);
    assert!(
        repaired.contains("2 files, the damaged ones and those after them, are kept in store/damaged"),
        "{repaired}"
    );
    scene.run(&["verify"]).expect_exit(0);
    // The execution waits again for the lost answer. Later work that does not depend on it is kept.
    assert_eq!(scene.run(&["show", "g1", "--json"]).json()["status"], "waiting_cc");
    assert_eq!(scene.run(&["show", "g2", "--json"]).json()["status"], "waiting_cc");
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
}

#[test]
fn a_damaged_store_shows_whole_data_and_reports_the_damage() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    scene.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    fs::write(newest_commit(&scene), "{}").unwrap();
    let output = scene.run(&["list"]).expect_exit(4);
    assert!(output.out.contains("g1") && !output.out.contains("g2"), "{}", output.out);
    let values = scene.run(&["list", "--json"]).expect_exit(4).values();
    assert_eq!((values[0]["id"].as_str(), values[1]["error"]["code"].as_str()), (Some("g1"), Some("corrupt")));
    let values = scene.run(&["output", "g1", "--json"]).expect_exit(4).values();
    assert_eq!((values[0].as_str(), values[1]["error"]["code"].as_str()), (Some("Hello, Ada"), Some("corrupt")));
    assert!(scene.run(&["show", "g1"]).expect_exit(4).out.contains("Hello, Ada"));
    for command in [
        &["show", "g2"][..],
        &["output", "g2"],
        &["answer", "g2", "--text", "x"],
        &["resume", "g2"],
        &["next", "g2"],
        &["start", "lost"],
    ] {
        scene.run(command).expect_exit(4).expect_stderr(&["damaged", "is not in the undamaged part"]);
        assert_eq!(scene.run(&[command, &["--json"]].concat()).expect_exit(4).error_code(), "corrupt", "{command:?}");
    }
}

#[cfg(unix)]
#[test]
fn missing_directory_permissions_are_reported() {
    use std::os::unix::fs::PermissionsExt;

    let scene = CliFixture::greeting("g1");
    let Some(user) = UnprivilegedUser::new(&scene) else {
        println!("skipped: missing_directory_permissions_are_reported: setpriv is needed where tests run as root");
        return;
    };
    let mode =
        |path: &str, mode| fs::set_permissions(scene.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    for folder in ["store", "store/commits", "store/snapshots"] {
        mode(folder, 0o555);
    }
    user.run(&["show", "g1", "--json"]).expect_exit(0);
    user.run(&["answer", "g1", "--text", "x"]).expect_exit(4).expect_stderr(&["store", "ermission denied"]);
    mode("store/commits", 0o000);
    user.run(&["show", "g1"]).expect_exit(4).expect_stderr(&["store", "ermission denied"]);
    scene.file("greet.ts", "CC(\"?\")");
    user.run(&["load", "greet.ts", "--store", "file:store/new"])
        .expect_exit(4)
        .expect_stderr(&["store/new", "ermission denied"]);
    for folder in ["store/commits", "store/snapshots", "store"] {
        mode(folder, 0o755);
    }
}

/// Runs the binary as a user whom file modes restrict: root ignores them.
struct UnprivilegedUser<'a> {
    scene: &'a CliFixture,
    as_root: Option<PathBuf>,
}

impl<'a> UnprivilegedUser<'a> {
    #[cfg(unix)]
    fn new(scene: &'a CliFixture) -> Option<Self> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        if fs::metadata(scene.path()).unwrap().uid() != 0 {
            return Some(Self { scene, as_root: None });
        }
        std::process::Command::new("setpriv").arg("--version").output().ok()?;
        // Other users may not be able to read the build folder.
        fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = scene.path().join("runstate");
        fs::copy(env!("CARGO_BIN_EXE_runstate"), &binary).unwrap();
        Some(Self { scene, as_root: Some(binary) })
    }

    fn run(&self, args: &[&str]) -> CliOutput {
        let Some(binary) = &self.as_root else { return self.scene.run(args) };
        let mut setpriv = std::process::Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--clear-groups"]).arg(binary);
        self.scene.configure(setpriv, args).output().unwrap().into()
    }
}

fn newest_commit(scene: &CliFixture) -> PathBuf {
    let commits = fs::read_dir(scene.path().join("store/commits")).unwrap().map(|entry| entry.unwrap().path());
    commits.filter(|path| path.extension().is_some_and(|e| e == "json")).max().expect("a commit")
}

/// Deletes the call that execution `id` waits for, by a commit that is valid by itself.
fn delete_call(scene: &CliFixture, id: &str) {
    block_on(async {
        let engine = scene.engine().await;
        let calls = engine
            .store()
            .query(&Query::of(&CC_HISTORY).eq("executionId", id), Freshness::Linearizable)
            .await
            .unwrap()
            .items;
        let delete = |id: &str| Write { key: Key::new(&CC_HISTORY, id), expect: Expectation::Any, op: WriteOp::Delete };
        let batch = Batch {
            command: CommandId::new("delete the call").unwrap(),
            fingerprint: "f".to_owned(),
            at: Timestamp::from_millis(0),
            result: Json::Null,
            writes: calls.iter().map(|call| delete(&call.id)).collect(),
            checks: vec![],
            frees_space: false,
        };
        engine.store().commit(batch).await.unwrap();
        engine.store().close().await.unwrap();
    });
}

/// Returns all files of the store with their bytes.
fn files(scene: &CliFixture) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![scene.path().join("store")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    found
}

#[test]
fn an_execution_that_contradicts_its_calls_is_damage() {
    let scene = CliFixture::greeting("g1");
    delete_call(&scene, "g1");
    let before = files(&scene);
    let output = scene.run(&["verify"]).expect_exit(4).expect_stderr(&["cvm.executions/g1", "is damaged", "backup"]);
    assert!(output.out.contains("damaged: cvm.executions/g1: it waits for call "), "{}", output.out);
    let found = scene.run(&["verify", "--json"]).expect_exit(4).json();
    assert_eq!((&found["ok"], &found["error"]["code"]), (&false.into(), &"corrupt".into()), "{found}");
    let [first, ..] = found["report"]["findings"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&first["at"], &first["severity"]), (&"cvm.executions/g1".into(), &"damage".into()), "{found}");
    assert_eq!(files(&scene), before);
}

#[test]
#[cfg(target_os = "linux")]
fn verify_shows_its_progress_on_a_terminal() {
    let scene = CliFixture::greeting("g1");
    let Some(output) = run_at_terminal("verify", &scene, "verify", "") else { return };
    let output = output.expect_exit(0);
    assert!(
        output.out.contains("verifying [") && output.out.contains("the store at store is intact"),
        "{}",
        output.out
    );
}
