//! Texts that change a little at a time, stored as slices of rows. A text is cut into pieces where its content says so,
//! so that a change moves no boundary far from it. Saving it again writes the pieces that its last form did not have,
//! all in new rows, and names the others where they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use runstate_core::id::sha256;

/// Least and largest size of a piece in bytes. A piece may be a character longer.
const PIECE_BYTES: (usize, usize) = (32, 1024);

/// A piece ends where this number of high bits of the rolling hash are 0: after 64 bytes on average.
const BOUNDARY_BITS: u32 = 6;

/// Least and largest size of a full row in bytes. A row of which little is in use is copied, so a row is small; the
/// largest is far below every store's document limit, whatever escapes the text needs.
const ROW_BYTES: (usize, usize) = (4 * 1024, 1024 * 1024);

/// A row has at least this part of all that is saved together, and of the text that it is of.
const ROWS_PER_SAVE: usize = 256;
const ROWS_PER_TEXT: usize = 32;

/// Most rows of one save. The last one takes all that is left.
pub(super) const MAX_ROWS: usize = 1 << MAX_ROWS_BITS;

/// Bits of the number of a row of one save.
pub(super) const MAX_ROWS_BITS: u32 = 12;

/// Bytes that a text may have without being looked for in other texts.
const OWN_BYTES: usize = 8 * 1024;

/// Least bytes of a run that was written by the same save before, for another text or another part of this one, and is
/// not written again; more in a text above 128 KB, so that it has few slices.
const WRITTEN_BYTES: usize = 512;

/// Slices of a text above which the short ones are written again as longer ones.
const MAX_SLICES: usize = 8 * ROWS_PER_TEXT;

/// Most bytes that a turn copies out of rows of which little is in use.
const COPIED_BYTES: u64 = 1024 * 1024;

/// Bytes that may be stored without being in use, however little is in use.
const UNUSED_BYTES: u64 = 8 * 1024;

/// The number of a row among those in use. It is free again when the row is not in use.
pub(super) type Slot = u32;

/// A part of a text: bytes of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub row: Slot,
    pub start: u32,
    pub len: u32,
}

impl Slice {
    fn end(self) -> u32 {
        self.start.saturating_add(self.len)
    }

    /// Whether `next` follows it in the same row.
    fn is_before(self, next: Slice) -> bool {
        self.row == next.row && self.end() == next.start
    }

    /// The slice in the text of its row; `None`: the row does not have it.
    pub fn of(self, row: &str) -> Option<&str> {
        row.get(self.start as usize..self.end() as usize)
    }
}

/// A piece of a text, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    hash: [u8; 16],
    len: u16,
}

impl Piece {
    fn of(text: &str) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&sha256(&[text.as_bytes()])[..16]);
        Self { hash, len: text.len() as u16 }
    }
}

/// The pieces of stored texts by the number of the text, and the sizes of their rows.
#[derive(Clone, Debug, Default)]
pub(super) struct StoredTexts {
    texts: Vec<Arc<[Piece]>>,
    /// Bytes of the rows in use.
    rows: BTreeMap<Slot, u32>,
}

impl StoredTexts {
    /// Records a text that was read.
    pub fn add(&mut self, number: usize, text: &str) {
        self.set(number, pieces(text).map(Piece::of).collect());
    }

    /// Records a row that was read.
    pub fn add_row(&mut self, row: Slot, bytes: usize) {
        self.rows.insert(row, bytes as u32);
    }

    fn set(&mut self, number: usize, pieces: Arc<[Piece]>) {
        if self.texts.len() <= number {
            self.texts.resize(number + 1, Arc::default());
        }
        self.texts[number] = pieces;
    }

    /// The text that has most of the pieces of this one, if it has half of them.
    pub fn most_similar(&self, text: &str) -> Option<usize> {
        let new: Vec<Piece> = pieces(text).map(Piece::of).collect();
        let shared = |pieces: &[Piece]| {
            let known: HashSet<[u8; 16]> = pieces.iter().map(|piece| piece.hash).collect();
            let shared = new.iter().filter(|piece| known.contains(&piece.hash));
            shared.map(|piece| usize::from(piece.len)).sum::<usize>()
        };
        let numbers = self.texts.iter().enumerate().map(|(number, pieces)| (shared(pieces), number));
        let (bytes, number) = numbers.max_by_key(|(bytes, _)| *bytes)?;
        (2 * bytes >= text.len()).then_some(number)
    }

    /// The earlier rows of which less than half is in use, if that is so of all rows together. `used`: all slices in
    /// use.
    pub fn rows_to_copy<'a>(&self, writer: &RowWriter, used: impl Iterator<Item = &'a Slice>) -> BTreeSet<Slot> {
        let used = used_bytes(used);
        let size = |row: &Slot| self.rows.get(row).map_or(0, |bytes| u64::from(*bytes));
        let stored: u64 = used.keys().map(size).sum();
        if stored <= 2 * used.values().sum::<u64>() + UNUSED_BYTES {
            return BTreeSet::new();
        }
        let is_new = |row: &Slot| writer.rows.iter().any(|(new, _)| new == row);
        let is_unwanted = |(row, used): &(Slot, u64)| 2 * used < size(row) && !is_new(row);
        let mut bytes = 0u64;
        let unwanted = used.into_iter().filter(is_unwanted).take_while(|(_, used)| {
            bytes += used;
            bytes <= COPIED_BYTES
        });
        unwanted.map(|(row, _)| row).collect()
    }

    /// Removes the rows of which nothing is in use, and returns them.
    pub fn remove_unused<'a>(&mut self, used: impl Iterator<Item = &'a Slice>) -> BTreeSet<Slot> {
        let used = used_bytes(used);
        let unused: BTreeSet<Slot> = self.rows.keys().filter(|row| !used.contains_key(row)).copied().collect();
        self.rows.retain(|row, _| !unused.contains(row));
        unused
    }
}

fn used_bytes<'a>(slices: impl Iterator<Item = &'a Slice>) -> BTreeMap<Slot, u64> {
    let mut used: BTreeMap<Slot, u64> = BTreeMap::new();
    let mut slices = slices.peekable();
    // Slices of one row mostly follow each other.
    while let Some(first) = slices.next() {
        let mut bytes = u64::from(first.len);
        while let Some(slice) = slices.next_if(|slice| slice.row == first.row) {
            bytes += u64::from(slice.len);
        }
        *used.entry(first.row).or_default() += bytes;
    }
    used
}

/// The new rows of one save.
pub(super) struct RowWriter {
    free: Box<dyn Iterator<Item = Slot>>,
    row_bytes: usize,
    rows: Vec<(Slot, String)>,
    written: Places,
    /// The last forms of the texts that were saved. They may have lost what has moved to a text that is saved later.
    replaced: Vec<(Arc<[Piece]>, Vec<Slice>)>,
}

impl RowWriter {
    /// The writer of rows in the first slots that are `free`. `bytes`: about the size of all that is saved.
    pub fn new(free: impl Iterator<Item = Slot> + 'static, bytes: u64) -> Self {
        let row_bytes = usize::try_from(bytes).unwrap_or(usize::MAX) / ROWS_PER_SAVE;
        let (rows, written, replaced) = Default::default();
        Self { free: Box::new(free), row_bytes, rows, written, replaced }
    }

    /// Keeps the last form of a text for those that are saved later.
    pub fn add_replaced(&mut self, stored: &StoredTexts, number: usize, old: &[Slice]) {
        if let Some(pieces) = stored.texts.get(number) {
            self.replaced.push((pieces.clone(), old.to_vec()));
        }
    }

    /// The text as slices: of the rows that have it in its last form, which was at `old`, and of new ones. Much that is
    /// new is looked for in all texts, whose slices are `all` in the order of their numbers: a list that grows is made
    /// anew in another page. Rows of `unwanted` are not named again.
    pub fn save<'a>(
        &mut self,
        stored: &mut StoredTexts,
        number: usize,
        old: &[Slice],
        all: impl Iterator<Item = &'a [Slice]>,
        text: &str,
        unwanted: &BTreeSet<Slot>,
    ) -> Vec<Slice> {
        let (least, most) = ROW_BYTES;
        let text_bytes = text.len();
        let row_bytes = self.row_bytes.max(text_bytes / ROWS_PER_TEXT).clamp(least, most);
        let new: Vec<(Piece, &str)> = pieces(text).map(|piece| (Piece::of(piece), piece)).collect();
        let is_wanted = |place: &Place| !unwanted.contains(&place.slice.row);
        let mut places = Places::default();
        let own = stored.texts.get(number).map_or(Vec::new(), |pieces| self::places(pieces, old));
        places.extend(own.into_iter().filter(is_wanted));
        let mut found = find(&new, &mut places, 0);
        let lacks = found.iter().zip(&new).filter(|(place, _)| place.is_none());
        let lacking: HashMap<[u8; 16], usize> = lacks.map(|(_, (piece, _))| (piece.hash, piece.len.into())).collect();
        let bytes = lacking.values().sum::<usize>();
        if bytes > OWN_BYTES {
            let mut add = |pieces: &[Piece], slices: &[Slice]| {
                if pieces.iter().map(|piece| usize::from(piece.len)).sum::<usize>() >= bytes / 2 {
                    let is_lacking = |place: &Place| lacking.contains_key(&place.piece.hash) && is_wanted(place);
                    places.extend(self::places(pieces, slices).into_iter().filter(is_lacking));
                }
            };
            stored.texts.iter().zip(all).for_each(|(pieces, slices)| add(pieces, slices));
            self.replaced.iter().for_each(|(pieces, slices)| add(pieces, slices));
            found = find(&new, &mut places, 0);
        }
        // The shortest runs are written again, until half of the slices are left.
        let (mut least, longest) = (PIECE_BYTES.1, row_bytes / 2);
        let mut most_slices = MAX_SLICES;
        while count_slices(&found) > most_slices && least < 2 * longest {
            found = find(&new, &mut places, least.min(longest));
            least *= 2;
            most_slices = MAX_SLICES / 2;
        }
        let mut slices: Vec<Slice> = Vec::new();
        let (mut index, mut lacking_end) = (0, 0);
        while let (Some(place), Some((piece, text))) = (found.get(index), new.get(index)) {
            let (slice, count) = match *place {
                Some(slice) => (slice, 1),
                None => {
                    if lacking_end <= index {
                        lacking_end = index + found[index..].iter().take_while(|place| place.is_none()).count();
                    }
                    let least = WRITTEN_BYTES.max(text_bytes / MAX_SLICES);
                    match self.written.run(&new[index..lacking_end], least) {
                        (Some(run), count) => (run, count),
                        (None, _) => (self.write(*piece, text, row_bytes), 1),
                    }
                }
            };
            index += count;
            match slices.last_mut() {
                Some(last) if last.is_before(slice) => last.len += slice.len,
                _ => slices.push(slice),
            }
        }
        for (row, text) in &self.rows {
            stored.add_row(*row, text.len());
        }
        self.add_replaced(stored, number, old);
        stored.set(number, new.into_iter().map(|(piece, _)| piece).collect());
        slices
    }

    fn write(&mut self, piece: Piece, text: &str, row_bytes: usize) -> Slice {
        let is_last = self.rows.len() == MAX_ROWS;
        let fits = |row: &str| is_last || row.len() + text.len() <= row_bytes;
        let slice = match self.rows.last_mut().filter(|(_, row)| fits(row)) {
            Some((row, written)) => {
                let start = written.len() as u32;
                written.push_str(text);
                Slice { row: *row, start, len: piece.len.into() }
            }
            None => {
                let row = self.free.next().unwrap_or_default();
                self.rows.push((row, text.to_owned()));
                Slice { row, start: 0, len: piece.len.into() }
            }
        };
        self.written.extend([Place { piece, slice }]);
        slice
    }

    /// The new rows.
    pub fn into_rows(self) -> Vec<(Slot, String)> {
        self.rows
    }
}

/// A piece of a stored text.
struct Place {
    piece: Piece,
    slice: Slice,
}

/// Where the pieces of a text are, in their order. A piece that another version of this code has cut in another way may
/// lie across two slices, and is left out.
fn places(pieces: &[Piece], slices: &[Slice]) -> Vec<Place> {
    let mut places = Vec::with_capacity(pieces.len());
    let (mut slices, mut current, mut passed) = (slices.iter(), Slice::default(), 0);
    for piece in pieces {
        while passed >= current.len {
            let Some(next) = slices.next() else { return places };
            passed -= current.len;
            current = *next;
        }
        let len = u32::from(piece.len);
        if passed + len <= current.len {
            places.push(Place { piece: *piece, slice: Slice { start: current.start + passed, len, ..current } });
        }
        passed += len;
    }
    places
}

/// Places in their order.
#[derive(Default)]
struct Places {
    places: Vec<Place>,
    indexes: HashMap<[u8; 16], Vec<usize>>,
    /// The index after the last run.
    next: usize,
}

impl Places {
    fn extend(&mut self, places: impl IntoIterator<Item = Place>) {
        for place in places {
            self.indexes.entry(place.piece.hash).or_default().push(self.places.len());
            self.places.push(place);
        }
    }

    /// The longest run of places in one row that has the first of these pieces, as one slice, and the number of pieces,
    /// at least 1. `None`: it has fewer bytes than `least`. Of equal places the next one in the order is taken, so that
    /// the parts of a text do not mix.
    fn run(&mut self, pieces: &[(Piece, &str)], least: usize) -> (Option<Slice>, usize) {
        let Some(((piece, _), later)) = pieces.split_first() else { return (None, 1) };
        let same = self.indexes.get(&piece.hash).map_or(&[][..], Vec::as_slice);
        let first = same.get(same.partition_point(|index| *index < self.next)).or(same.first());
        let Some((first, run)) = first.and_then(|first| Some((*first, self.places.get(*first..)?))) else {
            return (None, 1);
        };
        let follows = |(pair, (piece, _)): &(&[Place], &(Piece, &str))| match pair {
            [before, place] => place.piece == *piece && before.slice.is_before(place.slice),
            _ => false,
        };
        let count = 1 + run.windows(2).zip(later).take_while(follows).count();
        let len: u32 = run.iter().take(count).map(|place| place.slice.len).sum();
        let slice = run.first().filter(|_| len as usize >= least).map(|place| Slice { len, ..place.slice });
        if slice.is_some() {
            self.next = first + count;
        }
        (slice, count)
    }
}

/// Where each piece is. One in a run with fewer bytes than `least` is written again.
fn find(pieces: &[(Piece, &str)], places: &mut Places, least: usize) -> Vec<Option<Slice>> {
    places.next = 0;
    let mut found = Vec::with_capacity(pieces.len());
    while let Some(rest) = pieces.get(found.len()..).filter(|rest| !rest.is_empty()) {
        let (run, count) = places.run(rest, least);
        let Some(run) = run else {
            found.extend(rest.iter().take(count).map(|_| None));
            continue;
        };
        let mut start = run.start;
        found.extend(rest.iter().take(count).map(|(piece, _)| {
            let slice = Slice { start, len: piece.len.into(), ..run };
            start = slice.end();
            Some(slice)
        }));
    }
    found
}

/// The number of slices, if new pieces are written one after another.
fn count_slices(found: &[Option<Slice>]) -> usize {
    let breaks = found.windows(2).filter(|pair| match (pair[0], pair[1]) {
        (Some(before), Some(slice)) => !before.is_before(slice),
        (before, slice) => before.is_some() != slice.is_some(),
    });
    breaks.count() + 1
}

/// The pieces of a text. A boundary depends on the 64 bytes before it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (least, most) = PIECE_BYTES;
        let most = most.min(rest.len());
        let mut hash = 0u64;
        let bytes = rest.as_bytes().iter().take(most).zip(1..);
        let mut ends = bytes.filter_map(|(byte, end)| {
            hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
            (end >= least && hash.leading_zeros() >= BOUNDARY_BITS).then_some(end)
        });
        let end = ends.next().unwrap_or(most);
        let (piece, later) = rest.split_at(rest.ceil_char_boundary(end));
        rest = later;
        Some(piece)
    })
}

/// A random number for each byte (the gear hash of Xia et al., "`FastCDC`", 2016), from SplitMix64.
const GEAR: [u64; 256] = {
    let (mut table, mut state, mut index) = ([0; 256], 0u64, 0);
    while index < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[index] = mixed ^ (mixed >> 31);
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that was saved, and the rows that hold it.
    #[derive(Default)]
    struct Saved {
        stored: StoredTexts,
        slices: Vec<Slice>,
        rows: BTreeMap<Slot, String>,
    }

    impl Saved {
        /// Saves the text, checks that it can be read, and returns the bytes that were written.
        fn save(&mut self, text: &str) -> usize {
            let used: Vec<Slot> = self.rows.keys().copied().collect();
            let mut writer = RowWriter::new((0..).filter(move |slot| !used.contains(slot)), text.len() as u64);
            let mut slices = writer.save(&mut self.stored, 0, &self.slices, std::iter::empty(), text, &BTreeSet::new());
            let unwanted = self.stored.rows_to_copy(&writer, slices.iter());
            if !unwanted.is_empty() {
                slices = writer.save(&mut self.stored, 0, &slices, std::iter::empty(), text, &unwanted);
            }
            self.slices = slices;
            let new = writer.into_rows();
            let written = new.iter().map(|(_, text)| text.len()).sum();
            for (row, text) in new {
                assert_eq!(self.rows.insert(row, text), None);
            }
            for row in self.stored.remove_unused(self.slices.iter()) {
                self.rows.remove(&row).unwrap();
            }
            let read: String = self.slices.iter().map(|slice| slice.of(&self.rows[&slice.row]).unwrap()).collect();
            assert_eq!(read, text);
            let mut again = StoredTexts::default();
            again.add(0, text);
            assert_eq!(again.texts[0], self.stored.texts[0]);
            written
        }

        fn stored_bytes(&self) -> usize {
            self.rows.values().map(String::len).sum()
        }
    }

    /// A text without repetitions, of which each number gives another one.
    fn noise(number: u64, bytes: usize) -> String {
        let mut state = number;
        let mut text = String::new();
        while text.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(['a', 'é', '"', '{', 'x', '1', '\\', '😀'][(state >> 61) as usize]);
            text.push_str(&(state >> 40).to_string());
        }
        text
    }

    #[test]
    fn a_text_that_grows_at_its_end_writes_only_its_end() {
        let (mut saved, mut text, mut written) = (Saved::default(), String::new(), 0);
        for turn in 0..300 {
            text.push_str(&noise(turn, 2_000));
            written += saved.save(&format!("[\"{text}\",\"{}\"]", text.replace('\\', "\\\\")));
            assert!(saved.slices.len() <= MAX_SLICES, "{turn}");
        }
        assert!(written < 10 * text.len(), "{written} of {}", text.len());
    }

    #[test]
    fn a_change_in_the_middle_writes_little_and_unused_text_is_dropped() {
        let (mut saved, text, mut written) = (Saved::default(), noise(1, 100_000), 0);
        saved.save(&text);
        for turn in 0..1_000 {
            let at = text.ceil_char_boundary((turn * 7_919) % 90_000);
            written += saved.save(&format!("{}{}{}", &text[..at], noise(turn as u64, 20), &text[at..]));
            assert!(saved.stored_bytes() <= 3 * 101_000);
        }
        assert!(written < 1_000 * 5_000, "{written}");
        saved.save("");
        assert_eq!((saved.stored_bytes(), saved.slices.len()), (0, 0));
    }

    #[test]
    fn a_piece_across_two_slices_is_not_known() {
        let text = noise(7, 3_000);
        let pieces: Vec<Piece> = pieces(&text).map(Piece::of).collect();
        let cut = u32::from(pieces[0].len) + 1;
        let first = Slice { row: 1, start: 5, len: cut };
        let second = Slice { row: 2, start: 0, len: text.len() as u32 - cut };
        let places = places(&pieces, &[first, second]);
        assert_eq!(places.len(), pieces.len() - 1);
        assert_eq!(places[0].slice, Slice { len: cut - 1, ..first });
        assert!(places[1..].iter().all(|place| place.slice.row == 2 && place.slice.end() <= second.len));
    }

    #[test]
    fn equal_pieces_are_one_slice() {
        let mut saved = Saved::default();
        for turn in 1..40 {
            saved.save(&"x".repeat(20_000 * turn));
            assert!(saved.slices.len() <= MAX_SLICES, "{turn}: {}", saved.slices.len());
        }
    }

    #[test]
    fn pieces_are_as_large_as_they_may_be() {
        let (least, most) = PIECE_BYTES;
        for text in [noise(3, 100_000), "é".repeat(5_000), "x".repeat(5_000)] {
            let sizes: Vec<usize> = pieces(&text).map(str::len).collect();
            let (_, but_last) = sizes.split_last().unwrap();
            assert!(but_last.iter().all(|size| (least..most + 4).contains(size)));
            assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
