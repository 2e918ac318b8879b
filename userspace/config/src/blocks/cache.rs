//! Where results that are dear to compute are kept between runs.

use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Book, Setting};
use crate::values::FilePath;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

/// Where compiled rule sets are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// In the usual folder; see [`default_cache_folder`].
    Usual,
    /// Nowhere: they are compiled at each start.
    Off,
    /// In this folder.
    Folder(FilePath),
}

impl Setting for Cache {
    fn expects() -> String {
        "`off`, or the path of a folder".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "off" => Some(Self::Off),
            _ => FilePath::read(node, reader).map(Self::Folder),
        }
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn json(&self) -> Json {
        match self {
            Self::Usual => Json::Null,
            Self::Off => "off".into(),
            Self::Folder(path) => path.json(),
        }
    }
}

/// Where compiled rule sets are kept, if the file does not say: `/var/cache/bascule` for root, `bascule.cache` next to the
/// configuration for others.
#[must_use]
pub fn default_cache_folder(config: &Path, root: bool) -> PathBuf {
    if root {
        return PathBuf::from("/var/cache/bascule");
    }
    config
        .parent()
        .unwrap_or(Path::new(""))
        .join("bascule.cache")
}
