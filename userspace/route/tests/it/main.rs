//! What routing tables do, seen from outside.

mod conflicts;
mod errors;
mod golden;
mod hosts;
mod reference;
mod routes;
