//! Which characters an atom matches. `regress` knows (Unicode tables, case folding); its answers are kept in bitmaps, made
//! for 256 characters at a time when one of them is first asked for.

use std::sync::OnceLock;

use super::super::number::is_space;
use super::Flags;

/// Characters, by a pattern that matches one of them.
#[derive(Debug)]
pub(super) struct Set {
    members: Members,
    /// Bitmaps of the characters below U+10000, 256 each.
    known: Box<[OnceLock<Box<[u64; 4]>>]>,
    /// The first of them apart: nearly every text stays within.
    latin: OnceLock<[u64; 4]>,
}

#[derive(Debug)]
enum Members {
    Digit,
    Space,
    Word,
    Not(Box<Members>),
    /// `exact` heeds case.
    Asked {
        regex: Box<regress::Regex>,
        exact: Option<Box<regress::Regex>>,
    },
}

impl Members {
    fn has(&self, point: u32) -> bool {
        match self {
            Members::Digit => (0x30..=0x39).contains(&point),
            Members::Space => u16::try_from(point).is_ok_and(is_space),
            Members::Word => is_word(point),
            Members::Not(members) => !members.has(point),
            // Without `u`, what folds to ASCII only in Unicode does not fold; `regress` folds it all the same.
            Members::Asked { exact: Some(exact), .. } if matches!(point, 0x17f | 0x212a) => {
                matches(exact, &[point as u16])
            }
            Members::Asked { regex, .. } => {
                let mut units = [0; 2];
                let units: &[u16] = match (u16::try_from(point), char::from_u32(point)) {
                    (Ok(unit), _) => &[unit],
                    (Err(_), Some(character)) => character.encode_utf16(&mut units),
                    (Err(_), None) => return false,
                };
                matches(regex, units)
            }
        }
    }
}

/// `[A-Za-z0-9_]`
pub(super) fn is_word(point: u32) -> bool {
    u8::try_from(point).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Of one character, or of two of the same width: whether pairs of surrogates are one makes no difference.
fn matches(regex: &regress::Regex, units: &[u16]) -> bool {
    regex.find_from_utf16(units, 0).next().is_some()
}

fn points_of(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

/// A pattern that `regress` accepts, or what it says.
pub(super) fn checked(points: &[u32], flags: Flags) -> Result<regress::Regex, String> {
    let flags = regress::Flags {
        icase: flags.ignore_case,
        multiline: flags.multiline,
        dot_all: flags.dot_all,
        no_opt: false,
        unicode: flags.unicode,
        unicode_sets: flags.sets,
    };
    regress::Regex::from_unicode(points.iter().copied(), flags).map_err(|error| error.to_string())
}

impl Set {
    fn of(members: Members) -> Set {
        Set { members, known: (0..256).map(|_| OnceLock::new()).collect(), latin: OnceLock::new() }
    }

    /// The characters that this part of a pattern matches.
    pub(super) fn new(source: &[u32], flags: Flags) -> Result<Set, String> {
        let not = |members| Members::Not(Box::new(members));
        let simple = match source {
            [92, letter] => match u8::try_from(*letter) {
                Ok(b'd') => Some(Members::Digit),
                Ok(b'D') => Some(not(Members::Digit)),
                Ok(b's') => Some(Members::Space),
                Ok(b'S') => Some(not(Members::Space)),
                Ok(b'w') if !(flags.unicode && flags.ignore_case) => Some(Members::Word),
                Ok(b'W') if !(flags.unicode && flags.ignore_case) => Some(not(Members::Word)),
                _ => None,
            },
            _ => None,
        };
        if let Some(members) = simple {
            return Ok(Set::of(members));
        }
        let whole = [&points_of("^(?:"), source, &points_of(")$")].concat();
        let flags = Flags { multiline: false, ..flags };
        let regex = Box::new(checked(&whole, flags)?);
        let exact = if flags.ignore_case && !flags.unicode {
            Some(Box::new(checked(&whole, Flags { ignore_case: false, ..flags })?))
        } else {
            None
        };
        Ok(Set::of(Members::Asked { regex, exact }))
    }

    /// Whether a character is in.
    #[inline]
    pub(super) fn has(&self, point: u32) -> bool {
        if point < 256 {
            return bit(self.latin.get_or_init(|| self.block(0)), point);
        }
        match self.known.get((point >> 8) as usize) {
            Some(block) => bit(block.get_or_init(|| Box::new(self.block(point & !255))), point & 255),
            None => self.members.has(point),
        }
    }

    #[cold]
    fn block(&self, from: u32) -> [u64; 4] {
        let mut bits = [0; 4];
        for index in 0..256u32 {
            if self.members.has(from + index) {
                bits[(index >> 6) as usize] |= 1 << (index & 63);
            }
        }
        bits
    }
}

fn bit(bits: &[u64; 4], index: u32) -> bool {
    bits.get((index >> 6) as usize).is_some_and(|word| word & (1 << (index & 63)) != 0)
}

/// Whether two characters are the same but for case.
pub(super) fn same_but_for_case(a: u32, b: u32, unicode: bool) -> bool {
    static BY_UNIT: OnceLock<Option<regress::Regex>> = OnceLock::new();
    static BY_POINT: OnceLock<Option<regress::Regex>> = OnceLock::new();
    if a == b {
        return true;
    }
    match (u8::try_from(a), u8::try_from(b)) {
        (Ok(a), Ok(b)) if a.is_ascii() && b.is_ascii() => return a.eq_ignore_ascii_case(&b),
        _ if !unicode && (a < 128 || b < 128) => return false,
        _ => {}
    }
    let flags = Flags { ignore_case: true, dot_all: true, unicode, ..Flags::default() };
    let regex = if unicode { &BY_POINT } else { &BY_UNIT };
    let regex = regex.get_or_init(|| checked(&points_of("^(.)\\1$"), flags).ok());
    let mut units = Vec::with_capacity(4);
    for point in [a, b] {
        match u16::try_from(point) {
            Ok(unit) => units.push(unit),
            Err(_) => units.extend(char::from_u32(point).unwrap_or('\0').encode_utf16(&mut [0; 2]).iter()),
        }
    }
    regex.as_ref().is_some_and(|regex| matches(regex, &units))
}
