//! A record in ModSecurity's native format: parts between boundaries, all in one file.

use std::fmt::Write;

use seclang::ast::AuditLogParts;

use super::AuditRecord;

impl AuditRecord {
    /// The record in the native format. Parts that were not asked for, or have nothing to say, are left out; A and Z always stand.
    #[must_use]
    pub fn to_native(&self) -> String {
        let boundary = self.boundary();
        let mut out = String::new();
        for letter in AuditLogParts::LETTERS.chars() {
            let content = self.native_part(letter);
            if content.is_empty() && letter != 'Z' {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "--{boundary}-{letter}--\n{content}\n");
        }
        out
    }

    /// Eight hexadecimal digits that tell this record from its neighbours.
    fn boundary(&self) -> String {
        // FNV-1a: it need not be kept secret, only differ.
        let id = self.transaction.unique_id.bytes();
        let hash = id.fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        format!("{hash:08x}")
    }

    fn native_part(&self, letter: char) -> String {
        let transaction = &self.transaction;
        let (request, response) = (&transaction.request, &transaction.response);
        let body = |body: &Option<String>| body.clone().map(|text| text + "\n");
        match letter {
            'A' => format!(
                "[{}] {} {} {} {} {}\n",
                self.native_time,
                transaction.unique_id,
                transaction.client_ip,
                transaction.client_port,
                transaction.host_ip,
                transaction.host_port,
            ),
            'B' if self.parts.contains('B') => {
                let line = format!(
                    "{} {} HTTP/{}\n",
                    request.method, request.uri, request.http_version
                );
                line + &fields(&request.headers)
            }
            'C' | 'I' if self.body_part == letter => body(&request.body).unwrap_or_default(),
            'E' => body(&response.body).unwrap_or_default(),
            'F' if self.parts.contains('F') => {
                let line = format!("HTTP/1.1 {}\n", response.http_code);
                line + &fields(&response.headers)
            }
            'H' if self.parts.contains('H') => self.trailer(),
            'J' => {
                let files = self
                    .files
                    .iter()
                    .map(|file| format!("{} {} {}\n", file.size, file.field, file.name));
                files.collect()
            }
            'K' if self.parts.contains('K') => {
                let rules = transaction.messages.iter().map(|message| {
                    let details = &message.details;
                    format!(
                        "{}:{} id {}\n",
                        details.file, details.line_number, details.rule_id
                    )
                });
                rules.collect()
            }
            _ => String::new(),
        }
    }

    fn trailer(&self) -> String {
        let transaction = &self.transaction;
        let mut out = String::new();
        for message in &transaction.messages {
            let _ = writeln!(out, "Message: {}", message.as_line());
        }
        let outcome = &transaction.outcome;
        let _ = writeln!(
            out,
            "Action: {} (status {}, score {})",
            outcome.verdict,
            outcome.status,
            outcome.score.unwrap_or_default()
        );
        let producer = &transaction.producer;
        let _ = writeln!(
            out,
            "Producer: {}; {}.",
            producer.modsecurity,
            producer.components.join("; ")
        );
        let _ = writeln!(out, "Server: {}", producer.connector);
        let _ = writeln!(out, "Engine-Mode: \"{}\"", producer.secrules_engine);
        out
    }
}

fn fields(fields: &[(String, String)]) -> String {
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    lines.collect()
}
