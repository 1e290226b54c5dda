//! Index selection: the index of a query and the ranges to scan. Fields with equality come first, then one range, then the sort
//! order.

use super::index::{EntryRange, TableIndex, prefix_end};
use crate::schema::{Collection, Direction, Filter, IndexKind, Kind, Literal, Predicate, Sort, keys};
use crate::store::eval::SortKey;
use crate::value::{Json, SortedMap, is_equal, sort_by, words};

/// Largest number of ranges that lists of values may multiply to. Beyond it, fewer fields of the index are used.
const MAX_RANGES: usize = 64;

/// A scan of an index.
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
        let known = FilterConstraints::from_filter(filter);
        let usable = indexes.iter().filter_map(|index| Self::try_index(collection, index, &known, sort));
        let useful = usable.filter(|(worth, _)| *worth > (0, false, false, 0, false));
        useful.max_by_key(|(worth, _)| *worth).map(|(_, access)| access)
    }

    fn try_index(
        collection: &Collection,
        index: &'a TableIndex,
        known: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let declared = index.declared;
        if !declared.partial.as_ref().is_none_or(|p| known.implies(p)) {
            return None;
        }
        match declared.kind {
            IndexKind::Ordered => {}
            IndexKind::Each => return Self::try_element_index(collection, index, known, sort),
            IndexKind::Text => return Self::try_text_index(index, known, sort),
            IndexKind::Contains => return Self::try_containment_index(index, known, sort),
        }
        let mut prefixes = vec![Vec::new()];
        let mut equal = 0;
        for (path, direction) in declared.fields {
            let Some(values) = known.equal.get(path) else { break };
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
            known.ranges.get(path).and_then(|range| range.encode(collection.kind_of(path))).map(|r| (r, *direction))
        });
        let ranges = prefixes.iter().map(|prefix| match &range {
            None => EntryRange::with_prefix(prefix.clone()),
            Some(((least, greatest), direction)) => entry_range(prefix, least, greatest, *direction),
        });
        let ranges: Vec<EntryRange> = ranges.collect();
        let mut access = Self {
            index,
            ranges,
            backward: false,
            presorted_fields: 0,
            fully_sorted: false,
            prefix: Vec::new(),
            sort_fields: Vec::new(),
        };
        if let [prefix] = prefixes.as_slice() {
            access.prefix.clone_from(prefix);
            access.match_sort(known, sort, equal);
        }
        Some((
            (equal, range.is_some(), access.fully_sorted, access.presorted_fields, declared.partial.is_some()),
            access,
        ))
    }

    /// Uses an index of list elements if the filter requires one element. Each document has at most one entry for it.
    fn try_element_index(
        collection: &Collection,
        index: &'a TableIndex,
        known: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        // An element index has entries for lists only. A null field contains null, but has no entry.
        let is_list = collection.kind_of(path) == Kind::List;
        let element = known.contained.get(path).filter(|value| is_list && !value.is_null())?;
        Some(Self::scan_entry(index, keys::encode_field(Kind::Json, element, *direction), sort))
    }

    /// Uses a containment index. It has no entries for the contents of objects, so it cannot find an object.
    fn try_containment_index(
        index: &'a TableIndex,
        known: &FilterConstraints,
        sort: &[Sort],
    ) -> Option<(IndexScore, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        let value = known.contained.get(path).filter(|value| !value.is_object())?;
        Some(Self::scan_entry(index, keys::encode_field(Kind::Json, value, *direction), sort))
    }

    /// Uses the longest required word of one field, which is probably the rarest. A text without words matches every document.
    fn try_text_index(index: &'a TableIndex, known: &FilterConstraints, sort: &[Sort]) -> Option<(IndexScore, Self)> {
        let texts = index.declared.fields.iter().filter_map(|(path, _)| known.texts.get(path));
        let word = texts.flat_map(|text| words(text)).max_by_key(String::len)?;
        Some(Self::scan_entry(index, keys::word_key(&word), sort))
    }

    /// Scans all documents with one entry. Each occurs once.
    fn scan_entry(index: &'a TableIndex, entry: Vec<u8>, sort: &[Sort]) -> (IndexScore, Self) {
        let ranges = vec![EntryRange::with_prefix(entry.clone())];
        let exact = sort.is_empty();
        let access = Self {
            index,
            ranges,
            backward: false,
            presorted_fields: 0,
            fully_sorted: exact,
            prefix: entry,
            sort_fields: Vec::new(),
        };
        ((1, false, exact, 0, index.declared.partial.is_some()), access)
    }

    /// Determines how many fields of the order the index serves after `equal` fixed fields.
    fn match_sort(&mut self, known: &FilterConstraints, sort: &[Sort], equal: usize) {
        let fields = self.index.declared.fields;
        for (position, Sort { field, direction }) in sort.iter().enumerate() {
            if known.is_fixed(field) {
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
        let turn = |b: &u8| if self.backward { !*b } else { *b };
        let fields = self.sort_fields.iter().filter_map(|place| key.fields().get(*place));
        self.prefix.iter().copied().chain(fields.flatten().map(turn)).collect()
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
        let mut known = Self::default();
        known.collect(filter);
        known
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
            Filter::Exists(path, there) => {
                self.exists.insert(path.as_str(), *there);
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

    /// Returns whether the field must exist. A field that is compared with a value other than null exists; null also matches a
    /// missing field.
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
    /// Returns the prefixes of the least and the greatest ascending key of the interval. An interval with ends of two kinds is
    /// empty.
    fn encode(&self, kind: Kind) -> Option<(Vec<u8>, Vec<u8>)> {
        let of = |value: Option<&Json>| value.map(|v| keys::encode_field(kind, v, Direction::Ascending));
        let (least, most) = (of(self.least), of(self.greatest));
        // Booleans have two first bytes, every other kind one.
        let ends = |first: u8| if first & 0xf0 == 0x10 { (0x10, 0x11) } else { (first, first) };
        let first = *least.as_ref().or(most.as_ref())?.first()?;
        let (low, high) = ends(first);
        let least = least.unwrap_or_else(|| vec![low]);
        let most = most.unwrap_or_else(|| vec![high]);
        Some((least, most))
    }
}
