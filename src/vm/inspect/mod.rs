//! Values as they are shown: copied from the heap within [`Bounds`] into a tree ([`Shown`], `copier.rs`), and from there written for people
//! as Node's `util.inspect` does (`node.rs`), for programs as tagged JSON (`tagged.rs`). The line that `console.log` prints is in
//! `format.rs`; where a machine is, frame by frame, in `frames.rs`.

mod copier;
mod format;
mod frames;
mod label;
mod node;
mod tagged;

use serde::{Deserialize, Serialize};

use super::value::HeapRef;
use crate::value::Json;
use copier::Copier;

pub use frames::{FrameView, MachineView, VariableView};

/// How much of values is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Levels of objects below a variable's own.
    pub depth: usize,
    /// Elements of one array, entries of one Map or Set.
    pub items: usize,
    /// Members of one object.
    pub members: usize,
    /// UTF-16 units of one text.
    pub text: usize,
    /// Bytes of one variable, near enough.
    pub variable_bytes: usize,
    /// Bytes of all variables together.
    pub bytes: usize,
    /// Calls, the innermost first.
    pub frames: usize,
    /// Variables that hold functions too: every program has many.
    pub functions: bool,
}

/// As deep and as long as `console.log` in Node, and as much as a person reads.
impl Default for Bounds {
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

impl Bounds {
    /// Everything, as far as a reader of JSON takes it: 32 levels, and 16 MiB, since values may hold one another many times.
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

    /// One variable, or all that have its name.
    #[must_use]
    pub fn named(self) -> Self {
        Self { variable_bytes: self.bytes, functions: true, ..self }
    }
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ValueView {
    /// As JSON, with tags where JSON has no such value: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet assigned),
    /// `{"$number":"NaN"}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`, `{"$regexp":{"source":…,"flags":…}}`,
    /// `{"$error":{"name":…,"message":…,"stack":…}}` with its `"$cause"`, `{"$function":name}`, `{"$holes":n}` in a list, `{"$circular":n}` for the object n
    /// levels further out, `"$class"` in an object that is not a plain one. What is left out is `{"$cut":n}`, as a member of an object
    /// `"$cut"`, of a text `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an object that is too deep. A program's own keys that
    /// begin with `$` have it twice.
    pub value: Json,
    /// As Node's `util.inspect` writes it.
    pub text: String,
}

/// A copy of a value, as far as the bounds go.
#[derive(Debug)]
enum Shown {
    Undefined,
    Uninitialised,
    Null,
    Bool(bool),
    Number(f64),
    /// The units that are shown, and how many are not.
    Text(Vec<u16>, usize),
    Object(Box<ShownObject>),
    /// The object so many levels further out.
    Circular(usize, HeapRef),
    /// An object of this class, too deep or too much to be shown.
    Deep(String),
}

/// A copy of an object.
#[derive(Debug)]
struct ShownObject {
    at: HeapRef,
    kind: Kind,
    /// The name of its class.
    class: String,
    items: Vec<Item>,
    /// Elements or entries that are not shown.
    items_left: usize,
    /// All elements or entries.
    len: usize,
    /// The elements are numbers, as far as they are written.
    numbers: bool,
    members: Vec<Member>,
    /// Members that are not shown.
    members_left: usize,
}

/// The kind of an object.
#[derive(Debug)]
enum Kind {
    Array,
    Object,
    Map,
    Set,
    /// By its name in brackets.
    Function(String),
    /// `plain`: its entries are not shown.
    Iterator {
        name: String,
        plain: bool,
    },
    RegExp {
        source: String,
        flags: String,
    },
    Error(Box<ErrorLabel>),
}

/// Name, message and stack of an error.
#[derive(Debug)]
struct ErrorLabel {
    name: String,
    message: String,
    /// Name and message with the trace; without one, in brackets.
    stack: String,
}

/// A member of an object.
#[derive(Debug)]
struct Member {
    key: Vec<u16>,
    enumerable: bool,
    value: Shown,
}

/// An element or entry.
#[derive(Debug)]
enum Item {
    Holes(usize),
    Value(Shown),
    Entry(Shown, Shown),
    /// A key and a value that an iterator gives as an array.
    Pair(Shown, Shown),
}

impl ShownObject {
    fn new(at: HeapRef, kind: Kind, class: &str) -> Self {
        let (items, members, class) = (Vec::new(), Vec::new(), class.to_owned());
        Self { at, kind, class, items, items_left: 0, len: 0, numbers: false, members, members_left: 0 }
    }
}
