//! What is wrong with the bytes of a COPY FROM, in PostgreSQL's words.

use pyo3::prelude::*;

pub const BAD_FORMAT: &str = "22P04";
const SHOWN: usize = 100;

/// An error at `row` of the rows that come with it, or behind them all. Values of that row before `column` (None: all
/// of it) are to be judged first. `line` counts from 1; `text` is the line as PostgreSQL shows it, where it does.
#[pyclass(frozen, get_all, module = "lakegate_native")]
#[derive(Clone, Debug)]
pub struct CopyFault {
    pub sqlstate: &'static str,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<&'static str>,
    pub row: usize,
    pub column: Option<usize>,
    pub line: u64,
    pub text: Option<String>,
    /// Whether PostgreSQL names line and column at all: it does not for a binary header.
    pub placed: bool,
}

impl CopyFault {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            sqlstate: BAD_FORMAT,
            message: message.into(),
            detail: None,
            hint: None,
            row: 0,
            column: None,
            line: 0,
            text: None,
            placed: true,
        }
    }

    pub fn hinted(message: impl Into<String>, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..Self::new(message) }
    }

    pub fn with_column(self, column: usize) -> Self {
        Self { column: Some(column), ..self }
    }

    /// The first bytes that are no UTF-8, as `report_invalid_encoding` names them.
    pub fn not_utf8(bytes: &[u8], start: usize) -> Self {
        let length = match bytes[start] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        let shown = bytes[start..].iter().take(length).map(|byte| format!("0x{byte:02x}")).collect::<Vec<_>>();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Self { sqlstate: "22021", ..Self::new(message) }
    }
}

/// The text, if PostgreSQL would take it. Raises the fault that it would.
pub fn check_utf8(bytes: &[u8]) -> Result<&str, CopyFault> {
    let text = std::str::from_utf8(bytes);
    let valid = text.as_ref().map_or_else(std::str::Utf8Error::valid_up_to, |text| text.len());
    if let Some(nul) = memchr::memchr(0, &bytes[..valid]) {
        return Err(CopyFault::not_utf8(bytes, nul));
    }
    text.map_err(|_| CopyFault::not_utf8(bytes, valid))
}

/// A line as an error's context shows it: its first 100 bytes.
pub fn shorten(line: &str) -> String {
    if line.len() <= SHOWN {
        return line.to_owned();
    }
    let end = (0..=SHOWN).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
    format!("{}...", &line[..end])
}
