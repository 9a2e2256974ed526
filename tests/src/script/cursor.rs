//! The place in a script's text: white space and comments skipped, words, numbers and quoted text taken.
//!
//! Invariant: `line` is the line of `at`. The language has no reserved words, so what a word means is the parser's to say.

/// Why a script cannot be read, or is wrong by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Where.
    pub(super) line: usize,
    /// What is wrong, in words.
    pub(super) reason: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of the next token.
    pub(super) fn line(&mut self) -> usize {
        self.skip();
        self.line
    }

    pub(super) fn error<T>(&mut self, reason: impl Into<String>) -> Parsed<T> {
        Err(SyntaxError { line: self.line, reason: reason.into() })
    }

    /// What was expected is not there.
    pub(super) fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        self.skip();
        let found: String = self.rest().chars().take_while(|it| !it.is_whitespace()).take(20).collect();
        let found = if found.is_empty() { "the end of the script".to_owned() } else { format!("`{found}`") };
        self.error(format!("{what} is expected before {found}"))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn advance(&mut self, len: usize) {
        self.line += self.text[self.at..self.at + len].matches('\n').count();
        self.at += len;
    }

    /// White space, `// …` and `/* … */`.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let len = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                rest.len() - rest.trim_start().len()
            };
            if len == 0 {
                return;
            }
            self.advance(len);
        }
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip();
        self.rest().is_empty()
    }

    /// Whether `text` is next, which it is then not taken.
    pub(super) fn sees(&mut self, text: &str) -> bool {
        self.skip();
        self.rest().starts_with(text)
    }

    /// Takes `text` if it is next.
    pub(super) fn eats(&mut self, text: &str) -> bool {
        let sees = self.sees(text);
        if sees {
            self.advance(text.len());
        }
        sees
    }

    /// Takes `text`, which must be next.
    pub(super) fn must(&mut self, text: &str) -> Parsed<()> {
        if self.eats(text) { Ok(()) } else { self.expected(&format!("`{text}`")) }
    }

    pub(super) fn next_char(&mut self) -> Option<char> {
        self.skip();
        self.rest().chars().next()
    }

    /// The letters, digits and underscores that are next, not taken.
    pub(super) fn peek_word(&mut self) -> &'a str {
        self.skip();
        let rest = self.rest();
        &rest[..rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len())]
    }

    /// Takes a word, maybe an empty one.
    pub(super) fn word(&mut self) -> &'a str {
        let word = self.peek_word();
        self.advance(word.len());
        word
    }

    /// Takes `word` if it is next, as a whole.
    pub(super) fn eats_word(&mut self, word: &str) -> bool {
        let is_next = self.peek_word() == word;
        if is_next {
            self.advance(word.len());
        }
        is_next
    }

    /// Takes everything up to white space: control bits, cookies.
    pub(super) fn run(&mut self) -> &'a str {
        self.skip();
        let rest = self.rest();
        let run = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.advance(run.len());
        run
    }

    /// Whether a number is next, with or without a sign.
    pub(super) fn sees_number(&mut self) -> bool {
        self.skip();
        let unsigned = self.rest().strip_prefix('-').unwrap_or(self.rest());
        unsigned.starts_with(|it: char| it.is_ascii_digit())
    }

    /// A decimal or hexadecimal integer.
    pub(super) fn integer(&mut self) -> Parsed<i64> {
        self.skip();
        let rest = self.rest();
        let (negative, digits) = rest.strip_prefix('-').map_or((false, rest), |digits| (true, digits));
        let sign = rest.len() - digits.len();
        if let Some(hex) = digits.strip_prefix("0x") {
            let len = hex.find(|it: char| !it.is_ascii_hexdigit()).unwrap_or(hex.len());
            let Ok(value) = i64::from_str_radix(&hex[..len], 16) else { return self.expected("a hexadecimal number") };
            self.advance(sign + 2 + len);
            return Ok(if negative { -value } else { value });
        }
        let len = digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
        let Ok(value) = digits[..len].parse::<i64>() else { return self.expected("a number") };
        self.advance(sign + len);
        Ok(if negative { -value } else { value })
    }

    /// An integer that is not above `most`.
    pub(super) fn up_to(&mut self, most: i64, what: &str) -> Parsed<i64> {
        let value = self.integer()?;
        if (0..=most).contains(&value) {
            return Ok(value);
        }
        self.error(format!("{what} {value} is out of range: 0 to {most}"))
    }

    /// Seconds with up to six decimals, in microseconds.
    pub(super) fn seconds(&mut self) -> Parsed<u64> {
        self.skip();
        let rest = self.rest();
        let whole = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        let decimals = match rest[whole..].strip_prefix('.') {
            // `1...2` is two times, not a number with a point.
            Some(after) => after.find(|it: char| !it.is_ascii_digit()).unwrap_or(after.len()),
            None => 0,
        };
        if whole == 0 && decimals == 0 {
            return self.expected("a time");
        }
        let seconds: u64 = if whole == 0 { 0 } else { rest[..whole].parse().unwrap_or(u64::MAX / 2_000_000) };
        let fraction = if decimals == 0 { "" } else { &rest[whole + 1..whole + 1 + decimals] };
        let micros: u64 = format!("{fraction:0<6}")[..6].parse().expect("six digits are a number");
        self.advance(whole + if decimals == 0 { 0 } else { 1 + decimals });
        Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
    }

    /// What stands between `open` and `close`, which may span lines.
    pub(super) fn between(&mut self, open: &str, close: &str) -> Parsed<&'a str> {
        self.must(open)?;
        let Some(len) = self.rest().find(close) else { return self.error(format!("`{open}` has no `{close}`")) };
        let inside = &self.rest()[..len];
        self.advance(len + close.len());
        Ok(inside)
    }

    /// A string in double quotes, its escapes resolved.
    pub(super) fn string(&mut self) -> Parsed<Vec<u8>> {
        self.must("\"")?;
        let mut bytes = Vec::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, it)) = chars.next() {
            match it {
                '"' => {
                    self.advance(at + 1);
                    return Ok(bytes);
                }
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => bytes.push(b'\n'),
                    Some('r') => bytes.push(b'\r'),
                    Some('t') => bytes.push(b'\t'),
                    Some('0') => bytes.push(0),
                    Some('x') => {
                        let digits: String = chars.by_ref().take(2).map(|(_, digit)| digit).collect();
                        match u8::from_str_radix(&digits, 16) {
                            Ok(byte) => bytes.push(byte),
                            Err(_) => return self.error("`\\x` needs two hexadecimal digits"),
                        }
                    }
                    Some(other) => bytes.extend_from_slice(other.to_string().as_bytes()),
                    None => break,
                },
                it => bytes.extend_from_slice(it.to_string().as_bytes()),
            }
        }
        self.error("a string has no end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_where_a_range_begins() {
        let mut cursor = Cursor::new("0.5...16.00 .1...0.2 +0...1");
        assert_eq!(cursor.seconds(), Ok(500_000));
        assert!(cursor.eats("..."));
        assert_eq!(cursor.seconds(), Ok(16_000_000));
        assert_eq!(cursor.seconds(), Ok(100_000));
        assert!(cursor.eats("...") && cursor.seconds() == Ok(200_000) && cursor.eats("+"));
        assert_eq!(cursor.seconds(), Ok(0));
    }

    #[test]
    fn comments_and_lines_are_skipped_and_counted() {
        let mut cursor = Cursor::new("// one\n/* two\nthree */ word // four\n  0x1f");
        assert_eq!((cursor.line(), cursor.word()), (3, "word"));
        assert_eq!(cursor.integer(), Ok(31));
        assert_eq!(cursor.line(), 4);
        assert_eq!(Cursor::new("\"a\\x41\\n\"").string(), Ok(b"aA\n".to_vec()));
    }
}
