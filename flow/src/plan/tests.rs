//! Promises of the text form; filled below.
