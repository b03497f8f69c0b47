// What TLS connections have in common: tls::context. Needs OpenSSL.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace vervet::tls {

// OpenSSL's own error codes.
inline const std::error_category& category() noexcept {
  struct openssl final : std::error_category {
    const char* name() const noexcept override { return "openssl"; }
    std::string message(int code) const override {
      char text[256];
      ERR_error_string_n(static_cast<unsigned int>(code), text, sizeof text);
      return text;
    }
  };
  static const openssl one;
  return one;
}

// The calling thread's last one; connection_aborted if there is none: the transport has ended.
inline std::error_code last_error() noexcept {
  unsigned long code = ERR_peek_last_error();
  if (code == 0) return std::make_error_code(std::errc::connection_aborted);
  return {static_cast<int>(code), category()};
}
[[noreturn]] inline void throw_last(const char* what) {
  throw std::system_error(last_error(), what);
}

// A context is a server's or a client's certificates and rules. Copies share one; set it up first,
// then give it to streams, of any threads. TLS 1.2 and later. Its calls throw std::system_error and
// read files, which blocks the thread.
class context {
 public:
  // Presents a certificate (PEM, the whole chain) with its key.
  static context server(const std::string& chain_file, const std::string& key_file) {
    context made(TLS_server_method(), true);
    made.use_certificate(chain_file, key_file);
    return made;
  }
  // Checks servers' certificates against the system's authorities.
  static context client() {
    context made(TLS_client_method(), false);
    check(SSL_CTX_set_default_verify_paths(made.native_handle()), "vervet: tls: authorities");
    SSL_CTX_set_verify(made.native_handle(), SSL_VERIFY_PEER, nullptr);
    return made;
  }

  // The own certificate; a client's is for servers that ask.
  void use_certificate(const std::string& chain_file, const std::string& key_file) {
    SSL_CTX* c = native_handle();
    check(SSL_CTX_use_certificate_chain_file(c, chain_file.c_str()), "vervet: tls: certificate");
    check(SSL_CTX_use_PrivateKey_file(c, key_file.c_str(), SSL_FILETYPE_PEM), "vervet: tls: key");
  }

  // Trusts the certificates in a file (PEM), too.
  void trust(const std::string& file) {
    check(SSL_CTX_load_verify_locations(native_handle(), file.c_str(), nullptr),
          "vervet: tls: trust");
  }

  // Whether the peer's certificate is checked. A client does unless told otherwise; a server that
  // does refuses clients without a certificate.
  void verify_peer(bool on) {
    int mode = on ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(native_handle(), mode, nullptr);
  }

  // Clients that ask this server for `name` (SNI) get `other`'s certificate.
  void add_host(const std::string& name, context other) {
    SSL_CTX_set_tlsext_servername_callback(native_handle(), choose_host);
    SSL_CTX_set_tlsext_servername_arg(native_handle(), shared_.get());
    shared_->hosts.insert_or_assign(name, std::move(other.shared_));
  }

  // For what is not offered here: ALPN, ciphers, sessions.
  SSL_CTX* native_handle() const noexcept { return shared_->ctx; }

  // A new connection's side and whom it expects; by tls::stream.
  void prepare(SSL* ssl, const std::string& peer_name) const {
    if (shared_->serves) return SSL_set_accept_state(ssl);
    SSL_set_connect_state(ssl);
    if (peer_name.empty()) return;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), peer_name.c_str()) == 1) return;
    check(SSL_set1_host(ssl, peer_name.c_str()), "vervet: tls: name");
    check(static_cast<int>(SSL_set_tlsext_host_name(ssl, peer_name.c_str())), "vervet: tls: name");
  }

 private:
  struct shared {
    SSL_CTX* ctx = nullptr;
    bool serves = false;
    std::map<std::string, std::shared_ptr<shared>> hosts;
    ~shared() { SSL_CTX_free(ctx); }
  };

  context(const SSL_METHOD* method, bool serves) : shared_(std::make_shared<shared>()) {
    shared_->ctx = SSL_CTX_new(method);
    if (shared_->ctx == nullptr) throw_last("vervet: tls");
    shared_->serves = serves;
    SSL_CTX_set_min_proto_version(shared_->ctx, TLS1_2_VERSION);
  }

  static void check(int result, const char* what) {
    if (result != 1) throw_last(what);
  }

  static int choose_host(SSL* ssl, int*, void* argument) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    auto& hosts = static_cast<shared*>(argument)->hosts;
    auto found = hosts.find(name);
    if (found != hosts.end()) SSL_set_SSL_CTX(ssl, found->second->ctx);
    return SSL_TLSEXT_ERR_OK;
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace vervet::tls
