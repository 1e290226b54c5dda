//! Faults as a test in JavaScript plans them.

use serde::Deserialize;

use super::{Failing, unknown};
use crate::code::Code;
use crate::engine::Error;
use crate::id::CommandId;
use crate::store;
use crate::store::layer::{Fault, Method};
use crate::time::Timestamp;

/// A fault that is to come.
pub(super) struct Planned {
    on: Method,
    nth: u64,
    fault: What,
}

/// As the test says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// The method of the store.
    on: String,
    /// The how-manyth call of it, from 1 and from now.
    nth: u64,
    /// What happens.
    fault: What,
}

/// What happens to a call.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// It never reaches the store.
    Unavailable,
    /// There is no space left.
    Full,
    /// The store carries it out, and the answer is lost.
    Lost,
    /// The process dies before the store is reached.
    DiesBefore,
    /// The process dies when the store has carried it out.
    DiesAfter,
}

impl Planned {
    pub fn read(text: &str) -> Result<Self, Error> {
        let given = |e| Error::new(Code::Usage, format!("the fault that is planned: {e}"));
        let Given { on, nth, fault } = serde_json::from_str(text).map_err(given)?;
        Ok(Self { on: method(&on)?, nth, fault })
    }

    pub fn in_store(&self, store: &Failing) {
        store.plan(self.on, self.nth, self.fault.as_fault());
    }
}

impl What {
    fn as_fault(self) -> Fault {
        let why = || "as the test has planned".to_owned();
        match self {
            Self::Unavailable => Fault::Before(store::Error::Unavailable { what: "the store".to_owned(), why: why() }),
            Self::Full => Fault::Before(store::Error::Full { what: "the store".to_owned() }),
            Self::Lost => {
                // Whoever asks for the outcome asks for that of its own command.
                let command = CommandId::generate(Timestamp::from_millis(0), [0; 10]);
                Fault::After(store::Error::Unknown { command, why: why() })
            }
            Self::DiesBefore => Fault::DieBefore,
            Self::DiesAfter => Fault::DieAfter,
        }
    }
}

/// A method of the store by its name.
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
    known.ok_or_else(|| unknown("method of a store", name, "get, query, aggregate, commit, outcome, changes"))
}
