#!/usr/bin/env bash
# Everything that must hold before a change lands. Each step prints its name; the first that fails ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

step format;            npx prettier --check .
step lint;              npx oxlint --deny-warnings
step types;             npx tsc --noEmit; npx tsc --noEmit -p src/inspect/page
step build;             npm run --silent build
step "unused code";     npx knip
step "charts' pages";   node scripts/machine-pages.mjs --check
step "evidence's figures"; node scripts/evidence-pictures.mjs --check
step "docs' snippets";  node scripts/check-snippets.mjs
step "package"
npx publint --strict
packed="$(mktemp -d)"
npm pack --silent --ignore-scripts --pack-destination "$packed" >/dev/null
npx attw "$packed"/*.tgz --profile esm-only
rm -rf "$packed"
step "size";            npx size-limit --silent
step "what is loaded";  node scripts/check-imports.mjs
step "packed install";  bash scripts/check-packed.sh
step "simulation";      node dist/cli.js simulate --seeds 500
step "service";         node bench/service/outage.mjs
step "leaks";           node --expose-gc bench/leaks.mjs
step "speed"
# A loss shows in both measurements; the other work of a shared machine spoils one now and then.
node bench/guard.mjs || node bench/guard.mjs
step "tests with coverage, on XState's development build too"
if [ -n "${ALREADY_TESTED:-}" ]; then
  echo "They ran before this, with coverage."
else
  npx vitest run --coverage --reporter=default --reporter=json --outputFile=coverage/results.json
fi
node scripts/closing-line.mjs coverage/results.json
