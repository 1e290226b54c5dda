//! What a verification of a store found: the same report for every store.

use serde::Serialize;

/// Findings that are listed one by one; further ones are counted.
const LISTED: usize = 1_000;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "VerifyReport"))]
pub struct Report {
    /// The store's id; none: it is unknown, or the store has none that outlives its process.
    pub store: Option<String>,
    /// On files: the snapshot that the state begins with.
    pub snapshot: Option<u64>,
    /// On files: the last commit that is whole with all before it.
    pub head: u64,
    /// On files: commit files after the snapshot that were read.
    pub commits: u64,
    /// On files: bytes of all files that were read.
    pub bytes: u64,
    /// Documents that were read, the ledger included.
    pub documents: u64,
    /// Index entries that were compared with the documents.
    pub entries: u64,
    /// The findings, in the order in which they were made.
    pub findings: Vec<Finding>,
    /// Further findings, which are not listed.
    pub omitted: u64,
}

/// One problem found by a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Finding {
    /// The file, the document (`collection/id`) or the collection.
    pub at: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong with it.
    pub why: String,
    /// What cannot be read because of it: commands, or ranges of documents.
    pub gone: Vec<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Severity {
    /// Nothing that is in use depends on it.
    Harmless,
    /// Something that was committed is lost, cannot be read, or contradicts something else.
    Damage,
}

impl Finding {
    /// Damage.
    pub fn damage(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Damage, why: why.into(), gone: Vec::new() }
    }

    /// Something that nothing depends on.
    pub fn harmless(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Harmless, why: why.into(), gone: Vec::new() }
    }
}

impl Report {
    /// The first damage; none: everything that was committed is there and can be read.
    pub fn damage(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.severity == Severity::Damage)
    }

    /// Whether there is no damage.
    pub fn is_whole(&self) -> bool {
        self.damage().is_none()
    }

    /// Adds a finding. The first damage is listed in any case.
    pub fn add(&mut self, finding: Finding) {
        let listed = self.findings.len() < LISTED || (finding.severity == Severity::Damage && self.is_whole());
        if listed { self.findings.push(finding) } else { self.omitted += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_damage_is_listed_behind_any_number_of_others() {
        let mut report = Report::default();
        (0..LISTED + 5).for_each(|n| report.add(Finding::harmless(n.to_string(), "left over")));
        assert!(report.is_whole());
        report.add(Finding::damage("x", "gone"));
        report.add(Finding::damage("y", "gone"));
        assert_eq!((report.findings.len(), report.omitted), (LISTED + 1, 6));
        assert_eq!(report.damage().map(|finding| finding.at.as_str()), Some("x"));
    }
}
