#include "signal/band_layout.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(PowerIsTheMeanOverTheBinsOfABand) {
  BandLayout layout;
  CHECK_OK(layout.Prepare({0, 1, 2, 4, 8}, 8, 2.0));
  const float re[8] = {1, 0, 1, 1, 2, 0, 0, 0}, im[8] = {0, 2, 0, 1, 0, 0, 2, 0};
  float power[4];
  layout.Power(re, im, power);
  CHECK_NEAR(power[0], 1.0 / 2, 1e-7);
  CHECK_NEAR(power[1], 4.0 / 2, 1e-7);
  CHECK_NEAR(power[2], 3.0 / 2 / 2, 1e-7);
  CHECK_NEAR(power[3], 8.0 / 4 / 2, 1e-7);
}

TEST(EveryBinTakesTheGainOfItsBand) {
  BandLayout layout;
  CHECK_OK(layout.Prepare({0, 1, 2, 4, 8}, 8, 1.0));
  const float gain[4] = {0.5f, 0.25f, 2.0f, 0.0f};
  float re[8], im[8];
  for (int k = 0; k < 8; ++k) re[k] = 1.0f, im[k] = -1.0f;
  layout.Apply(gain, re, im);
  const float expected[8] = {0.5f, 0.25f, 2, 2, 0, 0, 0, 0};
  for (int k = 0; k < 8; ++k) CHECK(re[k] == expected[k] && im[k] == -expected[k]);
}

TEST(EdgesThatDoNotCoverTheBinsAreRefused) {
  BandLayout layout;
  CHECK_ERROR(layout.Prepare({0, 4}, 8, 1.0), "run from 0 to 8");
  CHECK_ERROR(layout.Prepare({1, 8}, 8, 1.0), "run from 0 to 8");
  CHECK_ERROR(layout.Prepare({0, 4, 4, 8}, 8, 1.0), "must rise");
  CHECK_ERROR(layout.Prepare({0}, 8, 1.0), "at least 2");
}

}  // namespace
}  // namespace seehear
