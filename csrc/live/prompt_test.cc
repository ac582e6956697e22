#include "live/prompt.h"

#include <cmath>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(APromptIsWholeAndTheSoundBeneathItIsDuckedAndComesBack) {
  Prompt prompt;
  prompt.Prepare(16000);
  const std::vector<float> words(4000, 0.5f);
  CHECK(prompt.Say(words.data(), 4000));
  CHECK(!prompt.Say(words.data(), 4000));  // one at a time
  double sum = 0, worst = 0;
  float last = 0.1f;
  for (int hop = 0; hop < 60; ++hop) {
    std::vector<float> sound(160, 0.1f);
    prompt.Mix(sound.data(), 160);
    for (float x : sound) {
      if (x > 0.3f) {
        sum += 1;
        CHECK_NEAR(x, 0.525, 1e-6);
      } else
        worst = std::max(worst, static_cast<double>(std::abs(x - last)));
      last = x > 0.3f ? 0.025f : x;
    }
  }
  CHECK(sum == 4000);
  CHECK(worst < 2e-4);
  CHECK_NEAR(last, 0.1, 1e-6);
  CHECK(!prompt.speaking());
}

TEST(AHushedPromptFadesAway) {
  Prompt prompt;
  prompt.Prepare(16000);
  const std::vector<float> words(160000, 0.5f);
  CHECK(prompt.Say(words.data(), 160000));
  std::vector<float> sound(1600, 0.0f);
  prompt.Mix(sound.data(), 1600);
  prompt.Hush();
  float last = sound.back();
  double worst = 0;
  std::vector<float> rest(1600, 0.0f);
  prompt.Mix(rest.data(), 1600);
  for (float x : rest) {
    worst = std::max(worst, static_cast<double>(std::abs(x - last)));
    last = x;
  }
  CHECK(worst < 1e-3);
  CHECK(!prompt.speaking());
}

}  // namespace
}  // namespace seehear
