//! Sets of characters that the matcher tests.

use super::Flags;
use super::character_class::PatternReader;
use super::code_point_set::CodePointSet;
use super::unicode::fold_case;

/// The characters that one part of a pattern matches. ECMA-262 §22.2.2.1 Notation, CharSet.
#[derive(Debug)]
pub(super) struct CharSet {
    members: CodePointSet,
    /// Membership of the first 256 code points: most texts have no others.
    latin: [u64; 4],
}

impl CharSet {
    /// Approximate bytes of the set.
    pub(super) fn weight(&self) -> usize {
        80 + 4 * self.members.len()
    }
}

/// `[A-Za-z0-9_]`. ECMA-262 §22.2.2.9.3 WordCharacters.
pub(super) fn is_word(point: u32) -> bool {
    u8::try_from(point).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The long s and the kelvin sign. Unicode folds them to ASCII letters, but without `u` they do not match these.
/// ECMA-262 §22.2.2.7.3 Canonicalize.
const FOLDED_TO_ASCII: [u32; 2] = [0x17f, 0x212a];

impl CharSet {
    /// The characters that this part of a pattern matches. ECMA-262 §22.2.2.9 CompileToCharSet.
    pub(super) fn new(source: &[u32], flags: Flags) -> Result<CharSet, String> {
        let read = |flags| PatternReader { points: source, at: 0, flags }.read_atom();
        let mut members = read(flags)?;
        if flags.ignore_case && !flags.unicode {
            let (exact, two) =
                (read(Flags { ignore_case: false, ..flags })?, CodePointSet::from_points(FOLDED_TO_ASCII.to_vec()));
            members = members.difference(&two).union(&exact.intersection(&two));
        }
        let mut latin = [0u64; 4];
        for point in (0..256u32).filter(|point| members.contains(*point)) {
            latin[(point >> 6) as usize] |= 1 << (point & 63);
        }
        Ok(CharSet { members, latin })
    }

    /// Whether the set contains a character.
    #[inline]
    pub(super) fn contains(&self, point: u32) -> bool {
        match self.latin.get((point >> 6) as usize) {
            Some(bits) => bits & (1 << (point & 63)) != 0,
            None => self.members.contains(point),
        }
    }
}

/// Whether two characters differ at most in case. ECMA-262 §22.2.2.7.3 Canonicalize.
pub(super) fn eq_ignore_case(a: u32, b: u32, unicode: bool) -> bool {
    if a == b {
        return true;
    }
    match (u8::try_from(a), u8::try_from(b)) {
        (Ok(a), Ok(b)) if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(&b),
        _ if !unicode && (a < 128 || b < 128) => false,
        _ => fold_case(a, unicode) == fold_case(b, unicode),
    }
}
