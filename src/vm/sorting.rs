//! A sort by the program's comparator, with its state laid open: one comparison at a time, so that a comparator may ask.

use super::timsort::TimSort;
use super::value::Value;

/// A sort under way.
#[derive(Clone)]
pub struct Sorting {
    /// The elements that are compared, and the algorithm.
    pub order: Order,
    /// The elements that are not compared.
    pub uncompared: Uncompared,
}

/// How the elements are sorted.
#[derive(Clone)]
pub enum Order {
    /// As Node does.
    Tim(TimSort),
    /// As older versions did, in sorts that they began.
    Merge(MergeSort),
}

/// Elements that no comparator sees. They come last.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Uncompared {
    /// `undefined`
    pub undefined: u32,
    /// Elements that the array does not have: behind those.
    pub holes: u32,
}

impl Uncompared {
    /// Parts these elements from those that are compared.
    pub fn split(elements: Vec<Value>) -> (Vec<Value>, Uncompared) {
        let mut uncompared = Uncompared::default();
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

    /// Puts them behind the sorted ones.
    pub fn append_to(self, sorted: &mut Vec<Value>) {
        sorted.extend(std::iter::repeat_n(Value::Undefined, self.undefined as usize));
        sorted.extend(std::iter::repeat_n(Value::Hole, self.holes as usize));
    }
}

impl Sorting {
    /// A sort of these elements.
    pub fn of(elements: Vec<Value>) -> Sorting {
        let (compared, uncompared) = Uncompared::split(elements);
        Sorting { order: Order::Tim(TimSort::of(compared)), uncompared }
    }

    /// The next two to compare: is the first less than the second? `None` when all is sorted.
    pub fn pair(&mut self) -> Option<(Value, Value)> {
        match &mut self.order {
            Order::Tim(sort) => sort.pair(),
            Order::Merge(sort) => sort.pair(),
        }
    }

    /// Records the result of the comparison that [`Sorting::pair`] asked for.
    pub fn decide(&mut self, less: bool) {
        match &mut self.order {
            Order::Tim(sort) => sort.decide(less),
            Order::Merge(sort) => sort.decide(less),
        }
    }

    /// The sorted elements.
    pub fn finished(&mut self) -> Vec<Value> {
        let mut all = std::mem::take(match &mut self.order {
            Order::Tim(sort) => &mut sort.work,
            Order::Merge(sort) => &mut sort.from,
        });
        self.uncompared.append_to(&mut all);
        all
    }

    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        match &self.order {
            Order::Tim(sort) => sort.work.iter().chain(&sort.temp).for_each(visit),
            Order::Merge(sort) => sort.from.iter().chain(&sort.into).for_each(visit),
        }
    }
}

/// A stable merge sort: runs of `width` in `from` are merged into `into`.
#[derive(Clone, Default)]
pub struct MergeSort {
    /// The runs being merged.
    pub from: Vec<Value>,
    /// What has been merged in this round.
    pub into: Vec<Value>,
    /// Length of a sorted run.
    pub width: u32,
    /// Where the left and the right run go on.
    pub left: u32,
    /// See `left`.
    pub right: u32,
}

impl MergeSort {
    fn len(&self) -> u32 {
        self.from.len() as u32
    }

    /// The runs that are being merged: begin of the left, of the right, end of the right.
    fn bounds(&self) -> (u32, u32, u32) {
        let begin = self.into.len() as u32 / (2 * self.width) * (2 * self.width);
        let middle = (begin + self.width).min(self.len());
        (begin, middle, (begin + 2 * self.width).min(self.len()))
    }

    fn pair(&mut self) -> Option<(Value, Value)> {
        while self.width < self.len() {
            let (_, middle, end) = self.bounds();
            if self.left < middle && self.right < end {
                // The right one goes first only if it is less: equal ones keep their order.
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

    fn decide(&mut self, less: bool) {
        if less { self.take_right() } else { self.take_left() }
    }

    fn at(&self, place: u32) -> Value {
        self.from.get(place as usize).cloned().unwrap_or(Value::Undefined)
    }

    fn take_left(&mut self) {
        self.take(self.left);
        self.left += 1;
    }

    fn take_right(&mut self) {
        self.take(self.right);
        self.right += 1;
    }

    fn take(&mut self, place: u32) {
        match self.from.get(place as usize) {
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
    fn sorts_stably_at_every_length() {
        for len in 0..70u32 {
            let keys: Vec<u32> = (0..len).map(|i| i * 7919 % 10).collect();
            let values = keys.iter().zip(0..).map(|(key, i)| Value::Number(f64::from(*key) + f64::from(i) / 1000.0));
            let mut sorting = MergeSort { from: values.collect(), width: 1, right: 1, ..MergeSort::default() };
            while let Some((Value::Number(a), Value::Number(b))) = sorting.pair() {
                sorting.decide(a.floor() < b.floor());
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
