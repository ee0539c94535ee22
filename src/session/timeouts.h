#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "config/model.h"
#include "pool/metrics.h"

namespace trunkline::session {

// How long a session of a pool may take over what it does: `config::PoolTimeouts` watched. Pure and
// told of everything; owned by the relay, on its worker's thread. A look costs a few comparisons,
// and the caller keeps one timer that is started anew only for what is due earlier: what is over in
// time never touches it.
class Timeouts {
 public:
  enum class Doing : uint8_t {
    resting,              // outside of a transaction
    asking,               // the server owes an answer
    idle_in_transaction,  // it does not, and the transaction goes on
    waiting,              // for a server connection: that is `wait_timeout`'s
  };
  using Expired = pool::Timeout;

  // What the session does now, and since when the transaction at hand goes on.
  struct Activity {
    Doing doing;
    Instant exchange_began;  // of the request at hand; without one, when the last was answered
    Instant transaction_began;
  };

  explicit Timeouts(const config::PoolTimeouts& limits, Instant now)
      : limits_(limits), since_(now) {}

  void set_limits(const config::PoolTimeouts& limits) { limits_ = limits; }
  // The client has sent something.
  void on_heard(Instant now) { heard_ = now; }
  // When it is to be looked at again; Instant::max() for never.
  Instant note(const Activity& activity, Instant now);
  // Of what was noted last. A query that has taken too long is told once.
  std::optional<Expired> take_expired(Instant now);

 private:
  struct Deadline {
    Instant at = Instant::max();
    Expired what = Expired::query;
  };
  Deadline next() const;

  config::PoolTimeouts limits_;
  Activity activity_{.doing = Doing::resting, .exchange_began = {}, .transaction_began = {}};
  Instant since_;            // of `doing`
  Instant heard_{};          // of the client
  Instant told_of_query_{};  // the beginning of the one that took too long
};

// What the client is told at the end of its session: PostgreSQL's own words. Not for `query`.
Error timeout_error(Timeouts::Expired what);

}  // namespace trunkline::session
