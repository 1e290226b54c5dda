//! `String.prototype.normalize`. ECMA-262 §22.1.3.15, Unicode Standard Annex #15 Unicode Normalization Forms.
//!
//! The tables are those of Unicode 17, as in Node. `tests/language/normalization.mjs` writes them from Node. They take
//! 19 KB, or 10 KB compressed.

use std::sync::OnceLock;

use runstate_value::sort_by;

use super::super::abrupt_completion::range_error;
use super::super::text::Units;
use super::super::value::Value;
use super::{BuiltinDefinition, string};
use crate::conversion::{self, StrBuilder};
use crate::regexp::take_number;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §22.1.3.15 String.prototype.normalize.
    ("String.prototype.normalize", 0, |machine, args| {
        let text = string::this_text(machine, args)?;
        let form = match super::arg(machine, args, 0) {
            Value::Undefined => "NFC".to_owned(),
            _ => super::arg_text(machine, args, 0)?.to_utf8(),
        };
        let (is_compatible, is_composed) = match form.as_str() {
            "NFC" => (false, true),
            "NFD" => (false, false),
            "NFKC" => (true, true),
            "NFKD" => (true, false),
            _ => return range_error("The normalization form should be one of NFC, NFD, NFKC, NFKD."),
        };
        let units = text.units();
        if (form == "NFC" && matches!(units, Units::Latin(_))) || units.iter().all(|unit| unit < 128) {
            return string::return_text(machine, text);
        }
        let tables = Tables::global();
        let mut len = 0;
        let decomposed = |visit: &mut dyn FnMut(u32)| {
            for one in char::decode_utf16(units.iter()) {
                let point = one.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from);
                tables.decompose(point, is_compatible, visit);
            }
        };
        decomposed(&mut |_| len += 1);
        conversion::check_text_length(machine, len)?;
        machine.heap.check_room(8 * len as u64)?;
        machine.charge_work(POINT_WORK * len as u64);
        let mut points = Vec::with_capacity(len);
        decomposed(&mut |point| points.push(point));
        tables.sort_marks(&mut points);
        if is_composed {
            points = tables.compose(points);
        }
        let mut normalized = StrBuilder::default();
        for point in points {
            match char::from_u32(point) {
                Some(one) => normalized.push_str(one.encode_utf8(&mut [0; 4])),
                None => normalized.push_unit(point as u16),
            }
        }
        string::return_text(machine, normalized.build())
    }),
];

/// Work of a code point.
const POINT_WORK: u64 = 64;

/// The classes of the marks, then the mappings. Both have distances between code points; numbers have seven bits per
/// byte, least significant first.
const DATA: &[u8] = include_bytes!("normalization.bin");

/// The last code point that is a Hangul syllable, and the first ones of the syllables and of their parts.
/// The Unicode Standard §3.12 Conjoining Jamo Behavior.
const LAST_SYLLABLE: u32 = 0xd7a3;
const SYLLABLES: u32 = 0xac00;
const LEADING: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
const TRAILING: u32 = 0x11a7;
const LEADING_COUNT: u32 = 19;
const VOWEL_COUNT: u32 = 21;
const TRAILING_COUNT: u32 = 28;

/// The tables, in ascending order.
struct Tables {
    /// Marks with the rank of their combining class.
    classes: Vec<(u32, u8)>,
    /// Code points with their mapping: whether it is one of compatibility, and where it begins and ends.
    mappings: Vec<(u32, bool, u16, u16)>,
    targets: Vec<u32>,
    /// Pairs with their composition.
    pairs: Vec<((u32, u32), u32)>,
}

impl Tables {
    fn global() -> &'static Tables {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(|| Tables::read(DATA))
    }

    fn read(mut data: &[u8]) -> Tables {
        let (mut classes, mut point) = (Vec::new(), 0);
        for _ in 0..take_number(&mut data) {
            point += take_number(&mut data);
            let (count, rank) = (take_number(&mut data), take_number(&mut data) as u8);
            classes.extend((point..point + count).map(|mark| (mark, rank)));
            point += count;
        }
        let (mut mappings, mut targets, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        let mut previous = [0u32; 32];
        point = 0;
        while !data.is_empty() {
            let head = take_number(&mut data);
            point += head / 3;
            let shape = if head.is_multiple_of(3) { 2 } else { take_number(&mut data) };
            let (len, count) = (shape % 32, shape / 32 + 1);
            for place in previous.iter_mut().take(len as usize) {
                let distance = take_number(&mut data);
                *place = match distance % 2 {
                    0 => place.wrapping_add(distance / 2),
                    _ => place.wrapping_sub(distance / 2 + 1),
                };
            }
            if head.is_multiple_of(3) {
                pairs.push(((previous[0], previous[1]), point));
            }
            for index in 0..count {
                if index > 0 {
                    previous[0] += 1;
                }
                let from = targets.len() as u16;
                targets.extend(previous.iter().take(len as usize));
                mappings.push((point + index, head % 3 == 2, from, targets.len() as u16));
            }
            point += count;
        }
        sort_by(&mut pairs, Ord::cmp);
        Tables { classes, mappings, targets, pairs }
    }

    /// The rank of a combining class, 0 for a starter.
    fn class(&self, point: u32) -> u8 {
        self.classes
            .binary_search_by_key(&point, |row| row.0)
            .ok()
            .and_then(|at| self.classes.get(at))
            .map_or(0, |row| row.1)
    }

    fn decompose(&self, point: u32, is_compatible: bool, visit: &mut dyn FnMut(u32)) {
        if (SYLLABLES..=LAST_SYLLABLE).contains(&point) {
            let index = point - SYLLABLES;
            visit(LEADING + index / (VOWEL_COUNT * TRAILING_COUNT));
            visit(VOWELS + index % (VOWEL_COUNT * TRAILING_COUNT) / TRAILING_COUNT);
            if !index.is_multiple_of(TRAILING_COUNT) {
                visit(TRAILING + index % TRAILING_COUNT);
            }
            return;
        }
        let found = self.mappings.binary_search_by_key(&point, |row| row.0).ok().and_then(|at| self.mappings.get(at));
        match found {
            Some((_, compatible, from, to)) if is_compatible || !compatible => {
                let targets = self.targets.get(usize::from(*from)..usize::from(*to)).unwrap_or_default();
                targets.iter().for_each(|target| self.decompose(*target, is_compatible, visit));
            }
            _ => visit(point),
        }
    }

    /// The Canonical Ordering Algorithm. The Unicode Standard §3.11.
    fn sort_marks(&self, points: &mut [u32]) {
        for marks in points.split_mut(|point| self.class(*point) == 0) {
            sort_by(marks, |one, other| self.class(*one).cmp(&self.class(*other)));
        }
    }

    /// The Canonical Composition Algorithm. The Unicode Standard §3.11.
    fn compose(&self, points: Vec<u32>) -> Vec<u32> {
        let (mut composed, mut starter, mut last_class) = (Vec::with_capacity(points.len()), None, 0);
        for point in points {
            let class = self.class(point);
            if let Some(at) = starter
                && (last_class < class || composed.len() == at + 1)
                && let Some(place) = composed.get_mut(at)
                && let Some(pair) = self.composition(*place, point)
            {
                *place = pair;
                continue;
            }
            if class == 0 {
                starter = Some(composed.len());
            }
            last_class = class;
            composed.push(point);
        }
        composed
    }

    fn composition(&self, left: u32, right: u32) -> Option<u32> {
        let index = |point: u32, first: u32, count: u32| point.checked_sub(first).filter(|index| *index < count);
        if let (Some(leading), Some(vowel)) = (index(left, LEADING, LEADING_COUNT), index(right, VOWELS, VOWEL_COUNT)) {
            return Some(SYLLABLES + (leading * VOWEL_COUNT + vowel) * TRAILING_COUNT);
        }
        if let (Some(syllable), Some(trailing @ 1..)) =
            (index(left, SYLLABLES, LAST_SYLLABLE - SYLLABLES + 1), index(right, TRAILING, TRAILING_COUNT))
            && syllable % TRAILING_COUNT == 0
        {
            return Some(left + trailing);
        }
        let at = self.pairs.binary_search_by_key(&(left, right), |pair| pair.0).ok()?;
        self.pairs.get(at).map(|pair| pair.1)
    }
}
