#include "graph.h"

namespace seehear {
namespace {

TensorPort* Find(std::vector<TensorPort>& ports, const std::string& name) {
  for (TensorPort& port : ports) {
    if (port.spec().name == name) return &port;
  }
  return nullptr;
}

void Append(const std::vector<TensorPort>& ports, std::string* text) {
  for (size_t i = 0; i < ports.size(); ++i) *text += (i ? ", " : "") + ports[i].spec().name;
}

Status PrepareAll(const std::string& graph, const std::vector<TensorSpec>& specs,
                  std::vector<TensorPort>* ports) {
  ports->resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    const Status status = (*ports)[i].Prepare(specs[i]);
    if (!status.ok()) return Status::Error("graph %s: %s", graph.c_str(), status.message().c_str());
  }
  return Status::Ok();
}

}  // namespace

Status Graph::Prepare(const GraphSpec& spec) {
  name_ = spec.name;
  SEEHEAR_RETURN_IF_ERROR(PrepareAll(name_, spec.inputs, &inputs_));
  return PrepareAll(name_, spec.outputs, &outputs_);
}

TensorPort* Graph::Input(const std::string& tensor) { return Find(inputs_, tensor); }

TensorPort* Graph::Output(const std::string& tensor) { return Find(outputs_, tensor); }

std::string Graph::TensorNames() const {
  std::string text;
  Append(inputs_, &text);
  text += " -> ";
  Append(outputs_, &text);
  return text;
}

}  // namespace seehear
