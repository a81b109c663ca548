//! The migrations are embedded: a new file among them rebuilds this crate.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
