//! Opening the database, upgrading it to a catalog, and opening it again after the connection was lost.
//!
//! The database is opened without a version, and its version is raised by one only if something is missing. The browser
//! notifies other connections, which close and open the database again. The wait for them is bounded.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use runstate_core::id::uuid_v7;
use runstate_core::schema::Catalog;
use runstate_store::StoreError;
use runstate_store::feed::timer;
use runstate_value::time::{Millis, Timestamp};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::binding::{IdbDatabase, IdbEvent, IdbFactory, IdbRequest, first_event, global_object, list_strings};
use super::connection::{Connection, DatabaseGuard, DatabaseHandle};
use super::error_mapping::{BrowserError, IndexedDbError, describe_database, full_error};
use super::layout::{DatabaseLayout, META};
use super::transaction::Tx;
use super::upgrade::{create_store, read_layout, read_layout_in, upgrade_to};
use super::{IndexedDb, IndexedDbState};

/// Largest number of upgrade attempts while other tabs also upgrade the database.
const MAX_UPGRADE_ATTEMPTS: usize = 8;

/// The work of the `versionchange` transaction, in which the browser allows a change of object stores.
enum UpgradeAction<'a> {
    /// Create a store if the database is new.
    Create,
    /// Create nothing: the store must exist.
    ExpectStore,
    /// Upgrade this layout to this catalog.
    Migrate(&'a DatabaseLayout, &'a Catalog),
}

impl IndexedDbState {
    /// Returns an open connection, and opens one if there is none.
    pub(super) async fn ensure_connected(&self) -> Result<Rc<Connection>, IndexedDbError> {
        if let Some(connection) = self.current_connection() {
            return Ok(connection);
        }
        let _guard = self.open_lock.lock().await;
        if let Some(connection) = self.current_connection() {
            return Ok(connection);
        }
        let catalog = self.catalog.borrow().clone();
        match self.connect(&catalog).await {
            // Chromium closes a database whose disk is full. It cannot open it again until there is space, and does not
            // report the reason.
            Err(IndexedDbError::Browser(error)) if self.out_of_space.get() && error.is_connection_lost() => {
                Err(full_error(&self.name).into())
            }
            connected => connected,
        }
    }

    /// Changes to another catalog.
    pub(super) async fn migrate(&self, catalog: &Catalog) -> Result<(), IndexedDbError> {
        self.check_open()?;
        let _guard = self.open_lock.lock().await;
        let connection = self.connect(catalog).await?;
        *self.catalog.borrow_mut() = catalog.clone();
        Ok(connection.read_only_reason.clone().map_or(Ok(()), Err)?)
    }

    fn current_connection(&self) -> Option<Rc<Connection>> {
        self.connection.borrow().clone().filter(|connection| !connection.handle.guard.is_lost())
    }

    /// Connects. The caller must hold `open_lock`.
    async fn connect(&self, catalog: &Catalog) -> Result<Rc<Connection>, IndexedDbError> {
        for _ in 0..MAX_UPGRADE_ATTEMPTS {
            let handle = match self.current_connection() {
                Some(connection) => connection.handle.clone(),
                None => self.open_handle().await?,
            };
            let newer = handle.layout.newer_version_error(&self.name, catalog);
            if newer.is_some() || handle.layout.satisfies(catalog) {
                return self.set_connection(handle, catalog, newer);
            }
            self.connection.borrow_mut().take();
            if let Err(error) = self.upgrade(&handle, catalog).await {
                let read_only_reason = read_only_reason(error, &self.name)?;
                return self.set_connection(self.open_handle().await?, catalog, Some(read_only_reason));
            }
        }
        let why = "other tabs keep upgrading it; try again".to_owned();
        Err(StoreError::Unavailable { what: describe_database(&self.name), why }.into())
    }

    fn set_connection(
        &self,
        handle: Rc<DatabaseHandle>,
        catalog: &Catalog,
        read_only_reason: Option<StoreError>,
    ) -> Result<Rc<Connection>, IndexedDbError> {
        if self.closed.get() && self.queue.is_idle() {
            // The store was closed meanwhile, so nothing would close this connection.
            handle.guard.close();
            return Err(StoreError::Closed.into());
        }
        let connection = Rc::new(Connection::new(handle, catalog, read_only_reason)?);
        *self.connection.borrow_mut() = Some(connection.clone());
        Ok(connection)
    }

    async fn open_handle(&self) -> Result<Rc<DatabaseHandle>, IndexedDbError> {
        let id = self.id.borrow().clone();
        let action =
            if id.is_some() || self.options.must_exist { UpgradeAction::ExpectStore } else { UpgradeAction::Create };
        let guard = self.open_database(None, &action).await?;
        let layout = match read_layout(&guard.database).await? {
            Some(layout) => layout,
            None => return self.create_in_empty(guard, &action).await,
        };
        self.adopt_database(guard, layout)
    }

    /// Creates a store in a database that exists and is empty.
    async fn create_in_empty(
        &self,
        guard: DatabaseGuard,
        action: &UpgradeAction<'_>,
    ) -> Result<Rc<DatabaseHandle>, IndexedDbError> {
        let foreign = !list_strings(&guard.database.store_names()).is_empty();
        if foreign || matches!(action, UpgradeAction::ExpectStore) {
            let why = if foreign {
                "it is not a runstate store; choose another name"
            } else {
                "it contains no store; check the name"
            };
            return Err(StoreError::Unavailable { what: describe_database(&self.name), why: why.to_owned() }.into());
        }
        let version = guard.database.version() + 1.0;
        drop(guard);
        let guard = self.open_database(Some(version), action).await?;
        let not_created = || StoreError::Unavailable {
            what: describe_database(&self.name),
            why: "creating a store in it had no effect; reload the page and try again".to_owned(),
        };
        let layout = read_layout(&guard.database).await?.ok_or_else(not_created)?;
        self.adopt_database(guard, layout)
    }

    /// Uses the opened database. Fails if it now contains a different store.
    fn adopt_database(
        &self,
        guard: DatabaseGuard,
        layout: DatabaseLayout,
    ) -> Result<Rc<DatabaseHandle>, IndexedDbError> {
        let mut id = self.id.borrow_mut();
        if id.as_ref().is_some_and(|id| *id != layout.identity.store) {
            return Err(deleted_error(&self.name).into());
        }
        *id = Some(layout.identity.store.clone());
        Ok(Rc::new(DatabaseHandle { guard, layout }))
    }

    /// Raises the version of the database by one, and upgrades it to `catalog`. If another tab was faster, it does
    /// nothing.
    async fn upgrade(&self, handle: &DatabaseHandle, catalog: &Catalog) -> Result<(), IndexedDbError> {
        let version = handle.guard.database.version() + 1.0;
        handle.guard.close();
        match self.open_database(Some(version), &UpgradeAction::Migrate(&handle.layout, catalog)).await {
            Ok(_) => Ok(()),
            Err(IndexedDbError::Browser(error)) if error.is_version_outdated() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn open_database(
        &self,
        version: Option<f64>,
        action: &UpgradeAction<'_>,
    ) -> Result<DatabaseGuard, IndexedDbError> {
        let factory = factory()?;
        let request = match version {
            None => factory.open(&self.name),
            Some(version) => factory.open_version(&self.name, version),
        };
        let request = request?;
        let open_request = OpenRequestGuard { request: &request, ended: Cell::new(false) };
        let mut timeout = timer(self.options.open_timeout);
        let mut blocked = false;
        loop {
            let Some(event) = with_timeout(next_event(&request), &mut timeout).await else {
                return Err(self.open_timeout_error(blocked).into());
            };
            let opened = match event?.kind().as_str() {
                "success" => Ok(DatabaseGuard::new(request.result().unchecked_into())),
                "upgradeneeded" => self.run_upgrade(&request, action).await,
                "blocked" => {
                    blocked = true;
                    continue;
                }
                _ => Err(BrowserError::from(request.error()).into()),
            };
            open_request.ended.set(true);
            return opened;
        }
    }

    /// Does the work of `upgradeneeded`, in the one transaction that may change object stores.
    async fn run_upgrade(
        &self,
        request: &IdbRequest,
        action: &UpgradeAction<'_>,
    ) -> Result<DatabaseGuard, IndexedDbError> {
        let database: IdbDatabase = request.result().unchecked_into();
        let tx = Tx::wrap(request.transaction());
        let upgraded = match action {
            UpgradeAction::Create => create_store(&database, &tx, new_id()?).await,
            UpgradeAction::Migrate(layout, catalog) => self.upgrade_layout(&database, &tx, layout, catalog).await,
            UpgradeAction::ExpectStore if self.id.borrow().is_some() => Err(deleted_error(&self.name).into()),
            UpgradeAction::ExpectStore => {
                let why = "there is no such database in this browser; check the name".to_owned();
                Err(StoreError::Unavailable { what: describe_database(&self.name), why }.into())
            }
        };
        if upgraded.is_err() {
            tx.abort();
        }
        // The event is success, or the error of the aborted upgrade.
        let event = next_event(request).await?;
        match (upgraded, event.kind().as_str()) {
            (Ok(()), "success") => Ok(DatabaseGuard::new(request.result().unchecked_into())),
            (Err(error), _) if !error.is_connection_lost() => Err(error),
            // Other errors say only that the transaction was aborted. The transaction itself has the cause, such as
            // lack of space.
            (upgraded, _) => {
                let aborted = || upgraded.err().unwrap_or_else(|| BrowserError::from(request.error()).into());
                Err(tx.abort_cause().map_or_else(aborted, IndexedDbError::Browser))
            }
        }
    }

    /// Upgrades the given layout, unless another store was created under its name in the meantime.
    async fn upgrade_layout(
        &self,
        database: &IdbDatabase,
        tx: &Tx,
        layout: &DatabaseLayout,
        catalog: &Catalog,
    ) -> Result<(), IndexedDbError> {
        let has_meta = list_strings(&database.store_names()).iter().any(|store| store == META);
        let found = if has_meta { read_layout_in(tx).await? } else { None };
        if found.is_none_or(|found| found.identity.store != layout.identity.store) {
            return Err(deleted_error(&self.name).into());
        }
        upgrade_to(database, tx, layout, catalog).await
    }

    fn open_timeout_error(&self, blocked: bool) -> StoreError {
        let why = if blocked {
            "another tab or window has it open and does not close it; reload or close that tab, then try again"
        } else {
            "the browser does not respond, perhaps because another tab is upgrading it; reload or close other tabs of this page, then try again"
        };
        StoreError::Unavailable { what: describe_database(&self.name), why: why.to_owned() }
    }
}

/// Returns the reason why a database that could not be upgraded is read-only. Fails if it cannot or must not be read.
fn read_only_reason(error: IndexedDbError, name: &str) -> Result<StoreError, IndexedDbError> {
    match error {
        IndexedDbError::Store(damage @ StoreError::Corrupt { .. }) => Ok(damage),
        IndexedDbError::Browser(error) if error.is_out_of_space() => Ok(error.into_error(name)),
        other => Err(other),
    }
}

fn deleted_error(name: &str) -> StoreError {
    let why =
        "it was deleted while it was open, for example with the data of this site; reload to begin with a new store"
            .to_owned();
    StoreError::Unavailable { what: describe_database(name), why }
}

impl IndexedDb {
    /// Returns whether this host has IndexedDB.
    pub fn is_supported() -> bool {
        factory().is_ok()
    }
}

/// Returns the `IDBFactory` of this host.
fn factory() -> Result<IdbFactory, IndexedDbError> {
    let factory = global_object().indexed_db()?;
    if factory.is_null() || factory.is_undefined() {
        let (what, by) = ("a store in IndexedDB".to_owned(), "this host, which has no IndexedDB".to_owned());
        return Err(StoreError::Unsupported { what, by }.into());
    }
    Ok(factory.unchecked_into())
}

fn new_id() -> Result<String, IndexedDbError> {
    let random = runstate_js::random_bytes()?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and far below 2^53")]
    let now = Timestamp::from_millis(js_sys::Date::now() as i64);
    Ok(uuid_v7(now, random))
}

async fn next_event(request: &IdbRequest) -> Result<IdbEvent, BrowserError> {
    let event = first_event(|handler| {
        request.on_success(handler);
        request.on_error(handler);
        request.on_blocked(handler);
        request.on_upgrade(handler);
    });
    Ok(JsFuture::from(event).await?.unchecked_into())
}

/// An open request in flight. If its future is dropped early, no upgrade stays half done and no connection stays open.
struct OpenRequestGuard<'a> {
    request: &'a IdbRequest,
    ended: Cell<bool>,
}

impl Drop for OpenRequestGuard<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            // This aborts an upgrade. Without one there is no transaction, and the call has no effect.
            Tx::wrap(self.request.transaction()).abort();
            spawn_local(abandon(self.request.clone()));
        }
    }
}

/// Closes the result of an abandoned open request, because such a request cannot be cancelled.
async fn abandon(request: IdbRequest) {
    while let Ok(event) = next_event(&request).await {
        match event.kind().as_str() {
            "upgradeneeded" => Tx::wrap(request.transaction()).abort(),
            "blocked" => {}
            "success" => return request.result().unchecked_ref::<IdbDatabase>().close(),
            _ => return,
        }
    }
}

/// Returns the output of `future`, or `None` on a timeout.
async fn with_timeout<T>(
    future: impl Future<Output = T>,
    timeout: &mut (impl Future<Output = ()> + Unpin),
) -> Option<T> {
    let mut future = pin!(future);
    let mut timeout = pin!(timeout);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timeout.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// The default of `open_timeout`.
pub(super) const DEFAULT_OPEN_TIMEOUT: Millis = Millis(5_000);
