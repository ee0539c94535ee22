#include "session/session_settings.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "sql/identifier.h"

namespace trunkline::session {

namespace {

pool::Settings copy_of(const pool::SettingsPtr& settings) {
  return settings ? *settings : pool::Settings();
}

const std::string* find_in(const pool::SettingsPtr& settings, std::string_view name) {
  return settings ? settings->find(name) : nullptr;
}

}  // namespace

// Not of how a statement runs, but of what it is.
bool SessionSettings::has_meaning(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kWithoutMeaning = {
      "application_name",
      "client_min_messages",
      "default_transaction_read_only",
      "extra_float_digits",
      "idle_in_transaction_session_timeout",
      "idle_session_timeout",
      "lock_timeout",
      "maintenance_work_mem",
      "statement_timeout",
      "synchronous_commit",
      "transaction_timeout",
      "work_mem"};
  return !is_custom(name) && !name.starts_with("enable_") &&
         std::ranges::find(kWithoutMeaning, name) == kWithoutMeaning.end();
}

bool SessionSettings::has_custom(const pool::SettingsPtr& settings) {
  if (settings == nullptr) return false;
  return std::ranges::any_of(*settings, [](const auto& each) { return is_custom(each.first); });
}

bool SessionSettings::is_encoded_otherwise(const pool::SettingsPtr& before,
                                           const pool::SettingsPtr& now) {
  if (before == now) return false;
  const std::string* was = find_in(before, "client_encoding");
  const std::string* is = find_in(now, "client_encoding");
  if (was == is || (was != nullptr && is != nullptr && *was == *is) || now == nullptr) return false;
  return std::ranges::any_of(*now, [](const auto& each) { return !is_ascii(each.second); });
}

const pool::SettingsPtr& SessionSettings::of_meaning() {
  if (current() == nullptr) return current();
  Known& known = know();
  if (known.meaning_of == current()) return known.meaning;
  known.meaning_of = current();
  pool::Settings kept;
  for (const auto& [name, value] : *current()) {
    if (has_meaning(name)) kept.set(name, value);
  }
  known.meaning = kept.empty() ? nullptr : std::make_shared<const pool::Settings>(std::move(kept));
  return known.meaning;
}

pool::Settings SessionSettings::with_meaning(const pool::SettingsPtr& meaning) const {
  pool::Settings settings = copy_of(meaning);
  for (const auto& [name, value] : copy_of(current())) {
    if (!has_meaning(name)) settings.set(name, value);
  }
  return settings;
}

void SessionSettings::share_meaning(const pool::SettingsPtr& same) {
  if (known_ && known_->meaning != same) known_->meaning = same;
}

void SessionSettings::on_completed(const sql::Statement& statement, std::string_view tag) {
  using Kind = sql::StatementKind;
  using Value = sql::SettingValue::Kind;
  switch (statement.kind) {
    case Kind::set:
    case Kind::set_role:
      if (statement.is_local) break;
      if (statement.value.kind == Value::given) set(statement.name.text, &statement.value.text);
      if (statement.value.kind == Value::to_default) reset(statement.name.text);
      break;
    case Kind::set_session_authorization:
      reset("role");  // SetSessionAuthorization
      break;
    case Kind::set_session_characteristics:
      set_characteristics(statement.modes);
      break;
    case Kind::reset:
      // SetSessionAuthorization takes the role along.
      reset(statement.name.text == "session_authorization" ? "role" : statement.name.text);
      break;
    case Kind::reset_all: {
      // The role is left as it is (guc.c: GUC_NO_RESET_ALL).
      const std::string* role = find_in(current(), "role");
      pool::Settings settings = copy_of(startup_);
      if (role != nullptr) settings.set("role", *role);
      settings_.change() = std::make_shared<const pool::Settings>(std::move(settings));
      server_differs_ |= startup_ != nullptr && !startup_->empty();
      break;
    }
    case Kind::discard_all:
      settings_.change() = startup_;
      server_differs_ |= startup_ != nullptr && !startup_->empty();
      break;
    default:
      settings_.on_completed(statement, tag);
      break;
  }
}

void SessionSettings::learn(pool::Settings settings) {
  if (known_) known_->asked_for.clear();
  for (const auto& [name, value] : copy_of(current())) {
    if (is_custom(name) && !sql::is_plain_setting_name(name)) settings.set(name, value);
  }
  settings_.reset(std::make_shared<const pool::Settings>(std::move(settings)));
}

void SessionSettings::keep_defaults(const pool::Settings& defaults) {
  auto with = [&](const pool::SettingsPtr& settings) {
    pool::Settings kept = copy_of(settings);
    for (const auto& [name, value] : defaults) {
      if (kept.find(name) == nullptr) kept.set(name, value);
    }
    return std::make_shared<const pool::Settings>(std::move(kept));
  };
  startup_ = with(startup_);
  settings_.reset(with(current()));
}

void SessionSettings::ask_for(std::string_view name) {
  if (is_custom(name)) know().asked_for.emplace_back(name);
}

std::vector<std::string_view> SessionSettings::customized() const {
  std::vector<std::string_view> names;
  if (known_) names.assign(known_->asked_for.begin(), known_->asked_for.end());
  if (current() == nullptr) return names;
  for (const auto& [name, value] : *current()) {
    if (is_custom(name) && sql::is_plain_setting_name(name)) names.push_back(name);
  }
  return names;
}

void SessionSettings::on_reported(std::string_view name, std::string_view value) {
  const std::string* is = find_in(current(), name);
  // What the connection has gone back to is not the session's.
  if (is == nullptr || *is == value || server_differs_) return;
  std::string canonical(value);
  set(name, &canonical);
}

bool SessionSettings::is_to_be_set(std::string_view name, std::string_view value) const {
  const std::string* is = server_differs_ ? find_in(current(), name) : nullptr;
  return is != nullptr && *is != value;
}

void SessionSettings::on_error(bool in_block) {
  if (!in_block) settings_.roll_back();
}

void SessionSettings::set(std::string_view name, const std::string* value) {
  pool::Settings settings = copy_of(current());
  settings.set(name, *value);
  settings_.change() = std::make_shared<const pool::Settings>(std::move(settings));
}

void SessionSettings::set_characteristics(const sql::TransactionModes& modes) {
  static constexpr std::array<std::string_view, 4> kLevels = {"read uncommitted", "read committed",
                                                              "repeatable read", "serializable"};
  if (modes.isolation) {
    std::string level(kLevels.at(static_cast<size_t>(*modes.isolation)));
    set("default_transaction_isolation", &level);
  }
  auto set_flag = [&](std::string_view name, std::optional<bool> on) {
    if (!on) return;
    std::string value = *on ? "on" : "off";
    set(name, &value);
  };
  set_flag("default_transaction_read_only", modes.read_only);
  set_flag("default_transaction_deferrable", modes.deferrable);
}

void SessionSettings::reset(std::string_view name) {
  pool::Settings settings = copy_of(current());
  settings.reset(name);
  if (const std::string* at_startup = find_in(startup_, name)) {
    settings.set(name, *at_startup);
    server_differs_ = true;
  }
  settings_.change() = std::make_shared<const pool::Settings>(std::move(settings));
}

}  // namespace trunkline::session
