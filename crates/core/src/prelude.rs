//! What nearly every file of a domain names: `use runstate::prelude::*`.

pub use runstate_value::time::{Date, Millis, Timestamp};
pub use runstate_value::{Document, Json};
pub use serde::{Deserialize, Serialize};

pub use crate::decision::{
    AnyCommand, Change, Command, Ctx, Decision, DomainQuery, Lifecycle, LoadedEntity, OperationName, Ports, ReadSet,
    Rejection, TypedCommand, View,
};
pub use crate::operation::{Operation, Parameter, Parameters};
pub use crate::schema::{Collection, Entity, Fields, Filter, Key, Query, Wire};

/// What a command returns: a value, or the reason why it is rejected.
pub type Result<T, E = Rejection> = std::result::Result<T, E>;
