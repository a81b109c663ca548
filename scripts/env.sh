# shellcheck shell=bash
# Sourced by every script: the repository is the working directory, and everything is built in one place outside it.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}"
mkdir -p "$CARGO_TARGET_DIR"
# No test and no demonstration may find a way to a real account: nothing of AWS is inherited, and what is set is nobody's.
for name in $(compgen -e AWS_); do unset "$name"; done
unset name
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox
# What talks to this machine itself asks no proxy.
NO_PROXY="localhost,127.0.0.1,::1${NO_PROXY:+,$NO_PROXY}"
export NO_PROXY no_proxy="$NO_PROXY"
