//! The options of `artifact`: commands around the bytes of artifacts. `list`, `show` and `delete` are operations.

use std::ops::Range;
use std::path::PathBuf;

use clap::Subcommand;

use crate::help::artifacts_help;

#[derive(Debug, Subcommand)]
pub enum ArtifactCommand {
    /// Store a file, or standard input, as an artifact of a step
    ///
    /// Prints the id of the artifact, which exists from then on with all its bytes. An interrupted upload leaves no
    /// artifact. Equal bytes are stored once.
    #[command(after_help = "\
Examples:
  runstate apps artifact put e1 1 page.png --type screenshot
  make 2>&1 | runstate apps artifact put e1 2 - --type log --name make.txt
  runstate apps artifact put e1 1 model.bin --artifacts s3://bucket/artifacts")]
    Put(PutArtifactArgs),
    /// Write the bytes of an artifact to a file, or to standard output
    ///
    /// Checks the bytes against the hashes that were stored with them. The file appears under its name only when it is
    /// complete.
    #[command(after_help = "\
Examples:
  runstate apps artifact get A1 --to page.png
  runstate apps artifact get A1 --range 1000..2000 | xxd
  runstate apps artifact get A1 --to model.bin --artifacts local:/mnt/artifacts

Exit codes: 4 the bytes were changed or are missing, or the storage failed; 5 no artifact, or FILE exists.")]
    Get(GetArtifactArgs),
    /// Remove bytes that no artifact has: of removed and expired artifacts, and of uploads that did not end
    ///
    /// An upload counts as abandoned an hour after its last sign of life, and its bytes are removed an hour later.
    #[command(after_help = "\
Examples:
  runstate apps artifact collect
  runstate apps artifact collect --artifacts s3://bucket/artifacts")]
    Collect(StorageArgs),
}

#[derive(Debug, clap::Args)]
pub struct StorageArgs {
    #[arg(long = "artifacts", value_name = "URL", env = "RUNSTATE_ARTIFACTS", hide_env_values = true)]
    #[arg(help = artifacts_help())]
    url: Option<String>,
}

impl StorageArgs {
    /// The URL. A variable that is empty counts as not set.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }
}

#[derive(Debug, clap::Args)]
pub struct PutArtifactArgs {
    /// Id of the execution
    #[arg(value_name = "EXECUTION")]
    pub execution: String,
    /// Number of the step
    #[arg(value_name = "STEP")]
    pub step: i64,
    /// File with the bytes (`-`: standard input)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Type of the artifact, such as `screenshot`, `log`, `code` or `report`
    #[arg(long = "type", value_name = "T", default_value = "file")]
    pub artifact_type: String,
    /// Name of the artifact [default: that of the file]
    #[arg(long, value_name = "N", required_if_eq("file", "-"), allow_hyphen_values = true)]
    pub name: Option<String>,
    /// Media type of the bytes [default: by the extension of the name, else application/octet-stream]
    #[arg(long, value_name = "M")]
    pub mime: Option<String>,
    /// Further information: a JSON object, or `@FILE` with it
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub metadata: Option<String>,
    #[command(flatten)]
    pub storage: StorageArgs,
}

#[derive(Debug, clap::Args)]
pub struct GetArtifactArgs {
    /// Id of the artifact
    pub id: String,
    /// File to write [default: `-`, standard output, unless it is a terminal]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Only the bytes from A up to, and without, B, counted from 0; `A..` and `..B` are open
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    pub range: Option<Range<u64>>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub storage: StorageArgs,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str, absent| if text.is_empty() { Some(absent) } else { text.parse::<u64>().ok() };
    let range = text.split_once("..").and_then(|(start, end)| Some(number(start, 0)?..number(end, u64::MAX)?));
    match range {
        Some(range) if range.start <= range.end => Ok(range),
        Some(_) => Err("it ends before it begins".to_owned()),
        None => Err("a range has the form A..B, with numbers of bytes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_of_which_each_may_be_absent() {
        let expected = [("3..7", 3..7), ("3..", 3..u64::MAX), ("..7", 0..7), ("..", 0..u64::MAX), ("7..7", 7..7)];
        for (text, range) in expected {
            assert_eq!(parse_range(text), Ok(range), "{text}");
        }
        for text in ["", "3", "7..3", "-1..3", "3...7", "3..=7", "1..x", "18446744073709551616.."] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
}
