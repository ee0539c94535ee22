source tools/dev/build.sh

bench_usage() {
  cat <<'TEXT'
usage: ./dev bench [SCENARIO...] [--rounds N] [--seconds N] [--only PROXY,...] [--postgres]

Runs Trunkline (one worker), Debian's PgBouncer (session mode) and HAProxy (tcp), and a plain epoll
relay, interleaved, the proxy pinned to one core and everything else to the other. Prints CPU per
request, requests per second, latencies and ratios with their spread; Markdown and JSON with the raw
samples go to bench/results/. ./dev bench --list names the scenarios and groups; all run when none is named.
./dev bench pool compares transaction pools with PgBouncer's; --postgres runs their streams against a
real PostgreSQL. bench/README.md says what is compared with what, and the limits.
Needs two cores that nothing else uses.
TEXT
}

bench_main() {
  if [[ ${1:-} == --list ]]; then
    exec /usr/bin/python3 -B bench/run.py --list
  fi
  steps 3
  step "packages"
  setup_main build demo bench
  step "build release"
  build_preset release trunkline bench_fake_server bench_plain_relay bench_load
  step "measure"
  exec /usr/bin/python3 -B bench/run.py "$@"
}
