//! How a call to the outside fails: what is certain is kept apart from what is not.

/// How a call to the outside failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It answered, and did nothing. `retry`: the same call may succeed later.
    #[error("{code}: {message}")]
    Refused { code: String, message: String, retry: bool },
    /// No answer, or one that does not say: it may or may not have taken effect.
    #[error("no clear answer: {0}")]
    Unknown(String),
}

impl CallError {
    /// GitHub's words for what is not there: 404, and 422 for a commit id that names nothing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { code, retry: false, .. } if code == "HTTP 404" || code == "HTTP 422")
    }

    pub(crate) fn refused(code: impl Into<String>, message: impl Into<String>, retry: bool) -> Self {
        Self::Refused {
            code: code.into(),
            message: message.into(),
            retry,
        }
    }

    /// The failure of a read before a mutating call: that call was not made, so nothing is unknown.
    pub(crate) fn before_anything_happened(self) -> Self {
        match self {
            Self::Unknown(what) => Self::refused("NotSent", what, true),
            refused @ Self::Refused { .. } => refused,
        }
    }
}

/// An error with everything that led to it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        next = cause.source();
    }
    words
}
