#include "app/systemd.h"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/listen.h"

namespace trunkline::app {
namespace {

// The service manager's end.
class Manager {
 public:
  explicit Manager(std::string_view name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un at{.sun_family = AF_UNIX, .sun_path = {}};
    name.copy(at.sun_path, sizeof at.sun_path - 1);
    if (name[0] == '@') at.sun_path[0] = '\0';
    auto length = socklen_t(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), length), 0);
  }
  ~Manager() { close(fd_); }
  Manager(const Manager&) = delete;

  std::string next() {
    char buffer[512];
    ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    return got < 0 ? "<nothing>" : std::string(buffer, size_t(got));
  }

 private:
  int fd_;
};

std::string unique_name(std::string_view prefix) {
  return std::string(prefix) + "trunkline-notify-" + std::to_string(getpid());
}

TEST(Notifier, SaysEachStateInSystemdsWords) {
  std::string name = unique_name("@");
  Manager manager(name);
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  Notifier notifier = Notifier::from_environment();
  EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
  notifier.ready();
  EXPECT_EQ(manager.next(), "READY=1");
  notifier.status("2 sessions\nREADY=1");
  EXPECT_EQ(manager.next(), "STATUS=2 sessions READY=1");
  notifier.stopping();
  EXPECT_EQ(manager.next(), "STOPPING=1");
  notifier.reloading();
  std::string reloading = manager.next();
  ASSERT_TRUE(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t us = std::stoll(reloading.substr(reloading.rfind('=') + 1));
  EXPECT_NEAR(double(us), double(now.tv_sec) * 1e6 + double(now.tv_nsec) / 1e3, 5e6);
}

TEST(Notifier, ASocketMayBeAFile) {
  std::string path = unique_name("/tmp/");
  {
    Manager manager(path);
    Notifier(path).ready();
    EXPECT_EQ(manager.next(), "READY=1");
  }
  unlink(path.c_str());
}

TEST(Notifier, NobodyListeningIsNoError) {
  unsetenv("NOTIFY_SOCKET");
  Notifier::from_environment().ready();
  Notifier("/nonexistent/socket").ready();
  Notifier(std::string(200, 'x')).ready();
}

// Runs `body` in a child whose descriptors 3, 4, … are those given, as systemd hands them over. The
// child's exit code is what `body` returns.
template <typename Body>
int in_child(const std::vector<int>& fds, const char* names, Body body) {
  pid_t child = fork();
  if (child == 0) {
    // Out of the way first, for one may stand where another belongs.
    std::vector<int> high;
    high.reserve(fds.size());
    for (int fd : fds) high.push_back(fcntl(fd, F_DUPFD, 100));
    for (size_t i = 0; i < high.size(); ++i) dup2(high[i], 3 + int(i));
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(fds.size()).c_str(), 1);
    setenv("LISTEN_FDNAMES", names, 1);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int listener(std::string_view address) {
  return io::open_listener(io::SocketAddress::ip(*IpAddress::parse(address), 0), {}).value();
}

TEST(InheritedSockets, AreTakenWithNamesAndAddresses) {
  std::array<int, 2> fds{listener("127.0.0.1"), listener("127.0.0.1")};
  uint16_t port = io::bound_address(fds[1]).port();
  int outcome = in_child({fds[0], fds[1]}, "clients:admin", [port] {
    auto sockets = take_inherited_sockets();
    if (!sockets || sockets->size() != 2) return 1;
    const InheritedSocket& admin = (*sockets)[1];
    if ((*sockets)[0].name != "clients" || admin.name != "admin" || admin.fd != 4) return 2;
    if (admin.address.port() != port) return 3;
    if ((fcntl(admin.fd, F_GETFD) & FD_CLOEXEC) == 0) return 4;
    if ((fcntl(admin.fd, F_GETFL) & O_NONBLOCK) == 0) return 5;
    if (getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES")) return 6;
    return 0;
  });
  EXPECT_EQ(outcome, 0);
  for (int fd : fds) close(fd);
}

TEST(InheritedSockets, MayBeUnixSockets) {
  std::string path = unique_name("/tmp/");
  int fd = io::open_listener(*io::SocketAddress::unix_path(path), {}).value();
  EXPECT_EQ(in_child({fd}, "local",
                     [&path] {
                       auto sockets = take_inherited_sockets();
                       return sockets && sockets->at(0).address.path() == path ? 0 : 1;
                     }),
            0);
  close(fd);
  unlink(path.c_str());
}

TEST(InheritedSockets, WithoutNamesTheyHaveNone) {
  int fd = listener("127.0.0.1");
  EXPECT_EQ(in_child({fd, fd}, "",
                     [] {
                       auto sockets = take_inherited_sockets();
                       return sockets && sockets->size() == 2 && (*sockets)[1].name.empty() ? 0 : 1;
                     }),
            0);
  close(fd);
}

TEST(InheritedSockets, WhatDoesNotListenIsRefusedByName) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(in_child({pair[0]}, "clients",
                     [] {
                       auto sockets = take_inherited_sockets();
                       if (sockets) return 1;
                       return sockets.error().message.contains("\"clients\"") ? 0 : 2;
                     }),
            0);
  close(pair[0]);
  close(pair[1]);
}

TEST(InheritedSockets, ThoseOfAnotherProcessAreLeftAlone) {
  setenv("LISTEN_PID", "1", 1);
  setenv("LISTEN_FDS", "1", 1);
  auto sockets = take_inherited_sockets();
  ASSERT_TRUE(sockets.has_value());
  EXPECT_TRUE(sockets->empty());
  EXPECT_EQ(getenv("LISTEN_FDS"), nullptr);
}

TEST(InheritedSockets, ANumberThatIsNoneIsAnError) {
  for (const char* count : {"", "-1", "1025", "3x"}) {
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", count, 1);
    EXPECT_FALSE(take_inherited_sockets().has_value()) << count;
  }
}

}  // namespace
}  // namespace trunkline::app
