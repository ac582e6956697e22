// Result of a prepare step: ok, or one sentence that says what was expected and what came.
#pragma once

#include <cstdarg>
#include <string>

#include "base/sentence.h"

namespace seehear {

class Status {
 public:
  static Status Ok() { return Status(); }

  // format: as printf, with %s, %d and %g.
#if defined(__GNUC__)
  __attribute__((format(printf, 1, 2)))
#endif
  static Status Error(const char* format, ...) {
    Status status;
    va_list args;
    va_start(args, format);
    status.sentence_.Format(format, args);
    va_end(args);
    return status;
  }

  bool ok() const { return sentence_.empty(); }
  const char* text() const { return sentence_.c_str(); }
  std::string message() const { return text(); }

 private:
  Sentence sentence_;
};

// Leaves the calling prepare step with the first error.
#define SEEHEAR_RETURN_IF_ERROR(expression)                      \
  do {                                                           \
    ::seehear::Status status_of_expression = (expression);       \
    if (!status_of_expression.ok()) return status_of_expression; \
  } while (false)

}  // namespace seehear
