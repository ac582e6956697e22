// Ten lip distances from 50 face landmarks: head tilt removed, in units of the distance of the eye centres.
#pragma once

namespace seehear {

class LipGeometry {
 public:
  static constexpr int kLandmarks = 50;
  static constexpr int kDistances = 10;

  // landmarks: 50 pairs x, y (x right, y down, any scale). distances: 10 values.
  // False, leaving distances alone, if a value is not finite or the eyes coincide: no face.
  static bool Measure(const float* landmarks, float* distances) noexcept;
};

}  // namespace seehear
