//! Paths to the input of an execution and to the outputs of its steps, and inputs that are made of them.

use runstate_value::{Document, Json, collect_document};

use super::definition::{FieldDefinition, StepInput};

/// The path of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePath {
    /// The step whose output it is in; `None`: the input of the execution.
    pub step: Option<i64>,
    /// The names and indexes below that.
    pub names: Vec<String>,
}

impl ValuePath {
    /// Parses `$.input.a.0` or `$.steps.2.output.a.0`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut segments = text.strip_prefix("$.")?.split('.').map(str::to_owned);
        let step = match segments.next()?.as_str() {
            "input" => None,
            "steps" => {
                let step = segments.next()?.parse().ok()?;
                Some(step).filter(|_| segments.next().as_deref() == Some("output")).map(Some)?
            }
            _ => return None,
        };
        let names: Vec<String> = segments.collect();
        names.iter().all(|name| !name.is_empty()).then_some(Self { step, names })
    }

    /// The value below `root`; null if there is none.
    pub fn get(&self, root: &Json) -> Json {
        let below = self.names.iter().try_fold(root, |value, name| match value {
            Json::Object(object) => object.get(name),
            Json::Array(list) => list.get(name.parse::<usize>().ok()?),
            _ => None,
        });
        below.cloned().unwrap_or_default()
    }
}

/// A text in a mapping.
enum MappedText<'a> {
    /// The text of a path.
    Path(&'a str),
    /// The text itself.
    Literal(&'a str),
}

impl<'a> MappedText<'a> {
    fn of(text: &'a str) -> Self {
        match text.strip_prefix('$') {
            Some(literal) if literal.starts_with('$') => Self::Literal(literal),
            Some(_) => Self::Path(text),
            None => Self::Literal(text),
        }
    }
}

/// The texts of all paths in a mapping.
pub fn paths(mapping: &Json) -> Vec<&str> {
    match mapping {
        Json::String(text) => match MappedText::of(text) {
            MappedText::Path(path) => vec![path],
            MappedText::Literal(_) => Vec::new(),
        },
        Json::Array(list) => list.iter().flat_map(paths).collect(),
        Json::Object(object) => object.values().flat_map(paths).collect(),
        _ => Vec::new(),
    }
}

/// The value that a mapping describes. `get` returns the value at a path.
fn resolve(mapping: &Json, get: &dyn Fn(&ValuePath) -> Json) -> Json {
    match mapping {
        Json::String(text) => match MappedText::of(text) {
            MappedText::Path(path) => ValuePath::parse(path).map_or(Json::Null, |path| get(&path)),
            MappedText::Literal(literal) => literal.into(),
        },
        Json::Array(list) => list.iter().map(|one| resolve(one, get)).collect(),
        Json::Object(object) => Json::Object(resolve_members(object, get)),
        constant => constant.clone(),
    }
}

fn resolve_members(mapping: &Document, get: &dyn Fn(&ValuePath) -> Json) -> Document {
    collect_document(mapping.iter().map(|(name, value)| (name.clone(), resolve(value, get))))
}

impl StepInput {
    /// The steps whose outputs it names.
    pub fn steps(&self) -> Vec<i64> {
        let of_mapping = |mapping: &Document| {
            let paths = mapping.values().flat_map(paths);
            paths.filter_map(|path| ValuePath::parse(path)?.step).collect()
        };
        match self {
            Self::Mapping(mapping) => of_mapping(mapping),
            Self::Fields(_) => Vec::new(),
        }
    }

    /// The input of a step. `sources`: those of fields without a path, the nearest first.
    pub fn resolve(&self, sources: &[Option<i64>], get: &dyn Fn(&ValuePath) -> Json) -> Json {
        match self {
            Self::Mapping(mapping) => Json::Object(resolve_members(mapping, get)),
            Self::Fields(fields) => {
                let find = |field: &FieldDefinition| {
                    let values =
                        sources.iter().map(|step| get(&ValuePath { step: *step, names: vec![field.name.clone()] }));
                    let found = values.into_iter().find(|value| !value.is_null());
                    found.map(|value| (field.name.clone(), value))
                };
                Json::Object(collect_document(fields.iter().filter_map(find)))
            }
        }
    }
}
