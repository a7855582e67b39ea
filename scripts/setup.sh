#!/bin/sh
# Makes .venv with the project and its tools: `make setup`.
#
# Needs python3 (3.11 or newer, with venv) and nothing else. Every downloaded file is checked against the hashes in
# requirements/dev.lock, which contains requirements/runtime.lock. Nothing is compiled, so no compiler is needed.
# A second run sees from two stamps in .venv that nothing changed and ends at once.
# PYTHON=/path/to/python chooses the interpreter.
set -eu

cd "$(dirname "$0")/.."
venv=.venv
lock=requirements/dev.lock

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            python=$candidate
            return
        fi
    done
    if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
        stop "${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1), but 3.11 or newer is needed: install a newer python3 with its venv package"
    fi
    stop "python3 is missing: install the packages python3 and python3-venv (Debian: apt-get install python3 python3-venv)"
}

create_venv() {
    find_python
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        stop "$python cannot make virtual environments: install the package python3-venv (Debian: apt-get install python3-venv)"
    say "creating $venv with $("$python" --version 2>&1)"
    "$python" -m venv --clear "$venv" || stop "could not create $venv with $python"
}

# One line that changes whenever the named files do.
digest() { cat "$@" | "$venv/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }

is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

run_pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@" --quiet; }

install_locked() {
    wanted=$(digest "$lock")
    if is_current "$venv/.stamp-lock" "$wanted"; then return; fi
    say "installing $(grep -c '^[a-zA-Z0-9]' "$lock") packages, hash-checked (a few minutes the first time)"
    run_pip install --require-hashes --only-binary :all: --retries 5 -r "$lock" || stop "installing $lock failed; the lines above say why"
    printf '%s\n' "$wanted" >"$venv/.stamp-lock"
}

# The build runs with the locked hatchling: build isolation would fetch unpinned tools.
install_project() {
    wanted=$(digest pyproject.toml VERSION hatch_build.py)
    if is_current "$venv/.stamp-project" "$wanted" && [ -x "$venv/bin/odd-dashboard" ]; then return; fi
    say "installing the project, editable"
    run_pip install --no-build-isolation --no-deps --no-index --editable . || stop "installing the project failed; the lines above say why"
    printf '%s\n' "$wanted" >"$venv/.stamp-project"
}

if [ -e "$venv" ] && ! { is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    say "$venv does not work any more; making it anew"
    create_venv
elif [ ! -e "$venv" ]; then
    create_venv
fi
install_locked
install_project
say "ready: $venv/bin/odd-dashboard"
