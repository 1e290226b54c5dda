//! Programs of every kind. They print the result of each call, and the rows of their calls determine what they must have printed.

use runstate::domain::cvm::Load;
use runstate::value::Json;

use crate::cluster::program;
use crate::documents::{RevisionedDocument, StoreDump};

const PRELUDE: &str = r#"
function got(ask) {
    let value;
    try { value = ask(); } catch (e) { console.log("caught", e.name); return null; }
    console.log("got", JSON.stringify(value === undefined ? null : value));
    return value;
}
"#;

const SOURCES: &[(&str, &str)] = &[
    ("plain", r#"for (let i = 0; i < 3; i++) got(() => CC(`plain ${i}`));"#),
    (
        "choices",
        r#"
        got(() => CC("which?", { choices: ["yes", "no"] }));
        got(() => CC("how many?", { schema: { type: "integer" } }));
        got(() => CC("by then?", { schema: { type: "integer" }, timeoutMs: 20000, default: 7 }));
        "#,
    ),
    (
        "keyed",
        r#"
        for (let i = 0; i < 3; i++) got(() => CC("again?", { key: "k" }));
        got(() => CC("by then?", { key: "x", timeoutMs: 40000, default: "over" }));
        got(() => CC("a number?", { key: "n", schema: { type: "integer" } }));
        "#,
    ),
    (
        "together",
        r#"
        for (let i = 0; i < 2; i++) {
            got(() => CC.all([
                { prompt: "a of 3", timeoutMs: 30000 },
                { prompt: "b of 3", key: "k" },
                { tool: "search", args: { of: 3 }, timeoutMs: 90000, default: "none" },
            ]));
            got(() => CC.all([{ prompt: "alone of 1", key: "x", timeoutMs: 60000 }]));
        }
        "#,
    ),
    (
        "sleeper",
        r#"
        for (let i = 1; i < 3; i++) got(() => sleep(5000 * i));
        got(() => sleepUntil(Date.now() + 60000));
        got(() => CC("awake?"));
        "#,
    ),
    (
        "tools",
        r#"
        got(() => call("search", { n: 1 }, { timeoutMs: 20000, default: "none" }));
        got(() => call("write", { n: 2 }, { timeoutMs: 45000 }));
        got(() => call("search", { n: 3 }));
        "#,
    ),
    (
        "careless",
        r#"
        console.log("got", JSON.stringify(CC("quick?", { timeoutMs: 30000 })));
        console.log("got", JSON.stringify(call("search", { n: 1 })));
        throw new RangeError("at the end");
        "#,
    ),
    (
        "slow",
        r#"
        const list = [];
        for (let i = 0; i < 2; i++) {
            for (let j = 0; j < 150; j++) list[j] = { j, text: "text of " + j, before: list[j] ? list[j].text : null };
            console.log("busy", i);
            const text = got(() => CC("well?"));
            list[7] = { text };
        }
        for (let j = 0; j < 900; j++) list[j % 150].j += j;
        console.log("busy", 2);
        "#,
    ),
];

pub fn programs() -> Vec<Load> {
    SOURCES.iter().map(|(name, source)| program(name, &format!("{PRELUDE}{source}"))).collect()
}

/// The name of one of them; that of the failing one more often.
pub fn pick_name(pick: usize) -> &'static str {
    SOURCES.get(pick % (SOURCES.len() + 2)).map_or("careless", |(name, _)| name)
}

/// Number of calls in the group of this one.
fn group_size(call: &RevisionedDocument) -> usize {
    let of = call.text("request.prompt").rsplit_once(" of ").and_then(|(_, of)| of.parse().ok());
    of.or(call.value("request.args.of").as_u64()).unwrap_or(1) as usize
}

/// The line that a program prints when its calls are closed; `None`: one of them is open.
fn expected_line(calls: &[(&str, &RevisionedDocument)], careless: bool) -> Option<String> {
    let mut values = Vec::new();
    let mut thrown = None;
    for (_, call) in calls {
        match call.text("outcome") {
            "answered" | "defaulted" if call.text("kind") == "timer" => values.push(Json::Null),
            "answered" | "defaulted" => values.push(call.value("response.result").clone()),
            "timed_out" => thrown = thrown.or(Some("TimeoutError")),
            "failed" => thrown = thrown.or(Some(call.value("error.name").as_str().unwrap_or("CallError"))),
            _ => return None,
        }
    }
    let list = calls
        .iter()
        .any(|(_, call)| call.text("request.prompt").contains(" of ") || call.value("request.args.of").is_u64());
    Some(match thrown {
        // The program ends there, and a retry makes the call again.
        Some(_) if careless => return None,
        Some(name) => format!("caught {name}"),
        None if list => format!("got {}", Json::Array(values)),
        None => format!("got {}", values.pop().unwrap_or_default()),
    })
}

/// Checks that an execution printed the results in the rows of its calls, each once and in order.
pub fn output_mismatch(documents: &StoreDump, id: &str, head: &RevisionedDocument) -> Option<String> {
    let careless = head.text("programName") == "careless";
    let calls = documents.calls(id);
    let mut rest = calls.as_slice();
    let mut expected = Vec::new();
    while let Some((_, first)) = rest.first() {
        let Some((group, behind)) = rest.split_at_checked(group_size(first)) else {
            return Some("half a group of calls".into());
        };
        expected.extend(expected_line(group, careless));
        rest = behind;
    }
    let mut printed = documents.output(id);
    printed.retain(|line| !line.starts_with("busy"));
    let behind = expected.len().saturating_sub(printed.len());
    let all = match head.text("state.status") {
        "waiting_cc" | "complete" | "error" => behind == 0,
        // It has not resumed since the last answer.
        "cancelled" | "paused" | "running" => behind <= 1,
        _ => false,
    };
    let wrong = !expected.starts_with(&printed) || !all;
    wrong.then(|| format!("printed {printed:?}, expected {expected:?}"))
}
