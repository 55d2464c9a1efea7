//! interval as PostgreSQL prints it with IntervalStyle postgres (`EncodeInterval`).

use super::cells::{Out, push_integer, push_pair};
use super::datetime::{SECOND, push_fraction};

/// Months, days and microseconds, each with its own sign.
#[derive(Clone, Copy)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

impl Interval {
    /// int64 microseconds, int32 days, int32 months.
    pub fn push_binary(self, out: &mut Out) {
        out.extend_from_slice(&self.micros.to_be_bytes());
        out.extend_from_slice(&self.days.to_be_bytes());
        out.extend_from_slice(&self.months.to_be_bytes());
    }

    pub fn push_text(self, out: &mut Out) {
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
            out.extend_from_slice(unit.as_bytes());
            if value != 1 {
                out.push(b's');
            }
            after_negative = value < 0;
        }
        if self.micros != 0 || out.len() == start {
            self.push_time(out.len() > start, after_negative, out);
        }
    }

    fn push_time(self, follows: bool, after_negative: bool, out: &mut Out) {
        if follows {
            out.push(b' ');
        }
        if self.micros < 0 {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        let size = self.micros.unsigned_abs();
        let (seconds, fraction) = (size / SECOND as u64, (size % SECOND as u64) as u32);
        let hours = seconds / 3600;
        if hours < 100 {
            push_pair(hours as u32, out)
        } else {
            push_integer(hours, out)
        }
        out.push(b':');
        push_pair((seconds / 60 % 60) as u32, out);
        out.push(b':');
        push_pair((seconds % 60) as u32, out);
        push_fraction(fraction, out);
    }
}
