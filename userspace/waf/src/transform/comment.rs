//! Comments of SQL, C, HTML and the shell: `replaceComments`, `removeComments`, `removeCommentsChar`.

use memchr::memmem;

/// Every `/* ... */` becomes one space, also one that does not end. A lone `*/` stays.
pub(super) fn replace_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some(start) = memmem::find(rest, b"/*") {
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        let body = &rest[start + 2..];
        rest = match memmem::find(body, b"*/") {
            Some(end) => &body[end + 2..],
            None => return,
        };
    }
    out.extend_from_slice(rest);
}

/// `/* ... */` and `<!-- ... -->` go; `--` and `#` end the value with a space. After the end of a comment the next byte is taken as it
/// stands (NUL at the end of the value, as ModSecurity reads its terminator there).
pub(super) fn remove_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    let mut inside = false;
    while at < input.len() {
        let rest = &input[at..];
        if !inside {
            if rest.starts_with(b"/*") || rest.starts_with(b"<!--") {
                inside = true;
                at += if rest[0] == b'/' { 2 } else { 4 };
            } else if rest.starts_with(b"--") || rest.starts_with(b"#") {
                out.push(b' ');
                return;
            } else {
                out.push(input[at]);
                at += 1;
            }
        } else if rest.starts_with(b"*/") || rest.starts_with(b"-->") {
            inside = false;
            at += if rest[0] == b'*' { 2 } else { 3 };
            out.push(input.get(at).copied().unwrap_or(0));
            at += 1;
        } else {
            at += 1;
        }
    }
    if inside {
        out.push(b' ');
    }
}

/// The marks alone go: `/*`, `*/`, `<!--`, `-->`, `--`, `#`.
pub(super) fn remove_comments_char(input: &[u8], out: &mut Vec<u8>) {
    const MARKS: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    let mut at = 0;
    while at < input.len() {
        let rest = &input[at..];
        match MARKS.iter().find(|mark| rest.starts_with(mark)) {
            Some(mark) => at += mark.len(),
            None => {
                out.push(input[at]);
                at += 1;
            }
        }
    }
}
