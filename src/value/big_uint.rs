//! Natural numbers of any size, for the rounding of doubles that 64 bits cannot decide.

use std::cmp::Ordering;

/// A natural number in base 2^32. The least significant limb is first, and the last one is not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BigUint(Vec<u32>);

/// 5^13, the greatest power of five in 32 bits.
const MAX_POWER_OF_FIVE: (u32, u32) = (13, 1_220_703_125);

impl BigUint {
    pub fn from_u64(number: u64) -> Self {
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

    /// Sets `self` to `self * factor + more`.
    pub fn mul_add_small(&mut self, factor: u32, more: u32) {
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

    /// Sets `self` to `self * 5^power`.
    pub fn mul_pow5(&mut self, mut power: u32) {
        while power >= MAX_POWER_OF_FIVE.0 {
            self.mul_add_small(MAX_POWER_OF_FIVE.1, 0);
            power -= MAX_POWER_OF_FIVE.0;
        }
        self.mul_add_small(5u32.pow(power), 0);
    }

    /// Sets `self` to `self * 2^power`.
    pub fn mul_pow2(&mut self, power: u32) {
        self.mul_add_small(1 << (power % 32), 0);
        if !self.is_zero() {
            self.0.splice(0..0, std::iter::repeat_n(0, power as usize / 32));
        }
    }

    /// Sets `self` to `self / by`, and returns the remainder.
    fn div_rem_small(&mut self, by: u32) -> u32 {
        let mut rest = 0;
        for limb in self.0.iter_mut().rev() {
            let all = (rest << 32) | u64::from(*limb);
            *limb = (all / u64::from(by)) as u32;
            rest = all % u64::from(by);
        }
        self.trim();
        rest as u32
    }

    /// Returns the decimal digits as text; zero has none.
    pub fn into_digits(mut self) -> Vec<u8> {
        let mut digits = Vec::new();
        while !self.is_zero() {
            let mut nine = self.div_rem_small(1_000_000_000);
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

impl Ord for BigUint {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for BigUint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
