//! The search.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;
use runstate_core::schema::Page;

use super::text::{excerpt, searched_words};
use super::{SearchEntry, SearchKind, SearchedField};

/// Largest number of words in one search.
const MAX_WORDS: usize = 32;

/// Rows in one page by default, and at most: each reads the texts of its entry.
const ROWS_PER_PAGE: (u32, u32) = (20, 100);

/// The name of the query for the entries.
const ENTRIES: &str = "entries";

/// Searches steps and text artifacts for words, page by page, those that changed last first. All words must occur in
/// one step (in its name, error, output or metadata) or in one artifact (in its name or content).
///
/// Words are runs of letters and digits, and are found whole, in any case. Of each step and artifact the first 256 KiB
/// of text are searched. Errors: `invalid` (no word, or the cursor is not of this list), `limit` (more than 32 words).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "apps.search", query)]
pub struct Search {
    /// The words, in any order.
    #[operation(subject)]
    pub text: String,
    /// Only those of the app with this number.
    pub app_id: Option<i64>,
    /// Only those of this execution.
    pub execution_id: Option<String>,
    /// Only steps, or only artifacts.
    pub kind: Option<SearchKind>,
    /// Maximum number of rows; by default 20, never more than 100.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// A step or an artifact that has the words.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct SearchHit {
    /// Its id.
    pub id: String,
    /// Whether it is a step or an artifact.
    pub kind: SearchKind,
    /// The number of its app; null if its execution was deleted.
    pub app_id: Option<i64>,
    /// Its execution.
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
    /// The field of the excerpt: the one with the most of the words.
    pub field: SearchedField,
    /// The text around the first word in that field.
    pub excerpt: String,
    /// When its texts changed last.
    pub at: Timestamp,
}

impl Search {
    fn words(&self) -> Vec<String> {
        searched_words(&self.text).take(MAX_WORDS + 1).collect()
    }
}

impl DomainQuery for Search {
    type Output = Page<SearchHit>;

    fn check(&self) -> Result<()> {
        match self.words().len() {
            0 => Err(Rejection::invalid("text", "has no letter and no digit")),
            1..=MAX_WORDS => Ok(()),
            _ => Err(Rejection::Limit {
                what: "the number of words".to_owned(),
                limit: format!("{MAX_WORDS} words"),
                remedy: "search for fewer words",
            }),
        }
    }

    fn reads(&self, _: &View) -> ReadSet {
        let mut query =
            Query::of(&SearchEntry::COLLECTION).filter(Filter::Text("words".to_owned(), self.words().join(" ")));
        if let Some(app_id) = self.app_id {
            query = query.eq("app_id", app_id);
        }
        if let Some(execution_id) = &self.execution_id {
            query = query.eq("execution_id", &**execution_id);
        }
        if let Some(kind) = self.kind {
            query = query.eq("kind", kind.as_str());
        }
        let (default, most) = ROWS_PER_PAGE;
        let limit = self.limit.unwrap_or(default).min(most);
        ReadSet::empty().query(ENTRIES, query.sort("at", Descending).page(Some(limit), self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<SearchHit>> {
        let words = self.words();
        let hit = |entry: SearchEntry| {
            let (field, excerpt) = excerpt(&entry.texts, &words)?;
            let SearchEntry { id, kind, app_id, execution_id, step_id, at, .. } = entry;
            Some(SearchHit { id, kind, app_id, execution_id, step_id, field, excerpt, at })
        };
        let page = view.page::<SearchEntry>(ENTRIES);
        Ok(page.map_items(|entries| entries.into_iter().filter_map(hit).collect()))
    }
}
