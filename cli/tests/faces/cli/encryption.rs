//! Keys from the environment, rotation by `tick`, and encrypted exports.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::support::{CliFixture, CliOutput};

const SECRET: &str = "hunter2-correct-horse";
pub const K1: &str = "k1:YVQ0yJxk2dpVUEGBNVqAPhw3Sjs2+2BgbN1Ksj1lMJY=";
pub const K2: &str = "k2:uTCcdiRQk5NUbYAKvcoGfy3UHzRzTgnyQeXKfERkCkg=";
pub const HASH: &str = "hash:GyX0fUXeL7Yy4lsIEjVD4mbVCmv6qKGBWsBYbYbdxqY=";

pub fn run_with_keys(scene: &CliFixture, keys: &str, args: &[&str]) -> CliOutput {
    scene.command(args).env("RUNSTATE_KEYS", keys).output().unwrap().into()
}

/// A store with one secret under the first key.
fn with_secret() -> CliFixture {
    let scene = CliFixture::new();
    let fields = r#"[{"name": "token", "kind": "text", "secret": true, "searchable": true}]"#;
    let keys = format!("{K1},{HASH}");
    run_with_keys(&scene, &keys, &["documents", "declare", "vault", "--fields", fields]).expect_exit(0);
    let writes = json!([{"collection": "vault", "id": "a", "put": {"token": SECRET}}]).to_string();
    run_with_keys(&scene, &keys, &["documents", "commit", "--writes", &writes]).expect_exit(0);
    scene
}

fn found(scene: &CliFixture, keys: &str, store: &str) -> CliOutput {
    let filter = json!({"eq": ["token", SECRET]}).to_string();
    run_with_keys(scene, keys, &["--store", store, "documents", "query", "vault", "--where", &filter, "--json"])
}

pub fn private_file(scene: &CliFixture, name: &str, text: &str) {
    let path = scene.file(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn contains(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| contains(&entry.unwrap().path(), text));
    }
    fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn secrets_are_encrypted_rotated_and_need_their_keys() {
    let scene = with_secret();
    let (first, both, second) = (format!("{K1},{HASH}"), format!("{K2},{K1},{HASH}"), format!("{K2},{HASH}"));
    assert!(!contains(&scene.path().join("store"), SECRET));
    assert_eq!(found(&scene, &first, "file:store").expect_exit(0).json()["token"], SECRET);
    let get = ["documents", "get", "vault", "--ids", "a", "--json"];
    let lost = run_with_keys(&scene, &second, &get).expect_exit(4);
    assert_eq!(lost.error_code(), "key_missing");
    assert_eq!(scene.run(&get).expect_exit(4).error_code(), "key_missing");
    run_with_keys(&scene, &both, &["tick"]).expect_exit(0);
    let info = run_with_keys(&scene, &both, &["info", "--json"]).expect_exit(0).json();
    assert_eq!((&info["facts"]["encryptionKey"], &info["facts"]["encryptedValues"]), (&json!("k2"), &json!({"k2": 1})));
    assert_eq!(found(&scene, &second, "file:store").expect_exit(0).json()["token"], SECRET);
    run_with_keys(&scene, &second, &["verify"]).expect_exit(0);
    let damaged = scene.run(&["verify"]).expect_exit(4);
    assert!(format!("{}{}", damaged.out, damaged.err).contains("`k2`"), "{damaged:?}");
}

#[test]
fn keys_are_read_from_a_private_file_or_refused() {
    let scene = with_secret();
    let with_file =
        |args: &[&str]| -> CliOutput { scene.command(args).env("RUNSTATE_KEYS_FILE", "keys").output().unwrap().into() };
    private_file(&scene, "keys", &format!("{K1}\n{HASH}\n"));
    let get = ["documents", "get", "vault", "--ids", "a"];
    with_file(&get).expect_exit(0);
    fs::set_permissions(scene.path().join("keys"), fs::Permissions::from_mode(0o640)).unwrap();
    with_file(&get).expect_exit(2).expect_stderr(&["RUNSTATE_KEYS_FILE", "mode 640", "chmod 600 keys"]);
    let invalid =
        run_with_keys(&scene, &K1[..30], &get).expect_exit(2).expect_stderr(&["RUNSTATE_KEYS", "`k1` is not 32 bytes"]);
    assert!(!invalid.err.contains(&K1[5..25]));
    let both = scene.command(&get).env("RUNSTATE_KEYS", K1).env("RUNSTATE_KEYS_FILE", "keys").output().unwrap();
    CliOutput::from(both).expect_exit(2).expect_stderr(&["both set"]);
}

#[test]
fn an_export_decrypts_secrets_only_on_request() {
    let scene = with_secret();
    let keys = format!("{K1},{HASH}");
    scene.run(&["export", "sealed.jsonl"]).expect_exit(0);
    run_with_keys(&scene, &keys, &["export", "plain.jsonl", "--plain-text"]).expect_exit(0);
    scene.run(&["export", "no.jsonl", "--plain-text", "--json"]).expect_exit(4);
    let is_plain = |name: &str| contains(&scene.path().join(name), SECRET);
    assert!(!is_plain("sealed.jsonl") && is_plain("plain.jsonl") && !scene.path().join("no.jsonl").exists());
    run_with_keys(&scene, &format!("{K2},{HASH}"), &["--store", "file:other", "import", "plain.jsonl"]).expect_exit(0);
    assert!(!contains(&scene.path().join("other"), SECRET));
}

#[test]
fn a_backup_is_decrypted_only_with_its_passphrase_and_only_whole() {
    let scene = with_secret();
    private_file(&scene, "pass", "correct horse\n");
    private_file(&scene, "wrong", "battery staple\n");
    scene.run(&["export", "backup.age", "--passphrase-file", "pass"]).expect_exit(0);
    let backup = fs::read(scene.path().join("backup.age")).unwrap();
    assert!(backup.starts_with(b"age-encryption.org/v1") && !contains(&scene.path().join("backup.age"), "vault"));
    let import =
        |file: &str, pass: &[&str]| scene.run(&[&["--store", "file:new", "import", file, "--json"], pass].concat());
    assert_eq!(import("backup.age", &[]).expect_exit(4).error_code(), "key_missing");
    assert_eq!(import("backup.age", &["--passphrase-file", "wrong"]).expect_exit(4).error_code(), "key_missing");
    // Cut off in the header, in the middle, and by its last byte; one byte changed.
    let mut changed = backup.clone();
    changed[backup.len() - 40] ^= 1;
    for bytes in [&backup[..30], &backup[..backup.len() / 2], &backup[..backup.len() - 1], &changed] {
        scene.file("damaged.age", bytes);
        assert_eq!(import("damaged.age", &["--passphrase-file", "pass"]).expect_exit(4).error_code(), "corrupt");
    }
    assert!(!scene.path().join("new").exists(), "nothing was imported");
    import("backup.age", &["--passphrase-file", "pass"]).expect_exit(0);
    assert_eq!(found(&scene, &format!("{K1},{HASH}"), "file:new").expect_exit(0).json()["token"], SECRET);
    // Through pipes.
    let piped = scene.command(&["export", "-", "--passphrase-file", "pass"]).output().unwrap();
    let args = ["--store", "file:piped", "import", "-", "--passphrase-file", "pass"];
    scene.run_with(&args, piped.stdout).expect_exit(0);
}

#[test]
fn a_backup_for_a_public_key_is_read_with_its_secret_key() {
    use age::secrecy::ExposeSecret as _;
    let scene = with_secret();
    let (identity, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    private_file(&scene, "identity", identity.to_string().expose_secret());
    private_file(&scene, "other", other.to_string().expose_secret());
    let recipient = identity.to_public().to_string();
    scene.run(&["export", "backup.age", "--encrypt-to", &recipient]).expect_exit(0);
    scene
        .run(&["export", "x.age", "--encrypt-to", "age1nonsense"])
        .expect_exit(2)
        .expect_stderr(&["is not a public key of age"]);
    scene.run(&["export", "x.age", "--encrypt-to", &recipient, "--tree"]).expect_exit(2);
    let import = |identity: &str| {
        scene.run(&["--store", "file:new", "import", "backup.age", "--identity-file", identity, "--json"])
    };
    assert_eq!(import("other").expect_exit(4).error_code(), "key_missing");
    import("identity").expect_exit(0);
}
