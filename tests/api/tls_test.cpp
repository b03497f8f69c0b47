// tls::context, tls::stream, tls::serve.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/tcp.hpp>
#include <vervet/tls.hpp>
#include <vervet/unix.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::tcp_listener;
using vervet::tcp_socket;
using vervet::unix_socket;
namespace tls = vervet::tls;

static_assert(vervet::byte_stream<tls::stream<tcp_socket>>);

// A certificate that has signed itself, for `name` and 127.0.0.1, in two files.
class certificate {
 public:
  explicit certificate(const std::string& name) {
    static int count = 0;
    std::string stem = std::filesystem::temp_directory_path() /
                       ("vervet-tls-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    chain = stem + ".pem";
    key = stem + ".key";
    EVP_PKEY* pair = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), count);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pair);
    auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    std::string names = "DNS:" + name + ",IP:127.0.0.1";
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, pair, EVP_sha256());
    FILE* f = std::fopen(chain.c_str(), "w");
    PEM_write_X509(f, x);
    std::fclose(f);
    f = std::fopen(key.c_str(), "w");
    PEM_write_PrivateKey(f, pair, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(f);
    X509_free(x);
    EVP_PKEY_free(pair);
  }
  ~certificate() {
    std::filesystem::remove(chain);
    std::filesystem::remove(key);
  }
  certificate(const certificate&) = delete;

  tls::context server() const { return tls::context::server(chain, key); }
  tls::context client() const {
    tls::context made = tls::context::client();
    made.trust(chain);
    return made;
  }

  std::string chain, key;
};

// Both ends of a connection.
struct ends {
  explicit ends(const certificate& c) : ends(c, unix_socket::pair()) {}
  tls::stream<unix_socket> client, server;

 private:
  ends(const certificate& c, std::pair<unix_socket, unix_socket> both)
      : client(c.client(), std::move(both.first), "example.org"),
        server(c.server(), std::move(both.second)) {}
};

template <typename Stream>
void echo(Stream& client) {
  char part[4096];
  while (std::size_t n = client.read_some(part)) client.write_all({part, n});
}

TEST(Tls, RefusesFilesThatAreNoCertificates) {
  certificate c("example.org"), other("example.org");
  EXPECT_THROW(tls::context::server("/no/such", c.key), std::system_error);
  EXPECT_THROW(tls::context::server(c.key, c.key), std::system_error);
  EXPECT_THROW(tls::context::server(c.chain, other.key), std::system_error);
  EXPECT_THROW(tls::context::client().trust("/no/such"), std::system_error);
}

TEST(Tls, CarriesBytesBothWays) {
  certificate c("example.org");
  ends e(c);
  auto server = vervet::spawn([&] { echo(e.server); });
  e.client.write_all("hello");
  char part[10];
  EXPECT_EQ(e.client.read_some(part), 5u);
  EXPECT_EQ(std::string(part, 5), "hello");
  e.client.shutdown_send();
  server.get();
  e.server.close();
  EXPECT_EQ(e.client.read_some(part), 0u);
}

TEST(Tls, AnUnknownCertificateOrAnotherNameIsRefused) {
  certificate c("example.org"), stranger("example.org");
  auto attempt = [&](const tls::context& client, const std::string& name) {
    auto [a, b] = unix_socket::pair();
    tls::stream server(c.server(), std::move(b));
    auto serving = vervet::spawn([&] { return error_of([&] { server.handshake(); }); });
    std::error_code error = error_of([&, &a = a] {
      tls::stream peer(client, std::move(a), name);
      peer.handshake();
    });
    serving.join();
    return error;
  };
  EXPECT_FALSE(attempt(c.client(), "example.org"));
  EXPECT_FALSE(attempt(c.client(), "127.0.0.1"));
  EXPECT_EQ(&attempt(c.client(), "example.com").category(), &tls::category());
  EXPECT_EQ(&attempt(stranger.client(), "example.org").category(), &tls::category());
  tls::context careless = tls::context::client();
  careless.verify_peer(false);
  EXPECT_FALSE(attempt(careless, "example.com"));
}

TEST(Tls, AServerMayAskForAClientsCertificate) {
  certificate s("example.org"), c("client");
  tls::context server = s.server();
  server.trust(c.chain);
  server.verify_peer(true);
  for (bool shows : {false, true}) {
    auto [a, b] = unix_socket::pair();
    tls::context client = s.client();
    if (shows) client.use_certificate(c.chain, c.key);
    tls::stream one(server, std::move(b));
    tls::stream other(client, std::move(a), "example.org");
    auto serving = vervet::spawn([&] { return error_of([&] { one.handshake(); }); });
    error_of([&] { other.handshake(); });
    EXPECT_EQ(!serving.get(), shows);
  }
}

TEST(Tls, AServerChoosesTheCertificateByName) {
  certificate one("one.example"), two("two.example");
  tls::context server = one.server();
  server.add_host("two.example", two.server());
  for (const certificate* wanted : {&one, &two}) {
    auto [a, b] = unix_socket::pair();
    tls::stream peer(wanted->client(), std::move(a),
                     wanted == &one ? "one.example" : "two.example");
    auto serving = vervet::spawn([&, &b = b] { tls::stream(server, b).handshake(); });
    peer.handshake();
    serving.get();
  }
}

TEST(Tls, ReadsTimeOutAndGoOn) {
  certificate c("example.org");
  ends e(c);
  EXPECT_THROW(e.client.handshake(1ms), vervet::timed_out);
  auto server = vervet::spawn([&] {
    char part[10];
    EXPECT_THROW(e.server.read_some(part, 20ms), vervet::timed_out);
    e.server.write_all("late");
  });
  char part[10];
  EXPECT_EQ(e.client.read_some(part), 4u);
  server.get();
}

TEST(Tls, AKilledReaderLosesNothing) {
  certificate c("example.org");
  ends e(c);
  auto server = vervet::spawn([&] {
    e.server.handshake();
    vervet::sleep_for(2ms);
    e.server.write_all("still");
  });
  e.client.handshake();
  auto killed = vervet::spawn([&] {
    char part[10];
    e.client.read_some(part);
  });
  vervet::yield();
  killed.kill();
  char part[10];
  EXPECT_EQ(e.client.read_some(part), 5u);
  server.get();
}

TEST(Tls, CloseUnderAReaderIsAnErrorOfTheReader) {
  certificate c("example.org");
  ends e(c);
  auto server = vervet::spawn([&] { e.server.handshake(); });
  e.client.handshake();
  server.get();
  auto reader = vervet::spawn([&] {
    char part[10];
    return error_of([&] { e.client.read_some(part); });
  });
  vervet::yield();
  e.client.close();
  EXPECT_EQ(reader.get(), std::errc::bad_file_descriptor);
}

TEST(Tls, AConnectionThatIsCutOffIsAnError) {
  certificate c("example.org");
  ends e(c);
  auto server = vervet::spawn([&] {
    e.server.handshake();
    e.server.transport().close();
  });
  e.client.handshake();
  char part[10];
  EXPECT_TRUE(error_of([&] { e.client.read_some(part); }));
  server.get();
}

TEST(Tls, OneReadsWhileAnotherWrites) {
  certificate c("example.org");
  ends e(c);
  std::string much(3'000'000, 'x');
  auto server = vervet::spawn([&] { echo(e.server); });
  auto writer = vervet::spawn([&] {
    e.client.write_all(much);
    e.client.shutdown_send();
  });
  std::size_t total = 0;
  std::vector<char> part(20'000);
  while (total < much.size()) total += e.client.read_some(part, 10s);
  EXPECT_EQ(total, much.size());
  joinall(server, writer);
}

TEST(Tls, AServersHandlersDoTheirOwnHandshakes) {
  certificate c("example.org");
  vervet::stream_server server(tcp_listener(address::loopback(0)),
                               tls::serve(c.server(), [](auto& client) { echo(client); }));
  server.start();
  // It holds up nobody.
  tcp_socket silent = tcp_socket::connect(server.listener().local_address());
  tls::context client = c.client();
  std::vector<vervet::fiber<std::string>> clients;
  for (int i = 0; i < 20; ++i)
    clients.push_back(vervet::spawn([&, i] {
      vervet::stream peer(tls::stream(
          client, tcp_socket::connect(server.listener().local_address()), "example.org"));
      peer.write("line " + std::to_string(i) + "\n");
      std::string line = peer.read_line(5s);
      peer.close();
      return line;
    }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(clients[i].get(), "line " + std::to_string(i) + "\n");
  EXPECT_FALSE(server.stop(1ms)) << "the silent one";
}

TEST(Tls, OneConnectionIsUsedByTwoThreads) {
  certificate c("example.org");
  ends e(c);
  std::string much(1'000'000, 'x');
  std::thread serving([&] { echo(e.server); });
  std::thread writing([&] {
    e.client.write_all(much);
    e.client.shutdown_send();
  });
  std::size_t total = 0;
  std::vector<char> part(20'000);
  while (total < much.size()) total += e.client.read_some(part, 10s);
  EXPECT_EQ(total, much.size());
  writing.join();
  serving.join();
}

TEST(Tls, WorksInsideRun) {
  certificate c("example.org");
  vervet::run({.workers = 2}, [&] {
    vervet::stream_server server(tcp_listener(address::loopback(0)),
                                 tls::serve(c.server(), [](auto& client) { echo(client); }));
    server.start();
    tls::context client = c.client();
    std::vector<vervet::fiber<std::string>> clients;
    for (int i = 0; i < 20; ++i)
      clients.push_back(vervet::spawn([&] {
        vervet::stream peer(tls::stream(
            client, tcp_socket::connect(server.listener().local_address()), "example.org"));
        peer.write("line\n");
        return peer.read_line(5s);
      }));
    for (auto& each : clients) EXPECT_EQ(each.get(), "line\n");
    EXPECT_TRUE(server.stop(2s));
  });
}

}  // namespace
