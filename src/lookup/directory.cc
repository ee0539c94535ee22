#include "lookup/directory.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "observe/log.h"

namespace trunkline::lookup {

Directory::Directory(upstream::UpstreamPtr upstream,
                     std::shared_ptr<const config::AuthQuery> settings, observe::Registry& metrics)
    : upstream_(std::move(upstream)),
      settings_(std::move(settings)),
      metrics_(metrics.group(kAuthQueryMetrics, {upstream_->name()})) {}

io::Task<std::expected<auth::Account, Failure>> Directory::find(Context context,
                                                                std::string database,
                                                                std::string user,
                                                                Instant deadline) {
  co_return co_await find_since(context, question(std::move(database), std::move(user)), deadline,
                                Instant::min());
}

io::Task<std::expected<auth::Account, Failure>> Directory::find_again(Context context,
                                                                      std::string database,
                                                                      std::string user,
                                                                      Instant deadline) {
  co_return co_await find_since(context, question(std::move(database), std::move(user)), deadline,
                                context.loop.now() - kFreshFor);
}

bool Directory::asks_database_of_client() const {
  return settings_->database == config::AuthQuery::kOfClient;
}

Question Directory::question(std::string database, std::string user) const {
  return {asks_database_of_client() ? std::move(database) : settings_->database, std::move(user)};
}

// Known from a look-up that began after `since`, or asked for: once, however many want to know.
io::Task<std::expected<auth::Account, Failure>> Directory::find_since(Context context,
                                                                      Question question,
                                                                      Instant deadline,
                                                                      Instant since) {
  Instant now = context.loop.now();
  auto ticket = std::make_shared<Ticket>(Ticket{.loop = &context.loop});
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    auto found = known_.find(question);
    if (found != known_.end() && now < found->second.outdated_at &&
        found->second.asked_at > since) {
      metrics_->cells(context.worker)[AuthQueryCells::kCacheHits].add();
      co_return account(found->second, now);
    }
    std::vector<TicketPtr>& waiting = asked_[question];
    is_first = waiting.empty();
    waiting.push_back(ticket);
  }
  if (is_first) context.loop.spawn(look_up(context, std::move(question)));
  co_await wait(ticket, context.loop, deadline);
  if (!ticket->outcome) co_return std::unexpected(Failure::timed_out);
  if (!*ticket->outcome) co_return std::unexpected(ticket->outcome->error());
  std::lock_guard lock(mutex_);
  co_return account(**ticket->outcome, now);
}

// Under the lock.
auth::Account Directory::account(const Known& known, Instant now) const {
  return {
      .user = known.user, .traits = traits_, .may_be_outdated = known.asked_at + kFreshFor <= now};
}

io::Task<> Directory::look_up(Context context, Question question) {
  std::shared_ptr<Directory> self = shared_from_this();
  Instant began = context.loop.now();
  Instant deadline = began + settings_->timeout;
  observe::Cell* cells = metrics_->cells(context.worker);
  cells[AuthQueryCells::kLookups].add();
  Outcome outcome = std::unexpected(Failure::failed);
  if (co_await enter(context, deadline)) {
    outcome = co_await ask_server(context, question, deadline);
  } else {
    log_failure(question, "no connection came free within \"timeout\" of \"auth_query\"");
  }
  if (!outcome) cells[AuthQueryCells::kFailures].add();
  observe::record(cells + AuthQueryCells::kSeconds, observe::kLatencyBuckets,
                  context.loop.now() - began);
  settle(context, question, std::move(outcome));
}

// Keeps the answer and tells everybody who waits for it. A failure takes nothing away that is
// known.
void Directory::settle(const Context& context, const Question& question, Outcome outcome) {
  std::vector<TicketPtr> waiting;
  {
    std::lock_guard lock(mutex_);
    if (outcome && outcome->outdated_at > context.loop.now()) {
      make_room(context.loop.now());
      known_.insert_or_assign(question, *outcome);
    } else if (outcome) {
      known_.erase(question);
    }
    auto asked = asked_.find(question);
    waiting = std::move(asked->second);
    asked_.erase(asked);
  }
  for (TicketPtr& ticket : waiting) tell(std::move(ticket), outcome);
}

// Strangers may invent users, but those that exist are not forgotten for them.
void Directory::make_room(Instant now) {
  if (known_.size() < kEntriesMax) return;
  std::erase_if(known_, [now](const auto& entry) {
    return entry.second.user == nullptr || entry.second.outdated_at <= now;
  });
  if (known_.size() > kEntriesMax / 2) known_.clear();
}

// With a connection of this directory in hand, which it gives back. One that was idle may be
// closed by now without anybody having noticed, and so may all of them.
io::Task<Directory::Outcome> Directory::ask_server(Context context, Question question,
                                                   Instant deadline) {
  for (;;) {
    LinkPtr link = take_idle(context, question.database);
    bool is_new = link == nullptr;
    if (is_new) {
      auto opened = co_await open_link(context, question, deadline);
      if (!opened) {
        leave(nullptr);
        co_return std::move(opened.error());
      }
      link = std::move(*opened);
    }
    Answer answer(question.user);
    Instant asked_at = context.loop.now();
    Link::End end = co_await link->ask(settings_->query, question.user, answer, deadline);
    if (end == Link::End::timed_out) {
      log_failure(question, "no answer within \"timeout\" of \"auth_query\"");
      context.loop.spawn(give_up(context, std::move(link)));
      co_return std::unexpected(Failure::failed);
    }
    bool is_good = end == Link::End::complete && link->pack(context.loop.now());
    if (!is_good) {
      link->close(false);
      link.reset();
    }
    if (end != Link::End::complete && !is_new) continue;
    leave(std::move(link));
    if (end == Link::End::lost) {
      log_failure(question, "the connection to the server was lost");
      co_return std::unexpected(Failure::failed);
    }
    co_return read(question, answer, asked_at);
  }
}

io::Task<std::expected<Directory::LinkPtr, Directory::Outcome>> Directory::open_link(
    Context context, Question question, Instant deadline) {
  auto opened = co_await Link::open(context, upstream_, settings_, question.database, deadline);
  if (opened) {
    if (auto iterations = (*opened)->scram_iterations()) {
      std::lock_guard lock(mutex_);
      traits_.mock_iterations = *iterations;
    }
    co_return std::move(*opened);
  }
  // The client has made this database up: nobody can be found there.
  const Error& why = opened.error().error;
  if (asks_database_of_client() && why.detail == sqlstate::kInvalidCatalogName) {
    observe::log(observe::Level::info, "auth_query: there is no such database",
                 {{"upstream", upstream_->name()}, {"database", printable(question.database)}});
    co_return std::unexpected(nobody(context.loop.now()));
  }
  log_failure(question, why.message);
  co_return std::unexpected(Outcome(std::unexpected(Failure::failed)));
}

Directory::Outcome Directory::nobody(Instant asked_at) const {
  return Known{.user = nullptr,
               .asked_at = asked_at,
               .outdated_at = asked_at + settings_->negative_cache_ttl};
}

Directory::Outcome Directory::read(const Question& question, Answer& answer, Instant asked_at) {
  if (answer.kind() == Answer::Kind::failed) {
    log_failure(question, answer.problem());
    return std::unexpected(Failure::failed);
  }
  if (answer.kind() == Answer::Kind::nobody) return nobody(asked_at);
  if (!answer.problem().empty()) log_failure(question, answer.problem());
  Duration holds_for = std::min(settings_->cache_ttl, answer.holds_for().value_or(Duration::max()));
  auto user = std::make_shared<const auth::UserRecord>(question.user, answer.take_secret());
  {
    std::lock_guard lock(mutex_);
    bool is_plain = user->as<auth::PlainPassword>() != nullptr;
    others_found_ += is_plain || user->as<auth::Md5Password>() != nullptr ? 1 : 0;
    verifiers_found_ += user->as<auth::ScramVerifier>() != nullptr ? 1 : 0;
    traits_.holds_plain |= is_plain;
    traits_.mostly_md5 = others_found_ > verifiers_found_;
  }
  return Known{.user = std::move(user), .asked_at = asked_at, .outdated_at = asked_at + holds_for};
}

void Directory::log_failure(const Question& question, std::string_view why) const {
  observe::log(observe::Level::warn, "auth_query failed",
               {{"upstream", upstream_->name()},
                {"database", printable(question.database)},
                {"user", printable(question.user)},
                {"message", why}});
}

// Until it is told something, or the deadline.
io::Task<> Directory::wait(TicketPtr ticket, io::Loop& loop, Instant deadline) {
  struct Waiting {
    Waiting(TicketPtr of, io::Loop& on) : ticket(std::move(of)), waiter(on, io::Place::behind) {
      ticket->waiter = &waiter;
    }
    ~Waiting() { ticket->waiter = nullptr; }
    TicketPtr ticket;
    io::Waiter waiter;
  };
  Waiting waiting(std::move(ticket), loop);
  io::Timer timer(waiting.waiter, Ticket::kElapsed);
  timer.start(deadline);
  co_await waiting.waiter.wait(Ticket::kTold | Ticket::kElapsed);
}

void Directory::tell(TicketPtr ticket, std::optional<Outcome> outcome) {
  io::Loop& loop = *ticket->loop;
  loop.post([to = std::move(ticket), what = std::move(outcome)]() mutable {
    if (what) to->outcome = std::move(what);
    if (to->waiter != nullptr) to->waiter->raise(Ticket::kTold);
  });
}

// Takes a place among `max_connections`, in the order of asking.
io::Task<bool> Directory::enter(Context context, Instant deadline) {
  TicketPtr ticket;
  {
    std::lock_guard lock(mutex_);
    if (in_use_ < settings_->max_connections) {
      ++in_use_;
      co_return true;
    }
    ticket = std::make_shared<Ticket>(Ticket{.loop = &context.loop});
    line_.push_back(ticket);
  }
  co_await wait(ticket, context.loop, deadline);
  std::lock_guard lock(mutex_);
  if (!ticket->admitted) std::erase(line_, ticket);
  co_return ticket->admitted;
}

// Gives the place back, or on to the first in the line.
void Directory::leave(LinkPtr to_keep) {
  TicketPtr next;
  {
    std::lock_guard lock(mutex_);
    if (to_keep) idle_.push_back(std::move(to_keep));
    if (line_.empty()) {
      --in_use_;
    } else {
      next = std::move(line_.front());
      line_.pop_front();
      next->admitted = true;
    }
  }
  if (next) tell(std::move(next), std::nullopt);
}

// The server is not left with a query that nobody waits for: only then is the place free again.
io::Task<> Directory::give_up(Context context, LinkPtr link) {
  std::shared_ptr<Directory> self = shared_from_this();
  co_await link->give_up(context);
  link.reset();
  leave(nullptr);
}

// The connection that was idle for the shortest time, for who has a place. With none for this
// database, one of another may have to go for the one that is to be opened.
Directory::LinkPtr Directory::take_idle(const Context& context, const std::string& database) {
  LinkPtr taken;
  bool is_right = true;
  {
    std::lock_guard lock(mutex_);
    auto found = std::ranges::find(idle_.rbegin(), idle_.rend(), database,
                                   [](const LinkPtr& link) { return link->database(); });
    is_right = found != idle_.rend();
    if (is_right) {
      taken = std::move(*found);
      idle_.erase(std::next(found).base());
    } else if (in_use_ + idle_.size() > settings_->max_connections) {
      taken = std::move(idle_.front());
      idle_.erase(idle_.begin());
    }
  }
  if (!taken) return nullptr;
  taken->unpack(context);
  if (is_right) return taken;
  taken->close(true);
  return nullptr;
}

bool Directory::tend(const Context& context) {
  Instant now = context.loop.now();
  std::vector<LinkPtr> outdated;
  bool is_used = false;
  {
    std::lock_guard lock(mutex_);
    auto is_young = [&](const LinkPtr& link) {
      return link->idle_since() + settings_->idle_timeout > now;
    };
    auto young = std::ranges::find_if(idle_, is_young);
    outdated.assign(std::move_iterator(idle_.begin()), std::move_iterator(young));
    idle_.erase(idle_.begin(), young);
    std::erase_if(known_, [now](const auto& entry) { return entry.second.outdated_at <= now; });
    is_used = in_use_ > 0 || !idle_.empty() || !asked_.empty() || !known_.empty();
  }
  for (LinkPtr& link : outdated) {
    link->unpack(context);
    link->close(true);
  }
  return is_used || !outdated.empty();
}

}  // namespace trunkline::lookup
