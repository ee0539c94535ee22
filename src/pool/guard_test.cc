#include "pool/guard.h"

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace trunkline::pool {
namespace {

SettingsPtr settings_of(
    std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  auto settings = std::make_shared<Settings>();
  for (const auto& [name, value] : entries) settings->set(name, std::string(value));
  return settings;
}

struct Message {
  char type;
  std::string body;
};

std::vector<Message> messages_in(std::string_view bytes) {
  std::vector<Message> messages;
  while (!bytes.empty()) {
    wire::Header header = wire::parse_header(bytes);
    messages.push_back({header.type, std::string(bytes.substr(5, header.body_bytes()))});
    bytes.remove_prefix(size_t{header.length} + 1);
  }
  return messages;
}

std::string types_of(std::string_view bytes) {
  std::string types;
  for (const Message& message : messages_in(bytes)) types += message.type;
  return types;
}

// The statements that are run, by the names they are prepared under.
std::vector<std::string> steps_of(std::string_view bytes) {
  std::vector<std::string> steps;
  for (const Message& message : messages_in(bytes)) {
    if (message.type == 'B') steps.emplace_back(message.body.c_str() + 1);
  }
  return steps;
}

// The parameters of the step that sets: names and values, as arrays.
std::vector<std::string> set_in(std::string_view bytes) {
  for (const Message& message : messages_in(bytes)) {
    std::string begin = std::string(1, '\0') + "trunkline_set" + '\0';
    if (message.type != 'B' || !message.body.starts_with(begin)) continue;
    std::vector<std::string> parameters;
    size_t at = begin.size() + 2;  // no format codes: all is text
    auto count = load_big_endian<uint16_t>(message.body.data() + at);
    at += 2;
    for (int i = 0; i < count; ++i) {
      auto length = load_big_endian<uint32_t>(message.body.data() + at);
      parameters.push_back(message.body.substr(at + 4, length));
      at += 4 + length;
    }
    return parameters;
  }
  return {};
}

using Steps = std::vector<std::string>;

TEST(Guard, sets_what_differs_in_a_transaction_of_its_own_without_a_sync) {
  Connection connection;
  connection.settings = settings_of({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  SettingsPtr wanted = settings_of({{"b", "2"}, {"c", "4"}, {"d", "5"}});
  std::string out;
  append_guard(out, connection, wanted, Cleanse::nothing);
  EXPECT_EQ(types_of(out), "PBEPBEPBE");
  EXPECT_EQ(steps_of(out), (Steps{"trunkline_begin", "trunkline_set", "trunkline_commit"}));
  EXPECT_EQ(set_in(out),
            (std::vector<std::string>{"{\"a\",\"c\",\"d\"}", "{\"-\",\"+4\",\"+5\"}"}));
  EXPECT_EQ(connection.settings, wanted);
  EXPECT_EQ(connection.queue.outstanding(), 9u);
  EXPECT_TRUE(connection.queue.swallowing());
}

TEST(Guard, prepares_each_step_once) {
  Connection connection;
  std::string out;
  append_guard(out, connection, settings_of({{"a", "1"}}), Cleanse::nothing);
  out.clear();
  append_guard(out, connection, settings_of({{"a", "2"}}), Cleanse::nothing);
  EXPECT_EQ(types_of(out), "BEBEBE");
  out.clear();
  append_guard(out, connection, settings_of({{"a", "2"}}), Cleanse::everything);
  EXPECT_EQ(types_of(out), "BEPBEPBEPBEPBEPBEPBEBEBE");
  out.clear();
  forget_guards(connection);
  append_guard(out, connection, settings_of({{"a", "2"}}), Cleanse::everything);
  EXPECT_EQ(types_of(out), "PBEPBEPBEPBEPBEPBEPBEPBEPBE");
}

TEST(Guard, that_cleanses_wipes_first_and_then_sets_all) {
  Connection connection;
  connection.settings = settings_of({{"a", "1"}});
  connection.unproven = true;
  std::string out;
  append_guard(out, connection, settings_of({{"a", "1"}}), Cleanse::everything);
  EXPECT_EQ(steps_of(out), (Steps{"trunkline_begin", "trunkline_reset", "trunkline_sequences",
                                  "trunkline_unlisten", "trunkline_cursors", "trunkline_temporary",
                                  "trunkline_locks", "trunkline_set", "trunkline_commit"}));
  // RESET ALL has left the role as it was, whatever that is.
  EXPECT_EQ(set_in(out), (std::vector<std::string>{"{\"role\",\"a\"}", "{\"-\",\"+1\"}"}));
  EXPECT_FALSE(connection.unproven);
}

TEST(Guard, resets_the_role_first_and_sets_it_last) {
  Connection connection;
  connection.settings = settings_of({{"role", "joe"}, {"z", "1"}});
  std::string out;
  append_guard(out, connection, settings_of({{"a", "1"}, {"role", "ann"}, {"z", "2"}}),
               Cleanse::nothing);
  EXPECT_EQ(set_in(out), (std::vector<std::string>{"{\"role\",\"a\",\"z\",\"role\"}",
                                                   "{\"-\",\"+1\",\"+2\",\"+ann\"}"}));
  out.clear();
  append_guard(out, connection, nullptr, Cleanse::nothing);
  EXPECT_EQ(set_in(out),
            (std::vector<std::string>{"{\"role\",\"a\",\"z\"}", "{\"-\",\"-\",\"-\"}"}));
}

TEST(Guard, of_the_sessions_own_connection_wipes_settings_only) {
  Connection connection;
  connection.unproven = true;
  std::string out;
  append_guard(out, connection, settings_of({{"a", "1"}}), Cleanse::settings);
  EXPECT_EQ(steps_of(out),
            (Steps{"trunkline_begin", "trunkline_reset", "trunkline_set", "trunkline_commit"}));
  EXPECT_TRUE(connection.unproven);
}

TEST(Guard, sets_the_encoding_ahead_of_values_that_are_written_in_it) {
  Connection connection;
  connection.settings = settings_of({{"client_encoding", "LATIN1"}});
  std::string out;
  append_guard(out, connection, settings_of({{"my.tenant", "Z\xc3\xbcrich"}}), Cleanse::nothing);
  EXPECT_EQ(steps_of(out),
            (Steps{"trunkline_begin", "trunkline_set", "trunkline_set", "trunkline_commit"}));
  EXPECT_EQ(set_in(out), (std::vector<std::string>{"{\"client_encoding\"}", "{\"-\"}"}));
}

TEST(Guard, quotes_values_as_elements_of_an_array) {
  Connection connection;
  std::string out;
  append_guard(
      out, connection,
      settings_of({{"a", "say \"no\""}, {"b", "c:\\d"}, {"e", "{x,y}"}, {"f", ""}, {"g", "NULL"}}),
      Cleanse::nothing);
  EXPECT_EQ(set_in(out), (std::vector<std::string>{
                             "{\"a\",\"b\",\"e\",\"f\",\"g\"}",
                             "{\"+say \\\"no\\\"\",\"+c:\\\\d\",\"+{x,y}\",\"+\",\"+NULL\"}"}));
}

TEST(Guard, that_failed_leaves_a_connection_nobody_should_have) {
  Connection connection;
  std::string out;
  append_guard(out, connection, settings_of({{"a", "1"}}), Cleanse::nothing);
  guard_failed(connection);
  EXPECT_EQ(connection.settings, nullptr);
  EXPECT_TRUE(connection.unproven);
  EXPECT_TRUE(connection.spoilt);
}

}  // namespace
}  // namespace trunkline::pool
