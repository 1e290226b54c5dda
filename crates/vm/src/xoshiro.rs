//! The generator of `Math.random`: xoshiro256** (Blackman and Vigna, 2021), seeded with 32 bytes. A snapshot saves its
//! four words.

/// The state of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xoshiro256 {
    /// The four words.
    pub words: [u64; 4],
}

impl Xoshiro256 {
    /// A generator with this seed: eight bytes per word, little endian. A seed of zeros would repeat itself and is
    /// replaced.
    pub fn from_seed(seed: [u8; 32]) -> Xoshiro256 {
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        }
        if words == [0; 4] {
            words = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 1];
        }
        Xoshiro256 { words }
    }

    /// The next number of 53 bits, at least 0 and below 1. ECMA-262 §21.3.2.28 Math.random.
    pub fn next_f64(&mut self) -> f64 {
        let [a, b, c, d] = &mut self.words;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        (result >> 11) as f64 / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_never_changes() {
        let mut seed = [0; 32];
        (seed[0], seed[8], seed[16], seed[24]) = (1, 2, 3, 4);
        let mut random = Xoshiro256::from_seed(seed);
        let words: Vec<f64> = (0..3).map(|_| random.next_f64() * 9_007_199_254_740_992.0).collect();
        // The published first outputs of xoshiro256** for state 1, 2, 3, 4 are 11520, 0, 1509978240.
        assert_eq!(words, [(11520u64 >> 11) as f64, 0.0, (1_509_978_240u64 >> 11) as f64]);
    }
}
