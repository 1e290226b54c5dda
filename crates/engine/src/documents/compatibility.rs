//! Which declaration may follow which. Documents are never rewritten, and other programs keep the declaration that they
//! know.

use runstate_core::error_code::ErrorCode;
use runstate_value::sort_by;

use super::declaration::{CollectionDeclaration, FieldDeclaration};
use crate::Error;

impl CollectionDeclaration {
    /// The declaration that follows `stored`; `None`: nothing changes.
    ///
    /// Fields, indexes and allowed values may be added. Nothing that stored documents or other programs rely on may
    /// change. A field, an index or expiry may be dropped, but only under a higher version that the caller chose.
    ///
    /// Processes may be preparing the store for `pending`, so no version below it may follow. `is_protected`: this
    /// declaration has no version of its own, and that of `stored` or `pending` was chosen by a program. Then only
    /// `pending` may follow.
    pub(super) fn successor(
        &self,
        stored: &Self,
        pending: Option<&Self>,
        is_protected: bool,
    ) -> Result<Option<Self>, Error> {
        let (name, version) = (&self.collection, stored.version.unwrap_or(1));
        let is_older = |newer: u32| match self.version {
            Some(own) if own < newer => {
                let message = format!(
                    "the collection `{name}` has version {newer}; this program declares version {own}. Use a newer one"
                );
                Err(Error::new(ErrorCode::NEWER_VERSION, message))
            }
            _ => Ok(()),
        };
        is_older(version)?;
        let is_deliberate = self.version > Some(version);
        if !is_deliberate && self.normalized(version) == stored.normalized(version) {
            return Ok(None);
        }
        let is_pending =
            |version| pending.is_some_and(|pending| pending.normalized(version) == self.normalized(version));
        if is_protected && !is_deliberate && !is_pending(version) {
            let newest = pending.and_then(|pending| pending.version).unwrap_or(version);
            let message = format!(
                "the collection `{name}` has version {newest}, which a program chose; this program declares it differently and without a \
                 version. Nothing was changed; use a newer program, or declare a `version` above {newest}"
            );
            return Err(Error::new(ErrorCode::NEWER_VERSION, message));
        }
        let refused = |difference: String, remedy: String| {
            let message = format!(
                "the collection `{name}` is declared differently in version {version}: {difference}. Nothing was changed; {remedy}"
            );
            Err(Error::new(ErrorCode::INVALID, message))
        };
        if let Some(conflict) = self.find_conflict(stored) {
            return refused(conflict, "declare another collection".to_owned());
        }
        match self.find_omission(stored) {
            Some(omission) if !is_deliberate => {
                refused(omission, format!("to drop or change it, declare a `version` above {version}"))
            }
            _ if is_deliberate => {
                is_older(pending.and_then(|pending| pending.version).unwrap_or(0))?;
                Ok(Some(self.normalized(self.version.unwrap_or(version))))
            }
            _ => {
                let last = pending.and_then(|pending| pending.version).unwrap_or(version);
                if is_pending(last) {
                    return Ok(Some(self.normalized(last)));
                }
                let higher = last.checked_add(1).ok_or_else(|| {
                    let message = format!(
                        "the collection `{name}` has the highest version, {last}; it cannot be changed any more"
                    );
                    Error::new(ErrorCode::LIMIT, message)
                })?;
                // A program that keeps its version would find the raised one the next time that it starts, and could
                // not use it.
                match self.version == Some(version) {
                    true => refused(
                        "it has no such field or index".to_owned(),
                        format!("declare a `version` above {version}"),
                    ),
                    false => Ok(Some(self.normalized(higher))),
                }
            }
        }
    }

    /// The first difference from `stored` that no version makes possible.
    fn find_conflict(&self, stored: &Self) -> Option<String> {
        for new in &self.fields {
            let name = &new.name;
            let Some(old) = stored.fields.iter().find(|old| old.name == *name) else {
                if new.required {
                    return Some(format!("it has no field `{name}`, and stored documents may lack a required one"));
                }
                continue;
            };
            if new.kind != old.kind {
                return Some(format!("the kind of `{name}` is `{}`, not `{}`", old.kind.word(), new.kind.word()));
            }
            if new.required && !old.required {
                return Some(format!("the field `{name}` is optional, not required"));
            }
            let lacks_value = old.values.is_empty() || old.values.iter().any(|value| !new.values.contains(value));
            if !new.values.is_empty() && lacks_value {
                return Some(format!("the field `{name}` may have other values"));
            }
            // Stored values are encrypted, or lack the hash by which they are found.
            if old.secret && (new.secret, new.searchable) != (true, old.searchable) {
                return Some(format!(
                    "the field `{name}` is{} secret",
                    if old.searchable { " a searchable" } else { "" }
                ));
            }
            if new.max_bytes.is_some_and(|new| old.max_bytes.is_none_or(|old| new < old)) {
                return Some(format!("values of `{name}` may be larger"));
            }
        }
        let unique = self.indexes.iter().find(|new| new.unique && !stored.indexes.contains(new))?;
        let fields = unique.fields.join(", ");
        Some(format!("it has no unique index on {fields}, and stored documents may have equal entries"))
    }

    /// The first part of `stored` that is not declared any more, or not in the same way.
    fn find_omission(&self, stored: &Self) -> Option<String> {
        let is_dropped = |old: &str| self.fields.iter().all(|new| new.name != old);
        if let Some(field) = stored.fields.iter().find(|old| is_dropped(&old.name)) {
            return Some(format!("it has a field `{}`", field.name));
        }
        if let Some(index) = stored.indexes.iter().find(|old| !self.indexes.contains(old)) {
            return Some(format!("it has another index on {}", index.fields.join(", ")));
        }
        let is_public = |new: &FieldDeclaration| stored.fields.iter().any(|old| old.name == new.name && !old.secret);
        if let Some(field) = self.fields.iter().find(|new| new.secret && is_public(new)) {
            return Some(format!("the field `{}` is not secret", field.name));
        }
        if self.ttl != stored.ttl {
            return Some("its `ttl` differs".to_owned());
        }
        (self.insert_only != stored.insert_only).then(|| format!("its `insertOnly` is {}", stored.insert_only))
    }

    /// The declaration with this version, its fields and indexes in a fixed order.
    pub(super) fn normalized(&self, version: u32) -> Self {
        let mut declaration = Self { version: Some(version), ..self.clone() };
        sort_by(&mut declaration.fields, |a, b| a.name.cmp(&b.name));
        sort_by(&mut declaration.indexes, |a, b| a.fields.cmp(&b.fields));
        declaration
    }
}
