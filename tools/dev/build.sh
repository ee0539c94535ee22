source tools/dev/setup.sh

build_usage() {
  cat <<'TEXT'
usage: ./dev build [PRESET] [TARGET...]

Installs what the build needs, configures and builds into build/PRESET. Presets: release (the
default), debug, asan (AddressSanitizer and UndefinedBehaviorSanitizer), tsan, fuzz, coverage.
The release binary is build/release/trunkline.
TEXT
}

# What was compiled in one checkout serves the others: paths count from the checkout's own folder.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=yes

# build_preset PRESET [TARGET...]: configure when needed, then build.
build_preset() {
  local preset=$1
  shift
  if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/build.ninja ]]; then
    cmake --preset "$preset" --log-level=WARNING >"$(log_file "configure-$preset")" ||
      die "cmake --preset $preset failed, see $(log_file "configure-$preset")"
  fi
  ninja -C "build/$preset" "$@"
}

log_file() {
  mkdir -p build/logs
  echo "build/logs/$1.log"
}

build_main() {
  local preset=release
  if [[ ${1:-} =~ ^(release|debug|asan|tsan|fuzz|coverage)$ ]]; then
    preset=$1
    shift
  elif [[ $# -gt 0 ]]; then
    usage_error "there is no preset '$1'"
  fi
  steps 2
  step "packages"
  setup_main build
  step "build $preset"
  build_preset "$preset" "$@"
  ok "built build/$preset"
}
