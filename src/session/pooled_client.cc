#include "session/pooled_client.h"

namespace trunkline::session {

void PooledClient::update_syntax() {
  const std::string* encoding = told ? told->find("client_encoding") : nullptr;
  const std::string* strings = told ? told->find("standard_conforming_strings") : nullptr;
  syntax = {.encoding = encoding ? sql::encoding_of(*encoding) : sql::Encoding::ascii_safe,
            .standard_conforming_strings = strings == nullptr || *strings == "on"};
}

}  // namespace trunkline::session
