#include "sight/lip_features.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(FeaturesFollowTheDefinition) {
  LipFeatures features;
  CHECK_OK(features.Prepare(std::vector<float>(24, 0.0f), std::vector<float>(24, 1.0f), 4.0f));
  float d[10], f[24], mean[10] = {}, previous[10] = {};
  for (int tick = 0; tick < 100; ++tick) {
    for (int i = 0; i < 10; ++i) d[i] = 0.3f + 0.1f * std::sin(0.7f * static_cast<float>(tick * (i + 1)));
    features.Process(d, 0.01f * static_cast<float>(tick), f);
    for (int i = 0; i < 10; ++i) {
      mean[i] += (d[i] - mean[i]) / static_cast<float>(std::min(tick + 1, 75));
      CHECK_NEAR(f[i], d[i] - mean[i], 1e-6);
      CHECK_NEAR(f[10 + i], tick ? d[i] - previous[i] : 0.0f, 1e-6);
      previous[i] = d[i];
    }
    for (int i = 0; i < 3; ++i) CHECK(f[20 + i] == d[i]);
    CHECK_NEAR(f[23], std::min(0.01 * tick, 0.25), 1e-6);
  }
}

TEST(FirstTickAfterResetHasNoDeviationAndNoSpeed) {
  LipFeatures features;
  CHECK_OK(features.Prepare(std::vector<float>(24, 0.0f), std::vector<float>(24, 1.0f), 4.0f));
  float d[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, f[24];
  for (int tick = 0; tick < 2; ++tick) {
    features.Process(d, 0.0f, f);
    for (int i = 0; i < 20; ++i) CHECK(f[i] == 0.0f);
    for (float& x : d) x += 1.0f;
    features.Reset();
  }
}

TEST(StatisticsNormaliseAndClip) {
  LipFeatures features;
  CHECK_OK(features.Prepare(std::vector<float>(24, 1.0f), std::vector<float>(24, 0.5f), 4.0f));
  const float d[10] = {2, 9, -9};
  float f[24];
  features.Process(d, 0.0f, f);
  CHECK(f[0] == -2.0f && f[20] == 2.0f && f[21] == 4.0f && f[22] == -4.0f);
}

TEST(StatisticsOfTheWrongLengthAreRefused) {
  LipFeatures features;
  CHECK_ERROR(features.Prepare(std::vector<float>(23, 0.0f), std::vector<float>(24, 1.0f), 4.0f),
              "24 values, got 23");
  CHECK_ERROR(features.Prepare(std::vector<float>(24, 0.0f), std::vector<float>(24, 0.0f), 4.0f), "above 0");
}

}  // namespace
}  // namespace seehear
