//! Checks entities against their rows, as their domains declare.

use futures_util::future::join_all;
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{EntityCheck, RowsCheck};
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Key, Query};
use runstate_store::{Finding, Severity, VerifyReport};
use runstate_value::Json;

use super::{CollectionScan, Engine, Error, PAGE, QueryPages, TRIES, Verification, get_documents, without_staged};

/// Bytes of documents from which on fewer entities are inspected at once: a large one is in memory until all are.
const BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;

/// The result of an inspection: the revision of the head, and its problems.
#[derive(Clone, Debug, PartialEq)]
struct InspectionResult {
    result: Json,
    problems: Vec<String>,
    /// Whether the head can be read.
    is_readable: bool,
}

impl Verification<'_> {
    /// Inspects entities, more and more at once as long as they are small.
    pub(super) async fn check_entities(&mut self) -> Result<(), Error> {
        let checks: Vec<&'static EntityCheck> = self.engine.registry().checks().collect();
        for check in checks {
            let mut scan = CollectionScan::by_id(check.collection).projected(vec!["id".to_owned()]);
            let mut at_once = 1;
            while let Some(rows) = self.next_page(&mut scan).await? {
                let mut rest = rows.as_slice();
                while !rest.is_empty() {
                    let (group, others) = rest.split_at(at_once.min(rest.len()));
                    let bytes_before = self.reads.bytes();
                    let inspector = EntityInspector { engine: &self.engine, report: &self.report };
                    let checked = join_all(group.iter().map(|row| inspector.check_entity(check, &row.id))).await;
                    for findings in checked {
                        findings?.into_iter().for_each(|finding| self.report_once(finding));
                    }
                    let is_large = self.reads.bytes() - bytes_before > BYTES_AT_ONCE;
                    at_once = if is_large { (at_once / 2).max(1) } else { (at_once * 2).min(PAGE as usize) };
                    self.advance(group.len()).await;
                    rest = others;
                }
            }
        }
        Ok(())
    }
}

/// Inspects entities, several at once.
struct EntityInspector<'a> {
    engine: &'a Engine,
    /// What was found before.
    report: &'a VerifyReport,
}

impl EntityInspector<'_> {
    /// The findings of one entity. It may be written meanwhile, so a problem is a finding only if it is found twice at
    /// one revision.
    async fn check_entity(&self, check: &'static EntityCheck, id: &str) -> Result<Vec<Finding>, Error> {
        let (mut before, mut unreadable) = (None, Vec::new());
        for _ in 0..TRIES {
            let Some(inspected) = self.inspect(check, id).await? else { break };
            let findings = self.collect_findings(check, id, &inspected, &mut unreadable).await?;
            if findings.is_empty() {
                break;
            }
            let found = Some((inspected, findings));
            if before == found {
                unreadable.extend(found.into_iter().flat_map(|(_, findings)| findings));
                break;
            }
            before = found;
            self.engine.back_off(2).await;
        }
        Ok(unreadable)
    }

    async fn inspect(&self, check: &EntityCheck, id: &str) -> Result<Option<InspectionResult>, Error> {
        let mut query = (check.inspect)(id);
        match self.engine.query_any(&mut *query).await {
            Ok(()) => {}
            // The scan of its collection reports a document whose key is missing.
            Err(error) if error.code == ErrorCode::KEY_MISSING => return Ok(None),
            // The scan of the collection has already reported a damaged head.
            Err(error) if error.code == ErrorCode::CORRUPT => {
                let at = Key::new(check.collection, id).to_string();
                let is_reported =
                    self.report.findings.iter().any(|found| found.at == at && found.severity == Severity::Damage);
                let problems = if is_reported { Vec::new() } else { vec![error.message] };
                return Ok(Some(InspectionResult { result: Json::Null, problems, is_readable: false }));
            }
            Err(error) => return Err(error),
        }
        let result = query.result().map_err(Error::internal)?;
        if result.is_null() {
            return Ok(None);
        }
        let texts =
            |name: &str| result.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let problems = texts("problems").map(str::to_owned).collect();
        let is_readable = result.get("revision").and_then(Json::as_str).is_some_and(|revision| !revision.is_empty());
        Ok(Some(InspectionResult { result, problems, is_readable }))
    }

    /// Also adds to `unreadable` a row that cannot be read.
    async fn collect_findings(
        &self,
        check: &'static EntityCheck,
        id: &str,
        inspected: &InspectionResult,
        unreadable: &mut Vec<Finding>,
    ) -> Result<Vec<Finding>, Error> {
        let at = Key::new(check.collection, id).to_string();
        // A rejection names the document, as the finding does.
        let prefix = format!("{at} is damaged: ");
        let why = |problem: &String| problem.strip_prefix(&prefix).unwrap_or(problem).to_owned();
        let mut findings: Vec<Finding> =
            inspected.problems.iter().map(|problem| Finding::damage(at.clone(), why(problem))).collect();
        if inspected.is_readable {
            for rows in check.rows {
                self.compare_rows(rows, id, (&at, inspected), &mut findings, unreadable).await?;
            }
        }
        Ok(findings)
    }

    async fn compare_rows(
        &self,
        check: &'static RowsCheck,
        id: &str,
        (at, inspected): (&str, &InspectionResult),
        findings: &mut Vec<Finding>,
        unreadable: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let mut comparison = (check.begin)(&inspected.result);
        let query = Query::of(check.collection).eq(check.entity, id).filter((check.filter)());
        let query = query.sort(check.order, Ascending).limit(PAGE);
        let projection = check.projection.iter().map(|field| (*field).to_owned()).collect();
        let mut pages = QueryPages::of(Query { projection, ..query });
        let mut unused: Vec<Key> = Vec::new();
        while let Some(page) = pages.next(self.engine).await? {
            for row in page {
                // A page of findings shows enough.
                if !comparison.add(&row.id, &row.stored.document) && unused.len() < PAGE as usize {
                    unused.push(Key::new(check.collection, &row.id));
                }
            }
        }
        match pages.unreadable {
            None => findings.extend(comparison.problem().map(|why| Finding::damage(at.to_owned(), why))),
            Some(found) => unreadable.push(found),
        }
        if unused.is_empty() {
            return Ok(());
        }
        let (keys, damaged_record) = without_staged(self.engine, unused).await?;
        unreadable.extend(damaged_record);
        let Some(found) = get_documents(self.engine, &keys).await? else { return Ok(()) };
        let existing = keys.iter().zip(found).filter(|(_, found)| found.is_some());
        let why = format!("{at} does not use it, and no large commit has staged it");
        findings.extend(existing.map(|(key, _)| Finding::harmless(key.to_string(), why.clone())));
        Ok(())
    }
}
