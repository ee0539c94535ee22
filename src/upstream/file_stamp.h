#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model.h"

namespace trunkline::upstream {

// Tells whether a file has been changed or replaced, without keeping what it holds. All zero when
// there is no such file.
struct FileStamp {
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  bool operator==(const FileStamp&) const = default;
};

FileStamp stamp_of(const std::string& path);

// Of every file that TLS with these settings rests on; the system's authorities too when it needs
// them. Blocks as files do.
std::vector<FileStamp> stamps_of(const config::ServerTls& tls);

}  // namespace trunkline::upstream
