//! Promises that every solver keeps; filled below.
