#include "bindings/manifest.h"

#include <algorithm>
#include <cmath>

#include "pybind11/stl.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

[[noreturn]] void Fail(const std::string& sentence) { throw py::value_error("manifest: " + sentence); }

std::string TypeName(const py::handle& value) {
  return py::cast<std::string>(py::type::of(value).attr("__name__"));
}

// One object of the manifest, with the path that messages call it by.
class Node {
 public:
  Node(py::dict dict, std::string path) : dict_(std::move(dict)), path_(std::move(path)) {}

  bool Has(const char* key) const { return dict_.contains(key); }
  const py::dict& dict() const { return dict_; }
  std::string Name(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  py::object Get(const char* key) const {
    if (!Has(key)) Fail(Name(key) + " is missing");
    return dict_[key];
  }

  Node Child(const char* key) const {
    const py::object value = Get(key);
    if (!py::isinstance<py::dict>(value)) Fail(Name(key) + " must be an object, got " + TypeName(value));
    return Node(py::reinterpret_borrow<py::dict>(value), Name(key));
  }

  template <typename T>
  T Value(const char* key, const char* kind) const {
    const py::object value = Get(key);
    try {
      return py::cast<T>(value);
    } catch (const py::cast_error&) {
      Fail(Name(key) + " must be " + kind + ", got " + TypeName(value) + " " +
           py::cast<std::string>(py::repr(value)).substr(0, 60));
    }
  }

  // JSON writers differ on whether a whole number may be written 25.0; both are taken.
  int Int(const char* key) const {
    const double value = Value<double>(key, "a whole number");
    if (value != std::floor(value) || std::abs(value) > 1e9) {
      Fail(Name(key) + " must be a whole number, got " + py::cast<std::string>(py::repr(Get(key))));
    }
    return static_cast<int>(value);
  }
  float Float(const char* key) const { return Value<float>(key, "a number"); }
  std::string Text(const char* key) const { return Value<std::string>(key, "a string"); }
  std::vector<int> Ints(const char* key) const {
    return Value<std::vector<int>>(key, "a list of whole numbers");
  }
  std::vector<float> Floats(const char* key) const {
    return Value<std::vector<float>>(key, "a list of numbers");
  }
  std::vector<std::string> Texts(const char* key) const {
    return Value<std::vector<std::string>>(key, "a list of strings");
  }

 private:
  py::dict dict_;
  std::string path_;
};

// Calls visit(name, node) for every entry of an object of objects.
template <typename Visit>
void ForEach(const Node& parent, Visit visit) {
  for (const auto& [key, value] : parent.dict()) {
    const std::string name = py::cast<std::string>(py::str(key));
    visit(name, parent.Child(name.c_str()));
  }
}

TensorSpec ReadTensor(const std::string& name, const Node& node) {
  TensorSpec spec;
  spec.name = name;
  spec.shape = node.Ints("shape");
  const std::string dtype = node.Text("dtype");
  if (dtype == "int8") {
    spec.dtype = DType::kInt8;
    spec.scale = node.Float("scale");
    spec.zero_point = node.Int("zero_point");
  } else if (dtype == "float32") {
    spec.dtype = DType::kFloat32;
  } else {
    Fail(node.Name("dtype") + " must be int8 or float32, got " + dtype);
  }
  return spec;
}

GraphSpec ReadGraph(const Node& graphs, const std::string& name) {
  const Node node = graphs.Child(name.c_str());
  GraphSpec spec;
  spec.name = name;
  const auto read_into = [](Vector<TensorSpec>* tensors) {
    return [tensors](const std::string& tensor, const Node& child) {
      tensors->push_back(ReadTensor(tensor, child));
    };
  };
  ForEach(node.Child("inputs"), read_into(&spec.inputs));
  ForEach(node.Child("outputs"), read_into(&spec.outputs));
  return spec;
}

NetSpec ReadNet(const Node& networks, const char* name) {
  const Node node = networks.Child(name);
  NetSpec spec;
  spec.name = name;
  spec.inputs = node.Texts("inputs");
  const std::string cell = node.Text("cell");
  if (cell != "gru") Fail(node.Name("cell") + " must be gru, got " + cell);
  for (const py::handle& item : py::list(node.Get("layers"))) {
    if (!py::isinstance<py::dict>(item))
      Fail(node.Name("layers") + " must hold objects with graph and units");
    const Node layer(py::reinterpret_borrow<py::dict>(item), node.Name("layers"));
    spec.layers.push_back({layer.Text("graph"), layer.Int("units")});
  }
  spec.head = node.Text("head");
  const Node outputs = node.Child("outputs");
  for (const auto& [key, value] : outputs.dict()) {
    const std::string tensor = py::cast<std::string>(py::str(key));
    spec.outputs.push_back({tensor, outputs.Text(tensor.c_str())});
  }
  return spec;
}

}  // namespace

SchedulerConfig ReadManifest(const py::dict& manifest) {
  const Node root(manifest, "");
  SchedulerConfig config;

  const Node profile = root.Child("profile");
  config.frame = {profile.Int("rate"), profile.Int("analysis"), profile.Int("synthesis"), profile.Int("hop")};
  config.edges = root.Child("bands").Ints("edges");

  const Node features = root.Child("features");
  config.features.floor = features.Float("floor");
  config.features.level_init = features.Float("level_init");
  config.features.level_prior = features.Int("level_prior");
  config.features.level_hops = features.Int("level_hops");
  config.features.clip = features.Float("clip");
  config.features.mean = features.Floats("mean");
  config.features.std_dev = features.Floats("std");

  const Node fusion = root.Child("fusion");
  config.floor_db = fusion.Float("floor_db");

  const Node networks = root.Child("networks");
  config.audio = ReadNet(networks, "audio");
  config.has_vision = networks.Has("lips") || networks.Has("gate");
  if (config.has_vision) {
    if (!networks.Has("lips") || !networks.Has("gate")) {
      Fail(std::string("networks must hold audio alone, or audio, lips and gate; ") +
           (networks.Has("lips") ? "gate" : "lips") + " is missing");
    }
    config.lips = ReadNet(networks, "lips");
    config.gate = ReadNet(networks, "gate");
    const std::string form = fusion.Text("form");
    if (form != "av" && form != "product") Fail("fusion.form must be av or product, got " + form);
    config.form = form == "av" ? FusionForm::kAv : FusionForm::kProduct;

    const Node visual = root.Child("visual");
    config.visual.rate = visual.Int("rate");
    config.visual.masks_per_image = visual.Int("masks_per_image");
    config.visual.delay_ms = visual.Float("delay_ms");
    config.visual.mean = visual.Floats("mean");
    config.visual.std_dev = visual.Floats("std");
    config.visual.clip = visual.Float("clip");
    config.visual.frozen_images = visual.Int("frozen_images");
    config.visual.images_on = visual.Int("images_on");
    config.visual.images_off = visual.Int("images_off");
  }

  // Only the graphs of these networks: others (of the vision part, say) are nobody's business here.
  const Node graphs = root.Child("graphs");
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const NetSpec* net : {&config.audio, &config.lips, &config.gate}) {
    for (const LayerSpec& layer : net->layers) add(layer.graph.c_str());
    if (!net->head.empty()) add(net->head.c_str());
  }
  for (const std::string& name : names) config.graphs.push_back(ReadGraph(graphs, name));
  return config;
}

}  // namespace seehear::bindings
