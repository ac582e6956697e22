// The least a C++ test needs: cases that register themselves, checks that say what came, a main.
// TEST(Does what) { CHECK(x > 0); CHECK_NEAR(a, b, 1e-6); CHECK_ERROR(status, "part of the sentence"); }
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace seehear::test {

struct Case {
  const char* name;
  void (*run)();
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

inline int& Failures() {
  static int failures = 0;
  return failures;
}

struct Register {
  Register(const char* name, void (*run)()) { Cases().push_back({name, run}); }
};

inline void Fail(const char* file, int line, const std::string& what) {
  std::printf("    %s:%d: %s\n", file, line, what.c_str());
  ++Failures();
}

}  // namespace seehear::test

#define TEST(name)                                                           \
  static void Test##name();                                                  \
  static const ::seehear::test::Register register_##name(#name, Test##name); \
  static void Test##name()

#define CHECK(condition)                                                                  \
  do {                                                                                    \
    if (!(condition)) ::seehear::test::Fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (false)

#define CHECK_NEAR(value, expected, tolerance)                                                            \
  do {                                                                                                    \
    const double value_ = (value), expected_ = (expected), tolerance_ = (tolerance);                      \
    if (!(std::abs(value_ - expected_) <= tolerance_)) {                                                  \
      char text_[256];                                                                                    \
      std::snprintf(text_, sizeof text_, "%s = %.9g, expected %.9g within %g", #value, value_, expected_, \
                    tolerance_);                                                                          \
      ::seehear::test::Fail(__FILE__, __LINE__, text_);                                                   \
    }                                                                                                     \
  } while (false)

#define CHECK_OK(status)                                                                                    \
  do {                                                                                                      \
    const ::seehear::Status status_ = (status);                                                             \
    if (!status_.ok()) ::seehear::test::Fail(__FILE__, __LINE__, "unexpected error: " + status_.message()); \
  } while (false)

#define CHECK_ERROR(status, part)                                                                  \
  do {                                                                                             \
    const ::seehear::Status status_ = (status);                                                    \
    if (status_.ok() || status_.message().find(part) == std::string::npos) {                       \
      ::seehear::test::Fail(__FILE__, __LINE__,                                                    \
                            "expected an error with '" part "', got '" + status_.message() + "'"); \
    }                                                                                              \
  } while (false)

int main() {
  for (const ::seehear::test::Case& test : ::seehear::test::Cases()) {
    const int before = ::seehear::test::Failures();
    test.run();
    std::printf("%s %s\n", ::seehear::test::Failures() == before ? "ok  " : "FAIL", test.name);
  }
  return ::seehear::test::Failures() == 0 ? 0 : 1;
}
