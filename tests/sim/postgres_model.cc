#include "sim/postgres_model.h"

#include <charconv>
#include <fmt/format.h>
#include <vector>

#include "base/bytes.h"
#include "wire/builders.h"

namespace trunkline::sim {

namespace from_client = wire::client_message;
namespace from_server = wire::server_message;
using wire::TransactionStatus;

namespace {

// How many rows of `endless` come at once.
constexpr int kEndlessBatch = 20;

std::vector<std::string> words_of(std::string_view sql) {
  std::vector<std::string> words;
  while (!sql.empty()) {
    size_t end = std::min(sql.find(' '), sql.size());
    if (end > 0) words.emplace_back(sql.substr(0, end));
    sql.remove_prefix(std::min(end + 1, sql.size()));
  }
  return words;
}

uint64_t number(const std::vector<std::string>& words, size_t index) {
  uint64_t value = 0;
  if (index < words.size()) {
    std::from_chars(words[index].data(), words[index].data() + words[index].size(), value);
  }
  return value;
}

}  // namespace

void PostgresModel::on_message(char type, std::string_view body) {
  waiting_.push_back({type, std::string(body)});
  serve_waiting();
}

void PostgresModel::serve_waiting() {
  while (!runs() && !ended_ && !waiting_.empty()) {
    Message message = std::move(waiting_.front());
    waiting_.pop_front();
    answer(message);
  }
}

void PostgresModel::go_on() {
  for (int i = 0; i < kEndlessBatch; ++i) emit_row(endless_row_++, 64);
}

void PostgresModel::cancel() {
  if (!runs()) return;
  runs_ = Runs::nothing;
  fail("ERROR", "57014", "canceling statement due to user request");
  serve_waiting();
}

void PostgresModel::answer(const Message& message) {
  if (message.type == from_client::kTerminate) {
    ended_ = true;
  } else if (copying_) {
    answer_in_copy(message);
  } else if (skipping_) {
    if (message.type == from_client::kSync) {
      skipping_ = false;
      ready();
    }
  } else if (message.type == from_client::kQuery) {
    execute(message.body.substr(0, message.body.find('\0')), true);
  } else if (message.type == from_client::kFunctionCall) {
    emit(from_server::kFunctionCallResponse, std::string_view("\xff\xff\xff\xff", 4));
    ready();
  } else {
    answer_extended(message);
  }
}

// Documentation 54.2.6: Flush and Sync are ignored.
void PostgresModel::answer_in_copy(const Message& message) {
  switch (message.type) {
    case from_client::kCopyData:
      if (++copied_ > copy_fails_after_) {
        copying_ = false;
        fail("ERROR", "22P04", "extra data after last expected column");
      }
      break;
    case from_client::kCopyDone:
      copying_ = false;
      finish(fmt::format("COPY {}", copied_));
      break;
    case from_client::kCopyFail:
      copying_ = false;
      fail("ERROR", "57014", "COPY from stdin failed");
      break;
    default:
      break;
  }
}

void PostgresModel::answer_extended(const Message& message) {
  ByteReader reader(message.body);
  switch (message.type) {
    case from_client::kParse: {
      std::string name(reader.read_c_string().value_or(""));
      prepared_[name] = reader.read_c_string().value_or("");
      emit(from_server::kParseComplete);
      break;
    }
    case from_client::kBind: {
      reader.read_c_string();
      auto found = prepared_.find(std::string(reader.read_c_string().value_or("")));
      simple_ = false;
      if (found == prepared_.end()) {
        return fail("ERROR", "26000", "prepared statement does not exist");
      }
      portal_ = found->second;
      emit(from_server::kBindComplete);
      break;
    }
    case from_client::kDescribe:
      if (portal_.starts_with("rows") || portal_.starts_with("endless")) {
        emit_row_description();
      } else {
        emit(from_server::kNoData);
      }
      break;
    case from_client::kExecute:
      execute(portal_, false);
      break;
    case from_client::kClose:
      emit(from_server::kCloseComplete);
      break;
    case from_client::kSync:
      ready();
      break;
    default:  // Flush, and what belongs to a COPY that has failed
      break;
  }
}

void PostgresModel::execute(const std::string& sql, bool simple) {
  simple_ = simple;
  ++statement_;
  std::vector<std::string> words = words_of(sql);
  std::string verb = words.empty() ? "" : words[0];
  uint64_t count = number(words, 1);
  if (verb == "commit" || verb == "rollback") {
    bool commits = verb == "commit" && status_ != TransactionStatus::failed;
    status_ = TransactionStatus::idle;
    return finish(commits ? "COMMIT" : "ROLLBACK");
  }
  if (status_ == TransactionStatus::failed) {
    return fail("ERROR", "25P02", "current transaction is aborted");
  }
  if (execute_special(verb, count)) return;
  if (verb.empty()) {
    emit(from_server::kEmptyQueryResponse);
    end_statement();
  } else if (verb == "begin") {
    status_ = TransactionStatus::in_transaction;
    finish("BEGIN");
  } else if (verb == "insert") {
    finish(fmt::format("INSERT 0 {}", count));
  } else if (verb == "notice") {
    std::string notice;
    wire::append_notice(notice, "NOTICE", "00000", fmt::format("{} {}", name_, statement_));
    out.push_back(std::move(notice));
    finish("DO");
  } else if (verb == "rows") {
    if (simple_) emit_row_description();
    for (uint64_t i = 0; i < count; ++i) emit_row(i, number(words, 2));
    finish(fmt::format("SELECT {}", count));
  } else {
    fail("ERROR", "42601", "syntax error");
  }
}

// Statements that do not simply answer and end.
bool PostgresModel::execute_special(const std::string& verb, uint64_t count) {
  if (verb == "copyin" || verb == "copyfail") {
    emit(from_server::kCopyInResponse, std::string_view("\0\0\0", 3));
    copying_ = true;
    copied_ = 0;
    copy_fails_after_ = verb == "copyfail" ? count : UINT64_MAX;
  } else if (verb == "copyout") {
    emit(from_server::kCopyOutResponse, std::string_view("\0\0\0", 3));
    for (uint64_t i = 0; i < count; ++i) {
      emit(from_server::kCopyData, fmt::format("{}/{}/{}\n", name_, statement_, i));
    }
    emit(from_server::kCopyDone);
    finish(fmt::format("COPY {}", count));
  } else if (verb == "endless" || verb == "sleep") {
    runs_ = verb == "sleep" ? Runs::sleep : Runs::endless;
    if (runs_endless() && simple_) emit_row_description();
    endless_row_ = 0;
  } else if (verb == "die") {
    emit_row_description();
    for (uint64_t i = 0; i <= count; ++i) emit_row(i, 100);
    out.back().resize(out.back().size() / 2);
    ended_ = died_ = true;
  } else if (verb == "fatal") {
    fail("FATAL", "57P01", "terminating connection due to administrator command");
  } else {
    return false;
  }
  return true;
}

void PostgresModel::finish(const std::string& tag) {
  emit(from_server::kCommandComplete, tag + '\0');
  end_statement();
}

void PostgresModel::end_statement() {
  if (simple_) ready();
}

void PostgresModel::fail(std::string_view severity, std::string_view sqlstate,
                         std::string_view text) {
  std::string message = fmt::format("{} {}: {}", name_, statement_, text);
  std::string response;
  wire::ErrorField fields[] = {{'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', message}};
  wire::append_error_response(response, fields);
  out.push_back(std::move(response));
  if (severity == "FATAL") {
    ended_ = true;
    return;
  }
  if (status_ == TransactionStatus::in_transaction) status_ = TransactionStatus::failed;
  skipping_ = !simple_;
  end_statement();
}

void PostgresModel::ready() {
  char status = static_cast<char>(status_);
  emit(from_server::kReadyForQuery, {&status, 1});
}

void PostgresModel::emit(char type, std::string_view body) {
  std::string message;
  wire::MessageBuilder(message, type).bytes(body);
  out.push_back(std::move(message));
}

void PostgresModel::emit_row_description() {
  std::string message;
  wire::MessageBuilder(message, from_server::kRowDescription)
      .int16(1)
      .c_string(fmt::format("{}_{}", name_, statement_))
      .bytes(std::string(18, '\0'));
  out.push_back(std::move(message));
}

void PostgresModel::emit_row(uint64_t row, uint64_t bytes) {
  std::string value = fmt::format("{}/{}/{}/", name_, statement_, row);
  value.append(bytes, static_cast<char>('a' + (statement_ + row) % 26));
  std::string message;
  wire::MessageBuilder(message, from_server::kDataRow)
      .int16(1)
      .int32(static_cast<uint32_t>(value.size()))
      .bytes(value);
  out.push_back(std::move(message));
}

}  // namespace trunkline::sim
