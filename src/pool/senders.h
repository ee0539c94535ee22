#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace trunkline::pool {

// Who sends notifications from which server process. PostgreSQL names the sender of a notification
// by the process of its server connection, which here is a different one for each transaction; a
// client compares it with that of its own cancel key. So each server connection of a pool keeps
// note of the client that may have notified from it last.
//
// One for the process, any thread: the lock is taken where connections are opened and closed, and
// for each notification that is delivered, never for a request. As large as the pools are.
class Senders {
 public:
  // A server connection's place. Owned by it, gone with it.
  class Place {
   public:
    Place(Senders& senders, uint64_t key) : senders_(senders), key_(key) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { senders_.leave(*this); }

    // Of the client whose request may notify; before that is sent.
    void set_client(uint32_t process_id) { client_.store(process_id, std::memory_order_release); }
    // 0: nobody yet.
    uint32_t client() const { return client_.load(std::memory_order_acquire); }

   private:
    friend class Senders;
    Senders& senders_;
    const uint64_t key_;
    std::atomic<uint32_t> client_ = 0;
  };

  // `server`: the address of the server, as its sockets show it. `process_id`: what it has given
  // this connection to be cancelled with.
  std::unique_ptr<Place> enter(const std::string& server, uint32_t process_id);
  // The process id that the client knows as its own; the server's where it is not known.
  uint32_t client_of(const std::string& server, uint32_t process_id) const;

 private:
  static uint64_t key_of(const std::string& server, uint32_t process_id);
  void leave(const Place& place);

  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, const Place*> places_;
};

}  // namespace trunkline::pool
