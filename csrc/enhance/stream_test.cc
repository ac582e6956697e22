#include "enhance/stream.h"

#include <algorithm>
#include <limits>

#include "signal/sample_convert.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

constexpr int kRates[] = {8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 15999};

struct Fixture {
  HopScheduler scheduler;
  TestInvoke invoke{&scheduler};
  Stream stream;

  explicit Fixture(int rate, FrameSpec frame = FrameSpec::Standard(), int block = 0) {
    CHECK_OK(scheduler.Prepare(TestConfig(frame, false)));
    CHECK_OK(stream.Prepare(&scheduler, rate, block));
  }

  // Without graphs every mask is 1: what goes through the whole chain comes out of it as it was.
  void PassThrough() { scheduler.set_invoke({}); }

  template <typename Sample>
  std::vector<Sample> Run(const std::vector<Sample>& in, int block) {
    std::vector<Sample> out(in.size());
    for (size_t i = 0; i < in.size(); i += block) {
      const int count = static_cast<int>(std::min(in.size() - i, static_cast<size_t>(block)));
      stream.Process(in.data() + i, count, out.data() + i);
    }
    return out;
  }
};

TEST(LatencyAtTheCoresRateIsShiftPlusHopMinusOne) {
  CHECK(Fixture(16000).stream.latency() == 319);
  CHECK(Fixture(16000, FrameSpec::LowLatency()).stream.latency() == 159);
}

TEST(ImpulsePeaksAtTheStatedLatencyAtEveryRate) {
  for (const FrameSpec& frame : {FrameSpec::Standard(), FrameSpec::LowLatency()}) {
    for (int rate : kRates) {
      for (int position : {2000, 2111}) {
        Fixture f(rate, frame);
        f.PassThrough();
        std::vector<float> in(8000, 0.0f);
        in[position] = 1.0f;
        const std::vector<float> out = f.Run(in, 8000);
        const int peak = static_cast<int>(std::max_element(out.begin(), out.end()) - out.begin());
        CHECK(peak - position == f.stream.latency());
        // The response is symmetric around it: the latency is exact, not rounded.
        for (int i = 1; i < 20; ++i) CHECK_NEAR(out[peak - i], out[peak + i], 2e-3);
      }
    }
  }
}

TEST(BlocksOfWholeHopsLagAHopLess) {
  CHECK(Fixture(16000, FrameSpec::Standard(), 160).stream.latency() == 160);
  CHECK(Fixture(16000, FrameSpec::Standard(), 480).stream.latency() == 160);
  CHECK(Fixture(16000, FrameSpec::LowLatency(), 80).stream.latency() == 80);
  for (int rate : {8000, 16000, 32000, 44100, 48000}) {
    const int hop = rate / 100;
    Fixture f(rate, FrameSpec::Standard(), hop), any(rate);
    f.PassThrough();
    any.PassThrough();
    CHECK_NEAR(any.stream.latency() - f.stream.latency(), 159.0 * rate / 16000, 1.0);
    std::vector<float> in(40 * hop, 0.0f);
    in[21 * hop + 7] = 1.0f;
    const std::vector<float> out = f.Run(in, hop);
    const int peak = static_cast<int>(std::max_element(out.begin(), out.end()) - out.begin());
    CHECK(peak - (21 * hop + 7) == f.stream.latency());
    for (int i = 1; i < 20; ++i) CHECK_NEAR(out[peak - i], out[peak + i], 2e-3);
  }
}

TEST(BlocksOfWholeHopsGiveTheSameSoundEarlier) {
  for (int rate : {16000, 48000}) {
    const int hop = rate / 100;
    Fixture any(rate), f(rate, FrameSpec::Standard(), hop);
    const std::vector<float> in = TestNoise(50 * hop);
    const std::vector<float> late = any.Run(in, 333);
    std::vector<float> out = f.Run(in, 2 * hop), tail(f.stream.latency());
    f.stream.Flush(tail.data());
    const int earlier = any.stream.latency() - f.stream.latency();
    for (size_t i = earlier; i < late.size(); ++i) CHECK(late[i] == out[i - earlier]);
    out.insert(out.end(), tail.begin(), tail.end());
    std::vector<float> rest(any.stream.latency());
    any.stream.Flush(rest.data());
    for (size_t i = 0; i < rest.size(); ++i) CHECK(rest[i] == out[late.size() - earlier + i]);
  }
}

TEST(StrengthZeroIsTheInputItselfAtEveryRate) {
  for (int rate : kRates) {
    Fixture f(rate), g(rate);
    f.scheduler.set_strength(0.0f);
    g.scheduler.set_strength(0.0f);
    const std::vector<float> in = TestNoise(9000);
    const std::vector<float> out = f.Run(in, 333);
    std::vector<int16_t> whole(in.size());
    for (size_t i = 0; i < in.size(); ++i) whole[i] = static_cast<int16_t>(7919 * i);
    const std::vector<int16_t> as_int16 = g.Run(whole, 333);
    const int latency = f.stream.latency();
    for (size_t i = 0; i < out.size(); ++i) {
      const bool before = i < static_cast<size_t>(latency);
      CHECK(out[i] == (before ? 0.0f : in[i - latency]));
      CHECK(as_int16[i] == (before ? 0 : whole[i - latency]));
    }
    CHECK(g.scheduler.counters().Get(Counter::kSaturatedSamples) == 0);
  }
}

TEST(ChangesOfStrengthToAndFromZeroDoNotClick) {
  for (int rate : {16000, 48000}) {
    Fixture f(rate);
    // 200 Hz, and at 48 kHz a tone above the model's band, which only strength 0 lets through.
    std::vector<float> in(rate), out(rate);
    for (int i = 0; i < rate; ++i) {
      const double t = 6.283185307179586 * i / rate;
      in[i] = static_cast<float>(0.3 * std::sin(200 * t) + (rate > 16000 ? 0.05 * std::sin(10000 * t) : 0.0));
    }
    for (int i = 0; i < rate; i += rate / 10) {
      f.scheduler.set_strength(i / (rate / 10) % 2 ? 0.0f : 1.0f);
      f.stream.Process(in.data() + i, rate / 10, out.data() + i);
    }
    // Nothing steeper than the sound itself, whichever of the two is heard.
    float steepest = 0.0f, most = 0.0f;
    for (int i = 1; i < rate; ++i) {
      steepest = std::max(steepest, std::abs(in[i] - in[i - 1]));
      most = std::max(most, std::abs(out[i] - out[i - 1]));
    }
    CHECK(most <= 1.1f * steepest);
  }
}

TEST(ResamplingAddsAtMostTwoMillisecondsEachWay) {
  for (int rate : kRates) {
    const double ms = 1000.0 * Fixture(rate).stream.latency() / rate;
    CHECK(ms >= 1000.0 * 319 / 16000 && ms <= 1000.0 * 319 / 16000 + 4.0);
  }
}

TEST(EveryBlockSizeGivesTheSameBits) {
  for (int rate : {16000, 44100, 11025}) {
    Fixture f(rate);
    const std::vector<float> in = TestNoise(3 * 8193);
    const std::vector<float> expected = f.Run(in, static_cast<int>(in.size()));
    for (int block : {1, 64, 65, 160, 161, 480, 8193}) {
      f.stream.Reset();
      CHECK(f.Run(in, block) == expected);
    }
  }
}

TEST(Int16GoesThroughTheSameChain) {
  Fixture f(16000), g(16000);
  const std::vector<float> noise = TestNoise(4000);
  std::vector<int16_t> in(noise.size());
  SampleConvert::ToInt16(noise.data(), 4000, in.data());
  std::vector<float> as_float(in.size());
  SampleConvert::ToFloat(in.data(), 4000, as_float.data());
  const std::vector<int16_t> out = f.Run(in, 480);
  const std::vector<float> expected = g.Run(as_float, 480);
  for (size_t i = 0; i < out.size(); ++i) CHECK_NEAR(out[i] / 32768.0, expected[i], 0.51 / 32768);
}

TEST(FlushGivesWhatIsStillInside) {
  for (int rate : {16000, 48000}) {
    Fixture f(rate), whole(rate);
    const std::vector<float> in = TestNoise(5000);
    std::vector<float> padded = in;
    padded.resize(in.size() + f.stream.latency(), 0.0f);
    const std::vector<float> expected = whole.Run(padded, 480);
    std::vector<float> out = f.Run(in, 333), tail(f.stream.latency());
    f.stream.Flush(tail.data());
    out.insert(out.end(), tail.begin(), tail.end());
    CHECK(out == expected);
  }
}

TEST(ANanDoesNotStayInTheResampler) {
  Fixture f(48000);
  std::vector<float> in = TestNoise(4800);
  in[100] = std::numeric_limits<float>::quiet_NaN();
  for (float x : f.Run(in, 480)) CHECK(std::isfinite(x));
  CHECK(f.scheduler.counters().Get(Counter::kNonfiniteSamples) == 1);
}

TEST(OutputSaturatesAtInt16) {
  Fixture f(16000);
  f.scheduler.set_strength(0.0f);
  std::vector<int16_t> in(2000);
  for (size_t i = 0; i < in.size(); ++i) in[i] = i % 2 ? 32767 : -32768;
  const std::vector<int16_t> out = f.Run(in, 480);
  for (size_t i = 1000; i < out.size(); ++i) CHECK(std::abs(out[i] - in[i - 319]) <= 2);
}

TEST(AStreamLivesInTheMemoryThatItAskedFor) {
  for (int rate : kRates) {
    HopScheduler scheduler;
    TestInvoke invoke(&scheduler);
    CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
    const size_t size = Stream::Memory(scheduler, rate);
    std::vector<uint64_t> memory(size / sizeof(uint64_t));
    Stream stream, small;
    {
      Arena arena(memory.data(), size);
      const Arena::Use use(&arena);
      CHECK_OK(stream.Prepare(&scheduler, rate));
      CHECK(arena.used() == size);
    }
    const std::vector<float> in = TestNoise(4800);
    std::vector<float> out(in.size());
    stream.Process(in.data(), static_cast<int>(in.size()), out.data());
    CHECK(out == Fixture(rate).Run(in, 480));
    Arena arena(memory.data(), size - Arena::kAlignment);
    const Arena::Use use(&arena);
    CHECK_ERROR(small.Prepare(&scheduler, rate), "the memory given is too small");
  }
}

TEST(RatesOutOfRangeAreRefused) {
  HopScheduler scheduler;
  CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
  Stream stream;
  CHECK_ERROR(stream.Prepare(&scheduler, 4000), "8000 to 48000 Hz, got 4000");
  CHECK(Stream::Memory(scheduler, 4000) == 0);
}

TEST(BlocksThatAreNoWholeHopsAreRefused) {
  HopScheduler scheduler;
  CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), false)));
  Stream stream;
  CHECK_ERROR(stream.Prepare(&scheduler, 16000, 100),
              "multiple of the hop, 160 samples at 16000 Hz, got 100");
  CHECK_ERROR(stream.Prepare(&scheduler, 16000, -160), "got -160");
  CHECK_ERROR(stream.Prepare(&scheduler, 22050, 220), "a hop is 220.5 samples at 22050 Hz");
}

}  // namespace
}  // namespace seehear
