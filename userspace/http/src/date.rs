//! Dates (RFC 9110, 5.6.7).

use std::time::{SystemTime, UNIX_EPOCH};
use types::Civil;

/// The length of a date in bytes.
pub const DATE_BYTES: usize = 29;

/// `Sun, 06 Nov 1994 08:49:37 GMT`. It changes once a second: callers keep it that long. Times before 1970 are shown
/// as its beginning, those after the year 9999 as its end.
#[must_use]
pub fn format(time: SystemTime) -> [u8; DATE_BYTES] {
    const LAST: u64 = 253_402_300_799;
    const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .min(LAST);
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::since_1970(seconds);
    let mut text = *b"___, __ ___ ____ __:__:__ GMT";
    text[0..3].copy_from_slice(WEEKDAYS[(seconds / 86_400 % 7) as usize]);
    put_two(&mut text, 5, day);
    text[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    put_two(&mut text, 12, year / 100);
    put_two(&mut text, 14, year % 100);
    put_two(&mut text, 17, hour);
    put_two(&mut text, 20, minute);
    put_two(&mut text, 23, second);
    text
}

fn put_two(text: &mut [u8; DATE_BYTES], at: usize, value: u64) {
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}
