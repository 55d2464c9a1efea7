//! json and jsonb from nested Arrow values and from JSON text.
//!
//! jsonb is written as PostgreSQL prints it: a blank after each colon and comma, shorter keys first, then by their bytes,
//! the last of equal keys.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::DataType;

use super::Settings;
use super::cells::{Cells, Column, Out, Refusal};
use super::jsontext;
use super::list::Bounds;
use super::numeric::Display;
use super::oid;
use super::text::Bytes;

/// Nested types below each other, at most.
const MAX_DEPTH: usize = 64;

/// The writer of json (`sorted` false) or jsonb; binary jsonb begins with its version.
pub fn cells(array: &ArrayRef, sorted: bool, binary: bool, settings: &Settings) -> Result<Box<dyn Cells>, Refusal> {
    let cells: Box<dyn Cells> = match Bytes::strings(array) {
        Some(bytes) if sorted => Box::new(JsonText { bytes }),
        Some(_) => return super::text::cells(array, oid::TEXT, -1, super::text::Form::Hex),
        None => value(array, sorted, settings, 0)?,
    };
    Ok(if sorted && binary { Box::new(Versioned { cells }) } else { cells })
}

struct Versioned {
    cells: Box<dyn Cells>,
}

impl Cells for Versioned {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        out.push(1);
        self.cells.write(row, out)
    }
}

struct JsonText {
    bytes: Bytes,
}

impl Cells for JsonText {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        jsontext::push_normalized(self.bytes.get(row), out)
    }
}

/// The writer of one level.
fn value(array: &ArrayRef, sorted: bool, settings: &Settings, depth: usize) -> Result<Box<dyn Cells>, Refusal> {
    let too_deep = || Refusal::new("54001", format!("nested types are limited to {MAX_DEPTH} levels"));
    let depth = (depth < MAX_DEPTH).then_some(depth + 1).ok_or_else(too_deep)?;
    let below = |array: &ArrayRef| Ok(Column::new(array, value(array, sorted, settings, depth)?));
    Ok(match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let named = fields.iter().zip(columns).map(|(field, array)| Ok((field.name().clone(), below(array)?)));
            Box::new(Object::new(named.collect::<Result<_, Refusal>>()?, sorted))
        }
        DataType::Map(..) => {
            let entries = array.as_map();
            let keys = Column::new(entries.keys(), key(entries.keys(), settings)?);
            let (bounds, _) = Bounds::new(array).ok_or_else(|| Refusal::mismatch(array.data_type(), oid::JSONB))?;
            Box::new(Map { bounds, keys, values: below(entries.values())?, sorted })
        }
        _ => match Bounds::new(array) {
            Some((bounds, elements)) => Box::new(Elements { bounds, elements: below(&elements)?, sorted }),
            None => scalar(array, settings)?,
        },
    })
}

fn scalar(array: &ArrayRef, settings: &Settings) -> Result<Box<dyn Cells>, Refusal> {
    use DataType::{Boolean, Float16, Float32, Float64, Null};
    let data_type = array.data_type();
    Ok(match data_type {
        Boolean => Box::new(Truth { values: array.as_boolean().clone() }),
        Float32 | Float64 => Box::new(Float { values: array.clone() }),
        Float16 => return Err(Refusal::mismatch(data_type, oid::JSONB)),
        _ if data_type.is_integer() || data_type.is_decimal() => {
            super::cells_of(array, oid::NUMERIC, -1, false, settings)?
        }
        Null => super::cells_of(array, oid::TEXT, -1, false, settings)?,
        _ => Box::new(Quoted { text: key(array, settings)?, is_moment: matches!(data_type, DataType::Timestamp(..)) }),
    })
}

/// The text of a value that JSON has no type for, or of a key.
fn key(array: &ArrayRef, settings: &Settings) -> Result<Box<dyn Cells>, Refusal> {
    use DataType::{Binary, BinaryView, Date32, Date64, Dictionary, FixedSizeBinary, LargeBinary, Timestamp};
    let data_type = array.data_type();
    let type_oid = match data_type {
        Binary | BinaryView | LargeBinary | FixedSizeBinary(_) => oid::BYTEA,
        Date32 | Date64 => oid::DATE,
        Timestamp(_, None) => oid::TIMESTAMP,
        Timestamp(_, Some(_)) => oid::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => oid::INTERVAL,
        DataType::Boolean => oid::BOOL,
        Dictionary(..) => oid::TEXT,
        _ if data_type.is_integer() || data_type.is_decimal() => oid::NUMERIC,
        _ => oid::TEXT,
    };
    super::cells_of(array, type_oid, -1, false, settings)
}

struct Truth {
    values: BooleanArray,
}

impl Cells for Truth {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        out.extend_from_slice(if self.values.value(row) { b"true" } else { b"false" });
        Ok(())
    }
}

/// A number, never in scientific notation; what is none becomes a string.
struct Float {
    values: ArrayRef,
}

impl Cells for Float {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let display = Display { binary: false, scale: None };
        let start = out.len();
        let is_number = match self.values.data_type() {
            DataType::Float32 => {
                let value = self.values.as_primitive::<Float32Type>().value(row);
                display.push_f32(value, out);
                value.is_finite()
            }
            _ => {
                let value = self.values.as_primitive::<Float64Type>().value(row);
                display.push_f64(value, out);
                value.is_finite()
            }
        };
        if !is_number {
            jsontext::quote(start, out);
        }
        Ok(())
    }
}

struct Quoted {
    text: Box<dyn Cells>,
    /// Moments have a T between date and time (ISO 8601).
    is_moment: bool,
}

impl Cells for Quoted {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let start = out.len();
        self.text.write(row, out)?;
        if self.is_moment
            && let Some(blank) = out[start..].iter().position(|&byte| byte == b' ')
        {
            out[start + blank] = b'T';
        }
        jsontext::quote(start, out);
        Ok(())
    }
}

fn push_separator(first: bool, sorted: bool, out: &mut Out) {
    if !first {
        out.extend_from_slice(if sorted { b", " } else { b"," });
    }
}

struct Object {
    /// Each key quoted, with its colon.
    fields: Vec<(Vec<u8>, Column)>,
    sorted: bool,
}

impl Object {
    fn new(mut fields: Vec<(String, Column)>, sorted: bool) -> Self {
        if sorted {
            fields.sort_by(|(left, _), (right, _)| (left.len(), left).cmp(&(right.len(), right)));
            fields.reverse();
            fields.dedup_by(|(left, _), (right, _)| left == right);
            fields.reverse();
        }
        let label = |name: String| {
            let mut label = name.into_bytes();
            jsontext::quote(0, &mut label);
            label.extend_from_slice(if sorted { b": " } else { b":" });
            label
        };
        Self { fields: fields.into_iter().map(|(name, column)| (label(name), column)).collect(), sorted }
    }
}

impl Cells for Object {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        out.push(b'{');
        for (index, (label, column)) in self.fields.iter().enumerate() {
            push_separator(index == 0, self.sorted, out);
            out.extend_from_slice(label);
            push_or_null(column, row, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn push_or_null(column: &Column, row: usize, out: &mut Out) -> Result<(), Refusal> {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    column.cells.write(row, out)
}

struct Elements {
    bounds: Bounds,
    elements: Column,
    sorted: bool,
}

impl Cells for Elements {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        out.push(b'[');
        for (index, element) in self.bounds.row(row).enumerate() {
            push_separator(index == 0, self.sorted, out);
            push_or_null(&self.elements, element, out)?;
        }
        out.push(b']');
        Ok(())
    }
}

struct Map {
    bounds: Bounds,
    keys: Column,
    values: Column,
    sorted: bool,
}

impl Cells for Map {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let mut members = Vec::new();
        for entry in self.bounds.row(row) {
            let mut key = Vec::new();
            self.keys.cells.write(entry, &mut key)?;
            members.push((key, entry));
        }
        if self.sorted {
            jsontext::sort_members(&mut members);
        }
        out.push(b'{');
        for (index, (key, entry)) in members.into_iter().enumerate() {
            push_separator(index == 0, self.sorted, out);
            let start = out.len();
            out.extend_from_slice(&key);
            jsontext::quote(start, out);
            out.extend_from_slice(if self.sorted { b": " } else { b":" });
            push_or_null(&self.values, entry, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}
