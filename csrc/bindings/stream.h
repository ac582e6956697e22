// seehear._core.Stream: blocks of any size around a scheduler.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

void BindStream(pybind11::module_& m);

}  // namespace seehear::bindings
