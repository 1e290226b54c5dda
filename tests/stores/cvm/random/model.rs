//! The results of callers, and their comparison with the documents. Programs of every kind print the result of each
//! call, and the rows of their calls determine what they must have printed.

use std::collections::BTreeMap;

use runstate::domain::cvm::{CC_HISTORY, ClaimedCall, EXECUTIONS, Load};
use runstate::testing::block_on;
use runstate::time::Timestamp;
use runstate::value::Json;

use super::run::{RETENTION, RandomRun};
use super::step::RandomCommand;
use crate::cvm::documents::{RevisionedDocument, StoreDump};
use crate::cvm::scene::program;

/// An answer that was acknowledged.
pub struct AcknowledgedAnswer {
    pub execution: String,
    incarnation: String,
    call: String,
    answer: Json,
    /// It is an early answer, and may not be valid for its call.
    is_invalid: bool,
}

/// A claim that a worker got.
#[derive(Clone)]
pub struct HeldClaim {
    pub claimed: ClaimedCall,
    incarnation: String,
    until: Timestamp,
    /// No other worker may have the call.
    pub is_exclusive: bool,
}

impl RandomRun {
    fn incarnation(&self, execution: &str) -> String {
        self.documents.head(execution).map_or(String::new(), |head| head.incarnation().to_owned())
    }

    /// Records the result of a caller while another one acted at the same moment.
    pub(super) fn record_raced(&mut self, command: &RandomCommand, result: &Json) {
        let is_gone = |execution: &str| self.documents.head(execution).is_none_or(|head| head.has("deleting"));
        let may_drop = |row: &RevisionedDocument| row.value("request.schema").is_object() && !row.has("outcome");
        let may_have_no_effect = match command {
            RandomCommand::Answer { execution, .. } => is_gone(execution),
            // The answer was early, was not valid for its call, and was dropped.
            RandomCommand::AnswerKey { execution, key, answer, .. } => {
                let rows = self.documents.collection(&CC_HISTORY).values();
                let of: Vec<&RevisionedDocument> =
                    rows.filter(|row| row.text("executionId") == execution && row.text("key") == key).collect();
                let is_stored = of.iter().any(|row| row.value("response.result") == answer);
                is_gone(execution) || (!is_stored && of.into_iter().any(may_drop))
            }
            RandomCommand::Complete { claimed, .. } => is_gone(&claimed.execution),
            RandomCommand::Claim { .. } => {
                let claimed = serde_json::from_value::<ClaimedCall>(result.clone());
                claimed.is_ok_and(|claimed| is_gone(&claimed.execution))
            }
            _ => false,
        };
        if !may_have_no_effect {
            self.record(command, result);
        }
    }

    /// Records the result of a caller.
    pub(super) fn record(&mut self, command: &RandomCommand, result: &Json) {
        match command {
            RandomCommand::Answer { execution, call, answer } => {
                let call = call.clone().unwrap_or_else(|| self.call_answered_with(execution, answer));
                self.acknowledge(execution, call, answer);
            }
            RandomCommand::AnswerKey { execution, answer, .. } => {
                let call = self.call_answered_with(execution, answer);
                self.acknowledge(execution, call, answer);
            }
            RandomCommand::Complete { claimed, answer } => {
                self.end_claim(claimed);
                self.expect_current_claim(claimed);
                self.acknowledge(&claimed.execution, claimed.call.clone(), answer);
            }
            RandomCommand::Fail { claimed, .. } | RandomCommand::Release(claimed) => {
                self.end_claim(claimed);
                self.expect_current_claim(claimed);
            }
            RandomCommand::Heartbeat(claimed) => {
                self.expect_current_claim(claimed);
                let until = result.as_i64().map(Timestamp::from_millis);
                let held = self.held.iter_mut().find(|held| held.claimed == *claimed);
                if let (Some(held), Some(until)) = (held, until) {
                    held.until = until;
                }
            }
            RandomCommand::Claim { .. } => {
                if let Ok(claimed) = serde_json::from_value::<ClaimedCall>(result.clone()) {
                    self.record_claim(claimed);
                }
            }
            _ => {}
        }
    }

    /// The call that has this answer, which was given once.
    fn call_answered_with(&self, execution: &str, answer: &Json) -> String {
        let rows = self.documents.collection(&CC_HISTORY).iter();
        let with: Vec<&String> = rows
            .filter(|(_, row)| row.text("executionId") == execution && row.value("response.result") == answer)
            .map(|(id, _)| id)
            .collect();
        match with.as_slice() {
            [one] => (*one).clone(),
            _ => panic!("{answer} was acknowledged, and is in {with:?}"),
        }
    }

    fn acknowledge(&mut self, execution: &str, call: String, answer: &Json) {
        let incarnation = self.incarnation(execution);
        let row = &self.documents.collection(&CC_HISTORY)[&call];
        let is_early = !row.has("request");
        assert_eq!((row.text("outcome"), row.value("response.result")), ("answered", answer));
        let same = |one: &AcknowledgedAnswer| one.call == call && one.incarnation == incarnation && !one.is_invalid;
        assert!(!self.acknowledged.iter().any(same), "call {call} took two answers");
        self.acknowledged.push(AcknowledgedAnswer {
            execution: execution.to_owned(),
            incarnation,
            call,
            answer: answer.clone(),
            is_invalid: is_early && answer.is_string(),
        });
    }

    fn record_claim(&mut self, claimed: ClaimedCall) {
        let incarnation = self.incarnation(&claimed.execution);
        let now = self.now();
        for other in
            self.held.iter().filter(|held| held.claimed.call == claimed.call && held.incarnation == incarnation)
        {
            assert!(other.claimed.token < claimed.token, "token {} was given before", claimed.token);
            assert!(!other.is_exclusive || other.until <= now, "{claimed:?} was taken from {:?}", other.claimed);
        }
        self.held.push(HeldClaim { until: claimed.until, claimed, incarnation, is_exclusive: true });
    }

    pub(super) fn record_release(&mut self, command: &RandomCommand) {
        if let RandomCommand::Release(claimed) = command {
            self.end_claim(claimed);
        }
    }

    /// A worker whose command was accepted holds the newest claim, on the execution whose call it claimed.
    fn expect_current_claim(&self, claimed: &ClaimedCall) {
        let incarnation = self.incarnation(&claimed.execution);
        let held = self.held.iter().find(|held| held.claimed == *claimed).unwrap();
        assert_eq!(held.incarnation, incarnation, "{claimed:?} is of an execution that is gone");
        let newer = |held: &&HeldClaim| held.claimed.call == claimed.call && held.claimed.token > claimed.token;
        assert_eq!(self.held.iter().find(newer).map(|held| &held.claimed), None, "{claimed:?} was taken over");
    }

    pub(super) fn end_claim(&mut self, claimed: &ClaimedCall) {
        self.held.iter_mut().filter(|held| held.claimed == *claimed).for_each(|held| held.is_exclusive = false);
    }

    /// Acknowledged answers are stored, and no others are; counts agree with the documents.
    pub(super) fn compare_with_documents(&mut self) {
        for one in &self.acknowledged {
            let head = self.documents.head(&one.execution);
            if !head.is_some_and(|head| head.incarnation() == one.incarnation && !head.has("deleting")) {
                continue;
            }
            let row = &self.documents.collection(&CC_HISTORY)[&one.call];
            let kept = (row.text("outcome"), row.value("response.result")) == ("answered", &one.answer);
            let may_be_dropped = one.is_invalid && row.has("request") && row.value("request.schema").is_object();
            assert!(kept || may_be_dropped, "{} was acknowledged, and its row is {row:?}", one.answer);
        }
        let mut seen = Vec::new();
        for (id, row) in self.documents.collection(&CC_HISTORY) {
            let outcome = row.text("outcome");
            if row.has("request") && !outcome.is_empty() {
                seen.push(format!("outcome {outcome}"));
            }
            let head = self.documents.head(row.text("executionId")).unwrap();
            let is_acknowledged = |one: &AcknowledgedAnswer| one.call == *id && one.incarnation == head.incarnation();
            assert!(
                outcome != "answered" || head.has("deleting") || self.acknowledged.iter().any(is_acknowledged),
                "no answer to {id} was acknowledged"
            );
        }
        seen.into_iter().for_each(|outcome| self.count(outcome));
        let cvm = self.process(0).cvm.clone();
        assert_eq!(
            block_on(cvm.engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(),
            self.expected_due(),
            "next due"
        );
        let counted = block_on(cvm.statuses(None)).unwrap();
        let mut statuses = BTreeMap::new();
        for head in self.documents.collection(&EXECUTIONS).values().filter(|head| !head.has("deleting")) {
            *statuses.entry(head.text("state.status").to_owned()).or_insert(0u64) += 1;
        }
        assert_eq!(counted.into_iter().filter(|(_, n)| *n > 0).collect::<BTreeMap<_, _>>(), statuses);
    }

    /// The next due time according to the rules.
    fn expected_due(&self) -> Option<Timestamp> {
        let heads = self.documents.collection(&EXECUTIONS).values();
        let due = |head: &RevisionedDocument| {
            let kept = head.number("completed").filter(|_| !head.has("deleting")).map(|at| at + RETENTION.0);
            head.number("wakeAt").into_iter().chain(head.number("cancelAt")).chain(kept).min()
        };
        heads.filter_map(due).min().map(Timestamp::from_millis)
    }
}

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
        "tasks",
        r#"
        async function one(q, options) {
            try { console.log("got", q, JSON.stringify(await CC(q, options))); } catch (e) { console.log("caught", q, e.name); }
        }
        async function rest(ms) { await sleep(ms); console.log("slept"); }
        const abort = new AbortController();
        async function group() {
            try { console.log("got f", JSON.stringify(await CC.all([{ prompt: "f", timeoutMs: 45000 }, { prompt: "f", key: "x" }]))); }
            catch (e) { console.log("caught f", e.name); }
        }
        const all = Promise.all([one("a"), one("b", { timeoutMs: 30000 }), one("c", { key: "k" }), rest(5000)]);
        await Promise.race([one("d", { timeoutMs: 60000, default: "none" }), one("e", { signal: abort.signal }), rest(90000)]);
        abort.abort();
        for (let i = 0; i < 400; i++) { let text = ""; for (let j = 0; j < 30; j++) text += j; }
        await all;
        const last = group();
        await one("h");
        for (let i = 0; i < 200; i++) { let text = ""; for (let j = 0; j < 30; j++) text += j; }
        await Promise.all([last, one("g"), rest(20000)]);
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
            // A program that is cancelled at once prints nothing more.
            "cancelled" => thrown = thrown.or(Some("CancelledError")),
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

/// Checks that an execution with tasks printed a line for each closed call, and for those of a group together, each
/// once. The order is that of their ends.
fn output_mismatch_of_tasks(documents: &StoreDump, id: &str, head: &RevisionedDocument) -> Option<String> {
    let status = head.text("state.status");
    let (calls, mut printed) = (documents.calls(id), documents.output(id));
    let (mut expected, mut group) = (Vec::new(), Vec::new());
    for call @ (_, row) in &calls {
        let outcome = row.text("outcome");
        match (row.text("request.prompt"), outcome) {
            // The program has aborted it, or the execution was cancelled: at once, or so that the program may notice.
            (prompt, "cancelled") => {
                let names = ["AbortError", "CancelledError"];
                let lines = names.map(|name| format!("caught {prompt} {name}"));
                let at = printed.iter().position(|line| lines.contains(line));
                let is_required = prompt == "e" && status != "cancelled";
                expected.extend((is_required && at.is_none()).then(|| lines[0].clone()));
                at.map(|at| printed.remove(at));
            }
            (_, "") => {}
            ("f", _) => group.push(*call),
            ("", _) => expected.push("slept".to_owned()),
            (prompt, _) => {
                let line = expected_line(&[*call], false)?;
                let (verb, value) = line.split_once(' ').unwrap_or_default();
                expected.push(format!("{verb} {prompt} {value}"));
            }
        }
    }
    if let [_, _] = group.as_slice() {
        let line = expected_line(&group, false)?;
        let (verb, value) = line.split_once(' ').unwrap_or_default();
        let value = if verb == "got" { list_of_answers(&group) } else { value.to_owned() };
        expected.push(format!("{verb} f {value}"));
    }
    // One of the group has failed, and the other one was cancelled with the execution.
    let is_cut = calls.iter().any(|(_, row)| row.text("request.prompt") == "f" && row.text("outcome") == "cancelled");
    if let ([failed], true) = (group.as_slice(), is_cut) {
        let line = expected_line(&[*failed], false)?.replacen(' ', " f ", 1);
        expected.extend(printed.contains(&line).then_some(line));
    }
    let mut left = expected.clone();
    let unexpected: Vec<&String> = printed
        .iter()
        .filter(|line| match left.iter().position(|one| one == *line) {
            Some(at) => {
                left.remove(at);
                false
            }
            None => true,
        })
        .collect();
    // A paused program, or one that has more to run, prints the results of closed calls later.
    let may_be_behind = matches!(status, "cancelled" | "paused" | "running");
    let differs = !unexpected.is_empty() || (!may_be_behind && !left.is_empty());
    differs.then(|| format!("printed {printed:?}, expected {expected:?} in any order"))
}

fn list_of_answers(calls: &[(&str, &RevisionedDocument)]) -> String {
    Json::Array(calls.iter().map(|(_, call)| call.value("response.result").clone()).collect()).to_string()
}

/// Checks that an execution printed the results in the rows of its calls, each once and in order.
pub fn output_mismatch(documents: &StoreDump, id: &str, head: &RevisionedDocument) -> Option<String> {
    if head.text("programName") == "tasks" {
        return output_mismatch_of_tasks(documents, id, head);
    }
    let careless = head.text("programName") == "careless";
    let calls = documents.calls(id);
    let mut remaining = calls.as_slice();
    let mut expected = Vec::new();
    while let Some((_, first)) = remaining.first() {
        let Some((group, behind)) = remaining.split_at_checked(group_size(first)) else {
            return Some("half a group of calls".into());
        };
        expected.extend(expected_line(group, careless));
        remaining = behind;
    }
    let mut printed = documents.output(id);
    printed.retain(|line| !line.starts_with("busy"));
    // A program that computes when it is cancelled notices at its next call, which is not opened.
    let notices = printed.len() > expected.len() && !head.value("cancelAt").is_null();
    expected.extend(notices.then(|| "caught CancelledError".to_owned()));
    let behind = expected.len().saturating_sub(printed.len());
    let is_complete = match head.text("state.status") {
        "waiting_cc" | "complete" | "error" => behind == 0,
        // It has not resumed since the last answer.
        "cancelled" | "paused" | "running" => behind <= 1,
        _ => false,
    };
    let differs = !expected.starts_with(&printed) || !is_complete;
    differs.then(|| format!("printed {printed:?}, expected {expected:?}"))
}
