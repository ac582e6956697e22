// Times a hop of the core on this machine and prints nanoseconds per hop as JSON:
//   core       analysis, features, fusion, synthesis; no networks
//   scheduler  HopScheduler with a face in sight and graphs that cost nothing: quantising and cells included
//   stream     the same at 48 kHz: conversion, both resamplers, framing
// usage: seehear_bench [hops]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "enhance/stream.h"
#include "testing/test_config.h"

namespace {

using seehear::HopScheduler;
using Clock = std::chrono::steady_clock;

std::vector<float> Noise(int count) {
  std::vector<float> noise(count);
  uint32_t state = 1;
  for (float& x : noise) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 16777216.0f * 0.2f - 0.1f;
  }
  return noise;
}

template <typename Hop>
void Measure(const char* name, int hops, Hop run, const char* end) {
  for (int i = 0; i < 200; ++i) run(i);
  std::printf("  \"%s\": [", name);
  std::vector<long> nanoseconds(hops);
  for (int i = 0; i < hops; ++i) {
    const auto start = Clock::now();
    run(i);
    nanoseconds[i] = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  }
  for (int i = 0; i < hops; ++i) std::printf("%s%ld", i ? "," : "", nanoseconds[i]);
  std::printf("]%s\n", end);
}

}  // namespace

int main(int argc, char** argv) {
  const int hops = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5000;
  const seehear::SchedulerConfig config = seehear::TestConfig(seehear::FrameSpec::Standard(), true);
  const int hop = config.frame.hop, bins = config.frame.bins();
  const int bands = static_cast<int>(config.edges.size()) - 1;
  const std::vector<float> noise = Noise(16000);
  const auto input = [&](int i) { return noise.data() + i % 99 * hop; };
  std::vector<float> out(480);

  seehear::StftFrame stft;
  seehear::StftAnalyzer analyzer;
  seehear::StftSynthesizer synthesizer;
  seehear::BandLayout layout;
  seehear::FeatureExtractor features;
  seehear::MaskFusion fusion;
  bool ready = stft.Prepare(config.frame).ok() && analyzer.Prepare(&stft).ok() &&
               synthesizer.Prepare(&stft).ok() &&
               layout.Prepare(config.edges, bins, stft.window.analysis_energy()).ok() &&
               features.Prepare(config.features, bands).ok() && fusion.Prepare(bands).ok();
  std::vector<float> re(bins), im(bins), power(bands), feature(bands), irm(bands, 0.5f), mask_av(bands, 0.7f);
  std::vector<float> gate(bands), mask(bands), gain(bands), bin_gain(bins);

  const auto core = [&](int i) {
    analyzer.Process(input(i), re.data(), im.data());
    layout.Power(re.data(), im.data(), power.data());
    features.Process(power.data(), feature.data());
    std::fill(gate.begin(), gate.end(), 0.5f);
    fusion.Step(true);
    fusion.Fuse(irm.data(), mask_av.data(), gate.data(), mask.data());
    seehear::MaskFusion::Gain(mask.data(), bands, 0.1f, 1.0f, gain.data());
    layout.Apply(gain.data(), re.data(), im.data());
    synthesizer.Process(re.data(), im.data(), out.data());
  };

  HopScheduler scheduler;
  ready = ready && scheduler.Prepare(config).ok();
  scheduler.set_invoke({[](void*, int) { return 0; }, nullptr});
  float face[100];
  seehear::TestFace(0.1f, face);
  const auto whole = [&](int i) {
    if (i % 4 == 0) {
      face[26 * 2 + 1] += 0.001f;  // a picture that moves
      scheduler.See(face, scheduler.now() - 0.06);
    }
    scheduler.Process(input(i), out.data());
  };

  HopScheduler inner;
  seehear::Stream stream;
  ready = ready && inner.Prepare(config).ok() && stream.Prepare(&inner, 48000).ok();
  inner.set_invoke({[](void*, int) { return 0; }, nullptr});
  const auto resampled = [&](int i) { stream.Process(noise.data() + i % 30 * 480, 480, out.data()); };

  if (!ready) {
    std::fprintf(stderr, "the bench's own configuration was refused\n");
    return 1;
  }
  std::printf("{\n");
  Measure("core", hops, core, ",");
  Measure("scheduler", hops, whole, ",");
  Measure("stream", hops, resampled, "");
  std::printf("}\n");
  return 0;
}
