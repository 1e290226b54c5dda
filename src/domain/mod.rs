//! The domains of runstate: one folder per domain, one file per entity. The code is pure: documents and commands in, decisions out.

pub mod apps;
pub mod cvm;
pub mod orchestration;

use crate::operation::{Domain, Registry, RegistryError};
use crate::schema::Catalog;

/// Every domain of this library.
pub static ALL: &[&Domain] = &[&cvm::DOMAIN, &orchestration::DOMAIN, &apps::DOMAIN];

/// The collections of every domain of this library.
pub fn catalog() -> Result<Catalog, RegistryError> {
    Ok(Registry::new(ALL)?.catalog().clone())
}
