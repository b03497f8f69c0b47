#include "interpose/launcher_elf.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#include <vector>

namespace vervet::launcher {
namespace {

using objection = std::optional<std::string>;

constexpr size_t max_segment = 1 << 20;  // no note or interpreter path comes near it

bool read_at(int fd, void* buffer, size_t size, off_t offset) {
  return pread(fd, buffer, size, offset) == static_cast<ssize_t>(size);
}

std::string read_segment(int fd, const Elf64_Phdr& segment) {
  if (segment.p_filesz > max_segment) return {};
  std::string bytes(segment.p_filesz, '\0');
  if (!read_at(fd, bytes.data(), bytes.size(), static_cast<off_t>(segment.p_offset))) return {};
  return bytes;
}

const char* architecture_name(unsigned machine) {
  switch (machine) {
    case EM_386: return "32-bit x86";
    case EM_AARCH64: return "64-bit ARM";
    case EM_ARM: return "32-bit ARM";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "64-bit POWER";
    case EM_S390: return "s390";
    default: return nullptr;
  }
}

objection header_objection(const Elf64_Ehdr& header) {
  if (header.e_machine != EM_X86_64) {
    const char* name = architecture_name(header.e_machine);
    std::string what = name ? name : "machine " + std::to_string(header.e_machine);
    return "is built for another architecture (" + what + "); vervet runs x86-64 programs";
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
    return "is not a 64-bit program; vervet runs x86-64 programs";
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return "is an ELF file, but not an executable one";
  return {};
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

objection interpreter_objection(const std::string& path) {
  // Our libraries are made for glibc; another libc's loader would fail on them in its own words.
  if (!base_name(path).starts_with("ld-linux-x86-64.so"))
    return "needs the dynamic linker " + path + "; vervet works with glibc's alone";
  if (access(path.c_str(), X_OK) != 0)
    return "needs the dynamic linker " + path + ", which is not there";
  return {};
}

// The Go linker marks its programs with a note; they make their system calls without libc.
bool has_go_note(const std::string& notes) {
  constexpr size_t header_size = sizeof(Elf64_Nhdr);
  for (size_t at = 0; at + header_size <= notes.size();) {
    Elf64_Nhdr note;
    memcpy(&note, notes.data() + at, header_size);
    if (notes.compare(at + header_size, note.n_namesz, "Go\0\0", 4) == 0) return true;
    auto padded = [](size_t size) { return (size + 3) & ~size_t{3}; };
    at += header_size + padded(note.n_namesz) + padded(note.n_descsz);
  }
  return false;
}

}  // namespace

objection elf_objection(int fd) {
  Elf64_Ehdr header;
  // The fields up to e_machine lie alike in both classes, and a 32-bit file is never this short.
  if (!read_at(fd, &header, sizeof header, 0)) return "is not a complete ELF file";
  if (objection bad = header_objection(header)) return bad;

  if (header.e_phentsize != sizeof(Elf64_Phdr)) return "is not a well-formed ELF file";
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!read_at(fd, segments.data(), segments.size() * sizeof(Elf64_Phdr),
               static_cast<off_t>(header.e_phoff)))
    return "is not a complete ELF file";

  std::string interpreter;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_INTERP) interpreter = read_segment(fd, segment).c_str();
    if (segment.p_type == PT_NOTE && has_go_note(read_segment(fd, segment)))
      return "is a Go program, which makes its system calls without libc; "
             "vervet has nothing to stand between";
  }
  if (interpreter.empty())
    return "is statically linked; vervet can be loaded into dynamically linked programs only";
  return interpreter_objection(interpreter);
}

}  // namespace vervet::launcher
