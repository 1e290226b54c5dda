//! Lists that may be long: read page by page, and for a person at a terminal who did not say how much not all of it.

use runstate::engine::Paging;

/// How many rows a person at a terminal is shown who did not say how many.
const SHOWN: u32 = 50;

/// Rows that are read at once.
const PAGE: u32 = 500;

/// How much of a list is shown.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    limit: Option<u32>,
    shown: Option<u32>,
}

impl Bound {
    /// What was asked for; `person`: it is read at a terminal.
    pub fn new(limit: Option<u32>, person: bool) -> Self {
        Self { limit, shown: (limit.is_none() && person).then_some(SHOWN) }
    }

    /// How many rows to read: one more than is shown tells whether there are more.
    pub fn rows(self) -> Option<u32> {
        self.limit.or(self.shown.map(|shown| shown + 1))
    }

    /// Leaves what is shown; how many that are, where there are more.
    pub fn cut<T>(self, rows: &mut Vec<T>) -> Option<u32> {
        let shown = self.shown.filter(|shown| rows.len() > *shown as usize)?;
        rows.truncate(shown as usize);
        Some(shown)
    }
}

/// Which page comes next.
#[derive(Debug)]
pub struct Pages {
    left: Option<u32>,
    next: Option<Paging>,
}

impl Pages {
    /// From the first one, so many rows in all.
    pub fn of(rows: Option<u32>) -> Self {
        let mut pages = Self { left: rows, next: None };
        pages.go_on(None);
        pages
    }

    /// The next page; `None`: there is none.
    pub fn next(&mut self) -> Option<Paging> {
        self.next.take()
    }

    /// After a page of so many rows, behind which `cursor` goes on.
    pub fn took(&mut self, rows: usize, cursor: Option<String>) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.left = self.left.map(|left| left.saturating_sub(rows));
        if cursor.is_some() && self.left != Some(0) {
            self.go_on(cursor);
        }
    }

    fn go_on(&mut self, cursor: Option<String>) {
        let limit = self.left.map_or(PAGE, |left| left.min(PAGE));
        self.next = Some(Paging { limit: Some(limit), cursor });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_with_what_was_asked_for_or_with_the_list() {
        let mut pages = Pages::of(Some(501));
        assert_eq!(pages.next().unwrap(), Paging { limit: Some(500), cursor: None });
        pages.took(500, Some("c".into()));
        assert_eq!(pages.next().unwrap(), Paging { limit: Some(1), cursor: Some("c".into()) });
        pages.took(1, Some("d".into()));
        assert_eq!(pages.next(), None);
        let mut pages = Pages::of(None);
        assert_eq!(pages.next().unwrap().limit, Some(500));
        pages.took(3, None);
        assert_eq!(pages.next(), None);
    }

    #[test]
    fn a_person_who_says_nothing_is_shown_the_first_ones() {
        let mut rows: Vec<u32> = (0..51).collect();
        let bound = Bound::new(None, true);
        assert_eq!((bound.rows(), bound.cut(&mut rows), rows.len()), (Some(51), Some(50), 50));
        assert_eq!((bound.cut(&mut rows), rows.len()), (None, 50));
        let (said, piped) = (Bound::new(Some(3), true), Bound::new(None, false));
        assert_eq!((said.rows(), piped.rows(), piped.cut(&mut rows)), (Some(3), None, None));
    }
}
