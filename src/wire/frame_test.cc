#include "wire/frame.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace trunkline::wire {
namespace {

std::string message(char type, std::string_view body) {
  std::string out(1, type);
  append_big_endian<uint32_t>(out, static_cast<uint32_t>(body.size()) + kLengthBytes);
  return out.append(body);
}

std::string header_only(char type, uint32_t length) {
  std::string out(1, type);
  append_big_endian(out, length);
  return out;
}

struct Seen {
  char type;
  uint32_t length;
  std::string prefix;
  std::string bytes;
  bool whole = false;
};

// Plays a relay that forwards everything, input by input, and keeps what it was shown.
struct Relay {
  explicit Relay(const FrameRules& rules) : scanner(rules), rules(rules) {}

  void feed(std::string_view input) {
    std::string own(input);  // so that a view that outlives its input is seen by the sanitizer
    std::string_view rest = own;
    std::vector<std::string_view> gathered;
    while (!rest.empty() && !failed) {
      Piece piece = scanner.next(rest);
      if (piece.kind == Piece::Kind::violation) {
        failed = true;
        bad_type = piece.header.type;
        break;
      }
      if (piece.kind == Piece::Kind::message) {
        size_t held = std::min<size_t>(rules.hold[static_cast<uint8_t>(piece.header.type)],
                                       piece.header.body_bytes());
        EXPECT_GE(piece.prefix.size(), held);
        seen.push_back({piece.header.type, piece.header.length, std::string(piece.prefix), {}});
      }
      if (piece.kind != Piece::Kind::need_more) {
        seen.back().bytes.append(piece.carried).append(piece.bytes);
        seen.back().whole = piece.ends;
        gathered.push_back(piece.carried);
        gathered.push_back(piece.bytes);
      } else {
        EXPECT_EQ(piece.consumed, rest.size()) << "need more means that all was taken in";
      }
      EXPECT_GT(piece.consumed, 0u);
      rest.remove_prefix(piece.consumed);
    }
    // One gather write for each input, after all of it was scanned.
    for (std::string_view span : gathered) forwarded.append(span);
  }

  FrameScanner scanner;
  const FrameRules& rules;
  std::vector<Seen> seen;
  std::string forwarded;
  bool failed = false;
  char bad_type = 0;
};

const std::string kReply = message('T', std::string(40, 't')) +
                           message('D', std::string(200, 'd')) +
                           message('C', std::string("SELECT 1\0", 9)) + message('n', "") +
                           message('E', std::string(90, 'e')) + message('Z', "I");

void expect_reply(const Relay& relay) {
  ASSERT_FALSE(relay.failed);
  ASSERT_EQ(relay.seen.size(), 6u);
  EXPECT_EQ(relay.forwarded, kReply);
  EXPECT_EQ(relay.seen[2].prefix, std::string("SELECT 1\0", 9));
  EXPECT_EQ(relay.seen[3].type, 'n');
  EXPECT_EQ(relay.seen[4].prefix.substr(0, kHoldBytesMax), std::string(kHoldBytesMax, 'e'));
  EXPECT_EQ(relay.seen[5].prefix, "I");
  for (const Seen& seen : relay.seen) {
    EXPECT_TRUE(seen.whole);
    EXPECT_EQ(seen.bytes.size(), seen.length + 1);
  }
  EXPECT_TRUE(relay.scanner.at_boundary());
}

TEST(FrameScanner, FindsMessagesInOneInput) {
  Relay relay(kServerRules);
  relay.feed(kReply);
  expect_reply(relay);
}

TEST(FrameScanner, FindsMessagesByteByByte) {
  Relay relay(kServerRules);
  for (char byte : kReply) relay.feed({&byte, 1});
  expect_reply(relay);
}

TEST(FrameScanner, FindsMessagesSplitAtEveryPairOfPoints) {
  for (size_t first = 0; first <= kReply.size(); first += 1) {
    for (size_t second = first; second <= kReply.size(); second += 3) {
      Relay relay(kServerRules);
      relay.feed(std::string_view(kReply).substr(0, first));
      relay.feed(std::string_view(kReply).substr(first, second - first));
      relay.feed(std::string_view(kReply).substr(second));
      expect_reply(relay);
    }
  }
}

TEST(FrameScanner, HandsOverWhatWasCarriedTogetherWithANewCarry) {
  std::string one = message('Z', "T");
  std::string two = message('Z', "E");
  Relay relay(kServerRules);
  relay.feed(one.substr(0, 3));
  relay.feed(one.substr(3) + two.substr(0, 4));  // both are split in this input
  relay.feed(two.substr(4));
  EXPECT_EQ(relay.forwarded, one + two);
  EXPECT_EQ(relay.seen[0].prefix, "T");
  EXPECT_EQ(relay.seen[1].prefix, "E");
}

TEST(FrameScanner, CountsABodyWithoutLookingAtIt) {
  FrameScanner scanner(kServerRules);
  std::string start = header_only('D', 1u << 30) + "xyz";
  Piece piece = scanner.next(start);
  EXPECT_EQ(piece.kind, Piece::Kind::message);
  EXPECT_FALSE(piece.ends);
  EXPECT_EQ(scanner.body_left(), (1u << 30) - 4 - 3);
  EXPECT_FALSE(scanner.at_boundary());
  std::string chunk(1 << 20, 'x');
  uint64_t body = 3;
  while (!piece.ends) {
    piece = scanner.next(chunk);
    ASSERT_EQ(piece.kind, Piece::Kind::body);
    body += piece.consumed;
  }
  EXPECT_EQ(body, (1u << 30) - 4);
  EXPECT_TRUE(scanner.at_boundary());
}

TEST(FrameScanner, TakesWholeMessagesUpToWhatIsNone) {
  std::string taken;
  auto take = [&](Header header, std::string_view body) {
    if (header.type == 'X') return false;
    taken.append(1, header.type).append(body);
    return true;
  };
  auto whole_of = [&](std::string_view input, FrameScanner& scanner) {
    taken.clear();
    return scanner.whole_messages(input, take);
  };
  FrameScanner scanner(kClientRules);
  const std::string two = message('Q', "ab") + message('S', "");
  EXPECT_EQ(whole_of(two, scanner), two.size());
  EXPECT_EQ(taken, "QabS");
  EXPECT_EQ(scanner.last_type(), 'S');
  for (const std::string& rest :
       {std::string("Q"), header_only('Q', 5), message('X', ""), header_only('Q', 3),
        header_only('Q', kLargeMessageLengthMax + 1), message('?', ""), std::string()}) {
    EXPECT_EQ(whole_of(two + rest, scanner), two.size()) << rest;
    EXPECT_EQ(taken, "QabS");
  }
  EXPECT_EQ(scanner.next(header_only('d', 6) + "x").consumed, 6U);
  EXPECT_EQ(whole_of("x" + two, scanner), 0U) << "inside a message";
}

TEST(FrameScanner, RefusesAnUnknownTypeFromItsFirstByte) {
  for (int value = 0; value < 256; ++value) {
    char type = static_cast<char>(value);
    bool known = std::string_view("QPBFdCDEHSXcf").contains(type);
    FrameScanner scanner(kClientRules);
    Piece piece = scanner.next({&type, 1});
    EXPECT_EQ(piece.kind == Piece::Kind::violation, !known) << value;
    if (known) continue;
    EXPECT_EQ(scanner.violation(), Violation::unknown_type);
    EXPECT_EQ(violation_error(Direction::from_client, scanner.violation(), type).message,
              "invalid frontend message type " + std::to_string(value));
    EXPECT_FALSE(is_silent(scanner.violation()));
    Piece again = scanner.next(message('S', "") + message('S', ""));
    EXPECT_EQ(again.kind, Piece::Kind::violation) << "a violation is for good";
  }
}

struct LengthCase {
  char type;
  uint32_t max;
};

TEST(FrameScanner, KnowsTheLengthsThatPostgreSqlAccepts) {
  std::vector<LengthCase> cases;
  for (char type : std::string_view("QPBFd")) cases.push_back({type, kLargeMessageLengthMax});
  for (char type : std::string_view("CDEHSXcf")) cases.push_back({type, kSmallMessageLengthMax});
  for (auto [type, max] : cases) {
    for (auto [length, good] : {std::pair{0u, false},
                                {3u, false},
                                {4u, true},
                                {max, true},
                                {max + 1, false},
                                {0xffffffffu, false}}) {
      std::string bytes = header_only(type, length);
      for (size_t split = 0; split <= 5; ++split) {
        Relay relay(kClientRules);
        relay.feed(bytes.substr(0, split));
        relay.feed(bytes.substr(split));
        relay.feed("x");
        // An empty message is complete; the "x" after it is then no message.
        bool refused = relay.failed && relay.seen.empty();
        EXPECT_EQ(refused, !good) << type << " " << length << " split at " << split;
        if (refused) {
          EXPECT_EQ(relay.scanner.violation(), Violation::length);
          EXPECT_TRUE(is_silent(relay.scanner.violation()));
        }
      }
    }
  }
}

TEST(FrameScanner, KnowsOnlyPasswordsDuringLogin) {
  Relay fits(kClientLoginRules);
  fits.feed(header_only('p', kPasswordLengthMax));
  EXPECT_FALSE(fits.failed);
  Relay too_long(kClientLoginRules);
  too_long.feed(header_only('p', kPasswordLengthMax + 1));
  EXPECT_TRUE(too_long.failed);
  Relay query(kClientLoginRules);
  query.feed("Q");
  EXPECT_TRUE(query.failed);
  Relay later(kClientRules);
  later.feed("p");
  EXPECT_TRUE(later.failed) << "there is no password after login";
}

TEST(FrameScanner, ChangesRulesBetweenMessages) {
  FrameScanner scanner(kClientLoginRules);
  std::string password = message('p', "secret");
  EXPECT_TRUE(scanner.next(password).ends);
  scanner.set_rules(kClientRules);
  EXPECT_TRUE(scanner.next(message('S', "")).ends);
}

TEST(FrameScanner, RefusesServerMessagesThatCannotBe) {
  for (uint32_t length : {0u, 3u, 0x80000000u, 0xffffffffu}) {
    Relay relay(kServerRules);
    relay.feed(header_only('D', length));
    EXPECT_TRUE(relay.failed) << length;
  }
  Relay unknown(kServerRules);
  unknown.feed("\x7f");
  EXPECT_TRUE(unknown.failed);
  Error error = violation_error(Direction::from_server, Violation::unknown_type, '\x7f');
  EXPECT_EQ(error.side, Side::server);
  EXPECT_EQ(error.reason, Reason::server_protocol_error);
}

TEST(FrameRules, BoundWhatCanBeHeld) {
  FrameRules rules;
  rules.hold_bytes('X', kHoldBytesMax);
  EXPECT_EQ(rules.hold['X'], kHoldBytesMax);
  rules.hold_bytes('X', kHoldBytesMax + 1);
  EXPECT_EQ(rules.hold['X'], kHoldBytesMax);
}

}  // namespace
}  // namespace trunkline::wire
