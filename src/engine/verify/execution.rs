//! Checks executions against their rows: heap pages, output and calls.

use super::{CollectionScan, Error, PAGE, QueryPages, TRIES, Verification};
use crate::domain::cvm::{CC_HISTORY, EXECUTIONS, HEAP_PAGES, Inspect, Inspection, OUTPUTS, OutputCheck};
use crate::engine::transfer::Progress;
use crate::error_code::ErrorCode;
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Key, Query};
use crate::store::{Finding, Severity};
use crate::value::SortedSet;

impl<P: FnMut(Progress)> Verification<P> {
    /// Checks every execution, if the catalog contains executions.
    pub(super) async fn check_executions(&mut self) -> Result<(), Error> {
        if self.engine.shared.catalog.get(EXECUTIONS.name).is_none() {
            return Ok(());
        }
        let mut scan = CollectionScan::by_id(&EXECUTIONS).projected(vec!["id".to_owned()]);
        while let Some(rows) = self.next_page(&mut scan).await? {
            for row in rows {
                self.check_execution(&row.id).await?;
                self.advance(1).await;
            }
        }
        Ok(())
    }

    /// Checks one execution. It may be written meanwhile, so a problem is a finding only if it is found twice at one revision.
    async fn check_execution(&mut self, id: &str) -> Result<(), Error> {
        let mut before: Option<(Inspection, Vec<Finding>)> = None;
        for _ in 0..TRIES {
            let Some(inspection) = self.inspect(id).await? else { return Ok(()) };
            let findings = self.collect_findings(id, &inspection).await?;
            if findings.is_empty() {
                return Ok(());
            }
            match before.replace((inspection, findings)) {
                Some(first) if before.as_ref() == Some(&first) => {
                    first.1.into_iter().for_each(|finding| self.report.add(finding));
                    return Ok(());
                }
                _ => self.engine.back_off(2).await,
            }
        }
        Ok(())
    }

    async fn inspect(&self, id: &str) -> Result<Option<Inspection>, Error> {
        match self.engine.query(&Inspect { id: id.to_owned() }).await {
            Ok(inspection) => Ok(inspection),
            // The scan of the collection has already reported a damaged head.
            Err(error) if error.code == ErrorCode::Corrupt => {
                let at = Key::new(&EXECUTIONS, id).to_string();
                let is_reported =
                    self.report.findings.iter().any(|found| found.at == at && found.severity == Severity::Damage);
                let problems = if is_reported { Vec::new() } else { vec![error.message] };
                Ok(Some(Inspection { problems, ..Inspection::default() }))
            }
            Err(error) => Err(error),
        }
    }

    async fn collect_findings(&mut self, id: &str, inspection: &Inspection) -> Result<Vec<Finding>, Error> {
        let at = Key::new(&EXECUTIONS, id).to_string();
        // A rejection names the document, as the finding does.
        let prefix = format!("{at} is damaged: ");
        let why = |problem: &String| problem.strip_prefix(&prefix).unwrap_or(problem).to_owned();
        let mut findings: Vec<Finding> =
            inspection.problems.iter().map(|problem| Finding::damage(at.clone(), why(problem))).collect();
        if inspection.revision.is_empty() {
            return Ok(findings);
        }
        findings.extend(self.check_output(id, inspection).await?.map(|why| Finding::damage(at.clone(), why)));
        let open = self.count_open_calls(id).await?;
        if open.is_some_and(|open| open != inspection.open_calls) {
            let (open, expected) = (open.unwrap_or_default(), inspection.open_calls);
            findings.push(Finding::damage(at, format!("{open} of its calls are open, {expected} are expected")));
        }
        findings.extend(self.find_unused_pages(id, inspection).await?);
        Ok(findings)
    }

    async fn check_output(&mut self, id: &str, inspection: &Inspection) -> Result<Option<String>, Error> {
        let mut check = OutputCheck::default();
        let mut pages = QueryPages::of(rows_of(&OUTPUTS, id).sort("seq", Ascending));
        while let Some(page) = self.next_rows(&mut pages).await? {
            page.iter().for_each(|row| check.add(&row.stored.document));
        }
        Ok(if pages.complete { check.into_problem(inspection) } else { None })
    }

    /// Number of open calls of an execution; `None`: its calls cannot be read.
    async fn count_open_calls(&mut self, id: &str) -> Result<Option<u32>, Error> {
        let open = Filter::Exists("outcome".to_owned(), false);
        let query = rows_of(&CC_HISTORY, id).filter(open).sort("request.deadline", Ascending);
        let mut pages = QueryPages::of(Query { projection: vec!["id".to_owned()], ..query });
        let mut count = 0u32;
        while let Some(page) = self.next_rows(&mut pages).await? {
            count = count.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
        }
        Ok(pages.complete.then_some(count))
    }

    /// Heap pages that the execution does not use and no large commit has staged. They only use space.
    async fn find_unused_pages(&mut self, id: &str, inspection: &Inspection) -> Result<Vec<Finding>, Error> {
        let used: SortedSet<&str> = inspection.pages.iter().map(|page| (page.as_str(), ())).collect();
        let query = rows_of(&HEAP_PAGES, id).sort("page", Ascending);
        let mut pages = QueryPages::of(Query { projection: vec!["id".to_owned()], ..query });
        let mut unused: Vec<Key> = Vec::new();
        while let Some(page) = self.next_rows(&mut pages).await? {
            let unused_rows = page.into_iter().filter(|row| !used.contains_key(&*row.id));
            let capacity = (PAGE as usize).saturating_sub(unused.len());
            unused.extend(unused_rows.take(capacity).map(|row| Key::new(&HEAP_PAGES, &row.id)));
        }
        if unused.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.without_staged(unused).await?;
        let Some(found) = self.get(&keys).await? else { return Ok(Vec::new()) };
        let existing = keys.iter().zip(found).filter(|(_, found)| found.is_some());
        let why = format!("execution `{id}` does not use it, and no large commit has staged it");
        Ok(existing.map(|(key, _)| Finding::harmless(key.to_string(), why.clone())).collect())
    }
}

/// The rows of an execution.
fn rows_of(collection: &Collection, execution: &str) -> Query {
    Query::of(collection).eq("executionId", execution).limit(PAGE)
}
