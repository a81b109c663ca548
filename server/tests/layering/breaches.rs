//! Each rule is shown to fail, on trees that are made up.

use crate::{
    ADAPTERS, APP, CLOUD, DOMAIN, HTTP, PAGES, SERVICE, SQL, STAND_IN, STORE, WORKER,
    rules::{Depends, Rule, Tree},
};

/// The breaches of a rule by one file; its other folders hold nothing wrong.
fn broken(rule: &Rule, file: &str, source: &str) -> Vec<String> {
    let mut tree: Tree = rule
        .folders
        .iter()
        .map(|folder| {
            (
                format!("{folder}/fine.rs"),
                "use std::fmt::Debug;\nuse crate::words::Words;".to_owned(),
            )
        })
        .collect();
    tree.insert(file.to_owned(), source.to_owned());
    rule.breaches(&tree)
}

#[test]
fn each_rule_fails_on_the_line_that_breaks_it() {
    for (rule, file, source, found) in [
        (
            &DOMAIN,
            "domain/src/plan.rs",
            "use std::{\n    fmt,\n    fs,\n};",
            "3: std::fs",
        ),
        (
            &DOMAIN,
            "domain/src/plan.rs",
            "\nuse jiff::Timestamp as T;\nfn f() { T::now(); }",
            "3: jiff::Timestamp::now",
        ),
        (&DOMAIN, "domain/src/deployment/run.rs", "async fn f() {}", "1: async"),
        (
            &DOMAIN,
            "domain/src/id.rs",
            "fn f() { uuid::Uuid::now_v7(); }",
            "1: uuid::Uuid::now_v7",
        ),
        (
            &APP,
            "app/src/rpc.rs",
            "use {leptos::*, tidegate_store::Db};",
            "1: tidegate_store::Db",
        ),
        (
            &APP,
            "app/client/src/lib.rs",
            "use reqwest::Client;",
            "1: reqwest::Client",
        ),
        (
            &PAGES,
            "app/src/pages/home.rs",
            "use crate::{rpc, portal::{Portal}};",
            "1: crate::portal::Portal",
        ),
        (
            &PAGES,
            "app/src/pages/home.rs",
            "use crate::portal::*;",
            "1: crate::portal::*",
        ),
        (
            &SERVICE,
            "server/src/service/inbox.rs",
            "use crate::{\n    http,\n    worker,\n};",
            "2: crate::http",
        ),
        (
            &SERVICE,
            "server/src/service/mod.rs",
            "use super::http::Reply;",
            "1: crate::http::Reply",
        ),
        (&SERVICE, "server/src/service/inbox.rs", "use crate::*;", "1: crate::*"),
        (
            &SERVICE,
            "server/src/service/inbox.rs",
            "fn f() { ::axum::serve(); }",
            "1: axum::serve",
        ),
        (
            &HTTP,
            "server/src/http/api/audit.rs",
            "use tidegate_store::{Db, Tx as _};",
            "1: tidegate_store::Db",
        ),
        (&STORE, "server/store/src/tx.rs", "extern crate reqwest;", "1: reqwest"),
        (
            &ADAPTERS,
            "server/adapters/src/lib.rs",
            "pub use tidegate_store as store;",
            "1: tidegate_store",
        ),
        (
            &WORKER,
            "server/src/worker/mod.rs",
            "mod tests {\n    use super::super::http;\n}",
            "2: crate::http",
        ),
        (
            &CLOUD,
            "server/src/main.rs",
            "fn f() { aws_sdk_ecs::Client::new(); }",
            "1: aws_sdk_ecs::Client::new",
        ),
        (
            &SQL,
            "server/src/wiring/mod.rs",
            "fn f() { sqlx::query!(\"SELECT 1\"); }",
            "1: sqlx::query",
        ),
        (
            &STAND_IN,
            "server/src/main.rs",
            "fn f() { let sandbox = 1; }",
            "1: sandbox",
        ),
    ] {
        let breaches = broken(rule, file, source);
        assert!(breaches.contains(&format!("{file}:{found}")), "{source}: {breaches:?}");
    }
}

#[test]
fn what_only_looks_alike_breaks_no_rule() {
    for (rule, file, source) in [
        (
            &DOMAIN,
            "domain/src/plan.rs",
            "/// Never `std::fs`.\nuse std::fmt; // async\nfn asynchronous() {}",
        ),
        (
            &SERVICE,
            "server/src/service/inbox.rs",
            "use crate::service::http_words; use super::*; use http::StatusCode;",
        ),
        (&PAGES, "app/src/pages/home.rs", "use crate::portal::PortalError;"),
        (
            &SQL,
            "server/src/main.rs",
            "const A: &str = \"sqlx::query\"; use sqlxish::query;",
        ),
        (&CLOUD, "server/adapters/src/lib.rs", "use aws_config::Region;"),
    ] {
        assert_eq!(broken(rule, file, source), [""; 0], "{source}");
    }
}

#[test]
fn a_rule_whose_folder_is_gone_says_so() {
    let breaches = HTTP.breaches(&Tree::new());
    assert_eq!(breaches, ["server/src/http is not there: the rule guards nothing"]);
}

#[test]
fn a_dependency_is_seen_wherever_the_manifest_names_it() {
    let rule = Depends::NeverOn(&["sqlx", "aws-*"]);
    for manifest in [
        "[dependencies]\nsqlx.workspace = true",
        "[dependencies.sqlx]\nversion = \"0.9\"",
        "[dependencies]\nsql = { package = \"sqlx\", version = \"0.9\" }",
        "[build-dependencies]\naws-config = \"1\"",
        "[target.'cfg(unix)'.dependencies]\naws-sdk-ecs = \"1\"",
    ] {
        assert_eq!(rule.breaches(manifest).len(), 1, "{manifest}");
    }
    let fine = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\nsqlx = \"0.9\"";
    assert_eq!(rule.breaches(fine), [""; 0]);
    assert_eq!(
        Depends::OnlyOn(&["serde"]).breaches("[dependencies]\nserde = \"1\"\nrand = \"0.9\""),
        ["rand"]
    );
}
