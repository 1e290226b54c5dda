//! All documents of a store, and the invariants that hold at every moment. They follow from the specification alone,
//! and are checked on the stored form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, HEAP_PAGES, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use runstate::engine::{COLLECTIONS as STAGING, STAGED_ROWS};
use runstate::schema::{Collection, Kind, Query};
use runstate::store::{Freshness, Store};
use runstate::testing::{SimClock, block_on};
use runstate::value::{Document, Json};

/// A document with its revision.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionedDocument {
    pub revision: String,
    pub document: Arc<Document>,
}

/// Documents by collection and id.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreDump {
    by_collection: BTreeMap<&'static str, BTreeMap<String, RevisionedDocument>>,
    /// The ids of the rows of each execution, by collection and execution.
    by_execution: BTreeMap<(&'static str, String), Vec<String>>,
}

/// Fields with data of programs and callers, and tokens, which are derived from the time but are not timestamps.
const NOT_TIMESTAMPS: [&str; 9] =
    ["args", "originalArgs", "default", "result", "input", "variables", "details", "state", "token"];

const EXECUTION_COLLECTIONS: [&Collection; 4] = [&OUTPUTS, &HEAP_PAGES, &CC_HISTORY, &EXECUTION_LOGS];

impl RevisionedDocument {
    /// The value at a path of names; null: there is none.
    pub fn value(&self, path: &str) -> &Json {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| self.document.get(name)).unwrap_or(&Json::Null);
        names.fold(first, |value, name| value.get(name).unwrap_or(&Json::Null))
    }

    pub fn text(&self, path: &str) -> &str {
        self.value(path).as_str().unwrap_or_default()
    }

    pub fn number(&self, path: &str) -> Option<i64> {
        self.value(path).as_i64()
    }

    pub fn has(&self, name: &str) -> bool {
        self.document.contains_key(name)
    }

    /// The incarnation of its revision.
    pub fn incarnation(&self) -> &str {
        self.revision.split_once('-').map_or("", |(_, incarnation)| incarnation)
    }
}

impl StoreDump {
    pub fn load(store: &Arc<dyn Store>) -> Self {
        let collections = EXECUTION_COLLECTIONS.into_iter().chain([&EXECUTIONS, &PROGRAMS, &PROGRAM_VERSIONS]);
        let all = collections.chain(STAGING.iter().copied()).map(|of| (of.name, load_rows(store, of)));
        let by_collection: BTreeMap<&'static str, BTreeMap<String, RevisionedDocument>> = all.collect();
        let mut by_execution: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for of in EXECUTION_COLLECTIONS {
            for (id, row) in &by_collection[of.name] {
                by_execution.entry((of.name, row.text("executionId").to_owned())).or_default().push(id.clone());
            }
        }
        Self { by_collection, by_execution }
    }

    /// The rows of an execution in a collection, with their ids.
    fn rows(&self, of: &Collection, execution: &str) -> impl Iterator<Item = (&str, &RevisionedDocument)> {
        let ids = self.by_execution.get(&(of.name, execution.to_owned())).into_iter().flatten();
        ids.map(|id| (id.as_str(), &self.by_collection[of.name][id]))
    }

    pub fn collection(&self, of: &Collection) -> &BTreeMap<String, RevisionedDocument> {
        &self.by_collection[of.name]
    }

    pub fn head(&self, execution: &str) -> Option<&RevisionedDocument> {
        self.collection(&EXECUTIONS).get(execution)
    }

    /// The calls that an execution has made, in their order.
    pub fn calls(&self, execution: &str) -> Vec<(&str, &RevisionedDocument)> {
        let calls = self.rows(&CC_HISTORY, execution).filter(|(_, row)| row.has("request"));
        let mut calls: Vec<(&str, &RevisionedDocument)> = calls.collect();
        calls.sort_by_key(|(_, row)| row.number("step"));
        calls
    }

    /// The output of an execution.
    pub fn output(&self, execution: &str) -> Vec<String> {
        let mut rows: Vec<&RevisionedDocument> = self.rows(&OUTPUTS, execution).map(|(_, row)| row).collect();
        rows.sort_by_key(|row| row.number("seq"));
        let lines = rows.iter().flat_map(|row| row.value("lines").as_array().into_iter().flatten());
        lines.map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// Number of rows of an execution, its head included.
    pub fn row_count(&self, execution: &str) -> usize {
        let rows = EXECUTION_COLLECTIONS.iter().flat_map(|of| self.rows(of, execution));
        rows.count() + usize::from(self.head(execution).is_some())
    }

    /// Number of executions of each status.
    pub fn status_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for head in self.collection(&EXECUTIONS).values() {
            *counts.entry(head.text("state.status").to_owned()).or_default() += 1;
        }
        counts
    }

    /// The violated invariants.
    pub fn violations(&self, settings: &Settings) -> Vec<String> {
        let mut wrong = Vec::new();
        // A turn that is being staged and starts an execution belongs to no execution yet.
        let staged: BTreeSet<&str> =
            self.collection(&STAGED_ROWS).values().flat_map(|record| names(record, "staged")).collect();
        for of in EXECUTION_COLLECTIONS {
            for (id, row) in self.collection(of) {
                let (name, execution) = (format!("{}/{id}", of.name), row.text("executionId"));
                if self.head(execution).is_none() && !staged.contains(name.as_str()) {
                    wrong.push(format!("{name} belongs to nothing: {execution}"));
                }
            }
        }
        for of in [&EXECUTIONS, &CC_HISTORY, &EXECUTION_LOGS, &PROGRAMS, &PROGRAM_VERSIONS] {
            for (id, row) in self.collection(of) {
                let fields = row.document.iter().flat_map(|(name, value)| undeclared_timestamps(of, name, value));
                wrong.extend(fields.map(|field| format!("{}/{id}: {field} is an undeclared timestamp", of.name)));
            }
        }
        for (id, row) in self.collection(&CC_HISTORY) {
            wrong.extend(call_violation(row).map(|violation| format!("call {id}: {violation}: {:?}", row.document)));
        }
        for (id, head) in self.collection(&EXECUTIONS) {
            let found = self.execution_violations(id, head, settings);
            wrong.extend(
                found.into_iter().map(|violation| format!("execution {id}: {violation}: {}", summarize_head(head))),
            );
        }
        wrong
    }

    fn execution_violations(&self, id: &str, head: &RevisionedDocument, settings: &Settings) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, violation: String| {
            if !holds {
                wrong.push(violation);
            }
        };
        let version = |row: &RevisionedDocument| (row.text("programId").to_owned(), row.number("programVersion"));
        let has_version = self.collection(&PROGRAM_VERSIONS).values().any(|row| version(row) == version(head));
        expect(
            has_version && self.collection(&PROGRAMS).contains_key(head.text("programId")),
            "its program is gone".to_owned(),
        );
        if head.has("deleting") {
            expect(head.has("wakeAt") && head.has("completed"), "no process can continue its deletion".to_owned());
            return wrong;
        }
        let calls = self.calls(id);
        let open: Vec<&(&str, &RevisionedDocument)> = calls.iter().filter(|(_, call)| !call.has("outcome")).collect();
        let steps: Vec<i64> = calls.iter().filter_map(|(_, call)| call.number("step")).collect();
        let made = head.number("metrics.ccCallsCount").unwrap_or(-1);
        expect(steps == (1..=made).collect::<Vec<_>>(), format!("{made} calls were made, these have rows: {steps:?}"));
        let (lines, printed) = (self.output(id).len() as i64, head.number("state.outputCount"));
        expect(printed == Some(lines), format!("{lines} lines of {printed:?}"));
        let (pages, referenced) = (self.pages(id), referenced_page_rows(head.value("heap")));
        let staging = STAGING.iter().any(|of| !self.collection(of).is_empty());
        expect(
            pages == referenced || (staging && pages >= referenced),
            format!("{pages} rows of its heap, {referenced} in force"),
        );

        let status = head.text("state.status");
        let deadline = |call: &RevisionedDocument| call.number("request.deadline");
        let first = open.iter().find(|(_, call)| call.text("kind") != "timer");
        let first = first.or(open.iter().min_by_key(|(_, call)| deadline(call))).map_or("", |(id, _)| *id);
        let earliest = open.iter().filter_map(|(_, call)| deadline(call)).min();
        let wake = head.number("wakeAt");
        let (ends, has_time) =
            (head.number("cancelAt").or(head.number("deadline")), head.number("policy.ms").is_some());
        let next = earliest.into_iter().chain(ends).min();
        // The number of open calls, the first of them and the due time, wherever a state keeps them.
        let waits = |inside: &str, due: Option<i64>| {
            let count = head.number(&format!("{inside}ccWaiting.openCalls")).unwrap_or(0);
            count == open.len() as i64
                && (open.is_empty()
                    || (head.text(&format!("{inside}ccWaiting.callId")) == first
                        && head.number(&format!("{inside}wakeAt")) == due))
        };
        let (holds, due) = match status {
            "waiting_cc" => (!open.is_empty() && waits("", next), next),
            // Unpausing begins the time of a policy again.
            "paused" if head.text("pausedFrom.status") == "waiting_cc" => {
                (waits("pausedFrom.", next.filter(|_| !has_time || ends.is_some())), None)
            }
            "paused" => (waits("pausedFrom.open.", earliest), None),
            "running" => {
                (waits("state.open.", earliest), head.number("lastModified").map(|at| at + settings.run_lease.0))
            }
            _ => (open.is_empty(), None),
        };
        expect(holds, format!("it does not say what it waits for: {open:?}"));
        // A process that ran only one slice has handed the execution back: it is due at once.
        let handed_back = status == "running" && wake == head.number("lastModified");
        expect(wake == due || handed_back, format!("it is due at {wake:?}, and should be at {due:?}"));
        expect(head.has("ccWaiting") == (status == "waiting_cc"), "ccWaiting".to_owned());
        expect(head.has("pausedFrom") == (status == "paused"), "pausedFrom".to_owned());
        expect(head.has("completed") == matches!(status, "complete" | "error" | "cancelled"), "completed".to_owned());
        expect(head.has("error") == (status == "error"), "error".to_owned());
        expect(
            !head.has("cancelAt") || !head.has("completed"),
            "it has ended, and has the deadline of a cancel".to_owned(),
        );
        expect(head.has("cancelAt") || !head.has("cancelPending"), "a cancel has no deadline".to_owned());
        let has_flag = |flag: &'static str| open.iter().filter(move |(_, call)| call.has(flag)).map(|(_, call)| *call);
        let queued: Vec<&RevisionedDocument> = has_flag("queued").collect();
        let others = open.iter().map(|(_, call)| *call).filter(|call| call.text("kind") != "timer");
        let others: Vec<_> = others.filter(|call| !call.has("queued") && !call.has("awaitsApproval")).collect();
        let unapproved = if head.number("policy.open").is_some() { has_flag("awaitsApproval").count() } else { 0 };
        let counted = (head.number("queuedCalls").unwrap_or(0), head.number("unapprovedCalls").unwrap_or(0));
        let counts = (queued.len() as i64, unapproved as i64);
        expect(counted == counts, format!("{counts:?} calls are queued or unapproved, it counts {counted:?}"));
        let last = others.iter().map(|call| call.number("step")).max();
        // A call may have to queue after its approval, behind later ones.
        let approves = head.document.get("policy").is_some_and(|policy| policy.get("approve").is_some());
        let is_ordered = approves || last < queued.iter().map(|call| call.number("step")).min();
        let most = head.number("policy.open").unwrap_or(1_000);
        let is_full = others.len() as i64 == most && is_ordered;
        expect(if queued.is_empty() { others.len() as i64 <= most } else { is_full }, format!("its queue: {open:?}"));
        let runs = matches!(status, "running" | "waiting_cc") && !head.has("cancelAt");
        expect(head.has("deadline") == (runs && has_time), "its deadline does not follow from its policy".to_owned());
        wrong
    }

    fn pages(&self, execution: &str) -> usize {
        self.rows(&HEAP_PAGES, execution).count()
    }

    /// Changes since `before` to data that never changes.
    pub fn violations_since(&self, before: &StoreDump) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, then) in before.collection(&CC_HISTORY) {
            let Some(now) = self.collection(&CC_HISTORY).get(id).filter(|now| now.incarnation() == then.incarnation())
            else {
                if self.same_execution(before, then.text("executionId")) {
                    wrong.push(format!("call {id} is gone, and its execution is not"));
                }
                continue;
            };
            let token = |call: &RevisionedDocument| call.number("claim.token").unwrap_or(0);
            // An early answer may be dropped when its call is made. A call that was made and closed never changes.
            let closed = then.has("outcome") && then.has("request");
            if (closed && now != then) || token(now) < token(then) || (then.has("request") && !now.has("request")) {
                wrong.push(format!("call {id} was {:?}, is {:?}", then.document, now.document));
            }
        }
        for (id, then) in before.collection(&EXECUTIONS) {
            let Some(now) = self.head(id).filter(|now| now.incarnation() == then.incarnation()) else { continue };
            let status = then.text("state.status");
            let may_change = match status {
                "complete" | "cancelled" => now.has("deleting"),
                "error" => now.has("deleting") || !then.has("deleting"),
                _ => true,
            };
            let undone = then.has("deleting") && !now.has("deleting");
            if (now != then && !may_change) || undone {
                wrong.push(format!("execution {id} was {}, is {}", summarize_head(then), summarize_head(now)));
            }
        }
        wrong
    }

    /// Whether `execution` is the same one as before, and is not being deleted.
    fn same_execution(&self, before: &StoreDump, execution: &str) -> bool {
        match (before.head(execution), self.head(execution)) {
            (Some(then), Some(now)) => then.incarnation() == now.incarnation() && !now.has("deleting"),
            _ => false,
        }
    }
}

fn call_violation(row: &RevisionedDocument) -> Option<&'static str> {
    let (outcome, timer) = (row.text("outcome"), row.text("kind") == "timer");
    let answered = matches!(outcome, "answered" | "defaulted");
    if !row.has("request") {
        return (outcome != "answered" || !row.has("response") || row.has("availableAt")).then_some("an early answer");
    }
    if row.has("response") != answered {
        return Some("its response does not fit its outcome");
    }
    if outcome == "failed" && !row.has("error") {
        return Some("it has no error");
    }
    if row.has("awaitsApproval") && (!outcome.is_empty() || row.has("approval")) {
        return Some("it awaits an approval");
    }
    if row.has("earlyAnswer") && (outcome == "answered" || row.value("approval.approved") == &Json::Bool(true)) {
        return Some("its early answer is not applied");
    }
    if row.has("queued") && (!outcome.is_empty() || timer) {
        return Some("it is queued");
    }
    let takable = outcome.is_empty() && !timer && !row.has("awaitsApproval") && !row.has("queued");
    (row.has("availableAt") != takable).then_some("whether workers may take it")
}

/// The fields at and below a path that hold a timestamp and are not declared as one. Stores with a type for dates keep
/// them as numbers.
fn undeclared_timestamps(of: &Collection, path: &str, value: &Json) -> Vec<String> {
    if NOT_TIMESTAMPS.contains(&path.rsplit('.').next().unwrap_or(path)) {
        return Vec::new();
    }
    if let Json::Object(fields) = value {
        return fields
            .iter()
            .flat_map(|(name, value)| undeclared_timestamps(of, &format!("{path}.{name}"), value))
            .collect();
    }
    let now = SimClock::default().now().as_millis();
    let is_timestamp = value.as_i64().is_some_and(|number| number >= now);
    let declared = of.fields.iter().any(|field| field.name == path && field.kind == Kind::Timestamp);
    if is_timestamp && !declared { vec![path.to_owned()] } else { Vec::new() }
}

/// The fields of a head that belong to its status.
fn summarize_head(head: &RevisionedDocument) -> String {
    let shown = ["state.status", "ccWaiting", "pausedFrom", "wakeAt", "lastModified", "metrics", "deleting"];
    shown.map(|path| format!("{path} {}", head.value(path))).join(", ")
}

fn names<'a>(record: &'a RevisionedDocument, list: &str) -> impl Iterator<Item = &'a str> {
    record.value(list).as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// Number of heap rows that a head references.
pub fn referenced_page_rows(heap: &Json) -> usize {
    let groups = heap["pages"].as_array().into_iter().flatten().map(|group| group.as_str().unwrap());
    let number = |number: &str| number.parse::<u64>().unwrap();
    let pages = groups.flat_map(|group| group.split(';')).map(|page| page.split(',').map(number).collect());
    let spill = heap.get("spill").map(|text| text.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect());
    let slots = pages.chain(spill).flat_map(|text: Vec<u64>| text.chunks(3).map(|slice| slice[0]).collect::<Vec<_>>());
    let (slots, rows) = (slots.collect::<BTreeSet<u64>>(), heap["rows"].as_array().into_iter().flatten());
    assert_eq!(rows.filter(|row| **row != 0).count(), slots.len());
    slots.len()
}

fn load_rows(store: &Arc<dyn Store>, of: &Collection) -> BTreeMap<String, RevisionedDocument> {
    let page = block_on(store.query(&Query::of(of), Freshness::Linearizable)).unwrap();
    assert!(page.next.is_none());
    let row = |row: runstate::store::Row| {
        let found = RevisionedDocument { revision: row.stored.revision.to_string(), document: row.stored.document };
        (row.id.to_string(), found)
    };
    page.items.into_iter().map(row).collect()
}
