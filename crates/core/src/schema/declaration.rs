//! The declared fields of a struct, computed by the compiler: fields of objects get the path of their object, fields of
//! a state join those of the struct, and a path brings the objects that it leads through. `#[derive(Entity)]` writes
//! the [`Part`]s.

use super::{Field, FieldType, Kind, Presence};

/// One field in a struct or variant, or a type whose fields are stored beside the struct's own.
#[derive(Clone, Copy)]
pub struct Part {
    /// The field itself; `None`: its type's fields are stored at this level.
    field: Option<Field>,
    /// The fields of its type, if that is a struct or enum with stored fields.
    inner: &'static [Field],
    /// The declared ones of `inner`, and whether each is declared optional; `None`: all.
    declared: Option<&'static [(&'static str, bool)]>,
    /// Other variants lack the field.
    optional: bool,
}

impl Part {
    /// A field of type `T`.
    pub const fn field<T: FieldType>(field: Field) -> Self {
        Self { field: Some(field), inner: T::FIELDS, declared: None, optional: false }
    }

    /// The fields of a type that are stored beside the struct's own.
    pub const fn flat(inner: &'static [Field]) -> Self {
        Self { field: None, inner, declared: None, optional: false }
    }

    /// Declares only these fields of the object, each with whether it is declared optional.
    pub const fn declared(mut self, declared: &'static [(&'static str, bool)]) -> Self {
        let mut index = 0;
        while index < declared.len() {
            assert!(
                declares(self.inner, declared[index].0),
                "`declared(…)` names a field that the object does not have"
            );
            index += 1;
        }
        self.declared = Some(declared);
        self
    }

    /// Makes all fields optional, because other variants lack them.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The field of `inner` as this part declares it, without the object's path; `None` if it does not.
    const fn inner_field(&self, index: usize) -> Option<Field> {
        let mut field = self.inner[index];
        let is_object_optional = match &self.field {
            Some(object) => matches!(object.presence, Presence::Optional),
            None => false,
        };
        let mut is_optional = self.optional || is_object_optional;
        if let Some(declared) = self.declared {
            let mut found = false;
            let mut at = 0;
            while at < declared.len() {
                if equal(declared[at].0, field.name) {
                    found = true;
                    is_optional = is_optional || declared[at].1;
                }
                at += 1;
            }
            if !found {
                return None;
            }
        }
        if is_optional && matches!(field.presence, Presence::Required) {
            field.presence = Presence::Optional;
        }
        Some(field)
    }
}

/// Bounds for a [`Declaration`].
#[derive(Clone, Copy)]
pub struct DeclarationSize {
    /// At most this number of fields.
    pub fields: usize,
    /// Bytes of the paths that are composed of an object's path and a field's name.
    pub name_bytes: usize,
}

impl DeclarationSize {
    /// The size for these parts.
    pub const fn new(parts: &[Part]) -> Self {
        let mut size = Self { fields: 0, name_bytes: 0 };
        let mut at = 0;
        while at < parts.len() {
            let part = &parts[at];
            if let Some(field) = &part.field {
                size.fields += steps(field.name);
            }
            let mut index = 0;
            while index < part.inner.len() {
                let name = part.inner[index].name;
                size.fields += steps(name);
                if let Some(object) = &part.field {
                    size.name_bytes += object.name.len() + 1 + name.len();
                }
                index += 1;
            }
            at += 1;
        }
        size
    }

    /// The composed paths, one after the other.
    pub const fn names<const BYTES: usize>(self, parts: &[Part]) -> [u8; BYTES] {
        let mut names = [b'.'; BYTES];
        let (mut at, mut end) = (0, 0);
        while at < parts.len() {
            let mut index = 0;
            while let Some(object) = &parts[at].field
                && index < parts[at].inner.len()
            {
                end = copy(object.name, &mut names, end) + 1;
                end = copy(parts[at].inner[index].name, &mut names, end);
                index += 1;
            }
            at += 1;
        }
        names
    }
}

/// Copies `text` into `bytes` at `start` and returns its end.
const fn copy(text: &str, bytes: &mut [u8], start: usize) -> usize {
    let mut index = 0;
    while index < text.len() {
        bytes[start + index] = text.as_bytes()[index];
        index += 1;
    }
    start + text.len()
}

/// A list of fields, each path once.
pub struct Declaration<const SIZE: usize> {
    fields: [Field; SIZE],
    len: usize,
}

impl<const SIZE: usize> Declaration<SIZE> {
    /// The declaration of these parts. `names` holds the composed paths.
    pub const fn new(parts: &[Part], names: &'static [u8]) -> Self {
        let mut declaration = Self { fields: [Field::json(""); SIZE], len: 0 };
        let mut names = names;
        let mut at = 0;
        while at < parts.len() {
            let part = &parts[at];
            if let Some(mut field) = part.field {
                if part.optional && matches!(field.presence, Presence::Required) {
                    field.presence = Presence::Optional;
                }
                declaration.push(field);
            }
            let mut index = 0;
            while index < part.inner.len() {
                let mut path = part.inner[index].name;
                if let Some(object) = &part.field {
                    let (bytes, rest) = names.split_at(object.name.len() + 1 + path.len());
                    path = match std::str::from_utf8(bytes) {
                        Ok(text) => text,
                        Err(_) => path,
                    };
                    names = rest;
                }
                if let Some(mut field) = part.inner_field(index) {
                    field.name = path;
                    declaration.push(field);
                }
                index += 1;
            }
            at += 1;
        }
        declaration
    }

    /// The fields.
    pub const fn fields(&self) -> &[Field] {
        self.fields.split_at(self.len).0
    }

    /// Adds a field, after the objects on its path. A path that is declared already stays as it is: variants share
    /// fields.
    const fn push(&mut self, field: Field) {
        let bytes = field.name.as_bytes();
        let mut dot = 0;
        while dot < bytes.len() {
            if bytes[dot] == b'.' {
                let mut object = Field::object(field.name.split_at(dot).0);
                object.presence = match field.presence {
                    Presence::Required => Presence::Required,
                    Presence::Optional | Presence::Default(_) => Presence::Optional,
                };
                self.push_one(object);
            }
            dot += 1;
        }
        self.push_one(field);
    }

    const fn push_one(&mut self, field: Field) {
        let mut index = 0;
        while index < self.len {
            let declared = &mut self.fields[index];
            if equal(declared.name, field.name) {
                assert!(declared.kind as u8 == field.kind as u8, "two fields with one path have different kinds");
                // An object with a required field is required.
                if matches!((field.kind, field.presence), (Kind::Object, Presence::Required)) {
                    declared.presence = Presence::Required;
                }
                return;
            }
            index += 1;
        }
        self.fields[self.len] = field;
        self.len += 1;
    }
}

/// Whether `path` is one of the declared fields.
pub const fn declares(fields: &[Field], path: &str) -> bool {
    let mut index = 0;
    while index < fields.len() {
        if equal(fields[index].name, path) {
            return true;
        }
        index += 1;
    }
    false
}

/// The number of names in a path.
const fn steps(path: &str) -> usize {
    let (mut steps, mut index) = (1, 0);
    while index < path.len() {
        steps += (path.as_bytes()[index] == b'.') as usize;
        index += 1;
    }
    steps
}

const fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}
