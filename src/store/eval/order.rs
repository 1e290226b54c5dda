//! The order of results, and cursors into it.

use crate::id::{hex, unhex};
use crate::schema::{Collection, Query, Sort, keys};
use crate::store::Error;
use crate::value::{Document, Json, get};

/// What a document is sorted by, as bytes (`schema/keys.rs`), one text for each field of the order; a missing field is null.
/// Sort keys compare as the documents do, so an index and a sort of results can never disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(Vec<Vec<u8>>);

impl SortKey {
    /// The key of `document`.
    pub fn of(collection: &Collection, sort: &[Sort], document: &Document) -> Self {
        let field = |sort: &Sort| {
            let value = get(document, &sort.field).unwrap_or(&Json::Null);
            keys::encoded(collection.kind_of(&sort.field), value, sort.direction)
        };
        Self(sort.iter().map(field).collect())
    }

    /// The bytes of its fields.
    pub fn fields(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// The place of one row in an order: its sort key and id. It stays right whatever is written in between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// What the row was sorted by.
    pub key: SortKey,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// As opaque text: the fields in hexadecimal, each followed by a dot, then the id after a colon.
    pub fn to_text(&self) -> String {
        let fields: String = self.key.0.iter().map(|field| hex(field) + ".").collect();
        format!("{fields}:{}", self.id)
    }

    /// The cursor of `query`, where it has one.
    ///
    /// [`Error::InvalidQuery`]: it is no cursor, or one of another order.
    pub fn of(collection: &Collection, query: &Query) -> Result<Option<Self>, Error> {
        let Some(text) = &query.cursor else { return Ok(None) };
        let parsed = Self::parse(text).filter(|cursor| cursor.key.0.len() == query.sort.len());
        let wrong = || super::invalid(collection, "the cursor is not one of this query");
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
    fn a_cursor_survives_its_text() {
        for (fields, id) in [(vec![], "a:b.c"), (vec![vec![]], "x"), (vec![vec![0, 255], vec![16]], "🦀")] {
            let cursor = Cursor { key: SortKey(fields), id: id.to_owned() };
            assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        }
        for bad in ["", "x", "0:a", "zz.:a", "é.:a"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
