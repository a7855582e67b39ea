#!/bin/sh
# Writes the lock files: `make lock`; `make lock UPGRADE=1` also moves every package to its newest allowed version.
#
# One lock serves Linux, macOS and Windows and every Python from 3.11 on: differences are markers inside it. It holds
# versions and hashes only, never the address of an index, so it installs from any mirror.
set -eu

cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --system-certs --custom-compile-command 'make lock' \
        ${UPGRADE:+--upgrade} "$@"
}

compile --output-file requirements/runtime.lock
compile --group dev --constraints requirements/runtime.lock --output-file requirements/dev.lock
printf 'lock: %s packages to run, %s with the tools\n' \
    "$(grep -c '^[a-zA-Z0-9]' requirements/runtime.lock)" "$(grep -c '^[a-zA-Z0-9]' requirements/dev.lock)"
