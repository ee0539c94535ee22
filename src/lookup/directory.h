#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "auth/user_store.h"
#include "lookup/link.h"
#include "lookup/metrics.h"

namespace trunkline::lookup {

// Who is looked for. A name means something else in another database only where the query does.
struct Question {
  std::string database;  // in which the query runs
  std::string user;

  auto operator<=>(const Question&) const = default;
};

// Why nothing is known; the cause is in the log.
enum class Failure : uint8_t { failed, timed_out };

// The users of one upstream, by one `auth_query`: looked up in a database, kept for a while. Made
// by `Directories`, shared by the logins that ask. Any thread; a look-up runs on the worker that
// began it, and tells whoever else waits for the same user. No lock is held while anything waits or
// a loop is told something.
//
// Bounds: `max_connections`, exact; `kEntriesMax` users kept. Who waits is a login, and they have
// their own limit.
class Directory : public std::enable_shared_from_this<Directory> {
 public:
  static constexpr size_t kEntriesMax = 10'000;
  // An answer that is younger is not asked for anew, however many logins fail: guessing passwords
  // costs the server at most one query in this time for each user.
  static constexpr Duration kFreshFor = 1s;

  Directory(upstream::UpstreamPtr upstream, std::shared_ptr<const config::AuthQuery> settings,
            observe::Registry& metrics);

  const upstream::UpstreamPtr& upstream() const { return upstream_; }
  const std::shared_ptr<const config::AuthQuery>& settings() const { return settings_; }

  // The user, or that there is none: known from before, or asked for. `database` is the one the
  // client goes to. The deadline is that of the login; a look-up that was begun goes on without it.
  io::Task<std::expected<auth::Account, Failure>> find(Context context, std::string database,
                                                       std::string user, Instant deadline);
  // The same for an account that may be outdated: what is known from before `kFreshFor` counts no
  // more.
  io::Task<std::expected<auth::Account, Failure>> find_again(Context context, std::string database,
                                                             std::string user, Instant deadline);

  // Once a second, on the thread of the context: closes what has been idle for too long and forgets
  // what is outdated. False when nothing is left.
  bool tend(const Context& context);

 private:
  // What came of a look-up.
  struct Known {
    std::shared_ptr<const auth::UserRecord> user;  // null: nobody
    Instant asked_at = {};
    Instant outdated_at = {};
  };
  using Outcome = std::expected<Known, Failure>;

  // Somebody who waits. Written by others under the lock or by mail, read on its own loop.
  struct Ticket {
    static constexpr uint32_t kTold = 1;
    static constexpr uint32_t kElapsed = 2;

    io::Loop* loop = nullptr;
    io::Waiter* waiter = nullptr;  // of its loop's thread; null once nobody waits any more
    std::optional<Outcome> outcome = {};
    bool admitted = false;  // under the lock
  };
  using TicketPtr = std::shared_ptr<Ticket>;
  using LinkPtr = std::unique_ptr<Link>;

  bool asks_database_of_client() const;
  Question question(std::string database, std::string user) const;
  io::Task<std::expected<auth::Account, Failure>> find_since(Context context, Question question,
                                                             Instant deadline, Instant since);
  io::Task<> look_up(Context context, Question question);
  io::Task<Outcome> ask_server(Context context, Question question, Instant deadline);
  io::Task<std::expected<LinkPtr, Outcome>> open_link(Context context, Question question,
                                                      Instant deadline);
  Outcome read(const Question& question, Answer& answer, Instant asked_at);
  Outcome nobody(Instant asked_at) const;
  void log_failure(const Question& question, std::string_view why) const;
  void settle(const Context& context, const Question& question, Outcome outcome);
  auth::Account account(const Known& known, Instant now) const;

  static io::Task<> wait(TicketPtr ticket, io::Loop& loop, Instant deadline);
  static void tell(TicketPtr ticket, std::optional<Outcome> outcome);

  io::Task<bool> enter(Context context, Instant deadline);
  void leave(LinkPtr to_keep);
  io::Task<> give_up(Context context, LinkPtr link);
  LinkPtr take_idle(const Context& context, const std::string& database);
  void make_room(Instant now);

  const upstream::UpstreamPtr upstream_;
  const std::shared_ptr<const config::AuthQuery> settings_;
  const std::shared_ptr<observe::Group> metrics_;
  mutable std::mutex mutex_;
  std::map<Question, Known> known_;
  std::map<Question, std::vector<TicketPtr>> asked_;  // look-ups under way, and who waits for them
  std::deque<TicketPtr> line_;                        // look-ups that wait for a connection
  uint32_t in_use_ = 0;                               // connections, from before they are opened
  std::vector<LinkPtr> idle_;                         // the longest idle first
  auth::UserTraits traits_{.holds_verifiers = true};
  uint64_t verifiers_found_ = 0;
  uint64_t others_found_ = 0;  // md5 and plain
};

}  // namespace trunkline::lookup
