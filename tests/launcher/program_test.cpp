#include "interpose/launcher_program.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

namespace vervet::launcher {
namespace {

constexpr uid_t nobody = 65534;

class LauncherProgram : public testing::Test {
 protected:
  LauncherProgram() {
    char name[] = "/tmp/vervet-launcher-XXXXXX";
    directory_ = mkdtemp(name);
    // The capability test looks in from another user.
    chmod(directory_.c_str(), 0755);
  }
  ~LauncherProgram() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string write(const std::string& name, const std::string& content, int mode = 0755) {
    std::ofstream(path(name), std::ios::binary) << content;
    chmod(path(name).c_str(), mode);
    return path(name);
  }

  // A copy of a working program with `patch` applied to its ELF header.
  std::string patched(const std::string& name, const std::function<void(Elf64_Ehdr&)>& patch) {
    std::ifstream in(SAMPLES "/sample_dynamic", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    Elf64_Ehdr header;
    memcpy(&header, bytes.data(), sizeof header);
    patch(header);
    memcpy(bytes.data(), &header, sizeof header);
    return write(name, bytes);
  }

  std::string copy(const std::string& name) {
    return patched(name, [](Elf64_Ehdr&) {});
  }

  std::optional<refusal> run(const std::string& name) {
    found program = find_program(name, directory_.c_str());
    return program.refused ? program.refused : inspect_program(program.file, directory_.c_str());
  }

  void expect_runs(const std::string& name) {
    auto refused = run(name);
    EXPECT_FALSE(refused) << refused->why;
  }

  void expect_refused(const std::string& name, int status, const std::string& mention) {
    auto refused = run(name);
    ASSERT_TRUE(refused) << name;
    EXPECT_EQ(refused->status, status) << refused->why;
    EXPECT_NE(refused->why.find(mention), std::string::npos) << refused->why;
  }

  std::string directory_;
};

TEST_F(LauncherProgram, AMissingProgramIsNotFound) {
  expect_refused("no-such-program", 127, "not found on PATH");
  expect_refused("", 127, "not found");
  expect_refused("./no-such-program", 127, "No such file");
  expect_refused(path("no/such/program"), 127, "No such file");
}

TEST_F(LauncherProgram, ADirectoryCannotRun) {
  expect_refused(directory_, 126, "is a directory");
  expect_refused("/dev/null", 126, "not a regular file");
}

TEST_F(LauncherProgram, AFileWithoutPermissionCannotRun) {
  write("plain", "#!/bin/sh\n", 0644);
  expect_refused(path("plain"), 126, "not executable");
  expect_refused("plain", 126, "not executable");
}

TEST_F(LauncherProgram, TheSearchGoesOnPastWhatCannotRun) {
  std::filesystem::create_directory(path("first"));
  write("first/prog", "", 0644);
  std::filesystem::create_directory(path("second"));
  copy("second/prog");
  std::string search = path("first") + ":" + path("absent") + ":" + path("second");
  found program = find_program("prog", search.c_str());
  ASSERT_FALSE(program.refused) << program.refused->why;
  EXPECT_EQ(program.file, path("second/prog"));
}

TEST_F(LauncherProgram, WithoutPathTheSystemsDefaultIsSearched) {
  EXPECT_FALSE(find_program("sh", nullptr).refused);
}

TEST_F(LauncherProgram, AnEmptyPathElementIsTheCurrentDirectory) {
  std::string here = std::filesystem::current_path();
  copy("prog");
  ASSERT_EQ(chdir(directory_.c_str()), 0);
  found program = find_program("prog", "/nowhere:");
  ASSERT_EQ(chdir(here.c_str()), 0);
  ASSERT_FALSE(program.refused) << program.refused->why;
  EXPECT_EQ(program.file, "prog");
}

TEST_F(LauncherProgram, ADynamicProgramRuns) {
  expect_runs(SAMPLES "/sample_dynamic");
  expect_runs("/bin/sh");
}

TEST_F(LauncherProgram, StaticProgramsAreRefused) {
  expect_refused(SAMPLES "/sample_static", 126, "statically linked");
  expect_refused(SAMPLES "/sample_static_pie", 126, "statically linked");
}

TEST_F(LauncherProgram, GoProgramsAreRefused) {
  expect_refused(SAMPLES "/sample_go", 126, "Go program");
}

TEST_F(LauncherProgram, AnotherArchitectureIsRefused) {
  patched("arm", [](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; });
  expect_refused("arm", 126, "64-bit ARM");
  patched("i386", [](Elf64_Ehdr& header) {
    header.e_machine = EM_386;
    header.e_ident[EI_CLASS] = ELFCLASS32;
  });
  expect_refused("i386", 126, "32-bit x86");
  patched("x32", [](Elf64_Ehdr& header) { header.e_ident[EI_CLASS] = ELFCLASS32; });
  expect_refused("x32", 126, "not a 64-bit program");
}

TEST_F(LauncherProgram, BrokenAndNonExecutableElfFilesAreRefused) {
  patched("object", [](Elf64_Ehdr& header) { header.e_type = ET_REL; });
  expect_refused("object", 126, "not an executable one");
  patched("beyond", [](Elf64_Ehdr& header) { header.e_phoff = 1 << 30; });
  expect_refused("beyond", 126, "not a complete ELF file");
  patched("odd", [](Elf64_Ehdr& header) { header.e_phentsize = 1; });
  expect_refused("odd", 126, "not a well-formed ELF file");
  write("short", "\177ELF\2\1\1");
  expect_refused("short", 126, "not a complete ELF file");
}

TEST_F(LauncherProgram, NeitherElfNorScriptIsAnExecFormatError) {
  write("text", "echo hello\n");
  expect_refused("text", 126, "Exec format error");
  write("empty", "");
  expect_refused("empty", 126, "Exec format error");
}

TEST_F(LauncherProgram, AScriptRunsIfItsInterpreterDoes) {
  write("plain", "#!/bin/sh\n");
  expect_runs("plain");
  write("spaced", "#! \t/bin/sh  -e \n");
  expect_runs("spaced");
  write("unended", "#!/bin/sh");
  expect_runs("unended");
  write("nested", "#!" + path("plain") + "\n");
  expect_runs("nested");
}

TEST_F(LauncherProgram, AScriptIsRefusedForItsInterpreter) {
  write("static", "#!" SAMPLES "/sample_static -x\n");
  expect_refused("static", 126, "sample_static is statically linked");
  write("nested", "#!" + path("static") + "\n");
  expect_refused("nested", 126, "sample_static is statically linked");
  write("missing", "#!/no/such/interpreter\n");
  expect_refused("missing", 127, "/no/such/interpreter");
  write("dos", "#!/bin/sh\r\n");
  expect_refused("dos", 127, "/bin/sh\r");
  write("nothing", "#!  \n");
  expect_refused("nothing", 126, "names no interpreter");
}

TEST_F(LauncherProgram, ScriptsInACircleAreRefused) {
  write("circle", "#!" + path("circle") + "\n");
  expect_refused("circle", 126, "too many scripts");
}

TEST_F(LauncherProgram, EnvIsFollowedToTheProgramOnPath) {
  copy("good");
  for (const char* line : {"good", "-S good -x", "-S A=1 good", "-S", "-i", "A=1", ""}) {
    write("script", std::string("#!/usr/bin/env ") + line + "\n");
    expect_runs("script");
  }
  std::filesystem::create_symlink(SAMPLES "/sample_static", path("bad"));
  for (const char* line : {"bad", "-S bad -x", "-S A=1 bad", "--split-string=bad"}) {
    write("script", std::string("#!/usr/bin/env ") + line + "\n");
    expect_refused("script", 126, "statically linked");
  }
  write("script", "#!/usr/bin/env no-such-program\n");
  expect_refused("script", 127, "no-such-program: not found on PATH");
}

TEST_F(LauncherProgram, SetidProgramsAreRefusedWhereTheKernelHonoursThem) {
  if (getuid() != 0) GTEST_SKIP() << "only root can make a file another user's";
  copy("own");
  chmod(path("own").c_str(), 06755);
  expect_runs("own");  // setuid to who we are already
  copy("setuid");
  ASSERT_EQ(chown(path("setuid").c_str(), nobody, getgid()), 0);
  chmod(path("setuid").c_str(), 04755);
  expect_refused("setuid", 126, "is setuid");
  copy("setgid");
  ASSERT_EQ(chown(path("setgid").c_str(), getuid(), nobody), 0);
  chmod(path("setgid").c_str(), 02755);
  expect_refused("setgid", 126, "is setgid");
  write("script", "#!" + path("setuid") + "\n");
  expect_refused("script", 126, "is setuid");
}

TEST_F(LauncherProgram, FileCapabilitiesAreRefusedForOthersThanRoot) {
  if (getuid() != 0) GTEST_SKIP() << "only root can give a file capabilities";
  copy("capable");
  constexpr uint32_t cap_net_raw = 1u << 13;
  uint32_t capabilities[] = {0x02000001, cap_net_raw, 0, 0, 0};  // version 2, effective
  if (setxattr(path("capable").c_str(), "security.capability", capabilities, sizeof capabilities,
               0) != 0)
    GTEST_SKIP() << "the file system keeps no capabilities: " << strerror(errno);
  expect_runs("capable");

  pid_t child = fork();
  if (child == 0) {
    bool dropped = setgid(nobody) == 0 && setuid(nobody) == 0;
    auto refused = run("capable");
    bool right = dropped && refused && refused->why.find("capabilities") != std::string::npos;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vervet::launcher
