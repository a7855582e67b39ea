#!/bin/sh
# Installs the servers that the tests of the external engines start themselves: `make services`.
#
# Nothing is started or configured: each test run has servers of its own, on free ports of loopback, and ends them.
# Needs root on Debian or Ubuntu; elsewhere it says what to install. Does nothing when nothing is missing.
set -eu

clusters=/etc/postgresql-common/createcluster.d
no_cluster=$clusters/00-task-observatory-tests.conf
policy=/usr/sbin/policy-rc.d
made_policy=""

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

has_pgbouncer() {
    PATH="$PATH:/usr/sbin" command -v pgbouncer >/dev/null 2>&1
}

# Debian's packages make a cluster for everybody, and start it and PgBouncer, unless they are told not to; later installs
# are told nothing.
install() {
    mkdir -p "$clusters"
    printf 'create_main_cluster = false\n' >"$no_cluster"
    trap 'rm -f "$no_cluster"; if [ -n "$made_policy" ]; then rm -f "$policy"; fi' EXIT
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # several packages
    apt-get install -y -qq --no-install-recommends $missing
    if [ -d /run/systemd/system ] && [ "$missing" != "${missing#*pgbouncer}" ]; then systemctl -q disable pgbouncer; fi
}

missing=""
has_postgres || missing="postgresql"
has_pgbouncer || missing="$missing pgbouncer"
if [ -z "$missing" ]; then
    say "PostgreSQL and PgBouncer are installed; nothing is missing"
    exit 0
fi
command -v apt-get >/dev/null 2>&1 ||
    stop "install PostgreSQL (13 or newer) with its initdb, and PgBouncer, on PATH; this script knows apt-get only"
[ "$(id -u)" -eq 0 ] || stop "missing: $missing. Run \`sudo make services\`, which installs these packages"
install
has_postgres || stop "the package postgresql is installed and has no initdb under /usr/lib/postgresql"
has_pgbouncer || stop "the package pgbouncer is installed and has no program"
say "ready: PostgreSQL without a cluster, and PgBouncer; the tests start their own"
