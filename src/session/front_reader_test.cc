#include "session/front_reader.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "session/relay_testing.h"

namespace trunkline::session {
namespace {

using Found = FrontReader::Found;

std::string u32(uint32_t value) {
  std::string bytes;
  append_big_endian<uint32_t>(bytes, value);
  return bytes;
}
std::string binding(std::string_view portal, std::string_view statement, std::string_view rest) {
  return msg('B', c(portal) + c(statement) + std::string(rest));
}

// What is to be seen of a message before it goes on.
std::string to_be_seen(const FrontReader::Front& front) {
  std::string_view body = front.body();
  switch (front.header.type) {
    case 'B':
      return std::string(body.substr(0, body.find('\0', body.find('\0') + 1) + 1));
    case 'd':
      return "";
    default:
      EXPECT_TRUE(front.is_whole()) << front.header.type;
      return std::string(body);
  }
}

struct Seen {
  std::vector<std::string> fronts;  // type and what is to be seen
  std::string bytes;                // all of them, as they came out
  Found last = Found::nothing;

  bool operator==(const Seen&) const = default;
};

// Reads what is shown chunk by chunk, each of which lives only as long as its turn.
class Reading {
 public:
  void show(std::string_view bytes) {
    std::string own(bytes);
    std::string_view input = own;
    for (;;) {
      seen.last = reader.next(input);
      if (seen.last == Found::nothing) EXPECT_TRUE(input.empty());
      if (seen.last == Found::nothing || seen.last == Found::violation) return;
      if (seen.last == Found::body) {
        seen.bytes += reader.take_body(input);
        continue;
      }
      const FrontReader::Front& front = reader.front();
      seen.fronts.push_back(front.header.type + to_be_seen(front));
      reader.take(input);
      seen.bytes += reader.front().bytes;
    }
  }

  FrontReader reader;
  Seen seen;
};

std::string a_day() {
  return msg('Q', c("select 1")) + msg('P', c("s") + c("insert") + std::string(2, '\0')) +
         binding("", "s", std::string(300, 'v')) + binding("portal", "", "") +
         msg('D', "S" + c("s")) + msg('E', c("portal") + u32(0)) + msg('C', "S" + c("s")) +
         msg('H', "") + msg('S', "") + msg('d', std::string(500, 'r')) + msg('d', "") +
         msg('c', "") + msg('X', "");
}

Seen read_whole(std::string_view bytes) {
  Reading whole;
  whole.show(bytes);
  return whole.seen;
}

TEST(FrontReader, shows_each_message_and_loses_no_byte) {
  Seen seen = read_whole(a_day());
  EXPECT_EQ(seen.bytes, a_day());
  EXPECT_EQ(seen.fronts,
            (std::vector<std::string>{
                "Q" + c("select 1"), "P" + c("s") + c("insert") + std::string(2, '\0'),
                "B" + z() + c("s"), "B" + c("portal") + z(), "DS" + c("s"),
                "E" + c("portal") + u32(0), "CS" + c("s"), "H", "S", "d", "d", "c", "X"}));
}

TEST(FrontReader, shows_the_same_byte_by_byte) {
  Reading reading;
  for (char each : a_day()) reading.show({&each, 1});
  EXPECT_EQ(reading.seen, read_whole(a_day()));
  EXPECT_TRUE(reading.reader.at_boundary());
}

TEST(FrontReader, shows_the_same_split_at_every_point) {
  const std::string day = a_day();
  for (size_t at = 1; at < day.size(); ++at) {
    Reading reading;
    reading.show(std::string_view(day).substr(0, at));
    reading.show(std::string_view(day).substr(at));
    EXPECT_EQ(reading.seen, read_whole(day)) << at;
  }
}

TEST(FrontReader, a_front_stays_until_it_is_taken) {
  const std::string text = msg('Q', c("select 1"));
  FrontReader reader;
  std::string_view input = text;
  ASSERT_EQ(reader.next(input), Found::front);
  ASSERT_EQ(reader.next(input), Found::front);
  EXPECT_EQ(input.size(), text.size()) << "nothing had to be gathered";
  reader.take(input);
  EXPECT_EQ(input, "");
  // Of one that came in two parts as well.
  input = std::string_view(text).substr(0, 7);
  ASSERT_EQ(reader.next(input), Found::nothing);
  EXPECT_FALSE(reader.at_boundary());
  input = std::string_view(text).substr(7);
  ASSERT_EQ(reader.next(input), Found::front);
  input = {};
  ASSERT_EQ(reader.next(input), Found::front);
  EXPECT_EQ(reader.front().bytes, text);
}

TEST(FrontReader, gathers_texts_up_to_its_bound_and_shows_the_rest_as_it_comes) {
  constexpr size_t kMax = FrontReader::kTextBytesMax;
  for (size_t body : {kMax - 1, kMax, kMax + 1}) {
    const std::string text = msg('Q', std::string(body, 'x'));
    Reading reading;
    reading.reader.trim();
    std::string_view rest = text;
    // Neither the first byte nor the last few come with the others.
    std::string_view input = rest.substr(0, 1);
    ASSERT_EQ(reading.reader.next(input), Found::nothing);
    input = rest.substr(1, kMax + wire::kHeaderBytes - 2);
    ASSERT_EQ(reading.reader.next(input), body < kMax ? Found::front : Found::nothing) << body;
    input = rest.substr(kMax + wire::kHeaderBytes - 1);
    ASSERT_EQ(reading.reader.next(input), Found::front) << body;
    EXPECT_EQ(reading.reader.front().body().size(), std::min(body, kMax));
    EXPECT_EQ(reading.reader.front().is_whole(), body <= kMax);
    reading.reader.take(input);
    EXPECT_EQ(reading.reader.in_body(), body > kMax);
    if (body <= kMax) continue;
    ASSERT_EQ(reading.reader.next(input), Found::body);
    EXPECT_EQ(reading.reader.take_body(input), "x");
    EXPECT_TRUE(reading.reader.at_boundary());
  }
}

TEST(FrontReader, looks_for_the_names_of_a_bind_up_to_its_bound) {
  constexpr size_t kMax = FrontReader::kNamesBytesMax;
  for (size_t names : {kMax, kMax + 1}) {
    const std::string message = binding("", std::string(names - 2, 'n'), "parameters");
    FrontReader reader;
    std::string_view input = std::string_view(message).substr(0, 1);
    ASSERT_EQ(reader.next(input), Found::nothing);
    input = std::string_view(message).substr(1);
    ASSERT_EQ(reader.next(input), Found::front);
    EXPECT_EQ(reader.front().body().size(), kMax);
    EXPECT_EQ(reader.front().body().ends_with('\0'), names == kMax);
    EXPECT_FALSE(reader.front().is_whole());
  }
}

TEST(FrontReader, refuses_what_breaks_the_protocol_for_good) {
  for (const std::string& bytes : {header('Q', 3), header('?', 4), header('S', 2'000'000'000)}) {
    for (size_t split : {size_t{0}, size_t{2}}) {
      FrontReader reader;
      std::string_view input = std::string_view(bytes).substr(0, split);
      EXPECT_EQ(reader.next(input), Found::nothing);
      input = std::string_view(bytes).substr(split);
      EXPECT_EQ(reader.next(input), Found::violation);
      EXPECT_NE(reader.violation(), wire::Violation::none);
      std::string good = msg('S', "");
      input = good;
      EXPECT_EQ(reader.next(input), Found::violation);
    }
  }
}

}  // namespace
}  // namespace trunkline::session
