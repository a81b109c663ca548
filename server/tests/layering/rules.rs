//! A rule: who may not name what, and how a tree of files breaks it.

use crate::paths::named;
use std::collections::BTreeMap;

/// Files by their path in the repository.
pub(crate) type Tree = BTreeMap<String, String>;

/// What may not be named from where.
pub(crate) struct Rule {
    /// Folders of source, the crate's `src` or a part of it.
    pub(crate) folders: &'static [&'static str],
    /// Paths: `sqlx` and all in it; `aws_*`, a crate whose name begins so; `**::Portal`, wherever it lies.
    pub(crate) never: &'static [&'static str],
}

/// What a crate may depend on, in any of its targets and builds, tests aside.
pub(crate) enum Depends {
    OnlyOn(&'static [&'static str]),
    NeverOn(&'static [&'static str]),
}

impl Rule {
    /// `file:line: path` for each place that breaks the rule.
    pub(crate) fn breaches(&self, tree: &Tree) -> Vec<String> {
        let mut breaches = Vec::new();
        for folder in self.folders {
            let mut guarded = 0;
            for (file, source) in tree {
                let Some(module) = module_of(file, folder) else {
                    continue;
                };
                guarded += 1;
                for found in named(source, &module) {
                    if self.never.iter().any(|pattern| matches(pattern, &found.path)) {
                        breaches.push(format!("{file}:{}: {}", found.line, found.path.join("::")));
                    }
                }
            }
            if guarded == 0 {
                breaches.push(format!("{folder} is not there: the rule guards nothing"));
            }
        }
        breaches
    }
}

/// The module that a file is in its crate, if it lies in the folder.
fn module_of(file: &str, folder: &str) -> Option<Vec<String>> {
    let inside = file.strip_prefix(folder)?;
    if !(inside.starts_with('/') || inside.is_empty()) || !file.ends_with(".rs") {
        return None;
    }
    let (_, module) = file.split_once("src/")?;
    let mut module: Vec<String> = module.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    Some(module)
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let (anywhere, pattern) = match pattern.strip_prefix("**::") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let wanted: Vec<&str> = pattern.split("::").collect();
    let begins = |path: &[String]| {
        // A glob over what the path lies in brings it along.
        let glob = path.last().is_some_and(|last| last == "*") && path.len() <= wanted.len();
        let (path, wanted) = if glob {
            (&path[..path.len() - 1], &wanted[..path.len() - 1])
        } else {
            (path, wanted.as_slice())
        };
        path.len() >= wanted.len()
            && (!path.is_empty() || !glob)
            && wanted
                .iter()
                .zip(path)
                .all(|(wanted, word)| match wanted.strip_suffix('*') {
                    Some("") => word == "*",
                    Some(beginning) => word.starts_with(beginning),
                    None => word == wanted,
                })
    };
    if anywhere {
        (0..path.len()).any(|from| begins(&path[from..]))
    } else {
        begins(path)
    }
}

impl Depends {
    /// The dependencies in a `Cargo.toml` that break the rule.
    pub(crate) fn breaches(&self, manifest: &str) -> Vec<String> {
        let manifest: toml::Table = manifest.parse().expect("a manifest");
        let wrong = |name: &String| match self {
            Self::OnlyOn(only) => !only.contains(&name.as_str()),
            Self::NeverOn(never) => never.iter().any(|each| match each.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == each,
            }),
        };
        dependencies(&manifest).into_iter().filter(wrong).collect()
    }
}

fn dependencies(table: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in table {
        let Some(entries) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "build-dependencies" => found.extend(entries.iter().map(|(name, entry)| {
                // Under another name it is still the same package.
                let package = entry.get("package").and_then(toml::Value::as_str);
                package.unwrap_or(name).to_owned()
            })),
            "target" => found.extend(
                entries
                    .values()
                    .filter_map(toml::Value::as_table)
                    .flat_map(dependencies),
            ),
            _ => {}
        }
    }
    found
}
