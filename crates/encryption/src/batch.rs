//! The batch that the store below commits: sealed values in place of secrets.

use std::sync::Arc;

use runstate_core::schema::sealed::{is_inside, is_sealed, secrets};
use runstate_core::schema::{Collection, Field, Key};
use runstate_store::{Batch, Freshness, Store, StoreError, Write, WriteOp};
use runstate_value::{Difference, Document, FieldPath, Json, Segment, get};

use super::{Cipher, EncryptedStore, cipher, query, set};

impl EncryptedStore {
    /// Checks the batch by the declarations, which the store below does not know, and seals its secrets.
    pub(super) async fn sealed_batch(&self, batch: &Batch) -> Result<Batch, StoreError> {
        let limits = Store::capabilities(&*self.at_rest).limits();
        batch.validate(&self.catalog(), limits)?;
        let mut sealed = batch.clone();
        for write in &mut sealed.writes {
            let Some(collection) = self.secret_collection(&write.key.collection) else { continue };
            let Some(document) = write.op.document_after().cloned() else { continue };
            let values = secrets(collection).filter_map(|field| Some((field, get(&document, field.name)?)));
            let values: Vec<(&'static Field, &Json)> = values.collect();
            if let Some((field, _)) = values.iter().find(|(_, value)| is_sealed(value)) {
                let why = format!(
                    "its `{}` is still encrypted: the key was missing when it was read. Nothing was written; open the store with that key",
                    field.name
                );
                return Err(StoreError::KeyMissing { at: write.key.to_string(), why });
            }
            match self.cipher() {
                Some(cipher) => seal_write(&cipher, write, &values)?,
                None => self.check_unencrypted(collection, &write.key, &values).await?,
            }
        }
        Ok(sealed)
    }

    /// Refuses to write secrets in plain text beside encrypted ones, or where only hashes find them.
    async fn check_unencrypted(
        &self,
        collection: &'static Collection,
        key: &Key,
        values: &[(&'static Field, &Json)],
    ) -> Result<(), StoreError> {
        if let Some((field, _)) = values.iter().find(|(field, _)| field.searchable) {
            return Err(cipher::missing_hash_key(&key.to_string(), field));
        }
        for (field, _) in values {
            let page = Store::query(&*self.at_rest, &query::any_sealed(collection, field), Freshness::Session).await?;
            if let Some(other) = page.items.first() {
                let why = format!(
                    "its `{}` is secret, and the store was opened without keys, but {}/{} is encrypted. Nothing was written; open the \
                     store with its keys",
                    field.name, collection.name, other.id
                );
                return Err(StoreError::KeyMissing { at: key.to_string(), why });
            }
        }
        Ok(())
    }
}

/// Seals the secret values of a write. A change sets all of them, because each has a new nonce, and perhaps a new key.
fn seal_write(cipher: &Cipher<'_>, write: &mut Write, values: &[(&'static Field, &Json)]) -> Result<(), StoreError> {
    let mut sealed = Vec::with_capacity(values.len());
    for (field, value) in values {
        sealed.push((field.name, cipher.seal(&write.key, field, value)?));
    }
    let seal = |document: &Document| {
        let mut document = document.clone();
        sealed.iter().for_each(|(path, value)| set(&mut document, path, value.clone()));
        Arc::new(document)
    };
    match &mut write.op {
        WriteOp::Put { document, .. } => *document = seal(document),
        WriteOp::Change { difference, after } => {
            *after = seal(after);
            *difference = Arc::new(seal_difference(difference, after, &sealed));
        }
        WriteOp::Delete => {}
    }
    Ok(())
}

fn seal_difference(difference: &Difference, after: &Document, sealed: &[(&'static str, Json)]) -> Difference {
    let paths: Vec<(FieldPath, &str)> = sealed.iter().map(|(path, _)| (field_path(path), *path)).collect();
    let is_inside = |path: &FieldPath| {
        paths.iter().any(|(secret, _)| path.0.len() > secret.0.len() && path.0.starts_with(&secret.0))
    };
    let kept = difference.set.iter().filter(|(path, _)| !is_inside(path));
    let mut set: Vec<(FieldPath, Json)> =
        kept.filter_map(|(path, _)| Some((path.clone(), path.get(after)?.clone()))).collect();
    for ((path, _), (_, value)) in paths.iter().zip(sealed) {
        // The secret itself, or an object around it, is set whole and has the sealed value already.
        if !set.iter().any(|(outer, _)| path.0.starts_with(&outer.0)) {
            set.push((path.clone(), value.clone()));
        }
    }
    let unset = difference.unset.iter().filter(|path| !is_inside(path)).cloned().collect();
    Difference { set, unset }
}

fn field_path(path: &str) -> FieldPath {
    FieldPath(path.split('.').map(|name| Segment::Key(name.to_owned())).collect())
}

/// Encrypts the value of one field of a document that the store below has; `None`: it is under the current key.
pub(super) fn reseal(
    cipher: &Cipher<'_>,
    field: &'static Field,
    key: &Key,
    document: &Document,
) -> Result<Option<Document>, StoreError> {
    let Some(value) = get(document, field.name).filter(|value| !cipher.is_current(value)) else { return Ok(None) };
    let value = if is_sealed(value) { cipher.open(key, field, value)? } else { value.clone() };
    let mut resealed = document.clone();
    set(&mut resealed, field.name, cipher.seal(key, field, &value)?);
    Ok(Some(resealed))
}

/// The secret field that `path` is, is inside of, or contains.
pub(super) fn secret_around(collection: &'static Collection, path: &str) -> Option<&'static Field> {
    secrets(collection).find(|field| is_inside(path, field.name) || is_inside(field.name, path))
}
