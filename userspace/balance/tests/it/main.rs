//! What upstreams, probes, retries and pools do, seen from outside. Time is simulated.

mod concurrency;
mod distribution;
mod ejection;
mod health;
mod inheritance;
mod maglev;
mod pool;
mod properties;
mod retry;
mod world;
