#include "route/explain.h"

#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "route/name.h"

namespace trunkline::route {

namespace {

std::string quoted(const std::optional<std::string_view>& value) {
  return value ? fmt::format("\"{}\"", printable(*value)) : "unknown";
}

std::string value_of(Key key, const Facts& facts) {
  switch (key) {
    case Key::sni:
      return facts.sni ? quoted(facts.sni) : "none";
    case Key::user:
      return quoted(facts.user);
    case Key::database:
      return quoted(facts.database);
    case Key::application_name:
      return quoted(facts.application_name);
    case Key::source:
      return facts.source ? facts.source->to_string() : "a unix socket";
    case Key::tls:
      return facts.tls ? "true" : "false";
  }
  return "";
}

// A route by its name, with where it stands now.
std::string title(const Entry& entry) {
  return fmt::format("line {}: {}", entry.route->line, entry.route->name);
}

// The match where the name does not tell it: of a short form, with a long list, a duplicate.
std::string unnamed_match(const Entry& entry) {
  std::string text = match_text(entry.matcher);
  return text == entry.route->name ? "" : fmt::format(" (matches {})", text);
}

std::string target(const Entry& entry) {
  if (entry.reject) return fmt::format("reject \"{}\"", printable(*entry.reject));
  std::string servers;
  for (const upstream::Server& server : entry.upstream->servers()) {
    if (!servers.empty()) servers += ", ";
    servers += upstream::server_name(server.address);
  }
  if (entry.upstream->name() == servers) return servers;
  return fmt::format("{} ({})", entry.upstream->name(), servers);
}

std::string changes(const Entry& entry) {
  std::string text;
  if (entry.database) text += fmt::format("; database {}", entry.database->text());
  if (entry.route->login) text += fmt::format("; login {}", entry.route->login->user);
  if (entry.route->auth == config::AuthMode::relay) text += "; auth relay";
  if (entry.route->max_clients) text += fmt::format("; max_clients {}", *entry.route->max_clients);
  return text;
}

void explain_winner(std::string& text, const Entry& entry, const Decision& decision,
                    const Facts& facts) {
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{} wins{}\n", title(entry), unnamed_match(entry));
  if (decision.kind == Decision::Kind::reject) {
    fmt::format_to(out, "  rejected with {}: {}\n", decision.sqlstate, printable(decision.text));
    fmt::format_to(out, "  log: {}\n", decision.why);
    return;
  }
  fmt::format_to(out, "  upstream: {}\n", decision.upstream->name());
  for (const upstream::Server& server : decision.upstream->servers()) {
    fmt::format_to(out, "    server: {}\n", upstream::server_name(server.address));
  }
  if (decision.database) {
    fmt::format_to(out, "  database: {} becomes \"{}\"\n", quoted(facts.database),
                   printable(*decision.database));
  }
  if (decision.user) {
    fmt::format_to(out, "  user: {} becomes \"{}\"\n", quoted(facts.user),
                   printable(*decision.user));
  }
  fmt::format_to(out, "  auth: {}\n",
                 entry.route->auth == config::AuthMode::relay ? "relay" : "terminate");
}

}  // namespace

std::string looked_at(const Facts& facts) {
  std::string text;
  for (size_t i = 0; i <= static_cast<size_t>(Key::tls); ++i) {
    auto key = static_cast<Key>(i);
    fmt::format_to(std::back_inserter(text), "{}{} {}", i == 0 ? "" : ", ", key_name(key),
                   value_of(key, facts));
  }
  if (!facts.listener.empty()) text += fmt::format(", listener {}", facts.listener);
  return text;
}

std::string describe(const RouteTable& table) {
  std::string text;
  for (const Entry& entry : table.entries()) {
    text += fmt::format("{}{} -> {}{}\n", title(entry), unnamed_match(entry), target(entry),
                        changes(entry));
  }
  return text.empty() ? "no routes: every client is refused\n" : text;
}

std::string explain(const RouteTable& table, const Facts& facts) {
  std::string text = fmt::format("Looked at {}.\n", looked_at(facts));
  Subject subject(facts);
  Captures captures;
  for (const Entry& entry : table.entries()) {
    std::optional<Key> mismatch = entry.matcher.mismatch(subject, captures);
    std::optional<Key> missing = missing_fact(entry, facts);
    if (mismatch) {
      text +=
          fmt::format("{} does not match: {} is {}, not {}\n", title(entry), key_name(*mismatch),
                      value_of(*mismatch, facts), entry.matcher.describe(*mismatch));
    } else if (missing) {
      text += fmt::format("{} does not match: it rewrites the {}, which is unknown\n", title(entry),
                          key_name(*missing));
    } else {
      explain_winner(text, entry, table.decide(facts), facts);
      return text;
    }
  }
  Decision none = table.decide(facts);
  return text + fmt::format("No route matches: rejected with {}: {}\n", none.sqlstate,
                            printable(none.text));
}

}  // namespace trunkline::route
