// What a call tells: the error that it throws, what it writes to stderr.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <system_error>

// No error if it throws none.
template <typename Call>
std::error_code error_of(Call call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

template <typename Body>
std::string stderr_of(Body body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}
