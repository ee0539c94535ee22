#include "sim/script.h"

#include <array>
#include <fmt/format.h>

#include "wire/builders.h"
#include "wire/protocol.h"

namespace trunkline::sim {

namespace from_client = wire::client_message;

namespace {

constexpr size_t kStepsMax = 6;

Message query(std::string sql) {
  sql += '\0';
  return {from_client::kQuery, std::move(sql)};
}

Message parse(std::string_view name, std::string_view sql) {
  return {from_client::kParse, fmt::format("{}{}{}{}{}{}", name, '\0', sql, '\0', '\0', '\0')};
}

Message bind(std::string_view name) {
  std::string body(1, '\0');
  body.append(name).append(7, '\0');
  return {from_client::kBind, std::move(body)};
}

Message describe_portal() {
  return {from_client::kDescribe, std::string("P\0", 2)};
}

Message execute() {
  return {from_client::kExecute, std::string(5, '\0')};
}

Message sync() {
  return {from_client::kSync, ""};
}

class Author {
 public:
  explicit Author(FastRandom& random) : random_(random) {}

  std::string statement() {
    switch (random_.below(8)) {
      case 0:
        return "error";
      case 1:
        return "notice";
      case 2:
        return fmt::format("insert {}", random_.below(1000));
      case 3:
        return "";
      case 4:  // larger than any buffer
        return fmt::format("rows {} {}", random_.below(20), random_.below(20'000));
      default:
        return fmt::format("rows {} {}", random_.below(30), random_.below(200));
    }
  }

  Step step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
        return {.messages = {query(statement())}};
      case 2:
        return extended();
      case 3:
        return pipeline();
      case 4:
        return transaction();
      case 5:
        return copy_in();
      case 6:
        return {.messages = {query(fmt::format("copyout {}", random_.below(50)))}};
      default:
        return cancelled();
    }
  }

 private:
  Step extended() {
    Step step;
    add_extended(step, statement());
    step.messages.push_back(sync());
    return step;
  }

  void add_extended(Step& step, const std::string& sql) {
    std::string name = random_.below(2) == 0 ? "" : fmt::format("s{}", random_.below(3));
    step.messages.push_back(parse(name, sql));
    step.messages.push_back(bind(name));
    if (random_.below(2) == 0) step.messages.push_back(describe_portal());
    step.messages.push_back(execute());
    if (random_.below(4) == 0) step.messages.push_back({from_client::kFlush, ""});
  }

  // Several exchanges at once, of both kinds; the next step may follow without waiting.
  Step pipeline() {
    Step step{.waits = random_.below(2) == 0};
    for (uint64_t count = 1 + random_.below(8); count > 0; --count) {
      uint64_t kind = random_.below(4);
      if (kind == 0) {
        step.messages.push_back(query(statement()));
      } else if (kind == 1) {
        step.messages.push_back({from_client::kFunctionCall, std::string(10, '\0')});
      } else {
        for (uint64_t i = 1 + random_.below(3); i > 0; --i) add_extended(step, statement());
        step.messages.push_back(sync());
      }
    }
    return step;
  }

  Step transaction() {
    Step step{.waits = random_.below(2) == 0};
    step.messages.push_back(query("begin"));
    for (uint64_t count = random_.below(4); count > 0; --count) {
      step.messages.push_back(query(statement()));
    }
    step.messages.push_back(query(random_.below(3) == 0 ? "rollback" : "commit"));
    return step;
  }

  Step copy_in() {
    Step step;
    bool extended = random_.below(2) == 0;
    std::string sql = "copyin";
    if (random_.below(4) == 0) sql = fmt::format("copyfail {}", random_.below(5));
    if (extended) {
      add_extended(step, sql);
    } else {
      step.messages.push_back(query(sql));
    }
    // As tokio-postgres does it; PostgreSQL ignores this one.
    if (extended && random_.below(2) == 0) step.messages.push_back(sync());
    for (uint64_t count = random_.below(20); count > 0; --count) {
      step.messages.push_back({from_client::kCopyData, std::string(random_.below(3000), 'c')});
    }
    bool gives_up = random_.below(4) == 0;
    step.messages.push_back(gives_up ? Message{from_client::kCopyFail, std::string("no\0", 3)}
                                     : Message{from_client::kCopyDone, ""});
    if (extended) step.messages.push_back(sync());
    return step;
  }

  Step cancelled() {
    Step step{.cancels = true};
    std::string sql = random_.below(2) == 0 ? "endless" : "sleep";
    if (random_.below(2) == 0) {
      step.messages.push_back(query(sql));
    } else {
      add_extended(step, sql);
      step.messages.push_back(sync());
    }
    return step;
  }

  FastRandom& random_;
};

}  // namespace

std::string encode(const Message& message) {
  std::string bytes;
  wire::MessageBuilder(bytes, message.type).bytes(message.body);
  return bytes;
}

Script random_script(FastRandom& random, bool orderly) {
  Author author(random);
  Script script;
  for (uint64_t count = random.below(kStepsMax + 1); count > 0; --count) {
    script.steps.push_back(author.step());
  }
  if (orderly) {
    script.farewell = random.below(2) == 0 ? Farewell::terminate : Farewell::half_close;
    return script;
  }
  script.farewell = static_cast<Farewell>(random.below(static_cast<uint64_t>(Farewell::kCount)));
  script.kills_server = random.below(5) == 0;
  if (script.kills_server) {
    std::string sql = random.below(2) == 0 ? "fatal" : fmt::format("die {}", random.below(50));
    script.steps.push_back({.messages = {query(sql)}});
  }
  return script;
}

}  // namespace trunkline::sim
