#!/bin/sh
# Installs the servers that the tests of the external engines start themselves: `make services`.
#
# Nothing is started or configured: each test run has servers of its own, on free ports of loopback, and ends them.
# Needs root on Debian or Ubuntu; elsewhere it says what to install. Does nothing when nothing is missing.
set -eu

clusters=/etc/postgresql-common/createcluster.d
no_cluster=$clusters/00-task-observatory-tests.conf

say() { printf 'services: %s\n' "$*"; }
stop() {
    printf 'services: %s\n' "$*" >&2
    exit 1
}

has_postgres() {
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        if [ -x "$initdb" ]; then return 0; fi
    done
    command -v postgres >/dev/null 2>&1 && command -v initdb >/dev/null 2>&1
}

# Debian's package makes and starts a cluster for everybody unless it is told not to; later installs are told nothing.
install_postgres() {
    mkdir -p "$clusters"
    printf 'create_main_cluster = false\n' >"$no_cluster"
    trap 'rm -f "$no_cluster"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends postgresql
}

if has_postgres; then
    say "PostgreSQL is installed; nothing is missing"
    exit 0
fi
command -v apt-get >/dev/null 2>&1 || stop "install PostgreSQL (13 or newer) with its initdb on PATH; this script knows apt-get only"
[ "$(id -u)" -eq 0 ] || stop "PostgreSQL is missing: run \`sudo make services\`, which installs the package postgresql"
install_postgres
has_postgres || stop "the package postgresql is installed and has no initdb under /usr/lib/postgresql"
say "ready: PostgreSQL, without a cluster; the tests start their own"
