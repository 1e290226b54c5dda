//! Help texts that name stores: only those that this build can open.

/// The help of `--store`.
pub const STORE_HELP: &str = if cfg!(feature = "mongodb") {
    "The store: `file:DIR`, `mongodb://HOST/DATABASE` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, \
     MONGODB_URI with CVM_STORAGE_TYPE=mongodb, else file:~/.cvm, the folder of the older CVM]"
} else {
    "The store: `file:DIR` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, else file:~/.cvm, the folder of \
     the older CVM]"
};

/// The examples in the help of `prepare`.
pub const PREPARE_HELP: &str = if cfg!(feature = "mongodb") {
    "Examples:\n  runstate prepare --store file:data\n  runstate prepare --store mongodb://host/app"
} else {
    "Example:\n  runstate prepare --store file:data"
};

/// The help of the argument of `import`.
pub const IMPORT_FROM_HELP: &str = if cfg!(feature = "mongodb") {
    "Source: a file (`-`: standard input), a folder, or mongodb://HOST/cvm, a database of the older CVM"
} else {
    "Source: a file (`-`: standard input) or a folder"
};

/// The examples and exit codes in the help of `import`.
pub const IMPORT_HELP: &str = if cfg!(feature = "mongodb") {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM
  runstate --store file:new import 'mongodb://host/cvm'        its database

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 the store has other data there."
} else {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 the store has other data there."
};
