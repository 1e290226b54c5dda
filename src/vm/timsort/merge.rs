//! Merging two runs: element by element, and by searching once one of them wins again and again.

use serde::{Deserialize, Serialize};

use super::super::value::Value;
use super::{Answers, MIN_GALLOP, Step, TimSort, get};

/// Two runs being merged: the shorter is in `temp`, the longer stays in `work`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Merge {
    /// The right run is the shorter one: merged from the end.
    backwards: bool,
    /// Where the longer run begins, where backwards.
    base: i64,
    /// Next place to be filled.
    dest: i64,
    /// Next elements of the longer and of the shorter run, and how many of each are left.
    work: i64,
    temp: i64,
    work_left: i64,
    temp_left: i64,
    /// How often in a row each came first.
    work_wins: i64,
    temp_wins: i64,
}

impl Answers {
    /// How many of the `len` elements from `base` on go before the key; equal ones do where `after_equal`. The search begins at
    /// `hint`, in steps that double.
    fn gallop(
        &mut self,
        list: &[Value],
        key: &Value,
        (base, len): (i64, i64),
        hint: i64,
        after_equal: bool,
    ) -> Option<i64> {
        let mut goes_before = |index: i64| {
            let element = get(list, base + index);
            if after_equal { self.less(key, &element).map(|less| !less) } else { self.less(&element, key) }
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
    pub(super) fn merge(&mut self, answers: &mut Answers) -> Option<()> {
        let left = usize::try_from(self.progress.left).ok()?;
        let [(base_a, len_a), (base_b, len_b)] = self.progress.runs.get(left..left + 2)? else { return None };
        let (base_a, len_a, base_b, len_b) = (*base_a, *len_a, *base_b, *len_b);
        // Elements that are in place at both ends are left alone.
        let skipped = answers.gallop(&self.work, &self.at(base_b), (base_a, len_a), 0, true)?;
        let (from, count_a) = (base_a + skipped, len_a - skipped);
        let count_b = match count_a {
            0 => 0,
            _ => answers.gallop(&self.work, &self.at(from + count_a - 1), (base_b, len_b), len_b - 1, false)?,
        };
        self.progress.runs.remove(left + 1);
        if let Some(run) = self.progress.runs.get_mut(left) {
            *run = (base_a, len_a + len_b);
        }
        self.progress.step = Step::Collapse;
        if count_a == 0 || count_b == 0 {
            return Some(());
        }
        self.progress.step = Step::Walk;
        let backwards = count_a > count_b;
        let (begin, count) = if backwards { (base_b, count_b) } else { (from, count_a) };
        self.temp = self.work.get(begin as usize..(begin + count) as usize).map(<[Value]>::to_vec).unwrap_or_default();
        let merge = Merge { backwards, base: from, ..Merge::default() };
        self.progress.merge = if backwards {
            Merge {
                dest: base_b + count_b - 1,
                work: from + count_a - 1,
                temp: count_b - 1,
                work_left: count_a,
                temp_left: count_b,
                ..merge
            }
        } else {
            Merge { dest: from, work: base_b, temp: 0, work_left: count_b, temp_left: count_a, ..merge }
        };
        self.take_work(1);
        self.settle();
        Some(())
    }

    pub(super) fn walk(&mut self, answers: &mut Answers) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), get(&self.temp, merge.temp));
        let less = if merge.backwards { answers.less(&temp, &work)? } else { answers.less(&work, &temp)? };
        if less {
            self.take_work(1);
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (merge.work_wins + 1, 0);
        } else {
            self.take_temp(1);
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (0, merge.temp_wins + 1);
        }
        let wins = self.progress.merge.work_wins.max(self.progress.merge.temp_wins);
        if !self.settle() && wins >= self.progress.min_gallop {
            self.progress.min_gallop += 1;
            self.progress.step = Step::GallopLeft;
        }
        Some(())
    }

    pub(super) fn gallop_left(&mut self, answers: &mut Answers) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), get(&self.temp, merge.temp));
        let count = if merge.backwards {
            let part = (merge.base, merge.work_left);
            merge.work_left - answers.gallop(&self.work, &temp, part, merge.work_left - 1, true)?
        } else {
            answers.gallop(&self.temp, &work, (merge.temp, merge.temp_left), 0, true)?
        };
        self.progress.min_gallop = (self.progress.min_gallop - 1).max(1);
        self.gallop_done(count, !merge.backwards, Step::GallopRight);
        Some(())
    }

    pub(super) fn gallop_right(&mut self, answers: &mut Answers) -> Option<()> {
        let merge = self.progress.merge;
        let (work, temp) = (self.at(merge.work), get(&self.temp, merge.temp));
        let count = if merge.backwards {
            merge.temp_left - answers.gallop(&self.temp, &work, (0, merge.temp_left), merge.temp_left - 1, false)?
        } else {
            answers.gallop(&self.work, &temp, (merge.work, merge.work_left), 0, false)?
        };
        let other = if merge.backwards { merge.work_wins } else { merge.temp_wins };
        let goes_on = count >= MIN_GALLOP || other >= MIN_GALLOP;
        self.gallop_done(count, merge.backwards, if goes_on { Step::GallopLeft } else { Step::Walk });
        if self.progress.step == Step::Walk {
            self.progress.min_gallop += 1;
            (self.progress.merge.work_wins, self.progress.merge.temp_wins) = (0, 0);
        }
        Some(())
    }

    /// Takes what was found, and one of the other run, which goes behind it.
    fn gallop_done(&mut self, count: i64, of_temp: bool, next: Step) {
        if of_temp {
            self.progress.merge.temp_wins = count;
            self.take_temp(count);
        } else {
            self.progress.merge.work_wins = count;
            self.take_work(count);
        }
        if self.settle() {
            return;
        }
        if of_temp {
            self.take_work(1)
        } else {
            self.take_temp(1)
        }
        if !self.settle() {
            self.progress.step = next;
        }
    }

    fn take_work(&mut self, count: i64) {
        for _ in 0..count {
            let value = self.at(self.progress.merge.work);
            let merge = &mut self.progress.merge;
            merge.work += merge.direction();
            merge.work_left -= 1;
            self.fill(value);
        }
    }

    fn take_temp(&mut self, count: i64) {
        for _ in 0..count {
            let value = get(&self.temp, self.progress.merge.temp);
            let merge = &mut self.progress.merge;
            merge.temp += merge.direction();
            merge.temp_left -= 1;
            self.fill(value);
        }
    }

    fn fill(&mut self, value: Value) {
        let merge = &mut self.progress.merge;
        let place = usize::try_from(merge.dest).ok().and_then(|dest| self.work.get_mut(dest));
        if let Some(place) = place {
            *place = value;
        }
        merge.dest += merge.direction();
    }

    /// Ends the merge once one run is used up, or only the last element of the shorter one is left, which goes behind all.
    fn settle(&mut self) -> bool {
        let Merge { work_left, temp_left, .. } = self.progress.merge;
        if work_left > 0 && temp_left > 1 {
            return false;
        }
        if temp_left == 1 {
            self.take_work(work_left);
        }
        self.take_temp(temp_left);
        self.temp = Vec::new();
        self.progress.merge = Merge::default();
        self.progress.step = Step::Collapse;
        true
    }
}

impl Merge {
    /// Whether no number leads outside so many elements.
    pub(super) fn is_sound(self, len: i64) -> bool {
        let Merge { base, dest, work, temp, work_left, temp_left, .. } = self;
        [base, dest, work, temp, work_left, temp_left].iter().all(|number| (-1..=len).contains(number))
    }

    fn direction(self) -> i64 {
        if self.backwards { -1 } else { 1 }
    }
}
