#include "live/audio_ring.h"

#include <thread>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(WhatIsWrittenIsReadInOrderOverManyTurns) {
  AudioRing ring;
  CHECK_OK(ring.Prepare(100));
  CHECK(ring.capacity() == 128);
  float next = 0, expected = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    std::vector<float> in(static_cast<size_t>(turn % 97)), out(in.size());
    for (float& x : in) x = next++;
    CHECK(ring.Write(in.data(), turn % 97) == turn % 97);
    CHECK(ring.Fill() == turn % 97);
    CHECK(ring.Read(out.data(), turn % 97) == turn % 97);
    for (float x : out) CHECK(x == expected++);
  }
}

TEST(AFullRingTakesWhatFitsAndAnEmptyOneGivesWhatIsThere) {
  AudioRing ring;
  CHECK_OK(ring.Prepare(8));
  const float in[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  float out[10] = {};
  CHECK(ring.Write(in, 10) == 8);
  CHECK(ring.Write(in, 1) == 0);
  CHECK(ring.Drop(3) == 3);
  CHECK(ring.Read(out, 10) == 5);
  CHECK(out[0] == 3 && out[4] == 7);
  CHECK(ring.Read(out, 1) == 0 && ring.Drop(1) == 0);
}

TEST(TwoThreadsLoseNothing) {
  AudioRing ring;
  CHECK_OK(ring.Prepare(64));
  constexpr int kCount = 300000;
  std::thread writer([&ring] {
    for (int i = 0; i < kCount;) {
      const float x = static_cast<float>(i);
      const int wrote = ring.Write(&x, 1);
      i += wrote;
      if (wrote == 0) std::this_thread::yield();
    }
  });
  int wrong = 0;
  for (int i = 0; i < kCount;) {
    float x[7];
    const int count = ring.Read(x, 7);
    if (count == 0) std::this_thread::yield();
    for (int k = 0; k < count; ++k) wrong += x[k] != static_cast<float>(i++);
  }
  writer.join();
  CHECK(wrong == 0);
}

TEST(SizesOutOfRangeAreRefused) {
  AudioRing ring;
  CHECK_ERROR(ring.Prepare(0), "got 0");
  CHECK_ERROR(ring.Prepare((1 << 24) + 1), "16777216 samples");
}

}  // namespace
}  // namespace seehear
