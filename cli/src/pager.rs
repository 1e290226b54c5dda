//! Long lists: they are read page by page, and truncated at a terminal unless `--limit` is given.

use serde_json::Value as Json;

/// How many rows a terminal shows without `--limit`.
const DEFAULT_ROWS: u32 = 50;

/// Rows per page.
const PAGE_ROWS: u32 = 500;

/// The row limit of a list.
#[derive(Clone, Copy, Debug)]
pub struct RowLimit {
    limit: Option<u32>,
    shown: Option<u32>,
}

impl RowLimit {
    /// Creates the limit from `--limit`. `interactive`: a person reads the list at a terminal.
    pub fn new(limit: Option<u32>, interactive: bool) -> Self {
        Self { limit, shown: (limit.is_none() && interactive).then_some(DEFAULT_ROWS) }
    }

    /// Returns how many rows to read: one more than is shown, to detect whether there are more.
    pub fn rows(self) -> Option<u32> {
        self.limit.or(self.shown.map(|shown| shown + 1))
    }

    /// Removes the rows beyond those that are shown. Returns the number of shown rows if it removed any.
    pub fn truncate<T>(self, rows: &mut Vec<T>) -> Option<u32> {
        let shown = self.shown.filter(|shown| rows.len() > *shown as usize)?;
        rows.truncate(shown as usize);
        Some(shown)
    }
}

/// A page to read.
#[derive(Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The largest number of rows.
    pub limit: u32,
    /// Where it begins; `None`: at the first row.
    pub cursor: Option<Json>,
}

/// The next page to read.
#[derive(Debug)]
pub struct Pager {
    remaining: Option<u32>,
    next: Option<PageRequest>,
}

impl Pager {
    /// Starts at the first page, for at most `rows` rows.
    pub fn new(rows: Option<u32>) -> Self {
        let mut pager = Self { remaining: rows, next: None };
        pager.request_page(None);
        pager
    }

    /// Returns the next page; `None`: there is none.
    pub fn next(&mut self) -> Option<PageRequest> {
        self.next.take()
    }

    /// Continues after a page of `rows` rows, whose next page begins at `cursor`.
    pub fn advance(&mut self, rows: usize, cursor: Option<Json>) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(rows));
        if cursor.is_some() && self.remaining != Some(0) {
            self.request_page(cursor);
        }
    }

    fn request_page(&mut self, cursor: Option<Json>) {
        let limit = self.remaining.map_or(PAGE_ROWS, |remaining| remaining.min(PAGE_ROWS));
        self.next = Some(PageRequest { limit, cursor });
    }
}

#[cfg(test)]
mod pager_tests {
    use super::*;

    #[test]
    fn paging_stops_at_the_limit_or_the_end_of_the_list() {
        let mut pages = Pager::new(Some(501));
        assert_eq!(pages.next().unwrap(), PageRequest { limit: 500, cursor: None });
        pages.advance(500, Some("c".into()));
        assert_eq!(pages.next().unwrap(), PageRequest { limit: 1, cursor: Some("c".into()) });
        pages.advance(1, Some("d".into()));
        assert_eq!(pages.next(), None);
        let mut pages = Pager::new(None);
        assert_eq!(pages.next().unwrap().limit, 500);
        pages.advance(3, None);
        assert_eq!(pages.next(), None);
    }

    #[test]
    fn a_terminal_without_a_limit_gets_the_default_rows() {
        let mut rows: Vec<u32> = (0..51).collect();
        let limit = RowLimit::new(None, true);
        assert_eq!((limit.rows(), limit.truncate(&mut rows), rows.len()), (Some(51), Some(50), 50));
        assert_eq!((limit.truncate(&mut rows), rows.len()), (None, 50));
        let (limited, piped) = (RowLimit::new(Some(3), true), RowLimit::new(None, false));
        assert_eq!((limited.rows(), piped.rows(), piped.truncate(&mut rows)), (Some(3), None, None));
    }
}
