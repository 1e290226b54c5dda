//! Which characters an atom matches.

use super::Flags;
use super::class::Reader;
use super::spans::Spans;
use super::unicode::folded;

/// Characters, by the part of a pattern that matches one of them.
#[derive(Debug)]
pub(super) struct Set {
    members: Spans,
    /// The first of them apart: nearly every text stays within.
    latin: [u64; 4],
}

impl Set {
    /// Bytes that the set takes, near enough.
    pub(super) fn weight(&self) -> usize {
        80 + 4 * self.members.len()
    }
}

/// `[A-Za-z0-9_]`
pub(super) fn is_word(point: u32) -> bool {
    u8::try_from(point).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Without `u` they are not the same as letters of ASCII, though Unicode folds them so: the long s and the sign of the kelvin.
const FOLDED_TO_ASCII: [u32; 2] = [0x17f, 0x212a];

impl Set {
    /// The characters that this part of a pattern matches.
    pub(super) fn new(source: &[u32], flags: Flags) -> Result<Set, String> {
        let read = |flags| Reader { points: source, at: 0, flags }.part();
        let mut members = read(flags)?;
        if flags.ignore_case && !flags.unicode {
            let (exact, two) = (read(Flags { ignore_case: false, ..flags })?, Spans::of(FOLDED_TO_ASCII.to_vec()));
            members = members.but_not(&two).or(&exact.and(&two));
        }
        let mut latin = [0u64; 4];
        for point in (0..256u32).filter(|point| members.has(*point)) {
            latin[(point >> 6) as usize] |= 1 << (point & 63);
        }
        Ok(Set { members, latin })
    }

    /// Whether a character is in.
    #[inline]
    pub(super) fn has(&self, point: u32) -> bool {
        match self.latin.get((point >> 6) as usize) {
            Some(bits) => bits & (1 << (point & 63)) != 0,
            None => self.members.has(point),
        }
    }
}

/// Whether two characters are the same but for case.
pub(super) fn same_but_for_case(a: u32, b: u32, unicode: bool) -> bool {
    if a == b {
        return true;
    }
    match (u8::try_from(a), u8::try_from(b)) {
        (Ok(a), Ok(b)) if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(&b),
        _ if !unicode && (a < 128 || b < 128) => false,
        _ => folded(a, unicode) == folded(b, unicode),
    }
}
