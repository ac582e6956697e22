// A number of hops of the core, with a face in sight and graphs that cost nothing, and nothing else: for
// benchmarks/callgrind.py, which counts instructions.
// usage: seehear_instructions HOPS
#include <cstdlib>
#include <vector>

#include "nets/net_kernel.h"
#include "testing/test_config.h"
#include "testing/test_invoke.h"

int main(int argc, char** argv) {
  const int hops = argc > 1 ? std::atoi(argv[1]) : 0;
  seehear::UseNetKernel("scalar");  // the count is of the compiler's code, whatever the machine
  seehear::HopScheduler scheduler;
  if (!scheduler.Prepare(seehear::TestConfig(seehear::FrameSpec::Standard(), true)).ok()) return 1;
  scheduler.set_invoke({[](void*, int) { return 0; }, nullptr});
  const std::vector<float> noise = seehear::TestNoise(16000);
  float face[2 * seehear::LipGeometry::kLandmarks], out[160];
  for (int n = 0; n < hops; ++n) {
    if (n % 4 == 0) {
      seehear::TestFace(0.0001f * static_cast<float>(n), face);
      scheduler.See(face, scheduler.now() - 0.06);
    }
    scheduler.Process(noise.data() + n % 100 * 160, out);
  }
  return scheduler.counters().Get(seehear::Counter::kGateRuns) > 0 || hops < 100 ? 0 : 1;
}
