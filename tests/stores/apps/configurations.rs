//! Saving, checking and activating configurations.

use serde_json::{Value as Json, json};

use super::scene::AppScene;

fn save(scene: &AppScene, version: &str, steps: Json) -> Result<Json, String> {
    let configuration = json!({"steps": steps});
    let parameters = json!({"appId": 1, "appName": "suite", "version": version, "configuration": configuration});
    scene.call("configuration.save", parameters).map_err(|error| format!("{}: {error}", error.code.as_str()))
}

#[test]
fn a_configuration_that_cannot_run_is_refused_with_the_reason() {
    let scene = AppScene::new();
    let refused = [
        json!([]),
        json!([{"id": 0, "name": "a"}]),
        json!([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]),
        json!([{"id": 1, "name": "a", "depends_on": [7]}]),
        json!([
            {"id": 1, "name": "a", "depends_on": [2]},
            {"id": 2, "name": "b", "depends_on": [1]},
            {"id": 3, "name": "c"}
        ]),
        json!([{"id": 1, "name": "a", "input": {"x": "$.steps.2.output"}}]),
        json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b", "input": {"x": "$.steps.1.output"}}]),
        json!([
            {"id": 1, "name": "a", "output": [{"name": "url"}]},
            {"id": 2, "name": "b", "depends_on": [1], "input": {"x": "$.steps.1.output.uri"}}
        ]),
        json!([{"id": 1, "name": "a", "input": {"x": "$url"}}]),
        json!([{"id": 1, "name": "a", "when": {"value": "input.x", "equals": 1}}]),
        json!([{"id": 1, "name": "a", "when": {"equals": 1}}]),
        json!([{"id": 1, "name": "a", "when": {"value": "$.input.n", "lt": null}}]),
        json!([{"id": 1, "name": "a", "retyr": {}}]),
        json!([{"id": 1, "name": "a", "retry": {"factor": 0}}]),
        json!([{"id": 1, "name": ""}]),
        json!([{"id": 1, "name": "a", "always": true, "compensate": {"name": "undo"}}]),
        json!([{"id": 1, "name": "a", "compensate": {"name": "undo", "retry": {"max_attempts": 0}}}]),
        json!([{"id": 1, "name": "a", "compensate": {"name": "undo", "timeout_ms": 1}}]),
        (1..=10_000).map(|id| json!({"id": id, "name": "a"})).collect(),
    ];
    let messages: Vec<String> = refused.into_iter().map(|steps| save(&scene, "1", steps).unwrap_err()).collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
invalid: configuration.steps: an app needs at least one step
invalid: configuration.steps[0].id: 0 is not valid; use 1 to 1000000
invalid: configuration.steps[1].id: another step has the id 1 too
invalid: configuration.steps[0].depends_on: step 7 does not exist
step_cycle: the steps 1, 2 depend on each other in a cycle; nothing was changed
invalid: configuration.steps[0].input.x: `$.steps.2.output` names step 2, which does not exist
invalid: configuration.steps[1].input.x: `$.steps.1.output` names step 1, on which this step does not depend; add it to `depends_on`
invalid: configuration.steps[1].input.x: `$.steps.1.output.uri` names `uri`, which the output of step 1 does not declare
invalid: configuration.steps[0].input.x: `$url` is not a path; use `$.input.name` or `$.steps.2.output.name`, and `$$` for a text that begins with a dollar sign
invalid: configuration.steps[0].when: `input.x` is not a path; use `$.input.name` or `$.steps.2.output.name`, and `$$` for a text that begins with a dollar sign
usage: apps.configuration.save: `configuration.steps[0].when` must be a condition: true, { value, equals }, { value, lt }, { value, gt }, { value, in }, { value, exists }, { all }, { any } or { not }, not {"equals":1}
usage: apps.configuration.save: `configuration.steps[0].when` must be a condition: true, { value, equals }, { value, lt }, { value, gt }, { value, in }, { value, exists }, { all }, { any } or { not }, not {"value":"$.input.n","lt":null}
usage: apps.configuration.save has no option `configuration.steps[0].retyr`; its options are `id`, `name`, `version`, `input`, `output`, `input_schema`, `output_schema`, `metadata_schema`, `depends_on`, `retry`, `timeout_ms`, `when`, `always`, `compensate`
invalid: configuration.steps[0].retry.factor: 0 is not valid; use 1 to 100
invalid: configuration.steps[0].name: 0 bytes are not valid; use 1 to 200 bytes
invalid: configuration.steps[0].compensate: a step with `always` is not undone; remove one of both
invalid: configuration.steps[0].compensate.retry.max_attempts: use 1 to 1000
invalid: configuration.steps[0].compensate.timeout_ms: 1 is not valid; use 1000 or more
limit: 10000 steps: 250 steps are allowed; split the app into several
"#);
    assert_eq!(scene.ok("configuration.list", json!({}))["items"], json!([]));
}

#[test]
fn an_input_that_nothing_produces_is_refused() {
    let scene = AppScene::new();
    let steps = |field: &str| {
        json!({
            "input": [{"name": "url", "type": "string"}],
            "steps": [
                {"id": 1, "name": "a", "output": [{"name": "page"}]},
                {"id": 2, "name": "b", "depends_on": [1], "input": [{"name": field}]}
            ]
        })
    };
    let parameters = |field| json!({"appId": 1, "appName": "suite", "version": "1", "configuration": steps(field)});
    insta::assert_snapshot!(scene.message("configuration.save", parameters("title")), @"configuration.steps[1].input: no step that it depends on produces `title`, and neither does the input");
    scene.ok("configuration.save", parameters("page"));
    scene.ok("configuration.save", parameters("url"));
}

#[test]
fn one_version_is_active_and_a_used_one_does_not_change() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    save(&scene, "2.0.0", json!([{"id": 1, "name": "b"}])).unwrap();
    scene.start(json!({}));
    assert_eq!(scene.show()["version"], "1.0.0");
    // The same again changes nothing. Another configuration is refused once an execution uses the version.
    save(&scene, "1.0.0", json!([{"id": 1, "name": "a"}])).unwrap();
    let refused = save(&scene, "1.0.0", json!([{"id": 1, "name": "c"}])).unwrap_err();
    assert!(refused.starts_with("version_used: "), "{refused}");
    save(&scene, "2.0.0", json!([{"id": 1, "name": "c"}])).unwrap();
    scene.ok("configuration.activate", json!({"appId": 1, "version": "2.0.0"}));
    let active = scene.ok("configuration.list", json!({"active": true}));
    assert_eq!((active["items"].as_array().unwrap().len(), &active["items"][0]["version"]), (1, &json!("2.0.0")));
    let started = scene.ok("execution.start", json!({"appId": 1, "userId": "u"}));
    let shown = scene.ok("execution.show", json!({"id": started["id"]}));
    assert_eq!(shown["version"], "2.0.0");
    assert_eq!(scene.code("configuration.activate", json!({"appId": 1, "version": "9"})), "not_found");
    assert_eq!(scene.code("execution.start", json!({"appId": 2, "userId": "u"})), "no_active_version");
    // The step of the first execution still has its name.
    assert_eq!(scene.step(1)["stepName"], "a");
    scene.check();
}

#[test]
fn versions_of_an_app_and_of_its_parts_are_separate() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "whole"}]));
    let part = json!({
        "appId": 1, "appName": "suite", "subAppId": 2, "subAppName": "part", "version": "1.0.0",
        "configuration": {"steps": [{"id": 1, "name": "part"}]}, "activate": true
    });
    scene.ok("configuration.save", part);
    let active = scene.ok("configuration.list", json!({"active": true}));
    assert_eq!(active["items"].as_array().unwrap().len(), 2);
    let started = scene.ok("execution.start", json!({"appId": 1, "subAppId": 2, "userId": "u"}));
    let shown = scene.ok("execution.show", json!({"id": started["id"]}));
    assert_eq!((&shown["subAppId"], &shown["subAppName"]), (&json!(2), &json!("part")));
    assert_eq!(scene.ok("app.list", json!({"app": 1}))["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_configuration_of_another_program_runs() {
    let scene = AppScene::new();
    let seed = json!({
        "app_id": 1, "app_name": "ui_web_auto_testing", "sub_app_id": null, "sub_app_name": null, "version": "1.0.0",
        "configuration": {
            "steps": [{"id": 1, "name": "extract", "input": [], "output": [], "depends_on": []}],
            "description": "Automated testing framework for web applications.",
            "settings": {"timeout_seconds": 300, "max_retries": 3}
        },
        "active": true, "created_at": 1_704_067_200_000_i64, "created_by": "admin", "id": "seed"
    });
    scene.put(&<runstate::domain::apps::AppConfiguration as runstate::schema::Entity>::COLLECTION, "seed", seed);
    scene.start(json!({}));
    assert_eq!(scene.complete("extract", json!({}))["status"], "completed");
    scene.save("2.0.0", json!({"steps": [{"id": 1, "name": "new"}]}));
    assert_eq!(scene.ok("configuration.list", json!({"active": true}))["items"].as_array().unwrap().len(), 1);
}
