//! The moving average of an endpoint's latency that reacts to peaks at once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a failure counts as at least, so that an endpoint which fails quickly does not look quick.
const FAILURE_FLOOR: f64 = 100e6;
/// What a failure counts as at most, in nanoseconds.
const FAILURE_CEILING: f64 = 60e9;

/// A peak-sensitive, exponentially weighted moving average, in nanoseconds. Workers write it without a lock: when two
/// answers arrive in the same moment, one of them may be lost, which an average bears.
#[derive(Debug, Default)]
pub(crate) struct Ewma {
    /// The bits of an `f64`; 0 before the first answer.
    average: AtomicU64,
    /// When it was last written, in the upstream's ticks.
    written: AtomicU64,
}

impl Ewma {
    /// The average, faded by the time since the last answer.
    pub(crate) fn read(&self, now: u64, decay: f64) -> f64 {
        f64::from_bits(self.average.load(Relaxed)) * self.weight(now, decay)
    }

    /// Takes in the latency of an answer.
    pub(crate) fn observe(&self, latency: Duration, now: u64, decay: f64) {
        let latency = latency.as_nanos() as f64;
        let average = f64::from_bits(self.average.load(Relaxed));
        let weight = self.weight(now, decay);
        self.write(
            now,
            if latency > average {
                latency
            } else {
                average * weight + latency * (1.0 - weight)
            },
        );
    }

    /// Takes in a failure: it counts as twice the average, and at least as the time that it took.
    pub(crate) fn observe_failure(&self, latency: Duration, now: u64, decay: f64) {
        let latency = latency.as_nanos() as f64;
        let average = self.read(now, decay);
        self.write(
            now,
            latency
                .max(2.0 * average)
                .clamp(FAILURE_FLOOR, FAILURE_CEILING),
        );
    }

    fn write(&self, now: u64, average: f64) {
        self.average.store(average.to_bits(), Relaxed);
        self.written.store(now, Relaxed);
    }

    fn weight(&self, now: u64, decay: f64) -> f64 {
        let elapsed = now.saturating_sub(self.written.load(Relaxed));
        (-(elapsed as f64) / decay).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const DECAY: f64 = 10e9;

    fn millis(ewma: &Ewma, now: u64) -> f64 {
        (ewma.read(now, DECAY) / 1e4).round() / 100.0
    }

    #[test]
    fn takes_peaks_at_once_and_forgets_them_slowly() {
        let ewma = Ewma::default();
        assert_eq!(millis(&ewma, 5), 0.0);
        ewma.observe(Duration::from_millis(10), SECOND, DECAY);
        assert_eq!(millis(&ewma, SECOND), 10.0);
        ewma.observe(Duration::from_millis(200), 2 * SECOND, DECAY);
        assert_eq!(millis(&ewma, 2 * SECOND), 200.0);
        ewma.observe(Duration::from_millis(10), 12 * SECOND, DECAY);
        assert_eq!(millis(&ewma, 12 * SECOND), 79.9, "200/e + 10 (1 - 1/e)");
        assert_eq!(
            millis(&ewma, 22 * SECOND),
            29.39,
            "and without answers it fades"
        );
    }

    #[test]
    fn a_quick_failure_does_not_look_quick() {
        let ewma = Ewma::default();
        ewma.observe_failure(Duration::from_micros(50), SECOND, DECAY);
        assert_eq!(millis(&ewma, SECOND), 100.0);
        ewma.observe_failure(Duration::from_micros(50), SECOND, DECAY);
        assert_eq!(millis(&ewma, SECOND), 200.0);
        for _ in 0..20 {
            ewma.observe_failure(Duration::from_micros(50), SECOND, DECAY);
        }
        assert_eq!(millis(&ewma, SECOND), 60_000.0, "with a ceiling");
    }
}
