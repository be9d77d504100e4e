//! A reader of JSON, strict where it matters: what smena prints must be JSON to
//! every reader.

use std::iter::Peekable;
use std::ops::Index;
use std::str::Chars;

/// A JSON value. Numbers stay text: the status has only whole ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

const NOTHING: &Json = &Json::Null;

impl Json {
    /// Reads one document; the error says at which character it goes wrong.
    pub fn read(text: &str) -> Result<Json, String> {
        let mut reader = Reader {
            chars: text.chars().peekable(),
            at: 0,
        };
        let value = reader.value()?;
        reader.blanks();
        match reader.chars.peek() {
            None => Ok(value),
            Some(c) => Err(format!("{c:?} after the end, at character {}", reader.at)),
        }
    }

    /// A member of an object; `None` when absent, which null is not.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, or "" for anything else.
    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            _ => "",
        }
    }

    /// The whole number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The elements of a list; none for anything else.
    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(list) => list,
            _ => &[],
        }
    }

    /// The element of a list whose member has this text, or null.
    pub fn named(&self, member: &str, text: &str) -> &Json {
        self.list()
            .iter()
            .find(|v| v[member].text() == text)
            .unwrap_or(NOTHING)
    }
}

impl Index<&str> for Json {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        self.member(name).unwrap_or(NOTHING)
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<char, String> {
        self.at += 1;
        self.chars.next().ok_or_else(|| "cut off".to_owned())
    }

    fn blanks(&mut self) {
        while self.chars.next_if(|c| " \t\r\n".contains(*c)).is_some() {
            self.at += 1;
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        for c in word.chars() {
            let got = self.next()?;
            if got != c {
                return Err(format!("{got:?} for {word:?} at character {}", self.at));
            }
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Json, String> {
        self.blanks();
        match self.chars.peek().copied() {
            Some('n') => self.expect("null").map(|()| Json::Null),
            Some('t') => self.expect("true").map(|()| Json::Bool(true)),
            Some('f') => self.expect("false").map(|()| Json::Bool(false)),
            Some('"') => self.string().map(Json::Text),
            Some('[') => self.list(),
            Some('{') => self.object(),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number(),
            other => Err(format!(
                "{other:?} begins no value, at character {}",
                self.at
            )),
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|c| "+-.eE0123456789".contains(*c)) {
            self.at += 1;
            text.push(c);
        }
        let digits = text.trim_start_matches('-');
        if text.parse::<f64>().is_err() || (digits.len() > 1 && digits.starts_with("00")) {
            return Err(format!("{text:?} is no number"));
        }
        Ok(Json::Number(text))
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return Err(format!("bare control character after {text:?}")),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            c @ ('"' | '\\' | '/') => c,
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.next()?.to_digit(16).ok_or("bad \\u escape")?;
                    code = code * 16 + digit;
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            c => return Err(format!("unknown escape \\{c}")),
        })
    }

    fn list(&mut self) -> Result<Json, String> {
        self.expect("[")?;
        let mut list = Vec::new();
        self.blanks();
        if self.chars.next_if_eq(&']').is_some() {
            return Ok(Json::List(list));
        }
        loop {
            list.push(self.value()?);
            self.blanks();
            match self.next()? {
                ',' => {}
                ']' => return Ok(Json::List(list)),
                c => return Err(format!("{c:?} in a list at character {}", self.at)),
            }
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        self.expect("{")?;
        let mut members: Vec<(String, Json)> = Vec::new();
        self.blanks();
        if self.chars.next_if_eq(&'}').is_some() {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            if members.iter().any(|(n, _)| *n == name) {
                return Err(format!("member {name:?} twice"));
            }
            self.blanks();
            self.expect(":")?;
            let value = self.value()?;
            members.push((name, value));
            self.blanks();
            match self.next()? {
                ',' => {}
                '}' => return Ok(Json::Object(members)),
                c => return Err(format!("{c:?} in an object at character {}", self.at)),
            }
        }
    }
}
