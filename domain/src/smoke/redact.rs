//! Takes secrets out of what a service answered, before any of it is kept or shown (R33).
//!
//! By name: what a member, a parameter or a header is called says whether its value is secret. By value: what the
//! configuration put into a request is taken out wherever it comes back ([`hide`]).

use serde_json::Value;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Words that make a name a secret's, alone or side by side.
const WORDS: [&str; 20] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "authorization",
    "authentication",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "apikey",
    "api key",
    "private key",
    "access key",
    "session id",
    "sessionid",
    "jwt",
    "csrf",
];
/// Words after which a token comes in running text.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Whether the value of a header, member or parameter of this name is secret: `Authorization`, `x-api-key`,
/// `accessToken`. Of `max_tokens` it is not.
pub fn is_secret_name(name: &str) -> bool {
    let words = words_of(name);
    let joined = format!(" {} ", words.join(" "));
    WORDS.iter().any(|word| joined.contains(&format!(" {word} ")))
}

/// `x-api-key`, `accessToken` and `SECRET_2` as their words in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut was_lower = false;
    for letter in name.chars() {
        let boundary = !letter.is_alphabetic() || (letter.is_uppercase() && was_lower);
        if boundary {
            open = false;
        }
        if letter.is_alphabetic() {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.extend(letter.to_lowercase()),
                None => words.push(letter.to_lowercase().collect()),
            }
            open = true;
        }
        was_lower = letter.is_lowercase();
    }
    words
}

/// A JSON value without its secret members.
pub(super) fn redacted_value(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = if is_secret_name(name) && !value.is_null() {
                    Value::from(HIDDEN)
                } else {
                    redacted_value(value)
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(redacted_value).collect(),
        Value::String(text) => Value::from(without_schemes(text)),
        other => other.clone(),
    }
}

/// A body without its secrets: JSON by its members, other text (broken JSON and forms too) by what stands behind a
/// secret's name.
pub fn redacted(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(value) => redacted_value(&value).to_string(),
        Err(_) => without_schemes(&without_named(body)),
    }
}

/// Takes these very values out, also as JSON writes them.
pub fn hide(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, HIDDEN);
        let escaped = Value::from(*secret).to_string();
        text = text.replace(&escaped[1..escaped.len() - 1], HIDDEN);
    }
    text
}

const fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

/// `"token": "…"`, `token=…` and `Cookie: …` in any text.
fn without_named(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(in_name) {
        let (before, from) = rest.split_at(begin);
        let name_end = from.find(|letter| !in_name(letter)).unwrap_or(from.len());
        let (name, after) = from.split_at(name_end);
        kept.push_str(before);
        kept.push_str(name);
        rest = after;
        if !is_secret_name(name) {
            continue;
        }
        let value = after.trim_start_matches(['"', '\'', ' ', '\t']);
        let Some(value) = value.strip_prefix([':', '=']) else {
            continue;
        };
        let value = value.trim_start();
        kept.push_str(&after[..after.len() - value.len()]);
        kept.push_str(HIDDEN);
        rest = &value[value_end(value)..];
    }
    kept.push_str(rest);
    kept
}

/// Where a value ends: at its closing quote, or else with its line, member or parameter.
fn value_end(value: &str) -> usize {
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return value.find(['\n', '\r', '&', '<', ',', '}']).unwrap_or(value.len());
    };
    let mut escaped = false;
    for (at, letter) in value.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    value.len()
}

/// `Bearer …` and `Basic …` anywhere.
fn without_schemes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut after_scheme = false;
    for word in text.split_inclusive([' ', '\n', '\t']) {
        let bare = word.trim_end_matches([' ', '\n', '\t']);
        let value = bare.trim_end_matches(['"', '\'', ',', '.', ';', ')', '}']);
        if after_scheme && value.len() >= 8 {
            kept.push_str(HIDDEN);
            kept.push_str(&word[value.len()..]);
        } else {
            kept.push_str(word);
        }
        let scheme = bare.rsplit(['"', '\'', ':', '=', '(']).next().unwrap_or_default();
        after_scheme = SCHEMES.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Authorization", true)]
    #[case("proxy-authorization", true)]
    #[case("Cookie", true)]
    #[case("Set-Cookie", true)]
    #[case("x-api-key", true)]
    #[case("X-Auth-Token", true)]
    #[case("accessToken", true)]
    #[case("client_secret", true)]
    #[case("PASSWORD", true)]
    #[case("apiKey", true)]
    #[case("session_id", true)]
    #[case("privateKey", true)]
    #[case("max_tokens", false)]
    #[case("totalTokens", false)]
    #[case("content-type", false)]
    #[case("key", false)]
    #[case("intent", false)]
    #[case("secretary", false)]
    fn r33_a_name_says_whether_its_value_is_secret(#[case] name: &str, #[case] secret: bool) {
        assert_eq!(is_secret_name(name), secret);
    }

    #[rstest]
    #[case(r#"{"a":1,"token":"canary"}"#, r#"{"a":1,"token":"[hidden]"}"#)]
    #[case(
        r#"{"user":{"password":4711},"ok":true}"#,
        r#"{"ok":true,"user":{"password":"[hidden]"}}"#
    )]
    #[case(r#"[{"secret":["canary"]}]"#, r#"[{"secret":"[hidden]"}]"#)]
    #[case(r#"{"token":null}"#, r#"{"token":null}"#)]
    #[case(r#"{"usage":{"max_tokens":5}}"#, r#"{"usage":{"max_tokens":5}}"#)]
    #[case(r#"{"said":"Bearer canary.canary.canary"}"#, r#"{"said":"Bearer [hidden]"}"#)]
    // Cut in the middle, so no JSON any more.
    #[case(r#"{"token": "canary \" canary", "b": 1"#, r#"{"token": [hidden], "b": 1"#)]
    #[case(r#"{"token":"canary"#, r#"{"token":[hidden]"#)]
    #[case(r#"{"password":4711,"b""#, r#"{"password":[hidden],"b""#)]
    #[case("user=ada&password=canary&x=1", "user=ada&password=[hidden]&x=1")]
    #[case("Set-Cookie: a=canary; b=canary\nok", "Set-Cookie: [hidden]\nok")]
    #[case("sent Bearer canary-canary, refused", "sent Bearer [hidden], refused")]
    #[case("Bearer of bad news", "Bearer of bad news")]
    #[case("no secrets here: just text", "no secrets here: just text")]
    #[case("", "")]
    #[case("ü token=ü", "ü token=[hidden]")]
    fn r33_what_a_service_says_loses_its_secrets(#[case] body: &str, #[case] kept: &str) {
        assert_eq!(redacted(body), kept);
        assert!(!redacted(body).contains("canary"));
    }

    #[rstest]
    #[case("you sent s3cret\"x", "you sent [hidden]")]
    #[case(r#"{"echo":"s3cret\"x"}"#, r#"{"echo":"[hidden]"}"#)]
    #[case("nothing", "nothing")]
    fn r33_a_value_that_was_put_in_is_taken_out_wherever_it_comes_back(#[case] text: &str, #[case] kept: &str) {
        assert_eq!(hide(text, &["s3cret\"x", ""]), kept);
    }
}
