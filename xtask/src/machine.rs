//! What a figure depends on besides the code: the machine, the day, the commit.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;

use crate::error::Error;
use crate::process::Call;

pub struct Machine {
    pub cores: usize,
    pub os: String,
    /// UTC, as RFC 3339 says it.
    pub date: String,
    /// `-dirty` at its end: with changes that are not committed.
    pub commit: String,
}

impl Machine {
    pub fn here() -> Result<Self, Error> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let commit = Call::new("git").words("describe --always --dirty --abbrev=12 --exclude *").output()?;
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            date: date(since.as_secs()),
            commit: commit.trim().to_owned(),
        })
    }

    pub fn facts(&self) -> [(String, Value); 4] {
        [
            ("cores".to_owned(), self.cores.into()),
            ("os".to_owned(), self.os.as_str().into()),
            ("date".to_owned(), self.date.as_str().into()),
            ("commit".to_owned(), self.commit.as_str().into()),
        ]
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, os, date, commit } = self;
        write!(f, "{cores} cores, {os}, {date}, commit {commit}")
    }
}

/// Seconds since 1970 as a date and time.
fn date(seconds: u64) -> String {
    // Days from the first of March of the year 0, so that leap days end the years: Hinnant's civil_from_days.
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
    fn dates_are_those_of_the_calendar() {
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
