# Progress and small helpers for ./dev; sourced, never run.

if [[ -t 1 ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold= green= red= plain=
fi

started_s=$SECONDS
step_count=0
step_number=0

# steps N: how many steps follow.
steps() {
  step_count=$1
  step_number=0
}

# minutes SECONDS: as m:ss.
minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
elapsed() { minutes $((SECONDS - started_s)); }

# step TEXT: announces the next one.
step() {
  step_number=$((step_number + 1))
  echo "${bold}[$step_number/$step_count, $(elapsed)] $*${plain}"
}

note() { echo "  $*"; }
ok() { echo "${green}$*${plain} ($(elapsed))"; }
die() {
  echo "${red}./dev: $*${plain}" >&2
  exit 1
}

usage_error() {
  echo "./dev: $*; see --help" >&2
  exit 2
}

# The sources that formatting and linting look at; also works in a tarball without git.
list_sources() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' | while read -r file; do
      if [[ -e $file ]]; then echo "$file"; fi
    done
  else
    find src fuzz bench tests -name '*.h' -o -name '*.cc' | sort
  fi
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run ./dev setup as root or install sudo"
  fi
}
