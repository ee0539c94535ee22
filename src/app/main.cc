#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "app/commands.h"

int main(int argc, char** argv) {
  using namespace trunkline::app;
  CLI::App cli{
      "Trunkline, the PostgreSQL proxy: routes, encrypts, authenticates and relays.\n"
      "\n"
      "Try it:    trunkline check trunkline.yaml && trunkline run trunkline.yaml\n"
      "Without FILE the configuration is $CONFIG_PATH, ./trunkline.yaml, "
      "/etc/trunkline/trunkline.yaml or\n"
      "./config.yaml, the first that exists."};
  cli.name("trunkline");
  cli.set_version_flag("--version", "trunkline " TRUNKLINE_VERSION);
  cli.require_subcommand(1);
  cli.fallthrough(false);

  std::string file;
  auto takes_file = [&](CLI::App* command) {
    command->add_option("FILE,--config", file, "The configuration")->type_name("FILE");
  };

  CLI::App* run = cli.add_subcommand(
      "run",
      "Serve. HUP reloads; TERM lets transactions finish, a second TERM or INT ends at once.\n"
      "Exit code: 0 ended by a signal, 1 bad configuration, 3 could not listen.");
  takes_file(run);
  CLI::App* check = cli.add_subcommand(
      "check",
      "Validate a configuration and print what would be served. Touches no network.\n"
      "Exit code: 0 good, 1 not.");
  takes_file(check);

  RouteQuestion question;
  CLI::App* route =
      cli.add_subcommand("route", "Say which route a client gets, and why not those before it.");
  takes_file(route);
  route->add_option("--user", question.user, "The user of the startup packet")->type_name("NAME");
  route->add_option("--database", question.database, "The database; the user when not given")
      ->type_name("NAME");
  route->add_option("--sni", question.sni, "The host name in the TLS handshake")->type_name("HOST");
  route->add_option("--application-name", question.application_name, "application_name")
      ->type_name("NAME");
  route->add_option("--source", question.source, "The client's address; without it a unix socket")
      ->type_name("IP");
  route->add_flag("--tls", question.tls, "The client speaks TLS (implied by --sni)");

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = cli.exit(error);
    return code == 0 ? kExitClean : kExitUsage;
  }
  if (run->parsed()) return run_proxy(file);
  if (check->parsed()) return check_config(file);
  return explain_route(file, question);
}
