#include "config/loader.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

TEST(Loader, reports_all_problems_in_the_order_of_the_file) {
  EXPECT_EQ(errors_of("lissen: {port: 1}\n"
                      "max_clients: 0\n"
                      "log: {level: loud}\n"),
            "1:1: error: the key `listen` is missing here\n"
            "1:1: error: there is no way to a server: give `upstreams`, `routes`, `mappings` or "
            "`user_mappings`\n"
            "1:1: error: lissen: unknown key `lissen`; did you mean `listen`?\n"
            "2:14: error: max_clients: found `0`; allowed: a number from 1 to 1000000\n"
            "3:14: error: log.level: found `loud`; allowed: debug, info, warn or error\n");
}

TEST(Loader, refuses_an_empty_file_and_one_that_is_not_a_mapping) {
  EXPECT_EQ(errors_of(""),
            " error: the file is empty; it needs at least `listen` and `upstreams`\n");
  EXPECT_EQ(errors_of("# nothing\n"), errors_of(""));
  EXPECT_EQ(errors_of("- a\n"),
            "1:1: error: found a list; this must be a mapping of keys to values\n");
}

TEST(Loader, makes_paths_absolute_against_the_folder_of_the_file) {
  World world{.files = {{"/etc/t/secret", "near\n"}, {"/var/secret", "far\n"}}};
  Config near = config_of(kMinimal + "secret_file: keys/../secret\n", world);
  EXPECT_EQ(near.secret->reveal(), "near");
  Config far = config_of(kMinimal + "secret_file: /var/secret\n", world);
  EXPECT_EQ(far.secret->reveal(), "far");
}

TEST(Loader, replaces_variables_in_every_kind_of_value) {
  World world{.variables = {{"PORT", "7000"}, {"HOST", "db.internal"}, {"LEVEL", "warn"}}};
  Config config = config_of(
      "listen: {port: '${PORT}'}\nlog: {level: '${LEVEL}'}\n"
      "upstreams: {main: {servers: [{host: 'a-${HOST}', port: '1${PORT}'}]}}\n",
      world);
  EXPECT_EQ(config.listen.at(0).port, 7000);
  EXPECT_EQ(config.log.level, LogLevel::warn);
  EXPECT_EQ(config.upstreams.at("main").servers.at(0).host, "a-db.internal");
  EXPECT_EQ(config.upstreams.at("main").servers.at(0).port, 17000);
}

TEST(Loader, leaves_other_dollars_alone) {
  Config config = config_of(kMinimal + R"(
users: [{name: a, password: "SCRAM-SHA-256$4096:c2FsdA==$a:b"}, {name: b, password: "$${x}$$"}]
routes:
  - {match: {database: '/a$|b(.)$$/'}, upstream: {host: "h-$1"}, database: "d$1"}
)");
  EXPECT_EQ(config.users.at(0).password.reveal(), "SCRAM-SHA-256$4096:c2FsdA==$a:b");
  EXPECT_EQ(config.users.at(1).password.reveal(), "${x}$$");
  EXPECT_EQ(config.routes.at(0).match.database.at(0).text, "a$|b(.)$$");
  EXPECT_EQ(config.routes.at(0).inline_upstream->servers.at(0).host, "h-$1");
}

TEST(Loader, refuses_missing_variables_and_open_braces) {
  EXPECT_EQ(errors_of(kMinimal + "secret_file: /a/${NONE}\n"),
            "3:14: error: secret_file: the environment variable NONE is not set\n");
  const std::string wrong =
      "3:14: error: secret_file: `${` must be followed by the name of an environment variable and "
      "`}`; write `$${` for the characters themselves\n";
  EXPECT_EQ(errors_of(kMinimal + "secret_file: /a/${NONE\n"), wrong);
  EXPECT_EQ(errors_of(kMinimal + "secret_file: /a/${}\n"), wrong);
  EXPECT_EQ(errors_of(kMinimal + "secret_file: /a/${1A}\n"), wrong);
  EXPECT_EQ(errors_of(kMinimal + "secret_file: /a/${A-B}\n"), wrong);
}

TEST(Loader, shows_no_value_of_a_variable_or_secret_in_a_message) {
  World world{.files = {{"/etc/t/zero", std::string("hunter2\0", 8)}},
              .variables = {{"WORD", "hunter2"}}};
  for (const std::string& lines :
       {std::string("max_clients: '${WORD}'\n"), std::string("log: {level: '${WORD}'}\n"),
        std::string("routes: [{upstream: '${WORD}'}]\n"),
        std::string("users: [{name: a, password: [hunter2]}]\n"), std::string("users: [hunter2]\n"),
        std::string("users: hunter2\n"), std::string("users: [{name: a, password_file: zero}]\n"),
        std::string("users: [{name: a, password: abc,hunter2}]\n"),
        std::string("users: [{name: a, password: abc,hunter2: x}]\n"),
        std::string("users: [{name: a, password:hunter2}]\n"),
        std::string("users: [{name: a, password: a,hunter2,hunter2}]\n"),
        std::string("routes: [{upstream: main, login: {user: a, password: b,hunter2}}]\n"),
        std::string("routes: [{upstream: main, login: hunter2}]\n"),
        std::string("routes: [{upstream: {host: '${WORD} '}}]\n")}) {
    std::string errors = errors_of(kMinimal + lines, world);
    EXPECT_NE(errors, "") << lines;
    EXPECT_EQ(errors.find("hunter2"), std::string::npos) << lines << errors;
  }
}

TEST(Loader, reads_secrets_inline_from_files_and_from_variables) {
  World world{.files = {{"/etc/t/pw", "one two \n"}, {"/etc/t/dos", "pw\r\n"}},
              .variables = {{"PW", "from env"}}};
  Config config = config_of(kMinimal + R"(
users:
  - {name: a, password: inline}
  - {name: b, password_file: pw}
  - {name: c, password_file: /etc/t/dos}
  - {name: d, password: "${PW}!"}
  - {name: e}
)",
                            world);
  EXPECT_EQ(config.users.at(0).password.reveal(), "inline");
  EXPECT_EQ(config.users.at(1).password.reveal(), "one two ");
  EXPECT_EQ(config.users.at(2).password.reveal(), "pw");
  EXPECT_EQ(config.users.at(3).password.reveal(), "from env!");
  EXPECT_TRUE(config.users.at(4).password.empty());
}

TEST(Loader, refuses_secret_files_that_are_empty_too_large_or_given_beside_a_secret) {
  World world{.files = {{"/etc/t/empty", "\n"},
                        {"/etc/t/fits", std::string(kSecretFileBytesMax, 'x')},
                        {"/etc/t/large", std::string(kSecretFileBytesMax + 1, 'x')}}};
  auto with = [&](const std::string& user) {
    return errors_of(kMinimal + "users: [{name: a, " + user + "}]\n", world);
  };
  EXPECT_EQ(with("password_file: fits"), "");
  EXPECT_EQ(with("password_file: large"),
            "3:34: error: users[0].password_file: cannot read /etc/t/large: it is too large\n");
  EXPECT_EQ(with("password_file: empty"),
            "3:34: error: users[0].password_file: the file /etc/t/empty is empty\n");
  EXPECT_EQ(with("password: x, password_file: fits"),
            "3:47: error: users[0].password_file: give `password` or `password_file`, not both\n");
}

TEST(Loader, accepts_each_bound_and_refuses_what_lies_beyond) {
  struct Bound {
    std::string good, bad;
  };
  for (const Bound& bound :
       std::vector<Bound>{{"node_id: 16383", "node_id: 16384"},
                          {"node_id: 0", "node_id: -1"},
                          {"max_clients: 1", "max_clients: 0"},
                          {"max_clients: 1000000", "max_clients: 1000001"},
                          {"workers: 1", "workers: 0"},
                          {"workers: 1024", "workers: 1025"},
                          {"login_timeout: 1ms", "login_timeout: 0ms"},
                          {"login_timeout: 24h", "login_timeout: 86401s"},
                          {"max_message_size: 16KiB", "max_message_size: 16383B"},
                          {"max_message_size: 1GiB", "max_message_size: 1025MiB"},
                          {"memory_limit: 1MiB", "memory_limit: 1023KiB"}}) {
    EXPECT_EQ(errors_of(kMinimal + bound.good + "\n"), "") << bound.good;
    EXPECT_NE(errors_of(kMinimal + bound.bad + "\n"), "") << bound.bad;
  }
}

TEST(Loader, stops_counting_problems_at_the_bound) {
  std::string text = kMinimal + "users:\n";
  for (size_t i = 0; i < 2 * kProblemsMax; ++i) text += "  - {nam: x}\n";
  auto config = load_text(text, "/etc/t/t.yaml", World{}.environment());
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().size(), kProblemsMax + 1);
  EXPECT_EQ(config.error().front().text, "there are more problems; these are the first");
}

TEST(Loader, debug_is_the_same_as_the_log_level) {
  EXPECT_EQ(config_of(kMinimal + "debug: true\n").log.level, LogLevel::debug);
  EXPECT_EQ(config_of(kMinimal + "debug: false\n").log.level, LogLevel::info);
  EXPECT_EQ(config_of(kMinimal + "debug: true\nlog: {level: debug}\n").log.level, LogLevel::debug);
  EXPECT_EQ(errors_of(kMinimal + "debug: true\nlog: {level: warn}\n"),
            "3:8: error: debug: `debug: true` and `log.level` say different things; keep one\n");
}

TEST(Loader, reads_files_of_the_system_and_says_why_it_cannot) {
  auto folder = std::filesystem::path(testing::TempDir()) / "trunkline_loader_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "pw") << "secret\n";
  std::ofstream(folder / "t.yaml") << kMinimal << "users: [{name: a, password_file: pw}]\n";
  Loaded good = load(folder / "t.yaml");
  ASSERT_TRUE(good.errors.empty()) << print_errors(good.errors);
  EXPECT_EQ(good.config.file, (folder / "t.yaml").string());
  EXPECT_EQ(good.config.users.at(0).password.reveal(), "secret");

  Loaded missing = load(folder / "none.yaml");
  EXPECT_EQ(print_errors(missing.errors), (folder / "none.yaml").string() +
                                              ": error: cannot read the file: No such file or "
                                              "directory\n");
  EXPECT_EQ(load(folder).errors.at(0).text, "cannot read the file: it is not a file");

  std::ofstream(folder / "large.yaml") << std::string(kConfigBytesMax + 1, '#');
  EXPECT_EQ(load(folder / "large.yaml").errors.at(0).text,
            "cannot read the file: it has more than 4MiB");
  std::filesystem::remove_all(folder);
}

TEST(Loader, refuses_a_mapping_of_names_without_a_name) {
  const std::string empty = ": found a mapping without a key; give it one, or take the key out\n";
  EXPECT_EQ(errors_of(kListen + "upstreams: {}\n"), "2:12: error: upstreams" + empty);
  EXPECT_EQ(errors_of(kListen + "user_mappings: {}\n"), "2:16: error: user_mappings" + empty);
}

TEST(FindConfigFile, takes_the_first_place_that_exists) {
  std::map<std::string, std::string> variables;
  std::vector<std::string> files;
  auto find = [&] {
    return find_config_file(
        [&](const std::string& name) -> std::optional<std::string> {
          if (!variables.contains(name)) return std::nullopt;
          return variables[name];
        },
        [&](const std::string& path) { return std::ranges::find(files, path) != files.end(); });
  };
  EXPECT_EQ(find(), std::nullopt);
  files.emplace_back("./config.yaml");
  EXPECT_EQ(find(), "./config.yaml");
  files.emplace_back("/etc/trunkline/trunkline.yaml");
  EXPECT_EQ(find(), "/etc/trunkline/trunkline.yaml");
  files.emplace_back("./trunkline.yaml");
  EXPECT_EQ(find(), "./trunkline.yaml");
  variables["CONFIG_PATH"] = "/missing.yaml";
  EXPECT_EQ(find(), "/missing.yaml");
  variables["CONFIG_PATH"] = "";
  EXPECT_EQ(find(), "./trunkline.yaml");
}

}  // namespace
}  // namespace trunkline::config
