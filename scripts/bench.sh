#!/usr/bin/env bash
# Builds Troupe, installs what it is measured against where that is missing or old, and runs a script of bench/.
set -euo pipefail
cd "$(dirname "$0")/.."
script="$1"
shift
npm run --silent build:js
# The guard compares Troupe with XState alone, and Restate is installed for the tests: they need no peers.
if [[ "$script" != guard.mjs && "$script" != restate.mjs && ! bench/node_modules/.package-lock.json -nt bench/package-lock.json ]]; then
  npm ci --prefix bench --no-audit --no-fund --silent
fi
exec node --expose-gc "bench/$script" "$@"
