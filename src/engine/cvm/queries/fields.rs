//! Single fields of documents. What is missing or of another kind is none.

use crate::time::{Millis, Timestamp};
use crate::value::{self, Document, Json};

/// Reads single fields of one document, by their paths.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a Document);

impl Fields<'_> {
    /// A value of any kind, null included.
    pub fn json(self, path: &str) -> Option<Json> {
        value::get(self.0, path).cloned()
    }

    /// A text.
    pub fn text(self, path: &str) -> Option<String> {
        value::get(self.0, path)?.as_str().map(str::to_owned)
    }

    /// A list of texts; what is no text is left out.
    pub fn texts(self, path: &str) -> Vec<String> {
        let list = value::get(self.0, path).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// A number of things.
    pub fn count(self, path: &str) -> Option<u64> {
        value::get(self.0, path)?.as_u64()
    }

    /// A small number: a version, a line.
    pub fn small(self, path: &str) -> Option<u32> {
        u32::try_from(self.count(path)?).ok()
    }

    /// An instant.
    pub fn time(self, path: &str) -> Option<Timestamp> {
        self.whole(path).map(Timestamp::from_millis)
    }

    /// A span.
    pub fn span(self, path: &str) -> Option<Millis> {
        self.whole(path).map(Millis)
    }

    /// A whole number; of a double the nearest one, since stores may answer with doubles.
    pub fn whole(self, path: &str) -> Option<i64> {
        let number = value::get(self.0, path)?;
        // Saturates where it is out of range.
        number.as_i64().or_else(|| number.as_f64().map(|double| double.round() as i64))
    }

    /// A number.
    pub fn double(self, path: &str) -> Option<f64> {
        value::get(self.0, path)?.as_f64()
    }
}
