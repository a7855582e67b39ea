-- Named queries of `postgres_server`.

-- name: place — the schema, the database and the server that answer
SELECT (SELECT oid::bigint FROM pg_namespace WHERE nspname = 'observatory'),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       extract(epoch FROM pg_postmaster_start_time())::double precision;

-- name: now — the store's clock, as text that no setting of the session changes
SELECT to_char(observatory.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US');

-- name: takes_writes — not so on a standby, or where somebody made all transactions read only; and who asks, if the role
-- may not write the jobs that there are
SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off',
       (SELECT current_user::text
        WHERE NOT has_table_privilege(to_regclass('observatory.jobs'), 'INSERT')
           OR NOT has_table_privilege(to_regclass('observatory.jobs'), 'UPDATE'));

-- name: tell — heard when the transaction is committed, and by nobody when it is not
SELECT pg_notify(channel, text) FROM unnest($1::text[], $2::text[]) AS notices (channel, text);
