//! What a client sends for one COPY FROM, piece by piece, taken apart into rows.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::attributes::Fields;
use super::binary;
use super::columns::{Columns, CopyRows};
use super::fault::{CopyFault, check_utf8, shorten};
use super::lines::{Found, Lines};
use super::{Format, Marks};

/// A column that rows are to have; CSV may ask that its NULL marker is no NULL, or that it is even in quotes.
struct Expected {
    name: String,
    not_null: bool,
    null: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Header {
    Absent,
    Skipped,
    Matched,
}

/// Takes the data of one COPY FROM apart. Text must be in UTF-8.
///
/// `columns`: (name, FORCE_NOT_NULL, FORCE_NULL) each. `header`: "absent", "skip" or "match". `default` is the marker of
/// a column's default, which no column here has. A row of more than `longest` bytes is refused. `feed` gives the rows
/// that became whole, up to a fault; one that has a column may be passed over by feeding on.
#[pyclass(module = "lakegate_native")]
pub struct CopyReader {
    format: Format,
    columns: Vec<Expected>,
    header: Header,
    default: Option<Vec<u8>>,
    longest: usize,
    lines: Lines,
    fields: Fields,
    buffer: Vec<u8>,
    /// The line, or row of binary, that is being read; `begun` says that it counts already.
    #[pyo3(get)]
    line: u64,
    begun: bool,
    /// The binary format's header was read, its end marker was.
    opened: bool,
    closed: bool,
}

#[pymethods]
impl CopyReader {
    #[new]
    #[pyo3(signature = (format, columns, *, longest, delimiter = "\t", null = "\\N", quote = "\"", escape = "\"", header = "absent", default = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        format: &str,
        columns: Vec<(String, bool, bool)>,
        longest: usize,
        delimiter: &str,
        null: &str,
        quote: &str,
        escape: &str,
        header: &str,
        default: Option<&str>,
    ) -> PyResult<Self> {
        let format = Format::new(format, delimiter, null, quote, escape)?;
        let quoting = if let Format::Csv { quote, escape, .. } = format { Some((quote, escape)) } else { None };
        let header = match header {
            "absent" => Header::Absent,
            "skip" => Header::Skipped,
            "match" => Header::Matched,
            _ => return Err(PyValueError::new_err("the header is \"absent\", \"skip\" or \"match\"")),
        };
        let expected = |(name, not_null, null)| Expected { name, not_null, null };
        Ok(Self {
            format,
            columns: columns.into_iter().map(expected).collect(),
            header,
            default: default.map(|default| default.as_bytes().to_vec()),
            longest,
            lines: Lines::new(quoting),
            fields: Fields::default(),
            buffer: Vec::new(),
            line: 1,
            begun: true,
            opened: false,
            closed: false,
        })
    }

    /// The rows that are whole with these bytes. `last`: no more follow.
    #[pyo3(signature = (data, *, last = false))]
    fn feed(&mut self, py: Python<'_>, data: &[u8], last: bool) -> PyResult<CopyRows> {
        py.detach(|| self.read(data, last)).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

impl CopyReader {
    fn read(&mut self, data: &[u8], last: bool) -> Result<CopyRows, arrow_schema::ArrowError> {
        self.buffer.extend_from_slice(data);
        let is_binary = matches!(self.format, Format::Binary);
        let mut columns = Columns::new(self.columns.len(), !is_binary);
        let buffer = std::mem::take(&mut self.buffer);
        let mut used = 0;
        let read = if is_binary {
            self.read_binary(&buffer, last, &mut used, &mut columns)
        } else {
            self.read_lines(&buffer, last, &mut used, &mut columns)
        };
        self.buffer = buffer;
        self.buffer.drain(..used);
        let read = read.and_then(|ended| self.check_length().map(|()| ended));
        let (fault, ended) = match read {
            Ok(ended) => (None, ended || last),
            Err(fault) => (Some(self.place(fault, &columns)), true),
        };
        columns.finish(fault, ended)
    }

    /// The fault where it is: at the last row if that was begun, else behind all.
    fn place(&self, fault: CopyFault, columns: &Columns) -> CopyFault {
        let row = columns.rows - usize::from(fault.column.is_some());
        CopyFault { row, line: self.line, ..fault }
    }

    fn check_length(&self) -> Result<(), CopyFault> {
        if self.buffer.len() <= self.longest {
            return Ok(());
        }
        let message = format!("a row of COPY data exceeds the limit of {} bytes", self.longest);
        let hint = "Look for a quote that does not end, or load the value by other means.";
        Err(CopyFault { sqlstate: "54000", ..CopyFault::hinted(message, hint) })
    }

    /// Whether the end-of-data marker came.
    fn read_lines(
        &mut self,
        buffer: &[u8],
        last: bool,
        used: &mut usize,
        columns: &mut Columns,
    ) -> Result<bool, CopyFault> {
        loop {
            self.begin();
            let found = self.lines.find(&buffer[*used..], last);
            self.line += std::mem::take(&mut self.lines.inner);
            match found? {
                Found::More => return Ok(false),
                Found::Marker => return Ok(true),
                Found::Line { end, next } => {
                    let line = &buffer[*used..*used + end];
                    *used += next;
                    self.begun = false;
                    self.read_line(line, columns)?;
                }
            }
        }
    }

    fn begin(&mut self) {
        self.line += u64::from(!self.begun);
        self.begun = true;
    }

    fn read_line(&mut self, line: &[u8], columns: &mut Columns) -> Result<(), CopyFault> {
        let text = check_utf8(line)?;
        let header = std::mem::replace(&mut self.header, Header::Absent);
        if header == Header::Skipped {
            return Ok(());
        }
        let row = if header == Header::Matched { self.match_header(line) } else { self.read_row(line, text, columns) };
        row.map_err(|fault| CopyFault { text: Some(shorten(text)), ..fault })
    }

    fn match_header(&mut self, line: &[u8]) -> Result<(), CopyFault> {
        self.fields.read(line, &self.format, None)?;
        let (given, expected) = (self.fields.len(), self.columns.len());
        if given != expected {
            let counts = format!("got {given}, expected {expected}");
            return Err(CopyFault::new(format!("wrong number of fields in header line: {counts}")));
        }
        for (number, column) in self.columns.iter().enumerate() {
            let got = match self.fields.get(number) {
                Some(name) if name == column.name.as_bytes() => continue,
                Some(name) => format!("got \"{}\"", String::from_utf8_lossy(name)),
                None => format!("got null value (\"{}\")", String::from_utf8_lossy(null_marker(&self.format))),
            };
            let field = number + 1;
            let message =
                format!("column name mismatch in header line field {field}: {got}, expected \"{}\"", column.name);
            return Err(CopyFault::new(message));
        }
        Ok(())
    }

    fn read_row(&mut self, line: &[u8], text: &str, columns: &mut Columns) -> Result<(), CopyFault> {
        let defaulted = self.fields.read(line, &self.format, self.default.as_deref())?;
        if let Some(column) = defaulted.and_then(|number| self.columns.get(number)) {
            let detail = Some(format!("Column \"{}\" has no default value.", column.name));
            return Err(CopyFault { detail, ..CopyFault::new("unexpected default marker in COPY data") });
        }
        if self.fields.len() > self.columns.len() {
            return Err(CopyFault::new("extra data after last expected column"));
        }
        let null = null_marker(&self.format);
        for (number, column) in self.columns.iter().enumerate().take(self.fields.len()) {
            let value = match self.fields.get(number) {
                None if column.not_null => Some(null),
                Some(value) if column.null && value == null => None,
                value => value,
            };
            columns.push(number, value);
        }
        columns.end_row(self.fields.len(), self.line, text);
        let Some(missing) = self.columns.get(self.fields.len()) else { return Ok(()) };
        Err(CopyFault::new(format!("missing data for column \"{}\"", missing.name)).with_column(self.fields.len()))
    }

    /// As `read_lines`; what follows the end marker is a fault of its own.
    fn read_binary(
        &mut self,
        buffer: &[u8],
        last: bool,
        used: &mut usize,
        columns: &mut Columns,
    ) -> Result<bool, CopyFault> {
        if !self.opened {
            let Some(header) = binary::read_header(buffer, last)? else { return Ok(false) };
            *used = header;
            self.opened = true;
        }
        loop {
            self.begin();
            let rest = &buffer[*used..];
            if !self.closed && binary::count(rest) == Some(-1) {
                self.closed = true;
                *used += 2;
                continue;
            }
            if self.closed {
                let clean = if rest.is_empty() { Ok(false) } else { Err("received copy data after EOF marker") };
                return clean.map_err(CopyFault::new);
            }
            match binary::read_row(rest, self.line, last, columns)? {
                None => return Ok(false),
                Some(length) => *used += length,
            }
            self.begun = false;
        }
    }
}

fn null_marker(format: &Format) -> &[u8] {
    match format {
        Format::Text(Marks { null, .. }) | Format::Csv { marks: Marks { null, .. }, .. } => null,
        Format::Binary => &[],
    }
}
