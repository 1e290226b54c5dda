//! The loop over instructions. What is simple and frequent stands here; everything else is a call into `step.rs`.
//!
//! An instruction that fails leaves its operands where they were: a failed execution can be retried at it.

use std::sync::Arc;

use super::entry::Entry;
use super::frame::{Entered, Frame};
use super::fuse::Fast;
use super::limits::Exceeded;
use super::machine::{Machine, Stop};
use super::number;
use super::program::{Instruction, Program};
use super::raise::Raise;
use super::value::Value;

/// What a slow instruction did.
pub(super) enum Next {
    /// The next instruction follows.
    Follow,
    /// `pc` and frames are set.
    Moved,
    /// The program stops here.
    Stop(Box<Stop>),
}

impl Machine {
    pub(super) fn interpret(&mut self, fuel: u64) -> Stop {
        let program = Arc::clone(&self.program);
        let left = self.limits.instructions.saturating_sub(self.instructions);
        let mut budget = fuel.min(left);
        if let Some(error) = self.pending.take()
            && let Err(stop) = self.raise(Raise::Throw(error))
        {
            return *stop;
        }
        loop {
            let before = budget;
            budget -= self.settled(budget);
            let result = self.stretch(&program, &mut budget);
            self.instructions += before - budget;
            match result {
                Ok(Next::Stop(stop)) => return *stop,
                Ok(_) => {
                    // Out of fuel.
                    if self.instructions >= self.limits.instructions {
                        return self.raise(Raise::Limit(Exceeded::Instructions)).err().map_or(Stop::Fuel, |stop| *stop);
                    }
                    return Stop::Fuel;
                }
                Err(raise) => {
                    if let Err(stop) = self.raise(raise) {
                        return *stop;
                    }
                }
            }
        }
    }

    /// Runs until something is thrown, the program stops, or the budget is used up.
    fn stretch(&mut self, program: &Program, budget: &mut u64) -> Result<Next, Raise> {
        let linked = Arc::clone(&self.linked);
        let (code, plain) = (linked.fused.as_slice(), linked.plain.as_slice());
        let mut pc = self.pc as usize;
        let mut base = self.base;
        let mut left = *budget;

        macro_rules! leave {
            ($result:expr) => {{
                self.pc = pc as u32;
                *budget = left;
                return $result;
            }};
        }
        // Runs an instruction that needs more than the loop's own state.
        macro_rules! slow {
            ($call:expr) => {{
                self.pc = pc as u32;
                match $call {
                    Ok(Next::Follow) => pc += 1,
                    Ok(Next::Moved) => {
                        pc = self.pc as usize;
                        base = self.base;
                    }
                    Ok(stop) => leave!(Ok(stop)),
                    Err(raise) => leave!(Err(raise)),
                }
                left -= self.settled(left);
                if self.heap.wants_collection() {
                    self.pc = pc as u32;
                    if let Err(limit) = self.collect() {
                        leave!(Err(Raise::Limit(limit)));
                    }
                }
            }};
        }
        macro_rules! numbers {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., Value::Number($a), Value::Number($b)] = self.stack.as_mut_slice() {
                    *$a = $result;
                    self.stack.pop();
                    pc += 1;
                } else {
                    slow!(self.binary($instruction));
                }
            }};
        }
        macro_rules! compare {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., first @ Value::Number(_), Value::Number($b)] = self.stack.as_mut_slice() {
                    if let Value::Number($a) = &*first {
                        *first = Value::Bool($result);
                    }
                    self.stack.pop();
                    pc += 1;
                } else {
                    slow!(self.binary($instruction));
                }
            }};
        }
        // Pushes a copy. Numbers and references are written part by part: a copy by way of memory would wait for itself.
        macro_rules! push {
            ($source:expr) => {
                match $source {
                    Value::Number(n) => {
                        let n = *n;
                        self.stack.push(Value::Number(n));
                    }
                    Value::Ref(at) => {
                        let at = *at;
                        self.stack.push(Value::Ref(at));
                    }
                    other => {
                        let other = other.clone();
                        self.stack.push(other);
                    }
                }
            };
        }
        // Puts a copy in the place of the top.
        macro_rules! put {
            ($source:expr) => {
                match $source {
                    Value::Number(n) => {
                        let n = *n;
                        if let Some(top) = self.stack.last_mut() {
                            *top = Value::Number(n);
                        }
                    }
                    Value::Ref(at) => {
                        let at = *at;
                        if let Some(top) = self.stack.last_mut() {
                            *top = Value::Ref(at);
                        }
                    }
                    other => {
                        let other = other.clone();
                        if let Some(top) = self.stack.last_mut() {
                            *top = other;
                        }
                    }
                }
            };
        }
        macro_rules! slot {
            ($slot:expr) => {
                self.stack.get(base + usize::from($slot))
            };
        }
        macro_rules! constant {
            ($constant:expr) => {
                linked.constants.get($constant as usize)
            };
        }

        while left > 0 {
            let Some(mut step) = code.get(pc).copied() else {
                leave!(Err(Raise::Internal("past the end of the code")))
            };
            left -= 1;
            // Comes round again where a fused step does not fit.
            loop {
                // A fused step of `$more + 1` instructions; nothing may have happened where it does not fit.
                macro_rules! fused {
                    ($more:literal, $pattern:pat = $value:expr => $body:block) => {
                        if left >= $more
                            && let $pattern = $value
                        {
                            left -= $more;
                            $body
                        } else {
                            let Some(single) = plain.get(pc).copied() else {
                                leave!(Err(Raise::Internal("past the end")))
                            };
                            step = single;
                            continue;
                        }
                    };
                }
                macro_rules! with_slot {
                    ($slot:expr, |$a:ident, $b:ident| $result:expr) => {{
                        let right = match slot!($slot) {
                            Some(Value::Number(n)) => Some(*n),
                            _ => None,
                        };
                        fused!(1, (Some($b), Some(Value::Number($a))) = (right, self.stack.last_mut()) => {
                            *$a = $result;
                            pc += 2;
                        });
                    }};
                }
                macro_rules! with_constant {
                    ($constant:expr, |$a:ident, $b:ident| $result:expr) => {
                        fused!(1, (Some(Value::Number($b)), Some(Value::Number($a)))
                            = (constant!($constant), self.stack.last_mut()) => {
                            *$a = $result;
                            pc += 2;
                        })
                    };
                }
                macro_rules! compare_jump {
                    ($target:expr, $when:literal, |$a:ident, $b:ident| $result:expr) => {
                        fused!(1, [.., Value::Number($a), Value::Number($b)] = self.stack.as_slice() => {
                            pc = if ($result) == $when { $target as usize } else { pc + 2 };
                            self.stack.truncate(self.stack.len() - 2);
                        })
                    };
                }
                macro_rules! equal_jump {
                    ($target:expr, $when:literal) => {
                        fused!(1, [.., a, b] = self.stack.as_slice() => {
                            pc = if a.strict_equals(b) == $when { $target as usize } else { pc + 2 };
                            self.stack.truncate(self.stack.len() - 2);
                        })
                    };
                }
                match step {
                    Fast::Slow => {
                        let Some(instruction) = program.code.get(pc).copied() else {
                            leave!(Err(Raise::Internal("past the end of the code")))
                        };
                        slow!(self.step(&linked, instruction));
                    }
                    Fast::Push(constant) => {
                        push!(constant!(constant).unwrap_or(&Value::Undefined));
                        pc += 1;
                    }
                    Fast::Pop => {
                        self.stack.pop();
                        pc += 1;
                    }
                    Fast::Load(slot) => match slot!(slot) {
                        Some(Value::Uninitialised) => slow!(self.uninitialised_slot(slot)),
                        Some(value) => {
                            push!(value);
                            pc += 1;
                        }
                        None => leave!(Err(Raise::Internal("a slot outside the stack"))),
                    },
                    Fast::Store(slot) => {
                        if let Some(Value::Number(n)) = self.stack.last() {
                            let n = *n;
                            self.stack.truncate(self.stack.len() - 1);
                            if let Some(place) = self.stack.get_mut(base + usize::from(slot)) {
                                *place = Value::Number(n);
                            }
                        } else {
                            let value = self.stack.pop().unwrap_or(Value::Undefined);
                            if let Some(place) = self.stack.get_mut(base + usize::from(slot)) {
                                *place = value;
                            }
                        }
                        pc += 1;
                    }
                    Fast::LoadGlobal(slot) => match self.stack.get(usize::from(slot)) {
                        Some(Value::Uninitialised) => slow!(self.uninitialised_global(slot)),
                        Some(value) => {
                            push!(value);
                            pc += 1;
                        }
                        None => leave!(Err(Raise::Internal("a global outside the stack"))),
                    },
                    Fast::Dup => {
                        let value = self.stack.last().cloned().unwrap_or(Value::Undefined);
                        self.stack.push(value);
                        pc += 1;
                    }
                    Fast::Jump(target) => {
                        pc = target as usize;
                    }
                    Fast::JumpIf(target) => {
                        let value = self.stack.pop().unwrap_or(Value::Undefined);
                        pc = if value.truthy() { target as usize } else { pc + 1 };
                    }
                    Fast::JumpIfN(target) => {
                        let value = self.stack.pop().unwrap_or(Value::Undefined);
                        pc = if value.truthy() { pc + 1 } else { target as usize };
                    }
                    Fast::Add => numbers!(Instruction::Add, |a, b| *a + *b),
                    Fast::Sub => numbers!(Instruction::Sub, |a, b| *a - *b),
                    Fast::Mul => numbers!(Instruction::Mul, |a, b| *a * *b),
                    Fast::Div => numbers!(Instruction::Div, |a, b| *a / *b),
                    Fast::Mod => numbers!(Instruction::Mod, |a, b| remainder(*a, *b)),
                    Fast::BitAnd => {
                        numbers!(Instruction::BitAnd, |a, b| f64::from(number::to_int32(*a) & number::to_int32(*b)));
                    }
                    Fast::BitOr => {
                        numbers!(Instruction::BitOr, |a, b| f64::from(number::to_int32(*a) | number::to_int32(*b)));
                    }
                    Fast::Lt => compare!(Instruction::Lt, |a, b| *a < *b),
                    Fast::Gt => compare!(Instruction::Gt, |a, b| *a > *b),
                    Fast::Le => compare!(Instruction::Le, |a, b| *a <= *b),
                    Fast::Ge => compare!(Instruction::Ge, |a, b| *a >= *b),
                    Fast::Eq => {
                        if let [.., a, b] = self.stack.as_mut_slice() {
                            *a = Value::Bool(a.strict_equals(b));
                        }
                        self.stack.pop();
                        pc += 1;
                    }
                    Fast::Neq => {
                        if let [.., a, b] = self.stack.as_mut_slice() {
                            *a = Value::Bool(!a.strict_equals(b));
                        }
                        self.stack.pop();
                        pc += 1;
                    }
                    Fast::Inc => {
                        if let Some(Value::Number(n)) = self.stack.last_mut() {
                            *n += 1.0;
                            pc += 1;
                        } else {
                            slow!(self.unary(Instruction::Inc));
                        }
                    }
                    Fast::Dec => {
                        if let Some(Value::Number(n)) = self.stack.last_mut() {
                            *n -= 1.0;
                            pc += 1;
                        } else {
                            slow!(self.unary(Instruction::Dec));
                        }
                    }
                    Fast::ToNumber => {
                        if let Some(Value::Number(_)) = self.stack.last() {
                            pc += 1;
                        } else {
                            slow!(self.unary(Instruction::ToNumber));
                        }
                    }
                    Fast::Not => {
                        if let Some(value) = self.stack.last_mut() {
                            *value = Value::Bool(!value.truthy());
                        }
                        pc += 1;
                    }
                    Fast::LoadCell(slot) => {
                        let cell = match slot!(slot) {
                            Some(Value::Ref(at)) => self.heap.get(*at),
                            _ => &Entry::Free,
                        };
                        match cell {
                            Entry::Cell(Value::Uninitialised) => slow!(self.uninitialised_slot(slot)),
                            Entry::Cell(value) => {
                                push!(value);
                                pc += 1;
                            }
                            _ => leave!(Err(Raise::Internal("a slot without its cell"))),
                        }
                    }
                    Fast::LoadCapture(index) => match self.captured(index).map(|at| self.heap.get(at)) {
                        Some(Entry::Cell(Value::Uninitialised)) => slow!(self.uninitialised_capture(index)),
                        Some(Entry::Cell(value)) => {
                            push!(value);
                            pc += 1;
                        }
                        _ => leave!(Err(Raise::Internal("a capture without its cell"))),
                    },
                    Fast::StoreCapture(index) => match self.captured(index).and_then(|at| self.heap.get_mut(at)) {
                        Some(Entry::Cell(Value::Uninitialised)) => slow!(self.uninitialised_capture(index)),
                        Some(Entry::Cell(place)) => {
                            *place = self.stack.pop().unwrap_or(Value::Undefined);
                            pc += 1;
                        }
                        _ => leave!(Err(Raise::Internal("a capture without its cell"))),
                    },
                    Fast::GetProp(name) => {
                        match self.stack.last().and_then(|target| self.quick_property(&linked, target, name)) {
                            Some(found) => {
                                put!(found);
                                pc += 1;
                            }
                            None => slow!(self.get_prop(&linked, name)),
                        }
                    }
                    Fast::SetProp(name) => {
                        if self.quick_set_property(&linked, name) {
                            let value = self.stack.pop().unwrap_or(Value::Undefined);
                            if let Some(place) = self.stack.last_mut() {
                                *place = value;
                            }
                            pc += 1;
                        } else {
                            slow!(self.step(&linked, Instruction::SetProp(name)));
                        }
                    }
                    Fast::GetIndex => {
                        let found = match self.stack.as_slice() {
                            [.., target, key] => self.quick_element(target, key),
                            _ => None,
                        };
                        match found {
                            Some(found) => {
                                // The key is a number: nothing to drop.
                                let top = self.stack.len() - 2;
                                match found {
                                    Value::Number(n) => {
                                        let n = *n;
                                        self.stack.truncate(top + 1);
                                        put!(&Value::Number(n));
                                    }
                                    other => {
                                        let other = other.clone();
                                        self.stack.truncate(top);
                                        self.stack.push(other);
                                    }
                                }
                                pc += 1;
                            }
                            None => slow!(self.get_index()),
                        }
                    }
                    Fast::SetIndex => {
                        if self.quick_set_element() {
                            let value = self.stack.pop().unwrap_or(Value::Undefined);
                            self.stack.pop();
                            if let Some(place) = self.stack.last_mut() {
                                *place = value;
                            }
                            pc += 1;
                        } else {
                            slow!(self.step(&linked, Instruction::SetIndex));
                        }
                    }
                    Fast::Call(argc) => slow!(self.call(usize::from(argc))),
                    Fast::CallMethod { argc, name } => slow!(self.call_method(&linked, usize::from(argc), name)),
                    Fast::Return => slow!(self.return_()),
                    Fast::This => match self.stack.get(base.wrapping_sub(1)) {
                        Some(Value::Uninitialised) | None => slow!(self.step(&linked, Instruction::This)),
                        Some(this) => {
                            push!(this);
                            pc += 1;
                        }
                    },
                    Fast::ThisProp(name) => {
                        let this = self.stack.get(base.wrapping_sub(1));
                        let found = this.and_then(|this| self.quick_property(&linked, this, name));
                        fused!(1, Some(found) = found => {
                            push!(found);
                            pc += 2;
                        });
                    }
                    Fast::LoadLoad(a, b) => {
                        fused!(1, (Some(a), Some(b)) = (slot!(a), slot!(b)) => {
                            if matches!(a, Value::Uninitialised) || matches!(b, Value::Uninitialised) {
                                left += 1;
                                step = plain.get(pc).copied().unwrap_or(Fast::Slow);
                                continue;
                            }
                            if let (Value::Number(a), Value::Number(b)) = (a, b) {
                                let (a, b) = (*a, *b);
                                self.stack.push(Value::Number(a));
                                self.stack.push(Value::Number(b));
                            } else {
                                let (a, b) = (a.clone(), b.clone());
                                self.stack.push(a);
                                self.stack.push(b);
                            }
                            pc += 2;
                        });
                    }
                    Fast::LoadPush(slot, constant) => {
                        fused!(1, (Some(a), Some(b)) = (slot!(slot), constant!(constant)) => {
                            if matches!(a, Value::Uninitialised) {
                                left += 1;
                                step = Fast::Load(slot);
                                continue;
                            }
                            let b = b.clone();
                            push!(a);
                            self.stack.push(b);
                            pc += 2;
                        });
                    }
                    Fast::AddSlot(slot) => with_slot!(slot, |a, b| *a + b),
                    Fast::SubSlot(slot) => with_slot!(slot, |a, b| *a - b),
                    Fast::MulSlot(slot) => with_slot!(slot, |a, b| *a * b),
                    Fast::AddConst(constant) => with_constant!(constant, |a, b| *a + *b),
                    Fast::SubConst(constant) => with_constant!(constant, |a, b| *a - *b),
                    Fast::MulConst(constant) => with_constant!(constant, |a, b| *a * *b),
                    Fast::ModConst(constant) => with_constant!(constant, |a, b| remainder(*a, *b)),
                    Fast::AddStore(slot) => {
                        fused!(1, [.., Value::Number(a), Value::Number(b)] = self.stack.as_slice() => {
                            let sum = Value::Number(*a + *b);
                            self.stack.truncate(self.stack.len() - 2);
                            if let Some(place) = self.stack.get_mut(base + usize::from(slot)) {
                                *place = sum;
                            }
                            pc += 2;
                        });
                    }
                    Fast::LoadProp { slot, name } => {
                        let found = slot!(slot).and_then(|target| self.quick_property(&linked, target, name));
                        fused!(1, Some(found) = found => {
                            push!(found);
                            pc += 2;
                        });
                    }
                    Fast::SetPropPop(name) => {
                        fused!(1, true = self.quick_set_property(&linked, name) => {
                            self.stack.truncate(self.stack.len() - 2);
                            pc += 2;
                        });
                    }
                    Fast::SetIndexPop => {
                        fused!(1, true = self.quick_set_element() => {
                            self.stack.truncate(self.stack.len() - 3);
                            pc += 2;
                        });
                    }
                    Fast::LtJumpIf(target) => compare_jump!(target, true, |a, b| a < b),
                    Fast::LtJumpIfN(target) => compare_jump!(target, false, |a, b| a < b),
                    Fast::GtJumpIf(target) => compare_jump!(target, true, |a, b| a > b),
                    Fast::GtJumpIfN(target) => compare_jump!(target, false, |a, b| a > b),
                    Fast::LeJumpIf(target) => compare_jump!(target, true, |a, b| a <= b),
                    Fast::LeJumpIfN(target) => compare_jump!(target, false, |a, b| a <= b),
                    Fast::GeJumpIf(target) => compare_jump!(target, true, |a, b| a >= b),
                    Fast::GeJumpIfN(target) => compare_jump!(target, false, |a, b| a >= b),
                    Fast::EqJumpIf(target) => equal_jump!(target, true),
                    Fast::EqJumpIfN(target) => equal_jump!(target, false),
                    Fast::NeqJumpIf(target) => equal_jump!(target, false),
                    Fast::NeqJumpIfN(target) => equal_jump!(target, true),
                    Fast::IncSlot(slot) => {
                        fused!(2, Some(Value::Number(n)) = self.stack.get_mut(base + usize::from(slot)) => {
                            *n += 1.0;
                            pc += 3;
                        });
                    }
                    Fast::DecSlot(slot) => {
                        fused!(2, Some(Value::Number(n)) = self.stack.get_mut(base + usize::from(slot)) => {
                            *n -= 1.0;
                            pc += 3;
                        });
                    }
                    Fast::LoadLoadIndex(array, index) => {
                        let found = match (slot!(array), slot!(index)) {
                            (Some(array), Some(index)) => self.quick_element(array, index),
                            _ => None,
                        };
                        fused!(2, Some(found) = found => {
                            push!(found);
                            pc += 3;
                        });
                    }
                    Fast::LtSlotConstJumpIf { slot, constant, target } => {
                        fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                            = (slot!(slot), constant!(constant)) => {
                            pc = if *a < *b { target as usize } else { pc + 4 };
                        });
                    }
                    Fast::LtSlotConstJumpIfN { slot, constant, target } => {
                        fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                            = (slot!(slot), constant!(constant)) => {
                            pc = if *a < *b { pc + 4 } else { target as usize };
                        });
                    }
                    Fast::LtSlotSlotJumpIf { slot, other, target } => {
                        fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                            = (slot!(slot), slot!(other)) => {
                            pc = if *a < *b { target as usize } else { pc + 4 };
                        });
                    }
                }
                break;
            }
        }
        leave!(Ok(Next::Follow))
    }

    /// The cell behind a capture of the running closure.
    #[inline]
    pub(super) fn captured(&self, index: u16) -> Option<super::value::HeapRef> {
        let Some(Frame::Code(frame)) = self.frames.last() else { return None };
        match self.heap.get(frame.closure) {
            Entry::Closure(closure) => closure.captures.get(usize::from(index)).copied(),
            _ => None,
        }
    }

    /// Ends the running function with the value on top of the stack.
    fn return_(&mut self) -> Result<Next, Raise> {
        let depth = self.frames.len();
        if depth <= 1 {
            return self.complete();
        }
        let Some(Frame::Code(frame)) = self.frames.last() else {
            return Err(Raise::Internal("a return without a frame"));
        };
        if frame.entry != Entered::Plain {
            return self.return_from_constructor();
        }
        let (bottom, return_pc) = (frame.bottom as usize, frame.return_pc);
        if let Some(Frame::Code(caller)) = self.frames.get(depth - 2) {
            self.base = caller.base as usize;
            self.pc = return_pc;
            self.frames.truncate(depth - 1);
            if let Some(Value::Number(n)) = self.stack.last() {
                let n = *n;
                self.stack.truncate(bottom);
                self.stack.push(Value::Number(n));
            } else {
                let result = self.stack.pop().unwrap_or(Value::Undefined);
                self.stack.truncate(bottom);
                self.stack.push(result);
            }
            return Ok(Next::Moved);
        }
        self.return_to_native(bottom)?;
        Ok(Next::Moved)
    }

    /// Completes the program with the value on top of the stack, which stays there.
    fn complete(&mut self) -> Result<Next, Raise> {
        let result = self.plain_out(&self.operand(0), self.limits.heap_bytes, Exceeded::HeapBytes)?;
        Ok(Next::Stop(Box::new(Stop::Complete(result))))
    }
}

/// `a % b`, whose sign is that of `a`.
#[inline]
pub(super) fn remainder(a: f64, b: f64) -> f64 {
    if a >= 0.0 && b > 0.0 && a < 9_007_199_254_740_992.0 && b < 9_007_199_254_740_992.0 {
        let (whole_a, whole_b) = (a as u64, b as u64);
        if whole_a as f64 == a && whole_b as f64 == b {
            return if a == 0.0 { a } else { (whole_a % whole_b) as f64 };
        }
    }
    a % b
}
