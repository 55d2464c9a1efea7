//! Arrays of a scalar type (`array_out`, `array_send`).

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

use super::cells::{Cells, Column, Out, Refusal};

/// Where each row's elements are.
pub enum Bounds {
    Small(arrow_buffer::OffsetBuffer<i32>),
    Large(arrow_buffer::OffsetBuffer<i64>),
    Fixed(usize),
}

impl Bounds {
    pub fn new(array: &ArrayRef) -> Option<(Self, ArrayRef)> {
        Some(match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Self::Small(list.offsets().clone()), list.values().clone())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Self::Large(list.offsets().clone()), list.values().clone())
            }
            DataType::FixedSizeList(_, size) => {
                (Self::Fixed(*size as usize), array.as_fixed_size_list().values().clone())
            }
            DataType::Map(..) => {
                let map = array.as_map();
                (Self::Small(map.offsets().clone()), std::sync::Arc::new(map.entries().clone()))
            }
            _ => return None,
        })
    }

    pub fn row(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::Large(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::Fixed(size) => row * size..(row + 1) * size,
        }
    }
}

/// A one-dimensional array's writer.
pub struct List {
    pub bounds: Bounds,
    pub elements: Column,
    pub element_oid: u32,
    pub binary: bool,
}

impl Cells for List {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        if self.binary { self.write_binary(row, out) } else { self.write_text(row, out) }
    }
}

impl List {
    /// int32 dimensions, has-null flag and element OID, for the dimension its length and lower bound, then the cells.
    fn write_binary(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let rows = self.bounds.row(row);
        let dimensions = u32::from(!rows.is_empty());
        let has_null = u32::from(rows.clone().any(|element| self.elements.is_null(element)));
        for word in [dimensions, has_null, self.element_oid] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        if !rows.is_empty() {
            out.extend_from_slice(&(rows.len() as u32).to_be_bytes());
            out.extend_from_slice(&1_u32.to_be_bytes());
        }
        rows.into_iter().try_for_each(|element| self.elements.append(element, out))
    }

    fn write_text(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        out.push(b'{');
        let rows = self.bounds.row(row);
        let first = rows.start;
        for element in rows {
            if element > first {
                out.push(b',');
            }
            if self.elements.is_null(element) {
                out.extend_from_slice(b"NULL");
                continue;
            }
            let start = out.len();
            self.elements.cells.write(element, out)?;
            quote(start, out);
        }
        out.push(b'}');
        Ok(())
    }
}

/// Quotes the element that begins at `start` where `array_out` does.
fn quote(start: usize, out: &mut Out) {
    let element = &out[start..];
    let escapes = element.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C);
    let plain = !element.is_empty() && escapes == 0 && !element.iter().any(special);
    if plain && !element.eq_ignore_ascii_case(b"NULL") {
        return;
    }
    let mut from = out.len();
    out.resize(out.len() + escapes + 2, b'"');
    let mut to = out.len() - 1;
    while from > start {
        from -= 1;
        to -= 1;
        out[to] = out[from];
        if matches!(out[to], b'"' | b'\\') {
            to -= 1;
            out[to] = b'\\';
        }
    }
    out[start] = b'"';
}
