#include "config/loader.h"

#include <gtest/gtest.h>

namespace trunkline::config {
namespace {

TEST(Loader, loads_the_smallest_file) {
  auto config = load_text("listen: {port: 6432}\nupstreams: {main: {servers: {host: db}}}\n",
                          "/etc/t.yaml", system_environment());
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->routes.at(0).upstream, "main");
}

}  // namespace
}  // namespace trunkline::config
