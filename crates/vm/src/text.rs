//! Strings as JavaScript has them: sequences of UTF-16 code units, lone surrogates included. ECMA-262 §6.1.4 The String
//! Type.
//!
//! A long concatenation is a rope, which the first read of its units flattens. Building a string in a loop is therefore
//! not quadratic. Search, case conversion and splitting are in `natives/string.rs`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::work;

/// Bytes that fit into the node.
const SHORT_LEN: usize = 22;

/// A concatenation below this length is copied at once: a rope of tiny pieces costs more than it saves.
const COPY_BELOW: usize = 128;

/// Bytes of a text's node, including the overhead of the allocator.
const NODE_BYTES: u64 = 64;

/// Bytes of the node of a concatenation, including its rope.
pub const ROPE_BYTES: u64 = 2 * NODE_BYTES;

/// Needles up to this length are searched for by comparing at every position.
const NAIVE_SEARCH_MAX: usize = 32;

/// An immutable JavaScript string.
#[derive(Clone)]
pub struct Str(Arc<StrNode>);

struct StrNode {
    len: u32,
    /// [`saved_bytes`] of the units; 0 for short texts.
    saved: u32,
    /// Whether a unit is above U+00FF.
    wide: bool,
    body: StrBody,
}

enum StrBody {
    Flat(FlatStr),
    Rope(Box<Rope>),
}

struct Rope {
    flat: OnceLock<FlatStr>,
    /// The two halves until `flat` is set.
    parts: Mutex<Option<(Str, Str)>>,
}

enum FlatStr {
    Short(u8, [u8; SHORT_LEN]),
    Latin(Box<[u8]>),
    /// Holds at least one unit above U+00FF. Each text thus has one form, and forms can be compared.
    Wide(Box<[u16]>),
}

/// The code units of a text in the narrowest form that can hold them.
#[derive(Clone, Copy)]
pub enum Units<'a> {
    /// All units are below 256.
    Latin(&'a [u8]),
    /// At least one unit is 256 or above.
    Wide(&'a [u16]),
}

impl Str {
    /// The text without units.
    pub fn empty() -> Str {
        static EMPTY: OnceLock<Str> = OnceLock::new();
        EMPTY.get_or_init(|| Str::from_flat(FlatStr::Short(0, [0; SHORT_LEN]))).clone()
    }

    /// Text of one unit.
    pub fn single(unit: u16) -> Str {
        static SINGLES: OnceLock<Vec<Str>> = OnceLock::new();
        let singles = SINGLES.get_or_init(|| (0..=255u8).map(|b| Str::from_flat(short_flat(&[b]))).collect());
        match singles.get(usize::from(unit)) {
            Some(text) => text.clone(),
            None => Str::from_flat(FlatStr::Wide(Box::new([unit]))),
        }
    }

    /// Text from Rust text.
    pub fn new(text: &str) -> Str {
        if text.is_ascii() {
            return Str::from_latin(text.as_bytes());
        }
        Str::from_units(&text.encode_utf16().collect::<Vec<u16>>())
    }

    /// Text from units below 256.
    pub fn from_latin(bytes: &[u8]) -> Str {
        match bytes {
            [] => Str::empty(),
            [one] => Str::single(u16::from(*one)),
            _ if bytes.len() <= SHORT_LEN => Str::from_flat(short_flat(bytes)),
            _ => Str::from_flat(FlatStr::Latin(bytes.into())),
        }
    }

    /// Text from units below 256, taking the buffer.
    pub fn from_latin_vec(bytes: Vec<u8>) -> Str {
        if bytes.len() <= SHORT_LEN {
            Str::from_latin(&bytes)
        } else {
            Str::from_flat(FlatStr::Latin(bytes.into_boxed_slice()))
        }
    }

    /// Text from any units.
    pub fn from_units(units: &[u16]) -> Str {
        if units.iter().all(|u| *u < 256) {
            return Str::from_latin_vec(units.iter().map(|u| *u as u8).collect());
        }
        Str::from_flat(FlatStr::Wide(units.into()))
    }

    fn from_flat(flat: FlatStr) -> Str {
        let (len, saved, wide) = match &flat {
            FlatStr::Short(len, _) => (u32::from(*len), 0, false),
            FlatStr::Latin(bytes) => (bytes.len() as u32, saved_bytes(Units::Latin(bytes)), false),
            FlatStr::Wide(units) => (units.len() as u32, saved_bytes(Units::Wide(units)), true),
        };
        Str(Arc::new(StrNode { len, saved, wide, body: StrBody::Flat(flat) }))
    }

    /// Whether the units fit into the node.
    #[inline]
    pub fn is_short(&self) -> bool {
        matches!(self.0.body, StrBody::Flat(FlatStr::Short(..)))
    }

    /// Bytes of the text in a snapshot: at most nine per unit, and equal for a rope and its flat form.
    fn saved_len(&self) -> u32 {
        match &self.0.body {
            StrBody::Flat(FlatStr::Short(len, bytes)) => {
                saved_bytes(Units::Latin(bytes.get(..usize::from(*len)).unwrap_or(bytes)))
            }
            _ => self.0.saved,
        }
    }

    /// Weight of the text: its node, and the larger of its units in memory and in a snapshot.
    #[inline]
    pub fn weight(&self) -> u64 {
        let len = u64::from(self.0.len);
        let units = match self.0.wide {
            true => 2 * len,
            false if len <= SHORT_LEN as u64 => 0,
            false => len,
        };
        NODE_BYTES + units.max(self.0.saved.into())
    }

    /// Number of units.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len as usize
    }

    /// Whether there are no units.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Whether both are the same allocation.
    #[inline]
    pub fn ptr_eq(&self, other: &Str) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The units. The first call flattens a rope.
    #[inline]
    pub fn units(&self) -> Units<'_> {
        match &self.0.body {
            StrBody::Flat(flat) => flat.units(),
            StrBody::Rope(rope) => match rope.flat.get() {
                Some(flat) => flat.units(),
                None => self.flatten(rope),
            },
        }
    }

    /// Releases the parts of a concatenation. A text that is appended to repeatedly would otherwise keep a node for
    /// each part.
    pub fn release_parts(&self) {
        if let StrBody::Rope(rope) = &self.0.body
            && rope.flat.get().is_none()
        {
            self.flatten(rope);
        }
    }

    #[cold]
    fn flatten<'a>(&self, rope: &'a Rope) -> Units<'a> {
        let flat = rope.flat.get_or_init(|| {
            work::count_joined(self.len());
            if self.0.wide {
                let mut out: Vec<u16> = Vec::with_capacity(self.len());
                rope.visit_leaves(|units| units.append_to(&mut out));
                FlatStr::Wide(out.into_boxed_slice())
            } else {
                let mut out: Vec<u8> = Vec::with_capacity(self.len());
                rope.visit_leaves(|units| {
                    if let Units::Latin(bytes) = units {
                        out.extend_from_slice(bytes);
                    }
                });
                FlatStr::Latin(out.into_boxed_slice())
            }
        });
        drop(rope.take_parts());
        flat.units()
    }

    /// `left` followed by `right`. The caller has checked the length of the result.
    pub fn concat(left: &Str, right: &Str) -> Str {
        if right.is_empty() {
            return left.clone();
        }
        if left.is_empty() {
            return right.clone();
        }
        let len = left.len() + right.len();
        if len > COPY_BELOW {
            let wide = left.0.wide || right.0.wide;
            let parts = Mutex::new(Some((left.clone(), right.clone())));
            let rope = Box::new(Rope { flat: OnceLock::new(), parts });
            let saved = left.saved_len().saturating_add(right.saved_len());
            return Str(Arc::new(StrNode { len: len as u32, saved, wide, body: StrBody::Rope(rope) }));
        }
        match (left.units(), right.units()) {
            (Units::Latin(a), Units::Latin(b)) if len <= SHORT_LEN => {
                let mut bytes = [0; SHORT_LEN];
                bytes[..a.len()].copy_from_slice(a);
                bytes[a.len()..len].copy_from_slice(b);
                Str::from_flat(FlatStr::Short(len as u8, bytes))
            }
            (Units::Latin(a), Units::Latin(b)) => {
                let mut bytes = Vec::with_capacity(len);
                bytes.extend_from_slice(a);
                bytes.extend_from_slice(b);
                Str::from_flat(FlatStr::Latin(bytes.into_boxed_slice()))
            }
            (a, b) => {
                let mut units = Vec::with_capacity(len);
                a.append_to(&mut units);
                b.append_to(&mut units);
                Str::from_flat(FlatStr::Wide(units.into_boxed_slice()))
            }
        }
    }

    /// As `==`. It is not counted, for comparisons that do not depend on the state of a machine.
    #[inline(always)]
    pub fn equals_uncounted(&self, other: &Str) -> bool {
        self.ptr_eq(other) || (self.0.len == other.0.len && self.has_units_of(other))
    }

    #[inline(never)]
    fn has_units_of(&self, other: &Str) -> bool {
        match (self.units(), other.units()) {
            (Units::Latin(a), Units::Latin(b)) => a == b,
            (Units::Wide(a), Units::Wide(b)) => a == b,
            _ => false,
        }
    }

    /// Units `from..to`, both clamped.
    pub fn slice(&self, from: usize, to: usize) -> Str {
        let to = to.min(self.len());
        let from = from.min(to);
        if from == 0 && to == self.len() {
            return self.clone();
        }
        match self.units() {
            Units::Latin(bytes) => Str::from_latin(&bytes[from..to]),
            Units::Wide(units) => Str::from_units(&units[from..to]),
        }
    }

    /// The unit at `index`.
    #[inline]
    pub fn unit(&self, index: usize) -> Option<u16> {
        self.units().get(index)
    }

    /// The text as UTF-8; a lone surrogate becomes U+FFFD.
    pub fn to_utf8(&self) -> String {
        work::count_text(self.len());
        match self.units() {
            Units::Latin(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if bytes.is_ascii() => text.to_owned(),
                _ => bytes.iter().map(|b| char::from(*b)).collect(),
            },
            Units::Wide(units) => String::from_utf16_lossy(units),
        }
    }

    /// The array index that this text represents canonically ("7", not "07"), below 2^32 - 1. ECMA-262 §6.1.7 The
    /// Object Type.
    pub fn array_index(&self) -> Option<u32> {
        if self.len() > 10 {
            return None;
        }
        let Units::Latin(bytes) = self.units() else { return None };
        match bytes {
            [b'0'] => Some(0),
            [b'1'..=b'9', ..] => {
                let mut number: u64 = 0;
                for byte in bytes {
                    if !byte.is_ascii_digit() {
                        return None;
                    }
                    number = number * 10 + u64::from(byte - b'0');
                }
                (number < u64::from(u32::MAX)).then_some(number as u32)
            }
            _ => None,
        }
    }
}

/// Bytes of units in a snapshot: as a JSON string within the JSON string of a page. Each unit counts separately, so the
/// bytes of a concatenation are the sum of its parts. Half of a surrogate pair counts as a lone surrogate.
fn saved_bytes(units: Units<'_>) -> u32 {
    fn narrow(byte: u8) -> u32 {
        match byte {
            b'"' | b'\\' => 4,
            0 => 9,
            1..0x20 => 7,
            0x20..0x80 => 1,
            0x80.. => 2,
        }
    }
    let wide = |unit: u16| match u8::try_from(unit) {
        Ok(byte) => narrow(byte),
        Err(_) if unit < 0x800 => 2,
        Err(_) if (0xd800..0xe000).contains(&unit) => 9,
        Err(_) => 3,
    };
    match units {
        Units::Latin(bytes) => {
            // Most texts need no escapes. This check is vectorized: it covers sixteen bytes at a time.
            let plain = |byte: &u8| (0x20..0x80).contains(byte) && *byte != b'"' && *byte != b'\\';
            if bytes.iter().fold(true, |all, byte| all & plain(byte)) {
                return bytes.len() as u32;
            }
            bytes.iter().map(|byte| narrow(*byte)).fold(0, u32::saturating_add)
        }
        Units::Wide(units) => units.iter().map(|unit| wide(*unit)).fold(0, u32::saturating_add),
    }
}

fn short_flat(bytes: &[u8]) -> FlatStr {
    let mut buffer = [0; SHORT_LEN];
    buffer[..bytes.len()].copy_from_slice(bytes);
    FlatStr::Short(bytes.len() as u8, buffer)
}

impl FlatStr {
    #[inline]
    fn units(&self) -> Units<'_> {
        match self {
            FlatStr::Short(len, bytes) => Units::Latin(bytes.get(..usize::from(*len)).unwrap_or(bytes)),
            FlatStr::Latin(bytes) => Units::Latin(bytes),
            FlatStr::Wide(units) => Units::Wide(units),
        }
    }
}

impl<'a> Units<'a> {
    /// Number of units.
    pub fn len(self) -> usize {
        match self {
            Units::Latin(bytes) => bytes.len(),
            Units::Wide(units) => units.len(),
        }
    }

    /// The unit at `index`.
    #[inline]
    pub fn get(self, index: usize) -> Option<u16> {
        match self {
            Units::Latin(bytes) => bytes.get(index).map(|b| u16::from(*b)),
            Units::Wide(units) => units.get(index).copied(),
        }
    }

    /// All units in order.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        (0..self.len()).map(move |i| self.get(i).unwrap_or(0))
    }

    /// Appends the units to a buffer.
    pub fn append_to(self, out: &mut Vec<u16>) {
        match self {
            Units::Latin(bytes) => out.extend(bytes.iter().map(|b| u16::from(*b))),
            Units::Wide(units) => out.extend_from_slice(units),
        }
    }

    /// Whether `needle` occurs at `at`.
    pub fn starts_with_at(self, needle: Units<'_>, at: usize) -> bool {
        if at + needle.len() > self.len() {
            return false;
        }
        match (self, needle) {
            (Units::Latin(a), Units::Latin(b)) => a[at..].starts_with(b),
            (Units::Wide(a), Units::Wide(b)) => a[at..].starts_with(b),
            (Units::Wide(a), Units::Latin(b)) => a[at..].iter().zip(b).all(|(x, y)| *x == u16::from(*y)),
            (Units::Latin(_), Units::Wide(_)) => false,
        }
    }

    /// The first position of `needle` at or after `from`. ECMA-262 §6.1.4.1 StringIndexOf.
    pub fn find(self, needle: Units<'_>, from: usize) -> Option<usize> {
        let found = self.find_uncounted(needle, from);
        work::count((found.unwrap_or(self.len()).saturating_sub(from) + needle.len()) as u64);
        found
    }

    fn find_uncounted(self, needle: Units<'_>, from: usize) -> Option<usize> {
        let last = self.len().checked_sub(needle.len())?;
        if needle.len() > NAIVE_SEARCH_MAX {
            let (text, rest) = (|at: usize| self.get(from + at), self.len().saturating_sub(from));
            return find_long(text, rest, |at| needle.get(at), needle.len()).map(|found| from + found);
        }
        match (self, needle) {
            (Units::Latin(a), Units::Latin([first, ..])) => {
                let mut at = from;
                while at <= last {
                    at += a[at..=last].iter().position(|b| b == first)?;
                    if self.starts_with_at(needle, at) {
                        return Some(at);
                    }
                    at += 1;
                }
                None
            }
            _ => (from..=last).find(|at| self.starts_with_at(needle, *at)),
        }
    }

    /// The last position of `needle` at or before `from`. ECMA-262 §6.1.4.2 StringLastIndexOf.
    pub fn find_last(self, needle: Units<'_>, from: usize) -> Option<usize> {
        let found = self.find_last_uncounted(needle, from);
        work::count((from.min(self.len()).saturating_sub(found.unwrap_or(0)) + needle.len()) as u64);
        found
    }

    fn find_last_uncounted(self, needle: Units<'_>, from: usize) -> Option<usize> {
        let last = self.len().checked_sub(needle.len())?.min(from);
        if needle.len() > NAIVE_SEARCH_MAX {
            // The same search from right to left.
            let (end, len) = (last + needle.len(), needle.len());
            let found = find_long(|at| self.get(end - 1 - at), end, |at| needle.get(len - 1 - at), len)?;
            return Some(end - found - len);
        }
        (0..=last).rev().find(|at| self.starts_with_at(needle, *at))
    }
}

/// Searches a text of `text_len` units for a needle of `len` units, which are at least two, in linear time and without
/// memory (Crochemore and Perrin, Two-Way String-Matching, 1991). A long needle that almost matches everywhere costs no
/// more than any other.
fn find_long(
    text: impl Fn(usize) -> Option<u16>,
    text_len: usize,
    needle: impl Fn(usize) -> Option<u16>,
    len: usize,
) -> Option<usize> {
    // The needle is cut at the later start of its two maximal suffixes. The right part is compared first.
    let ((rising, rising_period), (falling, falling_period)) =
        (maximal_suffix(&needle, len, false), maximal_suffix(&needle, len, true));
    let (cut, period) = if rising > falling { (rising, rising_period) } else { (falling, falling_period) };
    let is_periodic = (0..cut).all(|at| needle(at) == needle(at + period));
    let shift = if is_periodic { period } else { cut.max(len - cut) + 1 };
    // The units at the start of the needle that are known to match.
    let (mut start, mut known) = (0, 0);
    while start + len <= text_len {
        if let Some(at) = (cut.max(known)..len).find(|at| needle(*at) != text(start + at)) {
            (start, known) = (start + at + 1 - cut, 0);
        } else if (known..cut).any(|at| needle(at) != text(start + at)) {
            (start, known) = (start + shift, if is_periodic { len - period } else { 0 });
        } else {
            return Some(start);
        }
    }
    None
}

/// The start of the greatest suffix of a text, or of the least one if `inverted`, with the period of that suffix.
fn maximal_suffix(text: &impl Fn(usize) -> Option<u16>, len: usize, inverted: bool) -> (usize, usize) {
    // The suffix at `other` is compared with the greatest one so far; `matched` of their units are equal.
    let (mut greatest, mut other, mut matched, mut period) = (0, 1, 0, 1);
    while other + matched < len {
        match text(other + matched).cmp(&text(greatest + matched)) {
            Ordering::Equal if matched + 1 == period => (other, matched) = (other + period, 0),
            Ordering::Equal => matched += 1,
            order if order.is_lt() != inverted => {
                (other, matched) = (other + matched + 1, 0);
                period = other - greatest;
            }
            _ => (greatest, other, matched, period) = (other, other + 1, 0, 1),
        }
    }
    (greatest, period)
}

impl Rope {
    fn take_parts(&self) -> Option<(Str, Str)> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Visits the flat pieces from left to right without recursion, because a rope may be as deep as it is long.
    fn visit_leaves(&self, mut visit: impl FnMut(Units<'_>)) {
        let parts = |rope: &Rope| rope.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut pending = Vec::new();
        if let Some((left, right)) = parts(self) {
            pending.extend([right, left]);
        }
        while let Some(text) = pending.pop() {
            match &text.0.body {
                StrBody::Flat(flat) => visit(flat.units()),
                StrBody::Rope(rope) => match rope.flat.get() {
                    Some(flat) => visit(flat.units()),
                    None => match parts(rope) {
                        Some((left, right)) => pending.extend([right, left]),
                        // Another thread flattened it meanwhile.
                        None => {
                            if let Some(flat) = rope.flat.get() {
                                visit(flat.units());
                            }
                        }
                    },
                },
            }
        }
    }
}

impl Drop for Rope {
    /// Drops the parts in a loop, because recursion could be as deep as the rope.
    fn drop(&mut self) {
        let Some((left, right)) = self.take_parts() else { return };
        let mut pending = vec![left, right];
        while let Some(Str(node)) = pending.pop() {
            if let Some(StrNode { body: StrBody::Rope(rope), .. }) = Arc::into_inner(node)
                && let Some((left, right)) = rope.take_parts()
            {
                pending.extend([left, right]);
            }
        }
    }
}

impl PartialEq for Str {
    /// Names of a program are shared, so an equal name is usually the same allocation, and another one usually has
    /// another length.
    #[inline(always)]
    fn eq(&self, other: &Str) -> bool {
        if self.0.len != other.0.len {
            return false;
        }
        work::count_text(self.len());
        self.equals_uncounted(other)
    }
}

impl Eq for Str {}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        work::count_text(self.len());
        match self.units() {
            Units::Latin(bytes) => state.write(bytes),
            Units::Wide(units) => {
                for unit in units {
                    state.write_u16(*unit);
                }
            }
        }
    }
}

impl Ord for Str {
    /// By code units. ECMA-262 §7.2.12 IsLessThan compares strings so.
    fn cmp(&self, other: &Str) -> Ordering {
        work::count_text(self.len().min(other.len()));
        match (self.units(), other.units()) {
            (Units::Latin(a), Units::Latin(b)) => a.cmp(b),
            (Units::Wide(a), Units::Wide(b)) => a.cmp(b),
            (a, b) => a.iter().cmp(b.iter()),
        }
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Str) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_utf8(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utf8())
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_built_in_a_loop_is_flattened_once_and_dropped_without_recursion() {
        let mut text = Str::empty();
        for _ in 0..300_000 {
            text = Str::concat(&text, &Str::new("ab"));
        }
        assert_eq!(text.len(), 600_000);
        let deep = Str::concat(&text, &Str::new("c"));
        drop(text);
        assert_eq!(deep.unit(600_000), Some(u16::from(b'c')));
        let mut never_read = Str::new("x");
        for _ in 0..300_000 {
            never_read = Str::concat(&Str::new("ab"), &never_read);
        }
        drop(never_read);
    }

    #[test]
    fn equal_texts_have_one_representation() {
        let wide = Str::from_units(&[0x61, 0x3b1]);
        assert_eq!(wide.slice(0, 1), Str::new("a"));
        assert_eq!(Str::from_units(&[0x61, 0xe9]), Str::new("aé"));
        assert_eq!(Str::new("aé").len(), 2);
        assert_eq!(Str::new("😀").len(), 2);
        assert!(Str::new("a") < Str::new("α"));
    }

    #[test]
    fn only_canonical_indexes_are_indexes() {
        for (text, index) in
            [("0", Some(0)), ("10", Some(10)), ("01", None), ("-1", None), ("4294967295", None), ("1.5", None)]
        {
            assert_eq!(Str::new(text).array_index(), index, "{text}");
        }
    }

    #[test]
    fn weight_is_the_same_for_a_rope_and_its_flat_form() {
        let parts = ["plain", "\u{1}\n", "\"\\", "é", "α", "😀", &"x".repeat(200), &"\u{1}".repeat(30)];
        for left in parts {
            for right in parts {
                let rope = Str::concat(&Str::concat(&Str::new(left), &Str::new(&"y".repeat(130))), &Str::new(right));
                let flat = Str::from_units(&rope.units().iter().collect::<Vec<u16>>());
                assert_eq!(rope.weight(), flat.weight(), "{left:?} {right:?}");
            }
        }
        // Two halves of a surrogate pair weigh the same joined and apart.
        let high = Str::from_units(&[b"z".repeat(130).iter().map(|b| u16::from(*b)).collect(), vec![0xd83d]].concat());
        let pair = Str::concat(&high, &Str::from_units(&[0xde00]));
        let flat = Str::from_units(&pair.units().iter().collect::<Vec<u16>>());
        assert_eq!(pair.weight(), flat.weight());
    }

    #[test]
    fn weight_covers_the_units_and_their_saved_form() {
        for text in ["x", "\u{1}", "\"", "\\", "é", "α", "€", "\u{0}"] {
            let text = Str::new(&text.repeat(1_000));
            let page = serde_json::to_string(&crate::wire::text(&text.units().iter().collect::<Vec<u16>>())).unwrap();
            let row = serde_json::to_string(&page).unwrap();
            let (weight, least) = (text.weight() as usize, row.len() - 4);
            assert!(weight + 64 >= least, "{text:?} weighs {weight}, {least} bytes are saved");
        }
    }

    #[test]
    fn find_and_find_last_search_from_opposite_ends() {
        let text = Str::new("abcabc");
        assert_eq!(text.units().find(Str::new("bc").units(), 2), Some(4));
        assert_eq!(text.units().find_last(Str::new("bc").units(), 3), Some(1));
        assert_eq!(text.units().find(Str::empty().units(), 6), Some(6));
        assert_eq!(text.units().find(Str::new("abcabcd").units(), 0), None);
    }

    #[test]
    fn a_long_needle_is_found_where_a_comparison_at_each_position_finds_it() {
        let bits = |number: u32, len: usize| move |at: usize| (at < len).then(|| ((number >> at) & 1) as u16);
        for len in 2..=7 {
            for (number, text_number) in (0..1 << len).flat_map(|number| (0..1 << 11).map(move |text| (number, text))) {
                let (needle, text) = (bits(number, len), bits(text_number, 11));
                let expected = (0..=11 - len).find(|from| (0..len).all(|at| needle(at) == text(from + at)));
                assert_eq!(find_long(text, 11, needle, len), expected, "{number:b} of {len} in {text_number:b}");
            }
        }
    }
}
