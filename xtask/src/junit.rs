//! Reads a JUnit report of nextest: number of tests, time of each test, skipped tests.

use crate::skips::Skip;
use crate::tally::TestTally;
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
    pub fn parse(report: &str) -> Self {
        let tests = report.split("<testcase ").skip(1).filter_map(test).collect();
        Self { tally: tally(report).unwrap_or_default(), tests, skips: skips(report) }
    }
}

/// `<testsuites … tests="5" failures="1" errors="0" …>`.
fn tally(report: &str) -> Option<TestTally> {
    let head = report.split_once("<testsuites ")?.1.split_once('>')?.0;
    let count = |name| -> Option<u64> { attribute(head, name)?.parse().ok() };
    let failed = count("failures")? + count("errors")?;
    Some(TestTally { passed: count("tests")?.saturating_sub(failed), failed })
}

/// `name="…" classname="package::binary" … time="0.123">`, the rest of a test's tag and the text after it.
fn test(text: &str) -> Option<TestTime> {
    let tag = text.split_once('>')?.0;
    let name = format!("{} {}", attribute(tag, "classname")?, attribute(tag, "name")?);
    Some(TestTime { name: unescaped(&name), seconds: attribute(tag, "time")?.parse().ok()? })
}

/// The skips in the outputs of tests. The first line of an output follows its tag.
fn skips(report: &str) -> Vec<Skip> {
    let mut skips = Vec::new();
    for line in report.lines() {
        let text = line.rsplit_once("<system-out>").or_else(|| line.rsplit_once("<system-err>"));
        let text = text.map_or(line, |(_, text)| text);
        let text = text.split_once("</system-").map_or(text, |(text, _)| text);
        skips.extend(Skip::from_line(&unescaped(text)));
    }
    skips
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let tag = tag.strip_prefix(&format!("{name}=\"")).or_else(|| Some(tag.split_once(&format!(" {name}=\""))?.1))?;
    Some(tag.split_once('"')?.0)
}

fn unescaped(text: &str) -> String {
    // `&amp;` is last, because its result must not be unescaped again.
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_times_and_skips_are_parsed() {
        let report = concat!(
            r#"<?xml version="1.0"?><testsuites name="nextest-run" tests="7" failures="1" errors="1">"#,
            r#"<testsuite name="runstate::cvm" tests="2"><testcase name="a::b" classname="runstate::cvm" time="1.250">"#,
            "<system-out>skipped: a: b &amp; c</system-out>\n<system-err>\nskipped: d: &lt;e&gt;\n</system-err></testcase>\n",
            r#"<testcase classname="runstate" name="c" time="0.001"/></testsuite>"#,
        );
        let read = Junit::parse(report);
        assert_eq!(read.tally, TestTally { passed: 5, failed: 2 });
        let times: Vec<(&str, f64)> = read.tests.iter().map(|test| (test.name.as_str(), test.seconds)).collect();
        assert_eq!(times, [("runstate::cvm a::b", 1.25), ("runstate c", 0.001)]);
        let skip = |what: &str, why: &str| Skip { what: what.into(), why: why.into() };
        assert_eq!(read.skips, [skip("a", "b & c"), skip("d", "<e>")]);
        assert_eq!(Junit::parse(""), Junit::default());
    }
}
