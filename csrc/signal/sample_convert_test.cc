#include "signal/sample_convert.h"

#include <limits>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(EveryInt16SurvivesTheRoundTrip) {
  for (int i = -32768; i <= 32767; ++i) {
    const int16_t in = static_cast<int16_t>(i);
    float x;
    int16_t out;
    SampleConvert::ToFloat(&in, 1, &x);
    CHECK(SampleConvert::ToInt16(&x, 1, &out) == 0 && out == in);
  }
}

TEST(Int16SaturatesAndCounts) {
  const float in[5] = {1.0f, -1.0f, 3.0f, -3.0f, std::numeric_limits<float>::quiet_NaN()};
  int16_t out[5];
  CHECK(SampleConvert::ToInt16(in, 5, out) == 3);
  CHECK(out[0] == 32767 && out[1] == -32768 && out[2] == 32767 && out[3] == -32768 && out[4] == 0);
}

TEST(NonFiniteSamplesBecomeZeroAndWildOnesAreClamped) {
  const float inf = std::numeric_limits<float>::infinity();
  const float in[6] = {0.5f, std::numeric_limits<float>::quiet_NaN(), inf, -inf, 4.5f, -1e30f};
  const float expected[6] = {0.5f, 0, 0, 0, 4, -4};
  float out[6];
  const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in, 6, out);
  CHECK(repairs.nonfinite == 3 && repairs.clamped == 2);
  for (int i = 0; i < 6; ++i) CHECK(out[i] == expected[i]);
}

TEST(SoundSamplesPassUnchanged) {
  const float in[3] = {4.0f, -4.0f, 1e-20f};
  float out[3];
  const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in, 3, out);
  CHECK(repairs.nonfinite == 0 && repairs.clamped == 0);
  for (int i = 0; i < 3; ++i) CHECK(out[i] == in[i]);
}

}  // namespace
}  // namespace seehear
