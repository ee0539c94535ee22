#include "config/hba_file.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "config/auth_tokens.h"
#include "config/loader.h"
#include "config/names.h"

namespace trunkline::config {

namespace {

// One record; stops at the first thing that is wrong, as what follows has no certain meaning then.
class RuleReader {
 public:
  RuleReader(const AuthLine& line, const std::string& file, std::vector<Problem>& problems)
      : line_(line), file_(file), problems_(problems) {}

  std::optional<AuthenticationRule> read() {
    rule_.at = {file_, line_.line, line_.fields[0][0].column};
    if (read_type() && read_names("database", true, rule_.databases) &&
        read_names("user", false, rule_.users) && read_address() && read_method() &&
        read_options()) {
      std::string wrong = check_rule(rule_);
      if (wrong.empty()) return std::move(rule_);
      wrong_at(rule_.at.column, std::move(wrong));
    }
    return std::nullopt;
  }

 private:
  bool wrong_at(int column, std::string text) {
    problems_.push_back({{file_, line_.line, column}, "", std::move(text)});
    return false;
  }
  bool wrong(const AuthToken& token, const std::string& text) {
    return wrong_at(token.column, "found `" + printable(token.text) + "`; " + text);
  }

  bool at_end() const { return next_ == line_.fields.size(); }

  // The next field when it is one token; reports otherwise.
  const AuthToken* single(const std::string& what) {
    if (at_end()) {
      const AuthToken& last = line_.fields.back().back();
      wrong_at(last.column, "the line ends where its " + what + " should follow");
      return nullptr;
    }
    const auto& field = line_.fields[next_++];
    if (field.size() == 1) return &field[0];
    wrong(field[1], "the " + what + " must be a single value");
    return nullptr;
  }

  bool read_type() {
    const AuthToken* type = single("connection type");
    if (type == nullptr) return false;
    // Between client and proxy there is never GSSAPI encryption.
    if (type->text == "hostnogssenc") {
      rule_.type = ConnectionType::host;
      return true;
    }
    auto known = type->text == "any" ? std::nullopt : from_word<ConnectionType>(type->text);
    if (!known) {
      return wrong(*type, "allowed: local, host, hostssl, hostnossl or hostnogssenc");
    }
    rule_.type = *known;
    return true;
  }

  bool read_names(const std::string& what, bool database, std::vector<HbaName>& to) {
    if (at_end()) return single(what) != nullptr;
    for (const AuthToken& token : line_.fields[next_++]) {
      HbaName name{HbaName::Kind::exact, token.text};
      if (!token.quoted && (token.text.starts_with('+') || token.text.starts_with('@'))) {
        return wrong(token, token.text[0] == '+' ? "the proxy does not know who is in which role"
                                                 : "files of names are not supported");
      }
      if (database && (token.is("samerole") || token.is("samegroup"))) {
        return wrong(token, "the proxy does not know who is in which role");
      }
      if (token.text.empty()) return wrong(token, "a name must not be empty");
      if (token.is("all")) {
        name = {HbaName::Kind::all, ""};
      } else if (database && token.is("sameuser")) {
        name = {HbaName::Kind::same_user, ""};
      } else if (database && token.is("replication")) {
        name = {HbaName::Kind::replication, ""};
      } else if (token.text.starts_with('/')) {
        name = {HbaName::Kind::regex, whole_match_of_search(token.text.substr(1))};
      }
      to.push_back(std::move(name));
    }
    return true;
  }

  bool read_address() {
    if (rule_.type == ConnectionType::local) return true;
    const AuthToken* address = single("address");
    if (address == nullptr) return false;
    if (address->is("all")) return true;
    if (address->is("samehost") || address->is("samenet")) {
      return wrong(*address, "the proxy's networks are not the server's; write the network itself");
    }
    auto alone = IpAddress::parse(address->text);
    if (!alone) {
      auto network = IpNetwork::parse(address->text);
      if (!network) {
        return wrong(*address,
                     "allowed: all, a network such as 10.0.0.0/8, or an address and a mask; "
                     "host names are not supported");
      }
      rule_.sources.push_back(*network);
      return true;
    }
    const AuthToken* text = single("mask");
    if (text == nullptr) return false;
    auto mask = IpAddress::parse(text->text);
    auto network = mask && mask->is_v4() == alone->is_v4() ? IpNetwork::from_mask(*alone, *mask)
                                                           : std::nullopt;
    if (!network) {
      return wrong(*text, "a mask of the address's own family without holes must stand here");
    }
    rule_.sources.push_back(*network);
    return true;
  }

  bool read_method() {
    const AuthToken* method = single("method");
    if (method == nullptr) return false;
    auto known = from_word<AuthMethod>(method->text);
    // PostgreSQL takes `ident` on a unix socket as `peer`.
    if (method->text == "ident" && rule_.type == ConnectionType::local) known = AuthMethod::peer;
    if (!known) return wrong(*method, "allowed: " + all_words<AuthMethod>());
    rule_.method = *known;
    return true;
  }

  bool read_options() {
    for (; !at_end(); ++next_) {
      for (const AuthToken& option : line_.fields[next_]) {
        if (!read_option(option)) return false;
      }
    }
    return true;
  }

  bool read_option(const AuthToken& option) {
    size_t equals = option.text.find('=');
    std::string name = option.text.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : option.text.substr(equals + 1);
    if (value.empty()) return wrong(option, "an option is written name=value");
    if (name == "map") {
      rule_.map = value;
      return true;
    }
    if (name == "clientcert") {
      if (value != "verify-ca" && value != "verify-full") {
        return wrong(option, "allowed: clientcert=verify-ca or clientcert=verify-full");
      }
      rule_.client_certificate_required = true;
      rule_.client_certificate_names_user = value == "verify-full";
      return true;
    }
    if (name == "clientname" && value == "CN") return true;  // what it is without the option
    return wrong(option, "allowed: map=, clientcert= and clientname=CN");
  }

  const AuthLine& line_;
  const std::string& file_;
  std::vector<Problem>& problems_;
  AuthenticationRule rule_;
  size_t next_ = 0;
};

}  // namespace

std::vector<AuthenticationRule> parse_hba(std::string_view text, const std::string& file,
                                          std::vector<Problem>& problems) {
  std::vector<AuthenticationRule> rules;
  for (const AuthLine& line : read_auth_lines(text, file, problems)) {
    if (problems.size() >= kProblemsMax) break;
    if (auto rule = RuleReader(line, file, problems).read()) rules.push_back(std::move(*rule));
  }
  return rules;
}

std::string check_rule(const AuthenticationRule& rule) {
  std::string method(to_word(rule.method));
  bool local = rule.type == ConnectionType::local;
  if (rule.method == AuthMethod::peer && !local) {
    return "method peer is for type local only: it asks the kernel who is on the unix socket";
  }
  if (rule.method == AuthMethod::cert && rule.type != ConnectionType::hostssl) {
    return "method cert is for type hostssl only";
  }
  if (local && !rule.sources.empty()) return "type local has no source address";
  bool mapped = rule.method == AuthMethod::cert || rule.method == AuthMethod::peer ||
                rule.client_certificate_names_user;
  if (!rule.map.empty() && !mapped) {
    return "a map is for method cert or peer, or beside verify-full, not for " + method;
  }
  if (rule.client_certificate_required && rule.type != ConnectionType::hostssl) {
    return "a client certificate can be asked for in type hostssl only";
  }
  if (rule.client_certificate_required && !rule.client_certificate_names_user &&
      rule.method == AuthMethod::cert) {
    return "method cert always is verify-full";
  }
  return {};
}

}  // namespace trunkline::config
