// seehear._core.LIMITS: what the core takes, for whoever checks before it.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

void BindLimits(pybind11::module_& m);

}  // namespace seehear::bindings
