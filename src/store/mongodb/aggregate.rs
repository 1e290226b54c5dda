//! Numbers over documents. The server counts where it counts as the reference does; else it sends the fields that are read, and the
//! reference counts.

use std::sync::Arc;

use super::Mongo;
use super::again::Stop;
use super::asking::BATCH;
use super::codec::Declared;
use super::filter::translate;
use super::pushed::Pushed;
use super::query::{only, paths, top};
use crate::schema::{Accumulator, Aggregate, Group};
use crate::store::Error;
use crate::store::eval::Aggregation;
use crate::value::{Document, sort_by};
use mongodb::bson::{Document as Doc, doc};

impl Mongo {
    /// Numbers over the documents that match.
    pub(super) async fn ask_aggregate(&self, question: &Aggregate) -> Result<Vec<Document>, Error> {
        let declared = self.asked(&question.collection)?;
        let nothing = Aggregation::of(declared.collection, question)?;
        let doing = format!("counting in {}", question.collection);
        if let Some(pushed) = Pushed::of(&declared, question)
            && let Some(rows) = self.again(&doing, || Box::pin(self.counted(&declared, question, &pushed))).await?
        {
            // Over nothing there is a row too, which the server does not send.
            return if rows.is_empty() { nothing.rows() } else { Ok(rows) };
        }
        self.again(&doing, || Box::pin(self.count(&declared, question))).await
    }

    /// What the server counted. `None`: something among it that the reference counts otherwise.
    async fn counted(
        &self,
        declared: &Declared,
        question: &Aggregate,
        pushed: &Pushed,
    ) -> Result<Option<Vec<Document>>, Stop> {
        let mut found = self.pipeline(&question.collection, pushed.pipeline()).await?;
        let mut rows = Vec::new();
        while found.advance().await? {
            match pushed.row(declared.collection, question, found.current()) {
                Some(row) => rows.push(row),
                None => return Ok(None),
            }
        }
        sort_by(&mut rows, |(a, _), (b, _)| a.cmp(b));
        Ok(Some(rows.into_iter().map(|(_, row)| row).collect()))
    }

    /// Counts here what the server sends.
    async fn count(&self, declared: &Declared, question: &Aggregate) -> Result<Vec<Document>, Stop> {
        let filter = translate(declared, &question.filter).condition.filter();
        let command = doc! {"filter": filter, "projection": fields(question)};
        let mut found = self.find(&question.collection, command, BATCH).await?;
        let mut documents: Vec<(Arc<str>, Arc<Document>)> = Vec::new();
        while found.advance().await? {
            let (id, stored) = declared.decode_document(found.current())?;
            documents.push((id, stored.document));
        }
        // Sums of doubles depend on the order: it is that of the ids.
        sort_by(&mut documents, |(a, _), (b, _)| a.cmp(b));
        let mut numbers = Aggregation::of(declared.collection, question)?;
        documents.iter().for_each(|(_, document)| numbers.add(document));
        Ok(numbers.rows()?)
    }
}

/// The fields that are read for the answer.
fn fields(question: &Aggregate) -> Doc {
    let mut read = Vec::new();
    paths(&question.filter, &mut read);
    for group in &question.group_by {
        let (Group::Field(path) | Group::Bucket(path, _)) = group;
        read.push(top(path));
    }
    for (_, accumulator) in &question.accumulators {
        match accumulator {
            Accumulator::Count => {}
            Accumulator::CountIf(filter) => paths(filter, &mut read),
            Accumulator::Sum(path)
            | Accumulator::Avg(path)
            | Accumulator::Min(path)
            | Accumulator::Max(path)
            | Accumulator::Percentile(path, _) => read.push(top(path)),
        }
    }
    only(read)
}
