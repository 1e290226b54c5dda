//! Which index serves a question, and which stretch of it: equalities first, then one range, then the order asked for.

use super::index::{Entries, Stretch, after};
use crate::schema::{Collection, Constant, Direction, Filter, IndexKind, Kind, Predicate, Sort, keys};
use crate::store::eval::SortKey;
use crate::value::{Few, Json, same, sort_by, words};

/// Most stretches that lists of values may multiply to; beyond it fewer fields of the index are used.
const MOST_STRETCHES: usize = 64;

/// How documents are reached through an index.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub(super) index: &'a Entries,
    /// Where the documents stand. Several do not overlap, and then no order is served.
    pub(super) stretches: Vec<Stretch>,
    /// The order asked for is the reverse of the index's.
    pub(super) backward: bool,
    /// So many fields of the order asked for are the index's order.
    pub(super) served: usize,
    /// The index's order is exactly the order asked for, the id included.
    pub(super) exact: bool,
    /// Bytes that all entries share.
    prefix: Vec<u8>,
    /// Which field of the order stands at each place of the entry behind the prefix.
    places: Vec<usize>,
}

/// How good an access is; more is better.
type Worth = (usize, bool, bool, usize, bool);

impl<'a> Access<'a> {
    /// The best index for `filter` and `sort`; none: no index helps.
    pub(super) fn choose(
        collection: &Collection,
        indexes: &'a [Entries],
        filter: &Filter,
        sort: &[Sort],
    ) -> Option<Self> {
        let known = Known::of(filter);
        let usable = indexes.iter().filter_map(|index| Self::through(collection, index, &known, sort));
        let useful = usable.filter(|(worth, _)| *worth > (0, false, false, 0, false));
        useful.max_by_key(|(worth, _)| *worth).map(|(_, access)| access)
    }

    fn through(collection: &Collection, index: &'a Entries, known: &Known, sort: &[Sort]) -> Option<(Worth, Self)> {
        let declared = index.declared;
        if !declared.partial.as_ref().is_none_or(|p| known.implies(p)) {
            return None;
        }
        match declared.kind {
            IndexKind::Ordered => {}
            IndexKind::Each => return Self::through_elements(collection, index, known, sort),
            IndexKind::Text => return Self::through_words(index, known, sort),
            IndexKind::Contains => return Self::through_contained(index, known, sort),
        }
        let mut prefixes = vec![Vec::new()];
        let mut equal = 0;
        for (path, direction) in declared.fields {
            let Some(values) = known.equal.get(path) else { break };
            let kind = collection.kind_of(path);
            let mut parts: Vec<_> = values.iter().map(|value| keys::encoded(kind, value, *direction)).collect();
            sort_by(&mut parts, Ord::cmp);
            parts.dedup();
            if prefixes.len() * parts.len() > MOST_STRETCHES {
                break;
            }
            prefixes = prefixes.iter().flat_map(|p| parts.iter().map(move |part| [&p[..], part].concat())).collect();
            equal += 1;
        }
        let range = declared.fields.get(equal).and_then(|(path, direction)| {
            known.ranges.get(path).and_then(|range| range.bytes(collection.kind_of(path))).map(|r| (r, *direction))
        });
        let stretches = prefixes.iter().map(|prefix| match &range {
            None => Stretch::of(prefix.clone()),
            Some(((least, greatest), direction)) => stretch(prefix, least, greatest, *direction),
        });
        let stretches: Vec<Stretch> = stretches.collect();
        let mut access =
            Self { index, stretches, backward: false, served: 0, exact: false, prefix: Vec::new(), places: Vec::new() };
        if let [prefix] = prefixes.as_slice() {
            access.prefix.clone_from(prefix);
            access.serve(known, sort, equal);
        }
        Some(((equal, range.is_some(), access.exact, access.served, declared.partial.is_some()), access))
    }

    /// An index of elements is of use where one element is asked for: a document stands under it once.
    fn through_elements(
        collection: &Collection,
        index: &'a Entries,
        known: &Known,
        sort: &[Sort],
    ) -> Option<(Worth, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        // An element index has entries for lists only. A field that is null contains null and has no entry.
        let is_list = collection.kind_of(path) == Kind::List;
        let element = known.contained.get(path).filter(|value| is_list && !value.is_null())?;
        Some(Self::under(index, keys::encoded(Kind::Json, element, *direction), sort))
    }

    /// What is contained in objects is not in the index, so an object is looked for without it.
    fn through_contained(index: &'a Entries, known: &Known, sort: &[Sort]) -> Option<(Worth, Self)> {
        let (path, direction) = index.declared.fields.first()?;
        let value = known.contained.get(path).filter(|value| !value.is_object())?;
        Some(Self::under(index, keys::encoded(Kind::Json, value, *direction), sort))
    }

    /// Of the words asked for in one field the longest, which is likely the rarest; text without words is in every document.
    fn through_words(index: &'a Entries, known: &Known, sort: &[Sort]) -> Option<(Worth, Self)> {
        let asked = index.declared.fields.iter().filter_map(|(path, _)| known.texts.get(path));
        let word = asked.flat_map(|text| words(text)).max_by_key(String::len)?;
        Some(Self::under(index, keys::word_key(&word), sort))
    }

    /// All documents under one entry, each once.
    fn under(index: &'a Entries, entry: Vec<u8>, sort: &[Sort]) -> (Worth, Self) {
        let stretches = vec![Stretch::of(entry.clone())];
        let exact = sort.is_empty();
        let access = Self { index, stretches, backward: false, served: 0, exact, prefix: entry, places: Vec::new() };
        ((1, false, exact, 0, index.declared.partial.is_some()), access)
    }

    /// Finds out how much of the order is the index's own, behind `equal` fixed fields.
    fn serve(&mut self, known: &Known, sort: &[Sort], equal: usize) {
        let fields = self.index.declared.fields;
        for (place, Sort { field, direction }) in sort.iter().enumerate() {
            if known.is_fixed(field) {
                self.served = place + 1;
                continue;
            }
            let Some((path, own)) = fields.get(equal + self.places.len()) else { break };
            let backward = own != direction;
            if path != field || (!self.places.is_empty() && backward != self.backward) {
                break;
            }
            self.backward = backward;
            self.places.push(place);
            self.served = place + 1;
        }
        self.exact = self.served == sort.len() && equal + self.places.len() == fields.len();
    }

    /// The bytes with which the entries of rows with this sort key begin.
    pub(super) fn entry_prefix(&self, key: &SortKey) -> Vec<u8> {
        let turn = |b: &u8| if self.backward { !*b } else { *b };
        let fields = self.places.iter().filter_map(|place| key.fields().get(*place));
        self.prefix.iter().copied().chain(fields.flatten().map(turn)).collect()
    }
}

fn stretch(prefix: &[u8], least: &[u8], greatest: &[u8], direction: Direction) -> Stretch {
    let at = |bytes: &[u8]| [prefix, bytes].concat();
    let inverted = |bytes: &[u8]| at(&bytes.iter().map(|b| !b).collect::<Vec<u8>>());
    let (from, last) = match direction {
        Direction::Ascending => (at(least), at(greatest)),
        Direction::Descending => (inverted(greatest), inverted(least)),
    };
    Stretch { to: after(&last), ..Stretch::of(from) }
}

/// What every document that matches is known to fulfil: what the conditions that must all hold say of single fields.
#[derive(Default)]
struct Known<'f> {
    /// The field equals one of these.
    equal: Few<&'f str, Vec<&'f Json>>,
    ranges: Few<&'f str, Range<'f>>,
    contained: Few<&'f str, &'f Json>,
    texts: Few<&'f str, &'f str>,
    exists: Few<&'f str, bool>,
}

impl<'f> Known<'f> {
    fn of(filter: &'f Filter) -> Self {
        let mut known = Self::default();
        known.learn(filter);
        known
    }

    fn learn(&mut self, filter: &'f Filter) {
        match filter {
            Filter::And(all) => all.iter().for_each(|f| self.learn(f)),
            Filter::Eq(path, value) => {
                self.equal.insert(path.as_str(), vec![value]);
            }
            Filter::In(path, values) => {
                self.equal.or_insert_with(path.as_str(), || values.iter().collect());
            }
            Filter::Lt(path, value) | Filter::Lte(path, value) => {
                self.ranges.at(path.as_str()).most = Some(value);
            }
            Filter::Gt(path, value) | Filter::Gte(path, value) => {
                self.ranges.at(path.as_str()).least = Some(value);
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

    /// Whether every document that matches also fulfils `predicate`. In doubt not.
    fn implies(&self, predicate: &Predicate) -> bool {
        let within = |path: &str, constants: &[Constant]| {
            let allowed = |value: &Json| constants.iter().any(|c| same(value, &c.to_json()));
            self.equal.get(path).is_some_and(|values| values.iter().all(|v| allowed(v)))
        };
        match predicate {
            Predicate::Exists(path) => self.is_there(path),
            Predicate::Missing(path) => self.exists.get(path) == Some(&false),
            Predicate::Eq(path, constant) => within(path, std::slice::from_ref(constant)),
            Predicate::In(path, constants) => within(path, constants),
            Predicate::All(all) => all.iter().all(|p| self.implies(p)),
            Predicate::Any(any) => any.iter().any(|p| self.implies(p)),
        }
    }

    /// What is compared with anything but null must be there; null may be a missing field.
    fn is_there(&self, path: &str) -> bool {
        self.exists.get(path) == Some(&true)
            || self.contained.contains_key(path)
            || self.equal.get(path).is_some_and(|values| values.iter().all(|v| !v.is_null()))
            || self.ranges.get(path).is_some_and(|r| r.least.or(r.most).is_some_and(|v| !v.is_null()))
    }
}

/// An interval within one kind of value; its ends count in, the filter judges them again.
#[derive(Default)]
struct Range<'f> {
    least: Option<&'f Json>,
    most: Option<&'f Json>,
}

impl Range<'_> {
    /// The prefixes of the least and the greatest ascending key within; of ends of two kinds nothing lies within.
    fn bytes(&self, kind: Kind) -> Option<(Vec<u8>, Vec<u8>)> {
        let of = |value: Option<&Json>| value.map(|v| keys::encoded(kind, v, Direction::Ascending));
        let (least, most) = (of(self.least), of(self.most));
        // Booleans have two first bytes, every other kind one.
        let ends = |first: u8| if first & 0xf0 == 0x10 { (0x10, 0x11) } else { (first, first) };
        let first = *least.as_ref().or(most.as_ref())?.first()?;
        let (low, high) = ends(first);
        let least = least.unwrap_or_else(|| vec![low]);
        let most = most.unwrap_or_else(|| vec![high]);
        Some((least, most))
    }
}
