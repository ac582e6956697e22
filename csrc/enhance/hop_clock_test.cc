#include "enhance/hop_clock.h"

#include <thread>

#include "testing/test.h"

namespace seehear {
namespace {

constexpr uint64_t kFull = uint64_t{1} << 32;

TEST(HopsGoOnBeyondThirtyTwoBits) {
  HopClock clock;
  CHECK(clock.Get() == 0);
  clock.Set(kFull - 1);
  clock.Step();
  CHECK(clock.Get() == kFull);
  clock.Step();
  CHECK(clock.Get() == kFull + 1);
  clock.Set(0);
  CHECK(clock.Get() == 0);
}

// The counting thread crosses the carry again and again; whoever reads never sees time run backwards or leap
// ahead.
TEST(AReaderNeverSeesHalfACarry) {
  constexpr uint64_t kAround = 50, kLast = 3000;
  HopClock clock;
  clock.Set(kFull - kAround);
  std::thread writer([&clock] {
    for (uint64_t high = 1; high < kLast; ++high) {
      for (uint64_t n = high * kFull - kAround; n < high * kFull + kAround; ++n) clock.Set(n);
    }
  });
  uint64_t last = 0;
  bool steady = true;
  while (last < (kLast - 1) * kFull + kAround - 1) {
    const uint64_t now = clock.Get();
    const uint64_t low = now & (kFull - 1);
    steady = steady && now >= last && (low < kAround || low >= kFull - kAround);
    last = now;
  }
  writer.join();
  CHECK(steady);
}

}  // namespace
}  // namespace seehear
