// A small, complete configuration for tests and the bench: float graphs, so that any function can stand in
// for them.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "enhance/hop_scheduler.h"

namespace seehear {

// One band per bin below 3 kHz, then groups of 5 bins: 96 + 33 bands for 257 bins.
inline std::vector<int> TestEdges(int bins) {
  std::vector<int> edges;
  for (int k = 0; k < bins; k += k < 96 ? 1 : 5) edges.push_back(k);
  edges.push_back(bins);
  return edges;
}

inline TensorSpec TestTensor(const char* name, int size) {
  return {name, {1, size}, DType::kFloat32, 1.0f, 0};
}

inline void AddTestNet(SchedulerConfig* config, NetSpec* net, const char* name,
                       std::vector<std::string> inputs, int input_size, int units,
                       std::vector<TensorSpec> outputs,
                       std::vector<std::pair<std::string, std::string>> roles) {
  const std::string layer = std::string(name) + "_1", head = std::string(name) + "_out";
  *net = {name, std::move(inputs), {{layer, units}}, head, std::move(roles)};
  config->graphs.push_back({layer,
                            {TestTensor("x", input_size), TestTensor("h", units)},
                            {TestTensor("gx", 3 * units), TestTensor("gh", 3 * units)}});
  config->graphs.push_back({head, {TestTensor("h", units)}, std::move(outputs)});
}

// Graphs: 0 audio_1, 1 audio_out, and with vision 2 lips_1, 3 lips_out, 4 gate_1, 5 gate_out.
inline SchedulerConfig TestConfig(const FrameSpec& frame, bool vision) {
  SchedulerConfig config;
  config.frame = frame;
  config.edges = TestEdges(frame.bins());
  const int bands = static_cast<int>(config.edges.size()) - 1;
  config.features.mean.assign(bands, 0.0f);
  config.features.std_dev.assign(bands, 2.0f);
  AddTestNet(&config, &config.audio, "audio", {"features"}, bands, 160, {TestTensor("y", bands)},
             {{"y", "irm"}});
  if (!vision) return config;
  config.has_vision = true;
  config.visual.masks_per_image = frame.rate / frame.hop / config.visual.rate;
  config.visual.mean.assign(LipFeatures::kSize, 0.0f);
  config.visual.std_dev.assign(LipFeatures::kSize, 1.0f);
  AddTestNet(&config, &config.lips, "lips", {"lips"}, LipFeatures::kSize, 64,
             {TestTensor("y", config.visual.masks_per_image * bands)}, {{"y", "ibm"}});
  AddTestNet(&config, &config.gate, "gate", {"features", "irm", "ibm", "product"}, 4 * bands, 64,
             {TestTensor("gate", bands), TestTensor("mask", bands)}, {{"gate", "gate"}, {"mask", "mask_av"}});
  return config;
}

// 50 landmarks of an upright face in units of pixels, 60 pixels between the eye centres, mouth open by `open`
// eye distances.
inline void TestFace(float open, float* landmarks) {
  for (int i = 0; i < LipGeometry::kLandmarks; ++i) {
    const float angle = 0.3f * static_cast<float>(i);
    landmarks[2 * i] = 100.0f + 15.0f * std::cos(angle);
    landmarks[2 * i + 1] = 140.0f + 5.0f * std::sin(angle);
  }
  const auto put = [landmarks](int at, float x, float y) {
    landmarks[2 * at] = x;
    landmarks[2 * at + 1] = y;
  };
  put(40, 60, 80), put(41, 80, 80), put(42, 120, 80), put(43, 140, 80);  // eye corners
  put(44, 100, 115), put(46, 100, 180);                                  // nose, chin
  put(35, 100, 140), put(25, 100, 140 + 60 * open);                      // inner lips: mesh 13, 14
}

}  // namespace seehear
