#include "bindings/flat_model.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "firmware/c_api.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

// Far above any model; the image says how much of it is needed, except while that is being found out.
constexpr size_t kMostMemory = 64 << 20;

class FlatModel {
 public:
  explicit FlatModel(const std::string& image) : image_((image.size() + 3) / 4) {
    std::memcpy(image_.data(), image.data(), image.size());
    size_t size = seehear_needed_memory(image_.data(), image.size());
    if (size == 0) size = kMostMemory;
    memory_.reset(
        new uint64_t[size / sizeof(uint64_t)]);  // not initialised: the pages of a large one stay untouched
    seehear_error error;
    handle_ = seehear_init(image_.data(), image.size(), memory_.get(), size / 8 * 8, &error);
    if (handle_ == nullptr) throw py::value_error(error.text);
  }

  py::array_t<float> Process(const FloatArray& block) {
    const int hop = seehear_hop(handle_);
    if (block.ndim() != 1 || block.size() != hop) {
      throw py::value_error("block must hold one hop of " + std::to_string(hop) + " samples, got " +
                            std::to_string(block.size()));
    }
    py::array_t<float> out(hop);
    seehear_process(handle_, block.data(), out.mutable_data());
    return out;
  }

  bool See(const py::object& landmarks, double t) {
    if (landmarks.is_none()) return seehear_see(handle_, nullptr, t) != 0;
    const auto points = FloatArray::ensure(landmarks);
    if (!points || points.size() != 2 * SEEHEAR_LANDMARKS) {
      PyErr_Clear();
      throw py::value_error("landmarks must be None or an array of shape (50, 2)");
    }
    return seehear_see(handle_, points.data(), t) != 0;
  }

  bool Run(int graph) { return seehear_run_int8(handle_, graph) == 0; }

  std::vector<std::string> GraphNames() const {
    std::vector<std::string> names;
    for (int g = 0; g < seehear_graph_count(handle_); ++g) names.push_back(seehear_graph_name(handle_, g));
    return names;
  }

  py::dict Counters() const {
    py::dict result;
    for (int i = 0; i < seehear_counter_count(); ++i) {
      const char* name = seehear_counter_name(i);
      result[name] = seehear_counter(handle_, name);
    }
    return result;
  }

  seehear_t* handle() const { return handle_; }

 private:
  std::vector<uint32_t> image_;
  std::unique_ptr<uint64_t[]> memory_;
  seehear_t* handle_ = nullptr;
};

py::array Tensor(const py::object& owner, int graph, const char* name) {
  int size = 0;
  int8_t* data = seehear_tensor(owner.cast<FlatModel&>().handle(), graph, name, &size);
  if (data == nullptr) throw py::key_error("graph " + std::to_string(graph) + " has no tensor " + name);
  return py::array(py::dtype::of<int8_t>(), {1, size}, {}, data, owner);
}

}  // namespace

void BindFlatModel(py::module_& m) {
  py::class_<FlatModel>(m, "FlatModel")
      .def(py::init([](const py::bytes& image) { return std::make_unique<FlatModel>(std::string(image)); }),
           py::arg("image"))
      .def("process", &FlatModel::Process, py::arg("block"))
      .def("see", &FlatModel::See, py::arg("landmarks").none(true), py::arg("t"))
      .def("reset", [](FlatModel& self) { seehear_reset(self.handle()); })
      .def("run", &FlatModel::Run, py::arg("graph"))
      .def("tensor", &Tensor, py::arg("graph"), py::arg("tensor"))
      .def_property_readonly("graph_names", &FlatModel::GraphNames)
      .def_property_readonly("hop", [](const FlatModel& self) { return seehear_hop(self.handle()); })
      .def_property_readonly("latency", [](const FlatModel& self) { return seehear_latency(self.handle()); })
      .def_property_readonly("memory",
                             [](const FlatModel& self) { return seehear_used_memory(self.handle()); })
      .def_property_readonly("face_state",
                             [](const FlatModel& self) { return seehear_face_state(self.handle()); })
      .def_property_readonly("counters", &FlatModel::Counters);
}

}  // namespace seehear::bindings
