#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/model.h"

namespace trunkline::config {

// The word of each enumerator in the file. One list serves reading, messages and the reference.
template <typename Enum>
struct Name {
  std::string_view word;
  Enum value;
};

constexpr std::array<Name<LogLevel>, 4> names(LogLevel) {
  return {{{"debug", LogLevel::debug},
           {"info", LogLevel::info},
           {"warn", LogLevel::warn},
           {"error", LogLevel::error}}};
}
constexpr std::array<Name<LogFormat>, 2> names(LogFormat) {
  return {{{"text", LogFormat::text}, {"json", LogFormat::json}}};
}
constexpr std::array<Name<ClientTlsMode>, 4> names(ClientTlsMode) {
  return {{{"disable", ClientTlsMode::disable},
           {"allow", ClientTlsMode::allow},
           {"require", ClientTlsMode::require},
           {"passthrough", ClientTlsMode::passthrough}}};
}
constexpr std::array<Name<ClientCertificate>, 3> names(ClientCertificate) {
  return {{{"none", ClientCertificate::none},
           {"request", ClientCertificate::request},
           {"require", ClientCertificate::require}}};
}
constexpr std::array<Name<TlsVersion>, 2> names(TlsVersion) {
  return {{{"1.2", TlsVersion::v1_2}, {"1.3", TlsVersion::v1_3}}};
}
constexpr std::array<Name<ProxyProtocolMode>, 3> names(ProxyProtocolMode) {
  return {{{"off", ProxyProtocolMode::off},
           {"accept", ProxyProtocolMode::accept},
           {"require", ProxyProtocolMode::require}}};
}
constexpr std::array<Name<ServerTlsMode>, 6> names(ServerTlsMode) {
  return {{{"disable", ServerTlsMode::disable},
           {"allow", ServerTlsMode::allow},
           {"prefer", ServerTlsMode::prefer},
           {"require", ServerTlsMode::require},
           {"verify-ca", ServerTlsMode::verify_ca},
           {"verify-full", ServerTlsMode::verify_full}}};
}
constexpr std::array<Name<TlsNegotiation>, 2> names(TlsNegotiation) {
  return {{{"starttls", TlsNegotiation::starttls}, {"direct", TlsNegotiation::direct}}};
}
constexpr std::array<Name<AuthMode>, 2> names(AuthMode) {
  return {{{"terminate", AuthMode::terminate}, {"relay", AuthMode::relay}}};
}
constexpr std::array<Name<Inspect>, 3> names(Inspect) {
  return {{{"bytes", Inspect::bytes},
           {"messages", Inspect::messages},
           {"statements", Inspect::statements}}};
}
constexpr std::array<Name<PoolMode>, 4> names(PoolMode) {
  return {{{"none", PoolMode::none},
           {"session", PoolMode::session},
           {"transaction", PoolMode::transaction},
           {"statement", PoolMode::statement}}};
}
constexpr std::array<Name<OverQueryLimit>, 2> names(OverQueryLimit) {
  return {{{"delay", OverQueryLimit::delay}, {"reject", OverQueryLimit::reject}}};
}
constexpr std::array<Name<StatePolicy>, 2> names(StatePolicy) {
  return {{{"pin", StatePolicy::pin}, {"reject", StatePolicy::reject}}};
}
constexpr std::array<Name<ConnectionType>, 5> names(ConnectionType) {
  return {{{"any", ConnectionType::any},
           {"local", ConnectionType::local},
           {"host", ConnectionType::host},
           {"hostssl", ConnectionType::hostssl},
           {"hostnossl", ConnectionType::hostnossl}}};
}
constexpr std::array<Name<AuthMethod>, 7> names(AuthMethod) {
  return {{{"trust", AuthMethod::trust},
           {"reject", AuthMethod::reject},
           {"password", AuthMethod::password},
           {"md5", AuthMethod::md5},
           {"scram-sha-256", AuthMethod::scram_sha_256},
           {"cert", AuthMethod::cert},
           {"peer", AuthMethod::peer}}};
}

template <typename Enum>
std::string_view to_word(Enum value) {
  for (const auto& name : names(value)) {
    if (name.value == value) return name.word;
  }
  return "?";
}

template <typename Enum>
std::optional<Enum> from_word(std::string_view word) {
  for (const auto& name : names(Enum{})) {
    if (name.word == word) return name.value;
  }
  return std::nullopt;
}

// "disable, allow, require or passthrough"
template <typename Enum>
std::string all_words() {
  std::string text;
  auto all = names(Enum{});
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) text += i + 1 == all.size() ? " or " : ", ";
    text += all[i].word;
  }
  return text;
}

}  // namespace trunkline::config
