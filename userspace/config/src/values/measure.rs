//! Durations, sizes, rates and percentages: numbers with a unit.

use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Ranged, Setting};
use serde_json::{Value as Json, json};
use std::time::Duration;

const DURATION_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Why a number with a unit cannot be read.
enum Unreadable {
    NoNumber,
    NoUnit(u64),
    Fraction,
    UnknownUnit,
    TooLarge,
}

/// Reads `30s` or `8KiB`: whole number, unit, nothing else.
fn measure(text: &str, units: &[(&str, u64)]) -> Result<u64, Unreadable> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Unreadable::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| Unreadable::TooLarge)?;
    if unit.is_empty() {
        return Err(Unreadable::NoUnit(number));
    }
    if unit.starts_with(['.', ',']) {
        return Err(Unreadable::Fraction);
    }
    let (_, factor) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(Unreadable::UnknownUnit)?;
    number.checked_mul(*factor).ok_or(Unreadable::TooLarge)
}

/// Writes a number with the largest unit that divides it.
fn written(number: u64, units: &[(&str, u64)]) -> String {
    let whole = units
        .iter()
        .find(|(_, factor)| number > 0 && number.is_multiple_of(*factor));
    match whole.or(units.last()) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => number.to_string(),
    }
}

impl Setting for Duration {
    fn expects() -> String {
        "a duration: a whole number with the unit `ms`, `s`, `m`, `h` or `d`, such as `30s`"
            .to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            measure(text, DURATION_UNITS)
                .map(Self::from_millis)
                .map_err(|why| {
                    let remedy = match why {
                        Unreadable::NoUnit(0) => "write `0s`".to_owned(),
                        Unreadable::NoUnit(n) => {
                            format!("add the unit: `{n}s` for seconds, `{n}ms` for milliseconds")
                        }
                        Unreadable::Fraction => {
                            "use a smaller unit: `1500ms` instead of `1.5s`".to_owned()
                        }
                        Unreadable::NoNumber => "begin with the number".to_owned(),
                        Unreadable::UnknownUnit => {
                            "use one unit: `90s` instead of `1m30s`".to_owned()
                        }
                        Unreadable::TooLarge => "use a smaller number".to_owned(),
                    };
                    Bad::new(format!("`{}` is not a duration", shortened(text)), remedy)
                })
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }

    fn json(&self) -> Json {
        written(
            u64::try_from(self.as_millis()).unwrap_or(u64::MAX),
            DURATION_UNITS,
        )
        .into()
    }
}

impl Ranged for Duration {
    type Bound = Self;

    fn bounded(&self) -> Option<&Self> {
        Some(self)
    }
}

/// A number of bytes: `8KiB`, `1MiB`, or plain bytes `8192`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// So many times 1024 bytes.
    #[must_use]
    pub const fn kib(number: u64) -> Self {
        Self(number << 10)
    }

    /// So many times 1024 × 1024 bytes.
    #[must_use]
    pub const fn mib(number: u64) -> Self {
        Self(number << 20)
    }

    /// The bytes as a length in memory.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

fn size(text: &str, noun: &str) -> Result<u64, Bad> {
    measure(text, SIZE_UNITS).or_else(|why| match why {
        Unreadable::NoUnit(number) => Ok(number),
        why => {
            let remedy = match why {
                Unreadable::Fraction => "use a smaller unit: `1536KiB` instead of `1.5MiB`",
                Unreadable::UnknownUnit => {
                    "write `B`, `KiB`, `MiB` or `GiB` (1 KiB is 1024 bytes) right after the number"
                }
                Unreadable::TooLarge => "use a smaller number",
                Unreadable::NoNumber | Unreadable::NoUnit(_) => "begin with the number",
            };
            Err(Bad::new(
                format!("`{}` is not a {noun}", shortened(text)),
                remedy,
            ))
        }
    })
}

impl Setting for Size {
    fn expects() -> String {
        "a size: a whole number with the unit `B`, `KiB`, `MiB` or `GiB`, such as `8KiB`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| size(text, "size").map(Self))
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "anyOf": [{ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$" }, { "type": "integer", "minimum": 0 }] })
    }

    fn json(&self) -> Json {
        written(self.0, SIZE_UNITS).into()
    }
}

impl Ranged for Size {
    type Bound = Self;

    fn bounded(&self) -> Option<&Self> {
        Some(self)
    }
}

/// A number of bytes a second: `1KiB/s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// Bytes a second.
    pub bytes_per_second: u64,
}

impl Rate {
    /// So many bytes a second.
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second }
    }
}

impl Setting for Rate {
    fn expects() -> String {
        "a rate: a size for each second, such as `1KiB/s`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| match text.strip_suffix("/s") {
            Some(amount) => size(amount, "rate").map(Self::new),
            None => Err(Bad::new(
                format!("`{}` is not a rate", shortened(text)),
                "end with `/s`, for each second",
            )),
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?/s$" })
    }

    fn json(&self) -> Json {
        format!("{}/s", written(self.bytes_per_second, SIZE_UNITS)).into()
    }
}

impl Ranged for Rate {
    type Bound = Self;

    fn bounded(&self) -> Option<&Self> {
        Some(self)
    }
}

/// A share, in hundredths of a percent: `10%`, `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent {
    /// Hundredths of a percent, 0 to 10 000.
    pub hundredths: u16,
}

impl Percent {
    /// So many percent, at most 100.
    #[must_use]
    pub const fn new(percent: u8) -> Self {
        Self {
            hundredths: if percent > 100 {
                10_000
            } else {
                percent as u16 * 100
            },
        }
    }

    /// The share in whole percent, rounded up, 0 to 100.
    #[must_use]
    pub const fn rounded_up(self) -> u8 {
        self.hundredths.div_ceil(100) as u8
    }

    /// The share as a fraction, 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.hundredths) / 10_000.0
    }

    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 {
            return None;
        }
        let part: u32 = format!("{part:0<2}").parse().ok()?;
        let hundredths = whole
            .parse::<u32>()
            .ok()?
            .checked_mul(100)?
            .checked_add(part)?;
        let hundredths = u16::try_from(hundredths).ok().filter(|h| *h <= 10_000)?;
        Some(Self { hundredths })
    }
}

impl Setting for Percent {
    fn expects() -> String {
        "a percentage from `0%` to `100%`, with at most two decimals, such as `10%` or `0.5%`"
            .to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let bad = || {
                let remedy = if text.ends_with('%') {
                    ""
                } else {
                    "end with `%`"
                };
                Bad::new(format!("`{}` is not a percentage", shortened(text)), remedy)
            };
            Self::parse(text).ok_or_else(bad)
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^(100|[0-9]{1,2})([.][0-9]{1,2})?%$" })
    }

    fn json(&self) -> Json {
        let (whole, part) = (self.hundredths / 100, self.hundredths % 100);
        match part {
            0 => format!("{whole}%"),
            part if part % 10 == 0 => format!("{whole}.{}%", part / 10),
            part => format!("{whole}.{part:02}%"),
        }
        .into()
    }
}

impl Ranged for Percent {
    type Bound = Self;

    fn bounded(&self) -> Option<&Self> {
        Some(self)
    }
}
