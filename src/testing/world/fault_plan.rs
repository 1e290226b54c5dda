//! Faults that a test in JavaScript plans.

use serde::Deserialize;

use super::{WorldStore, unknown_name};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::id::CommandId;
use crate::store;
use crate::store::layer::{Fault, Method};
use crate::time::Timestamp;

/// A planned fault.
pub(super) struct WorldFaultPlan {
    on: Method,
    nth: u64,
    fault: WorldFault,
}

/// The parameters that the test passes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultParams {
    /// The method of the store.
    on: String,
    /// The ordinal of the call to that method, from 1, counted from now.
    nth: u64,
    /// The fault.
    fault: WorldFault,
}

/// The effect on a call.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WorldFault {
    /// The call does not reach the store.
    Unavailable,
    /// The store is full.
    Full,
    /// The store performs the call, and the reply is lost.
    Lost,
    /// The process dies before the call reaches the store.
    DiesBefore,
    /// The process dies after the store performed the call.
    DiesAfter,
}

impl WorldFaultPlan {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let given = |e| Error::new(ErrorCode::Usage, format!("cannot parse the planned fault: {e}"));
        let FaultParams { on, nth, fault } = serde_json::from_str(text).map_err(given)?;
        Ok(Self { on: method(&on)?, nth, fault })
    }

    pub fn apply_to(&self, store: &WorldStore) {
        store.plan(self.on, self.nth, self.fault.to_fault());
    }
}

impl WorldFault {
    fn to_fault(self) -> Fault {
        let why = || "planned by the test".to_owned();
        match self {
            Self::Unavailable => {
                Fault::FailBefore(store::StoreError::Unavailable { what: "the store".to_owned(), why: why() })
            }
            Self::Full => Fault::FailBefore(store::StoreError::Full { what: "the store".to_owned() }),
            Self::Lost => {
                // A caller queries the outcome by the id of its own command, not by this one.
                let command = CommandId::generate(Timestamp::from_millis(0), [0; 10]);
                Fault::FailAfter(store::StoreError::UnknownOutcome { command, why: why() })
            }
            Self::DiesBefore => Fault::DieBefore,
            Self::DiesAfter => Fault::DieAfter,
        }
    }
}

/// Finds a method of the store by its name.
pub(super) fn method(name: &str) -> Result<Method, Error> {
    const METHODS: [(&str, Method); 6] = [
        ("get", Method::Get),
        ("query", Method::Query),
        ("aggregate", Method::Aggregate),
        ("commit", Method::Commit),
        ("outcome", Method::Outcome),
        ("changes", Method::Changes),
    ];
    let known = METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method);
    known.ok_or_else(|| unknown_name("method of a store", name, "get, query, aggregate, commit, outcome, changes"))
}
