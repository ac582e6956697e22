#include "signal/block_adapter.h"

#include "testing/test.h"

namespace seehear {
namespace {

void CopyHop(void* count, const float* in, float* out) {
  ++*static_cast<int*>(count);
  for (int i = 0; i < 4; ++i) out[i] = in[i];
}

TEST(SamplesComeLateByHopMinusOne) {
  BlockAdapter adapter;
  int hops = 0;
  CHECK_OK(adapter.Prepare(4, CopyHop, &hops));
  CHECK(adapter.latency() == 3);
  for (int i = 1; i <= 20; ++i)
    CHECK(adapter.Process(static_cast<float>(i)) == static_cast<float>(i > 3 ? i - 3 : 0));
  CHECK(hops == 5);
}

TEST(ResetDropsAHalfFilledHop) {
  BlockAdapter adapter;
  int hops = 0;
  CHECK_OK(adapter.Prepare(4, CopyHop, &hops));
  for (int i = 0; i < 6; ++i) adapter.Process(9.0f);
  adapter.Reset();
  for (int i = 1; i <= 3; ++i) CHECK(adapter.Process(static_cast<float>(i)) == 0.0f);
  CHECK(adapter.Process(4.0f) == 1.0f);
}

TEST(WithoutAFunctionNothingIsPrepared) {
  BlockAdapter adapter;
  CHECK_ERROR(adapter.Prepare(4, nullptr, nullptr), "function");
}

}  // namespace
}  // namespace seehear
