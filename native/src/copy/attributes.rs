//! A line's fields, as `CopyReadAttributesText` and `CopyReadAttributesCSV` take it apart.

use super::fault::{CopyFault, check_utf8};
use super::{Format, Marks};

/// One line's fields, their bytes one after the other. Kept from line to line.
#[derive(Default)]
pub struct Fields {
    bytes: Vec<u8>,
    /// Where each ends; NULL fields are marked.
    ends: Vec<(usize, bool)>,
    start: usize,
}

impl Fields {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// None is NULL.
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        let start = if number == 0 { 0 } else { self.ends[number - 1].0 };
        let (end, is_null) = self.ends[number];
        (!is_null).then(|| &self.bytes[start..end])
    }

    /// Takes a line apart. `default` is the marker for a column's default. Raises the fault.
    pub fn read(&mut self, line: &[u8], format: &Format, default: Option<&[u8]>) -> Result<Option<usize>, CopyFault> {
        self.bytes.clear();
        self.ends.clear();
        self.start = 0;
        match format {
            Format::Text(marks) => self.read_text(line, marks, default),
            Format::Csv { marks, quote, escape } => self.read_csv(line, marks, default, *quote, *escape),
            Format::Binary => Ok(None),
        }
    }

    fn read_text(&mut self, line: &[u8], marks: &Marks, default: Option<&[u8]>) -> Result<Option<usize>, CopyFault> {
        let (mut at, mut defaulted) = (0, None);
        loop {
            let start = at;
            let mut doubtful = false;
            let (end, more) = loop {
                let Some(found) = line[at..].iter().position(|&byte| byte == marks.delimiter || byte == b'\\') else {
                    self.bytes.extend_from_slice(&line[at..]);
                    at = line.len();
                    break (at, false);
                };
                self.bytes.extend_from_slice(&line[at..at + found]);
                at += found;
                if line[at] == marks.delimiter {
                    at += 1;
                    break (at - 1, true);
                }
                let Some(&escaped) = line.get(at + 1) else {
                    at += 1;
                    break (at - 1, false);
                };
                at += 2;
                let byte = unescape(escaped, line, &mut at);
                doubtful |= byte == 0 || byte >= 0x80;
                self.bytes.push(byte);
            };
            let raw = &line[start..end];
            let is_default = self.close(raw == marks.null, Some(raw) == default, &mut defaulted);
            if doubtful && !is_default {
                check_utf8(&self.bytes[self.ends.iter().rev().nth(1).map_or(0, |end| end.0)..])?;
            }
            if !more {
                return Ok(defaulted);
            }
        }
    }

    fn read_csv(
        &mut self,
        line: &[u8],
        marks: &Marks,
        default: Option<&[u8]>,
        quote: u8,
        escape: u8,
    ) -> Result<Option<usize>, CopyFault> {
        let (mut at, mut defaulted) = (0, None);
        loop {
            let (start, mut quoted) = (at, false);
            let (end, more) = loop {
                let Some(found) = line[at..].iter().position(|&byte| byte == marks.delimiter || byte == quote) else {
                    self.bytes.extend_from_slice(&line[at..]);
                    at = line.len();
                    break (at, false);
                };
                self.bytes.extend_from_slice(&line[at..at + found]);
                at += found + 1;
                if line[at - 1] == marks.delimiter {
                    break (at - 1, true);
                }
                quoted = true;
                at = self.read_quoted(line, at, quote, escape)?;
            };
            let raw = &line[start..end];
            self.close(!quoted && raw == marks.null, Some(raw) == default, &mut defaulted);
            if !more {
                return Ok(defaulted);
            }
        }
    }

    /// What stands in quotes from `at` on; where it goes on behind them.
    fn read_quoted(&mut self, line: &[u8], mut at: usize, quote: u8, escape: u8) -> Result<usize, CopyFault> {
        while let Some(&byte) = line.get(at) {
            at += 1;
            match line.get(at) {
                Some(&next) if byte == escape && (next == escape || next == quote) => {
                    self.bytes.push(next);
                    at += 1;
                }
                _ if byte == quote => return Ok(at),
                _ => self.bytes.push(byte),
            }
        }
        Err(CopyFault::new("unterminated CSV quoted field"))
    }

    /// Ends a field; whether it is the default's marker, whose first place is kept.
    fn close(&mut self, is_null: bool, is_default: bool, defaulted: &mut Option<usize>) -> bool {
        let is_default = is_default && !is_null;
        if is_default && defaulted.is_none() {
            *defaulted = Some(self.ends.len());
        }
        self.ends.push((self.bytes.len(), is_null));
        is_default
    }
}

/// The byte that a backslash and `escaped` stand for; `at` is behind both and moves behind further digits.
fn unescape(escaped: u8, line: &[u8], at: &mut usize) -> u8 {
    match escaped {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'0'..=b'7' => digits(u32::from(escaped - b'0'), 8, line, at),
        b'x' if line.get(*at).is_some_and(u8::is_ascii_hexdigit) => digits(0, 16, line, at),
        _ => escaped,
    }
}

/// Two more digits at most.
fn digits(mut value: u32, base: u32, line: &[u8], at: &mut usize) -> u8 {
    for _ in 0..2 {
        let Some(digit) = line.get(*at).and_then(|&byte| char::from(byte).to_digit(base)) else { break };
        value = value * base + digit;
        *at += 1;
    }
    value as u8
}
