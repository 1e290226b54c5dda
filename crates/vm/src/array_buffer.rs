//! Array buffers and their views. The buffer's own entry holds up to 4096 bytes. More bytes are in chunks, which are
//! separate entries: a change of one byte of a long buffer writes one chunk and not the buffer.
//!
//! Neither a buffer nor a view changes its length. Deviation: resizable buffers and `transfer` do not exist.

use super::abrupt_completion::{Completion, range_error};
use super::entry::Entry;
use super::heap::{ENTRIES_PER_PAGE, Heap};
use super::number;
use super::value::{HeapRef, Value};

/// Bytes per chunk. All chunks are full except the last. An element of a typed array lies within one chunk.
pub const CHUNK_BYTES: usize = 2048;

/// Most bytes that the buffer's own entry holds.
pub const MAX_INLINE_BYTES: usize = 4096;

/// A buffer. ECMA-262 §25.1 ArrayBuffer Objects.
#[derive(Clone)]
pub enum ArrayBuffer {
    /// All bytes, in the buffer's own entry.
    Small(Vec<u8>),
    /// All bytes, in chunks.
    Chunked {
        /// Number of bytes.
        len: u32,
        /// The chunks.
        chunks: Vec<HeapRef>,
    },
}

named_enum! {
    /// The type of a view. ECMA-262 §23.2 TypedArray Objects, Table 71, and §25.3 DataView Objects.
    #[allow(missing_docs, reason = "each is the class of its name")]
    pub enum ViewKind {
        Int8 = "Int8Array",
        Uint8 = "Uint8Array",
        Uint8Clamped = "Uint8ClampedArray",
        Int16 = "Int16Array",
        Uint16 = "Uint16Array",
        Int32 = "Int32Array",
        Uint32 = "Uint32Array",
        Float32 = "Float32Array",
        Float64 = "Float64Array",
        /// Its elements are bytes.
        DataView = "DataView",
    }
}

/// A part of a buffer: a typed array or a DataView.
#[derive(Clone, Copy)]
pub struct View {
    /// The type.
    pub kind: ViewKind,
    /// The buffer.
    pub buffer: HeapRef,
    /// The first byte.
    pub offset: u32,
    /// Number of elements.
    pub len: u32,
}

impl ViewKind {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            ViewKind::Int8 | ViewKind::Uint8 | ViewKind::Uint8Clamped | ViewKind::DataView => 1,
            ViewKind::Int16 | ViewKind::Uint16 => 2,
            ViewKind::Int32 | ViewKind::Uint32 | ViewKind::Float32 => 4,
            ViewKind::Float64 => 8,
        }
    }

    /// The number in the first bytes, the least significant one first. Every NaN is the same: its bits differ between
    /// processors. ECMA-262 §25.1.3.14 RawBytesToNumeric.
    pub fn decode(self, bytes: [u8; 8]) -> f64 {
        let [a, b, c, d, ..] = bytes;
        let number = match self {
            ViewKind::Int8 => f64::from(a as i8),
            ViewKind::Uint8 | ViewKind::Uint8Clamped | ViewKind::DataView => f64::from(a),
            ViewKind::Int16 => f64::from(i16::from_le_bytes([a, b])),
            ViewKind::Uint16 => f64::from(u16::from_le_bytes([a, b])),
            ViewKind::Int32 => f64::from(i32::from_le_bytes([a, b, c, d])),
            ViewKind::Uint32 => f64::from(u32::from_le_bytes([a, b, c, d])),
            ViewKind::Float32 => f64::from(f32::from_le_bytes([a, b, c, d])),
            ViewKind::Float64 => f64::from_le_bytes(bytes),
        };
        if number.is_nan() { f64::NAN } else { number }
    }

    /// The bytes of a number, as many as an element has, the least significant one first. ECMA-262 §25.1.3.17
    /// NumericToRawBytes.
    pub fn encode(self, number: f64) -> [u8; 8] {
        let mut bytes = [0; 8];
        let integer = |number: f64| u64::from(number::to_int32(number) as u32).to_le_bytes();
        match self {
            // `f64::clamp` brings the code of the standard library that writes doubles. NaN becomes 0.
            ViewKind::Uint8Clamped => bytes[0] = number.round_ties_even() as u8,
            ViewKind::Float32 => {
                let number = if number.is_nan() { f32::NAN } else { number as f32 };
                bytes[..4].copy_from_slice(&number.to_le_bytes());
            }
            ViewKind::Float64 => bytes = if number.is_nan() { f64::NAN } else { number }.to_le_bytes(),
            _ => bytes = integer(number),
        }
        bytes
    }
}

impl View {
    /// Number of bytes.
    pub fn byte_len(self) -> usize {
        self.len as usize * self.kind.size()
    }

    /// The bytes before an element.
    fn place(self, index: usize) -> usize {
        self.offset as usize + index * self.kind.size()
    }
}

impl ArrayBuffer {
    /// Number of bytes.
    #[allow(clippy::len_without_is_empty, reason = "no caller needs it")]
    pub fn len(&self) -> usize {
        match self {
            ArrayBuffer::Small(bytes) => bytes.len(),
            ArrayBuffer::Chunked { len, .. } => *len as usize,
        }
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        if let ArrayBuffer::Chunked { chunks, .. } = self {
            chunks.iter().for_each(|chunk| visit(&Value::Ref(*chunk)));
        }
    }
}

impl Heap {
    /// A new buffer of these bytes.
    pub fn new_buffer(&mut self, bytes: Vec<u8>) -> HeapRef {
        if bytes.len() <= MAX_INLINE_BYTES {
            return self.allocate(Entry::Buffer(ArrayBuffer::Small(bytes)));
        }
        let len = bytes.len() as u32;
        let chunks = bytes.chunks(CHUNK_BYTES).map(|chunk| self.allocate(Entry::Bytes(chunk.to_vec()))).collect();
        self.allocate(Entry::Buffer(ArrayBuffer::Chunked { len, chunks }))
    }

    /// The buffer at an address.
    pub fn buffer(&self, at: HeapRef) -> Option<&ArrayBuffer> {
        match self.get(at) {
            Entry::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// The view at an address.
    #[inline]
    pub fn view(&self, at: HeapRef) -> Option<View> {
        match self.get(at) {
            Entry::View(view) => Some(*view),
            _ => None,
        }
    }

    /// The typed array at an address.
    #[inline]
    pub fn typed_array(&self, at: HeapRef) -> Option<View> {
        self.view(at).filter(|view| view.kind != ViewKind::DataView)
    }

    /// A new typed array of zeros, with a buffer of its own.
    pub fn new_typed_array(&mut self, kind: ViewKind, len: usize) -> Completion<(HeapRef, View)> {
        self.check_buffer_room(len.saturating_mul(kind.size()))?;
        let buffer = self.new_buffer(vec![0; len * kind.size()]);
        let view = View { kind, buffer, offset: 0, len: len as u32 };
        Ok((self.allocate(Entry::View(view)), view))
    }

    /// Checks that a buffer may be allocated. The program can catch the error.
    pub fn check_buffer_room(&self, bytes: usize) -> Completion {
        if bytes >= u32::MAX as usize || bytes as u64 > self.limit.saturating_sub(self.live) {
            return range_error("Array buffer allocation failed");
        }
        Ok(self.check_room(bytes as u64)?)
    }

    /// The bytes of a buffer from `from` to the end of their chunk.
    fn bytes_from(&self, buffer: HeapRef, from: usize) -> &[u8] {
        let (bytes, from) = match self.get(buffer) {
            Entry::Buffer(ArrayBuffer::Small(bytes)) => (bytes, from),
            Entry::Buffer(ArrayBuffer::Chunked { chunks, .. }) => {
                match chunks.get(from / CHUNK_BYTES).map(|chunk| self.get(*chunk)) {
                    Some(Entry::Bytes(bytes)) => (bytes, from % CHUNK_BYTES),
                    _ => return &[],
                }
            }
            _ => return &[],
        };
        bytes.get(from..).unwrap_or_default()
    }

    fn bytes_from_mut(&mut self, buffer: HeapRef, from: usize) -> &mut [u8] {
        // A write into a chunk leaves the page of the buffer clean.
        let (at, from) = match self.get(buffer) {
            Entry::Buffer(ArrayBuffer::Chunked { chunks, .. }) => match chunks.get(from / CHUNK_BYTES) {
                Some(chunk) => (*chunk, from % CHUNK_BYTES),
                None => return &mut [],
            },
            _ => (buffer, from),
        };
        match self.get_mut(at) {
            Some(Entry::Buffer(ArrayBuffer::Small(bytes)) | Entry::Bytes(bytes)) => {
                bytes.get_mut(from..).unwrap_or_default()
            }
            _ => &mut [],
        }
    }

    /// Copies bytes of a buffer.
    pub fn read_bytes(&self, buffer: HeapRef, from: usize, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let found = self.bytes_from(buffer, from + done);
            let count = found.len().min(out.len() - done);
            if count == 0 {
                return;
            }
            out[done..done + count].copy_from_slice(&found[..count]);
            done += count;
        }
    }

    /// Replaces bytes of a buffer.
    pub fn write_bytes(&mut self, buffer: HeapRef, from: usize, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let place = self.bytes_from_mut(buffer, from + done);
            let count = place.len().min(bytes.len() - done);
            if count == 0 {
                return;
            }
            place[..count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
    }

    /// A copy of `count` bytes of a buffer.
    pub fn copy_bytes(&self, buffer: HeapRef, from: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.read_bytes(buffer, from, &mut bytes);
        bytes
    }

    /// The element at `index`. ECMA-262 §10.4.5.15 TypedArrayGetElement.
    #[inline]
    pub fn view_element(&self, view: View, index: usize) -> Option<f64> {
        if index >= view.len as usize {
            return None;
        }
        let (mut bytes, size) = ([0; 8], view.kind.size());
        bytes[..size].copy_from_slice(self.bytes_from(view.buffer, view.place(index)).get(..size)?);
        Some(view.kind.decode(bytes))
    }

    /// Replaces the element at `index`, if there is one. ECMA-262 §10.4.5.16 TypedArraySetElement.
    #[inline]
    pub fn set_view_element(&mut self, view: View, index: usize, number: f64) {
        if index < view.len as usize {
            let (bytes, size) = (view.kind.encode(number), view.kind.size());
            if let Some(place) = self.bytes_from_mut(view.buffer, view.place(index)).get_mut(..size) {
                place.copy_from_slice(&bytes[..size]);
            }
        }
    }

    /// The elements `from..to` of a view, as numbers.
    pub fn view_numbers(&self, view: View, from: usize, to: usize) -> impl Iterator<Item = f64> + '_ {
        (from..to).map_while(move |index| self.view_element(view, index))
    }

    /// Copies the elements from `from` on of a view to the elements of another one from `at` on, up to the end of
    /// either. The two may overlap.
    pub fn copy_elements(&mut self, source: View, from: usize, target: View, at: usize) {
        let count = (source.len as usize).saturating_sub(from).min((target.len as usize).saturating_sub(at));
        let size = source.kind.size();
        let bytes = self.copy_bytes(source.buffer, source.place(from), count * size);
        if source.kind == target.kind {
            return self.write_bytes(target.buffer, target.place(at), &bytes);
        }
        for (index, element) in bytes.chunks_exact(size).enumerate() {
            let mut number = [0; 8];
            number[..size].copy_from_slice(element);
            self.set_view_element(target, at + index, source.kind.decode(number));
        }
    }

    /// Number of elements of an array or a typed array; 0 for other entries.
    pub fn sequence_len(&self, at: HeapRef) -> usize {
        self.typed_array(at).map_or_else(|| self.array_len(at), |view| view.len as usize)
    }

    /// The element of an array or a typed array at `index`, or a hole if there is none.
    pub fn sequence_element(&self, at: HeapRef, index: usize) -> Value {
        match self.typed_array(at) {
            Some(view) => self.view_element(view, index).map_or(Value::Hole, Value::Number),
            None => self.element(at, index),
        }
    }

    /// Checks that every buffer has its bytes, and that every view lies within its buffer.
    pub fn check_buffers(&self) -> Result<(), String> {
        for page in 0..self.page_count() {
            for (slot, entry) in (0u32..).zip(self.page(page)) {
                let is_sound = match entry {
                    Entry::Buffer(ArrayBuffer::Chunked { len, chunks }) => {
                        let len = *len as usize;
                        let has_bytes = |(number, chunk): (usize, &HeapRef)| {
                            let expected = len.saturating_sub(number * CHUNK_BYTES).min(CHUNK_BYTES);
                            matches!(self.get(*chunk), Entry::Bytes(bytes) if bytes.len() == expected)
                        };
                        chunks.len() == len.div_ceil(CHUNK_BYTES) && chunks.iter().enumerate().all(has_bytes)
                    }
                    Entry::View(view) => {
                        let (size, len) = (view.kind.size() as u64, self.buffer(view.buffer).map(ArrayBuffer::len));
                        let end = u64::from(view.offset) + u64::from(view.len) * size;
                        u64::from(view.offset) % size == 0 && len.is_some_and(|len| end <= len as u64)
                    }
                    _ => true,
                };
                if !is_sound {
                    return Err(format!("entry {} of the heap lacks its bytes", page * ENTRIES_PER_PAGE + slot));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_of_a_long_buffer_dirties_one_page() {
        let mut heap = Heap::default();
        let (_, view) = heap.new_typed_array(ViewKind::Float64, 10_000).unwrap();
        heap.mark_clean();
        heap.set_view_element(view, 5_432, 1.5);
        assert_eq!(heap.dirty_pages().len(), 1);
        assert_eq!(heap.view_element(view, 5_432), Some(1.5));
        assert_eq!(heap.view_element(view, 5_431), Some(0.0));
        assert_eq!(heap.view_element(view, 10_000), None);
    }

    #[test]
    fn bytes_cross_the_borders_of_chunks() {
        let mut heap = Heap::default();
        let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|n| n as u8).collect();
        let buffer = heap.new_buffer(bytes.clone());
        assert_eq!(
            heap.copy_bytes(buffer, CHUNK_BYTES - 3, 2 * CHUNK_BYTES),
            bytes[CHUNK_BYTES - 3..][..2 * CHUNK_BYTES]
        );
        heap.write_bytes(buffer, CHUNK_BYTES - 2, &[9; 4]);
        assert_eq!(heap.copy_bytes(buffer, CHUNK_BYTES - 3, 6), [253, 9, 9, 9, 9, 2]);
        heap.check_buffers().unwrap();
    }

    #[test]
    fn every_kind_of_number_returns_from_its_bytes() {
        for kind in ViewKind::ALL {
            for number in [0.0, 1.0, 100.0] {
                assert_eq!(kind.decode(kind.encode(number)), number, "{kind:?}");
            }
        }
        for (number, byte) in [(0.5, 0), (1.5, 2), (2.5, 2), (-1.0, 0), (300.0, 255), (f64::NAN, 0)] {
            assert_eq!(ViewKind::Uint8Clamped.encode(number)[0], byte);
        }
        for (number, byte) in [(256.0, 0), (-1.0, 255), (300.0, 44), (1e20, 0), (-1.9, 255), (f64::INFINITY, 0)] {
            assert_eq!(ViewKind::Uint8.encode(number)[0], byte);
        }
        assert!(ViewKind::Float64.decode((f64::NAN.to_bits() | 1 << 63 | 7).to_le_bytes()).is_nan());
    }
}
