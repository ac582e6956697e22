#include "signal/stft_analyzer.h"

#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

TEST(FrameEndsWithTheNewestSampleAndStartsInSilence) {
  const FrameSpec spec = FrameSpec::Standard();
  StftFrame frame;
  StftAnalyzer analyzer;
  Window window;
  CHECK_OK(frame.Prepare(spec));
  CHECK_OK(analyzer.Prepare(&frame));
  CHECK_OK(window.Prepare(spec));
  std::vector<float> hop(spec.hop, 0.0f), re(spec.bins()), im(spec.bins());
  hop.back() = 1.0f;
  analyzer.Process(hop.data(), re.data(), im.data());
  // One sample at the very end of the frame: a flat spectrum of the window's last value.
  for (int k = 0; k < spec.bins(); ++k) CHECK_NEAR(std::hypot(re[k], im[k]), window.analysis()[511], 1e-7);
}

TEST(ResetForgetsThePast) {
  const FrameSpec spec = FrameSpec::LowLatency();
  StftFrame frame;
  StftAnalyzer analyzer;
  CHECK_OK(frame.Prepare(spec));
  CHECK_OK(analyzer.Prepare(&frame));
  const std::vector<float> noise = TestNoise(spec.hop);
  std::vector<float> re(spec.bins()), im(spec.bins()), again_re(spec.bins()), again_im(spec.bins());
  analyzer.Process(noise.data(), re.data(), im.data());
  analyzer.Process(noise.data(), again_re.data(), again_im.data());
  CHECK(again_re != re);
  analyzer.Reset();
  analyzer.Process(noise.data(), again_re.data(), again_im.data());
  CHECK(again_re == re && again_im == im);
}

}  // namespace
}  // namespace seehear
