#include "auth/user_store.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

#include "auth/md5.h"
#include "base/text.h"

namespace trunkline::auth {

std::optional<StoredSecret> parse_stored_secret(std::string_view text) {
  if (text.empty()) return StoredSecret();
  if (is_md5_secret(text)) return Md5Password{Secret(text)};
  if (!text.starts_with("SCRAM-SHA-256$")) return PlainPassword{Secret(text)};
  return ScramVerifier::parse(text).transform(
      [](ScramVerifier&& verifier) { return StoredSecret(std::move(verifier)); });
}

namespace {

std::expected<UserRecord, std::string> parse_user(const config::User& user) {
  std::string_view text = user.password.reveal();
  if (user.name.empty()) return std::unexpected("a user needs a name");
  if (user.name.size() > UserStore::kNameBytesMax)
    return std::unexpected(fmt::format("the name {} is longer than the {} bytes PostgreSQL keeps",
                                       printable(user.name), UserStore::kNameBytesMax));
  if (text.contains('\0'))
    return std::unexpected(fmt::format(
        "the password of {} holds a zero byte, which no client can send", printable(user.name)));
  std::optional<StoredSecret> secret = parse_stored_secret(text);
  if (!secret)
    return std::unexpected(fmt::format(
        "the SCRAM verifier of {} is malformed: want "
        "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> with 1 to {} iterations",
        printable(user.name), kScramIterationsMax));
  return UserRecord{user.name, std::move(*secret)};
}

}  // namespace

std::expected<UserStore, std::vector<config::Problem>> UserStore::compile(
    const std::vector<config::User>& users) {
  UserStore store;
  std::vector<config::Problem> problems;
  std::vector<const config::User*> sorted;
  sorted.reserve(users.size());
  for (const config::User& user : users) sorted.push_back(&user);
  auto in_order = [](const config::User* a, const config::User* b) {
    return std::tie(a->name, a) < std::tie(b->name, b);  // of equal names the first stays first
  };
  std::ranges::sort(sorted, in_order);

  store.users_.reserve(users.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    auto report = [&](std::string text) {
      problems.push_back({sorted[i]->at, "users", std::move(text)});
    };
    if (i > 0 && sorted[i]->name == sorted[i - 1]->name) {
      report(fmt::format("the user {} is defined twice, first at {}:{}", printable(sorted[i]->name),
                         sorted[i - 1]->at.file, sorted[i - 1]->at.line));
      continue;
    }
    auto record = parse_user(*sorted[i]);
    if (record)
      store.users_.push_back(std::move(*record));
    else
      report(std::move(record.error()));
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  store.summarise();
  return store;
}

void UserStore::summarise() {
  std::map<uint32_t, size_t> counts;  // of iterations
  size_t md5_or_plain = 0;
  size_t verifiers = 0;
  for (const UserRecord& user : users_) {
    traits_.holds_plain |= user.as<PlainPassword>() != nullptr;
    md5_or_plain += user.as<PlainPassword>() != nullptr || user.as<Md5Password>() != nullptr;
    if (const auto* verifier = user.as<ScramVerifier>()) {
      ++verifiers;
      ++counts[verifier->iterations];
    }
  }
  traits_.holds_verifiers = verifiers > 0;
  traits_.mostly_md5 = md5_or_plain > verifiers;
  auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
  if (counts.empty()) return;
  traits_.mock_iterations = std::ranges::max_element(counts, by_count)->first;
}

const UserRecord* UserStore::find(std::string_view name) const {
  auto found = std::ranges::lower_bound(users_, name, {}, &UserRecord::name);
  return found != users_.end() && found->name == name ? &*found : nullptr;
}

Account UserStore::account(std::string_view name) const {
  return {.user = {std::shared_ptr<void>(), find(name)}, .traits = traits_};
}

}  // namespace trunkline::auth
