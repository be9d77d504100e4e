//! Just enough JSON to read the packet files and to look into our own status.
//! It panics on anything else, which is what a test wants.

/// A JSON value. Numbers are whole ones here.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        let mut rest = text.trim_start();
        let value = value(&mut rest);
        assert_eq!(rest, "", "something follows the value");
        value
    }

    /// A member; null when it is absent.
    pub fn get(&self, name: &str) -> &Json {
        let Json::Object(members) = self else {
            panic!("no object: {self:?}");
        };
        let found = members.iter().find(|(member, _)| member == name);
        found.map_or(&Json::Null, |(_, value)| value)
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Json::Number(number) => Some(*number),
            Json::Null => None,
            other => panic!("no number: {other:?}"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }
}

fn value(rest: &mut &str) -> Json {
    let first = rest.chars().next().expect("a value");
    match first {
        '{' => Json::Object(sequence(rest, '}', |rest| {
            let name = string(rest);
            expect(rest, ":");
            (name, value(rest))
        })),
        '[' => Json::List(sequence(rest, ']', value)),
        '"' => Json::Text(string(rest)),
        '-' | '0'..='9' => {
            let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit());
            let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
            *rest = after.trim_start();
            Json::Number(digits.parse().expect("a whole number"))
        }
        _ => {
            let words = [
                ("null", Json::Null),
                ("true", Json::Bool(true)),
                ("false", Json::Bool(false)),
            ];
            let known = words.into_iter().find(|(word, _)| rest.starts_with(word));
            let (word, value) = known.expect("a value");
            expect(rest, word);
            value
        }
    }
}

fn sequence<T>(rest: &mut &str, end: char, item: impl Fn(&mut &str) -> T) -> Vec<T> {
    let mut items = Vec::new();
    *rest = rest[1..].trim_start();
    while !rest.starts_with(end) {
        if !items.is_empty() {
            expect(rest, ",");
        }
        items.push(item(rest));
    }
    expect(rest, &end.to_string());
    items
}

fn string(rest: &mut &str) -> String {
    assert!(rest.starts_with('"'), "no string: {rest:.20}");
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = rest[at + 1..].trim_start();
                return text;
            }
            '\\' => match chars.next().expect("an escape").1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'u' => {
                    let digits: String = (0..4).filter_map(|_| chars.next()).map(|c| c.1).collect();
                    let code = u32::from_str_radix(&digits, 16).expect("four digits");
                    text.push(char::from_u32(code).expect("no surrogates here"));
                }
                c @ ('"' | '\\' | '/') => text.push(c),
                c => panic!("unknown escape {c}"),
            },
            c => {
                assert!(c >= ' ', "a raw control character in a string");
                text.push(c);
            }
        }
    }
    panic!("a string without an end");
}

fn expect(rest: &mut &str, what: &str) {
    let after = rest.strip_prefix(what);
    *rest = after
        .unwrap_or_else(|| panic!("{what:?} expected at {rest:.20}"))
        .trim_start();
}
