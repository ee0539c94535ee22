#include <gtest/gtest.h>
#include <string>

#include "sql/facts_for_tests.h"

namespace trunkline::sql {
namespace {

class Set : public testing::TestWithParam<Case> {};

TEST_P(Set, SaysTheSameHoweverItIsWritten) {
  const Case& c = GetParam();
  EXPECT_EQ(describe(c.text, c.syntax), c.facts) << c.text;
  std::string odd = oddly_written(c.text, c.syntax);
  EXPECT_EQ(without_odd_gaps(describe(odd, c.syntax)), c.facts) << odd;
}

INSTANTIATE_TEST_SUITE_P(
    Names, Set,
    testing::Values(
        Case{"set a to b", "set a = <b>"}, Case{"set a=b", "set a = <b>"},
        Case{"set \"A\" = b", "set a = <b>"}, Case{"set a.b.C = d", "set a.b.c = <d>"},
        Case{"set session a = b", "set a = <b>"}, Case{"set local a = b", "set a = <b> local"},
        Case{"set local to b", "set local = <b>"}, Case{"set session = b", "set session = <b>"},
        Case{"set local.x = b", "set local.x = <b>"},
        Case{"set sort_mem = 5", "set work_mem = <5>"},
        Case{"set a from current", "set a = CURRENT"}, Case{"set a to default", "set a = DEFAULT"},
        Case{"set local a = default", "set a = DEFAULT local"},
        Case{"set a", "set a = ? malformed"}, Case{"set", "set = ? malformed"},
        Case{"set a =", "set a = ? malformed"},
        Case{"set transaction_isolation = 'serializable'",
             "set_transaction transaction_isolation = "
             "<serializable>"}));

INSTANTIATE_TEST_SUITE_P(
    Values, Set,
    testing::Values(
        Case{"set a = 'it''s'", "set a = <it's>"}, Case{"set a = ON", "set a = <on>"},
        Case{"set a = \"B c\"", "set a = <B c>"}, Case{"set a = 10", "set a = <10>"},
        Case{"set a = 010", "set a = <10>"}, Case{"set a = -5", "set a = <-5>"},
        Case{"set a = - 5", "set a = <-5>"}, Case{"set a = +5", "set a = <5>"},
        Case{"set a = 1.50", "set a = <1.50>"}, Case{"set a = .5", "set a = <.5>"},
        Case{"set a = -.5", "set a = <-.5>"}, Case{"set a = 99999999999", "set a = <99999999999>"},
        Case{"set a = 1e5", "set a = ?"}, Case{"set a = 0x10", "set a = ?"},
        Case{"set a = 1_000", "set a = ?"}, Case{"set a = E'x\\ty\\'\\\\'", "set a = <x\ty'\\>"},
        Case{"set a = E'\\x41\\102\\u0043'", "set a = <ABC>"},
        Case{"set a = E'\\xe9'", "set a = ?"}, Case{"set a = E'\\v'", "set a = ?"},
        Case{"set a = U&'\\0041b'", "set a = <Ab>"}, Case{"set a = U&'\\00e9'", "set a = ?"},
        Case{"set a = U&'!0041' uescape '!'", "set a = <A>"},
        Case{"set a = $$x'y$$", "set a = <x'y>"}, Case{"set a = $t$x$t$", "set a = <x>"},
        Case{"set a = N'x'", "set a = ?"}, Case{"set a = B'1'", "set a = ?"},
        Case{"set a = 'x'\n'y'", "set a = <xy>"},
        Case{"set a = b, 'C d', 3", "set a = <b, C d, 3>"}, Case{"set a = b c", "set a = ?"},
        Case{"set a = 'b' 'c'", "set a = ?"}, Case{"set a = $1", "set a = ?"},
        Case{"set a = 'é'", "set a = <é>"}));

INSTANTIATE_TEST_SUITE_P(
    QuotedLists, Set,
    testing::Values(Case{"set search_path = a, \"B\", 'c d', public",
                         "set search_path = <a, \"B\", \"c d\", public>"},
                    Case{"set search_path to \"$user\", public",
                         "set search_path = <\"$user\", public>"},
                    Case{"set search_path = ''", "set search_path = <\"\">"},
                    Case{"set search_path = 'a, b'", "set search_path = <\"a, b\">"},
                    Case{"set search_path = 'x\"y'", "set search_path = <\"x\"\"y\">"},
                    Case{"set search_path = 'select', 'left', 'int'",
                         "set search_path = <\"select\", \"left\", \"int\">"},
                    Case{"set SEARCH_path = 1, 2.5", "set search_path = <1, 2.5>"},
                    Case{"set temp_tablespaces = \"A\"", "set temp_tablespaces = <\"A\">"},
                    Case{"set schema 'A'", "set search_path = <\"A\">"},
                    Case{"set local schema 'a'", "set search_path = <a> local"}));

INSTANTIATE_TEST_SUITE_P(
    Special, Set,
    testing::Values(Case{"set time zone 'Europe/Rome'", "set timezone = <Europe/Rome>"},
                    Case{"set time zone utc", "set timezone = <utc>"},
                    Case{"set time zone -5", "set timezone = <-5>"},
                    Case{"set time zone +1.5", "set timezone = <1.5>"},
                    Case{"set time zone local", "set timezone = DEFAULT"},
                    Case{"set local time zone default", "set timezone = DEFAULT local"},
                    Case{"set session time zone interval '1' hour", "set timezone = ?"},
                    Case{"set time zone interval(0) '1'", "set timezone = ?"},
                    Case{"set names 'LATIN1'", "set client_encoding = <LATIN1>"},
                    Case{"set names", "set client_encoding = DEFAULT"},
                    Case{"set names default", "set client_encoding = DEFAULT"},
                    Case{"set names = x", "set names = <x>"},
                    Case{"set role r", "set_role role = <r>"},
                    Case{"set local role 'R'", "set_role role = <R> local"},
                    Case{"set role none", "set_role role = <none>"},
                    Case{"set role to default", "set_role role = DEFAULT"},
                    Case{"set session role = \"R\"", "set_role role = <R>"},
                    Case{"set session authorization u",
                         "set_session_authorization session_authorization = <u>"},
                    Case{"set local session authorization 'U'",
                         "set_session_authorization session_authorization = <U> local"},
                    Case{"set session session authorization default",
                         "set_session_authorization session_authorization = DEFAULT"},
                    Case{"set session_authorization = u",
                         "set_session_authorization session_authorization = <u>"},
                    Case{"set xml option document", "set xmloption = <DOCUMENT>"},
                    Case{"set transaction isolation level serializable",
                         "set_transaction serializable"},
                    Case{"set local transaction read only", "set_transaction local only"},
                    Case{"set transaction snapshot 'x'", "set_transaction snapshot"},
                    Case{"set transaction = 1", "set transaction = <1>"},
                    Case{"set session characteristics as transaction read only, deferrable",
                         "set_session_characteristics only deferrable"}));

INSTANTIATE_TEST_SUITE_P(
    Reset, Set,
    testing::Values(Case{"reset a", "reset a"}, Case{"reset a.\"B\"", "reset a.b"},
                    Case{"reset all", "reset_all"}, Case{"reset role", "reset role"},
                    Case{"reset time zone", "reset timezone"},
                    Case{"reset session authorization", "reset session_authorization"},
                    Case{"reset transaction isolation level", "reset transaction_isolation"},
                    Case{"reset", "reset malformed"}, Case{"reset a b", "reset a malformed"},
                    Case{"reset all x", "reset_all malformed"}));

TEST(SetName, IsCutAsTheServerCutsIt) {
  std::string longest(kNameBytesMax, 'a');
  EXPECT_EQ(describe("savepoint " + longest + "b"), "savepoint " + longest);
  // A character of two bytes that does not fit; the server's encoding decides.
  std::string cut(kNameBytesMax - 1, 'a');
  EXPECT_EQ(describe("savepoint " + cut + "é"), "savepoint " + cut + "~");
  EXPECT_EQ(describe("savepoint \"" + longest + "B\""), "savepoint " + longest);
  EXPECT_EQ(describe("set search_path = " + longest + "b"), "set search_path = <" + longest + ">");
}

TEST(SetValue, IsUnknownWhenItIsTooLong) {
  std::string most(Lexer::kTextBytesMax - 2, 'x');
  EXPECT_EQ(describe("set a = '" + most + "'"), "set a = <" + most + ">");
  EXPECT_EQ(describe("set a = '" + most + "x'"), "set a = ?");
  std::string list = "set a = b";
  for (size_t i = 0; i < Head::kOuterTokensMax; ++i) list += ", b";
  EXPECT_EQ(describe(list), "set a = ?");
}

}  // namespace
}  // namespace trunkline::sql
