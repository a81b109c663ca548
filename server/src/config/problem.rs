//! What is wrong with a configuration file: where, what, and what to write instead.

use std::{fmt, ops::Range};

/// One thing that is wrong. Line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub suggestion: Option<String>,
    /// The line it stands in.
    excerpt: String,
}

/// Everything that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    name: String,
    text: String,
    list: Vec<Problem>,
    unreadable: Option<String>,
}

impl Problems {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            list: Vec::new(),
            unreadable: None,
        }
    }

    pub(super) fn unreadable(name: &str, error: &std::io::Error) -> Self {
        Self {
            unreadable: Some(error.to_string()),
            ..Self::new(name, "")
        }
    }

    pub(super) fn of_syntax(name: &str, text: &str, error: &toml::de::Error) -> Self {
        let mut problems = Self::new(name, text);
        let message = error.message().trim().to_owned();
        let suggestion = did_you_mean(&message);
        problems.add(error.span().unwrap_or(0..0), message, suggestion);
        problems
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>, suggestion: Option<String>) {
        let start = span.start.min(self.text.len());
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.list.push(Problem {
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            message: message.into(),
            suggestion,
            excerpt: without_secret(self.text[line_start..].lines().next().unwrap_or_default()),
        });
    }

    /// As [`Problems::add`], for a line whose value may be a secret: the line is shown up to it.
    pub(super) fn add_hidden(&mut self, span: Range<usize>, message: impl Into<String>, suggestion: Option<String>) {
        self.add(span, message, suggestion);
        if let Some(problem) = self.list.last_mut() {
            let shown: String = problem.excerpt.chars().take(problem.column - 1).collect();
            problem.excerpt = format!("{} …", shown.trim_end());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.unreadable.is_none()
    }

    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unreadable {
            return write!(
                f,
                "{}: cannot be read: {why}. Name another file with --config",
                self.name
            );
        }
        for (number, problem) in self.list.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            writeln!(
                f,
                "{}:{}:{}: {}",
                self.name, problem.line, problem.column, problem.message
            )?;
            write!(f, "  {:>4} | {}", problem.line, problem.excerpt)?;
            if let Some(suggestion) = &problem.suggestion {
                write!(f, "\n       = {suggestion}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A line as it may be shown: what stands in the place of a secret is left out.
fn without_secret(line: &str) -> String {
    let Some((name, value)) = line.split_once('=') else {
        return line.to_owned();
    };
    let secret = ["secret", "token", "password", "key"]
        .iter()
        .any(|word| name.contains(word));
    let address = value
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@') || rest.contains("password"));
    if secret || address {
        format!("{name}= …")
    } else {
        line.to_owned()
    }
}

/// The closest of the known words, where one is close.
pub(super) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Reads the known words out of serde's own message and proposes the closest.
fn did_you_mean(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (word, known) = quoted.split_first()?;
    let known = known.iter().copied();
    if !message.starts_with("unknown") {
        return None;
    }
    closest(word, known).map(|candidate| format!("did you mean `{candidate}`?"))
}
