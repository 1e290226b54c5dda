//! Of many documents that are asked for at once, which are there at all: where most are new, one list of keys takes the place of a request for
//! each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use js_sys::Array;

use super::binding::Request;
use super::bytes::{key, range};
use super::connection::Connection;
use super::faults::Stop;
use super::transaction::{Tx, answered};
use crate::store::tables::window::{Fetched, Wish};
use crate::value::Few;

/// From so many documents of one collection on it is worth a round of its own.
const MANY: usize = 32;

/// The list is no use where others stand between them in such numbers.
const OTHERS: usize = 2;

/// A list of keys that was asked for, and the ids that it is to decide on.
struct List {
    part: usize,
    ids: BTreeSet<Arc<str>>,
    request: Request,
    most: u32,
}

impl Connection {
    /// Takes note of documents that are not there; the wishes that are left.
    pub(super) async fn sift(&self, tx: &Tx, fetched: &mut Fetched, wishes: Vec<Wish>) -> Result<Vec<Wish>, Stop> {
        if wishes.len() < MANY {
            return Ok(wishes);
        }
        let mut ids: Few<usize, BTreeSet<Arc<str>>> = Few::default();
        for wish in &wishes {
            if let Wish::Document { part, id } = wish {
                ids.at(*part).insert(id.clone());
            }
        }
        let mut lists = Vec::new();
        for (part, ids) in ids.into_iter().filter(|(_, ids)| ids.len() >= MANY) {
            lists.extend(self.list(tx, part, ids)?);
        }
        let Some(last) = lists.last() else { return Ok(wishes) };
        answered(&last.request).await?;
        lists.iter().for_each(|list| list.decide(fetched));
        let open = |wish: &Wish| !matches!(wish, Wish::Document { part, id } if fetched.knows(*part, id));
        Ok(wishes.into_iter().filter(open).collect())
    }

    fn list(&self, tx: &Tx, part: usize, ids: BTreeSet<Arc<str>>) -> Result<Option<List>, Stop> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(None) };
        let end = [last.as_bytes(), &[0]].concat();
        let most = u32::try_from(ids.len() * OTHERS).unwrap_or(u32::MAX);
        let readable = self.readable(tx, self.place(part)?)?;
        let request = readable.get_all_keys(&range(first.as_bytes(), Some(&end))?, most)?;
        Ok(Some(List { part, ids, request, most }))
    }
}

impl List {
    fn decide(&self, fetched: &mut Fetched) {
        let keys = Array::from(&self.request.result());
        if keys.length() >= self.most {
            // It ended before the range did.
            return;
        }
        let mut there = BTreeSet::new();
        there.extend(keys.iter().filter_map(|key| key.as_string().map(Arc::<str>::from)));
        for id in self.ids.iter().filter(|id| !there.contains(key(id.as_bytes()).as_str())) {
            fetched.document(self.part, id, None);
        }
    }
}
