//! Lakegate's hot paths as a Python module.
//!
//! - [`parser`]: PostgreSQL 18's own parser, for the planner.
//! - [`encoder`]: Arrow record batches to the bytes that PostgreSQL would send, for the gateway.
//! - [`copy`]: rows of COPY, both ways.
//! - [`recode`]: messages in the encoding of a client that does not speak UTF-8.
//!
//! The GIL is released while either works. `unsafe` stands only where the C interfaces force it: libpg_query's
//! (`parser/libpg_query.rs`) and Arrow's (`encoder/capsule.rs`).

mod copy;
mod encoder;
mod parser;
mod recode;

use pyo3::prelude::*;

#[pymodule]
mod lakegate_native {
    #[pymodule_export]
    use crate::copy::{CopyFault, CopyReader, CopyRows, CopyWriter};
    #[pymodule_export]
    use crate::encoder::{EncodeError, Encoder, TimeZone};
    #[pymodule_export]
    use crate::parser::{ParsedStatement, Relation, SqlParseError, parse_statements, split_statements};
    #[pymodule_export]
    use crate::recode::Recoder;
}
