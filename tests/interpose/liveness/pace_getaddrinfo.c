// Sleeping threads keep their pace while getaddrinfo waits for a name server that never answers.
// oracle: timeout=120
#include "pace.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <resolv.h>
#include <sys/socket.h>

static struct sockaddr_in silent;

static void* resolve(void* unused) {
  struct addrinfo hints, *found = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  (void)unused;
  // The resolver's state is this thread's own.
  CHECK(res_init() == 0);
  _res.nscount = 1;
  _res.nsaddr_list[0] = silent;
  _res.retrans = 1;
  _res.retry = 2;
  const long long began = now_ms();
  const int error = getaddrinfo("silent.test.", "80", &hints, &found);
  if (found) freeaddrinfo(found);
  return (void*)(long)(error == EAI_AGAIN && now_ms() - began >= 1000);
}

int main(void) {
  socklen_t length = sizeof silent;
  const int server = socket(AF_INET, SOCK_DGRAM, 0);
  silent.sin_family = AF_INET;
  silent.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(server >= 0 && bind(server, (struct sockaddr*)&silent, sizeof silent) == 0);
  CHECK(getsockname(server, (struct sockaddr*)&silent, &length) == 0);
  // Whatever this machine's order is: ask the name server.
  CHECK(__nss_configure_lookup("hosts", "dns") == 0);
  FACT("culprit ended as expected", pace_beside(resolve) == (void*)1);
  CHECK(close(server) == 0);
  return 0;
}
