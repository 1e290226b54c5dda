//! Scripts with the tools of a Rust service: approvals, rules, questions, limits, undoing, processes that end.

use std::sync::{Arc, Mutex};

use runstate::code::{Code, Limits, RunScript, RunState, Tool, compile_script, unanswered_calls};
use runstate::domain::cvm::{Policy, Start, WaitsFor, codes};
use runstate::error_code::ErrorCode;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::work::Failure;
use serde_json::{Value as Json, json};

use crate::cvm::scene::{Scene, error_code, program};

type Ran = Arc<Mutex<Vec<Json>>>;

/// A process with two tools: `crm.find`, and `pay.refund`, which is approved above 10 and can be undone. `ran` has the
/// arguments of all refunds and what was undone.
fn process(scene: &Scene, ran: &Ran) -> Code {
    let (refunds, undone) = (ran.clone(), ran.clone());
    let refund = Tool::new(move |task| {
        refunds.lock().unwrap().push(task.work.call.args.clone());
        async move { Ok(json!({ "refunded": task.work.call.args["amount"] })) }
    });
    let refund = refund.approve_if(|args| args["amount"].as_u64().is_none_or(|amount| amount > 10));
    let refund = refund.revert(move |call, _| {
        let receipt = call.response.map(|response| response.result);
        undone.lock().unwrap().push(json!({ "undone": receipt }));
        std::future::ready(Ok(Json::Null))
    });
    let find = Tool::new(async |task| match task.work.call.args["q"].as_str() {
        Some(word) => Ok(json!([word])),
        None => Err(Failure::permanent("no word").with_name("RangeError")),
    });
    Code::new(&scene.cold_engine()).tool("crm.find", find).unwrap().tool("pay.refund", refund).unwrap()
}

fn serve(code: &Code) {
    block_on(code.worker("service").without_due().drain()).unwrap();
}

fn result(code: &Code, run: &str) -> RunState {
    block_on(code.result(run, Millis(0))).unwrap()
}

const REFUNDS: &str = r#"
    const all = [5, 20, 30].map(async (amount) => {
        try { return (await tools.pay.refund({ amount })).refunded } catch (e) { return e.name + " " + e.message }
    });
    const word = await ask("which?");
    return [await tools.crm.find({ q: word }), await Promise.all(all)];"#;

#[test]
fn a_script_waits_for_people_over_processes() {
    let scene = Scene::new();
    let ran = Ran::default();
    let code = process(&scene, &ran);
    let options = || RunScript { id: Some("r".to_owned()), ..RunScript::default() };
    let run = block_on(code.run(REFUNDS, options())).unwrap();
    // A repeat continues the run; another script under its id is refused.
    assert_eq!(block_on(process(&scene, &ran).run(REFUNDS, options())).unwrap().id, run.id);
    assert_eq!(error_code(block_on(code.run("return 1", options()))), ErrorCode::ALREADY_EXISTS);
    assert!(ran.lock().unwrap().is_empty());
    // The rule lets one pass; the process ends.
    assert!(matches!(result(&code, "r"), RunState::Waiting { pending } if pending.len() == 4));
    serve(&code);
    assert_eq!(*ran.lock().unwrap(), [json!({ "amount": 5 })]);
    let code = process(&scene, &ran);
    let pending = block_on(code.pending()).unwrap();
    let waits: Vec<_> = pending.iter().map(|call| (call.waits_for, &call.args["amount"])).collect();
    let approval = Some(WaitsFor::Approval);
    assert_eq!(waits, [(approval, &json!(20)), (approval, &json!(30)), (Some(WaitsFor::Person), &Json::Null)]);
    block_on(code.approve(&pending[0], "ann", Some("checked"))).unwrap();
    assert_eq!(error_code(block_on(code.approve(&pending[0], "bob", None))), codes::ALREADY_APPROVED);
    block_on(code.reject(&pending[1], "ann", Some("too much"))).unwrap();
    block_on(scene.cvm().answer("r", runstate::client::Answer::to_call(&pending[2].id).value("late"))).unwrap();
    serve(&code);
    let complete = RunState::Complete { result: json!([["late"], [5, 20, "RejectedError too much"]]) };
    assert_eq!(result(&code, "r"), complete);
    assert_eq!(ran.lock().unwrap().len(), 2);
    scene.check();
}

#[test]
fn a_run_is_undone_once_the_latest_call_first() {
    let scene = Scene::new();
    let ran = Ran::default();
    let code = process(&scene, &ran);
    let script = "await tools.pay.refund({ amount: 1 }); await tools.pay.refund({ amount: 2 }); await ask('more?')";
    let run = block_on(code.run(script, RunScript::default())).unwrap();
    for _ in 0..2 {
        result(&code, &run.id);
        serve(&code);
    }
    assert_eq!(error_code(block_on(code.revert(&run.id))), ErrorCode::ILLEGAL_TRANSITION);
    block_on(scene.cvm().cancel(&run.id)).unwrap();
    assert_eq!(result(&code, &run.id), RunState::Failed { error: None });
    ran.lock().unwrap().clear();
    for _ in 0..2 {
        let undo = block_on(process(&scene, &ran).revert(&run.id)).unwrap();
        serve(&process(&scene, &ran));
        let RunState::Complete { result } = result(&code, &undo.id) else { panic!("it has not ended") };
        assert_eq!((result["undone"].as_array().unwrap().len(), &result["failed"]), (2, &json!([])));
    }
    let undone = |amount: u64| json!({ "undone": { "refunded": amount } });
    assert_eq!(*ran.lock().unwrap(), [undone(2), undone(1)]);
}

#[test]
fn calls_that_have_no_answer_when_a_script_returns_are_named() {
    let scene = Scene::new();
    let code = process(&scene, &Ran::default());
    let script = "[50, 60].forEach((amount) => tools.pay.refund({ amount }));\nsleep(60_000).then(() => 1);\n\
        await ask('go on?'); return 1";
    let run = block_on(code.run(script, RunScript::default())).unwrap();
    let unanswered = || {
        let progress = block_on(scene.cvm().progress(&run.id, 0)).unwrap();
        block_on(unanswered_calls(&scene.cvm(), &run.id, &progress)).unwrap()
    };
    assert_eq!(unanswered(), None);
    let pending = block_on(code.pending()).unwrap();
    let question = pending.iter().find(|call| call.waits_for == Some(WaitsFor::Person)).unwrap();
    block_on(scene.cvm().answer(&run.id, runstate::client::Answer::to_call(&question.id).value("yes"))).unwrap();
    assert_eq!(result(&code, &run.id), RunState::Complete { result: json!(1) });
    let expected = "2 calls had no answer when the script returned, and were cancelled: pay.refund (line 1)";
    assert_eq!(unanswered().as_deref(), Some(expected));
}

#[test]
fn a_script_that_may_not_run_is_refused() {
    let scene = Scene::new();
    let code = process(&scene, &Ran::default());
    let refused = block_on(code.run("return tools.pay.refnd({})", RunScript::default())).unwrap_err();
    assert!(refused.code == ErrorCode::COMPILE_ERROR && refused.message.contains("refund"), "{refused}");
    let failing = block_on(code.run("return await tools.crm.find({})", RunScript::default())).unwrap();
    serve(&code);
    let RunState::Failed { error: Some(error) } = result(&code, &failing.id) else { panic!("it has not failed") };
    assert_eq!((error.name.as_str(), error.message.as_str()), ("RangeError", "no word"));
    let limited = code.limits(Limits { calls: Some(1), ..Limits::default() });
    let run = block_on(limited.run("await ask('a?'); await ask('b?')", RunScript::default())).unwrap();
    block_on(scene.cvm().answer(&run.id, "yes")).unwrap();
    let RunState::Failed { error: Some(error) } = result(&limited, &run.id) else { panic!("it has not failed") };
    assert_eq!(error.name, "LimitError");
}

/// A process whose tool needs no approval starts the run, and one whose tool does serves it.
#[test]
fn a_tool_that_needs_an_approval_runs_no_call_without_one() {
    let scene = Scene::new();
    let ran = Ran::default();
    let lax = Code::new(&scene.cold_engine()).tool("pay.refund", Tool::new(async |_| Ok(Json::Null))).unwrap();
    let run = block_on(lax.run("return await tools.pay.refund({ amount: 50 })", RunScript::default())).unwrap();
    let code = process(&scene, &ran);
    serve(&code);
    let RunState::Failed { error: Some(error) } = result(&code, &run.id) else { panic!("it has not failed") };
    assert_eq!((error.name.as_str(), ran.lock().unwrap().len()), ("NotAllowedError", 0));
}

/// Neither a process without the rule, nor a rule for a program that is not a script, decides for a person.
#[test]
fn a_call_is_approved_by_the_rule_of_its_tool_alone() {
    let scene = Scene::new();
    let ran = Ran::default();
    let code = process(&scene, &ran);
    let run = block_on(code.run("return await tools.pay.refund({ amount: 50 })", RunScript::default())).unwrap();
    let lax = Code::new(&scene.cold_engine()).tool("pay.refund", Tool::new(async |_| Ok(Json::Null))).unwrap();
    let waits = |code: &Code, run: &str| match result(code, run) {
        RunState::Waiting { pending } => pending.iter().map(|call| call.waits_for).collect(),
        ended => panic!("{ended:?}"),
    };
    let approval = vec![Some(WaitsFor::Approval)];
    assert_eq!((waits(&lax, &run.id), block_on(lax.pending()).unwrap().len()), (approval.clone(), 1));
    // The rule of the tool lets this one pass, and the run waits for a worker then.
    let free = block_on(code.run("return await tools.pay.refund({ amount: 5 })", RunScript::default())).unwrap();
    assert_eq!(waits(&code, &free.id), [Some(WaitsFor::Worker)]);
    let policy = Policy { approve: Some(vec!["pay.refund".to_owned()]), ..Policy::default() };
    block_on(scene.cvm().load(&program("plain", r#"call("pay.refund", { amount: 1 })"#))).unwrap();
    let plain = Start { policy: Some(policy), ..Start::new("plain") };
    let plain = block_on(scene.cvm().start(plain)).unwrap();
    assert_eq!(waits(&code, &plain.id), approval);
}

#[test]
fn names_that_no_tool_can_have_are_refused() {
    let code = Code::new(&Scene::new().cold_engine());
    for name in ["", "cc", "timer", "fs.readFile", "tools.a", "pay.refund.revert", &"x".repeat(101)] {
        let refused = code.clone().tool(name, Tool::new(async |_| Ok(Json::Null))).err();
        assert_eq!(refused.map(|error| error.code), Some(ErrorCode::USAGE), "{name}");
    }
}

#[test]
fn a_script_may_call_the_tools_that_it_names() {
    let load = |source: &str, tools: &[&str]| {
        compile_script(source, tools.iter().map(|&name| name.to_owned()).collect()).unwrap()
    };
    let all = ["github.get", "github.search", "pay.refund"];
    let kinds = |source: &str| load(source, &all).tools.unwrap();
    assert_eq!(kinds("return 1"), [""; 0]);
    assert_eq!(kinds("const { github } = tools; return await github.search({ q: 'a' })"), ["github.search"]);
    assert_eq!(kinds("return [1].map(tools.github.get)"), ["github.get"]);
    assert_eq!(kinds("const name = 'get'; return await tools.github[name]({})"), all);
    let (direct, by_value) = ("return tools.github.get({})", "return Object.keys(tools.github)");
    assert_eq!(load(direct, &all).name, load(direct, &all[..1]).name);
    assert_ne!(load(by_value, &all).name, load(by_value, &all[..1]).name);
}
