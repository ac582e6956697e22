#include "live/playback.h"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

// A microphone of rate `rate` and a loudspeaker whose clock is off by `ppm`, asking for `frames` at a time;
// threads that come late by up to `jitter` seconds. What happens is in simulated time.
struct Cards {
  Playback playback;
  int rate = 16000, frames = 160, lump = 1;
  double ppm = 0, jitter = 0;
  uint32_t seed = 1;
  double worst_delay = 0, worst_ppm = 0;
  long long silent = 0;  // frames after the start

  double Random() {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) * (1.0 / (1 << 24));
  }

  void Run(double seconds, double from = 0, double settled = 30) {
    const int hop = rate / 100;
    std::vector<float> in(static_cast<size_t>(hop), 0.25f), out(static_cast<size_t>(frames));
    const double give_period = 0.01 * lump, take_period = frames / (rate * (1 + 1e-6 * ppm));
    double give = from + give_period, take = from + 0.3 * take_period;
    double give_at = give, take_at = take;
    while (give < from + seconds) {
      if (give_at <= take_at) {
        for (int i = 0; i < lump; ++i) playback.Give(in.data(), give_at);
        give += give_period;
        give_at = give + jitter * Random();
        if (give > from + settled) {
          worst_delay = std::max(worst_delay, playback.delay());
          worst_ppm = std::max(worst_ppm, std::abs(playback.drift_ppm() - ppm));
        }
      } else {
        const int sound = playback.Take(out.data(), frames, 1, take_at);
        if (take > from + 1) silent += frames - sound;
        take += take_period;
        take_at = take + jitter * Random();
      }
    }
  }
};

TEST(ClocksApartByAThousandPpmNeverRunDryOrOverInTenHours) {
  for (double ppm : {1000.0, -1000.0}) {
    Cards cards;
    cards.rate = 8000;   // ten hours in few seconds
    cards.frames = 171;  // 21.3 ms, in no step with the hops
    cards.ppm = ppm;
    cards.jitter = 0.003;
    CHECK_OK(cards.playback.Prepare(cards.rate, cards.rate / 100, cards.rate, true));
    const char* hours = std::getenv("SEEHEAR_HOURS");
    cards.Run(3600 * (hours != nullptr ? std::atof(hours) : 10));
    CHECK(cards.playback.underruns() == 0);
    CHECK(cards.playback.overruns() == 0);
    CHECK(cards.silent == 0);
    CHECK(cards.worst_delay < 0.045);
    CHECK(cards.worst_ppm < 300);
  }
}

TEST(TheDriftIsFoundWhereBlocksBeatWithHops) {
  // equal blocks, clocks apart by 50 ppm: where they fall goes round once in 200 s
  Cards cards;
  cards.ppm = 50;
  CHECK_OK(cards.playback.Prepare(16000, 160, 16000, true));
  cards.Run(600, 0, 60);
  CHECK(cards.playback.underruns() == 0 && cards.silent == 0);
  CHECK(cards.worst_ppm < 60);
  CHECK(cards.worst_delay <
        0.010 + 0.010 + 0.005 + 0.002 + 0.0005);  // a hop, a block, the margin, the filter
}

TEST(AMicrophoneThatGivesSeveralHopsAtOnceLeavesNoGaps) {
  Cards cards;
  cards.lump = 4;
  cards.frames = 512;
  cards.ppm = -300;
  cards.jitter = 0.002;
  CHECK_OK(cards.playback.Prepare(16000, 160, 16000, true));
  cards.Run(300);
  CHECK(cards.playback.underruns() == 0 && cards.playback.overruns() == 0);
  CHECK(cards.silent == 0);
}

TEST(LateThreadsCostUnderrunsOnlyUntilTheMarginIsWideEnough) {
  Cards cards;
  cards.jitter = 0.02;
  CHECK_OK(cards.playback.Prepare(16000, 160, 16000, true));
  cards.Run(300);
  const uint32_t first = cards.playback.underruns();
  CHECK(first <= 12);
  CHECK(cards.playback.margin() <= 0.06);
  cards.Run(300, 300);
  CHECK(cards.playback.underruns() - first <= 1);
}

TEST(NobodyListensAndThenSomebodyDoes) {
  Cards cards;
  CHECK_OK(cards.playback.Prepare(16000, 160, 16000, true));
  const std::vector<float> in(160, 0.25f);
  for (int i = 0; i < 1000; ++i) cards.playback.Give(in.data(), 0.01 * i);
  CHECK(cards.playback.overruns() == 0 && cards.playback.Fill() == 0);
  cards.Run(20, 10);
  CHECK(cards.playback.underruns() == 0 && cards.silent == 0);
}

TEST(WhatPiledUpIsCutOutWithoutAClick) {
  Playback playback;
  CHECK_OK(playback.Prepare(16000, 160, 16000, true));
  const std::vector<float> in(160, 0.5f);
  std::vector<float> out(160);
  double worst = 0, t = 0;
  float last = 0;
  for (int i = 0; i < 1000; ++i, t += 0.01) {
    playback.Give(in.data(), t);
    if (i > 400 && i < 415) continue;  // the loudspeaker's thread slept
    playback.Take(out.data(), 160, 1, t + 0.001);
    for (float x : out) {
      worst = std::max(worst, static_cast<double>(std::abs(x - last)));
      last = x;
    }
  }
  CHECK(playback.cuts() == 1 && playback.underruns() == 0);
  CHECK(playback.delay() < 0.03);
  CHECK(worst < 0.05);
}

TEST(TheDelayIsNoMoreThanBlocksAndMarginAskFor) {
  Cards cards;
  CHECK_OK(cards.playback.Prepare(16000, 160, 16000, true));
  cards.Run(60, 0, 20);
  // behind the hop: a block, the margin, the filter's 1.9 ms
  CHECK(cards.worst_delay < 0.010 + 0.010 + 0.005 + 0.002 + 0.001);
}

TEST(SoundBeginsAndBreaksOffWithoutAClick) {
  Playback playback;
  CHECK_OK(playback.Prepare(16000, 160, 16000, true));
  std::vector<float> in(160, 0.5f), out(160);
  float last = 0;
  double worst = 0;
  playback.Take(out.data(), 160, 1, 0);
  for (int i = 1; i < 30; ++i) {
    if (i < 20) playback.Give(in.data(), 0.01 * i);  // then the microphone is gone
    playback.Expect(i < 20);
    playback.Take(out.data(), 160, 1, 0.01 * i + 0.001);
    for (float x : out) {
      worst = std::max(worst, static_cast<double>(std::abs(x - last)));
      last = x;
    }
  }
  CHECK(worst < 0.05);
  CHECK(std::abs(last) < 1e-3);
  CHECK(playback.underruns() == 0 && playback.starved() == 1);
}

TEST(ALoudspeakerWithoutAClockGetsEverySampleAsItIs) {
  Playback playback;
  CHECK_OK(playback.Prepare(16000, 160, 16000, false));
  std::vector<float> in(160), out(500);
  float value = 0;
  int next = 0;
  for (int i = 0; i < 10; ++i) {
    for (float& x : in) x = 1e-4f * value++;
    playback.Give(in.data(), 0);
    const int count = playback.Take(out.data(), 500, 1, 0);
    CHECK(count == 160);
    for (int k = 0; k < count; ++k, ++next)
      CHECK(out[static_cast<size_t>(k)] == 1e-4f * static_cast<float>(next));
  }
}

TEST(EveryChannelGetsTheSoundAndInt16Saturates) {
  Playback playback;
  CHECK_OK(playback.Prepare(16000, 160, 16000, false));
  const std::vector<float> in(160, 2.0f);
  playback.Give(in.data(), 0);
  int16_t out[320];
  CHECK(playback.Take(out, 160, 2, 0) == 160);
  CHECK(out[318] == 32767 && out[319] == 32767);
}

}  // namespace
}  // namespace seehear
