//! The queries of an entity that need no code: one of its documents, and a list of them. `#[entity(noun = "…")]`
//! declares both.

use std::marker::PhantomData;

use runstate_value::Json;
use serde::Serialize;

use super::{DescribedParameter, Mismatch, OperationDeclaration, ParameterDeclaration, ParameterReader, Parameters};
use crate::decision::{Ctx, DomainQuery, LoadedDocument, OperationName, ReadSet, Rejection, View};
use crate::marker::MaybeSync;
use crate::schema::{
    Collection, Direction, Entity, Field, Fields, Filter, IndexKind, Key, Kind, Page, Predicate, Query, check_value,
};

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

/// The parameters that all lists have.
const COMMON: [&str; 4] = ["sort", "descending", "limit", "cursor"];

/// An entity with queries. `#[derive(Entity)]` implements it for an entity with a `noun`.
///
/// ```no_run
/// # async fn example(engine: &runstate::engine::Engine) -> Result<(), runstate::engine::Error> {
/// use runstate::domain::orchestration::Session;
/// use runstate::operation::EntityQueries;
///
/// let page = engine.query(&Session::list().filter("status", "stalled").limit(20)).await?;
/// let session = engine.query(&Session::show(&page.items[0].session_id)).await?;
/// # Ok(())
/// # }
/// ```
pub trait EntityQueries: Entity + MaybeSync {
    /// What [`EntityQueries::SHOW`] returns of a document: by default the entity.
    type Shown: Fields + Serialize + MaybeSync + 'static;

    /// What [`EntityQueries::LIST`] returns of a document: by default the entity.
    type Row: Fields + Serialize + MaybeSync + 'static;

    /// The query for one document: `domain.noun.show`.
    const SHOW: OperationDeclaration;

    /// The query for a list: `domain.noun.list`.
    const LIST: OperationDeclaration;

    /// The parameters of the list that are filters, each with its field.
    const FILTERS: &'static [(&'static str, &'static str)];

    /// The order of the list by default; `None`: by id.
    const SORT: Option<(&'static str, Direction)>;

    /// The condition of the documents that the queries find.
    const CONDITION: Option<Predicate>;

    /// The fields that the list reads; none: all.
    #[doc(hidden)]
    const ROW_FIELDS: &'static [Field];

    /// The parameters of [`EntityQueries::SHOW`].
    #[doc(hidden)]
    const SHOW_PARAMETERS: EntityParameters;

    /// The parameters of [`EntityQueries::LIST`].
    #[doc(hidden)]
    const LIST_PARAMETERS: EntityParameters;

    /// Adds to what [`EntityQueries::SHOW`] returns what other documents have of it.
    #[doc(hidden)]
    fn complete(view: &View, shown: &mut [Self::Shown]) -> Result<(), Rejection> {
        _ = (view, shown);
        Ok(())
    }

    /// The query for the document with this id.
    fn show(id: &str) -> ShowEntity<Self> {
        ShowEntity { id: id.to_owned(), entity: PhantomData }
    }

    /// The query for all documents in the order of the list.
    fn list() -> ListEntities<Self> {
        ListEntities::default()
    }
}

/// The parameters of a list: those of all lists, and these filters.
#[doc(hidden)]
pub const fn list_parameters<const N: usize>(filters: &[(&'static str, &'static str)]) -> [ParameterDeclaration; N] {
    let mut parameters = [ParameterDeclaration { name: "", required: false, subject: false }; N];
    let mut index = 0;
    while index < N {
        parameters[index].name = if index < filters.len() { filters[index].0 } else { COMMON[index - filters.len()] };
        index += 1;
    }
    parameters
}

/// Parameters with their descriptions.
#[doc(hidden)]
pub type EntityParameters = (&'static [ParameterDeclaration], &'static [DescribedParameter]);

/// Returns one document of an entity.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, OperationName)]
#[operation(name = E::SHOW.signature.name)]
pub struct ShowEntity<E: EntityQueries> {
    id: String,
    entity: PhantomData<fn() -> E>,
}

/// Lists documents of an entity page by page.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, OperationName)]
#[operation(name = E::LIST.signature.name)]
pub struct ListEntities<E: EntityQueries> {
    list: DocumentList,
    entity: PhantomData<fn() -> E>,
}

/// A list of documents without their type.
#[derive(Clone, Debug, Default)]
struct DocumentList {
    filters: Vec<(&'static str, Json)>,
    sort: Option<(&'static str, Direction)>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<E: EntityQueries> Default for ListEntities<E> {
    fn default() -> Self {
        Self { list: DocumentList::default(), entity: PhantomData }
    }
}

impl<E: EntityQueries> ListEntities<E> {
    /// Only documents whose field has this value, or one of these values if it is a list. A field that is a list must
    /// contain the value.
    pub fn filter(mut self, field: &'static str, value: impl Into<Json>) -> Self {
        self.list.filters.push((field, value.into()));
        self
    }

    /// In the order of a field, and then of the ids.
    pub fn sort(mut self, field: &'static str, direction: Direction) -> Self {
        self.list.sort = Some((field, direction));
        self
    }

    /// At most so many documents in a page; by default 100, never more than 1,000.
    pub fn limit(mut self, limit: u32) -> Self {
        self.list.limit = Some(limit);
        self
    }

    /// The page after the one with this `next`.
    pub fn after(mut self, cursor: &str) -> Self {
        self.list.cursor = Some(cursor.to_owned());
        self
    }
}

impl<E: EntityQueries> ListEntities<E> {
    /// The query for the page.
    pub fn query(&self) -> Query {
        let declaration = ListDeclaration { condition: E::CONDITION, sort: E::SORT, fields: E::ROW_FIELDS };
        self.list.query(&E::COLLECTION, &declaration)
    }
}

impl<E: EntityQueries> Parameters for ShowEntity<E> {
    const PARAMETERS: &'static [ParameterDeclaration] = E::SHOW_PARAMETERS.0;
    const DESCRIBED: &'static [DescribedParameter] = E::SHOW_PARAMETERS.1;

    fn read(reader: &mut ParameterReader) -> Result<Self, Mismatch> {
        let name = Self::PARAMETERS.first().map_or("id", |parameter| parameter.name);
        Ok(Self { id: reader.take(name)?, entity: PhantomData })
    }
}

impl<E: EntityQueries> DomainQuery for ShowEntity<E> {
    type Output = E::Shown;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<E::Shown, Rejection> {
        let mut shown = view.fields::<E, _>(&self.id)?;
        E::complete(view, std::slice::from_mut(&mut shown))?;
        let is_found = |found: &LoadedDocument| E::CONDITION.is_none_or(|condition| condition.holds(&found.document));
        match view.get(&Key::new(&E::COLLECTION, &self.id)).is_some_and(is_found) {
            true => Ok(shown),
            false => Err(Rejection::not_found::<E>(&self.id)),
        }
    }
}

impl<E: EntityQueries> Parameters for ListEntities<E> {
    const PARAMETERS: &'static [ParameterDeclaration] = E::LIST_PARAMETERS.0;
    const DESCRIBED: &'static [DescribedParameter] = E::LIST_PARAMETERS.1;

    fn read(reader: &mut ParameterReader) -> Result<Self, Mismatch> {
        Ok(Self { list: DocumentList::read(reader, &E::COLLECTION, E::FILTERS, E::ROW_FIELDS)?, entity: PhantomData })
    }
}

impl DocumentList {
    fn read(
        reader: &mut ParameterReader,
        collection: &Collection,
        filters: &[(&'static str, &'static str)],
        row: &[Field],
    ) -> Result<Self, Mismatch> {
        let mut list = Self::default();
        for (name, field) in filters {
            if let Some(value) = reader.take::<Option<Json>>(name)? {
                let rejected = |reason| Mismatch::of_rule(reason).within(name);
                let values = match &value {
                    Json::Array(values) => values,
                    _ if is_list(collection, field) => &Vec::new(),
                    one => std::slice::from_ref(one),
                };
                values.iter().try_for_each(|one| check_value(collection, field, one)).map_err(rejected)?;
                list.filters.push((field, value));
            }
        }
        let sort = reader.take::<Option<Json>>("sort")?.map(|value| read_sort(collection, row, value)).transpose()?;
        let descending = reader.take("descending")?;
        if descending && sort.is_none() {
            return Err(Mismatch::of_rule("needs `sort`, the field by which the rows are sorted").within("descending"));
        }
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        list.sort = sort.map(|field| (field, direction));
        (list.limit, list.cursor) = (reader.take("limit")?, reader.take("cursor")?);
        Ok(list)
    }

    fn query(&self, collection: &Collection, declaration: &ListDeclaration) -> Query {
        let filters = self.filters.iter().map(|(field, value)| match value {
            value if is_list(collection, field) => Filter::Contains((*field).to_owned(), value.clone()),
            Json::Array(values) => Filter::In((*field).to_owned(), values.clone()),
            value => Filter::Eq((*field).to_owned(), value.clone()),
        });
        let query =
            filters.chain(declaration.condition.map(|one| one.filter())).fold(Query::of(collection), Query::filter);
        let query = match self.sort.or(declaration.sort) {
            Some((field, direction)) => query.sort(field, direction),
            None => query,
        };
        query.project(declaration.fields).page(self.limit, self.cursor.as_ref())
    }
}

/// What the declaration of an entity says of its list.
struct ListDeclaration {
    condition: Option<Predicate>,
    sort: Option<(&'static str, Direction)>,
    fields: &'static [Field],
}

/// Whether a field is a list.
fn is_list(collection: &Collection, field: &str) -> bool {
    collection.fields.iter().any(|declared| declared.name == field && declared.kind == Kind::List)
}

impl<E: EntityQueries> DomainQuery for ListEntities<E> {
    type Output = Page<E::Row>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<E::Row>, Rejection> {
        Ok(view.page(ROWS))
    }
}

/// The fields of a collection's ordered indexes, by which a list may be sorted: each with its name in the list's rows,
/// which have the fields `row`; empty: all.
pub(super) fn sort_fields(collection: &Collection, row: &[Field]) -> Vec<(String, &'static str)> {
    let mut fields = Vec::new();
    let ordered = collection.indexes.iter().filter(|index| index.kind == IndexKind::Ordered);
    for (field, _) in ordered.flat_map(|index| index.fields) {
        if !row.is_empty() && !row.iter().any(|shown| shown.name == *field) {
            continue;
        }
        let name = collection.member_name(field.rsplit('.').next().unwrap_or(field));
        if !fields.iter().any(|(known, _)| *known == name) {
            fields.push((name, *field));
        }
    }
    fields
}

fn read_sort(collection: &Collection, row: &[Field], value: Json) -> Result<&'static str, Mismatch> {
    let fields = sort_fields(collection, row);
    if let Some((_, field)) = fields.iter().find(|(name, _)| value.as_str() == Some(name)) {
        return Ok(field);
    }
    let names: Vec<String> = fields.into_iter().map(|(name, _)| name).collect();
    Err(Mismatch::of_type(format!("one of {}", names.join(", ")), value).within("sort"))
}
