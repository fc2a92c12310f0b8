#!/bin/bash
# `lonja up` with processes of shell script: starting, restarting, giving up, stopping, being killed.
# Usage: up_test.sh LONJA (the executable)
set -u
work=$(mktemp -d /tmp/lonja-up-XXXXXX)
bin=$work/bin config=$work/lonja.conf lonja=$work/bin/lonja
state=$work/state failures=0 supervisor=''
mkdir "$bin"; cp "$1" "$lonja"; : >"$config"
trap '[ -z "$supervisor" ] || kill -KILL "$supervisor" 2>/dev/null; rm -rf "$work"' EXIT

fake() { # fake NAME: its script comes from standard input
    { echo '#!/bin/bash'; cat; } >"$bin/lonja-$1"; chmod +x "$bin/lonja-$1"
}
check() { # check TEXT COMMAND…: within a minute the command succeeds
    local text=$1 end=$((SECONDS + 60)); shift
    until "$@"; do
        if [ $SECONDS -ge $end ]; then echo "FAILED: $text"; failures=$((failures + 1)); cat "$work/out" 2>/dev/null; return; fi
        sleep 0.05
    done
    echo "ok: $text"
}
up() { "$lonja" up --config "$config" "$@" >"$work/out" 2>&1 & supervisor=$!; }
stop() { kill -TERM "$supervisor"; wait "$supervisor"; result=$?; supervisor=''; }
of() { jq -r ".processes.$1.$2" "$state/status.json" 2>/dev/null; }
has_pid() { local pid; pid=$(of "$1" pid); [ -n "$pid" ] && [ "$pid" != null ] && [ "$pid" -gt 0 ] && kill -0 "$pid" 2>/dev/null; }
is() { [ "$(of "$1" "$2")" = "$3" ]; }
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"; }
said() { grep -q -- "$1" "$work/out"; }
well() { "$lonja" status --config "$config" >/dev/null; }

for name in core tape web sign; do fake $name <<'SCRIPT'
echo "2026-11-20T11:12:13.123456Z ${0##*lonja-} info fd=$LONJA_BOOT_FD pg=${PGHOST:-none} in=$(readlink /proc/self/fd/0) core=$(ulimit -c)"
echo "2026-11-20T11:12:13.123456Z ${0##*lonja-} error not well" >&2
exec sleep 1000
SCRIPT
done

ulimit -c unlimited 2>/dev/null
export PGHOST=elsewhere
exec 7</etc/passwd # a descriptor of ours that no child may see
up --quiet
check "the processes run" has_pid web
check "what is not built is left out, aloud" said 'fix: not built'
web=$(of web pid)
check "a child sees no variable that could bend its configuration" grep -q 'pg=none in=/dev/null' "$state/log/web.log"
check "only the signer may not dump its memory" grep -q 'core=0' "$state/log/sign.log"
check "quiet shows errors" said '11:12:13 web error not well'
check "quiet hides the rest" eval '! said "web info"'
check "it may gain no privileges" grep -q 'NoNewPrivs:.1' "/proc/$web/status"
check "nothing of the parent's is inherited" [ ! -e "/proc/$web/fd/7" ]
check "one read-only event ring, its own command ring, its page, its doorbell, the boot record" \
    [ "$(for fd in /proc/"$web"/fd/*; do readlink "$fd"; done | grep -cE 'memfd|eventfd')" = 5 ]
check "the signer gets its boot record only" \
    [ "$(for fd in /proc/"$(of sign pid)"/fd/*; do readlink "$fd"; done | grep -cE 'memfd|eventfd')" = 1 ]
check "lonja status says all is well" well

"$lonja" up --config "$config" >"$work/second" 2>&1
check "a second venue on the same state is refused" grep -q 'running on .* already' "$work/second"

kill -KILL "$web"
check "what is killed is restarted" is web restarts 1
check "with a new incarnation" is web incarnation 2
core=$(of core pid) tape=$(of tape pid)
stop
check "a stop that was asked for is reported" said 'core: stopped'
check "the order is reversed" eval '[ "$(grep -o "[a-z]*: stopped" "$work/out" | tr -d "\n")" = "web: stoppedsign: stoppedtape: stoppedcore: stopped" ]'
check "nothing is left" eval 'gone $core && gone $tape'
"$lonja" status --config "$config" >/dev/null
check "lonja status says that no venue runs" [ $? = 3 ]

up
check "it comes up again" has_pid core
check "incarnations go on" is web incarnation 3
core=$(of core pid) web=$(of web pid)
kill -KILL "$supervisor"; wait "$supervisor" 2>/dev/null
check "the children of a killed supervisor die with it" eval 'gone $core && gone $web'
up
check "and the next one starts" has_pid core
check "with numbers never used before" is core incarnation 3
stop

fake replicate <<<'exec sleep 1000'
# The standby ends once the tape can be asked to stop.
fake standby <<<"until [ -e '$work/tape-listens' ]; do sleep 0.02; done; exit 5"
fake tape <<<"trap 'exit 0' TERM; touch '$work/tape-listens'; while :; do sleep 0.05; done"
up
check "without replication nobody replicates" has_pid core
check "nor is it counted" eval '[ "$(of replicate state)" = null ]'
stop
echo 'replication = { mode = 1; };' >"$config"
up
check "with replication somebody does" has_pid replicate
stop
check "and is stopped after the core" eval '[ "$(grep -o "[a-z]*: stopped" "$work/out" | tail -n 2 | tr -d "\n")" = "core: stoppedreplicate: stopped" ]'
rm -f "$work/tape-listens"
"$lonja" standby run --config "$config" >"$work/out" 2>&1; result=$?
check "a standby that was promoted ends its supervisor" said 'standby: this host was promoted'
check "and that is no failure" [ $result = 0 ]
check "there was no core" eval '! said "core: started"'
"$lonja" up --config "$config" --only standby >"$work/out" 2>&1
check "no standby beside a core" said 'started by .lonja standby run'
: >"$config"

for code in 2 3 4 5; do
    fake core <<<"exit $code"
    up
    check "exit status $code of the core is final" is core state failed
    check "and said aloud" said "core: FAILED, exit status $code, and is not restarted"
    check "while the rest stays up" has_pid web
    stop
    check "the stop then tells of it" [ $result = 1 ]
done

fake core <<<'exit 1'
up
check "what keeps dying is tried again and again" eval '[ "$(of core restarts)" -ge 3 ]'
check "with growing pauses" said 'restarting in [34][0-9][0-9] ms'
stop

fake core <<<"trap '' TERM; touch '$work/core-is-deaf'; while :; do sleep 0.1; done"
up
check "a core that does not stop is up" [ -e "$work/core-is-deaf" ]
kill -TERM "$supervisor"; sleep 0.2; kill -TERM "$supervisor"; sleep 0.3
check "a Ctrl-C that arrives twice is one" eval '! said "asked again"'
sleep 1; kill -TERM "$supervisor"; wait "$supervisor"; result=$?; supervisor=''
check "asked again, it kills" said 'core: does not stop, killing it'
check "and says that not all was well" [ $result = 1 ]

# Root of a user namespace may have no other user to become.
if [ "$(id -u)" = 0 ] && setpriv --reuid 62000 --regid 62000 --clear-groups true 2>/dev/null; then
    for name in core web sign; do fake $name <<<'exec sleep 1000'; done
    fake web <<<'cat secrets/pg-lonja_web; exec sleep 1000'
    mkdir -m 700 "$work/secrets"; echo secret >"$work/secrets/pg-lonja_web"
    chmod 755 "$work"
    echo 'venue = { per_process_users = true; first_user_id = 62000; };' >"$config"
    up
    check "each process has a user id of its own" eval 'is core state running && has_pid sign'
    ids() { sed -n 's/^[UG]id:.\([0-9]*\).*/\1/p' "/proc/$(of "$1" pid)/status" | tr '\n' ' '; }
    check "core 62000, web 62003, sign 62007; one group" \
        [ "$(ids core)$(ids web)$(ids sign)" = "62000 62000 62003 62000 62007 62000 " ]
    check "its folder is its own" [ "$(stat -c '%u %g %a' "$state/journal")" = "62000 62000 750" ]
    check "its secret is its own" [ "$(stat -c '%u %a' "$work/secrets/pg-lonja_web")" = "62003 600" ]
    check "which it can read" grep -q '^secret$' "$state/log/web.log"
    check "it holds no capability" grep -q 'CapEff:.0000000000000000' "/proc/$(of core pid)/status"
    core=$(of core pid)
    kill -KILL "$supervisor"; wait "$supervisor" 2>/dev/null
    check "and dies with the supervisor all the same" gone "$core"
    : >"$config"
else
    echo "skipped: user ids per process (needs root)"
fi

"$lonja" up --config "$config" --only core,fix >"$work/out" 2>&1
check "a process named by --only must be there" said 'lonja-fix: No such file'
"$lonja" up --config "$config" --without walrus >"$work/out" 2>&1
check "an unknown process is refused" said 'no process called walrus'
echo 'journal = { durable = 0; };' >"$config"
"$lonja" up --config "$config" >"$work/out" 2>&1
check "a venue that is not durable is refused" said 'For a benchmark, say --not-durable'
printf 'fix = {\n  port = 9999;\n};\n' >"$config"
check "one value is printed, set" test "$("$lonja" config get fix.port "$config")" = 9999
check "one value is printed, default, path absolute" test "$("$lonja" config get venue.state_folder "$config")" = "$work/state"
check "a key that is none is refused" test "$("$lonja" config get fix.prot "$config" 2>/dev/null; echo $?)" = 2
echo 'fix = { port = 0; };' >"$config"
"$lonja" up --config "$config" >"$work/out" 2>&1
check "a bad configuration is refused" said "$config:1: fix.port = 0 is out of range"
: >"$config"; echo 'web x' >"$state/incarnation"
"$lonja" up --config "$config" >"$work/out" 2>&1
check "a damaged file of incarnations is refused" said 'a guess could repeat a number'

echo "$failures failures"
[ $failures = 0 ]
