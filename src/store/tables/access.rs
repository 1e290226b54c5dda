//! Finding documents.
