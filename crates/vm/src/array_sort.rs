//! Sorting by a comparator of the program. The state is explicit: one comparison at a time, because a comparator may
//! make a host call.

use super::abrupt_completion::{Completion, type_error};
use super::heap::Heap;
use super::timsort::TimSort;
use super::value::{HeapRef, Value};

/// A sort in progress. ECMA-262 §23.1.3.30.1 SortIndexedProperties.
#[derive(Clone)]
pub struct ArraySort {
    /// The algorithm with the elements that are compared.
    pub order: SortAlgorithm,
    /// The elements that are not compared.
    pub uncompared: UncomparedElements,
}

/// The sorting algorithm.
#[derive(Clone)]
pub enum SortAlgorithm {
    /// TimSort, as in Node.
    Tim(TimSort),
    /// The merge sort of older versions, for sorts that they began.
    Merge(MergeSort),
}

/// Elements that are never passed to the comparator. They are last. ECMA-262 §23.1.3.30.2 CompareArrayElements.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct UncomparedElements {
    /// `undefined`
    pub undefined: u32,
    /// Missing elements. They follow those that are `undefined`.
    pub holes: u32,
}

impl UncomparedElements {
    /// Separates these elements from those that are compared.
    pub fn split(elements: Vec<Value>) -> (Vec<Value>, UncomparedElements) {
        let mut uncompared = UncomparedElements::default();
        let mut compared = Vec::with_capacity(elements.len());
        for element in elements {
            match element {
                Value::Undefined => uncompared.undefined += 1,
                Value::Hole => uncompared.holes += 1,
                element => compared.push(element),
            }
        }
        (compared, uncompared)
    }

    /// Appends them to the sorted elements of an array of `len` elements. Missing elements beyond its end are not
    /// appended.
    pub fn append_to(self, sorted: &mut Vec<Value>, len: usize) {
        sorted.extend(std::iter::repeat_n(Value::Undefined, self.undefined as usize));
        let holes = len.saturating_sub(sorted.len()).min(self.holes as usize);
        sorted.extend(std::iter::repeat_n(Value::Hole, holes));
    }
}

impl ArraySort {
    /// A sort of these elements.
    pub fn new(elements: Vec<Value>) -> ArraySort {
        let (compared, uncompared) = UncomparedElements::split(elements);
        ArraySort { order: SortAlgorithm::Tim(TimSort::new(compared)), uncompared }
    }

    /// Pushes the next two elements to compare: is the first less than the second? False when the sort is complete.
    pub fn next_comparison(&mut self, operands: &mut Vec<Value>) -> bool {
        match &mut self.order {
            SortAlgorithm::Tim(sort) => sort.next_comparison(operands),
            SortAlgorithm::Merge(sort) => {
                sort.next_comparison().map(|pair| operands.extend(<[Value; 2]>::from(pair))).is_some()
            }
        }
    }

    /// Records the result of the comparison that [`ArraySort::next_comparison`] requested.
    pub fn record_comparison(&mut self, less: bool) {
        match &mut self.order {
            SortAlgorithm::Tim(sort) => sort.record_comparison(less),
            SortAlgorithm::Merge(sort) => sort.record_comparison(less),
        }
    }

    /// Number of the sorted elements, without missing ones.
    pub fn sorted_len(&self) -> usize {
        let compared = match &self.order {
            SortAlgorithm::Tim(sort) => sort.work.len(),
            SortAlgorithm::Merge(sort) => sort.from.len(),
        };
        compared + self.uncompared.undefined as usize
    }

    /// The sorted elements of an array that has `len` elements now.
    pub fn take_sorted(&mut self, len: usize) -> Vec<Value> {
        let mut all = std::mem::take(match &mut self.order {
            SortAlgorithm::Tim(sort) => &mut sort.work,
            SortAlgorithm::Merge(sort) => &mut sort.from,
        });
        self.uncompared.append_to(&mut all, len);
        all
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        match &self.order {
            SortAlgorithm::Tim(sort) => sort.work.iter().chain(&sort.temp).for_each(visit),
            SortAlgorithm::Merge(sort) => sort.from.iter().chain(&sort.into).for_each(visit),
        }
    }
}

/// Refuses to write sorted elements to a frozen array. V8 writes two or more, from the first on, and no holes.
pub(super) fn check_writable(heap: &Heap, array: HeapRef, sorted: &[Value]) -> Completion {
    let is_frozen = heap.array(array).is_some_and(|array| array.frozen);
    match sorted {
        [first, _, ..] if is_frozen && !matches!(first, Value::Hole) => match heap.element(array, 0) {
            Value::Hole => type_error("Cannot add property 0, object is not extensible"),
            _ => type_error("Cannot assign to read only property '0' of object '[object Array]'"),
        },
        _ => Ok(()),
    }
}

/// A stable merge sort: runs of `width` in `from` are merged into `into`.
#[derive(Clone, Default)]
pub struct MergeSort {
    /// The runs being merged.
    pub from: Vec<Value>,
    /// The elements merged in this round.
    pub into: Vec<Value>,
    /// Length of a sorted run.
    pub width: u32,
    /// The next element of the left and of the right run.
    pub left: u32,
    /// See `left`.
    pub right: u32,
}

impl MergeSort {
    fn len(&self) -> u32 {
        self.from.len() as u32
    }

    /// The runs being merged: start of the left, start of the right, end of the right.
    fn bounds(&self) -> (u32, u32, u32) {
        let begin = self.into.len() as u32 / (2 * self.width) * (2 * self.width);
        let middle = (begin + self.width).min(self.len());
        (begin, middle, (begin + 2 * self.width).min(self.len()))
    }

    fn next_comparison(&mut self) -> Option<(Value, Value)> {
        while self.width < self.len() {
            let (_, middle, end) = self.bounds();
            if self.left < middle && self.right < end {
                // The right element goes first only if it is less, so equal elements keep their order.
                return Some((self.at(self.right), self.at(self.left)));
            }
            while self.left < middle {
                self.take_left();
            }
            while self.right < end {
                self.take_right();
            }
            if self.into.len() >= self.from.len() {
                self.from = std::mem::take(&mut self.into);
                self.width *= 2;
            }
            let (begin, middle, _) = self.bounds();
            (self.left, self.right) = (begin, middle);
        }
        None
    }

    fn record_comparison(&mut self, less: bool) {
        if less { self.take_right() } else { self.take_left() }
    }

    fn at(&self, index: u32) -> Value {
        self.from.get(index as usize).cloned().unwrap_or(Value::Undefined)
    }

    fn take_left(&mut self) {
        self.take(self.left);
        self.left += 1;
    }

    fn take_right(&mut self) {
        self.take(self.right);
        self.right += 1;
    }

    fn take(&mut self, index: u32) {
        match self.from.get(index as usize) {
            Some(Value::Number(n)) => self.into.push(Value::Number(*n)),
            Some(Value::Ref(at)) => self.into.push(Value::Ref(*at)),
            other => self.into.push(other.cloned().unwrap_or(Value::Undefined)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_sort_is_stable_at_every_length() {
        for len in 0..70u32 {
            let keys: Vec<u32> = (0..len).map(|i| i * 7919 % 10).collect();
            let values = keys.iter().zip(0..).map(|(key, i)| Value::Number(f64::from(*key) + f64::from(i) / 1000.0));
            let mut sorting = MergeSort { from: values.collect(), width: 1, right: 1, ..MergeSort::default() };
            while let Some((Value::Number(a), Value::Number(b))) = sorting.next_comparison() {
                sorting.record_comparison(a.floor() < b.floor());
            }
            let sorted: Vec<f64> =
                sorting.from.into_iter().map(|v| if let Value::Number(n) = v { n } else { f64::NAN }).collect();
            let mut expected: Vec<f64> =
                keys.iter().zip(0..).map(|(k, i)| f64::from(*k) + f64::from(i) / 1000.0).collect();
            expected.sort_by(|a, b| a.floor().total_cmp(&b.floor()));
            assert_eq!(sorted, expected);
        }
    }
}
