//! Tables map keys to values in order of insertion, for objects, Maps and Sets. A table holds up to 256 entries itself.
//! More entries are in chunks, which are separate heap entries: a change of one entry writes one chunk.
//!
//! The indexes for lookups are not part of the state. They are rebuilt when a snapshot is restored.

use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::{Entry, PAIR_BYTES, Pairs};
use super::heap::Heap;
use super::value::{HeapRef, Value};
use super::work;

/// Entries per chunk.
const CHUNK: usize = 64;

/// Most entries that a table holds itself.
const MAX_INLINE_ENTRIES: usize = 256;

/// Tables up to this length are searched linearly.
const LINEAR_SEARCH_MAX: usize = 8;

/// Entries per shard of an index when it is built.
const SHARD: usize = 128;

/// The hashes of the keys of a small table with their positions. The table has the keys.
type KeyIndex = HashTable<(u64, u32)>;

/// A table from keys to values.
#[derive(Clone, Default)]
pub struct Table {
    form: TableStorage,
}

#[derive(Clone)]
enum TableStorage {
    Small(Vec<(Value, Value)>, Option<Box<SmallTableExtras>>),
    Large(Box<ChunkedTable>),
}

impl Default for TableStorage {
    fn default() -> TableStorage {
        TableStorage::Small(Vec::new(), None)
    }
}

#[derive(Clone, Default)]
struct SmallTableExtras {
    /// Positions of the keys, for tables above [`LINEAR_SEARCH_MAX`].
    index: Option<KeyIndex>,
    numbering: Option<Numbering>,
}

/// Insertion numbers of a Map or Set. With them an iterator finds its place again after deletions.
#[derive(Clone, Default)]
struct Numbering {
    next: u32,
    numbers: Vec<u32>,
}

#[derive(Clone)]
struct ChunkedTable {
    len: u32,
    chunks: Vec<HeapRef>,
    /// The next insertion number, if insertions are numbered.
    next: Option<u32>,
    shards: Arc<Vec<Arc<Shard>>>,
}

/// Places of the keys of a large table.
type Shard = HashTable<ChunkPlace>;

/// The place of a key: its chunk and its index there.
#[derive(Clone, Copy)]
struct ChunkPlace {
    hash: u64,
    chunk: HeapRef,
    at: u32,
}

/// Location of an entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryLocation {
    Inline(usize),
    Chunk(HeapRef, usize),
}

/// The parts of a table that a snapshot stores.
pub enum TableParts<'a> {
    /// Entries; for Map and Set also the next insertion number and the insertion numbers.
    Small(&'a [(Value, Value)], Option<(u32, &'a [u32])>),
    /// Number of entries, chunks and the next insertion number.
    Chunked(u32, &'a [HeapRef], Option<u32>),
}

impl Table {
    /// An empty table with numbered insertions.
    pub fn numbered() -> Table {
        Table {
            form: TableStorage::Small(
                Vec::new(),
                Some(Box::new(SmallTableExtras { index: None, numbering: Some(Numbering::default()) })),
            ),
        }
    }

    /// A table of entries in order. Keys must be unique.
    pub fn from_pairs(pairs: Vec<(Value, Value)>) -> Table {
        let mut table = Table { form: TableStorage::Small(pairs, None) };
        table.index_small();
        table
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            TableStorage::Small(pairs, _) => pairs.len(),
            TableStorage::Large(large) => large.len as usize,
        }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts that a snapshot stores.
    pub fn parts(&self) -> TableParts<'_> {
        match &self.form {
            TableStorage::Small(pairs, extra) => {
                let numbering = extra.as_ref().and_then(|e| e.numbering.as_ref());
                TableParts::Small(pairs, numbering.map(|n| (n.next, n.numbers.as_slice())))
            }
            TableStorage::Large(large) => TableParts::Chunked(large.len, &large.chunks, large.next),
        }
    }

    /// A small table from a snapshot.
    pub fn from_small(pairs: Vec<(Value, Value)>, numbering: Option<(u32, Vec<u32>)>) -> Table {
        let numbering = numbering.map(|(next, numbers)| Numbering { next, numbers });
        let extra = numbering.map(|n| Box::new(SmallTableExtras { index: None, numbering: Some(n) }));
        let mut table = Table { form: TableStorage::Small(pairs, extra) };
        table.index_small();
        table
    }

    /// A large table from a snapshot. [`Heap::index_tables`] completes it when all pages are loaded.
    pub fn from_large(len: u32, chunks: Vec<HeapRef>, next: Option<u32>) -> Table {
        Table { form: TableStorage::Large(Box::new(ChunkedTable { len, chunks, next, shards: Arc::new(Vec::new()) })) }
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        match &self.form {
            TableStorage::Small(pairs, _) => {
                for (key, value) in pairs {
                    visit(key);
                    visit(value);
                }
            }
            TableStorage::Large(large) => large.chunks.iter().for_each(|r| visit(&Value::Ref(*r))),
        }
    }

    fn index_small(&mut self) {
        if let TableStorage::Small(pairs, extra) = &mut self.form
            && pairs.len() > LINEAR_SEARCH_MAX
        {
            let mut index = KeyIndex::with_capacity(pairs.len());
            for (at, (key, _)) in (0u32..).zip(pairs.iter()) {
                let hash = key.key_hash();
                index.insert_unique(hash, (hash, at), |(hash, _)| *hash);
            }
            extra.get_or_insert_default().index = Some(index);
        }
    }

    /// The value of a name, if it can be found without the heap.
    #[inline]
    pub(super) fn get_fast(&self, name: &Value) -> Option<&Value> {
        match &self.form {
            TableStorage::Small(pairs, extra) => {
                find_small(pairs, extra.as_deref(), name).and_then(|at| pairs.get(at)).map(|pair| &pair.1)
            }
            TableStorage::Large(_) => None,
        }
    }

    /// The index of a name, if it can be found without the heap; for [`Table::value_at_fast`].
    #[inline]
    pub(super) fn find_fast(&self, name: &Value) -> Option<usize> {
        match &self.form {
            TableStorage::Small(pairs, extra) => find_small(pairs, extra.as_deref(), name),
            TableStorage::Large(_) => None,
        }
    }

    /// Whether [`Table::append_fast`] can append.
    #[inline]
    pub(super) fn can_append_fast(&self) -> bool {
        matches!(&self.form, TableStorage::Small(pairs, None) if pairs.len() < LINEAR_SEARCH_MAX)
    }

    /// Appends a name that the table does not have, if no index or numbering must be updated. False otherwise.
    #[inline]
    pub(super) fn append_fast(&mut self, name: &Value, value: &Value) -> bool {
        match &mut self.form {
            TableStorage::Small(pairs, None) if pairs.len() < LINEAR_SEARCH_MAX => {
                pairs.push((name.clone(), value.clone()));
                true
            }
            _ => false,
        }
    }

    /// The value at an index.
    #[inline]
    pub(super) fn value_at_fast(&mut self, at: usize) -> Option<&mut Value> {
        match &mut self.form {
            TableStorage::Small(pairs, _) => pairs.get_mut(at).map(|pair| &mut pair.1),
            TableStorage::Large(_) => None,
        }
    }

    /// The location of a key.
    #[inline]
    fn find(&self, heap: &Heap, key: &Value) -> Option<EntryLocation> {
        match &self.form {
            TableStorage::Small(pairs, extra) => find_small(pairs, extra.as_deref(), key).map(EntryLocation::Inline),
            TableStorage::Large(large) => {
                let hash = key.key_hash();
                let shard = large.shards.get(shard_index(hash, large.shards.len()))?;
                let place = shard.find(hash, |place| place.hash == hash && is_same(heap.has_key(*place, key)))?;
                Some(EntryLocation::Chunk(place.chunk, place.at as usize))
            }
        }
    }
}

#[inline]
fn find_small(pairs: &[(Value, Value)], extra: Option<&SmallTableExtras>, key: &Value) -> Option<usize> {
    if pairs.len() <= LINEAR_SEARCH_MAX {
        return find_linear(pairs, key);
    }
    let wanted = key.key_hash();
    let is_equal = |(hash, at): &(u64, u32)| {
        *hash == wanted && is_same(pairs.get(*at as usize).is_some_and(|(other, _)| other.same_value_zero(key)))
    };
    extra?.index.as_ref()?.find(wanted, is_equal).map(|(_, at)| *at as usize)
}

/// Counts another key with the same hash. A program may know the hash function, and have many such keys.
fn is_same(equal: bool) -> bool {
    if !equal {
        work::count(work::UNITS_PER_INSTRUCTION);
    }
    equal
}

#[inline]
fn find_linear(pairs: &[(Value, Value)], key: &Value) -> Option<usize> {
    if let Value::Text(text) = key {
        return pairs.iter().position(|(k, _)| matches!(k, Value::Text(t) if t == text));
    }
    pairs.iter().position(|(k, _)| k.same_value_zero(key))
}

fn shard_index(hash: u64, shards: usize) -> usize {
    // The high bits, because the low bits choose the bucket within the shard.
    (hash >> 40) as usize & shards.wrapping_sub(1)
}

fn build_shards(places: impl Iterator<Item = ChunkPlace>, len: usize) -> Arc<Vec<Arc<Shard>>> {
    let count = (len / SHARD + 1).next_power_of_two();
    let mut shards = vec![Shard::default(); count];
    for place in places {
        if let Some(shard) = shards.get_mut(shard_index(place.hash, count)) {
            shard.insert_unique(place.hash, place, |place| place.hash);
        }
    }
    Arc::new(shards.into_iter().map(Arc::new).collect())
}

/// The places of the keys of a chunk.
fn chunk_places(chunk: HeapRef, items: &[(Value, Value)]) -> impl Iterator<Item = ChunkPlace> {
    (0u32..).zip(items).map(move |(at, (key, _))| ChunkPlace { hash: key.key_hash(), chunk, at })
}

/// The table of an entry: an error or a function has two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableKind {
    /// The enumerable properties, or the entries of a Map or Set.
    Main,
    /// The properties of an error or function that are not enumerable.
    Hidden,
}

impl Heap {
    fn table_mut(&mut self, at: HeapRef, kind: TableKind) -> Option<&mut Table> {
        self.get_mut(at).and_then(|entry| entry.table_mut(kind))
    }

    /// The table of an entry.
    #[inline]
    pub fn table(&self, at: HeapRef, kind: TableKind) -> Option<&Table> {
        self.get(at).table(kind)
    }

    /// The own property of an object with tables, and the table that has it. Entries of a Map or Set are none.
    pub fn find_property(&self, at: HeapRef, key: &Value) -> Option<(TableKind, &Value)> {
        let entry = Some(self.get(at)).filter(|entry| !matches!(entry, Entry::Map(_) | Entry::Set(_)))?;
        [TableKind::Main, TableKind::Hidden]
            .into_iter()
            .find_map(|kind| Some((kind, self.table_find(entry.table(kind)?, key)?)))
    }

    /// Sets a property in the table that has it, or as an enumerable one.
    pub fn set_property(&mut self, at: HeapRef, key: Value, value: Value) {
        let kind = self.find_property(at, &key).map_or(TableKind::Main, |found| found.0);
        self.table_set(at, kind, key, value);
    }

    /// Removes a property from the table that has it.
    pub fn remove_property(&mut self, at: HeapRef, key: &Value) {
        if let Some(kind) = self.find_property(at, key).map(|found| found.0) {
            self.table_remove(at, kind, key);
        }
    }

    fn has_key(&self, place: ChunkPlace, key: &Value) -> bool {
        match self.get(place.chunk) {
            Entry::Pairs(pairs) => {
                pairs.items.get(place.at as usize).is_some_and(|(other, _)| other.same_value_zero(key))
            }
            _ => false,
        }
    }

    /// A copy of the value of a key.
    #[inline]
    pub fn table_get(&self, table: &Table, key: &Value) -> Option<Value> {
        self.table_find(table, key).cloned()
    }

    /// The value of a key.
    pub fn table_find<'h>(&'h self, table: &'h Table, key: &Value) -> Option<&'h Value> {
        match table.find(self, key)? {
            EntryLocation::Inline(at) => match &table.form {
                TableStorage::Small(pairs, _) => pairs.get(at).map(|(_, value)| value),
                TableStorage::Large(_) => None,
            },
            EntryLocation::Chunk(chunk, at) => match self.get(chunk) {
                Entry::Pairs(pairs) => pairs.items.get(at).map(|(_, value)| value),
                _ => None,
            },
        }
    }

    /// Sets the value of a key and appends the key if it is new. Returns whether it was new.
    pub fn table_set(&mut self, at: HeapRef, kind: TableKind, key: Value, value: Value) -> bool {
        // A lookup before the write: if the entry is in a chunk, the page of the table stays clean.
        match self.table(at, kind).and_then(|table| table.find(self, &key)) {
            Some(location) => {
                if let Some(place) = self.table_place(at, kind, location) {
                    *place = value;
                }
                false
            }
            None => {
                self.table_append(at, kind, key, value);
                true
            }
        }
    }

    /// Sets the value of a property that an object has, unless it has a getter or setter. Returns whether it was set.
    pub(super) fn table_set_data(&mut self, at: HeapRef, key: &Value, value: Value) -> bool {
        let Some(location) = self.table(at, TableKind::Main).and_then(|table| table.find(self, key)) else {
            return false;
        };
        match self.table_place(at, TableKind::Main, location) {
            None | Some(Value::Accessor(_)) => false,
            Some(place) => {
                *place = value;
                true
            }
        }
    }

    fn table_place(&mut self, at: HeapRef, kind: TableKind, location: EntryLocation) -> Option<&mut Value> {
        let pair = match location {
            EntryLocation::Inline(place) => match &mut self.table_mut(at, kind)?.form {
                TableStorage::Small(pairs, _) => pairs.get_mut(place),
                TableStorage::Large(_) => None,
            },
            EntryLocation::Chunk(chunk, place) => match self.get_mut(chunk)? {
                Entry::Pairs(pairs) => pairs.items.get_mut(place),
                _ => None,
            },
        };
        pair.map(|pair| &mut pair.1)
    }

    fn table_append(&mut self, at: HeapRef, kind: TableKind, key: Value, value: Value) {
        self.charge(2 * PAIR_BYTES + key.key_weight(0) + value.weight());
        let Some(table) = self.table_mut(at, kind) else { return };
        match &mut table.form {
            TableStorage::Small(pairs, extra) if pairs.len() < MAX_INLINE_ENTRIES => {
                let place = pairs.len() as u32;
                if let Some(SmallTableExtras { numbering: Some(numbering), .. }) = extra.as_deref_mut() {
                    numbering.numbers.push(numbering.next);
                    numbering.next = numbering.next.saturating_add(1);
                }
                let hash = extra.as_ref().and_then(|extra| extra.index.as_ref()).map(|_| key.key_hash());
                pairs.push((key, value));
                if let (Some(hash), Some(SmallTableExtras { index: Some(index), .. })) = (hash, extra.as_deref_mut()) {
                    index.insert_unique(hash, (hash, place), |(hash, _)| *hash);
                }
                if place as usize == LINEAR_SEARCH_MAX {
                    table.index_small();
                }
            }
            TableStorage::Small(pairs, extra) => {
                let pairs = std::mem::take(pairs);
                let numbering = extra.take().and_then(|e| e.numbering);
                self.table_to_chunks(at, kind, pairs, numbering);
                self.table_append_large(at, kind, key, value);
            }
            TableStorage::Large(_) => self.table_append_large(at, kind, key, value),
        }
    }

    fn table_to_chunks(
        &mut self,
        at: HeapRef,
        kind: TableKind,
        pairs: Vec<(Value, Value)>,
        numbering: Option<Numbering>,
    ) {
        let len = pairs.len();
        let next = numbering.as_ref().map(|n| n.next);
        let mut numbers = numbering.map(|n| n.numbers).unwrap_or_default().into_iter();
        let mut pairs = pairs.into_iter();
        let mut chunks = Vec::new();
        let mut places = Vec::with_capacity(len);
        loop {
            let items: Vec<(Value, Value)> = pairs.by_ref().take(CHUNK).collect();
            if items.is_empty() {
                break;
            }
            let numbers = numbers.by_ref().take(CHUNK).collect();
            let from = places.len();
            places.extend(chunk_places(HeapRef::NONE, &items));
            let chunk = self.allocate(Entry::Pairs(Box::new(Pairs { items, numbers })));
            places[from..].iter_mut().for_each(|place| place.chunk = chunk);
            chunks.push(chunk);
        }
        let shards = build_shards(places.into_iter(), len);
        if let Some(table) = self.table_mut(at, kind) {
            table.form = TableStorage::Large(Box::new(ChunkedTable { len: len as u32, chunks, next, shards }));
        }
    }

    fn table_append_large(&mut self, at: HeapRef, kind: TableKind, key: Value, value: Value) {
        let Some(Table { form: TableStorage::Large(large) }) = self.table(at, kind) else { return };
        let number = large.next;
        let last = large.chunks.last().copied().unwrap_or(HeapRef::NONE);
        let full = !matches!(self.get(last), Entry::Pairs(pairs) if pairs.items.len() < CHUNK);
        let chunk = if full { self.allocate(Entry::Pairs(Box::default())) } else { last };
        let mut place = ChunkPlace { hash: key.key_hash(), chunk, at: 0 };
        if let Some(Entry::Pairs(pairs)) = self.get_mut(chunk) {
            place.at = pairs.items.len() as u32;
            pairs.items.push((key, value));
            pairs.numbers.extend(number);
        }
        let Some(Table { form: TableStorage::Large(large) }) = self.table_mut(at, kind) else { return };
        if full {
            large.chunks.push(chunk);
        }
        large.len += 1;
        large.next = number.map(|n| n.saturating_add(1));
        if large.len as usize > 2 * SHARD * large.shards.len() {
            let old = std::mem::take(&mut large.shards);
            large.shards = build_shards(old.iter().flat_map(|shard| shard.iter().copied()), 2 * large.len as usize);
        }
        if let Some(shard) = shard_mut(&mut large.shards, place.hash) {
            shard.insert_unique(place.hash, place, |place| place.hash);
        }
    }

    /// Removes a key. Returns whether the table had it.
    pub fn table_remove(&mut self, at: HeapRef, kind: TableKind, key: &Value) -> bool {
        match self.table(at, kind).and_then(|table| table.find(self, key)) {
            None => false,
            Some(EntryLocation::Inline(place)) => {
                let Some(table) = self.table_mut(at, kind) else { return false };
                if let TableStorage::Small(pairs, extra) = &mut table.form {
                    pairs.remove(place);
                    if let Some(extra) = extra {
                        if let Some(numbering) = &mut extra.numbering {
                            numbering.numbers.remove(place);
                        }
                        extra.index = extra.index.take().filter(|_| pairs.len() > LINEAR_SEARCH_MAX);
                        if let Some(index) = &mut extra.index {
                            index.retain(|(_, at)| *at != place as u32);
                            index.iter_mut().filter(|(_, at)| *at > place as u32).for_each(|(_, at)| *at -= 1);
                        }
                    }
                }
                true
            }
            Some(EntryLocation::Chunk(chunk, place)) => {
                self.remove_from_chunk(at, kind, key, chunk, place);
                true
            }
        }
    }

    fn remove_from_chunk(&mut self, at: HeapRef, kind: TableKind, key: &Value, chunk: HeapRef, place: usize) {
        let mut moved: Vec<ChunkPlace> = Vec::new();
        let mut empty = false;
        if let Some(Entry::Pairs(pairs)) = self.get_mut(chunk)
            && place < pairs.items.len()
        {
            moved.extend(chunk_places(chunk, &pairs.items).skip(place + 1));
            pairs.items.remove(place);
            if !pairs.numbers.is_empty() {
                pairs.numbers.remove(place);
            }
            empty = pairs.items.is_empty();
        }
        if let Some(Table { form: TableStorage::Large(large) }) = self.table_mut(at, kind) {
            large.len = large.len.saturating_sub(1);
            let removed = ChunkPlace { hash: key.key_hash(), chunk, at: place as u32 };
            if let Some(entry) = shard_mut(&mut large.shards, removed.hash)
                .and_then(|shard| shard.find_entry(removed.hash, |place| place.is_at(removed)).ok())
            {
                entry.remove();
            }
            for moved in moved {
                if let Some(place) = shard_mut(&mut large.shards, moved.hash)
                    .and_then(|shard| shard.find_mut(moved.hash, |place| place.is_at(moved)))
                {
                    place.at -= 1;
                }
            }
            if empty {
                large.chunks.retain(|c| *c != chunk);
            }
        }
        if empty {
            self.free(chunk);
        }
    }

    /// Removes all entries. The numbering continues.
    pub fn table_clear(&mut self, at: HeapRef, kind: TableKind) {
        let mut removed_chunks = Vec::new();
        if let Some(table) = self.table_mut(at, kind) {
            let next = match &mut table.form {
                TableStorage::Small(_, extra) => extra.as_ref().and_then(|e| e.numbering.as_ref()).map(|n| n.next),
                TableStorage::Large(large) => {
                    removed_chunks = std::mem::take(&mut large.chunks);
                    large.next
                }
            };
            *table = Table::from_small(Vec::new(), next.map(|n| (n, Vec::new())));
        }
        work::count_items(removed_chunks.len());
        for chunk in removed_chunks {
            self.free(chunk);
        }
    }

    /// Visits all entries in order of insertion.
    pub fn visit_table_entries(&self, table: &Table, mut visit: impl FnMut(&Value, &Value)) {
        work::count_items(table.len());
        match &table.form {
            TableStorage::Small(pairs, _) => pairs.iter().for_each(|(key, value)| visit(key, value)),
            TableStorage::Large(large) => {
                for chunk in &large.chunks {
                    if let Entry::Pairs(pairs) = self.get(*chunk) {
                        pairs.items.iter().for_each(|(key, value)| visit(key, value));
                    }
                }
            }
        }
    }

    /// The first entry whose insertion number is at least `number`, with the number after it. There is none after the
    /// largest number.
    pub fn table_next(&self, table: &Table, number: u32) -> Option<(u32, Value, Value)> {
        let (found, key, value) = if number == u32::MAX { None } else { self.find_numbered(table, number) }?;
        Some((found.saturating_add(1), key, value))
    }

    fn find_numbered(&self, table: &Table, number: u32) -> Option<(u32, Value, Value)> {
        match &table.form {
            TableStorage::Small(pairs, extra) => {
                let numbers = &extra.as_ref()?.numbering.as_ref()?.numbers;
                let place = numbers.partition_point(|n| *n < number);
                let (key, value) = pairs.get(place)?;
                Some((*numbers.get(place)?, key.clone(), value.clone()))
            }
            TableStorage::Large(large) => {
                let pairs_of = |chunk: &HeapRef| match self.get(*chunk) {
                    Entry::Pairs(pairs) => Some(pairs),
                    _ => None,
                };
                let after =
                    |chunk: &HeapRef| pairs_of(chunk).and_then(|p| p.numbers.last()).is_none_or(|last| *last < number);
                let chunk = large.chunks.get(large.chunks.partition_point(after))?;
                let pairs = pairs_of(chunk)?;
                let place = pairs.numbers.partition_point(|n| *n < number);
                let (key, value) = pairs.items.get(place)?;
                Some((*pairs.numbers.get(place)?, key.clone(), value.clone()))
            }
        }
    }

    /// Builds the indexes of large tables after a restore.
    pub fn index_tables(&mut self) {
        for page in 0..self.page_count() {
            for slot in 0..self.page(page).len() as u32 {
                for kind in [TableKind::Main, TableKind::Hidden] {
                    let at = HeapRef(page * super::heap::ENTRIES_PER_PAGE + slot);
                    let Some(Table { form: TableStorage::Large(large) }) = self.table(at, kind) else { continue };
                    let mut places = Vec::with_capacity(large.len as usize);
                    for chunk in &large.chunks {
                        if let Entry::Pairs(pairs) = self.get(*chunk) {
                            places.extend(chunk_places(*chunk, &pairs.items));
                        }
                    }
                    let shards = build_shards(places.into_iter(), large.len as usize);
                    if let Some(Table { form: TableStorage::Large(large) }) = self.table_mut(at, kind) {
                        large.shards = shards;
                    }
                }
            }
        }
    }
}

impl ChunkPlace {
    fn is_at(self, other: ChunkPlace) -> bool {
        (self.chunk, self.at) == (other.chunk, other.at)
    }
}

fn shard_mut(shards: &mut Arc<Vec<Arc<Shard>>>, hash: u64) -> Option<&mut Shard> {
    let shards = Arc::make_mut(shards);
    let number = shard_index(hash, shards.len());
    shards.get_mut(number).map(Arc::make_mut)
}

#[cfg(test)]
mod tests {
    use super::super::object::Object;
    use super::*;

    fn text(n: u32) -> Value {
        Value::text(&format!("key{n}"))
    }

    #[test]
    fn tables_of_every_size_find_replace_and_remove() {
        for size in [5u32, 9, 200, 257, 5000] {
            let mut heap = Heap::default();
            let at = heap.allocate(Entry::Object(Object::default()));
            for n in 0..size {
                assert!(heap.table_set(at, TableKind::Main, text(n), Value::Number(f64::from(n))));
            }
            assert!(!heap.table_set(at, TableKind::Main, text(3), Value::Null));
            for n in (0..size).step_by(2) {
                assert!(heap.table_remove(at, TableKind::Main, &text(n)), "{n} of {size}");
                assert!(!heap.table_remove(at, TableKind::Main, &text(n)));
            }
            let table = heap.table(at, TableKind::Main).unwrap();
            assert_eq!(table.len() as u32, size / 2);
            let mut seen = Vec::new();
            heap.visit_table_entries(table, |key, _| seen.push(format!("{key:?}")));
            let expected: Vec<String> = (0..size).filter(|n| n % 2 == 1).map(|n| format!("{:?}", text(n))).collect();
            assert_eq!(seen, expected);
            for n in 0..size {
                assert_eq!(heap.table_get(table, &text(n)).is_some(), n % 2 == 1);
            }
        }
    }

    #[test]
    fn an_iterator_finds_its_place_whatever_is_deleted() {
        let mut heap = Heap::default();
        let at = heap.allocate(Entry::Map(Box::new(Table::numbered())));
        for n in 0..1000 {
            heap.table_set(at, TableKind::Main, Value::Number(f64::from(n)), Value::Null);
        }
        for n in 0..700 {
            heap.table_remove(at, TableKind::Main, &Value::Number(f64::from(n)));
        }
        let table = heap.table(at, TableKind::Main).unwrap();
        assert!(matches!(heap.table_next(table, 5), Some((701, Value::Number(n), _)) if n == 700.0));
        assert!(heap.table_next(table, 1000).is_none());
        heap.table_clear(at, TableKind::Main);
        heap.table_set(at, TableKind::Main, Value::Null, Value::Null);
        assert!(matches!(heap.table_next(heap.table(at, TableKind::Main).unwrap(), 0), Some((1001, Value::Null, _))));
    }

    #[test]
    fn a_changed_entry_of_a_large_table_dirties_one_page() {
        let mut heap = Heap::default();
        let at = heap.allocate(Entry::Object(Object::default()));
        for n in 0..10_000 {
            heap.table_set(at, TableKind::Main, text(n), Value::Null);
        }
        heap.mark_clean();
        heap.table_set(at, TableKind::Main, text(7777), Value::Bool(true));
        assert_eq!(heap.dirty_pages().len(), 1, "only the chunk's page");
    }
}
