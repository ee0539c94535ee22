source tools/dev/setup.sh

fmt_usage() {
  cat <<'TEXT'
usage: ./dev fmt [--check]

Formats every C++ source in place by .clang-format. --check changes nothing and fails when a file
is not formatted.
TEXT
}

fmt_main() {
  local mode=(-i)
  case "${1:-}" in
    --check) mode=(--dry-run -Werror) ;;
    "") ;;
    *) usage_error "unknown option '$1'" ;;
  esac
  command -v clang-format-19 >/dev/null || setup_main test
  list_sources | xargs -r -n 16 -P "$(nproc)" clang-format-19 --style=file "${mode[@]}"
  ok "$(list_sources | wc -l) files formatted as .clang-format says"
}
