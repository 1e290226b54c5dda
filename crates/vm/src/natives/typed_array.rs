//! Typed arrays. ECMA-262 §23.2 TypedArray Objects.
//!
//! Deviations: typed arrays have no subclasses (`TypedArraySpeciesCreate` is `TypedArrayCreate`), the static methods
//! belong to each class, and a method of the program does not convert an element of a list.

use runstate_value::sort_by;

use super::super::abrupt_completion::{Completion, internal, range_error, type_error, unsupported};
use super::super::array_buffer::{View, ViewKind};
use super::super::array_sort::ArraySort;
use super::super::callback::{self, CallbackMethod, NativeFrame};
use super::super::machine::Machine;
use super::super::number;
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::object::{IterationKind, new_iterator};
use crate::{conversion, iteration, property};

/// The rows of the classes, and then the others.
macro_rules! rows {
    ($($class:literal $new:literal $from:literal $of:literal)*; $($row:expr,)*) => {
        &[
            $(
                // ECMA-262 §23.2.5.1 TypedArray, called without `new`.
                ($class, 3, |_, _| type_error(concat!("Constructor ", $class, " requires 'new'"))),
                ($new, 3, construct),
                ($from, 1, from),
                ($of, 0, of),
            )*
            $($row,)*
        ]
    };
}

pub(super) static ROWS: &[BuiltinDefinition] = rows! {
    "Int8Array" "new Int8Array" "Int8Array.from" "Int8Array.of"
    "Uint8Array" "new Uint8Array" "Uint8Array.from" "Uint8Array.of"
    "Uint8ClampedArray" "new Uint8ClampedArray" "Uint8ClampedArray.from" "Uint8ClampedArray.of"
    "Int16Array" "new Int16Array" "Int16Array.from" "Int16Array.of"
    "Uint16Array" "new Uint16Array" "Uint16Array.from" "Uint16Array.of"
    "Int32Array" "new Int32Array" "Int32Array.from" "Int32Array.of"
    "Uint32Array" "new Uint32Array" "Uint32Array.from" "Uint32Array.of"
    "Float32Array" "new Float32Array" "Float32Array.from" "Float32Array.of"
    "Float64Array" "new Float64Array" "Float64Array.from" "Float64Array.of";
    // ECMA-262 §23.2.3.1 %TypedArray%.prototype.at.
    ("TypedArray.prototype.at", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let index = super::arg_integer(machine, args, 0, 0.0)?;
        let index = if index < 0.0 { index + f64::from(view.len) } else { index };
        let element = if index < 0.0 { None } else { machine.heap.view_element(view, index as usize) };
        Ok(NativeOutcome::Value(element.map_or(Value::Undefined, Value::Number)))
    }),
    // ECMA-262 §23.2.3.6 %TypedArray%.prototype.copyWithin.
    ("TypedArray.prototype.copyWithin", 2, |machine, args| {
        let view = this_view(machine, args)?;
        let to = super::arg_relative_index(machine, args, 0, view.len as usize, 0)?;
        let (from, end) = super::arg_range(machine, args, 1, view.len as usize)?;
        let source = View { len: end.max(from) as u32, ..view };
        copy(machine, source, from, view, to)?;
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §23.2.3.7 %TypedArray%.prototype.entries.
    ("TypedArray.prototype.entries", 0, |machine, args| create_iterator(machine, args, IterationKind::Entries)),
    // ECMA-262 §23.2.3.19 %TypedArray%.prototype.keys.
    ("TypedArray.prototype.keys", 0, |machine, args| create_iterator(machine, args, IterationKind::Keys)),
    // ECMA-262 §23.2.3.35 %TypedArray%.prototype.values.
    ("TypedArray.prototype.values", 0, |machine, args| create_iterator(machine, args, IterationKind::Values)),
    // ECMA-262 §23.2.3.8 %TypedArray%.prototype.every.
    ("TypedArray.prototype.every", 1, |machine, args| start(machine, args, CallbackMethod::Every)),
    // ECMA-262 §23.2.3.28 %TypedArray%.prototype.some.
    ("TypedArray.prototype.some", 1, |machine, args| start(machine, args, CallbackMethod::Some)),
    // ECMA-262 §23.2.3.15 %TypedArray%.prototype.forEach.
    ("TypedArray.prototype.forEach", 1, |machine, args| start(machine, args, CallbackMethod::ForEach)),
    // ECMA-262 §23.2.3.11 %TypedArray%.prototype.find.
    ("TypedArray.prototype.find", 1, |machine, args| start(machine, args, CallbackMethod::Find)),
    // ECMA-262 §23.2.3.12 %TypedArray%.prototype.findIndex.
    ("TypedArray.prototype.findIndex", 1, |machine, args| start(machine, args, CallbackMethod::FindIndex)),
    // ECMA-262 §23.2.3.13 %TypedArray%.prototype.findLast.
    ("TypedArray.prototype.findLast", 1, |machine, args| start(machine, args, CallbackMethod::FindLast)),
    // ECMA-262 §23.2.3.14 %TypedArray%.prototype.findLastIndex.
    ("TypedArray.prototype.findLastIndex", 1, |machine, args| start(machine, args, CallbackMethod::FindLastIndex)),
    // ECMA-262 §23.2.3.22 %TypedArray%.prototype.map.
    ("TypedArray.prototype.map", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let frame = NativeFrame::for_array(machine, args, CallbackMethod::MapElements)?;
        let (out, _) = new_array(machine, view.kind, view.len as usize)?;
        callback::run_native(machine, NativeFrame { out: Value::Ref(out), ..frame })
    }),
    // ECMA-262 §23.2.3.10 %TypedArray%.prototype.filter.
    ("TypedArray.prototype.filter", 1, |machine, args| {
        this_view(machine, args)?;
        let frame = NativeFrame::for_array(machine, args, CallbackMethod::FilterElements)?;
        let out = callback::empty_array(machine);
        callback::run_native(machine, NativeFrame { out, ..frame })
    }),
    // ECMA-262 §23.2.3.23 %TypedArray%.prototype.reduce.
    ("TypedArray.prototype.reduce", 1, |machine, args| start_reduction(machine, args, CallbackMethod::Reduce)),
    // ECMA-262 §23.2.3.24 %TypedArray%.prototype.reduceRight.
    ("TypedArray.prototype.reduceRight", 1, |machine, args| {
        start_reduction(machine, args, CallbackMethod::ReduceRight)
    }),
    // ECMA-262 §23.2.3.9 %TypedArray%.prototype.fill.
    ("TypedArray.prototype.fill", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let number = super::arg_number(machine, args, 0)?;
        let (from, to) = super::arg_range(machine, args, 1, view.len as usize)?;
        machine.charge_work(to.saturating_sub(from) as u64);
        for index in from..to {
            machine.heap.set_view_element(view, index, number);
        }
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §23.2.3.16 %TypedArray%.prototype.includes.
    ("TypedArray.prototype.includes", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let from = super::arg_relative_index(machine, args, 1, view.len as usize, 0)?;
        let target = super::arg(machine, args, 0);
        let is_target = |number: f64| Value::Number(number).same_value_zero(&target);
        let found = machine.heap.view_numbers(view, from, view.len as usize).position(is_target);
        machine.charge_work(found.unwrap_or(view.len as usize - from) as u64);
        Ok(found.is_some().into())
    }),
    // ECMA-262 §23.2.3.17 %TypedArray%.prototype.indexOf.
    ("TypedArray.prototype.indexOf", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let from = super::arg_relative_index(machine, args, 1, view.len as usize, 0)?;
        let Value::Number(target) = super::arg(machine, args, 0) else { return Ok((-1.0).into()) };
        let found = machine.heap.view_numbers(view, from, view.len as usize).position(|number| number == target);
        machine.charge_work(found.unwrap_or(view.len as usize - from) as u64);
        Ok(found.map_or(-1.0, |index| (from + index) as f64).into())
    }),
    // ECMA-262 §23.2.3.20 %TypedArray%.prototype.lastIndexOf.
    ("TypedArray.prototype.lastIndexOf", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let len = f64::from(view.len);
        let from = if args.count > 1 { super::arg_integer(machine, args, 1, 0.0)? } else { len - 1.0 };
        let from = if from < 0.0 { from + len } else { from.min(len - 1.0) };
        let Value::Number(target) = super::arg(machine, args, 0) else { return Ok((-1.0).into()) };
        let count = if from < 0.0 { 0 } else { from as usize + 1 };
        let found = (0..count).rev().find(|index| machine.heap.view_element(view, *index) == Some(target));
        machine.charge_work((count - found.unwrap_or(0)) as u64);
        Ok(found.map_or(-1.0, |index| index as f64).into())
    }),
    // ECMA-262 §23.2.3.18 %TypedArray%.prototype.join.
    ("TypedArray.prototype.join", 1, |machine, args| {
        let view = this_view(machine, args)?;
        let separator = match super::arg(machine, args, 0) {
            Value::Undefined => Str::new(","),
            _ => super::arg_text(machine, args, 0)?,
        };
        let text = conversion::join_elements(machine, view, &separator)?;
        super::string::return_text(machine, text)
    }),
    // ECMA-262 §23.2.3.34 %TypedArray%.prototype.toString.
    ("TypedArray.prototype.toString", 0, |machine, args| {
        let text = conversion::join_elements(machine, this_view(machine, args)?, &Str::new(","))?;
        super::string::return_text(machine, text)
    }),
    // ECMA-262 §23.2.3.31 %TypedArray%.prototype.toLocaleString.
    ("TypedArray.prototype.toLocaleString", 0, |_, _| {
        unsupported("`toLocaleString` of a typed array is not supported; map the elements of an array and join them")
    }),
    // ECMA-262 §23.2.3.25 %TypedArray%.prototype.reverse.
    ("TypedArray.prototype.reverse", 0, |machine, args| {
        let view = this_view(machine, args)?;
        reverse(machine, view, view)?;
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §23.2.3.32 %TypedArray%.prototype.toReversed.
    ("TypedArray.prototype.toReversed", 0, |machine, args| {
        let view = this_view(machine, args)?;
        let (out, reversed) = new_array(machine, view.kind, view.len as usize)?;
        reverse(machine, view, reversed)?;
        Ok(NativeOutcome::Value(Value::Ref(out)))
    }),
    // ECMA-262 §23.2.3.26 %TypedArray%.prototype.set.
    ("TypedArray.prototype.set", 1, |machine, args| {
        let target = this_view(machine, args)?;
        let at = super::arg_integer(machine, args, 1, 0.0)?;
        if at < 0.0 {
            return range_error("offset is out of bounds");
        }
        let source = super::arg(machine, args, 0);
        let fits = |len: usize| match at + len as f64 > f64::from(target.len) {
            true => range_error("offset is out of bounds"),
            false => Ok(()),
        };
        if let Value::Ref(source) = source
            && let Some(source) = machine.heap.typed_array(source)
        {
            fits(source.len as usize)?;
            copy(machine, source, 0, target, at as usize)?;
            return Ok(NativeOutcome::Value(Value::Undefined));
        }
        if source.is_nullish() {
            return type_error("Cannot convert undefined or null to object");
        }
        let values = array_like(machine, &source)?;
        fits(values.len())?;
        machine.charge_work(values.len() as u64);
        for (index, value) in values.iter().enumerate() {
            let number = conversion::to_number(machine, value)?;
            machine.heap.set_view_element(target, at as usize + index, number);
        }
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // ECMA-262 §23.2.3.27 %TypedArray%.prototype.slice.
    ("TypedArray.prototype.slice", 2, |machine, args| {
        let view = this_view(machine, args)?;
        let (from, to) = super::arg_range(machine, args, 0, view.len as usize)?;
        let (out, copied) = new_array(machine, view.kind, to.saturating_sub(from))?;
        copy(machine, view, from, copied, 0)?;
        Ok(NativeOutcome::Value(Value::Ref(out)))
    }),
    // ECMA-262 §23.2.3.30 %TypedArray%.prototype.subarray.
    ("TypedArray.prototype.subarray", 2, |machine, args| {
        let view = this_view(machine, args)?;
        let (from, to) = super::arg_range(machine, args, 0, view.len as usize)?;
        let offset = view.offset + (from * view.kind.size()) as u32;
        let part = View { offset, len: to.saturating_sub(from) as u32, ..view };
        Ok(view_outcome(machine, part))
    }),
    // ECMA-262 §23.2.3.29 %TypedArray%.prototype.sort.
    ("TypedArray.prototype.sort", 1, |machine, args| {
        check_comparator(machine, args)?;
        let view = this_view(machine, args)?;
        start_sort(machine, args, view, args.this.clone())
    }),
    // ECMA-262 §23.2.3.33 %TypedArray%.prototype.toSorted.
    ("TypedArray.prototype.toSorted", 1, |machine, args| {
        check_comparator(machine, args)?;
        let view = this_view(machine, args)?;
        let (out, _) = new_array(machine, view.kind, view.len as usize)?;
        start_sort(machine, args, view, Value::Ref(out))
    }),
    // ECMA-262 §23.2.3.36 %TypedArray%.prototype.with.
    ("TypedArray.prototype.with", 2, |machine, args| {
        let view = this_view(machine, args)?;
        let index = super::arg_integer(machine, args, 0, 0.0)?;
        let index = if index < 0.0 { index + f64::from(view.len) } else { index };
        let number = super::arg_number(machine, args, 1)?;
        if index < 0.0 || index >= f64::from(view.len) {
            return range_error("Invalid typed array index");
        }
        let (out, changed) = new_array(machine, view.kind, view.len as usize)?;
        copy(machine, view, 0, changed, 0)?;
        machine.heap.set_view_element(changed, index as usize, number);
        Ok(NativeOutcome::Value(Value::Ref(out)))
    }),
};

/// The typed array that a method is called on. ECMA-262 §23.2.4.4 ValidateTypedArray.
fn this_view(machine: &Machine, args: &NativeArgs) -> Completion<View> {
    match args.this {
        Value::Ref(at) if let Some(view) = machine.heap.typed_array(at) => Ok(view),
        _ => {
            let receiver = iteration::receiver_text(machine, &args.this);
            type_error(format!(
                "Method %{} called on incompatible receiver {receiver}",
                args.name().replacen('.', "%.", 1)
            ))
        }
    }
}

/// A new typed array of zeros. Its bytes count as work.
fn new_array(machine: &mut Machine, kind: ViewKind, len: usize) -> Completion<(HeapRef, View)> {
    let created = machine.heap.new_typed_array(kind, len)?;
    machine.charge_work(created.1.byte_len() as u64 / 8);
    Ok(created)
}

fn view_outcome(machine: &mut Machine, view: View) -> NativeOutcome {
    NativeOutcome::Value(Value::Ref(machine.heap.allocate(super::super::entry::Entry::View(view))))
}

/// Copies elements, as many as fit. The bytes are copied twice, because the two may overlap.
fn copy(machine: &mut Machine, source: View, from: usize, target: View, at: usize) -> Completion {
    let count = (source.len as usize).saturating_sub(from).min((target.len as usize).saturating_sub(at)) as u64;
    machine.heap.check_room(count * source.kind.size() as u64)?;
    machine.charge_work(count);
    machine.heap.copy_elements(source, from, target, at);
    Ok(())
}

fn reverse(machine: &mut Machine, source: View, target: View) -> Completion {
    machine.charge_work(u64::from(source.len));
    machine.heap.check_room(8 * u64::from(source.len))?;
    let numbers: Vec<f64> = machine.heap.view_numbers(source, 0, source.len as usize).collect();
    for (index, number) in numbers.into_iter().rev().enumerate() {
        machine.heap.set_view_element(target, index, number);
    }
    Ok(())
}

/// The class whose function is called.
fn called_class(args: &NativeArgs) -> Completion<ViewKind> {
    let name = args.name().trim_start_matches("new ");
    match ViewKind::from_name(name.split('.').next().unwrap_or_default()) {
        Some(kind) => Ok(kind),
        None => internal("a class of typed arrays without its kind"),
    }
}

/// ECMA-262 §23.2.5.1 TypedArray.
fn construct(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let kind = called_class(args)?;
    let source = super::arg(machine, args, 0);
    if let Value::Ref(at) = source {
        if let Some(len) = machine.heap.buffer(at).map(|buffer| buffer.len()) {
            return view_of_buffer(machine, args, kind, at, len);
        }
        if let Some(source) = machine.heap.typed_array(at) {
            let (out, view) = new_array(machine, kind, source.len as usize)?;
            copy(machine, source, 0, view, 0)?;
            return Ok(NativeOutcome::Value(Value::Ref(out)));
        }
    }
    if source.is_object() {
        let values = list_argument(machine, args, &source)?;
        return new_of_values(machine, kind, &values);
    }
    let len = super::arg_integer(machine, args, 0, 0.0)?;
    // The greatest length of V8.
    if !(0.0..=4_294_967_296.0).contains(&len) {
        return invalid_length(len);
    }
    let (out, _) = new_array(machine, kind, len as usize)?;
    Ok(NativeOutcome::Value(Value::Ref(out)))
}

fn invalid_length<T>(len: f64) -> Completion<T> {
    range_error(format!("Invalid typed array length: {}", number::to_text(len)))
}

/// ECMA-262 §23.2.5.1.3 InitializeTypedArrayFromArrayBuffer.
fn view_of_buffer(
    machine: &mut Machine,
    args: &NativeArgs,
    kind: ViewKind,
    buffer: HeapRef,
    buffer_len: usize,
) -> NativeResult {
    let (size, buffer_len) = (kind.size() as f64, buffer_len as f64);
    let offset = super::arg_integer(machine, args, 1, 0.0)?;
    let len = super::arg_integer(machine, args, 2, f64::NAN)?;
    if offset % size != 0.0 {
        return range_error(format!("start offset of {} should be a multiple of {size}", kind.name()));
    }
    if len.is_nan() && buffer_len % size != 0.0 {
        return range_error(format!("byte length of {} should be a multiple of {size}", kind.name()));
    }
    if offset < 0.0 || (len.is_nan() && offset > buffer_len) {
        return range_error(format!("Start offset {} is outside the bounds of the buffer", number::to_text(offset)));
    }
    let len = match len.is_nan() {
        true => (buffer_len - offset) / size,
        false if len < 0.0 || offset + len * size > buffer_len => return invalid_length(len),
        false => len,
    };
    Ok(view_outcome(machine, View { kind, buffer, offset: offset as u32, len: len as u32 }))
}

/// A new typed array of these values. ECMA-262 §23.2.5.1.4 InitializeTypedArrayFromList.
fn new_of_values(machine: &mut Machine, kind: ViewKind, values: &[Value]) -> NativeResult {
    let (out, view) = new_array(machine, kind, values.len())?;
    machine.charge_work(values.len() as u64);
    for (index, value) in values.iter().enumerate() {
        let number = conversion::to_number(machine, value)?;
        machine.heap.set_view_element(view, index, number);
    }
    Ok(NativeOutcome::Value(Value::Ref(out)))
}

/// The values of the first argument: of an iterable, or of an object with a length.
fn list_argument(machine: &mut Machine, args: &NativeArgs, source: &Value) -> Completion<Vec<Value>> {
    match iteration::is_iterable(machine, source) {
        true => iteration::iterate_argument(machine, args),
        false => array_like(machine, source),
    }
}

/// The elements of an object with a length. ECMA-262 §7.3.18 LengthOfArrayLike.
fn array_like(machine: &mut Machine, source: &Value) -> Completion<Vec<Value>> {
    if let Value::Ref(at) = source
        && machine.heap.array(*at).is_some()
    {
        return Ok(machine.heap.elements(*at).into_iter().map(Value::or_undefined).collect());
    }
    let len = conversion::to_number(machine, &property::property(machine, source, &Value::text("length"))?)?;
    let len = number::to_integer(len).max(0.0);
    if len > f64::from(u32::MAX) {
        return invalid_length(len);
    }
    machine.heap.check_buffer_room((16.0 * len) as usize)?;
    machine.charge_work(16 * len as u64);
    (0..len as usize)
        .map(|index| property::property(machine, source, &Value::Text(number::to_text(index as f64))))
        .collect()
}

/// ECMA-262 §23.2.2.1 %TypedArray%.from. Deviation: an object with a length is read before the first mapper call.
fn from(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let kind = called_class(args)?;
    let mapping = match super::arg(machine, args, 1) {
        Value::Undefined => None,
        _ => {
            let (base, count) = (args.base + 1, args.count - 1);
            let mapping_args = NativeArgs { this: Value::Undefined, base, count, ..args.clone() };
            Some(NativeFrame::for_array(machine, &mapping_args, CallbackMethod::FromElements)?)
        }
    };
    let source = super::arg(machine, args, 0);
    let values = match &source {
        Value::Undefined | Value::Null | Value::Text(_) => iteration::iterate_argument(machine, args)?,
        Value::Ref(_) | Value::Builtin(_) => list_argument(machine, args, &source)?,
        _ => Vec::new(),
    };
    let Some(frame) = mapping else { return new_of_values(machine, kind, &values) };
    let (out, view) = new_array(machine, kind, values.len())?;
    let source = Value::Ref(machine.heap.new_array(values));
    callback::run_native(machine, NativeFrame { source, len: view.len, out: Value::Ref(out), ..frame })
}

/// ECMA-262 §23.2.2.2 %TypedArray%.of.
fn of(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let kind = called_class(args)?;
    let values = (0..args.count).map(|index| super::arg_number(machine, args, index).map(Value::Number));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    new_of_values(machine, kind, &values)
}

fn create_iterator(machine: &mut Machine, args: &NativeArgs, kind: IterationKind) -> NativeResult {
    this_view(machine, args)?;
    Ok(NativeOutcome::Value(Value::Ref(new_iterator(&mut machine.heap, args.this.clone(), kind))))
}

/// Starts a method that runs a callback per element.
fn start(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> NativeResult {
    this_view(machine, args)?;
    let frame = NativeFrame::for_array(machine, args, kind)?;
    callback::run_native(machine, frame)
}

fn start_reduction(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> NativeResult {
    let view = this_view(machine, args)?;
    let frame = NativeFrame { this: Value::Undefined, ..NativeFrame::for_array(machine, args, kind)? };
    if args.count > 1 {
        return callback::run_native(machine, NativeFrame { out: super::arg(machine, args, 1), ..frame });
    }
    let first = if kind == CallbackMethod::Reduce { 0 } else { view.len.saturating_sub(1) };
    match machine.heap.view_element(view, first as usize) {
        Some(number) => callback::run_native(machine, NativeFrame { out: Value::Number(number), index: 1, ..frame }),
        None => type_error("Reduce of empty array with no initial value"),
    }
}

/// The typed array of the elements that `filter` has collected.
pub(crate) fn finish_filter(machine: &mut Machine, frame: &NativeFrame) -> Completion<Value> {
    let (Value::Ref(source), Value::Ref(collected)) = (&frame.source, &frame.out) else {
        return internal("a filter without its elements");
    };
    let Some(view) = machine.heap.typed_array(*source) else { return internal("a filter without its typed array") };
    let values = machine.heap.elements(*collected);
    match new_of_values(machine, view.kind, &values)? {
        NativeOutcome::Value(filtered) => Ok(filtered),
        NativeOutcome::FramePushed => internal("a new typed array with a frame"),
    }
}

fn check_comparator(machine: &Machine, args: &NativeArgs) -> Completion {
    match super::arg(machine, args, 0) {
        Value::Undefined => Ok(()),
        comparator if conversion::is_callable(machine, &comparator) => Ok(()),
        _ => type_error("The comparison function must be either a function or undefined"),
    }
}

/// Sorts into `out`. Without a comparator, numbers ascend, -0 precedes 0, and NaN is last: ECMA-262 §23.2.4.7
/// CompareTypedArrayElements. Deviation: V8 calls the comparator for other pairs.
fn start_sort(machine: &mut Machine, args: &NativeArgs, view: View, out: Value) -> NativeResult {
    let has_comparator = !matches!(super::arg(machine, args, 0), Value::Undefined);
    machine.heap.check_room(if has_comparator { 40 } else { 8 } * u64::from(view.len))?;
    let mut numbers: Vec<f64> = machine.heap.view_numbers(view, 0, view.len as usize).collect();
    machine.charge_work(16 * u64::from(view.len) * u64::from(numbers.len().max(2).ilog2()));
    if has_comparator {
        let elements = numbers.into_iter().map(Value::Number).collect();
        let frame = NativeFrame {
            callback: super::arg(machine, args, 0),
            source: args.this.clone(),
            out,
            sorting: Some(Box::new(ArraySort::new(elements))),
            ..NativeFrame::new(CallbackMethod::Sort, args.bottom, machine.stack.len(), args.return_pc)
        };
        return callback::run_native(machine, frame);
    }
    // All NaN are the same and positive.
    sort_by(&mut numbers, f64::total_cmp);
    if let Value::Ref(out) = out
        && let Some(sorted) = machine.heap.typed_array(out)
    {
        for (index, number) in numbers.into_iter().enumerate() {
            machine.heap.set_view_element(sorted, index, number);
        }
    }
    Ok(NativeOutcome::Value(out))
}
