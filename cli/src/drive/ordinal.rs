//! The ordinal of a question: the index of its answer in a list. Each call is counted once, however many calls an execution makes.

use std::ops::Range;

use runstate::domain::cvm::{CC_HISTORY, OpenCall, TIMER};
use runstate::engine::{Cvm, Error};
use runstate::schema::{Accumulator, Aggregate, Filter};
use serde_json::Value as Json;

use crate::sandbox::FILE_CALL_KINDS;

/// Counts the calls of an execution that need an answer. Timers and file calls do not.
#[derive(Debug, Default)]
pub struct Ordinals {
    /// The calls of earlier steps are counted.
    step: u64,
    /// How many of them need an answer.
    counted: usize,
}

impl Ordinals {
    /// Returns the ordinal of `call` among the calls that need an answer, from 0.
    pub async fn ordinal(&mut self, cvm: &Cvm, execution: &str, call: &OpenCall) -> Result<usize, Error> {
        let steps = self.take_uncounted(call.step);
        let more = if steps.is_empty() { 0 } else { count(cvm, execution, &steps).await? };
        Ok(self.add(&steps, more))
    }

    /// Returns the steps before `step` that are not counted yet.
    fn take_uncounted(&mut self, step: u64) -> Range<u64> {
        // Calls that were made together may be answered in any order.
        if step < self.step {
            *self = Self::default();
        }
        self.step..step
    }

    /// Adds the count of `steps` and returns the total.
    fn add(&mut self, steps: &Range<u64>, more: usize) -> usize {
        self.step = steps.end;
        self.counted += more;
        self.counted
    }
}

async fn count(cvm: &Cvm, execution: &str, steps: &Range<u64>) -> Result<usize, Error> {
    let themselves = FILE_CALL_KINDS.into_iter().chain([TIMER]).map(Json::from).collect();
    let between = Aggregate {
        collection: CC_HISTORY.name.to_owned(),
        filter: Filter::And(vec![
            Filter::Eq("executionId".to_owned(), execution.into()),
            Filter::Gte("step".to_owned(), steps.start.into()),
            Filter::Lt("step".to_owned(), steps.end.into()),
            Filter::Not(Box::new(Filter::In("kind".to_owned(), themselves))),
        ]),
        group_by: Vec::new(),
        accumulators: vec![("asked".to_owned(), Accumulator::Count)],
    };
    let rows = cvm.engine().store().aggregate(&between).await?;
    let asked = rows.first().and_then(|row| row.get("asked")).and_then(Json::as_u64).unwrap_or_default();
    Ok(usize::try_from(asked).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the ordinals of the calls at the steps `asked`, of which even ones need an answer, and the number of counted rows.
    fn ordinals(asked: impl IntoIterator<Item = u64>) -> (Vec<usize>, u64) {
        let (mut ordinals, mut rows) = (Ordinals::default(), 0);
        let found = asked.into_iter().map(|step| {
            let steps = ordinals.take_uncounted(step);
            rows += steps.end - steps.start;
            let even = steps.clone().filter(|step| step % 2 == 0).count();
            ordinals.add(&steps, even)
        });
        (found.collect(), rows)
    }

    #[test]
    fn each_call_is_counted_once() {
        let (found, rows) = ordinals(0..4_000);
        assert_eq!(rows, 3_999);
        assert_eq!((found[1], found[2], found[3_999]), (1, 1, 2_000));
    }

    #[test]
    fn calls_answered_in_any_order_have_the_same_ordinals() {
        assert_eq!(ordinals([7, 2, 3, 3, 9]).0, [4, 1, 2, 2, 5]);
    }
}
