// uselocale is each thread's own: conversions and classes follow it across blocking calls, and a
// new thread starts with the global one whatever the last user of its memory had.
#include "../check.h"

#include <langinfo.h>
#include <locale.h>
#include <wchar.h>
#include <wctype.h>

static locale_t utf8;
static int right;

static void* use_utf8(void* unused) {
  if (uselocale(NULL) != LC_GLOBAL_LOCALE || MB_CUR_MAX != 1) return unused;
  CHECK(uselocale(utf8) == LC_GLOBAL_LOCALE);
  for (int i = 0; i < 10; ++i) {
    wchar_t wide;
    usleep(500);
    if (MB_CUR_MAX < 4 || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) return unused;
    if (mbtowc(&wide, "\xc3\xa9", 2) != 2 || wide != 0xe9 || !iswalpha((wint_t)wide)) return unused;
  }
  if (uselocale(NULL) == utf8) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return unused;
}
static void* use_global(void* unused) {
  for (int i = 0; i < 10; ++i) {
    wchar_t wide;
    usleep(500);
    if (MB_CUR_MAX != 1 || uselocale(NULL) != LC_GLOBAL_LOCALE) return unused;
    mbtowc(NULL, NULL, 0);
    if (mbtowc(&wide, "\xc3\xa9", 2) == 2 && wide == 0xe9) return unused;
  }
  __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return unused;
}

int main(void) {
  utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
  CHECK(utf8);
  pthread_t all[60];
  for (int i = 0; i < 60; ++i) all[i] = start(i % 2 ? use_utf8 : use_global, NULL);
  for (int i = 0; i < 60; ++i) join(all[i]);
  say("at once: %d right", right);
  right = 0;
  for (int i = 0; i < 20; ++i) join(start(i % 2 ? use_utf8 : use_global, NULL));
  say("in a row: %d right", right);
  FACT("main still has the global locale", uselocale(NULL) == LC_GLOBAL_LOCALE);
  FACT("isalpha works in main", iswalpha(L'a') && !iswalpha(L'1'));
  freelocale(utf8);
  return 0;
}
