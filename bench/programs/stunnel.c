// Clients of a TLS tunnel to an echo server, and TLS for the sockets of the driver.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "driver.h"

enum { message_size = 1024 };

static SSL_CTX* context;

void tls_prepare(const char* certificate) {
  context = SSL_CTX_new(TLS_client_method());
  if (!context || SSL_CTX_load_verify_locations(context, certificate, NULL) != 1) {
    die("%s is no certificate", certificate);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

void tls_begin(struct client* client) {
  client->tls = SSL_new(context);
  if (!client->tls || SSL_set_fd(client->tls, client->fd) != 1) die("no memory for TLS");
  SSL_set_connect_state(client->tls);
}

// -1 and EAGAIN if it only has to wait; 0 if the server has closed.
static ssize_t outcome(struct client* client, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(client->tls, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    die("client %u: TLS: %s", client->number, text);
  }
  errno = EAGAIN;
  return -1;
}

int tls_handshake(struct client* client) {
  return outcome(client, SSL_do_handshake(client->tls)) > 0;
}

ssize_t tls_read(struct client* client, void* data, size_t size) {
  return outcome(client, SSL_read(client->tls, data, (int)size));
}

ssize_t tls_write(struct client* client, const void* data, size_t size) {
  return outcome(client, SSL_write(client->tls, data, (int)size));
}

void tls_end(struct client* client) {
  SSL_shutdown(client->tls);
  SSL_free(client->tls);
  client->tls = NULL;
}

static unsigned char letter(const struct client* client, size_t at) {
  return (unsigned char)(client->number * 31 + client->turn * 7 + at);
}

static void ask(struct client* client) {
  unsigned char message[message_size];
  for (size_t i = 0; i < sizeof message; ++i) message[i] = letter(client, i);
  put(client, message, sizeof message);
}

static size_t answered(struct client* client) {
  if (client->held < message_size) return 0;
  for (size_t i = 0; i < message_size; ++i) {
    if (client->in[i] != letter(client, i)) die("client %u: wrong bytes", client->number);
  }
  return message_size;
}

const struct protocol stunnel_echo = {
    .name = "stunnel_echo",
    .argument = "CERTIFICATE",
    .tls = 1,
    .prepare = tls_prepare,
    .ask = ask,
    .answered = answered,
};
