//! The steps of the methods that call back for the elements of an array, and of `sort`. They need the heap and the
//! stack only, so a method whose callback is an ordinary function of the program keeps the frame of the callback from
//! one element to the next.

use super::abrupt_completion::{AbruptCompletion, Completion};
use super::array_sort::check_writable;
use super::callback::CallbackMethod::{self, self as C};
use super::callback::{CallbackStep, NativeFrame};
use super::entry::{Entry, VALUE_BYTES};
use super::frame::{CallKind, Frame};
use super::heap::Heap;
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::object::Prototype;
use super::operand_stack::{PushInlined, push_copy};
use super::table::TableParts;
use super::value::{HeapRef, Value};
use super::{descriptor, number, object, property, work};

impl NativeFrame {
    /// Pushes the arguments for the next element. False if the method ends. `arity` is the number of arguments that the
    /// callback can observe.
    pub(super) fn next_element(
        &mut self,
        heap: &mut Heap,
        stack: &mut Vec<Value>,
        arity: usize,
    ) -> Result<bool, ExceededLimit> {
        let Value::Ref(array) = self.source else { return Ok(false) };
        if self.kind == CallbackMethod::From {
            if heap.array(array).is_none() {
                heap.check_room(0)?;
                let Some(element) = self.next_from(heap, array) else { return Ok(false) };
                push_copy(stack, &element);
                if arity > 1 {
                    stack.push_inlined(Value::Number(f64::from(self.index)));
                }
                self.index = self.index.wrapping_add(1);
                return Ok(true);
            }
            // Elements that are appended during the iteration are visited.
            self.len = heap.array_len(array) as u32;
        }
        let mut skipped = 0;
        while self.index < self.len {
            let index = if self.kind.runs_backwards() { self.len - 1 - self.index } else { self.index };
            self.index += 1;
            work::count_link(skipped);
            skipped += 1;
            let number;
            let element = match heap.find_element(array, index as usize) {
                Some(element) => element,
                None => match heap.typed_array(array).and_then(|view| heap.view_element(view, index as usize)) {
                    Some(found) => {
                        number = Value::Number(found);
                        &number
                    }
                    None => &Value::Hole,
                },
            };
            if matches!(element, Value::Hole) && self.kind.skips_holes() {
                if self.kind == CallbackMethod::Map {
                    self.append_result(heap, Value::Hole)?;
                }
                continue;
            }
            let element = if let Value::Hole = element { &Value::Undefined } else { element };
            // Arguments that the callback does not declare are not pushed.
            let mut arity = arity;
            if let C::Filter | C::FilterElements | C::Find | C::FindLast = self.kind {
                self.item.assign(element);
            }
            if let CallbackMethod::Reduce | CallbackMethod::ReduceRight = self.kind {
                push_copy(stack, &self.out);
                arity = arity.saturating_sub(1);
            }
            push_copy(stack, element);
            if arity > 1 {
                stack.push_inlined(Value::Number(f64::from(index)));
            }
            if arity > 2 && !matches!(self.kind, C::From | C::FromElements) {
                stack.push_inlined(Value::Ref(array));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The next element of a source of `Array.from` that is not an array: of an iterator, or of an object with a
    /// length.
    fn next_from(&self, heap: &mut Heap, source: HeapRef) -> Option<Value> {
        match heap.get(source) {
            Entry::Iterator(_) => object::iterator_next(heap, source),
            Entry::Object(_) if self.index >= self.len => None,
            Entry::Object(object) => {
                // As in `Array.from({ length: 3 }, f)`.
                if let (Prototype::DEFAULT, TableParts::Small([(Value::Text(key), _)], _)) =
                    (object.proto, object.table.parts())
                    && key.array_index().is_none()
                {
                    return Some(Value::Undefined);
                }
                let key = Value::Text(number::to_text(f64::from(self.index)));
                // Getters were refused at the start.
                let found = property::find_in_chain(heap, object, &key);
                let found = found.map_or(Value::Undefined, |found| descriptor::data_value(heap, found.clone()));
                Some(if let Value::Accessor(_) = found { Value::Undefined } else { found })
            }
            _ => None,
        }
    }

    /// The result of the method, if no callback has ended it before.
    pub(super) fn end_value(&self) -> Value {
        match self.kind {
            CallbackMethod::Some => Value::Bool(false),
            CallbackMethod::Every => Value::Bool(true),
            CallbackMethod::FindIndex | CallbackMethod::FindLastIndex => Value::Number(-1.0),
            CallbackMethod::ForEach | CallbackMethod::Find | CallbackMethod::FindLast => Value::Undefined,
            _ => self.out.clone(),
        }
    }

    /// Pushes the next two elements to compare. False if the sort ends.
    pub(super) fn next_comparison(&mut self, heap: &mut Heap, stack: &mut Vec<Value>) -> Completion<bool> {
        let Some(sorting) = &mut self.sorting else { return Ok(false) };
        if sorting.next_comparison(stack) {
            return Ok(true);
        }
        if let Value::Ref(out) = self.out {
            if let Some(view) = heap.typed_array(out) {
                for (index, value) in sorting.take_sorted(view.len as usize).iter().enumerate() {
                    let number = if let Value::Number(number) = value { *number } else { f64::NAN };
                    heap.set_view_element(view, index, number);
                }
                return Ok(false);
            }
            // The comparator may have changed the length. Sorted elements are written, and places of missing ones are
            // deleted.
            let elements = heap.elements(out);
            let appended = sorting.sorted_len().saturating_sub(elements.len());
            heap.check_room(VALUE_BYTES * appended as u64)?;
            let mut values = sorting.take_sorted(elements.len());
            check_writable(heap, out, &values)?;
            values.extend(elements.into_iter().skip(values.len()));
            heap.set_elements(out, values);
        }
        Ok(false)
    }

    /// Processes the result of the callback for an element. `Some` ends the method.
    pub(super) fn accept_element(&mut self, heap: &mut Heap, result: &Value) -> Result<Option<Value>, ExceededLimit> {
        let index = self.index.wrapping_sub(1);
        let index = if self.kind.runs_backwards() { self.len.wrapping_sub(1).wrapping_sub(index) } else { index };
        match self.kind {
            CallbackMethod::Map | CallbackMethod::From => self.append_result(heap, result.clone())?,
            CallbackMethod::Filter if result.truthy() => self.append_result(heap, self.item.clone())?,
            CallbackMethod::FlatMap => match result {
                Value::Ref(at) if heap.array(*at).is_some() => {
                    for value in heap.elements(*at) {
                        if !matches!(value, Value::Hole) {
                            self.append_result(heap, value)?;
                        }
                    }
                }
                result => self.append_result(heap, result.clone())?,
            },
            CallbackMethod::Some if result.truthy() => return Ok(Some(Value::Bool(true))),
            CallbackMethod::Every if !result.truthy() => return Ok(Some(Value::Bool(false))),
            CallbackMethod::Find | CallbackMethod::FindLast if result.truthy() => return Ok(Some(self.item.clone())),
            CallbackMethod::FindIndex | CallbackMethod::FindLastIndex if result.truthy() => {
                return Ok(Some(Value::Number(f64::from(index))));
            }
            CallbackMethod::Reduce | CallbackMethod::ReduceRight => self.out.assign(result),
            _ => {}
        }
        Ok(None)
    }

    pub(super) fn append_result(&self, heap: &mut Heap, value: Value) -> Result<(), ExceededLimit> {
        match self.out {
            Value::Ref(out) => heap.push(out, value),
            _ => Ok(()),
        }
    }
}

/// Accepts the value on top of the stack from the callback on top, and begins the next call of the same function in the
/// same frame. `None`: nothing has changed, because the method or the callback needs more than that.
pub(super) fn repeat_callback(machine: &mut Machine) -> Completion<Option<CallbackStep>> {
    let Machine { frames, stack, heap, linked, limits, .. } = machine;
    let fits = frames.len() <= limits.frames as usize;
    let [.., Frame::Native(native), Frame::Code(code)] = frames.as_mut_slice() else { return Ok(None) };
    let Some(Some(plain)) = linked.plain_frames.get(code.function as usize) else { return Ok(None) };
    let is_same = matches!(native.callback, Value::Ref(callback) if callback == code.closure);
    let base = code.base as usize;
    if !is_same || !fits || code.call_kind != CallKind::Plain || base + plain.room as usize > limits.stack as usize {
        return Ok(None);
    }
    let arity = usize::from(plain.params);
    let calls = match (native.kind, &mut native.sorting, stack.last()) {
        (CallbackMethod::Sort, Some(sorting), Some(Value::Number(order))) => {
            sorting.record_comparison(*order < 0.0);
            stack.truncate(base);
            native.next_comparison(heap, stack)
        }
        (kind, None, Some(result)) if kind.is_elementwise() => {
            if let Some(value) = native.accept_element(heap, result)? {
                return Ok(Some(CallbackStep::Done(value)));
            }
            stack.truncate(base);
            native.next_element(heap, stack, arity).map_err(AbruptCompletion::from)
        }
        _ => return Ok(None),
    };
    let calls = match calls {
        Ok(calls) => calls,
        Err(completion) => {
            stack.truncate(native.top as usize);
            frames.pop();
            return Err(completion);
        }
    };
    if !calls {
        return Ok(Some(CallbackStep::Done(native.end_value())));
    }
    stack.truncate(base + arity);
    while stack.len() < base + usize::from(plain.slots) {
        stack.push_inlined(Value::Undefined);
    }
    (machine.base, machine.pc) = (base, plain.entry);
    Ok(Some(CallbackStep::Call))
}
