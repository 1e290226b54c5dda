//! The contract of a store as a list of cases that any store can run. [`CASES`] is the list, and
//! [`conformance!`](crate::conformance) makes a test of each case.
//!
//! ```
//! use runstate::store::Memory;
//! use runstate::testing::conformance::Subject;
//!
//! async fn fresh() -> Subject {
//!     Subject::new(Memory::new())
//! }
//!
//! // In a file under `tests/` this one line makes every case a `#[test]`.
//! runstate::conformance!(fresh);
//! ```

mod commits;
mod declarations;
mod documents;
mod feed;
mod fixture;
mod ledger;
mod lifecycle;
mod queries;
mod time_series;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use runstate_core::marker::{BoxFuture, MaybeSync};

use crate::{Store, StoreError, StoreFuture};

/// One rule of a store's contract, with its test.
pub struct ConformanceCase {
    /// Its name, unique in the list.
    pub name: &'static str,
    /// The rule of the contract that the case checks.
    pub rule: &'static str,
    /// Runs the case on an empty store.
    pub run: for<'a> fn(&'a Subject) -> BoxFuture<'a, Verdict>,
}

/// The store under test.
pub struct Subject {
    store: Arc<dyn Store>,
    reopener: Option<Box<dyn Reopener>>,
}

/// Opens the storage of a subject again, as another process or tab would. It holds what the storage needs while the
/// subject exists, for example a temporary folder.
pub trait Reopener: MaybeSync {
    /// Another store on the same storage.
    fn reopen(&self) -> StoreFuture<'_, Arc<dyn Store>>;
}

impl<F: Fn() -> StoreFuture<'static, Arc<dyn Store>> + MaybeSync> Reopener for F {
    fn reopen(&self) -> StoreFuture<'_, Arc<dyn Store>> {
        self()
    }
}

impl Subject {
    /// A store whose contents are lost when it is closed.
    pub fn new(store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), reopener: None }
    }

    /// A store whose contents are durable. `reopener` opens them again.
    pub fn durable(store: impl Store + 'static, reopener: impl Reopener + 'static) -> Self {
        Self { store: Arc::new(store), reopener: Some(Box::new(reopener)) }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Another store on the same storage; `None`: the contents are lost with the store.
    pub async fn reopen(&self) -> Result<Option<Arc<dyn Store>>, CaseFailure> {
        match &self.reopener {
            Some(reopener) => Ok(Some(reopener.reopen().await?)),
            None => Ok(None),
        }
    }
}

/// The result of a case.
pub type Verdict = Result<(), CaseFailure>;

/// Why a store failed a case.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseFailure {
    what: String,
    at: &'static Location<'static>,
}

impl CaseFailure {
    /// A failure at the caller's line.
    #[track_caller]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Location::caller() }
    }
}

impl From<StoreError> for CaseFailure {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        Self { what: format!("a call that must succeed failed ({}): {error}", error.code()), at: Location::caller() }
    }
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.what, self.at)
    }
}

/// As [`fmt::Display`], because test frameworks print failures with `Debug`.
impl fmt::Debug for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for CaseFailure {}

/// Runs the case of that name on `subject`.
pub async fn run(name: &str, subject: Subject) -> Verdict {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        return Err(CaseFailure::new(format!("`{name}` is not a conformance case")));
    };
    (case.run)(&subject)
        .await
        .map_err(|failure| CaseFailure { what: format!("{}: {}", case.rule, failure.what), ..failure })
}

macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::testing::conformance::CaseFailure::new(format!($($what)+)));
        }
    };
}

macro_rules! ensure_eq {
    ($found:expr, $expected:expr) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    let what = format!("{} is\n   found {found:?}\nexpected {expected:?}", stringify!($found));
                    return Err($crate::testing::conformance::CaseFailure::new(what));
                }
            }
        }
    };
}

use ensure;
use ensure_eq;

macro_rules! list_cases {
    ({} $($module:ident::$name:ident $rule:literal;)+) => {
        /// All cases.
        pub const CASES: &[ConformanceCase] = &[$(
            ConformanceCase { name: stringify!($name), rule: $rule, run: |subject| Box::pin($module::$name(subject)) }
        ),+];
    };
}

/// The list of cases, passed to the macro that is named first.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ([$($then:tt)+] $args:tt) => {
        $($then)+! { $args
            documents::get_returns_none_for_absent_documents "get returns a result for every key in order, None for an absent document";
            documents::a_commit_is_visible_to_the_next_get "after Ok every write is visible to the next get";
            documents::every_write_increments_the_revision "a revision counts the writes of its incarnation";
            documents::a_recreated_document_has_a_new_incarnation "delete and insert make another incarnation";
            documents::one_get_is_one_snapshot "one get reads one snapshot";
            documents::similar_ids_are_distinct "ids that look alike are different ids";
            documents::invalid_ids_are_refused "an id has 1 to 200 bytes and no control characters";

            commits::expect_absent_conflicts_with_an_existing_document "Expectation::Absent over a document is a conflict";
            commits::expect_revision_conflicts_with_any_other_revision "Expectation::Revision holds for that revision only";
            commits::expect_any_accepts_present_and_absent_documents "Expectation::Any accepts present and absent documents";
            commits::a_check_conflicts_unless_its_revision_is_current "a check holds at its revision only, and never on an absent document";
            commits::a_failed_batch_writes_nothing "a batch that fails writes nothing, and its command may be decided again";
            commits::a_batch_that_contradicts_itself_is_invalid "two writes to one key, or a check on a written one, are invalid";
            commits::only_declared_collections_are_written "undeclared collections and the ledger are not written by batches";
            commits::insert_only_documents_never_change "documents of insert-only collections are inserted, expecting absence, and deleted";
            commits::documents_that_break_their_declaration_are_invalid "a document that breaks its declaration is invalid, however it is written";
            commits::values_outside_the_common_limits_are_refused "names, integers, NUL in keys and depth are bounded the same on every store";
            commits::operations_that_contradict_their_expectation_are_invalid "a change needs an expected revision; a delete cannot expect absence";
            commits::a_change_conflicts_unless_its_revision_is_current "a change applies to the revision that it was made from, or is a conflict";
            commits::a_difference_that_contradicts_its_document_is_invalid "a difference that contradicts the document given with it is invalid";

            time_series::rows_of_a_time_series_are_read_as_documents "rows of a time series are read, queried and counted as documents";
            time_series::rows_of_a_time_series_are_committed_alone "rows of a time series are inserted under ids that begin with their time, beside no other document and no check";
            time_series::a_repeated_command_inserts_its_rows_once "a command sent many times inserts its rows of a time series once";
            time_series::a_sweep_deletes_only_expired_rows_of_a_time_series "a sweep deletes expired rows of a time series, or leaves them to the backend";

            declarations::numbers_outside_of_their_range_are_invalid "a number outside of its declared range is invalid, however it is written";
            declarations::documents_of_any_month_are_one_collection "a collection that is divided by months is one: its ids are unique, and queries find all months";
            declarations::a_view_changes_no_document "a declared view changes no document, wherever it is kept";
            declarations::a_secret_is_read_and_found_by_its_value "a secret is read as it was written, and found by its exact value if it is searchable";
            declarations::documents_are_read_by_the_fields_of_their_id "a field that is the id is read and queried as any other";

            ledger::a_repeated_command_returns_its_first_result "a repeated command writes nothing and gets the first result";
            ledger::the_ledger_is_checked_before_expectations "the ledger is checked before any expectation";
            ledger::a_command_id_is_refused_for_another_command "an id that another command has used is refused";
            ledger::outcome_returns_committed_commands_only "outcome returns committed commands, and Absent for all others";
            ledger::a_command_without_writes_is_in_the_ledger "a batch without writes also has a row in the ledger";
            ledger::ledger_rows_are_queried_and_expire_as_documents "rows of the ledger are queried and expire like documents";
            ledger::results_over_four_kib_are_refused "a result of more than 4 KiB is refused";
            ledger::concurrent_repeats_of_a_command_commit_once "a command sent many times at once is committed once";

            commits::a_unique_index_refuses_a_second_entry "a unique index refuses a second document with an entry; the error names both";
            commits::missing_fields_clash_in_a_unique_index "two documents without a field clash in a unique index";
            commits::a_partial_unique_index_ignores_excluded_documents "a partial unique index ignores documents outside its predicate";
            commits::uniqueness_is_checked_after_the_whole_batch "documents may exchange or pass on unique values in one batch";
            commits::of_concurrent_inserts_of_an_entry_one_commits "of many concurrent inserts of one unique entry, one commits";

            documents::documents_over_the_size_limit_are_refused "a document above the size limit is refused, one at the limit is not";
            documents::batches_over_the_write_limit_are_refused "a batch with more writes than the limit is refused";
            documents::batches_over_the_byte_limit_are_refused "a batch with more bytes than the limit is refused";

            documents::values_round_trip_unchanged "every kind of JSON, unusual keys and unusual texts are read back unchanged";
            documents::differences_round_trip_unchanged "fields, nested keys and list elements are set and unset in place";
            documents::keys_keep_their_order "the keys of values and of free documents keep their order, whatever changes";
            documents::random_documents_round_trip_unchanged "random documents and changes are read back unchanged";

            queries::filters_match_the_reference_results "every filter finds the same documents as the reference";
            queries::value_kinds_have_one_sort_order "null, booleans, numbers, texts, lists, objects; the id decides last";
            queries::several_fields_sort_in_both_directions "several fields and directions, with and without an index";
            queries::pages_return_every_row_once "limit and cursor return every row once";
            queries::a_cursor_survives_writes "a cursor continues after its row, also after writes";
            queries::a_projection_returns_the_requested_fields "a projection returns the requested fields";
            queries::invalid_queries_are_refused "an undeclared collection or a cursor of another query is invalid";
            queries::text_search_finds_whole_words "text search finds whole words in any case";
            queries::a_text_index_over_words_finds_every_match "a text index over words finds the documents of the reference, in its order";

            queries::aggregates_are_computed_over_all_documents "count, sum, avg, min, max, percentile and count_if, also over no documents";
            queries::aggregates_are_computed_by_group "groups and time buckets, in the order of their values";
            queries::decimals_are_exact "decimals are summed and compared exactly";

            lifecycle::a_sweep_deletes_exactly_the_expired_documents "sweep deletes the documents that are expired at its time, and no others";
            lifecycle::a_sweep_deletes_at_most_its_limit "sweep deletes at most its limit, and returns the number";
            lifecycle::a_refreshed_deadline_prevents_expiry "a write to the field moves the deadline";

            feed::changes_come_in_order "changes have command, key and revision, in commit order";
            feed::reading_from_a_position_misses_no_change "no change after a position is missing, for any page size";
            feed::without_a_position_the_feed_starts_now "without a position only later changes are returned";
            feed::waiting_for_changes_ends_on_a_change_or_timeout "waiting ends with a change or at the timeout";
            feed::only_ledger_rows_are_left_out_of_the_feed "changes of every declared collection are in the feed, rows of the ledger are not";
            feed::malformed_positions_are_invalid "a text that is not a position is invalid";
            feed::swept_documents_appear_as_deletions "deletions by sweep are in the feed, repeated commands are not";

            lifecycle::migrating_again_changes_nothing "migrate is idempotent and keeps documents";
            lifecycle::a_newer_store_is_read_only "an older program reads a newer store, and cannot write it";
            lifecycle::a_new_index_covers_existing_documents "an index that is declared later covers existing documents";
            lifecycle::collections_with_documents_are_listed "the collections with documents are listed, declared or not";
            lifecycle::a_closed_store_refuses_every_call "after close every call fails with Closed; closing again succeeds";
            lifecycle::acknowledged_writes_survive_reopening "documents, revisions and ledger survive closing and opening";
            lifecycle::two_stores_on_one_storage_agree "two stores on one storage see each other's writes and conflict with them";
            lifecycle::concurrent_increments_are_not_lost "concurrent increments under expected revisions are not lost";
        }
    };
}

__conformance_cases!([list_cases] {});

/// Makes every case of [`testing::conformance`](crate::testing::conformance) a test.
///
/// - `conformance!(fresh)`: one `#[test]` per case. `fresh` is an `async fn() -> Subject` that creates an empty store.
/// - `conformance!(fresh, block_on = path)`: runs the futures in `path`, a function like
///   [`block_on`](crate::testing::block_on), for a store that needs a runtime.
/// - `conformance!(fresh, #[attribute])`: one `async fn` per case with that attribute, for example
///   `#[wasm_bindgen_test]`.
#[macro_export]
macro_rules! conformance {
    ($fresh:expr $(,)?) => {
        $crate::conformance!($fresh, block_on = $crate::testing::block_on);
    };
    ($fresh:expr, block_on = $block_on:path $(,)?) => {
        $crate::__conformance_cases!([$crate::__conformance_tests] { $fresh, $block_on });
    };
    ($fresh:expr, #$attribute:tt) => {
        $crate::__conformance_cases!([$crate::__conformance_tests] { $fresh, #$attribute });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ $fresh:expr, #$attribute:tt } $($module:ident::$name:ident $rule:literal;)+) => {
        $(
            #$attribute
            async fn $name() -> $crate::testing::conformance::Verdict {
                $crate::testing::conformance::run(stringify!($name), $fresh().await).await
            }
        )+
    };
    ({ $fresh:expr, $block_on:path } $($module:ident::$name:ident $rule:literal;)+) => {
        $(
            #[test]
            fn $name() -> $crate::testing::conformance::Verdict {
                $block_on(async { $crate::testing::conformance::run(stringify!($name), $fresh().await).await })
            }
        )+
    };
}
