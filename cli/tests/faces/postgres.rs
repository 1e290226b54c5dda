//! Tests of the real binary on a real PostgreSQL: commands work as on files, and stores are moved between files and a
//! server and back.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{CliFixture, CliOutput, GREET, SUM};
use serde_json::json;

/// The URL of a database that no other test uses. None, after a printed note, if no server is named.
async fn fresh_url(test: &str) -> Option<String> {
    let Ok(server) = std::env::var("RUNSTATE_TEST_POSTGRES") else {
        println!("skipped: {test}: RUNSTATE_TEST_POSTGRES names no server");
        return None;
    };
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("cli{}_{}_{now:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
    Some(format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}

#[tokio::test]
async fn store_moved_to_a_server_and_back_is_the_same() {
    let Some(url) = fresh_url("store_moved_to_a_server_and_back_is_the_same").await else { return };
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.run(&["load", "greet.ts"]).expect_exit(0);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    let on = |args: &[&str]| scene.run(&[&["--store", &url], args].concat());
    let contents = |output: CliOutput| output.expect_exit(0).json()["contents"].as_str().unwrap().to_owned();
    let first = contents(scene.run(&["export", "a.jsonl", "--json"]));
    assert_eq!(contents(on(&["import", "a.jsonl", "--json"])), first);
    assert_eq!(contents(on(&["export", "b.jsonl", "--json"])), first);
    assert_eq!(contents(scene.run(&["--store", "file:back", "import", "b.jsonl", "--json"])), first);
    let hash = |output: CliOutput| output.expect_exit(0).json()["stateHash"].clone();
    assert_eq!(hash(on(&["show", "g1", "--json"])), hash(scene.run(&["show", "g1", "--json"])));
    // A command that was committed before the move is answered after it.
    on(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    on(&["answer", "g1", "--text", "yes"]).expect_exit(0);
    assert_eq!(on(&["output", "g1"]).expect_exit(0).out.lines().next(), Some("Hello, Ada"));
}

#[tokio::test]
async fn new_database_is_prepared_filled_verified_and_described() {
    let Some(url) = fresh_url("new_database_is_prepared_filled_verified_and_described").await else { return };
    let scene = CliFixture::new();
    let on = |args: &[&str]| scene.run(&[&["--store", &url], args].concat());
    on(&["programs"]).expect_exit(4).expect_stderr(&["there is no store", "nothing was created"]);
    for _ in 0..2 {
        assert_eq!(on(&["prepare", "--json"]).expect_exit(0).json()["ready"], true);
    }
    scene.file("sum.ts", SUM);
    on(&["run", "sum.ts", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    let report = on(&["verify", "--json"]).expect_exit(0).json()["report"].clone();
    assert_eq!((&report["findings"], &report["omitted"]), (&json!([]), &json!(0)));
    let info = on(&["info", "--json"]).expect_exit(0).json();
    assert_eq!(info["kind"], "postgres");
    assert!(info["facts"]["server"].as_str().unwrap().starts_with("PostgreSQL "), "{info}");
    on(&["delete", "s1"]).expect_exit(0);
}

#[tokio::test]
async fn script_of_roles_is_accepted_by_the_server() {
    let Some(url) = fresh_url("script_of_roles_is_accepted_by_the_server").await else { return };
    let scene = CliFixture::new();
    let on = |args: &[&str]| scene.run(&[&["--store", &url], args].concat());
    on(&["prepare"]).expect_exit(0);
    let script = on(&["roles"]).expect_exit(0).out;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&script).await.unwrap();
    let name = url.rsplit_once('/').unwrap().1;
    client.batch_execute(&format!("CREATE ROLE {name}_ann LOGIN IN ROLE {name}_worker")).await.unwrap();
    let others = "SELECT count(*) FROM pg_class WHERE (relispartition AND relkind = 'r' OR relkind = 'm') \
                  AND pg_get_userbyid(relowner) !~ '_owner$'";
    let parts = "SELECT count(*) FROM pg_class WHERE relkind = 'm' OR relispartition AND relkind = 'r'";
    let count = async |query: &str| client.query_one(query, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(
        (count(others).await, count(parts).await),
        (0, 6),
        "two views, and a default partition with three months"
    );
    let worker = url.replace("//runstate@", &format!("//{name}_ann@"));
    let as_worker = |args: &[&str]| scene.run(&[&["--store", &worker], args].concat());
    scene.file("sum.ts", SUM);
    on(&["load", "sum.ts"]).expect_exit(0);
    as_worker(&["start", "sum", "--id", "s1", "--input", r#"{"a":1,"b":2}"#]).expect_exit(0);
    as_worker(&["sweep"]).expect_exit(0);
    // A worker changes no definitions.
    scene.file("greet.ts", GREET);
    let refused = as_worker(&["load", "greet.ts", "--json"]);
    assert_eq!(refused.error_code(), "not_authorized");
    for role in ["ann", "owner", "operator", "worker", "reader"] {
        let drop = format!(
            "REASSIGN OWNED BY {name}_{role} TO runstate; DROP OWNED BY {name}_{role}; DROP ROLE {name}_{role}"
        );
        client.batch_execute(&drop).await.unwrap();
    }
}

#[tokio::test]
async fn password_is_never_printed() {
    let Some(url) = fresh_url("password_is_never_printed").await else { return };
    let scene = CliFixture::new();
    let secret = url.replace("//runstate@", "//ann:pass%40w%25rd@");
    for args in [&["info"][..], &["list"], &["verify"], &["export", "x.jsonl"], &["prepare"], &["roles", "--json"]] {
        let output = scene.run(&[&["--store", &secret], args].concat());
        let all = format!("{}{}", output.out, output.err);
        assert!(!all.contains("pass%40") && !all.contains("pass@w%rd"), "{args:?}: {all}");
    }
    for wrong in [format!("{secret}?nonsense=pass%40"), secret.replace("%40", "@")] {
        let output = scene.run(&["--store", &wrong, "prepare", "--json"]);
        assert!(output.code != Some(0) && !format!("{}{}", output.out, output.err).contains("w%25rd"), "{output:?}");
    }
}
