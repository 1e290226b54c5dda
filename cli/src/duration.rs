//! Durations in the notation of people: `500ms`, `30s`, `10m`, `2h`, `30d`.

use std::time::Duration;

use runstate::time::Millis;

/// Parses a duration.
pub fn parse(text: &str) -> Result<Duration, String> {
    let hint = || "write a number and a unit: 500ms, 30s, 10m, 2h, 30d".to_owned();
    let text = text.trim();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(hint)?;
    let (number, unit) = text.split_at(unit);
    let ms = match unit.trim() {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" | "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return Err(hint()),
    };
    let span = number.parse::<f64>().map_err(|_| hint())? * ms;
    // More than a hundred years is a typing error.
    if !(1.0..=100.0 * 366.0 * 86_400_000.0).contains(&span) {
        return Err("it must be from 1ms to 100 years".to_owned());
    }
    Ok(Duration::from_millis(span as u64))
}

/// Converts a duration for the engine.
pub fn to_millis(span: Duration) -> Millis {
    Millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        let ms = |text| parse(text).map(|span| span.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1.5s"), Ok(1_500));
        assert_eq!(ms("10m"), Ok(600_000));
        assert_eq!(ms(" 2 h"), Ok(7_200_000));
        assert_eq!(ms("30d"), Ok(2_592_000_000));
        for wrong in ["", "10", "s", "-1s", "0s", "1e9d", "1.2.3s", "40000d", "5 weeks"] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }
}
