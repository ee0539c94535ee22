#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "pool/statements.h"
#include "sql/text_facts.h"

namespace trunkline::session {

// The text of a Query or Parse that is too long to be gathered: read as it goes by. One thread.
class LongText {
 public:
  // `statement`: that the Parse makes, and that gets the facts; null for a Query.
  LongText(sql::Syntax syntax, std::shared_ptr<pool::Statement> statement)
      : reader_(syntax), statement_(std::move(statement)) {}

  // Of the body, from the text on.
  void feed(std::string_view bytes) {
    if (ended_) return;
    size_t end = bytes.find('\0');
    ended_ = end != std::string_view::npos;
    reader_.feed(bytes.substr(0, end));
  }
  // All of the message has gone by.
  std::shared_ptr<const sql::TextFacts> finish() { return reader_.finish(); }
  const std::shared_ptr<pool::Statement>& statement() const { return statement_; }

 private:
  sql::TextFactsReader reader_;
  std::shared_ptr<pool::Statement> statement_;
  bool ended_ = false;
};

}  // namespace trunkline::session
