//! Checks entities against their rows, as their domains declare.

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{EntityCheck, RowsCheck};
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Key, Query};
use runstate_store::{Finding, Severity};
use runstate_value::Json;

use super::{CollectionScan, Error, PAGE, QueryPages, TRIES, Verification};

/// The result of an inspection: the revision of the head, and its problems.
#[derive(Clone, Debug, PartialEq)]
struct InspectionResult {
    result: Json,
    problems: Vec<String>,
    /// Whether the head can be read.
    is_readable: bool,
}

impl Verification<'_> {
    pub(super) async fn check_entities(&mut self) -> Result<(), Error> {
        let checks: Vec<&'static EntityCheck> = self.engine.registry().checks().collect();
        for check in checks {
            let mut scan = CollectionScan::by_id(check.collection).projected(vec!["id".to_owned()]);
            while let Some(rows) = self.next_page(&mut scan).await? {
                for row in rows {
                    self.check_entity(check, &row.id).await?;
                    self.advance(1).await;
                }
            }
        }
        Ok(())
    }

    /// Checks one entity. It may be written meanwhile, so a problem is a finding only if it is found twice at one
    /// revision.
    async fn check_entity(&mut self, check: &'static EntityCheck, id: &str) -> Result<(), Error> {
        let mut before: Option<(InspectionResult, Vec<Finding>)> = None;
        for _ in 0..TRIES {
            let Some(inspected) = self.inspect(check, id).await? else { return Ok(()) };
            let findings = self.collect_findings(check, id, &inspected).await?;
            if findings.is_empty() {
                return Ok(());
            }
            match before.replace((inspected, findings)) {
                Some(first) if before.as_ref() == Some(&first) => {
                    first.1.into_iter().for_each(|finding| self.report.add(finding));
                    return Ok(());
                }
                _ => self.engine.back_off(2).await,
            }
        }
        Ok(())
    }

    async fn inspect(&mut self, check: &EntityCheck, id: &str) -> Result<Option<InspectionResult>, Error> {
        let mut query = (check.inspect)(id);
        match self.engine.query_any(&mut *query).await {
            Ok(()) => {}
            // The scan of the collection has already reported a damaged head.
            Err(error) if matches!(error.code, ErrorCode::CORRUPT | ErrorCode::KEY_MISSING) => {
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

    async fn collect_findings(
        &mut self,
        check: &'static EntityCheck,
        id: &str,
        inspected: &InspectionResult,
    ) -> Result<Vec<Finding>, Error> {
        let at = Key::new(check.collection, id).to_string();
        // A rejection names the document, as the finding does.
        let prefix = format!("{at} is damaged: ");
        let why = |problem: &String| problem.strip_prefix(&prefix).unwrap_or(problem).to_owned();
        let mut findings: Vec<Finding> =
            inspected.problems.iter().map(|problem| Finding::damage(at.clone(), why(problem))).collect();
        if inspected.is_readable {
            for rows in check.rows {
                self.compare_rows(rows, id, &at, inspected, &mut findings).await?;
            }
        }
        Ok(findings)
    }

    async fn compare_rows(
        &mut self,
        check: &'static RowsCheck,
        id: &str,
        at: &str,
        inspected: &InspectionResult,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let mut comparison = (check.begin)(&inspected.result);
        let query = Query::of(check.collection).eq(check.entity, id).filter((check.filter)());
        let query = query.sort(check.order, Ascending).limit(PAGE);
        let projection = check.projection.iter().map(|field| (*field).to_owned()).collect();
        let mut pages = QueryPages::of(Query { projection, ..query });
        let mut unused: Vec<Key> = Vec::new();
        while let Some(page) = self.next_rows(&mut pages).await? {
            for row in page {
                // A page of findings shows enough.
                if !comparison.add(&row.id, &row.stored.document) && unused.len() < PAGE as usize {
                    unused.push(Key::new(check.collection, &row.id));
                }
            }
        }
        if pages.complete {
            findings.extend(comparison.problem().map(|why| Finding::damage(at.to_owned(), why)));
        }
        if unused.is_empty() {
            return Ok(());
        }
        let keys = self.without_staged(unused).await?;
        let Some(found) = self.get(&keys).await? else { return Ok(()) };
        let existing = keys.iter().zip(found).filter(|(_, found)| found.is_some());
        let why = format!("{at} does not use it, and no large commit has staged it");
        findings.extend(existing.map(|(key, _)| Finding::harmless(key.to_string(), why.clone())));
        Ok(())
    }
}
