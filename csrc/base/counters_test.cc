#include "base/counters.h"

#include <cstring>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(CountersCountAndReset) {
  Counters counters;
  counters.Add(Counter::kHops);
  counters.Add(Counter::kHops, 4);
  CHECK(counters.Get(Counter::kHops) == 5 && counters.Get(Counter::kLipRuns) == 0);
  counters.Reset();
  CHECK(counters.Get(Counter::kHops) == 0);
}

TEST(NamesAreInTheOrderOfTheEnum) {
  CHECK(std::strcmp(Counters::Name(static_cast<int>(Counter::kHops)), "hops") == 0);
  CHECK(std::strcmp(Counters::Name(static_cast<int>(Counter::kImagesFrozen)), "images_frozen") == 0);
  CHECK(std::strcmp(Counters::Name(static_cast<int>(Counter::kGateFailures)), "gate_failures") == 0);
}

}  // namespace
}  // namespace seehear
