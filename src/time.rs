//! Time as data: instants and spans in milliseconds. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z. Documents hold it as that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Timestamp(i64);

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Millis(pub i64);

impl Timestamp {
    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The span from `earlier` to `self`; negative where `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 text in UTC, as exports and `--json` show it.
    ///
    /// ```
    /// use runstate::time::Timestamp;
    /// assert_eq!(Timestamp::from_millis(1_705_744_800_000).to_rfc3339(), "2024-01-20T10:00:00Z");
    /// ```
    pub fn to_rfc3339(self) -> String {
        // Outside the calendar that RFC 3339 knows (years -9999 to 9999) the plain number says more than an error.
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }
}

impl Timestamp {
    /// The instant that an RFC 3339 text names; `None` for any other text, and for one that does not say its zone.
    ///
    /// ```
    /// use runstate::time::Timestamp;
    /// let moment = Timestamp::from_rfc3339("2024-01-20T12:00:00.5+02:00");
    /// assert_eq!(moment, Some(Timestamp::from_millis(1_705_744_800_500)));
    /// assert_eq!(Timestamp::from_rfc3339("2024-01-20T12:00:00"), None);
    /// ```
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        // A name of a zone in brackets would be read and not obeyed.
        let moment: jiff::Timestamp = if text.contains('[') { return None } else { text.parse().ok()? };
        Some(Self(moment.as_millisecond()))
    }
}

impl Millis {
    /// `n` seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n * 1_000)
    }

    /// `n` minutes.
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60_000)
    }

    /// `n` days of 24 hours.
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400_000)
    }
}

impl Add<Millis> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Millis) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Timestamp;

    fn sub(self, span: Millis) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}
