//! What runstate knows of the world: one folder a domain, one file an entity. Pure: documents and commands in, decisions out.

pub mod cvm;

use crate::schema::{Catalog, CatalogError, Collection};

/// Every collection of every domain.
pub fn catalog() -> Result<Catalog, CatalogError> {
    let collections: Vec<&'static Collection> = cvm::COLLECTIONS.to_vec();
    Catalog::new(&collections)
}
