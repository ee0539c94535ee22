#include "upstream/file_stamp.h"

#include <chrono>
#include <openssl/x509.h>
#include <sys/stat.h>

namespace trunkline::upstream {

namespace {

int64_t to_ns(const timespec& time) {
  using std::chrono::nanoseconds, std::chrono::seconds;
  return nanoseconds(seconds(time.tv_sec)).count() + time.tv_nsec;
}

}  // namespace

FileStamp stamp_of(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  return {.inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = to_ns(status.st_mtim),
          .changed_ns = to_ns(status.st_ctim)};
}

std::vector<FileStamp> stamps_of(const config::ServerTls& tls) {
  if (tls.mode == config::ServerTlsMode::disable) return {};
  std::vector<FileStamp> stamps;
  for (const std::string& file : {tls.ca_file, tls.cert_file, tls.key_file}) {
    if (!file.empty()) stamps.push_back(stamp_of(file));
  }
  if (tls.mode == config::ServerTlsMode::verify_full && tls.ca_file.empty()) {
    stamps.push_back(stamp_of(X509_get_default_cert_file()));
    stamps.push_back(stamp_of(X509_get_default_cert_dir()));
  }
  return stamps;
}

}  // namespace trunkline::upstream
