setup_usage() {
  cat <<'TEXT'
usage: ./dev setup [SECTION...]

Installs the Debian packages of tools/packages.txt that are missing, with apt-get (through sudo
when you are not root). Sections: build, demo, test, bench; all but bench when none is named.
TEXT
}

# Prints the packages of the named sections that are not there.
missing_packages() {
  local section package commands command installed
  # One question for all, because dpkg-query takes longer to start than to answer.
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' |
    sed -n 's/^installed //p' | tr '\n' ' ') "
  while read -r section package commands; do
    if [[ -z $section || $section == \#* || " $* " != *" $section "* ]]; then continue; fi
    if [[ $installed == *" $package "* ]]; then continue; fi
    local here=${commands:+yes}
    for command in $commands; do
      command -v "$command" >/dev/null || here=
    done
    if [[ -z $here ]]; then echo "$package"; fi
  done <tools/packages.txt
}

setup_main() {
  local sections="${*:-build demo test}" section missing
  for section in $sections; do
    if [[ ! $section =~ ^(build|demo|test|bench)$ ]]; then
      usage_error "there is no section '$section'"
    fi
  done
  command -v dpkg-query >/dev/null ||
    die "this needs Debian 12 (dpkg); elsewhere install what tools/packages.txt names"
  missing=$(missing_packages $sections)
  if [[ -z $missing ]]; then
    note "all packages are there ($sections)"
    return
  fi
  note "installing, with what they need (about a minute; output in build/logs/setup.log):" $missing
  mkdir -p build/logs
  # Packages of the image may be older than the archive: a refresh comes before every install.
  {
    as_root apt-get -qq update &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 install $missing
  } >build/logs/setup.log 2>&1 ||
    die "apt-get failed: $(tail -n 20 build/logs/setup.log)"
}
