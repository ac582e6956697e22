#include "nets/int8_executor.h"

#include "testing/test.h"

namespace seehear {
namespace {

const int8_t kWeights[4] = {1, 2, 3, 4};
const int32_t kBias[2] = {10, 20}, kMultiplier = 1 << 30, kShift = 30;

TensorSpec Int8Tensor(const char* name, int size) { return {name, {1, size}, DType::kInt8, 1.0f, 0}; }

struct Fixture {
  Vector<Graph> graphs;
  Vector<Int8Graph> layers;
  Int8Executor executor;

  Fixture() {
    CHECK_OK(graphs.Allocate(1));
    CHECK_OK(graphs[0].Prepare({"out", {Int8Tensor("h", 2)}, {Int8Tensor("y", 2)}}));
    CHECK_OK(layers.Allocate(1));
    layers[0].name = "out";
    CHECK_OK(layers[0].steps.Allocate(1));
    Int8Graph::Step& step = layers[0].steps[0];
    step.input = "h";
    step.output = "y";
    step.layer = {2, 2, kWeights, kBias, &kMultiplier, &kShift, 1, 0, nullptr};
  }
};

TEST(GraphsRunOnTheirTensors) {
  Fixture f;
  CHECK_OK(f.executor.Prepare(&f.graphs, f.layers));
  auto* h = static_cast<int8_t*>(f.graphs[0].Input("h")->data());
  const auto* y = static_cast<int8_t*>(f.graphs[0].Output("y")->data());
  h[0] = 5;
  h[1] = -7;
  CHECK(f.executor.invoke()(0));
  CHECK(y[0] == 10 + 5 - 14 && y[1] == 20 + 15 - 28);
  CHECK(!f.executor.invoke()(1) && !f.executor.invoke()(-1));
}

TEST(WhatDoesNotFitIsNamed) {
  Fixture f;
  f.layers[0].name = "other";
  CHECK_ERROR(f.executor.Prepare(&f.graphs, f.layers), "the flat model has no graph out");
  f.layers[0].name = "out";
  f.layers[0].steps[0].input = "x";
  CHECK_ERROR(f.executor.Prepare(&f.graphs, f.layers), "a layer from x to y, the graph has h -> y");
  f.layers[0].steps[0].input = "h";
  f.layers[0].steps[0].layer.outputs = 3;
  CHECK_ERROR(f.executor.Prepare(&f.graphs, f.layers), "tensor y must be 3 int8 values, got 2 int8");
}

}  // namespace
}  // namespace seehear
