//! Skipped tests. Such a test returns early and prints one line, `skipped: <test>: <why>`.

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

#[cfg(test)]
mod tests {
    use super::Skip;

    fn skip(what: &str, why: &str) -> Skip {
        Skip { what: what.into(), why: why.into() }
    }

    #[test]
    fn skip_lines_are_parsed() {
        assert_eq!(
            Skip::from_line("skipped: store::full_disk: no tmpfs: root only"),
            Some(skip("store::full_disk", "no tmpfs: root only"))
        );
        assert_eq!(Skip::from_line("test skipped: a: b"), None);
    }
}
