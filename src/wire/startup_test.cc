#include "wire/startup.h"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace trunkline::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

std::string body(uint32_t version, const Pairs& parameters) {
  std::string packet;
  append_startup(packet, version, parameters);
  return packet.substr(kLengthBytes);
}

StartupPacket parsed(const Pairs& parameters, uint32_t version = kProtocol30) {
  Result<StartupPacket> packet = parse_startup(body(version, parameters));
  EXPECT_TRUE(packet.has_value());
  return packet ? *packet : StartupPacket{};
}

TEST(Startup, BuildsAPacketWithItsLength) {
  std::string packet;
  append_startup(packet, kProtocol30, {{"user", "ann"}});
  EXPECT_EQ(packet, std::string("\0\0\0\x12\0\3\0\0user\0ann\0\0", 18));
}

TEST(Startup, ReadsWhatAClientSends) {
  StartupPacket packet = parsed({{"user", "ann"},
                                 {"database", "shop"},
                                 {"options", "-c work_mem=1MB"},
                                 {"application_name", "psql"},
                                 {"client_encoding", "UTF8"}});
  EXPECT_EQ(packet.major, 3);
  EXPECT_EQ(packet.minor, 0);
  EXPECT_EQ(packet.user, "ann");
  EXPECT_EQ(packet.database, "shop");
  EXPECT_EQ(packet.options, "-c work_mem=1MB");
  EXPECT_EQ(packet.application_name, "psql");
  EXPECT_EQ(packet.replication, ReplicationMode::none);
  EXPECT_THAT(packet.parameters,
              ElementsAre(Pair("application_name", "psql"), Pair("client_encoding", "UTF8")));
  EXPECT_THAT(packet.protocol_options, IsEmpty());
}

TEST(Startup, DefaultsTheDatabaseToTheUser) {
  EXPECT_EQ(parsed({{"user", "ann"}}).database, "ann");
  EXPECT_EQ(parsed({{"user", "ann"}, {"database", ""}}).database, "ann");
}

TEST(Startup, TakesTheLastOfDuplicatesAndKeepsEmptyValues) {
  StartupPacket packet = parsed({{"user", "ann"},
                                 {"DateStyle", "ISO"},
                                 {"TimeZone", ""},
                                 {"datestyle", "German"},
                                 {"user", "bob"}});
  EXPECT_EQ(packet.user, "bob");
  EXPECT_THAT(packet.parameters, ElementsAre(Pair("DateStyle", "German"), Pair("TimeZone", "")));
}

TEST(Startup, CutsNamesLikeTheServer) {
  std::string fits(kNameBytesMax, 'a');
  StartupPacket packet = parsed({{"user", fits}, {"database", fits + "b"}});
  EXPECT_EQ(packet.user, fits);
  EXPECT_EQ(packet.database, fits);
  EXPECT_EQ(parsed({{"user", fits + "b"}}).user, fits);
  // ProcessStartupPacket cuts bytes, not characters.
  EXPECT_EQ(parsed({{"user", std::string(62, 'a') + "\xc3\xa4"}}).user,
            std::string(62, 'a') + "\xc3");
}

TEST(Startup, UnderstandsTheReplicationParameter) {
  auto mode = [](std::string_view value) {
    return parsed({{"user", "u"}, {"replication", value}}).replication;
  };
  for (auto on : {"true", "on", "1", "yes", "T", "tRu"}) {
    EXPECT_EQ(mode(on), ReplicationMode::physical) << on;
  }
  for (auto off : {"false", "off", "0", "no", "of", "N"}) {
    EXPECT_EQ(mode(off), ReplicationMode::none) << off;
  }
  EXPECT_EQ(mode("database"), ReplicationMode::database);
  EXPECT_EQ(parsed({{"user", "u"}, {"replication", "database"}}).database, "u");
  EXPECT_EQ(parsed({{"user", "u"}, {"database", "d"}, {"replication", "1"}}).database, "")
      << "physical replication has no database";
  for (auto bad : {"", "o", "Database", "2", "truer", "onn"}) {
    Result<StartupPacket> packet =
        parse_startup(body(kProtocol30, {{"user", "u"}, {"replication", bad}}));
    ASSERT_FALSE(packet.has_value()) << bad;
    EXPECT_EQ(packet.error().sqlstate, sqlstate::kInvalidParameterValue);
    EXPECT_EQ(packet.error().message,
              std::string("invalid value for parameter \"replication\": \"") + bad + "\"");
    EXPECT_FALSE(packet.error().hint.empty());
  }
}

TEST(Startup, RefusesAPacketWithoutItsTerminatorWhereverItIsCut) {
  std::string whole = body(kProtocol30, {{"user", "ann"}, {"database", "shop"}});
  for (size_t size = 4; size < whole.size(); ++size) {
    Result<StartupPacket> packet = parse_startup(whole.substr(0, size));
    ASSERT_FALSE(packet.has_value()) << size;
    EXPECT_EQ(packet.error().sqlstate, sqlstate::kProtocolViolation);
    EXPECT_EQ(packet.error().message,
              "invalid startup packet layout: expected terminator as last byte");
  }
  EXPECT_TRUE(parse_startup(whole).has_value());
  EXPECT_FALSE(parse_startup(whole + "x").has_value());
  EXPECT_FALSE(parse_startup(whole + '\0').has_value());
}

TEST(Startup, WantsAUser) {
  for (const Pairs& parameters : {Pairs{}, Pairs{{"user", ""}}, Pairs{{"database", "d"}}}) {
    Result<> checked = check_user(parsed(parameters));
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().sqlstate, sqlstate::kInvalidAuthorization);
    EXPECT_EQ(checked.error().message, "no PostgreSQL user name specified in startup packet");
  }
  EXPECT_TRUE(check_user(parsed({{"user", "ann"}})).has_value());
}

TEST(Startup, RefusesOtherMajorVersions) {
  for (auto [version, text] : {std::pair{protocol_version(4, 0), "4.0"},
                               {protocol_version(2, 0), "2.0"},
                               {kSslRequestCode, "1234.5679"},
                               {kGssEncRequestCode, "1234.5680"}}) {
    Result<StartupPacket> packet = parse_startup(body(version, {{"user", "ann"}}));
    ASSERT_FALSE(packet.has_value());
    EXPECT_EQ(packet.error().sqlstate, sqlstate::kFeatureNotSupported);
    EXPECT_EQ(packet.error().message, std::string("unsupported frontend protocol ") + text +
                                          ": server supports 3.0 to 3.2");
  }
}

TEST(Startup, NegotiatesVersions) {
  struct Case {
    uint16_t asked;
    bool option;
    uint16_t got;
    bool answered;
    bool long_key;
  };
  for (auto [asked, option, got, answered, long_key] : {Case{0, false, 0, false, false},
                                                        {0, true, 0, true, false},
                                                        {1, false, 1, false, false},
                                                        {2, false, 2, false, true},
                                                        {2, true, 2, true, true},
                                                        {3, false, 2, true, true},
                                                        {9999, true, 2, true, true}}) {
    Pairs parameters{{"user", "ann"}};
    if (option) parameters.emplace_back("_pq_.test_protocol_negotiation", "");
    StartupPacket packet = parsed(parameters, protocol_version(3, asked));
    Negotiation negotiation = negotiate(packet);
    EXPECT_EQ(negotiation.minor, got);
    EXPECT_EQ(negotiation.must_answer, answered) << asked << option;
    EXPECT_EQ(negotiation.long_cancel_key(), long_key);
    EXPECT_EQ(negotiation.version(), protocol_version(3, got));
  }
}

TEST(Startup, KeepsProtocolOptionsApart) {
  StartupPacket packet =
      parsed({{"user", "ann"}, {"_pq_.b", "1"}, {"_pq_.a", ""}, {"_pq", "setting"}});
  EXPECT_THAT(packet.protocol_options, ElementsAre("_pq_.b", "_pq_.a"));
  EXPECT_THAT(packet.parameters, ElementsAre(Pair("_pq", "setting")));
}

TEST(Startup, ReadsTheLargestPacketFullOfNamesQuickly) {
  std::string packet;
  append_big_endian(packet, kProtocol30);
  for (int i = 0; packet.size() + 5 < kStartupLengthMax - kLengthBytes; ++i) {
    packet.push_back(static_cast<char>('!' + i % 90));
    packet.push_back(static_cast<char>('!' + i / 90));
    packet.append(2, '\0');
  }
  packet.push_back('\0');
  auto start = std::chrono::steady_clock::now();
  Result<StartupPacket> parsed_packet = parse_startup(packet);
  ASSERT_TRUE(parsed_packet.has_value());
  EXPECT_GT(parsed_packet->parameters.size(), 1500u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));
}

}  // namespace
}  // namespace trunkline::wire
