// Clients that connect and leave, many at once, each at a random place and in a random way. Prints
// one JSON object: how many left at which stage as they wanted, how many found the connection
// closed before, how many were stuck.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <fmt/core.h>
#include <memory>
#include <sys/epoll.h>
#include <vector>

#include "soak/abort_client.h"

namespace trunkline::soak {
namespace {

struct Options {
  std::string address;
  Target target;
  uint64_t seed = 1;
  uint64_t cycles = 1000;
  size_t clients = 100;
  bool tls = false;
};

SSL_CTX* new_tls_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  constexpr unsigned char kAlpn[] = "\x0apostgresql";  // what direct TLS asks for
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn - 1);
  return context;
}

std::string json(const Tally::Counts& counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    text += fmt::format("{}\"{}\": {}", i == 0 ? "" : ", ", kStageNames[i], counts[i]);
  }
  return '{' + text + '}';
}

void run(const Options& options) {
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  Planner planner(options.seed, options.tls, !options.target.scram_user.empty());
  Tally tally;
  std::vector<std::unique_ptr<AbortClient>> clients;
  clients.reserve(options.clients);
  for (size_t i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<AbortClient>(options.target, planner, tally, epoll));
  }
  uint64_t begun = 0;
  uint64_t started_ns = bench::now_ns();
  for (;;) {
    // Between batches of events: a new descriptor may have the number of an old one.
    bool any = false;
    for (auto& client : clients) {
      if (client->done() && begun < options.cycles) {
        client->begin();
        ++begun;
      }
      any |= !client->done();
    }
    if (!any) break;
    constexpr int kEvents = 512;
    epoll_event events[kEvents];
    int count = ::epoll_wait(epoll, events, kEvents, 1000);
    for (int i = 0; i < count; ++i) static_cast<AbortClient*>(events[i].data.ptr)->on_event();
    uint64_t now_ns = bench::now_ns();
    for (auto& client : clients) client->on_time(now_ns);
  }
  fmt::print(
      "{{\"cycles\": {}, \"seconds\": {:.1f}, \"planned\": {}, \"early\": {}, \"stuck\": {}}}\n",
      begun, static_cast<double>(bench::now_ns() - started_ns) / 1e9, json(tally.planned),
      json(tally.early), json(tally.stuck));
}

}  // namespace
}  // namespace trunkline::soak

int main(int argc, char** argv) {
  using namespace trunkline;
  soak::Options options;
  soak::Target& target = options.target;
  CLI::App app("Clients that connect and break off at random places");
  app.add_option("--target", options.address, "HOST:PORT")->required();
  app.add_option("--seed", options.seed);
  app.add_option("--cycles", options.cycles);
  app.add_option("--clients", options.clients, "at once");
  app.add_flag("--tls", options.tls, "two thirds with TLS, by SSLRequest and direct");
  app.add_option("--user", target.user, "let in by trust")->default_val("trusty");
  app.add_option("--scram-user", target.scram_user);
  app.add_option("--password", target.password);
  app.add_option("--database", target.database)->default_val("app");
  app.add_option("--query", target.query)->default_val("select 1");
  app.add_option("--bulk-query", target.bulk_query)->default_val("select bulk(4096)");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  bench::raise_descriptor_limit();
  target.address = bench::Address(options.address);
  target.tls_context = soak::new_tls_context();
  soak::run(options);
  SSL_CTX_free(target.tls_context);
}
