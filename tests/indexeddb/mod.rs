//! The store in IndexedDB in a real browser: the same tests in a window and in a dedicated worker.

mod blind;
mod browser;
mod changes;
mod conformance;
mod durability;
mod same;
mod scene;
mod space;
mod trouble;
mod upgrades;
mod verify;

use std::cell::Cell;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::indexeddb::{IndexedDb, Options};
use runstate::store::{Error, Store};

/// A name that no database of this browser has yet.
pub fn name() -> String {
    thread_local! {
        static NEXT: Cell<u32> = const { Cell::new(0) };
    }
    NEXT.set(NEXT.get() + 1);
    format!("test {} {}", js_sys::Date::now() + js_sys::Math::random(), NEXT.get())
}

pub async fn opened(name: &str) -> Result<IndexedDb, Error> {
    IndexedDb::open(name, Options::default()).await
}

/// Opens the database of that name each time it is called, as another tab would.
pub fn again(name: String) -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, Error>> {
    move || {
        let name = name.clone();
        Box::pin(async move { Ok(Arc::new(opened(&name).await?) as Arc<dyn Store>) })
    }
}
