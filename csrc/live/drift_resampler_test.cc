#include "live/drift_resampler.h"

#include <cmath>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kRates[] = {8000, 16000, 22050, 44100, 48000};

TEST(TonesComeOutAtTheirPitchWhateverTheDrift) {
  for (int from : kRates) {
    for (int to : kRates) {
      for (double ppm : {0.0, 1000.0, -1000.0}) {
        DriftResampler resampler;
        CHECK_OK(resampler.Prepare(from, to));
        resampler.SetPpm(ppm);
        const double hz = 440, rate = to * (1 + 1e-6 * ppm), delay = resampler.delay() / from;
        double worst = 0;
        long long k = 0;
        for (int i = 0; i < from / 4; ++i) {
          resampler.Push(static_cast<float>(0.5 * std::sin(2 * kPi * hz * i / from)));
          for (; resampler.Due(); ++k) {
            const double expected = 0.5 * std::sin(2 * kPi * hz * (static_cast<double>(k) / rate - delay));
            const float y = resampler.Pull();
            if (k > to / 100) worst = std::max(worst, std::abs(y - expected));
          }
        }
        CHECK_NEAR(static_cast<double>(k), rate / 4, 2);
        CHECK(worst < 1e-3);
      }
    }
  }
}

TEST(AChangeOfDriftDoesNotClick) {
  DriftResampler resampler;
  CHECK_OK(resampler.Prepare(16000, 48000));
  double last = 0, worst = 0;
  for (int i = 0; i < 16000; ++i) {
    if (i % 160 == 0) resampler.SetPpm(i / 160 % 2 != 0 ? 2000 : -2000);
    resampler.Push(static_cast<float>(std::sin(2 * kPi * 200 * i / 16000)));
    while (resampler.Due()) {
      const double y = resampler.Pull();
      if (i > 100) worst = std::max(worst, std::abs(y - last));
      last = y;
    }
  }
  CHECK(worst < 1.01 * 2 * kPi * 200 / 48000);  // the steepest step of the tone itself
}

TEST(RatesOutOfRangeAreRefused) {
  DriftResampler resampler;
  CHECK_ERROR(resampler.Prepare(96000, 16000), "got 96000");
}

}  // namespace
}  // namespace seehear
