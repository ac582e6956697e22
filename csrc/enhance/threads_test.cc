// Images, settings and readers beside the sound, as the table of c_api.h allows. ThreadSanitizer (`make
// sanitize`) looks for what a run that ends well may hide.
#include <atomic>
#include <thread>

#include "enhance/stream.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

constexpr int kHops = 3000;

TEST(ImagesSettingsAndReadersMayComeBesideProcessAndReset) {
  HopScheduler scheduler;
  SchedulerConfig config = TestConfig(FrameSpec::Standard(), true);
  config.faces = 2;
  CHECK_OK(scheduler.Prepare(config));
  TestInvoke invoke(&scheduler);
  std::atomic<bool> done{false};
  std::atomic<int> seen{0};

  const auto show = [&](int which) {
    float face[100];
    for (int n = 0; !done; ++n) {
      TestFace(0.001f * static_cast<float>(n % 500), face);
      scheduler.See(n % 10 == 9 ? nullptr : face, scheduler.now() - 0.08, which);
    }
  };
  std::thread camera(show, 0), another(show, 1);
  std::thread application([&] {
    for (int n = 0; !done; ++n) {
      scheduler.set_strength(0.01f * static_cast<float>(n % 101));
      scheduler.set_floor_db(-0.5f * static_cast<float>(n % 100));
      scheduler.set_visual_delay_ms(static_cast<float>(n % 200));
      scheduler.set_selected(1u + static_cast<uint32_t>(n % 3));
      if (scheduler.face().state().seen() && scheduler.face().agreement() <= 1) ++seen;
      for (int i = 0; i < Counters::kCount; ++i) scheduler.counters().Get(i);
      if (scheduler.now() < 0) --seen;
    }
  });

  bool finite = true;
  std::vector<float> out(160), one(160), two(160);
  float* const rows[] = {one.data(), two.data()};
  for (int n = 0; n < kHops; ++n) {
    scheduler.Process(TestNoise(160, static_cast<uint32_t>(n)).data(), out.data(), rows);
    for (float x : out) finite = finite && std::isfinite(x);
    if (n % 500 == 499) scheduler.Reset();
  }
  done = true;
  camera.join();
  another.join();
  application.join();
  CHECK(finite && seen >= 0);
  CHECK(scheduler.counters().Get(Counter::kHops) == 0);
}

TEST(ModelsAreMadeAndRunOnThreadsOfTheirOwn) {
  constexpr int kThreads = 4;
  std::vector<float> results[kThreads];
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&result] {
      std::vector<uint64_t> memory(64 << 10);
      HopScheduler scheduler;
      Stream stream;
      Arena arena(memory.data(), memory.size() * sizeof(uint64_t));
      CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
      {
        const Arena::Use use(&arena);
        CHECK_OK(stream.Prepare(&scheduler, 48000));
      }
      TestInvoke invoke(&scheduler);
      result = TestNoise(9600);
      stream.Process(result.data(), 9600, result.data());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(result == results[0]);
}

}  // namespace
}  // namespace seehear
