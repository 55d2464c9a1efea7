//! float4 and float8 as PostgreSQL prints them: the shortest digits that read back to the same value, or so many.
//!
//! PostgreSQL's Ryu does not accept the bounds of the interval that rounds to the value (`d2s.c`, `acceptBounds = false`),
//! the crate's algorithm does where the significand is even. The two differ only where the shortest digits lie on a bound.
//! A bound is an odd multiple of half a unit in the last place: below 2^50 (2^20 for float4) it has more digits than the
//! 17 (9) that are ever needed, so only larger values are looked at twice.

use super::cells::Out;

/// Digits without trailing zeros, and the power of ten of the last one.
pub struct Shortest {
    pub digits: u64,
    pub exponent: i32,
}

/// float8's text. Fixed notation for decimal exponents from -4 to 14.
pub fn push_float8(value: f64, out: &mut Out) {
    let size = value.abs();
    if (1e-4..9e14).contains(&size) {
        push_fixed(zmij::Buffer::new().format_finite(value), out);
    } else if !push_special(value, out) {
        push_shortest(value.is_sign_negative(), &shortest_f64(size), 15, out);
    }
}

/// float4's text. Fixed notation for decimal exponents from -4 to 5.
pub fn push_float4(value: f32, out: &mut Out) {
    let size = value.abs();
    if (1e-3..9e5).contains(&size) {
        push_fixed(zmij::Buffer::new().format_finite(value), out);
    } else if !push_special(f64::from(value), out) {
        push_shortest(value.is_sign_negative(), &shortest_f32(size), 6, out);
    }
}

/// What `extra_float_digits` below 1 makes of either type, which has `certain` digits (`pg_strfromd`).
pub fn push_rounded(value: f64, certain: i32, extra: i32, out: &mut Out) {
    if !push_special(value, out) {
        let digits = (certain + extra).max(1);
        let rounded = parse(&format!("{:.*e}", digits as usize - 1, value.abs()));
        push_shortest(value.is_sign_negative(), &rounded, digits, out);
    }
}

fn push_fixed(text: &str, out: &mut Out) {
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

fn push_special(value: f64, out: &mut Out) -> bool {
    let text: &[u8] = match value {
        _ if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        0.0 if value.is_sign_negative() => b"-0",
        0.0 => b"0",
        _ => return false,
    };
    out.extend_from_slice(text);
    true
}

fn push_shortest(negative: bool, shortest: &Shortest, first_scientific: i32, out: &mut Out) {
    if negative {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(shortest.digits).as_bytes();
    let exponent = shortest.exponent + digits.len() as i32 - 1;
    if exponent < -4 || exponent >= first_scientific {
        push_scientific(digits, exponent, out);
    } else if shortest.exponent >= 0 {
        out.extend_from_slice(digits);
        out.resize(out.len() + shortest.exponent as usize, b'0');
    } else {
        let (whole, fraction) = digits.split_at((exponent + 1).max(0) as usize);
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
        out.push(b'.');
        out.resize(out.len() + (-1 - exponent).max(0) as usize, b'0');
        out.extend_from_slice(fraction);
    }
}

fn push_scientific(digits: &[u8], exponent: i32, out: &mut Out) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let size = exponent.unsigned_abs();
    if size >= 100 {
        out.push(b'0' + (size / 100) as u8);
    }
    super::cells::push_pair(size % 100, out);
}

/// The shortest digits of a finite value above zero, by PostgreSQL's rule.
pub fn shortest_f64(value: f64) -> Shortest {
    let shortest = parse(zmij::Buffer::new().format_finite(value));
    let significand = (value.to_bits() & ((1 << 52) - 1)) | 1 << 52;
    let exponent = (value.to_bits() >> 52) as i32 - 1075;
    if value < 1.0e15 || !on_bound(&shortest, significand, exponent) {
        return shortest;
    }
    let reads_back = |text: &str| text.parse() == Ok(value);
    lengthen(
        &shortest,
        17,
        |digits| format!("{value:.digits$e}"),
        reads_back,
        |found| on_bound(found, significand, exponent),
    )
}

/// As `shortest_f64`.
pub fn shortest_f32(value: f32) -> Shortest {
    let shortest = parse(zmij::Buffer::new().format_finite(value));
    let significand = u64::from((value.to_bits() & ((1 << 23) - 1)) | 1 << 23);
    let exponent = (value.to_bits() >> 23) as i32 - 150;
    if value < 1.0e6 || !on_bound(&shortest, significand, exponent) {
        return shortest;
    }
    let reads_back = |text: &str| text.parse() == Ok(value);
    lengthen(
        &shortest,
        9,
        |digits| format!("{value:.digits$e}"),
        reads_back,
        |found| on_bound(found, significand, exponent),
    )
}

/// The value rounded to ever more digits, until they lie inside the interval.
fn lengthen(
    shortest: &Shortest,
    most: usize,
    round: impl Fn(usize) -> String,
    reads_back: impl Fn(&str) -> bool,
    is_bound: impl Fn(&Shortest) -> bool,
) -> Shortest {
    let fewest = shortest.digits.ilog10() as usize;
    let candidates = (fewest..most).map(round).filter(|text| reads_back(text)).map(|text| parse(&text));
    candidates.into_iter().find(|found| !is_bound(found)).unwrap_or(Shortest { ..*shortest })
}

/// Whether the digits lie exactly halfway between significand * 2^exponent and a neighbour.
fn on_bound(shortest: &Shortest, significand: u64, exponent: i32) -> bool {
    let quarters = 4 * u128::from(significand);
    let lower_gap = if significand.is_power_of_two() { 1 } else { 2 };
    [quarters + 2, quarters - lower_gap].into_iter().any(|bound| equals(shortest, bound, exponent - 2))
}

/// digits * 10^e == bound * 2^exponent. Powers of five beyond the range of u128 cannot be part of either.
fn equals(shortest: &Shortest, bound: u128, exponent: i32) -> bool {
    let fives = |power: i32| u32::try_from(power.max(0)).ok().and_then(|power| 5_u128.checked_pow(power));
    let (Some(up), Some(down)) = (fives(shortest.exponent), fives(-shortest.exponent)) else { return false };
    let (Some(left), Some(right)) = (up.checked_mul(u128::from(shortest.digits)), bound.checked_mul(down)) else {
        return false;
    };
    let twos = |number: u128| number.trailing_zeros() as i32;
    left >> twos(left) == right >> twos(right) && twos(left) + shortest.exponent == twos(right) + exponent
}

fn parse(text: &str) -> Shortest {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (mut digits, mut exponent) = (0_u64, power.parse::<i32>().unwrap_or(0));
    let mut in_fraction = false;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => in_fraction = true,
            _ => {
                digits = digits * 10 + u64::from(byte - b'0');
                exponent -= i32::from(in_fraction);
            }
        }
    }
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    Shortest { digits, exponent }
}
