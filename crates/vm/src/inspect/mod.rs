//! Views of values. `copier.rs` copies a value from the heap within [`InspectBounds`] into a tree ([`ValueCopy`]).
//! From there, `util_inspect.rs` writes it for people as Node's `util.inspect` does, and builds the lines of
//! `console.log`. For programs it becomes JSON with tags for values that JSON lacks;
//! [`ValueView::value`](ValueView::value) lists the tags. `frames.rs` gives the position of a machine, frame by frame.

mod copier;
pub(super) mod frames;
pub(super) mod util_inspect;

use copier::Copier;
pub use frames::{FrameView, MachineView, VariableView};
use runstate_value::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::value::HeapRef;
use super::wire;

/// How much of values a view contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InspectBounds {
    /// Levels of objects within the object of a variable.
    pub depth: usize,
    /// Elements of one array; entries of one Map or Set.
    pub items: usize,
    /// Properties of one object.
    pub members: usize,
    /// UTF-16 code units of one string.
    pub text: usize,
    /// Approximate bytes of one variable.
    pub variable_bytes: usize,
    /// Approximate bytes of all variables together.
    pub bytes: usize,
    /// Calls, the innermost first.
    pub frames: usize,
    /// Whether variables that hold functions are included. Every program has many of them.
    pub functions: bool,
}

/// The depth and length of `console.log` in Node, and as much as a person can read.
impl Default for InspectBounds {
    fn default() -> Self {
        Self {
            depth: 2,
            items: 100,
            members: 100,
            text: 10_000,
            variable_bytes: 4 * 1024,
            bytes: 64 * 1024,
            frames: 50,
            functions: false,
        }
    }
}

impl InspectBounds {
    /// Everything that a reader of JSON can handle: 32 levels, and 16 MiB because values may reference one another many
    /// times.
    #[must_use]
    pub const fn full() -> Self {
        let bytes = 16 * 1024 * 1024;
        Self {
            depth: 32,
            items: usize::MAX,
            members: usize::MAX,
            text: usize::MAX,
            variable_bytes: bytes,
            bytes,
            frames: usize::MAX,
            functions: true,
        }
    }

    /// The same for a single variable, or for all variables of one name.
    #[must_use]
    pub fn for_variable(self) -> Self {
        Self { variable_bytes: self.bytes, functions: true, ..self }
    }
}

/// A view of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueView {
    /// As JSON, with tags for values that JSON lacks: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet
    /// assigned), `{"$number":"NaN"}`, `{"$bigint":digits}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`,
    /// `{"$promise":[value]}` (pending: `[{"$pending":true}]`, rejected: `[{"$rejected":value}]`),
    /// `{"$regexp":{"source":…,"flags":…}}`, `{"$date":text}`, `{"$error":{"name":…,"message":…,"stack":…}}` with its
    /// `"$cause"`, `{"$function":name}`, `{"$symbol":name}`, `{"$holes":n}` in an array, `{"$circular":n}` for the
    /// object n levels further out, `"$class"` in an object that is not a plain one. An omitted part is `{"$cut":n}`,
    /// as a property of an object `"$cut"`, of a string `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an
    /// object that is too deep. Keys of the program that begin with `$` have it twice.
    pub value: Json,
    /// As Node's `util.inspect` writes it.
    pub text: String,
}

/// A copy of a value within the bounds.
#[derive(Debug)]
enum ValueCopy {
    Undefined,
    Uninitialized,
    Null,
    Bool(bool),
    Number(f64),
    BigInt(String),
    Symbol(String),
    /// Bytes of a buffer, in hexadecimal.
    Bytes(String),
    /// The copied units, and the number of omitted ones.
    Text(Vec<u16>, usize),
    Object(Box<ObjectCopy>),
    /// The object this many levels further out.
    Circular(usize, HeapRef),
    /// An object of this class that is too deep or exceeds the size.
    Omitted(String),
}

/// A copy of an object.
#[derive(Debug)]
struct ObjectCopy {
    at: HeapRef,
    kind: ObjectKind,
    /// The name of its class.
    class: String,
    /// ` [tag]`, if it has one under `Symbol.toStringTag` that is not its class.
    tag: String,
    items: Vec<ContainerItem>,
    /// Elements or entries that are omitted.
    items_left: usize,
    /// All elements or entries.
    len: usize,
    /// Whether the elements are numbers, as far as they are written.
    numbers: bool,
    members: Vec<Member>,
    /// Properties that are omitted.
    members_left: usize,
}

/// Node's text for the entries of a WeakMap or WeakSet.
const UNKNOWN_ITEMS: &str = "<items unknown>";

/// The kind of an object.
#[derive(Debug)]
enum ObjectKind {
    Array,
    Object,
    Map,
    Set,
    /// A WeakMap or WeakSet, by its name.
    Weak(&'static str),
    /// The label in brackets.
    Function(String),
    /// `plain`: without its entries.
    Iterator {
        name: String,
        plain: bool,
    },
    RegExp {
        source: String,
        flags: String,
    },
    Promise,
    /// Its ISO text; `None`: an invalid date.
    Date(Option<String>),
    Error(Box<ErrorLabel>),
}

/// Name, message and stack of an error.
#[derive(Debug)]
struct ErrorLabel {
    name: String,
    message: String,
    /// Name and message with the stack trace; without a trace, in brackets.
    stack: String,
}

/// A property of an object.
#[derive(Debug)]
struct Member {
    key: Vec<u16>,
    enumerable: bool,
    value: ValueCopy,
}

/// An element or entry.
#[derive(Debug)]
enum ContainerItem {
    Holes(usize),
    Value(ValueCopy),
    Entry(ValueCopy, ValueCopy),
    /// A key and a value that an iterator yields as an array.
    Pair(ValueCopy, ValueCopy),
    /// The entries of a WeakMap or WeakSet.
    Unknown,
    /// The state of a promise that is not fulfilled.
    Pending,
    Rejected(ValueCopy),
}

impl ObjectCopy {
    fn new(at: HeapRef, kind: ObjectKind, class: &str) -> Self {
        let (items, members, class, tag) = (Vec::new(), Vec::new(), class.to_owned(), String::new());
        Self { at, kind, class, tag, items, items_left: 0, len: 0, numbers: false, members, members_left: 0 }
    }
}

/// The tagged form.
fn tagged_json(shown: &ValueCopy) -> Json {
    match shown {
        ValueCopy::Undefined => json!({ "$undefined": true }),
        ValueCopy::Uninitialized => json!({ "$uninitialised": true }),
        ValueCopy::Null => Json::Null,
        ValueCopy::Bool(truth) => Json::Bool(*truth),
        ValueCopy::Number(number) => wire::number(*number),
        ValueCopy::BigInt(digits) => json!({ "$bigint": digits }),
        ValueCopy::Symbol(description) => json!({ "$symbol": description }),
        ValueCopy::Bytes(bytes) => json!(bytes),
        ValueCopy::Text(units, 0) => wire::text(units),
        ValueCopy::Text(units, left) => json!({ "$cut": wire::text(units), "of": units.len() + left }),
        ValueCopy::Circular(levels, _) => json!({ "$circular": levels }),
        ValueCopy::Omitted(class) => json!({ "$deep": class }),
        ValueCopy::Object(object) => object_json(object),
    }
}

fn object_json(object: &ObjectCopy) -> Json {
    let (tag, value) = match &object.kind {
        ObjectKind::Object => return Json::Object(members_json(object)),
        ObjectKind::Array if object.members.is_empty() && object.members_left == 0 => return items_json(object),
        ObjectKind::Array => ("$array", items_json(object)),
        ObjectKind::Map => ("$map", items_json(object)),
        ObjectKind::Set => ("$set", items_json(object)),
        ObjectKind::Weak(kind) => ("$function", json!(format!("{kind} {{ {UNKNOWN_ITEMS} }}"))),
        ObjectKind::Promise => ("$promise", items_json(object)),
        ObjectKind::Function(base) => ("$function", json!(base)),
        ObjectKind::Iterator { name, .. } => ("$iterator", json!(name)),
        ObjectKind::Date(text) => ("$date", json!(text)),
        ObjectKind::RegExp { source, flags } => ("$regexp", json!({ "source": source, "flags": flags })),
        ObjectKind::Error(label) => {
            ("$error", json!({ "name": label.name, "message": label.message, "stack": label.stack }))
        }
    };
    let mut tagged = members_json(object);
    tagged.insert(tag.to_owned(), value);
    Json::Object(tagged)
}

fn items_json(object: &ObjectCopy) -> Json {
    let items = object.items.iter().map(|item| match item {
        ContainerItem::Holes(run) => json!({ "$holes": run }),
        ContainerItem::Value(value) => tagged_json(value),
        ContainerItem::Unknown => json!(UNKNOWN_ITEMS),
        ContainerItem::Pending => json!({ "$pending": true }),
        ContainerItem::Rejected(reason) => json!({ "$rejected": tagged_json(reason) }),
        ContainerItem::Entry(key, value) | ContainerItem::Pair(key, value) => {
            json!([tagged_json(key), tagged_json(value)])
        }
    });
    let cut = (object.items_left > 0).then(|| json!({ "$cut": object.items_left }));
    items.chain(cut).collect()
}

fn members_json(object: &ObjectCopy) -> Map<String, Json> {
    let mut members = Map::new();
    for member in &object.members {
        let key = String::from_utf16_lossy(&member.key);
        // A `$` of the program is doubled, so that its property is not mistaken for a tag.
        let mark = if key.starts_with('$') || !member.enumerable { "$" } else { "" };
        members.insert(format!("{mark}{key}"), tagged_json(&member.value));
    }
    if object.members_left > 0 {
        members.insert("$cut".to_owned(), json!(object.members_left));
    }
    let builtin = match &object.kind {
        ObjectKind::Object => object.class == "Object" || object.class == copier::NULL_PROTOTYPE,
        ObjectKind::Error(label) => object.class == label.name,
        _ => true,
    };
    if !builtin {
        members.insert("$class".to_owned(), json!(object.class));
    }
    members
}
