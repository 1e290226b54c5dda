//! The order of results, and cursors in it.

use crate::id::{hex, unhex};
use crate::schema::{Collection, Query, Sort, keys};
use crate::store::StoreError;
use crate::value::{Document, Json, get};

/// The values by which a document is sorted, as order-preserving bytes (`schema/keys.rs`), one entry per field of the order. A
/// missing field is null. Sort keys compare as index entries do, so an index and a sort of results always agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(Vec<Vec<u8>>);

impl SortKey {
    /// Creates the sort key of `document`.
    pub fn new(collection: &Collection, sort: &[Sort], document: &Document) -> Self {
        let field = |sort: &Sort| {
            let value = get(document, &sort.field).unwrap_or(&Json::Null);
            keys::encode_field(collection.kind_of(&sort.field), value, sort.direction)
        };
        Self(sort.iter().map(field).collect())
    }

    /// Returns the bytes of each field.
    pub fn fields(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// The place of one row in an order: its sort key and id (keyset pagination). Writes between two pages do not invalidate it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The sort key of the row.
    pub key: SortKey,
    /// The id of the row.
    pub id: String,
}

impl Cursor {
    /// Encodes the cursor as opaque text: the fields in hexadecimal, each followed by a dot, then a colon and the id.
    pub fn to_text(&self) -> String {
        let fields: String = self.key.0.iter().map(|field| hex(field) + ".").collect();
        format!("{fields}:{}", self.id)
    }

    /// Returns the cursor of `query`, if it has one.
    ///
    /// [`StoreError::InvalidQuery`]: the text is not a cursor, or is one of another order.
    pub fn from_query(collection: &Collection, query: &Query) -> Result<Option<Self>, StoreError> {
        let Some(text) = &query.cursor else { return Ok(None) };
        let parsed = Self::parse(text).filter(|cursor| cursor.key.0.len() == query.sort.len());
        let wrong = || super::invalid(collection, "the cursor does not belong to this query");
        parsed.map(Some).ok_or_else(wrong)
    }

    fn parse(text: &str) -> Option<Self> {
        let (fields, id) = text.split_once(':')?;
        let fields: Option<Vec<_>> = fields.split_terminator('.').map(unhex).collect();
        Some(Self { key: SortKey(fields?), id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_through_its_text() {
        for (fields, id) in [(vec![], "a:b.c"), (vec![vec![]], "x"), (vec![vec![0, 255], vec![16]], "🦀")] {
            let cursor = Cursor { key: SortKey(fields), id: id.to_owned() };
            assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        }
        for bad in ["", "x", "0:a", "zz.:a", "é.:a"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
