//! What every column's writer has in common.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// Bytes on their way to the client.
pub type Out = Vec<u8>;

/// Why a value cannot be sent, in PostgreSQL's words and with its SQLSTATE.
#[derive(Debug)]
pub struct Refusal {
    pub sqlstate: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into() }
    }

    pub fn out_of_range(what: &str) -> Self {
        Self::new("22003", format!("{what} out of range"))
    }

    /// The Arrow type cannot be sent as that PostgreSQL type.
    pub fn mismatch(data_type: &DataType, oid: u32) -> Self {
        Self::new("42804", format!("a result column of Arrow type {data_type} cannot be sent as type OID {oid}"))
    }
}

/// One column of one batch in one format: writes cells without their length word.
///
/// Made once a batch; a call a cell allocates nothing. The caller asks for no row that is null.
pub trait Cells: Send + Sync {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal>;

    /// The cell after its int32 length.
    fn write_measured(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.write(row, out)?;
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// A column's writer, and which of its rows are null.
pub struct Column {
    pub cells: Box<dyn Cells>,
    pub nulls: Option<arrow_buffer::NullBuffer>,
}

impl Column {
    pub fn new(array: &ArrayRef, cells: Box<dyn Cells>) -> Self {
        Self { cells, nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0) }
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the cell as DataRow and COPY binary have it: an int32 length (-1: null), then the bytes.
    #[inline]
    pub fn append(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        self.cells.write_measured(row, out)
    }
}

/// A value's digits below 100, two ASCII characters.
#[inline]
pub fn push_pair(value: u32, out: &mut Out) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

#[inline]
pub fn push_integer<I: itoa::Integer>(value: I, out: &mut Out) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
