#include "runtime/fs_base.h"

#include <sys/auxv.h>

namespace vervet::fs_base {

const bool by_instruction = (getauxval(AT_HWCAP2) & 2) != 0;

}  // namespace vervet::fs_base
