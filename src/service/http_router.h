#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "service/http_message.h"

namespace trunkline::service {

// Exact paths and methods to functions. HEAD is answered by the function of GET. Filled before the
// server starts, then read on the loop's thread, where the functions run: they must not block.
class HttpRouter {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  void add(std::string_view method, std::string_view path, Handler handler);
  HttpResponse handle(const HttpRequest& request) const;
  std::vector<std::string_view> paths() const;  // ordered

 private:
  using Methods = std::map<std::string, Handler, std::less<>>;

  std::map<std::string, Methods, std::less<>> paths_;
};

}  // namespace trunkline::service
