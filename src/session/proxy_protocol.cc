#include "session/proxy_protocol.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "tls/stream_io.h"
#include "wire/proxy_header.h"

namespace trunkline::session {

namespace {

Error refused(Reason reason, std::string detail) {
  return {.reason = reason,
          .side = Side::client,
          .sqlstate = sqlstate::kProtocolViolation,
          .message = "",
          .detail = std::move(detail)};
}

bool is_believed(const io::SocketAddress& peer, const config::ProxyProtocol& settings) {
  if (!peer.is_ip()) return true;
  IpAddress address = peer.ip_address();
  return std::ranges::any_of(settings.from,
                             [&](const IpNetwork& network) { return network.contains(address); });
}

// What begins neither "PROXY" nor the signature of version 2 is the client's own.
bool may_be_header(std::string_view pending) {
  constexpr std::string_view kV1 = "PROXY ";
  constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
  auto begins = [&](std::string_view word) {
    size_t common = std::min(word.size(), pending.size());
    return pending.substr(0, common) == word.substr(0, common);
  };
  return begins(kV1) || begins(kV2);
}

}  // namespace

io::Task<Result<std::string>> read_proxy_header(tls::Stream& client, io::SocketAddress& peer,
                                                const config::ProxyProtocol& settings,
                                                Instant deadline) {
  using State = wire::ProxyHeaderResult::State;
  bool required = settings.mode == config::ProxyProtocolMode::require;
  if (!is_believed(peer, settings)) {
    if (!required) co_return std::string();
    co_return fail(
        refused(Reason::client_rejected, "proxy_protocol.from does not list this address"));
  }
  std::string pending;
  for (;;) {
    std::array<char, wire::kProxyV2BytesMax> chunk;
    ssize_t got = co_await tls::receive_some(client, chunk, deadline);
    if (got == -ETIMEDOUT)
      co_return fail(refused(Reason::login_timeout, "no PROXY header within login_timeout"));
    if (got <= 0) co_return fail(refused(Reason::client_closed, "closed before a PROXY header"));
    pending.append(chunk.data(), static_cast<size_t>(got));
    if (!required && !may_be_header(pending)) co_return std::move(pending);
    wire::ProxyHeaderResult result = wire::parse_proxy_header(pending);
    if (result.state == State::malformed) {
      co_return fail(refused(Reason::client_protocol_error, "malformed PROXY header"));
    }
    if (result.state == State::need_more) continue;
    if (result.header.has_addresses)
      peer = io::SocketAddress::ip(result.header.source, result.header.source_port);
    co_return pending.substr(result.bytes);
  }
}

}  // namespace trunkline::session
