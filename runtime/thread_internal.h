// Pieces of a thread's life that only the runtime itself uses.
#pragma once

#include <stdint.h>

#include "runtime/fiber.h"

namespace vervet::thread {

// Runs key destructors of the calling identity, in rounds. The program's code: in_runtime == 0.
void run_key_destructors();

// The main thread's fiber, made from the calling thread at wake-up; null if memory is short.
fiber* adopt_main();
fiber* main_fiber();

// In a forked child: nobody is left but the caller, as an ordinary thread.
void forget_all();

}  // namespace vervet::thread
