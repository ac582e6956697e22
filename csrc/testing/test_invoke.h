// Graphs for tests of the scheduler: arithmetic in place of networks, and failures on demand.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "enhance/hop_scheduler.h"
#include "testing/test_config.h"

namespace seehear {

// Layers mix their inputs into gx and gh; the audio head answers from h; the lip head gives mask j the value
// 0.1 (j + 1), the gate head a weight of 0.8 and a mask of 0.25.
class TestInvoke {
 public:
  explicit TestInvoke(HopScheduler* scheduler) : scheduler_(scheduler) {
    scheduler->set_invoke(
        {[](void* self, int graph) { return static_cast<TestInvoke*>(self)->Run(graph); }, this});
  }

  int failing_graph = -1;   // returns 1
  int poisoned_graph = -1;  // returns 0 and leaves a NaN
  int runs[6] = {};

 private:
  static float* Floats(TensorPort* port) { return static_cast<float*>(port->data()); }

  int Run(int graph) {
    ++runs[graph];
    if (graph == failing_graph) return 1;
    Graph& g = scheduler_->graphs()[graph];
    TensorPort* first = graph % 2 == 0 ? g.Output("gx") : graph == 5 ? g.Output("gate") : g.Output("y");
    if (graph % 2 == 0) {
      Mix(g.Input("x"), first);
      Mix(g.Input("h"), g.Output("gh"));
    } else {
      Head(graph, g, first);
    }
    if (graph == poisoned_graph) Floats(first)[0] = std::numeric_limits<float>::quiet_NaN();
    return 0;
  }

  static void Mix(TensorPort* in, TensorPort* out) {
    for (int i = 0; i < out->size(); ++i) {
      Floats(out)[i] = 0.7f * Floats(in)[i % in->size()] - 0.3f * Floats(in)[(3 * i + 1) % in->size()];
    }
  }

  void Head(int graph, Graph& g, TensorPort* out) {
    TensorPort* h = g.Input("h");
    const int bands = scheduler_->bands();
    for (int i = 0; i < out->size(); ++i) {
      Floats(out)[i] =
          graph == 3 ? 0.1f * static_cast<float>(i / bands + 1) : 0.5f + 0.4f * Floats(h)[i % h->size()];
    }
    for (int i = 0; graph == 5 && i < bands; ++i) {
      Floats(out)[i] = 0.8f;
      if (g.Output("mask") != nullptr) Floats(g.Output("mask"))[i] = 0.25f;
    }
  }

  HopScheduler* scheduler_;
};

inline std::vector<float> TestNoise(int count, uint32_t seed = 1) {
  std::vector<float> noise(count);
  for (float& x : noise) {
    seed = seed * 1664525u + 1013904223u;
    x = (static_cast<float>(seed >> 8) / 16777216.0f - 0.5f) * 0.4f;
  }
  return noise;
}

}  // namespace seehear
