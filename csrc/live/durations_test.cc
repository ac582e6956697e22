#include "live/durations.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(QuantilesAreWithinABucketAboveTheTruth) {
  Durations durations;
  for (int i = 1; i <= 1000; ++i) durations.Add(1e-6 * i);
  CHECK(durations.count() == 1000);
  CHECK_NEAR(durations.Quantile(0.5), 515e-6, 16e-6);
  CHECK(durations.Quantile(0.99) >= 990e-6 && durations.Quantile(0.99) <= 1000.1e-6);
  CHECK_NEAR(durations.most(), 1e-3, 1e-9);
  CHECK(durations.Quantile(1) <= durations.most());
}

TEST(ExtremesFitAndNothingIsZero) {
  Durations durations;
  CHECK(durations.Quantile(0.5) == 0 && durations.most() == 0);
  durations.Add(0);
  durations.Add(-1);  // a clock that went back
  durations.Add(1e6);
  CHECK(durations.count() == 3);
  CHECK(durations.Quantile(0.5) <= 2.5e-7);
  CHECK_NEAR(durations.most(), 1e6, 1);
  durations.Reset();
  CHECK(durations.count() == 0 && durations.most() == 0);
}

}  // namespace
}  // namespace seehear
