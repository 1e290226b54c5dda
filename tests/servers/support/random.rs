//! Random numbers of tests.

/// Pseudo-random numbers from the seed of the run, which is printed.
pub struct SeededRandom(pub u64);

impl SeededRandom {
    pub fn seeded() -> Self {
        Self(crate::settings::seed())
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}
