// seehear._core.FlatModel: the C interface of firmware, for tests and for measuring a model on the host.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

void BindFlatModel(pybind11::module_& m);

}  // namespace seehear::bindings
