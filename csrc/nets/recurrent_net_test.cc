#include "nets/recurrent_net.h"

#include <limits>

#include "testing/test.h"
#include "testing/test_config.h"

namespace seehear {
namespace {

// Two GRU layers and a head. Graph i adds 1 to every output on each run, so that each step differs from the
// last.
struct Fixture {
  NetSpec spec{"net", {"features"}, {{"one", 4}, {"two", 3}}, "out", {{"y", "irm"}}};
  Vector<Graph> graphs;
  RecurrentNet net;
  int failing = -1;
  bool poison = false;
  std::vector<int> order;

  Fixture() {
    CHECK_OK(graphs.Allocate(3));
    CHECK_OK(graphs[0].Prepare(
        {"one", {TestTensor("x", 5), TestTensor("h", 4)}, {TestTensor("gx", 12), TestTensor("gh", 12)}}));
    CHECK_OK(graphs[1].Prepare(
        {"two", {TestTensor("x", 4), TestTensor("h", 3)}, {TestTensor("gx", 9), TestTensor("gh", 9)}}));
    CHECK_OK(graphs[2].Prepare({"out", {TestTensor("h", 3)}, {TestTensor("y", 6)}}));
  }

  static int Run(void* context, int graph) {
    auto* self = static_cast<Fixture*>(context);
    self->order.push_back(graph);
    if (graph == self->failing) return 1;
    if (graph == 2) {
      float* y = static_cast<float*>(self->graphs[2].Output("y")->data());
      const float* h = static_cast<float*>(self->graphs[2].Input("h")->data());
      for (int i = 0; i < 6; ++i) y[i] = h[i % 3];
      if (self->poison) y[5] = std::numeric_limits<float>::quiet_NaN();
      return 0;
    }
    Graph& g = self->graphs[graph];
    float* gx = static_cast<float*>(g.Output("gx")->data());
    const float* x = static_cast<float*>(g.Input("x")->data());
    for (int i = 0; i < g.Output("gx")->size(); ++i) gx[i] = x[i % g.Input("x")->size()] + 0.1f;
    return 0;
  }

  bool Step(float value) {
    const float x[5] = {value, value, value, value, value};
    net.Feed(x, 0, 5);
    return net.Process({&Fixture::Run, this});
  }
};

TEST(LayersRunInOrderAndTheHeadLast) {
  Fixture f;
  CHECK_OK(f.net.Prepare(f.spec, 5, &f.graphs));
  CHECK(f.Step(0.5f));
  CHECK((f.order == std::vector<int>{0, 1, 2}));
}

TEST(AFailureAnywhereLeavesStateAndOutputsAsTheyWere) {
  for (int failing : {0, 1, 2}) {
    Fixture broken, whole;
    CHECK_OK(broken.net.Prepare(broken.spec, 5, &broken.graphs));
    CHECK_OK(whole.net.Prepare(whole.spec, 5, &whole.graphs));
    Status status;
    const float* y = broken.net.Output("irm", 6, &status);
    const float* expected = whole.net.Output("irm", 6, &status);
    CHECK_OK(status);
    CHECK(broken.Step(0.5f) && whole.Step(0.5f));
    broken.failing = failing;
    CHECK(!broken.Step(-0.8f));
    for (int i = 0; i < 6; ++i) CHECK(y[i] == expected[i]);
    broken.failing = -1;
    CHECK(broken.Step(0.2f) && whole.Step(0.2f));
    for (int i = 0; i < 6; ++i) CHECK(y[i] == expected[i]);
  }
}

TEST(AnOutputThatIsNotFiniteCountsAsAFailure) {
  Fixture f;
  CHECK_OK(f.net.Prepare(f.spec, 5, &f.graphs));
  f.poison = true;
  CHECK(!f.Step(0.5f));
}

TEST(MismatchesAreReportedWithTheGraphAndTheTensor) {
  Fixture f;
  CHECK_ERROR(f.net.Prepare(f.spec, 6, &f.graphs), "graph one: tensor x must hold 6 values, got 5");
  NetSpec spec = f.spec;
  spec.layers[1].units = 4;
  CHECK_ERROR(f.net.Prepare(spec, 5, &f.graphs), "graph two: tensor h must hold 4 values, got 3");
  spec = f.spec;
  spec.head = "missing";
  CHECK_ERROR(f.net.Prepare(spec, 5, &f.graphs), "names graph missing");
  spec = f.spec;
  spec.layers = {};
  CHECK_ERROR(f.net.Prepare(spec, 5, &f.graphs), "at least one layer");
  CHECK_OK(f.net.Prepare(f.spec, 5, &f.graphs));
  Status status;
  CHECK(f.net.Output("irm", 7, &status) == nullptr);
  CHECK_ERROR(status, "output irm must hold 7 values, got 6");
  CHECK(f.net.Output("ibm", 6, &status) == nullptr);
  CHECK_ERROR(status, "needs an output ibm");
}

TEST(ResetIsTheFirstStepAgain) {
  Fixture f;
  CHECK_OK(f.net.Prepare(f.spec, 5, &f.graphs));
  Status status;
  const float* y = f.net.Output("irm", 6, &status);
  CHECK(f.Step(0.5f));
  const float first = y[0];
  CHECK(f.Step(0.5f) && y[0] != first);
  f.net.Reset();
  CHECK(f.Step(0.5f) && y[0] == first);
}

}  // namespace
}  // namespace seehear
