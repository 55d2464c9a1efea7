//! DataRow messages as COPY's rows, byte for byte as PostgreSQL writes them.

use memchr::{memchr, memchr3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Format;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Type byte, length, number of columns.
const HEAD: usize = 7;

/// Writes the rows of one COPY TO out of their DataRow messages. Usable from any thread.
///
/// Values must be encoded in text for the formats "text" and "csv", else in binary. `force_quote` names columns by their
/// number from 0. With `framed` false each row ends in a NUL instead of being a message, for `frame`; a row of binary,
/// which says itself where it ends, stands bare, and other messages are left out.
#[pyclass(frozen, module = "lakegate_native")]
pub struct CopyWriter {
    format: Format,
    force_quote: Vec<usize>,
    framed: bool,
}

#[pymethods]
impl CopyWriter {
    #[new]
    #[pyo3(signature = (format, *, delimiter = "\t", null = "\\N", quote = "\"", escape = "\"", force_quote = vec![], framed = true))]
    fn new(
        format: &str,
        delimiter: &str,
        null: &str,
        quote: &str,
        escape: &str,
        force_quote: Vec<usize>,
        framed: bool,
    ) -> PyResult<Self> {
        Ok(Self { format: Format::new(format, delimiter, null, quote, escape)?, force_quote, framed })
    }

    /// The rows of whole messages; `first` puts binary's header before the first. Other messages than DataRow stay as
    /// they are. Raises ValueError for bytes that are no messages.
    #[pyo3(signature = (messages, *, first = false))]
    fn rewrite<'py>(&self, py: Python<'py>, messages: &[u8], first: bool) -> PyResult<Bound<'py, PyBytes>> {
        let rows = py.detach(|| self.rows(messages, first));
        Ok(PyBytes::new(py, &rows.ok_or_else(|| PyValueError::new_err("no whole messages"))?))
    }

    /// The row of column names.
    fn header<'py>(&self, py: Python<'py>, names: Vec<String>) -> Bound<'py, PyBytes> {
        let mut out = Vec::new();
        let cells = names.iter().map(|name| Some(name.as_bytes()));
        self.row(cells, names.len(), &[], &mut out);
        PyBytes::new(py, &out)
    }

    /// What ends a binary COPY, after its header where there was no row.
    #[staticmethod]
    fn trailer<'py>(py: Python<'py>, empty: bool) -> Bound<'py, PyBytes> {
        let mut out = Vec::new();
        let start = open(true, &mut out);
        out.extend_from_slice(if empty { SIGNATURE } else { &[] });
        out.extend_from_slice(&TRAILER);
        close(start, true, &mut out);
        PyBytes::new(py, &out)
    }

    /// Rows that end in a NUL as messages of one row each.
    #[staticmethod]
    fn frame<'py>(py: Python<'py>, rows: &[u8]) -> Bound<'py, PyBytes> {
        let mut out = Vec::with_capacity(rows.len() + rows.len() / 8);
        let mut rest = rows;
        while let Some(end) = memchr(0, rest) {
            let start = open(true, &mut out);
            out.extend_from_slice(&rest[..end]);
            close(start, true, &mut out);
            rest = &rest[end + 1..];
        }
        PyBytes::new(py, &out)
    }
}

impl CopyWriter {
    fn rows(&self, messages: &[u8], mut first: bool) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(messages.len());
        let mut rest = messages;
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize + 1;
            let message = rest.get(..length)?;
            rest = &rest[length..];
            match (&self.format, message[0]) {
                (Format::Binary, b'D') => {
                    let start = open(self.framed, &mut out);
                    out.extend_from_slice(if first { SIGNATURE } else { &[] });
                    out.extend_from_slice(&message[5..]);
                    if self.framed {
                        close(start, true, &mut out);
                    }
                    first = false;
                }
                (Format::Binary, _) if !self.framed => {}
                (_, b'D') => {
                    let count = u16::from_be_bytes(message.get(5..HEAD)?.try_into().ok()?) as usize;
                    self.row(Cells { rest: &message[HEAD..] }, count, &self.force_quote, &mut out);
                }
                _ => out.extend_from_slice(message),
            }
        }
        Some(out)
    }

    fn row<'a>(
        &self,
        cells: impl Iterator<Item = Option<&'a [u8]>>,
        count: usize,
        force_quote: &[usize],
        out: &mut Vec<u8>,
    ) {
        let start = open(self.framed, out);
        for (number, cell) in cells.enumerate() {
            match &self.format {
                Format::Binary => {}
                Format::Text(marks) => {
                    push_delimiter(number, marks.delimiter, out);
                    match cell {
                        Some(cell) => push_text(cell, marks.delimiter, out),
                        None => out.extend_from_slice(&marks.null),
                    }
                }
                Format::Csv { marks, quote, escape } => {
                    push_delimiter(number, marks.delimiter, out);
                    let Some(cell) = cell else {
                        out.extend_from_slice(&marks.null);
                        continue;
                    };
                    let quoted = force_quote.contains(&number)
                        || cell == marks.null
                        || (count == 1 && cell == b"\\.")
                        || memchr3(marks.delimiter, *quote, b'\n', cell).is_some()
                        || memchr(b'\r', cell).is_some();
                    if quoted { push_quoted(cell, *quote, *escape, out) } else { out.extend_from_slice(cell) }
                }
            }
        }
        out.push(b'\n');
        close(start, self.framed, out);
    }
}

/// The values of a DataRow's body after its count.
struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        let (cell, rest) = rest.split_at_checked(usize::try_from(length).unwrap_or(0))?;
        self.rest = rest;
        Some((length >= 0).then_some(cell))
    }
}

/// Begins a CopyData message; where it stands.
fn open(framed: bool, out: &mut Vec<u8>) -> usize {
    if framed {
        out.extend_from_slice(&[b'd', 0, 0, 0, 0]);
    }
    out.len()
}

fn close(start: usize, framed: bool, out: &mut Vec<u8>) {
    if framed {
        let length = (out.len() - start + 4) as u32;
        out[start - 4..start].copy_from_slice(&length.to_be_bytes());
    } else {
        out.push(0);
    }
}

fn push_delimiter(number: usize, delimiter: u8, out: &mut Vec<u8>) {
    if number > 0 {
        out.push(delimiter);
    }
}

fn push_text(cell: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let mut rest = cell;
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'\\' || byte == delimiter) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        rest = &rest[at + 1..];
        let letter = match byte {
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0b => b'v',
            0x0c => b'f',
            b'\r' => b'r',
            _ => byte,
        };
        if letter != byte || byte == b'\\' || byte == delimiter {
            out.push(b'\\');
        }
        out.push(letter);
    }
    out.extend_from_slice(rest);
}

fn push_quoted(cell: &[u8], quote: u8, escape: u8, out: &mut Vec<u8>) {
    out.push(quote);
    for &byte in cell {
        if byte == quote || byte == escape {
            out.push(escape);
        }
        out.push(byte);
    }
    out.push(quote);
}
