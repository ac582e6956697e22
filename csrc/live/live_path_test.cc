#include "live/live_path.h"

#include <chrono>
#include <thread>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TEST(ThreeThreadsPassEverySampleInOrder) {
  LivePath path;
  CHECK_OK(path.Prepare(16000, 160, 16000, false));
  constexpr int kHops = 2000;
  std::thread microphone([&path] {
    int16_t block[2 * 77];
    for (int at = 0; at < kHops * 160;) {
      const int count = std::min(77, kHops * 160 - at);
      for (int i = 0; i < count; ++i)
        block[2 * i] = block[2 * i + 1] = static_cast<int16_t>((at + i) % 30000);
      if (path.capture().Fill() < 8000)
        at += path.Put(block, count, 2, Now());
      else
        std::this_thread::yield();
    }
    path.End();
  });
  std::thread enhancement([&path] {
    std::vector<float> hop(160);
    while (path.Wait()) {
      const double began = Now();
      const float* in = path.Next();
      hop.assign(in, in + 160);
      const double enhanced = Now();
      while (path.playback().Fill() > 4000) std::this_thread::yield();
      path.Give(hop.data(), enhanced);
      path.Timed(began, enhanced, Now());
    }
  });
  int next = 0, wrong = 0;
  while (path.WaitTake()) {
    int16_t out[100];
    const int count = path.Take(out, 100, 1, Now());
    for (int i = 0; i < count; ++i, ++next) wrong += next > 100 && out[i] != next % 30000;
  }
  microphone.join();
  enhancement.join();
  CHECK(next == kHops * 160);
  CHECK(wrong == 0);
  CHECK(path.hops() == kHops && path.delay().count() == kHops);
  CHECK(path.capture().overruns() == 0 && path.playback().overruns() == 0);
}

TEST(StopEndsEveryWait) {
  LivePath path;
  CHECK_OK(path.Prepare(16000, 160, 48000, true));
  std::thread enhancement([&path] { CHECK(!path.Wait()); });
  std::thread speaker([&path] { CHECK(!path.WaitTake()); });
  path.Stop();
  enhancement.join();
  speaker.join();
}

TEST(SoundThatNobodyEnhancesIsLostAndCounted) {
  LivePath path;
  CHECK_OK(path.Prepare(16000, 160, 16000, true));
  const std::vector<float> second(16000);
  CHECK(path.Put(second.data(), 16000, 1, 1.0) == 16000);
  CHECK(path.Put(second.data(), 16000, 1, 2.0) == 384);  // the ring is a power of two
  CHECK(path.capture().overruns() == 1 && path.capture().lost() == 15616);
}

TEST(WhenAHopCameIsKnownToTheBlock) {
  LivePath path;
  CHECK_OK(path.Prepare(16000, 160, 16000, true));
  const std::vector<float> block(400);
  for (int i = 0; i < 4; ++i) path.Put(block.data(), 400, 1, i);  // blocks end at 400, 800, 1200, 1600
  const double expected[] = {0, 0, 1, 1, 1, 2, 2, 3, 3, 3};
  for (double came : expected) {
    path.Next();
    CHECK(path.capture().came() == came);
  }
}

TEST(WhoListensHearsBothSidesAndHoldsUpNobody) {
  LivePath path;
  CHECK_OK(path.Prepare(16000, 160, 16000, true));
  path.Listen(true);
  std::vector<float> block(160, 0.5f), before(65536), after(65536);
  for (int i = 0; i < 500; ++i) {
    path.Put(block.data(), 160, 1, 0.01 * i);
    path.Next();
    std::vector<float> hop(160, 0.25f);
    path.Give(hop.data(), 0.01 * i);
  }
  const int count = path.Tap(before.data(), after.data(), 65536);
  CHECK(count > 60000 && count % 160 == 0);
  CHECK(before[0] == 0.5f && after[static_cast<size_t>(count) - 1] == 0.25f);
  CHECK(static_cast<int>(path.untapped()) == 500 - count / 160);
}

TEST(HopsOfNoLengthAreRefused) {
  LivePath path;
  CHECK_ERROR(path.Prepare(16000, 0, 16000, true), "hop: expected");
  CHECK_ERROR(path.Prepare(16000, 160, 4000, true), "got 4000");
}

}  // namespace
}  // namespace seehear
