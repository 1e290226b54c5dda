//! What callers from JavaScript may ask, by name: parameters come in and results go out as JSON text. One table, from which calls are
//! made and types are described; each method is a conversion around one of the engine's.

mod doubt;
pub(super) mod every;
mod look;
mod options;
mod programs;
mod runs;
mod store;
mod text;
mod work;

use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::id::CommandId;
use crate::marker::BoxFuture;

pub use doubt::doubted;
pub use look::*;
pub use options::*;
pub use programs::*;
pub use runs::*;
pub use store::*;
pub(crate) use text::{read, write};
pub use work::*;

macro_rules! called {
    ($($name:literal $run:path: $params:ty => $result:ty;)+) => {
        /// Does what `method` says with `params`, a JSON text; what it came to, as JSON text. `usage`: there is no such method, or these are no
        /// parameters of it.
        pub fn call<'a>(engine: &'a Engine, method: &str, params: &'a str) -> BoxFuture<'a, Result<String, Error>> {
            match method {
                $($name => Box::pin(async move {
                    let result: $result = $run(engine, read::<$params>($name, params)?).await?;
                    write(&result)
                }),)+
                other => {
                    let unknown = Error::new(Code::Usage, format!("there is no method `{other}`"));
                    Box::pin(std::future::ready(Err(unknown)))
                }
            }
        }

        /// The names of all methods.
        pub const METHODS: &[&str] = &[$($name),+];
    };
}

every::call!(called);

/// The id under which the caller wants a command known.
fn named(id: Option<&String>) -> Result<Option<CommandId>, Error> {
    Ok(id.map(|id| CommandId::new(id)).transpose()?)
}
