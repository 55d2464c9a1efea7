//! COPY: rows of results as COPY writes them ([`writer`]), and what clients send taken apart into columns ([`reader`]).
//!
//! Both know the three formats and no types: a value is text, or bytes in binary. References: PostgreSQL documentation,
//! COPY; `src/backend/commands/copyto.c` and `copyfromparse.c`.

// A fault ends a load: one is made, so that its size costs nothing.
#![allow(clippy::result_large_err)]

mod attributes;
mod binary;
mod columns;
mod fault;
mod lines;
mod reader;
mod writer;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub use columns::CopyRows;
pub use fault::CopyFault;
pub use reader::CopyReader;
pub use writer::CopyWriter;

/// How values stand in a row.
pub enum Format {
    Binary,
    Text(Marks),
    Csv { marks: Marks, quote: u8, escape: u8 },
}

/// What both texts have.
pub struct Marks {
    pub delimiter: u8,
    pub null: Vec<u8>,
}

impl Format {
    /// `quote` and `escape` are CSV's only. Raises ValueError.
    fn new(name: &str, delimiter: &str, null: &str, quote: &str, escape: &str) -> PyResult<Self> {
        if name == "binary" {
            return Ok(Self::Binary);
        }
        let marks = Marks { delimiter: single(delimiter)?, null: null.as_bytes().to_vec() };
        match name {
            "text" => Ok(Self::Text(marks)),
            "csv" => Ok(Self::Csv { marks, quote: single(quote)?, escape: single(escape)? }),
            _ => Err(PyValueError::new_err("the format is \"text\", \"csv\" or \"binary\"")),
        }
    }
}

fn single(text: &str) -> PyResult<u8> {
    match text.as_bytes() {
        &[byte] => Ok(byte),
        _ => Err(PyValueError::new_err("delimiter, quote and escape are single bytes")),
    }
}
