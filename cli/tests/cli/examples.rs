//! The programs in `examples/`, as their comments say to run them.

use insta::assert_snapshot;

use super::support::Scene;

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_code_review_comes_to_its_end_with_its_answers() {
    let scene = Scene::new();
    let (program, answers) = (example("code_review.ts"), example("code_review.answers.json"));
    assert_snapshot!(scene.run(&["run", &program, "--id", "review", "--answers", &answers]).ended(0).text());
}

#[test]
fn the_code_review_goes_on_without_a_reason() {
    let scene = Scene::new();
    let said = scene.run_with(&["run", &example("code_review.ts"), "--json"], "comment\n\napprove\napprove\nmerge\n");
    let result = said.ended(0).json()["result"].clone();
    assert_eq!(result["findings"][0]["note"], "no reason given");
    assert_eq!(result["verdict"], "merge");
}
