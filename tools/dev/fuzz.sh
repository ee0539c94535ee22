source tools/dev/build.sh

fuzz_usage() {
  cat <<'TEXT'
usage: ./dev fuzz [--seconds N] [--list] [TARGET...]

Builds and runs the libFuzzer targets of fuzz/ (all when none is named), N seconds each (default
60), as many at once as there are CPUs. Seeds are fuzz/corpus/TARGET; inputs found on the way are
kept in build/fuzz/corpus/TARGET and used again; an input that fails is left in
build/fuzz/artifacts/. TARGET is the decoder's name, with or without _fuzz.
TEXT
}

fuzz_targets() { find fuzz -maxdepth 1 -name '*_fuzz.cc' -printf '%f\n' | sed 's/_fuzz\.cc$//' | sort; }

# One target; its last line is the summary that ./dev test prints.
fuzz_one() {
  local target=$1 seconds=$2
  local log=build/logs/fuzz-$target.log
  mkdir -p build/logs "build/fuzz/corpus/$target" build/fuzz/artifacts "fuzz/corpus/$target"
  if "build/fuzz/fuzz/${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/artifacts/$target-" \
    "build/fuzz/corpus/$target" "fuzz/corpus/$target" >"$log" 2>&1; then
    echo "fuzz $target: clean, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s"
  else
    tail -n 40 "$log"
    echo "fuzz $target: FAILED, see $log and build/fuzz/artifacts/$target-*"
    return 1
  fi
}

# run_fuzzers SECONDS TARGET...
run_fuzzers() {
  local seconds=$1
  shift
  export -f fuzz_one
  printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one {} '"$seconds"
}

fuzz_main() {
  local seconds=60 targets=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --seconds)
        seconds=${2:?--seconds needs a number}
        shift
        ;;
      --list)
        fuzz_targets
        return
        ;;
      -*) usage_error "unknown option '$1'" ;;
      *) targets+=("${1%_fuzz}") ;;
    esac
    shift
  done
  local target
  for target in "${targets[@]}"; do
    [[ -f fuzz/${target}_fuzz.cc ]] || usage_error "there is no fuzz/${target}_fuzz.cc"
  done
  if [[ ${#targets[@]} -eq 0 ]]; then mapfile -t targets < <(fuzz_targets); fi
  [[ ${#targets[@]} -gt 0 ]] || die "fuzz/ holds no target"
  steps 3
  step "packages"
  setup_main build
  step "build ${#targets[@]} targets"
  build_preset fuzz "${targets[@]/%/_fuzz}"
  step "fuzz ${targets[*]}, $seconds s each"
  run_fuzzers "$seconds" "${targets[@]}" || die "a fuzzer found something"
  ok "no finding"
}
