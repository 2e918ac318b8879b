//! What rules hide of a record: the `sanitise` actions.

use super::AuditRecord;

/// A text that a rule hides, and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) text: String,
    pub(crate) mask: String,
}

impl AuditRecord {
    /// Replaces hidden texts wherever they stand in what client and backend sent, and in what rules say of it.
    pub(crate) fn hide(&mut self, hidden: &mut Vec<Hidden>) {
        hidden.retain(|hidden| !hidden.text.is_empty());
        // A longer text may hold a shorter one.
        hidden.sort_by_key(|hidden| std::cmp::Reverse(hidden.text.len()));
        hidden.dedup();
        let hide = |text: &mut String| {
            for hidden in hidden.iter() {
                if text.contains(&hidden.text) {
                    *text = text.replace(&hidden.text, &hidden.mask);
                }
            }
        };
        let (request, response) = (
            &mut self.transaction.request,
            &mut self.transaction.response,
        );
        hide(&mut request.uri);
        for (_, value) in request.headers.iter_mut().chain(&mut response.headers) {
            hide(value);
        }
        request.body.iter_mut().for_each(hide);
        response.body.iter_mut().for_each(hide);
        for message in &mut self.transaction.messages {
            let details = &mut message.details;
            for text in [
                &mut message.message,
                &mut details.r#match,
                &mut details.data,
                &mut details.value,
            ] {
                hide(text);
            }
        }
    }
}
