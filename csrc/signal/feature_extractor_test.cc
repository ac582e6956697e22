#include "signal/feature_extractor.h"

#include <climits>

#include "testing/test.h"

namespace seehear {
namespace {

FeatureSpec Spec(int bands) {
  FeatureSpec spec;
  spec.mean.assign(bands, 0.5f);
  spec.std_dev.assign(bands, 2.0f);
  return spec;
}

TEST(FirstFrameFollowsTheDefinition) {
  FeatureExtractor extractor;
  CHECK_OK(extractor.Prepare(Spec(3), 3));
  const float power[3] = {0.01f, 0.001f, 0.1f};
  float features[3];
  extractor.Process(power, features);
  double logp[3], level = 0;
  for (int b = 0; b < 3; ++b) level += (logp[b] = std::log(power[b] + 1e-8)) / 3;
  const double running = -11 + (level + 11) / 21;
  CHECK_NEAR(extractor.level(), running, 1e-5);
  for (int b = 0; b < 3; ++b) CHECK_NEAR(features[b], std::min(4.0, (logp[b] - running - 0.5) / 2), 1e-5);
}

TEST(DigitalSilenceLeavesTheRunningLevelAlone) {
  FeatureExtractor extractor;
  CHECK_OK(extractor.Prepare(Spec(3), 3));
  const float silence[3] = {};
  float features[3];
  for (int i = 0; i < 1000; ++i) extractor.Process(silence, features);
  CHECK(extractor.level() == -11.0f);
}

TEST(TheLargestPriorDoesNotOverflow) {
  FeatureSpec spec = Spec(3);
  spec.level_prior = INT_MAX;
  spec.level_hops = 100;
  FeatureExtractor extractor;
  CHECK_OK(extractor.Prepare(spec, 3));
  const float power[3] = {1.0f, 1.0f, 1.0f};
  float features[3];
  for (int i = 0; i < 1000; ++i) extractor.Process(power, features);
  CHECK_NEAR(extractor.level(), 0, 0.01);  // it moves by a hundredth of the way each time
}

TEST(FeaturesAreClipped) {
  FeatureExtractor extractor;
  CHECK_OK(extractor.Prepare(Spec(2), 2));
  const float power[2] = {1e6f, 0.0f};
  float features[2];
  extractor.Process(power, features);
  CHECK(features[0] == 4.0f && features[1] == -4.0f);
}

TEST(StatisticsOfTheWrongLengthAreRefused) {
  FeatureExtractor extractor;
  CHECK_ERROR(extractor.Prepare(Spec(3), 4), "4 values");
  FeatureSpec flat = Spec(3);
  flat.std_dev[1] = 0.0f;
  CHECK_ERROR(extractor.Prepare(flat, 3), "band 1");
}

}  // namespace
}  // namespace seehear
