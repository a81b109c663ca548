//! The description of a cloud deployment: words for people, and the operation id at its end.

use tidegate_domain::id::OperationId;

/// Longer titles are cut: the id must survive whatever AWS does with a long description.
const TITLE_CHARS: usize = 160;

/// What one operation may make two of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The deployment that was approved.
    Forward,
    /// What ran before, once the first one had succeeded.
    Back,
}

/// `TITLE [tidegate:OPERATION]`; `TITLE [tidegate:OPERATION:back]` on the way back.
pub(super) fn described(title: &str, operation: OperationId, purpose: Purpose) -> String {
    let title: String = title
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(TITLE_CHARS)
        .collect();
    format!("{} {}", title.trim(), mark(operation, purpose))
}

/// Whether this operation made the deployment. Only the end counts: a title may quote another operation.
pub(super) fn is_of(description: &str, operation: OperationId, purpose: Purpose) -> bool {
    description
        .strip_suffix(mark(operation, purpose).as_str())
        .is_some_and(|title| title.is_empty() || title.ends_with(' '))
}

fn mark(operation: OperationId, purpose: Purpose) -> String {
    match purpose {
        Purpose::Forward => format!("[tidegate:{operation}]"),
        Purpose::Back => format!("[tidegate:{operation}:back]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use uuid::Uuid;

    const OPERATION: OperationId = OperationId::from_uuid(Uuid::from_u128(7));
    const ID: &str = "00000000-0000-0000-0000-000000000007";

    #[test]
    fn the_way_back_is_told_from_the_way_there() {
        let back = described("back from rag", OPERATION, Purpose::Back);
        assert!(is_of(&back, OPERATION, Purpose::Back) && !is_of(&back, OPERATION, Purpose::Forward));
        let there = described("rag", OPERATION, Purpose::Forward);
        assert!(!is_of(&there, OPERATION, Purpose::Back));
    }

    #[test]
    fn r10_the_description_bears_the_operation_id() {
        let text = described("rag sha-1234567 to production", OPERATION, Purpose::Forward);
        assert_eq!(text, format!("rag sha-1234567 to production [tidegate:{ID}]"));
        assert!(is_of(&text, OPERATION, Purpose::Forward));
    }

    #[test]
    fn a_long_or_broken_title_does_not_hide_the_operation_id() {
        let text = described(&"ä\n".repeat(5_000), OPERATION, Purpose::Forward);
        assert!(text.chars().count() < 220 && !text.contains('\n'));
        assert!(is_of(&text, OPERATION, Purpose::Forward));
    }

    #[rstest]
    #[case("", false)]
    #[case("00000000-0000-0000-0000-000000000007", false)]
    #[case("[tidegate:00000000-0000-0000-0000-000000000007]", true)]
    #[case("x [tidegate:00000000-0000-0000-0000-000000000007]", true)]
    #[case("x[tidegate:00000000-0000-0000-0000-000000000007]", false)]
    #[case("x [tidegate:00000000-0000-0000-0000-0000000000071]", false)]
    #[case("x [tidegate:00000000-0000-0000-0000-000000000008]", false)]
    #[case("x [TIDEGATE:00000000-0000-0000-0000-000000000007]", false)]
    #[case("again: x [tidegate:00000000-0000-0000-0000-000000000007] by hand", false)]
    #[case(
        "x [tidegate:00000000-0000-0000-0000-000000000007] [tidegate:00000000-0000-0000-0000-000000000008]",
        false
    )]
    fn a_look_alike_is_not_matched(#[case] description: &str, #[case] ours: bool) {
        assert_eq!(is_of(description, OPERATION, Purpose::Forward), ours);
    }
}
