#pragma once

#include <cstdint>
#include <string_view>

// Names for the numbers of the protocol: PostgreSQL documentation, "Message Formats" (54.7) and
// "Message Flow" (54.2). Limits that the documentation does not give are those of PostgreSQL 18
// (libpq/libpq.h, libpq/pqcomm.h, libpq/auth.h), seen on the wire.
namespace trunkline::wire {

// Which peer sent a message. Some type bytes mean different things in the two directions.
enum class Direction : uint8_t { from_client, from_server };

namespace client_message {
inline constexpr char kBind = 'B';
inline constexpr char kClose = 'C';
inline constexpr char kDescribe = 'D';
inline constexpr char kExecute = 'E';
inline constexpr char kFunctionCall = 'F';
inline constexpr char kFlush = 'H';
inline constexpr char kParse = 'P';
inline constexpr char kQuery = 'Q';
inline constexpr char kSync = 'S';
inline constexpr char kTerminate = 'X';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyFail = 'f';
// PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse share one type byte.
inline constexpr char kPassword = 'p';
}  // namespace client_message

namespace server_message {
inline constexpr char kParseComplete = '1';
inline constexpr char kBindComplete = '2';
inline constexpr char kCloseComplete = '3';
inline constexpr char kNotificationResponse = 'A';
inline constexpr char kCommandComplete = 'C';
inline constexpr char kDataRow = 'D';
inline constexpr char kErrorResponse = 'E';
inline constexpr char kCopyInResponse = 'G';
inline constexpr char kCopyOutResponse = 'H';
inline constexpr char kEmptyQueryResponse = 'I';
inline constexpr char kBackendKeyData = 'K';
inline constexpr char kNoticeResponse = 'N';
inline constexpr char kAuthentication = 'R';
inline constexpr char kParameterStatus = 'S';
inline constexpr char kRowDescription = 'T';
inline constexpr char kFunctionCallResponse = 'V';
inline constexpr char kCopyBothResponse = 'W';
inline constexpr char kReadyForQuery = 'Z';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyData = 'd';
inline constexpr char kNoData = 'n';
inline constexpr char kPortalSuspended = 's';
inline constexpr char kParameterDescription = 't';
inline constexpr char kNegotiateProtocolVersion = 'v';
}  // namespace server_message

// The first word of an Authentication message's body.
namespace authentication {
inline constexpr uint32_t kOk = 0;
inline constexpr uint32_t kKerberosV5 = 2;
inline constexpr uint32_t kCleartextPassword = 3;
inline constexpr uint32_t kMd5Password = 5;
inline constexpr uint32_t kGss = 7;
inline constexpr uint32_t kGssContinue = 8;
inline constexpr uint32_t kSspi = 9;
inline constexpr uint32_t kSasl = 10;
inline constexpr uint32_t kSaslContinue = 11;
inline constexpr uint32_t kSaslFinal = 12;
}  // namespace authentication

// The word after the length of the packets without a type byte.
inline constexpr uint32_t kCancelRequestCode = 80877102;
inline constexpr uint32_t kSslRequestCode = 80877103;
inline constexpr uint32_t kGssEncRequestCode = 80877104;

constexpr uint32_t protocol_version(uint16_t major, uint16_t minor) {
  return uint32_t{major} << 16 | minor;
}
constexpr uint16_t major_of(uint32_t version) {
  return static_cast<uint16_t>(version >> 16);
}
constexpr uint16_t minor_of(uint32_t version) {
  return static_cast<uint16_t>(version & 0xffff);
}

inline constexpr uint32_t kProtocol30 = protocol_version(3, 0);
inline constexpr uint32_t kProtocol32 = protocol_version(3, 2);
// libpq 19 betas ask for this one to find out who cannot negotiate.
inline constexpr uint32_t kProtocolGrease = protocol_version(3, 9999);
inline constexpr uint16_t kProtocolMajor = 3;
inline constexpr uint16_t kProtocolMinorMax = 2;
// From this minor version on the cancel key has any length up to `kCancelKeyBytesMax`.
inline constexpr uint16_t kLongCancelKeyMinor = 2;

// A TLS record of type handshake: the client begins TLS without SSLRequest.
inline constexpr char kTlsHandshakeByte = 0x16;
inline constexpr char kTlsYes = 'S';
inline constexpr char kEncryptionNo = 'N';

// Lengths are those of the wire: they count the four length bytes and not the type byte.
inline constexpr uint32_t kLengthBytes = 4;
inline constexpr uint32_t kHeaderBytes = 5;
inline constexpr uint32_t kStartupLengthMin = 8;
inline constexpr uint32_t kStartupLengthMax = 10004;
inline constexpr uint32_t kSmallMessageLengthMax = 10000;
inline constexpr uint32_t kLargeMessageLengthMax = 0x3ffffffe;
inline constexpr uint32_t kPasswordLengthMax = 65535;
// PostgreSQL cannot build more than 1 GiB; the length is signed in every implementation.
inline constexpr uint32_t kServerMessageLengthMax = 0x7fffffff;

inline constexpr uint32_t kCancelKeyBytes30 = 4;
inline constexpr uint32_t kCancelKeyBytesMin = 4;
inline constexpr uint32_t kCancelKeyBytesMax = 256;
// NAMEDATALEN - 1: longer user and database names are cut by the server.
inline constexpr uint32_t kNameBytesMax = 63;

inline constexpr std::string_view kProtocolOptionPrefix = "_pq_.";

// The status byte of ReadyForQuery.
enum class TransactionStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };

}  // namespace trunkline::wire
