#include "auth/hba.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"

namespace trunkline::auth {

using config::AuthMethod;
using config::ConnectionType;
using Kind = config::HbaName::Kind;

namespace {

bool type_fits(ConnectionType type, Channel channel) {
  switch (type) {
    case ConnectionType::any:
      return true;
    case ConnectionType::local:
      return channel == Channel::local;
    case ConnectionType::host:
      return channel != Channel::local;
    case ConnectionType::hostssl:
      return channel == Channel::tls;
    case ConnectionType::hostnossl:
      return channel == Channel::plain;
  }
  return false;
}

// The words of PostgreSQL's ClientAuthentication, and ours about what to change.
std::unexpected<Error> refusal(const HbaFacts& facts, bool by_rule) {
  std::string host = facts.channel == Channel::local ? "[local]" : facts.source.to_string();
  std::string_view encryption = facts.channel == Channel::tls ? "SSL encryption" : "no encryption";
  bool physical = facts.replication == Replication::physical;
  std::string who = physical
                        ? fmt::format("host \"{}\", user \"{}\", {}", host, facts.user, encryption)
                        : fmt::format("host \"{}\", user \"{}\", database \"{}\", {}", host,
                                      facts.user, facts.database, encryption);
  std::string_view what = by_rule
                              ? (physical ? "pg_hba.conf rejects replication connection for"
                                          : "pg_hba.conf rejects connection for")
                              : (physical ? "no pg_hba.conf entry for replication connection from"
                                          : "no pg_hba.conf entry for");
  return fail({.reason = Reason::client_auth_failed,
               .side = Side::client,
               .sqlstate = sqlstate::kInvalidAuthorization,
               .message = fmt::format("{} {}", what, who),
               .hint = "The rules are those of the proxy: \"authentication\" or \"hba_file\"."});
}

}  // namespace

class HbaRules::Compiler {
 public:
  Compiler(const IdentMaps& maps, std::vector<config::Problem>& problems)
      : maps_(maps), problems_(problems) {}

  Rule compile(const config::AuthenticationRule& from) {
    at_ = from.at;
    check_type(from);
    bool is_cert = from.method == AuthMethod::cert;
    bool names_user = is_cert || from.client_certificate_names_user;
    if (!from.map.empty() && !names_user && from.method != AuthMethod::peer)
      report("map works with the methods cert and peer, and with clientcert=verify-full");
    if (!from.map.empty() && !maps_.has(from.map))
      report(fmt::format("there is no ident map {}", printable(from.map)));
    return {.type = from.type,
            .databases = compile_names(from.databases),
            .users = compile_names(from.users),
            .sources = from.sources,
            .certificate_required = names_user || from.client_certificate_required,
            .verdict = {from.method, from.map, names_user}};
  }

 private:
  void report(std::string text) { problems_.push_back({at_, "authentication", std::move(text)}); }

  void check_type(const config::AuthenticationRule& from) {
    if (from.type == ConnectionType::local && !from.sources.empty())
      report("a local connection has no source address: leave source out, or use type host");
    if (from.method == AuthMethod::peer && from.type != ConnectionType::local)
      report("peer works on unix sockets only: write type local");
    bool wants_certificate = from.method == AuthMethod::cert || from.client_certificate_required ||
                             from.client_certificate_names_user;
    if (wants_certificate && from.type != ConnectionType::hostssl)
      report("client certificates come with TLS only: write type hostssl");
  }

  std::vector<Name> compile_names(const std::vector<config::HbaName>& names) {
    std::vector<Name> compiled;
    for (const config::HbaName& name : names) {
      compiled.push_back({name, nullptr});
      if (name.kind != Kind::regex) continue;
      std::string error;
      compiled.back().regex = compile_regex(name.text, error);
      if (compiled.back().regex == nullptr) report(error);
    }
    return compiled;
  }

  const IdentMaps& maps_;
  std::vector<config::Problem>& problems_;
  config::Location at_;
};

std::expected<HbaRules, std::vector<config::Problem>> HbaRules::compile(
    const std::vector<config::AuthenticationRule>& rules, const IdentMaps& maps) {
  HbaRules compiled;
  std::vector<config::Problem> problems;
  Compiler compiler(maps, problems);
  for (const config::AuthenticationRule& rule : rules)
    compiled.rules_.push_back(compiler.compile(rule));
  if (rules.empty()) compiled.rules_.push_back({});
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return compiled;
}

bool HbaRules::Rule::fits_database(const HbaFacts& facts) const {
  if (databases.empty()) return true;  // no condition, not the word `all`
  return std::ranges::any_of(databases, [&](const Name& name) {
    // Physical replication has no database: nothing but its own word means it, not even `all`.
    if (facts.replication == Replication::physical) return name.name.kind == Kind::replication;
    switch (name.name.kind) {
      case Kind::all:
        return true;
      case Kind::exact:
        return name.name.text == facts.database;
      case Kind::regex:
        return re2::RE2::FullMatch(re2::StringPiece(facts.database.data(), facts.database.size()),
                                   *name.regex);
      case Kind::same_user:
        return facts.user == facts.database;
      case Kind::replication:
        return false;
    }
    return false;
  });
}

bool HbaRules::Rule::fits_user(const HbaFacts& facts) const {
  if (users.empty()) return true;
  return std::ranges::any_of(users, [&](const Name& name) {
    if (name.name.kind == Kind::regex)
      return re2::RE2::FullMatch(re2::StringPiece(facts.user.data(), facts.user.size()),
                                 *name.regex);
    return name.name.kind == Kind::all ||
           (name.name.kind == Kind::exact && name.name.text == facts.user);
  });
}

bool HbaRules::Rule::fits(const HbaFacts& facts) const {
  auto contains = [&](const IpNetwork& network) { return network.contains(facts.source); };
  bool source_fits = sources.empty() ||
                     (facts.channel != Channel::local && std::ranges::any_of(sources, contains));
  return type_fits(type, facts.channel) && source_fits && fits_database(facts) && fits_user(facts);
}

Result<const HbaVerdict*> HbaRules::decide(const HbaFacts& facts) const {
  auto rule = std::ranges::find_if(rules_, [&](const Rule& r) { return r.fits(facts); });
  if (rule == rules_.end()) return refusal(facts, false);
  if (rule->verdict.method == AuthMethod::reject) return refusal(facts, true);
  if (rule->certificate_required && !facts.certificate_verified)
    return fail({.reason = Reason::client_auth_failed,
                 .side = Side::client,
                 .sqlstate = sqlstate::kInvalidAuthorization,
                 .message = "connection requires a valid client certificate"});
  return &rule->verdict;
}

}  // namespace trunkline::auth
