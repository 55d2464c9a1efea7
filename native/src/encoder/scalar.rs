//! Columns of numbers, booleans, dates, times and intervals.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::cells::{Cells, Out, Refusal, push_integer};
use super::datetime::{Date, Moment, SECOND};
use super::float::{push_float4, push_float8, push_rounded};
use super::interval::Interval;
use super::numeric::{Decimal, Display};
use super::style::{DateStyle, IntervalStyle};
use super::timezone::Transitions;

type Written = Result<(), Refusal>;
type Boxed = Box<dyn Cells>;

/// A column's values, and the function that writes one.
struct Values<V, F> {
    values: V,
    write: F,
}

impl<T, F> Cells for Values<ScalarBuffer<T>, F>
where
    T: arrow_buffer::ArrowNativeType,
    F: Fn(T, &mut Out) -> Written + Send + Sync,
{
    #[inline]
    fn write(&self, row: usize, out: &mut Out) -> Written {
        (self.write)(self.values[row], out)
    }
}

fn values<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut Out) -> Written + Send + Sync + 'static,
) -> Option<Boxed> {
    Some(Box::new(Values { values: array.as_primitive::<T>().values().clone(), write }))
}

/// As `Values`, for a binary format of N bytes.
struct Fixed<V, F> {
    values: V,
    bytes: F,
}

impl<T, F, const N: usize> Cells for Fixed<ScalarBuffer<T>, F>
where
    T: arrow_buffer::ArrowNativeType,
    F: Fn(T) -> Result<[u8; N], Refusal> + Send + Sync,
{
    fn write(&self, row: usize, out: &mut Out) -> Written {
        out.extend_from_slice(&(self.bytes)(self.values[row])?);
        Ok(())
    }

    #[inline]
    fn write_measured(&self, row: usize, out: &mut Out) -> Written {
        let bytes = (self.bytes)(self.values[row])?;
        out.reserve(4 + N);
        out.extend_from_slice(&(N as u32).to_be_bytes());
        out.extend_from_slice(&bytes);
        Ok(())
    }
}

fn fixed<T: ArrowPrimitiveType, const N: usize>(
    array: &ArrayRef,
    bytes: impl Fn(T::Native) -> Result<[u8; N], Refusal> + Send + Sync + 'static,
) -> Option<Boxed> {
    Some(Box::new(Fixed { values: array.as_primitive::<T>().values().clone(), bytes }))
}

struct Truth {
    values: BooleanArray,
    /// What false and true are.
    written: [u8; 2],
}

impl Cells for Truth {
    #[inline]
    fn write(&self, row: usize, out: &mut Out) -> Written {
        out.push(self.written[usize::from(self.values.value(row))]);
        Ok(())
    }
}

pub fn boolean(array: &ArrayRef, binary: bool) -> Option<Boxed> {
    let written = if binary { [0, 1] } else { *b"ft" };
    Some(Box::new(Truth { values: array.as_boolean_opt()?.clone(), written }))
}

/// An integer type of PostgreSQL, of N bytes.
pub trait Integer<const N: usize>: Copy + Send + Sync + itoa::Integer + 'static {
    const NAME: &str;
    fn bytes(self) -> [u8; N];
}

macro_rules! integer {
    ($($native:ty, $size:literal: $name:literal;)*) => {$(
        impl Integer<$size> for $native {
            const NAME: &str = $name;
            #[inline]
            fn bytes(self) -> [u8; $size] {
                self.to_be_bytes()
            }
        }
    )*};
}
integer! { i16, 2: "smallint"; i32, 4: "integer"; i64, 8: "bigint"; u32, 4: "OID"; }

/// int2, int4, int8 and oid from integers of any width, if the value fits.
pub fn integer<I, const N: usize>(array: &ArrayRef, binary: bool) -> Option<Boxed>
where
    I: Integer<N> + TryFrom<i8> + TryFrom<i16> + TryFrom<i32> + TryFrom<i64>,
    I: TryFrom<u8> + TryFrom<u16> + TryFrom<u32> + TryFrom<u64>,
{
    match array.data_type() {
        DataType::Int8 => narrowed::<Int8Type, I, N>(array, binary),
        DataType::Int16 => narrowed::<Int16Type, I, N>(array, binary),
        DataType::Int32 => narrowed::<Int32Type, I, N>(array, binary),
        DataType::Int64 => narrowed::<Int64Type, I, N>(array, binary),
        DataType::UInt8 => narrowed::<UInt8Type, I, N>(array, binary),
        DataType::UInt16 => narrowed::<UInt16Type, I, N>(array, binary),
        DataType::UInt32 => narrowed::<UInt32Type, I, N>(array, binary),
        DataType::UInt64 => narrowed::<UInt64Type, I, N>(array, binary),
        _ => None,
    }
}

fn narrowed<T, I, const N: usize>(array: &ArrayRef, binary: bool) -> Option<Boxed>
where
    T: ArrowPrimitiveType,
    I: Integer<N> + TryFrom<T::Native>,
{
    let narrow = |value| I::try_from(value).map_err(|_| Refusal::out_of_range(I::NAME));
    if binary {
        return fixed::<T, N>(array, move |value| narrow(value).map(Integer::bytes));
    }
    values::<T>(array, move |value, out| narrow(value).map(|value| push_integer(value, out)))
}

/// float4 or float8, from either. `extra` is extra_float_digits.
pub fn float(array: &ArrayRef, is_double: bool, extra: i32, binary: bool) -> Option<Boxed> {
    match array.data_type() {
        DataType::Float32 => floats::<Float32Type>(array, is_double, extra, binary),
        DataType::Float64 => floats::<Float64Type>(array, is_double, extra, binary),
        _ => None,
    }
}

fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(
    array: &ArrayRef,
    is_double: bool,
    extra: i32,
    binary: bool,
) -> Option<Boxed> {
    if extra < 1 && !binary {
        let certain = if is_double { f64::DIGITS } else { f32::DIGITS } as i32;
        return values::<T>(array, move |value, out| {
            push_rounded(value.into(), certain, extra, out);
            Ok(())
        });
    }
    match (is_double, binary) {
        (true, true) => fixed::<T, 8>(array, |value| Ok(value.into().to_be_bytes())),
        (false, true) => fixed::<T, 4>(array, |value| Ok((value.into() as f32).to_be_bytes())),
        (true, false) => values::<T>(array, |value, out| {
            push_float8(value.into(), out);
            Ok(())
        }),
        (false, false) => values::<T>(array, |value, out| {
            push_float4(value.into() as f32, out);
            Ok(())
        }),
    }
}

/// numeric from any number.
pub fn numeric(array: &ArrayRef, display: Display) -> Option<Boxed> {
    match array.data_type() {
        DataType::Int8 => scaled::<Int8Type>(array, display, 0),
        DataType::Int16 => scaled::<Int16Type>(array, display, 0),
        DataType::Int32 => scaled::<Int32Type>(array, display, 0),
        DataType::Int64 => scaled::<Int64Type>(array, display, 0),
        DataType::UInt8 => scaled::<UInt8Type>(array, display, 0),
        DataType::UInt16 => scaled::<UInt16Type>(array, display, 0),
        DataType::UInt32 => scaled::<UInt32Type>(array, display, 0),
        DataType::UInt64 => scaled::<UInt64Type>(array, display, 0),
        DataType::Float32 => values::<Float32Type>(array, move |value, out| {
            display.push_f32(value, out);
            Ok(())
        }),
        DataType::Float64 => values::<Float64Type>(array, move |value, out| {
            display.push_f64(value, out);
            Ok(())
        }),
        DataType::Decimal32(_, scale) => scaled::<Decimal32Type>(array, display, *scale),
        DataType::Decimal64(_, scale) => scaled::<Decimal64Type>(array, display, *scale),
        DataType::Decimal128(_, scale) => scaled::<Decimal128Type>(array, display, *scale),
        DataType::Decimal256(_, scale) => {
            let scale = i32::from(*scale);
            values::<Decimal256Type>(array, move |value, out| {
                display.push(Decimal::from_i256(value, scale), out);
                Ok(())
            })
        }
        _ => None,
    }
}

fn scaled<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef, display: Display, scale: i8) -> Option<Boxed> {
    let scale = i32::from(scale);
    values::<T>(array, move |value, out| {
        display.push_i128(value.into(), scale, out);
        Ok(())
    })
}

pub fn date(array: &ArrayRef, style: DateStyle, binary: bool) -> Option<Boxed> {
    match array.data_type() {
        DataType::Date32 => dates::<Date32Type>(array, style, binary, Ok),
        DataType::Date64 => dates::<Date64Type>(array, style, binary, |millis| {
            i32::try_from(millis.div_euclid(86_400_000)).map_err(|_| Refusal::new("22008", "date out of range"))
        }),
        _ => None,
    }
}

fn dates<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    style: DateStyle,
    binary: bool,
    days: fn(T::Native) -> Result<i32, Refusal>,
) -> Option<Boxed> {
    let date = move |value| days(value).and_then(Date::from_days);
    if binary {
        return fixed::<T, 4>(array, move |value| date(value).map(Date::bytes));
    }
    values::<T>(array, move |value, out| date(value).map(|date| date.push_text(style, out)))
}

/// timestamp, or timestamptz where its time zone's table is given.
pub fn timestamp(array: &ArrayRef, zone: Option<Arc<Transitions>>, style: DateStyle, binary: bool) -> Option<Boxed> {
    let DataType::Timestamp(unit, arrow_zone) = array.data_type() else { return None };
    if arrow_zone.is_some() != zone.is_some() {
        return None;
    }
    match unit {
        TimeUnit::Second => moments::<TimestampSecondType>(array, zone, style, binary),
        TimeUnit::Millisecond => moments::<TimestampMillisecondType>(array, zone, style, binary),
        TimeUnit::Microsecond => moments::<TimestampMicrosecondType>(array, zone, style, binary),
        TimeUnit::Nanosecond => moments::<TimestampNanosecondType>(array, zone, style, binary),
    }
}

fn moments<T: ArrowPrimitiveType<Native = i64> + Unit>(
    array: &ArrayRef,
    zone: Option<Arc<Transitions>>,
    style: DateStyle,
    binary: bool,
) -> Option<Boxed> {
    let moment = |value| Moment::from_micros(T::micros(value).ok_or(Refusal::new("22008", "timestamp out of range"))?);
    if binary {
        return fixed::<T, 8>(array, move |value| moment(value).map(Moment::bytes));
    }
    values::<T>(array, move |value, out| moment(value).map(|moment| moment.push_text(zone.as_deref(), style, out)))
}

/// A column's unit of time.
trait Unit {
    fn micros(value: i64) -> Option<i64>;
}

macro_rules! unit {
    ($($timestamp:ty, $duration:ty: $micros:expr;)*) => {$(
        impl Unit for $timestamp {
            #[inline]
            fn micros(value: i64) -> Option<i64> { $micros(value) }
        }
        impl Unit for $duration {
            #[inline]
            fn micros(value: i64) -> Option<i64> { $micros(value) }
        }
    )*};
}
unit! {
    TimestampSecondType, DurationSecondType: |value: i64| value.checked_mul(SECOND);
    TimestampMillisecondType, DurationMillisecondType: |value: i64| value.checked_mul(1000);
    TimestampMicrosecondType, DurationMicrosecondType: Some;
    TimestampNanosecondType, DurationNanosecondType: |value: i64| Some(value.div_euclid(1000));
}

pub fn interval(array: &ArrayRef, style: IntervalStyle, binary: bool) -> Option<Boxed> {
    let push = move |interval: Interval, out: &mut Out| {
        if binary { interval.push_binary(out) } else { interval.push_text(style, out) }
    };
    match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            values::<IntervalMonthDayNanoType>(array, move |value, out| {
                push(Interval { months: value.months, days: value.days, micros: value.nanoseconds / 1000 }, out);
                Ok(())
            })
        }
        DataType::Interval(IntervalUnit::YearMonth) => values::<IntervalYearMonthType>(array, move |months, out| {
            push(Interval { months, days: 0, micros: 0 }, out);
            Ok(())
        }),
        DataType::Interval(IntervalUnit::DayTime) => values::<IntervalDayTimeType>(array, move |value, out| {
            push(Interval { months: 0, days: value.days, micros: i64::from(value.milliseconds) * 1000 }, out);
            Ok(())
        }),
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => durations::<DurationSecondType>(array, push),
            TimeUnit::Millisecond => durations::<DurationMillisecondType>(array, push),
            TimeUnit::Microsecond => durations::<DurationMicrosecondType>(array, push),
            TimeUnit::Nanosecond => durations::<DurationNanosecondType>(array, push),
        },
        _ => None,
    }
}

fn durations<T>(array: &ArrayRef, push: impl Fn(Interval, &mut Out) + Send + Sync + 'static) -> Option<Boxed>
where
    T: ArrowPrimitiveType<Native = i64> + Unit,
{
    values::<T>(array, move |value, out| {
        let micros = T::micros(value).ok_or(Refusal::new("22008", "interval out of range"))?;
        push(Interval { months: 0, days: 0, micros }, out);
        Ok(())
    })
}
