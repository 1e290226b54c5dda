//! The number of tests and their time, parsed from the output of the runners.

use std::ops::AddAssign;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TestTally {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for TestTally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl TestTally {
    /// `test result: ok. 5 passed; 0 failed; …`, the closing line of one test program.
    pub fn from_libtest(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |what: &str| counts.split("; ").find_map(|part| part.strip_suffix(what)?.trim().parse().ok());
        Some(Self { passed: count("passed")?, failed: count("failed")? })
    }

    /// `ℹ pass 5` and `ℹ fail 0`, closing lines of Node's test runner.
    pub fn from_node(line: &str) -> Option<Self> {
        let (what, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
        let count = count.parse().ok()?;
        match what {
            "pass" => Some(Self { passed: count, failed: 0 }),
            "fail" | "cancelled" => Some(Self { passed: 0, failed: count }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TestTally;

    #[test]
    fn test_counts_are_parsed() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(TestTally::from_libtest(line), Some(TestTally { passed: 5, failed: 2 }));
        assert_eq!(TestTally::from_libtest("test value::adds ... ok"), None);
        assert_eq!(TestTally::from_node("ℹ pass 12"), Some(TestTally { passed: 12, failed: 0 }));
        assert_eq!(TestTally::from_node("ℹ cancelled 1"), Some(TestTally { passed: 0, failed: 1 }));
        assert_eq!(TestTally::from_node("ℹ suites 1"), None);
    }
}
