//! `mirror`: a second store is kept equal, compared, and takes over.

use serde_json::json;

use crate::support::{CliFixture, GREET};

#[test]
fn a_mirror_is_compared_and_takes_over() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let mirror = |args: &[&str]| scene.run(&[&["mirror", "--to", "file:new"], args].concat());
    mirror(&["--compare"]).expect_exit(4).expect_stderr(&["new"]);
    mirror(&[]).expect_exit(0);
    let equal = mirror(&["--compare"]).expect_exit(0);
    assert!(equal.out.starts_with("COLLECTION") && equal.out.ends_with("the stores are equal\n"), "{equal:?}");

    // A change in one of them is a difference, until it is mirrored.
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    let differs = mirror(&["--compare"]).expect_exit(5);
    assert!(differs.out.contains("cvm.executions/g1 differs in "), "{differs:?}");
    let compared = mirror(&["--compare", "--json"]).expect_exit(5).json();
    assert_eq!(compared["equal"], false);
    let execution = compared["differences"].as_array().unwrap().iter().find(|one| one["id"] == "g1").unwrap();
    assert_eq!((&execution["collection"], &execution["foundIn"]), (&json!("cvm.executions"), &json!("both")));
    mirror(&["--finish"]).expect_exit(0);
    mirror(&[]).expect_exit(5).expect_stderr(&["the target is not empty", "--replace"]);

    // The new store continues; a command that is repeated there is applied once.
    let there = |args: &[&str]| scene.run(&[&["--store", "file:new"], args].concat());
    there(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    there(&["answer", "g1", "--text", "yes"]).expect_exit(0);
    there(&["verify"]).expect_exit(0);
    // And back: the old store gets what has changed since.
    let old = scene.run(&["info", "--json"]).expect_exit(0).json()["url"].as_str().unwrap().to_owned();
    there(&["mirror", "--to", &old, "--replace"]).expect_exit(0);
    there(&["mirror", "--to", &old, "--finish", "--replace"]).expect_exit(0);
    assert_eq!(scene.run(&["show", "g1", "--json"]).expect_exit(0).json()["status"], "complete");
    scene.run(&["mirror", "--to", &old]).expect_exit(2).expect_stderr(&["names the same store"]);
}
