#include "bench/load_script.h"

#include <fmt/core.h>
#include <string_view>

#include "bench/messages.h"

namespace trunkline::bench {
namespace {

constexpr std::string_view kQuery = "select id, name from product where id = 1234567";  // 53 bytes
constexpr std::string_view kPreparedQuery = "select id, name from product where id = $1";
constexpr int kWorkMemKb = 4096;  // of the first client; each has one more than the one before

std::string query(std::string_view text) {
  return message('Q', c_string(text));
}

std::string parse(std::string_view statement, std::string_view text = kPreparedQuery) {
  return message('P', c_string(statement) + c_string(text) + u16(1) + u32(23));
}

std::string execute(std::string_view statement) {
  return message('B', c_string("") + c_string(statement) + u16(1) + u16(1) + u16(1) + u32(4) +
                          u32(1234567) + u16(0)) +
         message('D', std::string("P") + '\0') + message('E', c_string("") + u32(0));
}

// COMMIT behind the request, before its Sync.
std::string commit() {
  return message('P', c_string("") + c_string("commit") + u16(0)) +
         message('B', c_string("") + c_string("") + u16(0) + u16(0) + u16(0)) +
         message('E', c_string("") + u32(0));
}

Step request_of(const Options& options) {
  bool commits = options.own_settings == OwnSettings::transaction;
  std::string end = (commits ? commit() : "") + message('S', "");
  switch (options.mode) {
    case Mode::extended:
      return {parse("") + execute("") + end};
    case Mode::prepared:
      return {execute("s1") + end};
    case Mode::pipeline: {
      Step step{.replies = options.depth};
      for (int i = 0; i < options.depth; ++i) step.bytes += execute("s1") + end;
      return step;
    }
    case Mode::bulk:
      return {query(fmt::format("select bulk({})", options.rows))};
    default:
      return {query(commits ? fmt::format("{}; commit", kQuery) : std::string(kQuery))};
  }
}

Script make_script(const Options& options, int client) {
  Script script;
  std::string setting = fmt::format("work_mem = '{}kB'", kWorkMemKb + client);
  if (options.own_settings == OwnSettings::session) {
    script.prologue.push_back({query("set " + setting)});
  } else if (options.own_settings == OwnSettings::transaction) {
    script.request.push_back({query("begin; set local " + setting)});
  }
  bool pipelined = options.mode == Mode::pipeline;
  if (pipelined || options.mode == Mode::prepared) {
    script.prologue.push_back({parse("s1") + message('S', "")});
  }
  if (pipelined) script.requests = options.depth;
  script.request.push_back(request_of(options));
  if (script.prologue.empty()) script.prologue = script.request;
  return script;
}

}  // namespace

std::vector<Script> make_scripts(const Options& options) {
  int count = options.own_settings == OwnSettings::none ? 1 : options.clients;
  std::vector<Script> scripts;
  scripts.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) scripts.push_back(make_script(options, i));
  return scripts;
}

Steps preparation(int statements) {
  std::string bytes;
  for (int i = 0; i < statements; ++i) {
    bytes += parse(fmt::format("p{}", i), fmt::format("{} and {} = {}", kPreparedQuery, i, i));
  }
  return {{bytes + message('S', "")}};
}

}  // namespace trunkline::bench
