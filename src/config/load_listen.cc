#include "base/text.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

void load_address(const Value& value, std::string& to) {
  auto text = value.text();
  if (!text) return;
  bool folder = text->starts_with('/');
  if (folder && text->size() > kUnixFolderBytesMax) {
    value.error("the path of a unix socket's folder has at most " +
                std::to_string(kUnixFolderBytesMax) + " bytes");
  } else if (!folder && *text != "*" && !IpAddress::parse(*text)) {
    value.error("found " + value.found() +
                "; allowed: an IP address, \"*\" for all, or the absolute folder of a unix socket");
  } else {
    to = *text;
  }
}

void load_proxy_protocol(const Value& value, Listen& listen) {
  Mapping mapping(value, "listen.proxy_protocol");
  ProxyProtocol& proxy = listen.proxy_protocol;
  mapping.read("mode", proxy.mode);
  if (auto from = mapping.find("from")) {
    for (const Value& item : from->one_or_many()) {
      if (auto network = item.network()) proxy.from.push_back(*network);
    }
  }
  bool on = proxy.mode != ProxyProtocolMode::off;
  if (on && !listen.is_unix() && !mapping.has("from")) {
    value.error(
        "`from` is missing: on TCP it must say whose PROXY headers to believe, such as "
        "[10.0.0.0/8]");
  }
  if (mapping.has("from") && !on) {
    mapping.find("from")->warning("not used while `mode` is off");
  }
  if (mapping.has("from") && listen.is_unix()) {
    mapping.find("from")->error("has no meaning on a unix socket");
  }
}

void load_sni_names(const Value& value, Certificate& certificate) {
  for (const Value& item : value.one_or_many()) {
    auto name = item.text();
    if (!name) continue;
    size_t star = name->rfind('*');
    if (star != std::string::npos && (star != 0 || !name->starts_with("*."))) {
      item.error("found " + item.found() +
                 "; allowed: a host name, or a wildcard for its first part such as "
                 "\"*.example.com\"");
    } else {
      certificate.names.push_back(to_lower(*name));
    }
  }
}

void load_certificates(const Value& value, ListenTls& tls) {
  for (const Value& item : value.list()) {
    Mapping mapping(item, "listen.tls.certificates");
    Certificate certificate{.at = item.at()};
    if (auto names = mapping.find("names")) load_sni_names(*names, certificate);
    mapping.require("cert");
    mapping.read_path("cert", certificate.cert_file);
    mapping.require("key");
    mapping.read_path("key", certificate.key_file);
    tls.certificates.push_back(std::move(certificate));
  }
}

void check_listen_tls(const Value& value, const Mapping& mapping, const Listen& listen) {
  const ListenTls& tls = listen.tls;
  std::string mode(to_word(tls.mode));
  bool terminates = tls.mode == ClientTlsMode::allow || tls.mode == ClientTlsMode::require;
  bool asks = tls.client_certificate != ClientCertificate::none;
  if (listen.is_unix() && tls.mode != ClientTlsMode::disable) {
    value.error("found mode " + mode +
                "; clients do not speak TLS on a unix socket, so only "
                "disable is allowed");
  } else if (terminates && !mapping.has("certificates")) {
    value.error("`certificates` is missing: mode " + mode + " needs at least one");
  } else if (!terminates && mapping.has("certificates")) {
    mapping.find("certificates")->warning("not used in mode " + mode);
  }
  if (asks && !terminates) {
    mapping.find("client_certificate")->error("needs mode allow or require, not " + mode);
  }
  if (asks && !mapping.has("client_ca")) {
    value.error("`client_ca` is missing: client_certificate needs to know whom to trust");
  }
  if (!asks && mapping.has("client_ca")) {
    mapping.find("client_ca")->warning("not used while `client_certificate` is none");
  }
}

void load_listen_tls(const Value& value, ClientTlsMode mode_without_certificates, Listen& listen) {
  Mapping mapping(value, "listen.tls");
  ListenTls& tls = listen.tls;
  tls.at = value.at();
  bool certificates = mapping.has("certificates");
  tls.mode = certificates ? ClientTlsMode::allow : mode_without_certificates;
  if (listen.is_unix()) tls.mode = ClientTlsMode::disable;
  mapping.read("mode", tls.mode);
  if (certificates) {
    if (auto list = mapping.find("certificates")) load_certificates(*list, tls);
  }
  mapping.read("client_certificate", tls.client_certificate);
  mapping.read_path("client_ca", tls.client_ca_file);
  mapping.read("min_version", tls.min_version);
  check_listen_tls(value, mapping, listen);
}

}  // namespace

void load_listen(const Value& value, ClientTlsMode mode_without_certificates, Config& config) {
  for (const Value& item : value.one_or_many()) {
    Mapping mapping(item, "listen");
    Listen listen{.at = item.at()};
    if (auto address = mapping.find("address")) load_address(*address, listen.address);
    mapping.read_integer("port", listen.port, 1, 65535);
    if (auto proxy = mapping.find("proxy_protocol")) load_proxy_protocol(*proxy, listen);
    if (auto tls = mapping.find("tls")) {
      load_listen_tls(*tls, mode_without_certificates, listen);
    } else {
      listen.tls.at = item.at();
      listen.tls.mode = listen.is_unix() ? ClientTlsMode::disable : mode_without_certificates;
    }
    for (const Listen& other : config.listen) {
      if (other.address == listen.address && other.port == listen.port) {
        item.error("another listener has the same address and port");
      }
    }
    config.listen.push_back(std::move(listen));
  }
}

void load_admin(const Value& value, Config& config) {
  Mapping mapping(value, "admin");
  Admin admin;
  if (auto address = mapping.find("address")) {
    auto text = address->text();
    if (text && *text != "*" && !IpAddress::parse(*text)) {
      address->error("found " + address->found() + "; allowed: an IP address, or \"*\" for all");
    } else if (text) {
      admin.address = *text;
    }
  }
  mapping.read_integer("port", admin.port, 1, 65535);
  config.admin = admin;
}

}  // namespace trunkline::config
