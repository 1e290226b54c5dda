//! Orders that the server computes as the reference implementation does, and cursors as conditions. An index ends with
//! the id, so it serves an order of its fields without a sort.

use runstate_core::schema::{Direction, Sort, keys};
use runstate_store::StoredDocument;
use runstate_store::eval::{Cursor, SortKey};
use runstate_value::{Json, get};

use super::codec::{encode_value, limit_key};
use super::filter::column;
use super::layout::{ColumnType, TableLayout, key_column};
use super::statement::{Param, bind};

/// One field of an order.
struct SortColumn {
    name: String,
    path: String,
    direction: Direction,
    /// The type of the field's own column; none: a column of sort keys.
    scalar: Option<ColumnType>,
}

/// An order by columns.
pub(super) struct ServerOrder {
    columns: Vec<SortColumn>,
    id: SortColumn,
}

impl ServerOrder {
    /// The order; none if a field has no column to sort by.
    pub(super) fn new(layout: &TableLayout, sort: &[Sort]) -> Option<Self> {
        let columns = sort.iter().map(|Sort { field, direction }| {
            let scalar = layout.scalar_column(field);
            let name = match scalar {
                Some(_) => column(field),
                None if layout.has_key(field) => column(&key_column(field)),
                None => return None,
            };
            Some(SortColumn { name, path: field.clone(), direction: *direction, scalar })
        });
        let id = SortColumn {
            name: column(layout.id),
            path: layout.id.to_owned(),
            direction: Direction::Ascending,
            scalar: layout.has_id_field().then_some(ColumnType::Uuid),
        };
        Some(Self { columns: columns.collect::<Option<_>>()?, id })
    }

    /// The list after `ORDER BY`.
    pub(super) fn to_sql(&self) -> String {
        let each = self.columns.iter().map(|one| format!("{} {}", one.name, direction_sql(one.direction)));
        each.chain([self.id.name.clone()]).collect::<Vec<_>>().join(", ")
    }

    /// Whether the server may order two values of this document's fields otherwise: times before all that it stores,
    /// and long sort keys.
    pub(super) fn is_inexact_for(&self, stored: &StoredDocument) -> bool {
        self.columns.iter().any(|one| {
            let value = get(&stored.document, &one.path).unwrap_or(&Json::Null);
            match one.scalar {
                Some(ColumnType::Timestamp) => encode_value(ColumnType::Timestamp, value) == Some(Param::EarliestTime),
                Some(_) => false,
                None => {
                    let key = keys::encode_field(runstate_core::schema::Kind::Json, value, Direction::Ascending);
                    key.len() >= super::codec::MAX_KEY_BYTES
                }
            }
        })
    }

    /// The condition for rows after the cursor. None: the server's order does not decide it.
    pub(super) fn after(&self, cursor: &Cursor, params: &mut Vec<Param>) -> Option<String> {
        let mut values = Vec::new();
        for (one, key) in self.columns.iter().zip(cursor.key.fields()) {
            values.push(one.cursor_value(key)?);
        }
        // A cursor may have the id of no document.
        let id = encode_value(self.id.scalar.unwrap_or(ColumnType::Text), &cursor.id.as_str().into())?;
        let cast = self.id.scalar.map_or("", ColumnType::cast);
        let mut text = format!("{} > {}{cast}", self.id.name, bind(params, id));
        for (one, value) in self.columns.iter().zip(values).rev() {
            let name = &one.name;
            text = match (one.direction, value) {
                (Direction::Ascending, None) => format!("({name} IS NOT NULL OR {text})"),
                (Direction::Descending, None) => format!("({name} IS NULL AND {text})"),
                (direction, Some(param)) => {
                    let placeholder = bind(params, param);
                    let cast = one.scalar.map_or("", ColumnType::cast);
                    let value = format!("{placeholder}{cast}");
                    match direction {
                        Direction::Ascending => format!("({name} >= {value} AND ({name} > {value} OR {text}))"),
                        Direction::Descending => {
                            format!(
                                "(({name} <= {value} OR {name} IS NULL) AND ({name} < {value} OR {name} IS NULL OR {text}))"
                            )
                        }
                    }
                }
            };
        }
        Some(text)
    }
}

impl SortColumn {
    /// The value of a cursor's field; `Some(None)`: null.
    fn cursor_value(&self, key: &[u8]) -> Option<Option<Param>> {
        let Some(scalar) = self.scalar else {
            let plain: Vec<u8> = match self.direction {
                Direction::Ascending => key.to_vec(),
                Direction::Descending => key.iter().map(|byte| !byte).collect(),
            };
            let limited = limit_key(plain.clone());
            return (limited == plain).then_some(Some(Param::Bytes(plain)));
        };
        let kind = match scalar {
            ColumnType::Decimal | ColumnType::Number(..) => runstate_core::schema::Kind::Decimal,
            ColumnType::Timestamp => runstate_core::schema::Kind::Timestamp,
            ColumnType::Int | ColumnType::Integer => runstate_core::schema::Kind::Int,
            _ => runstate_core::schema::Kind::Json,
        };
        match keys::decode_field(kind, self.direction, key)? {
            Json::Null => Some(None),
            value => match encode_value(scalar, &value)? {
                Param::EarliestTime => None,
                param => Some(Some(param)),
            },
        }
    }
}

/// The direction of a column, with nulls where the reference implementation has them.
pub(super) fn direction_sql(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC NULLS FIRST",
        Direction::Descending => "DESC NULLS LAST",
    }
}

/// The sort key and the id of a row.
pub(super) fn position(layout: &TableLayout, sort: &[Sort], id: &str, stored: &StoredDocument) -> Cursor {
    Cursor { key: SortKey::new(layout.collection, sort, &stored.document), id: id.to_owned() }
}
