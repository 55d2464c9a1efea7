//! Arrow record batches as DataRow messages or COPY rows, byte for byte as PostgreSQL sends them.
//!
//! A column's Arrow type, PostgreSQL type and format choose its writer once a batch ([`cells_of`]); then rows are written
//! one after the other into one buffer. References: PostgreSQL documentation, chapter "Message Formats"; the type's
//! output and send functions (`src/backend/utils/adt`).

mod capsule;
mod cells;
mod datetime;
mod float;
mod interval;
mod json;
mod jsontext;
mod list;
mod numeric;
mod oid;
mod scalar;
mod style;
mod text;
mod timezone;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use cells::{Cells, Column, Out, Refusal};
use list::{Bounds, List};
use numeric::Display;
use style::Styles;
use text::Form;
pub use timezone::TimeZone;
use timezone::Transitions;

/// A message of the protocol holds at most this many bytes (PostgreSQL's `MaxAllocSize`).
const MAX_MESSAGE: usize = 0x3FFF_FFFF;
const MAX_COLUMNS: usize = 1664;

pyo3::create_exception!(
    lakegate_native,
    EncodeError,
    PyValueError,
    "A value, or an Arrow type, that cannot be sent as its PostgreSQL type; has the SQLSTATE as `sqlstate`."
);

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        Python::attach(|py| {
            let raised = EncodeError::new_err(refusal.message);
            let attributes = raised.value(py).setattr("sqlstate", refusal.sqlstate);
            attributes.err().unwrap_or(raised)
        })
    }
}

/// The session's settings that change what values look like.
struct Settings {
    zone: Arc<Transitions>,
    escape_bytea: bool,
    styles: Styles,
}

impl Settings {
    /// Inside JSON, where moments are ISO 8601 whatever the session's styles.
    fn plain(&self) -> Self {
        Self { zone: Arc::clone(&self.zone), escape_bytea: self.escape_bytea, styles: Styles::PLAIN }
    }
}

/// What Describe announced of a column: type OID, typmod and format (1: binary).
struct Described {
    oid: u32,
    typmod: i32,
    binary: bool,
}

/// Encodes the record batches of one result, byte for byte as PostgreSQL does. Usable from any thread.
///
/// `columns`: (type OID, typmod, format code) each; 0 is text, 1 binary. `framing`: "datarow", or "copy" for CopyData
/// messages of one COPY-binary row each. `bytea_output`: "hex" or "escape"; `date_style`, `interval_style` and
/// `extra_float_digits` are PostgreSQL's settings of those names. Raises ValueError for a bad argument.
///
/// Arrow types are taken liberally: numeric from any number, integers of any width that fit, strings of every layout,
/// dictionaries, jsonb from structs, maps, lists and JSON text; `timestamp` from Arrow timestamps without a time zone,
/// `timestamptz` from those with one.
#[pyclass(frozen, module = "lakegate_native")]
pub struct Encoder {
    columns: Vec<Described>,
    /// The message type of a row: DataRow or CopyData.
    message: u8,
    settings: Settings,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (columns, *, time_zone, framing = "datarow", bytea_output = "hex", date_style = "ISO, MDY",
        interval_style = "postgres", extra_float_digits = 1))]
    fn new(
        columns: Vec<(u32, i32, u16)>,
        time_zone: &TimeZone,
        framing: &str,
        bytea_output: &str,
        date_style: &str,
        interval_style: &str,
        extra_float_digits: i32,
    ) -> PyResult<Self> {
        let message = match framing {
            "datarow" => b'D',
            "copy" if columns.iter().all(|column| column.2 == 1) => b'd',
            _ => return Err(PyValueError::new_err("framing is \"datarow\", or \"copy\" with binary columns")),
        };
        let escape_bytea = match bytea_output {
            "hex" => false,
            "escape" => true,
            _ => return Err(PyValueError::new_err("bytea_output is \"hex\" or \"escape\"")),
        };
        if columns.len() > MAX_COLUMNS || columns.iter().any(|column| column.2 > 1) {
            return Err(PyValueError::new_err("at most 1664 columns, with format codes 0 and 1"));
        }
        let described = |(oid, typmod, format)| Described { oid, typmod, binary: format == 1 };
        let styles = Styles::parse(date_style, interval_style, extra_float_digits)
            .ok_or_else(|| PyValueError::new_err(format!("no styles: \"{date_style}\", \"{interval_style}\"")))?;
        let settings = Settings { zone: Arc::clone(&time_zone.transitions), escape_bytea, styles };
        Ok(Self { columns: columns.into_iter().map(described).collect(), message, settings })
    }

    /// `length` rows (-1: all) from row `offset` on, as complete messages. Raises EncodeError.
    #[pyo3(signature = (batch, offset = 0, length = -1))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        batch: &Bound<'py, PyAny>,
        offset: usize,
        length: isize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let batch = capsule::import_batch(batch)?;
        let rows = batch.num_rows();
        let length = usize::try_from(length).unwrap_or(rows.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > rows) {
            return Err(PyValueError::new_err(format!("rows {offset} and {length} more are not in a batch of {rows}")));
        }
        let encoded = py.detach(|| self.rows(&batch.slice(offset, length)))?;
        Ok(PyBytes::new(py, &encoded))
    }
}

impl Encoder {
    fn rows(&self, batch: &RecordBatch) -> Result<Out, Refusal> {
        let columns = self.columns_of(batch)?;
        let [high, low] = (columns.len() as u16).to_be_bytes();
        let mut out = Out::with_capacity(batch.num_rows() * (16 + 12 * columns.len()));
        for row in 0..batch.num_rows() {
            let start = out.len() + 1;
            out.extend_from_slice(&[self.message, 0, 0, 0, 0, high, low]);
            for column in &columns {
                column.append(row, &mut out)?;
            }
            let length = out.len() - start;
            if length > MAX_MESSAGE {
                return Err(Refusal::new("54000", format!("a row of {length} bytes exceeds the limit of 1 GB")));
            }
            out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
        }
        Ok(out)
    }

    fn columns_of(&self, batch: &RecordBatch) -> Result<Vec<Column>, Refusal> {
        if batch.num_columns() != self.columns.len() {
            let counts = (batch.num_columns(), self.columns.len());
            return Err(Refusal::new("42804", format!("a batch of {} columns, {} were described", counts.0, counts.1)));
        }
        let described = batch.columns().iter().zip(&self.columns);
        described.map(|(array, column)| self.column(array, column)).collect()
    }

    fn column(&self, array: &ArrayRef, described: &Described) -> Result<Column, Refusal> {
        let Described { oid, typmod, binary } = *described;
        Ok(Column::new(array, cells_of(array, oid, typmod, binary, &self.settings)?))
    }
}

/// The writer of an Arrow column as a PostgreSQL type.
fn cells_of(
    array: &ArrayRef,
    type_oid: u32,
    typmod: i32,
    binary: bool,
    settings: &Settings,
) -> Result<Box<dyn Cells>, Refusal> {
    match array.data_type() {
        DataType::Null => return Ok(Box::new(Nothing)),
        DataType::Dictionary(..) => return dictionary(array, type_oid, typmod, binary, settings),
        _ => {}
    }
    if let Some(element_oid) = oid::element_of(type_oid) {
        let (bounds, elements) = Bounds::new(array).ok_or_else(|| Refusal::mismatch(array.data_type(), type_oid))?;
        let cells = cells_of(&elements, element_oid, typmod, binary, settings)?;
        return Ok(Box::new(List { bounds, elements: Column::new(&elements, cells), element_oid, binary }));
    }
    let styles = settings.styles;
    let form = match (binary, settings.escape_bytea) {
        (true, _) => Form::Binary,
        (false, true) => Form::Escape,
        (false, false) => Form::Hex,
    };
    let scalar = match type_oid {
        oid::BOOL => scalar::boolean(array, binary),
        oid::INT2 => scalar::integer::<i16, 2>(array, binary),
        oid::INT4 => scalar::integer::<i32, 4>(array, binary),
        oid::INT8 => scalar::integer::<i64, 8>(array, binary),
        oid::OID => scalar::integer::<u32, 4>(array, binary),
        oid::FLOAT4 => scalar::float(array, false, styles.extra_float_digits, binary),
        oid::FLOAT8 => scalar::float(array, true, styles.extra_float_digits, binary),
        oid::NUMERIC => scalar::numeric(array, Display::new(typmod, binary)),
        oid::DATE => scalar::date(array, styles.date, binary),
        oid::TIMESTAMP => scalar::timestamp(array, None, styles.date, binary),
        oid::TIMESTAMPTZ => scalar::timestamp(array, Some(Arc::clone(&settings.zone)), styles.date, binary),
        oid::INTERVAL => scalar::interval(array, styles.interval, binary),
        oid::JSON | oid::JSONB => return json::cells(array, type_oid == oid::JSONB, binary, &settings.plain()),
        oid::BYTEA | oid::CHAR | oid::NAME | oid::TEXT | oid::UNKNOWN | oid::BPCHAR | oid::VARCHAR | oid::UUID => {
            return text::cells(array, type_oid, typmod, form);
        }
        _ => None,
    };
    scalar.ok_or_else(|| Refusal::mismatch(array.data_type(), type_oid))
}

/// A column of nulls only.
struct Nothing;

impl Cells for Nothing {
    fn write(&self, _: usize, _: &mut Out) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Dictionary {
    keys: Vec<usize>,
    cells: Box<dyn Cells>,
}

impl Cells for Dictionary {
    #[inline]
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        self.cells.write(self.keys[row], out)
    }
}

fn dictionary(
    array: &ArrayRef,
    type_oid: u32,
    typmod: i32,
    binary: bool,
    settings: &Settings,
) -> Result<Box<dyn Cells>, Refusal> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return Ok(Box::new(Nothing));
    }
    let cells = cells_of(dictionary.values(), type_oid, typmod, binary, settings)?;
    Ok(Box::new(Dictionary { keys: dictionary.normalized_keys(), cells }))
}
