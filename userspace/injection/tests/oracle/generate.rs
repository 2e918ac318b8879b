//! Values to compare verdicts on: real ones, changed; sentences of SQL and HTML; and noise. Drawn from a fixed seed.

/// The words and fingerprints that the detector knows.
const WORDS: &str = include_str!("../../src/sqli/words.txt");
const FINGERPRINTS: &str = include_str!("../../src/sqli/fingerprints.txt");

const LENGTH_LIMIT: usize = 600;
/// Of a few values, so that what is cut off at some length is seen.
const LONG_LIMIT: usize = 20_000;

/// Pieces, one a line, with `\x00` for bytes that do not stand for themselves: what joins words of SQL, SQL, HTML.
const BLANKS: &str = include_str!("blanks.txt");

const SQL: &str = include_str!("sql.txt");

const HTML: &str = include_str!("html.txt");

pub(crate) const SQL_NOISE: &[u8] = b"'\"`\\-#/*!;,(){}[].:?@$=<>~^%|&+01 eExXbBnNqQuU_a\0\xa0\n";
pub(crate) const HTML_NOISE: &[u8] = b"<>/='\"` \t\n\0\xff!-[]?%&#;xX0aonsvgON:\x0b\x01";

/// The generator of Steele, Lea and Flood: small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn piece<'a>(&mut self, pieces: &'a [Vec<u8>]) -> &'a [u8] {
        &pieces[self.below(pieces.len())]
    }
}

/// The pieces of a file.
fn pieces(text: &str) -> Vec<Vec<u8>> {
    text.lines()
        .map(|line| {
            let mut parts = line.split("\\x");
            let mut piece = parts.next().unwrap_or_default().as_bytes().to_vec();
            for part in parts {
                let (code, rest) = part.split_at(2);
                piece.push(u8::from_str_radix(code, 16).unwrap());
                piece.extend_from_slice(rest.as_bytes());
            }
            piece
        })
        .collect()
}

/// The words that the detector knows, behind the letters of their kinds.
pub(crate) fn words() -> impl Iterator<Item = (u8, &'static str)> {
    WORDS.lines().map(|line| (line.as_bytes()[0], &line[2..]))
}

/// Draws values.
pub(crate) struct Generator {
    random: Random,
    seeds: Vec<Vec<u8>>,
    words: Vec<(u8, &'static [u8])>,
    fingerprints: Vec<Vec<u8>>,
    blanks: Vec<Vec<u8>>,
    sql: Vec<Vec<u8>>,
    html: Vec<Vec<u8>>,
}

impl Generator {
    /// With real values to begin from; there may be none.
    pub(crate) fn new(seed: u64, mut seeds: Vec<Vec<u8>>) -> Generator {
        seeds.push(b"1' OR '1'='1' -- ".to_vec());
        seeds.push(b"<a href=\"javascript:alert(1)\" onclick='x'>".to_vec());
        let fingerprints = FINGERPRINTS.lines().flat_map(|line| {
            let (beginning, last) = line.split_once(' ').unwrap();
            last.bytes().map(move |last| {
                let mut fingerprint = beginning.as_bytes().to_vec();
                fingerprint.push(last);
                fingerprint
            })
        });
        Generator {
            random: Random::new(seed),
            seeds,
            words: words()
                .map(|(kind, word)| (kind, word.as_bytes()))
                .collect(),
            fingerprints: fingerprints.collect(),
            blanks: pieces(BLANKS),
            sql: pieces(SQL),
            html: pieces(HTML),
        }
    }

    /// The next value.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut value = match self.random.below(16) {
            0..5 => self.seed(),
            5..8 => self.sql(),
            8..11 => self.html(),
            11..14 => self.of_fingerprint(),
            14 => self.noise(SQL_NOISE),
            _ => self.noise(HTML_NOISE),
        };
        for _ in 0..self.random.below(4) {
            self.change(&mut value);
        }
        let limit = if self.random.one_in(500) {
            let piece = value.clone();
            let wanted = self.random.below(LONG_LIMIT);
            while !piece.is_empty() && value.len() < wanted {
                value.extend_from_slice(&piece);
            }
            LONG_LIMIT
        } else {
            LENGTH_LIMIT
        };
        value.truncate(limit);
        value
    }

    fn seed(&mut self) -> Vec<u8> {
        let at = self.random.below(self.seeds.len());
        self.seeds[at].clone()
    }

    fn word(&mut self) -> Vec<u8> {
        let (_, word) = self.words[self.random.below(self.words.len())];
        let mut word = word.to_vec();
        match self.random.below(3) {
            0 => word.make_ascii_lowercase(),
            1 => {}
            _ => {
                for byte in &mut word {
                    if self.random.one_in(2) {
                        byte.make_ascii_lowercase();
                    }
                }
            }
        }
        word
    }

    fn sql(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        let same = self.random.piece(&self.blanks).to_vec();
        for _ in 0..=self.random.below(12) {
            if self.random.one_in(3) {
                let word = self.word();
                value.extend_from_slice(&word);
            } else {
                value.extend_from_slice(self.random.piece(&self.sql));
            }
            let blank = if self.random.one_in(4) {
                self.random.piece(&self.blanks)
            } else {
                &same
            };
            value.extend_from_slice(blank);
        }
        value
    }

    fn html(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        for _ in 0..=self.random.below(14) {
            value.extend_from_slice(self.random.piece(&self.html));
            if self.random.one_in(4) {
                value.push(b' ');
            }
        }
        value
    }

    /// Tokens that may make a fingerprint.
    fn of_fingerprint(&mut self) -> Vec<u8> {
        let at = self.random.below(self.fingerprints.len());
        let fingerprint = self.fingerprints[at].clone();
        let mut value = Vec::new();
        for letter in fingerprint {
            let choices: &[&str] = match letter {
                b'1' => &["1", "2.5", "0x1f", "\\N", "1e5", "$1"],
                b'S' => &["'a'", "\"b\"", "$$c$$", "q'(d)'", "a'", "'a"],
                b'C' => &["-- x", "#", "/*x*/", "--", "--x", "/*", "#x\n"],
                b'V' => &["@x", "@@y", "current_user", "@"],
                b'N' => &["foo", "`x`", "[y]", "a_b", "1e"],
                b'O' => &["=", "+", "*", "like", "!", "::", "not", "-"],
                b'X' => &["/*!"],
                _ => &[],
            };
            let mark = [letter];
            let token: &[u8] = match letter {
                _ if !choices.is_empty() => self.random.of(choices).as_bytes(),
                b'(' | b')' | b',' | b';' | b':' => &mark,
                letter => {
                    let kind = |known: u8| known.to_ascii_uppercase() == letter;
                    let words = self.words.iter().filter(|(known, _)| kind(*known));
                    let words: Vec<_> = words.map(|(_, word)| *word).collect();
                    self.random.of(&words)
                }
            };
            value.extend_from_slice(token);
            let blank = if self.random.one_in(6) {
                self.random.piece(&self.blanks)
            } else {
                b" "
            };
            value.extend_from_slice(blank);
        }
        value
    }

    fn noise(&mut self, alphabet: &[u8]) -> Vec<u8> {
        let length = self.random.below(40);
        let any = self.random.one_in(8);
        (0..length)
            .map(|_| {
                if any && self.random.one_in(3) {
                    self.random.next() as u8
                } else {
                    alphabet[self.random.below(alphabet.len())]
                }
            })
            .collect()
    }

    fn range(&mut self, value: &[u8]) -> std::ops::Range<usize> {
        let start = self.random.below(value.len() + 1);
        let length = self.random.below(12).min(value.len() - start);
        start..start + length
    }

    fn change(&mut self, value: &mut Vec<u8>) {
        let range = self.range(value);
        match self.random.below(10) {
            0 => drop(value.drain(range)),
            1 => {
                let piece = value[range.clone()].to_vec();
                value.splice(range.end..range.end, piece);
            }
            2 | 3 => {
                let table = if self.random.one_in(2) {
                    &self.sql
                } else {
                    &self.html
                };
                let piece = self.random.piece(table).to_vec();
                value.splice(range.start..range.start, piece);
            }
            4 => {
                let alphabet = if self.random.one_in(2) {
                    SQL_NOISE
                } else {
                    HTML_NOISE
                };
                let byte = alphabet[self.random.below(alphabet.len())];
                if let Some(slot) = value.get_mut(range.start) {
                    *slot = byte;
                }
            }
            5 => {
                for byte in &mut value[range] {
                    if byte.is_ascii_alphabetic() {
                        *byte ^= 0x20;
                    }
                }
            }
            6 => value.truncate(range.start),
            7 => drop(value.drain(..range.start)),
            8 => {
                let other = self.seed();
                let from = self.random.below(other.len() + 1);
                value.truncate(range.start);
                value.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = self.word();
                value.splice(range, word);
            }
        }
    }
}
