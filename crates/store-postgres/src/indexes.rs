//! Indexes of a table. The name of an index ends with the checksum of its definition, so that a changed one has another
//! name.

use runstate_core::schema::{Index, IndexKind};
use runstate_value::CRC_32;

use super::filter::{indexed_json, partial_condition};
use super::layout::{TableLayout, key_column, limit_name, split_name, words_column};
use super::sort::direction_sql;
use super::statement::quote;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerIndex {
    /// Its name on the server.
    pub(super) name: String,
    /// The name of the declared index.
    pub(super) declared: String,
    /// The statement that creates it.
    pub(super) create: String,
    /// Of a unique index: the query of the greatest id of a document that shares its entry with another one.
    pub(super) find_duplicate: Option<String>,
}

pub(super) fn required_indexes(layout: &TableLayout) -> Vec<ServerIndex> {
    let mut indexes: Vec<ServerIndex> = Vec::new();
    let mut add = |index: ServerIndex| {
        if !indexes.iter().any(|known| known.name == index.name) {
            indexes.push(index);
        }
    };
    for index in layout.collection.indexes {
        if let Some(index) = server_index(layout, index) {
            add(index);
        }
    }
    if let Some(ttl) = &layout.collection.ttl
        && layout.scalar_column(ttl.field).is_some()
        && !layout
            .collection
            .indexes
            .iter()
            .any(|index| index.partial.is_none() && index.fields.first().is_some_and(|(field, _)| *field == ttl.field))
    {
        add(named(layout, "expiry", false, format!("({})", quote(ttl.field))));
    }
    indexes
}

fn server_index(layout: &TableLayout, index: &Index) -> Option<ServerIndex> {
    let path = index.fields.first().map(|(path, _)| *path)?;
    let definition = match index.kind {
        IndexKind::Ordered => {
            let column =
                |path: &str| if layout.scalar_column(path).is_some() { quote(path) } else { quote(&key_column(path)) };
            let fields =
                index.fields.iter().map(|(path, direction)| format!("{} {}", column(path), direction_sql(*direction)));
            // With the id the index has the total order of queries.
            let id = (!index.unique).then(|| quote(layout.id));
            let fields: Vec<String> = fields.chain(id).collect();
            let distinct = if index.unique { " NULLS NOT DISTINCT" } else { "" };
            let partial = partial_condition(layout, index).map(|text| format!(" WHERE {}", unqualify(&text)));
            let partial = partial.unwrap_or_default();
            let definition = format!("({}){distinct}{partial}", fields.join(", "));
            let find_duplicate = index.unique.then(|| {
                let columns: Vec<String> = index.fields.iter().map(|(path, _)| column(path)).collect();
                // Nulls are equal in a partition, as in the index.
                format!(
                    "SELECT d.id::text FROM (SELECT {} AS id, count(*) OVER (PARTITION BY {}) AS sharing FROM {}{partial}) AS d \
                     WHERE d.sharing > 1 ORDER BY d.id DESC LIMIT 1",
                    quote(layout.id),
                    columns.join(", "),
                    layout.table
                )
            });
            let named = named(layout, &index.name(), index.unique, definition);
            return Some(ServerIndex { find_duplicate, ..named });
        }
        IndexKind::Each | IndexKind::Contains => {
            format!("USING gin (({}) jsonb_path_ops)", unqualify(&indexed_json(layout, path)?))
        }
        IndexKind::Text => format!("USING gin ({})", quote(&words_column(index))),
    };
    Some(named(layout, &index.name(), index.unique, definition))
}

fn named(layout: &TableLayout, declared: &str, unique: bool, definition: String) -> ServerIndex {
    let checksum = CRC_32.checksum(format!("{unique} {definition}").as_bytes());
    let (_, table) = split_name(layout.collection.name);
    // The checksum must survive a long name.
    let name = format!("{}_{checksum:08x}", shorten(&format!("{table}_{declared}")));
    let unique = if unique { "UNIQUE " } else { "" };
    let create = format!("CREATE {unique}INDEX {} ON {} {definition}", quote(&name), layout.table);
    ServerIndex { name, declared: declared.to_owned(), create, find_duplicate: None }
}

/// A name with room for a checksum.
fn shorten(name: &str) -> String {
    const ROOM: usize = 54;
    if name.len() <= ROOM {
        return name.to_owned();
    }
    let mut end = ROOM;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    limit_name(&name[..end])
}

/// The condition without the alias of its table, which the definition of an index does not have.
fn unqualify(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, None);
    while let Some(letter) = rest.chars().next() {
        match (quoted, letter) {
            (None, '\'' | '"') => quoted = Some(letter),
            (Some(quote), letter) if quote == letter => quoted = None,
            (None, 't') if rest.starts_with("t.\"") => {
                rest = &rest[2..];
                continue;
            }
            _ => {}
        }
        plain.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Direction::{Ascending, Descending};
    use runstate_core::schema::{Collection, Field, Literal, Predicate};

    use super::*;

    #[test]
    fn declared_indexes_are_defined_in_sql() {
        const C: Collection = Collection::new("a.b", 1)
            .fields(&[
                Field::text("x"),
                Field::int("n").optional(),
                Field::bool("live"),
                Field::list("tags"),
                Field::text("o.t").optional(),
                Field::timestamp("at").optional(),
            ])
            .indexes(&[
                Index::ordered(&[("x", Ascending), ("n", Descending)]),
                Index::ordered(&[("x", Ascending)]).unique().partial(Predicate::Eq("live", Literal::Bool(true))),
                Index::each(&[("tags", Ascending)]),
                Index::ordered(&[("o.t", Ascending)]).partial(Predicate::Exists("at")),
                Index::text(&[("x", Ascending)]),
            ]);
        let indexes = required_indexes(&TableLayout::declared(&C));
        let definitions: Vec<&str> = indexes.iter().map(|index| index.create.split_once(" ON ").unwrap().1).collect();
        assert_eq!(
            definitions,
            [
                r#""a"."b" ("x" ASC NULLS FIRST, "n" DESC NULLS LAST, "_id")"#,
                r#""a"."b" ("x" ASC NULLS FIRST) NULLS NOT DISTINCT WHERE "live" = true"#,
                r#""a"."b" USING gin ((("tags")) jsonb_path_ops)"#,
                r#""a"."b" ("_key:o.t" ASC NULLS FIRST, "_id") WHERE "at" IS NOT NULL"#,
                r#""a"."b" USING gin ("_words:x")"#,
            ]
        );
    }

    #[test]
    fn alias_is_removed_outside_of_quotes_only() {
        assert_eq!(
            unqualify(r#"t."a" = 't."b' AND "t.'" IS NULL AND t."c" -> 't."'"#),
            r#""a" = 't."b' AND "t.'" IS NULL AND "c" -> 't."'"#
        );
    }
}
