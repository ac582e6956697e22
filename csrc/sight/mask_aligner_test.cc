#include "sight/mask_aligner.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(MaskJBelongsToHopMasksTimesTickPlusJ) {
  MaskAligner aligner;
  CHECK_OK(aligner.Prepare(4, 2));
  CHECK(aligner.At(0) == nullptr);
  const float masks[8] = {0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f};
  aligner.Put(masks);
  for (int hop = 0; hop < 12; ++hop) {
    CHECK(aligner.IsTick(hop) == (hop % 4 == 0));
    CHECK(aligner.At(hop)[1] == masks[2 * (hop % 4) + 1]);
  }
  aligner.Reset();
  CHECK(aligner.At(1) == nullptr);
}

TEST(MasksAreLimitedToOne) {
  MaskAligner aligner;
  CHECK_OK(aligner.Prepare(1, 2));
  const float masks[2] = {-1.0f, 3.0f};
  aligner.Put(masks);
  CHECK(aligner.At(0)[0] == 0.0f && aligner.At(0)[1] == 1.0f);
}

TEST(AnImpossibleCountIsRefused) {
  MaskAligner aligner;
  CHECK_ERROR(aligner.Prepare(0, 2), "1 to 64");
}

}  // namespace
}  // namespace seehear
