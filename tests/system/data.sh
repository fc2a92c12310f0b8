#!/bin/bash
# The database's side of the venue on real servers: schema and rights, F3's query, the recorder, administration.
# Usage: LONJA_BIN=… [LONJA_DEV_BIN=…] tests/system/data.sh [PORT_BASE]. Prints a line per test; exit 0 = all well.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
base=${1:-55300}
bin=${LONJA_BIN:-$root/build/release/bin}
tests=${LONJA_DEV_BIN:-$root/build/dev/bin}/../test
var=$(mktemp -d /tmp/lonja-data-XXXXXX)
failed=0 venue=''

ok() { echo "ok $1"; }
# not_ok NAME [WHAT IT SAID]: of a cmocka program without its summary, which only names again what failed.
not_ok() { echo "not ok $1"; [ $# -lt 2 ] || sed -e '/^\[==========\] .* run\.$/,$d' -e 's/^/# /' <<<"$2"; failed=1; }
# check NAME COMMAND…
check() { local name=$1 out; shift; if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$out"; fi; }
# equal NAME EXPECTED SEEN
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected $2, seen $3"; fi; }
# until_true SECONDS COMMAND…
until_true() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done; }

clean_up() {
    [ -z "$venue" ] || { kill -TERM "$venue" 2>/dev/null; wait "$venue" 2>/dev/null; }
    "$root/tools/services" stop "$var" >/dev/null 2>&1
    umount "$var/tiny" 2>/dev/null
    if [ $failed = 0 ]; then rm -rf "$var"; else echo "# kept for a look: $var"; fi
}
trap clean_up EXIT

as() { PGPASSWORD=$(cat "$SECRETS/pg-lonja_$1") psql -X -q -v ON_ERROR_STOP=1 -At -h "$PG_HOST" -p "$PG_PORT" -U "lonja_$1" "${database:-lonja}" "${@:2}"; }
sql() { as owner -c "$1"; }
admin() { "$bin/lonja" admin --url "http://127.0.0.1:$((base + 1))" --password-file "$var/secrets/login-admin" "$@"; }

"$root/tools/services" start "$var" --ports-from "$((base + 10))" || { not_ok services_start; exit 1; }
. "$var/services.env"

# ---- schema ---------------------------------------------------------------------------------------------

schema_goes_back_and_forth() {
    local secrets=$SECRETS
    superuser=(env PGHOST="$PG_HOST" PGPORT="$PG_PORT" PGUSER=postgres "PGPASSWORD=$(cat "$SECRETS/pg-postgres")")
    "${superuser[@]}" "$root/schema/sql/setup" lonja_test "$secrets" || return 1
    (cd "$root/schema/sql" && PGHOST=$PG_HOST PGPORT=$PG_PORT PGUSER=lonja_owner PGPASSWORD=$(cat "$secrets/pg-lonja_owner") \
        LC_ALL=C.UTF-8 sqitch --quiet revert -y db:pg:lonja_test) || return 1
    "${superuser[@]}" "$root/schema/sql/setup" lonja_test "$secrets"
}
check schema_deploys_reverts_and_deploys_again schema_goes_back_and_forth

# What each change has verified at its deploy holds on the schema of today, too: it names every column, so that one that is gone is noticed.
verified() {
    local name=$1; shift
    (cd "$root/schema/sql" && PGHOST=$PG_HOST PGPORT=$PG_PORT PGUSER=lonja_owner PGPASSWORD=$(cat "$SECRETS/pg-lonja_owner") \
        LC_ALL=C.UTF-8 sqitch verify "$@" "db:pg:$name")
}
check every_change_is_verified_on_the_schema_of_today verified lonja_test
server() { PGPASSWORD=$(cat "$SECRETS/pg-postgres") psql -X -q -v ON_ERROR_STOP=1 -h "$PG_HOST" -p "$PG_PORT" -U postgres "$@"; }
a_missing_column_is_noticed() {
    local change column out
    server -c 'CREATE DATABASE lonja_less TEMPLATE lonja_test OWNER lonja_owner' || return 1
    while read -r change column; do
        verified lonja_less --from-change "$change" --to-change "$change" || return 1
        database=lonja_less as owner -c "SET client_min_messages = warning" -c "ALTER TABLE ${column%.*} DROP COLUMN ${column##*.} CASCADE" || return 1
        if out=$(verified lonja_less --from-change "$change" --to-change "$change" 2>&1) || ! grep -q "\"${column##*.}\" does not exist" <<<"$out"; then
            echo "$column is not missed: $out"; return 1
        fi
    done <<<"people people.login.password_hash
custody_proof chain.custody_proof_decision.decided_at
settle settle.trade.total_attempts"
    server -c 'DROP DATABASE lonja_less'
}
check a_column_that_is_gone_is_noticed_by_verify a_missing_column_is_noticed

export LONJA_TEST_PG_HOST=$PG_HOST LONJA_TEST_PG_PORT=$PG_PORT LONJA_TEST_PG_DATABASE=lonja_test LONJA_TEST_PG_SECRETS=$SECRETS
check postgres_shim_against_a_server "$tests/pg_test"
# A disk of 64 KB for the recorder to fill, where this machine lets us mount one.
tiny_disk() {
    mkdir -p "$var/tiny" && mount -t tmpfs -o size=64k tmpfs "$var/tiny" && mkdir "$var/tiny/space" &&
        chown --reference="$var/postgres/data" "$var/tiny" "$var/tiny/space" &&
        PGPASSWORD=$(cat "$SECRETS/pg-postgres") psql -X -q -h "$PG_HOST" -p "$PG_PORT" -U postgres \
            -c "CREATE TABLESPACE tiny OWNER lonja_owner LOCATION '$var/tiny/space'"
}
if tiny_disk; then export LONJA_TEST_PG_TINY=tiny; else echo "skip recorder_on_a_full_disk no tmpfs can be mounted here"; fi
# Mostly waiting: in a database of its own, beside what follows.
faults() {
    PGPASSWORD=$(cat "$SECRETS/pg-postgres") psql -X -q -h "$PG_HOST" -p "$PG_PORT" -U postgres \
        -c "CREATE DATABASE lonja_fault_test TEMPLATE lonja_test OWNER lonja_owner" &&
        LONJA_TEST_PG_DATABASE=lonja_fault_test "$tests/record_fault_test"
}
faults >"$var/faults.log" 2>&1 & faults=$!
until_true 60 grep -q Running "$var/faults.log" # the template is free again
check recorder_killed_cut_doubled_and_rebuilt "$tests/record_test"
check surveillance_killed_cut_doubled_and_looked_at_again "$tests/surveil_test"
all_faults() { wait $faults || { cat "$var/faults.log"; return 1; }; }
all_faults >"$var/faults.said" && ok recorder_under_every_fault_of_the_database ||
    not_ok recorder_under_every_fault_of_the_database "$(cat "$var/faults.said")"
# Members wait for answers: the server is theirs alone.
check fix_members_log_on_and_trade "$tests/fix_process_test"

# ---- F3: the query as printed in the requirements, as the role that runs it -------------------------------

F3="SELECT t.*, k.contract_address, b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet
FROM trades t JOIN tokens k ON k.id = t.token_id JOIN users b ON b.id = t.buyer_id JOIN users s ON s.id = t.seller_id
WHERE t.settlement_status = 'pending' AND t.settlement_attempts < 5
ORDER BY t.created_at ASC LIMIT 10 FOR UPDATE OF t SKIP LOCKED"

database=lonja_test
sql "INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (1, 'cash', 6, 'USD'), (2, 'token', 2, 'PORT') ON CONFLICT DO NOTHING;
    INSERT INTO people.token (asset_id, name) VALUES (2, 'Port') ON CONFLICT DO NOTHING;
    INSERT INTO people.member (member_id, name) VALUES (1, 'M') ON CONFLICT DO NOTHING;
    INSERT INTO people.account (account_id, member_id, name) SELECT n, 1, 'A' || n FROM generate_series(20, 27) n ON CONFLICT DO NOTHING"
pending=$(sql "SELECT count(*) FROM trades WHERE settlement_status = 'pending'")
[ "$pending" -ge 30 ] || not_ok the_recorder_test_leaves_trades "pending: $pending"
# Requirements K: what trading needs of the tables named there, with the columns named there.
named="audit_logs: reviewer_id created_at action_type decision_details
event_log: id tx_hash block_number event_name decoded_payload processed_at
gas_transactions: tx_hash gas_used
order_status_history: from_status to_status at
orders: side order_type quantity price status
tokens: status contract_address identity_registry_addr primary_start primary_end tokens_sold total_raised price_per_token total_supply min_investment raise_currency primary_offering_pct team_pct reserve_pct trading_mode decimals name symbol
trade_settlement_history: from_status to_status at
trades: settlement_status settlement_attempts settlement_type tx_hash settled_at created_at buyer_id seller_id price quantity total fee
user_balances: user_id currency balance
users: id fiat_balance kyc_status kyc_level accreditation_status fatca_status nationality wallet_address is_activated
wallet_transactions: type status
wallets: user_id token_id balance locked_balance"
missing=$(while IFS=': ' read -r table columns; do for column in $columns; do echo "$table.$column"; done; done <<<"$named" | sort |
    comm -23 - <(sql "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'" | sort))
equal every_named_table_and_column_is_there '' "$missing"

# Two workers at once get different trades, oldest first; the second does not wait.
first=$(mktemp); mkfifo "$var/end"
{ echo "BEGIN; $F3;"; read -r _ <"$var/end"; echo "ROLLBACK;"; } | as settle >"$first" & holder=$!
ten() { [ "$(wc -l <"$first")" -ge 10 ]; }
until_true 60 ten
second=$(as settle -c "SET lock_timeout = '200ms'" -c "$F3" | cut -d'|' -f1 | sort)
equal f3_gives_ten_trades_to_each_of_two_workers "10 10" "$(grep -c . "$first") $(grep -c . <<<"$second")"
equal f3_skips_what_another_worker_holds "" "$(comm -12 <(cut -d'|' -f1 "$first" | sort) <(echo "$second"))"
equal f3_takes_the_oldest_first "$(sql "SELECT id FROM trades WHERE settlement_status = 'pending' ORDER BY created_at, id LIMIT 10" | sort)" "$(cut -d'|' -f1 "$first" | sort)"
locked=$(head -1 "$first" | cut -d'|' -f1)
update="UPDATE settle.trade SET reason = 'x' WHERE trade_id = $locked"
equal f3_locks_the_row_of_settle_trade 55P03 "$(as settle -v VERBOSITY=sqlstate -c "SET lock_timeout = '200ms'" -c "$update" 2>&1 | grep -o 55P03)"
check f3_locks_neither_users_nor_tokens as owner -c "SET lock_timeout = '200ms'" -c "UPDATE people.account SET updated_at = now()" -c "UPDATE people.token SET updated_at = now()"
echo >"$var/end"; wait $holder; rm -f "$first"

# says WORDS COMMAND…: the command fails, and says these words.
says() { local words=$1 out; shift; if out=$("$@" 2>&1); then echo "it did not fail"; return 1; fi; grep -q "$words" <<<"$out" || { echo "$out"; return 1; }; }
denied() { says 'permission denied' as "$@"; }
check the_recorder_cannot_change_a_settlement denied record -c "UPDATE settle.trade SET reason = 'x'"
check settlement_cannot_write_the_record denied settle -c "DELETE FROM record.trade"
check the_trading_gateway_sees_no_names denied web -c "SELECT name FROM people.account"
check nobody_changes_the_audit denied admin -c "UPDATE people.audit_log SET actor = 'x'"
settled="settlement_status = 'settled', settled_at = now()"
check no_settlement_on_chain_without_a_hash says trade_check as settle -c "UPDATE settle.trade SET $settled, settlement_type = 'on_chain' WHERE trade_id = $locked"
check a_trade_can_fail as settle -c "UPDATE settle.trade SET settlement_status = 'failed', reason = 'r' WHERE trade_id = $locked"
check a_failed_settlement_cannot_become_settled_by_itself says 'cannot go from failed to settled' \
    as settle -c "UPDATE settle.trade SET $settled, settlement_type = 'off_chain' WHERE trade_id = $locked"
equal every_step_is_in_the_history 'pending failed' "$(sql "SELECT string_agg(to_status, ' ' ORDER BY id) FROM trade_settlement_history WHERE trade_id = $locked AND (from_status IS NULL OR from_status <> to_status)")"

# One statement over many trades: a row of history for each that changed, and one notification of all that changed alike.
many=$(sql "SELECT string_agg(id::text, ',' ORDER BY id) FROM (SELECT id FROM trades WHERE settlement_status = 'pending' ORDER BY id LIMIT 7) q")
process="UPDATE settle.trade SET settlement_status = 'processing', reason = NULL WHERE trade_id IN ($many)"
heard=$(as settle -c "LISTEN settlement" -c "$process" | grep -o '{.*}')
equal a_statement_tells_of_all_its_trades_once "$(tr , ' ' <<<"$many") processing" "$(jq -r '.trades + " " + .status' <<<"$heard")"
equal each_of_them_has_its_step 7 "$(sql "SELECT count(*) FROM trade_settlement_history WHERE trade_id IN ($many) AND from_status = 'pending' AND to_status = 'processing'")"
as settle -c "UPDATE settle.trade SET block_number = 1 WHERE trade_id IN ($many)" >"$var/same" 2>&1
equal what_is_no_step_is_no_history 14 "$(sql "SELECT count(*) FROM trade_settlement_history WHERE trade_id IN ($many)")"
check one_step_that_is_none_refuses_the_statement says 'cannot go from failed to settled' \
    as settle -c "UPDATE settle.trade SET $settled, settlement_type = 'off_chain', reason = 'r' WHERE trade_id IN ($many,$locked)"
equal and_none_of_it_is_there 7 "$(sql "SELECT count(*) FROM trades WHERE id IN ($many) AND settlement_status = 'processing'")"
back=$(as settle -c "LISTEN settle" -c "UPDATE settle.trade SET settlement_status = 'pending', reason = 'r' WHERE trade_id IN ($many)" | grep -c 'notification "settle"')
equal what_is_pending_again_wakes_the_worker 1 "$back"
waits=$(as settle -c "LISTEN settle" -c "UPDATE settle.trade SET reason = 'w' WHERE trade_id IN ($many)" | grep -c 'notification "settle"')
equal what_only_waits_for_another_reason_does_not 0 "$waits"
as settle -c "UPDATE settle.trade SET $settled, settlement_type = 'off_chain' WHERE trade_id IN ($many)" >"$var/same" 2>&1
equal what_is_settled_is_kept_count_of "7 $(sql "SELECT count(*) FROM trades WHERE settlement_status = 'settled'")" \
    "$(sql "SELECT count(*) FROM trades WHERE id IN ($many) AND settlement_status = 'settled'") $(sql "SELECT status -> 'trades' ->> 'settled' FROM settle.status")"
check nobody_adds_to_a_history denied settle -c "INSERT INTO settle.trade_settlement_history (trade_id, to_status, attempt) VALUES ($locked, 'settled', 1)"
check nobody_takes_from_a_history denied settle -c "DELETE FROM settle.trade_settlement_history"
check a_trade_that_has_a_history_stays says 'it has a history' as owner -c "DELETE FROM settle.trade WHERE trade_id = $locked"
check a_trade_keeps_its_number says 'its number is final' as owner -c "UPDATE settle.trade SET trade_id = 1 WHERE trade_id = $locked"
check settlements_triggers_and_functions_keep_their_promises as owner -f "$root/tests/system/settle_rows.sql"
database=lonja

# ---- the venue: administration and recorder, Postgres absent at start and lost later -------------------------

cat >"$var/lonja.conf" <<CONF
venue    = { state_folder = "state"; };
fix      = { port = $((base + 3)); };
web      = { port = $base; };
admin    = { port = $((base + 1)); };
settle   = { port = $((base + 2)); };
ops      = { metrics_port = $((base + 4)); };
postgres = { host = "$PG_HOST"; port = $PG_PORT; database = "lonja"; secrets_folder = "secrets"; };
CONF
"$root/tools/services" stop "$var" postgres
"$bin/lonja" up --config "$var/lonja.conf" --only core,tape,admin,record >"$var/up.log" 2>&1 & venue=$!
health() { curl -s -m 5 "http://127.0.0.1:$((base + 1))/api/v1/health"; }
core_is_up() { [ "$(health | jq -r .core)" = true ]; }
database_is_up() { [ "$(health | jq -r .database)" = true ]; }
check the_venue_starts_without_postgres until_true 60 core_is_up
"$root/tools/services" start "$var"
check administration_finds_postgres until_true 60 database_is_up
check demo_data_enters "$root/tools/demo-data" "$var"
before=$(admin balances 1001 | jq -c .balances)
check demo_data_enters_again "$root/tools/demo-data" "$var"
equal demo_data_is_idempotent "$before" "$(admin balances 1001 | jq -c .balances)"

recorded() { [ "$(sql 'SELECT sequence FROM record.cursor')" -ge "$(admin venue | jq .sequence)" ]; }
check the_record_follows until_true 60 recorded
equal cash_and_tokens_sum_to_zero '' "$(sql 'SELECT asset_id FROM record.balance GROUP BY asset_id HAVING sum(available + held) <> 0')"
equal the_record_has_the_engines_balance "$(jq -r '.[0].available' <<<"$before")" "$(sql "SELECT trim_scale(balance) FROM user_balances WHERE user_id = 1001 AND currency = 'USD'")"

# The record is rebuilt from the tape by one command, by the running recorder, and has the same rows.
rows() { for t in asset instrument instrument_state venue_event orders order_event reject trade ledger_entry balance auction instrument_rules tick_band \
    schedule_entry session session_account limits instrument_controls jurisdictions fees kill venue_rules proposal proposal_event deficit_change trade_correction; do
    sql "SELECT '$t', count(*), md5(coalesce(string_agg(r::text, E'\n' ORDER BY r::text), '')) FROM record.$t r"; done; }
recorder() { "$bin/lonja" status --config "$var/lonja.conf" --json | jq .processes.record.pid; }
record() { "$bin/lonja" record "$1" --config "$var/lonja.conf"; }
before_rows=$(rows) before_digest=$(record digest) before_pid=$(recorder)
check a_live_record_is_rebuilt_by_one_command record rebuild
check the_rebuilt_record_follows until_true 60 recorded
equal a_rebuilt_record_has_the_same_rows "$before_rows" "$(rows)"
equal a_rebuilt_record_has_the_same_digest "$before_digest" "$(record digest)"
equal the_recorder_lived_through_it "$before_pid" "$(recorder)"

# Refusals: status class and name.
refused() { local name=$1 want=$2; shift 2; equal "$name" "$want" "$(admin "$@" | jq -r .error.name)"; }
refused an_unknown_field_is_refused UNKNOWN_FIELD POST members '{"nmae":"x"}'
refused a_missing_field_is_refused MISSING_FIELD POST deposits '{"reference":"t0","account":1001,"amount":"1"}'
refused a_fraction_of_a_unit_is_refused BAD_NUMBER POST deposits '{"reference":"t0","account":1001,"asset":"USD","amount":"0.0000001"}'
refused an_engine_refusal_names_its_code INSUFFICIENT_BALANCE POST withdrawals '{"reference":"t1","account":1001,"asset":"USD","amount":"999999999"}'
refused a_taken_wallet_is_refused MALFORMED POST accounts '{"account":1002,"wallet_address":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}'
wallet=0x000000000000000000000000000000000000dEaD
for wrong in ${wallet,,} 0X${wallet:2} ${wallet/dEaD/DEaD} ${wallet:0:41} ${wallet}0 0x0000000000000000000000000000000000000000 ''; do
    refused "a_wallet_without_its_checksum_is_refused_$wrong" MALFORMED POST accounts "{\"account\":1002,\"wallet_address\":\"$wrong\"}"
done
refused a_contract_without_its_checksum_is_refused MALFORMED POST assets "{\"asset\":2,\"kind\":\"token\",\"scale\":2,\"symbol\":\"PORT\",\"contract_address\":\"${wallet,,}\"}"
equal a_refused_wallet_changes_nothing 0 "$(sql "SELECT count(*) FROM people.account WHERE lower(wallet_address) = '${wallet,,}'")"
refused an_id_out_of_range_leaves_no_row ID_RANGE POST accounts '{"account":999999,"member":101,"name":"x"}'
equal a_refused_account_leaves_no_row 0 "$(sql 'SELECT count(*) FROM people.account WHERE account_id = 999999')"
deposit='{"reference":"t2","account":1001,"asset":"USD","amount":"5"}'
one=$(admin POST deposits "$deposit" | jq .sequence) two=$(admin POST deposits "$deposit" | jq .sequence)
equal a_repeated_deposit_has_one_sequence "$one" "$two"
refused a_changed_deposit_is_a_conflict REFERENCE_CONFLICT POST deposits '{"reference":"t2","account":1001,"asset":"USD","amount":"6"}'
equal without_a_login_nothing NOT_LOGGED_IN "$(curl -s "http://127.0.0.1:$((base + 1))/api/v1/admin/members" | jq -r .error.name)"
admin POST logins '{"kind":"admin","login_name":"eye","password":"only-looking-here","role":"auditor"}' >/dev/null
echo only-looking-here >"$var/eye"
equal an_auditor_may_not_change FORBIDDEN "$(LONJA_ADMIN_USER=eye admin --password-file "$var/eye" POST members '{"name":"x"}' | jq -r .error.name)"
equal a_try_that_the_role_forbids_is_audited "eye rejected" "$(sql "SELECT actor || ' ' || outcome FROM audit_logs ORDER BY id DESC LIMIT 1")"
equal a_body_without_length_is_named Content-Length "$(curl -s -H 'transfer-encoding: chunked' -d '{}' "http://127.0.0.1:$((base + 1))/api/v1/login" | jq -r .error.field)"
check an_auditor_may_look env LONJA_ADMIN_USER=eye "$bin/lonja" admin --url "http://127.0.0.1:$((base + 1))" --password-file "$var/eye" GET audit
equal no_password_in_the_audit 0 "$(sql "SELECT count(*) FROM audit_logs WHERE decision_details::text LIKE '%only-looking%'")"
equal every_change_is_audited "$(grep -c 'admin info change' "$var/up.log")" "$(sql 'SELECT count(*) FROM audit_logs')"

# Postgres is lost: trading control works, ledger requests wait outside, the tape keeps the backlog.
token=$(curl -s -d "$(jq -nc --rawfile p "$var/secrets/login-admin" '{user: "admin", password: $p}')" "http://127.0.0.1:$((base + 1))/api/v1/login" | jq -r .token)
call() { curl -s -m 20 -H "authorization: Bearer $token" -d "$2" "http://127.0.0.1:$((base + 1))/api/v1/admin/$1"; }
# An existing database of the release before goes to the same schema as an empty one.
upgrades() {
    local secrets=$SECRETS old new; superuser=(env PGHOST="$PG_HOST" PGPORT="$PG_PORT" PGUSER=postgres "PGPASSWORD=$(cat "$SECRETS/pg-postgres")")
    shape() { PGPASSWORD=$(cat "$secrets/pg-lonja_owner") pg_dump -s -h "$PG_HOST" -p "$PG_PORT" -U lonja_owner lonja_test | grep -v '^--\|restrict' | sort | md5sum; }
    sqitched() { (cd "$root/schema/sql" && PGHOST=$PG_HOST PGPORT=$PG_PORT PGUSER=lonja_owner PGPASSWORD=$(cat "$secrets/pg-lonja_owner") LC_ALL=C.UTF-8 sqitch --quiet "$@" db:pg:lonja_test); }
    new=$(shape) && sqitched revert -y --to settle_results && sqitched deploy --verify && old=$(shape) && [ "$new" = "$old" ]
}
check a_database_of_the_release_before_is_upgraded upgrades

"$root/tools/services" stop "$var" postgres
equal halted_without_postgres 6 "$(call instruments/1/phase '{"phase":"halted"}' | jq .events[0].phase)"
behind() { local said; said=$("$bin/lonja" status --config "$var/lonja.conf"); grep -q 'record is .* behind' <<<"$said"; } # status says 1: Postgres is gone
check lonja_status_says_that_the_record_is_behind until_true 60 behind
equal a_deposit_without_postgres_is_refused DATABASE_DOWN "$(call deposits '{"reference":"t3","account":1001,"asset":"USD","amount":"1"}' | jq -r .error.name)"
"$root/tools/services" start "$var"
until_true 60 database_is_up
equal the_same_deposit_goes_through_later 1 "$(call deposits '{"reference":"t3","account":1001,"asset":"USD","amount":"1"}' | jq '.events | length')"
check the_record_catches_up until_true 60 recorded
equal the_halt_is_audited_later 1 "$(sql "SELECT count(*) FROM audit_logs WHERE action_type LIKE '%/phase' AND decision_details->>'phase' = 'halted'")"

# Each process is killed: nothing acknowledged is lost, nothing is doubled.
available() { admin balances 1001 | jq -r '.balances[0].available'; }
want=$(available)
for name in record admin core; do
    kill -KILL "$("$bin/lonja" status --config "$var/lonja.conf" --json | jq -r ".processes.$name.pid")"
    sleep 0.3
    until_true 60 core_is_up
    check "after_kill_of_${name}_a_deposit_goes_through" until_true 60 admin POST deposits "{\"reference\":\"k-$name\",\"account\":1001,\"asset\":\"USD\",\"amount\":\"1\"}"
    want=$((want + 1))
    equal "after_kill_of_${name}_it_is_booked_once" "$want" "$(available)"
    check "after_kill_of_${name}_the_record_follows" until_true 60 recorded
done
equal after_all_kills_the_record_has_the_engines_balance "$want" "$(sql "SELECT trim_scale(balance) FROM user_balances WHERE user_id = 1001 AND currency = 'USD'")"
equal after_all_kills_sums_are_zero '' "$(sql 'SELECT asset_id FROM record.balance GROUP BY asset_id HAVING sum(available + held) <> 0')"

kill -TERM "$venue"; wait "$venue"; equal the_venue_stops_cleanly 0 $?; venue=''

# Without a venue the command itself is the recorder.
before_digest=$(record digest)
check a_record_is_rebuilt_without_a_venue record rebuild
equal a_record_rebuilt_without_a_venue_has_the_same_digest "$before_digest" "$(record digest)"
exit $failed
