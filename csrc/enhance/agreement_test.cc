#include "enhance/agreement.h"

#include <cmath>

#include "testing/test.h"

namespace seehear {
namespace {

// Hops of lips and sound, one value in all three bands: from the number of the hop since the start of the
// test.
struct Scene {
  Agreement agreement;
  int rate, hop = 0;

  explicit Scene(int hops_per_second = 100) : rate(hops_per_second) { agreement.Prepare(rate); }

  template <typename Lips, typename Sound>
  float Play(double seconds, Lips lips, Sound sound) {
    for (const int end = hop + static_cast<int>(seconds * rate); hop < end; ++hop) {
      const double t = static_cast<double>(hop) / rate;
      const float l = static_cast<float>(lips(t)), s = static_cast<float>(sound(t));
      const float both[2][3] = {{l, l, l}, {s, s, s}};
      agreement.Hear(both[0], both[1], 3);
    }
    return agreement.value();
  }
};

double Syllables(double t) { return 0.5 + 0.4 * std::sin(25.0 * t); }
double Others(double t) { return 0.5 + 0.4 * std::sin(17.0 * t); }
double Still(double) { return 0.3; }

TEST(LipsThatMoveWithTheSoundAgreeAndOthersDoNot) {
  const auto inverse = [](double t) { return 1.0 - Syllables(t); };
  CHECK(Scene().Play(5, Syllables, Syllables) > 0.95f);
  CHECK(std::abs(Scene().Play(5, Others, Syllables)) < 0.1f);
  CHECK(Scene().Play(5, inverse, Syllables) < -0.95f);
}

TEST(WhatStandsStillAgreesWithNothing) {
  const auto trembling = [](double t) { return 0.3 + 0.001 * std::sin(25.0 * t); };
  CHECK_NEAR(Scene().Play(5, Still, Syllables), 0, 1e-3);
  CHECK_NEAR(Scene().Play(5, Syllables, Still), 0, 1e-3);
  CHECK(Scene().Play(5, trembling, Syllables) < 0.1f);
}

TEST(NothingIsSaidInTheFirstSecondOfAFace) {
  Scene scene;
  CHECK(scene.Play(0.99, Syllables, Syllables) == 0.0f);
  CHECK(scene.Play(0.01, Syllables, Syllables) > 0.8f);
  scene.agreement.Reset();
  CHECK(scene.agreement.value() == 0.0f);
  CHECK(scene.Play(0.99, Syllables, Syllables) == 0.0f);
}

TEST(ItForgetsWithinSecondsWhatWas) {
  Scene scene;
  CHECK(scene.Play(60, Syllables, Syllables) > 0.95f);
  CHECK(scene.Play(6, Others, Syllables) < 0.6f);
  CHECK(scene.Play(20, Others, Syllables) < 0.15f);
}

TEST(ItLastsAsManySecondsAtAnyHop) {
  Scene standard(100), quick(200);
  for (Scene* scene : {&standard, &quick}) {
    scene->Play(10, Syllables, Syllables);
    scene->Play(5, Others, Syllables);
  }
  CHECK_NEAR(standard.agreement.value(), quick.agreement.value(), 0.02);
}

}  // namespace
}  // namespace seehear
