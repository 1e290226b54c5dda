//! A database of the older CVM that is no more than its documents.

use std::collections::BTreeMap;

use runstate::engine::Error;
use runstate::engine::transfer::database::{Ask, Found, OlderDatabase, RowKind, Rows};
use runstate::marker::BoxFuture;
use serde_json::Value as Json;

use crate::fixtures::Data;

pub struct Documents(Data);

impl Documents {
    /// With dates and references as text, as every such database tells them.
    pub fn of(data: Data) -> Self {
        let plain = |rows: Vec<Json>| rows.into_iter().map(plain).collect();
        Self(Data {
            programs: plain(data.programs),
            executions: plain(data.executions),
            cc_history: plain(data.cc_history),
            execution_logs: plain(data.execution_logs),
        })
    }

    fn rows(&self, kind: RowKind) -> &[Json] {
        match kind {
            RowKind::Calls => &self.0.cc_history,
            RowKind::Logs => &self.0.execution_logs,
            RowKind::Output | RowKind::History => &[],
        }
    }

    fn owners(rows: &[Json]) -> Vec<Found> {
        let mut owners = BTreeMap::<String, u64>::new();
        for row in rows {
            *owners.entry(row["executionId"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        owners.into_iter().map(|(id, count)| Found { id, document: Ok(count.into()) }).collect()
    }
}

fn plain(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(plain).collect(),
        Json::Object(map) => match map.get("$oid").or(map.get("$date")) {
            Some(text) => text.clone(),
            None => Json::Object(map.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        },
        other => other,
    }
}

struct Listed(std::vec::IntoIter<Found>);

impl Rows for Listed {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>> {
        let next = self.0.next();
        Box::pin(async move { Ok(next) })
    }
}

impl OlderDatabase for Documents {
    fn name(&self) -> &str {
        "the documents of the test"
    }

    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>> {
        let all = |rows: &[Json]| -> Vec<Found> {
            let id = |row: &Json| row["_id"].as_str().unwrap_or_default().to_owned();
            rows.iter().map(|row| Found { id: id(row), document: Ok(row.clone()) }).collect()
        };
        let of = |rows: &[Json], owner: &str| -> Vec<Json> {
            rows.iter().filter(|row| row["executionId"] == owner).cloned().collect()
        };
        let found = match ask {
            Ask::Programs => all(&self.0.programs),
            Ask::Executions => all(&self.0.executions),
            Ask::Rows(kind, owner) => {
                let mut rows = of(self.rows(kind), owner);
                rows.sort_by_key(|row| row["request"]["timestamp"].as_str().unwrap_or_default().to_owned());
                all(&rows)
            }
            Ask::Owners(kind) => Self::owners(self.rows(kind)),
        };
        Box::pin(async move { Ok(Box::new(Listed(found.into_iter())) as Box<dyn Rows>) })
    }
}
