//! A stable merge sort with its state laid open: one comparison at a time, so that a comparator may ask.

use super::value::Value;

/// A sort under way: runs of `width` in `from` are merged into `into`.
#[derive(Clone, Default)]
pub struct Sorting {
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
    /// `undefined` elements: they stand behind all others and are never compared.
    pub undefined: u32,
    /// Elements that the array does not have: behind those.
    pub holes: u32,
}

impl Sorting {
    /// A sort of these elements.
    pub fn of(elements: Vec<Value>) -> Sorting {
        let mut sorting = Sorting { width: 1, right: 1, ..Sorting::default() };
        for element in elements {
            match element {
                Value::Undefined => sorting.undefined += 1,
                Value::Hole => sorting.holes += 1,
                element => sorting.from.push(element),
            }
        }
        sorting
    }

    fn len(&self) -> u32 {
        self.from.len() as u32
    }

    /// The runs that are being merged: begin of the left, of the right, end of the right.
    fn bounds(&self) -> (u32, u32, u32) {
        let begin = self.into.len() as u32 / (2 * self.width) * (2 * self.width);
        let middle = (begin + self.width).min(self.len());
        (begin, middle, (begin + 2 * self.width).min(self.len()))
    }

    /// The next two to compare: is the first less than the second? `None` when all is sorted.
    pub fn pair(&mut self) -> Option<(Value, Value)> {
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

    /// What the comparison of [`Sorting::pair`] said.
    pub fn decide(&mut self, less: bool) {
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

    /// The sorted elements.
    pub fn finished(&mut self) -> Vec<Value> {
        let mut all = std::mem::take(&mut self.from);
        all.extend(std::iter::repeat_n(Value::Undefined, self.undefined as usize));
        all.extend(std::iter::repeat_n(Value::Hole, self.holes as usize));
        all
    }

    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        self.from.iter().chain(&self.into).for_each(visit);
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
            let mut sorting = Sorting::of(values.collect());
            while let Some((Value::Number(a), Value::Number(b))) = sorting.pair() {
                sorting.decide(a.floor() < b.floor());
            }
            let sorted: Vec<f64> =
                sorting.finished().into_iter().map(|v| if let Value::Number(n) = v { n } else { f64::NAN }).collect();
            let mut expected: Vec<f64> =
                keys.iter().zip(0..).map(|(k, i)| f64::from(*k) + f64::from(i) / 1000.0).collect();
            expected.sort_by(|a, b| a.floor().total_cmp(&b.floor()));
            assert_eq!(sorted, expected);
        }
    }
}
