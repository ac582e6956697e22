// The stages of a hop one by one, for tests and training: seehear._core.Resampler, Analyzer, Synthesizer,
// FeatureExtractor, RecurrentCell, LipFeatures, lip_distances, band_power, quantize.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

void BindStages(pybind11::module_& m);

}  // namespace seehear::bindings
