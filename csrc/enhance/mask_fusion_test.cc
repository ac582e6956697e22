#include "enhance/mask_fusion.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(RampOpensInTenHopsAndClosesInFive) {
  MaskFusion fusion;
  CHECK_OK(fusion.Prepare(1));
  for (int i = 1; i <= 12; ++i) {
    fusion.Step(true);
    CHECK_NEAR(fusion.ramp(), std::min(i, 10) / 10.0, 1e-6);
  }
  for (int i = 1; i <= 5; ++i) {
    CHECK(fusion.open());
    fusion.Step(false);
    CHECK_NEAR(fusion.ramp(), 1.0 - 0.2 * i, 1e-6);
  }
  CHECK(!fusion.open() && fusion.ramp() == 0.0f);
}

TEST(SourcesExampleOfTheCorrectionSignal) {
  MaskFusion fusion;  // E6: IRM .8 .5 .1 .6 and IBM 1 1 0 1 with an open gate give .8 .5 0 .6
  CHECK_OK(fusion.Prepare(4));
  for (int i = 0; i < 10; ++i) fusion.Step(true);
  const float irm[4] = {0.8f, 0.5f, 0.1f, 0.6f}, ibm[4] = {1, 1, 0, 1},
              expected[4] = {0.8f, 0.5f, 0.0f, 0.6f};
  float product[4], gate[4] = {1, 1, 1, 1}, fused[4];
  for (int b = 0; b < 4; ++b) product[b] = irm[b] * ibm[b];
  fusion.Fuse(irm, product, gate, fused);
  for (int b = 0; b < 4; ++b) CHECK_NEAR(fused[b], expected[b], 1e-6);
}

TEST(GateWeighsBothMasks) {
  MaskFusion fusion;
  CHECK_OK(fusion.Prepare(1));
  for (int i = 0; i < 5; ++i) fusion.Step(true);
  const float irm = 0.8f, mask_av = 0.2f;
  float gate = 0.5f, fused;
  fusion.Fuse(&irm, &mask_av, &gate, &fused);
  CHECK_NEAR(gate, 0.25, 1e-6);
  CHECK_NEAR(fused, 0.25 * 0.2 + 0.75 * 0.8, 1e-6);
}

TEST(FloorAndStrengthLimitTheGain) {
  const float mask[3] = {0.0f, 0.5f, 1.0f};
  float gain[3];
  MaskFusion::Gain(mask, 3, 0.1f, 1.0f, gain);
  CHECK_NEAR(gain[0], 0.1, 1e-6);
  CHECK_NEAR(gain[1], 0.5, 1e-6);
  MaskFusion::Gain(mask, 3, 0.1f, 0.5f, gain);
  CHECK_NEAR(gain[0], 0.55, 1e-6);
  MaskFusion::Gain(mask, 3, 0.1f, 0.0f, gain);
  for (float g : gain) CHECK(g == 1.0f);
}

}  // namespace
}  // namespace seehear
