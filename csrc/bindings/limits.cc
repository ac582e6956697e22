#include "bindings/limits.h"

#include "enhance/hop_scheduler.h"
#include "firmware/model_image.h"

namespace py = pybind11;

namespace seehear::bindings {

void BindLimits(py::module_& m) {
  py::dict limits;
  limits["rate"] = py::make_tuple(FrameSpec::kMinRate, FrameSpec::kMaxRate);
  limits["analysis"] = py::make_tuple(FrameSpec::kMinAnalysis, FrameSpec::kMaxAnalysis);
  limits["floor_db"] = py::make_tuple(HopScheduler::kMinFloorDb, 0.0f);
  limits["visual_delay_ms"] = py::make_tuple(0.0f, HopScheduler::kMaxVisualDelayMs);
  limits["masks_per_image"] = static_cast<int>(MaskAligner::kMaxMasks);
  limits["units"] = static_cast<int>(RecurrentCell::kMaxUnits);
  limits["lip_features"] = static_cast<int>(LipFeatures::kSize);
  limits["items"] = static_cast<int>(ModelImage::kMaxItems);
  limits["name"] = static_cast<int>(ModelImage::kMaxName);
  m.attr("LIMITS") = limits;
}

}  // namespace seehear::bindings
