//! Growing data: output, strings, stacks, heaps. All of it is kept, and a turn writes only changes.

use runstate::domain::cvm::Status;
use runstate::store::{Store, layer};
use runstate::testing::block_on;
use runstate::value::Json;

use crate::scene::Scene;

#[test]
fn every_line_of_output_is_kept_and_the_head_shows_the_newest() {
    let mut scene = Scene::program(
        r#"for (let i = 0; i < 500; i++) console.log("line", i); console.log(""); console.log("a\nb"); CC("?"); console.log("end");"#,
    );
    scene.answer("").expect(Status::Complete);
    let output = scene.show().output;
    assert_eq!((output.len(), output[499].as_str()), (503, "line 499"));
    assert_eq!(output[500..], ["", "a\nb", "end"]);
    let (_, head) = &scene.dump()["cvm.executions/run"];
    let tail = head["state"]["output"].as_array().unwrap();
    assert!(tail.len() <= 100, "{}", tail.len());
    assert_eq!((tail.last(), &head["state"]["outputCount"]), (Some(&"end".into()), &503.into()));
    assert_eq!(block_on(scene.cvm().output("run")).unwrap(), output);
}

#[test]
fn a_deep_stack_is_kept_in_rows_of_its_own() {
    let source = r#"
    function deep(n, label) { if (n === 0) return CC("bottom?"); const mine = label + n; return deep(n - 1, label) + (mine.length > 0 ? 1 : 0); }
    console.log(deep(4000, "a label of some length, kept in every frame, "));
    "#;
    let mut scene = Scene::program(source).cold();
    let (_, head) = &scene.dump()["cvm.executions/run"];
    assert!(head.to_string().len() < 64 * 1024, "{}", head.to_string().len());
    assert!(scene.row_count("heap_pages") > 1);
    scene.answer("0").expect(Status::Complete);
    assert_eq!(scene.show().output[0].len(), 4001);
}

#[test]
fn a_text_larger_than_a_row_survives() {
    let source = r#"
    const big = { text: "é".repeat(3000000), more: "x" };
    const local = "y".repeat(2000000);
    console.log(CC("?"), big.text.length, local.length, big.more);
    "#;
    let mut scene = Scene::program(source).cold();
    let largest = scene.dump().values().map(|(_, row)| row.to_string().len()).max().unwrap();
    assert!(largest < 4 * 1024 * 1024, "{largest}");
    scene.answer("a").expect(Status::Complete).expect_output(["a 3000000 2000000 x"]);
}

#[test]
fn a_turn_writes_what_changed_and_not_the_state() {
    let source = r#"
    const items = [];
    for (let i = 0; i < input; i++) items.push({ i, name: `item ${i}` });
    let turn = 0;
    while (true) { const a = CC("?"); turn += 1; if (items.length > 0) items[turn * 7].answer = a; }
    "#;
    let bytes = |objects: u64| {
        let traced = std::sync::Arc::new(layer::CountingStore::new(runstate::store::Memory::new()));
        let store: std::sync::Arc<dyn Store> = traced.clone();
        let mut scene = Scene::with_store(store, runstate::limits::Settings::default());
        scene.load(source);
        scene.start(Json::from(objects)).unwrap();
        scene.answer("first").answer("second");
        traced.reset();
        for _ in 0..10 {
            scene.answer("x");
        }
        traced.calls(layer::Method::Commit).bytes / 10
    };
    let (few, many) = (bytes(100), bytes(20_000));
    assert!(many < few + 16 * 1024, "{few} bytes a turn with 100 objects, {many} with 20,000");
}

#[test]
fn oversized_result_error_or_prompt_fails_the_execution() {
    let cases = [
        ("function main() { return \"x\".repeat(9000000); }", "the result has 9000002 bytes"),
        ("throw new Error(\"x\".repeat(9000000));", "xxx"),
        ("throw \"x\".repeat(9000000);", "xxx"),
        ("CC(\"\\u0001\".repeat(900000));", "the question has 5400006 bytes"),
    ];
    for (source, expected) in cases {
        let mut scene = Scene::program(source);
        scene.expect(Status::Error);
        let error = scene.show().error.unwrap();
        assert!(error.message.contains(expected), "{source}: {}", &error.message[..200.min(error.message.len())]);
        let (_, head) = &scene.dump()["cvm.executions/run"];
        assert!(head.to_string().len() < 64 * 1024);
    }
}
