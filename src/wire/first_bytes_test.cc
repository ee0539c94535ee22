#include "wire/first_bytes.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/builders.h"
#include "wire/startup.h"

namespace trunkline::wire {
namespace {

using Action = FirstBytes::Action;

std::string packet(uint32_t code, std::string_view rest = {}) {
  std::string out;
  append_big_endian<uint32_t>(out, static_cast<uint32_t>(8 + rest.size()));
  append_big_endian(out, code);
  return out.append(rest);
}

const std::string kSsl = packet(kSslRequestCode);
const std::string kGss = packet(kGssEncRequestCode);
const std::string kClientHello = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
const std::string kStartup = packet(kProtocol30, std::string("user\0ann\0\0", 10));

// Plays the driver: a socket whose bytes arrive in chunks, and a TLS object that takes whatever is
// readable when its handshake begins and then delivers `inside`.
class Driver {
 public:
  explicit Driver(bool tls_offered) : machine(tls_offered) {}

  // Stops at the first action that ends the machine's work.
  Action run(const std::vector<std::string>& chunks, const std::vector<std::string>& inside = {}) {
    Action action = deliver(chunks);
    if (action != Action::accept_tls && action != Action::direct_tls) return action;
    EXPECT_EQ(machine.max_read({}), 0u) << "during the handshake TLS owns the socket";
    machine.tls_started();
    EXPECT_TRUE(machine.in_tls());
    pending.clear();
    return deliver(inside);
  }

  FirstBytes machine;
  FirstBytes::Step last;
  std::string replies;
  std::string body;
  std::string key;
  std::string pending;
  size_t read_max = 0;

 private:
  Action deliver(const std::vector<std::string>& chunks) {
    for (const std::string& chunk : chunks) {
      std::string_view socket = chunk;
      while (!socket.empty()) {
        size_t count = std::min(socket.size(), machine.max_read(pending));
        EXPECT_GT(count, 0u) << "needs more and may not read";
        if (count == 0) return Action::close;
        pending.append(socket.substr(0, count));
        socket.remove_prefix(count);
        read_max = std::max(read_max, pending.size());
        if (Action action = step(); action != Action::need_more) return action;
      }
    }
    return Action::need_more;
  }

  Action step() {
    while (true) {
      last = machine.step(pending);
      if (last.action == Action::need_more) return last.action;
      if (last.action == Action::answer || last.action == Action::accept_tls) {
        replies.push_back(last.reply);
      }
      body = last.body;
      key = last.cancel.key;
      pending.erase(0, last.consumed);
      if (last.action != Action::answer) return last.action;
    }
  }
};

std::vector<std::string> byte_by_byte(const std::string& text) {
  std::vector<std::string> chunks;
  for (char byte : text) chunks.emplace_back(1, byte);
  return chunks;
}

TEST(FirstBytes, FindsAPlainStartupPacketAtEverySplit) {
  for (bool tls : {false, true}) {
    for (size_t split = 0; split <= kStartup.size(); ++split) {
      Driver driver(tls);
      ASSERT_EQ(driver.run({kStartup.substr(0, split), kStartup.substr(split)}), Action::startup);
      EXPECT_EQ(driver.body, kStartup.substr(4));
      EXPECT_EQ(driver.replies, "");
      EXPECT_EQ(driver.machine.first_packet(), FirstPacket::startup);
      EXPECT_FALSE(driver.machine.in_tls());
      EXPECT_TRUE(parse_startup(driver.body).has_value());
    }
    Driver driver(tls);
    EXPECT_EQ(driver.run(byte_by_byte(kStartup)), Action::startup);
  }
}

TEST(FirstBytes, RefusesTlsWhereItIsNotOffered) {
  Driver driver(false);
  EXPECT_EQ(driver.run({kSsl, kStartup}), Action::startup);
  EXPECT_EQ(driver.replies, "N");
  EXPECT_EQ(driver.machine.first_packet(), FirstPacket::ssl_request);
}

TEST(FirstBytes, AcceptsTlsAndReadsNothingOfIt) {
  for (size_t split = 0; split <= kSsl.size(); ++split) {
    Driver driver(true);
    EXPECT_EQ(driver.run({kSsl.substr(0, split), kSsl.substr(split)}, {kStartup}), Action::startup);
    EXPECT_EQ(driver.replies, "S");
    EXPECT_EQ(driver.body, kStartup.substr(4));
  }
}

TEST(FirstBytes, AnswersBothEncryptionRequestsInEitherOrder) {
  Driver gss_first(true);
  EXPECT_EQ(gss_first.run({kGss, kSsl}, {kStartup}), Action::startup);
  EXPECT_EQ(gss_first.replies, "NS");
  Driver ssl_first(false);
  EXPECT_EQ(ssl_first.run({kSsl, kGss, kStartup}), Action::startup);
  EXPECT_EQ(ssl_first.replies, "NN");
  Driver in_bytes(true);
  EXPECT_EQ(in_bytes.run(byte_by_byte(kGss + kSsl), byte_by_byte(kStartup)), Action::startup);
  EXPECT_EQ(in_bytes.replies, "NS");
}

TEST(FirstBytes, RefusesAnEncryptionRequestThatComesTwiceOrInsideTls) {
  const std::string ssl_text =
      "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2";
  const std::string gss_text =
      "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.2";
  auto refused = [](bool tls, std::vector<std::string> plain, std::vector<std::string> inside,
                    const std::string& text) {
    Driver driver(tls);
    EXPECT_EQ(driver.run(plain, inside), Action::fatal);
    EXPECT_EQ(driver.last.error.message, text);
    EXPECT_EQ(driver.last.error.sqlstate, sqlstate::kFeatureNotSupported);
  };
  refused(false, {kSsl, kSsl}, {}, ssl_text);
  refused(false, {kGss, kGss}, {}, gss_text);
  refused(true, {kGss, kGss}, {}, gss_text);
  refused(true, {kSsl}, {kSsl}, ssl_text);
  refused(true, {kSsl}, {kGss}, gss_text);
  refused(true, {kClientHello}, {kSsl, kSsl}, ssl_text);
}

TEST(FirstBytes, FindsDirectTlsFromItsFirstByteAndReplaysIt) {
  for (size_t first = 1; first <= kClientHello.size(); ++first) {
    Driver driver(true);
    EXPECT_EQ(driver.run({kClientHello.substr(0, first)}, {kStartup}), Action::startup);
    EXPECT_LE(driver.read_max, std::max(FirstBytes::kReplayBytesMax, kStartup.size()));
    EXPECT_EQ(driver.machine.first_packet(), FirstPacket::direct_tls);
  }
  FirstBytes machine(true);
  std::string_view taken = std::string_view(kClientHello).substr(0, machine.max_read({}));
  EXPECT_EQ(taken.size(), FirstBytes::kReplayBytesMax);
  FirstBytes::Step step = machine.step(taken);
  EXPECT_EQ(step.action, Action::direct_tls);
  EXPECT_EQ(step.replay, taken);
  EXPECT_EQ(step.consumed, taken.size());
}

TEST(FirstBytes, AnswersEncryptionRequestsInsideDirectTlsLikePostgreSql18) {
  Driver driver(true);
  EXPECT_EQ(driver.run({kClientHello}, {kSsl, kGss, kStartup}), Action::startup);
  EXPECT_EQ(driver.replies, "NN");
}

TEST(FirstBytes, ClosesDirectTlsWhereNoneIsPossible) {
  Driver not_offered(false);
  EXPECT_EQ(not_offered.run({kClientHello}), Action::close);
  Driver after_request(false);
  EXPECT_EQ(after_request.run({kSsl, kClientHello}), Action::close);
  Driver after_gss(true);
  EXPECT_EQ(after_gss.run({kGss, kClientHello}), Action::close);
  Driver inside(true);
  EXPECT_EQ(inside.run({kClientHello}, {kClientHello}), Action::close);
}

TEST(FirstBytes, RefusesBytesStuffedBehindAnEncryptionRequest) {
  for (bool tls : {false, true}) {
    for (const std::string& stuffing : {std::string("x"), kStartup, kClientHello, kGss}) {
      Driver ssl(tls);
      EXPECT_EQ(ssl.run({kSsl + stuffing}), Action::fatal);
      EXPECT_EQ(ssl.last.error.message, "received unencrypted data after SSL request");
      EXPECT_NE(ssl.last.reply, '\0');
      EXPECT_EQ(ssl.last.error.sqlstate, sqlstate::kProtocolViolation);
      EXPECT_FALSE(ssl.last.error.detail.empty());
      Driver gss(tls);
      EXPECT_EQ(gss.run({kGss + stuffing}), Action::fatal);
      EXPECT_EQ(gss.last.error.message,
                "received unencrypted data after GSSAPI encryption request");
    }
  }
}

TEST(FirstBytes, LeavesWhatIsPipelinedBehindTheStartupPacket) {
  Driver driver(false);
  EXPECT_EQ(driver.run({kStartup + "Qmore"}), Action::startup);
  EXPECT_EQ(driver.pending, "Qmore");
  Driver exact(true);
  EXPECT_EQ(exact.run({kStartup + "Qmore"}), Action::startup);
  EXPECT_EQ(exact.pending, "") << "with TLS on offer the packet is read exactly";
}

TEST(FirstBytes, BoundsThePacketLength) {
  auto with_length = [](uint32_t length) {
    std::string bytes;
    append_big_endian(bytes, length);
    append_big_endian(bytes, kProtocol30);
    bytes.append("user");
    bytes.resize(std::max<size_t>(8, std::min(length, kStartupLengthMax + 1)), '\0');
    return bytes;
  };
  for (bool tls : {false, true}) {
    for (uint32_t good : {kStartupLengthMin, kStartupLengthMax}) {
      Driver driver(tls);
      EXPECT_EQ(driver.run({with_length(good)}), Action::startup) << good;
      EXPECT_EQ(driver.body.size(), good - 4);
    }
    for (uint32_t bad : {0u, 4u, kStartupLengthMin - 1, kStartupLengthMax + 1, 0xffffffffu}) {
      Driver driver(tls);
      EXPECT_EQ(driver.run({with_length(bad)}), Action::close) << bad;
      EXPECT_EQ(driver.last.error.message, "invalid length of startup packet");
      EXPECT_EQ(driver.machine.first_packet(), FirstPacket::malformed);
    }
  }
}

TEST(FirstBytes, ReadsCancelRequestsWithKeysOfEveryLength) {
  for (uint32_t size : {kCancelKeyBytesMin, 32u, kCancelKeyBytesMax}) {
    std::string key(size, 'k');
    std::string request;
    append_cancel_request(request, 77, key);
    for (auto& [plain, inside] :
         std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>{
             {{request}, {}},
             {byte_by_byte(request), {}},
             {{kSsl}, {request}},
             {{kClientHello}, {request}}}) {
      Driver driver(true);
      EXPECT_EQ(driver.run(plain, inside), Action::cancel);
      EXPECT_EQ(driver.last.cancel.process_id, 77u);
      EXPECT_EQ(driver.key, key);
    }
  }
}

TEST(FirstBytes, ClosesOnCancelKeysOfOtherLengths) {
  for (uint32_t size : {0u, kCancelKeyBytesMin - 1, kCancelKeyBytesMax + 1}) {
    Driver driver(false);
    EXPECT_EQ(
        driver.run({packet(kCancelRequestCode, std::string("pid!") + std::string(size, 'k'))}),
        Action::close);
    EXPECT_EQ(driver.last.error.message, "invalid length of cancel key in cancel request packet");
  }
  Driver no_pid(false);
  EXPECT_EQ(no_pid.run({packet(kCancelRequestCode, "pid")}), Action::close);
}

TEST(FirstBytes, RefusesOtherProtocolVersions) {
  Driver driver(true);
  EXPECT_EQ(driver.run({packet(protocol_version(4, 0), std::string(1, '\0'))}), Action::fatal);
  EXPECT_EQ(driver.last.error.message,
            "unsupported frontend protocol 4.0: server supports 3.0 to 3.2");
}

}  // namespace
}  // namespace trunkline::wire
