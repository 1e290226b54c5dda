//! `console`, with one output for all levels. Console Standard (WHATWG); the texts are those of Node 20
//! (lib/internal/console/constructor.js, lib/internal/cli_table.js).

use runstate_value::sort_by;

use super::super::abrupt_completion::{Completion, unsupported};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::table::{Table, TableKind};
use super::super::value::{HeapRef, Value};
use super::options::MethodOptions;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::inspect::util_inspect::{self, inspect_cell, width};
use crate::{conversion, property};

/// Most levels of objects that `console.dir` shows: the writer recurses once per level.
const MAX_DEPTH: usize = 100;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    ("console.log", 0, log),
    ("console.error", 0, log),
    ("console.info", 0, log),
    ("console.warn", 0, log),
    ("console.debug", 0, log),
    ("console.assert", 0, |machine, args| {
        if super::arg(machine, args, 0).truthy() {
            return Ok(UNDEFINED);
        }
        let rest = without_first(args);
        if rest.count == 0 {
            return print(machine, "Assertion failed");
        }
        // The first value is a format, also after the prefix.
        let format = super::arg_text(machine, &rest, 0)?.to_utf8();
        let Some(place) = machine.stack.get_mut(rest.base) else { return Ok(UNDEFINED) };
        let first = std::mem::replace(place, Value::text(&format!("Assertion failed: {format}")));
        let logged = log(machine, &rest);
        // The instruction runs again if a method of the program must convert an operand.
        if let Some(place) = machine.stack.get_mut(rest.base) {
            *place = first;
        }
        logged
    }),
    ("console.dir", 0, |machine, args| {
        conversion::require_error_parts(machine, args.base)?;
        let mut options = MethodOptions::read(machine, args)?;
        let depth = match options.take("depth") {
            None => 2,
            Some(Value::Null) => MAX_DEPTH,
            Some(Value::Number(depth)) if depth >= 0.0 => MAX_DEPTH.min(depth as usize),
            Some(_) => return unsupported("the option `depth` of console.dir must be a number or null here"),
        };
        let shows_hidden = options.take("showHidden").is_some_and(|shows| shows.truthy());
        if options.take("colors").is_some_and(|colors| colors.truthy()) {
            return unsupported("colors of console.dir are not supported");
        }
        options.finish("console.dir")?;
        let value = super::arg(machine, args, 0);
        let text = util_inspect::inspect_value(machine, &value, depth, shows_hidden)?;
        print(machine, &text)
    }),
    ("console.group", 0, group),
    ("console.groupCollapsed", 0, group),
    ("console.groupEnd", 0, |machine, _| {
        let indentation = number(machine, INDENTATION).unwrap_or(0.0);
        set_number(machine, INDENTATION, (indentation - 2.0).max(0.0))?;
        Ok(UNDEFINED)
    }),
    ("console.count", 0, |machine, args| {
        let label = label(machine, args)?;
        let key = format!("count {label}");
        let count = number(machine, &key).unwrap_or(0.0) + 1.0;
        set_number(machine, &key, count)?;
        print(machine, &format!("{label}: {}", count as u64))
    }),
    ("console.countReset", 0, |machine, args| {
        let key = format!("count {}", label(machine, args)?);
        set_number(machine, &key, 0.0)?;
        Ok(UNDEFINED)
    }),
    ("console.time", 0, |machine, args| {
        let key = format!("time {}", label(machine, args)?);
        if number(machine, &key).is_none() {
            let now = machine.now_ms as f64;
            set_number(machine, &key, now)?;
        }
        Ok(UNDEFINED)
    }),
    ("console.timeLog", 0, |machine, args| print_timer(machine, args).map(|_| UNDEFINED)),
    ("console.timeEnd", 0, |machine, args| {
        let key = print_timer(machine, &NativeArgs { count: args.count.min(1), ..args.clone() })?;
        if machine.console != HeapRef::NONE {
            machine.heap.table_remove(machine.console, TableKind::Main, &Value::text(&key));
        }
        Ok(UNDEFINED)
    }),
    ("console.table", 1, table),
];

const UNDEFINED: NativeOutcome = NativeOutcome::Value(Value::Undefined);

/// The key of the indentation in the state of the console.
const INDENTATION: &str = "indentation";

/// Console Standard (WHATWG), section 1.1.4 log.
fn log(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    for at in args.base..args.base + args.count {
        conversion::require_error_parts(machine, at)?;
    }
    let line = util_inspect::format_log_line(machine, args)?;
    print(machine, &line)
}

/// Prints a text with the indentation of the open groups.
fn print(machine: &mut Machine, text: &str) -> NativeResult {
    let indentation = " ".repeat(number(machine, INDENTATION).unwrap_or(0.0) as usize);
    let line = if indentation.is_empty() {
        text.to_owned()
    } else {
        // Each line gets the indentation.
        let lines = 1 + text.matches('\n').count();
        conversion::check_text_length(machine, text.len() + lines * indentation.len())?;
        format!("{indentation}{}", text.replace('\n', &format!("\n{indentation}")))
    };
    machine.print(line)?;
    Ok(UNDEFINED)
}

fn without_first(args: &NativeArgs) -> NativeArgs {
    NativeArgs { base: args.base + 1, count: args.count.saturating_sub(1), ..args.clone() }
}

/// Console Standard (WHATWG), section 1.3.1 group.
fn group(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    if args.count > 0 {
        log(machine, args)?;
    }
    let indentation = number(machine, INDENTATION).unwrap_or(0.0) + 2.0;
    set_number(machine, INDENTATION, indentation)?;
    Ok(UNDEFINED)
}

fn label(machine: &Machine, args: &NativeArgs) -> Completion<String> {
    match super::arg(machine, args, 0) {
        Value::Undefined => Ok("default".to_owned()),
        _ => Ok(super::arg_text(machine, args, 0)?.to_utf8()),
    }
}

/// Prints the time since a timer began, by the times of the turns, with the other arguments. Returns its key. A timer
/// that was not begun prints nothing.
fn print_timer(machine: &mut Machine, args: &NativeArgs) -> Completion<String> {
    let label = label(machine, args)?;
    let key = format!("time {label}");
    if let Some(began) = number(machine, &key) {
        let mut line = format!("{label}: {}", duration_text((machine.now_ms as f64 - began) as i64));
        util_inspect::push_values(machine, args, 1, &mut line)?;
        print(machine, &line)?;
    }
    Ok(key)
}

/// A duration as Node writes it (`formatTime`). Whole numbers: the format of a double would add its code to every page.
fn duration_text(ms: i64) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms % 3_600_000 / 60_000);
    let (seconds, millis) = (ms % 60_000 / 1_000, ms % 1_000);
    if hours > 0 {
        return format!("{hours}:{minutes:02}:{seconds:02}.{millis:03} (h:mm:ss.mmm)");
    }
    if minutes > 0 {
        return format!("{minutes}:{seconds:02}.{millis:03} (m:ss.mmm)");
    }
    if ms >= 1_000 { format!("{seconds}.{millis:03}s") } else { format!("{ms}ms") }
}

/// A number in the state of the console.
fn number(machine: &Machine, key: &str) -> Option<f64> {
    let table = machine.heap.table(machine.console, TableKind::Main)?;
    match machine.heap.table_get(table, &Value::text(key)) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    }
}

fn set_number(machine: &mut Machine, key: &str, number: f64) -> Completion {
    machine.heap.check_room(0)?;
    if machine.console == HeapRef::NONE {
        machine.console = machine.heap.allocate(Entry::Map(Box::new(Table::numbered())));
    }
    machine.heap.table_set(machine.console, TableKind::Main, Value::text(key), Value::Number(number));
    Ok(())
}

/// A column of a table: its title, and its cells by row. A missing cell is empty.
struct ConsoleColumn {
    title: String,
    cells: Vec<String>,
}

impl ConsoleColumn {
    fn numbered(title: &str, rows: usize) -> ConsoleColumn {
        ConsoleColumn { title: title.to_owned(), cells: (0..rows).map(|row| row.to_string()).collect() }
    }

    fn new(title: &str) -> ConsoleColumn {
        ConsoleColumn { title: title.to_owned(), cells: Vec::new() }
    }

    fn set(&mut self, row: usize, cell: String) {
        self.cells.resize(row, String::new());
        self.cells.push(cell);
    }

    fn cell(&self, row: usize) -> &str {
        self.cells.get(row).map_or("", |cell| cell)
    }
}

/// Console Standard (WHATWG), section 1.1.9 table.
fn table(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let data = super::arg(machine, args, 0);
    let Value::Ref(at) = data else { return log(machine, &NativeArgs { count: args.count.min(1), ..args.clone() }) };
    let at = machine.heap.collection(at).unwrap_or(at);
    let columns = match machine.heap.get(at).clone() {
        Entry::Map(entries) => {
            let mut pairs = Vec::new();
            machine.heap.visit_table_entries(&entries, |key, value| pairs.push((key.clone(), value.clone())));
            let (mut keys, mut values) = (ConsoleColumn::new("Key"), ConsoleColumn::new("Values"));
            for (row, (key, value)) in pairs.iter().enumerate() {
                keys.set(row, inspect_cell(machine, key)?);
                values.set(row, inspect_cell(machine, value)?);
            }
            vec![ConsoleColumn::numbered("(iteration index)", pairs.len()), keys, values]
        }
        Entry::Set(entries) => {
            let mut members = Vec::new();
            machine.heap.visit_table_entries(&entries, |value, _| members.push(value.clone()));
            let mut values = ConsoleColumn::new("Values");
            for (row, value) in members.iter().enumerate() {
                values.set(row, inspect_cell(machine, value)?);
            }
            vec![ConsoleColumn::numbered("(iteration index)", members.len()), values]
        }
        _ => property_columns(machine, args)?,
    };
    let text = render_table(&columns);
    conversion::check_text_length(machine, text.len())?;
    machine.charge_work(text.len() as u64);
    print(machine, &text)
}

/// The columns of an array or object: one for each property of the rows, and one for rows that are primitive.
fn property_columns(machine: &mut Machine, args: &NativeArgs) -> Completion<Vec<ConsoleColumn>> {
    let chosen = match super::arg(machine, args, 1) {
        Value::Undefined => None,
        Value::Ref(list) if machine.heap.array(list).is_some() => {
            let names: Completion<Vec<String>> = machine
                .heap
                .elements(list)
                .iter()
                .map(|name| Ok(conversion::to_text(machine, name)?.to_utf8()))
                .collect();
            Some(names?)
        }
        _ => return unsupported("the properties of console.table must be an array"),
    };
    let rows = property::own_entries_at(machine, args.base)?;
    let (mut index, mut values) = (ConsoleColumn::new("(index)"), ConsoleColumn::new("Values"));
    let mut columns: Vec<ConsoleColumn> = Vec::new();
    let mut has_values = false;
    for (row, (key, item)) in rows.iter().enumerate() {
        index.set(row, conversion::to_text(machine, key)?.to_utf8());
        if !matches!(item, Value::Ref(_) | Value::Builtin(_)) {
            has_values = true;
            values.set(row, inspect_cell(machine, item)?);
            continue;
        }
        let mut own = Vec::new();
        property::check_listing(&machine.heap, item)?;
        for (name, value) in property::own_entries(&machine.heap, item) {
            if let Value::Accessor(_) = value {
                return unsupported("console.table of objects with getters is not supported");
            }
            own.push((conversion::to_text(machine, &name)?.to_utf8(), value));
        }
        let names: Vec<String> = chosen.clone().unwrap_or_else(|| own.iter().map(|(name, _)| name.clone()).collect());
        for name in names {
            let cell = match own.iter().find(|(own, _)| *own == name) {
                Some((_, value)) => inspect_cell(machine, value)?,
                None => String::new(),
            };
            let at = match columns.iter().position(|column| column.title == name) {
                Some(at) => at,
                None => {
                    columns.push(ConsoleColumn::new(&name));
                    columns.len() - 1
                }
            };
            if let Some(column) = columns.get_mut(at) {
                column.set(row, cell);
            }
        }
    }
    // Properties that are array indices come first, as in every object.
    let index_of = |column: &ConsoleColumn| {
        column.title.parse::<u32>().ok().filter(|n| n.to_string() == column.title).unwrap_or(u32::MAX)
    };
    sort_by(&mut columns, |a, b| index_of(a).cmp(&index_of(b)));
    columns.insert(0, index);
    columns.extend(has_values.then_some(values));
    Ok(columns)
}

/// Draws a table.
fn render_table(columns: &[ConsoleColumn]) -> String {
    let rows = columns.iter().map(|column| column.cells.len()).max().unwrap_or_default();
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| column.cells.iter().chain([&column.title]).map(|cell| width(cell)).max().unwrap_or_default() + 2)
        .collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let dashes: Vec<String> = widths.iter().map(|width| "\u{2500}".repeat(*width)).collect();
        format!("{left}{}{right}", dashes.join(middle))
    };
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .into_iter()
            .zip(&widths)
            .map(|(cell, column)| format!(" {cell}{} ", " ".repeat(column - 2 - width(cell))))
            .collect();
        format!("\u{2502}{}\u{2502}", cells.join("\u{2502}"))
    };
    let mut lines = vec![rule("\u{250c}", "\u{252c}", "\u{2510}")];
    lines.push(line(columns.iter().map(|column| column.title.as_str()).collect()));
    lines.push(rule("\u{251c}", "\u{253c}", "\u{2524}"));
    lines.extend((0..rows).map(|row| line(columns.iter().map(|column| column.cell(row)).collect())));
    lines.push(rule("\u{2514}", "\u{2534}", "\u{2518}"));
    lines.join("\n")
}
