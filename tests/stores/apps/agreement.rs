//! The rules between executions and their steps, and the parameters of commands on steps.

use std::collections::BTreeMap;

use runstate::value::Json;

/// Checks that executions and steps, as their lists show them, agree with each other.
pub fn expect_agreement(executions: &[Json], steps: &[Json]) {
    for execution in executions {
        let (id, status) = (&execution["id"], execution["status"].as_str().unwrap());
        assert_eq!(status != "running", execution["completedAt"].is_i64(), "{execution}");
        assert_eq!(status != "running", execution["durationMs"].is_i64(), "{execution}");
        let mine: Vec<&Json> = steps.iter().filter(|step| step["executionId"] == *id).collect();
        let progress: BTreeMap<String, String> =
            serde_json::from_value(execution["progress"]["steps"].clone()).unwrap();
        for step in &mine {
            let (id, state) = (step["stepId"].to_string(), step["status"].as_str().unwrap());
            let expected = progress.get(&id).map_or("pending", String::as_str);
            let agrees = expected == state || expected == "open" && ["pending", "running"].contains(&state);
            assert!(agrees, "{step}: {expected}");
            let is_ended = ["completed", "failed", "skipped"].contains(&state);
            assert_eq!(is_ended, step["completedAt"].is_i64(), "{step}");
            assert!(status == "running" || state != "running", "{step}");
        }
        let has_step = |key: &String| mine.iter().any(|step| key.parse() == Ok(step["stepId"].as_i64().unwrap()));
        assert!(progress.keys().all(has_step), "{execution}");
        let is_done = |step: &&Json| ["completed", "skipped"].contains(&step["status"].as_str().unwrap());
        assert_eq!(status == "completed", mine.iter().all(is_done) && status != "cancelled", "{execution}");
        assert_eq!(status != "running", !progress.values().any(|one| one == "open"), "{execution}");
    }
}

/// The parameters of a command on a claimed step.
pub fn claim_of(work: &Json, mut more: Json) -> Json {
    more["id"] = work["claimed"]["id"].clone();
    more["token"] = work["claimed"]["token"].clone();
    more
}
