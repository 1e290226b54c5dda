//! Aggregates. The server computes an aggregate if its result equals that of the reference implementation (`store::eval`). Otherwise the server
//! sends the fields that are read, and the reference implementation computes it.

use std::sync::Arc;

use super::Mongo;
use super::aggregate_pushdown::AggregatePushdown;
use super::codec::CollectionCodec;
use super::filter::translate;
use super::query::{collect_filter_fields, include_fields, top_field};
use super::read::BATCH;
use super::retry::AttemptError;
use crate::schema::{Accumulator, Aggregate, Group};
use crate::store::StoreError;
use crate::store::eval::Aggregation;
use crate::value::{Document, sort_by};
use mongodb::bson::{Document as Doc, doc};

impl Mongo {
    /// Computes an aggregate over the matching documents.
    pub(super) async fn run_aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Document>, StoreError> {
        let declared = self.require_codec(&aggregate.collection)?;
        let nothing = Aggregation::new(declared.collection, aggregate)?;
        let doing = format!("counting in {}", aggregate.collection);
        if let Some(pushdown) = AggregatePushdown::new(&declared, aggregate)
            && let Some(rows) =
                self.retry(&doing, || Box::pin(self.aggregate_on_server(&declared, aggregate, &pushdown))).await?
        {
            // An aggregate over no documents may have a row too, which the server does not send.
            return if rows.is_empty() { nothing.rows() } else { Ok(rows) };
        }
        self.retry(&doing, || Box::pin(self.aggregate_locally(&declared, aggregate))).await
    }

    /// Computes the aggregate on the server. `None` if the reference implementation may have a different result.
    async fn aggregate_on_server(
        &self,
        declared: &CollectionCodec,
        question: &Aggregate,
        pushed: &AggregatePushdown,
    ) -> Result<Option<Vec<Document>>, AttemptError> {
        let mut found = self.run_pipeline(&question.collection, pushed.pipeline()).await?;
        let mut rows = Vec::new();
        while found.advance().await? {
            match pushed.decode_row(declared.collection, question, found.current()) {
                Some(row) => rows.push(row),
                None => return Ok(None),
            }
        }
        sort_by(&mut rows, |(a, _), (b, _)| a.cmp(b));
        Ok(Some(rows.into_iter().map(|(_, row)| row).collect()))
    }

    /// Computes the aggregate here, over documents that the server sends.
    async fn aggregate_locally(
        &self,
        declared: &CollectionCodec,
        question: &Aggregate,
    ) -> Result<Vec<Document>, AttemptError> {
        let filter = translate(declared, &question.filter).condition.filter();
        let command = doc! {"filter": filter, "projection": read_fields(question)};
        let mut found = self.find(&question.collection, command, BATCH).await?;
        let mut documents: Vec<(Arc<str>, Arc<Document>)> = Vec::new();
        while found.advance().await? {
            let (id, stored) = declared.decode_document(found.current())?;
            documents.push((id, stored.document));
        }
        // The sum of doubles depends on the order of addition, which is the order of ids.
        sort_by(&mut documents, |(a, _), (b, _)| a.cmp(b));
        let mut numbers = Aggregation::new(declared.collection, question)?;
        documents.iter().for_each(|(_, document)| numbers.add(document));
        Ok(numbers.rows()?)
    }
}

/// A projection of the fields that the aggregate reads.
fn read_fields(question: &Aggregate) -> Doc {
    let mut read = Vec::new();
    collect_filter_fields(&question.filter, &mut read);
    for group in &question.group_by {
        let (Group::Field(path) | Group::Bucket(path, _)) = group;
        read.push(top_field(path));
    }
    for (_, accumulator) in &question.accumulators {
        match accumulator {
            Accumulator::Count => {}
            Accumulator::CountIf(filter) => collect_filter_fields(filter, &mut read),
            Accumulator::Sum(path)
            | Accumulator::Avg(path)
            | Accumulator::Min(path)
            | Accumulator::Max(path)
            | Accumulator::Percentile(path, _) => read.push(top_field(path)),
        }
    }
    include_fields(read)
}
