//! What is logged, and where to.

use crate::block::{block, optional_block, words};
use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Book, Setting};
use crate::values::{OutputFile, Percent};
use serde_json::{Value as Json, json};

words! {
    /// The least important messages that are logged.
    pub enum LogLevel {
        /// What needs somebody to act.
        Error = "error",
        /// What may soon need somebody to act.
        Warn = "warn",
        /// What changed: start, reload, endpoints up and down.
        Info = "info",
        /// What each component decides.
        Debug = "debug",
        /// Everything; far too much for traffic.
        Trace = "trace",
    }
}

words! {
    /// The form of log messages.
    pub enum LogFormat {
        /// For people: one line of text a message.
        Text = "text",
        /// For machines: one JSON object a message.
        Json = "json",
    }
}

optional_block! {
    /// What is logged. Messages of the program go to the standard error; the access log has a place of its own.
    pub struct Log {
        /// The least important messages that are logged.
        level: LogLevel = LogLevel::Info;
        /// The form of the messages.
        format: LogFormat = LogFormat::Text;
        /// The access log: one JSON object for each request. `off`, `stdout` or a path is short for the block.
        access: AccessLog = AccessLog::default();
    }
}

block! {
    /// One JSON object for each request: who, what, where to, how long in each stage, verdict and its reason.
    #[short(path)]
    pub struct AccessLog {
        /// `off`, `stdout`, or a file. The file is opened again at SIGHUP, so that logrotate can move it.
        path: AccessTarget = AccessTarget::Off;
        /// The share of requests that is logged. What was refused or failed is always logged.
        sample: Percent = Percent::new(100);
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            path: AccessTarget::Off,
            sample: Percent::new(100),
        }
    }
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Nowhere.
    Off,
    /// To the standard output.
    Stdout,
    /// To a file.
    File(OutputFile),
}

impl Setting for AccessTarget {
    fn expects() -> String {
        format!("`off`, `stdout`, or {}", OutputFile::expects())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "off" => Some(Self::Off),
            Value::Scalar { text, .. } if text == "stdout" => Some(Self::Stdout),
            _ => OutputFile::read(node, reader).map(Self::File),
        }
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn json(&self) -> Json {
        match self {
            Self::Off => "off".into(),
            Self::Stdout => "stdout".into(),
            Self::File(file) => file.json(),
        }
    }
}
