//! Merging two runs: element by element, or by galloping when one run wins repeatedly.

use serde::{Deserialize, Serialize};

use super::super::value::Value;
use super::{Comparisons, MIN_GALLOP, SortStep, TimSort, element_at};

/// A merge of two runs. The shorter is in `temp`; the longer remains in `work`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RunMerge {
    /// The right run is the shorter one, so the merge runs from the end.
    backwards: bool,
    /// Start of the longer run, if backwards.
    base: i64,
    /// Next index to fill.
    dest: i64,
    /// Next element of the longer and of the shorter run, and the number of elements left in each.
    work: i64,
    temp: i64,
    work_left: i64,
    temp_left: i64,
    /// Comparisons that each won in a row.
    work_wins: i64,
    temp_wins: i64,
}

impl Comparisons<'_> {
    /// The number of elements among the `len` from `base` on that precede the key; equal ones do if `after_equal`. The
    /// search starts at `hint` and doubles its steps.
    fn gallop(
        &mut self,
        list: &[Value],
        key: &Value,
        (base, len): (i64, i64),
        hint: i64,
        after_equal: bool,
    ) -> Option<i64> {
        let mut goes_before = |index: i64| {
            let element = element_at(list, base + index);
            if after_equal { self.less(key, element).map(|less| !less) } else { self.less(element, key) }
        };
        let (mut last, mut offset) = (0, 1);
        if goes_before(hint)? {
            let most = len - hint;
            while offset < most && goes_before(hint + offset)? {
                (last, offset) = (offset, offset * 2 + 1);
            }
            (last, offset) = (last + hint, offset.min(most) + hint);
        } else {
            let most = hint + 1;
            while offset < most && !goes_before(hint - offset)? {
                (last, offset) = (offset, offset * 2 + 1);
            }
            (last, offset) = (hint - offset.min(most), hint - last);
        }
        last += 1;
        while last < offset {
            let middle = last + (offset - last) / 2;
            if goes_before(middle)? { last = middle + 1 } else { offset = middle }
        }
        Some(offset)
    }
}

impl TimSort {
    pub(super) fn merge(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let left = usize::try_from(self.progress.left).ok()?;
        let [(base_a, len_a), (base_b, len_b)] = self.progress.runs.get(left..left + 2)? else { return None };
        let (base_a, len_a, base_b, len_b) = (*base_a, *len_a, *base_b, *len_b);
        // Elements at both ends that are already in place stay there.
        let skipped = comparisons.gallop(&self.work, self.at(base_b), (base_a, len_a), 0, true)?;
        let (from, count_a) = (base_a + skipped, len_a - skipped);
        let count_b = match count_a {
            0 => 0,
            _ => comparisons.gallop(&self.work, self.at(from + count_a - 1), (base_b, len_b), len_b - 1, false)?,
        };
        self.progress.runs.remove(left + 1);
        if let Some(run) = self.progress.runs.get_mut(left) {
            *run = (base_a, len_a + len_b);
        }
        self.progress.step = SortStep::Collapse;
        if count_a == 0 || count_b == 0 {
            return Some(());
        }
        self.progress.step = SortStep::Walk;
        let backwards = count_a > count_b;
        let (begin, count) = if backwards { (base_b, count_b) } else { (from, count_a) };
        self.temp = self.work.get(begin as usize..(begin + count) as usize).map(<[Value]>::to_vec).unwrap_or_default();
        let merge = RunMerge { backwards, base: from, ..RunMerge::default() };
        self.progress.merge = if backwards {
            RunMerge {
                dest: base_b + count_b - 1,
                work: from + count_a - 1,
                temp: count_b - 1,
                work_left: count_a,
                temp_left: count_b,
                ..merge
            }
        } else {
            RunMerge { dest: from, work: base_b, temp: 0, work_left: count_b, temp_left: count_a, ..merge }
        };
        self.take_work(1);
        self.finish_if_exhausted();
        Some(())
    }

    pub(super) fn merge_next(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), element_at(&self.temp, merge.temp));
        let less = if merge.backwards { comparisons.less(temp, work)? } else { comparisons.less(work, temp)? };
        if less {
            self.take_work(1);
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (merge.work_wins + 1, 0);
        } else {
            self.take_temp(1);
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (0, merge.temp_wins + 1);
        }
        let wins = self.progress.merge.work_wins.max(self.progress.merge.temp_wins);
        if !self.finish_if_exhausted() && wins >= self.progress.min_gallop {
            self.progress.min_gallop += 1;
            self.progress.step = SortStep::GallopLeft;
        }
        Some(())
    }

    pub(super) fn gallop_left(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), element_at(&self.temp, merge.temp));
        let count = if merge.backwards {
            let part = (merge.base, merge.work_left);
            merge.work_left - comparisons.gallop(&self.work, temp, part, merge.work_left - 1, true)?
        } else {
            comparisons.gallop(&self.temp, work, (merge.temp, merge.temp_left), 0, true)?
        };
        self.progress.min_gallop = (self.progress.min_gallop - 1).max(1);
        self.apply_gallop(count, !merge.backwards, SortStep::GallopRight);
        Some(())
    }

    pub(super) fn gallop_right(&mut self, comparisons: &mut Comparisons<'_>) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), element_at(&self.temp, merge.temp));
        let count = if merge.backwards {
            merge.temp_left - comparisons.gallop(&self.temp, work, (0, merge.temp_left), merge.temp_left - 1, false)?
        } else {
            comparisons.gallop(&self.work, temp, (merge.work, merge.work_left), 0, false)?
        };
        let other = if merge.backwards { merge.work_wins } else { merge.temp_wins };
        let gallops = count >= MIN_GALLOP || other >= MIN_GALLOP;
        self.apply_gallop(count, merge.backwards, if gallops { SortStep::GallopLeft } else { SortStep::Walk });
        if self.progress.step == SortStep::Walk {
            self.progress.min_gallop += 1;
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (0, 0);
        }
        Some(())
    }

    /// Takes the elements found, and then one of the other run.
    fn apply_gallop(&mut self, count: i64, from_temp: bool, next: SortStep) {
        if from_temp {
            self.progress.merge.temp_wins = count;
            self.take_temp(count);
        } else {
            self.progress.merge.work_wins = count;
            self.take_work(count);
        }
        if self.finish_if_exhausted() {
            return;
        }
        if from_temp {
            self.take_work(1)
        } else {
            self.take_temp(1)
        }
        if !self.finish_if_exhausted() {
            self.progress.step = next;
        }
    }

    fn take_work(&mut self, count: i64) {
        for _ in 0..count {
            let merge = &mut self.progress.merge;
            if let (Ok(from), Ok(dest)) = (usize::try_from(merge.work), usize::try_from(merge.dest))
                && let Ok([from, dest]) = self.work.get_disjoint_mut([from, dest])
            {
                dest.assign(from);
            }
            merge.work += merge.direction();
            merge.work_left -= 1;
            merge.dest += merge.direction();
        }
    }

    fn take_temp(&mut self, count: i64) {
        for _ in 0..count {
            let merge = &mut self.progress.merge;
            if let Some(dest) = usize::try_from(merge.dest).ok().and_then(|dest| self.work.get_mut(dest)) {
                dest.assign(element_at(&self.temp, merge.temp));
            }
            merge.temp += merge.direction();
            merge.temp_left -= 1;
            merge.dest += merge.direction();
        }
    }

    /// Ends the merge when one run is used up, or when only the last element of the shorter run is left: it follows all
    /// others.
    fn finish_if_exhausted(&mut self) -> bool {
        let RunMerge { work_left, temp_left, .. } = self.progress.merge;
        if work_left > 0 && temp_left > 1 {
            return false;
        }
        if temp_left == 1 {
            self.take_work(work_left);
        }
        self.take_temp(temp_left);
        self.temp = Vec::new();
        self.progress.merge = RunMerge::default();
        self.progress.step = SortStep::Collapse;
        true
    }
}

impl RunMerge {
    /// Whether every index is within this many elements.
    pub(super) fn is_sound(self, len: i64) -> bool {
        let RunMerge { base, dest, work, temp, work_left, temp_left, .. } = self;
        [base, dest, work, temp, work_left, temp_left].iter().all(|number| (-1..=len).contains(number))
    }

    fn direction(self) -> i64 {
        if self.backwards { -1 } else { 1 }
    }
}
