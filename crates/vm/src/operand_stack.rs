//! Pushing onto the stacks of values and frames. The only unsafe code of this crate.
//!
//! In a switch of many cases the compiler takes each call for a rare one and does not inline [`Vec::push`]. The value
//! is then passed through memory, and the copy waits for the stores before it. Milliseconds of `benches/vm.rs`, by the
//! body of `push_inlined`:
//!
//! | body | fib(27) | loop of 3 M | closures |
//! |---|---|---|---|
//! | as below | 17 | 54 | 13 |
//! | `self.extend(Some(value))` | 21 | 58 | 14 |
//! | `self.push(value)` | 23 | 85 | 16 |

#![allow(unsafe_code)]

use super::value::Value;

/// A list whose `push` is always inlined.
pub(super) trait PushInlined<T> {
    /// As [`Vec::push`].
    fn push_inlined(&mut self, value: T);
}

impl<T> PushInlined<T> for Vec<T> {
    #[inline(always)]
    fn push_inlined(&mut self, value: T) {
        let len = self.len();
        if len == self.capacity() {
            grow(self);
        }
        // SAFETY: The capacity exceeds the length: it did, or `grow` has reserved room for one value more. So the place
        // after the last value belongs to the list and holds no value, and after the write the first `len + 1` places
        // hold values.
        unsafe {
            self.as_mut_ptr().add(len).write(value);
            self.set_len(len + 1);
        }
    }
}

/// Pushes a copy, as [`Value::assign`] makes it.
#[inline]
pub(super) fn push_copy(list: &mut Vec<Value>, source: &Value) {
    match source {
        Value::Number(n) => list.push_inlined(Value::Number(*n)),
        Value::Ref(at) => list.push_inlined(Value::Ref(*at)),
        other => list.push_inlined(other.clone()),
    }
}

#[cold]
#[inline(never)]
fn grow<T>(list: &mut Vec<T>) {
    list.reserve(1);
}

#[cfg(test)]
mod tests {
    use super::PushInlined;

    #[test]
    fn pushed_values_are_kept_and_dropped_once() {
        let shared = std::rc::Rc::new(());
        let mut list = Vec::new();
        for len in 1..100 {
            list.push_inlined(std::rc::Rc::clone(&shared));
            assert_eq!((list.len(), std::rc::Rc::strong_count(&shared)), (len, len + 1));
        }
        drop(list);
        assert_eq!(std::rc::Rc::strong_count(&shared), 1);
    }
}
