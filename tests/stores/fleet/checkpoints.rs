//! Checkpoints: the tree, verification by workers, and deletion.

use std::collections::BTreeSet;

use runstate::domain::fleet::Checkpoint;
use runstate::id::CommandId;
use runstate::schema::{Collection, Entity as _};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::{Millis, Timestamp};
use serde_json::{Value as Json, json};

use super::scene::{FleetScene, PROJECT, UNKNOWN, text};

impl FleetScene {
    fn claim(&self) -> Json {
        self.ok("verification.claim", json!({"owner": "w"}))
    }

    /// Verifies all checkpoints that wait.
    fn verify_all(&self) {
        loop {
            let work = self.claim();
            if work.is_null() {
                return;
            }
            self.ok("verification.complete", claim_of(&work));
        }
    }

    fn current(&self) -> Json {
        self.ok("project.show", json!({"id": PROJECT}))["currentCheckpointUuid"].clone()
    }
}

fn claim_of(work: &Json) -> Json {
    json!({"id": work["id"], "token": work["token"]})
}

#[test]
fn verified_checkpoints_become_current_unless_a_newer_one_is() {
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    assert_eq!(scene.current(), first);
    let mut ids = Vec::new();
    for _ in 0..2 {
        scene.host.clock.advance(Millis::seconds(1));
        ids.push(scene.checkpoint(json!({"type": "manual"})));
    }
    let mut claims: Vec<Json> = (0..3).map(|_| scene.claim()).collect();
    assert!(scene.claim().is_null());
    claims.sort_by_key(|claim| claim["id"] != ids[1]);
    for claim in claims {
        scene.ok("verification.complete", claim_of(&claim));
        assert_eq!(scene.current(), ids[1]);
    }
    assert!(scene.items("verification.list", json!({})).is_empty());
    scene.verify();
}

#[test]
fn a_lost_claim_is_refused_and_five_attempts_end_a_verification() {
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    let lost = scene.claim();
    scene.ok("verification.heartbeat", claim_of(&lost));
    assert_eq!(scene.after(Millis::seconds(30)).resumed, 1);
    assert_eq!(scene.code("verification.complete", claim_of(&lost)), "stale_claim");
    assert!(scene.claim().is_null());
    for attempt in 2..=5 {
        scene.host.clock.advance(Millis::minutes(1));
        assert!(!scene.ok("verification.nextAvailable", json!({})).is_null());
        let work = scene.claim();
        assert_eq!(work["attempts"], attempt);
        let mut failed = claim_of(&work);
        failed["message"] = "unreachable".into();
        failed["retryAfterMs"] = (Millis::days(1).0 + 1).into();
        assert_eq!(scene.code("verification.fail", failed.clone()), "invalid");
        // A minute is the least.
        let wait = if attempt == 2 { 120_000 } else { 60_000 };
        failed["retryAfterMs"] = (wait - i64::from(wait == 60_000)).into();
        let retry_at = (attempt < 5).then(|| scene.host.clock.now().as_millis() + wait);
        assert_eq!(scene.ok("verification.fail", failed)["retryAt"], json!(retry_at));
        scene.host.clock.advance(Millis(wait - 60_000));
    }
    let checkpoint = scene.ok("checkpoint.show", json!({"id": first}));
    assert_eq!((&checkpoint["verificationStatus"], &checkpoint["failure"]), (&json!("failed"), &json!("unreachable")));
    assert!(scene.ok("verification.nextAvailable", json!({})).is_null());
    scene.verify();
}

#[test]
fn a_lease_out_of_bounds_and_the_token_of_another_claim_are_refused() {
    let scene = FleetScene::new();
    scene.checkpoint(json!({"type": "genesis"}));
    scene.checkpoint(json!({"type": "manual"}));
    let days_31 = Millis::days(31).0;
    for bad in [json!({"leaseMs": 0}), json!({"leaseMs": 999}), json!({"leaseMs": days_31}), json!({"owner": ""})] {
        let mut claim = json!({"owner": "w"});
        claim.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert_eq!(scene.code("verification.claim", claim), "invalid", "{bad}");
    }
    let first = scene.claim();
    scene.host.clock.advance(Millis(1));
    let second = scene.claim();
    for lease in [0, days_31] {
        let heartbeat = json!({"id": first["id"], "token": first["token"], "leaseMs": lease});
        assert_eq!(scene.code("verification.heartbeat", heartbeat), "invalid");
    }
    let mixed = json!({"id": first["id"], "token": second["token"]});
    for name in ["heartbeat", "complete", "release"] {
        assert_eq!(scene.code(&format!("verification.{name}"), mixed.clone()), "stale_claim");
    }
    scene.ok("verification.complete", claim_of(&first));
    assert_eq!(scene.code("verification.release", claim_of(&first)), "stale_claim", "its row is gone");
}

#[test]
fn a_queued_verification_without_its_checkpoint_is_removed_after_a_day() {
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    let claimed = scene.claim();
    let gone = batch(CommandId::new("gone").unwrap()).delete(&Checkpoint::COLLECTION, &first);
    block_on(scene.engine.store().commit(gone)).unwrap();
    assert_eq!(scene.code("verification.complete", claim_of(&claimed)), "not_found");
    assert_eq!(scene.after(Millis::seconds(30)).resumed, 1);
    let count = || scene.items("verification.list", json!({})).len();
    let mut claims = 0;
    while count() > 0 {
        let next = scene.ok("verification.nextAvailable", json!({})).as_i64().unwrap();
        scene.host.clock.set(Timestamp::from_millis(next.max(scene.host.clock.now().as_millis())));
        assert!(scene.claim().is_null());
        claims += 1;
        assert!(claims < 100, "it is never removed");
    }
    assert!(claims > 10, "removed after {claims} claims");
}

#[test]
fn released_claims_do_not_count_and_damaged_checkpoints_stay_so() {
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    scene.ok("verification.release", claim_of(&scene.claim()));
    let work = scene.claim();
    assert_eq!(work["attempts"], 1);
    let mut damaged = claim_of(&work);
    damaged["failure"] = "a file lacks".into();
    assert_eq!(scene.ok("verification.complete", damaged)["verificationStatus"], "failed");
    assert_eq!(scene.code("intelligentMachine.spawn", super::scene::spawning("aider")), "not_verified");
    assert_eq!(scene.ok("checkpoint.show", json!({"id": first}))["failure"], "a file lacks");
}

#[test]
fn path_leads_to_the_first_checkpoint_page_by_page() {
    let scene = FleetScene::new();
    let mut ids = vec![scene.checkpoint(json!({"type": "genesis"}))];
    for _ in 0..59 {
        ids.push(scene.checkpoint(json!({"type": "automatic", "parentUuid": ids.last()})));
    }
    // A branch from an inner one.
    let branch = scene.checkpoint(json!({"type": "manual", "parentUuid": ids[3]}));
    let walk = |from: &str| {
        let (mut path, mut next) = (Vec::new(), json!(from));
        while !next.is_null() {
            let page = scene.ok("checkpoint.path", json!({"id": next}));
            path.extend(page["items"].as_array().unwrap().iter().map(|one| text(&one["id"])));
            next = page["next"].clone();
        }
        path
    };
    let mut expected = ids.clone();
    expected.reverse();
    assert_eq!(walk(&ids[59]), expected);
    assert_eq!(walk(&branch), [&[branch.clone()][..], &expected[56..]].concat());
    assert_eq!(scene.code("checkpoint.path", json!({"id": UNKNOWN})), "not_found");
}

#[test]
fn diff_lists_the_files_that_differ() {
    let scene = FleetScene::new();
    let file = |size: u64, sha: &str| json!({"size": size, "sha256": sha, "modifiedAt": 1_700_000_000_000i64});
    let first = json!({"a": file(1, "x"), "b.rs": file(2, "y"), "same": file(3, "z")});
    let second = json!({"b.rs": file(2, "other"), "c": file(4, "w"), "same": file(3, "z")});
    let first = scene.checkpoint(json!({"type": "genesis", "fileManifest": first}));
    let second = scene.checkpoint(json!({"type": "manual", "fileManifest": second}));
    let diff = scene.ok("checkpoint.diff", json!({"fromUuid": first, "toUuid": second}));
    let changes: Vec<(String, String)> =
        diff.as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["kind"]))).collect();
    let expected = [("a", "removed"), ("b.rs", "changed"), ("c", "added")];
    assert_eq!(changes, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    assert_eq!(diff[1]["before"], file(2, "y"));
    assert_eq!(scene.ok("checkpoint.diff", json!({"fromUuid": first, "toUuid": first})), json!([]));
}

#[test]
fn checkpoints_that_something_needs_are_not_deleted() {
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    let inner = scene.checkpoint(json!({"type": "manual", "parentUuid": first}));
    let leaf = scene.checkpoint(json!({"type": "manual", "parentUuid": inner}));
    let current = scene.checkpoint(json!({"type": "manual", "parentUuid": first}));
    scene.verify_all();
    let machine = {
        let mut parameters = super::scene::spawning("aider");
        parameters["checkpointUuid"] = json!(leaf);
        text(&scene.ok("intelligentMachine.spawn", parameters)["id"])
    };
    let delete = |uuid: &str| scene.call("checkpoint.delete", json!({"id": uuid})).map_err(|error| error.to_string());
    let reason = |uuid: &str| delete(uuid).unwrap_err();
    assert!(reason(&inner).contains("1 checkpoints follow it"));
    assert!(reason(&leaf).contains("1 machines stand on it"));
    assert!(reason(&first).contains("checkpoints follow it"));
    let newest = scene.current();
    assert!([&inner, &leaf, &current].iter().any(|id| newest == ***id));
    // The newest checkpoint of a machine is in use, and the one before it is not.
    let one = scene.checkpoint(json!({"type": "automatic", "machineUuid": machine, "parentUuid": first}));
    assert!(reason(&one).contains("1 machines stand on it"));
    scene.checkpoint(json!({"type": "automatic", "machineUuid": machine, "parentUuid": first}));
    delete(&one).unwrap();
    assert_eq!(scene.code("checkpoint.show", json!({"id": one})), "not_found");
    assert!(scene.items("verification.list", json!({})).iter().all(|row| row["id"] != one));
    scene.verify();
}

#[test]
fn checkpoints_reject_what_does_not_fit_into_the_tree() {
    let scene = FleetScene::new();
    let create = |parameters: Json| {
        let mut parameters = parameters;
        parameters["projectUuid"] = PROJECT.into();
        scene.code("checkpoint.create", parameters)
    };
    assert_eq!(create(json!({"type": "manual"})), "invalid");
    assert_eq!(create(json!({"type": "genesis", "parentUuid": UNKNOWN})), "invalid");
    assert_eq!(create(json!({"type": "genesis", "compressionRatio": "100"})), "usage");
    assert_eq!(create(json!({"type": "genesis", "vmId": "x".repeat(101)})), "invalid");
    scene.checkpoint(json!({"type": "genesis", "compressionRatio": "99.99", "sizeBytes": 1}));
    assert_eq!(create(json!({"type": "genesis"})), "already_exists");
    assert_eq!(create(json!({"type": "manual", "parentUuid": UNKNOWN})), "not_found");
    let machine = scene.spawn("aider");
    scene.ok("intelligentMachine.terminate", json!({"id": machine}));
    assert_eq!(create(json!({"type": "final", "machineUuid": machine})), "illegal_transition");
}

#[test]
fn a_checkpoint_before_itself_is_refused_and_found() {
    static CHECKPOINTS: Collection = Checkpoint::COLLECTION;
    let scene = FleetScene::new();
    let first = scene.checkpoint(json!({"type": "genesis"}));
    let second = scene.checkpoint(json!({"type": "manual", "parentUuid": first}));
    let own = json!({"projectUuid": PROJECT, "type": "manual", "id": UNKNOWN, "parentUuid": UNKNOWN});
    assert_eq!(scene.code("checkpoint.create", own), "not_found");
    scene.verify();
    // No operation can write this.
    let mut document = scene.stored(&CHECKPOINTS, &first);
    document["parent_checkpoint_uuid"] = json!(second);
    super::upkeep::replace(&scene, &CHECKPOINTS, &first, document);
    assert_eq!(scene.code("checkpoint.path", json!({"id": second})), "corrupt");
    let findings = runstate::testing::block_on(scene.engine.verify(|_| {})).unwrap().findings;
    let found: BTreeSet<String> = findings.iter().map(|finding| finding.why.clone()).collect();
    let expected = [&first, &second].map(|id| format!("checkpoint `{id}` is before itself"));
    assert!(expected.iter().all(|one| found.contains(one)), "{found:?}");
}
