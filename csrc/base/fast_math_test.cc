#include "base/fast_math.h"

#include <cmath>
#include <limits>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(ExpIsRightToAFewUnitsInTheLastPlace) {
  for (double x = -86; x < 86; x += 0.0137) {
    CHECK_NEAR(Exp(static_cast<float>(x)) / std::exp(static_cast<double>(static_cast<float>(x))), 1.0, 3e-7);
  }
}

TEST(ExpStaysFiniteFarOut) {
  CHECK(std::isfinite(Exp(1e9f)) && Exp(1e9f) > 1e37f);
  CHECK(Exp(-1e9f) >= 0.0f && Exp(-1e9f) < 1e-37f);
}

TEST(LogIsRight) {
  for (double x = 1e-30; x < 1e30; x *= 1.037) {
    const double expected = std::log(static_cast<double>(static_cast<float>(x)));
    CHECK_NEAR(Log(static_cast<float>(x)), expected, 3e-7 * (1 + std::abs(expected)));
  }
  CHECK(Log(1.0f) == 0.0f);
}

TEST(SigmoidAndTanhAreRightAndBounded) {
  for (double x = -30; x < 30; x += 0.0071) {
    const float f = static_cast<float>(x);
    CHECK_NEAR(Sigmoid(f), 1 / (1 + std::exp(-static_cast<double>(f))), 2e-7);
    CHECK_NEAR(Tanh(f), std::tanh(static_cast<double>(f)), 3e-7);
  }
  CHECK(Tanh(1e9f) == 1.0f && Tanh(-1e9f) == -1.0f);
  CHECK(Sigmoid(1e9f) == 1.0f && Sigmoid(-1e9f) >= 0.0f);
}

TEST(ClampTurnsNanIntoTheLowerBound) {
  CHECK(Clamp(std::numeric_limits<float>::quiet_NaN(), -1.0f, 1.0f) == -1.0f);
  CHECK(Clamp(5.0f, -1.0f, 1.0f) == 1.0f && Clamp(0.25f, -1.0f, 1.0f) == 0.25f);
}

}  // namespace
}  // namespace seehear
