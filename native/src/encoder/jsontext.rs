//! JSON text as `jsonb_out` prints it: read once, sorted and spaced.

use super::cells::{Out, Refusal};

/// Arrays and objects inside each other, at most.
const MAX_DEPTH: usize = 512;
/// Digits that PostgreSQL's numeric has before the point, at most.
const MAX_WHOLE_DIGITS: i64 = 131_072;
/// And after it.
const MAX_FRACTION_DIGITS: i64 = 16_383;

enum Value<'t> {
    /// A literal or a number, as it is printed.
    Bare(&'t [u8]),
    Number(&'t [u8]),
    /// Without quotes and escapes.
    String(Vec<u8>),
    Array(Vec<Value<'t>>),
    Object(Vec<(Vec<u8>, Value<'t>)>),
}

/// Appends the JSON text as jsonb prints it.
pub fn push_normalized(text: &[u8], out: &mut Out) -> Result<(), Refusal> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0).filter(|_| reader.is_at_end());
    let invalid = || Refusal::new("22P02", "invalid input syntax for type json");
    push_value(value.ok_or_else(invalid)?, out)
}

/// Shorter keys first, then by their bytes, of equal keys the last.
pub fn sort_members<V>(members: &mut Vec<(Vec<u8>, V)>) {
    members.reverse();
    members.sort_by(|(left, _), (right, _)| (left.len(), left).cmp(&(right.len(), right)));
    members.dedup_by(|(left, _), (right, _)| left == right);
}

/// Turns the text from `start` on into a JSON string (`escape_json`).
pub fn quote(start: usize, out: &mut Out) {
    let growth: usize = out[start..].iter().map(|&byte| escape(byte).map_or(0, |(_, length)| length - 1)).sum();
    let mut from = out.len();
    out.resize(out.len() + growth + 2, b'"');
    let mut to = out.len() - 1;
    while from > start {
        from -= 1;
        let byte = out[from];
        match escape(byte) {
            Some((escaped, length)) => {
                to -= length;
                out[to..to + length].copy_from_slice(&escaped[..length]);
            }
            None => {
                to -= 1;
                out[to] = byte;
            }
        }
    }
    out[start] = b'"';
}

#[inline]
fn escape(byte: u8) -> Option<([u8; 6], usize)> {
    let short = |letter: u8| Some(([b'\\', letter, 0, 0, 0, 0], 2));
    match byte {
        b'"' | b'\\' => short(byte),
        0x08 => short(b'b'),
        0x0C => short(b'f'),
        b'\n' => short(b'n'),
        b'\r' => short(b'r'),
        b'\t' => short(b't'),
        0..0x20 => {
            let low = b"0123456789abcdef"[usize::from(byte & 15)];
            Some(([b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low], 6))
        }
        _ => None,
    }
}

fn push_value(value: Value, out: &mut Out) -> Result<(), Refusal> {
    match value {
        Value::Bare(text) => out.extend_from_slice(text),
        Value::Number(text) => push_number(text, out)?,
        Value::String(text) => push_string(&text, out),
        Value::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                push_value(element, out)?;
            }
            out.push(b']');
        }
        Value::Object(mut members) => {
            sort_members(&mut members);
            out.push(b'{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                push_string(&key, out);
                out.extend_from_slice(b": ");
                push_value(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn push_string(text: &[u8], out: &mut Out) {
    let start = out.len();
    out.extend_from_slice(text);
    quote(start, out);
}

/// A number as numeric prints it: no exponent, the digits after the point kept.
fn push_number(text: &[u8], out: &mut Out) -> Result<(), Refusal> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent: i64 = exponent.parse().unwrap_or(i64::from(i32::MAX));
    let scale = fraction.len() as i64 - exponent;
    let point = digits.len() as i64 - scale;
    if point > MAX_WHOLE_DIGITS || scale > MAX_FRACTION_DIGITS {
        return Err(Refusal::new("22003", "value overflows numeric format"));
    }
    let is_zero = digits.bytes().all(|digit| digit == b'0');
    if negative && !is_zero {
        out.push(b'-');
    }
    let digit = |index: i64| usize::try_from(index).ok().and_then(|index| digits.as_bytes().get(index)).copied();
    let first = (0..point).find(|&index| digit(index).is_some_and(|digit| digit != b'0'));
    match first {
        Some(first) => out.extend((first..point).map(|index| digit(index).unwrap_or(b'0'))),
        None => out.push(b'0'),
    }
    if scale > 0 {
        out.push(b'.');
        out.extend((point..digits.len() as i64).map(|index| digit(index).unwrap_or(b'0')));
    }
    Ok(())
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn value(&mut self, depth: usize) -> Option<Value<'t>> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.members(depth).map(Value::Object),
            b'[' => self.elements(depth).map(Value::Array),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            _ => self.literal().map(Value::Bare),
        }
    }

    fn literal(&mut self) -> Option<&'t [u8]> {
        let rest = &self.text[self.at..];
        let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
        let length = literals.iter().find(|literal| rest.starts_with(literal))?.len();
        self.at += length;
        Some(&rest[..length])
    }

    fn number(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        self.skip(|byte| byte == b'-', 1);
        let leading_zero = self.text.get(self.at) == Some(&b'0');
        let whole = self.skip(|byte| byte.is_ascii_digit(), usize::MAX);
        let mut valid = whole == 1 || (whole > 1 && !leading_zero);
        if self.skip(|byte| byte == b'.', 1) == 1 {
            valid &= self.skip(|byte| byte.is_ascii_digit(), usize::MAX) > 0;
        }
        if self.skip(|byte| matches!(byte, b'e' | b'E'), 1) == 1 {
            self.skip(|byte| matches!(byte, b'+' | b'-'), 1);
            valid &= self.skip(|byte| byte.is_ascii_digit(), usize::MAX) > 0;
        }
        valid.then(|| &self.text[start..self.at])
    }

    /// Passes at most that many bytes of a kind; returns how many.
    fn skip(&mut self, is_kind: impl Fn(u8) -> bool, most: usize) -> usize {
        let skipped = self.text[self.at..].iter().take(most).take_while(|&&byte| is_kind(byte)).count();
        self.at += skipped;
        skipped
    }

    fn elements(&mut self, depth: usize) -> Option<Vec<Value<'t>>> {
        self.take(b'[')?;
        let mut elements = Vec::new();
        if self.take(b']').is_some() {
            return Some(elements);
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.take(b',').is_none() {
                return self.take(b']').map(|()| elements);
            }
        }
    }

    fn members(&mut self, depth: usize) -> Option<Vec<(Vec<u8>, Value<'t>)>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        if self.take(b'}').is_some() {
            return Some(members);
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.take(b':')?;
            members.push((key, self.value(depth + 1)?));
            if self.take(b',').is_none() {
                return self.take(b'}').map(|()| members);
            }
        }
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        self.take(b'"')?;
        while *self.text.get(self.at)? != b'"' {
            self.at += if self.text[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_slice::<String>(&self.text[start..self.at]).ok().map(String::into_bytes)
    }
}
