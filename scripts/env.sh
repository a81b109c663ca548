# shellcheck shell=bash
# Sourced by every script: the repository is the working directory, and everything is built in one place outside it.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}"
mkdir -p "$CARGO_TARGET_DIR"
# No test and no demonstration may find a way to a real account.
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN
