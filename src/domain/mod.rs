//! The domains of runstate: one folder per domain, one file per entity. The code is pure: documents and commands in, decisions out.

pub mod cvm;

use crate::schema::{Catalog, CatalogError, Collection};

/// Every collection of every domain.
pub fn catalog() -> Result<Catalog, CatalogError> {
    let collections: Vec<&'static Collection> = cvm::COLLECTIONS.to_vec();
    Catalog::new(&collections)
}
