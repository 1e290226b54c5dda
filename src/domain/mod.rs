//! The domains of runstate: one folder per domain, one file per entity. The code is pure: documents and commands in, decisions out.

#[cfg(feature = "apps")]
mod all;
#[cfg(not(feature = "apps"))]
#[path = "all_without_apps.rs"]
mod all;
#[cfg(feature = "apps")]
pub mod apps;
pub mod cvm;
pub mod orchestration;

pub use all::ALL;

use crate::operation::{Registry, RegistryError};
use crate::schema::Catalog;

/// The collections of every domain of this library.
pub fn catalog() -> Result<Catalog, RegistryError> {
    Ok(Registry::new(ALL)?.catalog().clone())
}
