#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/time.h"
#include "sql/text_facts.h"

namespace trunkline::pool {

// What a database's catalog says of the names in texts that only read: a text all of whose names
// are those of plain tables, columns and PostgreSQL's own functions leaves nothing behind on a
// connection. A view, or a function of somebody's own, may set what it likes.
//
// Sessions ask on their connection when they are about to leave it: no more than one at a time,
// for the names that came up since, and for all again every second. What is changed through this
// pool counts at once (`change`), and what is changed in another way after a second. Any thread.
class PlainNames : public std::enable_shared_from_this<PlainNames> {
 public:
  static constexpr Duration kHolds = std::chrono::seconds(1);
  static constexpr Duration kPause = std::chrono::milliseconds(20);  // between two questions
  static constexpr size_t kNamesMax = 4096;

  // What a session asks. Given up if it goes without an answer.
  class Question {
   public:
    Question(std::shared_ptr<PlainNames> of, uint64_t number, Instant asked, bool is_whole,
             std::string names)
        : of_(std::move(of)),
          number_(number),
          asked_(asked),
          is_whole_(is_whole),
          names_(std::move(names)) {}
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question() { of_->close(*this); }

    // Answered with one row of two columns: those of the names that are not plain, with commas
    // between them, and whether any name may be none.
    std::string sql() const;
    void on_row(std::string_view not_plain, bool none_is);

   private:
    friend class PlainNames;

    const std::shared_ptr<PlainNames> of_;
    const uint64_t number_;  // of the knowledge it adds to
    const Instant asked_;
    const bool is_whole_;  // all names, not only new ones
    const std::string names_;
    std::optional<std::string> not_plain_ = {};
    bool none_is_ = false;
  };

  // Whether the text is known to be harmless. If not, its names are asked for.
  bool cover(const sql::TextFacts& facts, Instant now) {
    if (now < holds_until_.load(std::memory_order_acquire)) {
      uint64_t number = number_.load(std::memory_order_acquire);
      if (facts.proof() == proof_of(number, true)) return true;
      if (facts.proof() == proof_of(number, false)) return false;
    }
    return !facts.names().empty() && find_out(facts, now);
  }
  // Null when there is nothing to be asked for, or somebody asks already.
  std::unique_ptr<Question> ask(Instant now);

  // Somebody changes what names mean. Nothing is covered as long as he has this, and what was known
  // before he gives it back is worth nothing afterwards.
  class Change {
   public:
    explicit Change(std::shared_ptr<PlainNames> of) : of_(std::move(of)) { of_->begin_change(); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() { of_->end_change(); }

   private:
    const std::shared_ptr<PlainNames> of_;
  };
  std::unique_ptr<Change> change() { return std::make_unique<Change>(shared_from_this()); }

 private:
  struct Name {
    bool is_plain = false;
    bool is_used = false;  // since it was asked for
  };

  // Another one whenever anything before is worth nothing, of all destinations.
  static uint64_t next_number();
  static uint64_t proof_of(uint64_t number, bool is_plain) {
    return number * 2 + (is_plain ? 1 : 0);
  }

  bool find_out(const sql::TextFacts& facts, Instant now);
  void want(std::string_view name);
  void close(const Question& question);
  void begin_change();
  void end_change();

  std::mutex mutex_;
  std::atomic<uint64_t> number_ = next_number();
  std::atomic<Instant> holds_until_ = Instant::min();
  std::atomic<bool> wants_ = false;  // a question is worth a look
  std::unordered_map<std::string, Name> known_;
  std::unordered_set<std::string> wanted_;
  bool is_asking_ = false;
  Instant ask_again_ = Instant::min();
  uint32_t changes_ = 0;  // under way
};

}  // namespace trunkline::pool
