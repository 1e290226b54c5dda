//! Values as they are shown: copied from the heap within [`Bounds`] into a tree ([`Shown`]), and from there written for people as Node's
//! `util.inspect` does (`node.rs`), for programs as tagged JSON (`tagged.rs`). Where a machine is, frame by frame, is in `frames.rs`.

mod frames;
mod node;
mod tagged;

use serde::{Deserialize, Serialize};

use super::array::Array;
use super::entry::Entry;
use super::machine::Machine;
use super::object::Object;
use super::table::{Table, Which};
use super::text::Str;
use super::value::{HeapRef, Value};
use crate::value::Json;

pub use frames::{FrameView, MachineView, VariableView};

/// Prototypes that are looked at for the name of a class.
const CHAIN: usize = 100;

/// Bytes that a value takes beside its text and its indentation, near enough.
const NODE_BYTES: usize = 8;

/// How much of values is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Levels of objects below a variable's own.
    pub depth: usize,
    /// Elements or members of one object.
    pub items: usize,
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
    /// `{"$error":{"name":…,"message":…,"stack":…}}`, `{"$function":name}`, `{"$holes":n}` in a list, `{"$circular":n}` for the object n
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
    members: Vec<(Vec<u16>, Shown)>,
    /// Members that are not shown.
    members_left: usize,
}

/// What an object is.
#[derive(Debug)]
enum Kind {
    Array,
    Object,
    Map,
    Set,
    /// By its name in brackets.
    Function(String),
    Iterator(&'static str),
    RegExp {
        source: String,
        flags: String,
    },
    Error {
        name: String,
        message: String,
        stack: String,
    },
}

/// An element or entry.
#[derive(Debug)]
enum Item {
    Holes(usize),
    Value(Shown),
    Entry(Shown, Shown),
}

/// Copies values.
struct Copier<'a> {
    machine: &'a Machine,
    bounds: Bounds,
    /// Bytes that are left.
    left: usize,
    /// Something was left out.
    cut: bool,
    /// The objects that are being copied, the outermost first.
    open: Vec<HeapRef>,
}

impl<'a> Copier<'a> {
    fn new(machine: &'a Machine, bounds: Bounds) -> Self {
        Self { machine, bounds, left: bounds.bytes, cut: false, open: Vec::new() }
    }

    /// A variable, within its own share of the bytes.
    fn view(&mut self, value: &Value) -> ValueView {
        let before = self.left;
        let share = before.min(self.bounds.variable_bytes);
        self.left = share;
        let shown = self.copy(value);
        self.left = before - (share - self.left);
        ValueView { value: tagged::json(&shown), text: node::text(&shown) }
    }

    fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    fn copy(&mut self, value: &Value) -> Shown {
        self.take(NODE_BYTES + 2 * self.open.len());
        match value {
            Value::Undefined | Value::Hole => Shown::Undefined,
            Value::Uninitialised => Shown::Uninitialised,
            Value::Null => Shown::Null,
            Value::Bool(truth) => Shown::Bool(*truth),
            Value::Number(number) => Shown::Number(*number),
            Value::Text(text) => self.text(text),
            Value::Builtin(builtin) => {
                let name = builtin.name();
                let kind = match builtin.is_namespace() {
                    true => Kind::Function(format!("Object [{name}] {{}}")),
                    false => Kind::Function(format!("[Function: {}]", name.rsplit('.').next().unwrap_or(name))),
                };
                Shown::Object(Box::new(ShownObject::new(HeapRef::NONE, kind, "Function")))
            }
            Value::Ref(at) => self.reference(*at),
        }
    }

    fn text(&mut self, text: &Str) -> Shown {
        let shown = text.len().min(self.bounds.text).min(self.left);
        let left = text.len() - shown;
        self.cut |= left > 0;
        self.take(shown);
        Shown::Text(text.slice(0, shown).units().iter().collect(), left)
    }

    fn reference(&mut self, at: HeapRef) -> Shown {
        if let Some(place) = self.open.iter().position(|open| *open == at) {
            return Shown::Circular(self.open.len() - place, at);
        }
        let machine = self.machine;
        let nothing = Table::default();
        let (kind, class, members) = match machine.heap.get(at) {
            Entry::Array(array) => (Kind::Array, "Array".to_owned(), array.extra.as_deref().unwrap_or(&nothing)),
            Entry::Object(object) if object.prototype => (Kind::Object, machine.class_name(object, "Object"), &nothing),
            Entry::Object(object) => (Kind::Object, machine.class_name(object, "Object"), &object.table),
            Entry::Map(_) => (Kind::Map, "Map".to_owned(), &nothing),
            Entry::Set(_) => (Kind::Set, "Set".to_owned(), &nothing),
            Entry::Closure(closure) => {
                (Kind::Function(machine.function_base(at)), "Function".to_owned(), &closure.table)
            }
            Entry::Bound(_) => (Kind::Function(machine.function_base(at)), "Function".to_owned(), &nothing),
            Entry::Error(error) => {
                let class = machine.class_name(&error.object, error.kind.name());
                (machine.error_kind(at), class, &error.object.table)
            }
            Entry::RegExp(regexp) => {
                let (source, flags) = (regexp.source.to_utf8(), regexp.flags.to_utf8());
                self.take(source.len());
                (Kind::RegExp { source, flags }, "RegExp".to_owned(), &nothing)
            }
            Entry::Cursor(cursor) => {
                (Kind::Iterator(machine.iterator_name(&cursor.source)), "Object".to_owned(), &nothing)
            }
            // Parts of other entries, which no value refers to.
            Entry::Cell(_) | Entry::Chunk(_) | Entry::Pairs(_) | Entry::Free => return Shown::Undefined,
        };
        let len = match machine.heap.get(at) {
            Entry::Array(array) => array.len(),
            Entry::Map(table) | Entry::Set(table) => table.len(),
            _ => 0,
        };
        let mut shown = ShownObject { len, ..ShownObject::new(at, kind, &class) };
        if len == 0 && members.is_empty() {
            return Shown::Object(Box::new(shown));
        }
        if self.open.len() > self.bounds.depth || self.left == 0 {
            self.cut = true;
            return Shown::Deep(class);
        }
        self.open.push(at);
        match machine.heap.get(at) {
            Entry::Array(array) => self.elements(at, array, &mut shown),
            Entry::Map(_) | Entry::Set(_) => self.entries(at, &mut shown),
            _ => {}
        }
        self.members(members, &mut shown);
        self.open.pop();
        Shown::Object(Box::new(shown))
    }

    fn elements(&mut self, at: HeapRef, array: &Array, shown: &mut ShownObject) {
        let (mut index, len) = (0, array.len());
        while index < len && shown.items.len() < self.bounds.items && self.left > 0 {
            match self.machine.heap.element(at, index) {
                Value::Hole => {
                    let run =
                        (index..len).take_while(|i| matches!(self.machine.heap.element(at, *i), Value::Hole)).count();
                    shown.items.push(Item::Holes(run));
                    self.take(NODE_BYTES);
                    index += run;
                }
                element => {
                    shown.items.push(Item::Value(self.copy(&element)));
                    index += 1;
                }
            }
        }
        shown.items_left = len - index;
        self.cut |= shown.items_left > 0;
    }

    fn entries(&mut self, at: HeapRef, shown: &mut ShownObject) {
        let machine = self.machine;
        let (Some(table), is_map) = (machine.heap.table(at, Which::Main), matches!(shown.kind, Kind::Map)) else {
            return;
        };
        let mut next = 0;
        while shown.items.len() < self.bounds.items && self.left > 0 {
            let Some((number, key, value)) = machine.heap.table_next(table, next) else { break };
            next = number + 1;
            let key = self.copy(&key);
            shown.items.push(if is_map { Item::Entry(key, self.copy(&value)) } else { Item::Value(key) });
        }
        shown.items_left = table.len() - shown.items.len();
        self.cut |= shown.items_left > 0;
    }

    fn members(&mut self, table: &Table, shown: &mut ShownObject) {
        let members = self.machine.heap.table_entries(table);
        for (key, member) in &members {
            if shown.members.len() >= self.bounds.items || self.left == 0 {
                break;
            }
            let Value::Text(key) = key else { continue };
            self.take(key.len());
            let member = self.copy(member);
            shown.members.push((key.units().iter().collect(), member));
        }
        shown.members_left = members.len() - shown.members.len();
        self.cut |= shown.members_left > 0;
    }
}

impl ShownObject {
    fn new(at: HeapRef, kind: Kind, class: &str) -> Self {
        let (items, members) = (Vec::new(), Vec::new());
        Self { at, kind, class: class.to_owned(), items, items_left: 0, len: 0, members, members_left: 0 }
    }
}

impl Machine {
    /// The name of the class that made an object; `builtin` where none of the program's did.
    fn class_name(&self, object: &Object, builtin: &str) -> String {
        let mut proto = object.proto;
        for _ in 0..CHAIN {
            let Some(Entry::Object(object)) = proto.map(|at| self.heap.get(at)) else { break };
            let constructor = self.heap.table_get(&object.table, &Value::text("constructor"));
            if let Some(Value::Ref(at)) = constructor
                && let Entry::Closure(closure) = self.heap.get(at)
                && !self.function_name(closure.function).is_empty()
            {
                return self.function_name(closure.function).to_owned();
            }
            proto = object.proto;
        }
        builtin.to_owned()
    }

    /// A function or class in brackets.
    fn function_base(&self, at: HeapRef) -> String {
        let named = |kind: &str, name: &str| match name {
            "" => format!("[{kind} (anonymous)]"),
            name => format!("[{kind}: {name}]"),
        };
        match self.heap.get(at) {
            Entry::Closure(closure) => {
                let name = self.function_name(closure.function);
                let Some(class) = &closure.class else { return named("Function", name) };
                let name = if name.is_empty() { "(anonymous)" } else { name };
                let parent = class.parent.as_ref().map(|parent| match parent {
                    Value::Builtin(builtin) => format!(" extends {}", builtin.name()),
                    Value::Ref(parent) => match self.heap.get(*parent) {
                        Entry::Closure(parent) => format!(" extends {}", self.function_name(parent.function)),
                        _ => String::new(),
                    },
                    _ => String::new(),
                });
                format!("[class {name}{}]", parent.unwrap_or_default())
            }
            Entry::Bound(bound) => {
                let name = match &bound.target {
                    Value::Ref(target) => match self.heap.get(*target) {
                        Entry::Closure(closure) => self.function_name(closure.function).to_owned(),
                        _ => String::new(),
                    },
                    Value::Builtin(builtin) => builtin.name().rsplit('.').next().unwrap_or_default().to_owned(),
                    _ => String::new(),
                };
                named("Function", &format!("bound {name}"))
            }
            _ => named("Function", ""),
        }
    }

    fn error_kind(&self, at: HeapRef) -> Kind {
        let error = Value::Ref(at);
        let word = |name: &str| {
            let value = self.property(&error, &Value::text(name)).unwrap_or(Value::Undefined);
            Self::primitive_text(&value).map(|text| text.to_utf8()).unwrap_or_default()
        };
        let stack = match self.property(&error, &Value::text("stack")) {
            Ok(Value::Text(stack)) => stack.to_utf8(),
            _ => format!("[{}]", self.error_text(&error).map(|text| text.to_utf8()).unwrap_or_default()),
        };
        Kind::Error { name: word("name"), message: word("message"), stack }
    }

    fn iterator_name(&self, source: &Value) -> &'static str {
        match source {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Map(_) => "Map Iterator",
                Entry::Set(_) => "Set Iterator",
                _ => "Array Iterator",
            },
            Value::Text(_) => "String Iterator",
            _ => "Array Iterator",
        }
    }
}
