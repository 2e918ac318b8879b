//! Where the audit records of a policy go, and in which form.

use super::writer::LineSink;
use waf::AuditRecord;

/// The form of audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFormat {
    /// One JSON object a line.
    Json,
    /// Parts between boundaries.
    Native,
}

/// Where audit records go.
#[derive(Clone)]
pub struct AuditTarget {
    /// The log.
    pub sink: LineSink,
    /// The form.
    pub format: AuditFormat,
}

impl AuditTarget {
    /// Hands a record over; never waits.
    pub(crate) fn write(&self, record: &AuditRecord) {
        let bytes = match self.format {
            AuditFormat::Native => record.to_native().into_bytes(),
            AuditFormat::Json => match serde_json::to_vec(record) {
                Ok(mut line) => {
                    line.push(b'\n');
                    line
                }
                // Everything in a record can be written as JSON.
                Err(_) => return,
            },
        };
        self.sink.submit_records(bytes, 1);
    }
}
