#include "signal/real_fft.h"

#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;

TEST(ForwardEqualsTheDefinition) {
  for (int length : {32, 64, 128, 256, 512, 1024}) {
    RealFft fft;
    CHECK_OK(fft.Prepare(length));
    const std::vector<float> x = TestNoise(length);
    std::vector<float> re(fft.bins()), im(fft.bins());
    fft.Forward(x.data(), re.data(), im.data());
    for (int k = 0; k < fft.bins(); ++k) {
      double expected_re = 0, expected_im = 0;
      for (int j = 0; j < length; ++j) {
        const double angle = -2 * kPi * static_cast<double>(j * k % length) / length;
        expected_re += x[j] * std::cos(angle);
        expected_im += x[j] * std::sin(angle);
      }
      CHECK_NEAR(re[k], expected_re, 5e-6);
      CHECK_NEAR(im[k], expected_im, 5e-6);
    }
  }
}

TEST(InverseUndoesForward) {
  for (int length : {32, 64, 128, 256, 512, 1024, 4096}) {
    RealFft fft;
    CHECK_OK(fft.Prepare(length));
    const std::vector<float> x = TestNoise(length, 7);
    std::vector<float> re(fft.bins()), im(fft.bins()), back(length);
    fft.Forward(x.data(), re.data(), im.data());
    fft.Inverse(re.data(), im.data(), back.data());
    for (int j = 0; j < length; ++j) CHECK_NEAR(back[j], x[j], 2e-7);
  }
}

TEST(OtherLengthsAreRefused) {
  RealFft fft;
  CHECK_ERROR(fft.Prepare(500), "power of two");
  CHECK_ERROR(fft.Prepare(16), "32 to 65536");
  CHECK_ERROR(fft.Prepare(0), "power of two");
}

}  // namespace
}  // namespace seehear
