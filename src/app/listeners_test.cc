#include "app/listeners.h"

#include <fcntl.h>
#include <gtest/gtest.h>

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
  auto opened = listeners.open({entry_for(given.address)}, {given});
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_EQ(listeners.fds(), std::vector<int>{given.fd});
}

TEST(ListenersTest, AnInheritedSocketOfNoEntryIsAnErrorThatNamesItsAddress) {
  InheritedSocket given = inherited_socket();
  InheritedSocket other = inherited_socket();
  Listeners listeners;
  auto opened = listeners.open({entry_for(given.address)}, {given, other});
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().contains(other.address.to_string())) << opened.error();
  EXPECT_FALSE(opened.error().contains(given.address.to_string())) << opened.error();
  EXPECT_EQ(fcntl(other.fd, F_GETFD), -1) << "closed";
}

}  // namespace
}  // namespace trunkline::app
