//! The report of a verification. It has the same form for every store.

use serde::Serialize;

/// Largest number of findings that a report lists. Further findings are only counted.
const MAX_LISTED: usize = 1_000;

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "VerifyReport"))]
pub struct VerifyReport {
    /// The id of the store; none if it is unknown, or if the store does not outlive its process.
    pub store: Option<String>,
    /// File store: the snapshot on which the state is based.
    pub snapshot: Option<u64>,
    /// File store: the last commit that is intact together with all commits before it.
    pub head: u64,
    /// File store: number of commit files after the snapshot that were read.
    pub commits: u64,
    /// File store: bytes of all files that were read.
    pub bytes: u64,
    /// Number of documents that were read, including ledger rows.
    pub documents: u64,
    /// Number of index entries that were compared with the documents.
    pub entries: u64,
    /// The findings, in the order of discovery.
    pub findings: Vec<Finding>,
    /// Number of further findings, which are not listed.
    pub omitted: u64,
}

/// One problem found by a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Finding {
    /// The file, the document (`collection/id`) or the collection.
    pub at: String,
    /// The severity.
    pub severity: Severity,
    /// The problem.
    pub why: String,
    /// Commands or ranges of documents that the problem makes unreadable.
    pub gone: Vec<String>,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Severity {
    /// No data in use depends on it.
    Harmless,
    /// Committed data is lost, unreadable or contradictory.
    Damage,
}

impl Finding {
    /// Creates a finding of damage.
    pub fn damage(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Damage, why: why.into(), gone: Vec::new() }
    }

    /// Creates a harmless finding.
    pub fn harmless(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Harmless, why: why.into(), gone: Vec::new() }
    }
}

impl VerifyReport {
    /// Returns the first finding of damage; none if all committed data can be read.
    pub fn damage(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.severity == Severity::Damage)
    }

    /// Returns whether the report has no finding of damage.
    pub fn is_intact(&self) -> bool {
        self.damage().is_none()
    }

    /// Adds a finding. The first damage is always listed.
    pub fn add(&mut self, finding: Finding) {
        let listed = self.findings.len() < MAX_LISTED || (finding.severity == Severity::Damage && self.is_intact());
        if listed { self.findings.push(finding) } else { self.omitted += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_damage_is_listed_behind_any_number_of_others() {
        let mut report = VerifyReport::default();
        (0..MAX_LISTED + 5).for_each(|n| report.add(Finding::harmless(n.to_string(), "left over")));
        assert!(report.is_intact());
        report.add(Finding::damage("x", "gone"));
        report.add(Finding::damage("y", "gone"));
        assert_eq!((report.findings.len(), report.omitted), (MAX_LISTED + 1, 6));
        assert_eq!(report.damage().map(|finding| finding.at.as_str()), Some("x"));
    }
}
