#!/bin/sh
# Runs the development chain in the foreground: anvil.sh FOLDER PORT [anvil options …]
#
# The chain's state is kept in FOLDER/anvil-state.json: loaded at start, saved every five seconds
# (LONJA_ANVIL_SAVE_S) and at a clean stop (SIGTERM or SIGINT). Listens on 127.0.0.1 only: its accounts' keys are public knowledge.
set -eu

if [ $# -lt 2 ]; then
    sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
fi
folder=$1
port=$2
shift 2

root=$(cd "$(dirname "$0")/../.." && pwd)
anvil=$root/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
if [ ! -e "$anvil" ]; then
    echo "anvil.sh: $anvil is not there; run: npm ci --ignore-scripts --no-audit --no-fund" >&2
    exit 1
fi
mkdir -p "$folder"

# Whatever anvil caches under the home folder belongs to this chain.
HOME=$folder
export HOME

# --prune-history with a number: without it gigabytes are written, bare it breaks anvil_reorg.
exec "$anvil" --host 127.0.0.1 --port "$port" --chain-id 31337 --silent --hardfork osaka \
    --enable-tx-gas-limit --prune-history 64 \
    --state "$folder/anvil-state.json" --state-interval "${LONJA_ANVIL_SAVE_S:-5}" "$@"
