//! Columns of bytes: text and its kin, bytea, uuid.

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, OffsetSizeTrait,
};
use arrow_schema::DataType;

use super::cells::{Cells, Out, Refusal};
use super::oid;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A column of strings or bytes in any of Arrow's layouts.
pub enum Bytes {
    Small(BinaryArray),
    Large(LargeBinaryArray),
    View(BinaryViewArray),
    Fixed(FixedSizeBinaryArray),
}

impl Bytes {
    pub fn strings(array: &ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Small(BinaryArray::from(array.as_string::<i32>().clone())),
            DataType::LargeUtf8 => Self::Large(LargeBinaryArray::from(array.as_string::<i64>().clone())),
            DataType::Utf8View => Self::View(array.as_string_view().clone().to_binary_view()),
            _ => return None,
        })
    }

    fn binary(array: &ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Binary => Self::Small(array.as_binary::<i32>().clone()),
            DataType::LargeBinary => Self::Large(array.as_binary::<i64>().clone()),
            DataType::BinaryView => Self::View(array.as_binary_view().clone()),
            DataType::FixedSizeBinary(_) => Self::Fixed(array.as_fixed_size_binary().clone()),
            _ => return None,
        })
    }

    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
            Self::Fixed(array) => array.value(row),
        }
    }

    /// Whether any value can hold the byte NUL: one fast search of the whole buffer.
    fn may_hold_nul(&self) -> bool {
        match self {
            Self::Small(array) => holds_nul(array.value_data(), array.value_offsets()),
            Self::Large(array) => holds_nul(array.value_data(), array.value_offsets()),
            Self::View(_) | Self::Fixed(_) => true,
        }
    }
}

/// Whether the part of the buffer that these rows use holds a NUL.
fn holds_nul<O: OffsetSizeTrait>(data: &[u8], offsets: &[O]) -> bool {
    let used = offsets.first().zip(offsets.last()).map(|(first, last)| first.as_usize()..last.as_usize());
    used.is_some_and(|used| memchr::memchr(0, &data[used]).is_some())
}

/// The writer of text, varchar, bpchar, name, unknown, json, "char", bytea and uuid.
pub fn cells(array: &ArrayRef, type_oid: u32, typmod: i32, form: Form) -> Result<Box<dyn Cells>, Refusal> {
    let mismatch = || Refusal::mismatch(array.data_type(), type_oid);
    let strings = Bytes::strings(array);
    Ok(match type_oid {
        oid::BYTEA => Box::new(Bytea { bytes: Bytes::binary(array).ok_or_else(mismatch)?, form }),
        oid::UUID => match strings {
            Some(bytes) => Box::new(UuidText { bytes, form }),
            None if *array.data_type() == DataType::FixedSizeBinary(16) => {
                Box::new(Uuid { bytes: Bytes::binary(array).ok_or_else(mismatch)?, form })
            }
            None => return Err(mismatch()),
        },
        oid::CHAR => Box::new(SingleByte { bytes: strings.ok_or_else(mismatch)?, form }),
        _ => {
            let bytes = strings.ok_or_else(mismatch)?;
            let width = (type_oid == oid::BPCHAR && typmod >= 4).then(|| (typmod - 4) as usize);
            Box::new(Strings { may_hold_nul: bytes.may_hold_nul(), bytes, width })
        }
    })
}

/// How bytes that are no text are written.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    Binary,
    Hex,
    Escape,
}

struct Strings {
    bytes: Bytes,
    may_hold_nul: bool,
    /// char(n) is padded with blanks to n characters.
    width: Option<usize>,
}

impl Cells for Strings {
    #[inline]
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let text = self.bytes.get(row);
        if self.may_hold_nul && memchr::memchr(0, text).is_some() {
            return Err(Refusal::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
        }
        out.extend_from_slice(text);
        if let Some(width) = self.width {
            let characters = text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
            out.resize(out.len() + width.saturating_sub(characters), b' ');
        }
        Ok(())
    }
}

/// The type "char": one byte, in text `\ooo` above ASCII.
struct SingleByte {
    bytes: Bytes,
    form: Form,
}

impl Cells for SingleByte {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let byte = self.bytes.get(row).first().copied().unwrap_or(0);
        match (self.form, byte) {
            (Form::Binary, _) => out.push(byte),
            (_, 0) => {}
            (_, 0x80..) => push_octal(byte, out),
            _ => out.push(byte),
        }
        Ok(())
    }
}

fn push_octal(byte: u8, out: &mut Out) {
    out.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
}

struct Bytea {
    bytes: Bytes,
    form: Form,
}

impl Cells for Bytea {
    #[inline]
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let bytes = self.bytes.get(row);
        match self.form {
            Form::Binary => out.extend_from_slice(bytes),
            Form::Hex => {
                out.extend_from_slice(b"\\x");
                push_hex(bytes, out);
            }
            Form::Escape => bytes.iter().for_each(|&byte| match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                0x20..0x7F => out.push(byte),
                _ => push_octal(byte, out),
            }),
        }
        Ok(())
    }
}

fn push_hex(bytes: &[u8], out: &mut Out) {
    out.extend(bytes.iter().flat_map(|&byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]));
}

fn push_uuid(bytes: &[u8], form: Form, out: &mut Out) {
    if form == Form::Binary {
        return out.extend_from_slice(bytes);
    }
    for (group, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if group > 0 {
            out.push(b'-');
        }
        push_hex(&bytes[range], out);
    }
}

struct Uuid {
    bytes: Bytes,
    form: Form,
}

impl Cells for Uuid {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        push_uuid(self.bytes.get(row), self.form, out);
        Ok(())
    }
}

/// A uuid that an engine gives as its text.
struct UuidText {
    bytes: Bytes,
    form: Form,
}

impl Cells for UuidText {
    fn write(&self, row: usize, out: &mut Out) -> Result<(), Refusal> {
        let text = self.bytes.get(row);
        let mut digits = text.iter().filter(|byte| !matches!(byte, b'-' | b'{' | b'}')).map(|&byte| hex_digit(byte));
        let mut uuid = [0_u8; 16];
        for byte in &mut uuid {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else { return Err(no_uuid(text)) };
            *byte = high << 4 | low;
        }
        if digits.next().is_some() {
            return Err(no_uuid(text));
        }
        push_uuid(&uuid, self.form, out);
        Ok(())
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn no_uuid(text: &[u8]) -> Refusal {
    Refusal::new("22P02", format!("invalid input syntax for type uuid: \"{}\"", String::from_utf8_lossy(text)))
}
