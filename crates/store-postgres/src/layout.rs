//! Tables: a collection `d.c` is the table `c` in the schema `d`. Each declared field at the top level has a column of
//! its kind. `_rest` has all other fields, nulls, and values that a column cannot hold exactly.
//!
//! ```text
//! _id text, _rev text, _v integer, _rest jsonb     id, revision, schema version, other fields; no `_id` if a field is the id, with the format
//!                                                  uuid
//! field                                            one column for each declared field: text, bigint, double precision, boolean, numeric,
//!                                                  timestamptz(3) or jsonb; by its format uuid, date, integer, varchar(n) or numeric(p,s)
//! "_key:path" bytea                                the sort key (schema/keys.rs) of an indexed path that has no such column
//! "_words:index" text[]                            the words of a text index
//! ```

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use runstate_core::schema::{Collection, Field, Format, Index, IndexKind, Kind, Presence};
use runstate_value::CRC_32;
use tokio_postgres::Column;
use tokio_postgres::types::Type;

use super::statement::quote;

/// The column of the id, unless a field with the format of a UUID is the id.
pub(super) const ID: &str = "_id";
/// The column of all fields without a column of their own.
pub(super) const REST: &str = "_rest";
/// Names that the server keeps for itself.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
/// The longest name that the server does not truncate, in bytes.
const MAX_NAME_BYTES: usize = 63;
/// The longest text of a column with a limit.
const MAX_VARCHAR: u32 = 10_485_760;
/// The most columns that a table gets. The server's own limit is slightly higher than twice this number.
const MAX_COLUMNS: usize = 700;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Text,
    Int,
    Float,
    Bool,
    Decimal,
    /// With milliseconds, as in documents. The server rounds what SQL writes, so the order of a table is that of its
    /// documents, and no page of a list begins within a millisecond.
    Timestamp,
    Json,
    /// A text of at most this number of characters, of which U+0000 and U+0001 count as two.
    Varchar(u32),
    /// A text that is a UUID.
    Uuid,
    /// A text that is a day.
    Date,
    /// An integer of 32 bits.
    Integer,
    /// A decimal of this precision and scale.
    Number(u32, u32),
}

impl ColumnType {
    /// The type of the column of a field in a new table.
    pub(super) fn for_field(field: &Field) -> Self {
        match field.format {
            // A sealed value is an object.
            _ if field.secret => Self::Json,
            Some(Format::Uuid) => Self::Uuid,
            Some(Format::Date) => Self::Date,
            Some(Format::Integer) => Self::Integer,
            Some(Format::Decimal(precision, scale)) => Self::Number(precision, scale),
            Some(Format::Varchar(characters)) if (1..=MAX_VARCHAR).contains(&characters) => Self::Varchar(characters),
            Some(Format::Varchar(_)) | None => Self::for_kind(field.kind),
        }
    }

    /// The type without its format.
    pub(super) fn base(self) -> Self {
        match self {
            Self::Uuid | Self::Date | Self::Varchar(_) => Self::Text,
            Self::Integer => Self::Int,
            Self::Number(..) => Self::Decimal,
            other => other,
        }
    }

    /// Whether a column of this type holds all values of a field whose column in a new table has the type `wanted`.
    pub(super) fn holds(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Varchar(limit), Self::Varchar(needed)) => limit >= needed,
            _ => self == wanted || self == wanted.base(),
        }
    }

    /// Whether it is a column of texts of any form.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_))
    }

    fn for_kind(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Id => Self::Text,
            Kind::Int => Self::Int,
            Kind::Float => Self::Float,
            Kind::Bool => Self::Bool,
            Kind::Decimal => Self::Decimal,
            Kind::Timestamp => Self::Timestamp,
            Kind::Json | Kind::List | Kind::Object => Self::Json,
        }
    }

    /// The type that the server reports under this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some((precision, scale)) =
            name.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')')?.split_once(','))
        {
            return Some(Self::Number(precision.parse().ok()?, scale.parse().ok()?));
        }
        if let Some(limit) = name.strip_prefix("character varying(").and_then(|rest| rest.strip_suffix(')')) {
            return Some(Self::Varchar(limit.parse().ok()?));
        }
        const ALL: [ColumnType; 10] = [
            ColumnType::Text,
            ColumnType::Int,
            ColumnType::Float,
            ColumnType::Bool,
            ColumnType::Decimal,
            ColumnType::Timestamp,
            ColumnType::Json,
            ColumnType::Uuid,
            ColumnType::Date,
            ColumnType::Integer,
        ];
        ALL.into_iter().find(|one| one.name() == name)
    }

    /// The name that the server reports.
    pub(super) fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text => "text",
            Self::Int => "bigint",
            Self::Float => "double precision",
            Self::Bool => "boolean",
            Self::Decimal => "numeric",
            Self::Timestamp => "timestamp(3) with time zone",
            Self::Json => "jsonb",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Integer => "integer",
            Self::Varchar(limit) => return Cow::Owned(format!("character varying({limit})")),
            Self::Number(precision, scale) => return Cow::Owned(format!("numeric({precision},{scale})")),
        })
    }

    /// The type in the protocol.
    fn server_type(self) -> Type {
        match self {
            Self::Text => Type::TEXT,
            Self::Varchar(_) => Type::VARCHAR,
            Self::Int => Type::INT8,
            Self::Float => Type::FLOAT8,
            Self::Bool => Type::BOOL,
            Self::Decimal | Self::Number(..) => Type::NUMERIC,
            Self::Timestamp => Type::TIMESTAMPTZ,
            Self::Json => Type::JSONB,
            Self::Uuid => Type::UUID,
            Self::Date => Type::DATE,
            Self::Integer => Type::INT4,
        }
    }

    /// The modifier of the type in the protocol: its length, or its precision and scale. -1: it has none.
    fn modifier(self) -> i32 {
        const HEADER: u32 = 4;
        let modifier = match self {
            Self::Timestamp => Some(3),
            Self::Varchar(limit) => Some(limit + HEADER),
            Self::Number(precision, scale) => Some(((precision << 16) | scale) + HEADER),
            _ => None,
        };
        modifier.and_then(|modifier| i32::try_from(modifier).ok()).unwrap_or(-1)
    }

    /// The definition of a column of this type. Texts compare by their bytes, as in the reference implementation.
    pub(super) fn definition(self) -> Cow<'static, str> {
        if self.is_text() { Cow::Owned(format!("{} COLLATE \"C\"", self.name())) } else { self.name() }
    }

    /// The cast of a parameter, which is sent as a text or a wider number.
    pub(super) fn cast(self) -> &'static str {
        match self {
            Self::Decimal | Self::Number(..) => "::text::numeric",
            Self::Uuid => "::text::uuid",
            Self::Date => "::text::date",
            _ => "",
        }
    }
}

/// The columns of a table, as they exist on the server.
#[derive(Clone, Debug)]
pub(super) struct TableLayout {
    pub(super) collection: &'static Collection,
    /// The quoted name.
    pub(super) table: String,
    pub(super) exists: bool,
    /// The column of the id: [`ID`], or a field of UUIDs.
    pub(super) id: &'static str,
    /// The column of the day by whose month the table is divided; the primary key then includes it.
    pub(super) partition: Option<String>,
    /// The columns of fields, by name.
    pub(super) columns: BTreeMap<String, ColumnType>,
    /// The names of the columns that others have added. A migration may replace one by the column of a field, so a read
    /// of a table with such columns also reads the fingerprint of the schema.
    pub(super) foreign: BTreeSet<String>,
    /// The paths with a column of sort keys.
    pub(super) keys: Vec<(&'static str, Kind)>,
    /// The text indexes, each with a column of words.
    pub(super) words: Vec<&'static Index>,
    /// The statements that write a document, once one was needed. Then the columns do not change any more.
    pub(super) texts: OnceLock<WriteTexts>,
}

/// The statements that write a document. They return nulls of the types of its columns: for a column that was altered
/// the server converts values, and may round them.
#[derive(Clone, Debug)]
pub(super) struct WriteTexts {
    pub(super) insert: Arc<str>,
    pub(super) update: Arc<str>,
    /// As `update`, and the schema version stays.
    pub(super) change: Arc<str>,
}

impl TableLayout {
    /// The layout of a declared collection, in a new table.
    pub(super) fn declared(collection: &'static Collection) -> Self {
        let fields = collection.fields.iter().filter(|field| may_be_column(field.name)).take(MAX_COLUMNS);
        let columns = fields.map(|field| (field.name.to_owned(), ColumnType::for_field(field))).collect();
        let partition = collection.partition_day.map(str::to_owned);
        Self { partition, id: id_field(collection).unwrap_or(ID), ..Self::with_columns(collection, columns) }
    }

    /// The layout with these columns of fields.
    pub(super) fn with_columns(collection: &'static Collection, columns: BTreeMap<String, ColumnType>) -> Self {
        let mut layout = Self {
            collection,
            table: quote_table(collection.name),
            exists: true,
            id: ID,
            partition: None,
            columns,
            foreign: BTreeSet::new(),
            keys: Vec::new(),
            words: Vec::new(),
            texts: OnceLock::new(),
        };
        for index in collection.indexes {
            match index.kind {
                IndexKind::Ordered => {
                    for (path, _) in index.fields {
                        if layout.scalar_column(path).is_none() && !layout.keys.iter().any(|(known, _)| known == path) {
                            layout.keys.push((path, collection.kind_of(path)));
                        }
                    }
                }
                IndexKind::Text => layout.words.push(index),
                IndexKind::Each | IndexKind::Contains => {}
            }
        }
        layout
    }

    /// The type of the column that holds the values at a path alone. None: there is no such column, or it does not have
    /// the declared kind.
    pub(super) fn scalar_column(&self, path: &str) -> Option<ColumnType> {
        let declared = self.collection.fields.iter().find(|field| field.name == path)?;
        let wanted = ColumnType::for_field(declared);
        let found = *self.columns.get(path)?;
        (wanted != ColumnType::Json && found.holds(wanted)).then_some(found)
    }

    /// Whether a column of a row is the one that this layout has for a field.
    pub(super) fn has_column(&self, column: &Column) -> bool {
        self.columns
            .get(column.name())
            .is_some_and(|known| known.server_type() == *column.type_() && known.modifier() == column.type_modifier())
    }

    /// Whether a column of a field has another type than this layout has for it.
    pub(super) fn is_retyped(&self, columns: &[Column]) -> bool {
        columns.iter().any(|column| self.columns.contains_key(column.name()) && !self.has_column(column))
    }

    /// Whether a field is the id.
    pub(super) fn has_id_field(&self) -> bool {
        self.id != ID
    }

    /// Whether the column of the id can hold this one.
    pub(super) fn holds_id(&self, id: &str) -> bool {
        !self.has_id_field() || Format::Uuid.fits(&id.into())
    }

    /// The id as a text, of a row of `t`.
    pub(super) fn id_text(&self) -> String {
        let cast = if self.has_id_field() { "::text" } else { "" };
        format!("t.{}{cast}", quote(self.id))
    }

    /// The condition that the id is the one of this placeholder.
    pub(super) fn has_id(&self, placeholder: &str) -> String {
        let cast = if self.has_id_field() { ColumnType::Uuid.cast() } else { "" };
        format!("{} = {placeholder}{cast}", quote(self.id))
    }

    /// The condition that the id is one of those of this placeholder.
    pub(super) fn has_any_id(&self, placeholder: &str) -> String {
        let cast = if self.has_id_field() { "::uuid[]" } else { "" };
        format!("{} = ANY({placeholder}{cast})", quote(self.id))
    }

    /// Whether a path has a column of sort keys.
    pub(super) fn has_key(&self, path: &str) -> bool {
        self.keys.iter().any(|(known, _)| *known == path)
    }

    /// The hidden columns, with their types.
    pub(super) fn hidden_columns(&self) -> Vec<(String, &'static str)> {
        let keys = self.keys.iter().map(|(path, _)| (key_column(path), "bytea"));
        keys.chain(self.words.iter().map(|index| (words_column(index), "text[]"))).collect()
    }
}

/// The field that is the id, if all its values are UUIDs: its column is the primary key of a new table.
pub(super) fn id_field(collection: &Collection) -> Option<&'static str> {
    let [name] = collection.id_fields else { return None };
    let field = collection.fields.iter().find(|field| field.name == *name)?;
    let is_id = field.presence == Presence::Required && ColumnType::for_field(field) == ColumnType::Uuid;
    (is_id && may_be_column(name)).then_some(name)
}

/// Whether a field can have a column of its name.
pub(super) fn may_be_column(field: &str) -> bool {
    field.len() <= MAX_NAME_BYTES && !field.contains('.') && !field.starts_with('_') && !SYSTEM_COLUMNS.contains(&field)
}

/// The column with the sort keys of a path.
pub(super) fn key_column(path: &str) -> String {
    limit_name(&format!("_key:{path}"))
}

/// The column with the words of a text index.
pub(super) fn words_column(index: &Index) -> String {
    limit_name(&format!("_words:{}", index.name()))
}

/// The name, or a shorter one with its checksum.
pub(super) fn limit_name(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let checksum = format!("_{:08x}", CRC_32.checksum(name.as_bytes()));
    let mut end = MAX_NAME_BYTES - checksum.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{checksum}", &name[..end])
}

/// The schema and the table of a collection.
pub(super) fn split_name(collection: &str) -> (&str, &str) {
    collection.split_once('.').unwrap_or(("runstate", collection))
}

/// The quoted name of the table of a collection.
pub(super) fn quote_table(collection: &str) -> String {
    let (schema, table) = split_name(collection);
    format!("{}.{}", quote(schema), quote(table))
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Direction::Ascending;

    use super::*;

    #[test]
    fn each_declared_field_has_a_column_of_its_kind() {
        const C: Collection = Collection::new("a.b", 1)
            .fields(&[
                Field::text("x"),
                Field::decimal("cost"),
                Field::int("o.n"),
                Field::json("any"),
                Field::id("xmin"),
            ])
            .indexes(&[Index::ordered(&[("x", Ascending), ("o.n", Ascending), ("any", Ascending)])]);
        let layout = TableLayout::declared(&C);
        let columns: Vec<_> =
            layout.columns.iter().map(|(name, column)| (name.as_str(), column.name().into_owned())).collect();
        let columns: Vec<_> = columns.iter().map(|(name, column)| (*name, column.as_str())).collect();
        assert_eq!(columns, [("any", "jsonb"), ("cost", "numeric"), ("x", "text")]);
        assert_eq!(layout.keys, [("o.n", Kind::Int), ("any", Kind::Json)]);
        assert_eq!(layout.table, "\"a\".\"b\"");
    }

    #[test]
    fn long_name_is_shortened_to_a_distinct_one() {
        let (a, b) = (limit_name(&format!("{}a", "é".repeat(40))), limit_name(&format!("{}b", "é".repeat(40))));
        assert!(a.len() <= MAX_NAME_BYTES && a != b, "{a} {b}");
        assert_eq!(limit_name("short"), "short");
    }
}
