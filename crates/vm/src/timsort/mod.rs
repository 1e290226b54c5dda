//! TimSort (Tim Peters, listsort.txt) as in V8 (`third_party/v8/builtins/array-sort.tq`), one comparison at a time. A
//! comparator of the program may make a host call. It receives the same pairs in the same order as in Node.
//!
//! The sort is a sequence of steps with few comparisons each. A step that lacks a result changes no state and runs
//! again when the result is known.

mod merge;

use serde::{Deserialize, Serialize};

use super::operand_stack::push_copy;
use super::value::Value;
use merge::RunMerge;

/// A merge gallops when one run wins this many comparisons in a row.
const MIN_GALLOP: i64 = 7;
/// Arrays shorter than this are one run.
const MIN_MERGE: i64 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum SortStep {
    /// The first two elements of a run.
    Begin,
    /// The next element of a run.
    Extend,
    /// The next element inserted into a short run.
    Insert,
    /// Choice of the runs to merge next.
    Collapse,
    /// The parts of two runs that must be merged.
    Merge,
    /// The next element of two runs.
    Walk,
    /// The elements of the left run before the next of the right one.
    GallopLeft,
    /// The elements of the right run before the next of the left one.
    GallopRight,
    Done,
}

/// The state of a sort, except the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SortProgress {
    step: SortStep,
    /// Start and length of the run being built.
    low: i64,
    run: i64,
    descending: bool,
    /// The element to insert, and the end of the run.
    start: i64,
    end: i64,
    /// Runs that are not merged yet: start and length.
    runs: Vec<(i64, i64)>,
    /// All runs are built and are being merged into one.
    forced: bool,
    /// The left one of the two runs to merge.
    left: i64,
    min_gallop: i64,
    merge: RunMerge,
    /// Results of the comparisons of the current step.
    answers: Vec<bool>,
}

/// A sort in progress.
#[derive(Clone)]
pub struct TimSort {
    /// The elements.
    pub work: Vec<Value>,
    /// The shorter of two runs that are being merged.
    pub temp: Vec<Value>,
    /// The state of the sort.
    pub progress: SortProgress,
}

/// The results of a step's comparisons, in order.
struct Comparisons<'a> {
    results: Vec<bool>,
    next: usize,
    /// Receives the two values of a comparison whose result is not known.
    operands: &'a mut Vec<Value>,
}

impl Comparisons<'_> {
    /// Whether the first value is less than the second; `None` if the result is not known.
    #[inline]
    fn less(&mut self, a: &Value, b: &Value) -> Option<bool> {
        let result = self.results.get(self.next).copied();
        self.next += 1;
        if result.is_none() {
            push_copy(self.operands, a);
            push_copy(self.operands, b);
        }
        result
    }
}

impl TimSort {
    /// A sort of these elements.
    pub fn new(work: Vec<Value>) -> TimSort {
        let progress = SortProgress {
            step: if work.len() < 2 { SortStep::Done } else { SortStep::Begin },
            low: 0,
            run: 0,
            descending: false,
            start: 0,
            end: 0,
            runs: Vec::new(),
            forced: false,
            left: 0,
            min_gallop: MIN_GALLOP,
            merge: RunMerge::default(),
            answers: Vec::new(),
        };
        TimSort { work, temp: Vec::new(), progress }
    }

    /// Whether every index of the state is within the elements, so that the sort can continue.
    pub fn is_sound(&self) -> bool {
        let SortProgress { low, run, start, end, left, min_gallop, merge, runs, .. } = &self.progress;
        let inside = |number: &i64| (-1..=self.len()).contains(number);
        [low, run, start, end, left].into_iter().all(inside)
            && runs.iter().all(|(begin, length)| inside(begin) && *length > 0 && inside(&(begin + length)))
            && *min_gallop > 0
            && merge.is_sound(self.len())
    }

    fn len(&self) -> i64 {
        self.work.len() as i64
    }

    fn at(&self, index: i64) -> &Value {
        element_at(&self.work, index)
    }

    /// Pushes the next two values to compare: is the first less than the second? False when the sort is complete.
    pub fn next_comparison(&mut self, operands: &mut Vec<Value>) -> bool {
        while self.progress.step != SortStep::Done {
            let results = std::mem::take(&mut self.progress.answers);
            let mut comparisons = Comparisons { results, next: 0, operands };
            let is_complete = self.step(&mut comparisons).is_some();
            // The list is used again, so that a comparison allocates nothing.
            self.progress.answers = comparisons.results;
            if !is_complete {
                return true;
            }
            self.progress.answers.clear();
        }
        false
    }

    /// Records the result of the comparison that [`TimSort::next_comparison`] requested.
    pub fn record_comparison(&mut self, less: bool) {
        self.progress.answers.push(less);
    }

    fn step(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        match self.progress.step {
            SortStep::Begin => self.begin(comparisons),
            SortStep::Extend => self.extend(comparisons),
            SortStep::Insert => self.insert(comparisons),
            SortStep::Collapse => {
                self.collapse();
                Some(())
            }
            SortStep::Merge => self.merge(comparisons),
            SortStep::Walk => self.merge_next(comparisons),
            SortStep::GallopLeft => self.gallop_left(comparisons),
            SortStep::GallopRight => self.gallop_right(comparisons),
            SortStep::Done => Some(()),
        }
    }

    // ---- runs ----

    fn begin(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let low = self.progress.low;
        if self.len() - low < 2 {
            (self.progress.run, self.progress.descending) = (1, false);
            self.end_run();
            return Some(());
        }
        self.progress.descending = comparisons.less(self.at(low + 1), self.at(low))?;
        (self.progress.run, self.progress.step) = (2, SortStep::Extend);
        Some(())
    }

    fn extend(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let SortProgress { low, run, descending, .. } = self.progress;
        let next = low + run;
        if next < self.len() && comparisons.less(self.at(next), self.at(next - 1))? == descending {
            self.progress.run += 1;
            return Some(());
        }
        if descending && let Some(run) = self.work.get_mut(low as usize..next as usize) {
            run.reverse();
        }
        self.end_run();
        Some(())
    }

    /// Extends a run that is too short for merging with the elements that follow it.
    fn end_run(&mut self) {
        let (mut minimum, mut odd) = (self.len(), 0);
        while minimum >= MIN_MERGE {
            odd |= minimum & 1;
            minimum >>= 1;
        }
        let SortProgress { low, run, .. } = self.progress;
        let minimum = (minimum + odd).min(self.len() - low);
        if run < minimum {
            (self.progress.start, self.progress.end, self.progress.step) = (low + run, low + minimum, SortStep::Insert);
        } else {
            self.push_run(run);
        }
    }

    fn insert(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let SortProgress { low, start, end, .. } = self.progress;
        if start >= end {
            self.push_run(end - low);
            return Some(());
        }
        let pivot = self.at(start);
        let (mut left, mut right) = (low, start);
        while left < right {
            let middle = left + (right - left) / 2;
            if comparisons.less(pivot, self.at(middle))? { right = middle } else { left = middle + 1 }
        }
        // The slice is empty if a saved state was edited: the element is before its run.
        if let Some(moved @ [_, ..]) = self.work.get_mut(left as usize..=start as usize) {
            moved.rotate_right(1);
        }
        self.progress.start += 1;
        Some(())
    }

    fn push_run(&mut self, run: i64) {
        let (low, run) = (self.progress.low, run.max(1));
        self.progress.runs.push((low, run));
        self.progress.low = low + run;
        self.progress.step = SortStep::Collapse;
    }

    /// Merges while the lengths of the last runs violate the invariant of the run stack; at the end, merges all runs.
    fn collapse(&mut self) {
        let SortProgress { runs, forced, low, .. } = &self.progress;
        let length = |index: usize| runs.get(index).map_or(0, |run| run.1);
        let falls = |index: usize| index < 2 || length(index - 2) > length(index - 1) + length(index);
        let last = runs.len().saturating_sub(2);
        let merges =
            runs.len() > 1 && (*forced || !falls(last + 1) || !falls(last) || length(last) <= length(last + 1));
        if merges {
            // The middle one of three runs is merged with the shorter neighbor.
            let uneven = *forced || !falls(last + 1) || !falls(last);
            let before = uneven && last > 0 && length(last - 1) < length(last + 1);
            self.progress.left = last as i64 - i64::from(before);
            self.progress.step = SortStep::Merge;
        } else if *forced {
            self.progress.step = SortStep::Done;
        } else if *low < self.len() {
            self.progress.step = SortStep::Begin;
        } else {
            self.progress.forced = true;
        }
    }
}

fn element_at(list: &[Value], index: i64) -> &Value {
    usize::try_from(index).ok().and_then(|index| list.get(index)).unwrap_or(&Value::Undefined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[Value]) -> Vec<f64> {
        values.iter().map(|value| if let Value::Number(n) = value { *n } else { f64::NAN }).collect()
    }

    #[test]
    fn timsort_is_stable_at_every_length_and_after_every_restore() {
        let patterns: [fn(u32) -> u32; 5] =
            [|i| i * 7919 % 10, |i| i, |i| 1_000 - i, |i| i / 20 * 7 % 50 + i % 3, |i| (i * 31 + i / 50 * 17) % 300];
        for len in (0..140).chain([257, 500, 1_000]) {
            for key in patterns {
                let values: Vec<f64> = (0..len).map(|i| f64::from(key(i)) + f64::from(i) / 10_000.0).collect();
                let mut sort = TimSort::new(values.iter().map(|n| Value::Number(*n)).collect());
                let mut operands = Vec::new();
                while sort.next_comparison(&mut operands) {
                    let [a, b] = numbers(&std::mem::take(&mut operands))[..] else { panic!("two operands") };
                    assert!(sort.is_sound());
                    // As in a snapshot.
                    let progress = serde_json::to_value(&sort.progress).unwrap_or_default();
                    sort.progress = serde_json::from_value(progress).unwrap_or(sort.progress);
                    sort.record_comparison(a.floor() < b.floor());
                }
                let mut expected = values;
                expected.sort_by(|a, b| a.floor().total_cmp(&b.floor()));
                assert_eq!(numbers(&sort.work), expected, "{len}");
            }
        }
    }

    #[test]
    fn timsort_ends_for_inconsistent_comparators() {
        for seed in 0..200u32 {
            let values: Vec<Value> = (0..150).map(|i| Value::Number(f64::from(i))).collect();
            let mut sort = TimSort::new(values);
            let mut state = seed.wrapping_mul(2_654_435_761) | 1;
            while sort.next_comparison(&mut Vec::new()) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                sort.record_comparison(state >> 31 == 1);
                assert!(sort.is_sound(), "seed {seed}");
            }
            let mut found = numbers(&sort.work);
            found.sort_by(f64::total_cmp);
            assert!(found.iter().zip(0..).all(|(n, i)| *n == f64::from(i)), "seed {seed}: elements were lost");
        }
    }
}
