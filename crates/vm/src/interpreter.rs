//! The interpreter loop. It executes simple and frequent instructions itself and calls `slow_path.rs` for all others.
//!
//! A failed instruction leaves its operands in place, so a failed execution can be retried at that instruction.

use std::sync::Arc;

use super::abrupt_completion::{AbruptCompletion, Completion, internal};
use super::entry::Entry;
use super::fast_path::FastInstruction;
use super::frame::{CallKind, Frame};
use super::limits::ExceededLimit;
use super::machine::{Machine, StopReason};
use super::operand_stack::PushInlined;
use super::program::{DecodedInstruction, VerifiedProgram};
use super::value::Value;
use super::{
    abrupt_completion, call, callback, class, coroutine, failed_call, fast_path, generator, heap, job, json, number,
    promise, slow_path, work,
};

/// The outcome of an instruction that runs outside the loop.
pub(super) enum InstructionOutcome {
    /// Execution continues with the next instruction.
    FallThrough,
    /// `pc` and frames are set.
    Jumped,
    /// The function has ended or is suspended, and the next job runs.
    Idle,
    /// The program stops here.
    Stop(Box<StopReason>),
}

pub(super) type StepResult = Completion<InstructionOutcome>;

impl Machine {
    pub(super) fn interpret(&mut self, fuel: u64) -> StopReason {
        let program = Arc::clone(&self.program);
        let mut budget = fuel.min(self.instructions.left(self.limits.instructions));
        if let Some(error) = self.pending.take() {
            let thrown = AbruptCompletion::Throw(error);
            if failed_call::is_fatal_throw(self) {
                return StopReason::Failed(abrupt_completion::to_failure(self, &thrown));
            }
            if let Err(stop) = abrupt_completion::handle_abrupt_completion(self, thrown) {
                return *stop;
            }
        }
        loop {
            let before = budget;
            budget -= self.take_deferred_fuel(budget);
            let result = match self.is_idle() && budget > 0 {
                true => job::run_jobs(self),
                false => self.run_until_interrupted(&program, &mut budget),
            };
            self.instructions.total += before - budget;
            match result {
                Ok(InstructionOutcome::Stop(stop)) => return *stop,
                Ok(InstructionOutcome::Idle | InstructionOutcome::Jumped) => {}
                Ok(InstructionOutcome::FallThrough) => {
                    // The fuel is used up.
                    if self.instructions.left(self.limits.instructions) == 0 {
                        return abrupt_completion::handle_abrupt_completion(
                            self,
                            AbruptCompletion::Limit(ExceededLimit::Instructions),
                        )
                        .err()
                        .map_or(StopReason::Fuel, |stop| *stop);
                    }
                    return StopReason::Fuel;
                }
                Err(completion) => {
                    if let Err(stop) = abrupt_completion::handle_abrupt_completion(self, completion) {
                        return *stop;
                    }
                }
            }
        }
    }

    /// Runs until a value is thrown, the program stops, or the budget is used up.
    fn run_until_interrupted(&mut self, program: &VerifiedProgram, budget: &mut u64) -> StepResult {
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
        // Pops a value that has nothing to drop: all except strings and BigInts.
        macro_rules! drop_number {
            () => {
                std::mem::forget(self.stack.pop())
            };
        }
        macro_rules! drop_top {
            () => {
                match self.stack.last() {
                    Some(Value::Text(_) | Value::BigInt(_)) => drop(self.stack.pop()),
                    _ => drop_number!(),
                }
            };
        }
        macro_rules! numbers {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., Value::Number($a), Value::Number($b)] = self.stack.as_mut_slice() {
                    *$a = $result;
                    drop_number!();
                    pc += 1;
                } else {
                    slow!(slow_path::binary(self, $instruction));
                }
            }};
        }
        macro_rules! compare {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., first @ Value::Number(_), Value::Number($b)] = self.stack.as_mut_slice() {
                    if let Value::Number($a) = &*first {
                        *first = Value::Bool($result);
                    }
                    drop_number!();
                    pc += 1;
                } else {
                    slow!(slow_path::binary(self, $instruction));
                }
            }};
        }
        // Pushes a copy. Frequent types are written field by field: a copy through memory would stall on store
        // forwarding.
        macro_rules! push {
            ($source:expr) => {
                match $source {
                    Value::Number(n) => {
                        let n = *n;
                        self.stack.push_inlined(Value::Number(n));
                    }
                    Value::Ref(at) => {
                        let at = *at;
                        self.stack.push_inlined(Value::Ref(at));
                    }
                    Value::Text(text) => {
                        let text = text.clone();
                        self.stack.push_inlined(Value::Text(text));
                    }
                    other => {
                        let other = other.clone();
                        self.stack.push_inlined(other);
                    }
                }
            };
        }
        // Replaces the top of the stack by a copy.
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

        'next: while left > 0 {
            let Some(mut step) = code.get(pc) else { leave!(internal("an instruction past the end of the code")) };
            left -= 1;
            let outcome: StepResult = 'slow: {
                // Runs an instruction that needs more than the state of the loop.
                macro_rules! slow {
                    ($call:expr) => {{
                        self.pc = pc as u32;
                        break 'slow $call;
                    }};
                }
                // Runs a second time if the fused instruction does not apply.
                loop {
                    // A fused instruction for `$more + 1` instructions. Where it does not apply, it must not have
                    // changed any state.
                    macro_rules! fused {
                        ($more:literal, $pattern:pat = $value:expr => $body:block) => {
                            if left >= $more
                                && let $pattern = $value
                            {
                                left -= $more;
                                $body
                            } else {
                                step = single_instruction(plain, pc);
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
                    // Pushes the result of two loads, or of a load and a constant.
                    macro_rules! operands {
                        ($first:expr, $second:expr, |$a:ident, $b:ident| $result:expr) => {
                            fused!(2, (Some(Value::Number($a)), Some(Value::Number($b))) = ($first, $second) => {
                                let ($a, $b) = (*$a, *$b);
                                self.stack.push_inlined(Value::Number($result));
                                pc += 3;
                            })
                        };
                    }
                    macro_rules! slots {
                        ($first:expr, $second:expr, |$a:ident, $b:ident| $result:expr) => {
                            operands!(slot!($first), slot!($second), |$a, $b| $result)
                        };
                    }
                    macro_rules! slot_constant {
                        ($slot:expr, $constant:expr, |$a:ident, $b:ident| $result:expr) => {
                            operands!(slot!($slot), constant!($constant), |$a, $b| $result)
                        };
                    }
                    macro_rules! compare_jump {
                    ($target:expr, $when:literal, |$a:ident, $b:ident| $result:expr) => {
                        fused!(1, [.., Value::Number($a), Value::Number($b)] = self.stack.as_slice() => {
                            pc = if ($result) == $when { $target as usize } else { pc + 2 };
                            drop_number!();
                            drop_number!();
                        })
                    };
                }
                    macro_rules! equal_jump {
                    ($target:expr, $when:literal) => {
                        fused!(1, Some([a, b]) = self.stack.last_chunk::<2>().filter(|[a, _]| !a.is_long_text()) => {
                            pc = if a.strict_equals(b) == $when { $target as usize } else { pc + 2 };
                            drop_top!();
                            drop_top!();
                        })
                    };
                }
                    match *step {
                        FastInstruction::Slow => {
                            let Some(instruction) = program.code.get(pc).copied() else {
                                leave!(internal("an instruction past the end of the code"))
                            };
                            slow!(slow_path::execute_slow(self, &linked, instruction));
                        }
                        FastInstruction::Push(constant) => {
                            push!(constant!(constant).unwrap_or(&Value::Undefined));
                            pc += 1;
                        }
                        FastInstruction::Pop => {
                            drop_top!();
                            pc += 1;
                        }
                        FastInstruction::Load(slot) => match slot!(slot) {
                            Some(Value::Uninitialized) => slow!(slow_path::throw_uninitialized_slot(self, slot)),
                            Some(value) => {
                                push!(value);
                                pc += 1;
                            }
                            None => leave!(internal("a slot outside the stack")),
                        },
                        FastInstruction::Store(slot) => {
                            let at = base + usize::from(slot);
                            match self.stack.last() {
                                Some(Value::Number(n)) => {
                                    let n = *n;
                                    drop_number!();
                                    if let Some(place) = self.stack.get_mut(at) {
                                        *place = Value::Number(n);
                                    }
                                }
                                Some(Value::Ref(reference)) => {
                                    let reference = *reference;
                                    drop_number!();
                                    if let Some(place) = self.stack.get_mut(at) {
                                        *place = Value::Ref(reference);
                                    }
                                }
                                _ => {
                                    let value = self.stack.pop().unwrap_or(Value::Undefined);
                                    if let Some(place) = self.stack.get_mut(at) {
                                        *place = value;
                                    }
                                }
                            }
                            pc += 1;
                        }
                        FastInstruction::LoadGlobal(slot) => match self.stack.get(usize::from(slot)) {
                            Some(Value::Uninitialized) => slow!(slow_path::throw_uninitialized_global(self, slot)),
                            Some(value) => {
                                push!(value);
                                pc += 1;
                            }
                            None => leave!(internal("a global outside the stack")),
                        },
                        FastInstruction::Dup => {
                            push!(self.stack.last().unwrap_or(&Value::Undefined));
                            pc += 1;
                        }
                        FastInstruction::Jump(target) => {
                            pc = target as usize;
                        }
                        FastInstruction::JumpIf(target) => {
                            let jumps = self.stack.last().is_some_and(Value::truthy);
                            drop_top!();
                            pc = if jumps { target as usize } else { pc + 1 };
                        }
                        FastInstruction::JumpIfN(target) => {
                            let stays = self.stack.last().is_some_and(Value::truthy);
                            drop_top!();
                            pc = if stays { pc + 1 } else { target as usize };
                        }
                        FastInstruction::Add => numbers!(DecodedInstruction::Add, |a, b| *a + *b),
                        FastInstruction::Sub => numbers!(DecodedInstruction::Sub, |a, b| *a - *b),
                        FastInstruction::Mul => numbers!(DecodedInstruction::Mul, |a, b| *a * *b),
                        FastInstruction::Div => numbers!(DecodedInstruction::Div, |a, b| *a / *b),
                        FastInstruction::Mod => numbers!(DecodedInstruction::Mod, |a, b| remainder(*a, *b)),
                        FastInstruction::BitAnd => {
                            numbers!(DecodedInstruction::BitAnd, |a, b| f64::from(
                                number::to_int32(*a) & number::to_int32(*b)
                            ));
                        }
                        FastInstruction::BitOr => {
                            numbers!(DecodedInstruction::BitOr, |a, b| f64::from(
                                number::to_int32(*a) | number::to_int32(*b)
                            ));
                        }
                        FastInstruction::Lt => compare!(DecodedInstruction::Lt, |a, b| *a < *b),
                        FastInstruction::Gt => compare!(DecodedInstruction::Gt, |a, b| *a > *b),
                        FastInstruction::Le => compare!(DecodedInstruction::Le, |a, b| *a <= *b),
                        FastInstruction::Ge => compare!(DecodedInstruction::Ge, |a, b| *a >= *b),
                        FastInstruction::Eq => {
                            if let [.., a, b] = self.stack.as_mut_slice() {
                                if a.is_long_text() {
                                    slow!(slow_path::binary(self, DecodedInstruction::Eq));
                                }
                                *a = Value::Bool(a.strict_equals(b));
                            }
                            self.stack.pop();
                            pc += 1;
                        }
                        FastInstruction::Neq => {
                            if let [.., a, b] = self.stack.as_mut_slice() {
                                if a.is_long_text() {
                                    slow!(slow_path::binary(self, DecodedInstruction::Neq));
                                }
                                *a = Value::Bool(!a.strict_equals(b));
                            }
                            self.stack.pop();
                            pc += 1;
                        }
                        FastInstruction::Inc => {
                            if let Some(Value::Number(n)) = self.stack.last_mut() {
                                *n += 1.0;
                                pc += 1;
                            } else {
                                slow!(slow_path::unary(self, DecodedInstruction::Inc));
                            }
                        }
                        FastInstruction::Dec => {
                            if let Some(Value::Number(n)) = self.stack.last_mut() {
                                *n -= 1.0;
                                pc += 1;
                            } else {
                                slow!(slow_path::unary(self, DecodedInstruction::Dec));
                            }
                        }
                        FastInstruction::ToNumber => {
                            if let Some(Value::Number(_)) = self.stack.last() {
                                pc += 1;
                            } else {
                                slow!(slow_path::unary(self, DecodedInstruction::ToNumber));
                            }
                        }
                        FastInstruction::Not => {
                            if let Some(value) = self.stack.last_mut() {
                                *value = Value::Bool(!value.truthy());
                            }
                            pc += 1;
                        }
                        FastInstruction::LoadCell(slot) => {
                            let cell = match slot!(slot) {
                                Some(Value::Ref(at)) => self.heap.get(*at),
                                _ => &Entry::Free,
                            };
                            match cell {
                                Entry::Cell(Value::Uninitialized) => {
                                    slow!(slow_path::throw_uninitialized_slot(self, slot))
                                }
                                Entry::Cell(value) => {
                                    push!(value);
                                    pc += 1;
                                }
                                _ => leave!(internal("a slot without its cell")),
                            }
                        }
                        FastInstruction::LoadCapture(index) => {
                            match self.captured_cell(index).map(|at| self.heap.get(at)) {
                                Some(Entry::Cell(Value::Uninitialized)) => {
                                    slow!(slow_path::throw_uninitialized_capture(self, index))
                                }
                                Some(Entry::Cell(value)) => {
                                    push!(value);
                                    pc += 1;
                                }
                                _ => leave!(internal("a capture without its cell")),
                            }
                        }
                        FastInstruction::StoreCapture(index) => {
                            match self.captured_cell(index).and_then(|at| self.heap.get_mut(at)) {
                                Some(Entry::Cell(Value::Uninitialized)) => {
                                    slow!(slow_path::throw_uninitialized_capture(self, index))
                                }
                                Some(Entry::Cell(place)) => {
                                    place.assign(self.stack.last().unwrap_or(&Value::Undefined));
                                    drop_top!();
                                    pc += 1;
                                }
                                _ => leave!(internal("a capture without its cell")),
                            }
                        }
                        FastInstruction::GetProp(name) => {
                            match self
                                .stack
                                .last()
                                .and_then(|target| fast_path::get_property_fast(self, &linked, target, name))
                            {
                                Some(found) => {
                                    put!(found);
                                    pc += 1;
                                }
                                None => slow!(slow_path::get_prop(self, &linked, name)),
                            }
                        }
                        FastInstruction::SetProp(name) => {
                            if fast_path::set_property_fast(self, &linked, name) {
                                let value = self.stack.pop().unwrap_or(Value::Undefined);
                                if let Some(place) = self.stack.last_mut() {
                                    *place = value;
                                }
                                pc += 1;
                            } else {
                                slow!(slow_path::execute_slow(self, &linked, DecodedInstruction::SetProp(name)));
                            }
                        }
                        FastInstruction::GetIndex => {
                            let found = match self.stack.as_slice() {
                                [.., target, key] => fast_path::get_element_fast(self, target, key),
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
                                            self.stack.push_inlined(other);
                                        }
                                    }
                                    pc += 1;
                                }
                                None => slow!(slow_path::get_index(self)),
                            }
                        }
                        FastInstruction::SetIndex => {
                            if fast_path::set_element_fast(self) {
                                let value = self.stack.pop().unwrap_or(Value::Undefined);
                                self.stack.pop();
                                if let Some(place) = self.stack.last_mut() {
                                    *place = value;
                                }
                                pc += 1;
                            } else {
                                slow!(slow_path::execute_slow(self, &linked, DecodedInstruction::SetIndex));
                            }
                        }
                        FastInstruction::Call { argc } => match call::call_plain(self, &linked, argc, pc as u32 + 1) {
                            Some(entry) => {
                                pc = entry;
                                base = self.base;
                            }
                            None => slow!(call::call(self, &linked, usize::from(argc))),
                        },
                        FastInstruction::CallMethod { argc, name } => {
                            slow!(call::call_method(self, &linked, usize::from(argc), name))
                        }
                        FastInstruction::Return => match self.return_plain() {
                            Some(return_pc) => {
                                pc = return_pc;
                                base = self.base;
                            }
                            None => slow!(self.return_from_frame()),
                        },
                        FastInstruction::This => match self.stack.get(base.wrapping_sub(1)) {
                            Some(Value::Uninitialized) | None => {
                                slow!(slow_path::execute_slow(self, &linked, DecodedInstruction::This))
                            }
                            Some(this) => {
                                push!(this);
                                pc += 1;
                            }
                        },
                        FastInstruction::ThisProp(name) => {
                            let this = self.stack.get(base.wrapping_sub(1));
                            let found = this.and_then(|this| fast_path::get_property_fast(self, &linked, this, name));
                            fused!(1, Some(found) = found => {
                                push!(found);
                                pc += 2;
                            });
                        }
                        FastInstruction::LoadLoad(a, b) => {
                            fused!(1, (Some(a), Some(b)) = (slot!(a), slot!(b)) => {
                                if matches!(a, Value::Uninitialized) || matches!(b, Value::Uninitialized) {
                                    left += 1;
                                    step = single_instruction(plain, pc);
                                    continue;
                                }
                                if let (Value::Number(a), Value::Number(b)) = (a, b) {
                                    let (a, b) = (*a, *b);
                                    self.stack.push_inlined(Value::Number(a));
                                    self.stack.push_inlined(Value::Number(b));
                                } else {
                                    let (a, b) = (a.clone(), b.clone());
                                    self.stack.push_inlined(a);
                                    self.stack.push_inlined(b);
                                }
                                pc += 2;
                            });
                        }
                        FastInstruction::LoadPush(slot, constant) => {
                            fused!(1, (Some(a), Some(b)) = (slot!(slot), constant!(constant)) => {
                                if matches!(a, Value::Uninitialized) {
                                    left += 1;
                                    step = single_instruction(plain, pc);
                                    continue;
                                }
                                let b = b.clone();
                                push!(a);
                                self.stack.push_inlined(b);
                                pc += 2;
                            });
                        }
                        FastInstruction::AddSlot(slot) => with_slot!(slot, |a, b| *a + b),
                        FastInstruction::SubSlot(slot) => with_slot!(slot, |a, b| *a - b),
                        FastInstruction::MulSlot(slot) => with_slot!(slot, |a, b| *a * b),
                        FastInstruction::AddConst(constant) => with_constant!(constant, |a, b| *a + *b),
                        FastInstruction::SubConst(constant) => with_constant!(constant, |a, b| *a - *b),
                        FastInstruction::MulConst(constant) => with_constant!(constant, |a, b| *a * *b),
                        FastInstruction::ModConst(constant) => with_constant!(constant, |a, b| remainder(*a, *b)),
                        FastInstruction::AddSlots(a, b) => slots!(a, b, |a, b| a + b),
                        FastInstruction::SubSlots(a, b) => slots!(a, b, |a, b| a - b),
                        FastInstruction::MulSlots(a, b) => slots!(a, b, |a, b| a * b),
                        FastInstruction::AddSlotConst(slot, constant) => slot_constant!(slot, constant, |a, b| a + b),
                        FastInstruction::SubSlotConst(slot, constant) => slot_constant!(slot, constant, |a, b| a - b),
                        FastInstruction::MulSlotConst(slot, constant) => slot_constant!(slot, constant, |a, b| a * b),
                        FastInstruction::ModSlotConst(slot, constant) => {
                            slot_constant!(slot, constant, |a, b| remainder(a, b));
                        }
                        FastInstruction::AddStore(slot) => {
                            fused!(1, [.., Value::Number(a), Value::Number(b)] = self.stack.as_slice() => {
                                let sum = Value::Number(*a + *b);
                                drop_number!();
                                drop_number!();
                                if let Some(place) = self.stack.get_mut(base + usize::from(slot)) {
                                    *place = sum;
                                }
                                pc += 2;
                            });
                        }
                        FastInstruction::LoadProp { slot, name } => {
                            let found = slot!(slot)
                                .and_then(|target| fast_path::get_property_fast(self, &linked, target, name));
                            fused!(1, Some(found) = found => {
                                push!(found);
                                pc += 2;
                            });
                        }
                        FastInstruction::SetPropPop(name) => {
                            fused!(1, true = fast_path::set_property_fast(self, &linked, name) => {
                                drop_top!();
                                drop_top!();
                                pc += 2;
                            });
                        }
                        FastInstruction::SetIndexPop => {
                            fused!(1, true = fast_path::set_element_fast(self) => {
                                drop_top!();
                                drop_top!();
                                drop_top!();
                                pc += 2;
                            });
                        }
                        FastInstruction::LtJumpIf(target) => compare_jump!(target, true, |a, b| a < b),
                        FastInstruction::LtJumpIfN(target) => compare_jump!(target, false, |a, b| a < b),
                        FastInstruction::GtJumpIf(target) => compare_jump!(target, true, |a, b| a > b),
                        FastInstruction::GtJumpIfN(target) => compare_jump!(target, false, |a, b| a > b),
                        FastInstruction::LeJumpIf(target) => compare_jump!(target, true, |a, b| a <= b),
                        FastInstruction::LeJumpIfN(target) => compare_jump!(target, false, |a, b| a <= b),
                        FastInstruction::GeJumpIf(target) => compare_jump!(target, true, |a, b| a >= b),
                        FastInstruction::GeJumpIfN(target) => compare_jump!(target, false, |a, b| a >= b),
                        FastInstruction::EqJumpIf(target) => equal_jump!(target, true),
                        FastInstruction::EqJumpIfN(target) => equal_jump!(target, false),
                        FastInstruction::NeqJumpIf(target) => equal_jump!(target, false),
                        FastInstruction::NeqJumpIfN(target) => equal_jump!(target, true),
                        FastInstruction::IncSlot(slot) => {
                            fused!(2, Some(Value::Number(n)) = self.stack.get_mut(base + usize::from(slot)) => {
                                *n += 1.0;
                                pc += 3;
                            });
                        }
                        FastInstruction::DecSlot(slot) => {
                            fused!(2, Some(Value::Number(n)) = self.stack.get_mut(base + usize::from(slot)) => {
                                *n -= 1.0;
                                pc += 3;
                            });
                        }
                        FastInstruction::LoadLoadIndex(array, index) => {
                            let found = match (slot!(array), slot!(index)) {
                                (Some(array), Some(index)) => fast_path::get_element_fast(self, array, index),
                                _ => None,
                            };
                            fused!(2, Some(found) = found => {
                                push!(found);
                                pc += 3;
                            });
                        }
                        FastInstruction::IncSlotLtConstJumpIf { slot, constant, target } => {
                            let limit = match constant!(constant) {
                                Some(Value::Number(limit)) => Some(*limit),
                                _ => None,
                            };
                            fused!(6, (Some(Value::Number(n)), Some(limit))
                                = (self.stack.get_mut(base + usize::from(slot)), limit) => {
                                *n += 1.0;
                                pc = if *n < limit { target as usize } else { pc + 7 };
                            });
                        }
                        FastInstruction::LtSlotConstJumpIf { slot, constant, target } => {
                            fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                                = (slot!(slot), constant!(constant)) => {
                                pc = if *a < *b { target as usize } else { pc + 4 };
                            });
                        }
                        FastInstruction::LtSlotConstJumpIfN { slot, constant, target } => {
                            fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                                = (slot!(slot), constant!(constant)) => {
                                pc = if *a < *b { pc + 4 } else { target as usize };
                            });
                        }
                        FastInstruction::LtSlotSlotJumpIf { slot, other, target } => {
                            fused!(3, (Some(Value::Number(a)), Some(Value::Number(b)))
                                = (slot!(slot), slot!(other)) => {
                                pc = if *a < *b { target as usize } else { pc + 4 };
                            });
                        }
                    }
                    continue 'next;
                }
            };
            match outcome {
                Ok(InstructionOutcome::FallThrough) => pc += 1,
                Ok(InstructionOutcome::Jumped) => {
                    pc = self.pc as usize;
                    base = self.base;
                }
                Ok(InstructionOutcome::Idle) => {
                    *budget = left;
                    return Ok(InstructionOutcome::Idle);
                }
                stop => leave!(stop),
            }
            left -= self.take_deferred_fuel(left);
            if self.heap.needs_collection() {
                self.pc = pc as u32;
                if let Err(limit) = heap::collect_garbage(self) {
                    leave!(Err(AbruptCompletion::Limit(limit)));
                }
                // The next instruction pays. In a loop of collections that free nothing much this is most of the work.
                self.charge_work(self.heap.live);
            }
            if work::has_joined_enough() {
                break;
            }
        }
        leave!(Ok(InstructionOutcome::FallThrough))
    }

    /// The cell of a capture of the running closure.
    #[inline]
    pub(super) fn captured_cell(&self, index: u16) -> Option<super::value::HeapRef> {
        let Some(Frame::Code(frame)) = self.frames.last() else { return None };
        match self.heap.get(frame.closure) {
            Entry::Closure(closure) => closure.captures.get(usize::from(index)).copied(),
            _ => None,
        }
    }

    /// Returns the value on top of the stack from the running function. ECMA-262 §14.10 The return Statement, §10.2.1
    /// `[[Call]]`.
    fn return_from_frame(&mut self) -> StepResult {
        if self.frames.len() <= 1 {
            return self.complete();
        }
        let Some(Frame::Code(frame)) = self.frames.last() else { return internal("a return without a frame") };
        match frame.call_kind {
            CallKind::Plain => self.pop_frame(),
            CallKind::New(_) | CallKind::Super(_) => class::return_from_constructor(self),
            CallKind::Async(_) | CallKind::Resumed(_) => coroutine::return_from_async(self),
            CallKind::Generator(at) | CallKind::AsyncGenerator(at) => generator::return_from_generator(self, at),
        }
    }

    /// Returns from a function that a function of the program called. `None`: `return_from_frame` returns.
    #[inline(always)]
    fn return_plain(&mut self) -> Option<usize> {
        let [.., Frame::Code(caller), Frame::Code(frame)] = self.frames.as_slice() else { return None };
        if frame.call_kind != CallKind::Plain {
            return None;
        }
        let (bottom, return_pc, base) = (frame.bottom as usize, frame.return_pc as usize, caller.base as usize);
        self.frames.pop();
        self.base = base;
        self.truncate_to_result(bottom);
        Some(return_pc)
    }

    /// Removes the values from `bottom` on except the one on top. A number is written field by field, as all copies of
    /// the loop.
    #[inline(always)]
    fn truncate_to_result(&mut self, bottom: usize) {
        let top = self.stack.len().saturating_sub(1);
        if bottom >= top {
            return;
        }
        if let Some(Value::Number(n)) = self.stack.get(top) {
            let n = *n;
            if let Some(place) = self.stack.get_mut(bottom) {
                *place = Value::Number(n);
            }
        } else {
            self.stack.swap(bottom, top);
        }
        while self.stack.len() > bottom + 1 {
            match self.stack.last() {
                Some(Value::Text(_)) => drop(self.stack.pop()),
                // Nothing to drop.
                _ => std::mem::forget(self.stack.pop()),
            }
        }
    }

    /// Leaves the running function with the value on top of the stack.
    #[inline]
    pub(super) fn pop_frame(&mut self) -> StepResult {
        let depth = self.frames.len();
        let Some(Frame::Code(frame)) = self.frames.last() else { return internal("a return without a frame") };
        let (bottom, return_pc) = (frame.bottom as usize, frame.return_pc);
        if let Some(Frame::Code(caller)) = self.frames.get(depth - 2) {
            self.base = caller.base as usize;
            self.pc = return_pc;
            self.frames.truncate(depth - 1);
            self.truncate_to_result(bottom);
            return Ok(InstructionOutcome::Jumped);
        }
        callback::return_to_native(self, bottom)?;
        Ok(if self.is_idle() { InstructionOutcome::Idle } else { InstructionOutcome::Jumped })
    }

    /// Completes the program with the value on top of the stack, which remains there.
    fn complete(&mut self) -> StepResult {
        let value = slow_path::operand(self, 0);
        if !self.tasks.is_empty() || promise::is_promise(self, &value) {
            let outcome = job::end_program(self, value)?;
            self.stack.pop();
            return Ok(outcome);
        }
        let result = json::value_to_json(self, &value, self.limits.heap_bytes, ExceededLimit::HeapBytes)?;
        Ok(InstructionOutcome::Stop(Box::new(StopReason::Complete(result))))
    }
}

/// The first instruction of a fused one that does not apply. Not inlined, because its address would be computed for
/// every instruction.
#[cold]
#[inline(never)]
fn single_instruction(plain: &[FastInstruction], pc: usize) -> &FastInstruction {
    plain.get(pc).unwrap_or(&FastInstruction::Slow)
}

/// `a % b`, with the sign of `a`. ECMA-262 §6.1.6.1.6 Number::remainder.
#[inline]
pub(super) fn remainder(a: f64, b: f64) -> f64 {
    let (whole_a, whole_b) = (a as i64, b as i64);
    // A number of 2^63 or more becomes `i64::MAX`.
    let are_whole = whole_a as f64 == a && whole_b as f64 == b && whole_a < i64::MAX && whole_b < i64::MAX;
    if are_whole && whole_a >= 0 && whole_b > 0 {
        return if whole_a == 0 { a } else { (whole_a % whole_b) as f64 };
    }
    a % b
}
