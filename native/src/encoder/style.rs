//! The session's styles of text: DateStyle, IntervalStyle, extra_float_digits.

/// How dates and moments are printed (`EncodeDateOnly`, `EncodeDateTime`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DateStyle {
    Iso,
    /// `day_first` is the order DMY, of any other the month comes first.
    Sql {
        day_first: bool,
    },
    Postgres {
        day_first: bool,
    },
    German,
}

/// How intervals are printed (`EncodeInterval`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IntervalStyle {
    Postgres,
    Verbose,
    Standard,
    Iso,
}

#[derive(Clone, Copy)]
pub struct Styles {
    pub date: DateStyle,
    pub interval: IntervalStyle,
    /// Above 0: the shortest digits that read back to the same value.
    pub extra_float_digits: i32,
}

impl Styles {
    /// What a session begins with, and what is printed inside JSON whatever the session says.
    pub const PLAIN: Self = Self { date: DateStyle::Iso, interval: IntervalStyle::Postgres, extra_float_digits: 1 };

    /// From PostgreSQL's spelling of the settings, in any case; None for one that is none.
    pub fn parse(date: &str, interval: &str, extra_float_digits: i32) -> Option<Self> {
        let date = date.to_ascii_lowercase();
        let (style, order) = date.split_once(',').unwrap_or((&date, "mdy"));
        let day_first = order.trim() == "dmy";
        let date = match style {
            "iso" => DateStyle::Iso,
            "sql" => DateStyle::Sql { day_first },
            "postgres" => DateStyle::Postgres { day_first },
            "german" => DateStyle::German,
            _ => return None,
        };
        let interval = match interval.to_ascii_lowercase().as_str() {
            "postgres" => IntervalStyle::Postgres,
            "postgres_verbose" => IntervalStyle::Verbose,
            "sql_standard" => IntervalStyle::Standard,
            "iso_8601" => IntervalStyle::Iso,
            _ => return None,
        };
        Some(Self { date, interval, extra_float_digits })
    }
}
