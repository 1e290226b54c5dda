//! How deep documents on files may be nested: what was written must be readable.

use crate::schema::Key;
use crate::store::{Batch, Error, Op};
use crate::value::{Document, Json};

/// Deepest nesting of a document, itself included. MongoDB takes 100 levels; the reader of JSON stops at 128, of which a commit's
/// own frame needs some.
pub const DOCUMENT_DEPTH: usize = 100;

/// Refuses documents that would be too deep after `batch`. Costs what the batch holds: what stands there was checked before.
pub fn check_depth(batch: &Batch) -> Result<(), Error> {
    for write in &batch.writes {
        let fits = match &write.op {
            Op::Put { document, .. } => within(document.values(), DOCUMENT_DEPTH - 1),
            Op::Change(difference) => difference.set.iter().all(|(path, value)| {
                DOCUMENT_DEPTH.checked_sub(path.0.len()).is_some_and(|left| within([value].into_iter(), left))
            }),
            Op::Delete => true,
        };
        if !fits {
            return Err(too_deep(&write.key));
        }
    }
    if !within([&batch.result].into_iter(), DOCUMENT_DEPTH) {
        return Err(too_deep(&Key::new(&crate::store::COMMANDS, batch.command.as_str())));
    }
    Ok(())
}

fn too_deep(key: &Key) -> Error {
    Error::Invalid { key: key.clone(), reason: format!("is nested deeper than {DOCUMENT_DEPTH} levels") }
}

/// Whether the values are at most `depth` levels deep; without recursion, so that no value can hurt the check.
fn within<'a>(values: impl Iterator<Item = &'a Json>, depth: usize) -> bool {
    let mut pending: Vec<(&Json, usize)> = values.map(|value| (value, depth)).collect();
    while let Some((value, left)) = pending.pop() {
        let inner: Box<dyn Iterator<Item = &Json>> = match value {
            Json::Array(items) => Box::new(items.iter()),
            Json::Object(map) => Box::new(Document::values(map)),
            _ => continue,
        };
        let Some(left) = left.checked_sub(1) else { return false };
        pending.extend(inner.map(|value| (value, left)));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_levels() {
        let nested = |n: usize| (0..n).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        assert!(within([&nested(5)].into_iter(), 5));
        assert!(!within([&nested(6)].into_iter(), 5));
        assert!(within([&Json::Null].into_iter(), 0));
    }
}
