//! Making collections and indexes as a catalog declares them.

use super::{Declarations, Mongo};
use crate::schema::Catalog;
use crate::store::Error;

impl Mongo {
    pub(super) async fn do_migrate(&self, catalog: &Catalog) -> Result<(), Error> {
        self.declare(Declarations::of(catalog));
        Ok(())
    }
}
