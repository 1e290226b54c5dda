//! One maintained index: an ordered set of byte keys, each of which ends with the id of its document. Index selection
//! determines the index of a query and the ranges to scan. Fields with equality come first, then one range, then the
//! sort order.

use std::ops::Bound;
use std::sync::Arc;

use runstate_core::schema::{Collection, Direction, Filter, Index, IndexKind, Kind, Literal, Predicate, Sort, keys};
use runstate_value::{Json, SortedMap, is_equal, sort_by, words};

use super::overlay::{EntrySet, ScanDirection};
use crate::StoreError;
use crate::eval::SortKey;

/// The entries of one index. A key is an entry (`schema::keys`) followed by the id, so equal entries are adjacent and
/// in the order of their ids. Entries are self-delimiting: no entry is a prefix of another, and the id can be stripped
/// again.
#[derive(Clone, Debug)]
pub(super) struct TableIndex {
    pub(super) declared: &'static Index,
    /// The declaration that determines the entries, as text.
    pub(super) made_by: Arc<str>,
    pub(super) keys: EntrySet,
}

/// A range of keys: from the first (included, or excluded if it was returned before) to `to` (excluded; none: to the
/// end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryRange {
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
}

impl EntryRange {
    /// All keys.
    pub(super) const ALL: Self = Self { from: Bound::Unbounded, to: None };

    /// Returns the range of all keys with the prefix `prefix`.
    pub(super) fn with_prefix(prefix: Vec<u8>) -> Self {
        Self { to: prefix_end(&prefix), from: Bound::Included(prefix) }
    }
}

/// Returns the least key that is greater than all keys with the prefix `prefix`; none if there is no such key.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

impl TableIndex {
    /// Returns the document that has this entry; of several, the one with the least id.
    pub(super) fn owner(&self, entry: &[u8]) -> Result<Option<Arc<str>>, StoreError> {
        self.ids(&EntryRange::with_prefix(entry.to_vec())).next().transpose()
    }

    /// Returns the later of the first two documents that share an entry. The entries of the base were checked when it
    /// was written, so only the overlay is checked.
    pub(super) fn find_duplicate(&self) -> Result<Option<Arc<str>>, StoreError> {
        let mut last: Option<&[u8]> = None;
        for (key, id) in self.keys.overlay_entries() {
            let entry = entry_of(key, id);
            if last == Some(entry) {
                return Ok(Some(id.clone()));
            }
            last = Some(entry);
            if self.keys.has_base()
                && let Some(second) = self.ids(&EntryRange::with_prefix(entry.to_vec())).nth(1)
            {
                return second.map(Some);
            }
        }
        Ok(None)
    }

    /// Returns ids in the order of entries, then of ids.
    pub(super) fn ids<'a>(
        &'a self,
        range: &EntryRange,
    ) -> impl Iterator<Item = Result<Arc<str>, StoreError>> + use<'a> {
        self.keys.range(range, ScanDirection::Forward).map(|row| row.map(|(_, id)| id))
    }

    /// Returns ids in the reverse order of entries; ids of equal entries stay in ascending order. With `within`, the
    /// first group begins after that id.
    pub(super) fn ids_backward<'a>(
        &'a self,
        range: &EntryRange,
        within: Option<(Vec<u8>, &str)>,
    ) -> impl Iterator<Item = Result<Arc<str>, StoreError>> + use<'a> {
        let resume = within.map(|(entry, id)| (Bound::Excluded([entry.as_slice(), id.as_bytes()].concat()), entry));
        let remaining = match &resume {
            Some((_, entry)) => EntryRange { from: range.from.clone(), to: Some(entry.clone()) },
            None => range.clone(),
        };
        let first = resume.map(|(from, entry)| Ok(EntryRange { from, to: prefix_end(&entry) }));
        let groups = EntryGroups { index: self, remaining: Some(remaining) };
        first.into_iter().chain(groups).flat_map(|group| {
            let (ids, failed) = match group {
                Ok(group) => (Some(self.ids(&group)), None),
                Err(e) => (None, Some(Err(e))),
            };
            ids.into_iter().flatten().chain(failed)
        })
    }
}

/// The groups of equal entries, in descending order.
struct EntryGroups<'a> {
    index: &'a TableIndex,
    remaining: Option<EntryRange>,
}

impl Iterator for EntryGroups<'_> {
    type Item = Result<EntryRange, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let remaining = self.remaining.take()?;
        let (key, id) = match self.index.keys.range(&remaining, ScanDirection::Backward).next()? {
            Ok(last) => last,
            Err(e) => return Some(Err(e)),
        };
        let entry = entry_of(&key, &id).to_vec();
        self.remaining = Some(EntryRange { from: remaining.from, to: Some(entry.clone()) });
        Some(Ok(EntryRange::with_prefix(entry)))
    }
}

/// Returns the key without the id at its end.
pub(super) fn entry_of<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    // The base may be damaged: a key without this suffix is returned as it is.
    key.strip_suffix(id.as_bytes()).unwrap_or(key)
}

/// Largest number of ranges that lists of values may multiply to. Beyond it, fewer fields of the index are used.
const MAX_RANGES: usize = 64;

#[derive(Debug)]
pub(super) struct IndexScan<'a> {
    pub(super) index: &'a TableIndex,
    /// The ranges of the documents. Several ranges do not overlap, and their scan is not sorted.
    pub(super) ranges: Vec<EntryRange>,
    /// The requested order is the reverse of the index order.
    pub(super) backward: bool,
    /// The number of leading fields of the requested order in which the scan is sorted.
    pub(super) presorted_fields: usize,
    /// The index order is exactly the requested order, including the id.
    pub(super) fully_sorted: bool,
    /// The bytes with which all scanned entries begin.
    prefix: Vec<u8>,
    /// For each field of the entry after the prefix, its position in the requested order.
    sort_fields: Vec<usize>,
}

/// The rank of a scan; the greatest is the best.
type IndexScore = (usize, bool, bool, usize, bool);

impl<'a> IndexScan<'a> {
    /// Returns the best index scan for `filter` and `sort`; none if no index helps.
    pub(super) fn choose(
        collection: &Collection,
        indexes: &'a [TableIndex],
        filter: &Filter,
        sort: &[Sort],
    ) -> Option<Self> {
        let constraints = FilterConstraints::from_filter(filter);
        let usable = indexes.iter().filter_map(|index| Self::try_index(collection, index, &constraints, sort));
        let useful = usable.filter(|(score, _)| *score > (0, false, false, 0, false));
        useful.max_by_key(|(score, _)| *score).map(|(_, scan)| scan)
    }

    fn try_index(
        collection: &Collection,
        index: &'a TableIndex,
        constraints: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let declared = index.declared;
        if !declared.partial.as_ref().is_none_or(|p| constraints.implies(p)) {
            return None;
        }
        match declared.kind {
            IndexKind::Ordered => {}
            IndexKind::Each => return Self::try_element_index(collection, index, constraints, sort),
            IndexKind::Text => return Self::try_text_index(index, constraints, sort),
            IndexKind::Contains => return Self::try_containment_index(index, constraints, sort),
        }
        let mut prefixes = vec![Vec::new()];
        let mut equal = 0;
        for (path, direction) in declared.fields {
            let Some(values) = constraints.equal.get(path) else { break };
            let kind = collection.kind_of(path);
            let mut parts: Vec<_> = values.iter().map(|value| keys::encode_field(kind, value, *direction)).collect();
            sort_by(&mut parts, Ord::cmp);
            parts.dedup();
            if prefixes.len() * parts.len() > MAX_RANGES {
                break;
            }
            prefixes = prefixes.iter().flat_map(|p| parts.iter().map(move |part| [&p[..], part].concat())).collect();
            equal += 1;
        }
        let range = declared.fields.get(equal).and_then(|(path, direction)| {
            constraints
                .ranges
                .get(path)
                .and_then(|range| range.encode(collection.kind_of(path)))
                .map(|r| (r, *direction))
        });
        let ranges = prefixes.iter().map(|prefix| match &range {
            None => EntryRange::with_prefix(prefix.clone()),
            Some(((least, greatest), direction)) => entry_range(prefix, least, greatest, *direction),
        });
        let ranges: Vec<EntryRange> = ranges.collect();
        let mut scan = Self {
            index,
            ranges,
            backward: false,
            presorted_fields: 0,
            fully_sorted: false,
            prefix: Vec::new(),
            sort_fields: Vec::new(),
        };
        if let [prefix] = prefixes.as_slice() {
            scan.prefix.clone_from(prefix);
            scan.match_sort(constraints, sort, equal);
        }
        Some(((equal, range.is_some(), scan.fully_sorted, scan.presorted_fields, declared.partial.is_some()), scan))
    }

    /// Uses an index of list elements if the filter requires one element. Each document has at most one entry for it.
    fn try_element_index(
        collection: &Collection,
        index: &'a TableIndex,
        constraints: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        // An element index has entries for lists only. A null field contains null, but has no entry.
        let is_list = collection.kind_of(path) == Kind::List;
        let element = constraints.contained.get(path).filter(|value| is_list && !value.is_null())?;
        Some(Self::scan_entry(index, keys::encode_field(Kind::Json, element, *direction), sort))
    }

    /// Uses a containment index. It has no entries for the contents of objects, so it cannot find an object.
    fn try_containment_index(
        index: &'a TableIndex,
        constraints: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        let value = constraints.contained.get(path).filter(|value| !value.is_object())?;
        Some(Self::scan_entry(index, keys::encode_field(Kind::Json, value, *direction), sort))
    }

    /// Uses the longest required word of one field, which is probably the rarest. A text without words matches every
    /// document.
    fn try_text_index(
        index: &'a TableIndex,
        constraints: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let texts = index.declared.fields.iter().filter_map(|(path, _)| constraints.texts.get(path));
        let word = texts.flat_map(|text| words(text)).max_by_key(String::len)?;
        Some(Self::scan_entry(index, keys::word_key(&word), sort))
    }

    /// Scans all documents with one entry. Each occurs once.
    fn scan_entry(index: &'a TableIndex, entry: Vec<u8>, sort: &[Sort]) -> (IndexScore, Self) {
        let ranges = vec![EntryRange::with_prefix(entry.clone())];
        let exact = sort.is_empty();
        let scan = Self {
            index,
            ranges,
            backward: false,
            presorted_fields: 0,
            fully_sorted: exact,
            prefix: entry,
            sort_fields: Vec::new(),
        };
        ((1, false, exact, 0, index.declared.partial.is_some()), scan)
    }

    /// Determines how many fields of the order the index serves after `equal` fixed fields.
    fn match_sort(&mut self, constraints: &FilterConstraints, sort: &[Sort], equal: usize) {
        let fields = self.index.declared.fields;
        for (position, Sort { field, direction }) in sort.iter().enumerate() {
            if constraints.is_fixed(field) {
                self.presorted_fields = position + 1;
                continue;
            }
            let Some((path, own)) = fields.get(equal + self.sort_fields.len()) else { break };
            let backward = own != direction;
            if path != field || (!self.sort_fields.is_empty() && backward != self.backward) {
                break;
            }
            self.backward = backward;
            self.sort_fields.push(position);
            self.presorted_fields = position + 1;
        }
        self.fully_sorted = self.presorted_fields == sort.len() && equal + self.sort_fields.len() == fields.len();
    }

    /// Returns the bytes with which entries of rows with this sort key begin.
    pub(super) fn entry_prefix(&self, key: &SortKey) -> Vec<u8> {
        let invert = |b: &u8| if self.backward { !*b } else { *b };
        let fields = self.sort_fields.iter().filter_map(|place| key.fields().get(*place));
        self.prefix.iter().copied().chain(fields.flatten().map(invert)).collect()
    }
}

fn entry_range(prefix: &[u8], least: &[u8], greatest: &[u8], direction: Direction) -> EntryRange {
    let at = |bytes: &[u8]| [prefix, bytes].concat();
    let inverted = |bytes: &[u8]| at(&bytes.iter().map(|b| !b).collect::<Vec<u8>>());
    let (from, last) = match direction {
        Direction::Ascending => (at(least), at(greatest)),
        Direction::Descending => (inverted(greatest), inverted(least)),
    };
    EntryRange { to: prefix_end(&last), ..EntryRange::with_prefix(from) }
}

/// The constraints that every matching document fulfils, by field. They come from the conditions that must all hold.
#[derive(Default)]
struct FilterConstraints<'f> {
    /// The field equals one of these values.
    equal: SortedMap<&'f str, Vec<&'f Json>>,
    ranges: SortedMap<&'f str, ValueRange<'f>>,
    contained: SortedMap<&'f str, &'f Json>,
    texts: SortedMap<&'f str, &'f str>,
    exists: SortedMap<&'f str, bool>,
}

impl<'f> FilterConstraints<'f> {
    fn from_filter(filter: &'f Filter) -> Self {
        let mut constraints = Self::default();
        constraints.collect(filter);
        constraints
    }

    fn collect(&mut self, filter: &'f Filter) {
        match filter {
            Filter::And(all) => all.iter().for_each(|f| self.collect(f)),
            Filter::Eq(path, value) => {
                self.equal.insert(path.as_str(), vec![value]);
            }
            Filter::In(path, values) => {
                self.equal.or_insert_with(path.as_str(), || values.iter().collect());
            }
            Filter::Lt(path, value) | Filter::Lte(path, value) => {
                self.ranges.or_default(path.as_str()).greatest = Some(value);
            }
            Filter::Gt(path, value) | Filter::Gte(path, value) => {
                self.ranges.or_default(path.as_str()).least = Some(value);
            }
            Filter::Contains(path, value) => {
                self.contained.insert(path.as_str(), value);
            }
            Filter::Exists(path, exists) => {
                self.exists.insert(path.as_str(), *exists);
            }
            Filter::Text(path, text) => {
                self.texts.insert(path.as_str(), text);
            }
            Filter::All | Filter::Ne(..) | Filter::Or(_) | Filter::Not(_) => {}
        }
    }

    fn is_fixed(&self, path: &str) -> bool {
        self.equal.get(path).is_some_and(|values| values.len() == 1)
    }

    /// Returns whether every matching document also fulfils `predicate`; false if this is unknown.
    fn implies(&self, predicate: &Predicate) -> bool {
        let within = |path: &str, constants: &[Literal]| {
            let allowed = |value: &Json| constants.iter().any(|c| is_equal(value, &c.to_json()));
            self.equal.get(path).is_some_and(|values| values.iter().all(|v| allowed(v)))
        };
        match predicate {
            Predicate::Exists(path) => self.must_exist(path),
            Predicate::Missing(path) => self.exists.get(path) == Some(&false),
            Predicate::Eq(path, constant) => within(path, std::slice::from_ref(constant)),
            Predicate::In(path, constants) => within(path, constants),
            Predicate::All(all) => all.iter().all(|p| self.implies(p)),
            Predicate::Any(any) => any.iter().any(|p| self.implies(p)),
        }
    }

    /// Returns whether the field must exist. A field that is compared with a value other than null exists; null also
    /// matches a missing field.
    fn must_exist(&self, path: &str) -> bool {
        self.exists.get(path) == Some(&true)
            || self.contained.contains_key(path)
            || self.equal.get(path).is_some_and(|values| values.iter().all(|v| !v.is_null()))
            || self.ranges.get(path).is_some_and(|r| r.least.or(r.greatest).is_some_and(|v| !v.is_null()))
    }
}

/// An interval of values of one kind. Both ends are included, and the filter checks them again.
#[derive(Default)]
struct ValueRange<'f> {
    least: Option<&'f Json>,
    greatest: Option<&'f Json>,
}

impl ValueRange<'_> {
    /// Returns the prefixes of the least and the greatest ascending key of the interval. An interval with ends of two
    /// kinds is empty.
    fn encode(&self, kind: Kind) -> Option<(Vec<u8>, Vec<u8>)> {
        let encode = |value: Option<&Json>| value.map(|v| keys::encode_field(kind, v, Direction::Ascending));
        let (least, greatest) = (encode(self.least), encode(self.greatest));
        // Booleans have two first bytes, every other kind one.
        let ends = |first: u8| if first & 0xf0 == 0x10 { (0x10, 0x11) } else { (first, first) };
        let first = *least.as_ref().or(greatest.as_ref())?.first()?;
        let (low, high) = ends(first);
        let least = least.unwrap_or_else(|| vec![low]);
        let greatest = greatest.unwrap_or_else(|| vec![high]);
        Some((least, greatest))
    }
}
