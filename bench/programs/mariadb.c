// MariaDB clients: the text protocol of version 4.1 and later, as user root without a password.
//
// The house has made, in database t, item(id, name) with ids 1 to 10,000 and 'item ID of many' as
// names, and log(id, client, turn), empty.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"

enum { header_size = 4, items = 10000 };
enum { packet_ok = 0x00, packet_end = 0xfe, packet_error = 0xff };

struct packet {
  const unsigned char* data;
  size_t size;
};

// Takes the packet at `*at`, if it is all there.
static int next_packet(const struct client* client, size_t* at, struct packet* packet) {
  if (client->held < *at + header_size) return 0;
  const unsigned char* header = client->in + *at;
  packet->size = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
  packet->data = header + header_size;
  if (packet->size == 0) die("client %u: an empty packet", client->number);
  if (client->held < *at + header_size + packet->size) return 0;
  *at += header_size + packet->size;
  if (packet->data[0] == packet_error) {
    die("client %u: the server says: %.*s", client->number, (int)packet->size - 3,
        (const char*)packet->data + 3);
  }
  return 1;
}

static void put_packet(struct client* client, unsigned sequence, const void* data, size_t size) {
  unsigned char packet[512] = {(unsigned char)size, (unsigned char)(size >> 8), 0,
                               (unsigned char)sequence};
  memcpy(packet + header_size, data, size);
  put(client, packet, header_size + size);
}

// The greeting has sequence 0, our answer 1, the server's verdict 2.
static int sign_on(struct client* client) {
  struct packet packet;
  size_t at = 0;
  if (!next_packet(client, &at, &packet)) return 0;
  unsigned sequence = client->in[3];
  client->held = 0;
  if (sequence == 2) {
    if (packet.data[0] != packet_ok) die("client %u was not let in", client->number);
    return 1;
  }
  // Capabilities (long password, database, protocol 4.1, transactions, secure connection), the
  // largest packet, utf8mb4, 23 zeros, user, no password, database.
  static const char login[] =
      "\x09\xa2\x00\x00"
      "\x00\x00\x00\x01"
      "\x2d"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
      "root\0"
      "\0"
      "t";
  put_packet(client, 1, login, sizeof login);
  return 0;
}

static void query(struct client* client, const char* text) {
  char packet[256];
  int size = snprintf(packet, sizeof packet, "\3%s", text);
  put_packet(client, 0, packet, (size_t)size);
}

// Without it the server would write to its log that it has lost a client.
static void sign_off(struct client* client) { put_packet(client, 0, "\1", 1); }

// Clients walk through the items by strides of their own.
static unsigned item_of(const struct client* client) {
  return 1 + (unsigned)((client->turn * 7919 + client->number * 104729) % items);
}

static void ask_read(struct client* client) {
  char text[128];
  snprintf(text, sizeof text, "select name from item where id = %u", item_of(client));
  query(client, text);
}

// The number of columns, the column, an end, the row, an end.
static size_t answered_read(struct client* client) {
  struct packet packet, row = {0};
  size_t at = 0;
  for (int i = 0; i < 5; ++i) {
    if (!next_packet(client, &at, &packet)) return 0;
    if ((packet.data[0] == packet_end) != (i == 2 || i == 4)) {
      die("client %u: not one row", client->number);
    }
    if (i == 3) row = packet;
  }
  char name[64];
  size_t size = (size_t)snprintf(name, sizeof name, "item %u of many", item_of(client));
  if (row.size != size + 1 || row.data[0] != size || memcmp(row.data + 1, name, size) != 0) {
    die("client %u: not the name of item %u", client->number, item_of(client));
  }
  return at;
}

static void ask_write(struct client* client) {
  char text[128];
  snprintf(text, sizeof text, "insert into log(client, turn) values (%u, %" PRIu64 ")",
           client->number, client->turn);
  query(client, text);
}

static size_t answered_write(struct client* client) {
  struct packet packet;
  size_t at = 0;
  if (!next_packet(client, &at, &packet)) return 0;
  if (packet.size < 2 || packet.data[0] != packet_ok || packet.data[1] != 1) {
    die("client %u: not one row inserted", client->number);
  }
  return at;
}

const struct protocol mariadb_read = {
    .name = "mariadb_read",
    .sign_on = sign_on,
    .ask = ask_read,
    .answered = answered_read,
    .sign_off = sign_off,
};

const struct protocol mariadb_write = {
    .name = "mariadb_write",
    .sign_on = sign_on,
    .ask = ask_write,
    .answered = answered_write,
    .sign_off = sign_off,
};
