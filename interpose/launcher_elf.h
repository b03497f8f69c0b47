// What the launcher must know of an ELF file: can a library be loaded into it?
#pragma once

#include <optional>
#include <string>

namespace vervet::launcher {

// Why the file open at `fd`, which starts with the ELF magic, cannot be run under vervet, as the
// rest of a sentence that begins with its name; absent if it can.
std::optional<std::string> elf_objection(int fd);

}  // namespace vervet::launcher
