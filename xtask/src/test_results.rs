//! Results of tests: number, time of each test and skipped tests from a JUnit report of nextest, and the number of
//! passed and failed tests from the output of test runners. A skipped test returns early and prints one line,
//! `skipped: <test>: <why>`.

use std::ops::AddAssign;

use crate::error::XtaskError;
use crate::times::TestTime;

/// The parts of a report that are used.
#[derive(Debug, Default, PartialEq)]
pub struct Junit {
    pub tally: TestTally,
    pub tests: Vec<TestTime>,
    pub skips: Vec<Skip>,
}

impl Junit {
    /// Reads the text of a report.
    pub fn parse(report: &str) -> Result<Self, XtaskError> {
        let invalid = |error: roxmltree::Error| XtaskError::Parse {
            what: "the report of nextest".into(),
            why: error.to_string(),
        };
        let document = roxmltree::Document::parse(report).map_err(invalid)?;
        let mut junit = Self::default();
        for test in document.descendants().filter(|node| node.has_tag_name("testcase")) {
            let attribute = |name| test.attribute(name).unwrap_or_default();
            let name = format!("{} {}", attribute("classname"), attribute("name"));
            junit.tests.push(TestTime { name, seconds: attribute("time").parse().unwrap_or_default() });
            let mut failed = 0;
            for part in test.children() {
                match part.tag_name().name() {
                    "failure" | "error" => failed = 1,
                    "system-out" | "system-err" => {
                        junit.skips.extend(part.text().unwrap_or_default().lines().filter_map(Skip::from_line));
                    }
                    _ => {}
                }
            }
            junit.tally += TestTally { passed: 1 - failed, failed };
        }
        Ok(junit)
    }
}

/// A skipped test or step, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub what: String,
    pub why: String,
}

impl Skip {
    /// Parses a line of a test's output.
    pub fn from_line(line: &str) -> Option<Self> {
        let (what, why) = line.trim().strip_prefix("skipped: ")?.split_once(": ")?;
        Some(Self { what: what.to_owned(), why: why.to_owned() })
    }
}

/// Number of tests that passed and that failed.
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
        let count = |label: &str| counts.split("; ").find_map(|part| part.strip_suffix(label)?.trim().parse().ok());
        Some(Self { passed: count("passed")?, failed: count("failed")? })
    }

    /// `ℹ pass 5` and `ℹ fail 0`, closing lines of Node's test runner.
    pub fn from_node(line: &str) -> Option<Self> {
        let (label, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
        let count = count.parse().ok()?;
        match label {
            "pass" => Some(Self { passed: count, failed: 0 }),
            "fail" | "cancelled" => Some(Self { passed: 0, failed: count }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_times_and_skips_are_parsed() {
        let report = concat!(
            r#"<testsuites><testsuite name="runstate::pure"><testcase name="a::b" classname="runstate::pure" time="1.250">"#,
            "<system-out>skipped: a: b &amp; c: d\ntest skipped: a: b</system-out></testcase>\n",
            r#"<testcase classname="runstate" name="c" time="0.001"><failure/></testcase></testsuite></testsuites>"#,
        );
        let parsed = Junit::parse(report).unwrap();
        assert_eq!(parsed.tally, TestTally { passed: 1, failed: 1 });
        assert_eq!(parsed.tests[0], TestTime { name: "runstate::pure a::b".into(), seconds: 1.25 });
        assert_eq!(parsed.skips, [Skip { what: "a".into(), why: "b & c: d".into() }]);
        assert!(Junit::parse("").is_err());
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(TestTally::from_libtest(line), Some(TestTally { passed: 5, failed: 2 }));
        assert_eq!(TestTally::from_libtest("test value::adds ... ok"), None);
        assert_eq!(TestTally::from_node("ℹ pass 12"), Some(TestTally { passed: 12, failed: 0 }));
        assert_eq!(TestTally::from_node("ℹ cancelled 1"), Some(TestTally { passed: 0, failed: 1 }));
        assert_eq!(TestTally::from_node("ℹ suites 1"), None);
        assert_eq!(TestTime::from_node("www", "  ✔ a (b) works (1250.5ms)").unwrap().seconds, 1.2505);
    }
}
