//! Arrays. The array's own entry holds up to 512 elements. More elements are in chunks, which are separate entries: a
//! change of one element of a long array writes one chunk and not the array.

use super::entry::{Entry, VALUE_BYTES};
use super::heap::Heap;
use super::limits::ExceededLimit;
use super::table::Table;
use super::value::{HeapRef, Value};
use super::work;

/// Elements per chunk.
pub const CHUNK: usize = 128;

/// Most elements that the array's own entry holds.
pub const MAX_INLINE_ELEMENTS: usize = 512;

/// Most elements of an array. Deviation from ECMA-262 §10.4.2 Array Exotic Objects, which permits 2^32 - 1.
pub const MAX_LENGTH: usize = 1 << 26;

/// An array. ECMA-262 §10.4.2 Array Exotic Objects.
#[derive(Clone, Default)]
pub struct Array {
    /// The elements.
    pub elements: Elements,
    /// Whether the array is frozen.
    pub frozen: bool,
    /// Properties other than elements, such as `index` of a match.
    pub extra: Option<Box<Table>>,
}

/// The elements of an array.
#[derive(Clone)]
pub enum Elements {
    /// All elements, in the array's own entry.
    Small(Vec<Value>),
    /// All elements, in chunks.
    Chunked(Box<ChunkedElements>),
}

/// The chunks of a long array.
#[derive(Clone, Default)]
pub struct ChunkedElements {
    /// Number of leading elements of the first chunk that `shift` removed.
    pub start: u32,
    /// Number of elements.
    pub len: u32,
    /// The chunks. All are full except the last.
    pub chunks: Vec<HeapRef>,
}

impl Default for Elements {
    fn default() -> Elements {
        Elements::Small(Vec::new())
    }
}

impl Array {
    /// Number of elements.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "no caller needs it")]
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::Small(values) => values.len(),
            Elements::Chunked(large) => large.len as usize,
        }
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        if let Some(table) = &self.extra {
            table.visit_values(visit);
        }
        match &self.elements {
            Elements::Small(values) => values.iter().for_each(visit),
            Elements::Chunked(large) => large.chunks.iter().for_each(|r| visit(&Value::Ref(*r))),
        }
    }
}

impl ChunkedElements {
    #[inline]
    fn locate(&self, index: usize) -> (HeapRef, usize) {
        let at = index + self.start as usize;
        (self.chunks.get(at / CHUNK).copied().unwrap_or(HeapRef::NONE), at % CHUNK)
    }
}

impl Heap {
    /// A new array of these elements.
    pub fn new_array(&mut self, values: Vec<Value>) -> HeapRef {
        let elements = self.build_elements(values);
        self.allocate(Entry::Array(Array { elements, frozen: false, extra: None }))
    }

    fn build_elements(&mut self, values: Vec<Value>) -> Elements {
        if values.len() <= MAX_INLINE_ELEMENTS {
            return Elements::Small(values);
        }
        work::count_items(values.len());
        let len = values.len() as u32;
        let mut chunks = Vec::with_capacity(values.len() / CHUNK + 1);
        let mut values = values.into_iter();
        loop {
            let chunk: Vec<Value> = values.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            chunks.push(self.allocate(Entry::Chunk(chunk)));
        }
        Elements::Chunked(Box::new(ChunkedElements { start: 0, len, chunks }))
    }

    /// The array at an address.
    #[inline]
    pub fn array(&self, at: HeapRef) -> Option<&Array> {
        match self.get(at) {
            Entry::Array(array) => Some(array),
            _ => None,
        }
    }

    #[inline]
    fn array_mut(&mut self, at: HeapRef) -> Option<&mut Array> {
        match self.get_mut(at) {
            Some(Entry::Array(array)) => Some(array),
            _ => None,
        }
    }

    /// Number of elements; 0 if the entry is not an array.
    #[inline]
    pub fn array_len(&self, at: HeapRef) -> usize {
        self.array(at).map_or(0, Array::len)
    }

    /// The element at `index`, or a hole if there is none.
    #[inline]
    pub fn element(&self, at: HeapRef, index: usize) -> Value {
        self.find_element(at, index).cloned().unwrap_or(Value::Hole)
    }

    /// The element at `index`, which may be a hole.
    #[inline]
    pub(super) fn find_element(&self, at: HeapRef, index: usize) -> Option<&Value> {
        match self.get(at) {
            Entry::Array(Array { elements: Elements::Small(values), .. }) => values.get(index),
            Entry::Array(Array { elements: Elements::Chunked(large), .. }) => self.chunked_element(large, index),
            _ => None,
        }
    }

    /// The element of a long array at `index`.
    #[inline]
    fn chunked_element(&self, large: &ChunkedElements, index: usize) -> Option<&Value> {
        if index >= large.len as usize {
            return None;
        }
        let (chunk, offset) = large.locate(index);
        match self.get(chunk) {
            Entry::Chunk(values) => values.get(offset),
            _ => None,
        }
    }

    /// Sets the element at `index` and extends the array with holes if needed. ECMA-262 §10.4.2.1
    /// `[[DefineOwnProperty]]`.
    #[inline]
    pub fn set_element(&mut self, at: HeapRef, index: usize, value: Value) -> Result<(), ExceededLimit> {
        // A write into a chunk leaves the page of the array clean.
        if let Entry::Array(Array { elements: Elements::Chunked(_), .. }) = self.get(at) {
            return self.set_far_element(at, index, value);
        }
        match self.get_mut(at) {
            Some(Entry::Array(Array { elements: Elements::Small(values), .. })) => {
                if let Some(element) = values.get_mut(index) {
                    // The weight of a text counts when the text is created. A replaced element needs no more space.
                    *element = value;
                    return Ok(());
                }
                if index == values.len() && index < MAX_INLINE_ELEMENTS {
                    let weight = value.weight();
                    values.push(value);
                    self.charge(2 * VALUE_BYTES + weight);
                    return Ok(());
                }
            }
            Some(Entry::Array(_)) => {}
            _ => return Ok(()),
        }
        self.set_far_element(at, index, value)
    }

    fn set_far_element(&mut self, at: HeapRef, index: usize, value: Value) -> Result<(), ExceededLimit> {
        let len = self.array_len(at);
        if index >= len {
            self.set_array_len(at, index)?;
            return self.push(at, value);
        }
        if let Some(Array { elements: Elements::Chunked(large), .. }) = self.array(at) {
            let (chunk, offset) = large.locate(index);
            if let Some(Entry::Chunk(values)) = self.get_mut(chunk)
                && let Some(element) = values.get_mut(offset)
            {
                *element = value;
            }
        }
        Ok(())
    }

    /// Appends an element.
    pub fn push(&mut self, at: HeapRef, value: Value) -> Result<(), ExceededLimit> {
        let len = self.array_len(at);
        if len >= MAX_LENGTH {
            return Err(ExceededLimit::ArrayLength);
        }
        self.charge(2 * VALUE_BYTES + value.weight());
        match self.array_mut(at).map(|a| &mut a.elements) {
            Some(Elements::Small(values)) => {
                if values.len() < MAX_INLINE_ELEMENTS {
                    values.push(value);
                    return Ok(());
                }
                let mut values = std::mem::take(values);
                values.push(value);
                let elements = self.build_elements(values);
                if let Some(array) = self.array_mut(at) {
                    array.elements = elements;
                }
            }
            Some(Elements::Chunked(_)) => self.push_large(at, value),
            None => {}
        }
        Ok(())
    }

    fn push_large(&mut self, at: HeapRef, value: Value) {
        let Some(Array { elements: Elements::Chunked(large), .. }) = self.array(at) else { return };
        let (chunk, offset) = large.locate(large.len as usize);
        let fresh = if offset == 0 { Some(self.allocate(Entry::Chunk(Vec::with_capacity(CHUNK)))) } else { None };
        if let Some(Entry::Chunk(values)) = self.get_mut(fresh.unwrap_or(chunk)) {
            values.push(value);
        }
        if let Some(Elements::Chunked(large)) = self.array_mut(at).map(|a| &mut a.elements) {
            large.len += 1;
            large.chunks.extend(fresh);
        }
    }

    /// Removes and returns the last element.
    pub fn pop(&mut self, at: HeapRef) -> Value {
        match self.array_mut(at).map(|a| &mut a.elements) {
            Some(Elements::Small(values)) => return values.pop().unwrap_or(Value::Undefined).or_undefined(),
            Some(Elements::Chunked(_)) => {}
            None => return Value::Undefined,
        }
        let len = self.array_len(at);
        let last = self.element(at, len.wrapping_sub(1)).or_undefined();
        self.shorten(at, len.saturating_sub(1));
        last
    }

    /// Removes and returns the first element.
    pub fn shift(&mut self, at: HeapRef) -> Value {
        let first = self.element(at, 0).or_undefined();
        let mut empty = None;
        match self.array_mut(at).map(|a| &mut a.elements) {
            Some(Elements::Small(values)) => {
                if !values.is_empty() {
                    values.remove(0);
                }
                return first;
            }
            Some(Elements::Chunked(large)) => {
                large.start += 1;
                large.len -= 1;
                if large.start as usize == CHUNK {
                    large.start = 0;
                    empty = Some(large.chunks.remove(0));
                }
            }
            None => return first,
        }
        if let Some(chunk) = empty {
            self.free(chunk);
        }
        self.make_small(at);
        first
    }

    /// `array.length = len`. ECMA-262 §10.4.2.4 ArraySetLength.
    pub fn set_array_len(&mut self, at: HeapRef, len: usize) -> Result<(), ExceededLimit> {
        let old_len = self.array_len(at);
        if len > MAX_LENGTH {
            return Err(ExceededLimit::ArrayLength);
        }
        if len < old_len {
            self.shorten(at, len);
        } else if len > old_len {
            self.check_room(VALUE_BYTES * (len - old_len) as u64)?;
            work::count_items(len - old_len);
            if len <= MAX_INLINE_ELEMENTS {
                if let Some(Elements::Small(values)) = self.array_mut(at).map(|a| &mut a.elements) {
                    values.resize(len, Value::Hole);
                }
                self.charge(VALUE_BYTES * (len - old_len) as u64);
            } else {
                for _ in old_len..len {
                    self.push(at, Value::Hole)?;
                }
            }
        }
        Ok(())
    }

    fn shorten(&mut self, at: HeapRef, len: usize) {
        let mut removed_chunks = Vec::new();
        let mut last = None;
        match self.array_mut(at).map(|a| &mut a.elements) {
            Some(Elements::Small(values)) => values.truncate(len),
            Some(Elements::Chunked(large)) => {
                let end = len + large.start as usize;
                removed_chunks = large.chunks.split_off(end.div_ceil(CHUNK).min(large.chunks.len()));
                large.len = len as u32;
                last = large.chunks.last().map(|r| (*r, end - (large.chunks.len() - 1) * CHUNK));
            }
            None => {}
        }
        work::count_items(removed_chunks.len() * CHUNK);
        for chunk in removed_chunks {
            self.free(chunk);
        }
        if let Some((chunk, len)) = last
            && let Some(Entry::Chunk(values)) = self.get_mut(chunk)
        {
            values.truncate(len);
        }
        self.make_small(at);
    }

    /// Moves the elements back into the array's own entry when few are left.
    fn make_small(&mut self, at: HeapRef) {
        if let Some(Elements::Chunked(large)) = self.array(at).map(|a| &a.elements)
            && (large.len as usize) < MAX_INLINE_ELEMENTS / 2
        {
            let values = self.elements(at);
            self.set_elements(at, values);
        }
    }

    /// All elements, including holes.
    pub fn elements(&self, at: HeapRef) -> Vec<Value> {
        self.elements_between(at, 0, usize::MAX)
    }

    /// The elements `from..to`, both clamped, including holes.
    pub fn elements_between(&self, at: HeapRef, from: usize, to: usize) -> Vec<Value> {
        let Some(array) = self.array(at) else { return Vec::new() };
        let to = to.min(array.len());
        let from = from.min(to);
        work::count_items(to - from);
        match &array.elements {
            Elements::Small(values) => values[from..to].to_vec(),
            Elements::Chunked(large) => {
                (from..to).map(|i| self.chunked_element(large, i).cloned().unwrap_or(Value::Hole)).collect()
            }
        }
    }

    /// Replaces all elements.
    pub fn set_elements(&mut self, at: HeapRef, values: Vec<Value>) {
        let old = match self.array_mut(at).map(|a| std::mem::take(&mut a.elements)) {
            Some(Elements::Chunked(large)) => large.chunks,
            _ => Vec::new(),
        };
        for chunk in old {
            self.free(chunk);
        }
        self.charge(VALUE_BYTES * values.len() as u64);
        let elements = self.build_elements(values);
        if let Some(array) = self.array_mut(at) {
            array.elements = elements;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: Value) -> f64 {
        match value {
            Value::Number(n) => n,
            _ => f64::NAN,
        }
    }

    #[test]
    fn array_grows_into_chunks_and_shrinks_back() {
        let mut heap = Heap::default();
        let array = heap.new_array(Vec::new());
        for i in 0..10_000 {
            heap.push(array, Value::Number(f64::from(i))).unwrap();
        }
        assert_eq!(heap.array_len(array), 10_000);
        for i in 0..9_900 {
            assert_eq!(number(heap.shift(array)), f64::from(i));
        }
        assert_eq!(heap.array_len(array), 100);
        assert_eq!(number(heap.pop(array)), 9_999.0);
        assert_eq!(heap.len(), 1, "all chunks are freed");
    }

    #[test]
    fn a_changed_element_of_a_long_array_dirties_one_page() {
        let mut heap = Heap::default();
        let array = heap.new_array((0..100_000).map(|i| Value::Number(f64::from(i))).collect());
        heap.mark_clean();
        heap.set_element(array, 54_321, Value::Null).unwrap();
        assert_eq!(heap.dirty_pages().len(), 1);
        heap.push(array, Value::Null).unwrap();
        assert_eq!(heap.dirty_pages().len(), 3);
        assert!(matches!(heap.element(array, 54_321), Value::Null));
        assert_eq!(number(heap.element(array, 99_999)), 99_999.0);
    }

    #[test]
    fn setting_the_length_truncates_or_extends_an_array() {
        let mut heap = Heap::default();
        let array = heap.new_array((0..1000).map(|i| Value::Number(f64::from(i))).collect());
        heap.set_array_len(array, 700).unwrap();
        heap.set_element(array, 800, Value::Null).unwrap();
        assert_eq!(heap.array_len(array), 801);
        assert!(matches!(heap.element(array, 750), Value::Hole));
        assert_eq!(number(heap.element(array, 699)), 699.0);
        heap.set_array_len(array, 3).unwrap();
        assert_eq!(heap.elements(array).len(), 3);
        assert!(heap.set_array_len(array, usize::MAX).is_err());
    }

    #[test]
    fn heap_copies_are_independent() {
        let mut heap = Heap::default();
        let array = heap.new_array(vec![Value::Number(1.0)]);
        heap.seal();
        let mut copy = heap.clone();
        copy.set_element(array, 0, Value::Number(2.0)).unwrap();
        assert_eq!(number(heap.element(array, 0)), 1.0);
        assert_eq!(number(copy.element(array, 0)), 2.0);
    }
}
