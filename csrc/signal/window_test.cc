#include "signal/window.h"

#include "testing/test.h"

namespace seehear {
namespace {

void CheckReconstruction(const FrameSpec& spec) {
  Window window;
  CHECK_OK(window.Prepare(spec));
  const int start = spec.analysis - spec.synthesis;
  for (int n = 0; n < spec.hop; ++n) {
    double sum = 0;
    for (int m = n; m < spec.synthesis; m += spec.hop) {
      sum += static_cast<double>(window.analysis()[start + m]) * window.synthesis()[m];
    }
    CHECK_NEAR(sum, 1.0, 2e-7);
  }
}

TEST(ShiftedProductsOfBothWindowsAddUpToOne) {
  CheckReconstruction(FrameSpec::Standard());
  CheckReconstruction(FrameSpec::LowLatency());
  CheckReconstruction({16000, 256, 256, 128});  // symmetric
}

TEST(SymmetricPairIsTwiceTheSameWindow) {
  Window window;
  CHECK_OK(window.Prepare({16000, 256, 256, 128}));
  for (int n = 0; n < 256; ++n) CHECK_NEAR(window.synthesis()[n], window.analysis()[n], 1e-6);
}

TEST(EnergyIsTheSumOfSquares) {
  Window window;
  CHECK_OK(window.Prepare(FrameSpec::Standard()));
  double sum = 0;
  for (int n = 0; n < 512; ++n) sum += static_cast<double>(window.analysis()[n]) * window.analysis()[n];
  CHECK_NEAR(window.analysis_energy(), sum, 1e-4);
}

}  // namespace
}  // namespace seehear
