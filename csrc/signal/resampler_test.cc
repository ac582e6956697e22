#include "signal/resampler.h"

#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kRates[] = {8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 15999, 44056};

std::vector<float> Run(Resampler* resampler, const std::vector<float>& in) {
  std::vector<float> out;
  for (float x : in) {
    resampler->Push(x);
    while (resampler->Due()) out.push_back(resampler->Pull());
  }
  return out;
}

void CheckTone(int from, int to, double hz, double tolerance) {
  Resampler resampler;
  CHECK_OK(resampler.Prepare(from, to));
  std::vector<float> tone(from / 2);
  for (size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<float>(0.5 * std::sin(2 * kPi * hz * static_cast<double>(i) / from));
  const std::vector<float> out = Run(&resampler, tone);
  const double delay = resampler.delay() / from;  // seconds
  double worst = 0;
  for (size_t k = static_cast<size_t>(to) / 100; k < out.size(); ++k) {
    const double expected = 0.5 * std::sin(2 * kPi * hz * (static_cast<double>(k) / to - delay));
    worst = std::max(worst, std::abs(out[k] - expected));
  }
  if (worst > tolerance) std::printf("    %d -> %d Hz, tone of %g Hz: error %g\n", from, to, hz, worst);
  CHECK(worst <= tolerance);
}

TEST(TonesComeOutWithExactlyTheStatedDelay) {
  for (int rate : kRates) {
    CheckTone(rate, 16000, 440.0, 5e-4);
    CheckTone(16000, rate, 440.0, 5e-4);
    CheckTone(rate, 16000, 0.35 * std::min(rate, 16000), 2e-3);
    CheckTone(16000, rate, 0.35 * std::min(rate, 16000), 2e-3);
  }
}

TEST(DelayIsAtMostTwoMilliseconds) {
  for (int rate : kRates) {
    Resampler in, out;
    CHECK_OK(in.Prepare(rate, 16000, 0.999));
    CHECK_OK(out.Prepare(16000, rate));
    CHECK(in.delay() / rate <= 0.002);
    CHECK(out.delay() / 16000 <= 0.002);
  }
}

TEST(AConstantStaysExactlyThatConstant) {
  for (int rate : kRates) {
    Resampler resampler;
    CHECK_OK(resampler.Prepare(rate, 16000));
    const std::vector<float> out = Run(&resampler, std::vector<float>(static_cast<size_t>(rate) / 10, 0.25f));
    for (size_t k = 200; k < out.size(); ++k) CHECK_NEAR(out[k], 0.25, 1e-6);
  }
}

TEST(TonesAboveTheLowerNyquistAreSuppressed) {
  Resampler resampler;
  CHECK_OK(resampler.Prepare(48000, 16000));
  std::vector<float> tone(9600);
  for (size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<float>(std::sin(2 * kPi * 9000.0 * static_cast<double>(i) / 48000));
  const std::vector<float> out = Run(&resampler, tone);
  for (size_t k = 100; k < out.size(); ++k) CHECK(std::abs(out[k]) < 1.2e-3);  // -58 dB
}

TEST(NoSampleIsLostOverManySeconds) {
  for (int rate : kRates) {
    Resampler resampler;
    CHECK_OK(resampler.Prepare(rate, 16000));
    const long long count = 3LL * rate + 17;
    const size_t out = Run(&resampler, std::vector<float>(static_cast<size_t>(count), 0.0f)).size();
    CHECK(static_cast<long long>(out) == (count * 16000 + rate - 1) / rate);
  }
}

TEST(ResetIsTheBeginningAgain) {
  Resampler resampler;
  CHECK_OK(resampler.Prepare(44100, 16000));
  const std::vector<float> noise = TestNoise(1000);
  const std::vector<float> first = Run(&resampler, noise);
  CHECK(Run(&resampler, noise) != first);
  resampler.Reset();
  CHECK(Run(&resampler, noise) == first);
}

TEST(RatesOutOfRangeAreRefused) {
  Resampler resampler;
  CHECK_ERROR(resampler.Prepare(7999, 16000), "8000 to 48000 Hz, got 7999");
  CHECK_ERROR(resampler.Prepare(16000, 96000), "got 96000");
  CHECK_ERROR(resampler.Prepare(16000, 8000, 1.0), "extra delay");
}

}  // namespace
}  // namespace seehear
