//! Who may import whom (ARCHITECTURE.md, "What must never import what"). Each rule fails on every line that breaks it,
//! and is itself shown to fail, on trees that are made up.

#[path = "layering/breaches.rs"]
mod breaches;
#[path = "layering/paths.rs"]
mod paths;
#[path = "layering/rules.rs"]
mod rules;

use rules::{Depends, Rule, Tree};
use std::{fs, path::Path};

const DOMAIN: Rule = Rule {
    folders: &["domain/src"],
    never: &[
        "tokio",
        "sqlx",
        "axum",
        "leptos",
        "reqwest",
        "rand",
        "aws_*",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "**::async",
        "**::SystemTime",
        "**::Instant",
        "**::Timestamp::now",
        "**::Zoned::now",
        "**::Uuid::now_v7",
        "**::Uuid::new_v4",
    ],
};
const APP: Rule = Rule {
    folders: &["app/src", "app/client/src"],
    never: &[
        "sqlx",
        "aws_*",
        "oauth2",
        "reqwest",
        "tidegate_server",
        "tidegate_store",
        "tidegate_adapters",
    ],
};
const PAGES: Rule = Rule {
    folders: &["app/src/pages"],
    never: &["**::Portal", "crate::portal::*"],
};
const SERVICE: Rule = Rule {
    folders: &["server/src/service"],
    never: &[
        "crate::http",
        "tidegate_server::http",
        "axum",
        "tower_http",
        "leptos",
        "leptos_*",
        "tidegate_adapters",
    ],
};
const HTTP: Rule = Rule {
    folders: &["server/src/http"],
    never: &["tidegate_store", "tidegate_adapters"],
};
const STORE: Rule = Rule {
    folders: &["server/store/src"],
    never: &["tidegate_adapters", "reqwest", "axum"],
};
const ADAPTERS: Rule = Rule {
    folders: &["server/adapters/src"],
    never: &["tidegate_store", "axum", "leptos"],
};
const WORKER: Rule = Rule {
    folders: &["server/src/worker"],
    never: &["crate::http", "tidegate_server::http", "axum", "leptos"],
};
const CLOUD: Rule = Rule {
    folders: &[
        "server/src",
        "app/src",
        "app/client/src",
        "domain/src",
        "server/store/src",
    ],
    never: &["aws_*"],
};
const SQL: Rule = Rule {
    folders: &[
        "server/src",
        "app/src",
        "app/client/src",
        "domain/src",
        "server/adapters/src",
    ],
    never: &["sqlx"],
};
const STAND_IN: Rule = Rule {
    folders: &[
        "server/src",
        "server/store/src",
        "server/adapters/src",
        "app/src",
        "app/client/src",
        "domain/src",
    ],
    never: &["tidegate_sandbox", "tidegate_demo", "**::sandbox"],
};

const MANIFESTS: [(&str, Depends); 6] = [
    (
        "domain/Cargo.toml",
        Depends::OnlyOn(&[
            "serde",
            "serde_json",
            "serde_json_canonicalizer",
            "sha2",
            "hex",
            "thiserror",
            "uuid",
            "jiff",
            "statrs",
        ]),
    ),
    ("app/Cargo.toml", NOTHING_OF_THE_SERVER),
    ("app/client/Cargo.toml", NOTHING_OF_THE_SERVER),
    (
        "server/Cargo.toml",
        Depends::NeverOn(&["sqlx", "aws-*", "tidegate-sandbox", "tidegate-demo"]),
    ),
    (
        "server/store/Cargo.toml",
        Depends::NeverOn(&["tidegate-adapters", "aws-*", "reqwest", "axum"]),
    ),
    (
        "server/adapters/Cargo.toml",
        Depends::NeverOn(&["tidegate-store", "sqlx", "axum", "leptos", "tidegate-sandbox"]),
    ),
];
const NOTHING_OF_THE_SERVER: Depends = Depends::NeverOn(&[
    "sqlx",
    "aws-*",
    "oauth2",
    "reqwest",
    "tidegate-server",
    "tidegate-store",
    "tidegate-adapters",
]);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn read(folder: &str, tree: &mut Tree) {
    for entry in fs::read_dir(repository().join(folder)).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&name, tree);
        } else if name.ends_with(".rs") {
            tree.insert(name, fs::read_to_string(entry.path()).expect("a source file"));
        }
    }
}

#[track_caller]
fn holds(rule: &Rule) {
    let mut tree = Tree::new();
    for folder in rule.folders {
        read(folder, &mut tree);
    }
    let breaches = rule.breaches(&tree);
    assert!(
        breaches.is_empty(),
        "{:?} must not know of {:?}:\n{}",
        rule.folders,
        rule.never,
        breaches.join("\n")
    );
}

#[test]
fn the_domain_does_no_io_and_reads_no_clock() {
    holds(&DOMAIN);
}

#[test]
fn the_app_knows_neither_database_nor_cloud_nor_server() {
    holds(&APP);
}

#[test]
fn pages_reach_the_portal_through_rpc_only() {
    holds(&PAGES);
}

#[test]
fn use_cases_know_neither_http_nor_adapters() {
    holds(&SERVICE);
}

#[test]
fn http_knows_neither_store_nor_adapters() {
    holds(&HTTP);
}

#[test]
fn store_and_adapters_do_not_know_each_other() {
    holds(&STORE);
    holds(&ADAPTERS);
}

#[test]
fn the_worker_does_not_know_http() {
    holds(&WORKER);
}

#[test]
fn the_cloud_is_called_from_adapters_only_and_sql_is_in_the_store_only() {
    holds(&CLOUD);
    holds(&SQL);
}

#[test]
fn the_server_knows_of_no_demo_and_no_stand_in() {
    holds(&STAND_IN);
}

#[test]
fn no_crate_depends_on_what_it_must_not_import() {
    for (file, rule) in MANIFESTS {
        let manifest = fs::read_to_string(repository().join(file)).expect("a manifest");
        assert_eq!(rule.breaches(&manifest), [""; 0], "{file}");
    }
}
