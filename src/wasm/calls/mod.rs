//! The methods that JavaScript calls by name, with parameters and results as JSON text. One table generates the dispatch and the TypeScript types.
//! Each method is a conversion around a method of the engine.

mod doubt;
mod executions;
pub(super) mod methods;
mod options;
mod programs;
mod queries;
mod store;
mod text;
mod work;

use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::id::CommandId;
use crate::marker::BoxFuture;

pub use doubt::explain_not_found;
pub use executions::*;
pub use options::*;
pub use programs::*;
pub use queries::*;
pub use store::*;
pub(crate) use text::{from_json_text, to_json_text};
pub use work::*;

macro_rules! define_call {
    ($($name:literal $run:path: $params:ty => $result:ty;)+) => {
        /// Calls the method of this name with `params`, a JSON text; returns the result as JSON text. Fails with `usage` if there is no such method,
        /// or if `params` do not fit it.
        pub fn call<'a>(engine: &'a Engine, method: &str, params: &'a str) -> BoxFuture<'a, Result<String, Error>> {
            match method {
                $($name => Box::pin(async move {
                    let result: $result = $run(engine, from_json_text::<$params>($name, params)?).await?;
                    to_json_text(&result)
                }),)+
                other => {
                    let unknown = Error::new(ErrorCode::Usage, format!("`{other}` is not a method of runstate"));
                    Box::pin(std::future::ready(Err(unknown)))
                }
            }
        }

        /// The names of all methods.
        pub const METHODS: &[&str] = &[$($name),+];
    };
}

methods::for_each_method!(define_call);

/// Parses the id that the caller gave a command.
fn parse_command_id(id: Option<&String>) -> Result<Option<CommandId>, Error> {
    Ok(id.map(|id| CommandId::new(id)).transpose()?)
}
