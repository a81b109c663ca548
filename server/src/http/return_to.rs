//! Where to send someone after a form or a sign-in: only ever a path of our own (R28). The Referer is never asked.

/// Longest address that is kept.
const LONGEST: usize = 2_000;

/// `text` if it is a path (with query) on this server, and not one of the sign-in itself.
///
/// Decided on the text alone, by refusing whatever a browser might read as another host: `//host`, `/\host`, tabs and
/// line ends, which browsers drop.
pub(crate) fn own_path(text: &str) -> Option<&str> {
    let safe = text.len() <= LONGEST
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !text.starts_with("/auth/")
        && text != "/sign-in"
        && !text.starts_with("/sign-in?");
    safe.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_only_a_path_of_our_own_is_returned_to() {
        for good in ["/", "/deployments/1?tab=gates#top", "/history?text=a%20b//c"] {
            assert_eq!(own_path(good), Some(good));
        }
        let long = format!("/{}", "a".repeat(3_000));
        for bad in [
            "",
            "deployments",
            "https://evil.test",
            "//evil.test",
            "/\\evil.test",
            "/\t/evil.test",
            "/a\r\nSet-Cookie: x=y",
            "/auth/sign-in",
            "javascript:alert(1)",
            "/ä",
            &long,
        ] {
            assert_eq!(own_path(bad), None, "{bad:?}");
        }
    }
}
