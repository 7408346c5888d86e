#!/usr/bin/env bash
# The same runs on a Restate server: installs it from npm into a cache folder, starts it on loopback, and runs test/restate.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/restate-server.mjs --install >/dev/null
# Instances that are killed are processes of their own: they load the built package.
npm run --silent build:js
npx vitest run --config vitest.restate.config.ts "$@"
