//! The position in the new version at which a function continues.

use std::collections::{HashMap, HashSet};

use super::super::program::ExceptionHandler;
use super::MappingError;
use super::alignment::{Alignment, ProgramMap};
use super::outline::{Edge, Entrance, Outline};

/// Most tests and reads before a changed statement that are repeated.
const MAX_REPEATED_PARTS: usize = 64;

/// The position of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The instruction.
    pub(super) pc: u32,
    /// Whether the statement is begun again: the frame loses its operands.
    pub(super) is_restart: bool,
}

/// Whether an instruction of a frame has begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum InstructionState {
    /// It waits for a call, and ends when that returns.
    Begun,
    /// It has not begun, or is run again.
    Next,
}

impl ProgramMap<'_> {
    /// The position that corresponds to an instruction of a function.
    ///
    /// What the statement has computed so far must have been computed by the same instructions in the new version. If
    /// the instruction has not begun and the statement has had no effect yet, the changed statement is begun again.
    pub(super) fn position(&self, function: u32, at: u32, state: InstructionState) -> Result<Position, MappingError> {
        let no_statement = || self.no_statement(function, at);
        let alignment = self.alignment(function).ok_or_else(no_statement)?;
        let counterpart = alignment.forward.get(&at).copied();
        let continued = || self.continued_statement(alignment, function, at, state);
        let position = match counterpart {
            Some(pc) if alignment.is_same => Some(Position { pc, is_restart: false }),
            _ if state == InstructionState::Next => {
                let repeated = self.repeated_statement(alignment, function, at);
                // An added statement may be outside the `try` whose first statement is next.
                let fits = |position: &Position| self.check_handlers(function, at, position.pc).is_ok();
                repeated.filter(fits).or_else(continued).or(repeated)
            }
            _ => continued(),
        };
        let position = position.ok_or_else(no_statement)?;
        self.check_handlers(function, at, position.pc)?;
        Ok(position)
    }

    /// The position from which a statement without an effect so far is begun again: in the new version after the last
    /// part of a statement that has ended. Tests before it are repeated too, where they are changed.
    fn repeated_statement(&self, alignment: &Alignment, function: u32, at: u32) -> Option<Position> {
        let (mut origin, mut computed) = origin(&self.old, at)?;
        let first = origin;
        let mut seen = HashSet::new();
        while seen.len() < MAX_REPEATED_PARTS && seen.insert(origin) && computed.iter().all(|at| self.old.is_pure(*at))
        {
            if let Some(start) = self.image(alignment, function, origin) {
                // The same statement keeps its operands.
                let counterpart = alignment.forward.get(&at).filter(|pc| {
                    origin == first
                        && alignment.forward.get(&origin) == Some(&start)
                        && self.has_same_history(at, **pc, Some((origin, start)))
                });
                return Some(match counterpart {
                    Some(pc) => Position { pc: *pc, is_restart: false },
                    None if self.old.may_be_repeated(at) => return None,
                    None => Position { pc: start, is_restart: true },
                });
            }
            // The state at a test is that after it.
            let entry = self.old.function(function)?.entry;
            let [(_, before)] = self.old.predecessors(origin)[..] else { return None };
            if origin == entry {
                return None;
            }
            (origin, computed) = self::origin(&self.old, before)?;
            computed.push(before);
        }
        None
    }

    /// The position at which a statement continues with its operands.
    fn continued_statement(
        &self,
        alignment: &Alignment,
        function: u32,
        at: u32,
        state: InstructionState,
    ) -> Option<Position> {
        if let Some(pc) = alignment.forward.get(&at).copied() {
            return self.has_same_history(at, pc, None).then_some(Position { pc, is_restart: false });
        }
        let (origin, _) = origin(&self.old, at)?;
        let start = match alignment.forward.get(&origin) {
            Some(start) => *start,
            // The statement is changed, and not one of several equal ones.
            None if alignment.is_ambiguous(origin) => return None,
            None => self.image(alignment, function, origin)?,
        };
        let pc = start + at.checked_sub(origin)?;
        let is_continued = self.new.owner(pc) == self.new.owner(start)
            && self.has_same_history(at, pc, Some((origin, start)))
            && (state == InstructionState::Next || self.old.token_of(at) == self.new.token_of(pc));
        is_continued.then_some(Position { pc, is_restart: false })
    }

    /// The point in the new version that corresponds to one between two parts of statements: all ways to it begin at
    /// corresponding instructions, and lead to one point.
    fn image(&self, alignment: &Alignment, function: u32, at: u32) -> Option<u32> {
        let (old, new) = (self.old.function(function)?, self.new.function(self.function(function)?)?);
        let mut images: Vec<Option<u32>> = Vec::new();
        if old.entry == at {
            images.push(Some(new.entry));
        }
        for (edge, from) in self.old.predecessors(at) {
            images.push(alignment.forward.get(&from).and_then(|from| self.new.successor(*from, edge)));
        }
        let first = images.first().copied().flatten()?;
        (images.iter().all(|image| *image == Some(first)) && self.new.depth(first) == Some(0)).then_some(first)
    }

    /// Whether the same instructions have computed the operands before two instructions. `start` is a pair of points
    /// without operands that they must begin at.
    fn has_same_history(&self, old: u32, new: u32, start: Option<(u32, u32)>) -> bool {
        let mut pairs = HashMap::from([(old, new)]);
        let mut work = vec![(old, new)];
        while let Some((old, new)) = work.pop() {
            let depth = self.old.depth(old);
            if depth.is_none() || depth != self.new.depth(new) {
                return false;
            }
            if depth == Some(0) {
                continue;
            }
            let entrances = self.old.entrances(old);
            if entrances != self.new.entrances(new) || entrances.contains(&Entrance::KeepingHandler) {
                return false;
            }
            let (old, new) = (self.old.predecessors(old), self.new.predecessors(new));
            if old.len() != new.len() {
                return false;
            }
            for ((old_edge, old), (new_edge, new)) in old.into_iter().zip(new) {
                if old_edge != new_edge || self.old.token_of(old) != self.new.token_of(new) {
                    return false;
                }
                match pairs.insert(old, new) {
                    None => work.push((old, new)),
                    Some(known) if known == new => {}
                    Some(_) => return false,
                }
            }
        }
        start.is_none_or(|(old, new)| pairs.get(&old) == Some(&new))
    }

    /// Checks that the handlers around an old position are around the new one, in the same order.
    fn check_handlers(&self, function: u32, old: u32, new: u32) -> Result<(), MappingError> {
        let counterpart = self.function(function).unwrap_or_default();
        let mut found = handlers(&self.new, counterpart, new).into_iter();
        for handler in handlers(&self.old, function, old) {
            if !found.any(|one| one == handler) {
                let what = match handler {
                    Handler::Catch => "`catch`",
                    Handler::Finally => "`finally`",
                    Handler::Iterator => "loop",
                };
                return Err(self.error(
                    old,
                    Some(new),
                    format!("a {what} is around {}, and not in the new version", self.place(function, old)),
                ));
            }
        }
        Ok(())
    }

    fn no_statement(&self, function: u32, at: u32) -> MappingError {
        let reason = format!(
            "the statement at {}, or the one before it, is changed in the new version, and what it has done cannot be \
             continued there",
            self.place(function, at)
        );
        self.error(at, None, reason)
    }
}

/// The kind of a handler.
#[derive(PartialEq, Eq)]
enum Handler {
    Catch,
    Finally,
    Iterator,
}

/// The handlers around an instruction, the innermost first.
fn handlers(outline: &Outline<'_>, function: u32, at: u32) -> Vec<Handler> {
    let all = outline.function(function).map_or(&[][..], |function| function.handlers.as_slice());
    let around = all.iter().filter(|handler| handler.start <= at && at < handler.end);
    let kind = |handler: &ExceptionHandler| {
        if handler.depth > 0 || handler.slot.is_some() {
            return Handler::Iterator;
        }
        match outline.slot_access(handler.target) {
            Some(access) if access.writes && outline.slot_name(function, access.slot) == "$" => Handler::Finally,
            _ => Handler::Catch,
        }
    };
    around.map(kind).collect()
}

/// The point without operands at which the computation of the operands before an instruction began, and the
/// instructions since then. `None` if there are several, or an error or a completion led there.
fn origin(outline: &Outline<'_>, at: u32) -> Option<(u32, Vec<u32>)> {
    if outline.depth(at)? == 0 {
        return Some((at, Vec::new()));
    }
    let (mut seen, mut work) = (HashSet::from([at]), vec![at]);
    let (mut found, mut computed) = (HashSet::new(), Vec::new());
    while let Some(one) = work.pop() {
        if outline.depth(one)? == 0 {
            found.insert(one);
            continue;
        }
        let before: Vec<(Edge, u32)> = outline.predecessors(one);
        if before.is_empty() || !outline.entrances(one).is_empty() {
            return None;
        }
        for (_, one) in before {
            if seen.insert(one) {
                computed.push(one);
                work.push(one);
            }
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Some((only, computed)),
        _ => None,
    }
}
