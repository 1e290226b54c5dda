//! `questions`: what people have to answer or approve, in all runs.

use crate::support::CliFixture;

/// Creates a fixture with two questions, and between them a call that awaits an approval.
fn asked() -> CliFixture {
    let scene = CliFixture::greeting("g1");
    scene.file("pays.ts", r#"call("pay", { to: "ada" }); call("search", { for: "x" });"#);
    scene.run(&["load", "pays.ts"]).expect_exit(0);
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    scene.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    scene
}

/// The executions of the questions, in their order.
fn executions(scene: &CliFixture, args: &[&str]) -> Vec<String> {
    let rows = scene.run(&[&["questions", "--json"], args].concat()).expect_exit(0).values();
    rows.iter().map(|row| row["executionId"].as_str().unwrap().to_owned()).collect()
}

fn call_id(scene: &CliFixture, execution: &str) -> String {
    scene.show(execution)["calls"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_questions_of_all_runs_are_listed_oldest_first_with_their_commands() {
    let scene = asked();
    let out = scene.run(&["questions"]).expect_exit(0).out;
    let [g1, p, g2] = ["g1", "p", "g2"].map(|id| call_id(&scene, id));
    let expected = [
        "g1 (greet): open since ".to_owned(),
        format!("? Who is there?\n  runstate answer g1 --call {g1} --text …\n"),
        "p (pays): awaits an approval since ".to_owned(),
        format!("\n? pay {{\"to\":\"ada\"}}\n  runstate approve p --call {p} --by NAME\n"),
        "g2 (greet): open since ".to_owned(),
        format!("  runstate answer g2 --call {g2} --text …\n"),
    ];
    let places = expected.map(|text| out.find(&text).unwrap_or_else(|| panic!("`{text}` is missing in: {out}")));
    assert!(places.is_sorted(), "{out}");
    // The questions that come next are newer.
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    scene.run(&["approve", "p", "--call", &p, "--by", "ann"]).expect_exit(0);
    assert_eq!(executions(&scene, &[]), ["g2", "g1"]);
    let row = &scene.run(&["questions", "--json"]).expect_exit(0).values()[0];
    assert!(row["requestedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{row}");
}

#[test]
fn questions_are_selected_and_counted() {
    let scene = asked();
    assert_eq!(executions(&scene, &[]), ["g1", "p", "g2"]);
    assert_eq!(executions(&scene, &["--kind", "cc"]), ["g1", "g2"]);
    assert_eq!(executions(&scene, &["--kind", "pay"]), ["p"]);
    assert_eq!(executions(&scene, &["--kind", "cc", "--kind", "pay"]), ["g1", "p", "g2"]);
    assert_eq!(executions(&scene, &["--program", "pays"]), ["p"]);
    for json in [&[][..], &["--json"]] {
        let first = scene.run(&[&["questions", "--limit", "1"], json].concat()).expect_exit(0);
        assert!(first.out.contains("g1") && !first.out.contains("g2"), "{}", first.out);
        assert_eq!(first.err, "2 more are open; --limit N shows more\n");
    }
    let none = scene.run(&["questions", "--kind", "search"]).expect_exit(0);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "no open questions\n"));
    scene.run(&["questions", "--program", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
    scene.run(&["questions", "--limit", "0"]).expect_exit(2);
    // A call of a tool is open for people too, who name its kind.
    scene.run(&["approve", "p", "--call", &call_id(&scene, "p"), "--by", "ann"]).expect_exit(0);
    scene.run(&["answer", "p", "--call", &call_id(&scene, "p"), "--text", "paid"]).expect_exit(3);
    assert_eq!(
        (executions(&scene, &["--kind", "search"]), executions(&scene, &[])),
        (vec!["p".into()], vec!["g1".into(), "g2".into()])
    );
}

#[test]
#[cfg(unix)]
fn questions_are_followed_until_ctrl_c() {
    use serde_json::Value as Json;

    use super::output::FollowedOutput;
    use crate::support::{Signal, send};

    let scene = asked();
    let mut followed = FollowedOutput::start_command(&scene, &["questions", "--follow", "--json", "--limit", "2"]);
    let mut next = || {
        let row: Json = serde_json::from_str(&followed.line()).unwrap();
        (row["executionId"].as_str().unwrap().to_owned(), row["prompt"].as_str().unwrap().to_owned())
    };
    assert_eq!([next().0, next().0], ["g1", "p"]);
    scene.run(&["start", "greet", "--id", "g3"]).expect_exit(3);
    assert_eq!(next(), ("g3".to_owned(), "Who is there?".to_owned()));
    scene.run(&["answer", "g2", "--text", "Ada"]).expect_exit(3);
    assert_eq!(next(), ("g2".to_owned(), "All fine?".to_owned()));
    send(Signal::INT, followed.pid());
    let output = followed.end().expect_exit(130);
    assert_eq!((output.out.as_str(), output.err.as_str()), ("", "1 more are open; --limit N shows more\n"));
}
