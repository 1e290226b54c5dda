//! The examples in the older CVM's schema, made coherent, and a database of the older CVM in memory that holds only
//! its documents. The examples are MongoDB's extended JSON, so that they can be read as JSON and written to a server.

use std::collections::BTreeMap;

use runstate::engine::Error;
use runstate::legacy::{LegacyDatabase, LegacyDocument, LegacyQuery, LegacyRowKind, LegacyRows};
use runstate::marker::BoxFuture;
use serde_json::{Value as Json, json};

pub const EMAIL: &str = "65abcdef0000000000000001";
pub const PAIR: &str = "65abcdef0000000000000002";
pub const WAITING: &str = "65abcdef00000000000000a1";
pub const WITH_OPERANDS: &str = "65abcdef00000000000000a2";
pub const RUNNING: &str = "65abcdef00000000000000a3";
pub const COMPLETED: &str = "65abcdef00000000000000a4";
pub const FAILED: &str = "65abcdef00000000000000a5";
pub const OPEN_CALL: &str = "65abcdef00000000000000c2";

/// The documents of each collection.
#[derive(Clone, Debug, Default)]
pub struct LegacyFixture {
    pub programs: Vec<Json>,
    pub executions: Vec<Json>,
    pub cc_history: Vec<Json>,
    pub execution_logs: Vec<Json>,
}

pub fn oid(hex: &str) -> Json {
    json!({ "$oid": hex })
}

pub fn date(text: &str) -> Json {
    json!({ "$date": text })
}

/// `let email = …; const result = CC("Is this email urgent?")` as the older compiler compiled it.
pub fn email_bytecode() -> Json {
    json!([
        {"op": 1, "arg": "Line 1"}, {"op": 7},
        {"op": 1, "arg": "test@example.com"}, {"op": 4, "arg": "email"},
        {"op": 1, "arg": "Is this email urgent?"}, {"op": 6}, {"op": 4, "arg": "result"},
        {"op": 3, "arg": "email"}, {"op": 1, "arg": ": "}, {"op": 5}, {"op": 3, "arg": "result"}, {"op": 5}, {"op": 7},
        {"op": 255}
    ])
}

pub fn email_program() -> Json {
    json!({
        "_id": oid(EMAIL), "name": "email_processor", "description": "Processes emails",
        "source": "function main() {\n  let email = \"test@example.com\";\n  console.log(email + ': ' + CC(\"Is this email urgent?\"));\n}",
        "bytecode": email_bytecode(),
        "metadata": {"version": 1, "compiled": date("2024-01-20T10:00:00Z"), "compiler": "cvm-compiler:1.0"},
        "created": date("2024-01-20T10:00:00Z"), "modified": date("2024-01-20T10:00:00Z"), "tags": ["email", "automation"]
    })
}

/// Operands are below the prompt on the stack: `"Hello" + "World" + CC("and?")`. Its source does not compile here.
pub fn pair_program() -> Json {
    json!({
        "_id": oid(PAIR), "name": "pair", "source": "print Hello . World",
        "bytecode": [
            {"op": 1, "arg": "Hello"}, {"op": 1, "arg": "World"}, {"op": 1, "arg": "and?"}, {"op": 6},
            {"op": 5}, {"op": 5}, {"op": 7}, {"op": 255}
        ],
        "created": date("2024-01-20T10:00:00Z")
    })
}

pub fn waiting_execution() -> Json {
    json!({
        "_id": oid(WAITING), "programId": oid(EMAIL), "programName": "email_processor",
        "state": {
            "pc": 5, "stack": [],
            "scopes": [{"variables": {"email": "test@example.com", "unused": {"deep": [1, 2]}}}],
            "status": "waiting_cc", "output": ["Line 1"]
        },
        "ccWaiting": {"instructionId": 5, "prompt": "Is this email urgent?", "requestedAt": date("2024-01-20T10:00:00Z")},
        "started": date("2024-01-20T10:00:00Z"), "lastModified": date("2024-01-20T10:03:00Z"),
        "metrics": {"instructionsExecuted": 150, "ccCallsCount": 2, "executionTimeMs": 5000}
    })
}

fn execution_with_operands() -> Json {
    json!({
        "_id": oid(WITH_OPERANDS), "programId": oid(PAIR), "programName": "pair",
        "state": {"pc": 3, "stack": ["Hello", "World"], "scopes": [{"variables": {}}], "status": "waiting_cc", "output": []},
        "ccWaiting": {"instructionId": 3, "prompt": "and?", "requestedAt": date("2024-01-20T10:00:00Z")},
        "started": date("2024-01-20T09:00:00Z")
    })
}

/// Answered, and abandoned by the process that resumed it.
fn running_execution() -> Json {
    json!({
        "_id": oid(RUNNING), "programId": oid(EMAIL), "programName": "email_processor",
        "state": {
            "pc": 6, "stack": ["urgent"], "scopes": [{"variables": {"email": "test@example.com"}}],
            "status": "running", "output": ["Line 1"]
        },
        "started": date("2024-01-20T10:00:00Z"), "lastModified": date("2024-01-20T10:03:00Z"),
        "metrics": {"instructionsExecuted": 6, "ccCallsCount": 1, "executionTimeMs": 5}
    })
}

fn completed_execution() -> Json {
    json!({
        "_id": oid(COMPLETED), "programId": oid(EMAIL), "programName": "email_processor",
        "state": {
            "pc": 13, "stack": [], "scopes": [{"variables": {"email": "test@example.com", "result": "urgent", "unused": [1, {"a": null}]}}],
            "status": "complete", "output": ["Line 1", "Line 2"]
        },
        "started": date("2024-01-20T10:00:00Z"), "completed": date("2024-01-20T10:05:00Z"),
        "lastModified": date("2024-01-20T10:05:00Z"),
        "metrics": {"instructionsExecuted": 150, "ccCallsCount": 3, "executionTimeMs": 5000}
    })
}

fn failed_execution() -> Json {
    json!({
        "_id": oid(FAILED), "programId": oid(EMAIL), "programName": "email_processor",
        "state": {"pc": 7, "stack": ["value1", "value2"], "scopes": [{"variables": {"xyz1": 1}}], "status": "error", "output": []},
        "started": date("2024-01-20T10:00:00Z"), "completed": date("2024-01-20T10:05:00Z"),
        "lastModified": date("2024-01-20T10:05:00Z"),
        "error": {
            "message": "Undefined variable: xyz", "line": 10, "instruction": {"op": 3, "arg": "xyz"},
            "stack": ["value1", "value2"], "timestamp": date("2024-01-20T10:05:00Z")
        }
    })
}

fn call(id: &str, execution: &str, at: &str, response: Json) -> Json {
    let mut call = json!({
        "_id": oid(id), "executionId": oid(execution), "programName": "email_processor",
        "request": {"prompt": "Is this email urgent?", "instructionId": 5, "timestamp": date(at)},
        "context": {"pc": 5, "variables": {"email": "URGENT: Server down!"}}
    });
    if !response.is_null() {
        call["response"] = response;
    }
    call
}

/// All documents.
pub fn data() -> LegacyFixture {
    let answered = json!({"result": "yes", "timestamp": date("2024-01-20T10:00:02Z"), "latencyMs": 2000});
    LegacyFixture {
        programs: vec![email_program(), pair_program()],
        executions: vec![
            waiting_execution(),
            execution_with_operands(),
            running_execution(),
            completed_execution(),
            failed_execution(),
        ],
        cc_history: vec![
            call(OPEN_CALL, WAITING, "2024-01-20T10:02:00Z", Json::Null),
            call("65abcdef00000000000000c1", WAITING, "2024-01-20T10:00:00Z", answered.clone()),
            call("65abcdef00000000000000c3", COMPLETED, "2024-01-20T10:00:00Z", answered),
            // Its execution does not exist.
            call("65abcdef00000000000000c4", "65abcdef00000000000000ff", "2024-01-20T10:00:00Z", Json::Null),
        ],
        execution_logs: vec![json!({
            "_id": oid("65abcdef00000000000000d1"), "executionId": oid(WAITING), "timestamp": date("2024-01-20T10:00:00Z"),
            "event": "instruction",
            "details": {
                "pc": 3, "instruction": {"op": 1, "arg": "Hello"}, "stackBefore": [], "stackAfter": ["Hello"], "executionTimeUs": 15
            }
        })],
    }
}

pub struct LegacyFixtureDatabase(LegacyFixture);

impl LegacyFixtureDatabase {
    /// Dates and references become text, as every legacy database returns them.
    pub fn from_extended_json(data: LegacyFixture) -> Self {
        let plain = |rows: Vec<Json>| rows.into_iter().map(plain_json).collect();
        Self(LegacyFixture {
            programs: plain(data.programs),
            executions: plain(data.executions),
            cc_history: plain(data.cc_history),
            execution_logs: plain(data.execution_logs),
        })
    }

    fn rows(&self, kind: LegacyRowKind) -> &[Json] {
        match kind {
            LegacyRowKind::Calls => &self.0.cc_history,
            LegacyRowKind::Logs => &self.0.execution_logs,
            LegacyRowKind::Output | LegacyRowKind::History => &[],
        }
    }

    fn owners(rows: &[Json]) -> Vec<LegacyDocument> {
        let mut owners = BTreeMap::<String, u64>::new();
        for row in rows {
            *owners.entry(row["executionId"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        owners.into_iter().map(|(id, count)| LegacyDocument { id, document: Ok(count.into()) }).collect()
    }
}

fn plain_json(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(plain_json).collect(),
        Json::Object(map) => match map.get("$oid").or(map.get("$date")) {
            Some(text) => text.clone(),
            None => Json::Object(map.into_iter().map(|(name, value)| (name, plain_json(value))).collect()),
        },
        other => other,
    }
}

struct FixtureRows(std::vec::IntoIter<LegacyDocument>);

impl LegacyRows for FixtureRows {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LegacyDocument>, Error>> {
        let next = self.0.next();
        Box::pin(async move { Ok(next) })
    }
}

impl LegacyDatabase for LegacyFixtureDatabase {
    fn name(&self) -> &str {
        "the documents of the test"
    }

    fn query<'a>(&'a self, query: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>> {
        let all = |rows: &[Json]| -> Vec<LegacyDocument> {
            let id = |row: &Json| row["_id"].as_str().unwrap_or_default().to_owned();
            rows.iter().map(|row| LegacyDocument { id: id(row), document: Ok(row.clone()) }).collect()
        };
        let of = |rows: &[Json], owner: &str| -> Vec<Json> {
            rows.iter().filter(|row| row["executionId"] == owner).cloned().collect()
        };
        let found = match query {
            LegacyQuery::Programs => all(&self.0.programs),
            LegacyQuery::Executions => all(&self.0.executions),
            LegacyQuery::Rows(kind, owner) => {
                let mut rows = of(self.rows(kind), owner);
                rows.sort_by_key(|row| row["request"]["timestamp"].as_str().unwrap_or_default().to_owned());
                all(&rows)
            }
            LegacyQuery::Owners(kind) => Self::owners(self.rows(kind)),
        };
        Box::pin(async move { Ok(Box::new(FixtureRows(found.into_iter())) as Box<dyn LegacyRows>) })
    }
}
