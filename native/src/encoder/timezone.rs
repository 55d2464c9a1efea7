//! The session's TimeZone, as a table of its offsets.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone as Zone;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// 400 Gregorian years, after which the calendar repeats.
const CYCLE: i64 = 146_097 * 86_400;
const DAY: i64 = 86_400;
/// 2437-01-01: by then 400 years of every zone's last rule are in the table.
const TABLE_END: i64 = 14_736_902_400;

/// When offsets from UTC begin, oldest first.
pub struct Transitions {
    starts: Vec<i64>,
    offsets: Vec<i32>,
    abbreviations: Vec<String>,
}

impl Transitions {
    fn new(zone: &Zone) -> Self {
        let first = zone.to_offset_info(Timestamp::MIN);
        let (mut starts, mut offsets) = (vec![i64::MIN], vec![first.offset().seconds()]);
        let mut abbreviations = vec![first.abbreviation().to_owned()];
        for transition in zone.following(Timestamp::MIN) {
            let start = transition.timestamp().as_second();
            if start >= TABLE_END {
                break;
            }
            starts.push(start);
            offsets.push(transition.offset().seconds());
            abbreviations.push(transition.abbreviation().to_owned());
        }
        Self { starts, offsets, abbreviations }
    }

    /// Seconds east of UTC at a second since 1970. Later years than the table's have the offsets of 400 years before.
    pub fn offset(&self, second: i64) -> i32 {
        self.offsets[self.place(second)]
    }

    /// What the zone is called at a second since 1970.
    pub fn abbreviation(&self, second: i64) -> &str {
        &self.abbreviations[self.place(second)]
    }

    fn place(&self, second: i64) -> usize {
        let late = second - TABLE_END;
        let second = if late >= 0 { TABLE_END - CYCLE + late % CYCLE } else { second };
        self.starts.partition_point(|&start| start <= second) - 1
    }

    /// The second since 1970 of a local time, by `DetermineTimeZoneOffset`: a time that a change skips is read by the
    /// offset before it, a time that comes twice by the offset after.
    fn utc(&self, local: i64) -> i64 {
        let before = local.saturating_sub(i64::from(self.offset(local.saturating_sub(DAY))));
        let after = local.saturating_sub(i64::from(self.offset(local.saturating_add(DAY))));
        let is_local = |utc: i64| utc.saturating_add(i64::from(self.offset(utc))) == local;
        if !is_local(after) { before } else { after }
    }
}

/// A session's time zone: an IANA name in any case, or a POSIX specification (`<+05>-05`).
///
/// Making one reads the zone's transitions (some 0.1 ms): keep it. Raises ValueError for a name that is none.
#[pyclass(frozen, module = "lakegate_native")]
pub struct TimeZone {
    #[pyo3(get)]
    name: String,
    pub transitions: Arc<Transitions>,
}

#[pymethods]
impl TimeZone {
    #[new]
    fn new(name: String) -> PyResult<Self> {
        let zone = Zone::get(&name).or_else(|_| Zone::posix(&without_colons(&name)));
        let zone = zone.map_err(|_| PyValueError::new_err(format!("time zone \"{name}\" not recognized")))?;
        let mut transitions = Transitions::new(&zone);
        if let Some((abbreviation, _)) = name.strip_prefix('<').and_then(|rest| rest.split_once('>'))
            && transitions.abbreviations.len() == 1
        {
            transitions.abbreviations = vec![abbreviation.to_owned()];
        }
        Ok(Self { name, transitions: Arc::new(transitions) })
    }

    /// The second since 1970 UTC of a local time, given as if it were UTC.
    fn to_utc(&self, local: i64) -> i64 {
        self.transitions.utc(local)
    }
}

/// PostgreSQL names an offset of its own `<-03:30>+03:30`; POSIX allows no colon inside the brackets.
fn without_colons(name: &str) -> String {
    match name.split_once('>') {
        Some((abbreviation, rest)) => format!("{}>{rest}", abbreviation.replace(':', "")),
        None => name.to_owned(),
    }
}
