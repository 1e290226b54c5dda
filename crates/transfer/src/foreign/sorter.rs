//! An external merge sort (Knuth, The Art of Computer Programming 3, 5.4): sorted runs in temporary files without
//! names, which are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use super::KEY_SEPARATOR;

/// The bytes of a run. A run is a file that stays open, so this also bounds their number.
const RUN_BYTES: usize = 32 * 1024 * 1024;

/// Sorts lines by their keys. A key has one [`KEY_SEPARATOR`].
#[derive(Default)]
pub(super) struct ExternalSorter {
    entries: Vec<(String, String)>,
    bytes: usize,
    runs: Vec<BufReader<File>>,
}

pub(super) struct SortedLines {
    /// The next line of each run.
    heads: BinaryHeap<Reverse<(String, String, usize)>>,
    runs: Vec<BufReader<File>>,
}

impl ExternalSorter {
    pub fn add(&mut self, key: String, line: String) -> io::Result<()> {
        self.add_within(key, line, RUN_BYTES)
    }

    /// Adds a line, and writes a run if the lines in memory exceed `run_bytes`.
    pub fn add_within(&mut self, key: String, line: String, run_bytes: usize) -> io::Result<()> {
        self.bytes += key.len() + line.len();
        self.entries.push((key, line));
        if self.bytes > run_bytes { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        entries.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for (key, line) in entries {
            writeln!(run, "{key}{KEY_SEPARATOR}{line}")?;
        }
        let mut file = run.into_inner()?;
        file.rewind()?;
        self.runs.push(BufReader::new(file));
        Ok(())
    }

    pub fn sort(mut self) -> io::Result<SortedLines> {
        self.write_run()?;
        let mut sorted = SortedLines { heads: BinaryHeap::new(), runs: self.runs };
        (0..sorted.runs.len()).try_for_each(|run| sorted.advance(run))?;
        Ok(sorted)
    }
}

impl SortedLines {
    /// The next key with its line.
    pub fn next(&mut self) -> io::Result<Option<(String, String)>> {
        let Some(Reverse((key, line, run))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some((key, line)))
    }

    /// Reads the next line of a run.
    fn advance(&mut self, run: usize) -> io::Result<()> {
        let mut entry = String::new();
        if self.runs[run].read_line(&mut entry)? == 0 {
            return Ok(());
        }
        let end_of_key = entry.match_indices(KEY_SEPARATOR).nth(1).map(|(at, _)| at);
        let split = end_of_key.and_then(|at| Some((entry.get(..at)?, entry.get(at + 1..)?.strip_suffix('\n')?)));
        let (key, line) = split.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        self.heads.push(Reverse((key.to_owned(), line.to_owned(), run)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_runs_are_merged_in_order() {
        let mut sorter = ExternalSorter::default();
        let mut expected = Vec::new();
        for n in 0..1_000 {
            let entry = (format!("c\t{}", n * 7_919 % 1_000), format!("{{\"tab\\t\": {n}}}"));
            sorter.add_within(entry.0.clone(), entry.1.clone(), 500).unwrap();
            expected.push(entry);
        }
        assert!(sorter.runs.len() > 20);
        expected.sort();
        let (mut sorted, mut found) = (sorter.sort().unwrap(), Vec::new());
        while let Some(entry) = sorted.next().unwrap() {
            found.push(entry);
        }
        assert_eq!(found, expected);
    }
}
