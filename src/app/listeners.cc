#include "app/listeners.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include "app/snapshot.h"
#include "io/listen.h"
#include "io/tcp_options.h"

namespace trunkline::app {

namespace {

// The loader has checked that the address can be one.
std::optional<io::SocketAddress> address_of(const config::Listen& listen) {
  if (listen.is_unix()) return io::SocketAddress::unix_path(listener_name(listen));
  if (listen.address == "*") return io::SocketAddress::any(listen.port);
  std::optional<IpAddress> ip = IpAddress::parse(listen.address);
  if (!ip) return std::nullopt;
  return io::SocketAddress::ip(*ip, listen.port);
}

}  // namespace

void Listeners::close() {
  for (int fd : std::exchange(fds_, {})) ::close(fd);
  for (const std::string& path : std::exchange(unix_paths_, {})) unlink(path.c_str());
}

std::expected<void, std::string> Listeners::open(const std::vector<config::Listen>& listen,
                                                 std::vector<InheritedSocket> inherited,
                                                 std::optional<Duration> tcp_user_timeout) {
  std::string errors;
  for (const config::Listen& entry : listen) {
    std::optional<io::SocketAddress> address = address_of(entry);
    if (!address) {
      errors += "could not listen on " + listener_name(entry) +
                ": not an address, or a path that is too long\n";
      continue;
    }
    auto given = std::ranges::find_if(inherited, [&](const InheritedSocket& socket) {
      return socket.address.to_string() == address->to_string();
    });
    if (given != inherited.end()) {
      if (address->is_ip()) {
        io::set_tcp_options(given->fd);
        io::set_tcp_user_timeout(given->fd, tcp_user_timeout);  // another process may have set one
      }
      fds_.push_back(given->fd);
      inherited.erase(given);
    } else {
      std::expected<int, std::string> fd =
          io::open_listener(*address, {.tcp_user_timeout = tcp_user_timeout});
      if (!fd) {
        errors += fd.error() + "\n";
        continue;
      }
      fds_.push_back(*fd);
      if (entry.is_unix()) unix_paths_.emplace_back(address->path());
    }
    if (address->is_ip()) io::set_defer_accept(fds_.back());
    names_.push_back(listener_name(entry));
  }
  // Whoever connects there would be refused without a word: the unit and the file disagree.
  for (const InheritedSocket& unclaimed : inherited) {
    errors += "the service manager passed a socket for " + unclaimed.address.to_string() +
              ": no entry of \"listen\" has this address\n";
    ::close(unclaimed.fd);
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return {};
}

void Listeners::set_tcp_user_timeout(std::optional<Duration> timeout) {
  for (int fd : fds_) {
    if (io::bound_address(fd).is_ip()) io::set_tcp_user_timeout(fd, timeout);
  }
}

std::string Listeners::difference(const std::vector<config::Listen>& listen) const {
  std::vector<std::string> wanted;
  wanted.reserve(listen.size());
  for (const config::Listen& entry : listen) wanted.push_back(listener_name(entry));
  if (wanted == names_) return "";
  return "the addresses of \"listen\" cannot change while serving: restart to listen elsewhere";
}

}  // namespace trunkline::app
