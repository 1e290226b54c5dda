//! `ArrayBuffer` and `DataView`. ECMA-262 §25.1 ArrayBuffer Objects, §25.3 DataView Objects.

use super::super::abrupt_completion::{Completion, range_error, type_error, unsupported};
use super::super::array_buffer::{View, ViewKind};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::number;
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §25.1.4.1 ArrayBuffer, called without `new`.
    ("ArrayBuffer", 1, |_, _| type_error("Constructor ArrayBuffer requires 'new'")),
    ("new ArrayBuffer", 1, |machine, args| {
        let len = super::arg_integer(machine, args, 0, 0.0)?;
        if !(0.0..9_007_199_254_740_992.0).contains(&len) {
            return range_error("Invalid array buffer length");
        }
        // ECMA-262 §25.1.3.7 GetArrayBufferMaxByteLengthOption.
        if super::arg(machine, args, 1).is_object() {
            return unsupported("options of an ArrayBuffer are not supported; its length does not change");
        }
        machine.heap.check_buffer_room(len as usize)?;
        machine.charge_work(len as u64 / 8);
        let buffer = machine.heap.new_buffer(vec![0; len as usize]);
        Ok(NativeOutcome::Value(Value::Ref(buffer)))
    }),
    // ECMA-262 §25.1.5.1 ArrayBuffer.isView.
    ("ArrayBuffer.isView", 1, |machine, args| {
        Ok(matches!(super::arg(machine, args, 0), Value::Ref(at) if machine.heap.view(at).is_some()).into())
    }),
    // ECMA-262 §25.1.6.7 ArrayBuffer.prototype.slice.
    ("ArrayBuffer.prototype.slice", 2, |machine, args| {
        let Some((buffer, len)) = buffer_of(machine, &args.this) else {
            return super::incompatible_receiver(machine, args);
        };
        let (from, to) = super::arg_range(machine, args, 0, len)?;
        let count = to.saturating_sub(from);
        machine.heap.check_buffer_room(count)?;
        machine.charge_work(count as u64 / 8);
        let bytes = machine.heap.copy_bytes(buffer, from, count);
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.new_buffer(bytes))))
    }),
    // ECMA-262 §25.3.2.1 DataView, called without `new`.
    ("DataView", 1, |_, _| type_error("Constructor DataView requires 'new'")),
    ("new DataView", 1, |machine, args| {
        let Some((buffer, buffer_len)) = buffer_of(machine, &super::arg(machine, args, 0)) else {
            return type_error("First argument to DataView constructor must be an ArrayBuffer");
        };
        let offset = super::arg_integer(machine, args, 1, 0.0)?;
        let rest = buffer_len as f64 - offset;
        let len = super::arg_integer(machine, args, 2, rest)?;
        if offset < 0.0 || rest < 0.0 {
            let offset = number::to_text(offset);
            return range_error(format!("Start offset {offset} is outside the bounds of the buffer"));
        }
        if len < 0.0 || len > rest {
            return range_error(format!("Invalid DataView length {}", number::to_text(len)));
        }
        let view = View { kind: ViewKind::DataView, buffer, offset: offset as u32, len: len as u32 };
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.allocate(Entry::View(view)))))
    }),
    // ECMA-262 §25.3.4.5 DataView.prototype.getFloat32 to §25.3.4.14 DataView.prototype.getUint32.
    ("DataView.prototype.getInt8", 1, |machine, args| get(machine, args, ViewKind::Int8)),
    ("DataView.prototype.getUint8", 1, |machine, args| get(machine, args, ViewKind::Uint8)),
    ("DataView.prototype.getInt16", 1, |machine, args| get(machine, args, ViewKind::Int16)),
    ("DataView.prototype.getUint16", 1, |machine, args| get(machine, args, ViewKind::Uint16)),
    ("DataView.prototype.getInt32", 1, |machine, args| get(machine, args, ViewKind::Int32)),
    ("DataView.prototype.getUint32", 1, |machine, args| get(machine, args, ViewKind::Uint32)),
    ("DataView.prototype.getFloat32", 1, |machine, args| get(machine, args, ViewKind::Float32)),
    ("DataView.prototype.getFloat64", 1, |machine, args| get(machine, args, ViewKind::Float64)),
    // ECMA-262 §25.3.4.17 DataView.prototype.setFloat32 to §25.3.4.25 DataView.prototype.setUint32.
    ("DataView.prototype.setInt8", 2, |machine, args| set(machine, args, ViewKind::Int8)),
    ("DataView.prototype.setUint8", 2, |machine, args| set(machine, args, ViewKind::Uint8)),
    ("DataView.prototype.setInt16", 2, |machine, args| set(machine, args, ViewKind::Int16)),
    ("DataView.prototype.setUint16", 2, |machine, args| set(machine, args, ViewKind::Uint16)),
    ("DataView.prototype.setInt32", 2, |machine, args| set(machine, args, ViewKind::Int32)),
    ("DataView.prototype.setUint32", 2, |machine, args| set(machine, args, ViewKind::Uint32)),
    ("DataView.prototype.setFloat32", 2, |machine, args| set(machine, args, ViewKind::Float32)),
    ("DataView.prototype.setFloat64", 2, |machine, args| set(machine, args, ViewKind::Float64)),
];

/// A buffer with its length.
fn buffer_of(machine: &Machine, value: &Value) -> Option<(HeapRef, usize)> {
    let Value::Ref(at) = value else { return None };
    machine.heap.buffer(*at).map(|buffer| (*at, buffer.len()))
}

/// The buffer and the place in it of an element. ECMA-262 §25.3.1.5 GetViewValue.
fn locate(machine: &Machine, args: &NativeArgs, size: usize) -> Completion<(HeapRef, usize)> {
    let index = super::arg_integer(machine, args, 0, 0.0)?;
    let view = match args.this {
        Value::Ref(at) => machine.heap.view(at).filter(|view| view.kind == ViewKind::DataView),
        _ => None,
    };
    // V8 does not name the receiver.
    let Some(view) = view else {
        return type_error(format!("Method {} called on incompatible receiver undefined", args.name()));
    };
    if index < 0.0 || index + size as f64 > f64::from(view.len) {
        return range_error("Offset is outside the bounds of the DataView");
    }
    Ok((view.buffer, view.offset as usize + index as usize))
}

/// ECMA-262 §25.3.1.5 GetViewValue.
fn get(machine: &mut Machine, args: &NativeArgs, kind: ViewKind) -> NativeResult {
    let (mut bytes, size) = ([0; 8], kind.size());
    let (buffer, at) = locate(machine, args, size)?;
    machine.heap.read_bytes(buffer, at, &mut bytes[..size]);
    if !super::arg(machine, args, 1).truthy() {
        bytes[..size].reverse();
    }
    Ok(kind.decode(bytes).into())
}

/// ECMA-262 §25.3.1.6 SetViewValue.
fn set(machine: &mut Machine, args: &NativeArgs, kind: ViewKind) -> NativeResult {
    let size = kind.size();
    let mut bytes = kind.encode(super::arg_number(machine, args, 1)?);
    let (buffer, at) = locate(machine, args, size)?;
    if !super::arg(machine, args, 2).truthy() {
        bytes[..size].reverse();
    }
    machine.heap.write_bytes(buffer, at, &bytes[..size]);
    Ok(NativeOutcome::Value(Value::Undefined))
}
