//! Tables that fit the terminal. Piped output is never cut.
//!
//! `comfy-table` 7.2 would replace the 50 lines that choose widths and write lines. Measured with the tables of the
//! tests:
//!
//! | table | here | `comfy-table` |
//! |---|---|---|
//! | piped, one cell of 50 characters in a column of 8 | the other rows stay narrow | each row gets 46 blanks more |
//! | 18 columns, a heading of 8 | one line | the heading is wrapped to a second line |
//! | a cell of 100,000 characters without width | at most 8 characters for each column of the terminal | 100,107 characters in one line |

use std::borrow::Cow;
use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

use crate::color::{Paint, Role};
use crate::printer::escape_control;

/// The number of blanks between two columns.
const GAP: usize = 2;

/// The length of a short id: of a UUIDv7, the millisecond of its creation.
const SHORT_ID: usize = 13;

/// The width of a terminal that does not report it.
const DEFAULT_WIDTH: usize = 80;

/// Returns the columns of the terminal that is standard output; `None`: it is not a terminal.
pub fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    let width = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    stdout.is_terminal().then(|| width().filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH))
}

#[derive(Clone, Debug)]
pub struct TableColumn {
    head: Cow<'static, str>,
    right: bool,
    limits: WidthLimits,
}

#[derive(Clone, Copy, Debug)]
struct WidthLimits {
    /// The column is not cut to less than this.
    min: usize,
    /// Cells up to this width widen the column. Wider cells are shown in full only if there is room left.
    preferred: usize,
}

impl TableColumn {
    /// A column of left-aligned text.
    pub fn text(head: impl Into<Cow<'static, str>>) -> Self {
        Self { head: head.into(), right: false, limits: WidthLimits::NONE }
    }

    /// A column of right-aligned numbers.
    pub fn number(head: impl Into<Cow<'static, str>>) -> Self {
        Self { head: head.into(), right: true, limits: WidthLimits::NONE }
    }

    /// Lets the column shrink to `min`. A cell wider than `preferred` takes no room from other columns.
    pub fn shrinkable(self, min: usize, preferred: usize) -> Self {
        Self { limits: WidthLimits { min, preferred }, ..self }
    }

    /// Returns the preferred width, and the width of the widest cell.
    fn widths<'a>(&self, cells: impl Iterator<Item = &'a Cell>) -> (usize, usize) {
        let WidthLimits { min, preferred } = self.limits;
        let (mut width, mut wanted) = (self.head.width(), 0);
        for cell in cells {
            width = width.max(if cell.width <= preferred { cell.width } else { min });
            wanted = wanted.max(cell.width);
        }
        (width, wanted.max(width))
    }
}

impl WidthLimits {
    const NONE: Self = Self { min: usize::MAX, preferred: usize::MAX };
}

/// A cell: text on one line, without control characters.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    width: usize,
    role: Option<Role>,
}

impl Cell {
    pub fn status(status: &str) -> Self {
        Self { role: Role::from_status(status), ..Self::from(status) }
    }

    pub fn role(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }
}

impl Cell {
    /// Whether it is a generated id, all of ASCII.
    fn is_id(&self) -> bool {
        let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let is_right = |(at, byte): (usize, u8)| if is_dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        self.text.len() == 36 && self.text.bytes().enumerate().all(is_right)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        let text = one_line(text);
        Self { width: text.width(), text, role: None }
    }
}

/// Returns `text` on one line, with control characters escaped.
pub fn one_line(text: &str) -> String {
    escape_control(&text.replace("\r\n", "\n")).replace('\n', "\\n").replace('\t', "\\t")
}

#[derive(Clone, Debug)]
pub struct TextTable {
    columns: Vec<TableColumn>,
    rows: Vec<Vec<Cell>>,
}

impl TextTable {
    pub fn new(columns: impl Into<Vec<TableColumn>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    pub fn push_row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Returns its lines, the headings first, cut to `room` columns if there is a limit. If they do not fit, generated
    /// ids become short first. Columns for which there is still no room are named in the last line.
    pub fn lines(mut self, room: Option<usize>, paint: Paint) -> Vec<String> {
        if room.is_some_and(|room| self.width() > room) {
            self.shorten_ids();
        }
        let omitted = room.map(|room| self.omit_columns(room)).unwrap_or_default();
        let mut lines = self.all_lines(room, paint);
        if !omitted.is_empty() {
            let note = format!("no room for {}; --json shows all", omitted.join(", "));
            lines.push(paint.text(Role::Faint, &fit_line(&note, room)));
        }
        lines
    }

    fn width(&self) -> usize {
        let widths = self.widths(None);
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Cuts the generated ids of each column to the shortest beginning by which they differ. Commands take a beginning
    /// of an id for the id.
    fn shorten_ids(&mut self) {
        for at in 0..self.columns.len() {
            let mut ids: Vec<&str> = Vec::new();
            ids.extend(
                self.rows.iter().filter_map(|row| row.get(at)).filter(|cell| cell.is_id()).map(|cell| &*cell.text),
            );
            ids.sort_unstable();
            ids.dedup();
            let common =
                |(one, other): (&&str, &&str)| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            let longest = ids.iter().zip(ids.iter().skip(1)).map(common).max().unwrap_or_default();
            let length = (longest + 1).max(SHORT_ID);
            for cell in self.rows.iter_mut().filter_map(|row| row.get_mut(at)).filter(|cell| cell.is_id()) {
                cell.text.truncate(length);
                cell.width = cell.text.len();
            }
        }
    }

    /// Removes the columns before the last one that do not fit even if they shrink, and returns their headings.
    fn omit_columns(&mut self, room: usize) -> Vec<String> {
        let mut omitted = Vec::new();
        while self.columns.len() > 2 && self.smallest_width() > room {
            let at = self.columns.len() - 2;
            omitted.insert(0, self.columns.remove(at).head.into_owned());
            self.rows.iter_mut().filter(|row| at < row.len()).for_each(|row| _ = row.remove(at));
        }
        omitted
    }

    fn smallest_width(&self) -> usize {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let smallest = |(at, column): (usize, &TableColumn)| column.widths(cells(at)).0.min(column.limits.min);
        let widths: usize = self.columns.iter().enumerate().map(smallest).sum();
        widths + GAP * self.columns.len().saturating_sub(1)
    }

    fn all_lines(&self, room: Option<usize>, paint: Paint) -> Vec<String> {
        let widths = self.widths(room);
        let heads: Vec<Cell> =
            self.columns.iter().map(|column| Cell::from(&*column.head).role(Role::Heading)).collect();
        let line = |cells: &Vec<Cell>| self.line(cells, &widths, room.is_some(), paint);
        std::iter::once(&heads).chain(&self.rows).map(line).collect()
    }

    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let (mut widths, wanted): (Vec<usize>, Vec<usize>) =
            self.columns.iter().enumerate().map(|(at, column)| column.widths(cells(at))).unzip();
        let Some(room) = room else { return widths };
        let taken = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let (mut spare, mut missing) = (room.saturating_sub(taken), taken.saturating_sub(room));
        // The last columns matter least: they get the spare width, and lose width first.
        for ((width, wanted), column) in widths.iter_mut().zip(wanted).zip(&self.columns).rev() {
            let (more, less) = ((wanted - *width).min(spare), width.saturating_sub(column.limits.min).min(missing));
            *width = *width + more - less;
            spare -= more;
            missing -= less;
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize], bounded: bool, paint: Paint) -> String {
        let (mut line, mut blank) = (String::new(), 0);
        for ((cell, column), width) in cells.iter().zip(&self.columns).zip(widths) {
            let cut = if bounded { truncate_to_width(&cell.text, *width) } else { None };
            let text = cut.as_deref().unwrap_or(&cell.text);
            let rest = width.saturating_sub(text.width());
            let (before, after) = if column.right { (rest, 0) } else { (0, rest) };
            // Blanks are written only before more text: lines have no trailing blanks.
            blank += before;
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', blank));
                line += &cell.role.map_or_else(|| text.to_owned(), |role| paint.text(role, text));
                blank = 0;
            }
            blank += after + GAP;
        }
        line
    }
}

/// Returns `text` on one line, cut to the terminal if there is one.
pub fn fit_line(text: &str, room: Option<usize>) -> String {
    let text = one_line(text);
    room.and_then(|room| truncate_to_width(&text, room)).unwrap_or(text)
}

/// Cuts `text` to `width` columns; `None` if it fits. Characters without width are limited too.
fn truncate_to_width(text: &str, width: usize) -> Option<String> {
    let characters = 4 * width + 16;
    let short = text.len() <= characters || text.chars().nth(characters).is_none();
    if short && text.width() <= width {
        return None;
    }
    let mut kept = String::new();
    for c in text.chars().take(characters) {
        kept.push(c);
        // The width of the whole text: the meaning of some characters depends on those before them.
        if kept.width() >= width {
            kept.pop();
            break;
        }
    }
    Some(kept + "…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ColorChoice;

    fn plain() -> Paint {
        Paint::for_stream(ColorChoice::Never, false, &std::io::stdout())
    }

    fn table(rows: &[[&str; 3]]) -> TextTable {
        let mut table = TextTable::new([
            TableColumn::text("ID").shrinkable(4, 8),
            TableColumn::number("N"),
            TableColumn::text("QUESTION").shrinkable(6, 10),
        ]);
        rows.iter().for_each(|row| table.push_row(row.map(Cell::from)));
        table
    }

    fn render(rows: &[[&str; 3]], room: Option<usize>) -> String {
        table(rows).lines(room, plain()).join("\n")
    }

    #[test]
    fn the_last_column_takes_what_is_left_over() {
        let rows = [["a", "7", "Is it ready to be merged?"], ["b", "12", ""]];
        insta::assert_snapshot!(render(&rows, Some(24)), @"
        ID   N  QUESTION
        a    7  Is it ready to …
        b   12
        ");
    }

    #[test]
    fn a_huge_cell_does_not_widen_its_column() {
        let huge = "x".repeat(50);
        let rows = [[huge.as_str(), "1", "Which one?"], ["b", "2", "This one?"]];
        insta::assert_snapshot!(render(&rows, None), @"
        ID    N  QUESTION
        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  1  Which one?
        b     2  This one?
        ");
        insta::assert_snapshot!(render(&rows, Some(30)), @"
        ID               N  QUESTION
        xxxxxxxxxxxxxx…  1  Which one?
        b                2  This one?
        ");
        insta::assert_snapshot!(render(&rows, Some(18)), @"
        ID    N  QUESTION
        xxx…  1  Which on…
        b     2  This one?
        ");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let wide = "漢字かな交じり文".repeat(9);
        let flood = format!("e{}", "\u{301}".repeat(100_000));
        let rows = [[wide.as_str(), "1", "❤️❤️❤️❤️❤️❤️❤️❤️"], ["👩‍👩‍👧‍👦 family", "2", flood.as_str()]];
        for room in 17..120 {
            for line in table(&rows).lines(Some(room), plain()) {
                assert!(line.width() <= room, "{room}: {} {line}", line.width());
                assert!(line.chars().count() < 8 * room + 64, "{room}: {} characters", line.chars().count());
            }
        }
    }

    #[test]
    fn columns_without_room_are_named() {
        let heads = ["EXECUTION", "KIND", "WORKER", "LEASE", "QUESTION"];
        let mut table = TextTable::new(heads.map(|head| TableColumn::text(head).shrinkable(8, 12)));
        table.push_row(["e1", "cc", "w1", "in 3m", "Is it ready to be merged?"].map(Cell::from));
        insta::assert_snapshot!(table.lines(Some(30), plain()).join("\n"), @"
        EXECUTION  KIND  QUESTION
        e1         cc    Is it ready …
        no room for WORKER, LEASE; --…
        ");
    }

    #[test]
    fn generated_ids_are_short_where_they_do_not_fit() {
        let ids = [
            "01a2267b-b6e9-729e-a99b-7de448c8b2a0",
            "01a2267b-b6e9-789b-9899-39b59c3ca024",
            "01a2267b-b638-76b3-a4da-17c35680481f",
        ];
        let mut table = TextTable::new([
            TableColumn::text("ID").shrinkable(12, 36),
            TableColumn::text("PARENT").shrinkable(8, 36),
            TableColumn::text("QUESTION").shrinkable(6, 10),
        ]);
        for id in ids {
            table.push_row([id, ids[0], "Is it ready?"].map(Cell::from));
        }
        table.push_row(["mine-is-as-long-as-a-generated-id---", "", ""].map(Cell::from));
        insta::assert_snapshot!(table.clone().lines(Some(60), plain()).join("\n"), @"
        ID                                    PARENT         QUESTI…
        01a2267b-b6e9-72                      01a2267b-b6e9  Is it …
        01a2267b-b6e9-78                      01a2267b-b6e9  Is it …
        01a2267b-b638-76                      01a2267b-b6e9  Is it …
        mine-is-as-long-as-a-generated-id---
        ");
        assert!(table.lines(None, plain())[1].starts_with(ids[0]));
    }

    #[test]
    fn a_cell_is_one_line_without_control_characters() {
        assert_eq!(Cell::from("a\r\nb\tc\u{1b}[2J").text, r"a\nb\tc\u{1b}[2J");
    }

    #[test]
    fn color_codes_do_not_count_as_width() {
        let mut table = TextTable::new([TableColumn::text("STATUS"), TableColumn::text("ID")]);
        table.push_row([Cell::status("complete"), Cell::from("a")]);
        let lines = table.lines(Some(80), Paint::for_stream(ColorChoice::Always, false, &std::io::stdout()));
        assert_eq!(lines[1], "\u{1b}[32mcomplete\u{1b}[0m  a");
        assert_eq!(lines[0], "\u{1b}[1mSTATUS\u{1b}[0m    \u{1b}[1mID\u{1b}[0m");
    }
}
