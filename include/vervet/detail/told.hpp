// Not for direct use.
#pragma once

namespace vervet::detail {

// What whoever wakes a waiter of a queue or channel tells it.
enum class told {
  again,   // serving it has thrown: it looks anew itself, and meets the exception itself
  served,  // it has what it waited for
  closed,  // it will not have it
};

}  // namespace vervet::detail
