#include "bench/load_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

namespace trunkline::bench {

Options read_options(int argc, char** argv) {
  CLI::App app("Load on a PostgreSQL server or proxy");
  Options options;
  Target& target = options.target;
  std::string address;
  const std::map<std::string, Mode> modes{
      {"simple", Mode::simple},     {"extended", Mode::extended}, {"prepared", Mode::prepared},
      {"pipeline", Mode::pipeline}, {"bulk", Mode::bulk},         {"login", Mode::login},
      {"storm", Mode::storm},       {"idle", Mode::idle}};
  const std::map<std::string, Tls> tls{
      {"off", Tls::off}, {"starttls", Tls::starttls}, {"direct", Tls::direct}};
  const std::map<std::string, OwnSettings> own_settings{{"none", OwnSettings::none},
                                                        {"session", OwnSettings::session},
                                                        {"transaction", OwnSettings::transaction}};
  app.add_option("--target", address, "HOST:PORT or the path of a unix socket")->required();
  app.add_option("--mode", options.mode,
                 "simple, extended, prepared, pipeline, bulk; login: one after the other; storm: "
                 "one each, all at once; idle: log in, ask once, wait for a line")
      ->transform(CLI::CheckedTransformer(modes))
      ->option_text("MODE");
  app.add_option("--tls", target.tls, "off, starttls, direct")
      ->transform(CLI::CheckedTransformer(tls))
      ->option_text("TLS");
  app.add_option("--clients", options.clients);
  app.add_option("--depth", options.depth, "requests in flight of each client in mode pipeline");
  app.add_option("--rows", options.rows, "rows of 1 KiB for each request in mode bulk");
  app.add_option("--statements", options.statements,
                 "that each client prepares in mode idle at the line \"prepare\"");
  app.add_option("--own-settings", options.own_settings,
                 "a work_mem for each client: none, session (SET once), transaction (in each)")
      ->transform(CLI::CheckedTransformer(own_settings))
      ->option_text("WHEN");
  app.add_option("--warm-up", options.warm_up_s, "seconds");
  app.add_option("--seconds", options.seconds);
  app.add_option("--rate", options.rate, "requests per second of all clients; 0: closed loop");
  app.add_option("--user", target.user)->default_val("bench");
  app.add_option("--database", target.database)->default_val("bench");
  app.add_option("--password", target.password)->default_val("bench");
  app.add_option("--samples", options.samples, "file for the latency of every request");
  app.add_option("--watch", options.watch, "process whose CPU time is measured; may be repeated");
  app.add_flag("--hold", options.hold,
               "measure at each line \"go\", at rest before and after; not with --rate");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (options.hold && options.rate > 0) die_plain("--hold and --rate exclude each other");
  target.address = Address(address);
  target.rotate_source = !target.address.is_unix();
  if (target.tls != Tls::off) target.tls_context = new_tls_context();
  return options;
}

}  // namespace trunkline::bench
