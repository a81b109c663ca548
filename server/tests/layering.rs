//! Who may import whom (ARCHITECTURE.md, "What must never import what"). Each rule fails on the first line that breaks it.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Whether a line of code (not of comment) names `word` as a whole path segment.
fn names(line: &str, word: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(word).any(|(at, _)| {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        let whole = word.ends_with('_') || !after.chars().next().is_some_and(part_of_word);
        !before.is_some_and(part_of_word) && whole
    })
}

/// Lines of `folder` that name any of `words`.
fn breaches(folder: &str, words: &[&str]) -> Vec<String> {
    let folder = root().join(folder);
    assert!(
        folder.is_dir(),
        "{} is not there: the rule guards nothing",
        folder.display()
    );
    let mut breaches = Vec::new();
    for file in rust_files(&folder) {
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            breaches.extend(
                words
                    .iter()
                    .filter(|word| names(line, word))
                    .map(|word| format!("{}:{}: {word}", file.display(), number + 1)),
            );
        }
    }
    breaches
}

#[track_caller]
fn never(folder: &str, words: &[&str]) {
    let breaches = breaches(folder, words);
    assert!(
        breaches.is_empty(),
        "{folder} must not know of {words:?}:\n{}",
        breaches.join("\n")
    );
}

const CLOUD: &str = "aws_";

#[test]
fn the_domain_does_no_io_and_reads_no_clock() {
    never(
        "domain/src",
        &[
            "tokio", "sqlx", "axum", "leptos", "reqwest", CLOUD, "std::fs", "std::net", "std::env", "rand", "async",
        ],
    );
    never(
        "domain/src",
        &[
            "SystemTime",
            "Instant",
            "Timestamp::now",
            "Zoned::now",
            "Uuid::now_v7",
            "Uuid::new_v4",
        ],
    );
}

#[test]
fn the_app_knows_neither_database_nor_cloud_nor_server() {
    never(
        "app/src",
        &[
            "sqlx",
            CLOUD,
            "oauth2",
            "reqwest",
            "tidegate_server",
            "tidegate_store",
            "tidegate_adapters",
        ],
    );
}

#[test]
fn pages_reach_the_portal_through_rpc_only() {
    never("app/src/pages", &["Portal"]);
}

#[test]
fn use_cases_know_neither_http_nor_adapters() {
    never(
        "server/src/service",
        &[
            "axum",
            "leptos",
            "leptos_axum",
            "tidegate_adapters",
            "tower_http",
            CLOUD,
            "sqlx",
            "crate::http",
        ],
    );
}

#[test]
fn http_knows_neither_store_nor_adapters() {
    never(
        "server/src/http",
        &["sqlx", "tidegate_store", "tidegate_adapters", CLOUD],
    );
}

#[test]
fn store_and_adapters_do_not_know_each_other() {
    never("server/store/src", &["tidegate_adapters", CLOUD, "reqwest", "axum"]);
    never("server/adapters/src", &["tidegate_store", "sqlx", "axum", "leptos"]);
}

#[test]
fn the_worker_does_not_know_http() {
    never("server/src/worker", &["crate::http", "axum", "leptos", "sqlx", CLOUD]);
}

#[test]
fn the_cloud_is_called_from_adapters_only_and_sql_is_in_the_store_only() {
    for folder in ["server/src", "app/src", "domain/src", "server/store/src"] {
        never(folder, &[CLOUD]);
    }
    for folder in ["server/src", "app/src", "domain/src", "server/adapters/src"] {
        never(folder, &["sqlx"]);
    }
}

#[test]
fn the_server_knows_of_no_demo_and_no_stand_in() {
    for folder in [
        "server/src",
        "server/store/src",
        "server/adapters/src",
        "app/src",
        "domain/src",
    ] {
        never(folder, &["tidegate_sandbox", "sandbox"]);
    }
}

#[test]
fn the_guard_sees_a_breach() {
    assert!(names("use sqlx::query;", "sqlx"));
    assert!(names("    aws_sdk_ecs::Client", CLOUD));
    assert!(!names("// sqlx would be wrong here", "sqlx"));
    assert!(!names("let tidegate_sqlxish = 1;", "sqlx"));
}
