//! Values for people, as Node's `util.inspect` writes them with its defaults (lib/internal/util/inspect.js), for
//! terminals of 80 columns. The line that `console.log` prints for its arguments follows Node's `util.format` of the
//! same source.

use super::super::number;
use super::super::value::HeapRef;
use super::{ContainerItem, Copier, InspectBounds, Member, ObjectCopy, ObjectKind, UNKNOWN_ITEMS, ValueCopy};
use crate::abrupt_completion::{AbruptCompletion, Completion};
use crate::entry::Entry;
use crate::json::StringifyOptions;
use crate::limits::ExceededLimit;
use crate::machine::Machine;
use crate::natives::NativeArgs;
use crate::object::ErrorKind;
use crate::text::Str;
use crate::value::{Symbol, Value};
use crate::{conversion, json, natives, property};

/// Columns of a line.
const LINE_WIDTH: usize = 80;

/// Levels of objects that may be combined on one line.
const COMPACT: usize = 3;

/// Arrays with more elements are arranged in columns.
const MIN_GROUPED_ELEMENTS: usize = 6;

/// Strings up to this length are not broken.
const MIN_BROKEN_TEXT: usize = 16;

/// The value in the form of `util.inspect`.
pub(super) fn inspect_text(shown: &ValueCopy, bounds: &InspectBounds) -> String {
    write_within(shown, bounds, LINE_WIDTH)
}

fn write_within(shown: &ValueCopy, bounds: &InspectBounds, width: usize) -> String {
    InspectWriter { width, items: bounds.items, indentation: 0, level: 0, circular: Vec::new() }.write_value(shown, 0)
}

/// A number in the form of `util.inspect`.
pub(super) fn number_text(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() { "-0".to_owned() } else { number::to_text(number).to_utf8() }
}

struct InspectWriter {
    /// Columns of a line.
    width: usize,
    /// Most elements of one array.
    items: usize,
    indentation: usize,
    /// The level of the object that was entered last.
    level: usize,
    /// Objects that contain themselves, by number.
    circular: Vec<HeapRef>,
}

impl InspectWriter {
    fn write_value(&mut self, shown: &ValueCopy, level: usize) -> String {
        match shown {
            ValueCopy::Undefined => "undefined".to_owned(),
            ValueCopy::Uninitialized => "<not yet assigned>".to_owned(),
            ValueCopy::Null => "null".to_owned(),
            ValueCopy::Bool(truth) => truth.to_string(),
            ValueCopy::Number(value) => number_text(*value),
            ValueCopy::BigInt(digits) => format!("{digits}n"),
            ValueCopy::Symbol(description) => format!("Symbol({description})"),
            ValueCopy::Bytes(bytes) => format!("<{bytes}>"),
            ValueCopy::Text(units, left) => self.write_text(units, *left),
            ValueCopy::Circular(_, at) => {
                let number = self.circular.iter().position(|target| target == at).unwrap_or_else(|| {
                    self.circular.push(*at);
                    self.circular.len() - 1
                });
                format!("[Circular *{}]", number + 1)
            }
            ValueCopy::Omitted(class) => omitted_text(class),
            ValueCopy::Object(object) => self.write_object(object, level),
        }
    }

    fn write_text(&self, units: &[u16], left: usize) -> String {
        let suffix = if left > 0 { format!("... {left} more character{}", plural(left)) } else { String::new() };
        if units.len() <= MIN_BROKEN_TEXT || units.len() + self.indentation + 4 <= self.width {
            return quote(units) + &suffix;
        }
        let lines: Vec<String> = units.split_inclusive(|unit| *unit == u16::from(b'\n')).map(quote).collect();
        lines.join(&format!(" +\n{}", " ".repeat(self.indentation + 2))) + &suffix
    }

    fn write_object(&mut self, object: &ObjectCopy, level: usize) -> String {
        let (mut base, open, close) = self.braces(object);
        let empty = object.items.is_empty() && object.items_left == 0 && object.members.is_empty();
        let iterates = matches!(object.kind, ObjectKind::Iterator { plain: false, .. });
        if empty && object.members_left == 0 && !iterates {
            return if base.is_empty() { format!("{open}{close}") } else { base };
        }
        let level = level + 1;
        self.level = level;
        let mut output: Vec<String> = object.items.iter().map(|item| self.write_item(item, level)).collect();
        if object.items_left > 0 {
            output.push(format!("... {} more item{}", object.items_left, plural(object.items_left)));
        }
        for member in &object.members {
            self.indentation += 2;
            let value = self.write_value(&member.value, level);
            self.indentation -= 2;
            output.push(format!("{}: {value}", member_name(member)));
        }
        if object.members_left > 0 {
            let (left, plural) = (object.members_left, if object.members_left == 1 { "y" } else { "ies" });
            output.push(format!("... {left} more propert{plural}"));
        }
        if let Some(number) = self.circular.iter().position(|at| *at == object.at) {
            let reference = format!("<ref *{}>", number + 1);
            base = if base.is_empty() { reference } else { format!("{reference} {base}") };
        }
        if let (ObjectKind::Object, [ContainerItem::Entry(..), ..]) = (&object.kind, object.items.as_slice()) {
            return self.join_pairs(&output, &open);
        }
        let output = if let ObjectKind::Array = object.kind {
            self.group_elements(output, object)
        } else {
            OutputLines::without_groups(output)
        };
        self.join_lines(output, (&base, &open, close), level)
    }

    /// The text before the braces, and the braces.
    fn braces(&self, object: &ObjectCopy) -> (String, String, &'static str) {
        let none = String::new();
        match &object.kind {
            ObjectKind::Array if object.class == "Array" && object.tag.is_empty() => (none, "[".to_owned(), "]"),
            ObjectKind::Array => (none, format!("{}({}){} [", object.class, object.len, object.tag), "]"),
            ObjectKind::Object if object.class == "Object" && object.tag.is_empty() => (none, "{".to_owned(), "}"),
            ObjectKind::Object => (none, format!("{}{} {{", object.class, object.tag), "}"),
            ObjectKind::Map | ObjectKind::Set => {
                (none, format!("{}({}){} {{", object.class, object.len, object.tag), "}")
            }
            ObjectKind::Weak(kind) if object.class == *kind || !object.tag.is_empty() => {
                (none, format!("{}{} {{", object.class, object.tag), "}")
            }
            ObjectKind::Weak(kind) => (none, format!("{} [{kind}] {{", object.class), "}"),
            ObjectKind::Promise => (none, "Promise {".to_owned(), "}"),
            ObjectKind::Iterator { name, plain: true } => (none, format!("Object [{name}] {{"), "}"),
            ObjectKind::Iterator { name, plain: false } => (none, format!("[{name}] {{"), "}"),
            ObjectKind::Function(base) => (base.clone(), "{".to_owned(), "}"),
            ObjectKind::Date(text) => {
                let text = text.as_deref().unwrap_or("Invalid Date");
                let text = match (object.class.as_str(), object.tag.as_str()) {
                    ("Date", "") => text.to_owned(),
                    (class, tag) => format!("{class}{tag} {text}"),
                };
                (text, "{".to_owned(), "}")
            }
            ObjectKind::RegExp { source, flags } => (format!("/{source}/{flags}"), "{".to_owned(), "}"),
            ObjectKind::Error(label) => {
                let stack = label.stack.replace('\n', &format!("\n{}", " ".repeat(self.indentation)));
                (stack, "{".to_owned(), "}")
            }
        }
    }

    fn write_item(&mut self, item: &ContainerItem, level: usize) -> String {
        self.indentation += 2;
        let text = match item {
            ContainerItem::Holes(run) => format!("<{run} empty item{}>", plural(*run)),
            ContainerItem::Value(value) => self.write_value(value, level),
            ContainerItem::Unknown => UNKNOWN_ITEMS.to_owned(),
            ContainerItem::Pending => "<pending>".to_owned(),
            ContainerItem::Rejected(reason) => format!("<rejected> {}", self.write_value(reason, level)),
            ContainerItem::Entry(key, value) => {
                let key = self.write_value(key, level);
                format!("{key} => {}", self.write_value(value, level))
            }
            ContainerItem::Pair(key, value) => {
                let output = vec![self.write_value(key, level), self.write_value(value, level)];
                self.join_lines(OutputLines::without_groups(output), ("", "[", "]"), level)
            }
        };
        self.indentation -= 2;
        text
    }

    /// Joins entries on one line if it is short and has few levels, otherwise on several lines.
    fn join_lines(&self, output: OutputLines, (base, open, close): (&str, &str, &str), level: usize) -> String {
        let begin = if base.is_empty() { open.to_owned() } else { format!("{base} {open}") };
        if self.level - level < COMPACT && !output.grouped {
            let start = output.lines.len() + self.indentation + length(open) + length(base) + 10;
            if self.fits(&output.lines, start) && !base.contains('\n') {
                let joined = output.lines.join(", ");
                if !joined.contains('\n') {
                    return format!("{begin} {joined} {close}");
                }
            }
        }
        let indentation = format!("\n{}", " ".repeat(self.indentation));
        format!("{begin}{indentation}  {}{indentation}{close}", output.lines.join(&format!(",{indentation}  ")))
    }

    /// Joins the pairs of a `URLSearchParams` (lib/internal/url.js).
    fn join_pairs(&self, output: &[String], open: &str) -> String {
        let columns = output.iter().map(|entry| length(entry) + 2).sum::<usize>().saturating_sub(2);
        if columns <= self.width {
            return format!("{open} {} }}", output.join(", "));
        }
        let indentation = format!("\n{}  ", " ".repeat(self.indentation));
        format!("{open}{indentation}{} }}", output.join(&format!(",{indentation}")))
    }

    /// Whether entries fit on one line after `start` columns.
    fn fits(&self, output: &[String], start: usize) -> bool {
        output.iter().map(|entry| length(entry)).sum::<usize>() + output.len() + start <= self.width
    }

    /// Arranges elements in columns if their lengths are similar (`groupArrayElements`).
    fn group_elements(&self, output: Vec<String>, object: &ObjectCopy) -> OutputLines {
        const SEPARATOR: usize = 2;
        if output.len() <= MIN_GROUPED_ELEMENTS {
            return OutputLines::without_groups(output);
        }
        // The mark for omitted elements has its own line.
        let count = output.len() - usize::from(output.len() > self.items || object.items_left > 0);
        let widths: Vec<usize> = output.iter().take(count).map(|entry| width(entry)).collect();
        let total: usize = widths.iter().map(|width| width + SEPARATOR).sum();
        let longest = widths.iter().copied().max().unwrap_or_default();
        let column = longest + SEPARATOR;
        let has_similar_lengths = total as f64 / column as f64 > 5.0 || longest <= 6;
        if column * 3 + self.indentation >= self.width || !has_similar_lengths {
            return OutputLines::without_groups(output);
        }
        let bias = (column as f64 - total as f64 / output.len() as f64).sqrt();
        let biased = (column as f64 - 3.0 - bias).max(1.0);
        // Approximately a square: a character is 2.5 times as high as it is wide.
        let square = ((2.5 * biased * count as f64).sqrt() / biased).round() as usize;
        let columns = square.min((self.width - self.indentation) / column).min(COMPACT * 4).min(15);
        if columns <= 1 {
            return OutputLines::without_groups(output);
        }
        let columns: Vec<usize> = (0..columns)
            .map(|first| widths.iter().skip(first).step_by(columns).copied().max().unwrap_or_default() + SEPARATOR)
            .collect();
        let mut lines = Vec::with_capacity(count / columns.len() + 2);
        for (row, widths) in output[..count].chunks(columns.len()).zip(widths.chunks(columns.len())) {
            let mut line = String::new();
            for (at, (entry, width)) in row.iter().zip(widths).enumerate() {
                let is_last = at + 1 == row.len();
                let cell = if is_last { entry.clone() } else { format!("{entry}, ") };
                let padding = columns[at] - SEPARATOR - width;
                match (object.numbers, is_last) {
                    (true, _) => line += &format!("{:padding$}{cell}", ""),
                    (false, false) => line += &format!("{cell}{:padding$}", ""),
                    (false, true) => line += &cell,
                }
            }
            lines.push(line);
        }
        lines.extend(output.into_iter().skip(count));
        OutputLines { lines, grouped: true }
    }
}

/// The entries between the braces of an object.
struct OutputLines {
    lines: Vec<String>,
    /// Whether a line may have several entries.
    grouped: bool,
}

impl OutputLines {
    fn without_groups(lines: Vec<String>) -> Self {
        Self { lines, grouped: false }
    }
}

/// Columns of a string on a terminal (`getStringWidth` of lib/internal/util/inspect.js): wide characters take two, and
/// control characters and combining marks none.
pub(crate) fn width(text: &str) -> usize {
    let columns = |one: char| match u32::from(one) {
        0..=0x1f | 0x7f..=0x9f | 0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0xfe20..=0xfe2f | 0xe0100..=0xe01ef => 0,
        0x1100..=0x115f | 0x2329 | 0x232a | 0x2e80..=0x303e | 0x3040..=0x3247 | 0x3250..=0x4dbf | 0x4e00..=0xa4c6 => 2,
        0xa960..=0xa97c | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe10..=0xfe19 | 0xfe30..=0xfe6b | 0xff01..=0xff60 => 2,
        0xffe0..=0xffe6 | 0x1b000..=0x1b001 | 0x1f200..=0x1f251 | 0x1f300..=0x1f64f | 0x1f680..=0x1f6ff => 2,
        0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    if text.is_ascii() {
        text.bytes().filter(|byte| !byte.is_ascii_control()).count()
    } else {
        text.chars().map(columns).sum()
    }
}

/// Length in UTF-16 code units, as in JavaScript.
fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The name of a property: in brackets if it is not enumerable, quoted if it is not an identifier.
fn member_name(member: &Member) -> String {
    let text = String::from_utf16_lossy(&member.key);
    if !member.enumerable {
        return format!("[{}]", escape(&member.key, '\''));
    }
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if text == "__proto__" {
        return "['__proto__']".to_owned();
    }
    if is_word { text } else { quote(&member.key) }
}

/// A string in quotes, preferably in those that need no escapes.
fn quote(units: &[u16]) -> String {
    let has = |c: char| units.contains(&(c as u16));
    let template = || units.windows(2).any(|pair| pair == [u16::from(b'$'), u16::from(b'{')]);
    let quote = match () {
        () if !has('\'') => '\'',
        () if !has('"') => '"',
        () if !has('`') && !template() => '`',
        () => '\'',
    };
    format!("{quote}{}{quote}", escape(units, quote))
}

/// A string with escapes within these quotes.
fn escape(units: &[u16], quote: char) -> String {
    let mut text = String::new();
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok('\n') => text.push_str("\\n"),
            Ok('\t') => text.push_str("\\t"),
            Ok('\r') => text.push_str("\\r"),
            Ok('\u{8}') => text.push_str("\\b"),
            Ok('\u{c}') => text.push_str("\\f"),
            Ok('\\') => text.push_str("\\\\"),
            Ok(c) if c == quote => text.extend(['\\', c]),
            Ok(c @ ('\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')) => text.push_str(&format!("\\x{:02X}", u32::from(c))),
            Ok(c) => text.push(c),
            Err(lone) => text.push_str(&format!("\\u{:x}", lone.unpaired_surrogate())),
        }
    }
    text
}

/// Fraction of the heap limit that the copy of an argument may take. A copy is larger than its charged size.
const HEAP_SHARE: u64 = 8;

const PERCENT: u16 = b'%' as u16;

/// The line. A directive (`%s`) in a string as first argument formats the next argument.
pub(crate) fn format_log_line(machine: &mut Machine, args: &NativeArgs) -> Completion<String> {
    let mut line = String::new();
    let mut next = 0;
    if let Value::Text(first) = natives::arg(machine, args, 0) {
        if args.count == 1 {
            return Ok(first.to_utf8());
        }
        next = format_directives(machine, &first, args, &mut line)?;
    }
    push_values(machine, args, next, &mut line)?;
    Ok(line)
}

/// Appends the arguments from number `next` on, with spaces between them.
pub(crate) fn push_values(machine: &mut Machine, args: &NativeArgs, next: usize, line: &mut String) -> Completion {
    for at in next..args.count {
        if at > 0 {
            line.push(' ');
        }
        match natives::arg(machine, args, at) {
            Value::Text(text) => line.push_str(&text.to_utf8()),
            value => line.push_str(&inspect_value(machine, &value, InspectBounds::default().depth, false)?),
        }
        conversion::check_text_length(machine, line.len())?;
    }
    Ok(())
}

/// Writes the first argument with its directives. Returns the number of arguments used, including the first; 0 without
/// directives.
fn format_directives(machine: &mut Machine, first: &Str, args: &NativeArgs, line: &mut String) -> Completion<usize> {
    let (mut taken, mut written, mut at) = (1, 0, 0);
    while at + 1 < first.len() {
        if first.unit(at) != Some(PERCENT) {
            at += 1;
            continue;
        }
        let letter = first.unit(at + 1).and_then(|unit| u8::try_from(unit).ok()).unwrap_or_default();
        at += 2;
        if letter == b'%' {
            line.push_str(&first.slice(written, at - 1).to_utf8());
        } else if taken < args.count && b"sdifjoOc".contains(&letter) {
            line.push_str(&first.slice(written, at - 2).to_utf8());
            line.push_str(&format_directive(machine, letter, args, taken)?);
            taken += 1;
        } else {
            continue;
        }
        written = at;
        conversion::check_text_length(machine, line.len())?;
    }
    if written == 0 {
        return Ok(0);
    }
    line.push_str(&first.slice(written, first.len()).to_utf8());
    Ok(taken)
}

/// An argument formatted by the letter after `%`.
fn format_directive(machine: &mut Machine, letter: u8, args: &NativeArgs, at: usize) -> Completion<String> {
    let (value, stack_index) = (natives::arg(machine, args, at), args.base + at);
    Ok(match letter {
        b'd' | b'i' | b'f' if matches!(value, Value::Symbol(_)) => "NaN".to_owned(),
        b's' | b'd' | b'i' if let Value::BigInt(value) = &value => format!("{}n", value.to_text(10)),
        b's' => match &value {
            Value::Number(number) => number_text(*number),
            Value::Symbol(symbol) => symbol.text(&machine.heap),
            value if uses_inspect_for_s(machine, value) => inspect_value(machine, value, 0, false)?,
            _ => conversion::to_text_at(machine, stack_index)?.to_utf8(),
        },
        b'd' => number_text(conversion::to_number_at(machine, stack_index)?),
        b'i' => number_text(number::parse_int(&conversion::to_text_at(machine, stack_index)?, 0)),
        b'f' => number_text(number::parse_float(&conversion::to_text_at(machine, stack_index)?)),
        b'j' => format_json_directive(machine, &value)?,
        b'o' => inspect_value(machine, &value, 4, true)?,
        b'O' => inspect_value(machine, &value, InspectBounds::default().depth, false)?,
        // `%c` is for colors and consumes its argument.
        _ => String::new(),
    })
}

/// `%j`: the value as JSON, unless it is cyclic.
fn format_json_directive(machine: &Machine, value: &Value) -> Completion<String> {
    let options = StringifyOptions { indent: Str::empty(), allowed_keys: None, marks_cycles: false, operand: None };
    match json::stringify(machine, value, &options) {
        Ok(Some(text)) => Ok(text.to_utf8()),
        Ok(None) => Ok("undefined".to_owned()),
        Err(AbruptCompletion::Error(ErrorKind::Type, message)) if message.starts_with("Converting circular") => {
            Ok("[Circular]".to_owned())
        }
        Err(completion) => Err(completion),
    }
}

/// Whether `%s` inspects an object because no method of the program converts it to a string.
fn uses_inspect_for_s(machine: &Machine, value: &Value) -> bool {
    let Value::Ref(at) = value else { return false };
    let converts = |key: Value| {
        let method = property::property(machine, value, &key).unwrap_or(Value::Undefined);
        matches!(method, Value::Ref(method)
            if matches!(machine.heap.get(method), Entry::Closure(_) | Entry::Bound(_)))
    };
    let is_own = converts(Value::text("toString")) || converts(Value::Symbol(Symbol::TO_PRIMITIVE));
    let is_function = matches!(machine.heap.get(*at), Entry::Closure(_) | Entry::Bound(_));
    !is_own && !is_function && machine.heap.typed_array(*at).is_none()
}

/// A value as `util.inspect` writes it. Its copy counts against the heap limit.
pub(crate) fn inspect_value(machine: &mut Machine, value: &Value, depth: usize, hidden: bool) -> Completion<String> {
    let bounds = InspectBounds { depth, ..InspectBounds::default() };
    inspect_within(machine, value, bounds, hidden, LINE_WIDTH)
}

/// The mark for an object that is not shown. The class of an object without a prototype has brackets.
fn omitted_text(class: &str) -> String {
    if class.starts_with('[') { class.to_owned() } else { format!("[{class}]") }
}

/// A value in the cell of a table: on one line, with at most three elements. An object with more than two properties is
/// not shown.
pub(crate) fn inspect_cell(machine: &mut Machine, value: &Value) -> Completion<String> {
    let is_array = matches!(value, Value::Ref(at) if machine.heap.array(*at).is_some());
    property::check_listing(&machine.heap, value)?;
    let bounds = InspectBounds { depth: 0, items: 3, ..InspectBounds::default() };
    if let Value::Ref(_) = value
        && !is_array
        && property::own_entries(&machine.heap, value).len() > 2
        && let ValueCopy::Object(object) = Copier::new(machine, bounds).copy(value)
    {
        return Ok(omitted_text(&(object.class + &object.tag)));
    }
    inspect_within(machine, value, bounds, false, usize::MAX / 2)
}

fn inspect_within(
    machine: &mut Machine,
    value: &Value,
    bounds: InspectBounds,
    hidden: bool,
    width: usize,
) -> Completion<String> {
    let bytes = usize::try_from(machine.limits.heap_bytes / HEAP_SHARE).unwrap_or(usize::MAX);
    let bounds = InspectBounds { members: usize::MAX, variable_bytes: bytes, bytes, ..bounds };
    let mut copier = Copier::new(machine, bounds);
    copier.hidden = hidden;
    let shown = copier.copy(value);
    let left = copier.left;
    if let Some(completion) = copier.error {
        return Err(completion);
    }
    if left == 0 {
        return Err(ExceededLimit::HeapBytes.into());
    }
    if let Value::Ref(_) = value {
        machine.charge_work((bytes - left) as u64);
    }
    Ok(write_within(&shown, &bounds, width))
}
