//! The fence: one row that stands at the end of the feed. Who goes through it from one end to the next removes the row where it is thought to be
//! and adds it where it will be. There may be one row only, by a unique index over a value that all rows share: so where another
//! was faster the row that is added is one too many, and the browser aborts the whole transaction. That is a comparison and a
//! change in one, with nothing read and nobody waited for.

use js_sys::JSON;
use wasm_bindgen::JsValue;

use super::binding::{Database, ObjectStore};
use super::faults::Stop;
use super::feed::at;
use super::transaction::Tx;

/// The object store of the fence. No collection has such a name.
pub(super) const FENCE: &str = "end";

/// The index that lets one row stand, and the member that it reads.
const ONE: &str = "one";

/// Puts up the fence at the beginning of an empty feed, or at the end of one that had none.
pub(super) fn build(database: &Database, end: u64) -> Result<(), Stop> {
    let store = database.create_store(FENCE)?;
    store.create_index(ONE, ONE, &JSON::parse(r#"{"unique":true}"#)?)?;
    stand(&store, end)
}

/// Moves it from `begun` to `end`. Where it does not stand at `begun` the transaction is aborted.
pub(super) fn pass(tx: &Tx, begun: u64, end: u64) -> Result<(), Stop> {
    let store = tx.store(FENCE)?;
    store.delete(&at(begun))?;
    stand(&store, end)
}

/// Moves it to `end`, wherever it stands, for who has read where the feed ends.
pub(super) fn set(tx: &Tx, end: u64) -> Result<(), Stop> {
    let store = tx.store(FENCE)?;
    store.clear()?;
    stand(&store, end)
}

fn stand(store: &ObjectStore, end: u64) -> Result<(), Stop> {
    let row: JsValue = JSON::parse(r#"{"one":1}"#)?;
    store.add(&row, &at(end))?;
    Ok(())
}
