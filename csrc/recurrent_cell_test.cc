#include "recurrent_cell.h"

#include "test.h"

namespace seehear {
namespace {

double S(double x) { return 1 / (1 + std::exp(-x)); }

TEST(GruStepFollowsTheDefinition) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(CellKind::kGru, 2));
  const float gx[6] = {0.1f, -0.4f, 0.7f, 0.2f, -1.0f, 2.0f}, gh[6] = {0.3f, 0.5f, -0.6f, 1.0f, 0.8f, -0.2f};
  double h[2] = {0, 0};
  for (int step = 0; step < 5; ++step) {
    cell.StepGru(gx, gh);
    cell.Commit();
    for (int i = 0; i < 2; ++i) {
      const double z = S(gx[i] + gh[i]), r = S(gx[2 + i] + gh[2 + i]),
                   n = std::tanh(gx[4 + i] + r * gh[4 + i]);
      h[i] = z * h[i] + (1 - z) * n;
      CHECK_NEAR(cell.h()[i], h[i], 1e-6);
    }
  }
}

TEST(LstmStepFollowsTheDefinition) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(CellKind::kLstm, 1));
  const float g[4] = {0.4f, 1.1f, -0.9f, 0.3f};
  double c = 0;
  for (int step = 0; step < 5; ++step) {
    cell.StepLstm(g);
    cell.Commit();
    c = S(g[1]) * c + S(g[0]) * std::tanh(g[2]);
    CHECK_NEAR(cell.h()[0], S(g[3]) * std::tanh(c), 1e-6);
  }
}

TEST(AStepWithoutCommitLeavesTheState) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(CellKind::kLstm, 1));
  const float g[4] = {1, 1, 1, 1};
  cell.StepLstm(g);
  cell.Commit();
  const float before = cell.h()[0];
  cell.StepLstm(g);
  CHECK(cell.h()[0] == before && cell.next_h()[0] != before);
}

TEST(ResetIsTheFirstStepAgain) {
  RecurrentCell cell;
  CHECK_OK(cell.Prepare(CellKind::kLstm, 1));
  const float g[4] = {1, 2, 3, 4};
  cell.StepLstm(g);
  const float first = cell.next_h()[0];
  cell.Commit();
  cell.Reset();
  cell.StepLstm(g);
  CHECK(cell.next_h()[0] == first);
}

}  // namespace
}  // namespace seehear
