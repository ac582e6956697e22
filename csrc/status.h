// Result of a prepare step: ok, or one sentence that says what was expected and what came.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>

namespace seehear {

class Status {
 public:
  static Status Ok() { return Status(); }

#if defined(__GNUC__)
  __attribute__((format(printf, 1, 2)))
#endif
  static Status Error(const char* format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    Status status;
    status.message_ = text;
    return status;
  }

  bool ok() const { return message_.empty(); }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

// Leaves the calling prepare step with the first error.
#define SEEHEAR_RETURN_IF_ERROR(expression)                      \
  do {                                                           \
    ::seehear::Status status_of_expression = (expression);       \
    if (!status_of_expression.ok()) return status_of_expression; \
  } while (false)

}  // namespace seehear
