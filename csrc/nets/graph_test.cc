#include "nets/graph.h"

#include "testing/test.h"
#include "testing/test_config.h"

namespace seehear {
namespace {

TEST(TensorsAreFoundByName) {
  Graph graph;
  CHECK_OK(graph.Prepare({"g", {TestTensor("x", 3), TestTensor("h", 2)}, {TestTensor("y", 5)}}));
  CHECK(graph.Input("h")->size() == 2 && graph.Output("y")->size() == 5);
  CHECK(graph.Input("y") == nullptr && graph.Output("x") == nullptr);
  CHECK(std::string(graph.TensorNames().c_str()) == "x, h -> y");
}

TEST(ABadTensorIsReportedWithItsGraph) {
  Graph graph;
  CHECK_ERROR(graph.Prepare({"lips_1", {TestTensor("x", 0)}, {}}), "graph lips_1: tensor x");
}

TEST(WithoutAFunctionEveryInvokeFails) { CHECK(!Invoke()(0)); }

}  // namespace
}  // namespace seehear
