#include "app/listeners.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listen.h"

namespace trunkline::app {
namespace {

InheritedSocket inherited_socket() {
  auto fd = io::open_listener(io::SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {});
  EXPECT_TRUE(fd.has_value());
  return {*fd, "", io::bound_address(*fd)};
}

config::Listen entry_for(const io::SocketAddress& address) {
  config::Listen listen;
  listen.address = "127.0.0.1";
  std::string text = address.to_string();
  listen.port = static_cast<uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
  return listen;
}

TEST(ListenersTest, TakesOverWhatIsInherited) {
  InheritedSocket given = inherited_socket();
  Listeners listeners;
  auto opened = listeners.open({entry_for(given.address)}, {given}, {});
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_EQ(listeners.fds(), std::vector<int>{given.fd});
}

TEST(ListenersTest, AnInheritedSocketOfNoEntryIsAnErrorThatNamesItsAddress) {
  InheritedSocket given = inherited_socket();
  InheritedSocket other = inherited_socket();
  Listeners listeners;
  auto opened = listeners.open({entry_for(given.address)}, {given, other}, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().contains(other.address.to_string())) << opened.error();
  EXPECT_FALSE(opened.error().contains(given.address.to_string())) << opened.error();
  EXPECT_EQ(fcntl(other.fd, F_GETFD), -1) << "closed";
}

TEST(ListenersTest, TheUserTimeoutOfClientsIsThatOfTheirListener) {
  auto timeout_ms = [](int fd) {
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length);
    return value;
  };
  InheritedSocket given = inherited_socket();
  config::Listen opened = entry_for(given.address);
  opened.address = "127.0.0.2";
  Listeners listeners;
  ASSERT_TRUE(listeners.open({entry_for(given.address), opened}, {given}, 1500us).has_value());
  for (int fd : listeners.fds()) EXPECT_EQ(timeout_ms(fd), 2) << "never less than was asked for";

  auto accept_one = [&](int listening) {
    io::SocketAddress address = io::bound_address(listening);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(client, address.raw(), address.raw_length()), 0);
    int accepted = -1;
    while ((accepted = accept(listening, nullptr, nullptr)) < 0 && errno == EAGAIN) {
    }
    int value = timeout_ms(accepted);
    close(client);
    close(accepted);
    return value;
  };
  for (int fd : listeners.fds()) EXPECT_EQ(accept_one(fd), 2);
  listeners.set_tcp_user_timeout(3s);
  for (int fd : listeners.fds()) EXPECT_EQ(accept_one(fd), 3000);
  listeners.set_tcp_user_timeout({});
  for (int fd : listeners.fds()) EXPECT_EQ(accept_one(fd), 0);
}

}  // namespace
}  // namespace trunkline::app
