//! Tables that fit the terminal. Where there is none, nothing is cut: what is piped is all there.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

use crate::colour::{Paint, Role};
use crate::print::visible;

/// Between two columns.
const GAP: usize = 2;

/// The width of a terminal that does not tell it.
const UNKNOWN: usize = 80;

/// Columns of the terminal that standard output is; `None`: it is none.
pub fn room() -> Option<usize> {
    let stdout = std::io::stdout();
    let told = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    stdout.is_terminal().then(|| told().filter(|width| *width > 0).unwrap_or(UNKNOWN))
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    head: &'static str,
    right: bool,
    bounds: Bounds,
}

/// How wide a column is.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// It is not cut to less.
    least: usize,
    /// Cells up to this width are shown whole while there is room for them; what is wider makes no column wider.
    usual: usize,
}

impl Column {
    /// Words, one below the beginning of the other.
    pub const fn text(head: &'static str) -> Self {
        Self { head, right: false, bounds: Bounds::NONE }
    }

    /// Numbers, one below the end of the other.
    pub const fn number(head: &'static str) -> Self {
        Self { head, right: true, bounds: Bounds::NONE }
    }

    /// May be cut to `least`. A cell wider than `usual` takes no room from other columns.
    pub const fn cut(self, least: usize, usual: usize) -> Self {
        Self { bounds: Bounds { least, usual }, ..self }
    }

    /// Its width where nothing presses, and the width that its widest cell would like.
    fn widths<'a>(&self, cells: impl Iterator<Item = &'a Cell>) -> (usize, usize) {
        let Bounds { least, usual } = self.bounds;
        let (mut width, mut wish) = (self.head.width(), 0);
        for cell in cells {
            width = width.max(if cell.width <= usual { cell.width } else { least });
            wish = wish.max(cell.width);
        }
        (width, wish.max(width))
    }
}

impl Bounds {
    const NONE: Self = Self { least: usize::MAX, usual: usize::MAX };
}

/// What stands in a row below one column: text on one line that commands no terminal.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    width: usize,
    role: Option<Role>,
}

impl Cell {
    /// A status in its colour.
    pub fn status(status: &str) -> Self {
        Self { role: Role::of(status), ..Self::from(status) }
    }

    /// The way its part looks.
    pub fn role(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        let text = one_line(text);
        Self { width: text.width(), text, role: None }
    }
}

/// `text` on one line that commands no terminal.
pub fn one_line(text: &str) -> String {
    visible(&text.replace("\r\n", "\n")).replace('\n', "\\n").replace('\t', "\\t")
}

/// A table.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Its lines, the headings first, cut to `room` columns where there is a bound.
    pub fn lines(&self, room: Option<usize>, paint: Paint) -> Vec<String> {
        let widths = self.widths(room);
        let heads: Vec<Cell> = self.columns.iter().map(|column| Cell::from(column.head).role(Role::Heading)).collect();
        let line = |cells: &Vec<Cell>| self.line(cells, &widths, room.is_some(), paint);
        std::iter::once(&heads).chain(&self.rows).map(line).collect()
    }

    /// How wide each column is.
    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let (mut widths, wishes): (Vec<usize>, Vec<usize>) =
            self.columns.iter().enumerate().map(|(at, column)| column.widths(cells(at))).unzip();
        let Some(room) = room else { return widths };
        let taken = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let (mut spare, mut missing) = (room.saturating_sub(taken), taken.saturating_sub(room));
        // What stands last is read last: it takes what is left over, and gives what is missing.
        for ((width, wish), column) in widths.iter_mut().zip(wishes).zip(&self.columns).rev() {
            let (more, less) = ((wish - *width).min(spare), width.saturating_sub(column.bounds.least).min(missing));
            *width = *width + more - less;
            spare -= more;
            missing -= less;
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize], bounded: bool, paint: Paint) -> String {
        let (mut line, mut blank) = (String::new(), 0);
        for ((cell, column), width) in cells.iter().zip(&self.columns).zip(widths) {
            let cut = if bounded { cut(&cell.text, *width) } else { None };
            let text = cut.as_deref().unwrap_or(&cell.text);
            let rest = width.saturating_sub(text.width());
            let (before, after) = if column.right { (rest, 0) } else { (0, rest) };
            // Blanks wait for what stands behind them: lines end with their last word.
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

/// `text` on one line of the terminal, where there is one.
pub fn fitting(text: &str, room: Option<usize>) -> String {
    let text = one_line(text);
    room.and_then(|room| cut(&text, room)).unwrap_or(text)
}

/// `text` in so many columns, where it has more. What has no width at all is bounded too.
fn cut(text: &str, width: usize) -> Option<String> {
    let characters = 4 * width + 16;
    let short = text.len() <= characters || text.chars().nth(characters).is_none();
    if short && text.width() <= width {
        return None;
    }
    let mut kept = String::new();
    for c in text.chars().take(characters) {
        kept.push(c);
        // As a whole: what some characters mean depends on those before them.
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
    use crate::colour::When;

    fn plain() -> Paint {
        Paint::of(When::Never, false, &std::io::stdout())
    }

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table =
            Table::new([Column::text("ID").cut(4, 8), Column::number("N"), Column::text("QUESTION").cut(6, 10)]);
        rows.iter().for_each(|row| table.row(row.map(Cell::from)));
        table
    }

    fn shown(rows: &[[&str; 3]], room: Option<usize>) -> String {
        table(rows).lines(room, plain()).join("\n")
    }

    #[test]
    fn the_last_column_takes_what_is_left_over() {
        let rows = [["a", "7", "Is it ready to be merged?"], ["b", "12", ""]];
        insta::assert_snapshot!(shown(&rows, Some(24)), @"
        ID   N  QUESTION
        a    7  Is it ready to …
        b   12
        ");
    }

    #[test]
    fn a_huge_cell_widens_nothing_but_itself() {
        let huge = "x".repeat(50);
        let rows = [[huge.as_str(), "1", "Which one?"], ["b", "2", "This one?"]];
        insta::assert_snapshot!(shown(&rows, None), @"
        ID    N  QUESTION
        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  1  Which one?
        b     2  This one?
        ");
        insta::assert_snapshot!(shown(&rows, Some(30)), @"
        ID               N  QUESTION
        xxxxxxxxxxxxxx…  1  Which one?
        b                2  This one?
        ");
        insta::assert_snapshot!(shown(&rows, Some(18)), @"
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
    fn a_cell_is_one_line_that_commands_no_terminal() {
        assert_eq!(Cell::from("a\r\nb\tc\u{1b}[2J").text, r"a\nb\tc\u{1b}[2J");
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new([Column::text("STATUS"), Column::text("ID")]);
        table.row([Cell::status("complete"), Cell::from("a")]);
        let lines = table.lines(Some(80), Paint::of(When::Always, false, &std::io::stdout()));
        assert_eq!(lines[1], "\u{1b}[32mcomplete\u{1b}[0m  a");
        assert_eq!(lines[0], "\u{1b}[1mSTATUS\u{1b}[0m    \u{1b}[1mID\u{1b}[0m");
    }
}
