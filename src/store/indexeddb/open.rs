//! Opening the database, raising it to what the catalog asks for, and opening it again where the connection was lost.
//!
//! It is opened without naming a version, looked at, and raised by one version only where something is missing; whoever has it open
//! elsewhere is told by the browser, lets go and comes back to what is there then. How long that is waited for is bounded.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::binding::{Database, Event, Factory, Request, first_event, host, random_values, texts};
use super::connection::{Connection, Handle, Link};
use super::faults::{Fault, Stop, what};
use super::layout::{Layout, META};
use super::quota;
use super::transaction::Tx;
use super::upgrade::{create, layout_in, read_layout, turn_over};
use super::{IndexedDb, Inner};
use crate::id::uuid_v7;
use crate::schema::Catalog;
use crate::store::Error;
use crate::store::feed::timer;
use crate::time::{Millis, Timestamp};

/// How often others may change the database between a look at it and a change of ours.
const TRIES: usize = 8;

/// What is done to the database while the browser lets its shape be changed.
enum Change<'a> {
    /// A store is made where there is none.
    Create,
    /// Nothing is made.
    Find,
    /// This layout is made to suit this catalog.
    TurnOver(&'a Layout, &'a Catalog),
}

impl Inner {
    /// A connection that is alive, opened where there is none.
    pub(super) async fn connected(&self) -> Result<Rc<Connection>, Stop> {
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let _turn = self.opening.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let catalog = self.catalog.borrow().clone();
        match self.connect(&catalog).await {
            // Chromium closes a database whose disk is full. Until there is space it cannot open it again and does not say why.
            Err(Stop::Fault(fault)) if self.full.get() && fault.lost() => Err(quota::full(&self.name).into()),
            connected => connected,
        }
    }

    /// Takes another catalog.
    pub(super) async fn migrate(&self, catalog: &Catalog) -> Result<(), Stop> {
        self.usable()?;
        let _turn = self.opening.lock().await;
        let connection = self.connect(catalog).await?;
        *self.catalog.borrow_mut() = catalog.clone();
        Ok(connection.illness.clone().map_or(Ok(()), Err)?)
    }

    fn live(&self) -> Option<Rc<Connection>> {
        self.connection.borrow().clone().filter(|connection| !connection.handle.link.is_lost())
    }

    /// Only by who has the turn to open.
    async fn connect(&self, catalog: &Catalog) -> Result<Rc<Connection>, Stop> {
        for _ in 0..TRIES {
            let handle = match self.live() {
                Some(connection) => connection.handle.clone(),
                None => self.open_handle().await?,
            };
            let newer = handle.layout.newer(&self.name, catalog);
            if newer.is_some() || handle.layout.suits(catalog) {
                return self.connect_to(handle, catalog, newer);
            }
            self.connection.borrow_mut().take();
            if let Err(stop) = self.raise(&handle, catalog).await {
                let illness = lasting(stop, &self.name)?;
                return self.connect_to(self.open_handle().await?, catalog, Some(illness));
            }
        }
        let why = "others keep changing it; try again".to_owned();
        Err(Error::Unavailable { what: what(&self.name), why }.into())
    }

    fn connect_to(
        &self,
        handle: Rc<Handle>,
        catalog: &Catalog,
        illness: Option<Error>,
    ) -> Result<Rc<Connection>, Stop> {
        if self.closed.get() && self.queue.is_idle() {
            // It was closed meanwhile, and nobody would end this one.
            handle.link.end();
            return Err(Error::Closed.into());
        }
        let connection = Rc::new(Connection::new(handle, catalog, illness)?);
        *self.connection.borrow_mut() = Some(connection.clone());
        Ok(connection)
    }

    async fn open_handle(&self) -> Result<Rc<Handle>, Stop> {
        let known = self.id.borrow().clone();
        let change = if known.is_some() || self.options.existing { Change::Find } else { Change::Create };
        let link = self.open_link(None, &change).await?;
        let layout = match read_layout(&link.database).await? {
            Some(layout) => layout,
            None => return self.begin_in(link, &change).await,
        };
        self.take(link, layout)
    }

    /// Makes a store in a database that somebody opened and left empty.
    async fn begin_in(&self, link: Link, change: &Change<'_>) -> Result<Rc<Handle>, Stop> {
        let foreign = !texts(&link.database.store_names()).is_empty();
        if foreign || matches!(change, Change::Find) {
            let why = if foreign {
                "it holds something else than a store; choose another name"
            } else {
                "there is no store in it"
            };
            return Err(Error::Unavailable { what: what(&self.name), why: why.to_owned() }.into());
        }
        let version = link.database.version() + 1.0;
        drop(link);
        let link = self.open_link(Some(version), change).await?;
        let none = || Error::Unavailable { what: what(&self.name), why: "no store could be made in it".to_owned() };
        let layout = read_layout(&link.database).await?.ok_or_else(none)?;
        self.take(link, layout)
    }

    /// Takes what was opened for this store, unless it is another one by now.
    fn take(&self, link: Link, layout: Layout) -> Result<Rc<Handle>, Stop> {
        let mut known = self.id.borrow_mut();
        if known.as_ref().is_some_and(|known| *known != layout.identity.store) {
            return Err(deleted(&self.name).into());
        }
        *known = Some(layout.identity.store.clone());
        Ok(Rc::new(Handle { link, layout }))
    }

    /// Raises the database by one version, and does there what `catalog` asks for. Where another was faster nothing is done.
    async fn raise(&self, handle: &Handle, catalog: &Catalog) -> Result<(), Stop> {
        let version = handle.link.database.version() + 1.0;
        handle.link.end();
        match self.open_link(Some(version), &Change::TurnOver(&handle.layout, catalog)).await {
            Ok(_) => Ok(()),
            Err(Stop::Fault(fault)) if fault.outrun() => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    async fn open_link(&self, version: Option<f64>, change: &Change<'_>) -> Result<Link, Stop> {
        let factory = factory()?;
        let request = match version {
            None => factory.open(&self.name),
            Some(version) => factory.open_version(&self.name, version),
        };
        let request = request?;
        let asked = Asked { request: &request, ended: Cell::new(false) };
        let mut time = timer(self.options.patience);
        let mut blocked = false;
        loop {
            let Some(event) = within(next_event(&request), &mut time).await else {
                return Err(self.held_up(blocked).into());
            };
            let opened = match event?.kind().as_str() {
                "success" => Ok(Link::new(request.result().unchecked_into())),
                "upgradeneeded" => self.change(&request, change).await,
                "blocked" => {
                    blocked = true;
                    continue;
                }
                _ => Err(Fault::from(request.error()).into()),
            };
            asked.ended.set(true);
            return opened;
        }
    }

    /// In the turn of `upgradeneeded`: the one transaction that may change what object stores there are.
    async fn change(&self, request: &Request, change: &Change<'_>) -> Result<Link, Stop> {
        let database: Database = request.result().unchecked_into();
        let tx = Tx::over(request.transaction());
        let changed = match change {
            Change::Create => create(&database, &tx, new_id()?).await,
            Change::TurnOver(layout, catalog) => self.turn_over(&database, &tx, layout, catalog).await,
            Change::Find if self.id.borrow().is_some() => Err(deleted(&self.name).into()),
            Change::Find => {
                let why = "there is no such database in this browser".to_owned();
                Err(Error::Unavailable { what: what(&self.name), why }.into())
            }
        };
        if changed.is_err() {
            tx.abort();
        }
        // Success, or the error that an aborted change ends in.
        let event = next_event(request).await?;
        match (changed, event.kind().as_str()) {
            (Ok(()), "success") => Ok(Link::new(request.result().unchecked_into())),
            (Err(stop), _) if !stop.lost() => Err(stop),
            // That it was aborted is all that the others say; why, as for lack of space, only the transaction does.
            (changed, _) => {
                let aborted = || changed.err().unwrap_or_else(|| Fault::from(request.error()).into());
                Err(tx.cause().map_or_else(aborted, Stop::Fault))
            }
        }
    }

    /// Turns over what was looked at before, unless a store was made anew under its name since then.
    async fn turn_over(&self, database: &Database, tx: &Tx, layout: &Layout, catalog: &Catalog) -> Result<(), Stop> {
        let ours = texts(&database.store_names()).iter().any(|store| store == META);
        let found = if ours { layout_in(tx).await? } else { None };
        if found.is_none_or(|found| found.identity.store != layout.identity.store) {
            return Err(deleted(&self.name).into());
        }
        turn_over(database, tx, layout, catalog).await
    }

    fn held_up(&self, blocked: bool) -> Error {
        let why = if blocked {
            "another tab or window has it open and does not let go; reload that one or close it, then try again"
        } else {
            "the browser does not answer, as while another tab changes it; reload or close other tabs of this page, then try again"
        };
        Error::Unavailable { what: what(&self.name), why: why.to_owned() }
    }
}

/// Why a database that could not be raised can still be read. An error: it cannot, or with this catalog it must not.
fn lasting(stop: Stop, name: &str) -> Result<Error, Stop> {
    match stop {
        Stop::Error(damage @ Error::Corrupt { .. }) => Ok(damage),
        Stop::Fault(fault) if fault.full() => Ok(fault.into_error(name)),
        other => Err(other),
    }
}

fn deleted(name: &str) -> Error {
    let why =
        "it was deleted while it was open, as when the data of this site are cleared; reload to begin anew".to_owned();
    Error::Unavailable { what: what(name), why }
}

impl IndexedDb {
    /// Whether this host has IndexedDB.
    pub(crate) fn is_supported() -> bool {
        factory().is_ok()
    }
}

/// The way in, where this host has one.
fn factory() -> Result<Factory, Stop> {
    let factory = host().indexed_db()?;
    if factory.is_null() || factory.is_undefined() {
        let (what, by) = ("a store in IndexedDB".to_owned(), "this host, which has no IndexedDB".to_owned());
        return Err(Error::Unsupported { what, by }.into());
    }
    Ok(factory.unchecked_into())
}

fn new_id() -> Result<String, Stop> {
    let mut random = [0u8; 10];
    random_values(&mut random)?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and far below 2^53")]
    let now = Timestamp::from_millis(js_sys::Date::now() as i64);
    Ok(uuid_v7(now, random))
}

async fn next_event(request: &Request) -> Result<Event, Fault> {
    let event = first_event(|handler| {
        request.on_success(handler);
        request.on_error(handler);
        request.on_blocked(handler);
        request.on_upgrade(handler);
    });
    Ok(JsFuture::from(event).await?.unchecked_into())
}

/// An open request under way. Whoever lets go of it before its end leaves no upgrade half done and no connection open.
struct Asked<'a> {
    request: &'a Request,
    ended: Cell<bool>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            // Where it upgrades; else there is no transaction, and nothing happens.
            Tx::over(self.request.transaction()).abort();
            spawn_local(abandon(self.request.clone()));
        }
    }
}

/// An open request cannot be taken back: what comes of it late is undone.
async fn abandon(request: Request) {
    while let Ok(event) = next_event(&request).await {
        match event.kind().as_str() {
            "upgradeneeded" => Tx::over(request.transaction()).abort(),
            "blocked" => {}
            "success" => return request.result().unchecked_ref::<Database>().close(),
            _ => return,
        }
    }
}

/// What `future` comes to, unless the time is up before.
async fn within<T>(future: impl Future<Output = T>, time: &mut (impl Future<Output = ()> + Unpin)) -> Option<T> {
    let mut future = pin!(future);
    let mut time = pin!(time);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => time.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// How long others are waited for unless told.
pub(super) const PATIENCE: Millis = Millis(5_000);
