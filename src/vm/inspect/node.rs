//! Values for people: as Node's `util.inspect` writes them with its defaults (lib/internal/util/inspect.js), for terminals of 80 columns.

use super::super::number;
use super::super::value::HeapRef;
use super::{Bounds, Item, Kind, Member, Shown, ShownObject};

/// Columns of a line.
const BREAK: usize = 80;

/// Levels of objects that may stand on one line together.
const COMPACT: usize = 3;

/// Arrays of more elements are set in columns.
const GROUPED: usize = 6;

/// Shorter texts are not broken.
const LEAST_LINE: usize = 16;

/// Node's form.
pub(super) fn text(shown: &Shown, bounds: &Bounds) -> String {
    Writer { items: bounds.items, indentation: 0, level: 0, circular: Vec::new() }.value(shown, 0)
}

/// A number as `util.inspect` writes it.
pub(super) fn number(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() { "-0".to_owned() } else { number::to_text(number).to_utf8() }
}

struct Writer {
    /// Elements of one array.
    items: usize,
    indentation: usize,
    /// The level of the object that was entered last.
    level: usize,
    /// Objects that refer to themselves, by number.
    circular: Vec<HeapRef>,
}

impl Writer {
    fn value(&mut self, shown: &Shown, level: usize) -> String {
        match shown {
            Shown::Undefined => "undefined".to_owned(),
            Shown::Uninitialised => "<not yet assigned>".to_owned(),
            Shown::Null => "null".to_owned(),
            Shown::Bool(truth) => truth.to_string(),
            Shown::Number(value) => number(*value),
            Shown::Text(units, left) => self.text(units, *left),
            Shown::Circular(_, at) => {
                let number = self.circular.iter().position(|target| target == at).unwrap_or_else(|| {
                    self.circular.push(*at);
                    self.circular.len() - 1
                });
                format!("[Circular *{}]", number + 1)
            }
            Shown::Deep(class) => format!("[{class}]"),
            Shown::Object(object) => self.object(object, level),
        }
    }

    fn text(&self, units: &[u16], left: usize) -> String {
        let more = if left > 0 { format!("... {left} more character{}", plural(left)) } else { String::new() };
        if units.len() <= LEAST_LINE || units.len() + self.indentation + 4 <= BREAK {
            return quoted(units) + &more;
        }
        let lines: Vec<String> = units.split_inclusive(|unit| *unit == u16::from(b'\n')).map(quoted).collect();
        lines.join(&format!(" +\n{}", " ".repeat(self.indentation + 2))) + &more
    }

    fn object(&mut self, object: &ShownObject, level: usize) -> String {
        let (mut base, open, close) = self.frame(object);
        let empty = object.items.is_empty() && object.items_left == 0 && object.members.is_empty();
        let iterates = matches!(object.kind, Kind::Iterator { plain: false, .. });
        if empty && object.members_left == 0 && !iterates {
            return if base.is_empty() { format!("{open}{close}") } else { base };
        }
        let level = level + 1;
        self.level = level;
        let mut output: Vec<String> = object.items.iter().map(|item| self.item(item, level)).collect();
        if object.items_left > 0 {
            output.push(format!("... {} more item{}", object.items_left, plural(object.items_left)));
        }
        for member in &object.members {
            self.indentation += 2;
            let value = self.value(&member.value, level);
            self.indentation -= 2;
            output.push(format!("{}: {value}", named(member)));
        }
        if object.members_left > 0 {
            let (left, plural) = (object.members_left, if object.members_left == 1 { "y" } else { "ies" });
            output.push(format!("... {left} more propert{plural}"));
        }
        if let Some(number) = self.circular.iter().position(|at| *at == object.at) {
            let reference = format!("<ref *{}>", number + 1);
            base = if base.is_empty() { reference } else { format!("{reference} {base}") };
        }
        let output = if let Kind::Array = object.kind { self.grouped(output, object) } else { Lines::of(output) };
        self.joined(output, (&base, &open, close), level)
    }

    /// The text before the braces, and the braces.
    fn frame(&self, object: &ShownObject) -> (String, String, &'static str) {
        let none = String::new();
        match &object.kind {
            Kind::Array => (none, "[".to_owned(), "]"),
            Kind::Object if object.class == "Object" => (none, "{".to_owned(), "}"),
            Kind::Object => (none, format!("{} {{", object.class), "}"),
            Kind::Map => (none, format!("Map({}) {{", object.len), "}"),
            Kind::Set => (none, format!("Set({}) {{", object.len), "}"),
            Kind::Iterator { name, plain: true } => (none, format!("Object [{name}] {{"), "}"),
            Kind::Iterator { name, plain: false } => (none, format!("[{name}] {{"), "}"),
            Kind::Function(base) => (base.clone(), "{".to_owned(), "}"),
            Kind::RegExp { source, flags } => (format!("/{source}/{flags}"), "{".to_owned(), "}"),
            Kind::Error(label) => {
                let stack = label.stack.replace('\n', &format!("\n{}", " ".repeat(self.indentation)));
                (stack, "{".to_owned(), "}")
            }
        }
    }

    fn item(&mut self, item: &Item, level: usize) -> String {
        self.indentation += 2;
        let text = match item {
            Item::Holes(run) => format!("<{run} empty item{}>", plural(*run)),
            Item::Value(value) => self.value(value, level),
            Item::Entry(key, value) => {
                let key = self.value(key, level);
                format!("{key} => {}", self.value(value, level))
            }
            Item::Pair(key, value) => {
                let output = vec![self.value(key, level), self.value(value, level)];
                self.joined(Lines::of(output), ("", "[", "]"), level)
            }
        };
        self.indentation -= 2;
        text
    }

    /// On one line where few levels and short ones are on it, else on several.
    fn joined(&self, output: Lines, (base, open, close): (&str, &str, &str), level: usize) -> String {
        let begin = if base.is_empty() { open.to_owned() } else { format!("{base} {open}") };
        if self.level - level < COMPACT && !output.grouped {
            let start = output.lines.len() + self.indentation + length(open) + length(base) + 10;
            if fits(&output.lines, start) && !base.contains('\n') {
                let joined = output.lines.join(", ");
                if !joined.contains('\n') {
                    return format!("{begin} {joined} {close}");
                }
            }
        }
        let indentation = format!("\n{}", " ".repeat(self.indentation));
        format!("{begin}{indentation}  {}{indentation}{close}", output.lines.join(&format!(",{indentation}  ")))
    }

    /// Elements in columns, where they are of like lengths (`groupArrayElements`).
    fn grouped(&self, output: Vec<String>, object: &ShownObject) -> Lines {
        const SEPARATOR: usize = 2;
        if output.len() <= GROUPED {
            return Lines::of(output);
        }
        // The mark of what is left out has a line of its own.
        let count = output.len() - usize::from(output.len() > self.items || object.items_left > 0);
        let widths: Vec<usize> = output.iter().take(count).map(|entry| width(entry)).collect();
        let total: usize = widths.iter().map(|width| width + SEPARATOR).sum();
        let longest = widths.iter().copied().max().unwrap_or_default();
        let column = longest + SEPARATOR;
        let like = total as f64 / column as f64 > 5.0 || longest <= 6;
        if column * 3 + self.indentation >= BREAK || !like {
            return Lines::of(output);
        }
        let bias = (column as f64 - total as f64 / output.len() as f64).sqrt();
        let biased = (column as f64 - 3.0 - bias).max(1.0);
        // Nearly a square: a character is 2.5 times as high as it is wide.
        let square = ((2.5 * biased * count as f64).sqrt() / biased).round() as usize;
        let columns = square.min((BREAK - self.indentation) / column).min(COMPACT * 4).min(15);
        if columns <= 1 {
            return Lines::of(output);
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
                let room = columns[at] - SEPARATOR - width;
                match (object.numbers, is_last) {
                    (true, _) => line += &format!("{:room$}{cell}", ""),
                    (false, false) => line += &format!("{cell}{:room$}", ""),
                    (false, true) => line += &cell,
                }
            }
            lines.push(line);
        }
        lines.extend(output.into_iter().skip(count));
        Lines { lines, grouped: true }
    }
}

/// The entries between the braces of an object.
struct Lines {
    lines: Vec<String>,
    /// Several entries may be on a line.
    grouped: bool,
}

impl Lines {
    fn of(lines: Vec<String>) -> Self {
        Self { lines, grouped: false }
    }
}

/// Whether entries fit on one line behind so many columns.
fn fits(output: &[String], start: usize) -> bool {
    output.iter().map(|entry| length(entry)).sum::<usize>() + output.len() + start <= BREAK
}

/// Columns of a text; its line breaks take none.
fn width(text: &str) -> usize {
    length(text) - text.matches('\n').count()
}

/// Length in UTF-16 units, as JavaScript counts.
fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The name of a member: in brackets where it is not enumerable, quoted where it is not a plain word.
fn named(member: &Member) -> String {
    let text = String::from_utf16_lossy(&member.key);
    if !member.enumerable {
        return format!("[{text}]");
    }
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if text == "__proto__" {
        return "['__proto__']".to_owned();
    }
    if is_word { text } else { quoted(&member.key) }
}

/// A text in the quotes that it needs no escapes for, where there are such.
fn quoted(units: &[u16]) -> String {
    let has = |c: char| units.contains(&(c as u16));
    let template = || units.windows(2).any(|pair| pair == [u16::from(b'$'), u16::from(b'{')]);
    let quote = match () {
        () if !has('\'') => '\'',
        () if !has('"') => '"',
        () if !has('`') && !template() => '`',
        () => '\'',
    };
    let mut text = String::from(quote);
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
    text.push(quote);
    text
}
