//! Natural numbers of any size, for the few questions about doubles that 64 bits cannot answer.

use std::cmp::Ordering;

/// A natural number; the least limb first, the last one not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Big(Vec<u32>);

/// 5^13, the greatest power of five in 32 bits.
const FIVES: (u32, u32) = (13, 1_220_703_125);

impl Big {
    pub fn of(number: u64) -> Self {
        let mut big = Self(vec![number as u32, (number >> 32) as u32]);
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.0.pop_if(|limb| *limb == 0).is_some() {}
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Becomes `self * factor + more`.
    pub fn grow(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Becomes `self * 5^power`.
    pub fn times_five_to(&mut self, mut power: u32) {
        while power >= FIVES.0 {
            self.grow(FIVES.1, 0);
            power -= FIVES.0;
        }
        self.grow(5u32.pow(power), 0);
    }

    /// Becomes `self * 2^power`.
    pub fn times_two_to(&mut self, power: u32) {
        self.grow(1 << (power % 32), 0);
        if !self.is_zero() {
            self.0.splice(0..0, std::iter::repeat_n(0, power as usize / 32));
        }
    }

    /// Becomes `self / by`; what is left over.
    fn shrink(&mut self, by: u32) -> u32 {
        let mut rest = 0;
        for limb in self.0.iter_mut().rev() {
            let all = (rest << 32) | u64::from(*limb);
            *limb = (all / u64::from(by)) as u32;
            rest = all % u64::from(by);
        }
        self.trim();
        rest as u32
    }

    /// Its decimal digits, as text; none of zero.
    pub fn into_digits(mut self) -> Vec<u8> {
        let mut digits = Vec::new();
        while !self.is_zero() {
            let mut nine = self.shrink(1_000_000_000);
            for _ in 0..9 {
                digits.push(b'0' + (nine % 10) as u8);
                nine /= 10;
            }
        }
        while digits.pop_if(|digit| *digit == b'0').is_some() {}
        digits.reverse();
        digits
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
