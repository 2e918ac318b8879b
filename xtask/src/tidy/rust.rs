//! Just enough of Rust's grammar to count: comments and literals blanked out, functions and their ends.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// The line of `fn`, from 1.
    pub(super) line: usize,
    /// Lines from there to the closing brace.
    pub(super) lines: usize,
}

/// The source with comments, strings and characters as spaces; line ends stay where they are.
pub(super) fn code(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, previous);
        let (taken, after) = rest.split_at(if length == 0 {
            first.len_utf8()
        } else {
            length
        });
        if length == 0 {
            code.push(first);
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        previous = taken.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    code
}

/// Bytes of the comment or literal that the text begins with; 0 where it is code.
fn blank_length(text: &str, previous: char) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let in_word = previous.is_alphanumeric() || previous == '_';
    if !in_word && let Some(length) = raw_string(text) {
        return length;
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with('\'') {
        return character(text);
    }
    0
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => break,
            }
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#` and their byte and C forms.
fn raw_string(text: &str) -> Option<usize> {
    let start = text.trim_start_matches(['b', 'c']);
    if text.len() - start.len() > 1 {
        return None;
    }
    let hashes = start.strip_prefix('r')?;
    let body = hashes.trim_start_matches('#');
    let count = hashes.len() - body.len();
    let body = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// A character literal; a lifetime is code.
fn character(text: &str) -> usize {
    let mut inner = text.chars().skip(1);
    match (inner.next(), inner.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 0,
    }
}

/// Every function with a body. `code` is what [`code`] gave.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find("fn ")) {
        let at = from + found;
        from = at + 3;
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = code.get(from..).unwrap_or_default();
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let Some(length) = body_end(rest).filter(|_| !name.is_empty()) else {
            continue;
        };
        let lines = |text: &str| text.matches('\n').count();
        functions.push(Function {
            name,
            line: lines(code.get(..at).unwrap_or_default()) + 1,
            lines: lines(rest.get(..length).unwrap_or_default()) + 1,
        });
    }
    functions
}

/// Where the body ends; none where the declaration has no body.
fn body_end(text: &str) -> Option<usize> {
    let mut nested = 0;
    let mut braces = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if nested == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_not_code() {
        for (source, want) in [
            ("a // { \n b", "a      \n b"),
            ("a /* { /* } */ */ b", "a                 b"),
            (r#"f("a\"{", '{', b'\'')"#, "f(      ,    , b    )"),
            ("r#\"{ \" }\"# x", "           x"),
            ("for<'a> &'a str", "for<'a> &'a str"),
            ("'a': 'b'", "   :    "),
            ("br\"{\" x", "      x"),
        ] {
            assert_eq!(code(source), want, "{source}");
        }
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let source = "fn a() {}\ntrait T { fn no_body(&self) -> [u8; 4]; }\nfn b(\n  x: u8,\n) {\n  if x { fn c() {\n } }\n}\n";
        let named = |name: &str, line, lines| Function {
            name: name.to_owned(),
            line,
            lines,
        };
        assert_eq!(
            functions(&code(source)),
            [named("a", 1, 1), named("b", 3, 6), named("c", 6, 2)]
        );
    }
}
