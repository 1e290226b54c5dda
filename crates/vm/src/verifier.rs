//! Verification: every path through every function is followed once with the depth of its operand stack. The
//! interpreter therefore never executes an invalid jump, a missing slot or a stack underflow.

use runstate_value::sort_by;

use super::program::{BytecodeError, Capture, DecodedInstruction, Function, FunctionKind, VerifiedProgram};

/// Most operands of one frame.
const MAX_DEPTH: u32 = 2_000_000;
const NO_OWNER: u32 = u32::MAX;

/// Checks the program and fills in its `stack_depths` and `owners`, and each function's `max_stack`.
pub(super) fn verify(program: &mut VerifiedProgram) -> Result<(), BytecodeError> {
    let length = u32::try_from(program.code.len()).unwrap_or(u32::MAX);
    if length == 0 {
        return Err(BytecodeError::new(0, "the program has no instructions"));
    }
    let mut verifier = Verifier {
        depths: vec![None; program.code.len()],
        owners: vec![NO_OWNER; program.code.len()],
        program,
        work: Vec::new(),
        function: 0,
        max: 0,
    };
    for index in 0..verifier.program.functions.len() {
        let max = verifier.verify_function(u32::try_from(index).unwrap_or(u32::MAX))?;
        verifier.program.functions[index].max_stack = max;
    }
    let (depths, owners) = (verifier.depths, verifier.owners);
    check_captures(program, &owners)?;
    program.stack_depths = depths;
    program.owners = owners;
    Ok(())
}

struct Verifier<'a> {
    program: &'a mut VerifiedProgram,
    depths: Vec<Option<u32>>,
    owners: Vec<u32>,
    work: Vec<(u32, u32)>,
    function: u32,
    max: u32,
}

impl Verifier<'_> {
    fn verify_function(&mut self, index: u32) -> Result<u32, BytecodeError> {
        self.function = index;
        self.max = 0;
        let function = self.program.functions[index as usize].clone();
        self.check_description(&function)?;
        self.record_depth(function.entry, function.entry, 0)?;
        for handler in &function.handlers {
            if handler.start >= handler.end || handler.end as usize > self.program.code.len() {
                return Err(BytecodeError::new(
                    handler.start,
                    format!("a handler of `{}` covers no valid range", function.name),
                ));
            }
        }
        while let Some((at, depth)) = self.work.pop() {
            self.verify_instruction(&function, at, depth)?;
        }
        Ok(self.max)
    }

    fn check_description(&self, function: &Function) -> Result<(), BytecodeError> {
        let error = |message: String| Err(BytecodeError::new(function.entry, message));
        let parameters = usize::from(function.params) + usize::from(function.rest);
        if parameters > function.slots.len() {
            return error(format!(
                "`{}` has {parameters} parameters and {} slots",
                function.name,
                function.slots.len()
            ));
        }
        if function.returns_promise
            && (function.is_async || matches!(function.kind, FunctionKind::Class | FunctionKind::Derived))
        {
            return error(format!("`{}` cannot return a promise", function.name));
        }
        let is_function = matches!(function.kind, FunctionKind::Function | FunctionKind::Method);
        if function.is_generator && (function.is_async || !is_function) {
            return error(format!("`{}` cannot be a generator", function.name));
        }
        if let Some(slot) = function.handlers.iter().filter_map(|handler| handler.slot).max()
            && usize::from(slot) >= function.slots.len()
        {
            return error(format!("a handler of `{}` names slot {slot}", function.name));
        }
        if function.slots.len() > usize::from(u16::MAX) || function.captures.len() > usize::from(u16::MAX) {
            return error(format!("`{}` has more than 65,535 slots or captures", function.name));
        }
        // Names of variables are keys of the saved state, and some stores refuse NUL there.
        if let Some(name) = function.slots.iter().find(|name| name.contains('\0')) {
            return error(format!("`{}` has a slot named {name:?}; a name cannot contain NUL", function.name));
        }
        let mut names: Vec<&str> = function.slots.iter().map(String::as_str).collect();
        sort_by(&mut names, Ord::cmp);
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return error(format!("`{}` has two slots named `{}`", function.name, pair[0]));
        }
        Ok(())
    }

    fn record_depth(&mut self, from: u32, to: u32, depth: u32) -> Result<(), BytecodeError> {
        let Some(entry_depth) = self.depths.get_mut(to as usize) else {
            return Err(BytecodeError::new(from, format!("leads to instruction {to}, past the end")));
        };
        match *entry_depth {
            None => {
                *entry_depth = Some(depth);
                self.owners[to as usize] = self.function;
                self.work.push((to, depth));
                Ok(())
            }
            Some(_) if self.owners[to as usize] != self.function => {
                Err(BytecodeError::new(from, format!("leads to instruction {to}, which belongs to another function")))
            }
            Some(previous) if previous != depth => Err(BytecodeError::new(
                from,
                format!("reaches instruction {to} with {depth} operands, another path with {previous}"),
            )),
            Some(_) => Ok(()),
        }
    }

    fn verify_instruction(&mut self, function: &Function, at: u32, depth: u32) -> Result<(), BytecodeError> {
        let instruction = self.program.code[at as usize];
        self.check_operands(function, at, instruction)?;
        if instruction == DecodedInstruction::Await && !function.returns_promise && self.function > 0 {
            return Err(BytecodeError::new(at, format!("`{}` awaits, but returns no promise", function.name)));
        }
        if let DecodedInstruction::Generator | DecodedInstruction::Yield { .. } | DecodedInstruction::Delegate =
            instruction
            && !function.is_generator
        {
            return Err(BytecodeError::new(at, format!("`{}` yields, but is not a generator", function.name)));
        }
        let (pops, pushes) = instruction.stack_effect();
        let Some(left) = depth.checked_sub(pops) else {
            return Err(BytecodeError::new(at, format!("takes {pops} operands where {depth} are")));
        };
        let after = left + pushes;
        self.max = self.max.max(after).max(depth);
        if after > MAX_DEPTH {
            return Err(BytecodeError::new(at, "the operand stack grows too deep"));
        }
        if let Some((target, change)) = instruction.target() {
            self.record_depth(at, target, after.saturating_add_signed(change))?;
        }
        // Only the value on top remains.
        if let DecodedInstruction::Yield { target } | DecodedInstruction::Leave(target) = instruction {
            self.record_depth(at, target, 1)?;
        }
        if !instruction.is_terminator() {
            self.record_depth(at, at + 1, after)?;
        }
        for handler in function.handlers.iter().filter(|handler| handler.start <= at && at < handler.end) {
            if handler.depth > depth {
                return Err(BytecodeError::new(
                    at,
                    format!("its handler keeps {} operands where {depth} are", handler.depth),
                ));
            }
            self.max = self.max.max(handler.depth + 1);
            self.record_depth(at, handler.target, handler.depth + 1)?;
        }
        Ok(())
    }

    fn check_operands(
        &self,
        function: &Function,
        at: u32,
        instruction: DecodedInstruction,
    ) -> Result<(), BytecodeError> {
        use DecodedInstruction as I;
        let slots = function.slots.len();
        let (number, count, kind) = match instruction {
            I::Load(slot)
            | I::Store(slot)
            | I::NewCell(slot)
            | I::LoadCell(slot)
            | I::StoreCell(slot)
            | I::InitCell(slot)
            | I::CopyCell(slot)
            | I::StoreChecked(slot)
            | I::Uninit(slot)
            | I::Clear(slot)
            | I::Iter(slot)
            | I::Keys(slot)
            | I::IterNext { slot, .. }
            | I::IterReturn { slot, .. }
            | I::IterTake(slot)
            | I::IterRest(slot) => (slot, slots, "slot"),
            I::LoadCapture(capture) | I::StoreCapture(capture) => (capture, function.captures.len(), "capture"),
            I::LoadGlobal(slot) | I::StoreGlobal(slot) => (slot, self.program.functions[0].slots.len(), "global slot"),
            _ => return Ok(()),
        };
        if usize::from(number) < count {
            return Ok(());
        }
        Err(BytecodeError::new(at, format!("names {kind} {number}, but there are {count}")))
    }
}

/// Checks captures against the function that creates the closure, because its frame provides the cells.
fn check_captures(program: &VerifiedProgram, owners: &[u32]) -> Result<(), BytecodeError> {
    for (at, instruction) in program.code.iter().enumerate() {
        let (DecodedInstruction::Function(created), owner) = (instruction, owners[at]) else { continue };
        if owner == NO_OWNER {
            continue;
        }
        let creator = &program.functions[owner as usize];
        for capture in &program.functions[*created as usize].captures {
            let exists = match capture {
                Capture::Slot(slot) => usize::from(*slot) < creator.slots.len(),
                Capture::Capture(index) => usize::from(*index) < creator.captures.len(),
            };
            if !exists {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                return Err(BytecodeError::new(at, "captures a cell that its creator does not have"));
            }
        }
    }
    Ok(())
}

impl DecodedInstruction {
    /// The possible jump target, and the difference in operands from falling through.
    #[must_use]
    pub fn target(self) -> Option<(u32, i32)> {
        use DecodedInstruction as I;
        match self {
            I::Jump(to) | I::JumpIf(to) | I::JumpIfN(to) => Some((to, 0)),
            I::JumpIfKeep(to) | I::JumpIfNKeep(to) | I::JumpSomeKeep(to) | I::JumpDefinedKeep(to) => Some((to, 1)),
            I::JumpNullish(to) | I::IterNext { target: to, .. } | I::IterReturn { target: to, .. } => Some((to, -1)),
            _ => None,
        }
    }

    /// Whether the instruction never falls through to the next one.
    #[must_use]
    pub fn is_terminator(self) -> bool {
        use DecodedInstruction as I;
        matches!(self, I::Jump(_) | I::Leave(_) | I::Return | I::Throw | I::ThrowError { .. } | I::Halt)
    }
}
