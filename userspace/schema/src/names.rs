//! Names become numbers, so that a name of a document is looked up once.

use std::collections::HashMap;

/// A number of [`Names`].
pub(crate) type Symbol = u32;

/// Names of elements and attributes, each with its namespace (empty: none).
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Box<str>, Symbol>,
    written: Vec<Box<str>>,
}

/// One text for both: no namespace and no name holds a NUL.
fn key(namespace: &str, local: &str) -> String {
    if namespace.is_empty() {
        return local.to_owned();
    }
    let mut key = String::with_capacity(namespace.len() + local.len() + 1);
    key.push_str(namespace);
    key.push('\0');
    key.push_str(local);
    key
}

impl Names {
    pub(crate) fn number(&mut self, namespace: &str, local: &str) -> Symbol {
        let key = key(namespace, local).into_boxed_str();
        if let Some(&known) = self.numbers.get(&key) {
            return known;
        }
        // Limits of a grammar keep this far below.
        let number = u32::try_from(self.written.len()).unwrap_or(u32::MAX);
        self.written.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    pub(crate) fn find(&self, namespace: &str, local: &str) -> Option<Symbol> {
        if namespace.is_empty() {
            return self.numbers.get(local).copied();
        }
        self.numbers.get(key(namespace, local).as_str()).copied()
    }

    /// The name as a message shows it.
    pub(crate) fn show(&self, symbol: Symbol) -> String {
        let key = self.written.get(symbol as usize).map_or("", |key| key);
        match key.split_once('\0') {
            Some((namespace, local)) => format!("{{{namespace}}}{local}"),
            None => key.to_owned(),
        }
    }

    /// The namespace of a name.
    pub(crate) fn namespace(&self, symbol: Symbol) -> &str {
        let key = self.written.get(symbol as usize).map_or("", |key| key);
        key.split_once('\0').map_or("", |(namespace, _)| namespace)
    }
}
