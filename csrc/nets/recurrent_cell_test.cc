#include "nets/recurrent_cell.h"

#include "testing/test.h"

namespace seehear {
namespace {

double S(double x) { return 1 / (1 + std::exp(-x)); }

TEST(AStepFollowsTheDefinition) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(2));
  const float gx[6] = {0.1f, -0.4f, 0.7f, 0.2f, -1.0f, 2.0f}, gh[6] = {0.3f, 0.5f, -0.6f, 1.0f, 0.8f, -0.2f};
  double h[2] = {0, 0};
  for (int step = 0; step < 5; ++step) {
    cell.Step(gx, gh);
    cell.Commit();
    for (int i = 0; i < 2; ++i) {
      const double z = S(gx[i] + gh[i]), r = S(gx[2 + i] + gh[2 + i]),
                   n = std::tanh(gx[4 + i] + r * gh[4 + i]);
      h[i] = z * h[i] + (1 - z) * n;
      CHECK_NEAR(cell.h()[i], h[i], 1e-6);
    }
  }
}

TEST(AStepWithoutCommitLeavesTheState) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(1));
  const float g[3] = {1, 1, 1};
  cell.Step(g, g);
  cell.Commit();
  const float before = cell.h()[0];
  cell.Step(g, g);
  CHECK(cell.h()[0] == before && cell.next_h()[0] != before);
}

TEST(ResetIsTheFirstStepAgain) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(1));
  const float g[3] = {1, 2, 3};
  cell.Step(g, g);
  const float first = cell.next_h()[0];
  cell.Commit();
  cell.Reset();
  cell.Step(g, g);
  CHECK(cell.next_h()[0] == first);
}

}  // namespace
}  // namespace seehear
