// Arrays and statuses on their way between numpy and the core.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "base/status.h"

namespace seehear::bindings {

using FloatArray = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;

inline void Check(const Status& status) {
  if (!status.ok()) throw pybind11::value_error(status.message());
}

inline std::string ShapeText(const pybind11::array& array) {
  return pybind11::cast<std::string>(pybind11::str(array.attr("shape")));
}

inline std::string DTypeText(const pybind11::array& array) {
  return pybind11::cast<std::string>(pybind11::str(array.dtype()));
}

// Whether an array's values are a T. Equal dtypes need not be one object: pickle makes new ones.
template <typename T>
bool HoldsA(const pybind11::array& array) {
  return pybind11::isinstance<pybind11::array_t<T>>(array);
}

// A float32, C-contiguous, one-dimensional array of `size`, taken as it is: no copy may come between.
inline float* ExactFloats(const pybind11::array& array, int size, const char* name, bool writable) {
  const bool fits = HoldsA<float>(array) && array.ndim() == 1 && array.shape(0) == size &&
                    (array.flags() & pybind11::array::c_style) != 0;
  if (!fits) {
    throw pybind11::value_error(std::string(name) + " must be a contiguous float32 array of shape (" +
                                std::to_string(size) + ",), got " + DTypeText(array) + " of shape " +
                                ShapeText(array));
  }
  if (writable && !array.writeable())
    throw pybind11::value_error(std::string(name) + " is read-only; pass a writable array");
  return static_cast<float*>(const_cast<void*>(array.data()));
}

inline const float* Floats(const FloatArray& array, int size, const char* name) {
  if (array.size() != size) {
    throw pybind11::value_error(std::string(name) + " must hold " + std::to_string(size) +
                                " values, got shape " + ShapeText(array));
  }
  return array.data();
}

inline pybind11::array_t<float> NewFloats(int size) { return pybind11::array_t<float>(size); }

inline pybind11::array ReadOnlyView(const float* values, int size, const pybind11::handle& owner) {
  pybind11::array view(pybind11::dtype::of<float>(), {size}, {sizeof(float)}, values, owner);
  pybind11::detail::array_proxy(view.ptr())->flags &= ~pybind11::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return view;
}

}  // namespace seehear::bindings
