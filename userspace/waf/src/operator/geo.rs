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
            ("country_code", text(place.country.iso_code)),
            ("country_name", text(place.country.names.english)),
            ("country_continent", text(place.continent.names.english)),
            (
                "region",
                text(
                    place
                        .subdivisions
                        .first()
                        .and_then(|area| area.names.english),
                ),
            ),
            ("city", text(place.city.names.english)),
            ("postal_code", text(place.postal.code)),
            ("latitude", number(place.location.latitude)),
            ("longitude", number(place.location.longitude)),
            (
                "dma_code",
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
