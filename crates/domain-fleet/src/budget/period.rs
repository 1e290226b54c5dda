//! Periods of budgets.

use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use crate::codes;

/// The length of a budget's period. Days, weeks and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum BudgetPeriod {
    /// A day.
    Daily,
    /// A week from Monday on.
    Weekly,
    /// A month.
    Monthly,
    /// Without end.
    Total,
}

impl BudgetPeriod {
    /// The first and the last day of the period of a day. The period without end begins in 1970.
    pub fn days(self, day: Date) -> (Date, Date) {
        match self {
            Self::Daily => (day, day),
            Self::Weekly => (day.monday(), day.monday().plus_days(6)),
            Self::Monthly => (day.month_start(), day.month_end()),
            Self::Total => (Date::of(Timestamp::from_millis(0)), Date::MAX),
        }
    }

    /// The first day of the period after that of a day; `None`: there is none.
    pub fn next_start(self, day: Date) -> Option<Date> {
        let (_, end) = self.days(day);
        (end < Date::MAX).then(|| end.plus_days(1))
    }

    /// Rejects a first day at which no period begins: it would overlap with those that do.
    pub fn check_start(self, start: Date) -> Result<()> {
        let (first, last) = self.days(start);
        if first == start {
            return Ok(());
        }
        let message = format!(
            "{} periods begin on {first}, not on {start}: it would overlap with {first} to {last}",
            self.as_str()
        );
        Err(Rejection::domain(codes::PERIOD_OVERLAP, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_cover_each_day_once() {
        let day = |text| Date::parse(text).unwrap();
        for period in [BudgetPeriod::Daily, BudgetPeriod::Weekly, BudgetPeriod::Monthly] {
            let (mut one, last) = (day("2023-12-20"), day("2025-01-10"));
            while one < last {
                let (start, end) = period.days(one);
                assert!(start <= one && one <= end && period.check_start(start).is_ok());
                assert_eq!((start, end), period.days(start));
                assert_eq!(period.next_start(one), Some(end.plus_days(1)));
                assert_eq!(period.days(end.plus_days(1)).0, end.plus_days(1));
                one = one.plus_days(1);
            }
        }
        assert_eq!(BudgetPeriod::Total.next_start(day("2024-01-01")), None);
        assert!(BudgetPeriod::Weekly.check_start(day("2024-01-02")).is_err());
    }
}
