//! The code as the loop runs it: frequent sequences are one step each. Places keep their numbers: a sequence is written at
//! its first place, the others keep their own form, so that jumps may lead into its middle.
//!
//! A fused step either does all it stands for or nothing: where types or fuel do not fit, the plain form runs. Fuel is
//! counted in instructions of the program, so that fusing cannot be seen from outside.

use super::program::Instruction as I;

/// A step of the loop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fast {
    /// Runs in `step.rs`.
    Slow,
    Push(u32),
    Pop,
    Load(u16),
    Store(u16),
    LoadGlobal(u16),
    Dup,
    Jump(u32),
    JumpIf(u32),
    JumpIfN(u32),
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
    LoadCell(u16),
    LoadCapture(u16),
    StoreCapture(u16),
    GetProp(u32),
    SetProp(u32),
    GetIndex,
    SetIndex,
    Call(u16),
    CallMethod {
        argc: u16,
        name: u32,
    },
    Return,
    This,
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
    LoadProp {
        slot: u16,
        name: u32,
    },
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
    // ---- four: the condition of a counting loop ----
    LtSlotConstJumpIf {
        slot: u16,
        constant: u16,
        target: u32,
    },
    LtSlotSlotJumpIf {
        slot: u16,
        other: u16,
        target: u32,
    },
    LtSlotConstJumpIfN {
        slot: u16,
        constant: u16,
        target: u32,
    },
}

/// Each instruction by itself.
pub(super) fn plain(code: &[I]) -> Vec<Fast> {
    code.iter().map(|instruction| single(*instruction)).collect()
}

/// The code with its sequences fused.
pub(super) fn fused(code: &[I]) -> Vec<Fast> {
    (0..code.len()).map(|at| sequence(&code[at..]).unwrap_or_else(|| single(code[at]))).collect()
}

fn single(instruction: I) -> Fast {
    match instruction {
        I::Push(constant) => Fast::Push(constant),
        I::Pop => Fast::Pop,
        I::Load(slot) => Fast::Load(slot),
        I::Store(slot) => Fast::Store(slot),
        I::LoadGlobal(slot) => Fast::LoadGlobal(slot),
        I::Dup => Fast::Dup,
        I::Jump(target) => Fast::Jump(target),
        I::JumpIf(target) => Fast::JumpIf(target),
        I::JumpIfN(target) => Fast::JumpIfN(target),
        I::Add => Fast::Add,
        I::Sub => Fast::Sub,
        I::Mul => Fast::Mul,
        I::Div => Fast::Div,
        I::Mod => Fast::Mod,
        I::BitAnd => Fast::BitAnd,
        I::BitOr => Fast::BitOr,
        I::Lt => Fast::Lt,
        I::Gt => Fast::Gt,
        I::Le => Fast::Le,
        I::Ge => Fast::Ge,
        I::Eq => Fast::Eq,
        I::Neq => Fast::Neq,
        I::Inc => Fast::Inc,
        I::Dec => Fast::Dec,
        I::ToNumber => Fast::ToNumber,
        I::Not => Fast::Not,
        I::LoadCell(slot) => Fast::LoadCell(slot),
        I::LoadCapture(index) => Fast::LoadCapture(index),
        I::StoreCapture(index) => Fast::StoreCapture(index),
        I::GetProp(name) => Fast::GetProp(name),
        I::SetProp(name) => Fast::SetProp(name),
        I::GetIndex => Fast::GetIndex,
        I::SetIndex => Fast::SetIndex,
        I::Call { argc } => Fast::Call(argc),
        I::CallMethod { argc, name } => Fast::CallMethod { argc, name },
        I::Return => Fast::Return,
        I::This => Fast::This,
        _ => Fast::Slow,
    }
}

fn sequence(code: &[I]) -> Option<Fast> {
    four(code).or_else(|| three(code)).or_else(|| two(code))
}

fn four(code: &[I]) -> Option<Fast> {
    match code {
        [I::Load(slot), I::Push(constant), I::Lt, I::JumpIf(target), ..] => {
            let constant = u16::try_from(*constant).ok()?;
            Some(Fast::LtSlotConstJumpIf { slot: *slot, constant, target: *target })
        }
        [I::Load(slot), I::Push(constant), I::Lt, I::JumpIfN(target), ..] => {
            let constant = u16::try_from(*constant).ok()?;
            Some(Fast::LtSlotConstJumpIfN { slot: *slot, constant, target: *target })
        }
        [I::Load(slot), I::Load(other), I::Lt, I::JumpIf(target), ..] => {
            Some(Fast::LtSlotSlotJumpIf { slot: *slot, other: *other, target: *target })
        }
        _ => None,
    }
}

fn three(code: &[I]) -> Option<Fast> {
    match code {
        [I::Load(from), I::Inc, I::Store(to), ..] if from == to => Some(Fast::IncSlot(*from)),
        [I::Load(from), I::Dec, I::Store(to), ..] if from == to => Some(Fast::DecSlot(*from)),
        [I::Load(array), I::Load(index), I::GetIndex, ..] => Some(Fast::LoadLoadIndex(*array, *index)),
        _ => None,
    }
}

fn two(code: &[I]) -> Option<Fast> {
    Some(match code {
        [I::Load(slot), I::GetProp(name), ..] => Fast::LoadProp { slot: *slot, name: *name },
        [I::This, I::GetProp(name), ..] => Fast::ThisProp(*name),
        [I::Load(slot), I::Add, ..] => Fast::AddSlot(*slot),
        [I::Load(slot), I::Sub, ..] => Fast::SubSlot(*slot),
        [I::Load(slot), I::Mul, ..] => Fast::MulSlot(*slot),
        // What follows the second may be worth more with it.
        [I::Load(_), rest @ ..] if four(rest).is_some() || three(rest).is_some() => return None,
        [I::Load(slot), I::Load(_), I::Add | I::Sub | I::Mul | I::GetProp(_), ..] => Fast::Load(*slot),
        [I::Load(a), I::Load(b), ..] => Fast::LoadLoad(*a, *b),
        [I::Load(slot), I::Push(_), I::Add | I::Sub | I::Mul | I::Mod, ..] => Fast::Load(*slot),
        [I::Load(slot), I::Push(constant), ..] => Fast::LoadPush(*slot, *constant),
        [I::Push(constant), I::Add, ..] => Fast::AddConst(*constant),
        [I::Push(constant), I::Sub, ..] => Fast::SubConst(*constant),
        [I::Push(constant), I::Mul, ..] => Fast::MulConst(*constant),
        [I::Push(constant), I::Mod, ..] => Fast::ModConst(*constant),
        [I::Add, I::Store(slot), ..] => Fast::AddStore(*slot),
        [I::SetProp(name), I::Pop, ..] => Fast::SetPropPop(*name),
        [I::SetIndex, I::Pop, ..] => Fast::SetIndexPop,
        [I::Lt, I::JumpIf(target), ..] => Fast::LtJumpIf(*target),
        [I::Lt, I::JumpIfN(target), ..] => Fast::LtJumpIfN(*target),
        [I::Gt, I::JumpIf(target), ..] => Fast::GtJumpIf(*target),
        [I::Gt, I::JumpIfN(target), ..] => Fast::GtJumpIfN(*target),
        [I::Le, I::JumpIf(target), ..] => Fast::LeJumpIf(*target),
        [I::Le, I::JumpIfN(target), ..] => Fast::LeJumpIfN(*target),
        [I::Ge, I::JumpIf(target), ..] => Fast::GeJumpIf(*target),
        [I::Ge, I::JumpIfN(target), ..] => Fast::GeJumpIfN(*target),
        [I::Eq, I::JumpIf(target), ..] => Fast::EqJumpIf(*target),
        [I::Eq, I::JumpIfN(target), ..] => Fast::EqJumpIfN(*target),
        [I::Neq, I::JumpIf(target), ..] => Fast::NeqJumpIf(*target),
        [I::Neq, I::JumpIfN(target), ..] => Fast::NeqJumpIfN(*target),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_small() {
        assert!(std::mem::size_of::<Fast>() <= 12);
    }
}
