//! Parameters: declared by the struct that holds them, read from JSON. An error names the parameter, what it must be
//! and what it is, or the known name that is nearest to an unknown one.

use std::collections::BTreeMap;

use runstate_value::time::{Date, Millis, Timestamp};
use runstate_value::{Document, Json, json_text, levenshtein, lower_case};

use super::DescribedParameter;
use crate::decision::Rejection;
use crate::limits::SAFE_INTEGER;
use crate::schema::Kind;

/// A declared parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterDeclaration {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it names the subject of the operation: a positional argument on a command line and in JavaScript.
    pub subject: bool,
}

/// A struct of parameters. `#[derive(Parameters)]` implements it.
pub trait Parameters: Sized {
    /// The parameters, in order.
    const PARAMETERS: &'static [ParameterDeclaration];

    /// The documentation and schemas of the parameters; empty in builds without the feature `schema`.
    #[doc(hidden)]
    const DESCRIBED: &'static [DescribedParameter];

    /// Reads the fields.
    fn read(reader: &mut ParameterReader) -> Result<Self, Mismatch>;

    /// Reads all parameters of the operation `name`, and rejects others.
    fn read_all(name: &str, parameters: Document) -> Result<Self, Rejection> {
        let read = ParameterReader::of(parameters, Self::PARAMETERS).and_then(|mut reader| Self::read(&mut reader));
        read.map_err(|mismatch| mismatch.into_rejection(name))
    }
}

/// The type of a parameter.
pub trait Parameter: Sized {
    /// Whether it may be missing.
    const OPTIONAL: bool = false;

    /// A noun phrase for errors, after "must be".
    fn expected() -> String;

    /// Reads a value.
    fn from_json(value: Json) -> Result<Self, Mismatch>;

    /// The value of a missing parameter, if it may be missing.
    fn missing() -> Option<Self> {
        None
    }
}

/// A parameter that cannot be read.
// Boxed, because each reader of a type returns it for each of its parameters: pages load that code.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch(Box<MismatchParts>);

#[derive(Clone, Debug, PartialEq)]
struct MismatchParts {
    /// The path of the parameter.
    path: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq)]
enum Problem {
    /// It must be something else.
    Type { expected: String, found: Option<Json> },
    /// It is not a parameter.
    Unknown { names: Vec<&'static str> },
    /// It breaks another rule.
    Rule(String),
}

impl Mismatch {
    /// A value that does not have the expected type.
    #[cold]
    #[inline(never)]
    pub fn of_type(expected: String, found: Json) -> Self {
        Self::new(String::new(), Problem::Type { expected, found: Some(found) })
    }

    /// The parameter `name` is not given.
    #[cold]
    #[inline(never)]
    fn missing(name: &str, expected: fn() -> String) -> Self {
        Self::new(name.to_owned(), Problem::Type { expected: expected(), found: None })
    }

    fn new(path: String, problem: Problem) -> Self {
        Self(Box::new(MismatchParts { path, problem }))
    }

    /// A value that breaks a rule. `reason` follows the name of the parameter: `is …`.
    pub fn of_rule(reason: impl Into<String>) -> Self {
        Self::new(String::new(), Problem::Rule(reason.into()))
    }

    /// Adds a name, or an index, in front of the path.
    #[cold]
    #[inline(never)]
    pub fn within(mut self, name: &str) -> Self {
        let path = &mut self.0.path;
        let separator = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = format!("{name}{separator}{path}");
        self
    }

    /// The rejection of the operation `name`.
    #[cold]
    #[inline(never)]
    pub fn into_rejection(self, name: &str) -> Rejection {
        let MismatchParts { path, problem } = *self.0;
        Rejection::Usage(match problem {
            Problem::Type { expected, found: Some(found) } => {
                format!("{name}: `{path}` must be {expected}, not {}", shorten(&found))
            }
            Problem::Type { expected, found: None } => format!("{name}: `{path}` is missing; it must be {expected}"),
            Problem::Unknown { names } => {
                let name_within = path.rsplit('.').next().unwrap_or(&path);
                let hint = nearest_name(name_within, &names)
                    .map_or_else(|| list_names(&names), |near| format!("; did you mean `{near}`?"));
                format!("{name} has no option `{path}`{hint}")
            }
            Problem::Rule(reason) => format!("{name}: `{path}` {reason}"),
        })
    }
}

/// The name that is most likely meant: at most two edits away, and less than a third of its letters.
pub fn nearest_name<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| levenshtein(&lower_case(name), &lower_case(known));
    let nearest = names.iter().copied().min_by_key(|known| distance(known))?;
    (distance(nearest) <= 2.min(nearest.chars().count() / 3)).then_some(nearest)
}

fn list_names(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => format!("; its only option is {only}"),
        _ => format!("; its options are {}", quoted.join(", ")),
    }
}

/// A value as text, at most 80 characters.
fn shorten(value: &Json) -> String {
    // A large value must not be written as a whole only to be cut.
    let text = match value {
        Json::String(text) if text.len() > 200 => json_text(&Json::String(text.chars().take(60).collect())),
        Json::Array(list) if list.len() > 100 => format!("a list of {} values", list.len()),
        Json::Object(object) if object.len() > 100 => format!("an object with {} members", object.len()),
        other => json_text(other),
    };
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn names(parameters: &[ParameterDeclaration]) -> Vec<&'static str> {
    parameters.iter().map(|parameter| parameter.name).collect()
}

/// Reads parameters one by one.
#[derive(Debug)]
pub struct ParameterReader {
    values: Document,
}

impl ParameterReader {
    /// A reader of these values.
    pub fn new(values: Document) -> Self {
        Self { values }
    }

    /// A reader of these values. An unknown name is often a mistyped one, so it is reported before a parameter that
    /// seems to be missing.
    pub(super) fn of(values: Document, known: &[ParameterDeclaration]) -> Result<Self, Mismatch> {
        check_names(&values, &names(known))?;
        Ok(Self::new(values))
    }

    /// Takes the parameter of this name. A null counts as missing where it may be missing.
    pub fn take<T: Parameter>(&mut self, name: &str) -> Result<T, Mismatch> {
        match self.take_value(name, T::OPTIONAL) {
            Some(value) => T::from_json(value).map_err(|mismatch| mismatch.within(name)),
            None => T::missing().ok_or_else(|| Mismatch::missing(name, T::expected)),
        }
    }

    #[inline(never)]
    fn take_value(&mut self, name: &str, is_optional: bool) -> Option<Json> {
        self.values.shift_remove(name).filter(|value| !(is_optional && value.is_null()))
    }

    /// Takes a plain value of which null is a value too.
    pub fn take_json(&mut self, name: &str) -> Option<Json> {
        self.values.shift_remove(name)
    }

    /// Rejects what was not taken.
    pub fn finish(self, known: &[&'static str]) -> Result<(), Mismatch> {
        check_names(&self.values, known)
    }
}

/// Rejects values with other names than these.
pub fn check_names(values: &Document, known: &[&'static str]) -> Result<(), Mismatch> {
    match values.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Mismatch::new(name.clone(), Problem::Unknown { names: known.to_vec() })),
        None => Ok(()),
    }
}

/// Reads a struct of parameters that is a parameter itself; `open`: members that are not parameters are ignored. For
/// `#[derive(Parameters)]`.
#[doc(hidden)]
pub fn read_object<T: Parameters>(value: Json, expected: fn() -> String, open: bool) -> Result<T, Mismatch> {
    T::read(&mut object_reader(value, expected, if open { None } else { Some(T::PARAMETERS) })?)
}

/// A reader of the members of an object; `known`: those that it may have.
fn object_reader(
    value: Json,
    expected: fn() -> String,
    known: Option<&[ParameterDeclaration]>,
) -> Result<ParameterReader, Mismatch> {
    match (value, known) {
        (Json::Object(values), Some(known)) => ParameterReader::of(values, known),
        (Json::Object(values), None) => Ok(ParameterReader::new(values)),
        (other, _) => Err(Mismatch::of_type(expected(), other)),
    }
}

/// The phrase for a struct of parameters: `an object { id, started }`.
#[doc(hidden)]
pub fn expected_object(parameters: &[ParameterDeclaration]) -> String {
    let names: Vec<&str> = parameters.iter().filter(|parameter| parameter.required).map(|one| one.name).collect();
    if names.is_empty() { "an object".to_owned() } else { format!("an object {{ {} }}", names.join(", ")) }
}

impl<T: Parameter> Parameter for Option<T> {
    const OPTIONAL: bool = true;

    fn expected() -> String {
        T::expected()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        T::from_json(value).map(Some)
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    fn expected() -> String {
        format!("a list, each {}", T::expected())
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        let Json::Array(values) = value else { return Err(Mismatch::of_type(Self::expected(), value)) };
        let one =
            |(index, value)| T::from_json(value).map_err(|mismatch: Mismatch| mismatch.within(&format!("[{index}]")));
        values.into_iter().enumerate().map(one).collect()
    }
}

impl<T: Parameter> Parameter for BTreeMap<String, T> {
    fn expected() -> String {
        format!("an object, each member {}", T::expected())
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        let Json::Object(members) = value else { return Err(Mismatch::of_type(Self::expected(), value)) };
        let mut read = Self::new();
        for (name, value) in members {
            match T::from_json(value) {
                Ok(value) => _ = read.insert(name, value),
                Err(mismatch) => return Err(mismatch.within(&name)),
            }
        }
        Ok(read)
    }
}

impl Parameter for String {
    fn expected() -> String {
        "a string".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value {
            Json::String(text) => Ok(text),
            other => Err(Mismatch::of_type(Self::expected(), other)),
        }
    }
}

impl Parameter for bool {
    const OPTIONAL: bool = true;

    fn expected() -> String {
        "true or false".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        value.as_bool().ok_or_else(|| Mismatch::of_type(Self::expected(), value))
    }

    fn missing() -> Option<Self> {
        Some(false)
    }
}

/// Any plain value.
impl Parameter for Json {
    fn expected() -> String {
        "a JSON value".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        Ok(value)
    }
}

impl Parameter for Document {
    fn expected() -> String {
        "an object".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value {
            Json::Object(members) => Ok(members),
            other => Err(Mismatch::of_type(Self::expected(), other)),
        }
    }
}

/// A whole number. JSON does not distinguish `1` from `1.0`.
fn whole_number(value: &Json) -> Option<i64> {
    let from_double =
        |double: f64| (double.fract() == 0.0 && double.abs() <= SAFE_INTEGER as f64).then_some(double as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(from_double)).filter(|number| number.abs() <= SAFE_INTEGER)
}

/// Implements [`Parameter`] for types that are read from a value as a whole.
macro_rules! scalars {
    ($($type:ty: $expected:expr, |$value:ident| $read:expr;)+) => {$(
        impl Parameter for $type {
            fn expected() -> String {
                $expected.to_string()
            }

            fn from_json(value: Json) -> Result<Self, Mismatch> {
                let $value = &value;
                let read: Option<Self> = $read;
                read.ok_or_else(|| Mismatch::of_type(Self::expected(), value))
            }
        }
    )+};
}

scalars! {
    u32: format_args!("a whole number from 0 to {}", u32::MAX),
        |value| whole_number(value).and_then(|number| number.try_into().ok());
    u64: "a whole number, 0 or more", |value| whole_number(value).and_then(|number| number.try_into().ok());
    i64: "a whole number", |value| whole_number(value);
    f64: "a number", |value| value.as_f64();
    Millis: "a whole number of milliseconds, 0 or more",
        |value| whole_number(value).filter(|number| *number >= 0).map(Millis);
    // A host's time may have a fraction.
    Timestamp: "a time in milliseconds since 1970",
        |value| value.as_f64().filter(|at| at.abs() <= MAX_TIME).map(|at| Timestamp::from_millis(at as i64));
    Date: "a day `YYYY-MM-DD`", |value| value.as_str().and_then(Self::parse);
}

/// The greatest time value of JavaScript (ECMA-262, "Time Values and Time Range"), in milliseconds since 1970.
const MAX_TIME: f64 = 8.64e15;

/// Reads one of several words. For `#[derive(Parameter)]` on an enum.
#[doc(hidden)]
pub fn read_word<T: Copy>(value: Json, words: &[(&'static str, T)]) -> Result<T, Mismatch> {
    let found = value.as_str().and_then(|word| words.iter().find(|(known, _)| *known == word));
    match found {
        Some((_, one)) => Ok(*one),
        None => Err(Mismatch::of_type(expected_word(words), value)),
    }
}

/// The phrase for one of several words.
#[doc(hidden)]
pub fn expected_word<T>(words: &[(&'static str, T)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// No parameters.
#[derive(Clone, Copy, Debug, runstate_derive::Parameters)]
pub struct NoParameters {}
const KINDS: [(&str, Kind); 10] = [
    ("text", Kind::Text),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("bool", Kind::Bool),
    ("decimal", Kind::Decimal),
    ("timestamp", Kind::Timestamp),
    ("id", Kind::Id),
    ("json", Kind::Json),
    ("list", Kind::List),
    ("object", Kind::Object),
];

impl Parameter for Kind {
    fn expected() -> String {
        expected_word(&KINDS)
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        read_word(value, &KINDS)
    }
}

impl Kind {
    /// The word that names the kind in a declaration.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(_, known)| *known == self).map_or("json", |(word, _)| word)
    }
}
