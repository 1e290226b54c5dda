//! `import --domain`: collections of another program.

use mongodb::Client;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::json;

use super::CliServerFixture;

fn session(id: &str, status: &str) -> Document {
    let at = DateTime::from_millis(1_700_000_000_000);
    doc! {
        "session_id": id, "project_id": "p", "machine_id": "m", "status": status, "last_heartbeat": at, "started_at": at,
        "metadata": {}, "created_at": at, "updated_at": at, "__v": 0
    }
}

fn machine() -> Document {
    let at = DateTime::from_millis(1_700_000_000_000);
    doc! {
        "machine_id": "m", "hostname": "h", "docker_slots": [], "active_sessions": [], "status": "online",
        "last_heartbeat": at, "metadata": {}, "created_at": at, "updated_at": at, "__v": 0
    }
}

/// Writes documents as another program does.
fn insert(url: &str, collection: &str, documents: &[Document]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::with_uri_str(url).await.unwrap();
        let database = client.default_database().unwrap();
        database.collection::<Document>(collection).insert_many(documents).await.unwrap();
    });
}

#[test]
fn collections_of_another_program_are_imported() {
    let Some(on) = CliServerFixture::new("collections_of_another_program_are_imported") else { return };
    let import_into = |store: &str, args: &[&str]| {
        on.scene.run(&[&["--store", store, "import", &on.url, "--domain", "orchestration"], args].concat())
    };
    let import = |args: &[&str]| import_into("file:new", args);
    import(&[]).expect_exit(5).expect_stderr(&["contains no documents of the domain `orchestration`", "sessions"]);
    insert(&on.url, "machines", &[machine()]);
    insert(&on.url, "sessions", &[session("s1", "active"), session("s2", "failed")]);
    let printed = import(&[]).expect_exit(0);
    assert!(printed.out.contains("\norchestration.sessions: 2 documents, SHA-256 "), "{printed:?}");
    assert!(printed.out.ends_with("3 documents and the results of 0 commands imported: all new\n"), "{printed:?}");
    assert!(printed.err.contains("verified by reading the store"), "{printed:?}");
    let shown = on.scene.run(&["--store", "file:new", "sessions", "show", "s2", "--json"]).expect_exit(0).json();
    assert_eq!((&shown["status"], &shown["lastHeartbeat"]), (&json!("failed"), &json!("2023-11-14T22:13:20Z")));
    on.scene.run(&["--store", "file:new", "verify"]).expect_exit(0);

    // A document that is not valid is named, and nothing is written, or the others are.
    insert(&on.url, "sessions", &[session("s3", "lost"), session("s4", "active")]);
    let refused = import(&[]).expect_exit(5).expect_stderr(&["1 documents cannot be imported", "--skip-invalid"]);
    assert!(
        refused.out.contains("orchestration.sessions/") && refused.out.contains("status: is not one of"),
        "{refused:?}"
    );
    on.scene.run(&["--store", "file:new", "sessions", "show", "s4"]).expect_exit(5);
    let values = import_into("file:other", &["--skip-invalid", "--json"]).expect_exit(0).values();
    assert_eq!(values[0]["invalid"]["collection"], "orchestration.sessions");
    assert_eq!(
        (&values[1]["written"], &values[1]["alreadyPresent"], &values[1]["skipped"]),
        (&json!(4), &json!(0), &json!(1))
    );
    assert_eq!(values[1]["collections"][1]["documents"], 3);
}

#[test]
fn a_domain_is_read_from_a_server_and_is_known() {
    let Some(on) = CliServerFixture::new("a_domain_is_read_from_a_server_and_is_known") else { return };
    let run = |args: &[&str]| on.scene.run(&[&["--store", "memory:", "import"], args].concat());
    run(&[&on.url, "--domain", "nothing"])
        .expect_exit(2)
        .expect_stderr(&["[possible values: cvm, orchestration, apps, fleet]"]);
    run(&["export.jsonl", "--domain", "apps"]).expect_exit(2).expect_stderr(&["the source is a file or a folder"]);
    run(&[&on.url, "--skip-invalid"]).expect_exit(2).expect_stderr(&["--domain"]);
    run(&[&on.url, "--domain", "cvm"]).expect_exit(5).expect_stderr(&["no programs and no executions"]);
}
