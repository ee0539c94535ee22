#!/usr/bin/env bash
# ./dev: every script parses, every command explains itself, mistakes are refused with code 2.
set -euo pipefail

for script in dev .ci/run tools/*.sh tools/dev/*.sh; do bash -n "$script"; done

for command in setup build demo test bench fmt lint fuzz; do
  ./dev "$command" --help | grep -q "^usage: ./dev $command" ||
    { echo "./dev $command --help does not start with its usage"; exit 1; }
  ./dev --help | grep -q "^  $command " || { echo "./dev --help does not name $command"; exit 1; }
done

for mistake in "nonsense" "build nonsense" "test --nonsense" "fuzz nonsense" "demo --nonsense"; do
  status=0
  ./dev $mistake >/dev/null 2>&1 || status=$?
  [[ $status == 2 ]] || { echo "./dev $mistake exits with $status, not 2"; exit 1; }
done
echo "the script's commands answer"
