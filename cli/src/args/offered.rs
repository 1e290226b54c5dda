//! Help that names stores: only those that this build can open.

/// Of `--store`.
pub const STORE: &str = if cfg!(feature = "mongodb") {
    "Where executions are kept: `file:DIR`, `mongodb://HOST/DATABASE` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, \
     MONGODB_URI with CVM_STORAGE_TYPE=mongodb, else file:~/.cvm, the folder of the older CVM]"
} else {
    "Where executions are kept: `file:DIR` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, else file:~/.cvm, the folder of \
     the older CVM]"
};

/// Below the help of `prepare`.
pub const PREPARE: &str = if cfg!(feature = "mongodb") {
    "Examples:\n  runstate prepare --store file:data\n  runstate prepare --store mongodb://host/app"
} else {
    "Example:\n  runstate prepare --store file:data"
};

/// Of the argument of `import`.
pub const IMPORT_FROM: &str = if cfg!(feature = "mongodb") {
    "Where from: a file (`-`: standard input), a folder, or mongodb://HOST/cvm: a database of the older CVM"
} else {
    "Where from: a file (`-`: standard input), or a folder"
};

/// Below the help of `import`.
pub const IMPORT: &str = if cfg!(feature = "mongodb") {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM
  runstate --store file:new import 'mongodb://host/cvm'        its database

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 something else is there already."
} else {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 something else is there already."
};
