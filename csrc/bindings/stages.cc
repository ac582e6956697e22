#include "bindings/stages.h"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <complex>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "nets/recurrent_cell.h"
#include "nets/tensor_port.h"
#include "sight/lip_features.h"
#include "sight/lip_geometry.h"
#include "signal/band_layout.h"
#include "signal/feature_extractor.h"
#include "signal/resampler.h"
#include "signal/stft_analyzer.h"
#include "signal/stft_synthesizer.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

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

}  // namespace

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

}  // namespace seehear::bindings
