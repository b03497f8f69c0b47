// The one internal door from interpose/ into the runtime.
#pragma once

#include "runtime/cancel.h"
#include "runtime/check.h"
#include "runtime/deadline.h"
#include "runtime/descriptor.h"
#include "runtime/fiber.h"
#include "runtime/fork.h"
#include "runtime/interrupt.h"
#include "runtime/kernel_threads.h"
#include "runtime/offload.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/signal.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"
