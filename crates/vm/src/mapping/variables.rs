//! The variables of a frame in the new version: which of them the rest of the function may read, and where their values
//! come from.

use std::collections::HashSet;

use super::super::program::{Capture, DecodedInstruction as I, FunctionKind};
use super::MappingError;
use super::alignment::ProgramMap;
use super::outline::{Outline, base_name};

/// The value of a variable in the new version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VariableSource {
    /// That of a slot of the old frame.
    Old(u16),
    Undefined,
    Uninitialized,
    /// A constant of the new version.
    Constant(u32),
    /// A new closure of a function of the new version.
    Closure(u32),
}

/// A variable of a frame in the new version.
#[derive(Clone, Copy, Debug)]
pub(super) struct MappedVariable {
    pub(super) source: VariableSource,
    /// Whether the slot has a cell.
    pub(super) is_cell: bool,
}

/// The instruction that has set a variable, or nothing: the beginning of the function.
type Definition = Option<u32>;

/// The instructions that may have set a variable last.
struct Definitions {
    all: Vec<Definition>,
    /// Whether the slot has a cell; `None` if it depends on the way.
    is_cell: Option<bool>,
}

impl ProgramMap<'_> {
    /// The variables of a frame that continues at `new` in the new version instead of at `old`.
    ///
    /// A variable that the rest of the function may read, or that its statement has read, is that of the old version
    /// which the same instruction has set. A new one must be a constant, a function, or not yet initialized there.
    /// `None`: the frame remains as it is.
    pub(super) fn variables(
        &self,
        function: u32,
        old: u32,
        new: u32,
        budget: &mut u64,
    ) -> Result<Option<Vec<MappedVariable>>, MappingError> {
        let counterpart = self.function(function).unwrap_or_default();
        let count = self.new.function(counterpart).map_or(0, |function| function.slots.len()) as u16;
        if self.alignment(function).is_some_and(|alignment| alignment.is_same) {
            return Ok(None);
        }
        let mut frame = FrameMap { map: self, function, counterpart, old, new, budget };
        let mut variables: Vec<Option<MappedVariable>> = vec![None; usize::from(count)];
        let mut work: Vec<u16> = Vec::new();
        let read = frame.read_slots()?;
        for slot in 0..count {
            let is_used = read.contains(&slot) || (counterpart == 0 && self.new.read_globals.contains(&slot));
            if is_used || frame.is_live(slot)? {
                work.push(slot);
            }
        }
        while let Some(slot) = work.pop() {
            if variables[usize::from(slot)].is_some() {
                continue;
            }
            let variable = frame.variable(slot)?;
            variables[usize::from(slot)] = Some(variable);
            if let VariableSource::Closure(created) = variable.source {
                let captures = self.new.function(created).map_or(&[][..], |function| function.captures.as_slice());
                for capture in captures {
                    match capture {
                        Capture::Slot(captured) if usize::from(*captured) < variables.len() => work.push(*captured),
                        _ => return Err(frame.new_variable(slot)),
                    }
                }
            }
        }
        let idle = |slot: u16| {
            let is_only = only_slot(&self.new, counterpart, self.new.slot_name(counterpart, slot));
            let namesake = if is_only { frame.namesake(slot) } else { None };
            let source = namesake.map_or(VariableSource::Undefined, VariableSource::Old);
            MappedVariable { source, is_cell: false }
        };
        Ok(Some((0u16..).zip(&variables).map(|(slot, variable)| variable.unwrap_or_else(|| idle(slot))).collect()))
    }

    /// The capture of the old function from which each capture of the new one comes.
    pub(super) fn captures(&self, function: u32) -> Result<Vec<usize>, MappingError> {
        let counterpart = self.function(function).unwrap_or_default();
        let (Some(old), Some(new)) = (self.old.function(function), self.new.function(counterpart)) else {
            return Ok(Vec::new());
        };
        let find = |capture: usize| {
            let wanted = self.new.captured_variable(counterpart, capture)?;
            (0..old.captures.len()).find(|candidate| {
                self.old
                    .captured_variable(function, *candidate)
                    .is_some_and(|found| self.is_same_variable(found, wanted))
            })
        };
        (0..new.captures.len())
            .map(|capture| {
                find(capture).ok_or_else(|| {
                    let name = new.capture_names.get(capture).map_or("", |name| shown_name(name));
                    let function_name = self.function_name(&self.new, counterpart);
                    let reason = format!(
                        "{function_name} uses the variable '{name}' in the new version, and a function that already \
                         exists does not have it"
                    );
                    self.error(old.entry, Some(new.entry), reason)
                })
            })
            .collect()
    }

    /// Whether two variables that functions capture have the same name and the same scope.
    fn is_same_variable(&self, (function, slot): (u32, u16), (counterpart, wanted): (u32, u16)) -> bool {
        if self.function(function) != Some(counterpart) {
            return false;
        }
        let Some(alignment) = self.alignment(function) else { return false };
        if alignment.is_same {
            return slot == wanted;
        }
        let name = self.new.slot_name(counterpart, wanted);
        if name != self.old.slot_name(function, slot) {
            return false;
        }
        if name != "$" && only_slot(&self.old, function, name) && only_slot(&self.new, counterpart, name) {
            return true;
        }
        // Of several variables of this name, those that the same instructions use.
        let used = |outline: &Outline<'_>, at: u32| outline.slot_access(at).map(|access| access.slot);
        let mut pairs = HashSet::new();
        for (old, new) in &alignment.forward {
            if let (Some(old), Some(new)) = (used(&self.old, *old), used(&self.new, *new))
                && (old == slot || new == wanted)
            {
                pairs.insert((old, new));
            }
        }
        pairs.len() == 1 && pairs.contains(&(slot, wanted))
    }
}

fn only_slot(outline: &Outline<'_>, function: u32, name: &str) -> bool {
    let slots = outline.function(function).map_or(&[][..], |function| function.slots.as_slice());
    slots.iter().filter(|slot| base_name(slot) == name).count() == 1
}

/// The name of a variable as the program writes it.
fn shown_name(name: &str) -> &str {
    if name.starts_with("$$") { &name[1..] } else { name }
}

/// A frame that continues in the new version.
struct FrameMap<'m, 'p> {
    map: &'m ProgramMap<'p>,
    function: u32,
    counterpart: u32,
    old: u32,
    new: u32,
    /// Instructions that may still be visited.
    budget: &'m mut u64,
}

impl FrameMap<'_, '_> {
    fn spend(&mut self, visits: usize) -> Result<(), MappingError> {
        match self.budget.checked_sub(visits as u64) {
            Some(left) => *self.budget = left,
            None => {
                let name = self.map.function_name(&self.map.old, self.function);
                let reason = format!("{name} is changed, and too large to be compared");
                return Err(self.map.error(self.old, None, reason));
            }
        }
        Ok(())
    }

    /// The variables that the statement has read before the position: its operands come from them.
    fn read_slots(&mut self) -> Result<HashSet<u16>, MappingError> {
        let map = self.map;
        let (mut seen, mut work) = (HashSet::from([self.new]), vec![self.new]);
        let mut slots = HashSet::new();
        while let Some(at) = work.pop() {
            self.spend(1)?;
            if map.new.depth(at) == Some(0) {
                continue;
            }
            for (_, before) in map.new.predecessors(at) {
                if !seen.insert(before) {
                    continue;
                }
                work.push(before);
                if let I::Load(slot) | I::LoadCell(slot) = map.new.instruction(before)
                    && map.new.slot_name(self.counterpart, slot) != "$"
                {
                    slots.insert(slot);
                }
            }
        }
        Ok(slots)
    }

    /// Whether the new version may read a variable before it sets it.
    fn is_live(&mut self, slot: u16) -> Result<bool, MappingError> {
        let map = self.map;
        let Some(function) = map.new.function(self.counterpart) else { return Ok(false) };
        let (mut seen, mut work) = (HashSet::from([self.new]), vec![self.new]);
        while let Some(at) = work.pop() {
            self.spend(1 + function.handlers.len())?;
            let access = map.new.slot_access(at).filter(|access| access.slot == slot);
            if access.is_some_and(|access| access.reads) {
                return Ok(true);
            }
            let instruction = map.new.instruction(at);
            if let I::Function(created) = instruction
                && map.new.function(created).is_some_and(|created| created.captures.contains(&Capture::Slot(slot)))
            {
                return Ok(true);
            }
            let mut next = Vec::new();
            for handler in function.handlers.iter().filter(|handler| handler.start <= at && at < handler.end) {
                if handler.slot == Some(slot) {
                    return Ok(true);
                }
                next.push(handler.target);
            }
            if let I::Yield { target } | I::Leave(target) = instruction {
                next.push(target);
            }
            if !access.is_some_and(|access| access.writes) {
                next.extend(instruction.target().map(|(target, _)| target));
                next.extend((!instruction.is_terminator()).then_some(at + 1));
            }
            work.extend(next.into_iter().filter(|at| seen.insert(*at)));
        }
        Ok(false)
    }

    /// The instructions that may have set a variable last before an instruction.
    fn definitions(
        &mut self,
        outline: &Outline<'_>,
        function: u32,
        at: u32,
        slot: u16,
    ) -> Result<Definitions, MappingError> {
        let (mut seen, mut work) = (HashSet::from([at]), vec![at]);
        let (mut all, mut kinds) = (Vec::new(), HashSet::new());
        let Some(description) = outline.function(function) else { return Ok(Definitions { all, is_cell: None }) };
        while let Some(at) = work.pop() {
            self.spend(1)?;
            if at == description.entry {
                all.push(None);
                kinds.insert(false);
            }
            for (_, before) in outline.predecessors(at) {
                match outline.slot_access(before).filter(|access| access.slot == slot && access.writes) {
                    Some(access) => {
                        if !all.contains(&Some(before)) {
                            all.push(Some(before));
                        }
                        kinds.insert(access.is_cell);
                    }
                    None if seen.insert(before) => work.push(before),
                    None => {}
                }
            }
            // The variables are as before the instruction that failed or returned.
            work.extend(outline.left_statements(function, at).into_iter().filter(|before| seen.insert(*before)));
        }
        let is_cell = if kinds.len() == 1 { kinds.into_iter().next() } else { None };
        Ok(Definitions { all, is_cell })
    }

    /// The source of a variable that the new version may read.
    fn variable(&mut self, slot: u16) -> Result<MappedVariable, MappingError> {
        let map = self.map;
        let name = map.new.slot_name(self.counterpart, slot);
        let new = self.definitions(&map.new, self.counterpart, self.new, slot)?;
        let Some(is_cell) = new.is_cell else { return Err(self.changed_variable(slot, None)) };
        let mapped = |source| Ok(MappedVariable { source, is_cell });
        if name == "$" {
            return self.hidden_variable(slot, &new).and_then(mapped);
        }
        // By the old slot, the definitions that correspond to those of the new version.
        let mut found: HashSet<u16> = HashSet::new();
        for definition in &new.all {
            found.extend(self.old_slot(slot, *definition)?);
        }
        let candidates: Vec<u16> = found.into_iter().collect();
        if let [old] = candidates[..] {
            return mapped(VariableSource::Old(old));
        }
        if candidates.len() > 1 {
            return Err(self.changed_variable(slot, None));
        }
        let assigned = match self.counterpart {
            0 => map.new.assigned_globals.contains(&slot),
            _ => false,
        } || map.new.is_assigned_by_closures(self.counterpart, slot);
        let initial = self.initial_value(&new, slot).filter(|_| !assigned);
        let namesake = self.namesake(slot);
        let old = match namesake {
            Some(old) => self.definitions(&map.old, self.function, self.old, old)?,
            None => Definitions { all: Vec::new(), is_cell: None },
        };
        let was_set = old.all.iter().any(Option::is_some);
        match initial {
            Some(source) if !was_set => mapped(source),
            // A constant too: code that has run may have used its value.
            _ if was_set => Err(self.changed_variable(slot, old.all.first().copied().flatten())),
            _ => Err(self.new_variable(slot)),
        }
    }

    /// The source of a variable of a loop or of `finally`: all instructions that set it must correspond.
    fn hidden_variable(&mut self, slot: u16, new: &Definitions) -> Result<VariableSource, MappingError> {
        let map = self.map;
        if let Some(parameter) = map.new.parameter(self.counterpart, slot) {
            // A pattern reads it: the same instructions, of the same parameter.
            let is_kept = map.old.parameter(self.function, slot) == Some(parameter)
                && map.is_same_variable((self.function, slot), (self.counterpart, slot))
                && new.all == [None]
                && self.definitions(&map.old, self.function, self.old, slot)?.all == [None];
            return if is_kept { Ok(VariableSource::Old(slot)) } else { Err(self.changed_variable(slot, None)) };
        }
        let refused = || self.changed_variable(slot, None);
        let set = |outline: &Outline<'_>, definitions: &Definitions| -> Vec<u32> {
            let all = definitions.all.iter().flatten().copied();
            all.filter(|at| !matches!(outline.instruction(*at), I::Clear(_))).collect()
        };
        let wanted = set(&map.new, new);
        if wanted.is_empty() {
            return Ok(VariableSource::Undefined);
        }
        let alignment = map.alignment(self.function).ok_or_else(refused)?;
        let found: Option<Vec<u32>> = wanted.iter().map(|at| alignment.backward.get(at).copied()).collect();
        let found = found.ok_or_else(refused)?;
        let slots: HashSet<u16> =
            found.iter().filter_map(|at| map.old.slot_access(*at)).map(|access| access.slot).collect();
        let slots: Vec<u16> = slots.into_iter().collect();
        let [old] = &slots[..] else { return Err(refused()) };
        let definitions = self.definitions(&map.old, self.function, self.old, *old)?;
        let known = set(&map.old, &definitions);
        if known.len() == found.len() && known.iter().all(|at| found.contains(at)) {
            return Ok(VariableSource::Old(*old));
        }
        Err(self.changed_variable(slot, None))
    }

    /// The old variable that the corresponding instruction has set.
    fn old_slot(&mut self, slot: u16, definition: Definition) -> Result<Option<u16>, MappingError> {
        let map = self.map;
        let Some(at) = definition else {
            // Parameters have their values, and others are undefined.
            let Some(old) = self.namesake(slot) else { return Ok(None) };
            let same_kind = map.old.parameter(self.function, old) == map.new.parameter(self.counterpart, slot);
            let reaches = same_kind && self.definitions(&map.old, self.function, self.old, old)?.all.contains(&None);
            return Ok(reaches.then_some(old));
        };
        let Some(alignment) = map.alignment(self.function) else { return Ok(None) };
        if let Some(at) = alignment.backward.get(&at).copied() {
            let Some(old) = map.old.slot_access(at).map(|access| access.slot) else { return Ok(None) };
            let reaches = self.definitions(&map.old, self.function, self.old, old)?.all.contains(&Some(at));
            return Ok(reaches.then_some(old));
        }
        // The same declaration at another place.
        let (Some(old), Some(code)) = (self.namesake(slot), alignment.new_code.get(&at)) else { return Ok(None) };
        let set = self.definitions(&map.old, self.function, self.old, old)?;
        let is_same = set.all.iter().flatten().any(|at| alignment.old_code.get(at) == Some(code));
        Ok(is_same.then_some(old))
    }

    /// The value of a variable that has one definition whose value is known.
    fn initial_value(&self, definitions: &Definitions, slot: u16) -> Option<VariableSource> {
        let outline = &self.map.new;
        match definitions.all[..] {
            [None] => outline.parameter(self.counterpart, slot).is_none().then_some(VariableSource::Undefined),
            [Some(at)] => match outline.instruction(at) {
                I::Uninit(_) | I::NewCell(_) => Some(VariableSource::Uninitialized),
                I::Store(_) | I::InitCell(_) => match outline.instruction(at.checked_sub(1)?) {
                    I::Push(_) => pushed_constant(outline, at).map(VariableSource::Constant),
                    I::Function(created) if outline.depth(at - 1) == Some(0) && outline.depth(at) == Some(1) => {
                        // An arrow function has `this` of its frame, which in the global frame is undefined.
                        let is_bound = match outline.function(created)?.kind {
                            FunctionKind::Function => true,
                            FunctionKind::Arrow => self.counterpart == 0,
                            _ => false,
                        };
                        is_bound.then_some(VariableSource::Closure(created))
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The old variable of the same name. Of several, the one that the corresponding instructions use.
    fn namesake(&self, slot: u16) -> Option<u16> {
        let (map, function) = (self.map, self.map.old.function(self.function)?);
        let name = map.new.slot_name(self.counterpart, slot);
        let is_same = |old: &u16| {
            name != "$"
                && map.old.slot_name(self.function, *old) == name
                && map.is_same_variable((self.function, *old), (self.counterpart, slot))
        };
        (0..function.slots.len() as u16).find(is_same)
    }

    fn changed_variable(&self, slot: u16, definition: Definition) -> MappingError {
        let map = self.map;
        let owner = map.function_name(&map.old, self.function);
        let reason = match map.new.slot_name(self.counterpart, slot) {
            "$" if map.new.parameter(self.counterpart, slot).is_some() => {
                format!("the parameters of {owner} are changed")
            }
            "$" => format!("the loop or `finally` around {} is changed", map.place(self.function, self.old)),
            name => {
                let name = shown_name(name);
                let by =
                    definition.map_or(String::new(), |at| format!(" by line {}", map.old.program.location(at).line));
                format!("the variable '{name}' of {owner} has been set{by}, and the new version sets it in another way")
            }
        };
        map.error(definition.unwrap_or(self.old), Some(self.new), reason)
    }

    fn new_variable(&self, slot: u16) -> MappingError {
        let map = self.map;
        let name = shown_name(map.new.slot_name(self.counterpart, slot));
        let owner = map.function_name(&map.old, self.function);
        let (old, new) = (map.old.function(self.function), map.new.function(self.counterpart));
        let names = |slots: &[String]| slots.iter().map(|slot| base_name(slot).to_owned()).collect::<Vec<String>>();
        let kept = new.map_or(Vec::new(), |function| names(&function.slots));
        let removed = old.map_or(Vec::new(), |function| names(&function.slots));
        if let Some(built_in) = name.strip_prefix("$:") {
            let reason = format!("the new version uses the built-in '{built_in}', which the execution does not have");
            return map.error(self.old, None, reason);
        }
        let mut reason = format!(
            "the new version uses the variable '{name}' of {owner}, which would have been set before {}",
            map.place(self.function, self.old)
        );
        if let Some(removed) = removed.iter().find(|name| !kept.contains(name)) {
            reason.push_str(&format!("; its variable '{}' is not in the new version", shown_name(removed)));
        }
        map.error(self.old, Some(self.new), reason)
    }
}

/// The constant that an instruction stores which directly follows a PUSH.
fn pushed_constant(outline: &Outline<'_>, at: u32) -> Option<u32> {
    let before = at.checked_sub(1)?;
    match (outline.instruction(at), outline.instruction(before)) {
        (I::Store(_) | I::InitCell(_), I::Push(constant))
            if outline.depth(before) == Some(0) && outline.depth(at) == Some(1) =>
        {
            Some(constant)
        }
        _ => None,
    }
}
