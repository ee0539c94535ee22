#include "wire/first_bytes.h"

#include <cassert>
#include <string>

#include "base/bytes.h"
#include "wire/startup.h"

namespace trunkline::wire {
namespace {

Error protocol_violation(std::string_view message) {
  return {.reason = Reason::client_protocol_error,
          .side = Side::client,
          .sqlstate = sqlstate::kProtocolViolation,
          .message = std::string(message)};
}

}  // namespace

FirstBytes::Step FirstBytes::close(std::string_view why) {
  saw(FirstPacket::malformed);
  return {.action = Action::close, .error = protocol_violation(why)};
}

size_t FirstBytes::max_read(std::string_view pending) const {
  if (handshaking_) return 0;
  size_t have = pending.size();
  if (!tls_may_begin()) return have < kStartupLengthMax ? kStartupLengthMax - have : 0;
  if (have < kReplayBytesMax) return kReplayBytesMax - have;
  size_t length = load_big_endian<uint32_t>(pending.data());
  return length > have && length <= kStartupLengthMax ? length - have : 0;
}

FirstBytes::Step FirstBytes::step(std::string_view pending) {
  assert(!handshaking_);
  if (pending.empty()) return {};
  // As the first byte of a length this would announce 352 MiB: it can only be TLS. PostgreSQL looks
  // for it once, before any packet.
  if (pending[0] == kTlsHandshakeByte && !any_packet_ && !in_tls_) {
    if (!tls_offered_) return close("direct TLS where no TLS is offered");
    saw(FirstPacket::direct_tls);
    handshaking_ = direct_ = true;
    return {.action = Action::direct_tls, .consumed = pending.size(), .replay = pending};
  }
  if (pending.size() < kLengthBytes) return {};
  uint32_t length = load_big_endian<uint32_t>(pending.data());
  if (length < kStartupLengthMin || length > kStartupLengthMax) {
    return close("invalid length of startup packet");
  }
  if (pending.size() < length) return {};
  any_packet_ = true;

  std::string_view body = pending.substr(kLengthBytes, length - kLengthBytes);
  uint32_t code = load_big_endian<uint32_t>(body.data());
  if (code == kCancelRequestCode) return read_cancel(body, length);
  bool gss = code == kGssEncRequestCode;
  if (gss ? !gss_done_ : code == kSslRequestCode && !ssl_done_) {
    return answer_encryption_request(gss, length, pending.size() > length);
  }
  // A second encryption request falls through to here and is refused as the version it looks like.
  if (major_of(code) < kProtocolMajor) return close("unsupported frontend protocol");
  if (major_of(code) != kProtocolMajor) {
    saw(FirstPacket::malformed);
    return {.action = Action::fatal, .consumed = length, .error = unsupported_protocol(code)};
  }
  saw(FirstPacket::startup);
  return {.action = Action::startup, .consumed = length, .body = body};
}

FirstBytes::Step FirstBytes::answer_encryption_request(bool gss, size_t consumed, bool stuffed) {
  saw(gss ? FirstPacket::gssenc_request : FirstPacket::ssl_request);
  // What follows before our answer was not written by a client that waits for encryption: somebody
  // in the middle wants it taken for encrypted (CVE-2021-23214).
  if (stuffed) {
    Error error =
        protocol_violation(gss ? "received unencrypted data after GSSAPI encryption request"
                               : "received unencrypted data after SSL request");
    error.detail =
        "This could be either a client-software bug or evidence of an attempted "
        "man-in-the-middle attack.";
    char reply = gss || !tls_offered_ || in_tls_ ? kEncryptionNo : kTlsYes;
    return {.action = Action::fatal, .reply = reply, .error = std::move(error)};
  }
  (gss ? gss_done_ : ssl_done_) = true;
  if (gss || !tls_offered_ || in_tls_) {
    return {.action = Action::answer, .consumed = consumed, .reply = kEncryptionNo};
  }
  handshaking_ = true;
  return {.action = Action::accept_tls, .consumed = consumed, .reply = kTlsYes};
}

FirstBytes::Step FirstBytes::read_cancel(std::string_view body, size_t consumed) {
  ByteReader reader(body.substr(sizeof kCancelRequestCode));
  std::optional<uint32_t> process_id = reader.read<uint32_t>();
  if (!process_id) return close("invalid length of cancel request packet");
  std::string_view key = reader.rest();
  if (key.size() < kCancelKeyBytesMin || key.size() > kCancelKeyBytesMax) {
    return close("invalid length of cancel key in cancel request packet");
  }
  saw(FirstPacket::cancel);
  return {.action = Action::cancel,
          .consumed = consumed,
          .cancel = {.process_id = *process_id, .key = key}};
}

void FirstBytes::tls_started() {
  assert(handshaking_);
  handshaking_ = false;
  in_tls_ = true;
  // After a TLS handshake that SSLRequest asked for no encryption request is possible any more.
  // Within direct TLS PostgreSQL still answers each of them once, with a refusal.
  if (!direct_) ssl_done_ = gss_done_ = true;
}

}  // namespace trunkline::wire
