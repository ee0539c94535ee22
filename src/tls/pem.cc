#include "tls/pem.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

namespace trunkline::tls {

namespace {

std::expected<std::string, std::string> read_whole(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) return std::unexpected("is no file");
  std::string bytes(kPemFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    ssize_t count = ::read(fd, bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(std::string("cannot be read: ") + std::strerror(errno));
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kPemFileBytesMax) {
    wipe(bytes);
    return std::unexpected("is larger than " + std::to_string(kPemFileBytesMax) + " bytes");
  }
  bytes.resize(size);
  return bytes;
}

std::expected<Secret, std::string> read_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT) return std::unexpected("does not exist");
    return std::unexpected(std::string("cannot be read: ") + std::strerror(errno));
  }
  auto bytes = read_whole(fd);
  ::close(fd);
  if (!bytes) return std::unexpected(bytes.error());
  Secret secret(*bytes);
  wipe(*bytes);
  return secret;
}

BioPtr open_bytes(const Secret& bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.reveal().data(), static_cast<int>(bytes.reveal().size())));
}

bool end_of_pem() {
  unsigned long code = ERR_peek_last_error();
  bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

// OpenSSL would ask the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::string to_text(const ASN1_TIME* time) {
  BioPtr out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print_ex(out.get(), time, ASN1_DTFLGS_ISO8601);
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

std::expected<std::vector<CertificatePtr>, std::string> load_certificates(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return std::unexpected(bytes.error());
  BioPtr in = open_bytes(*bytes);
  std::vector<CertificatePtr> certificates;
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  if (!end_of_pem()) {
    return std::unexpected("holds a damaged certificate: " + take_openssl_error());
  }
  if (certificates.empty()) return std::unexpected("holds no certificate in PEM form");
  return certificates;
}

std::expected<KeyPtr, std::string> load_private_key(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return std::unexpected(bytes.error());
  BioPtr in = open_bytes(*bytes);
  bool passphrase_asked = false;
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, refuse_passphrase, &passphrase_asked));
  if (key) return key;
  if (passphrase_asked) {
    ERR_clear_error();
    return std::unexpected("is protected by a passphrase, which cannot be asked for");
  }
  if (!bytes->reveal().contains("PRIVATE KEY-----")) {
    ERR_clear_error();
    return std::unexpected("holds no private key in PEM form");
  }
  return std::unexpected("holds a damaged private key: " + take_openssl_error());
}

std::string validity_warning(const X509& certificate, WallClock::time_point now) {
  std::time_t time = WallClock::to_time_t(now);
  if (X509_cmp_time(X509_get0_notAfter(&certificate), &time) < 0) {
    return "expired on " + to_text(X509_get0_notAfter(&certificate));
  }
  if (X509_cmp_time(X509_get0_notBefore(&certificate), &time) > 0) {
    return "is not valid before " + to_text(X509_get0_notBefore(&certificate));
  }
  return "";
}

}  // namespace trunkline::tls
