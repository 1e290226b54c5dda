//! Which functions and instructions of two versions of a program correspond.

use std::collections::{HashMap, HashSet};

use super::super::program::{DecodedInstruction as I, VerifiedProgram};
use super::outline::{Interner, Outline, Segment};

/// Most pairs of parts of statements that are compared for one function, and for all functions.
const MAX_PAIRS: usize = 4_000_000;
const MAX_ALL_PAIRS: usize = 40_000_000;

/// A part of a statement that is the same, and one whose functions are the same too.
const SAME: u32 = 2;
const SAME_FUNCTIONS: u32 = 3;

/// The instructions of two functions that correspond.
#[derive(Default)]
pub(super) struct Alignment {
    /// The new instruction by the old one.
    pub(super) forward: HashMap<u32, u32>,
    /// The old instruction by the new one.
    pub(super) backward: HashMap<u32, u32>,
    /// The code of the part of a statement of each old and new instruction, with the index there.
    pub(super) old_code: HashMap<u32, (u32, usize)>,
    pub(super) new_code: HashMap<u32, (u32, usize)>,
    /// The code of the new parts that correspond to none.
    unpaired: HashSet<u32>,
    /// Whether the code is the same, and so are the frames.
    pub(super) is_same: bool,
}

impl Alignment {
    /// Whether the new version has the statement of an old instruction, which corresponds to none or to one of several.
    pub(super) fn is_ambiguous(&self, old: u32) -> bool {
        self.old_code.get(&old).is_some_and(|(code, _)| self.unpaired.contains(code))
    }

    fn add(&mut self, old: u32, new: u32) {
        self.forward.insert(old, new);
        self.backward.insert(new, old);
    }
}

/// The correspondence of two versions of a program.
pub(super) struct ProgramMap<'p> {
    pub(super) old: Outline<'p>,
    pub(super) new: Outline<'p>,
    /// The new function by the old one.
    functions: HashMap<u32, u32>,
    /// By the old function.
    alignments: HashMap<u32, Alignment>,
}

impl<'p> ProgramMap<'p> {
    pub(super) fn new(old: &'p VerifiedProgram, new: &'p VerifiedProgram) -> ProgramMap<'p> {
        let mut interner = Interner::default();
        let has_files = [old, new].iter().all(|one| one.functions.first().is_some_and(|first| !first.files.is_empty()));
        let mut map = ProgramMap {
            old: Outline::new(old, has_files, &mut interner),
            new: Outline::new(new, has_files, &mut interner),
            functions: HashMap::from([(0, 0)]),
            alignments: HashMap::new(),
        };
        let mut pairs = 0;
        let mut work = vec![(0, 0)];
        while let Some((old, new)) = work.pop() {
            let alignment = map.align(old, new, &mut pairs, &mut interner);
            for (old, new) in map.match_children(old, new, &alignment) {
                map.functions.insert(old, new);
                work.push((old, new));
            }
            map.alignments.insert(old, alignment);
        }
        map
    }

    /// The new function that corresponds to an old one.
    pub(super) fn function(&self, old: u32) -> Option<u32> {
        self.functions.get(&old).copied()
    }

    /// The instructions that correspond in an old function and its new one.
    pub(super) fn alignment(&self, old: u32) -> Option<&Alignment> {
        self.alignments.get(&old)
    }

    /// Aligns the parts of the statements of two functions. Those correspond that do so in every best alignment: where
    /// two alignments are as good, none is chosen.
    fn align(&self, old: u32, new: u32, pairs: &mut usize, interner: &mut Interner) -> Alignment {
        let mut alignment = Alignment::default();
        let (old_code, new_code) = (&self.old.code[old as usize], &self.new.code[new as usize]);
        if self.old.own_codes[old as usize] == self.new.own_codes[new as usize] {
            alignment.is_same = true;
            old_code.iter().zip(new_code).for_each(|(old, new)| alignment.add(*old, *new));
            return alignment;
        }
        let (old, new) = (self.old.segments(old, interner), self.new.segments(new, interner));
        let code = |segments: &[Segment]| {
            let each = |one: &Segment| {
                let code = one.code;
                one.instructions.iter().enumerate().map(move |(index, at)| (*at, (code, index))).collect::<Vec<_>>()
            };
            segments.iter().flat_map(each).collect()
        };
        (alignment.old_code, alignment.new_code) = (code(&old), code(&new));
        let size = (old.len() + 1).saturating_mul(new.len() + 1);
        *pairs = pairs.saturating_add(size);
        if size <= MAX_PAIRS && *pairs <= MAX_ALL_PAIRS {
            for (old, new) in certain_pairs(&old, &new) {
                old.instructions.iter().zip(&new.instructions).for_each(|(old, new)| alignment.add(*old, *new));
            }
        }
        let is_unpaired = |one: &&Segment| one.instructions.iter().any(|at| !alignment.backward.contains_key(at));
        alignment.unpaired = new.iter().filter(is_unpaired).map(|one| one.code).collect();
        alignment
    }

    /// The functions that two corresponding functions create and that correspond: those of corresponding instructions,
    /// then those that have a name of their own, then those whose code nothing else has.
    fn match_children(&self, old: u32, new: u32, alignment: &Alignment) -> Vec<(u32, u32)> {
        let (old, new) = (&self.old.children[old as usize], &self.new.children[new as usize]);
        let mut matched: Vec<(u32, u32)> = Vec::new();
        for (at, created) in old {
            let counterpart = alignment.forward.get(at).map(|at| self.new.instruction(*at));
            if let Some(I::Function(counterpart)) = counterpart {
                matched.push((*created, counterpart));
            }
        }
        let label = |outline: &Outline<'_>, one: u32| {
            outline.labels.get(one as usize).filter(|label| !label.is_empty()).cloned()
        };
        let code = |outline: &Outline<'_>, one: u32| match label(outline, one) {
            None => outline.deep_codes.get(one as usize).map(u32::to_string),
            Some(_) => None,
        };
        let keys: [FunctionKey<'_>; 2] = [&label, &code];
        for key in keys {
            let (taken_old, taken_new): (HashSet<u32>, HashSet<u32>) = matched.iter().copied().unzip();
            let group = |outline: &Outline<'_>, children: &[(u32, u32)], taken: &HashSet<u32>| {
                let mut groups: HashMap<String, Vec<u32>> = HashMap::new();
                for (_, one) in children.iter().filter(|one| !taken.contains(&one.1)) {
                    if let Some(key) = key(outline, *one) {
                        groups.entry(key).or_default().push(*one);
                    }
                }
                groups
            };
            let (old, new) = (group(&self.old, old, &taken_old), group(&self.new, new, &taken_new));
            for (key, found) in old {
                if let ([old], Some([new])) = (&found[..], new.get(&key).map(Vec::as_slice)) {
                    matched.push((*old, *new));
                }
            }
        }
        matched
    }
}

/// The key of a function, if it may be found by it.
type FunctionKey<'k> = &'k dyn Fn(&Outline<'_>, u32) -> Option<String>;

/// The pairs that every alignment of the greatest weight has.
fn certain_pairs<'s>(old: &'s [Segment], new: &'s [Segment]) -> Vec<(&'s Segment, &'s Segment)> {
    let width = new.len() + 1;
    let weight = |at: usize, to: usize| match (&old[at], &new[to]) {
        (old, new) if old.deep_code == new.deep_code => SAME_FUNCTIONS,
        (old, new) if old.code == new.code => SAME,
        _ => 0,
    };
    // The weights of the best alignments of all beginnings, and of all ends.
    let mut before = vec![0u32; (old.len() + 1) * width];
    let mut after = before.clone();
    for at in 0..old.len() {
        for to in 0..new.len() {
            let found = weight(at, to);
            let paired = if found > 0 { before[at * width + to] + found } else { 0 };
            before[(at + 1) * width + to + 1] =
                paired.max(before[at * width + to + 1]).max(before[(at + 1) * width + to]);
        }
    }
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            let found = weight(at, to);
            let paired = if found > 0 { after[(at + 1) * width + to + 1] + found } else { 0 };
            after[at * width + to] = paired.max(after[(at + 1) * width + to]).max(after[at * width + to + 1]);
        }
    }
    let best = after[0];
    let mut pairs = Vec::new();
    for at in 0..old.len() {
        let is_omitted = (0..width).any(|to| before[at * width + to] + after[(at + 1) * width + to] == best);
        let is_paired = |to: &usize| {
            let found = weight(at, *to);
            found > 0 && before[at * width + to] + found + after[(at + 1) * width + to + 1] == best
        };
        let counterparts: Vec<usize> = (0..new.len()).filter(is_paired).take(2).collect();
        if let ([to], false) = (&counterparts[..], is_omitted) {
            pairs.push((&old[at], &new[*to]));
        }
    }
    pairs
}
