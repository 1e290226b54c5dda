//! The matcher: walks the steps, and where something fails, goes back to the last choice. Choices and everything that has
//! to be undone stand on one trail, whose length is bounded; every step is paid for.

use super::super::limits::Exceeded;
use super::set::{is_word, same_but_for_case};
use super::{Budget, One, Pattern, Places, Step};

/// The most entries of the trail.
const TRAIL: usize = 4_000_000;

/// No place.
const NONE: u32 = u32::MAX;

/// What is done when something fails, the last one first.
enum Undo {
    /// Go on there.
    Resume { step: u32, at: u32 },
    /// A place was something else.
    Place { slot: u32, was: u32 },
    /// A counter was something else.
    Counter { counter: u32, was: Count },
    /// A run took more than it had to: one less, down to `least`.
    Less { step: u32, least: u32, at: u32 },
    /// A run took as little as it could: one more.
    More { step: u32, at: u32, taken: u32 },
}

#[derive(Clone, Copy)]
struct Count {
    rounds: u32,
    /// Where the running round began.
    from: u32,
}

struct Matcher<'m, T> {
    pattern: &'m Pattern,
    text: &'m [T],
    places: Vec<u32>,
    counts: Vec<Count>,
    trail: Vec<Undo>,
    budget: &'m mut Budget,
}

/// See [`Pattern::find`].
pub(super) fn find<T: Copy + Into<u16>>(
    pattern: &Pattern,
    text: &[T],
    from: usize,
    sticky: bool,
    budget: &mut Budget,
) -> Result<Option<Places>, Exceeded> {
    let mut matcher = Matcher {
        pattern,
        text,
        places: vec![NONE; 2 * pattern.groups],
        counts: vec![Count { rounds: 0, from: NONE }; pattern.counters],
        trail: Vec::new(),
        budget,
    };
    let mut start = from;
    while start <= text.len() {
        matcher.budget.take(1)?;
        if let Some(first) = pattern.first
            && !sticky
        {
            let rest = text.get(start..).unwrap_or(&[]);
            let skipped = rest.iter().position(|unit| (*unit).into() == first);
            matcher.budget.take(skipped.unwrap_or(rest.len()) as u64 / 8)?;
            match skipped {
                Some(skipped) => start += skipped,
                None => return Ok(None),
            }
        }
        if matcher.run(0, start as u32)?.is_some() {
            let places = matcher.places.chunks(2).map(|pair| match pair {
                [from, to] if *from != NONE && *to != NONE => Some(*from as usize..*to as usize),
                _ => None,
            });
            return Ok(Some(places.collect()));
        }
        if sticky {
            break;
        }
        start = matcher.right(start as u32).map_or(text.len() + 1, |(_, next)| next as usize);
    }
    Ok(None)
}

impl<T: Copy + Into<u16>> Matcher<'_, T> {
    #[inline]
    fn unit(&self, at: u32) -> Option<u32> {
        self.text.get(at as usize).map(|unit| u32::from((*unit).into()))
    }

    /// The character that begins at a place, and the place behind it.
    #[inline]
    fn right(&self, at: u32) -> Option<(u32, u32)> {
        let unit = self.unit(at)?;
        if self.pattern.flags.unicode
            && (0xd800..0xdc00).contains(&unit)
            && let Some(low @ 0xdc00..0xe000) = self.unit(at + 1)
        {
            return Some((0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), at + 2));
        }
        Some((unit, at + 1))
    }

    /// The character that ends at a place, and where it begins; never before `least`.
    #[inline]
    fn left(&self, at: u32, least: u32) -> Option<(u32, u32)> {
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
    fn is(&self, one: One, point: u32) -> bool {
        match one {
            One::Is(wanted) => point == wanted,
            One::In(set) => self.pattern.sets.get(set).is_some_and(|set| set.has(point)),
            One::Any => true,
            One::NotLineEnd => !is_line_end(point),
        }
    }

    /// Over one character.
    #[inline]
    fn over(&self, one: One, at: u32, back: bool) -> Option<u32> {
        let (point, next) = if back { self.left(at, 0)? } else { self.right(at)? };
        self.is(one, point).then_some(next)
    }

    fn is_word_at(&self, at: Option<u32>) -> bool {
        let flags = self.pattern.flags;
        at.and_then(|at| self.unit(at)).is_some_and(|point| {
            is_word(point) || (flags.unicode && flags.ignore_case && matches!(point, 0x17f | 0x212a))
        })
    }

    fn push(&mut self, undo: Undo) -> Result<(), Exceeded> {
        if self.trail.len() >= TRAIL {
            return Err(Exceeded::MatchSteps);
        }
        self.trail.push(undo);
        Ok(())
    }

    fn set_place(&mut self, slot: usize, place: u32) -> Result<(), Exceeded> {
        if let Some(was) = self.places.get(slot).copied()
            && was != place
        {
            self.push(Undo::Place { slot: slot as u32, was })?;
            self.places[slot] = place;
        }
        Ok(())
    }

    fn set_count(&mut self, counter: usize, count: Count) -> Result<(), Exceeded> {
        if let Some(was) = self.counts.get(counter).copied() {
            self.push(Undo::Counter { counter: counter as u32, was })?;
            self.counts[counter] = count;
        }
        Ok(())
    }

    /// Runs from a step to `Match`, and says where that was. Choices that were not taken remain on the trail only when it
    /// failed, that is, none: afterwards the trail holds what undoes the match.
    fn run(&mut self, step: usize, at: u32) -> Result<Option<u32>, Exceeded> {
        let bottom = self.trail.len();
        let mut next = Some((step, at));
        loop {
            let Some((step, at)) = next else {
                match self.back(bottom)? {
                    Some(resumed) => {
                        next = Some(resumed);
                        continue;
                    }
                    None => return Ok(None),
                }
            };
            self.budget.take(1)?;
            let pattern = self.pattern;
            next = match pattern.code.get(step) {
                Some(Step::Match) => {
                    if bottom == 0 {
                        self.trail.clear();
                    } else {
                        // A look around is never entered again, but what it set must be undone with the rest.
                        let kept = self.trail.split_off(bottom);
                        let undone = |undo: &Undo| matches!(undo, Undo::Place { .. } | Undo::Counter { .. });
                        self.trail.extend(kept.into_iter().filter(undone));
                    }
                    return Ok(Some(at));
                }
                Some(Step::One { one, back }) => self.over(*one, at, *back).map(|at| (step + 1, at)),
                Some(Step::Run { one, min, max, greedy, back }) => {
                    self.begin_run(step, at, *one, (*min, *max), *greedy, *back)?
                }
                Some(Step::Start) => {
                    let before = at.checked_sub(1).and_then(|at| self.unit(at));
                    let fits = at == 0 || (pattern.flags.multiline && before.is_some_and(is_line_end));
                    fits.then_some((step + 1, at))
                }
                Some(Step::End) => {
                    let unit = self.unit(at);
                    let fits = unit.is_none_or(|unit| pattern.flags.multiline && is_line_end(unit));
                    fits.then_some((step + 1, at))
                }
                Some(Step::Word { inverted }) => {
                    let edge = self.is_word_at(at.checked_sub(1)) != self.is_word_at(Some(at));
                    (edge != *inverted).then_some((step + 1, at))
                }
                Some(Step::Save(slot)) => {
                    self.set_place(*slot, at)?;
                    Some((step + 1, at))
                }
                Some(Step::Jump(to)) => Some((*to, at)),
                Some(Step::Split(other)) => {
                    self.push(Undo::Resume { step: *other as u32, at })?;
                    Some((step + 1, at))
                }
                Some(Step::Begin(counter)) => {
                    self.set_count(*counter, Count { rounds: 0, from: NONE })?;
                    Some((step + 1, at))
                }
                Some(Step::Repeat { counter, min, max, greedy, exit, groups }) => {
                    let count = self.counts.get(*counter).copied().unwrap_or(Count { rounds: 0, from: NONE });
                    if count.rounds > *min && count.from == at {
                        // A round too many that took nothing.
                        None
                    } else if count.rounds >= *max {
                        Some((*exit, at))
                    } else if count.rounds < *min {
                        self.round(step, at, *counter, count, *groups)?
                    } else if *greedy {
                        self.push(Undo::Resume { step: *exit as u32, at })?;
                        self.round(step, at, *counter, count, *groups)?
                    } else {
                        self.push(Undo::More { step: step as u32, at, taken: 0 })?;
                        Some((*exit, at))
                    }
                }
                Some(Step::Look { negative, exit }) => {
                    let mark = self.trail.len();
                    let found = self.look(step + 1, at)?;
                    if *negative {
                        self.undo_to(mark);
                    }
                    (found != *negative).then_some((*exit, at))
                }
                Some(Step::Again { groups, back }) => self.again(groups, at, *back)?.map(|at| (step + 1, at)),
                None => None,
            };
        }
    }

    /// A match within a match. Patterns nest as deep as their brackets, which is bounded.
    fn look(&mut self, step: usize, at: u32) -> Result<bool, Exceeded> {
        // An entry that is not the matcher's own keeps the trail from looking empty.
        self.push(Undo::Place { slot: NONE, was: NONE })?;
        Ok(self.run(step, at)?.is_some())
    }

    /// Begins a round of a repetition.
    fn round(
        &mut self,
        step: usize,
        at: u32,
        counter: usize,
        count: Count,
        groups: (usize, usize),
    ) -> Result<Option<(usize, u32)>, Exceeded> {
        self.set_count(counter, Count { rounds: count.rounds.saturating_add(1), from: at })?;
        for slot in 2 * groups.0..2 * groups.1 {
            self.set_place(slot, NONE)?;
        }
        Ok(Some((step + 1, at)))
    }

    fn begin_run(
        &mut self,
        step: usize,
        at: u32,
        one: One,
        (min, max): (u32, u32),
        greedy: bool,
        back: bool,
    ) -> Result<Option<(usize, u32)>, Exceeded> {
        let mut here = at;
        let mut taken = 0;
        let wanted = if greedy { max } else { min };
        let mut least = if min == 0 { Some(at) } else { None };
        while taken < wanted
            && let Some(next) = self.over(one, here, back)
        {
            here = next;
            taken += 1;
            if taken == min {
                least = Some(here);
            }
        }
        self.budget.take(u64::from(taken) / 4)?;
        let Some(least) = least else { return Ok(None) };
        if !greedy {
            if taken < max {
                self.push(Undo::More { step: step as u32, at: here, taken })?;
            }
        } else if here != least {
            self.push(Undo::Less { step: step as u32, least, at: here })?;
        }
        Ok(Some((step + 1, here)))
    }

    /// Undoes up to the last choice and takes the other way there.
    fn back(&mut self, bottom: usize) -> Result<Option<(usize, u32)>, Exceeded> {
        while self.trail.len() > bottom {
            let Some(undo) = self.trail.pop() else { break };
            self.budget.take(1)?;
            match undo {
                Undo::Resume { step, at } => return Ok(Some((step as usize, at))),
                Undo::Less { step, least, at } => {
                    let back = matches!(self.pattern.code.get(step as usize), Some(Step::Run { back: true, .. }));
                    // One character less: from the end of a run, towards where it began.
                    let less = if back { self.right(at) } else { self.left(at, least) };
                    let Some((_, less)) = less else { continue };
                    let less = if back { less.min(least) } else { less };
                    if less != least {
                        self.trail.push(Undo::Less { step, least, at: less });
                    }
                    return Ok(Some((step as usize + 1, less)));
                }
                Undo::More { step, at, taken } => match self.pattern.code.get(step as usize) {
                    Some(Step::Run { one, max, back, .. }) => {
                        let Some(next) = self.over(*one, at, *back) else { continue };
                        if taken + 1 < *max {
                            self.trail.push(Undo::More { step, at: next, taken: taken + 1 });
                        }
                        return Ok(Some((step as usize + 1, next)));
                    }
                    Some(Step::Repeat { counter, groups, .. }) => {
                        let count = self.counts.get(*counter).copied().unwrap_or(Count { rounds: 0, from: NONE });
                        return self.round(step as usize, at, *counter, count, *groups);
                    }
                    _ => {}
                },
                undo => self.restore(&undo),
            }
        }
        Ok(None)
    }

    fn restore(&mut self, undo: &Undo) {
        match undo {
            Undo::Place { slot, was } => {
                if let Some(place) = self.places.get_mut(*slot as usize) {
                    *place = *was;
                }
            }
            Undo::Counter { counter, was } => {
                if let Some(count) = self.counts.get_mut(*counter as usize) {
                    *count = *was;
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

    /// What a group has matched, once more.
    fn again(&mut self, groups: &[usize], at: u32, back: bool) -> Result<Option<u32>, Exceeded> {
        let range = groups.iter().find_map(|group| match self.places.get(2 * group..2 * group + 2) {
            Some([from, to]) if *from != NONE && *to != NONE => Some((*from, *to)),
            _ => None,
        });
        // A group that took no part matches nothing, everywhere.
        let Some((from, to)) = range else { return Ok(Some(at)) };
        let len = to - from;
        self.budget.take(u64::from(len))?;
        let begin = if back { at.checked_sub(len) } else { Some(at) };
        let Some(begin) = begin.filter(|begin| (*begin + len) as usize <= self.text.len()) else { return Ok(None) };
        let (mut a, mut b) = (from, begin);
        while a < to {
            let (Some((x, after_x)), Some((y, after_y))) = (self.right(a), self.right(b)) else { return Ok(None) };
            let flags = self.pattern.flags;
            if x != y && !(flags.ignore_case && same_but_for_case(x, y, flags.unicode)) {
                return Ok(None);
            }
            (a, b) = (after_x, after_y);
        }
        Ok(Some(if back { begin } else { begin + len }))
    }
}

fn is_line_end(point: u32) -> bool {
    matches!(point, 10 | 13 | 0x2028 | 0x2029)
}
