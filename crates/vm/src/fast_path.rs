//! Fast paths of the interpreter loop for properties and elements: the frequent cases, by reference, without popping
//! operands. On `None` and `false` the caller continues in `slow_path.rs`.
//!
//! Also the code as the interpreter loop executes it: frequent sequences are fused into one instruction. Addresses do
//! not change: the fused form replaces the first instruction of a sequence. The others keep their own form, so that
//! jumps may target them.
//!
//! A fused instruction has either its whole effect or none: where types or fuel do not fit, the single instructions
//! run. Fuel is counted in instructions of the program, so fusing is not observable.

use super::entry::{Entry, PAIR_BYTES};
use super::machine::{LinkedProgram, Machine};
use super::natives::Receiver;
use super::object::{Object, Prototype};
use super::program::DecodedInstruction as I;
use super::property;
use super::value::Value;

/// `target.name` of an own property. ECMA-262 §10.1.8.1 OrdinaryGet, where the object itself has the property.
#[inline]
pub(super) fn get_property_fast<'a>(
    machine: &'a Machine,
    linked: &'a LinkedProgram,
    target: &Value,
    name: u32,
) -> Option<&'a Value> {
    let name = linked.names.get(name as usize).filter(|name| !name.is_long)?;
    match target {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Object(object) => {
                object.table.get_fast(&name.key).filter(|found| !matches!(found, Value::Accessor(_)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A built-in method of an array, a string, a Map or a Set, without spelling its name. ECMA-262 §7.3.10 GetMethod.
#[inline]
pub(super) fn get_method_fast(machine: &Machine, linked: &LinkedProgram, target: &Value, name: u32) -> Option<Value> {
    let receiver = match target {
        Value::Text(_) => Receiver::String,
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Array(array) if array.extra.is_none() => Receiver::Array,
            Entry::Map(_) => Receiver::Map,
            Entry::Set(_) => Receiver::Set,
            _ => return None,
        },
        _ => return None,
    };
    linked.names.get(name as usize)?.methods.get(receiver as usize).copied().flatten().map(Value::Builtin)
}

/// `target.name = value` of an ordinary object. Both operands stay. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
#[inline]
pub(super) fn set_property_fast(machine: &mut Machine, linked: &LinkedProgram, name: u32) -> bool {
    let [.., Value::Ref(at), value] = machine.stack.as_slice() else { return false };
    let Some(name) = linked.names.get(name as usize).filter(|name| !name.is_long) else { return false };
    let Entry::Object(object) = machine.heap.get(*at) else { return false };
    if !object.is_plain() {
        return false;
    }
    let Object { table, proto, .. } = object;
    let index = match table.find_fast(&name.key) {
        // A large table has its entries on other pages, and a change there leaves this page clean.
        None if !table.can_append_fast() => return false,
        // The property may be inherited with a setter.
        None if linked.has_accessors && is_inherited(machine, *proto, &name.key) => return false,
        index => index,
    };
    let Some(Entry::Object(object)) = machine.heap.get_mut(*at) else { return false };
    match index {
        Some(index) => match object.table.value_at_fast(index) {
            Some(Value::Accessor(_)) => return false,
            Some(place) => *place = value.clone(),
            None => return false,
        },
        None => {
            if !object.table.append_fast(&name.key, value) {
                return false;
            }
            machine.heap.charge(2 * PAIR_BYTES + value.weight());
        }
    }
    true
}

/// Whether an object of the program on a prototype chain has a property.
fn is_inherited(machine: &Machine, proto: Prototype, key: &Value) -> bool {
    let Some(proto) = proto.as_object() else { return false };
    match machine.heap.get(proto) {
        Entry::Object(proto) => property::find_in_chain(&machine.heap, proto, key).is_some(),
        _ => true,
    }
}

/// `target[key]` of an existing array element. ECMA-262 §10.1.8.1 OrdinaryGet.
#[inline]
pub(super) fn get_element_fast<'m>(machine: &'m Machine, target: &Value, key: &Value) -> Option<&'m Value> {
    let (Value::Ref(at), Value::Number(n)) = (target, key) else { return None };
    let index = *n as usize;
    // A number that is not an index changes in the conversion to `usize` and back.
    if index as f64 != *n {
        return None;
    }
    let element = machine.heap.find_element(*at, index)?;
    if let Value::Hole = element { None } else { Some(element) }
}

/// `target[key] = value` of an existing element. All operands stay. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
#[inline]
pub(super) fn set_element_fast(machine: &mut Machine) -> bool {
    let [.., Value::Ref(at), Value::Number(n), value] = machine.stack.as_slice() else { return false };
    let index = *n as usize;
    if index as f64 != *n {
        return false;
    }
    let Entry::Array(array) = machine.heap.get(*at) else { return false };
    if array.frozen || index >= array.len() {
        return false;
    }
    machine.heap.set_element(*at, index, value.clone()).is_ok()
}

macro_rules! fast_instructions {
    (
        $($single:ident $(($operand:ident: $type:ty))? $({ $($field:ident: $field_type:ty),* })?),*;
        $($fused:tt)*
    ) => {
        /// An instruction of the interpreter loop.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum FastInstruction {
            /// Runs in `slow_path.rs`.
            Slow,
            $($single $(($type))? $({ $($field: $field_type),* })?,)*
            $($fused)*
        }

        fn translate_single(instruction: I) -> FastInstruction {
            match instruction {
                $(I::$single $(($operand))? $({ $($field),* })? => {
                    FastInstruction::$single $(($operand))? $({ $($field),* })?
                })*
                _ => FastInstruction::Slow,
            }
        }
    };
}

fast_instructions! {
    // ---- one instruction ----
    Push(constant: u32),
    Pop,
    Load(slot: u16),
    Store(slot: u16),
    LoadGlobal(slot: u16),
    Dup,
    Jump(target: u32),
    JumpIf(target: u32),
    JumpIfN(target: u32),
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    BitAnd,
    BitOr,
    Lt,
    Gt,
    Le,
    Ge,
    Eq,
    Neq,
    Inc,
    Dec,
    ToNumber,
    Not,
    LoadCell(slot: u16),
    LoadCapture(index: u16),
    StoreCapture(index: u16),
    GetProp(name: u32),
    SetProp(name: u32),
    GetIndex,
    SetIndex,
    Call { argc: u16 },
    CallMethod { argc: u16, name: u32 },
    Return,
    This;
    // ---- two instructions ----
    LoadLoad(u16, u16),
    LoadPush(u16, u32),
    AddSlot(u16),
    SubSlot(u16),
    MulSlot(u16),
    AddConst(u32),
    SubConst(u32),
    MulConst(u32),
    ModConst(u32),
    AddStore(u16),
    LoadProp { slot: u16, name: u32 },
    ThisProp(u32),
    SetPropPop(u32),
    SetIndexPop,
    LtJumpIf(u32),
    LtJumpIfN(u32),
    GtJumpIf(u32),
    GtJumpIfN(u32),
    LeJumpIf(u32),
    LeJumpIfN(u32),
    GeJumpIf(u32),
    GeJumpIfN(u32),
    EqJumpIf(u32),
    EqJumpIfN(u32),
    NeqJumpIf(u32),
    NeqJumpIfN(u32),
    // ---- three ----
    IncSlot(u16),
    DecSlot(u16),
    LoadLoadIndex(u16, u16),
    AddSlots(u16, u16),
    SubSlots(u16, u16),
    MulSlots(u16, u16),
    AddSlotConst(u16, u32),
    SubSlotConst(u16, u32),
    MulSlotConst(u16, u32),
    ModSlotConst(u16, u32),
    // ---- four: the condition of a counting loop ----
    LtSlotConstJumpIf { slot: u16, constant: u16, target: u32 },
    LtSlotSlotJumpIf { slot: u16, other: u16, target: u32 },
    LtSlotConstJumpIfN { slot: u16, constant: u16, target: u32 },
    // ---- seven: the end of a counting loop ----
    IncSlotLtConstJumpIf { slot: u16, constant: u16, target: u32 },
}

/// The code with one fast instruction per instruction.
pub(super) fn translate_unfused(code: &[I]) -> Vec<FastInstruction> {
    code.iter().map(|instruction| translate_single(*instruction)).collect()
}

/// The code with its sequences fused.
pub(super) fn translate_fused(code: &[I]) -> Vec<FastInstruction> {
    (0..code.len()).map(|at| fuse_sequence(&code[at..]).unwrap_or_else(|| translate_single(code[at]))).collect()
}

fn fuse_sequence(code: &[I]) -> Option<FastInstruction> {
    fuse_seven(code).or_else(|| fuse_four(code)).or_else(|| fuse_three(code)).or_else(|| fuse_two(code))
}

fn fuse_seven(code: &[I]) -> Option<FastInstruction> {
    let (Some(FastInstruction::IncSlot(counter)), Some(rest)) = (fuse_three(code), code.get(3..)) else { return None };
    match fuse_four(rest)? {
        FastInstruction::LtSlotConstJumpIf { slot, constant, target } if slot == counter => {
            Some(FastInstruction::IncSlotLtConstJumpIf { slot, constant, target })
        }
        _ => None,
    }
}

fn fuse_four(code: &[I]) -> Option<FastInstruction> {
    match code {
        [I::Load(slot), I::Push(constant), I::Lt, I::JumpIf(target), ..] => {
            let constant = u16::try_from(*constant).ok()?;
            Some(FastInstruction::LtSlotConstJumpIf { slot: *slot, constant, target: *target })
        }
        [I::Load(slot), I::Push(constant), I::Lt, I::JumpIfN(target), ..] => {
            let constant = u16::try_from(*constant).ok()?;
            Some(FastInstruction::LtSlotConstJumpIfN { slot: *slot, constant, target: *target })
        }
        [I::Load(slot), I::Load(other), I::Lt, I::JumpIf(target), ..] => {
            Some(FastInstruction::LtSlotSlotJumpIf { slot: *slot, other: *other, target: *target })
        }
        _ => None,
    }
}

fn fuse_three(code: &[I]) -> Option<FastInstruction> {
    match code {
        [I::Load(from), I::Inc, I::Store(to), ..] if from == to => Some(FastInstruction::IncSlot(*from)),
        [I::Load(from), I::Dec, I::Store(to), ..] if from == to => Some(FastInstruction::DecSlot(*from)),
        [I::Load(array), I::Load(index), I::GetIndex, ..] => Some(FastInstruction::LoadLoadIndex(*array, *index)),
        [I::Load(a), I::Load(b), I::Add, ..] => Some(FastInstruction::AddSlots(*a, *b)),
        [I::Load(a), I::Load(b), I::Sub, ..] => Some(FastInstruction::SubSlots(*a, *b)),
        [I::Load(a), I::Load(b), I::Mul, ..] => Some(FastInstruction::MulSlots(*a, *b)),
        [I::Load(slot), I::Push(constant), I::Add, ..] => Some(FastInstruction::AddSlotConst(*slot, *constant)),
        [I::Load(slot), I::Push(constant), I::Sub, ..] => Some(FastInstruction::SubSlotConst(*slot, *constant)),
        [I::Load(slot), I::Push(constant), I::Mul, ..] => Some(FastInstruction::MulSlotConst(*slot, *constant)),
        [I::Load(slot), I::Push(constant), I::Mod, ..] => Some(FastInstruction::ModSlotConst(*slot, *constant)),
        _ => None,
    }
}

fn fuse_two(code: &[I]) -> Option<FastInstruction> {
    Some(match code {
        [I::Load(slot), I::GetProp(name), ..] => FastInstruction::LoadProp { slot: *slot, name: *name },
        [I::This, I::GetProp(name), ..] => FastInstruction::ThisProp(*name),
        [I::Load(slot), I::Add, ..] => FastInstruction::AddSlot(*slot),
        [I::Load(slot), I::Sub, ..] => FastInstruction::SubSlot(*slot),
        [I::Load(slot), I::Mul, ..] => FastInstruction::MulSlot(*slot),
        // A longer fused sequence may start at the second instruction.
        [I::Load(_), rest @ ..] if fuse_four(rest).is_some() || fuse_three(rest).is_some() => return None,
        [I::Load(slot), I::Load(_), I::GetProp(_), ..] => FastInstruction::Load(*slot),
        [I::Load(a), I::Load(b), ..] => FastInstruction::LoadLoad(*a, *b),
        [I::Load(slot), I::Push(constant), ..] => FastInstruction::LoadPush(*slot, *constant),
        [I::Push(constant), I::Add, ..] => FastInstruction::AddConst(*constant),
        [I::Push(constant), I::Sub, ..] => FastInstruction::SubConst(*constant),
        [I::Push(constant), I::Mul, ..] => FastInstruction::MulConst(*constant),
        [I::Push(constant), I::Mod, ..] => FastInstruction::ModConst(*constant),
        [I::Add, I::Store(slot), ..] => FastInstruction::AddStore(*slot),
        [I::SetProp(name), I::Pop, ..] => FastInstruction::SetPropPop(*name),
        [I::SetIndex, I::Pop, ..] => FastInstruction::SetIndexPop,
        [I::Lt, I::JumpIf(target), ..] => FastInstruction::LtJumpIf(*target),
        [I::Lt, I::JumpIfN(target), ..] => FastInstruction::LtJumpIfN(*target),
        [I::Gt, I::JumpIf(target), ..] => FastInstruction::GtJumpIf(*target),
        [I::Gt, I::JumpIfN(target), ..] => FastInstruction::GtJumpIfN(*target),
        [I::Le, I::JumpIf(target), ..] => FastInstruction::LeJumpIf(*target),
        [I::Le, I::JumpIfN(target), ..] => FastInstruction::LeJumpIfN(*target),
        [I::Ge, I::JumpIf(target), ..] => FastInstruction::GeJumpIf(*target),
        [I::Ge, I::JumpIfN(target), ..] => FastInstruction::GeJumpIfN(*target),
        [I::Eq, I::JumpIf(target), ..] => FastInstruction::EqJumpIf(*target),
        [I::Eq, I::JumpIfN(target), ..] => FastInstruction::EqJumpIfN(*target),
        [I::Neq, I::JumpIf(target), ..] => FastInstruction::NeqJumpIf(*target),
        [I::Neq, I::JumpIfN(target), ..] => FastInstruction::NeqJumpIfN(*target),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_instruction_is_at_most_12_bytes() {
        assert!(std::mem::size_of::<FastInstruction>() <= 12);
    }
}
