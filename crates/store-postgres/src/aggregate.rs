//! Aggregates. The server selects the documents, and the reference implementation (`store::eval`) computes the result.

use futures_util::TryStreamExt as _;
use runstate_core::schema::Aggregate;
use runstate_store::StoreError;
use runstate_store::eval::Aggregation;
use runstate_value::Document;

use super::Postgres;
use super::codec;
use super::filter::{self, SqlCondition};
use super::retry::{ReadFailure, retry};
use super::statement::{SqlStatement, quote};

/// Computes an aggregate over the matching documents.
pub(super) async fn run_aggregate(store: &Postgres, aggregate: &Aggregate) -> Result<Vec<Document>, StoreError> {
    let doing = format!("aggregating {}", aggregate.collection);
    retry(store, &doing, || Box::pin(aggregate_locally(store, aggregate))).await
}

/// Computes the aggregate here, over documents in the order of their ids: the sum of doubles depends on it.
async fn aggregate_locally(store: &Postgres, aggregate: &Aggregate) -> Result<Vec<Document>, ReadFailure> {
    let declarations = store.declarations();
    let layout = declarations.require(&aggregate.collection)?;
    let mut state = Aggregation::new(layout.collection, aggregate)?;
    if !layout.exists {
        declarations.check_still_current(store).await?;
        return Ok(state.rows()?);
    }
    let mut connection = store.pool.acquire().await?;
    let mut params = Vec::new();
    let SqlCondition { text, .. } = filter::translate(layout, &aggregate.filter, &mut params);
    let text = format!("SELECT t.* FROM {} AS t WHERE {text} ORDER BY t.{}", layout.table, quote(layout.id));
    let mut stream = std::pin::pin!(connection.stream(&SqlStatement::new(text, params)).await?);
    while let Some(row) = stream.try_next().await? {
        let (_, stored) = codec::decode(layout.collection.name, Some(layout), &row)?;
        state.add(&stored.document);
    }
    declarations.check_current(&mut connection).await?;
    connection.release();
    Ok(state.rows()?)
}
