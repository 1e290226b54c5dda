//! The matcher: executes instructions and, when one fails, returns to the last choice. Choices and undo records are on
//! one trail of bounded length. Every step is charged, and the memory of the trail counts as that of the heap. ECMA-262
//! §22.2.2 Pattern Semantics.

use super::super::limits::ExceededLimit;
use super::unicode::{eq_ignore_case, is_word};
use super::{CaptureRanges, CharMatcher, CompiledRegExp, MatchBudget, RegExpInstruction};

/// Most entries of the trail.
const TRAIL: usize = 4_000_000;

/// No position.
const NONE: u32 = u32::MAX;

/// An action on failure; the last one runs first.
enum TrailEntry {
    /// Continue there.
    Resume { step: u32, at: u32 },
    /// Restore a capture position.
    Capture { slot: u32, previous: u32 },
    /// Restore a counter.
    Counter { counter: u32, previous: LoopCounter },
    /// A greedy run took more than its minimum: give back one character, down to `least`.
    GiveBack { step: u32, least: u32, at: u32 },
    /// A lazy run took as little as possible: take one more character.
    TakeMore { step: u32, at: u32, taken: u32 },
}

#[derive(Clone, Copy)]
struct LoopCounter {
    rounds: u32,
    /// Position at which the current iteration began.
    from: u32,
}

struct Matcher<'m, T> {
    pattern: &'m CompiledRegExp,
    text: &'m [T],
    captures: Vec<u32>,
    counts: Vec<LoopCounter>,
    trail: Vec<TrailEntry>,
    budget: &'m mut MatchBudget,
}

/// See [`CompiledRegExp::find`].
pub(super) fn find<T: Copy + Into<u16>>(
    pattern: &CompiledRegExp,
    text: &[T],
    from: usize,
    sticky: bool,
    budget: &mut MatchBudget,
) -> Result<Option<CaptureRanges>, ExceededLimit> {
    let mut matcher = Matcher {
        pattern,
        text,
        captures: vec![NONE; 2 * pattern.groups],
        counts: vec![LoopCounter { rounds: 0, from: NONE }; pattern.counters],
        trail: Vec::new(),
        budget,
    };
    let mut start = from;
    matcher.budget.charge(pattern.groups as u64 / 4)?;
    while start <= text.len() {
        matcher.budget.charge(1)?;
        if let Some(first) = pattern.first
            && !sticky
        {
            let rest = text.get(start..).unwrap_or(&[]);
            let skipped = rest.iter().position(|unit| (*unit).into() == first);
            matcher.budget.charge(skipped.unwrap_or(rest.len()) as u64 / 8)?;
            match skipped {
                Some(skipped) => start += skipped,
                None => return Ok(None),
            }
        }
        if matcher.run(0, start as u32)?.is_some() {
            let captures = matcher.captures.chunks(2).map(|pair| match pair {
                [from, to] if *from != NONE && *to != NONE => Some(*from as usize..*to as usize),
                _ => None,
            });
            return Ok(Some(captures.collect()));
        }
        if sticky {
            break;
        }
        start = matcher.char_after(start as u32).map_or(text.len() + 1, |(_, next)| next as usize);
    }
    Ok(None)
}

impl<T: Copy + Into<u16>> Matcher<'_, T> {
    #[inline]
    fn unit(&self, at: u32) -> Option<u32> {
        self.text.get(at as usize).map(|unit| u32::from((*unit).into()))
    }

    /// The character at a position, and the position after it.
    #[inline]
    fn char_after(&self, at: u32) -> Option<(u32, u32)> {
        let unit = self.unit(at)?;
        if self.pattern.flags.unicode
            && (0xd800..0xdc00).contains(&unit)
            && let Some(low @ 0xdc00..0xe000) = self.unit(at + 1)
        {
            return Some((0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), at + 2));
        }
        Some((unit, at + 1))
    }

    /// The character before a position, and the position of that character; never before `least`.
    #[inline]
    fn char_before(&self, at: u32, least: u32) -> Option<(u32, u32)> {
        if at <= least {
            return None;
        }
        let unit = self.unit(at - 1)?;
        if self.pattern.flags.unicode
            && at - least >= 2
            && (0xdc00..0xe000).contains(&unit)
            && let Some(high @ 0xd800..0xdc00) = self.unit(at - 2)
        {
            return Some((0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff), at - 2));
        }
        Some((unit, at - 1))
    }

    #[inline]
    fn matches_char(&self, matcher: CharMatcher, point: u32) -> bool {
        match matcher {
            CharMatcher::Char(expected) => point == expected,
            CharMatcher::Set(set) => self.pattern.sets.get(set).is_some_and(|set| set.contains(point)),
            CharMatcher::Any => true,
            CharMatcher::NotLineEnd => !is_line_end(point),
        }
    }

    /// Matches one character. ECMA-262 §22.2.2.7.1 CharacterSetMatcher.
    #[inline]
    fn step_over(&self, matcher: CharMatcher, at: u32, back: bool) -> Option<u32> {
        let (point, next) = if back { self.char_before(at, 0)? } else { self.char_after(at)? };
        self.matches_char(matcher, point).then_some(next)
    }

    /// ECMA-262 §22.2.2.4.1 IsWordChar.
    fn is_word_at(&self, at: Option<u32>, folds_case: bool) -> bool {
        at.and_then(|at| self.unit(at))
            .is_some_and(|point| is_word(point) || (folds_case && matches!(point, 0x17f | 0x212a)))
    }

    fn push(&mut self, undo: TrailEntry) -> Result<(), ExceededLimit> {
        if self.trail.len() >= TRAIL {
            return Err(ExceededLimit::MatchSteps);
        }
        if self.trail.len() == self.trail.capacity() {
            // The capacity doubles.
            self.budget.check_room(2 * self.trail.len() * size_of::<TrailEntry>())?;
        }
        self.trail.push(undo);
        Ok(())
    }

    fn set_place(&mut self, slot: usize, position: u32) -> Result<(), ExceededLimit> {
        if let Some(previous) = self.captures.get(slot).copied()
            && previous != position
        {
            self.push(TrailEntry::Capture { slot: slot as u32, previous })?;
            self.captures[slot] = position;
        }
        Ok(())
    }

    fn set_count(&mut self, counter: usize, count: LoopCounter) -> Result<(), ExceededLimit> {
        if let Some(previous) = self.counts.get(counter).copied() {
            self.push(TrailEntry::Counter { counter: counter as u32, previous })?;
            self.counts[counter] = count;
        }
        Ok(())
    }

    /// Runs from an instruction to `Match` and returns its position. Afterwards the trail has no open choices: on
    /// failure all were tried, and on success it holds only the records that undo the match.
    fn run(&mut self, step: usize, at: u32) -> Result<Option<u32>, ExceededLimit> {
        let bottom = self.trail.len();
        let mut next = Some((step, at));
        loop {
            let Some((step, at)) = next else {
                match self.backtrack(bottom)? {
                    Some(resumed) => {
                        next = Some(resumed);
                        continue;
                    }
                    None => return Ok(None),
                }
            };
            self.budget.charge(1)?;
            let pattern = self.pattern;
            next = match pattern.code.get(step) {
                Some(RegExpInstruction::Match) => {
                    if bottom == 0 {
                        self.trail.clear();
                    } else {
                        // A lookaround is never entered again, but its captures must be undone together with the
                        // others.
                        let records = self.trail.split_off(bottom);
                        let is_undo_record =
                            |undo: &TrailEntry| matches!(undo, TrailEntry::Capture { .. } | TrailEntry::Counter { .. });
                        self.trail.extend(records.into_iter().filter(is_undo_record));
                    }
                    return Ok(Some(at));
                }
                Some(RegExpInstruction::Char { matcher, back }) => {
                    self.step_over(*matcher, at, *back).map(|at| (step + 1, at))
                }
                Some(RegExpInstruction::Run { matcher, min, max, greedy, back }) => {
                    self.match_run(step, at, *matcher, (*min, *max), *greedy, *back)?
                }
                Some(RegExpInstruction::Start { multiline }) => {
                    let before = at.checked_sub(1).and_then(|at| self.unit(at));
                    let fits = at == 0 || (*multiline && before.is_some_and(is_line_end));
                    fits.then_some((step + 1, at))
                }
                Some(RegExpInstruction::End { multiline }) => {
                    let unit = self.unit(at);
                    let fits = unit.is_none_or(|unit| *multiline && is_line_end(unit));
                    fits.then_some((step + 1, at))
                }
                Some(RegExpInstruction::WordBoundary { inverted, folds_case }) => {
                    let edge =
                        self.is_word_at(at.checked_sub(1), *folds_case) != self.is_word_at(Some(at), *folds_case);
                    (edge != *inverted).then_some((step + 1, at))
                }
                Some(RegExpInstruction::Save(slot)) => {
                    self.set_place(*slot, at)?;
                    Some((step + 1, at))
                }
                Some(RegExpInstruction::Jump(to)) => Some((*to, at)),
                Some(RegExpInstruction::Split(other)) => {
                    self.push(TrailEntry::Resume { step: *other as u32, at })?;
                    Some((step + 1, at))
                }
                Some(RegExpInstruction::LoopInit(counter)) => {
                    self.set_count(*counter, LoopCounter { rounds: 0, from: NONE })?;
                    Some((step + 1, at))
                }
                Some(RegExpInstruction::Repeat { counter, min, max, greedy, exit, groups }) => {
                    let count = self.counts.get(*counter).copied().unwrap_or(LoopCounter { rounds: 0, from: NONE });
                    if count.rounds > *min && count.from == at {
                        // An iteration beyond the minimum that consumed nothing.
                        None
                    } else if count.rounds >= *max {
                        Some((*exit, at))
                    } else if count.rounds < *min {
                        self.begin_round(step, at, *counter, count, *groups)?
                    } else if *greedy {
                        self.push(TrailEntry::Resume { step: *exit as u32, at })?;
                        self.begin_round(step, at, *counter, count, *groups)?
                    } else {
                        self.push(TrailEntry::TakeMore { step: step as u32, at, taken: 0 })?;
                        Some((*exit, at))
                    }
                }
                Some(RegExpInstruction::Lookaround { negative, exit }) => {
                    let mark = self.trail.len();
                    let found = self.match_lookaround(step + 1, at)?;
                    if *negative {
                        self.undo_to(mark);
                    }
                    (found != *negative).then_some((*exit, at))
                }
                Some(RegExpInstruction::Backreference { groups, back, ignore_case }) => {
                    self.match_backreference(groups, at, *back, *ignore_case)?.map(|at| (step + 1, at))
                }
                None => None,
            };
        }
    }

    /// A match within a match. The recursion is bounded by the nesting of brackets.
    fn match_lookaround(&mut self, step: usize, at: u32) -> Result<bool, ExceededLimit> {
        // A dummy entry, because an empty trail would mark the outermost match.
        self.push(TrailEntry::Capture { slot: NONE, previous: NONE })?;
        Ok(self.run(step, at)?.is_some())
    }

    /// Starts an iteration of a repetition. ECMA-262 §22.2.2.3.1 RepeatMatcher.
    fn begin_round(
        &mut self,
        step: usize,
        at: u32,
        counter: usize,
        count: LoopCounter,
        groups: (usize, usize),
    ) -> Result<Option<(usize, u32)>, ExceededLimit> {
        self.budget.charge((groups.1 - groups.0) as u64 / 4)?;
        self.set_count(counter, LoopCounter { rounds: count.rounds.saturating_add(1), from: at })?;
        for slot in 2 * groups.0..2 * groups.1 {
            self.set_place(slot, NONE)?;
        }
        Ok(Some((step + 1, at)))
    }

    /// Matches one character repeatedly. ECMA-262 §22.2.2.3.1 RepeatMatcher.
    fn match_run(
        &mut self,
        step: usize,
        at: u32,
        matcher: CharMatcher,
        (min, max): (u32, u32),
        greedy: bool,
        back: bool,
    ) -> Result<Option<(usize, u32)>, ExceededLimit> {
        let mut here = at;
        let mut taken = 0;
        let limit = if greedy { max } else { min };
        let mut least = if min == 0 { Some(at) } else { None };
        while taken < limit
            && let Some(next) = self.step_over(matcher, here, back)
        {
            here = next;
            taken += 1;
            if taken == min {
                least = Some(here);
            }
        }
        self.budget.charge(u64::from(taken) / 4)?;
        let Some(least) = least else { return Ok(None) };
        if !greedy {
            if taken < max {
                self.push(TrailEntry::TakeMore { step: step as u32, at: here, taken })?;
            }
        } else if here != least {
            self.push(TrailEntry::GiveBack { step: step as u32, least, at: here })?;
        }
        Ok(Some((step + 1, here)))
    }

    /// Undoes changes up to the last choice and takes its alternative.
    fn backtrack(&mut self, bottom: usize) -> Result<Option<(usize, u32)>, ExceededLimit> {
        while self.trail.len() > bottom {
            let Some(undo) = self.trail.pop() else { break };
            self.budget.charge(1)?;
            match undo {
                TrailEntry::Resume { step, at } => return Ok(Some((step as usize, at))),
                TrailEntry::GiveBack { step, least, at } => {
                    let back =
                        matches!(self.pattern.code.get(step as usize), Some(RegExpInstruction::Run { back: true, .. }));
                    // Gives back one character: from the end of the run towards its start.
                    let less = if back { self.char_after(at) } else { self.char_before(at, least) };
                    let Some((_, less)) = less else { continue };
                    let less = if back { less.min(least) } else { less };
                    if less != least {
                        self.trail.push(TrailEntry::GiveBack { step, least, at: less });
                    }
                    return Ok(Some((step as usize + 1, less)));
                }
                TrailEntry::TakeMore { step, at, taken } => match self.pattern.code.get(step as usize) {
                    Some(RegExpInstruction::Run { matcher, max, back, .. }) => {
                        let Some(next) = self.step_over(*matcher, at, *back) else { continue };
                        if taken + 1 < *max {
                            self.trail.push(TrailEntry::TakeMore { step, at: next, taken: taken + 1 });
                        }
                        return Ok(Some((step as usize + 1, next)));
                    }
                    Some(RegExpInstruction::Repeat { counter, groups, .. }) => {
                        let count = self.counts.get(*counter).copied().unwrap_or(LoopCounter { rounds: 0, from: NONE });
                        return self.begin_round(step as usize, at, *counter, count, *groups);
                    }
                    _ => {}
                },
                undo => self.restore(&undo),
            }
        }
        Ok(None)
    }

    fn restore(&mut self, undo: &TrailEntry) {
        match undo {
            TrailEntry::Capture { slot, previous } => {
                if let Some(place) = self.captures.get_mut(*slot as usize) {
                    *place = *previous;
                }
            }
            TrailEntry::Counter { counter, previous } => {
                if let Some(count) = self.counts.get_mut(*counter as usize) {
                    *count = *previous;
                }
            }
            _ => {}
        }
    }

    fn undo_to(&mut self, mark: usize) {
        while self.trail.len() > mark {
            if let Some(undo) = self.trail.pop() {
                self.restore(&undo);
            }
        }
    }

    /// Matches the text of a group again. ECMA-262 §22.2.2.7.2 BackreferenceMatcher.
    fn match_backreference(
        &mut self,
        groups: &[usize],
        at: u32,
        back: bool,
        ignore_case: bool,
    ) -> Result<Option<u32>, ExceededLimit> {
        let range = groups.iter().find_map(|group| match self.captures.get(2 * group..2 * group + 2) {
            Some([from, to]) if *from != NONE && *to != NONE => Some((*from, *to)),
            _ => None,
        });
        // A group that took no part matches the empty string.
        let Some((from, to)) = range else { return Ok(Some(at)) };
        let len = to - from;
        self.budget.charge(u64::from(len))?;
        let begin = if back { at.checked_sub(len) } else { Some(at) };
        let Some(begin) = begin.filter(|begin| (*begin + len) as usize <= self.text.len()) else { return Ok(None) };
        let (mut a, mut b) = (from, begin);
        while a < to {
            let (Some((x, after_x)), Some((y, after_y))) = (self.char_after(a), self.char_after(b)) else {
                return Ok(None);
            };
            if x != y && !(ignore_case && eq_ignore_case(x, y, self.pattern.flags.unicode)) {
                return Ok(None);
            }
            (a, b) = (after_x, after_y);
        }
        Ok(Some(if back { begin } else { begin + len }))
    }
}

/// ECMA-262 §12.3 Line Terminators.
fn is_line_end(point: u32) -> bool {
    matches!(point, 10 | 13 | 0x2028 | 0x2029)
}
