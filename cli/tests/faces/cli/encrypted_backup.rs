//! Backups whose files are encrypted: for a public key, and with a passphrase.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::encryption::private_file;
use crate::support::{CliFixture, GREET};

/// The bytes of all files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(entry).collect()
}

/// Backs up twice with `encrypt`, and restores with `decrypt`; another key does neither.
#[track_caller]
fn an_encrypted_backup(scene: &CliFixture, encrypt: [&str; 2], decrypt: [&str; 2], wrong: ([&str; 2], [&str; 2])) {
    let saved = scene.path().join("saved");
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let backup = |args: &[&str]| scene.run(&[&["backup", "--to", "local:saved", "--json"], args].concat());
    let restore = |store: &str, args: &[&str]| {
        scene.run(&[&["--store", store, "restore", "--from", "local:saved", "--json"], args].concat())
    };
    backup(&encrypt).expect_exit(0);
    scene.run(&["answer", "g1", "--text", "Ada Byron"]).expect_exit(3);
    // The second run has the same options, and continues without a secret key.
    assert!(backup(&encrypt).expect_exit(0).json()["documents"].as_u64().unwrap() > 0);
    assert_eq!(backup(&encrypt).expect_exit(0).json()["segments"], 0);
    let before = files(&saved);
    for (name, bytes) in &before {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("greet") && !text.contains("Ada Byron") && !text.contains("\"document\""), "{name}");
    }

    // Another key, and none.
    scene.run(&["answer", "g1", "--text", "yes"]).expect_exit(0);
    let refused = backup(&[]).expect_exit(4);
    assert_eq!(refused.error_code(), "key_missing");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("--encrypt-to or --passphrase-file"));
    assert_eq!(backup(&wrong.0).expect_exit(4).error_code(), "key_missing");
    assert_eq!(files(&saved), before);
    let refused = restore("file:new", &[]).expect_exit(4);
    assert_eq!(refused.error_code(), "key_missing");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("--passphrase-file or --identity-file"));
    assert_eq!(restore("file:new", &wrong.1).expect_exit(4).error_code(), "key_missing");
    assert_eq!(restore("file:new", &[&wrong.1[..], &["--list"]].concat()).expect_exit(4).error_code(), "key_missing");

    assert!(!scene.path().join("new").exists());

    // The times need no key.
    for key in [&decrypt[..], &[]] {
        assert_eq!(restore("file:new", &[&["--list"], key].concat()).expect_exit(0).out.lines().count(), 2);
    }
    restore("file:new", &decrypt).expect_exit(0);
    scene.run(&["--store", "file:new", "verify"]).expect_exit(0);
    scene.run(&["--store", "file:new", "answer", "g1", "--text", "yes"]).expect_exit(0);

    // A folder in plain text stays so, and a key never accepts one.
    scene.run(&["backup", "--to", "local:plain"]).expect_exit(0);
    let plain = files(&scene.path().join("plain"));
    let refused = scene.run(&[&["backup", "--to", "local:plain", "--json"], &encrypt[..]].concat()).expect_exit(5);
    assert_eq!(refused.error_code(), "already_exists");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("--encrypt-to and --passphrase-file"));
    assert_eq!(files(&scene.path().join("plain")), plain);
    fs::write(saved.join("000000000002.jsonl"), &plain["000000000002.jsonl"]).unwrap();
    assert_eq!(restore("file:mixed", &decrypt).expect_exit(5).error_code(), "invalid");
    assert!(!scene.path().join("mixed").exists());
}

/// A scene with two secret keys in files. Returns their public keys.
fn with_keys() -> (CliFixture, [String; 2]) {
    use age::secrecy::ExposeSecret as _;
    let scene = CliFixture::with("greet", GREET);
    let keys = ["identity", "other"].map(|file| {
        let identity = age::x25519::Identity::generate();
        private_file(&scene, file, identity.to_string().expose_secret());
        identity.to_public().to_string()
    });
    (scene, keys)
}

#[test]
fn a_backup_for_a_public_key_is_restored_with_its_secret_key() {
    let (scene, [to, to_other]) = with_keys();
    let decrypt = |file| ["--identity-file", file];
    let wrong = (["--encrypt-to", &*to_other], decrypt("other"));
    an_encrypted_backup(&scene, ["--encrypt-to", &to], decrypt("identity"), wrong);
}

#[test]
fn a_changed_file_of_an_encrypted_backup_is_refused() {
    let (scene, [to, _]) = with_keys();
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    scene.run(&["backup", "--to", "local:saved", "--encrypt-to", &to]).expect_exit(0);
    let (saved, decrypt) = (scene.path().join("saved"), ["--identity-file", "identity"]);
    let restore = |store: &str, args: &[&str]| {
        scene.run(&[&["--store", store, "restore", "--from", "local:saved", "--json"], args].concat())
    };
    let before = files(&saved);
    // Two files that are exchanged, and one that is cut off or changed at any place.
    let names: Vec<&String> = before.keys().collect();
    let put = |name: &String, bytes: &[u8]| fs::write(saved.join(name), bytes).unwrap();
    let exchange = |one: &String, other: &String| {
        put(one, &before[other]);
        put(other, &before[one]);
    };
    exchange(names[1], names[2]);
    assert_eq!(restore("file:new", &decrypt).expect_exit(4).error_code(), "corrupt");
    for name in [names[1], names[names.len() - 1]] {
        let bytes = &before[name];
        for at in [40, bytes.len() / 2, bytes.len() - 20] {
            let mut changed = bytes.clone();
            changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
            for damaged in [&changed[..], &bytes[..at]] {
                put(names[1], &before[names[1]]);
                put(names[2], &before[names[2]]);
                put(name, damaged);
                assert_eq!(restore("file:new", &decrypt).expect_exit(4).error_code(), "corrupt", "{name} at {at}");
            }
        }
        put(name, bytes);
    }
    assert!(!scene.path().join("new").exists());
    restore("file:new", &decrypt).expect_exit(0);
}

#[test]
fn a_backup_with_a_passphrase_is_restored_with_it() {
    let scene = CliFixture::with("greet", GREET);
    private_file(&scene, "pass", "correct horse\n");
    private_file(&scene, "wrong", "battery staple\n");
    let with = |file| ["--passphrase-file", file];
    an_encrypted_backup(&scene, with("pass"), with("pass"), (with("wrong"), with("wrong")));
}
