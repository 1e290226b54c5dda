//! Tests that could not run. Such a test returns early and prints one line, `skipped: <test>: <why>`.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub what: String,
    pub why: String,
}

impl Skip {
    /// Reads a line of a test's output.
    pub fn from_line(line: &str) -> Option<Self> {
        let (what, why) = line.trim().strip_prefix("skipped: ")?.split_once(": ")?;
        Some(Self { what: what.to_owned(), why: why.to_owned() })
    }

    /// Reads the outputs in a JUnit report, where the first line of one stands behind its tag.
    pub fn from_junit(report: &str) -> Vec<Self> {
        let mut skips = Vec::new();
        for line in report.lines() {
            let text = line.rsplit_once("<system-out>").or_else(|| line.rsplit_once("<system-err>"));
            let text = text.map_or(line, |(_, text)| text);
            let text = text.split_once("</system-").map_or(text, |(text, _)| text);
            skips.extend(Self::from_line(&unescaped(text)));
        }
        skips
    }
}

fn unescaped(text: &str) -> String {
    // `&amp;` comes last: what it leaves behind is not escaped again.
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::Skip;

    fn skip(what: &str, why: &str) -> Skip {
        Skip { what: what.into(), why: why.into() }
    }

    #[test]
    fn lines_are_read() {
        assert_eq!(
            Skip::from_line("skipped: store::full_disk: no tmpfs: root only"),
            Some(skip("store::full_disk", "no tmpfs: root only"))
        );
        assert_eq!(Skip::from_line("test skipped: a: b"), None);
    }

    #[test]
    fn outputs_in_a_report_are_read() {
        let report = "<testcase><system-out>skipped: a: b &amp; c</system-out>\n<system-err>\nskipped: d: &lt;e&gt;\n</system-err>";
        assert_eq!(Skip::from_junit(report), [skip("a", "b & c"), skip("d", "<e>")]);
    }
}
