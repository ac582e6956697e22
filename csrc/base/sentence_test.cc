#include "base/sentence.h"

#include <cstring>

#include "base/status.h"
#include "testing/test.h"

namespace {

using seehear::Sentence;
using seehear::Status;

std::string Number(double value) {
  Sentence sentence;
  sentence.Append(value);
  return sentence.c_str();
}

TEST(NumbersReadAsPrintfWritesThem) {
  const double values[] = {
      0,        1,       -1,    0.5,    10,      100,       0.1,   123456,   1234567,  1e6,       999999.7,
      0.0001,   0.00001, -3.25, 1e-8,   1.0 / 3, 2e20,      1e-30, 16000,    12.3456,  0.099999,  9.999999,
      99.99999, 4.00001, 500.5, 100000, 0.03125, -0.000123, 1e300, 65536.25, 0.999999, 0.9999999, 1.2345e-5};
  for (const double value : values) {
    char expected[64];
    std::snprintf(expected, sizeof expected, "%g", value);
    if (Number(value) != expected)
      seehear::test::Fail(__FILE__, __LINE__, Number(value) + " instead of " + expected);
  }
  CHECK(Number(0.0 / 0.0 * 1) == "nan");
}

TEST(WordsAndWholeNumbersAreFilledIn) {
  CHECK_ERROR(Status::Error("tensor %s: 100%% of %d and %d", "gx", -2147483647 - 1, 0),
              "tensor gx: 100% of -2147483648 and 0");
}

TEST(LongTextsAreCut) {
  Sentence sentence;
  for (int i = 0; i < 1000; ++i) sentence.Append("word ");
  CHECK(std::strlen(sentence.c_str()) == Sentence::kCapacity - 1);
}

}  // namespace
