//! Stores that are named wrongly, cannot be used, or are damaged.

use std::fs;
use std::path::PathBuf;

use super::support::{GREET, Said, Scene};

#[test]
fn an_unknown_scheme_is_told_with_the_nearest_one() {
    let scene = Scene::new();
    scene.run(&["list", "--store", "fiel:data"]).ended(2).explains(&["did you mean `file:data`?"]);
    scene.run(&["list", "--store", "data"]).ended(2).explains(&["did you mean `file:data`?"]);
    scene.run(&["list", "--store", "redis://x"]).ended(2).explains(&[
        "unknown scheme `redis`",
        "Use `file:DIRECTORY`",
        "`memory:`",
    ]);
    let said = scene.run(&["list", "--store", "redis://x"]).ended(2);
    let absent = if cfg!(feature = "mongodb") { "postgres" } else { "mongodb" };
    assert!(!said.err.contains(absent) && !said.err.contains("indexeddb"), "{}", said.err);
    for command in ["list", "prepare", "import"] {
        let help = scene.run(&[command, "--help"]).ended(0).out;
        assert_eq!(help.contains("mongodb"), cfg!(feature = "mongodb"), "{command}: {help}");
    }
    scene.run(&["list", "--store", "file:data?fast"]).ended(2).explains(&["fast", "single_process"]);
    let why = if cfg!(feature = "mongodb") { "no server" } else { "no store on MongoDB" };
    let nobody = "mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=300";
    scene.run(&["list", "--store", nobody]).ended(4).explains(&[why]);
    scene.run(&["list", "--store", "postgres://x"]).ended(4).explains(&["no PostgreSQL store yet"]);
    scene.run(&["list", "--store", "indexeddb:x"]).ended(4).explains(&["no store in IndexedDB"]);
    scene.run(&["list", "--store", "memory"]).ended(2).explains(&["did you mean `memory:`?"]);
    scene.run(&["list", "--store", ""]).ended(2).explains(&["write `file:DIRECTORY`", "`memory:`"]);
    scene.run(&["list", "--store", "file://tmp/x"]).ended(2).explains(&["`file:tmp/x` or `file:///tmp/x`?"]);
}

#[test]
fn a_store_may_be_named_from_the_home_directory() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.run(&["load", "greet.ts", "--store", "file:~/kept"]).ended(0);
    assert!(scene.path().join("kept/runstate.json").exists() && !scene.path().join("~").exists());
    scene.run(&["verify", "--store", "file:~/kept"]).ended(0);
    let mut command = scene.command(&["verify"]);
    Said::from(command.env("RUNSTATE_STORE", "file:~/kept").output().unwrap()).ended(0);
}

#[test]
fn a_store_in_memory_serves_a_single_run() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.run_with(&["run", "greet.ts", "--store", "memory:"], "Ada\nyes\n").ended(0);
    for command in [&["run", "greet.ts", "--id", "g"][..], &["load", "greet.ts"]] {
        let said = scene.run(&[command, &["--store", "memory:"]].concat()).explains(&["ends with the process"]);
        assert!(!said.err.contains("runstate --store"), "{}", said.err);
    }
    assert!(!scene.path().join("store").exists());
}

#[test]
fn the_environment_names_the_store() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let with = |name: &str, value: &str| -> Said {
        let mut command = scene.command(&["load", "greet.ts"]);
        command.env_remove("RUNSTATE_STORE").env(name, value).output().unwrap().into()
    };
    with("CVM_DATA_DIR", "of_cvm").ended(0);
    assert!(scene.path().join("of_cvm/runstate.json").exists());
    with("HOME", scene.path().to_str().unwrap()).ended(0);
    assert!(scene.path().join(".cvm/runstate.json").exists());
    with("CVM_STORAGE_TYPE", "mongodb").ended(2).explains(&["MONGODB_URI"]);
    let said = with("RUNSTATE_STORE", "mongodb://ann:secret@127.0.0.1:9/x?serverSelectionTimeoutMS=300").ended(4);
    assert!(!said.err.contains("secret"), "{}", said.err);
    with("CVM_STORAGE_TYPE", "floppy").ended(2).explains(&["floppy", "file"]);
    with("CVM_DATA_DIR", "~/older").ended(0);
    assert!(scene.path().join("older/runstate.json").exists() && !scene.path().join("~").exists());
}

#[test]
fn the_default_store_is_explained_when_it_is_made_and_where_it_fails() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let run = |args: &[&str]| -> Said { scene.command(args).env_remove("RUNSTATE_STORE").output().unwrap().into() };
    let explained = ["default store", "the folder `.cvm` in the home directory", "older CVM", "--store"];
    run(&["list"]).ended(4).explains(&explained);
    run(&["load", "greet.ts"]).ended(0).explains(&explained).explains(&["RUNSTATE_STORE", "made file:"]);
    let again = run(&["load", "greet.ts"]).ended(0);
    assert!(!again.err.contains("default store"), "{}", again.err);
    let mut named = scene.command(&["list"]);
    let said = Said::from(named.env("RUNSTATE_STORE", "file:nowhere").output().unwrap());
    said.ended(4).explains(&["is the store that RUNSTATE_STORE names"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_where_no_folder_can_be_made_fails_at_once_and_says_why() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let said = scene.run(&["load", "greet.ts", "--store", "file:/proc/x"]).ended(4);
    said.explains(&["/proc/x", "cannot be made there", "choose another place"]);
}

#[test]
fn a_directory_of_the_older_cvm_says_how_to_name_another() {
    let scene = Scene::new();
    for folder in ["programs", "executions", "outputs"] {
        fs::create_dir_all(scene.path().join(".cvm").join(folder)).unwrap();
    }
    scene.file(".cvm/metadata.json", "{}");
    let mut command = scene.command(&["list"]);
    let said: Said = command.env_remove("RUNSTATE_STORE").output().unwrap().into();
    said.ended(4).explains(&["older CVM", "--store file:DIR"]);
    assert_eq!(fs::read_dir(scene.path().join(".cvm")).unwrap().count(), 4, "nothing was touched");
}

#[test]
fn a_directory_that_is_no_store_is_left_alone() {
    let scene = Scene::new();
    fs::create_dir(scene.path().join("photos")).unwrap();
    scene.file("photos/cat.jpg", "meow");
    scene.run(&["list", "--store", "file:photos"]).ended(4).explains(&["photos", "no store", "cat.jpg"]);
    assert_eq!(fs::read_dir(scene.path().join("photos")).unwrap().count(), 1);
    scene.file("plain", "text");
    scene.run(&["list", "--store", "file:plain"]).ended(4).explains(&["plain"]);
}

#[test]
fn verify_makes_no_store() {
    let scene = Scene::new();
    scene.run(&["verify", "--store", "file:nowhere"]).ended(4).explains(&["there is no store at nowhere"]);
    assert!(!scene.path().join("nowhere").exists());
    assert!(scene.run(&["verify", "--store", "memory:"]).ended(0).text().starts_with("the store at memory: is whole"));
}

#[test]
fn a_store_of_a_newer_format_is_not_touched() {
    let scene = Scene::greeting("g1");
    scene.file("store/runstate.json", r#"{"format":2,"store":"0b8f6a34-95f0-4c9e-9d5e-0b6f6a3495f0"}"#);
    for command in [&["list"][..], &["answer", "g1", "--text", "x"], &["verify"]] {
        scene.run(command).ended(4).explains(&["newer runstate"]);
    }
}

#[test]
fn a_store_of_a_newer_format_is_read_with_a_remark() {
    let scene = Scene::greeting("g1");
    let identity = fs::read_to_string(scene.path().join("store/runstate.json")).unwrap();
    let newer = identity.replace("\"format\":1", "\"format\":2");
    let open = newer.split(",\"crc\"").next().unwrap();
    scene.file("store/runstate.json", format!("{open},\"crc\":\"{:08x}\"}}\n", crc32(open.as_bytes())));
    let said = scene.run(&["list"]).ended(0).explains(&["read, not written", "newer runstate"]);
    assert!(said.out.contains("g1"), "{}", said.out);
    scene.run(&["show", "g1", "--json"]).ended(0).json();
    scene.run(&["answer", "g1", "--text", "x"]).ended(4).explains(&["newer runstate"]);
    // What this program does not know would be missing in it.
    scene.run(&["export", "all.jsonl"]).ended(4).explains(&["newer runstate"]);
    assert!(!scene.path().join("all.jsonl").exists());
}

/// The checksum of the files of a store.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_commit_that_was_edited_by_hand_is_found() {
    let scene = Scene::greeting("g1");
    let commit = newest_commit(&scene);
    let text = fs::read_to_string(&commit).unwrap();
    assert!(text.contains("Who is there?"), "{text}");
    fs::write(&commit, text.replace("Who is there?", "Who is here?")).unwrap();
    let name = commit.file_name().unwrap().to_str().unwrap();
    scene.run(&["verify"]).ended(4).explains(&[name, "checksum", "edited"]);
    assert_eq!(scene.run(&["verify", "--json"]).ended(4).error_code(), "corrupt");
    // What is whole can be read and taken along; nothing is written any more.
    scene.run(&["export", "rest.jsonl"]).ended(4).explains(&["warning", name, "damaged"]);
    scene.run(&["import", "rest.jsonl", "--store", "file:rest"]).ended(0);
    scene.run(&["list"]).ended(4).explains(&["warning", name, "damaged"]);
    scene.run(&["load", "greet.ts", "--name", "other"]).ended(4).explains(&[name]);
}

#[test]
fn a_commit_that_is_missing_is_found() {
    let scene = Scene::greeting("g1");
    let newest = newest_commit(&scene);
    let first = newest.with_file_name(format!("{:016}.json", 1));
    assert_ne!(first, newest);
    fs::remove_file(&first).unwrap();
    scene.run(&["verify"]).ended(4).explains(&["0000000000000001.json", "missing", "repair --dry-run"]);
}

#[test]
fn a_damaged_store_is_repaired_and_what_is_gone_is_named() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "lost"]).ended(3);
    let damaged = newest_commit(&scene);
    scene.run(&["start", "greet", "--id", "g2", "--command-id", "kept"]).ended(3);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[200] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let dry = scene.run(&["repair", "--dry-run"]).ended(0).text();
    assert!(dry.contains("gone: command lost") && !dry.contains("gone: command kept"), "{dry}");
    scene.run(&["verify"]).ended(4);
    let repaired = scene.run(&["repair"]).ended(0).text();
    assert!(
        repaired.contains("2 files, the damaged ones and those behind them, are kept in store/damaged"),
        "{repaired}"
    );
    scene.run(&["verify"]).ended(0);
    // Back at the question whose answer is gone; what came later and rests on nothing of it is there.
    assert_eq!(scene.run(&["show", "g1", "--json"]).json()["status"], "waiting_cc");
    assert_eq!(scene.run(&["show", "g2", "--json"]).json()["status"], "waiting_cc");
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
}

#[test]
fn of_a_damaged_store_what_is_whole_is_shown_and_the_damage_told() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    scene.run(&["start", "greet", "--id", "g2"]).ended(3);
    fs::write(newest_commit(&scene), "{}").unwrap();
    let said = scene.run(&["list"]).ended(4);
    assert!(said.out.contains("g1") && !said.out.contains("g2"), "{}", said.out);
    let values = scene.run(&["list", "--json"]).ended(4).values();
    assert_eq!((values[0]["id"].as_str(), values[1]["error"]["code"].as_str()), (Some("g1"), Some("corrupt")));
    let values = scene.run(&["output", "g1", "--json"]).ended(4).values();
    assert_eq!((values[0].as_str(), values[1]["error"]["code"].as_str()), (Some("Hello, Ada"), Some("corrupt")));
    assert!(scene.run(&["show", "g1"]).ended(4).out.contains("Hello, Ada"));
    for command in [
        &["show", "g2"][..],
        &["output", "g2"],
        &["answer", "g2", "--text", "x"],
        &["resume", "g2"],
        &["next", "g2"],
        &["start", "lost"],
    ] {
        scene.run(command).ended(4).explains(&["damaged", "is not in what is whole"]);
        assert_eq!(scene.run(&[command, &["--json"]].concat()).ended(4).error_code(), "corrupt", "{command:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_read_or_written_is_told() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::greeting("g1");
    let Some(nobody) = Unprivileged::of(&scene) else {
        println!(
            "skipped: a_directory_that_may_not_be_read_or_written_is_told: setpriv is needed where tests run as root"
        );
        return;
    };
    let mode =
        |path: &str, mode| fs::set_permissions(scene.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    for folder in ["store", "store/commits", "store/snapshots"] {
        mode(folder, 0o555);
    }
    nobody.run(&["show", "g1", "--json"]).ended(0);
    nobody.run(&["answer", "g1", "--text", "x"]).ended(4).explains(&["store", "ermission denied"]);
    mode("store/commits", 0o000);
    nobody.run(&["show", "g1"]).ended(4).explains(&["store", "ermission denied"]);
    scene.file("greet.ts", "CC(\"?\")");
    nobody
        .run(&["load", "greet.ts", "--store", "file:store/new"])
        .ended(4)
        .explains(&["store/new", "ermission denied"]);
    for folder in ["store/commits", "store/snapshots", "store"] {
        mode(folder, 0o755);
    }
}

/// The binary as a user whom file modes hold back: root is not held.
struct Unprivileged<'a> {
    scene: &'a Scene,
    as_root: Option<PathBuf>,
}

impl<'a> Unprivileged<'a> {
    #[cfg(unix)]
    fn of(scene: &'a Scene) -> Option<Self> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        if fs::metadata(scene.path()).unwrap().uid() != 0 {
            return Some(Self { scene, as_root: None });
        }
        std::process::Command::new("setpriv").arg("--version").output().ok()?;
        // The folder of the build may be closed to others.
        fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = scene.path().join("runstate");
        fs::copy(env!("CARGO_BIN_EXE_runstate"), &binary).unwrap();
        Some(Self { scene, as_root: Some(binary) })
    }

    fn run(&self, args: &[&str]) -> Said {
        let Some(binary) = &self.as_root else { return self.scene.run(args) };
        let mut setpriv = std::process::Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--clear-groups"]).arg(binary);
        self.scene.prepared(setpriv, args).output().unwrap().into()
    }
}

fn newest_commit(scene: &Scene) -> PathBuf {
    let commits = fs::read_dir(scene.path().join("store/commits")).unwrap().map(|entry| entry.unwrap().path());
    commits.filter(|path| path.extension().is_some_and(|e| e == "json")).max().expect("a commit")
}
