//! `@geoLookup`: where an address is, by a MaxMind database.

use std::net::IpAddr;
use std::sync::Arc;

use maxminddb::{Reader, geoip2};

/// A database in MaxMind's format, in memory.
#[derive(Clone)]
pub(crate) struct Places(Arc<Reader<Arc<[u8]>>>);

/// A file that is no database of places.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the file is not a MaxMind database: {0}")]
pub struct PlacesError(String);

impl Places {
    pub(crate) fn read(file: Arc<[u8]>) -> Result<Places, PlacesError> {
        let reader = Reader::from_source(file).map_err(|error| PlacesError(error.to_string()))?;
        Ok(Places(Arc::new(reader)))
    }

    /// The keys of `GEO` for an address, with their values; none where the database does not know it.
    pub(crate) fn find(&self, address: &[u8]) -> Vec<(&'static str, String)> {
        let text = std::str::from_utf8(address).unwrap_or_default();
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            return Vec::new();
        };
        let found = self.0.lookup(address).ok();
        // The database of countries has the same names, and fewer.
        let place = found.and_then(|found| found.decode::<geoip2::City<'_>>().ok().flatten());
        let Some(place) = place else {
            return Vec::new();
        };
        let text = |value: Option<&str>| value.map(str::to_owned);
        // With as many digits as in ModSecurity.
        let number = |value: Option<f64>| value.map(|value| format!("{value:.6}"));
        let keys = [
            ("COUNTRY_CODE", text(place.country.iso_code)),
            ("COUNTRY_NAME", text(place.country.names.english)),
            ("COUNTRY_CONTINENT", text(place.continent.names.english)),
            (
                "REGION",
                text(
                    place
                        .subdivisions
                        .first()
                        .and_then(|area| area.names.english),
                ),
            ),
            ("CITY", text(place.city.names.english)),
            ("POSTAL_CODE", text(place.postal.code)),
            ("LATITUDE", number(place.location.latitude)),
            ("LONGITUDE", number(place.location.longitude)),
            (
                "DMA_CODE",
                place.location.metro_code.map(|code| code.to_string()),
            ),
        ];
        keys.into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Places")
            .field(&self.0.metadata().database_type)
            .finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let size = match text.len() {
            short @ 0..29 => vec![0x40 | short as u8],
            long => vec![0x40 | 29, (long - 29) as u8],
        };
        [size, text.as_bytes().to_vec()].concat()
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0xE0 | pairs.len() as u8];
        for (key, value) in pairs {
            bytes.extend(text(key));
            bytes.extend_from_slice(value);
        }
        bytes
    }

    fn double(number: f64) -> Vec<u8> {
        [&[0x68][..], &number.to_be_bytes()].concat()
    }

    fn short(number: u16) -> Vec<u8> {
        [&[0xA2][..], &number.to_be_bytes()].concat()
    }

    fn array(items: &[Vec<u8>]) -> Vec<u8> {
        [vec![items.len() as u8, 4], items.concat()].concat()
    }

    /// A database that knows 192.0.2.0/24.
    pub(crate) fn database() -> Vec<u8> {
        const NODES: u32 = 24;
        let network = u32::from_be_bytes([192, 0, 2, 0]);
        let mut file = Vec::new();
        for bit in 0..NODES {
            let inside = if bit + 1 == NODES {
                NODES + 16
            } else {
                bit + 1
            };
            let is_set = network & (1 << (31 - bit)) != 0;
            let sides = if is_set {
                [NODES, inside]
            } else {
                [inside, NODES]
            };
            for side in sides {
                file.extend_from_slice(&side.to_be_bytes()[1..]);
            }
        }
        file.extend_from_slice(&[0; 16]);
        let english = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
        file.extend(map(&[
            ("city", english("Recife")),
            ("continent", english("South America")),
            (
                "country",
                map(&[
                    ("iso_code", text("BR")),
                    ("names", map(&[("en", text("Brazil"))])),
                ]),
            ),
            (
                "location",
                map(&[
                    ("latitude", double(-8.05)),
                    ("longitude", double(-34.9)),
                    ("metro_code", short(803)),
                ]),
            ),
            ("postal", map(&[("code", text("50040090"))])),
            ("subdivisions", array(&[english("Pernambuco")])),
        ]));
        file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        file.extend(map(&[
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![1, 2, 7]),
            ("database_type", text("Test-City")),
            ("description", map(&[])),
            ("ip_version", short(4)),
            ("languages", array(&[])),
            ("node_count", vec![0xC1, NODES as u8]),
            ("record_size", short(24)),
        ]));
        file
    }

    #[test]
    fn a_place_has_the_keys_of_modsecurity() {
        let places = Places::read(database().into()).unwrap();
        let found = places.find(b"192.0.2.77");
        let found: Vec<_> = found
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            found,
            [
                "COUNTRY_CODE=BR",
                "COUNTRY_NAME=Brazil",
                "COUNTRY_CONTINENT=South America",
                "REGION=Pernambuco",
                "CITY=Recife",
                "POSTAL_CODE=50040090",
                "LATITUDE=-8.050000",
                "LONGITUDE=-34.900000",
                "DMA_CODE=803",
            ]
        );
        for unknown in ["192.0.3.1", "2001:db8::1", "example.com", ""] {
            assert!(places.find(unknown.as_bytes()).is_empty(), "{unknown}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        assert!(Places::read(b"nothing"[..].into()).is_err());
    }

    #[test]
    fn a_damaged_database_finds_nothing_or_is_refused() {
        let whole = database();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            if let Ok(places) = Places::read(damaged.into()) {
                // Anything but a panic.
                drop(places.find(b"192.0.2.1"));
            }
        }
    }
}
