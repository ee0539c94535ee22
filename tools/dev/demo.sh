source tools/dev/build.sh

demo_usage() {
  cat <<'TEXT'
usage: ./dev demo [--check] [--port N]

Starts a throw-away PostgreSQL with sample data and Trunkline in front of it, with TLS and SCRAM,
and prints the psql line to paste and the URL of the metrics. Ctrl-C stops both and removes
everything. --check runs one query through the proxy, reads /metrics and exits. --port is where
clients connect (default 6432, the metrics are on the next one); the next free one is taken when
somebody listens there.
TEXT
}

readonly postgresql_bin=/usr/lib/postgresql/15/bin

# PostgreSQL refuses to run as root.
as_postgres_user() {
  if [[ $(id -u) == 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first port from $1 on that is free, and the one after it too.
free_ports() {
  local port=$1
  until port_is_free "$port" && port_is_free $((port + 1)); do port=$((port + 2)); done
  echo "$port"
}

demo_clean() {
  trap - EXIT INT TERM
  if [[ -n ${demo_proxy_pid:-} ]]; then
    kill -TERM "$demo_proxy_pid" 2>/dev/null || true
    wait "$demo_proxy_pid" 2>/dev/null || true
  fi
  if [[ -f ${demo_folder:-}/data/postmaster.pid ]]; then
    as_postgres_user "$postgresql_bin/pg_ctl" -s -D "$demo_folder/data" -m fast stop || true
  fi
  if [[ -n ${demo_folder:-} ]]; then rm -rf "$demo_folder"; fi
}

demo_start_postgresql() {
  mkdir "$demo_folder/data" "$demo_folder/run"
  if [[ $(id -u) == 0 ]]; then chown postgres: "$demo_folder/data" "$demo_folder/run"; fi
  as_postgres_user "$postgresql_bin/initdb" -D "$demo_folder/data" -U postgres \
    --auth-local=trust --no-sync --encoding=UTF8 --locale=C >"$demo_folder/initdb.log" 2>&1 ||
    die "initdb failed: $(cat "$demo_folder/initdb.log")"
  # The superuser comes in over the socket's folder for the set-up; everybody else with SCRAM.
  as_postgres_user tee "$demo_folder/data/pg_hba.conf" >/dev/null <<'TEXT'
local all postgres trust
local all all scram-sha-256
TEXT
  as_postgres_user "$postgresql_bin/pg_ctl" -s -w -D "$demo_folder/data" \
    -l "$demo_folder/data/log" -o "-c listen_addresses= -c unix_socket_directories=$demo_folder/run \
    -c fsync=off" start || die "PostgreSQL did not start: $(cat "$demo_folder/data/log")"
}

demo_sql() { psql -X -q -v ON_ERROR_STOP=1 -h "$demo_folder/run" -U postgres "$@"; }

demo_sample_data() {
  demo_sql -d postgres -c "set password_encryption = 'scram-sha-256'" \
    -c "create role alice login password 'trunkline'" -c "create database shop owner alice"
  demo_sql -d shop <<'TEXT'
set role alice;
create table product (id int primary key, name text not null, price numeric(8, 2) not null);
create table sale (id bigserial primary key, product_id int not null references product,
                   pieces int not null, sold_at timestamptz not null);
insert into product select i, 'product ' || i, (i * 7 % 500) + 0.99 from generate_series(1, 100) i;
insert into sale (product_id, pieces, sold_at)
  select i % 100 + 1, i % 5 + 1, now() - i * interval '1 minute' from generate_series(1, 20000) i;
analyze product, sale;
TEXT
}

demo_configure() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$demo_folder/server.key" -out "$demo_folder/server.crt" 2>/dev/null
  # Only the verifier is needed: the key to log in with comes out of the client's own proof.
  local verifier
  verifier=$(demo_sql -d postgres -At -c "select rolpassword from pg_authid where rolname = 'alice'")
  (
    umask 077
    cat >"$demo_folder/trunkline.yaml" <<TEXT
listen:
  - address: 127.0.0.1
    port: $demo_port
    tls:
      mode: allow
      certificates:
        - { cert: server.crt, key: server.key }
admin: { address: 127.0.0.1, port: $((demo_port + 1)) }
upstreams:
  main:
    servers:
      - { host: $demo_folder/run, port: 5432 }
    tls: { mode: disable }
routes:
  - { upstream: main }
users:
  - { name: alice, password: "$verifier" }
TEXT
  )
}

demo_start_trunkline() {
  build/release/trunkline run --config "$demo_folder/trunkline.yaml" 2>"$demo_folder/trunkline.log" &
  demo_proxy_pid=$!
  local tries
  for tries in {1..100}; do
    if ! port_is_free "$demo_port" && ! port_is_free $((demo_port + 1)); then return; fi
    kill -0 "$demo_proxy_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$demo_folder/trunkline.log" >&2
  die "Trunkline did not start"
}

demo_check() {
  local address="host=localhost port=$demo_port user=alice dbname=shop sslmode=verify-full \
sslrootcert=$demo_folder/server.crt" rows
  rows=$(PGPASSWORD=trunkline psql -X -At "$address" -c "select count(*) from sale") ||
    die "psql through the proxy failed: $(cat "$demo_folder/trunkline.log")"
  [[ $rows == 20000 ]] || die "psql through the proxy counted '$rows' rows, not 20000"
  curl -fsS "http://127.0.0.1:$((demo_port + 1))/metrics" >"$demo_folder/metrics"
  grep -q '^trunkline_postgres_sessions_total.* 1$' "$demo_folder/metrics" ||
    die "/metrics does not count one session"
  ok "demo: psql through the proxy over TLS with SCRAM counted $rows rows"
}

demo_main() {
  local check=
  demo_port=6432
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --check) check=yes ;;
      --port)
        demo_port=${2:?--port needs a number}
        shift
        ;;
      *) usage_error "unknown option '$1'" ;;
    esac
    shift
  done
  steps 4
  step "packages"
  setup_main build demo
  step "build release"
  build_preset release trunkline
  demo_port=$(free_ports "$demo_port")
  trap demo_clean EXIT
  trap 'exit 130' INT TERM
  demo_folder=$(mktemp -d /tmp/trunkline-demo.XXXXXX)
  chmod 711 "$demo_folder"
  step "start PostgreSQL with sample data"
  demo_start_postgresql
  demo_sample_data
  step "start Trunkline"
  demo_configure
  demo_start_trunkline
  if [[ -n $check ]]; then
    demo_check
    return
  fi
  ok "Trunkline is running"
  cat <<TEXT

  Paste into another terminal:
    ${bold}PGPASSWORD=trunkline psql "host=127.0.0.1 port=$demo_port user=alice dbname=shop sslmode=require"${plain}
  and try: select name, sum(pieces) from product join sale on product_id = product.id group by 1 order by 2 desc limit 5;
  Metrics:       ${bold}http://127.0.0.1:$((demo_port + 1))/metrics${plain}
  Configuration: $demo_folder/trunkline.yaml
  Ctrl-C stops everything and removes it.

TEXT
  wait "$demo_proxy_pid" || die "Trunkline ended: $(tail -n 20 "$demo_folder/trunkline.log")"
}
