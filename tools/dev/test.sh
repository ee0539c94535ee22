source tools/dev/build.sh
source tools/dev/fuzz.sh

test_usage() {
  cat <<'TEXT'
usage: ./dev test [PART...] [-k EXPRESSION] [--seconds N]

Installs what is needed, builds, and runs every part but the last, or the parts named:

  --checks   layers, lone headers, formatting, file lengths, clang-tidy on changed files (CTest)
  --unit     unit tests of the release build (CTest)
  --e2e      end-to-end tests (pytest, real PostgreSQL servers) against the release build
  --asan     unit and end-to-end tests under AddressSanitizer and UndefinedBehaviorSanitizer
  --tsan     unit and stress tests under ThreadSanitizer
  --fuzz     every fuzzer for N seconds (default 5) over the kept corpus
  --soak     100,000 clients that break off, 2,000 that mean harm; only when it is named

-k EXPRESSION goes to pytest, and as a regular expression to CTest, which knows single tests in the
release build and a module's tests as one (`pool_test`) under a sanitizer. All parts run also when one
fails; the runners' own summary lines come last.
TEXT
}

test_summary=()
test_failed=()
test_times=()

# part NAME PATTERN COMMAND...: runs COMMAND, keeps its output in a log and the lines of it that
# match PATTERN for the summary.
part() {
  local name=$1 pattern=$2 log status=0 began_s=$SECONDS
  shift 2
  log=$(log_file "test-$name")
  step "$name"
  # A subshell, so that `die` ends this part and not the run.
  ( "$@" ) 2>&1 | tee "$log" || status=$?
  local line
  while read -r line; do test_summary+=("$name: $line"); done < <(grep -aE "$pattern" "$log" | sed 's/\x1b\[[0-9;]*m//g')
  if [[ $status != 0 ]]; then
    test_failed+=("$name")
    test_summary+=("$name: FAILED, exit code $status, log in $log")
  fi
  test_times+=("$name $(minutes $((SECONDS - began_s)))")
}

ctest_part() {
  local preset=$1 label=$2
  ctest --test-dir "build/$preset" -L "$label" -j "$(nproc)" --output-on-failure --no-tests=error \
    ${expression:+-R "$expression"}
}

# pytest_part PRESET FOLDER [OPTION...]
pytest_part() {
  local preset=$1 folder=$2
  shift 2
  TRUNKLINE_BINARY=$PWD/build/$preset/trunkline /usr/bin/python3 -m pytest "tests/$folder" \
    -p no:cacheprovider -q --durations=5 "$@" \
    ${expression:+-k "$expression"}
}

fuzz_part() {
  local targets
  mapfile -t targets < <(fuzz_targets)
  [[ ${#targets[@]} -gt 0 ]] || die "fuzz/ holds no target"
  build_preset fuzz "${targets[@]/%/_fuzz}" && run_fuzzers "$fuzz_seconds" "${targets[@]}"
}

test_main() {
  local parts= expression= fuzz_seconds=5
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --checks | --unit | --e2e | --asan | --tsan | --fuzz | --soak) parts+=" ${1#--} " ;;
      -k)
        expression=${2:?-k needs an expression}
        shift
        ;;
      --seconds)
        fuzz_seconds=${2:?--seconds needs a number}
        shift
        ;;
      *) usage_error "unknown option '$1'" ;;
    esac
    shift
  done
  parts=${parts:-" checks  unit  e2e  asan  tsan  fuzz "}
  wanted() { [[ $parts == *" $1 "* ]]; }

  # Files of end-to-end tests, one for each CPU: they wait for much of their time.
  local side_by_side=(-n "$(nproc)" --dist loadfile)
  local ctest_lines='tests passed,' pytest_lines='^=* ?[0-9]+ (passed|failed|skipped|error|deselected).* in '
  local count=1
  if [[ $parts =~ checks|unit|e2e|soak ]]; then count=$((count + 1)); fi
  local weight
  for weight in checks:1 unit:1 e2e:2 asan:3 tsan:2 fuzz:1 soak:1; do
    if wanted "${weight%:*}"; then count=$((count + ${weight#*:})); fi
  done
  steps "$count"

  step "packages"
  setup_main build demo test
  if [[ $parts =~ checks|unit|e2e|soak ]]; then part build-release '^never$' build_preset release; fi
  if wanted checks; then part checks "$ctest_lines" ctest_part release checks; fi
  if wanted unit; then part unit "$ctest_lines" ctest_part release 'unit|stress'; fi
  if wanted e2e; then
    part e2e "$pytest_lines" pytest_part release e2e "${side_by_side[@]}"
    part demo '^demo: ' ./dev demo --check
  fi
  if wanted asan; then
    part build-asan '^never$' build_preset asan
    part unit-asan "$ctest_lines" ctest_part asan 'unit|stress'
    part e2e-asan "$pytest_lines" pytest_part asan e2e "${side_by_side[@]}"
  fi
  if wanted tsan; then
    part build-tsan '^never$' build_preset tsan
    part unit-tsan "$ctest_lines" ctest_part tsan 'unit|stress'
  fi
  if wanted fuzz; then part fuzz '^fuzz [a-z0-9_]+: ' fuzz_part; fi
  if wanted soak; then part soak "$pytest_lines" pytest_part release soak -s; fi

  echo
  echo "${bold}Summary$plain"
  printf '  %s\n' "${test_summary[@]}"
  printf '  %s' "took:" "${test_times[@]/%/,}"
  echo " in all $(elapsed)"
  if [[ ${#test_failed[@]} -gt 0 ]]; then die "failed after $(elapsed): ${test_failed[*]}"; fi
  ok "all parts passed"
}
