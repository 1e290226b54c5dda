//! A database of the older CVM in memory: only its documents.

use std::collections::BTreeMap;

use runstate::engine::Error;
use runstate::engine::transfer::legacy::{LegacyDatabase, LegacyDocument, LegacyQuery, LegacyRowKind, LegacyRows};
use runstate::marker::BoxFuture;
use serde_json::Value as Json;

use crate::fixtures::LegacyFixture;

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

    fn query<'a>(&'a self, ask: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>> {
        let all = |rows: &[Json]| -> Vec<LegacyDocument> {
            let id = |row: &Json| row["_id"].as_str().unwrap_or_default().to_owned();
            rows.iter().map(|row| LegacyDocument { id: id(row), document: Ok(row.clone()) }).collect()
        };
        let of = |rows: &[Json], owner: &str| -> Vec<Json> {
            rows.iter().filter(|row| row["executionId"] == owner).cloned().collect()
        };
        let found = match ask {
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
