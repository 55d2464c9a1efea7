//! The binary format, as `CopyFromBinaryOneRow` reads it.

use super::columns::Columns;
use super::fault::CopyFault;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the extension.
const HEAD: usize = SIGNATURE.len() + 8;
const LONGEST_EXTENSION: usize = 1 << 20;

/// Bytes that were used up, None where more are needed.
type Used = Result<Option<usize>, CopyFault>;

/// The header at the front. `last`: nothing follows.
pub fn read_header(bytes: &[u8], last: bool) -> Used {
    let refuse = |message: &str| Err(CopyFault { placed: false, ..CopyFault::new(message) });
    let given = bytes.len().min(SIGNATURE.len());
    if bytes[..given] != SIGNATURE[..given] || (last && given < SIGNATURE.len()) {
        return refuse("COPY file signature not recognized");
    }
    let Some(flags) = word(bytes, SIGNATURE.len()) else {
        return if last { refuse("invalid COPY file header (missing flags)") } else { Ok(None) };
    };
    if flags & (1 << 16) != 0 {
        return refuse("invalid COPY file header (WITH OIDS)");
    }
    if flags >> 16 != 0 {
        return refuse("unrecognized critical flags in COPY file header");
    }
    let Some(length) = word(bytes, SIGNATURE.len() + 4) else {
        return if last { refuse("invalid COPY file header (missing length)") } else { Ok(None) };
    };
    if length < 0 || length as usize > LONGEST_EXTENSION {
        return refuse("invalid COPY file header (missing length)");
    }
    let end = HEAD + length as usize;
    match (bytes.len() >= end, last) {
        (true, _) => Ok(Some(end)),
        (false, true) => refuse("invalid COPY file header (wrong length)"),
        (false, false) => Ok(None),
    }
}

/// One row at the front, into the columns; of a broken one what is whole, then the fault.
pub fn read_row(bytes: &[u8], line: u64, last: bool, columns: &mut Columns) -> Used {
    let Some(fields) = count(bytes) else { return Ok(None) };
    let expected = columns.count();
    if usize::try_from(fields) != Ok(expected) {
        return Err(CopyFault::new(format!("row field count is {fields}, expected {expected}")));
    }
    let (mut at, mut values) = (2, Vec::with_capacity(expected));
    let fault = loop {
        if values.len() == expected {
            break None;
        }
        let length = word(bytes, at);
        at += 4;
        match length {
            Some(-1) => values.push(None),
            Some(..-1) => break Some("invalid field size"),
            Some(length) if bytes.len() >= at + length as usize => {
                values.push(Some(&bytes[at..at + length as usize]));
                at += length as usize;
            }
            _ if !last => return Ok(None),
            _ => break Some("unexpected EOF in COPY data"),
        }
    };
    values.iter().enumerate().for_each(|(column, value)| columns.push(column, *value));
    columns.end_row(values.len(), line, "");
    fault.map_or(Ok(Some(at)), |message| Err(CopyFault::new(message).with_column(values.len())))
}

/// The number of fields at the front; -1 ends the data.
pub fn count(bytes: &[u8]) -> Option<i16> {
    bytes.first_chunk::<2>().map(|count| i16::from_be_bytes(*count))
}

fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| i32::from_be_bytes(*word))
}
