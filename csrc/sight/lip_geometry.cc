#include "sight/lip_geometry.h"

#include <cmath>

namespace seehear {
namespace {

// Positions, in the order of the 50 landmarks, of the face mesh points that the geometry uses (MESH_n is mesh
// point n).
enum Position {
  kMesh61 = 0,
  kMesh17 = 5,
  kMesh402 = 27,
  kMesh291 = 10,
  kMesh0 = 15,
  kMesh78 = 20,
  kMesh178 = 23,
  kMesh14 = 25,
  kMesh308 = 30,
  kMesh81 = 33,
  kMesh13 = 35,
  kMesh311 = 37,
  kMesh33 = 40,
  kMesh133 = 41,
  kMesh362 = 42,
  kMesh263 = 43,
  kMesh1 = 44,
  kMesh152 = 46,
};

struct Pair {
  int from, to;
};

constexpr Pair kPairs[LipGeometry::kDistances] = {
    {kMesh13, kMesh14}, {kMesh81, kMesh178}, {kMesh311, kMesh402}, {kMesh78, kMesh308}, {kMesh61, kMesh291},
    {kMesh0, kMesh17},  {kMesh0, kMesh13},   {kMesh14, kMesh17},   {kMesh1, kMesh152},  {kMesh1, kMesh17},
};

bool IsWidth(int distance) { return distance == 3 || distance == 4; }

}  // namespace

bool LipGeometry::Measure(const float* landmarks, float* distances) noexcept {
  for (int i = 0; i < 2 * kLandmarks; ++i) {
    if (!std::isfinite(landmarks[i])) return false;
  }
  const auto x = [landmarks](int p) { return static_cast<double>(landmarks[2 * p]); };
  const auto y = [landmarks](int p) { return static_cast<double>(landmarks[2 * p + 1]); };
  const double dx = (x(kMesh362) + x(kMesh263) - x(kMesh33) - x(kMesh133)) / 2;
  const double dy = (y(kMesh362) + y(kMesh263) - y(kMesh33) - y(kMesh133)) / 2;
  const double eye_squared = dx * dx + dy * dy;
  if (!(eye_squared > 0) || !std::isfinite(eye_squared)) return false;
  const double eye = std::sqrt(eye_squared);
  for (int i = 0; i < kDistances; ++i) {
    const double px = x(kPairs[i].to) - x(kPairs[i].from);
    const double py = y(kPairs[i].to) - y(kPairs[i].from);
    // The downward axis of the upright head is (-dy, dx) / eye.
    distances[i] = static_cast<float>(IsWidth(i) ? std::sqrt(px * px + py * py) / eye
                                                 : (py * dx - px * dy) / eye_squared);
  }
  return true;
}

}  // namespace seehear
