#include "base/ip.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

TEST(IpAddress, ParsesAndPrints) {
  EXPECT_EQ(IpAddress::parse("10.0.0.1")->to_string(), "10.0.0.1");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->to_string(), "2001:db8::1");
  EXPECT_FALSE(IpAddress::parse("10.0.0"));
  EXPECT_FALSE(IpAddress::parse("host"));
}

TEST(IpAddress, MappedIsTheIpv4Address) {
  EXPECT_EQ(*IpAddress::parse("::ffff:10.0.0.1"), *IpAddress::parse("10.0.0.1"));
}

TEST(IpNetwork, ContainsByPrefix) {
  IpNetwork net = *IpNetwork::parse("10.1.0.0/12");
  EXPECT_TRUE(net.contains(*IpAddress::parse("10.15.255.255")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("10.16.0.0")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("::1")));
  EXPECT_TRUE(IpNetwork::parse("0.0.0.0/0")->contains(*IpAddress::parse("1.2.3.4")));
  EXPECT_TRUE(IpNetwork::parse("::1/128")->contains(*IpAddress::parse("::1")));
}

TEST(IpNetwork, RefusesNonsense) {
  for (const char* bad :
       {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8"}) {
    EXPECT_FALSE(IpNetwork::parse(bad)) << bad;
  }
}

TEST(IpNetwork, MaskWithHolesIsRefused) {
  IpAddress address = *IpAddress::parse("10.0.0.0");
  EXPECT_EQ(IpNetwork::from_mask(address, *IpAddress::parse("255.240.0.0"))->prefix_bits(), 12U);
  EXPECT_FALSE(IpNetwork::from_mask(address, *IpAddress::parse("255.0.255.0")));
}

}  // namespace
}  // namespace trunkline
