#include "bindings/scheduler.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/arrays.h"
#include "firmware/model_image.h"
#include "nets/tensor_port.h"
#include "sight/lip_geometry.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

// A model of the same shape that was trained anew has other scales: its answers would mean something else
// here.
Status CheckScales(Graph& graph, const Vector<GraphSpec>& flat) {
  for (const GraphSpec& spec : flat) {
    if (!(spec.name == graph.name())) continue;
    for (const auto* side : {&spec.inputs, &spec.outputs}) {
      for (const TensorSpec& theirs : *side) {
        TensorPort* port = graph.Input(theirs.name.c_str());
        if (port == nullptr) port = graph.Output(theirs.name.c_str());
        if (port == nullptr) continue;
        const TensorSpec& ours = port->spec();
        if (ours.scale == theirs.scale && ours.zero_point == theirs.zero_point) continue;
        return Status::Error(
            "graph %s: the flat model is of another bundle: its tensor %s has scale %g and zero point %d, "
            "expected %g and %d",
            graph.name().c_str(), theirs.name.c_str(), theirs.scale, theirs.zero_point, ours.scale,
            ours.zero_point);
      }
    }
  }
  return Status::Ok();
}

// config and layers are views of the image, which lies at a multiple of 4, as all bytes of Python do.
void ReadImage(const py::bytes& image, SchedulerConfig* config, Vector<Int8Graph>* layers) {
  const std::string_view bytes = image;
  ModelImage flat;
  Check(flat.Open(bytes.data(), bytes.size()));
  Check(flat.Read(config, layers));
}

void UseFlatModel(PyScheduler& self, const py::bytes& image) {
  SchedulerConfig config;
  Vector<Int8Graph> layers;
  Int8Executor executor;
  ReadImage(image, &config, &layers);
  Check(executor.Prepare(&self.core.graphs(), layers));
  for (Graph& graph : self.core.graphs()) Check(CheckScales(graph, config.graphs));
  const Turns::Turn turn(&self.turns);
  self.image = image;
  self.executor = std::move(executor);
  self.core.set_invoke(self.executor.invoke());
  self.invoke.set(py::function());
  self.native = true;
}

std::shared_ptr<PyScheduler> MakeScheduler(const py::bytes& image, int faces) {
  auto self = std::make_shared<PyScheduler>();
  SchedulerConfig config;
  self->config = image;
  ReadImage(image, &config, nullptr);
  config.faces = faces;
  const Status status = self->core.Prepare(config);
  if (!status.ok()) throw py::value_error("manifest: " + status.message());
  return self;
}

py::array Buffer(const py::object& owner, int graph, const std::string& tensor) {
  auto& graphs = owner.cast<PyScheduler&>().core.graphs();
  if (graph < 0 || graph >= static_cast<int>(graphs.size())) {
    throw py::index_error("graph must be 0 to " + std::to_string(graphs.size() - 1) + ", got " +
                          std::to_string(graph));
  }
  TensorPort* port = graphs[graph].Input(tensor.c_str());
  if (port == nullptr) port = graphs[graph].Output(tensor.c_str());
  if (port == nullptr) {
    throw py::key_error(std::string("graph ") + graphs[graph].name().c_str() + " has no tensor " + tensor +
                        ", it has " + graphs[graph].TensorNames().c_str());
  }
  const py::dtype dtype =
      port->spec().dtype == DType::kInt8 ? py::dtype::of<int8_t>() : py::dtype::of<float>();
  return py::array(dtype, port->spec().shape, {}, port->data(), owner);
}

bool See(PyScheduler& self, const py::object& landmarks, double t, int face) {
  if (landmarks.is_none()) return self.core.See(nullptr, t, face);
  const FloatArray points = FloatArray::ensure(landmarks);
  if (!points || points.ndim() != 2 || points.shape(0) != LipGeometry::kLandmarks || points.shape(1) != 2) {
    PyErr_Clear();
    throw py::value_error("landmarks must be None or an array of shape (50, 2), got " +
                          (points ? "shape " + ShapeText(points)
                                  : py::cast<std::string>(py::type::of(landmarks).attr("__name__"))));
  }
  return self.core.See(points.data(), t, face);
}

py::dict CounterDict(PyScheduler& self) {
  py::dict result;
  for (int i = 0; i < Counters::kCount; ++i) result[Counters::Name(i)] = self.core.counters().Get(i);
  return result;
}

template <typename T>
void Set(bool accepted, const char* name, const char* range, T value) {
  if (!accepted)
    throw py::value_error(std::string(name) + " must be " + range + ", got " + std::to_string(value));
}

// `with scheduler.held():`
struct Held {
  std::shared_ptr<PyScheduler> scheduler;
};

// One face of a scheduler, as it is now.
struct PyFace {
  const FacePath* path;
  int bands;
};

PyFace FaceOf(PyScheduler& self, int face) {
  if (face < 0 || face >= self.core.faces()) {
    throw py::index_error("face must be 0 to " + std::to_string(self.core.faces() - 1) + ", got " +
                          std::to_string(face));
  }
  return {&self.core.face(face), self.core.bands()};
}

template <const float* (FacePath::*kValues)() const>
py::array FaceValues(const py::object& self) {
  const auto& face = self.cast<PyFace&>();
  return ReadOnlyView((face.path->*kValues)(), face.bands, self);
}

}  // namespace

void BindScheduler(py::module_& m) {
  py::class_<PyFace>(m, "Face")
      .def_property_readonly("state", [](const PyFace& self) { return self.path->state().name(); })
      .def_property_readonly("agreement", [](const PyFace& self) { return self.path->agreement(); })
      .def_property_readonly("ibm", &FaceValues<&FacePath::ibm>)
      .def_property_readonly("gate", &FaceValues<&FacePath::gate>)
      .def_property_readonly("mask", &FaceValues<&FacePath::mask>);
  py::class_<Held>(m, "Held")
      .def("__enter__", [](Held& self) { self.scheduler->turns.Hold(); })
      .def("__exit__", [](Held& self, const py::args&) { self.scheduler->turns.Let(); });
  py::class_<PyScheduler, std::shared_ptr<PyScheduler>>(m, "HopScheduler")
      .def(py::init(&MakeScheduler), py::arg("config"), py::arg("faces") = 1)
      .def_property_readonly("graph_names",
                             [](PyScheduler& self) {
                               std::vector<std::string> names;
                               for (const Graph& graph : self.core.graphs())
                                 names.push_back(graph.name().c_str());
                               return names;
                             })
      .def("buffer", &Buffer, py::arg("graph"), py::arg("tensor"))
      .def("set_invoke", &PyScheduler::SetInvoke, py::arg("fn"))
      .def(
          "set_native_invoke",
          [](PyScheduler& self, uintptr_t fn_ptr, uintptr_t ctx) {
            const Turns::Turn turn(&self.turns);
            self.native = false;  // whether it needs Python's lock nobody knows
            self.core.set_invoke({reinterpret_cast<InvokeFunction>(fn_ptr), reinterpret_cast<void*>(ctx)});
          },
          py::arg("fn_ptr"), py::arg("ctx"))
      .def("use_flat_model", &UseFlatModel, py::arg("image"))
      .def(
          "process",
          [](PyScheduler& self, const py::array& block, const py::array& out) {
            const float* in = ExactFloats(block, self.core.hop(), "block", false);
            float* result = ExactFloats(out, self.core.hop(), "out", true);
            self.Run([&]() noexcept { self.core.Process(in, result); });
          },
          py::arg("block"), py::arg("out"))
      .def("see", &See, py::arg("landmarks").none(true), py::arg("t"), py::arg("face") = 0)
      .def("face", &FaceOf, py::arg("face"), py::keep_alive<0, 1>())
      .def("flush",
           [](PyScheduler& self) {
             auto out = NewFloats(self.core.latency());
             float* rest = out.mutable_data();
             self.Run([&]() noexcept { self.core.Flush(rest); });
             return out;
           })
      .def("reset",
           [](PyScheduler& self) {
             const Turns::Turn turn(&self.turns);
             self.core.Reset();
             self.invoke.clear();
           })
      .def("held", [](std::shared_ptr<PyScheduler> self) { return Held{std::move(self)}; })
      .def_property_readonly_static("reach", [](const py::object&) { return HopScheduler::kReach; })
      .def_property_readonly_static("max_faces", [](const py::object&) { return HopScheduler::kMaxFaces; })
      .def_property_readonly("latency", [](PyScheduler& self) { return self.core.latency(); })
      .def_property_readonly("hop", [](PyScheduler& self) { return self.core.hop(); })
      .def_property_readonly("rate", [](PyScheduler& self) { return self.core.rate(); })
      .def_property_readonly("bands", [](PyScheduler& self) { return self.core.bands(); })
      .def_property_readonly("has_vision", [](PyScheduler& self) { return self.core.has_vision(); })
      .def_property_readonly("faces", [](PyScheduler& self) { return self.core.faces(); })
      .def_property_readonly("now", [](PyScheduler& self) { return self.core.now(); })
      .def_property(
          "visual_delay_ms", [](PyScheduler& self) { return self.core.visual_delay_ms(); },
          [](PyScheduler& self, float value) {
            Set(self.core.set_visual_delay_ms(value), "visual_delay_ms", "0 to 500", value);
          })
      .def_property(
          "selected", [](PyScheduler& self) { return self.core.selected(); },
          [](PyScheduler& self, uint32_t value) {
            Set(self.core.set_selected(value), "selected", "a bit for each face, at least one", value);
          })
      .def_property(
          "strength", [](PyScheduler& self) { return self.core.strength(); },
          [](PyScheduler& self, float value) {
            Set(self.core.set_strength(value), "strength", "0 to 1", value);
          })
      .def_property(
          "floor_db", [](PyScheduler& self) { return self.core.floor_db(); },
          [](PyScheduler& self, float value) {
            Set(self.core.set_floor_db(value), "floor_db", "-80 to 0", value);
          })
      .def_property_readonly("irm",
                             [](const py::object& self) {
                               const auto& core = self.cast<PyScheduler&>().core;
                               return ReadOnlyView(core.irm(), core.bands(), self);
                             })
      .def_property_readonly("ibm",
                             [](const py::object& self) {
                               const auto& core = self.cast<PyScheduler&>().core;
                               return ReadOnlyView(core.face(0).ibm(), core.bands(), self);
                             })
      .def_property_readonly("mask",
                             [](const py::object& self) {
                               const auto& core = self.cast<PyScheduler&>().core;
                               return ReadOnlyView(core.mask(), core.bands(), self);
                             })
      .def_property_readonly("last_error", [](PyScheduler& self) { return self.invoke.last_error(); })
      .def_property_readonly("counters", &CounterDict);
}

}  // namespace seehear::bindings
