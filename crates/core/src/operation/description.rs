//! Documentation and schemas. They are large and only tools need them, so builds for pages leave them out.

use runstate_value::Document;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::entity_queries::sort_fields;
use super::{ParameterDeclaration, Parameters, SettingsDeclaration};
use crate::schema::{Collection, Field, Kind};

/// The description of an operation for documentation, tools and other faces.
#[derive(Debug)]
pub struct Description {
    /// Its documentation, in Markdown: the first paragraph is one sentence.
    pub documentation: &'static str,
    /// The words of its command line, without the program's name: `fleet project list`.
    pub command_line: String,
    /// The schema of its parameters.
    pub parameters: fn() -> Schema,
    /// The schema of its result.
    pub result: fn() -> Schema,
}

/// A parameter as a description lists it: its name, its documentation, its schema.
#[doc(hidden)]
pub type DescribedParameter = (&'static str, &'static str, fn(&mut SchemaGenerator) -> Schema);

/// The schema of a parameter's type.
#[doc(hidden)]
pub fn parameter_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a list's filter by `field`: a value, or a list of them.
#[doc(hidden)]
pub fn filter_schema(collection: &Collection, field: &str) -> Schema {
    let declared = collection.fields.iter().find(|declared| declared.name == field);
    let one = match declared {
        Some(Field { values: words @ [_, ..], .. }) => json_schema!({ "type": "string", "enum": words }),
        Some(Field { kind: Kind::Text | Kind::Id | Kind::Decimal, .. }) => json_schema!({ "type": "string" }),
        Some(Field { kind: Kind::Int, .. }) => json_schema!({ "type": "integer" }),
        Some(Field { kind: Kind::List, .. }) => return json_schema!({ "type": ["string", "null"] }),
        Some(Field { kind: Kind::Bool, .. }) => return json_schema!({ "type": ["boolean", "null"] }),
        _ => return true.into(),
    };
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }, { "type": "null" }] })
}

/// The schema of the field by which a list is sorted, whose rows have the fields `row`.
#[doc(hidden)]
pub fn sort_schema(collection: &Collection, row: &[Field]) -> Schema {
    optional_words(&sort_fields(collection, row).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
}

fn optional_words(words: &[impl Serialize]) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string", "enum": words }, { "type": "null" }] })
}

impl Description {
    /// Describes an operation with the parameters `P` and the result `R`. By default its command line follows from its
    /// name.
    pub fn new<P: Parameters, R: JsonSchema>(
        name: &str,
        documentation: &'static str,
        command_line: Option<&str>,
    ) -> Self {
        let command_line = command_line.map_or_else(|| default_command_line(name), str::to_owned);
        let parameters = || object_schema(P::DESCRIBED, P::PARAMETERS);
        let result = || SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<R>();
        Self { documentation, command_line, parameters, result }
    }
}

/// The words of domains whose names are those of stored collections.
const DOMAIN_WORDS: [(&str, &str); 2] = [("cvm", "runs"), ("orchestration", "sessions")];

/// The words of nouns that people look for without their domain.
const NOUN_WORDS: [(&str, &[&str]); 6] = [
    ("fleet.budget.", &["budget"]),
    ("fleet.budgetAccount.", &["budget", "account"]),
    ("fleet.budgetEvent.", &["budget", "event"]),
    ("fleet.exchangeRate.", &["budget", "exchange-rate"]),
    ("fleet.reservation.", &["budget", "reservation"]),
    ("fleet.usage.", &["budget", "usage"]),
];

/// The domain and the other words of a name: `fleet project list` of `fleet.project.list`, `runs call` of `cvm.call`. A
/// noun that its domain says already is left out: `sessions task add`, but `sessions list`. Budgets are a domain of
/// their own here: `budget list` of `fleet.budget.list`.
fn default_command_line(name: &str) -> String {
    let of_noun = NOUN_WORDS.iter().find_map(|(noun, words)| Some((words, name.strip_prefix(noun)?)));
    if let Some((words, verb)) = of_noun {
        return format!("{} {}", words.join(" "), kebab_case(verb));
    }
    let mut words: Vec<String> = name.split('.').map(kebab_case).collect();
    if let Some((_, word)) = DOMAIN_WORDS.iter().find(|(domain, _)| *domain == words[0]) {
        words[0] = (*word).to_owned();
    }
    if words.len() > 2 && words[0].strip_suffix('s') == Some(&*words[1]) {
        words.remove(1);
    }
    words.join(" ")
}

/// `next-available` of `nextAvailable`.
fn kebab_case(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, char| {
        if char.is_ascii_uppercase() {
            words.push('-');
        }
        words.push(char.to_ascii_lowercase());
        words
    })
}

impl SettingsDeclaration {
    /// The schema of an object with these settings and no others.
    pub fn schema(&self) -> Schema {
        object_schema(self.described, self.parameters)
    }
}

/// The schema of an object with these parameters and no others.
fn object_schema(described: &[DescribedParameter], parameters: &[ParameterDeclaration]) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Document::new();
    for (name, documentation, schema) in described {
        let mut schema = schema(&mut generator);
        if !documentation.is_empty() {
            schema.insert("description".to_owned(), (*documentation).into());
        }
        properties.insert((*name).to_owned(), schema.into());
    }
    let required: Vec<&str> = parameters.iter().filter(|one| one.required).map(|one| one.name).collect();
    let mut schema = json_schema!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let definitions: Document = generator.take_definitions(true).into_iter().collect();
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_begins_with_its_domain_and_does_not_repeat_it() {
        let lines = [
            "fleet.machineType.choose",
            "fleet.budget.create",
            "fleet.budgetEvent.list",
            "fleet.usage.record",
            "orchestration.session.nextDue",
            "orchestration.task.add",
            "apps.app.list",
            "cvm.programById",
            "notes.note",
            "ping",
        ];
        assert_eq!(
            lines.map(default_command_line),
            [
                "fleet machine-type choose",
                "budget create",
                "budget event list",
                "budget usage record",
                "sessions next-due",
                "sessions task add",
                "apps list",
                "runs program-by-id",
                "notes note",
                "ping",
            ]
        );
    }
}
