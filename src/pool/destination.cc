#include "pool/destination.h"

namespace trunkline::pool {

namespace {

bool equal(const Secret& a, const Secret& b) {
  return equal_in_constant_time(a.reveal(), b.reveal());
}

bool equal(const auth::Credentials& a, const auth::Credentials& b) {
  if (a.user != b.user || !equal(a.password, b.password) || !equal(a.md5, b.md5)) return false;
  if (!a.scram || !b.scram) return !a.scram && !b.scram;
  return a.scram->salt == b.scram->salt && a.scram->iterations == b.scram->iterations &&
         equal(a.scram->keys.client_key, b.scram->keys.client_key) &&
         equal(a.scram->keys.server_key, b.scram->keys.server_key);
}

}  // namespace

// At every login, and nearly always they are what they were: a copy has to be wiped later. Who
// comes without a secret (trust, peer, cert) takes nothing from those who have shown theirs.
void Destination::set_credentials(const auth::Credentials& credentials) {
  bool is_bare =
      credentials.password.empty() && credentials.md5.empty() && !credentials.scram.has_value();
  std::lock_guard lock(mutex_);
  if (is_bare && credentials.user == credentials_.user) return;
  if (!equal(credentials_, credentials)) credentials_ = credentials.clone();
}

}  // namespace trunkline::pool
