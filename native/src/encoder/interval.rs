//! interval as PostgreSQL prints it (`EncodeInterval`).

use super::cells::{Out, push_integer, push_pair};
use super::datetime::{SECOND, push_fraction};
use super::style::IntervalStyle;

/// Months, days and microseconds, each with its own sign.
#[derive(Clone, Copy)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

/// The sizes of hours, minutes, seconds and microseconds; their sign is the interval's `micros`'.
struct Clock {
    hours: u64,
    minutes: u32,
    seconds: u32,
    fraction: u32,
}

impl Interval {
    /// int64 microseconds, int32 days, int32 months.
    pub fn push_binary(self, out: &mut Out) {
        out.extend_from_slice(&self.micros.to_be_bytes());
        out.extend_from_slice(&self.days.to_be_bytes());
        out.extend_from_slice(&self.months.to_be_bytes());
    }

    pub fn push_text(self, style: IntervalStyle, out: &mut Out) {
        match style {
            IntervalStyle::Postgres => self.push_postgres(out),
            IntervalStyle::Verbose => self.push_verbose(out),
            IntervalStyle::Standard => self.push_standard(out),
            IntervalStyle::Iso => self.push_iso(out),
        }
    }

    fn clock(self) -> Clock {
        let size = self.micros.unsigned_abs();
        let seconds = size / SECOND as u64;
        Clock {
            hours: seconds / 3600,
            minutes: (seconds / 60 % 60) as u32,
            seconds: (seconds % 60) as u32,
            fraction: (size % SECOND as u64) as u32,
        }
    }

    fn push_postgres(self, out: &mut Out) {
        let start = out.len();
        let mut after_negative = false;
        let parts = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        for (value, unit) in parts.into_iter().filter(|part| part.0 != 0) {
            if out.len() > start {
                out.push(b' ');
            }
            if after_negative && value > 0 {
                out.push(b'+');
            }
            push_integer(value, out);
            out.push(b' ');
            push_unit(unit, value != 1, out);
            after_negative = value < 0;
        }
        if self.micros == 0 && out.len() > start {
            return;
        }
        if out.len() > start {
            out.push(b' ');
        }
        if self.micros < 0 {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        let clock = self.clock();
        if clock.hours < 100 {
            push_pair(clock.hours as u32, out);
        } else {
            push_integer(clock.hours, out);
        }
        clock.push_rest(out);
    }

    /// `@ 1 year -2 days ago`: the first part's sign is told by the last word.
    fn push_verbose(self, out: &mut Out) {
        let start = out.len();
        out.push(b'@');
        let clock = self.clock();
        let sign = self.micros.signum();
        let dates = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        let dates = dates.map(|(value, unit)| (i64::from(value), unit));
        let times = [(sign * clock.hours as i64, "hour"), (sign * i64::from(clock.minutes), "min")];
        let mut ago = None;
        for (value, unit) in dates.into_iter().chain(times).filter(|part| part.0 != 0) {
            let value = if *ago.get_or_insert(value < 0) { -value } else { value };
            out.push(b' ');
            push_integer(value, out);
            out.push(b' ');
            push_unit(unit, value != 1, out);
        }
        if clock.has_seconds() {
            let before = *ago.get_or_insert(sign < 0);
            out.push(b' ');
            if before != (sign < 0) {
                out.push(b'-');
            }
            clock.push_seconds(out);
            out.push(b' ');
            push_unit("sec", clock.seconds != 1 || clock.fraction != 0, out);
        }
        if out.len() == start + 1 {
            out.extend_from_slice(b" 0");
        }
        if ago == Some(true) {
            out.extend_from_slice(b" ago");
        }
    }

    /// SQL's own where it has one for the value: one sign, years and months or days and times.
    fn push_standard(self, out: &mut Out) {
        let Self { months, days, micros } = self;
        let is_mixed = (months < 0 || days < 0 || micros < 0) && (months > 0 || days > 0 || micros > 0);
        let clock = self.clock();
        if (months, days, micros) == (0, 0, 0) {
            out.push(b'0');
        } else if is_mixed || (months != 0 && (days != 0 || micros != 0)) {
            out.push(sign_of(i64::from(months)));
            push_years_months(months, out);
            out.extend_from_slice(&[b' ', sign_of(i64::from(days))]);
            push_integer(days.unsigned_abs(), out);
            out.extend_from_slice(&[b' ', sign_of(micros)]);
            push_integer(clock.hours, out);
            clock.push_rest(out);
        } else {
            if months < 0 || days < 0 || micros < 0 {
                out.push(b'-');
            }
            if months != 0 {
                return push_years_months(months, out);
            }
            if days != 0 {
                push_integer(days.unsigned_abs(), out);
                out.push(b' ');
            }
            push_integer(clock.hours, out);
            clock.push_rest(out);
        }
    }

    /// ISO 8601 with designators.
    fn push_iso(self, out: &mut Out) {
        if (self.months, self.days, self.micros) == (0, 0, 0) {
            return out.extend_from_slice(b"PT0S");
        }
        out.push(b'P');
        let dates = [(self.months / 12, b'Y'), (self.months % 12, b'M'), (self.days, b'D')];
        dates.into_iter().for_each(|(value, unit)| push_designated(i64::from(value), unit, out));
        if self.micros == 0 {
            return;
        }
        out.push(b'T');
        let (clock, sign) = (self.clock(), self.micros.signum());
        push_designated(sign * clock.hours as i64, b'H', out);
        push_designated(sign * i64::from(clock.minutes), b'M', out);
        if clock.has_seconds() {
            if sign < 0 {
                out.push(b'-');
            }
            clock.push_seconds(out);
            out.push(b'S');
        }
    }
}

impl Clock {
    fn has_seconds(&self) -> bool {
        self.seconds != 0 || self.fraction != 0
    }

    /// Minutes and seconds after the hours.
    fn push_rest(&self, out: &mut Out) {
        out.push(b':');
        push_pair(self.minutes, out);
        out.push(b':');
        push_pair(self.seconds, out);
        push_fraction(self.fraction, out);
    }

    fn push_seconds(&self, out: &mut Out) {
        push_integer(self.seconds, out);
        push_fraction(self.fraction, out);
    }
}

fn push_unit(unit: &str, is_plural: bool, out: &mut Out) {
    out.extend_from_slice(unit.as_bytes());
    if is_plural {
        out.push(b's');
    }
}

fn push_designated(value: i64, unit: u8, out: &mut Out) {
    if value != 0 {
        push_integer(value, out);
        out.push(unit);
    }
}

fn push_years_months(months: i32, out: &mut Out) {
    push_integer(months.unsigned_abs() / 12, out);
    out.push(b'-');
    push_integer(months.unsigned_abs() % 12, out);
}

fn sign_of(value: i64) -> u8 {
    if value < 0 { b'-' } else { b'+' }
}
