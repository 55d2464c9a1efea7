//! Lakegate's hot paths as a Python module.
//!
//! - [`parser`]: PostgreSQL 18's own parser, for the planner.
//!
//! The GIL is released while either works. `unsafe` stands only where the C interfaces force it: libpg_query's and Arrow's.

mod parser;

use pyo3::prelude::*;

#[pymodule]
mod lakegate_native {
    #[pymodule_export]
    use crate::parser::{ParsedStatement, Relation, SqlParseError, parse_statements, split_statements};
}
