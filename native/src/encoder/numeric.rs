//! numeric, from any exact number or from a float's shortest digits.

use arrow_buffer::i256;

use super::cells::Out;
use super::float::{Shortest, shortest_f32, shortest_f64};

/// Decimal256 has at most 77 digits; a float's are 17.
const MAX_DIGITS: usize = 78;
const ZERO: Shortest = Shortest { digits: 0, exponent: 0 };
const TEN_TO_38: i128 = 10_i128.pow(38);

/// Sign, digits and scale: digits * 10^-scale.
pub struct Decimal {
    negative: bool,
    digits: [u8; MAX_DIGITS],
    length: usize,
    scale: i32,
}

impl Decimal {
    fn empty(negative: bool, scale: i32) -> Self {
        Self { negative, digits: [b'0'; MAX_DIGITS], length: 0, scale }
    }

    fn push(&mut self, text: &str) {
        self.digits[self.length..self.length + text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }

    fn from_i64(value: i64, scale: i32) -> Self {
        let mut decimal = Self::empty(value < 0, scale);
        decimal.push(itoa::Buffer::new().format(value.unsigned_abs()));
        decimal
    }

    pub fn from_i128(value: i128, scale: i32) -> Self {
        if let Ok(value) = i64::try_from(value) {
            return Self::from_i64(value, scale);
        }
        let mut decimal = Self::empty(value < 0, scale);
        decimal.push(itoa::Buffer::new().format(value.unsigned_abs()));
        decimal
    }

    pub fn from_i256(value: i256, scale: i32) -> Self {
        if let Some(value) = value.to_i128() {
            return Self::from_i128(value, scale);
        }
        let mut decimal = Self::empty(value.is_negative(), scale);
        let ten_to_38 = i256::from_i128(TEN_TO_38);
        let (mut rest, mut parts) = (value, [0_u128; 3]);
        for part in &mut parts {
            let Some((quotient, remainder)) = rest.checked_div_rem(ten_to_38) else { break };
            *part = remainder.to_i128().unwrap_or(0).unsigned_abs();
            rest = quotient;
        }
        let mut started = false;
        for part in parts.into_iter().rev() {
            decimal.push_part(part, started);
            started |= part != 0;
        }
        decimal
    }

    /// Appends 38 digits, without the leading zeros at the number's start.
    fn push_part(&mut self, part: u128, started: bool) {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(part);
        if started {
            self.length += 38 - text.len();
            self.push(text);
        } else if part != 0 {
            self.push(text);
        }
    }

    /// A finite float's shortest digits.
    pub fn from_f64(value: f64) -> Self {
        Self::from_shortest(value < 0.0, if value == 0.0 { ZERO } else { shortest_f64(value.abs()) })
    }

    /// As `from_f64`.
    pub fn from_f32(value: f32) -> Self {
        Self::from_shortest(value < 0.0, if value == 0.0 { ZERO } else { shortest_f32(value.abs()) })
    }

    fn from_shortest(negative: bool, shortest: Shortest) -> Self {
        let mut decimal = Self::empty(negative, -shortest.exponent);
        decimal.push(itoa::Buffer::new().format(shortest.digits));
        decimal
    }

    /// Rounds half away from zero where there are more digits after the point than `scale`.
    fn round(&mut self, scale: i32) {
        let dropped = self.scale - scale;
        if dropped <= 0 {
            return;
        }
        let kept = self.length.saturating_sub(dropped as usize);
        let up = dropped as usize <= self.length && self.digits[kept] >= b'5';
        self.length = kept;
        self.scale = scale;
        if up {
            self.increment();
        }
    }

    fn increment(&mut self) {
        for digit in self.digits[..self.length].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.digits.copy_within(0..self.length, 1);
        self.digits[0] = b'1';
        self.length += 1;
    }

    fn is_zero(&self) -> bool {
        self.digits[..self.length].iter().all(|&digit| digit == b'0')
    }

    /// Text with exactly `display` digits after the point, which are no fewer than there are.
    fn push_text(&self, display: i32, out: &mut Out) {
        if self.negative && !self.is_zero() {
            out.push(b'-');
        }
        let digits = &self.digits[..self.length];
        let whole = self.length as i32 - self.scale;
        if whole <= 0 || self.is_zero() {
            out.push(b'0');
        } else {
            let written = digits.len().min(whole as usize);
            out.extend_from_slice(&digits[..written]);
            out.resize(out.len() + whole as usize - written, b'0');
        }
        if display > 0 {
            out.push(b'.');
            let zeros = (-whole).clamp(0, display) as usize;
            out.resize(out.len() + zeros, b'0');
            let fraction = &digits[digits.len().min(whole.max(0) as usize)..];
            out.extend_from_slice(fraction);
            out.resize(out.len() + display as usize - zeros - fraction.len(), b'0');
        }
    }

    /// `numeric_send`: int16 ndigits, weight, sign and dscale, then the digits in base 10000.
    fn push_binary(&self, display: i32, out: &mut Out) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        let (mut weight, mut count, mut kept) = (0, 0_u16, 0_u16);
        // Groups of four are counted from the point, so the first and the last may be partly filled.
        let whole = self.length as i32 - self.scale;
        let mut position = whole - 4 * ((whole - 1).div_euclid(4) + 1);
        while position < self.length as i32 {
            let group = self.group(position);
            if count == 0 && group != 0 {
                weight = (whole - position) / 4 - 1;
            }
            if count > 0 || group != 0 {
                count += 1;
                kept = if group == 0 { kept } else { count };
                out.extend_from_slice(&group.to_be_bytes());
            }
            position += 4;
        }
        out.truncate(start + 8 + 2 * usize::from(kept));
        let sign = if self.negative && kept > 0 { NEGATIVE } else { 0 };
        put_header(&mut out[start..start + 8], [kept, weight as u16, sign, display as u16]);
    }

    /// The four digits from that one on; before the first and after the last are zeros.
    fn group(&self, position: i32) -> u16 {
        (position..position + 4).fold(0, |group, index| {
            let digit = usize::try_from(index).ok().and_then(|index| self.digits[..self.length].get(index));
            group * 10 + digit.map_or(0, |digit| u16::from(digit - b'0'))
        })
    }
}

const NEGATIVE: u16 = 0x4000;

fn put_header(header: &mut [u8], fields: [u16; 4]) {
    for (bytes, field) in header.chunks_exact_mut(2).zip(fields) {
        bytes.copy_from_slice(&field.to_be_bytes());
    }
}

/// The digits with zeros added so that groups of four end at the point, and how many groups follow it.
fn align(size: u64, scale: i32) -> Option<(u64, i32)> {
    let groups = u32::try_from(scale).ok()?.div_ceil(4);
    let aligned = size.checked_mul([1, 1000, 100, 10][(scale & 3) as usize])?;
    Some((aligned, groups as i32))
}

/// `numeric_send` of a number that a register holds.
fn push_groups(mut size: u64, fraction_groups: i32, negative: bool, scale: i32, out: &mut Out) {
    let mut trailing = 0;
    while size != 0 && size.is_multiple_of(10_000) {
        size /= 10_000;
        trailing += 1;
    }
    let (mut cell, mut start) = ([0_u8; 18], 18);
    let negative = negative && size != 0;
    while size != 0 {
        start -= 2;
        cell[start..start + 2].copy_from_slice(&((size % 10_000) as u16).to_be_bytes());
        size /= 10_000;
    }
    let count = (18 - start as i32) / 2;
    let weight = if count == 0 { 0 } else { count + trailing - 1 - fraction_groups };
    let sign = if negative { NEGATIVE } else { 0 };
    put_header(&mut cell[start - 8..start], [count as u16, weight as u16, sign, scale as u16]);
    out.extend_from_slice(&cell[start - 8..]);
}

/// How numerics of a column are shown.
#[derive(Clone, Copy)]
pub struct Display {
    pub binary: bool,
    /// The typmod's scale: every value has exactly that many digits after the point (negative: none, and zeros before).
    pub scale: Option<i32>,
}

impl Display {
    /// By `numerictypmodin`: the scale is the low 11 bits, signed.
    pub fn new(typmod: i32, binary: bool) -> Self {
        let scale = (typmod >= 4).then(|| (((typmod - 4) & 0x7FF) ^ 1024) - 1024);
        Self { binary, scale }
    }

    /// value * 10^-scale.
    #[inline]
    pub fn push_i128(self, value: i128, scale: i32, out: &mut Out) {
        let small = u64::try_from(value.unsigned_abs())
            .ok()
            .filter(|_| self.binary && self.scale.is_none_or(|shown| shown == scale));
        let aligned = small.and_then(|size| align(size, scale));
        match aligned {
            Some((size, fraction_groups)) => push_groups(size, fraction_groups, value < 0, scale, out),
            None => self.push(Decimal::from_i128(value, scale), out),
        }
    }

    pub fn push(self, mut decimal: Decimal, out: &mut Out) {
        if let Some(scale) = self.scale {
            decimal.round(scale);
        }
        let shown = self.scale.unwrap_or(decimal.scale).max(0);
        if self.binary {
            decimal.push_binary(shown, out);
        } else {
            decimal.push_text(shown, out);
        }
    }

    /// As `push_f64`.
    pub fn push_f32(self, value: f32, out: &mut Out) {
        if value.is_finite() { self.push(Decimal::from_f32(value), out) } else { self.push_f64(value.into(), out) }
    }

    /// A float's shortest digits, never in scientific notation.
    pub fn push_f64(self, value: f64, out: &mut Out) {
        let (text, header): (&[u8], [u16; 4]) = match value {
            _ if value.is_nan() => (b"NaN", [0, 0, 0xC000, 0]),
            f64::INFINITY => (b"Infinity", [0, 0, 0xD000, 0x20]),
            f64::NEG_INFINITY => (b"-Infinity", [0, 0, 0xF000, 0x20]),
            _ => return self.push(Decimal::from_f64(value), out),
        };
        if self.binary {
            let start = out.len();
            out.extend_from_slice(&[0; 8]);
            put_header(&mut out[start..], header);
        } else {
            out.extend_from_slice(text);
        }
    }
}
