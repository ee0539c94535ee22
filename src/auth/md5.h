#pragma once

#include <optional>
#include <string_view>

#include "base/secret.h"

// PostgreSQL's md5 method: the stored form is "md5" and the hexadecimal MD5 of password and user
// name; the answer to a salt is "md5" and the MD5 of the stored digits and the salt. The stored
// form is therefore as good as the password for this method. Results are empty where OpenSSL has no
// MD5. Any thread.
namespace trunkline::auth {

inline constexpr size_t kMd5SaltBytes = 4;

bool is_md5_secret(std::string_view text);  // "md5" and 32 lower-case hexadecimal digits
Secret md5_secret(std::string_view password, std::string_view user);
Secret md5_answer(std::string_view stored, std::string_view salt);

}  // namespace trunkline::auth
