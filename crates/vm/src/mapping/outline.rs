//! The code of a program in the form in which two versions of it are compared: by names, and without addresses, lines,
//! and numbers of slots, constants and functions.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::super::op::is_one_of;
use super::super::program::{BytecodeConstant, Capture, DecodedInstruction as I, Function, VerifiedProgram};
use super::super::value::WellKnownSymbol;

/// Numbers for equal texts and lists.
#[derive(Default)]
pub(super) struct Interner {
    texts: HashMap<String, u32>,
    lists: HashMap<Vec<u32>, u32>,
}

impl Interner {
    fn text(&mut self, text: String) -> u32 {
        let next = self.texts.len() as u32;
        *self.texts.entry(text).or_insert(next)
    }

    fn list(&mut self, list: Vec<u32>) -> u32 {
        let next = self.lists.len() as u32;
        *self.lists.entry(list).or_insert(next)
    }
}

/// A way from one instruction to another of the same function, with the operands on the stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Edge {
    Fall,
    Jump,
}

/// Another way to an instruction, on which the operands of the statement are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Entrance {
    /// A handler that keeps no operands.
    Handler,
    /// A handler that keeps operands.
    KeepingHandler,
    /// The target of YIELD or LEAVE.
    Completion,
}

/// The effect of an instruction on a slot of its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SlotAccess {
    pub(super) slot: u16,
    pub(super) reads: bool,
    /// Whether it sets the variable.
    pub(super) writes: bool,
    pub(super) is_cell: bool,
}

/// A parameter of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parameter {
    /// It has one argument.
    Argument,
    /// It has an array of the arguments that remain.
    Rest,
}

/// A part of a statement: instructions between two points at which the operand stack is empty.
pub(super) struct Segment {
    pub(super) instructions: Vec<u32>,
    /// Equal in segments of the same instructions.
    pub(super) code: u32,
    /// Equal if the functions that they create are equal too.
    pub(super) deep_code: u32,
}

/// The code of a program.
pub(super) struct Outline<'p> {
    pub(super) program: &'p VerifiedProgram,
    /// The reachable instructions of each function, in order.
    pub(super) code: Vec<Vec<u32>>,
    /// The functions that each function creates, each after the instruction that creates it.
    pub(super) children: Vec<Vec<(u32, u32)>>,
    /// The function that creates each function.
    pub(super) parents: Vec<Option<u32>>,
    /// The name of each function among those that the same function creates; empty if it has none.
    pub(super) labels: Vec<String>,
    /// Equal in functions of the same code, whatever functions they create.
    pub(super) own_codes: Vec<u32>,
    /// Equal in functions of the same code that create functions of the same code.
    pub(super) deep_codes: Vec<u32>,
    /// Equal in equal instructions, whatever their targets are.
    pub(super) tokens: Vec<u32>,
    /// Slots of the global frame that functions read.
    pub(super) read_globals: HashSet<u16>,
    /// Slots of the global frame that functions assign.
    pub(super) assigned_globals: HashSet<u16>,
    jumps: HashMap<u32, Vec<u32>>,
    entrances: HashMap<u32, HashSet<Entrance>>,
    completions: HashMap<u32, Vec<u32>>,
    has_accessors: bool,
    has_conversions: bool,
    has_iterators: bool,
}

const NONE: u32 = u32::MAX;

/// Most instructions between a class and its member. The members of a longer class have no class in their names.
const MAX_CLASS_CODE: usize = 10_000;

impl<'p> Outline<'p> {
    /// The outline of a program. `has_files`: functions of different files are different.
    pub(super) fn new(program: &'p VerifiedProgram, has_files: bool, interner: &mut Interner) -> Outline<'p> {
        let count = program.functions.len();
        let mut outline = Outline {
            program,
            code: vec![Vec::new(); count],
            children: vec![Vec::new(); count],
            parents: vec![None; count],
            labels: vec![String::new(); count],
            own_codes: vec![NONE; count],
            deep_codes: vec![NONE; count],
            tokens: vec![NONE; program.code.len()],
            read_globals: HashSet::new(),
            assigned_globals: HashSet::new(),
            jumps: HashMap::new(),
            entrances: HashMap::new(),
            completions: HashMap::new(),
            has_accessors: program.has_accessors(),
            has_conversions: has_symbol(program, |symbol| symbol == WellKnownSymbol::ToPrimitive)
                || has_conversions(program),
            has_iterators: has_symbol(program, |_| true) || program.code.contains(&I::Generator),
        };
        for (at, owner) in (0u32..).zip(&program.owners) {
            let Some(code) = outline.code.get_mut(*owner as usize) else { continue };
            code.push(at);
            let instruction = outline.instruction(at);
            if let Some((target, _)) = instruction.target() {
                outline.jumps.entry(target).or_default().push(at);
            }
            match instruction {
                I::Yield { target } | I::Leave(target) => {
                    outline.entrances.entry(target).or_default().insert(Entrance::Completion);
                    outline.completions.entry(target).or_default().push(at);
                }
                I::Function(created) => {
                    outline.children[*owner as usize].push((at, created));
                    if let Some(parent) = outline.parents.get_mut(created as usize) {
                        *parent = Some(*owner);
                    }
                }
                I::LoadGlobal(slot) if *owner > 0 => {
                    outline.read_globals.insert(slot);
                }
                I::StoreGlobal(slot) if *owner > 0 => {
                    outline.assigned_globals.insert(slot);
                }
                _ => {}
            }
        }
        for function in &program.functions {
            for handler in &function.handlers {
                let entrance = if handler.depth > 0 { Entrance::KeepingHandler } else { Entrance::Handler };
                outline.entrances.entry(handler.target).or_default().insert(entrance);
            }
        }
        for parent in 0..count {
            for (at, created) in outline.children[parent].clone() {
                let file = if has_files { program.file(at).unwrap_or_default() } else { "" };
                let label = outline.label(at, created);
                if let Some(place) = outline.labels.get_mut(created as usize).filter(|_| !label.is_empty()) {
                    *place = format!("{file} {label}");
                }
            }
        }
        for (at, owner) in (0u32..).zip(&program.owners) {
            if outline.code.get(*owner as usize).is_some() {
                let token = outline.token(at, *owner);
                outline.tokens[at as usize] = interner.text(token);
            }
        }
        // Those that a function creates come before it.
        let mut order = vec![0u32];
        let mut done = 0;
        while let Some(function) = order.get(done) {
            let created = outline.children.get(*function as usize).cloned().unwrap_or_default();
            order.extend(created.into_iter().map(|(_, created)| created).take(count - order.len().min(count)));
            done += 1;
        }
        for function in order.into_iter().rev() {
            let own = outline.own_code(function, interner);
            let mut deep = vec![own];
            deep.extend(outline.children[function as usize].iter().map(|(_, one)| outline.deep_codes[*one as usize]));
            outline.own_codes[function as usize] = own;
            outline.deep_codes[function as usize] = interner.list(deep);
        }
        outline
    }

    pub(super) fn instruction(&self, at: u32) -> I {
        self.program.code.get(at as usize).copied().unwrap_or(I::Halt)
    }

    pub(super) fn function(&self, number: u32) -> Option<&'p Function> {
        self.program.functions.get(number as usize)
    }

    /// Whether a function is part of a built-in that is written in the language: its instructions have no lines.
    pub(super) fn is_built_in(&self, number: u32) -> bool {
        let code = self.code.get(number as usize).map_or(&[][..], Vec::as_slice);
        number > 0 && !code.is_empty() && code.iter().all(|at| self.program.location(*at).line == 0)
    }

    /// Operands on the stack before an instruction.
    pub(super) fn depth(&self, at: u32) -> Option<u32> {
        self.program.stack_depths.get(at as usize).copied().flatten()
    }

    pub(super) fn owner(&self, at: u32) -> Option<u32> {
        self.program.owners.get(at as usize).copied()
    }

    pub(super) fn token_of(&self, at: u32) -> Option<u32> {
        self.tokens.get(at as usize).copied().filter(|token| *token != NONE)
    }

    pub(super) fn entrances(&self, at: u32) -> HashSet<Entrance> {
        self.entrances.get(&at).cloned().unwrap_or_default()
    }

    /// The instructions from which an instruction is reached with the operands of its statement, in order.
    pub(super) fn predecessors(&self, at: u32) -> Vec<(Edge, u32)> {
        let before = at.checked_sub(1).filter(|before| {
            self.owner(*before) == self.owner(at) && self.depth(*before).is_some() && !self.ends(*before)
        });
        let jumps = self.jumps.get(&at).into_iter().flatten().map(|from| (Edge::Jump, *from));
        before.map(|before| (Edge::Fall, before)).into_iter().chain(jumps).collect()
    }

    /// The instructions of a function from which an instruction is entered without the operands of their statements.
    pub(super) fn left_statements(&self, function: u32, at: u32) -> Vec<u32> {
        let mut found = self.completions.get(&at).cloned().unwrap_or_default();
        let code = self.code.get(function as usize).map_or(&[][..], Vec::as_slice);
        let handlers = self.function(function).map_or(&[][..], |function| function.handlers.as_slice());
        for handler in handlers.iter().filter(|handler| handler.target == at) {
            let [start, end] = [handler.start, handler.end].map(|end| code.partition_point(|at| *at < end));
            found.extend_from_slice(code.get(start..end).unwrap_or_default());
        }
        found
    }

    /// The instruction to which an edge leads.
    pub(super) fn successor(&self, at: u32, edge: Edge) -> Option<u32> {
        match edge {
            Edge::Fall => (!self.ends(at)).then_some(at + 1),
            Edge::Jump => self.instruction(at).target().map(|(target, _)| target),
        }
    }

    /// Whether an instruction never falls through.
    pub(super) fn ends(&self, at: u32) -> bool {
        self.instruction(at).is_terminator()
    }

    /// The name of a slot of a function without the number that makes it unique; `$` if it is hidden.
    pub(super) fn slot_name(&self, function: u32, slot: u16) -> &'p str {
        let slots = self.function(function).map_or(&[][..], |function| function.slots.as_slice());
        slots.get(usize::from(slot)).map_or("", |name| base_name(name))
    }

    /// The kind of parameter that a slot of a function is, or `None` for another variable.
    pub(super) fn parameter(&self, function: u32, slot: u16) -> Option<Parameter> {
        let function = self.function(function)?;
        match slot.cmp(&function.params) {
            Ordering::Less => Some(Parameter::Argument),
            Ordering::Equal if function.rest => Some(Parameter::Rest),
            _ => None,
        }
    }

    /// The effect of an instruction on a slot of its own frame, except those that create functions.
    pub(super) fn slot_access(&self, at: u32) -> Option<SlotAccess> {
        let (slot, reads, writes, is_cell) = match self.instruction(at) {
            I::Load(slot) | I::IterNext { slot, .. } | I::IterTake(slot) | I::IterRest(slot) => {
                (slot, true, false, false)
            }
            I::Store(slot) | I::Uninit(slot) | I::Clear(slot) | I::Iter(slot) | I::Keys(slot) => {
                (slot, false, true, false)
            }
            I::StoreChecked(slot) | I::IterReturn { slot, .. } => (slot, true, true, false),
            I::LoadCell(slot) | I::CopyCell(slot) => (slot, true, false, true),
            I::StoreCell(slot) | I::InitCell(slot) => (slot, true, true, true),
            I::NewCell(slot) => (slot, false, true, true),
            I::LoadGlobal(slot) if self.owner(at) == Some(0) => (slot, true, false, false),
            I::StoreGlobal(slot) if self.owner(at) == Some(0) => (slot, true, true, false),
            _ => return None,
        };
        Some(SlotAccess { slot, reads, writes, is_cell })
    }

    /// Whether an instruction has no effect but on the operand stack, so that it can be run once more.
    pub(super) fn is_pure(&self, at: u32) -> bool {
        let instruction = self.instruction(at);
        let converts_nothing = !self.has_accessors && !self.has_conversions;
        match instruction {
            I::GetProp(_) => !self.has_accessors,
            I::NewNative { name, .. } => {
                converts_nothing && self.program.names.get(name as usize).is_some_and(|name| name.ends_with("Error"))
            }
            _ if is_one_of!(
                instruction,
                Concat Lt Gt Le Ge LooseEq LooseNeq Add Sub Mul Div Mod Pow BitAnd BitOr BitXor Shl Shr UShr
                Neg ToNumber UnaryPlus BitNot Inc Dec ToText GetIndex
            ) =>
            {
                converts_nothing
            }
            _ => is_one_of!(
                instruction,
                Push Pop Dup Dup2 Swap DupX1 DupX2 Load LoadCell LoadCapture LoadGlobal
                Jump JumpIf JumpIfN JumpIfKeep JumpIfNKeep JumpSomeKeep JumpNullish JumpDefinedKeep
                Eq Neq Not TypeOf Array RegExp RequireObject Builtin Function This NewTarget NewCell Uninit
            ),
        }
    }

    /// Whether functions of the program may have run for an instruction that has not ended: it converts an operand or
    /// iterates over it, and runs again with the result.
    pub(super) fn may_be_repeated(&self, at: u32) -> bool {
        let runs_functions = self.has_accessors || self.has_conversions || self.has_iterators;
        let is_simple = matches!(self.instruction(at), I::Throw | I::ThrowError { .. } | I::Return);
        runs_functions && !is_simple && !self.is_pure(at)
    }

    /// The function and the slot of the variable that a function captures.
    pub(super) fn captured_variable(&self, function: u32, capture: usize) -> Option<(u32, u16)> {
        let (mut function, mut capture) = (function, capture);
        // The links of hostile bytecode may have a cycle.
        for _ in 0..=self.parents.len() {
            let parent = self.parents.get(function as usize).copied().flatten()?;
            match self.function(function)?.captures.get(capture)? {
                Capture::Slot(slot) => return Some((parent, *slot)),
                Capture::Capture(index) => (function, capture) = (parent, usize::from(*index)),
            }
        }
        None
    }

    /// Whether a function within a function assigns a variable of its frame.
    pub(super) fn is_assigned_by_closures(&self, function: u32, slot: u16) -> bool {
        let mut work: Vec<(u32, Capture)> = vec![(function, Capture::Slot(slot))];
        while let Some((function, source)) = work.pop() {
            for (_, created) in self.children.get(function as usize).into_iter().flatten() {
                let Some(description) = self.function(*created).filter(|_| *created != function) else { continue };
                for (index, capture) in description.captures.iter().enumerate() {
                    if *capture != source {
                        continue;
                    }
                    let index = index as u16;
                    let mut code = self.code.get(*created as usize).into_iter().flatten();
                    if code.any(|at| self.instruction(*at) == I::StoreCapture(index)) {
                        return true;
                    }
                    work.push((*created, Capture::Capture(index)));
                }
            }
        }
        false
    }

    /// The parts of the statements of a function.
    pub(super) fn segments(&self, function: u32, interner: &mut Interner) -> Vec<Segment> {
        let mut parts: Vec<Vec<u32>> = Vec::new();
        for at in self.code.get(function as usize).into_iter().flatten() {
            let continues = self.depth(*at) != Some(0)
                && parts.last().and_then(|part| part.last()).is_some_and(|last| *last + 1 == *at && !self.ends(*last));
            match parts.last_mut().filter(|_| continues) {
                Some(part) => part.push(*at),
                None => parts.push(vec![*at]),
            }
        }
        let segment = |instructions: Vec<u32>| {
            let first = instructions.first().copied().unwrap_or_default();
            let (mut code, mut created) = (Vec::new(), Vec::new());
            for at in &instructions {
                code.push(self.tokens[*at as usize]);
                let target = self.instruction(*at).target().map(|(target, _)| target);
                code.push(target.filter(|target| instructions.contains(target)).map_or(NONE, |target| target - first));
                if let I::Function(function) = self.instruction(*at) {
                    created.push(self.deep_codes.get(function as usize).copied().unwrap_or(NONE));
                }
            }
            let code = interner.list(code);
            created.push(code);
            Segment { instructions, code, deep_code: interner.list(created) }
        };
        parts.into_iter().map(segment).collect()
    }

    /// The name of a created function: that of a member begins with its class.
    fn label(&self, at: u32, created: u32) -> String {
        let name = self.function(created).map_or("", |function| function.name.as_str());
        let (below, is_static) = match self.instruction(at + 1) {
            I::Class { .. } if name.is_empty() => return String::new(),
            I::Class { .. } => return format!("class {name}"),
            I::Method { is_static, .. } => (0, is_static),
            I::Fields => (0, false),
            I::Define { is_static, .. } => (1, is_static),
            _ => return name.to_owned(),
        };
        let depth = self.depth(at).and_then(|depth| depth.checked_sub(below));
        let class = (0..at)
            .rev()
            .take(MAX_CLASS_CODE)
            .take_while(|before| depth.is_some() && self.depth(*before).is_some_and(|at| Some(at) >= depth))
            .find(|before| matches!(self.instruction(*before), I::Class { .. }) && self.depth(before + 1) == depth)
            .and_then(|before| match self.instruction(before.checked_sub(1)?) {
                I::Function(constructor) => self.function(constructor).map(|function| function.name.as_str()),
                _ => None,
            });
        match class {
            Some("") => String::new(),
            Some(class) => format!("{class}.{}{name}", if is_static { "static " } else { "" }),
            None => name.to_owned(),
        }
    }

    fn token(&self, at: u32, owner: u32) -> String {
        let local = |slot: u16| {
            let area = if owner == 0 { "global" } else { "local" };
            format!("{area} {}", self.slot_name(owner, slot))
        };
        let global = |slot: u16| format!("global {}", self.slot_name(0, slot));
        let captured = |index: u16| {
            let names = self.function(owner).map_or(&[][..], |function| function.capture_names.as_slice());
            format!("captured {}", names.get(usize::from(index)).map_or("", |name| base_name(name)))
        };
        let notes = format!(
            "{} {}",
            self.program.callee_texts.get(&at).map_or("", |text| &**text),
            self.program.promise_uses.get(&at).map_or("", |promise_use| promise_use.name())
        );
        let instruction = self.instruction(at);
        match instruction {
            I::Load(slot) | I::LoadCell(slot) => format!("read {}", local(slot)),
            I::LoadGlobal(slot) => format!("read {}", global(slot)),
            I::LoadCapture(index) => format!("read {}", captured(index)),
            I::Store(slot) | I::StoreChecked(slot) | I::StoreCell(slot) | I::InitCell(slot) => {
                format!("write {}", local(slot))
            }
            I::StoreGlobal(slot) => format!("write {}", global(slot)),
            I::StoreCapture(index) => format!("write {}", captured(index)),
            I::NewCell(slot) => format!("cell {}", local(slot)),
            I::CopyCell(slot) => format!("copy {}", local(slot)),
            I::Uninit(slot) => format!("uninitialized {}", local(slot)),
            I::Clear(slot) => format!("clear {}", local(slot)),
            I::Iter(slot) => format!("iterator {} {notes}", local(slot)),
            I::Keys(slot) => format!("keys {}", local(slot)),
            I::IterNext { slot, .. } => format!("next {}", local(slot)),
            I::IterReturn { slot, .. } => format!("close {} {notes}", local(slot)),
            I::IterTake(slot) => format!("take {}", local(slot)),
            I::IterRest(slot) => format!("rest {}", local(slot)),
            I::Function(created) => {
                format!("function {}", self.labels.get(created as usize).map_or("", String::as_str))
            }
            I::Enter => "enter".to_owned(),
            _ => {
                let (op, arg) = self.program.wire_form(at, instruction);
                let is_jump = instruction.target().is_some();
                match arg.filter(|_| !is_jump && !matches!(instruction, I::Yield { .. } | I::Leave(_))) {
                    Some(arg) => format!("{} {arg}", op.name()),
                    None => op.name().to_owned(),
                }
            }
        }
    }

    fn own_code(&self, number: u32, interner: &mut Interner) -> u32 {
        let Some(function) = self.function(number) else { return NONE };
        let relative = |at: u32| at.wrapping_sub(function.entry);
        let mut code = vec![interner.text(format!(
            "{:?} {} {} {} {} {} {:?} {:?}",
            function.kind,
            function.is_async,
            function.returns_promise,
            function.is_generator,
            function.params,
            function.rest,
            function.slots,
            function.captures,
        ))];
        for handler in &function.handlers {
            let slot = handler.slot.map_or(NONE, u32::from);
            code.extend([handler.start, handler.end, handler.target].map(relative));
            code.extend([handler.depth, slot]);
        }
        for at in self.code.get(number as usize).into_iter().flatten() {
            let instruction = self.instruction(*at);
            let slot = match instruction {
                I::LoadGlobal(slot) | I::StoreGlobal(slot) => {
                    let global = self.function(0).and_then(|global| global.slots.get(usize::from(slot)));
                    interner.text(format!("global {}", global.map_or("", String::as_str)))
                }
                I::LoadCapture(index) | I::StoreCapture(index) => u32::from(index),
                _ => self.slot_access(*at).map_or(NONE, |access| u32::from(access.slot)),
            };
            let target = match instruction {
                I::Yield { target } | I::Leave(target) => relative(target),
                _ => instruction.target().map_or(NONE, |(target, _)| relative(target)),
            };
            // A cell is read by another operation than a slot.
            let kind = self.slot_access(*at).map_or(NONE, |access| u32::from(access.is_cell));
            code.extend([relative(*at), self.tokens[*at as usize], slot, target, kind]);
        }
        interner.list(code)
    }
}

/// Whether the program reads one of these well-known symbols, or perhaps any.
fn has_symbol(program: &VerifiedProgram, is_one: impl Fn(WellKnownSymbol) -> bool) -> bool {
    program.names.iter().any(|name| &**name == "Symbol")
        || program.constants.iter().any(|constant| matches!(constant, BytecodeConstant::Symbol(one) if is_one(*one)))
}

/// Whether the program may have objects that its own methods convert to a text or a number.
fn has_conversions(program: &VerifiedProgram) -> bool {
    const METHODS: [&str; 3] = ["join", "toString", "valueOf"];
    let is_named = |name: u32| program.names.get(name as usize).is_some_and(|name| METHODS.contains(&&**name));
    program.code.iter().any(|instruction| match instruction {
        I::InitProp(name) | I::SetProp(name) | I::Method { name, .. } => is_named(*name),
        I::Push(constant) => match program.constants.get(*constant as usize) {
            Some(BytecodeConstant::Text(text)) => {
                METHODS.iter().any(|method| method.encode_utf16().eq(text.iter().copied()))
            }
            _ => false,
        },
        // The key is computed.
        I::InitIndex | I::SetIndex => true,
        _ => false,
    })
}

/// The name of a variable without the number that makes it unique in its frame; `$` if it is hidden. A variable of a
/// built-in that is written in the language is hidden and has a name: `$:name`.
pub(super) fn base_name(name: &str) -> &str {
    if name.starts_with('$') && !name.starts_with("$$") && !name.starts_with("$:") {
        return "$";
    }
    let trimmed = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let marks = trimmed.len() - trimmed.trim_end_matches('$').len();
    // A `$` of the program is doubled.
    if trimmed.len() < name.len() && marks % 2 == 1 { &trimmed[..trimmed.len() - 1] } else { name }
}
