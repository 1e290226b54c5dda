//! Asking: a question is put to the tables, what they lack is read in the same transaction, and the question is put again.

use std::sync::Arc;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{Cursor, Readable, Request};
use super::bytes::{bytes, key};
use super::connection::{Connection, Place};
use super::faults::Stop;
use super::layout::ENTRIES;
use super::results::{Opened, opened};
use super::transaction::{Tx, answered};
use crate::store::tables::window::{Fetched, Looked, Wish};
use crate::store::tables::{Projection, Tables, Way};
use crate::store::{Error, Stored};

/// Rows that are read at once where nothing says how many are wanted.
const FIRST: usize = 128;

/// Most rows that are read at once.
const MOST: usize = 8_192;

/// About so many bytes of documents are read at once at the most.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How much is read at once: twice as much each time, so that long answers take few rounds and short ones little.
pub(super) struct Pace {
    next: usize,
    rows: usize,
    bytes: usize,
}

impl Pace {
    /// `wanted`: so many rows will do, if nothing has to be left out.
    pub(super) fn of(wanted: Option<usize>) -> Self {
        Self { next: wanted.map_or(FIRST, |wanted| wanted.saturating_add(1).min(FIRST)), rows: 0, bytes: 0 }
    }

    fn count(&self) -> u32 {
        let average = self.bytes.checked_div(self.rows).unwrap_or(0).max(1);
        u32::try_from(self.next.clamp(1, MOST).min(MOST_BYTES / average).max(1)).unwrap_or(1)
    }

    fn came(&mut self, rows: usize, bytes: usize) {
        self.next = self.next.saturating_mul(2).min(MOST);
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A wish that was sent to the browser.
struct Sent {
    part: usize,
    request: Request,
    asked: Asked,
}

enum Asked {
    Document(Arc<str>),
    Rows { from: Vec<u8>, to: Option<Vec<u8>>, count: u32 },
}

impl Connection {
    /// Asks a question until all that it needs is read. It may be put several times.
    pub(super) async fn ask<T>(
        &self,
        tx: &Tx,
        fetched: &mut Fetched,
        pace: &mut Pace,
        question: impl Fn(&Tables) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        loop {
            match self.window.look(fetched, || question(&self.tables)) {
                Looked::Answer(answer) => return Ok(answer?),
                Looked::Wish(wish) => self.fetch(tx, fetched, pace, [wish]).await?,
            }
        }
    }

    /// Reads all of these at once.
    pub(super) async fn fetch(
        &self,
        tx: &Tx,
        fetched: &mut Fetched,
        pace: &mut Pace,
        wishes: impl IntoIterator<Item = Wish>,
    ) -> Result<(), Stop> {
        let mut sent = Vec::new();
        for wish in self.sift(tx, fetched, wishes.into_iter().collect()).await? {
            sent.extend(self.send(tx, pace, wish).await?);
        }
        let Some(last) = sent.last() else { return Ok(()) };
        answered(&last.request).await?;
        self.take(tx, fetched, pace, &sent).await
    }

    pub(super) fn place(&self, part: usize) -> Result<&Place, Stop> {
        let gone = || Error::Unavailable { what: format!("part {part}"), why: "there is no such part".to_owned() };
        Ok(self.places.get(part).ok_or_else(gone)?)
    }

    pub(super) fn readable(&self, tx: &Tx, place: &Place) -> Result<Readable, Stop> {
        Ok(match place {
            Place::Documents { collection } => tx.store(collection)?.unchecked_into(),
            Place::Entries { collection, .. } => tx.store(collection)?.index(ENTRIES)?,
        })
    }

    async fn send(&self, tx: &Tx, pace: &Pace, wish: Wish) -> Result<Option<Sent>, Stop> {
        Ok(match wish {
            Wish::Document { part, id } => {
                let readable = self.readable(tx, self.place(part)?)?;
                let request = readable.get(&key(id.as_bytes()))?;
                Some(Sent { part, request, asked: Asked::Document(id) })
            }
            Wish::Rows { part, from, to, way } => {
                let place = self.place(part)?;
                let readable = self.readable(tx, place)?;
                let mut count = pace.count();
                let mut from = from;
                if way == Way::Backward {
                    // The browser reads many forward only: it is looked first how far back they reach.
                    from = back(&readable, place, from, to.as_deref(), count).await?;
                    count = 0;
                }
                let request = readable.get_all(&place.range(&from, to.as_deref())?, count)?;
                Some(Sent { part, request, asked: Asked::Rows { from, to, count } })
            }
        })
    }

    /// Takes in what came.
    async fn take(&self, tx: &Tx, fetched: &mut Fetched, pace: &mut Pace, sent: &[Sent]) -> Result<(), Stop> {
        let lists = Array::new();
        let mut collections = Vec::with_capacity(sent.len());
        for Sent { part, request, asked } in sent {
            let result = request.result();
            lists.push(&match asked {
                Asked::Document(_) if result.is_undefined() => Array::new().into(),
                Asked::Document(_) => Array::of1(&result).into(),
                Asked::Rows { .. } => result,
            });
            collections.push(self.place(*part)?.collection());
        }
        let opened = opened(&lists, &collections);
        for (sent, opened) in sent.iter().zip(opened) {
            let place = self.place(sent.part)?;
            match &sent.asked {
                Asked::Document(id) => fetched.document(sent.part, id, single(place, id, opened)?),
                Asked::Rows { from, to, count } => {
                    let found = match opened.iter().position(Result::is_err) {
                        None => opened.into_iter().flatten().collect::<Vec<_>>(),
                        Some(nth) => return Err(self.damage(tx, sent, nth, opened).await?.into()),
                    };
                    // What it weighs is told by what it weighed in the database, near enough.
                    pace.came(found.len(), found.iter().map(|(_, stored)| weight(stored)).sum());
                    let end = if *count > 0 && found.len() >= *count as usize { None } else { Some(to.clone()) };
                    rows(fetched, sent.part, place, (from, to.as_deref()), end, found)?;
                }
            }
        }
        Ok(())
    }

    /// The damage of a record, under its true name.
    async fn damage(&self, tx: &Tx, sent: &Sent, nth: usize, opened: Vec<Opened>) -> Result<Error, Stop> {
        let place = self.place(sent.part)?;
        let why = opened.into_iter().nth(nth).and_then(Result::err).unwrap_or_default();
        let Asked::Rows { from, to, .. } = &sent.asked else { return Ok(corrupt(place, "", why)) };
        let id = nth_id(&self.readable(tx, place)?, &place.range(from, to.as_deref())?, nth).await?;
        Ok(corrupt(place, &id, why))
    }
}

/// The id under which the `nth` record of a range stands. What a damaged record says of itself is not to be believed.
pub(super) async fn nth_id(readable: &Readable, range: &JsValue, nth: usize) -> Result<String, Stop> {
    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
    let request = readable.get_all_keys(range, nth.saturating_add(1))?;
    let name = Array::from(&answered(&request).await?).get(nth).as_string().unwrap_or_default();
    Ok(id_of(name))
}

/// The id of a document, given the browser's key; the key itself where it is none of ours.
pub(super) fn id_of(key: String) -> String {
    bytes(&key).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(key)
}

/// From which key on there are `count` rows up to the end; `from` where there are fewer.
async fn back(
    readable: &Readable,
    place: &Place,
    from: Vec<u8>,
    to: Option<&[u8]>,
    count: u32,
) -> Result<Vec<u8>, Stop> {
    let request = readable.open_key_cursor(&place.range(&from, to)?, "prev")?;
    let mut found = answered(&request).await?;
    if count > 1 && !found.is_null() {
        found.unchecked_ref::<Cursor>().advance(count - 1)?;
        found = answered(&request).await?;
    }
    if found.is_null() {
        return Ok(from);
    }
    Ok(place.key(&found.unchecked_ref::<Cursor>().key()).unwrap_or(from))
}

fn weight(stored: &Stored) -> usize {
    crate::value::json_bytes(&*stored.document)
}

/// The document that was asked for by its id.
fn single(place: &Place, id: &str, opened: Vec<Opened>) -> Result<Option<Stored>, Error> {
    match opened.into_iter().next() {
        None => Ok(None),
        Some(Ok((found, stored))) if *found == *id => Ok(Some(stored)),
        Some(Ok((found, _))) => Err(corrupt(place, id, format!("what stands there is called {found}"))),
        Some(Err(why)) => Err(corrupt(place, id, why)),
    }
}

/// Takes in rows that came in order. `end`: up to where all are known by that; none: up to the last of them.
fn rows(
    fetched: &mut Fetched,
    part: usize,
    place: &Place,
    (from, to): (&[u8], Option<&[u8]>),
    end: Option<Option<Vec<u8>>>,
    found: Vec<(Arc<str>, Stored)>,
) -> Result<(), Error> {
    let mut last: Option<Vec<u8>> = None;
    for (id, stored) in found {
        let key = match place {
            Place::Documents { .. } => Some(id.as_bytes().to_vec()),
            Place::Entries { projection, .. } => {
                next_key(projection, &id, &stored, last.as_deref().unwrap_or(from), last.is_some())
            }
        };
        let key = key.filter(|key| key.as_slice() >= from && to.is_none_or(|to| key.as_slice() < to));
        let key = key.filter(|key| last.as_ref().is_none_or(|last| key > last));
        let Some(key) = key else {
            let why = "it was found under a key that it does not have".to_owned();
            return Err(corrupt(place, &id, why));
        };
        match place {
            Place::Documents { .. } => fetched.document(part, &id, Some(stored)),
            Place::Entries { documents, .. } => {
                fetched.entry(part, &key, &id);
                fetched.document(*documents, &id, Some(stored));
            }
        }
        last = Some(key);
    }
    let end = match (end, last) {
        (Some(end), _) => end,
        (None, Some(last)) => Some([&last[..], &[0]].concat()),
        (None, None) => to.map(<[u8]>::to_vec),
    };
    match place {
        Place::Documents { .. } => fetched.all_documents(part, from.to_vec(), end),
        Place::Entries { .. } => fetched.all_entries(part, from.to_vec(), end),
    }
    Ok(())
}

/// A document comes once for each of its keys in the range, in the order of the keys: this is the one by which it comes now.
fn next_key(projection: &Projection, id: &str, stored: &Stored, after: &[u8], beyond: bool) -> Option<Vec<u8>> {
    let keys = projection.keys(id, &stored.document).into_iter();
    keys.filter(|key| if beyond { key.as_slice() > after } else { key.as_slice() >= after }).min()
}

fn corrupt(place: &Place, id: &str, why: String) -> Error {
    Error::Corrupt { at: format!("{}/{id}", place.collection()), why }
}

/// The number that a key is; nothing where it is none.
pub(super) fn number(key: &JsValue) -> Option<u64> {
    let number = key.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative, and saturating")]
    Some(number as u64)
}
