#include "session/startup_settings.h"

#include <gtest/gtest.h>
#include <string>

namespace trunkline::session {
namespace {

std::string described(const std::optional<pool::Settings>& settings) {
  if (!settings) return "none";
  std::string text;
  for (const auto& [name, value] : *settings) text += name + "=<" + value + ">";
  return text;
}

std::string of_options(std::string options) {
  wire::StartupPacket packet;
  packet.options = std::move(options);
  return described(startup_settings(packet));
}

TEST(StartupSettings, are_the_parameters_of_the_packet) {
  wire::StartupPacket packet;
  EXPECT_EQ(described(startup_settings(packet)), "");
  packet.parameters = {{"TimeZone", "UTC"}, {"application_name", "psql"}, {"timezone", "PST8PDT"}};
  EXPECT_EQ(described(startup_settings(packet)), "application_name=<psql>timezone=<PST8PDT>");
}

TEST(StartupSettings, of_the_options_count_unless_a_parameter_says_otherwise) {
  wire::StartupPacket packet;
  packet.options = "-c work_mem=1MB -c geqo=off";
  packet.parameters = {{"geqo", "on"}};
  EXPECT_EQ(described(startup_settings(packet)), "geqo=<on>work_mem=<1MB>");
}

TEST(StartupSettings, options_are_written_in_three_ways) {
  EXPECT_EQ(of_options("-c geqo=off"), "geqo=<off>");
  EXPECT_EQ(of_options("-cgeqo=off"), "geqo=<off>");
  EXPECT_EQ(of_options("--geqo=off"), "geqo=<off>");
  EXPECT_EQ(of_options("--work-mem=1MB -c a.b-c=d-e"), "a.b_c=<d-e>work_mem=<1MB>");
  EXPECT_EQ(of_options("-c geqo=off --geqo=on"), "geqo=<on>") << "the last counts";
  EXPECT_EQ(of_options("-c a.x=b=c"), "a.x=<b=c>");
  EXPECT_EQ(of_options("-c a.x="), "a.x=<>");
  EXPECT_EQ(of_options(""), "");
  EXPECT_EQ(of_options(" \t\n"), "");
}

TEST(StartupSettings, a_backslash_takes_the_next_character_as_it_is) {
  EXPECT_EQ(of_options("-c search_path=a,\\ b\\\\"), "search_path=<a, b\\>");
  EXPECT_EQ(of_options("\t-c\n geqo=off\\"), "geqo=<off\\>");
}

TEST(StartupSettings, more_than_settings_is_for_a_connection_of_its_own) {
  for (const char* options : {"-d 5", "-c", "-c geqo=off -c", "-c geqo", "-c =off", "--geqo",
                              "--=x", "geqo=off", "-B 10 -c geqo=off", "-"}) {
    EXPECT_EQ(of_options(options), "none") << options;
  }
}

}  // namespace
}  // namespace trunkline::session
