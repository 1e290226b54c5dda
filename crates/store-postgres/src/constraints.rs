//! The constraints of a table: checks from the declared ranges of fields, and columns that are not null.
//! Each write checks the declaration anyway; the constraints hold for other programs too. Only a new table has them,
//! and one whose collection has a new version.

use runstate_core::schema::{Collection, Kind, Literal, NumberRange, Presence};
use runstate_value::CRC_32;

use super::layout::{ColumnType, TableLayout, limit_name, split_name};
use super::statement::{quote, quote_text};

/// A check of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TableConstraint {
    /// Its name, which ends with the checksum of its condition.
    pub(super) name: String,
    condition: String,
}

impl TableConstraint {
    fn new(layout: &TableLayout, field: &str, condition: String) -> Self {
        let (_, table) = split_name(layout.collection.name);
        let checksum = CRC_32.checksum(condition.as_bytes());
        Self { name: limit_name(&format!("{table}_{field}_{checksum:08x}")), condition }
    }

    /// The clause that declares it.
    pub(super) fn clause(&self) -> String {
        format!("CONSTRAINT {} CHECK ({})", quote(&self.name), self.condition)
    }
}

/// The checks of a table. Fields without a column of numbers have none.
pub(super) fn required_constraints(layout: &TableLayout) -> Vec<TableConstraint> {
    let mut constraints = Vec::new();
    for field in layout.collection.fields.iter().filter(|field| field.range != NumberRange::ANY) {
        let column = layout.scalar_column(field.name).map(ColumnType::base);
        if matches!(column, Some(ColumnType::Int | ColumnType::Decimal)) {
            let bound = |operator: &str, bound: i64| format!("{} {operator} {bound}", quote(field.name));
            let least = field.range.min.map(|min| bound(">=", min));
            let bounds: Vec<String> = least.into_iter().chain(field.range.max.map(|max| bound("<=", max))).collect();
            constraints.push(TableConstraint::new(layout, field.name, bounds.join(" AND ")));
        }
    }
    constraints
}

/// Whether the column of a field is never null: every document has the field, and the column holds each of its values.
pub(super) fn is_never_null(collection: &Collection, field: &str) -> bool {
    let declared = collection.fields.iter().find(|declared| declared.name == field);
    declared.is_some_and(|declared| declared.presence == Presence::Required)
}

/// The end of the definition of a field's column in a new table.
pub(super) fn column_constraints(collection: &Collection, field: &str) -> String {
    let declared = collection.fields.iter().find(|declared| declared.name == field);
    match declared.map(|declared| declared.presence) {
        // Another program that inserts a row need not name its time.
        Some(Presence::Required) if declared.is_some_and(|field| field.kind == Kind::Timestamp && !field.secret) => {
            " NOT NULL DEFAULT now()".to_owned()
        }
        Some(Presence::Required) => " NOT NULL".to_owned(),
        Some(Presence::Default(Literal::Text(text))) => format!(" DEFAULT {}", quote_text(text)),
        Some(Presence::Default(Literal::Int(number))) => format!(" DEFAULT {number}"),
        Some(Presence::Default(Literal::Bool(truth))) => format!(" DEFAULT {truth}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::{Field, Format};

    use super::*;

    #[test]
    fn ranges_are_checks_of_their_columns() {
        const C: Collection = Collection::new("a.b", 1).fields(&[
            Field::decimal("share").range(NumberRange { min: Some(0), max: Some(1) }),
            Field::int("o.n").range(NumberRange::NOT_NEGATIVE).optional(),
            Field::int("n").range(NumberRange { min: None, max: Some(9) }).format(Format::Integer).optional(),
        ]);
        let clauses = |layout: &TableLayout| -> Vec<String> {
            let constraints = required_constraints(layout);
            constraints.iter().map(|one| one.clause().split_once(" CHECK ").unwrap().1.to_owned()).collect()
        };
        let mut layout = TableLayout::declared(&C);
        let expected = [r#"("share" >= 0 AND "share" <= 1)"#, r#"("n" <= 9)"#];
        assert_eq!(clauses(&layout), expected);
        layout.columns.insert("share".to_owned(), ColumnType::Json);
        assert_eq!(clauses(&layout), expected[1..]);
    }
}
