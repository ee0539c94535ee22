#include "service/http_router.h"

#include <utility>

namespace trunkline::service {

void HttpRouter::add(std::string_view method, std::string_view path, Handler handler) {
  paths_[std::string(path)].insert_or_assign(std::string(method), std::move(handler));
}

HttpResponse HttpRouter::handle(const HttpRequest& request) const {
  auto path = paths_.find(request.path);
  if (path == paths_.end()) return {.status = 404, .body = "there is nothing here\n"};
  const Methods& methods = path->second;
  auto method = methods.find(request.method == "HEAD" ? "GET" : request.method);
  if (method != methods.end()) return method->second(request);

  std::string allow;
  for (const auto& [name, handler] : methods) {
    if (!allow.empty()) allow += ", ";
    allow += name == "GET" ? "GET, HEAD" : name;
  }
  return {.status = 405, .body = "only " + allow + "\n", .allow = allow};
}

std::vector<std::string_view> HttpRouter::paths() const {
  std::vector<std::string_view> paths;
  paths.reserve(paths_.size());
  for (const auto& [path, methods] : paths_) paths.push_back(path);
  return paths;
}

}  // namespace trunkline::service
