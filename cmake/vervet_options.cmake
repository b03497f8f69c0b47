# How our targets are compiled. Three kinds: programs and libraries of ours in general
# (vervet_target_options), the two libraries that live inside other people's processes
# (vervet_core_options), and programs that must know nothing of vervet, such as the examples and
# the interposition test programs (vervet_warnings alone).

# vervet_warnings(target): the warnings every file of the tree is clean under.
function(vervet_warnings target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra>)
  if(VERVET_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
  endif()
endfunction()

# vervet_sanitize(target): the sanitizer of this build, if it has one.
function(vervet_sanitize target)
  if(NOT VERVET_SANITIZE)
    return()
  endif()
  if(VERVET_SANITIZE STREQUAL "address")
    set(flags -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
    # vptr checks need RTTI, which the core is compiled without. Instrumented code makes GCC see
    # uninitialised variables where there are none.
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:C,CXX>:${flags};-fno-sanitize=vptr;-Wno-maybe-uninitialized>)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/asan_no_return.c)
    endif()
  elseif(VERVET_SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread -fno-omit-frame-pointer)
    # It does not follow fences, and GCC warns of each: what a fence orders may be reported falsely.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:${flags};-Wno-tsan>)
  else()
    message(FATAL_ERROR "VERVET_SANITIZE is address, thread or empty, not '${VERVET_SANITIZE}'")
  endif()
  target_link_options(${target} PRIVATE ${flags})
endfunction()

# vervet_target_options(target): a program, test or library of ours. Includes are written from the
# root ("runtime/fiber.h") and public ones from include/ (<vervet/vervet.h>).
function(vervet_target_options target)
  vervet_warnings(${target})
  vervet_sanitize(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
endfunction()

# vervet_core_compile_options(target): how code inside someone else's process is compiled, for
# static variants of the core as well.
#  - no exceptions, no RTTI, no guarded statics: each would need a C++ runtime in the process;
#    unwind tables stay, because pthread_exit and cancellation unwind through our frames
#  - hidden by default: what is exported is exported by name
#  - initial-exec TLS: one load from %fs, no __tls_get_addr, which may call malloc
#  - no red zone: context_raw_jump() pushes
#  - no vectors of neighbouring fields: what was stored in parts is not forwarded to a wide load
#  - no fortify: the wrappers *are* the _chk functions, and must not call themselves
function(vervet_core_compile_options target)
  vervet_target_options(${target})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE
    -U_FORTIFY_SOURCE
    -mno-red-zone
    -fno-tree-slp-vectorize
    -fvisibility=hidden
    -ftls-model=initial-exec
    -fasynchronous-unwind-tables
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti;-fno-threadsafe-statics>
    $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
endfunction()

# vervet_core_options(target): a shared library of the core. It needs libc, ld.so and its sibling at
# run time and nothing else; every symbol is resolved at start-up, because lazy binding would run
# the dynamic linker, and take its locks, in the middle of a wrapper. It is never unloaded: fibers
# may be running its code. A sanitizer brings a C++ runtime of its own, so there the rule is off.
function(vervet_core_options target)
  vervet_core_compile_options(${target})
  target_link_options(${target} PRIVATE
    -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,noexecstack
    -Wl,--as-needed -Wl,--exclude-libs,ALL)
  if(VERVET_SANITIZE STREQUAL "address")
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/asan_no_return.S)
  endif()
  if(NOT VERVET_SANITIZE)
    # GCC 12 has no -nostdlib++: leave out all default libraries and name the two that may stay.
    # They must come after what the caller links, which refers to them; hence at the directory's
    # end.
    target_link_options(${target} PRIVATE -nodefaultlibs)
    cmake_language(EVAL CODE "cmake_language(DEFER CALL
      target_link_libraries ${target} PRIVATE -lc -lgcc)")
  endif()
endfunction()
