#include "signal/stft_synthesizer.h"

#include "signal/stft_analyzer.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

void CheckReconstruction(const FrameSpec& spec) {
  StftFrame frame;
  StftAnalyzer analyzer;
  StftSynthesizer synthesizer;
  CHECK_OK(frame.Prepare(spec));
  CHECK_OK(analyzer.Prepare(&frame));
  CHECK_OK(synthesizer.Prepare(&frame));
  const int hops = 200, count = hops * spec.hop, shift = synthesizer.latency();
  const std::vector<float> x = TestNoise(count);
  std::vector<float> y(count), re(spec.bins()), im(spec.bins());
  for (int n = 0; n < hops; ++n) {
    analyzer.Process(x.data() + n * spec.hop, re.data(), im.data());
    synthesizer.Process(re.data(), im.data(), y.data() + n * spec.hop);
  }
  double error = 0, energy = 0;
  for (int i = shift; i < count; ++i) {
    error += std::pow(static_cast<double>(y[i]) - x[i - shift], 2);
    energy += std::pow(static_cast<double>(x[i - shift]), 2);
  }
  const double relative = std::sqrt(error / energy);
  std::printf("    %d / %d / %d: relative reconstruction error %.2g\n", spec.analysis, spec.synthesis,
              spec.hop, relative);
  CHECK(relative <= 1e-6);
}

TEST(AnalysisAndSynthesisReconstructPerfectlyLateByTheShift) {
  CheckReconstruction(FrameSpec::Standard());
  CheckReconstruction(FrameSpec::LowLatency());
  CheckReconstruction({16000, 512, 512, 256});
}

TEST(LatencyIsSynthesisMinusHop) {
  StftFrame frame;
  StftSynthesizer synthesizer;
  CHECK_OK(frame.Prepare(FrameSpec::Standard()));
  CHECK_OK(synthesizer.Prepare(&frame));
  CHECK(synthesizer.latency() == 160);
  CHECK_OK(frame.Prepare(FrameSpec::LowLatency()));
  CHECK_OK(synthesizer.Prepare(&frame));
  CHECK(synthesizer.latency() == 80);
}

}  // namespace
}  // namespace seehear
