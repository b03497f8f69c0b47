// A library that is loaded, used by threads, closed and loaded again: its TLS module id is reused.
static __thread int reload_count = 10;
static __thread char reload_padding[128 * 1024];

int reload_next(void) {
  reload_padding[sizeof reload_padding / 2] = 1;
  return ++reload_count;
}
