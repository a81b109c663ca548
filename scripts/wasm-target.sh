#!/bin/sh
# Makes `cargo build --target wasm32-unknown-unknown` work. Idempotent; a fraction of a second once it does.
#   eval "$(scripts/wasm-target.sh)"
# Messages go to stderr; stdout carries only the `export RUSTUP_TOOLCHAIN=…` line that the caller needs (nothing where
# the toolchain in force serves). WASM_TARGET=debian leaves rustup out and takes Debian's compiler, to try that route.
set -eu
cd "$(dirname "$0")/.."
T=wasm32-unknown-unknown
NAME=debian-web                       # what the linked rustup toolchain is called
say() { echo "wasm-target: $*" >&2; }

# A proof holds for one compiler and one route: while both stand, it need not be repeated.
STAMPS="${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}/stamps"
fact() { echo "${WASM_TARGET:-rustup} $("$@" rustc -vV 2>/dev/null | tr '\n' ' ') $("$@" rustc --print sysroot 2>/dev/null)"; }
in_force() { fact env; }
# Debian packs clippy apart from the compiler: a machine may have the one and not the other.
lints() { "$@" cargo clippy --version >/dev/null 2>&1; }
if [ -f "$STAMPS/wasm-target" ]; then
  { read -r PROVEN; read -r ANSWER || true; } <"$STAMPS/wasm-target"
  case "$ANSWER" in
    *"$NAME") NOW=$(lints env RUSTUP_TOOLCHAIN=$NAME && fact env RUSTUP_TOOLCHAIN=$NAME) || NOW= ;;
    *) NOW=$(in_force) ;;
  esac
  if [ "$NOW" = "$PROVEN" ]; then [ -z "$ANSWER" ] || echo "$ANSWER"; exit 0; fi
fi
ready() { # ready ANSWER COMMAND…: the proof is written down, the answer given
  answer=$1; shift
  mkdir -p "$STAMPS"
  { fact "$@"; echo "$answer"; } >"$STAMPS/wasm-target"
  [ -z "$answer" ] || echo "$answer"
  say "ready: $("$@" rustc --version)"
  exit 0
}

W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
mkdir -p "$W/p/src"
printf '[package]\nname="probe"\nversion="0.0.0"\nedition="2024"\n[lib]\ncrate-type=["cdylib"]\n[workspace]\n[profile.release]\nlto="fat"\n' >"$W/p/Cargo.toml"
printf '#[unsafe(no_mangle)]\npub extern "C" fn f(n: u32) -> usize { (0..n).map(|i| i.to_string()).collect::<String>().len() }\n' >"$W/p/src/lib.rs"
# A real link with LTO: proves std, its bitcode and the linker, not only that files are there.
probe() { (cd "$W/p" && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER CARGO_TARGET_DIR="$W/t" \
  "$@" build -q --release --offline --target $T) >"$W/log" 2>&1; }

# 1. The toolchain that rust-toolchain.toml chooses here does it already, or does once rustup has fetched the target.
ACTIVE=$(rustup show active-toolchain 2>/dev/null | cut -d' ' -f1) || true
if [ "${WASM_TARGET:-}" != debian ]; then
  if [ -n "$ACTIVE" ]; then TOOLCHAIN="RUSTUP_TOOLCHAIN=$ACTIVE"; else TOOLCHAIN=WASM_TARGET=; fi
  if probe env "$TOOLCHAIN" cargo; then ready "" env; fi
  if [ -n "$ACTIVE" ] && rustup target add $T >"$W/log" 2>&1 && probe env "$TOOLCHAIN" cargo; then ready "" env; fi
fi

# 2. Debian: the compiler that Debian builds for its browsers, with std built from its source package.
if command -v rustup >/dev/null 2>&1 && [ -x /usr/bin/rustc ] &&
  lints env RUSTUP_TOOLCHAIN=$NAME && probe env RUSTUP_TOOLCHAIN=$NAME cargo; then
  ready "export RUSTUP_TOOLCHAIN=$NAME" env RUSTUP_TOOLCHAIN=$NAME
fi
command -v apt-get >/dev/null || { say "no $T target: 'rustup target add $T' failed and this is not Debian"; cat "$W/log" >&2; exit 1; }
say "rustup cannot fetch the target: installing Debian's rustc-web and lld"
scripts/apt.sh rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web >&2
SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
# wasm-ld of the same LLVM as rustc, which calls it as `rust-lld -flavor wasm`.
LLVM=$(/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
HOST=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
SYS=$(/usr/bin/rustc --print sysroot)
scripts/apt.sh "lld-$LLVM" >&2
$SUDO mkdir -p "$SYS/lib/rustlib/$HOST/bin" "$SYS/lib/rustlib/$T/lib"
$SUDO ln -sf "/usr/lib/llvm-$LLVM/bin/lld" "$SYS/lib/rustlib/$HOST/bin/rust-lld"

# std belongs to one exact compiler build: the package's version is its stamp.
STAMP="$(dpkg-query -W -f '${Version}' rustc-web) llvm$LLVM 1"
LIB="$SYS/lib/rustlib/$T/lib"
if [ "$(cat "$LIB/.stamp" 2>/dev/null || true)" != "$STAMP" ]; then
  say "building std for $T ($STAMP)"
  # embed-bitcode: without LTO cargo leaves the bitcode out, and then nobody can link against this std with LTO.
  (cd "$W/p" && env -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTUP_TOOLCHAIN \
    PATH="/usr/bin:/bin" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$W/std" \
    RUSTFLAGS="-Cembed-bitcode=yes" CARGO_PROFILE_RELEASE_LTO=off \
    /usr/bin/cargo build -q --release --target $T -Zbuild-std=std,panic_abort,proc_macro,test >&2)
  $SUDO rm -rf "$LIB"; $SUDO mkdir -p "$LIB"
  find "$W/std/$T/release" -name 'lib*.rlib' ! -name 'libprobe*' -exec $SUDO cp {} "$LIB/" \;
  echo "$STAMP" | $SUDO tee "$LIB/.stamp" >/dev/null
fi

if command -v rustup >/dev/null 2>&1; then
  rustup toolchain link "$NAME" "$SYS" >&2
  probe env RUSTUP_TOOLCHAIN=$NAME cargo || { cat "$W/log" >&2; exit 1; }
  ready "export RUSTUP_TOOLCHAIN=$NAME" env RUSTUP_TOOLCHAIN=$NAME
fi
probe /usr/bin/cargo || { cat "$W/log" >&2; exit 1; }
ready "" env
