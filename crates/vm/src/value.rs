//! A value of the machine: sixteen bytes, cheap to copy. A reference points to an entry in the heap.

use std::hash::{Hash, Hasher};

use super::bigint::BigInt;
use super::entry::Entry;
use super::heap::Heap;
use super::natives::Builtin;
use super::text::Str;
use super::work;

/// The address of an entry in the heap: page × 64 + slot. Address 0 never holds an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct HeapRef(pub u32);

impl HeapRef {
    /// Points to nothing.
    pub const NONE: HeapRef = HeapRef(0);
}

/// A value of the language (ECMA-262 §6.1 ECMAScript Language Types), or one of three internal marks that no program
/// can observe.
///
/// The tag takes eight bytes, so that a copy is two words. With a smaller one a copy would be several overlapping
/// moves, which a read that follows at once has to wait for.
#[derive(Clone, Debug)]
#[repr(u64)]
pub enum Value {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as a double.
    Number(f64),
    /// A string of UTF-16 code units.
    Text(Str),
    /// An object, array, function, error, …
    Ref(HeapRef),
    /// A function or namespace of the machine itself.
    Builtin(Builtin),
    /// A symbol.
    Symbol(Symbol),
    /// An integer of any size.
    BigInt(BigInt),
    /// A variable before its declaration ran.
    Uninitialized,
    /// An element that an array does not have.
    Hole,
    /// A property with a getter and a setter: an array of both. Only tables of properties hold it. ECMA-262 §6.1.7.1
    /// Property Attributes.
    Accessor(HeapRef),
}

named_enum! {
    /// A well-known symbol. ECMA-262 §6.1.5.1 Well-Known Symbols; the last two are those of the proposal Explicit
    /// Resource Management.
    #[repr(u8)]
    pub enum WellKnownSymbol {
        /// The key of the method that gives an iterator.
        Iterator = "Symbol.iterator",
        /// The key of the method that gives an async iterator.
        AsyncIterator = "Symbol.asyncIterator",
        /// The key of the method that `instanceof` calls.
        HasInstance = "Symbol.hasInstance",
        /// The key of the method that converts an object to a primitive.
        ToPrimitive = "Symbol.toPrimitive",
        /// The key of the text that `Object.prototype.toString` shows.
        ToStringTag = "Symbol.toStringTag",
        /// The key of the method that ends the use of a resource.
        Dispose = "Symbol.dispose",
        /// The key of the method that ends the use of a resource and returns a promise.
        AsyncDispose = "Symbol.asyncDispose",
    }
}

/// A symbol: a well-known one, or an entry of the heap with its description. ECMA-262 §6.1.5 The Symbol Type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol(u32);

impl Symbol {
    /// `Symbol.iterator`
    pub const ITERATOR: Symbol = Symbol::well_known(WellKnownSymbol::Iterator);
    /// `Symbol.asyncIterator`
    pub const ASYNC_ITERATOR: Symbol = Symbol::well_known(WellKnownSymbol::AsyncIterator);
    /// `Symbol.hasInstance`
    pub const HAS_INSTANCE: Symbol = Symbol::well_known(WellKnownSymbol::HasInstance);
    /// `Symbol.toPrimitive`
    pub const TO_PRIMITIVE: Symbol = Symbol::well_known(WellKnownSymbol::ToPrimitive);
    /// `Symbol.toStringTag`
    pub const TO_STRING_TAG: Symbol = Symbol::well_known(WellKnownSymbol::ToStringTag);

    /// The numbers from here on are those of well-known symbols. A heap has fewer entries.
    const WELL_KNOWN: u32 = 1 << 31;

    /// A well-known symbol.
    #[must_use]
    pub const fn well_known(symbol: WellKnownSymbol) -> Symbol {
        Symbol(Symbol::WELL_KNOWN | symbol as u32)
    }

    /// The symbol of the program at an address.
    pub fn at(at: HeapRef) -> Symbol {
        Symbol(at.0)
    }

    /// The address, unless it is a well-known symbol.
    #[inline]
    pub fn reference(self) -> Option<HeapRef> {
        (self.0 < Symbol::WELL_KNOWN).then_some(HeapRef(self.0))
    }

    /// The well-known symbol that it is.
    pub fn as_well_known(self) -> Option<WellKnownSymbol> {
        WellKnownSymbol::ALL.get(self.0.checked_sub(Symbol::WELL_KNOWN)? as usize).copied()
    }

    /// The description. ECMA-262 §20.4.3.2 Symbol.prototype.description.
    pub fn description(self, heap: &Heap) -> Option<Str> {
        match (self.as_well_known(), heap.get(HeapRef(self.0))) {
            (Some(symbol), _) => Some(Str::new(symbol.name())),
            (None, Entry::Symbol(description)) => description.clone(),
            _ => None,
        }
    }

    /// The name of a function with this key. ECMA-262 §10.2.9 SetFunctionName.
    pub(super) fn function_name(self, heap: &Heap) -> Str {
        self.description(heap).map_or_else(Str::empty, |text| Str::new(&format!("[{text}]")))
    }

    /// The text in messages and in output. ECMA-262 §20.4.3.3.1 SymbolDescriptiveString.
    #[must_use]
    pub fn text(self, heap: &Heap) -> String {
        format!("Symbol({})", self.description(heap).unwrap_or_else(Str::empty))
    }
}

impl From<WellKnownSymbol> for Value {
    fn from(symbol: WellKnownSymbol) -> Value {
        Value::Symbol(Symbol::well_known(symbol))
    }
}

impl Value {
    /// Text from Rust text.
    pub fn text(text: &str) -> Value {
        Value::Text(Str::new(text))
    }

    /// Whether the value is an object or a function.
    #[inline]
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Ref(_) | Value::Builtin(_))
    }

    /// The entry of the heap that the value refers to.
    #[inline]
    pub fn reference(&self) -> Option<HeapRef> {
        match self {
            Value::Ref(at) | Value::Accessor(at) => Some(*at),
            Value::Symbol(symbol) => symbol.reference(),
            _ => None,
        }
    }

    /// Whether the value is truthy. ECMA-262 §7.1.2 ToBoolean.
    #[inline]
    pub fn truthy(&self) -> bool {
        match self {
            Value::Bool(b) => *b,
            Value::Number(n) => !(*n == 0.0 || n.is_nan()),
            Value::Text(text) => !text.is_empty(),
            Value::BigInt(value) => !value.is_zero(),
            Value::Ref(_) | Value::Builtin(_) | Value::Symbol(_) | Value::Accessor(_) => true,
            Value::Undefined | Value::Null | Value::Uninitialized | Value::Hole => false,
        }
    }

    /// Whether the value is a text whose comparison is not free.
    #[inline]
    pub fn is_long_text(&self) -> bool {
        matches!(self, Value::Text(text) if text.len() > work::FREE_UNITS)
    }

    /// `undefined` or `null`.
    #[inline]
    pub fn is_nullish(&self) -> bool {
        matches!(self, Value::Undefined | Value::Null)
    }

    /// `===`. ECMA-262 §7.2.14 IsStrictlyEqual.
    #[inline]
    pub fn strict_equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Ref(a), Value::Ref(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Builtin(a), Value::Builtin(b)) => a == b,
            (Value::Symbol(a), Value::Symbol(b)) => a == b,
            (Value::BigInt(a), Value::BigInt(b)) => a == b,
            (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
            _ => false,
        }
    }

    /// Equality of Map keys and of `includes`: as `===`, but NaN equals itself. ECMA-262 §7.2.10 SameValueZero.
    #[inline]
    pub fn same_value_zero(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a == b || (a.is_nan() && b.is_nan()),
            _ => self.strict_equals(other),
        }
    }

    /// `Object.is`. ECMA-262 §7.2.9 SameValue.
    pub fn same_value(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            _ => self.strict_equals(other),
        }
    }

    /// Replaces the value by a copy. Numbers and references are written field by field, because a copy through memory
    /// waits for the stores before it.
    #[inline]
    pub fn assign(&mut self, source: &Value) {
        match source {
            Value::Number(n) => *self = Value::Number(*n),
            Value::Ref(at) => *self = Value::Ref(*at),
            other => *self = other.clone(),
        }
    }

    /// The value, or `undefined` for a missing element.
    #[inline]
    pub fn or_undefined(self) -> Value {
        match self {
            Value::Hole => Value::Undefined,
            value => value,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(value)
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Value {
        Value::Text(value)
    }
}

/// A value as the key of a table. Keys are equal as in a Map: ECMA-262 §7.2.10 SameValueZero.
#[derive(Clone, Debug)]
pub struct TableKey(pub Value);

impl PartialEq for TableKey {
    #[inline]
    fn eq(&self, other: &TableKey) -> bool {
        self.0.same_value_zero(&other.0)
    }
}

impl Eq for TableKey {}

impl Hash for TableKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash_key(state);
    }
}

impl Value {
    /// The hash of the value as the key of a table, the same on every machine and in every run.
    pub fn key_hash(&self) -> u64 {
        let mut state = KeyHasher::default();
        self.hash_key(&mut state);
        state.finish()
    }

    fn hash_key<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Text(text) => text.hash(state),
            Value::Number(n) if *n == 0.0 => state.write_u64(0),
            Value::Number(n) if n.is_nan() => state.write_u64(1),
            Value::Number(n) => state.write_u64(n.to_bits()),
            Value::Ref(r) | Value::Accessor(r) => state.write_u32(r.0),
            Value::Bool(b) => state.write_u8(u8::from(*b)),
            Value::Builtin(builtin) => state.write_u16(builtin.0),
            Value::Symbol(symbol) => state.write_u32(symbol.0),
            Value::BigInt(value) => value.hash(state),
            Value::Undefined | Value::Null | Value::Uninitialized | Value::Hole => state.write_u8(9),
        }
    }
}

/// A hash function that multiplies and folds eight bytes at a time. It is fast and gives the same hash on every machine
/// and in every run.
#[derive(Default, Clone, Copy)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.write_u64(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Builds [`KeyHasher`]s.
pub type BuildKeyHasher = std::hash::BuildHasherDefault<KeyHasher>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_sixteen_bytes() {
        assert_eq!(std::mem::size_of::<Value>(), 16);
    }

    #[test]
    fn equalities_differ_in_nan_and_zero() {
        let (nan, zero, minus) = (Value::Number(f64::NAN), Value::Number(0.0), Value::Number(-0.0));
        assert!(!nan.strict_equals(&nan) && nan.same_value_zero(&nan) && nan.same_value(&nan));
        assert!(zero.strict_equals(&minus) && zero.same_value_zero(&minus) && !zero.same_value(&minus));
        assert!(!Value::text("1").strict_equals(&Value::Number(1.0)));
    }
}
