// The pybind11 module seehear._core. Every public thing is described in sdk/seehear/_core.pyi.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <memory>

#include "bindings/flat_model.h"
#include "bindings/manifest.h"
#include "bindings/net_kernels.h"
#include "bindings/python_invoke.h"
#include "bindings/turns.h"
#include "bindings/unlocked.h"
#include "enhance/hop_scheduler.h"
#include "enhance/stream.h"
#include "firmware/model_image.h"
#include "nets/int8_executor.h"
#include "nets/recurrent_cell.h"
#include "nets/tensor_port.h"
#include "sight/lip_features.h"
#include "sight/lip_geometry.h"
#include "signal/resampler.h"
#include "signal/stft_analyzer.h"
#include "signal/stft_synthesizer.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

void Check(const Status& status) {
  if (!status.ok()) throw py::value_error(status.message());
}

std::string ShapeText(const py::array& array) { return py::cast<std::string>(py::str(array.attr("shape"))); }

std::string DTypeText(const py::array& array) { return py::cast<std::string>(py::str(array.dtype())); }

// Whether an array's values are a T. Equal dtypes need not be one object: pickle makes new ones.
template <typename T>
bool HoldsA(const py::array& array) {
  return py::isinstance<py::array_t<T>>(array);
}

// A float32, C-contiguous, one-dimensional array of `size`, taken as it is: no copy may come between.
float* ExactFloats(const py::array& array, int size, const char* name, bool writable) {
  const bool fits = HoldsA<float>(array) && array.ndim() == 1 && array.shape(0) == size &&
                    (array.flags() & py::array::c_style) != 0;
  if (!fits) {
    throw py::value_error(std::string(name) + " must be a contiguous float32 array of shape (" +
                          std::to_string(size) + ",), got " + DTypeText(array) + " of shape " +
                          ShapeText(array));
  }
  if (writable && !array.writeable())
    throw py::value_error(std::string(name) + " is read-only; pass a writable array");
  return static_cast<float*>(const_cast<void*>(array.data()));
}

const float* Floats(const FloatArray& array, int size, const char* name) {
  if (array.size() != size) {
    throw py::value_error(std::string(name) + " must hold " + std::to_string(size) + " values, got shape " +
                          ShapeText(array));
  }
  return array.data();
}

py::array_t<float> NewFloats(int size) { return py::array_t<float>(size); }

py::array ReadOnlyView(const float* values, int size, const py::handle& owner) {
  py::array view(py::dtype::of<float>(), {size}, {sizeof(float)}, values, owner);
  py::detail::array_proxy(view.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return view;
}

// The scheduler together with what runs its graphs: a Python callable, or the executor.
struct PyScheduler {
  HopScheduler core;
  PythonInvoke invoke;
  Turns turns;
  Int8Executor executor;
  std::vector<uint32_t> image;  // of the executor, in whole words: its tables are read in place
  bool native = false;          // the executor runs the graphs: a hop needs nothing of Python
  py::function next;            // set while the core worked beside Python: comes in when that is done

  // Work of the core, for one thread at a time; what a signal handler raised meanwhile comes out of here.
  template <typename Work>
  void Run(const Work& work) {
    const Turns::Turn turn(&turns);
    if (native)
      Unlocked(work);
    else
      work();
    if (next) Use(std::move(next));
    invoke.RaiseSignal();
  }

  void SetInvoke(py::function function) {
    if (native && turns.inside())
      next = std::move(function);
    else
      Use(std::move(function));
  }

 private:
  void Use(py::function function) {
    invoke.set(std::move(function));
    core.set_invoke(invoke.invoke());
    native = false;
    next = py::function();
  }
};

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

void UseFlatModel(PyScheduler& self, const py::bytes& image) {
  const std::string bytes = image;
  std::vector<uint32_t> words((bytes.size() + 3) / 4);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  ModelImage flat;
  SchedulerConfig config;
  Vector<Int8Graph> layers;
  Int8Executor executor;
  Check(flat.Open(words.data(), bytes.size()));
  Check(flat.Read(&config, &layers));
  Check(executor.Prepare(&self.core.graphs(), layers));
  for (Graph& graph : self.core.graphs()) Check(CheckScales(graph, config.graphs));
  const Turns::Turn turn(&self.turns);
  self.image = std::move(words);
  self.executor = std::move(executor);
  self.core.set_invoke(self.executor.invoke());
  self.invoke.set(py::function());
  self.native = true;
}

std::shared_ptr<PyScheduler> MakeScheduler(const py::dict& manifest, int faces) {
  auto self = std::make_shared<PyScheduler>();
  SchedulerConfig config = ReadManifest(manifest);
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

// A stream and the kind of samples it was last given, so that flush answers in kind.
struct PyStream {
  std::shared_ptr<PyScheduler> scheduler;
  Stream core;
  bool int16 = false;

  py::array Process(const py::array& block) { return ProcessAny(block, false); }

  // One row for each face.
  py::array ProcessFaces(const py::array& block) { return ProcessAny(block, true); }

  py::array Flush() { return int16 ? FlushAs<int16_t>() : FlushAs<float>(); }

 private:
  py::array ProcessAny(const py::array& block, bool faces) {
    if (block.ndim() != 1) {
      throw py::value_error("block must be one-dimensional (one microphone), got shape " + ShapeText(block));
    }
    if (core.block() != 0 && block.size() != core.block()) {
      throw py::value_error("block must hold " + std::to_string(core.block()) +
                            " samples, as was said at the start, got " + std::to_string(block.size()));
    }
    int16 = HoldsA<int16_t>(block);
    if (int16) return ProcessAs<int16_t>(block, faces);
    if (HoldsA<float>(block)) return ProcessAs<float>(block, faces);
    throw py::type_error("block must be int16 or float32, got " + DTypeText(block) +
                         "; use block.astype(numpy.float32) with full scale 1.0");
  }

  template <typename Sample>
  py::array ProcessAs(const py::array& block, bool faces) {
    const auto in = py::array_t<Sample, py::array::c_style>::ensure(block);
    const int count = static_cast<int>(in.size()), width = faces ? scheduler->core.faces() : 0;
    py::array_t<Sample> out(count);
    py::object rows;
    Sample* to[HopScheduler::kMaxFaces];
    if (faces) {
      py::array_t<Sample> each({width, count});
      for (int k = 0; k < width; ++k) to[k] = each.mutable_data() + static_cast<size_t>(k) * count;
      rows = std::move(each);
    }
    const Sample* from = in.data();
    Sample* joint = out.mutable_data();
    scheduler->Run([&]() noexcept { core.Process(from, count, joint, faces ? to : nullptr); });
    if (faces) return py::reinterpret_steal<py::array>(rows.release());
    return std::move(out);
  }

  template <typename Sample>
  py::array FlushAs() {
    py::array_t<Sample> out(core.latency());
    Sample* rest = out.mutable_data();
    scheduler->Run([&]() noexcept { core.Flush(rest); });
    return std::move(out);
  }
};

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

void BindScheduler(py::module_& m) {
  py::class_<PyFace>(m, "Face")
      .def_property_readonly("state", [](const PyFace& self) { return self.path->state().name(); })
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
      .def_property_readonly("mask",
                             [](const py::object& self) {
                               const auto& core = self.cast<PyScheduler&>().core;
                               return ReadOnlyView(core.mask(), core.bands(), self);
                             })
      .def_property_readonly("last_error", [](PyScheduler& self) { return self.invoke.last_error(); })
      .def_property_readonly("counters", &CounterDict);
}

void BindStream(py::module_& m) {
  py::class_<PyStream>(m, "Stream")
      .def(py::init([](std::shared_ptr<PyScheduler> scheduler, int rate, int block) {
             auto self = std::make_unique<PyStream>();
             const Turns::Turn turn(&scheduler->turns);  // for it is reset
             Check(self->core.Prepare(&scheduler->core, rate, block));
             self->scheduler = std::move(scheduler);
             return self;
           }),
           py::arg("scheduler"), py::arg("rate"), py::arg("block") = 0)
      .def("process", &PyStream::Process, py::arg("block"))
      .def("process_faces", &PyStream::ProcessFaces, py::arg("block"))
      .def("flush", &PyStream::Flush)
      .def("reset",
           [](PyStream& self) {
             const Turns::Turn turn(&self.scheduler->turns);
             self.core.Reset();
             self.scheduler->invoke.clear();
           })
      .def_property_readonly("latency", [](PyStream& self) { return self.core.latency(); })
      .def_property_readonly("block", [](PyStream& self) { return self.core.block(); })
      .def_property_readonly("rate", [](PyStream& self) { return self.core.rate(); });
}

// A resampler by itself, block-wise: each block gives the outputs that have become due.
struct PyResampler {
  Resampler core;

  PyResampler(int rate_in, int rate_out) { Check(core.Prepare(rate_in, rate_out)); }

  py::array_t<float> Process(const FloatArray& block) {
    std::vector<float> out;
    for (py::ssize_t i = 0; i < block.size(); ++i) {
      core.Push(block.data()[i]);
      while (core.Due()) out.push_back(core.Pull());
    }
    return py::array_t<float>(static_cast<py::ssize_t>(out.size()), out.data());
  }
};

struct PyAnalyzer {
  FrameSpec spec;
  StftFrame frame;
  StftAnalyzer core;
  std::vector<float> re, im;

  PyAnalyzer(int analysis, int synthesis, int hop, int rate) : spec{rate, analysis, synthesis, hop} {
    Check(frame.Prepare(spec));
    Check(core.Prepare(&frame));
    re.resize(spec.bins());
    im.resize(spec.bins());
  }

  py::array_t<std::complex<float>> Process(const FloatArray& hop) {
    core.Process(Floats(hop, spec.hop, "hop"), re.data(), im.data());
    py::array_t<std::complex<float>> out(spec.bins());
    for (int k = 0; k < spec.bins(); ++k) out.mutable_data()[k] = {re[k], im[k]};
    return out;
  }
};

struct PySynthesizer {
  FrameSpec spec;
  StftFrame frame;
  StftSynthesizer core;
  std::vector<float> re, im;

  PySynthesizer(int analysis, int synthesis, int hop, int rate) : spec{rate, analysis, synthesis, hop} {
    Check(frame.Prepare(spec));
    Check(core.Prepare(&frame));
    re.resize(spec.bins());
    im.resize(spec.bins());
  }

  py::array_t<float> Process(
      const py::array_t<std::complex<float>, py::array::c_style | py::array::forcecast>& spectrum) {
    if (spectrum.size() != spec.bins()) {
      throw py::value_error("spectrum must hold " + std::to_string(spec.bins()) + " bins, got shape " +
                            ShapeText(spectrum));
    }
    for (int k = 0; k < spec.bins(); ++k) {
      re[k] = spectrum.data()[k].real();
      im[k] = spectrum.data()[k].imag();
    }
    auto out = NewFloats(spec.hop);
    core.Process(re.data(), im.data(), out.mutable_data());
    return out;
  }
};

struct PyFeatureExtractor {
  int bands;
  FeatureExtractor core;

  PyFeatureExtractor(const std::vector<float>& mean, const std::vector<float>& std_dev, float floor,
                     float level_init, int level_prior, int level_hops, float clip)
      : bands(static_cast<int>(mean.size())) {
    Check(core.Prepare({floor, level_init, level_prior, level_hops, clip, mean, std_dev}, bands));
  }

  py::array_t<float> Process(const FloatArray& power) {
    auto out = NewFloats(bands);
    core.Process(Floats(power, bands, "power"), out.mutable_data());
    return out;
  }
};

struct PyCell {
  RecurrentCell core;

  explicit PyCell(int units) { Check(core.Prepare(units)); }

  py::array_t<float> Step(const FloatArray& gx, const FloatArray& gh) {
    core.Step(Floats(gx, 3 * core.units(), "gx"), Floats(gh, 3 * core.units(), "gh"));
    core.Commit();
    return py::array_t<float>(core.units(), core.h());
  }
};

struct PyLipFeatures {
  LipFeatures core;

  PyLipFeatures(const std::vector<float>& mean, const std::vector<float>& std_dev, float clip) {
    Check(core.Prepare(mean, std_dev, clip));
  }

  py::array_t<float> Process(const FloatArray& distances, float age) {
    auto out = NewFloats(LipFeatures::kSize);
    core.Process(Floats(distances, LipGeometry::kDistances, "distances"), age, out.mutable_data());
    return out;
  }
};

py::object LipDistances(const FloatArray& landmarks) {
  auto out = NewFloats(LipGeometry::kDistances);
  if (!LipGeometry::Measure(Floats(landmarks, 2 * LipGeometry::kLandmarks, "landmarks"),
                            out.mutable_data())) {
    return py::none();
  }
  return out;
}

py::array_t<float> BandPower(
    const py::array_t<std::complex<float>, py::array::c_style | py::array::forcecast>& spectrum,
    const std::vector<int>& edges, double energy) {
  const int bins = static_cast<int>(spectrum.size());
  BandLayout layout;
  Check(layout.Prepare(edges, bins, energy));
  std::vector<float> re(bins), im(bins);
  for (int k = 0; k < bins; ++k) {
    re[k] = spectrum.data()[k].real();
    im[k] = spectrum.data()[k].imag();
  }
  auto out = NewFloats(layout.bands());
  layout.Power(re.data(), im.data(), out.mutable_data());
  return out;
}

py::array_t<int8_t> Quantize(const FloatArray& values, float scale, int zero_point) {
  TensorPort port;
  const int size = static_cast<int>(values.size());
  Check(port.Prepare({"values", {size}, DType::kInt8, scale, zero_point}));
  port.Write(values.data(), 0, size);
  return py::array_t<int8_t>(size, static_cast<const int8_t*>(port.data()));
}

void BindStages(py::module_& m) {
  py::class_<PyResampler>(m, "Resampler")
      .def(py::init<int, int>(), py::arg("rate_in"), py::arg("rate_out"))
      .def("process", &PyResampler::Process, py::arg("block"))
      .def("reset", [](PyResampler& self) { self.core.Reset(); })
      .def_property_readonly("delay", [](PyResampler& self) { return self.core.delay(); });
  py::class_<PyAnalyzer>(m, "Analyzer")
      .def(py::init<int, int, int, int>(), py::arg("analysis") = 512, py::arg("synthesis") = 320,
           py::arg("hop") = 160, py::arg("rate") = 16000)
      .def("process", &PyAnalyzer::Process, py::arg("hop"))
      .def("reset", [](PyAnalyzer& self) { self.core.Reset(); });
  py::class_<PySynthesizer>(m, "Synthesizer")
      .def(py::init<int, int, int, int>(), py::arg("analysis") = 512, py::arg("synthesis") = 320,
           py::arg("hop") = 160, py::arg("rate") = 16000)
      .def("process", &PySynthesizer::Process, py::arg("spectrum"))
      .def("reset", [](PySynthesizer& self) { self.core.Reset(); })
      .def_property_readonly("latency", [](PySynthesizer& self) { return self.core.latency(); });
  py::class_<PyFeatureExtractor>(m, "FeatureExtractor")
      .def(py::init<std::vector<float>, std::vector<float>, float, float, int, int, float>(), py::arg("mean"),
           py::arg("std"), py::arg("floor") = 1e-8f, py::arg("level_init") = -11.0f,
           py::arg("level_prior") = 20, py::arg("level_hops") = 300, py::arg("clip") = 4.0f)
      .def("process", &PyFeatureExtractor::Process, py::arg("power"))
      .def("reset", [](PyFeatureExtractor& self) { self.core.Reset(); });
  py::class_<PyCell>(m, "RecurrentCell")
      .def(py::init<int>(), py::arg("units"))
      .def("step", &PyCell::Step, py::arg("gx"), py::arg("gh"))
      .def("reset", [](PyCell& self) { self.core.Reset(); });
  py::class_<PyLipFeatures>(m, "LipFeatures")
      .def(py::init<std::vector<float>, std::vector<float>, float>(), py::arg("mean"), py::arg("std"),
           py::arg("clip") = 4.0f)
      .def("process", &PyLipFeatures::Process, py::arg("distances"), py::arg("age"))
      .def("reset", [](PyLipFeatures& self) { self.core.Reset(); });
  m.def("lip_distances", &LipDistances, py::arg("landmarks"));
  m.def("band_power", &BandPower, py::arg("spectrum"), py::arg("edges"), py::arg("energy"));
  m.def("quantize", &Quantize, py::arg("values"), py::arg("scale"), py::arg("zero_point"));
}

}  // namespace
}  // namespace seehear::bindings

PYBIND11_MODULE(_core, m) {
  m.doc() = "Real-time core of seehear; see _core.pyi.";
  seehear::bindings::BindScheduler(m);
  seehear::bindings::BindStream(m);
  seehear::bindings::BindStages(m);
  seehear::bindings::BindFlatModel(m);
  seehear::bindings::BindNetKernels(m);
}
