//! The conditions of a figure besides the code: machine, date, commit.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;

use crate::error::XtaskError;
use crate::process::ProgramCall;

pub struct MachineInfo {
    pub cores: usize,
    pub os: String,
    /// UTC, in RFC 3339 format.
    pub date: String,
    /// Ends in `-dirty` if there are uncommitted changes.
    pub commit: String,
}

impl MachineInfo {
    pub fn detect() -> Result<Self, XtaskError> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let commit = ProgramCall::new("git").words("describe --always --dirty --abbrev=12 --exclude *").output()?;
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            date: date(since.as_secs()),
            commit: commit.trim().to_owned(),
        })
    }

    pub fn to_fields(&self) -> [(String, Value); 4] {
        [
            ("cores".to_owned(), self.cores.into()),
            ("os".to_owned(), self.os.as_str().into()),
            ("date".to_owned(), self.date.as_str().into()),
            ("commit".to_owned(), self.commit.as_str().into()),
        ]
    }
}

impl fmt::Display for MachineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, os, date, commit } = self;
        write!(f, "{cores} cores, {os}, {date}, commit {commit}")
    }
}

/// Formats seconds since 1970 as date and time.
fn date(seconds: u64) -> String {
    // Days since 1 March of year 0, so that a leap day is the last day of its year: Hinnant's civil_from_days.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn seconds_convert_to_calendar_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_705_744_800, "2024-01-20T10:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(date(seconds), text);
        }
    }
}
