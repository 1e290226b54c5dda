//! The formats of texts: `format` of JSON Schema 2020-12. Each check is linear in the text.

use std::net::{Ipv4Addr, Ipv6Addr};

use runstate_core::limits::SCHEMA_PATTERN_CHARS;
use runstate_value::time::Date;
use runstate_vm::TextRegExp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFormat {
    /// RFC 3339, with a zone.
    DateTime,
    /// RFC 3339.
    Date,
    /// RFC 3339, with a zone.
    Time,
    /// ISO 8601, as in appendix A of RFC 3339.
    Duration,
    /// RFC 5321: a local part without quotes, and the name of a host.
    Email,
    /// RFC 1123.
    Hostname,
    /// Four decimal numbers.
    Ipv4,
    /// RFC 4291.
    Ipv6,
    /// RFC 3986, with a scheme.
    Uri,
    /// RFC 9562.
    Uuid,
    /// ECMAScript with the flag `u`, of at most [`SCHEMA_PATTERN_CHARS`] characters.
    RegExp,
}

impl TextFormat {
    pub(super) const ALL: [TextFormat; 11] = [
        TextFormat::DateTime,
        TextFormat::Date,
        TextFormat::Time,
        TextFormat::Duration,
        TextFormat::Email,
        TextFormat::Hostname,
        TextFormat::Ipv4,
        TextFormat::Ipv6,
        TextFormat::Uri,
        TextFormat::Uuid,
        TextFormat::RegExp,
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    /// A text of this format.
    pub(super) fn example(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            TextFormat::DateTime => ("date-time", "2030-01-31T09:00:00Z"),
            TextFormat::Date => ("date", "2030-01-31"),
            TextFormat::Time => ("time", "09:00:00Z"),
            TextFormat::Duration => ("duration", "PT1H30M"),
            TextFormat::Email => ("email", "ada@example.com"),
            TextFormat::Hostname => ("hostname", "www.example.com"),
            TextFormat::Ipv4 => ("ipv4", "192.0.2.1"),
            TextFormat::Ipv6 => ("ipv6", "2001:db8::1"),
            TextFormat::Uri => ("uri", "https://example.com/a"),
            TextFormat::Uuid => ("uuid", "0190a4c2-7d1e-7b3a-9f2e-1c2d3e4f5a6b"),
            TextFormat::RegExp => ("regex", "^[a-z]+$"),
        }
    }

    pub(super) fn matches(self, text: &str) -> bool {
        match self {
            TextFormat::DateTime => is_date_time(text),
            TextFormat::Date => Date::parse(text).is_some(),
            TextFormat::Time => is_time(text),
            TextFormat::Duration => is_duration(text),
            TextFormat::Email => is_email(text),
            TextFormat::Hostname => is_hostname(text),
            TextFormat::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            TextFormat::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            TextFormat::Uri => is_uri(text),
            TextFormat::Uuid => is_uuid(text),
            TextFormat::RegExp => text.chars().nth(SCHEMA_PATTERN_CHARS).is_none() && TextRegExp::new(text).is_ok(),
        }
    }
}

fn is_date_time(text: &str) -> bool {
    let parts = text.split_at_checked(10).and_then(|(date, rest)| Some((date, rest.strip_prefix(['T', 't'])?)));
    parts.is_some_and(|(date, time)| Date::parse(date).is_some() && is_time(time))
}

/// `hh:mm:ss`, a fraction if wanted, and `Z` or `±hh:mm`. The second 60 is valid at the end of a day in UTC.
fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let Some([hour, minute, second]) = numbers(clock) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let offset = match rest.split_at_checked(1) {
        Some(("Z" | "z", "")) => Some(0),
        Some((sign @ ("+" | "-"), zone)) => numbers(zone)
            .filter(|[hours, minutes]| *hours < 24 && *minutes < 60)
            .map(|[hours, minutes]| if sign == "+" { hours * 60 + minutes } else { -(hours * 60 + minutes) }),
        _ => None,
    };
    let Some(offset) = offset else { return false };
    let is_last_minute = || (hour * 60 + minute - offset).rem_euclid(1_440) == 1_439;
    hour < 24 && minute < 60 && (second < 60 || (second == 60 && is_last_minute()))
}

/// Numbers of two digits with `:` in between.
fn numbers<const N: usize>(text: &str) -> Option<[i32; N]> {
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Option<Vec<i32>> =
        text.split(':').take(N + 1).map(|part| part.parse().ok().filter(|_| two(part))).collect();
    parts?.try_into().ok()
}

/// `P` with weeks, or with years, months and days in this order, and after `T` hours, minutes and seconds.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let days_fit = if days.ends_with('W') { time.is_none() && has_units(days, "W") } else { has_units(days, "YMD") };
    let time_fits = time.is_none_or(|time| !time.is_empty() && has_units(time, "HMS"));
    days_fit && time_fits && !rest.is_empty()
}

/// Numbers, each with a unit, in the order of `units`.
fn has_units(mut text: &str, mut units: &str) -> bool {
    while !text.is_empty() {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(unit) = rest.chars().next().filter(|_| rest.len() < text.len()) else { return false };
        let Some(at) = units.find(unit) else { return false };
        units = &units[at + 1..];
        text = &rest[unit.len_utf8()..];
    }
    true
}

fn is_email(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c))
    };
    text.rsplit_once('@')
        .is_some_and(|(local, host)| local.len() <= 64 && local.split('.').all(is_atom) && is_hostname(host))
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", hierarchy),
    };
    is_scheme
        && is_authority(authority)
        && has_uri_chars(path, b":@/")
        && has_uri_chars(query, b":@/?")
        && has_uri_chars(fragment, b":@/?")
}

/// `user@host:port`, of which only the host is always there; it may be empty, as in `file:///a`.
fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (is_host, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            (has_uri_chars(name, b""), port)
        }
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()));
    is_host && is_port && has_uri_chars(user, b":")
}

/// Unreserved characters, sub-delimiters, those in `also`, and percent-encoded bytes.
fn has_uri_chars(text: &str, also: &[u8]) -> bool {
    let is_valid = |c: &u8| c.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(c) || also.contains(c);
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    first.bytes().all(|c| is_valid(&c))
        && parts.all(|part| match part.as_bytes() {
            [high, low, rest @ ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && rest.iter().all(is_valid),
            _ => false,
        })
}

fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let has_group = |length: usize| {
        groups.next().is_some_and(|group| group.len() == length && group.bytes().all(|c| c.is_ascii_hexdigit()))
    };
    [8, 4, 4, 4, 12].into_iter().all(has_group) && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_each_format_are_recognized() {
        let long_label = format!("{}.com", "a".repeat(64));
        let table: [(TextFormat, &[&str], &[&str]); 11] = [
            (
                TextFormat::DateTime,
                &["1985-04-12T23:20:50.52Z", "1990-12-31T23:59:60Z", "1990-12-31t15:59:60-08:00"],
                &["2024-01-20 10:00:00Z", "2024-01-20T10:00:00", "2024-02-30T10:00:00Z", "1990-12-31T10:00:60Z"],
            ),
            (TextFormat::Date, &["2024-02-29"], &["2023-02-29", "2024-2-9", "24-02-09", "2024-02-29T", "２024-02-29"]),
            (
                TextFormat::Time,
                &["08:30:06Z", "08:30:06.283185z", "23:59:59+23:59", "00:29:60+00:30"],
                &[
                    "08:30:06",
                    "8:30:06Z",
                    "24:00:00Z",
                    "08:60:00Z",
                    "08:30:06.Z",
                    "08:30:06+8:00",
                    "08:30:06+24:00",
                    "08:30:60Z",
                ],
            ),
            (
                TextFormat::Duration,
                &["P4DT12H30M5S", "P4Y", "PT0S", "P1M", "PT1M", "P2W", "P1Y2M10D"],
                &["P", "PT", "P1", "P1YT", "4D", "PT1D", "P2D1Y", "P1D2H", "P2S", "P1Y2W", "P2WT1H", "P-1D", "P١D"],
            ),
            (
                TextFormat::Email,
                &["a.b+c@example.co.uk", "~x@localhost"],
                &["", "a", "@a", "a@", ".a@b.c", "a..b@c.d", "a b@c.d", "a@b@c", "a@-b.c", "é@b.c"],
            ),
            (
                TextFormat::Hostname,
                &["a", "xn--4gbwdl.xn--wgbh1c", "1.2-3.com"],
                &["", ".", "a.", "-a", "a-", "a_b", "a..b", &long_label],
            ),
            (TextFormat::Ipv4, &["0.0.0.0", "255.255.255.255"], &["256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4/8"]),
            (TextFormat::Ipv6, &["::", "::ffff:1.2.3.4"], &["1::2::3", "fe80::1%eth0", "12345::", ":1"]),
            (
                TextFormat::Uri,
                &["urn:isbn:1", "http://u:p@[::1]:80/a%20b?c=d/?#e", "file:///a", "mailto:a@b.c", "x:"],
                &[
                    "",
                    "a",
                    "/a",
                    "//a/b",
                    "1:a",
                    "http://a b",
                    "http://a/%2",
                    "http://a/<b>",
                    "http://[1]/",
                    "x:é",
                    "a:b#c#d",
                    "http://a:x",
                ],
            ),
            (
                TextFormat::Uuid,
                &["2EB8AA08-AA98-11EA-B4AA-73B441D16380"],
                &[
                    "2eb8aa08aa9811eab4aa73b441d16380",
                    "2eb8aa08-aa98-11ea-b4aa-73b441d1638",
                    "2eb8aa08-aa98-11ea-b4ag-73b441d16380",
                ],
            ),
            (TextFormat::RegExp, &["([abc])+\\s+$", ""], &["^(abc]", "\\a"]),
        ];
        for (format, valid, invalid) in table {
            assert_eq!(TextFormat::from_name(format.name()), Some(format));
            for text in valid.iter().chain([&format.example()]) {
                assert!(format.matches(text), "{format:?} {text}");
            }
            for text in invalid {
                assert!(!format.matches(text), "{format:?} {text}");
            }
        }
    }
}
