#!/bin/sh
# Sees to a C compiler and linker, which some crates need. Silent where there is one.
set -eu
command -v cc >/dev/null || "$(dirname "$0")/apt.sh" gcc libc6-dev
