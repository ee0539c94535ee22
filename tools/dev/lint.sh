source tools/dev/build.sh

lint_usage() {
  cat <<'TEXT'
usage: ./dev lint [--all | --base COMMIT] [FILE...]

Runs clang-tidy with warnings as errors. Without FILE it looks at the .cc files that differ from
COMMIT and at those beside headers that differ, but for tests: GoogleTest's macros take a minute
each and hide nothing from users. COMMIT is the merge base with origin/main, or on
main itself the previous commit. Exit code 77 means that nothing had to be looked at.
TEXT
}

lint_base() {
  local main
  main=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || true)
  if [[ -n $main && $main != $(git rev-parse HEAD) ]]; then
    echo "$main"
  else
    git rev-parse -q --verify HEAD~1 || true
  fi
}

# The .cc files of src/ that a change since $1 touches.
changed_sources() {
  { git diff --name-only --diff-filter=d "$1" -- src && git ls-files -o --exclude-standard -- src; } |
    sed -n -e 's/\.h$/.cc/p' -e '/\.cc$/p' | grep -v '_test\.cc$' | sort -u | while read -r file; do
    if [[ -e $file ]]; then echo "$file"; fi
  done
}

lint_main() {
  local all= base= files=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --all) all=yes ;;
      --base)
        base=${2:?--base needs a commit}
        shift
        ;;
      -*) usage_error "unknown option '$1'" ;;
      *) files+=("$1") ;;
    esac
    shift
  done
  command -v clang-tidy-19 >/dev/null || setup_main build test
  [[ -f build/lint/compile_commands.json ]] || setup_main build
  cmake --preset lint --log-level=WARNING >/dev/null
  if [[ ${#files[@]} -eq 0 ]]; then
    if [[ -z $all ]] && git rev-parse --git-dir >/dev/null 2>&1; then base=${base:-$(lint_base)}; fi
    if [[ -n $base ]]; then
      mapfile -t files < <(changed_sources "$base")
    else
      mapfile -t files < <(list_sources | grep '^src/.*\.cc$')
    fi
  fi
  if [[ ${#files[@]} -eq 0 ]]; then
    ok "no source differs from ${base}"
    return 77
  fi
  note "clang-tidy: ${#files[@]} files${base:+ changed since ${base:0:10}}"
  printf '%s\n' "${files[@]}" |
    xargs -n 1 -P "$(nproc)" bash -c 'echo "  $1"; exec clang-tidy-19 --quiet -p build/lint "$1" 2> >(grep -v "warnings generated" >&2)' _ ||
    die "clang-tidy found something in the files above"
  ok "clang-tidy: ${#files[@]} files are clean"
}
