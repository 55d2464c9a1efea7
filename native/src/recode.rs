//! Messages in the client's encoding: of one byte a character, by a table.
//!
//! Inside there is UTF-8 alone. What is converted are the texts of a message; ASCII means the same in every encoding that
//! PostgreSQL lets a client have, so most texts are only copied. References: PostgreSQL documentation, "Character Set
//! Support", "Message Formats".

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Type byte and length.
const HEAD: usize = 5;
/// What follows the name of a column in RowDescription.
const FIELD: usize = 18;
const PID: usize = 4;

/// One encoding. Usable from any thread.
#[pyclass(frozen, module = "lakegate_native")]
pub struct Recoder {
    /// By byte from 0x80 on; None where the encoding has no character.
    characters: Vec<Option<char>>,
    /// The bytes of the characters of the basic plane; 0 for those that it lacks.
    bytes: Box<[u8]>,
}

/// A character that the encoding lacks, as its bytes in UTF-8.
struct Missing(Vec<u8>);

#[pymethods]
impl Recoder {
    /// `characters` are those of the bytes from 0x80 to 0xff. Raises ValueError for another number of them, or beyond
    /// the basic plane.
    #[new]
    fn new(characters: Vec<Option<char>>) -> PyResult<Self> {
        if characters.len() != 0x80 {
            return Err(PyValueError::new_err("an encoding has 128 characters beyond ASCII"));
        }
        let mut bytes = vec![0; 0x10000].into_boxed_slice();
        for (byte, &character) in (0x80..=0xff_u8).zip(&characters) {
            if let Some(character) = character {
                let place = bytes.get_mut(character as usize);
                *place.ok_or_else(|| PyValueError::new_err("a character beyond the basic plane"))? = byte;
            }
        }
        Ok(Self { characters, bytes })
    }

    /// A client's text in UTF-8, and the first byte that stands for no character, which ends it.
    fn receive<'py>(&self, py: Python<'py>, text: &[u8]) -> (Bound<'py, PyBytes>, Option<u8>) {
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        for &byte in text {
            if byte < 0x80 {
                out.push(byte);
            } else if let Some(character) = self.characters[usize::from(byte - 0x80)] {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                return (PyBytes::new(py, &out), Some(byte));
            }
        }
        (PyBytes::new(py, &out), None)
    }

    /// Whole messages as the client reads them. `raw` are the columns, from 0, whose values are no text. At a row or a
    /// name with a character that the encoding lacks it ends before that message and gives the character's bytes in
    /// UTF-8; in what only tells of something, such as errors, it stands as a question mark. Raises ValueError for bytes
    /// that are no messages.
    fn send<'py>(
        &self,
        py: Python<'py>,
        messages: &[u8],
        raw: Vec<usize>,
    ) -> PyResult<(Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>)> {
        let (out, missing) =
            py.detach(|| self.messages(messages, &raw)).ok_or_else(|| PyValueError::new_err("no whole messages"))?;
        Ok((PyBytes::new(py, &out), missing.map(|Missing(bytes)| PyBytes::new(py, &bytes))))
    }
}

impl Recoder {
    fn messages(&self, messages: &[u8], raw: &[usize]) -> Option<(Vec<u8>, Option<Missing>)> {
        let mut out = Vec::with_capacity(messages.len());
        let mut rest = messages;
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest.get(1..HEAD)?.try_into().ok()?) as usize + 1;
            let body = rest.get(HEAD..length)?;
            let start = out.len();
            out.extend_from_slice(&rest[..HEAD]);
            let done = match rest[0] {
                b'D' => self.row(body, raw, &mut out)?,
                b'T' => self.columns(body, &mut out)?,
                b'E' | b'N' | b'S' | b'C' => self.told(body, &mut out),
                b'A' => {
                    out.extend_from_slice(body.get(..PID)?);
                    self.told(&body[PID..], &mut out)
                }
                _ => {
                    out.extend_from_slice(body);
                    Ok(())
                }
            };
            if let Err(missing) = done {
                out.truncate(start);
                return Some((out, Some(missing)));
            }
            let written = u32::try_from(out.len() - start - 1).ok()?;
            out[start + 1..start + HEAD].copy_from_slice(&written.to_be_bytes());
            rest = &rest[length..];
        }
        Some((out, None))
    }

    /// None for a row that is broken.
    fn row(&self, body: &[u8], raw: &[usize], out: &mut Vec<u8>) -> Option<Result<(), Missing>> {
        let count = u16::from_be_bytes(body.get(..2)?.try_into().ok()?);
        out.extend_from_slice(&body[..2]);
        let mut at = 2;
        for column in 0..usize::from(count) {
            let size = i32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?);
            let value = body.get(at + 4..at + 4 + usize::try_from(size).unwrap_or(0))?;
            let start = out.len();
            out.extend_from_slice(&body[at..at + 4]);
            if raw.contains(&column) {
                out.extend_from_slice(value);
            } else if let Err(missing) = self.text(value, out) {
                return Some(Err(missing));
            }
            if size >= 0 {
                let written = i32::try_from(out.len() - start - 4).ok()?;
                out[start..start + 4].copy_from_slice(&written.to_be_bytes());
            }
            at += 4 + value.len();
        }
        Some(Ok(()))
    }

    fn columns(&self, body: &[u8], out: &mut Vec<u8>) -> Option<Result<(), Missing>> {
        out.extend_from_slice(body.get(..2)?);
        let mut at = 2;
        while at < body.len() {
            let end = at + body[at..].iter().position(|&byte| byte == 0)?;
            if let Err(missing) = self.text(&body[at..end], out) {
                return Some(Err(missing));
            }
            at = end + 1 + FIELD;
            out.extend_from_slice(body.get(end..at)?);
        }
        Some(Ok(()))
    }

    /// Texts that are told whatever is in them.
    fn told(&self, texts: &[u8], out: &mut Vec<u8>) -> Result<(), Missing> {
        for character in String::from_utf8_lossy(texts).chars() {
            out.push(self.byte(character).unwrap_or(b'?'));
        }
        Ok(())
    }

    /// What is not UTF-8 PostgreSQL has converted itself.
    fn text(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Missing> {
        let characters = if text.is_ascii() { None } else { std::str::from_utf8(text).ok() };
        let Some(characters) = characters else {
            out.extend_from_slice(text);
            return Ok(());
        };
        for character in characters.chars() {
            let missing = || Missing(character.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
            out.push(self.byte(character).ok_or_else(missing)?);
        }
        Ok(())
    }

    fn byte(&self, character: char) -> Option<u8> {
        if character.is_ascii() {
            return u8::try_from(character).ok();
        }
        self.bytes.get(character as usize).copied().filter(|&byte| byte != 0)
    }
}
