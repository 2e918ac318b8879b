//! Operators that leave more than captures behind: `@geoLookup` fills `GEO`, `@restpath` fills `ARGS_PATH`.

use super::Transaction;
use super::state::Pair;
use crate::operator::{Captures, PathTemplate, Test};
use crate::store::Span;

impl Transaction {
    /// Fills the variables of a test that matched `value`.
    pub(super) fn fill(&mut self, test: &Test, captures: &Captures, value: Span) {
        match test {
            Test::Path(template) => self.fill_path(template, captures, value),
            Test::Places(places) => {
                let found = places.find(self.state.store.get(value));
                self.state.geo.clear();
                for (key, value) in found {
                    let key = self.state.store.push(key.as_bytes());
                    let value = self.state.store.push(value.as_bytes());
                    self.state.geo.push(Pair { key, value });
                }
            }
            _ => {}
        }
    }

    fn fill_path(&mut self, template: &PathTemplate, captures: &Captures, value: Span) {
        let groups = captures.groups().iter().skip(1);
        for (name, &(start, end)) in template.names().iter().zip(groups) {
            let key = self.state.store.push(name.as_bytes());
            let value = value.slice(start, end);
            let store = &self.state.store;
            let same = |pair: &&mut Pair| store.get(pair.key) == name.as_bytes();
            match self.state.path_arguments.iter_mut().find(same) {
                Some(pair) => pair.value = value,
                None => self.state.path_arguments.push(Pair { key, value }),
            }
        }
    }
}
