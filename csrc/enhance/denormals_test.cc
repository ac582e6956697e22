#include "base/denormals.h"

#include "base/fast_math.h"
#include "enhance/stream.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

// Whether this thread computes with denormal numbers as they are.
bool AsTheyAre() {
  volatile float tiny = 1e-39f, one = 1.0f;
  const volatile float product = tiny * one;
  return product != 0.0f;
}

// Processors without such a mode have nothing to test.
bool ModeExists() {
  const Denormals off(Denormals::kAsZero);
  return !AsTheyAre();
}

TEST(TheModeOfTheCallerComesBack) {
  CHECK(AsTheyAre());
  if (!ModeExists()) return;
  {
    const Denormals off(Denormals::kAsZero);
    {
      const Denormals on(Denormals::kAsTheyAre);
      CHECK(AsTheyAre());
    }
    CHECK(!AsTheyAre());
  }
  CHECK(AsTheyAre());
}

TEST(DenormalSoundComesOutAsSilence) {
  if (!ModeExists()) return;
  for (int rate : {16000, 48000}) {
    HopScheduler scheduler;
    Stream stream;
    CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
    CHECK_OK(stream.Prepare(&scheduler, rate));
    TestInvoke invoke(&scheduler);
    const std::vector<float> in(4800, 1e-39f);
    std::vector<float> out(in.size(), 1.0f);
    stream.Process(in.data(), static_cast<int>(in.size()), out.data());
    bool silent = true;
    for (float x : out) silent = silent && BitsFromFloat(x) == 0;
    CHECK(silent);
    CHECK(AsTheyAre());
  }
}

TEST(GraphsRunInTheModeThatCPromises) {
  HopScheduler scheduler;
  CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
  int runs = 0, as_they_are = 0;
  struct Seen {
    int* runs;
    int* as_they_are;
  } seen{&runs, &as_they_are};
  scheduler.set_invoke({[](void* context, int) {
                          auto* s = static_cast<Seen*>(context);
                          ++*s->runs;
                          *s->as_they_are += AsTheyAre();
                          return 0;
                        },
                        &seen});
  std::vector<float> block = TestNoise(160);
  scheduler.Process(block.data(), block.data());
  CHECK(runs == 2 && as_they_are == 2);
  CHECK(AsTheyAre());
}

}  // namespace
}  // namespace seehear
