#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/settings.h"
#include "session/transactional.h"
#include "sql/statement.h"

namespace trunkline::session {

// What a session has set, as PostgreSQL keeps it: undone with the transaction or savepoint it was
// set in. Follows the statements that the server has completed, and its errors; what they set is
// the client's, whatever server connection it uses. Plain data of the session; one thread.
class SessionSettings {
 public:
  // `startup` is what RESET goes back to.
  explicit SessionSettings(pool::SettingsPtr startup)
      : startup_(std::move(startup)), settings_(startup_) {}

  const pool::SettingsPtr& current() const { return settings_.current(); }
  const pool::SettingsPtr& startup() const { return startup_; }
  // Of these, those that may decide what a statement means when it is prepared.
  const pool::SettingsPtr& of_meaning();
  // What is set now, but for those: they are as given.
  pool::Settings with_meaning(const pool::SettingsPtr& meaning) const;
  // Others have the same already: theirs do for this session, too.
  void share_meaning(const pool::SettingsPtr& same);
  static bool has_meaning(std::string_view name);
  // Of extensions and applications: "my.tenant".
  static bool is_custom(std::string_view name) { return name.contains('.'); }
  static bool has_custom(const pool::SettingsPtr& settings);
  // Whether some values are written in another encoding than is set now.
  static bool is_encoded_otherwise(const pool::SettingsPtr& before, const pool::SettingsPtr& now);
  // RESET and SET … TO DEFAULT have gone back to the connection's own default, which is not the
  // session's: the server has something else than `current`.
  bool server_differs() const { return server_differs_; }
  void server_was_set() { server_differs_ = false; }
  // The server has this instead of what it is in the session, and will not have it for long.
  bool is_to_be_set(std::string_view name, std::string_view value) const;

  // The server has completed a statement that was like this; `tag` is what it said.
  void on_completed(const sql::Statement& statement, std::string_view tag);
  // An error outside of a transaction block has undone what ran since the last commit.
  void on_error(bool in_block);
  // The server has been asked what is set in this session, outside of a transaction: all of it, but
  // that it tells settings of extensions and applications ("my.tenant") only when it is asked for
  // them by their names, `customized`. Of those that have odd names nothing is learnt.
  void learn(pool::Settings settings);
  // A statement that is on its way may set it, to what is not known.
  void ask_for(std::string_view name);
  std::vector<std::string_view> customized() const;
  // What the server says of a setting: in its own spelling, and whole where only a part was set
  // (`SET datestyle = 'DMY'`).
  void on_reported(std::string_view name, std::string_view value);
  // Code that is not seen has set it.
  void on_set_unseen(std::string_view name, const std::string& value) { set(name, &value); }
  // The server's own defaults are others than when the session began, outside of a transaction: it
  // keeps these, as if its startup packet had set them.
  void keep_defaults(const pool::Settings& defaults);
  // ReadyForQuery outside of a transaction.
  void on_idle() { settings_.commit(); }

 private:
  // What most sessions at rest do not have.
  struct Known {
    pool::SettingsPtr meaning = {};
    pool::SettingsPtr meaning_of = {};
    std::vector<std::string> asked_for = {};
  };

  Known& know() {
    if (!known_) known_ = std::make_unique<Known>();
    return *known_;
  }
  void set(std::string_view name, const std::string* value);
  void set_characteristics(const sql::TransactionModes& modes);
  void reset(std::string_view name);

  pool::SettingsPtr startup_;
  Transactional<pool::SettingsPtr> settings_;
  std::unique_ptr<Known> known_;  // from the first that there is
  bool server_differs_ = false;
};

}  // namespace trunkline::session
