//! Rows on their way to Arrow: a column of texts (or of bytes, in binary) for each column of the COPY.

use std::ffi::CStr;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder, UInt64Builder};
use arrow_array::ffi::to_ffi;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::fault::{CopyFault, shorten};

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

/// The rows of one piece, being gathered. `texts` says that values are text.
pub struct Columns {
    values: Vec<BinaryBuilder>,
    lines: UInt64Builder,
    shown: StringBuilder,
    texts: bool,
    pub rows: usize,
}

impl Columns {
    pub fn new(count: usize, texts: bool) -> Self {
        let values = (0..count).map(|_| BinaryBuilder::new()).collect();
        Self { values, lines: UInt64Builder::new(), shown: StringBuilder::new(), texts, rows: 0 }
    }

    pub fn count(&self) -> usize {
        self.values.len()
    }

    pub fn push(&mut self, column: usize, value: Option<&[u8]>) {
        self.values[column].append_option(value);
    }

    /// Ends a row, whose columns from `filled` on become NULL.
    pub fn end_row(&mut self, filled: usize, line: u64, text: &str) {
        self.values[filled..].iter_mut().for_each(BinaryBuilder::append_null);
        self.lines.append_value(line);
        self.shown.append_value(shorten(text));
        self.rows += 1;
    }

    pub fn finish(mut self, fault: Option<CopyFault>, ended: bool) -> Result<CopyRows, arrow_schema::ArrowError> {
        let mut arrays: Vec<(String, ArrayRef)> = Vec::new();
        for (number, values) in self.values.iter_mut().enumerate() {
            let values = values.finish();
            let array: ArrayRef =
                if self.texts { Arc::new(StringArray::try_from_binary(values)?) } else { Arc::new(values) };
            arrays.push((number.to_string(), array));
        }
        arrays.push(("line".to_owned(), Arc::new(self.lines.finish())));
        arrays.push(("text".to_owned(), Arc::new(self.shown.finish())));
        let batch =
            RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true)))?;
        Ok(CopyRows { batch, fault, ended })
    }
}

/// Rows as a record batch, by `__arrow_c_array__`: the COPY's columns, then `line` and `text` of each row.
///
/// `fault` is what ended them early; `ended` says that the data have ended, even if more is sent.
#[pyclass(frozen, module = "lakegate_native")]
pub struct CopyRows {
    batch: RecordBatch,
    #[pyo3(get)]
    fault: Option<CopyFault>,
    #[pyo3(get)]
    ended: bool,
}

#[pymethods]
impl CopyRows {
    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        drop(requested_schema);
        let data = StructArray::from(self.batch.clone()).into_data();
        let (array, schema) = to_ffi(&data).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((PyCapsule::new_with_value(py, schema, SCHEMA)?, PyCapsule::new_with_value(py, array, ARRAY)?))
    }
}
