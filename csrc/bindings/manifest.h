// Reads the manifest of a model bundle (a Python dict) into the configuration of the hop scheduler.
#pragma once

#include <pybind11/pybind11.h>

#include "enhance/hop_scheduler.h"

namespace seehear::bindings {

// Throws pybind11::value_error with one sentence that names the key, what was expected and what came.
SchedulerConfig ReadManifest(const pybind11::dict& manifest);

}  // namespace seehear::bindings
