//! date, timestamp and timestamptz as PostgreSQL prints them.

use super::cells::{Out, Refusal, push_integer, push_pair};
use super::style::DateStyle;
use super::timezone::Transitions;

pub const SECOND: i64 = 1_000_000;
/// In seconds.
const DAY: i64 = 86_400;
/// Days and microseconds from 1970-01-01 (Arrow) to 2000-01-01 (PostgreSQL).
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY * SECOND;
/// PostgreSQL's ranges, since 1970: 4714-11-24 BC to 294276-12-31, dates to 5874897-12-31.
const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000 + EPOCH_MICROS;
const MIN_DATE: i32 = -2_451_545 + EPOCH_DAYS;
/// What DuckDB writes for the past: one above the smallest integer.
const NEGATIVE_MAX: i64 = -i64::MAX;
const MAX_DATE: i32 = 2_145_031_948 + EPOCH_DAYS;
/// By days since a Thursday, 1970-01-01.
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// Letters of a time zone's abbreviation that are printed.
const MAX_ABBREVIATION: usize = 10;

/// A moment in microseconds since 1970, or an end of time.
#[derive(Clone, Copy)]
pub enum Moment {
    Past,
    Future,
    At(i64),
}

impl Moment {
    /// Engines write both ends as the extreme values; DuckDB's past is one above the smallest integer.
    pub fn from_micros(micros: i64) -> Result<Self, Refusal> {
        match micros {
            i64::MAX => Ok(Self::Future),
            i64::MIN | NEGATIVE_MAX => Ok(Self::Past),
            MIN_TIMESTAMP.. => Ok(Self::At(micros)),
            _ => Err(Refusal::new("22008", "timestamp out of range")),
        }
    }

    /// int64 microseconds since 2000.
    pub fn bytes(self) -> [u8; 8] {
        match self {
            Self::Past => i64::MIN,
            Self::Future => i64::MAX,
            Self::At(micros) => micros - EPOCH_MICROS,
        }
        .to_be_bytes()
    }

    /// Text; `zone` is None for a timestamp without time zone.
    #[inline]
    pub fn push_text(self, zone: Option<&Transitions>, style: DateStyle, out: &mut Out) {
        let Self::At(micros) = self else {
            let text: &[u8] = if matches!(self, Self::Past) { b"-infinity" } else { b"infinity" };
            return out.extend_from_slice(text);
        };
        let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND) as u32);
        let offset = zone.map(|zone| zone.offset(seconds));
        let local = seconds + i64::from(offset.unwrap_or(0));
        let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY) as u32);
        let date = civil(day);
        if let DateStyle::Postgres { day_first } = style {
            out.extend_from_slice(WEEKDAYS[day.rem_euclid(7) as usize]);
            push_named_month(date, day_first, out);
            push_time(second, out);
            push_fraction(fraction, out);
            out.push(b' ');
            push_year(date, out);
        } else {
            push_day(date, style, out);
            out.push(b' ');
            push_time(second, out);
            push_fraction(fraction, out);
        }
        match (style, zone, offset) {
            (DateStyle::Iso, _, Some(offset)) => push_offset(offset, out),
            (_, Some(zone), _) => push_abbreviation(zone.abbreviation(seconds), out),
            _ => {}
        }
        push_era(date, out);
    }
}

/// A day since 1970, or an end of time.
#[derive(Clone, Copy)]
pub enum Date {
    Past,
    Future,
    On(i32),
}

impl Date {
    pub fn from_days(days: i32) -> Result<Self, Refusal> {
        match days {
            i32::MAX => Ok(Self::Future),
            i32::MIN | -2_147_483_647 => Ok(Self::Past),
            MIN_DATE..=MAX_DATE => Ok(Self::On(days)),
            _ => Err(Refusal::new("22008", "date out of range")),
        }
    }

    /// int32 days since 2000.
    pub fn bytes(self) -> [u8; 4] {
        match self {
            Self::Past => i32::MIN,
            Self::Future => i32::MAX,
            Self::On(days) => days - EPOCH_DAYS,
        }
        .to_be_bytes()
    }

    pub fn push_text(self, style: DateStyle, out: &mut Out) {
        match self {
            Self::Past => out.extend_from_slice(b"-infinity"),
            Self::Future => out.extend_from_slice(b"infinity"),
            Self::On(days) => {
                let date = civil(i64::from(days));
                push_day(date, style, out);
                push_era(date, out);
            }
        }
    }
}

/// Year (0 is 1 BC), month and day of the proleptic Gregorian calendar.
type Civil = (i64, u32, u32);

/// Howard Hinnant's `civil_from_days`, with March as the year's first month.
fn civil(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (i64::from(year_of_era) + era * 400 + i64::from(month <= 2), month, day)
}

/// A date in numbers.
fn push_day(date: Civil, style: DateStyle, out: &mut Out) {
    let (_, month, day) = date;
    let (separator, day_first) = match style {
        DateStyle::Iso => {
            push_year(date, out);
            return push_pairs([month, day], b'-', out);
        }
        DateStyle::Sql { day_first } => (b'/', day_first),
        DateStyle::Postgres { day_first } => (b'-', day_first),
        DateStyle::German => (b'.', true),
    };
    let [first, second] = if day_first { [day, month] } else { [month, day] };
    push_pair(first, out);
    push_pairs([second], separator, out);
    out.push(separator);
    push_year(date, out);
}

/// Each after a separator.
fn push_pairs<const N: usize>(values: [u32; N], separator: u8, out: &mut Out) {
    for value in values {
        out.push(separator);
        push_pair(value, out);
    }
}

/// ` 17 Dec ` or ` Dec 17 `.
fn push_named_month((_, month, day): Civil, day_first: bool, out: &mut Out) {
    let name = MONTHS[month as usize - 1];
    out.push(b' ');
    if day_first {
        push_pair(day, out);
        out.push(b' ');
        out.extend_from_slice(name);
    } else {
        out.extend_from_slice(name);
        out.push(b' ');
        push_pair(day, out);
    }
    out.push(b' ');
}

fn push_abbreviation(abbreviation: &str, out: &mut Out) {
    out.push(b' ');
    out.extend_from_slice(&abbreviation.as_bytes()[..abbreviation.len().min(MAX_ABBREVIATION)]);
}

fn push_year((year, ..): Civil, out: &mut Out) {
    let year = if year > 0 { year } else { 1 - year } as u32;
    if year < 10_000 {
        push_pair(year / 100, out);
        push_pair(year % 100, out);
    } else {
        push_integer(year, out);
    }
}

fn push_era((year, ..): Civil, out: &mut Out) {
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

fn push_time(seconds: u32, out: &mut Out) {
    push_pair(seconds / 3600, out);
    out.push(b':');
    push_pair(seconds / 60 % 60, out);
    out.push(b':');
    push_pair(seconds % 60, out);
}

/// Microseconds without trailing zeros, nothing if zero.
pub fn push_fraction(micros: u32, out: &mut Out) {
    if micros == 0 {
        return;
    }
    out.push(b'.');
    for pair in [micros / 10_000, micros / 100 % 100, micros % 100] {
        push_pair(pair, out);
    }
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// `+00`, `+05:30`, `-00:01:15`.
fn push_offset(offset: i32, out: &mut Out) {
    out.push(if offset < 0 { b'-' } else { b'+' });
    let size = offset.unsigned_abs();
    push_pair(size / 3600, out);
    if !size.is_multiple_of(3600) {
        out.push(b':');
        push_pair(size / 60 % 60, out);
    }
    if !size.is_multiple_of(60) {
        out.push(b':');
        push_pair(size % 60, out);
    }
}
