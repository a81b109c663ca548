//! Every path that Rust source names, with its line: `use` trees are spread out, names that a `use` gave are followed
//! back, and `self`, `super` and `crate` are resolved to the module that they mean.
//!
//! It reads tokens and knows no grammar beyond that: it may find a path too many (a local variable is one), never one
//! too few.

use std::collections::HashMap;

/// A path as written out in full, `["std", "fs", "read"]`, and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Separator,
    Other(char),
}

/// The paths of a file that is the module `module` (`["service", "inbox"]`) of its crate.
pub(crate) fn named(source: &str, module: &[String]) -> Vec<Named> {
    let mut reader = Reader {
        tokens: tokens(source),
        at: 0,
        module: module.to_vec(),
        depth: 0,
        inline: Vec::new(),
        given: HashMap::new(),
        found: Vec::new(),
    };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    let Reader { given, mut found, .. } = reader;
    for Named { path, .. } in &mut found {
        if let Some(whole) = path.first().and_then(|first| given.get(first)) {
            path.splice(..1, whole.iter().cloned());
        }
    }
    found
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    module: Vec<String>,
    depth: usize,
    /// Modules written inside the file, each with the depth of its brace.
    inline: Vec<(String, usize)>,
    /// What `use` gave a name in this file, wherever in it.
    given: HashMap<String, Vec<String>>,
    found: Vec<Named>,
}

impl Reader {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn word(&self, ahead: usize) -> Option<String> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn is(&self, ahead: usize, mark: char) -> bool {
        self.token(ahead) == Some(&Token::Other(mark))
    }

    fn step(&mut self) {
        match self.token(0).cloned() {
            Some(Token::Word(word)) if word == "use" => {
                self.at += 1;
                self.tree(&[]);
            }
            Some(Token::Word(word)) if word == "mod" && self.is(2, '{') => {
                if let Some(name) = self.word(1) {
                    self.inline.push((name, self.depth));
                }
                self.at += 2;
            }
            Some(Token::Word(_) | Token::Separator) => self.plain(),
            Some(Token::Other(mark)) => {
                match mark {
                    '{' => self.depth += 1,
                    '}' => {
                        self.depth = self.depth.saturating_sub(1);
                        self.inline.retain(|(_, depth)| *depth < self.depth);
                    }
                    _ => {}
                }
                self.at += 1;
            }
            None => {}
        }
    }

    /// A path outside `use`: words joined by `::`.
    fn plain(&mut self) {
        let line = self.tokens[self.at].0;
        let path = self.words();
        if !path.is_empty() {
            let path = self.resolved(path);
            self.found.push(Named { line, path });
        }
    }

    fn words(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        if self.token(0) == Some(&Token::Separator) {
            self.at += 1;
        }
        while let Some(word) = self.word(0) {
            path.push(word);
            self.at += 1;
            if self.token(0) != Some(&Token::Separator) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        path
    }

    /// A tree of `use` after what leads to it: `a::b`, `a as b`, `a::*`, `a::{b, c::{d, e}}`.
    fn tree(&mut self, before: &[String]) {
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        let mut path = before.to_vec();
        path.extend(self.words());
        if self.token(0) == Some(&Token::Separator) {
            self.at += 1;
        }
        if self.is(0, '{') {
            self.at += 1;
            while self.at < self.tokens.len() && !self.is(0, '}') {
                let from = self.at;
                self.tree(&path);
                if self.is(0, ',') || self.at == from {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.is(0, '*') {
            self.at += 1;
            path.push("*".to_owned());
        }
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned();
        if self.word(0).is_some_and(|word| word == "as") {
            name = self.word(1);
            self.at += 2;
        }
        let path = self.resolved(path);
        if let Some(name) = name.filter(|name| name != "*" && name != "_") {
            self.given.insert(name, path.clone());
        }
        self.found.push(Named { line, path });
    }

    fn resolved(&self, path: Vec<String>) -> Vec<String> {
        let mut here = self.module.clone();
        here.extend(self.inline.iter().map(|(name, _)| name.clone()));
        let mut rest = path.as_slice();
        match rest.first().map(String::as_str) {
            Some("self") if rest.len() > 1 => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|word| word == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
            }
            _ => return path,
        }
        let root = std::iter::once("crate".to_owned());
        root.chain(here).chain(rest.iter().cloned()).collect()
    }
}

/// Words, `::` and single marks, without comments, strings and characters.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let text: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let from = at;
        let next = text.get(at + 1).copied();
        match text[at] {
            '/' if next == Some('/') => at = end_of(&text, at, |rest| rest[0] == '\n'),
            '/' if next == Some('*') => at = comment(&text, at),
            '"' => at = string(&text, at),
            '\'' if next == Some('\\') => at = end_of(&text, at + 3, |rest| rest[0] == '\'') + 1,
            '\'' if text.get(at + 2) == Some(&'\'') => at += 3,
            'r' | 'b' | 'c' if raw(&text, at).is_some() => at = raw(&text, at).unwrap_or(at + 1),
            ':' if next == Some(':') => {
                found.push((line, Token::Separator));
                at += 2;
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                at = end_of(&text, at, |rest| !rest[0].is_alphanumeric() && rest[0] != '_');
                let word: String = text[from..at].iter().collect();
                if text.get(at) == Some(&'#') && word == "r" {
                    at += 1;
                } else {
                    found.push((line, Token::Word(word)));
                }
            }
            space if space.is_whitespace() => at += 1,
            mark => {
                found.push((line, Token::Other(mark)));
                at += 1;
            }
        }
        line += text[from..at.min(text.len())]
            .iter()
            .filter(|each| **each == '\n')
            .count();
    }
    found
}

fn end_of(text: &[char], from: usize, ends: impl Fn(&[char]) -> bool) -> usize {
    (from..text.len()).find(|at| ends(&text[*at..])).unwrap_or(text.len())
}

fn comment(text: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from + 2, 1);
    while at < text.len() && depth > 0 {
        match text[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn string(text: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of `r"…"`, `r#"…"#`, `br"…"` and the like, if one begins here.
fn raw(text: &[char], from: usize) -> Option<usize> {
    if from > 0 && (text[from - 1].is_alphanumeric() || text[from - 1] == '_') {
        return None;
    }
    let letters = end_of(text, from, |rest| !matches!(rest[0], 'r' | 'b' | 'c'));
    let hashes = end_of(text, letters, |rest| rest[0] != '#') - letters;
    if !text[from..letters].contains(&'r') || text.get(letters + hashes) != Some(&'"') {
        return None;
    }
    let closes = |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|each| **each == '#').count() >= hashes;
    Some(end_of(text, letters + hashes + 1, closes) + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        let module = ["service".to_owned(), "inbox".to_owned()];
        named(source, &module)
            .into_iter()
            .map(|named| named.path.join("::"))
            .collect()
    }

    #[track_caller]
    fn names(source: &str, path: &str) {
        let found = paths(source);
        assert!(found.iter().any(|each| each == path), "{path} in {found:?}");
    }

    #[test]
    fn a_group_is_every_path_in_it() {
        let source = "use std::{collections::HashMap, fs::{self, File as F}, io::*};";
        assert_eq!(
            paths(source),
            ["std::collections::HashMap", "std::fs", "std::fs::File", "std::io::*"]
        );
    }

    #[test]
    fn a_module_is_found_from_wherever_it_is_named() {
        names("use super::super::http::Reply;", "crate::http::Reply");
        names("use super::{super::http, ports};", "crate::http");
        names("use self::parts::Part;", "crate::service::inbox::parts::Part");
        names("mod tests { use super::super::super::http; }", "crate::http");
        names("mod tests { fn f() {} }\nuse super::ports;", "crate::service::ports");
        names("fn f() { crate::http::reply(); }", "crate::http::reply");
    }

    #[test]
    fn another_name_hides_nothing() {
        names("use std as s;\nfn f() { s::fs::read(\"x\"); }", "std::fs::read");
        names(
            "fn f() { T::now(); }\nuse jiff::Timestamp as T;",
            "jiff::Timestamp::now",
        );
        names("fn f() { ::sqlx::query(\"x\"); }", "sqlx::query");
        names("fn f() { r#sqlx::query!(\"x\"); }", "sqlx::query");
    }

    #[test]
    fn what_is_only_written_about_is_not_named() {
        let source = "// sqlx::query\n/* sqlx /* sqlx */ sqlx */ const A: &str = \"sqlx \\\" sqlx\";\n\
                      const B: &str = r#\"sqlx \" sqlx\"#; const C: [char; 2] = ['\"', '\\''];\nfn end<'a>() {}";
        assert!(
            !paths(source).iter().any(|path| path.contains("sqlx")),
            "{:?}",
            paths(source)
        );
        names(source, "end");
    }

    #[test]
    fn lines_are_counted_from_one() {
        let found = named("/*\n*/\nuse a::{\n    b,\n};\n", &[]);
        assert_eq!(
            found,
            [Named {
                line: 4,
                path: vec!["a".to_owned(), "b".to_owned()]
            }]
        );
    }
}
